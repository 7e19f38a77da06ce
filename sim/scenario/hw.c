/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/hw.h"

#include <inttypes.h>
#include <string.h>

#include "sim/mmu/mmu.h"

#define PAGE_MASK (~UINT64_C(4095))

static const char signs[M2D_N_HW_KINDS] = {'+', '-', '~'};

static void add_page(GArray *pages, uint64_t gva, bool user)
{
	M2dHwAct act = {.kind = M2D_HW_WALK, .user = user, .gva = gva & PAGE_MASK};

	for (guint i = 0; i < pages->len; i++)
		if (g_array_index(pages, M2dHwAct, i).gva == act.gva)
			return;
	if (pages->len < M2D_HW_MAX_PAGES)
		g_array_append_val(pages, act);
}

static bool from_user(const M2dOp *op)
{
	switch (op->kind) {
	case M2D_OP_READ:
		return op->arg[2] != 0;
	case M2D_OP_WRITE:
		return op->arg[3] != 0;
	case M2D_OP_FETCH:
		return op->arg[1] != 0;
	default:
		return false;
	}
}

GArray *m2d_hw_pages(const M2dScenario *s)
{
	GArray *pages = g_array_new(FALSE, TRUE, sizeof(M2dHwAct));

	for (unsigned i = 0; i < s->n_steps; i++) {
		const M2dOp *op = &s->steps[i].op;

		if (s->steps[i].is_continue)
			continue;
		switch (op->kind) {
		case M2D_OP_READ:
		case M2D_OP_WRITE:
		case M2D_OP_FETCH:
		case M2D_OP_CMPXCHG:
		case M2D_OP_SET_PTE:
		case M2D_OP_INVLPG:
		case M2D_OP_AWAIT:
			add_page(pages, op->arg[0], from_user(op));
			break;
		case M2D_OP_PV_FLUSH:
			add_page(pages, op->arg[1], false);
			break;
		default:
			break;
		}
	}
	return pages;
}

unsigned m2d_hw_vcpu(const M2dVm *vm, unsigned cpu)
{
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpu[i]->in_guest && vm->vcpu[i]->pcpu == cpu)
			return i;
	return M2D_NO_ACTOR;
}

/* Guest mode only: there the address means what the scenario means by it. */
bool m2d_hw_can(const M2dVm *vm, const M2dHwAct *act)
{
	M2dMmu *mmu;
	uint64_t hpa;

	if (act->cpu >= vm->n_pcpus || m2d_hw_vcpu(vm, act->cpu) == M2D_NO_ACTOR)
		return false;
	mmu = m2d_vcpu_mmu(vm->pcpu[act->cpu]);
	switch ((M2dHwKind)act->kind) {
	case M2D_HW_WALK:
		return !m2d_mmu_cached(mmu, act->gva) &&
		       m2d_mmu_probe(mmu, act->gva, M2D_ACC_READ, act->user, &hpa);
	case M2D_HW_EVICT:
		return m2d_mmu_cached(mmu, act->gva);
	case M2D_HW_EVICT_UPPER:
		return m2d_mmu_cached_upper(mmu, act->gva);
	case M2D_N_HW_KINDS:
		break;
	}
	return false;
}

unsigned m2d_hw_acts(const M2dVm *vm, unsigned cpu, const GArray *pages,
		     M2dHwAct acts[M2D_HW_MAX_ACTS])
{
	unsigned n = 0;

	for (unsigned kind = 0; kind < M2D_N_HW_KINDS; kind++) {
		for (guint i = 0; i < pages->len; i++) {
			M2dHwAct act = g_array_index(pages, M2dHwAct, i);

			act.kind = (uint8_t)kind;
			act.cpu = (uint8_t)cpu;
			if (kind != M2D_HW_WALK)
				act.user = 0;
			if (m2d_hw_can(vm, &act))
				acts[n++] = act;
		}
	}
	return n;
}

void m2d_hw_do(M2dVm *vm, const M2dHwAct *act)
{
	M2dMmu *mmu = m2d_vcpu_mmu(vm->pcpu[act->cpu]);
	uint8_t vcpu = vm->ev->vcpu;

	vm->ev->vcpu = (uint8_t)m2d_hw_vcpu(vm, act->cpu);
	switch ((M2dHwKind)act->kind) {
	case M2D_HW_WALK:
		m2d_mmu_speculate(mmu, act->gva, act->user);
		m2d_emit(vm->ev, HW_WALK, act->gva, act->cpu);
		break;
	case M2D_HW_EVICT:
		m2d_mmu_evict(mmu, act->gva);
		m2d_emit(vm->ev, HW_EVICT, act->gva, act->cpu, 0);
		break;
	case M2D_HW_EVICT_UPPER:
		m2d_mmu_evict_upper(mmu, act->gva);
		m2d_emit(vm->ev, HW_EVICT, act->gva, act->cpu, 1);
		break;
	case M2D_N_HW_KINDS:
		break;
	}
	vm->ev->vcpu = vcpu;
}

char *m2d_hw_text(const M2dHwAct *act)
{
	return g_strdup_printf("z%u%c0x%" PRIx64 "%s", act->cpu, signs[act->kind], act->gva,
			       act->user ? "u" : "");
}

bool m2d_hw_parse(const char *text, M2dHwAct *act)
{
	const char *sign;
	guint64 cpu;
	char *end;

	memset(act, 0, sizeof(*act));
	if (text[0] != 'z' || !g_ascii_isdigit(text[1]))
		return false;
	cpu = g_ascii_strtoull(text + 1, &end, 10);
	sign = *end != '\0' ? memchr(signs, *end, sizeof(signs)) : NULL;
	if (sign == NULL || cpu >= M2D_MAX_KVM_VCPUS || end[1] != '0' || end[2] != 'x' ||
	    !g_ascii_isxdigit(end[3]))
		return false;
	act->kind = (uint8_t)(sign - signs);
	act->cpu = (uint8_t)cpu;
	act->gva = g_ascii_strtoull(end + 3, &end, 16);
	if (act->kind == M2D_HW_WALK && *end == 'u') {
		act->user = 1;
		end++;
	}
	return *end == '\0' && (act->gva & ~PAGE_MASK) == 0;
}
