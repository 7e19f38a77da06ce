/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two closures of the table. A step: a segment, what it calls from the start of that, and where a
 * called routine may return without a stop, the segment behind the call. All of a routine: all its
 * segments, and all of what it calls. A segment that is not in the table may touch everything.
 */
#include "sim/explore/reduce.h"

#include <limits.h>

#include "sim/vm/request.h"

#define SHARED 4u /* bits of a class PER */
#define ALL    UINT64_MAX

typedef struct {
	M2dTouch read, write;
	bool returns;
} Closed;

struct _M2dFootprints {
	M2dVm *vm;
	unsigned n_rows;
	uint16_t first[M2D_N_ROUTINES + 1]; /* row of each routine; rows are in order */
	Closed *step;                       /* by row */
	Closed all[M2D_N_ROUTINES];
	Closed op[M2D_N_OPS];
	/* For tests: a row that lacks something. */
	unsigned wrong_row;
	M2dTouch wrong;
	bool moves;    /* vCPUs change processors */
	Closed kicked; /* an idle vCPU that is only kicked */
};

static int find_row(const M2dFootprints *f, M2dSegment at)
{
	for (unsigned i = f->first[at.routine]; i < f->first[at.routine + 1]; i++) {
		const M2dSegment *s = &m2d_footprints_row(i)->at;

		if (s->kind == at.kind && s->what == at.what)
			return (int)i;
	}
	return -1;
}

static Closed step_of(const M2dFootprints *f, M2dSegment at)
{
	int row = find_row(f, at);

	return row >= 0 ? f->step[row] : (Closed){ALL, ALL, true};
}

static bool join(Closed *to, const Closed *from)
{
	M2dTouch read = to->read, write = to->write;

	to->read |= from->read;
	to->write |= from->write;
	return to->read != read || to->write != write;
}

/* One round of the closure of row @i; false: nothing new. */
static bool close_step(M2dFootprints *f, unsigned i)
{
	const M2dFootRow *row = m2d_footprints_row(i);
	Closed *c = &f->step[i];
	bool more = false;

	for (const uint8_t *callee = row->called; *callee != 0; callee++) {
		Closed start = step_of(f, (M2dSegment){*callee, M2D_SEG_START, 0}), after;

		more |= join(c, &start);
		if (!start.returns)
			continue;
		after = step_of(f, (M2dSegment){row->at.routine, M2D_SEG_AFTER, *callee});
		more |= join(c, &after);
		more |= after.returns && !c->returns;
		c->returns |= after.returns;
	}
	return more;
}

static void close_steps(M2dFootprints *f)
{
	bool more = true;

	f->step = g_new0(Closed, f->n_rows);
	for (unsigned i = 0; i < f->n_rows; i++) {
		const M2dFootRow *row = m2d_footprints_row(i);

		f->step[i] = (Closed){row->read, row->write, row->returns};
	}
	while (more) {
		more = false;
		for (unsigned i = 0; i < f->n_rows; i++)
			more |= close_step(f, i);
	}
}

static void close_routines(M2dFootprints *f)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned i = 0; i < f->n_rows; i++) {
			const M2dFootRow *row = m2d_footprints_row(i);
			Closed *all = &f->all[row->at.routine];

			more |= join(all, &f->step[i]);
			for (const uint8_t *callee = row->called; *callee != 0; callee++)
				more |= join(all, &f->all[*callee]);
		}
	}
	/* A routine that was never seen. */
	for (unsigned r = 1; r < M2D_N_ROUTINES; r++)
		if (f->first[r] == f->first[r + 1])
			f->all[r] = (Closed){ALL, ALL, true};
}

/* The carrier of operations on behalf of one kind: its start, what that calls, what comes behind.
 */
static void close_op(M2dFootprints *f, M2dOpKind kind)
{
	bool host = m2d_op_info[kind].actors & M2D_OP_HOST;
	uint16_t routine = host ? M2D_R_m2d_host_op : M2D_R_m2d_vcpu_op;
	int start = find_row(f, (M2dSegment){routine, M2D_SEG_START, (uint8_t)(kind + 1)});
	Closed *c = &f->op[kind];

	if (start < 0) {
		*c = (Closed){ALL, ALL, true};
		return;
	}
	join(c, &f->step[start]);
	for (unsigned i = f->first[routine]; i < f->first[routine + 1]; i++) {
		const M2dFootRow *row = m2d_footprints_row(i);
		bool mine = row->at.kind == M2D_SEG_POINT || row->at.kind == M2D_SEG_WAIT ||
			    i == (unsigned)start;

		/* An interrupt comes first; the operation goes on behind it. */
		if (row->at.kind == M2D_SEG_AFTER)
			for (const uint8_t *r = m2d_footprints_row((unsigned)start)->called;
			     *r != 0; r++)
				mine |= *r == row->at.what;
		if (!mine)
			continue;
		join(c, &f->step[i]);
		if (row->at.kind == M2D_SEG_AFTER && row->at.what == M2D_R_m2d_vcpu_take_interrupts)
			continue;
		for (const uint8_t *r = row->called; *r != 0; r++)
			join(c, &f->all[*r]);
	}
	if (!host) {
		Closed behind = step_of(
			f, (M2dSegment){routine, M2D_SEG_AFTER, M2D_R_m2d_vcpu_take_interrupts});

		join(c, &behind);
		join(c, &f->all[M2D_R_m2d_vcpu_take_interrupts]);
	}
}

