/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/explore/footprint.h"

#include "sim/kvm/host-op.h"
#include "sim/kvm/kvm-private.h"
#include "sim/vm/request.h"

static const char *const routine_names[M2D_N_ROUTINES] = {
	"none",
#define ROUTINE(name) #name,
#include "sim/vm/routines.def"
#undef ROUTINE
};

#define WAIT(name) [M2D_WAIT_##name] = #name
static const char *const wait_names[M2D_N_WAITS] = {
	WAIT(NONE),  WAIT(LOCK),  WAIT(ACKS),     WAIT(READERS),
	WAIT(GUEST), WAIT(VALUE), WAIT(NOTIFIER), WAIT(RETRY),
};
#undef WAIT

#define POINT(id, text, what) #id,
static const char *const point_names[M2D_N_POINTS] = {
#include "sim/engine/points.def"
};
#undef POINT

/* --- where an actor stands -------------------------------------------------------------------- */

static bool is_op(unsigned routine)
{
	return routine == M2D_R_m2d_vcpu_op || routine == M2D_R_m2d_host_op;
}

static unsigned op_of(const M2dFrame *h)
{
	return h->routine == M2D_R_m2d_vcpu_op
		       ? ((const m2d_vcpu_op_frame *)(const void *)h)->op.kind
		       : ((const m2d_host_op_frame *)(const void *)h)->op.kind;
}

bool m2d_segment(const M2dVm *vm, unsigned actor, unsigned depth, M2dSegment *seg)
{
	const M2dTask *t = vm->rt->task[actor];
	const M2dFrame *h = t->sp != 0 ? m2d_rt_top(vm->rt, actor) : NULL, *above = NULL;

	for (unsigned d = 0; d < depth && h != NULL; d++) {
		above = h;
		h = m2d_rt_below(h);
	}
	if (h == NULL)
		return false;
	seg->routine = h->routine;
	seg->what = 0;
	if (depth != 0) {
		seg->kind = M2D_SEG_AFTER;
		seg->what = (uint8_t)above->routine;
	} else if (h->pc == 0) {
		seg->kind = M2D_SEG_START;
		seg->what = is_op(h->routine) ? (uint8_t)(op_of(h) + 1) : 0;
	} else if (t->wait != M2D_WAIT_NONE) {
		seg->kind = M2D_SEG_WAIT;
		seg->what = t->wait;
	} else {
		seg->kind = M2D_SEG_POINT;
		seg->what = (uint8_t)t->point;
	}
	return true;
}

M2dOpKind m2d_segment_op(const M2dVm *vm, unsigned actor)
{
	const M2dFrame *outermost = (const M2dFrame *)(const void *)vm->rt->task[actor]->stack;

	return (M2dOpKind)op_of(outermost);
}

M2dSegment m2d_segment_start(const M2dVm *vm, unsigned actor, const M2dOp *op)
{
	M2dSegment seg = {.kind = M2D_SEG_START};

	if (op == NULL) {
		seg.routine = M2D_R_m2d_vcpu_take_interrupts;
	} else {
		seg.routine = actor < vm->n_vcpus ? M2D_R_m2d_vcpu_op : M2D_R_m2d_host_op;
		seg.what = (uint8_t)(op->kind + 1);
	}
	return seg;
}

char *m2d_segment_name(M2dSegment seg)
{
	const char *routine = routine_names[seg.routine];

	switch (seg.kind) {
	case M2D_SEG_START:
		if (seg.what != 0)
			return g_strdup_printf("%s, OPERATION(%s)", routine,
					       m2d_op_info[seg.what - 1].name);
		return g_strdup_printf("%s, START", routine);
	case M2D_SEG_POINT:
		return g_strdup_printf("%s, POINT(%s)", routine, point_names[seg.what]);
	case M2D_SEG_WAIT:
		return g_strdup_printf("%s, WAIT(%s)", routine, wait_names[seg.what]);
	default:
		return g_strdup_printf("%s, AFTER(%s)", routine, routine_names[seg.what]);
	}
}
