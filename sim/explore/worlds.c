/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/worlds.h"

#include "sim/mem/put.h"

/* How far each actor's program is: in the arena. */
typedef struct {
	uint8_t next[M2D_EX_MAX_ACTORS];  /* index into the actor's list of steps */
	uint8_t doing[M2D_EX_MAX_ACTORS]; /* a step is under way */
	uint8_t refused; /* a step could not be begun: a broken scenario, not a violation */
	uint8_t pad[7];
	/* Of the operations under way, where claims ask for them: the model of KVM keeps them
	 * outside of the arena. */
	M2dOpOutcome outcome[M2D_EX_MAX_ACTORS];
} ExWorldState;

struct _M2dExWorld {
	const M2dScenario *s;
	M2dScnWorld *w;
	M2dCheck *check;
	M2dExClaims *claims; /* or NULL */
	ExWorldState *st;
	M2dExModel model;
	GArray *program[M2D_EX_MAX_ACTORS]; /* of unsigned: steps of the actor */
	uint64_t *ended; /* by step of the scenario: how often it came to its end; statistics */
};

static const M2dScnStep *next_step(const M2dExWorld *x, unsigned actor, unsigned *index)
{
	const GArray *p = x->program[actor];

	if (x->st->next[actor] >= p->len)
		return NULL;
	*index = g_array_index(p, unsigned, x->st->next[actor]);
	return &x->s->steps[*index];
}

static bool done(void *data, unsigned actor)
{
	const M2dExWorld *x = data;

	return m2d_kvm_idle(x->w->vm, actor) && x->st->next[actor] >= x->program[actor]->len;
}

/* Another vCPU than @vcpu runs on @pcpu: in the guest, or in KVM. */
static bool is_taken(const M2dVm *vm, unsigned pcpu, unsigned vcpu)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++) {
		const M2dKvmVcpu *v = vm->vcpu[i];

		if (i != vcpu && v->pcpu == pcpu && v->loaded &&
		    (v->in_guest || !m2d_kvm_idle(vm, i)))
			return true;
	}
	return false;
}

/* A vCPU that has come to the end of its program runs on in the guest; where another waits for its
 * processor, it is scheduled out at some time. */
static bool must_yield(const M2dExWorld *x, unsigned actor)
{
	const M2dVm *vm = x->w->vm;
	const M2dKvmVcpu *v;

	if (vm->n_pcpus == vm->n_vcpus || actor >= vm->n_vcpus)
		return false;
	v = vm->vcpu[actor];
	if (!v->in_guest || !v->loaded || !done((void *)x, actor))
		return false;
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (i != actor && vm->vcpu[i]->pcpu == v->pcpu &&
		    x->st->next[i] < x->program[i]->len)
			return true;
	return false;
}

/* The memory of a process goes when the last of its threads is gone: all but @actor are done. */
static bool all_over(const M2dExWorld *x, unsigned actor)
{
	for (unsigned a = 0; a < x->model.n_actors; a++)
		if (a != actor && !done((void *)x, a))
			return false;
	return true;
}

static unsigned enabled(void *data, unsigned actor)
{
	M2dExWorld *x = data;
	M2dVm *vm = x->w->vm;
	const M2dScnStep *s;
	unsigned index, pcpu;

	if (m2d_kvm_wants_step(vm, actor))
		return 1;
	if (!m2d_kvm_idle(vm, actor))
		return 0;
	s = next_step(x, actor, &index);
	if (s == NULL)
		return must_yield(x, actor);
	if (s->op.kind == M2D_OP_RELEASE)
		return all_over(x, actor);
	if (actor >= vm->n_vcpus)
		return 1;
	pcpu = s->op.kind == M2D_OP_RESUME && s->op.given & 1 ? (unsigned)s->op.arg[0]
							      : vm->vcpu[actor]->pcpu;
	return !is_taken(vm, pcpu, actor);
}

/* The outcome so far is that of this schedule, not of the one tried before. */
static bool step_of_op(M2dExWorld *x, unsigned actor)
{
	M2dOpOutcome *now = m2d_kvm_outcome_of(x->w->vm, actor);
	bool ended;

	if (x->claims == NULL)
		return m2d_kvm_step(x->w->vm, actor);
	*now = x->st->outcome[actor];
	ended = m2d_kvm_step(x->w->vm, actor);
	m2d_arena_write(x->model.arena, &x->st->outcome[actor], now, sizeof(*now));
	return ended;
}

static void end_step(M2dExWorld *x, unsigned actor)
{
	static const M2dOpOutcome none;
	const M2dOpOutcome *o = m2d_kvm_outcome(x->w->vm, actor);
	unsigned index;

	if (x->claims != NULL)
		m2d_arena_write(x->model.arena, &x->st->outcome[actor], &none, sizeof(none));
	if (x->st->doing[actor] == 0)
		return;
	index = x->st->doing[actor] - 1u;
	M2D_PUT(x->model.arena, x->st->doing[actor], 0);
	x->ended[index]++;
	if (x->claims != NULL)
		m2d_ex_claims_ended(x->claims, index, o);
}

