/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which actor moves next: the choices of a schedule, then what is left of the scenario in the order
 * as written. And back: the choices that a run amounts to.
 */
#include "sim/scenario/runner-private.h"

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
	if (!m2d_scn_begin_step(r, i, error))
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
		if (!m2d_scn_micro_step(r, actor))
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

bool m2d_scn_all_steps(M2dScnRunner *r, const GArray *schedule, GError **error)
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
		    (s->is_continue || !m2d_scn_run_actor(r, (unsigned)actor))) {
			if (r->run->why != NULL)
				return false;
			continue;
		}
		if (!m2d_scn_run_step(r, i, error))
			return false;
	}
	return true;
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
