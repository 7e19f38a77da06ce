/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/runner.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/mmu/mmu.h"
#include "sim/scenario/results.h"

/* Micro-steps of one run after which it is given up. */
#define MAX_MICRO 200000u

typedef struct {
	M2dScnWorld *w;
	M2dScnRun *run;
	const M2dScenario *s;
	int doing[M2D_MAX_ACTORS]; /* step under way, -1: none */
	int begun[M2D_MAX_ACTORS]; /* step that began the operation, behind a `continue` */
	bool held[M2D_MAX_ACTORS]; /* stopped at an `until` point on purpose */
	M2dPoint until[M2D_MAX_ACTORS];
	M2dScnMicro now; /* being taken */
	M2dCheck *check;
	GStringChunk *names;      /* of steps, for stories */
	const M2dScnOrder *order; /* NULL: as written */
	uint64_t drop;
	bool undo;
	bool no_until; /* behind a schedule: `continue` has no effect there, so neither has this */
} M2dScnRunner;

static void on_event(const M2dEvent *event, void *data)
{
	M2dScnRunner *r = data;

	g_array_append_val(r->run->events, *event);
}

static bool fail_run(M2dScnRunner *r, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool fail_run(M2dScnRunner *r, const char *format, ...)
{
	va_list args;

	if (r->run->why != NULL)
		return false;
	va_start(args, format);
	r->run->why = g_strdup_vprintf(format, args);
	va_end(args);
	return false;
}

/* "@2.1 (line 31)". */
static char *step_name(const M2dScnRunner *r, int step)
{
	const M2dScnStep *s = &r->s->steps[step];

	if (s->label != NULL)
		return g_strdup_printf("@%s (line %u)", s->label, s->place.line);
	return g_strdup_printf("the step in line %u", s->place.line);
}

static void end_step(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;
	int step = r->doing[actor];
	M2dScnStepEnd *end;

	r->doing[actor] = -1;
	r->held[actor] = false;
	if (step < 0)
		return;
	/* A step that began with `continue` ends the operation that was begun before it. */
	end = &r->run->steps[step];
	end->ended = true;
	end->outcome = *m2d_kvm_outcome(vm, actor);
	end->dirty = m2d_scn_dirty_of(vm, &r->s->steps[r->begun[actor]]);
}

/* Take a micro-step and undo it: all that it did must be in the journal. @after: hash behind it. */
static bool step_and_undo(M2dScnRunner *r, unsigned actor, uint64_t *after)
{
	M2dVm *vm = r->w->vm;
	M2dArena *arena = vm->arena;
	M2dMark mark = m2d_arena_mark(arena);
	uint64_t before = arena->hash;
	guint n_events = r->run->events->len;
	uint32_t number = vm->rt->steps[actor];

	m2d_kvm_step(vm, actor);
	*after = arena->hash;
	if (m2d_arena_rehash(arena) != *after)
		return fail_run(r, "micro-step %u: a store bypassed the journal",
				r->run->micro->len);
	m2d_arena_rollback(arena, mark);
	if (arena->hash != before || m2d_arena_rehash(arena) != before)
		return fail_run(r, "micro-step %u was not undone", r->run->micro->len);
	vm->rt->steps[actor] = number;
	g_array_set_size(r->run->events, n_events);
	return true;
}

/* One micro-step of @actor, which must be able to take it. */
static bool micro_step(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;
	M2dScnMicro m = {.actor = (uint8_t)actor,
			 .step = r->doing[actor],
			 .first_event = r->run->events->len};
	uint64_t after = 0;

	if (r->run->micro->len >= MAX_MICRO)
		return fail_run(r, "no end after %u micro-steps: a livelock", MAX_MICRO);
	m.number = vm->rt->steps[actor] + 1;
	r->now = m;
	if (r->undo && !step_and_undo(r, actor, &after))
		return false;
	m.done = m2d_kvm_step(vm, actor);
	if (r->undo && vm->arena->hash != after)
		return fail_run(r, "micro-step %u went another way the second time",
				r->run->micro->len);
	m.point = vm->rt->task[actor]->point;
	m.n_events = r->run->events->len - m.first_event;
	g_array_append_val(r->run->micro, m);
	if (m.done)
		end_step(r, actor);
	else if (r->until[actor] != M2D_PT_NONE && m.point == r->until[actor])
		r->held[actor] = true;
	return true;
}

/* An actor that somebody waits for can move: a vCPU with an interrupt to take, or one whose own
 * wait is over. Returns it, or -1. */
static int helper_of_waiters(const M2dScnRunner *r, unsigned except)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++)
		if (a != except && !r->held[a] && (r->doing[a] >= 0 || m2d_kvm_idle(vm, a)) &&
		    m2d_kvm_wants_step(vm, a))
			return (int)a;
	return -1;
}

