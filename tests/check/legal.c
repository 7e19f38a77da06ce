/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/check/legal.h"

#include <stdio.h>

#define DATA_GVA   UINT64_C(0x400000)
#define DIRECT_GVA UINT64_C(0x40000000)
#define N_REGIONS  4u
#define N_PAGES    12u /* a region */
#define SLOT1_GFN  0x2000u
#define SLOT1_HVA  0x3000u

static uint64_t region(unsigned r)
{
	return DATA_GVA + r * UINT64_C(0x600000);
}

static uint32_t below(Legal *l, uint32_t n)
{
	return (uint32_t)m2d_rng_below(&l->rng, n);
}

static bool one_in(Legal *l, uint32_t n)
{
	return below(l, n) == 0;
}

static uint64_t random_gva(Legal *l)
{
	return region(below(l, N_REGIONS)) + 0x1000 * (uint64_t)below(l, N_PAGES);
}

static uint64_t data_gpa(Legal *l)
{
	if (l->slot1 && one_in(l, 6))
		return (SLOT1_GFN + (uint64_t)below(l, 16)) << 12;
	return (FIRST_DATA + (uint64_t)below(l, 48)) << 12;
}

static void trace(const M2dEvent *e, void *data)
{
	char buf[256];

	printf("[%lu] actor %u vcpu %u: %s\n", (unsigned long)e->time, e->actor, e->vcpu,
	       m2d_event_format(e, buf, sizeof(buf)));
}

void legal_init(Legal *l, const Setup *setup, uint64_t seed, bool stepping)
{
	M2dCheckOptions opt = {.audit_every = 16, .max_findings = 8};
	Fx *fx = &l->fx;

	memset(l, 0, sizeof(*l));
	m2d_rng_seed(&l->rng, seed);
	fx_init(fx, setup);
	l->stepping = stepping;
	if (setup->mode != MODE_NONE) {
		for (unsigned r = 0; r < N_REGIONS; r++)
			for (unsigned p = 0; p < N_PAGES; p++)
				map(fx, region(r) + 0x1000 * p, data_gpa(l), RWU);
		/* Tables made meanwhile are in it: the last ones map themselves. */
		for (uint64_t g = FIRST_TABLE; g < FIRST_TABLE + 64; g++)
			map(fx, DIRECT_GVA + (g << 12), g << 12, M2D_PTE_P | M2D_PTE_RW);
		for (unsigned i = 0; setup->mode == MODE_PAE && i < fx->vm->n_vcpus; i++)
			set_regs(fx, i, setup);
	}
	l->space[0].root_gpa = fx->root;
	l->guest = (M2dGuestInfo){l->space, 1, DIRECT_GVA};
	m2d_kvm_set_guest(fx->vm, &l->guest);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++) {
		M2dKvmVcpu *v = fx->vm->vcpu[i];

		m2d_put(fx->vm->arena, &v->steal_gpa, 8, (0x200 + i) << 12);
		gwrite(fx, v->steal_gpa, 8, 0);
		gwrite(fx, v->steal_gpa + 16, 8, 0);
	}
	if (g_getenv("LEGAL_TRACE") != NULL)
		m2d_events_listen(fx->vm->ev, trace, NULL);
	l->check = m2d_check_new(fx->vm, &opt);
	for (unsigned i = 0; i < fx->vm->n_vcpus; i++)
		m2d_put(fx->vm->arena, &fx->vm->vcpu[i]->loaded, 1, 1);
	fx->vm->rt->stepping = stepping;
}

void legal_free(Legal *l)
{
	m2d_check_free(l->check);
	fx_free(&l->fx);
}

/* Do it now, or after what the actor has to do before. */
static void give(Legal *l, unsigned actor, const M2dOp *o)
{
	LegalQueue *q = &l->queue[actor];

	if (!l->stepping) {
		run_op(&l->fx, actor, o);
		return;
	}
	ck_assert_uint_lt(q->n, G_N_ELEMENTS(q->op));
	q->op[q->n++] = *o;
}

static void op(Legal *l, unsigned actor, M2dOpKind kind, uint64_t a, uint64_t b, uint64_t c,
	       unsigned given)
{
	M2dOp o;

	m2d_op_preset(&o, kind);
	if (given >= 1)
		o.arg[0] = a;
	if (given >= 2)
		o.arg[1] = b;
	if (given >= 3)
		o.arg[2] = c;
	o.given = (uint16_t)((1u << given) - 1);
	give(l, actor, &o);
}

