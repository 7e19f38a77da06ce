/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run as a whole: its world and its checker, and what is kept of both when it is over. */
#include "sim/scenario/runner.h"

#include <string.h>

#include "sim/mmu/mmu.h"
#include "sim/scenario/results.h"
#include "sim/scenario/runner-private.h"

static void on_event(const M2dEvent *event, void *data)
{
	M2dScnRunner *r = data;

	g_array_append_val(r->run->events, *event);
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
	g_autofree char *name = step >= 0 ? m2d_scn_step_name(r, step) : NULL;

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
	if (m2d_scn_all_steps(r, schedule, error))
		m2d_scn_finish_steps(r);
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
