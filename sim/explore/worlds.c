/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/error.h"
#include "sim/explore/memo.h"
#include "sim/explore/worlds-private.h"
#include "sim/mem/put.h"

static bool done(void *data, unsigned actor)
{
	const M2dExWorld *x = data;

	if (actor >= x->n_vm)
		return true;
	return m2d_kvm_idle(x->w->vm, actor) && x->st->at[actor].next >= x->program[actor]->len;
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
bool m2d_ex_world_yields(const M2dExWorld *x, unsigned actor)
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
		    x->st->at[i].next < x->program[i]->len)
			return true;
	return false;
}

/* The memory of a process goes when the last of its threads is gone: all but @actor are done. */
static bool all_over(const M2dExWorld *x, unsigned actor)
{
	for (unsigned a = 0; a < x->n_vm; a++)
		if (a != actor && !done((void *)x, a))
			return false;
	return true;
}

static unsigned hw_acts(const M2dExWorld *x, unsigned cpu, M2dHwAct acts[M2D_HW_MAX_ACTS])
{
	/* What hardware does behind the last step interests nobody. */
	if (x->st->hw_left[cpu] == 0 || all_over(x, M2D_EX_MAX_ACTORS))
		return 0;
	return m2d_hw_acts(x->w->vm, cpu, x->hw_pages, acts);
}

/* The host's scheduler does not ask what a vCPU's thread is doing, but it does not come between the
 * last look for requests and the guest, nor while a spinning lock is held. */
static bool may_schedule(const M2dVm *vm, unsigned actor)
{
	const M2dKvmVcpu *v = vm->vcpu[actor];

	return (v->mode == M2D_OUTSIDE_GUEST_MODE || v->in_guest) &&
	       vm->s->lock[M2D_LOCK_MMU].owner != actor + 1 &&
	       vm->s->lock[M2D_LOCK_UNSYNC].owner != actor + 1;
}

/* Ways to go on with an operation that is under way. */
typedef struct {
	bool step;   /* its next micro-step */
	bool beside; /* the actor's next step, preempt or resume, happens beside it */
} Ways;

static Ways ways_on(const M2dExWorld *x, unsigned actor)
{
	M2dVm *vm = x->w->vm;
	unsigned index = 0;
	const M2dScnStep *s;
	Ways w = {.step = m2d_kvm_wants_step(vm, actor)};
	bool loaded;

	/* Most scenarios have no such step. */
	if (x->beside == NULL)
		return w;
	s = m2d_ex_world_step(x, actor, &index);
	if (s == NULL || !x->beside[index])
		return w;
	loaded = vm->vcpu[actor]->loaded;
	w.step &= loaded;
	w.beside = s->op.kind == M2D_OP_PREEMPT ? loaded && may_schedule(vm, actor) : !loaded;
	return w;
}

static unsigned enabled(void *data, unsigned actor)
{
	M2dExWorld *x = data;
	M2dVm *vm = x->w->vm;
	M2dHwAct acts[M2D_HW_MAX_ACTS];
	const M2dScnStep *s;
	unsigned index, pcpu;
	Ways w;

	if (actor >= x->n_vm)
		return hw_acts(x, actor - x->n_vm, acts);
	if (!m2d_kvm_idle(vm, actor)) {
		w = ways_on(x, actor);
		return w.step + w.beside;
	}
	if (m2d_kvm_wants_step(vm, actor))
		return 1;
	s = m2d_ex_world_step(x, actor, &index);
	if (s == NULL)
		return m2d_ex_world_yields(x, actor);
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
	if (x->st->at[actor].doing == 0)
		return;
	index = x->st->at[actor].doing - 1u;
	M2D_PUT(x->model.arena, x->st->at[actor].doing, 0);
	x->ended[index]++;
	if (x->claims != NULL)
		m2d_ex_claims_ended(x->claims, index, o);
}

/* Alternative @alt is not the next micro-step. */
static bool is_beside(const M2dExWorld *x, unsigned actor, unsigned alt)
{
	Ways w;

	if (x->beside == NULL || m2d_kvm_idle(x->w->vm, actor))
		return false;
	w = ways_on(x, actor);
	return w.beside && (alt == 1 || !w.step);
}

