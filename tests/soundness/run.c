/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/soundness/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/check/check.h"
#include "sim/vm/hostmm.h"
#include "sim/vm/srcu.h"

typedef struct {
	const SndConfig *c;
	SndOracle *oracle;
	SndWorkload work;
	M2dVm *vm;
	M2dCheck *check;
	SndResult *r;
	const GArray *script;
	guint at;      /* next record of the script */
	M2dRng rng;    /* of the schedule */
	uint64_t seen; /* completed flushes at the last comparison */
	/* Stepped: what each actor is about. */
	SndGroup group[M2D_MAX_ACTORS];
	unsigned next[M2D_MAX_ACTORS];
	bool busy[M2D_MAX_ACTORS];
	M2dEvent trace[SND_MAX_TRACE]; /* ring */
	uint64_t n_trace;
} Run;

void snd_result_clear(SndResult *r)
{
	g_free(r->kind);
	g_free(r->what);
	g_free(r->story);
	if (r->log != NULL)
		g_array_unref(r->log);
	memset(r, 0, sizeof(*r));
}

/* --- findings --------------------------------------------------------------------------------- */

static void take(SndResult *r, const char *kind, const char *what, const char *story)
{
	if (r->kind != NULL)
		return;
	r->kind = g_strdup(kind);
	r->what = g_strdup(what);
	r->story = g_strdup(story);
}

static bool anything(Run *x)
{
	if (x->oracle->what != NULL)
		take(x->r, x->oracle->kind, x->oracle->what, NULL);
	if (x->check != NULL && m2d_check_n_findings(x->check) != 0) {
		const M2dFinding *f = m2d_check_finding(x->check, 0);

		take(x->r, m2d_invariant(f->id)->name, f->what, f->story);
	}
	return x->r->kind != NULL;
}

/* After a flush is complete, KVM's tables and the guest's agree. */
static void compare(Run *x)
{
	uint64_t flushes = 0;

	if (x->check == NULL)
		return;
	for (unsigned v = 0; v < x->vm->n_vcpus; v++)
		flushes += x->oracle->model.flush[v].flushes;
	if (flushes == x->seen)
		return;
	x->seen = flushes;
	for (unsigned v = 0; v < x->vm->n_vcpus; v++) {
		g_autofree char *what = NULL;

		x->r->promises++;
		if (m2d_check_shadow_equal(x->check, v, &what) != 0)
			take(x->r, "shadow-equal", what, NULL);
	}
}

static void keep_event(const M2dEvent *e, void *data)
{
	Run *x = data;

	x->trace[x->n_trace++ % SND_MAX_TRACE] = *e;
}

static void print_trace(const Run *x)
{
	uint64_t n = MIN(x->n_trace, MIN(x->c->trace, SND_MAX_TRACE));
	char text[256];

	for (uint64_t i = x->n_trace - n; i < x->n_trace; i++) {
		const M2dEvent *e = &x->trace[i % SND_MAX_TRACE];

		printf("%7" G_GUINT64_FORMAT " actor %d vcpu %d %s\n", e->time, (int8_t)e->actor,
		       (int8_t)e->vcpu, m2d_event_format(e, text, sizeof(text)));
	}
}

/* --- groups ----------------------------------------------------------------------------------- */

/* The next group of @actor; with a script, of whoever is next, or of @actor only if @only. */
static bool next_group(Run *x, unsigned *actor, bool only, SndGroup *group)
{
	SndRecord record;

	if (x->script == NULL) {
		if (x->r->ops >= x->c->ops)
			return false;
		snd_workload_group(&x->work, *actor, group);
	} else {
		guint i = x->at;

		while (only && i < x->script->len &&
		       g_array_index(x->script, SndRecord, i).actor != *actor)
			i++;
		if (i >= x->script->len)
			return false;
		if (only) {
			/* Each actor has its own place: kept in seen order by moving up. */
			SndRecord *a = &g_array_index(x->script, SndRecord, i), t = *a;

			memmove(&g_array_index(x->script, SndRecord, x->at) + 1,
				&g_array_index(x->script, SndRecord, x->at),
				(i - x->at) * sizeof(SndRecord));
			g_array_index(x->script, SndRecord, x->at) = t;
		}
		*actor = g_array_index(x->script, SndRecord, x->at).actor;
		*group = g_array_index(x->script, SndRecord, x->at).group;
		x->at++;
	}
	record = (SndRecord){(uint8_t)*actor, *group};
	g_array_append_val(x->r->log, record);
	return true;
}

