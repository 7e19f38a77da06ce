/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record itself: its times, events that stand twice, walks of the guest's tables, which are
 * rows of events, and whether the VM is seen from its beginning.
 */
#include "sim/evidence/evidence-private.h"

#include <string.h>

/* Bytes of the fields up to the last known one. */
static size_t field_bytes(uint32_t has)
{
	return has == 0 ? 0 : (32u - (unsigned)__builtin_clz(has)) * sizeof(uint64_t);
}

void m2d_ev_check_time(M2dEvidence *ev, const M2dCapEvent *e)
{
	unsigned cpu = e->cpu & 255;

	m2d_ev_premise(ev, M2D_RULE_TIME_ORDER);
	if (ev->cpu_seen[cpu] && e->time < ev->cpu_time[cpu])
		m2d_ev_report(ev, &(M2dEvReport){.rule = M2D_RULE_TIME_ORDER},
			      "CPU %u: time goes back by %" G_GINT64_MODIFIER
			      "u ns; events have changed places",
			      e->cpu, ev->cpu_time[cpu] - e->time);
	else if (e->time < ev->time)
		m2d_ev_report(ev,
			      &(M2dEvReport){.rule = M2D_RULE_TIME_ORDER,
					     .doubt = "buffers that are read while they fill come "
						      "in pieces"},
			      "events of CPUs are not in the order of their times, by "
			      "%" G_GINT64_MODIFIER "u ns",
			      ev->time - e->time);
	ev->cpu_seen[cpu] = 1;
	ev->cpu_time[cpu] = e->time;
	ev->time = e->time;
	ev->time_cpu = cpu;
}

void m2d_ev_check_twice(M2dEvidence *ev, const M2dCapEvent *e)
{
	M2dCapEvent *last = &ev->last_of_cpu[e->cpu & 255].event;

	if (last->kind == e->kind && last->time == e->time && last->pid == e->pid &&
	    last->has == e->has && last->cpu == e->cpu && e->kind < M2D_CAP_N_KINDS &&
	    memcmp(&last->u, &e->u, e->kind == M2D_CAP_MARK ? M2D_CAP_TEXT : field_bytes(e->has)) ==
		    0)
		m2d_ev_missing(ev, &(M2dEvRef){e->time, last->place, e->pid, e->cpu, e->kind}, 0,
			       "the clock may be too coarse to tell two events apart",
			       "the same event twice at the same time");
	*last = *e;
}

void m2d_ev_look_for_birth(M2dEvidence *ev, const M2dCapEvent *e)
{
	switch (e->kind) {
	case M2D_CAP_SET_REGION:
	case M2D_CAP_PRIVATE_REGION:
		ev->birth = true;
		break;
	case M2D_CAP_INVAL_MMIO:
		/* Each change of the memslots adds 2; the first makes 2, or 3 for SMM's. */
		if (!ev->mmio_gen_known[0] && !ev->mmio_gen_known[1] && e->u.inval_mmio.gen > 3) {
			ev->birth = false;
			ev->born = true;
		}
		break;
	case M2D_CAP_ENTRY:
	case M2D_CAP_EXIT:
	case M2D_CAP_PAGE_FAULT:
	case M2D_CAP_TDP_SPTE:
	case M2D_CAP_SET_SPTE:
	case M2D_CAP_GET_PAGE:
	case M2D_CAP_ZAP_PAGE:
	case M2D_CAP_ZAP_ALL_FAST:
		ev->born = true;
		ev->slots_known = ev->birth;
		break;
	}
}

void m2d_ev_walk_element(M2dEvidence *ev, M2dEvTask *task)
{
	const M2dCapEvent *e = ev->now;
	unsigned level = (unsigned)e->u.element.level;

	if (level < G_N_ELEMENTS(task->walk))
		task->walk[level] = e->u.element.pte;
	m2d_ev_premise(ev, M2D_RULE_MISSING_EVENT);
	if (task->walk_level != 0 && level + 1 != task->walk_level)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_WALK, NULL,
			       "a walk of the guest's tables leaves a level out, or begins "
			       "without a word");
	else if (!task->walking && task->walk_level == 0 && ev->birth)
		m2d_ev_missing(ev, &task->last_exit, M2D_CAP_WALK, NULL,
			       "a guest entry is read that no walk is of");
	task->walk_level = level;
	task->walking = level > 1;
}