/* Run @actor to its end, its `until` point, or until it blocks and nobody can end that. */
static bool run_actor(M2dScnRunner *r, unsigned actor)
{
	M2dVm *vm = r->w->vm;

	while (!m2d_kvm_idle(vm, actor) && !r->held[actor]) {
		int who = (int)actor;

		if (!m2d_kvm_wants_step(vm, actor))
			who = helper_of_waiters(r, actor);
		if (who < 0)
			return true;
		if (!micro_step(r, (unsigned)who))
			return false;
	}
	return true;
}

/* Actors that were blocked go on as soon as they can; so do interrupts that were begun. */
static bool run_unblocked(M2dScnRunner *r)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		if (m2d_kvm_idle(vm, a) || r->held[a] || !m2d_kvm_wants_step(vm, a))
			continue;
		if (!run_actor(r, a))
			return false;
		a = (unsigned)-1;
	}
	return true;
}

static const char *wait_text(const M2dTask *t)
{
	static const char *const texts[M2D_N_WAITS] = {
		[M2D_WAIT_NONE] = "nothing",
		[M2D_WAIT_LOCK] = "a lock",
		[M2D_WAIT_ACKS] = "vCPUs to leave the guest",
		[M2D_WAIT_READERS] = "readers of the old memslots",
		[M2D_WAIT_GUEST] = "acknowledgements of an interrupt",
		[M2D_WAIT_VALUE] = "a value in memory",
		[M2D_WAIT_NOTIFIER] = "an invalidation to end",
		[M2D_WAIT_RETRY] = "an invalidation or a change of memslots",
	};

	return texts[t->wait];
}

/* Step @i was begun where a schedule could not know it from the micro-steps. */
static void note_begun(M2dScnRunner *r, unsigned i, unsigned actor, bool done, guint first_event)
{
	M2dScnMicro m = {.actor = (uint8_t)actor,
			 .done = done,
			 .begins = true,
			 .point = M2D_PT_NONE,
			 .step = (int)i,
			 .first_event = first_event,
			 .n_events = r->run->events->len - first_event};

	g_array_append_val(r->run->micro, m);
}

/* The scenario's step @i is begun (or continued). False: run->why or @error. */
static bool begin_step(M2dScnRunner *r, unsigned i, GError **error)
{
	const M2dScnStep *s = &r->s->steps[i];
	M2dVm *vm = r->w->vm;
	int number = m2d_scn_world_actor(r->w, s->actor);
	unsigned actor = (unsigned)number;
	bool beside, pending, at_once;
	guint first_event;
	GError *local = NULL;

	if (number < 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s:%u:%u: the worker has nothing to do yet, expected vcpuN or host",
			    r->s->path, s->actor_place.line, s->actor_place.column);
		return false;
	}
	r->run->steps[i].started = true;
	r->until[actor] = s->until != NULL && !r->no_until ? m2d_point_find(s->until) : M2D_PT_NONE;
	if (s->is_continue) {
		if (m2d_kvm_idle(vm, actor)) {
			g_autofree char *name = step_name(r, (int)i);

			return fail_run(r, "%s continues an actor that has nothing under way",
					name);
		}
		r->held[actor] = false;
		r->doing[actor] = (int)i;
		return true;
	}
	if (!m2d_kvm_idle(vm, actor) && s->op.kind != M2D_OP_PREEMPT &&
	    s->op.kind != M2D_OP_RESUME) {
		g_autofree char *name = step_name(r, (int)i);
		g_autofree char *other = r->doing[actor] >= 0 ? step_name(r, r->doing[actor])
							      : g_strdup("an interrupt");

		return fail_run(r, "%s cannot begin: %s is not over, it waits for %s", name, other,
				r->held[actor] ? "its `continue`" : wait_text(vm->rt->task[actor]));
	}
	beside = !m2d_kvm_idle(vm, actor);
	pending = !beside && m2d_kvm_wants_step(vm, actor);
	first_event = r->run->events->len;
	if (!m2d_kvm_start(vm, actor, &s->op, &local)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u:%u: %s", r->s->path,
			    s->verb_place.line, s->verb_place.column, local->message);
		g_error_free(local);
		return false;
	}
	at_once = beside || m2d_kvm_idle(vm, actor);
	if (at_once || pending)
		note_begun(r, i, actor, at_once, first_event);
	if (at_once) {
		r->run->steps[i].ended = true;
		return true;
	}
	r->doing[actor] = r->begun[actor] = (int)i;
	r->held[actor] = false;
	return true;
}