static uint64_t loaded_mask(const M2dVm *vm)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		mask |= (uint64_t)vm->vcpu[i]->loaded << i;
	return mask;
}

static uint64_t waits_for(const M2dVm *vm, unsigned actor, const M2dOp *op)
{
	return op->kind == M2D_OP_IPI ? op->arg[0] : vm->vcpu[actor]->unacked;
}

/* Operations that cannot begin in the state that shortening led to are left out. */
static bool may_begin(const Run *x, unsigned actor, const M2dOp *op)
{
	bool loaded;

	if (actor >= x->vm->n_vcpus)
		return true;
	loaded = x->vm->vcpu[actor]->loaded;
	if (op->kind == M2D_OP_RESUME)
		return !loaded && snd_pcpu_is_free(x->vm, (unsigned)op->arg[0]);
	/* Straight, nobody comes to take an interrupt later. */
	if (!x->c->stepped && (op->kind == M2D_OP_IPI || op->kind == M2D_OP_AWAIT_ACKS))
		return loaded && (waits_for(x->vm, actor, op) & ~loaded_mask(x->vm)) == 0;
	return loaded;
}

static bool begin(Run *x, unsigned actor, const M2dOp *op)
{
	g_autoptr(GError) error = NULL;

	if (!may_begin(x, actor, op))
		return false;
	x->r->ops++;
	snd_oracle_begins(x->oracle, actor, op);
	if (m2d_kvm_start(x->vm, actor, op, &error))
		return true;
	take(x->r, "refused", error->message, NULL);
	return false;
}

/* --- straight --------------------------------------------------------------------------------- */

static void straight(Run *x)
{
	SndGroup group;

	while (!anything(x)) {
		unsigned actor = m2d_rng_below(&x->rng, 100) < 15
					 ? x->vm->host_actor
					 : (unsigned)m2d_rng_below(&x->rng, x->vm->n_vcpus);

		if (!next_group(x, &actor, false, &group))
			break;
		for (unsigned i = 0; i < group.n && !anything(x); i++) {
			if (!begin(x, actor, &group.op[i]))
				continue;
			m2d_kvm_run(x->vm, actor);
			compare(x);
		}
		if (x->script == NULL)
			snd_workload_ended(&x->work, actor, &group);
	}
}

/* --- stepped ---------------------------------------------------------------------------------- */

/* The scheduler of the host takes a vCPU that is in the middle of something, or gives it back. */
static void schedule(Run *x, unsigned actor)
{
	unsigned pcpu = (unsigned)m2d_rng_below(&x->rng, x->vm->n_pcpus);
	M2dOp op;

	m2d_op_preset(&op, x->vm->vcpu[actor]->loaded ? M2D_OP_PREEMPT : M2D_OP_RESUME);
	if (op.kind == M2D_OP_RESUME) {
		if (!snd_pcpu_is_free(x->vm, pcpu))
			return;
		op.arg[0] = pcpu;
		op.given |= 1;
	}
	m2d_kvm_start(x->vm, actor, &op, NULL);
}

/* Where the host has preemption on: not between the last check and the guest, not with a spinning
 * lock held, and not while the scheduler is at work already. */
static bool can_schedule(const Run *x, unsigned actor)
{
	const M2dKvmVcpu *v = x->vm->vcpu[actor];
	const M2dOp *op = &x->oracle->op[actor];

	if (op->kind == M2D_OP_PREEMPT || op->kind == M2D_OP_RESUME)
		return false;
	if (v->mode != M2D_OUTSIDE_GUEST_MODE && !v->in_guest)
		return false;
	return x->vm->s->lock[M2D_LOCK_MMU].owner != actor + 1 &&
	       x->vm->s->lock[M2D_LOCK_UNSYNC].owner != actor + 1;
}