static void begin_beside(M2dExWorld *x, unsigned actor)
{
	M2dVm *vm = x->w->vm;
	unsigned index = 0;
	const M2dScnStep *s = m2d_ex_world_step(x, actor, &index);
	M2dOpOutcome kept = *m2d_kvm_outcome(vm, actor);

	M2D_PUT(x->model.arena, x->st->at[actor].next, x->st->at[actor].next + 1);
	if (!m2d_kvm_start(vm, actor, &s->op, NULL))
		M2D_PUT(x->model.arena, x->st->refused, 1);
	/* It is that of the step under way. */
	*m2d_kvm_outcome_of(vm, actor) = kept;
	x->ended[index]++;
}

static void hw_step(M2dExWorld *x, unsigned cpu, unsigned alt)
{
	M2dHwAct acts[M2D_HW_MAX_ACTS];
	unsigned n = hw_acts(x, cpu, acts);

	g_assert(alt < n);
	M2D_PUT(x->model.arena, x->st->hw_left[cpu], x->st->hw_left[cpu] - 1);
	m2d_hw_do(x->w->vm, &acts[alt]);
}

static void step(void *data, unsigned actor, unsigned alt)
{
	M2dExWorld *x = data;
	M2dVm *vm = x->w->vm;
	unsigned index;
	const M2dScnStep *s;
	static const M2dOp yield = {.kind = M2D_OP_PREEMPT};

	if (actor >= x->n_vm) {
		hw_step(x, actor - x->n_vm, alt);
		return;
	}
	if (is_beside(x, actor, alt)) {
		begin_beside(x, actor);
		return;
	}

	/* An interrupt of an idle vCPU is taken at the latest by its next operation. */
	if (m2d_kvm_idle(vm, actor)) {
		s = m2d_ex_world_step(x, actor, &index);
		if (s == NULL && !m2d_kvm_wants_step(vm, actor)) {
			m2d_kvm_start(vm, actor, &yield, NULL);
		} else if (s != NULL) {
			M2D_PUT(x->model.arena, x->st->at[actor].next, x->st->at[actor].next + 1);
			if (!m2d_kvm_start(vm, actor, &s->op, NULL)) {
				M2D_PUT(x->model.arena, x->st->refused, 1);
				return;
			}
			if (m2d_kvm_idle(vm, actor)) {
				x->ended[index]++;
				return;
			}
			M2D_PUT(x->model.arena, x->st->at[actor].doing, index + 1);
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

static bool check_hardware(const M2dScnWorld *w, unsigned budget, GError **error)
{
	unsigned n = w->vm->rt->n_tasks + (budget != 0 ? w->vm->n_pcpus : 0);

	if (n <= M2D_EX_MAX_ACTORS && budget <= UINT8_MAX)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s: %u actors, expected at most %u, or less of hardware's own",
		    w->scenario->path, n, M2D_EX_MAX_ACTORS);
	return false;
}

/* Each processor is an actor of its own, behind those of the VM. */
static void add_hardware(M2dExWorld *x, unsigned budget)
{
	if (budget == 0)
		return;
	for (unsigned cpu = 0; cpu < x->w->vm->n_pcpus; cpu++)
		M2D_PUT(x->model.arena, x->st->hw_left[cpu], budget);
	x->model.first_hw = x->n_vm;
	x->model.n_actors = x->n_vm + x->w->vm->n_pcpus;
}

M2dExWorld *m2d_ex_world_new(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
			     GError **error)
{
	M2dScnWorld *w = m2d_scn_world_new(scenario, variant, options, error);
	M2dExWorld *x;

	if (w == NULL)
		return NULL;
	if (!check_hardware(w, options->hw, error)) {
		m2d_scn_world_free(w);
		return NULL;
	}
	x = g_new0(M2dExWorld, 1);
	x->s = scenario;
	x->ended = g_new0(uint64_t, scenario->n_steps + 1);
	x->w = w;
	x->check = m2d_check_new(w->vm, &(M2dCheckOptions){.max_findings = 1});
	x->st = m2d_arena_alloc(w->vm->arena, sizeof(M2dExWorldState), 64);
	m2d_ex_world_programs(x, options->drop);
	x->n_vm = w->vm->rt->n_tasks;
	x->hw_pages = m2d_hw_pages(scenario);
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
	add_hardware(x, options->hw);
	if (options->reduce)
		m2d_ex_world_reduce(x);
	return x;
}

/* With a journal, as in searches; otherwise steps are few. */
static void step_observed(void *data, unsigned actor, unsigned alt)
{
	M2dExWorld *x = data;

	if (x->model.arena->journal != NULL)
		m2d_ex_memo_step(x->memo, actor, alt);
	else
		x->run_step(x, actor, alt);
}

static uint32_t look(void *data, const M2dExAhead *before, M2dExAhead *ahead, uint8_t *ways)
{
	const M2dExWorld *x = data;

	return m2d_ex_memo_look(x->memo, before, ahead, ways);
}

static void again(void *data, const M2dExAhead *known, M2dExAgain how)
{
	const M2dExWorld *x = data;

	m2d_ex_memo_again(x->memo, known, how);
}

M2dExWorld *m2d_ex_world_new_observed(const M2dExObserved *observed, M2dExPages *pages,
				      const M2dScenario *scenario, int variant,
				      const M2dScnOptions *options, GError **error)
{
	M2dScnOptions plain = *options;
	M2dExWorld *x;

	/* Hardware's acts hardly repeat. */
	if (observed == NULL || options->hw != 0)
		return m2d_ex_world_new(scenario, variant, options, error);
	plain.reduce = false;
	x = observed->world_new(scenario, variant, &plain, error);
	if (x == NULL)
		return NULL;
	x->observed = observed;
	x->memo = m2d_ex_memo_new(x, observed, pages);
	x->run_step = x->model.step;
	x->ways = x->model.enabled;
	/* All but steps may as well be done by this copy, which is faster. */
	x->model.enabled = enabled;
	x->model.step = step_observed;
	x->model.look = look;
	x->model.look_alts = x->beside != NULL ? 2 : 1;
	x->model.again = again;
	x->model.done = done;
	x->model.violation = violation;
	x->model.end_violation = end_violation;
	if (options->reduce)
		m2d_ex_world_reduce(x);
	/* What is made keeps nothing of the options, which cppcheck cannot see behind a pointer. */
	/* cppcheck-suppress returnDanglingLifetime */
	return x;
}

void m2d_ex_world_free(M2dExWorld *x)
{
	const M2dExObserved *observed;

	if (x == NULL)
		return;
	if (x->observed != NULL) {
		/* What the copy registered it has to take back. */
		observed = x->observed;
		x->observed = NULL;
		m2d_ex_memo_free(x->memo);
		observed->world_free(x);
		return;
	}
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		g_array_unref(x->program[a]);
	m2d_ex_world_reduce_free(x);
	g_array_unref(x->hw_pages);
	g_free(x->beside);
	m2d_ex_claims_free(x->claims);
	m2d_check_free(x->check);
	m2d_scn_world_free(x->w);
	g_free(x->ended);
	g_free(x);
}

/* What step @step of a schedule is, in the present state. */
static M2dScnChoice choice_of(const M2dExWorld *x, M2dExStep step)
{
	M2dScnChoice c = {.actor = step.actor, .steps_first = true, .count = 1};
	M2dHwAct acts[M2D_HW_MAX_ACTS];

	if (step.actor >= x->n_vm) {
		c.hw = true;
		if (step.alt < hw_acts(x, step.actor - x->n_vm, acts))
			c.act = acts[step.alt];
	} else {
		c.begins = is_beside(x, step.actor, step.alt);
	}
	return c;
}

GArray *m2d_ex_world_choices(M2dExWorld *x, const GArray *schedule)
{
	GArray *choices = g_array_new(FALSE, FALSE, sizeof(M2dScnChoice));
	M2dArena *arena = x->model.arena;
	bool attached = arena->journal != NULL;
	M2dMark start;

	if (!attached)
		m2d_arena_attach_journal(arena);
	start = m2d_arena_mark(arena);
	for (guint i = 0; i < schedule->len; i++) {
		M2dExStep s = g_array_index(schedule, M2dExStep, i);
		M2dScnChoice c = choice_of(x, s), *last;

		last = choices->len != 0 ? &g_array_index(choices, M2dScnChoice, choices->len - 1)
					 : NULL;
		if (last != NULL && last->actor == c.actor && !last->hw && !last->begins &&
		    !c.begins)
			last->count++;
		else
			g_array_append_val(choices, c);
		step(x, s.actor, s.alt);
	}
	m2d_check_forget(x->check);
	m2d_arena_rollback(arena, start);
	if (!attached)
		m2d_arena_detach_journal(arena);
	return choices;
}