static void close_kicked(M2dFootprints *f)
{
	static const M2dSegment parts[] = {
		{M2D_R_m2d_vcpu_take_interrupts, M2D_SEG_START, 0},
		{M2D_R_m2d_vcpu_take_interrupts, M2D_SEG_POINT, M2D_PT_EXITED},
	};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(parts); i++) {
		int row = find_row(f, parts[i]);

		if (row < 0) {
			f->kicked = (Closed){ALL, ALL, true};
		} else {
			f->kicked.read |= m2d_footprints_row((unsigned)row)->read;
			f->kicked.write |= m2d_footprints_row((unsigned)row)->write;
		}
	}
}

M2dFootprints *m2d_footprints_new(M2dVm *vm, bool moves)
{
	return m2d_footprints_new_wrong(vm, moves, UINT_MAX, 0);
}

M2dFootprints *m2d_footprints_new_wrong(M2dVm *vm, bool moves, unsigned row, M2dTouch write)
{
	M2dFootprints *f = g_new0(M2dFootprints, 1);
	unsigned r = 0;

	_Static_assert(SHARED * M2D_N_OBJ_PER + M2D_N_OBJ - M2D_N_OBJ_PER <= 64,
		       "objects fit a footprint");
	f->vm = vm;
	f->moves = moves;
	f->wrong_row = row;
	f->wrong = write;
	while (m2d_footprints_row(f->n_rows) != NULL) {
		while (r <= m2d_footprints_row(f->n_rows)->at.routine)
			f->first[r++] = (uint16_t)f->n_rows;
		f->n_rows++;
	}
	while (r <= M2D_N_ROUTINES)
		f->first[r++] = (uint16_t)f->n_rows;
	close_steps(f);
	/* Where it was closed already, so that nothing that it calls makes up for it. */
	if (f->wrong_row < f->n_rows)
		f->step[f->wrong_row].write &= ~f->wrong;
	close_routines(f);
	for (unsigned k = 0; k < M2D_N_OPS; k++)
		close_op(f, (M2dOpKind)k);
	close_kicked(f);
	return f;
}

void m2d_footprints_free(M2dFootprints *f)
{
	if (f == NULL)
		return;
	g_free(f->step);
	g_free(f);
}

/* --- of an actor ------------------------------------------------------------------------------ */

uint64_t m2d_footprints_mask(const M2dFootprints *f, unsigned actor, M2dTouch touch)
{
	uint32_t own = (uint32_t)touch, other = (uint32_t)(touch >> M2D_TOUCH_OTHER);
	bool vcpu = actor < f->vm->n_vcpus;
	uint64_t mask = (uint64_t)((own | other) >> M2D_N_OBJ_PER) << (SHARED * M2D_N_OBJ_PER);

	for (unsigned c = 0; c < M2D_N_OBJ_PER; c++) {
		unsigned i = !vcpu                                   ? 0
			     : c == M2D_OBJ_HW || c == M2D_OBJ_ITEMS ? f->vm->vcpu[actor]->pcpu
								     : actor;
		uint64_t mine = vcpu ? UINT64_C(1) << (i % SHARED) : 0, all = (1u << SHARED) - 1;
		uint64_t set = 0;

		if (own >> c & 1)
			set |= vcpu ? mine : all;
		if (other >> c & 1)
			set |= f->vm->n_vcpus <= SHARED ? all & ~mine : all;
		mask |= set << (SHARED * c);
	}
	return mask;
}

uint64_t m2d_footprints_visible(void)
{
	const uint32_t books = 1u << M2D_OBJ_ITEMS | 1u << M2D_OBJ_NODES | 1u << M2D_OBJ_DUE |
			       1u << M2D_OBJ_FOLLOW | 1u << M2D_OBJ_BOOKS;
	uint64_t mask = 0;

	for (unsigned i = 0; i < SHARED; i++)
		mask |= m2d_footprints_objects(books, i);
	return mask;
}