/* At the end, others may wait for a vCPU that was preempted last. */
static bool come_back(Run *x, unsigned actor)
{
	unsigned pcpu = (unsigned)m2d_rng_below(&x->rng, x->vm->n_pcpus);
	M2dOp op;

	if (actor >= x->vm->n_vcpus || x->vm->vcpu[actor]->loaded ||
	    x->vm->vcpu[actor]->ipis == 0 || !snd_pcpu_is_free(x->vm, pcpu))
		return false;
	m2d_op_preset(&op, M2D_OP_RESUME);
	op.arg[0] = pcpu;
	op.given = 1;
	return begin(x, actor, &op) && (m2d_kvm_step(x->vm, actor), true);
}

static bool begin_next(Run *x, unsigned actor)
{
	unsigned who = actor;

	if (!x->busy[actor]) {
		if (!next_group(x, &who, true, &x->group[actor]))
			return come_back(x, actor);
		x->busy[actor] = true;
		x->next[actor] = 0;
	}
	if (x->next[actor] < x->group[actor].n) {
		const M2dOp *op = &x->group[actor].op[x->next[actor]++];

		/* The processor is taken with the decision for it. */
		if (begin(x, actor, op) && op->kind == M2D_OP_RESUME)
			m2d_kvm_step(x->vm, actor);
		return true;
	}
	x->busy[actor] = false;
	if (x->script == NULL)
		snd_workload_ended(&x->work, actor, &x->group[actor]);
	return true;
}

/* @actor does something; false: it cannot, or has nothing left to do. */
static bool turn(Run *x, unsigned actor)
{
	bool vcpu = actor < x->vm->n_vcpus;
	uint64_t burst;

	if (vcpu && !m2d_kvm_idle(x->vm, actor) && !x->vm->vcpu[actor]->loaded &&
	    x->oracle->op[actor].kind != M2D_OP_RESUME) {
		if (m2d_rng_below(&x->rng, 4) == 0)
			schedule(x, actor);
		return true;
	}
	if (m2d_kvm_idle(x->vm, actor) && !m2d_kvm_wants_step(x->vm, actor))
		return begin_next(x, actor);
	if (!m2d_kvm_wants_step(x->vm, actor))
		return false;
	if (vcpu && !m2d_kvm_idle(x->vm, actor) && can_schedule(x, actor) &&
	    m2d_rng_below(&x->rng, 400) == 0) {
		schedule(x, actor);
		return true;
	}
	burst = m2d_rng_below(&x->rng, 4) == 0 ? 1 + m2d_rng_below(&x->rng, 40)
					       : 1 + m2d_rng_below(&x->rng, 4);
	for (; burst > 0 && m2d_kvm_wants_step(x->vm, actor); burst--)
		if (m2d_kvm_step(x->vm, actor))
			break;
	return true;
}

/* Everything that was begun has ended. */
static void check_ended(Run *x)
{
	g_autoptr(GString) what = g_string_new(NULL);

	for (unsigned a = 0; a < x->vm->rt->n_tasks; a++) {
		const M2dTask *t = x->vm->rt->task[a];

		if (m2d_kvm_idle(x->vm, a))
			continue;
		g_string_append_printf(
			what, "actor %u never ends %s: at %s, waits for %u 0x%" PRIx64 "; ", a,
			m2d_op_info[x->oracle->op[a].kind].verb, m2d_point_name((M2dPoint)t->point),
			t->wait, t->wait_arg);
	}
	if (what->len != 0) {
		g_string_append(what, m2d_srcu_synced(x->vm) ? "nobody" : "somebody");
		g_string_append(what, " holds srcu since before the last swap");
		take(x->r, "deadlock", what->str, NULL);
	}
}