/* On any processor that is free. */
static void resume(Legal *l, unsigned v)
{
	const M2dVm *vm = l->fx.vm;
	unsigned pcpu = vm->vcpu[v]->pcpu;
	bool taken;

	if (!l->preempted[v])
		return;
	if (l->stepping) {
		l->preempted[v] = false;
		op(l, v, M2D_OP_RESUME, 0, 0, 0, 0);
		return;
	}
	if (one_in(l, 2))
		pcpu = below(l, vm->n_pcpus);
	do {
		pcpu = (pcpu + 1) % vm->n_pcpus;
		taken = false;
		for (unsigned i = 0; i < vm->n_vcpus; i++)
			taken |= i != v && !l->preempted[i] && vm->vcpu[i]->pcpu == pcpu;
	} while (taken);
	l->preempted[v] = false;
	op(l, v, M2D_OP_RESUME, pcpu, 0, 0, 1);
}

static void preempt(Legal *l, unsigned v)
{
	if (l->preempted[v])
		return;
	op(l, v, M2D_OP_PREEMPT, 0, 0, 0, 0);
	l->preempted[v] = true;
}

static void touch(Legal *l, unsigned v)
{
	uint64_t gva = random_gva(l) + 8 * (uint64_t)below(l, 512);
	uint32_t k = below(l, 8);
	bool user = one_in(l, 2);
	M2dOp o;

	m2d_op_preset(&o, k < 4 ? M2D_OP_READ : k < 7 ? M2D_OP_WRITE : M2D_OP_FETCH);
	o.arg[0] = gva;
	if (k < 4) {
		o.arg[2] = user;
	} else if (k < 7) {
		o.arg[1] = below(l, 1000);
		o.arg[3] = user;
	} else {
		o.arg[1] = user;
	}
	give(l, v, &o);
}

/* What makes an edit visible everywhere: here first, then on the others. */
static void shootdown(Legal *l, unsigned v, uint64_t gva)
{
	unsigned n = l->fx.vm->n_vcpus;
	uint64_t others = ((UINT64_C(1) << n) - 1) & ~(UINT64_C(1) << v);

	switch (below(l, 4)) {
	case 0:
		op(l, v, M2D_OP_INVPCID, 2, 0, 0, 1);
		break;
	case 1:
		op(l, v, M2D_OP_MOV_CR3, 0, 0, 0, 1);
		break;
	default:
		op(l, v, M2D_OP_INVLPG, gva, 0, 0, 1);
		break;
	}
	if (one_in(l, 2)) {
		op(l, v, M2D_OP_PV_FLUSH, others, gva, 0, one_in(l, 2) ? 2 : 1);
		return;
	}
	for (unsigned i = 0; i < n && !l->stepping; i++)
		resume(l, i);
	op(l, v, M2D_OP_IPI, others, one_in(l, 2) ? 1 : 2, gva, 3);
	op(l, v, M2D_OP_AWAIT_ACKS, 0, 0, 0, 0);
}

static void edit(Legal *l, unsigned v)
{
	uint64_t gva = random_gva(l);
	M2dOp o;

	m2d_op_preset(&o, M2D_OP_SET_PTE);
	o.arg[0] = gva;
	o.arg[1] = 0;
	o.arg[2] = 1;
	o.given = 7;
	switch (below(l, 8)) {
	case 0:
		o.arg[6] = 1;
		o.given |= 1 << 6;
		break;
	case 1:
	case 2:
		o.arg[4] = M2D_OP_RIGHT_R | below(l, 32);
		o.given |= 1 << 4;
		break;
	case 3: /* an upper level, read-only and back */
		if (l->fx.mode == MODE_32)
			return;
		o.arg[2] = 2;
		o.arg[4] = M2D_OP_RIGHT_R | M2D_OP_RIGHT_X | M2D_OP_RIGHT_U |
			   (one_in(l, 3) ? 0 : M2D_OP_RIGHT_W);
		o.given |= 1 << 4;
		break;
	default:
		o.arg[3] = data_gpa(l);
		o.arg[4] = M2D_OP_RIGHT_R | M2D_OP_RIGHT_W | M2D_OP_RIGHT_X |
			   (one_in(l, 4) ? 0 : M2D_OP_RIGHT_U);
		o.given |= 3 << 3;
		break;
	}
	give(l, v, &o);
	if (one_in(l, 4))
		touch(l, v);
	if (one_in(l, 4))
		return; /* the flush comes some other time */
	shootdown(l, v, gva);
}