static bool one_step(M2dScnRunner *r, unsigned i, GError **error)
{
	const M2dScnStep *s = &r->s->steps[i];
	unsigned actor;

	if (!begin_step(r, i, error))
		return false;
	actor = (unsigned)m2d_scn_world_actor(r->w, s->actor);
	if (!run_actor(r, actor))
		return false;
	if (s->until != NULL && !r->no_until && !r->held[actor] && m2d_kvm_idle(r->w->vm, actor)) {
		g_autofree char *name = step_name(r, (int)i);

		return fail_run(r, "%s ended without passing `%s`", name, s->until);
	}
	r->run->steps[i].reached = r->held[actor];
	r->run->steps[i].blocked = !r->held[actor] && !m2d_kvm_idle(r->w->vm, actor);
	return run_unblocked(r);
}

/* The first step of @actor that has not begun; n_steps: there is none. */
static unsigned next_step(const M2dScnRunner *r, unsigned actor, const bool *begun)
{
	unsigned i;

	for (i = 0; i < r->s->n_steps; i++)
		if (!begun[i] && !r->s->steps[i].is_continue &&
		    m2d_scn_world_actor(r->w, r->s->steps[i].actor) == (int)actor)
			break;
	return i;
}

/* Begin that step, by a schedule; *@none: there is none. */
static bool begin_next(M2dScnRunner *r, unsigned actor, bool *begun, bool *none, GError **error)
{
	unsigned i = next_step(r, actor, begun);

	*none = i == r->s->n_steps;
	if (*none)
		return true;
	begun[i] = true;
	if (!begin_step(r, i, error))
		return false;
	r->until[actor] = M2D_PT_NONE;
	return true;
}

/* What hardware does of itself. */
static void hardware(M2dScnRunner *r, const M2dHwAct *act)
{
	M2dVm *vm = r->w->vm;
	M2dScnMicro m = {.actor = (uint8_t)m2d_hw_vcpu(vm, act->cpu),
			 .hw = true,
			 .act = *act,
			 .point = M2D_PT_NONE,
			 .step = -1,
			 .first_event = r->run->events->len};

	if (!m2d_hw_can(vm, act))
		return;
	m2d_hw_do(vm, act);
	m.n_events = r->run->events->len - m.first_event;
	g_array_append_val(r->run->micro, m);
}

static bool follow_choice(M2dScnRunner *r, const M2dScnChoice *choice, bool *begun, GError **error)
{
	M2dVm *vm = r->w->vm;
	/* A schedule file does not know how many vCPUs come before the host. */
	unsigned actor = MIN(choice->actor, vm->host_actor);
	bool none = false;

	if (choice->hw) {
		hardware(r, &choice->act);
		return true;
	}
	if (choice->begins)
		return begin_next(r, actor, begun, &none, error);
	for (uint32_t k = 0; k < choice->count; k++) {
		if (m2d_kvm_idle(vm, actor) &&
		    (!m2d_kvm_wants_step(vm, actor) ||
		     (choice->steps_first && next_step(r, actor, begun) < r->s->n_steps))) {
			if (!begin_next(r, actor, begun, &none, error))
				return false;
			if (none)
				return true;
			if (m2d_kvm_idle(vm, actor))
				continue;
		}
		if (!m2d_kvm_wants_step(vm, actor))
			return true;
		if (!micro_step(r, actor))
			return false;
	}
	return true;
}

/* Follow @schedule as far as it goes; @begun: the steps that it has begun. */
static bool follow(M2dScnRunner *r, const GArray *schedule, bool *begun, GError **error)
{
	for (guint c = 0; c < schedule->len; c++)
		if (!follow_choice(r, &g_array_index(schedule, M2dScnChoice, c), begun, error))
			return false;
	return true;
}