static void stepped(Run *x)
{
	unsigned idle = 0;

	x->vm->rt->stepping = true;
	while (idle < 2000 && !anything(x)) {
		unsigned actor = (unsigned)m2d_rng_below(&x->rng, x->vm->n_vcpus + 1u);

		if (actor == x->vm->n_vcpus)
			actor = x->vm->host_actor;
		idle = turn(x, actor) ? 0 : idle + 1;
	}
	if (!anything(x))
		check_ended(x);
	x->vm->rt->stepping = false;
}

/* --- the whole -------------------------------------------------------------------------------- */

static M2dScnWorld *build(const SndConfig *c, M2dScenario **scenario, GError **error)
{
	g_autofree char *header = snd_header(c);
	g_autofree char *text = g_strconcat(header, "\n[steps]\nvcpu0: enter\n", NULL);
	M2dScnOptions options = {.timing = M2D_TIMING_FUNCTIONAL};
	M2dScnWorld *w;

	*scenario = m2d_scenario_parse("random", text, strlen(text), NULL, error);
	if (*scenario == NULL)
		return NULL;
	w = m2d_scn_world_new(*scenario, 0, &options, error);
	return w;
}

bool snd_run(const SndConfig *c, const GArray *script, SndResult *result, GError **error)
{
	g_autoptr(M2dScenario) scenario = NULL;
	g_autofree SndOracle *oracle = g_new0(SndOracle, 1);
	M2dCheckOptions options = {.audit_every = c->audit_every, .max_findings = 1};
	M2dScnWorld *w = build(c, &scenario, error);
	g_autofree Run *run = g_new0(Run, 1);

	*run = (Run){.c = c, .oracle = oracle, .r = result};
	memset(result, 0, sizeof(*result));
	if (w == NULL)
		return false;
	if (script != NULL)
		run->script = g_array_copy((GArray *)script);
	result->log = g_array_new(FALSE, FALSE, sizeof(SndRecord));
	run->vm = w->vm;
	oracle->stepped = c->stepped;
	run->check = m2d_check_new(w->vm, &options);
	snd_oracle_init(oracle, w);
	snd_workload_init(&run->work, c, &oracle->model);
	m2d_rng_seed(&run->rng, ~c->seed);
	if (c->trace != 0)
		m2d_events_listen(run->vm->ev, keep_event, run);
	if (c->stepped)
		stepped(run);
	else
		straight(run);
	m2d_check_end(run->check);
	anything(run);
	if (result->kind != NULL)
		print_trace(run);
	result->accesses = oracle->accesses;
	result->faults = oracle->faults;
	result->mmio = oracle->mmio;
	result->loose = oracle->model.loose;
	m2d_check_free(run->check);
	snd_oracle_clear(oracle);
	if (run->script != NULL)
		g_array_unref((GArray *)run->script);
	m2d_scn_world_free(w);
	return true;
}

/* --- shrinking -------------------------------------------------------------------------------- */

static GArray *without(const GArray *script, guint first, guint n)
{
	GArray *a = g_array_new(FALSE, FALSE, sizeof(SndRecord));

	g_array_append_vals(a, script->data, first);
	if (first + n < script->len)
		g_array_append_vals(a, &g_array_index(script, SndRecord, first + n),
				    script->len - first - n);
	return a;
}

/* Does a run of @script still find this? */
static bool finds(const SndConfig *c, const GArray *script, const char *kind)
{
	SndResult r;
	bool yes = snd_run(c, script, &r, NULL) && g_strcmp0(r.kind, kind) == 0;

	snd_result_clear(&r);
	return yes;
}

GArray *snd_shrink(const SndConfig *c, const SndResult *found)
{
	GArray *best = g_array_copy(found->log);

	if (!finds(c, best, found->kind))
		return best;
	for (guint chunk = best->len / 2; chunk > 0; chunk = chunk == 1 ? 0 : chunk / 2) {
		for (guint i = 0; i < best->len;) {
			g_autoptr(GArray) less = without(best, i, MIN(chunk, best->len - i));

			if (!finds(c, less, found->kind)) {
				i += chunk;
				continue;
			}
			g_array_unref(best);
			best = g_steal_pointer(&less);
		}
	}
	return best;
}