static void host(Legal *l)
{
	unsigned h = l->fx.vm->host_actor;
	uint64_t gpa = (FIRST_DATA + (uint64_t)below(l, 48)) << 12;

	switch (below(l, 12)) {
	case 0:
		op(l, h, M2D_OP_UNMAP, gpa, gpa + 0xfff, 0, 2);
		break;
	case 1:
		op(l, h, M2D_OP_MIGRATE, gpa, 0, 0, 1);
		break;
	case 2:
		op(l, h, M2D_OP_PROTECT, gpa, gpa + 0xfff, 0, 2);
		break;
	case 3:
		op(l, h, M2D_OP_UNPROTECT, gpa, gpa + 0xfff, 0, 2);
		break;
	case 4:
		op(l, h, M2D_OP_AGE, gpa, gpa + 0x3fff, 0, 2);
		break;
	case 5:
	case 6:
		/* What KVM's sync does to MMIO SPTEs, see below, races with accesses. */
		if (!l->slot1 && l->stepping && !l->fx.vm->cfg.tdp)
			break;
		if (!l->slot1) {
			M2dOp o;

			m2d_op_preset(&o, M2D_OP_SLOT_CREATE);
			o.arg[0] = 1;
			o.arg[1] = SLOT1_GFN << 12;
			o.arg[2] = ((SLOT1_GFN + 16) << 12) - 1;
			o.arg[3] = SLOT1_HVA << 12;
			o.given = 15;
			give(l, h, &o);
			if (l->fx.vm->cfg.tdp) {
				l->slot1 = true;
				break;
			}
			/* KVM's sync gives MMIO SPTEs the new generation without asking whether
			 * there is a memslot by now (sync_mmio_spte()): another one that goes takes
			 * them along. */
			o.arg[0] = 2;
			o.arg[1] += UINT64_C(0x1000000);
			o.arg[2] += UINT64_C(0x1000000);
			o.arg[3] += UINT64_C(0x1000000);
			give(l, h, &o);
			op(l, h, M2D_OP_SLOT_DELETE, 2, 0, 0, 1);
		} else {
			op(l, h, M2D_OP_SLOT_DELETE, 1, 0, 0, 1);
		}
		l->slot1 = !l->slot1;
		break;
	case 7: {
		M2dOp o;

		m2d_op_preset(&o, M2D_OP_SLOT_FLAGS);
		l->logging = !l->logging;
		o.arg[3] = l->logging;
		o.given = 15;
		give(l, h, &o);
		break;
	}
	case 8:
	case 9:
		if (l->logging)
			op(l, h, M2D_OP_GET_DIRTY_LOG, 0, 0, 0, 1);
		break;
	case 10:
		op(l, h, l->tracked ? M2D_OP_UNTRACK : M2D_OP_TRACK, FIRST_DATA << 12, 0, 0, 1);
		l->tracked = !l->tracked;
		break;
	default:
		op(l, h, M2D_OP_MIGRATE, (FIRST_TABLE + (uint64_t)below(l, 12)) << 12, 0, 0, 1);
		break;
	}
}

/* The next thing that @actor does. */
static void next_work(Legal *l, unsigned actor)
{
	uint32_t k = below(l, 100);

	if (actor == l->fx.vm->host_actor) {
		host(l);
		return;
	}
	if (k < 5 && l->fx.vm->n_vcpus > 1 && !l->preempted[actor]) {
		preempt(l, actor);
		return;
	}
	resume(l, actor);
	if (k < 23 && l->fx.mode != MODE_NONE)
		edit(l, actor);
	else if (k < 27)
		op(l, actor, M2D_OP_MOV_CR3, 0, 0, 0, 1);
	else
		touch(l, actor);
}

static void begin(Legal *l, unsigned actor)
{
	LegalQueue *q = &l->queue[actor];
	GError *error = NULL;
	M2dOp o;

	if (q->n == 0 && (actor != l->fx.vm->host_actor || one_in(l, 12)))
		next_work(l, actor);
	if (q->n == 0)
		return;
	o = q->op[0];
	memmove(q->op, q->op + 1, --q->n * sizeof(M2dOp));
	if (!m2d_kvm_start(l->fx.vm, actor, &o, &error))
		ck_abort_msg("%s", error->message);
	l->done++;
}

/* One micro-step of somebody. */
static bool step(Legal *l)
{
	M2dVm *vm = l->fx.vm;
	unsigned first = below(l, vm->n_vcpus + 1);

	for (unsigned i = 0; i <= vm->n_vcpus; i++) {
		unsigned a = (first + i) % (vm->n_vcpus + 1);

		if (m2d_kvm_idle(vm, a) && !m2d_kvm_wants_step(vm, a))
			begin(l, a);
		if (!m2d_kvm_wants_step(vm, a))
			continue;
		m2d_kvm_step(vm, a);
		return true;
	}
	return false;
}

unsigned legal_steps(Legal *l, unsigned n)
{
	uint64_t end = l->done + n;

	while (l->done < end && m2d_check_n_findings(l->check) == 0) {
		if (l->stepping) {
			ck_assert_msg(step(l), "nobody can go on");
			continue;
		}
		next_work(l, below(l, 9) == 0 ? l->fx.vm->host_actor : below(l, l->fx.vm->n_vcpus));
		l->done++;
	}
	return m2d_check_n_findings(l->check);
}

void legal_print(const Legal *l)
{
	for (unsigned i = 0; i < m2d_check_n_findings(l->check); i++) {
		const M2dFinding *f = m2d_check_finding(l->check, i);

		printf("%s: %s\n%s", m2d_invariant(f->id)->name, f->what, f->story);
	}
}