static bool all_steps(M2dScnRunner *r, const GArray *schedule, GError **error)
{
	g_autofree bool *begun = g_new0(bool, r->s->n_steps + 1);

	for (unsigned i = 0; i < MIN(r->s->n_steps, 64); i++)
		begun[i] = r->drop >> i & 1;
	if (schedule != NULL && !follow(r, schedule, begun, error))
		return false;
	r->no_until = schedule != NULL;
	for (unsigned k = 0; k < r->s->n_steps; k++) {
		unsigned i = r->order != NULL ? r->order->steps[k] : k;
		const M2dScnStep *s = &r->s->steps[i];
		int actor = m2d_scn_world_actor(r->w, s->actor);

		if (begun[i])
			continue;
		/* After a schedule, what it left under way comes first. */
		if (schedule != NULL && actor >= 0 &&
		    (s->is_continue || !run_actor(r, (unsigned)actor))) {
			if (r->run->why != NULL)
				return false;
			continue;
		}
		if (!one_step(r, i, error))
			return false;
	}
	return true;
}

/* Everything that is still under way ends, in the order of the actors. */
static bool finish_all(M2dScnRunner *r)
{
	M2dVm *vm = r->w->vm;

	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		r->held[a] = false;
		r->until[a] = M2D_PT_NONE;
	}
	for (unsigned a = 0; a < vm->rt->n_tasks; a++)
		if (!run_actor(r, a))
			return false;
	if (!run_unblocked(r))
		return false;
	for (unsigned a = 0; a < vm->rt->n_tasks; a++) {
		if (r->doing[a] >= 0) {
			g_autofree char *name = step_name(r, r->doing[a]);

			return fail_run(r, "%s never ends: it waits for %s", name,
					wait_text(vm->rt->task[a]));
		}
	}
	return true;
}

/* The scenario's step that micro-step @number of @actor belongs to, or -1. */
static int step_of(const M2dScnRunner *r, unsigned actor, uint32_t number)
{
	if (r->now.actor == actor && r->now.number == number)
		return r->now.step;
	for (guint i = r->run->micro->len; i-- > 0;) {
		const M2dScnMicro *m = &g_array_index(r->run->micro, M2dScnMicro, i);

		if (m->actor == actor && m->number == number)
			return m->step;
	}
	return -1;
}

static const char *label_of(unsigned actor, uint32_t number, void *data)
{
	const M2dScnRunner *r = data;
	int step = step_of(r, actor, number);
	g_autofree char *name = step >= 0 ? step_name(r, step) : NULL;

	return name != NULL ? g_string_chunk_insert_const(r->names, name) : NULL;
}

static void clear_finding(gpointer data)
{
	M2dScnFinding *f = data;

	g_free(f->what);
	g_free(f->story);
}

static void keep_findings(M2dScnRunner *r)
{
	GArray *kept = g_array_new(FALSE, FALSE, sizeof(M2dScnFinding));

	g_array_set_clear_func(kept, clear_finding);
	for (unsigned i = 0; i < m2d_check_n_findings(r->check); i++) {
		const M2dFinding *f = m2d_check_finding(r->check, i);
		M2dScnFinding k = {m2d_invariant(f->id)->name, f->actor,
				   step_of(r, f->actor, f->step), g_strdup(f->what),
				   g_strdup(f->story)};

		g_array_append_val(kept, k);
	}
	r->run->findings = kept;
	for (unsigned i = 0; i < M2D_N_INVARIANTS; i++)
		r->run->premises[i] = m2d_check_premises(r->check, (M2dInvariantId)i);
}

static void collect(M2dScnRunner *r)
{
	M2dScnRun *run = r->run;
	M2dVm *vm = r->w->vm;

	m2d_check_end(r->check);
	keep_findings(r);
	run->hash = m2d_arena_rehash(vm->arena);
	memcpy(run->event_count, vm->ev->count, sizeof(vm->ev->count));
	memcpy(run->point_count, vm->rt->point_count, sizeof(vm->rt->point_count));
	for (unsigned i = 0; i < vm->n_pcpus; i++) {
		M2dMmu *mmu = m2d_vcpu_mmu(vm->pcpu[i]);

		m2d_timing_drain(&mmu->timing, &mmu->stats);
		m2d_stats_add(&run->stats, &mmu->stats);
	}
	for (unsigned c = 0; c < M2D_N_CAUSES; c++) {
		run->stats.cycles[c] += vm->host_cycles[c];
		run->host_cycles += vm->host_cycles[c];
	}
	run->cycles = m2d_stats_cycles(&run->stats);
}

