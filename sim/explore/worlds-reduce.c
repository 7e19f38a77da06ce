/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Footprints of the actors of a world, and of the rest of their programs. */
#include "sim/explore/worlds-private.h"

static const M2dOp yield = {.kind = M2D_OP_PREEMPT};

static void everything(M2dFootprint *fp)
{
	fp->read = fp->write = fp->enable = UINT64_MAX;
}

static void footprint(void *data, unsigned actor, M2dFootprint *fp)
{
	const M2dExWorld *x = data;
	unsigned index;
	const M2dScnStep *s;
	M2dFootprint more;

	if (actor >= x->n_vm) {
		everything(fp);
		return;
	}
	s = m2d_ex_world_step(x, actor, &index);
	m2d_footprints_next(x->footprints, actor, s != NULL ? &s->op : NULL, fp);
	if (m2d_kvm_idle(x->w->vm, actor) ? s == NULL
					  : s != NULL && x->beside != NULL && x->beside[index]) {
		/* Scheduled out, for another vCPU or beside what is under way. */
		m2d_footprints_begin(x->footprints, actor, s != NULL ? &s->op : &yield, &more);
		fp->read |= more.read;
		fp->write |= more.write;
		fp->enable |= more.enable;
	}
}

/* Interrupts of the guest may still come. */
static bool expects_interrupt(const M2dExWorld *x, unsigned actor)
{
	if (x->w->vm->vcpu[actor]->ipis != 0)
		return true;
	for (unsigned a = 0; a < x->n_vm; a++)
		if (a != actor && x->last_ipi[a] != 0 &&
		    (x->st->at[a].next < x->last_ipi[a] ||
		     (x->st->at[a].next == x->last_ipi[a] && !m2d_kvm_idle(x->w->vm, a))))
			return true;
	return false;
}

static void future(void *data, unsigned actor, M2dFootprint *fp)
{
	const M2dExWorld *x = data;
	const M2dVm *vm = x->w->vm;
	bool idle = m2d_kvm_idle(vm, actor);

	if (actor >= x->n_vm) {
		if (x->st->hw_left[actor - x->n_vm] != 0)
			everything(fp);
		else
			*fp = (M2dFootprint){0};
		return;
	}
	*fp = g_array_index(x->rest[actor], M2dFootprint, x->st->at[actor].next);
	if (!idle)
		m2d_footprints_under_way(x->footprints, actor, fp);
	if (actor >= vm->n_vcpus)
		return;
	if (vm->n_pcpus != vm->n_vcpus)
		m2d_footprints_op(x->footprints, actor, M2D_OP_PREEMPT, fp);
	if (expects_interrupt(x, actor))
		m2d_footprints_interrupt(x->footprints, actor, true, fp);
	else if (vm->vcpu[actor]->in_guest || !idle ||
		 x->st->at[actor].next < x->program[actor]->len)
		m2d_footprints_interrupt(x->footprints, actor, false, fp);
}

/* The footprint of each actor's program from each of its steps on. */
static void make_rests(M2dExWorld *x)
{
	bool moves = false;

	for (unsigned i = 0; i < x->s->n_steps; i++)
		moves |= x->s->steps[i].op.kind == M2D_OP_RESUME && x->s->steps[i].op.given & 1;
	x->footprints = m2d_footprints_new(x->w->vm, moves);
	for (unsigned a = 0; a < x->n_vm; a++) {
		unsigned n = x->program[a]->len;
		M2dFootprint fp = {0};

		x->rest[a] = g_array_new(FALSE, TRUE, sizeof(M2dFootprint));
		g_array_set_size(x->rest[a], n + 1);
		for (unsigned i = n; i-- > 0;) {
			unsigned index = g_array_index(x->program[a], unsigned, i);
			M2dOpKind kind = (M2dOpKind)x->s->steps[index].op.kind;

			m2d_footprints_op(x->footprints, a, kind, &fp);
			g_array_index(x->rest[a], M2dFootprint, i) = fp;
			if ((kind == M2D_OP_IPI || kind == M2D_OP_PV_FLUSH) && x->last_ipi[a] == 0)
				x->last_ipi[a] = i + 1;
		}
	}
}

void m2d_ex_world_reduce(M2dExWorld *x)
{
	if (x->footprints != NULL)
		return;
	make_rests(x);
	x->model.footprint = footprint;
	x->model.future = future;
	x->model.visible = m2d_footprints_visible();
}

void m2d_ex_world_footprints(M2dExWorld *x, M2dFootprints *footprints)
{
	m2d_footprints_free(x->footprints);
	x->footprints = footprints;
}

void m2d_ex_world_reduce_free(M2dExWorld *x)
{
	for (unsigned a = 0; a < M2D_EX_MAX_ACTORS; a++)
		g_clear_pointer(&x->rest[a], g_array_unref);
	m2d_footprints_free(x->footprints);
}