uint64_t m2d_footprints_objects(uint32_t classes, unsigned of)
{
	uint64_t mask = (uint64_t)(classes >> M2D_N_OBJ_PER) << (SHARED * M2D_N_OBJ_PER);

	for (unsigned c = 0; c < M2D_N_OBJ_PER; c++)
		if (classes >> c & 1)
			mask |= UINT64_C(1) << (SHARED * c + of % SHARED);
	return mask;
}

static void add(const M2dFootprints *f, unsigned actor, const Closed *c, M2dFootprint *fp)
{
	fp->read |= m2d_footprints_mask(f, actor, c->read);
	fp->write |= m2d_footprints_mask(f, actor, c->write);
}

/* The same of later steps: the vCPU may be on any processor by then. */
static void add_later(const M2dFootprints *f, unsigned actor, const Closed *c, M2dFootprint *fp)
{
	const M2dTouch hw = 1u << M2D_OBJ_HW | 1u << M2D_OBJ_ITEMS;
	Closed d = *c;

	if (f->moves) {
		d.read |= (d.read & hw) << M2D_TOUCH_OTHER;
		d.write |= (d.write & hw) << M2D_TOUCH_OTHER;
	}
	add(f, actor, &d, fp);
	fp->enable |= fp->read;
}

/* What the guard of an actor that waits looks at. */
static M2dTouch wait_touch(const M2dTask *t)
{
	static const M2dObjClass locks[] = {M2D_OBJ_LOCK_MMU, M2D_OBJ_LOCK_SLOTS,
					    M2D_OBJ_LOCK_UNSYNC};

	switch ((M2dWait)t->wait) {
	case M2D_WAIT_NONE:
		return 0;
	case M2D_WAIT_LOCK:
		return 1u << locks[t->wait_arg & 0xff];
	case M2D_WAIT_ACKS:
		return 1u << M2D_OBJ_MODE | UINT64_C(1) << (M2D_OBJ_MODE + M2D_TOUCH_OTHER);
	case M2D_WAIT_READERS:
		return 1u << M2D_OBJ_SRCU;
	case M2D_WAIT_NOTIFIER:
		return 1u << M2D_OBJ_SEQ;
	case M2D_WAIT_GUEST:
		return 1u << M2D_OBJ_MODE | 1u << M2D_OBJ_IPI;
	case M2D_WAIT_VALUE:
	case M2D_WAIT_RETRY:
	case M2D_N_WAITS:
		break;
	}
	return ALL;
}

void m2d_footprints_next(const M2dFootprints *f, unsigned actor, const M2dOp *op, M2dFootprint *fp)
{
	M2dSegment seg;
	Closed c = {.returns = true};

	*fp = (M2dFootprint){0};
	for (unsigned depth = 0; c.returns && m2d_segment(f->vm, actor, depth, &seg); depth++) {
		c = step_of(f, seg);
		add(f, actor, &c, fp);
	}
	if (!m2d_kvm_idle(f->vm, actor)) {
		fp->enable = m2d_footprints_mask(f, actor, wait_touch(f->vm->rt->task[actor]));
		return;
	}
	m2d_footprints_begin(f, actor, op, fp);
}

void m2d_footprints_begin(const M2dFootprints *f, unsigned actor, const M2dOp *op, M2dFootprint *fp)
{
	/* Where processors are shared, or a process exits, it matters how far others have come. */
	const M2dTouch others = 1u << M2D_OBJ_BUSY | 1u << M2D_OBJ_MODE |
				UINT64_C(1) << (M2D_OBJ_MODE + M2D_TOUCH_OTHER);
	Closed c = step_of(f, m2d_segment_start(f->vm, actor, op));

	*fp = (M2dFootprint){0};
	add(f, actor, &c, fp);
	fp->enable =
		m2d_footprints_mask(f, actor, op != NULL ? others : others | 1u << M2D_OBJ_IPI);
}

void m2d_footprints_under_way(const M2dFootprints *f, unsigned actor, M2dFootprint *fp)
{
	M2dSegment seg;

	for (unsigned depth = 0; m2d_segment(f->vm, actor, depth, &seg); depth++) {
		if (seg.routine == M2D_R_m2d_vcpu_op || seg.routine == M2D_R_m2d_host_op) {
			m2d_footprints_op(f, actor, m2d_segment_op(f->vm, actor), fp);
			continue;
		}
		add_later(f, actor, &f->all[seg.routine], fp);
	}
}

void m2d_footprints_op(const M2dFootprints *f, unsigned actor, M2dOpKind kind, M2dFootprint *fp)
{
	add_later(f, actor, &f->op[kind], fp);
}

void m2d_footprints_interrupt(const M2dFootprints *f, unsigned actor, bool guest, M2dFootprint *fp)
{
	add_later(f, actor, guest ? &f->all[M2D_R_m2d_vcpu_take_interrupts] : &f->kicked, fp);
}