static void step(void *data, unsigned actor, unsigned alt)
{
	M2dExWorld *x = data;
	M2dVm *vm = x->w->vm;
	unsigned index;
	const M2dScnStep *s;
	static const M2dOp yield = {.kind = M2D_OP_PREEMPT};

	/* An interrupt of an idle vCPU is taken at the latest by its next operation. */
	if (m2d_kvm_idle(vm, actor)) {
		s = next_step(x, actor, &index);
		if (s == NULL && !m2d_kvm_wants_step(vm, actor)) {
			m2d_kvm_start(vm, actor, &yield, NULL);
		} else if (s != NULL) {
			M2D_PUT(x->model.arena, x->st->next[actor], x->st->next[actor] + 1);
			if (!m2d_kvm_start(vm, actor, &s->op, NULL)) {
				M2D_PUT(x->model.arena, x->st->refused, 1);
				return;
			}
			if (m2d_kvm_idle(vm, actor)) {
				x->ended[index]++;
				return;
			}
			M2D_PUT(x->model.arena, x->st->doing[actor], index + 1);
		}
	}
	if (step_of_op(x, actor))
		end_step(x, actor);
	else if (x->claims != NULL)
		m2d_ex_claims_point(x->claims, (M2dPoint)vm->rt->task[actor]->point);
}

static unsigned violation(void *data)
{
	M2dExWorld *x = data;
	unsigned n = m2d_check_n_findings(x->check), bad;

	if (n == 0)
		return 0;
	bad = m2d_check_finding(x->check, 0)->id + 1u;
	m2d_check_forget(x->check);
	return bad;
}

static unsigned end_violation(void *data)
{
	M2dExWorld *x = data;
	M2dMark mark = m2d_arena_mark(x->model.arena);
	unsigned bad;

	m2d_check_end(x->check);
	bad = violation(data);
	if (bad == 0 && x->claims != NULL && m2d_ex_claims_end(x->claims) != 0)
		bad = M2D_EX_CLAIM;
	m2d_arena_rollback(x->model.arena, mark);
	return bad;
}

static void make_programs(M2dExWorld *x, uint64_t drop)
{
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		x->program[a] = g_array_new(FALSE, FALSE, sizeof(unsigned));
	for (unsigned i = 0; i < x->s->n_steps; i++) {
		int actor = m2d_scn_world_actor(x->w, x->s->steps[i].actor);

		if (!x->s->steps[i].is_continue && actor >= 0 && (i >= 64 || !(drop >> i & 1)))
			g_array_append_val(x->program[actor], i);
	}
}

M2dExWorld *m2d_ex_world_new(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
			     GError **error)
{
	M2dScnWorld *w = m2d_scn_world_new(scenario, variant, options, error);
	M2dExWorld *x;

	if (w == NULL)
		return NULL;
	x = g_new0(M2dExWorld, 1);
	x->s = scenario;
	x->ended = g_new0(uint64_t, scenario->n_steps + 1);
	x->w = w;
	x->check = m2d_check_new(w->vm, &(M2dCheckOptions){.max_findings = 1});
	x->st = m2d_arena_alloc(w->vm->arena, sizeof(ExWorldState), 64);
	make_programs(x, options->drop);
	if (options->claims)
		x->claims = m2d_ex_claims_new(w);
	x->model = (M2dExModel){.arena = w->vm->arena,
				.n_actors = w->vm->rt->n_tasks,
				.data = x,
				.enabled = enabled,
				.step = step,
				.done = done,
				.violation = violation,
				.end_violation = end_violation};
	return x;
}

void m2d_ex_world_free(M2dExWorld *x)
{
	if (x == NULL)
		return;
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		g_array_unref(x->program[a]);
	m2d_ex_claims_free(x->claims);
	m2d_check_free(x->check);
	m2d_scn_world_free(x->w);
	g_free(x->ended);
	g_free(x);
}

const M2dExModel *m2d_ex_world_model(const M2dExWorld *x)
{
	return &x->model;
}

const char *m2d_ex_world_violation_name(unsigned violation)
{
	if (violation == M2D_EX_CLAIM)
		return "claim";
	return violation == 0 ? "deadlock" : m2d_invariant((M2dInvariantId)(violation - 1))->name;
}

const char *m2d_ex_world_kvm(const M2dExWorld *x)
{
	return x->w->kvm;
}

uint64_t m2d_ex_world_premises(const M2dExWorld *x, M2dInvariantId id)
{
	return m2d_check_premises(x->check, id);
}

const uint64_t *m2d_ex_world_point_count(const M2dExWorld *x)
{
	return x->w->vm->rt->point_count;
}

GArray *m2d_ex_world_choices(const GArray *schedule)
{
	GArray *choices = g_array_new(FALSE, FALSE, sizeof(M2dScnChoice));

	for (guint i = 0; i < schedule->len; i++) {
		uint8_t actor = g_array_index(schedule, M2dExStep, i).actor;
		M2dScnChoice *last =
			choices->len != 0 ? &g_array_index(choices, M2dScnChoice, choices->len - 1)
					  : NULL;
		M2dScnChoice c = {.actor = actor, .steps_first = true, .count = 1};

		if (last != NULL && last->actor == actor)
			last->count++;
		else
			g_array_append_val(choices, c);
	}
	return choices;
}

const M2dExClaims *m2d_ex_world_claims(const M2dExWorld *x)
{
	return x->claims;
}

const uint64_t *m2d_ex_world_ended(const M2dExWorld *x)
{
	return x->ended;
}