static void run_variant(M2dScnRunner *r, const GArray *schedule, GError **error)
{
	memset(r->doing, 0xff, sizeof(r->doing));
	m2d_events_listen(r->w->vm->ev, on_event, r);
	if (r->undo)
		m2d_arena_attach_journal(r->w->vm->arena);
	if (all_steps(r, schedule, error))
		finish_all(r);
	if (error == NULL || *error == NULL)
		collect(r);
	m2d_events_unlisten(r->w->vm->ev, on_event, r);
}

M2dScnRun *m2d_scn_run(const M2dScenario *scenario, int variant, const M2dScnOptions *options,
		       const GArray *schedule, GError **error)
{
	g_autoptr(M2dScnWorld) w = m2d_scn_world_new(scenario, variant, options, error);
	g_autoptr(M2dScnRun) run = NULL;
	M2dScnRunner r = {.w = w,
			  .s = scenario,
			  .order = options->order,
			  .drop = options->drop,
			  .undo = options->undo};
	GError *local = NULL;

	if (w == NULL)
		return NULL;
	run = g_new0(M2dScnRun, 1);
	run->scenario = scenario;
	run->variant = variant;
	run->kvm = g_strdup(w->kvm);
	run->micro = g_array_new(FALSE, FALSE, sizeof(M2dScnMicro));
	run->events = g_array_new(FALSE, FALSE, sizeof(M2dEvent));
	run->steps = g_new0(M2dScnStepEnd, scenario->n_steps + 1);
	run->claims = g_ptr_array_new_with_free_func(g_free);
	run->drop = options->drop;
	run->held = g_new0(uint8_t, scenario->n_claims + 1);
	run->event_count = g_new0(uint64_t, M2D_N_EVENTS);
	run->point_count = g_new0(uint64_t, M2D_N_POINTS);
	r.run = run;
	r.names = g_string_chunk_new(256);
	r.check = m2d_check_new(
		w->vm, &(M2dCheckOptions){.audit_every = 1, .label = label_of, .label_data = &r});
	run_variant(&r, schedule, &local);
	if (local == NULL)
		m2d_scn_judge(w, run, schedule == NULL && options->order == NULL, schedule == NULL);
	m2d_check_free(r.check);
	g_string_chunk_free(r.names);
	if (local != NULL) {
		g_propagate_error(error, local);
		return NULL;
	}
	return g_steal_pointer(&run);
}

void m2d_scn_run_free(M2dScnRun *run)
{
	if (run == NULL)
		return;
	for (unsigned i = 0; i < run->scenario->n_steps; i++) {
		g_clear_pointer(&run->steps[i].dirty, g_array_unref);
		g_free(run->steps[i].mismatch);
	}
	g_free(run->steps);
	g_array_unref(run->micro);
	g_array_unref(run->events);
	g_clear_pointer(&run->findings, g_array_unref);
	g_ptr_array_unref(run->claims);
	g_free(run->held);
	g_free(run->event_count);
	g_free(run->point_count);
	g_free(run->why);
	g_free(run->kvm);
	g_free(run);
}

GArray *m2d_scn_run_schedule(const M2dScnRun *run)
{
	GArray *choices = g_array_new(FALSE, FALSE, sizeof(M2dScnChoice));

	for (guint i = 0; i < run->micro->len; i++) {
		const M2dScnMicro *m = &g_array_index(run->micro, M2dScnMicro, i);
		M2dScnChoice *last =
			choices->len != 0 ? &g_array_index(choices, M2dScnChoice, choices->len - 1)
					  : NULL;

		if (last != NULL && last->actor == m->actor && !last->begins && !m->begins &&
		    !last->hw && !m->hw) {
			last->count++;
		} else {
			M2dScnChoice c = {.actor = m->actor,
					  .begins = m->begins,
					  .hw = m->hw,
					  .count = 1,
					  .act = m->act};

			g_array_append_val(choices, c);
		}
	}
	return choices;
}
