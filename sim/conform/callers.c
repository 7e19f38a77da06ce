/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks for a remote flush: the probe of kvm_flush_remote_tlbs() records the function that it
 * returns to, the model's routines are frames on its stack. Functions that compilers put into
 * others have other names in other kernels; one that is not known here is not compared.
 */
#include <string.h>

#include "sim/conform/conform-private.h"
#include "sim/vm/request.h"

typedef enum {
	NOBODY,
	COMMIT,
	INVALIDATE,
	AGE,
	LOG,
	COLLAPSE,
	SET_SPTE,
	LINK,
	VALIDATE,
	GET_PAGE,
	SYNC,
	WRITE,
	INVLPG,
} Caller;

static const struct {
	Caller caller;
	const char *name;
} functions[] = {
	{COMMIT, "kvm_mmu_commit_zap_page"},
	{INVALIDATE, "kvm_mmu_notifier_invalidate_range_start"},
	{AGE, "kvm_mmu_notifier_clear_flush_young"},
	{LOG, "kvm_arch_flush_remote_tlbs_memslot"},
	{LOG, "kvm_flush_remote_tlbs_memslot"},
	{LOG, "kvm_get_dirty_log_protect"},
	{LOG, "kvm_clear_dirty_log_protect"},
	{LOG, "kvm_set_memslot"},
	{COLLAPSE, "kvm_rmap_zap_collapsible_sptes"},
	{COLLAPSE, "kvm_mmu_zap_collapsible_sptes"},
	{SET_SPTE, "mmu_set_spte"},
	{LINK, "__link_shadow_page"},
	{VALIDATE, "validate_direct_spte"},
	{GET_PAGE, "__kvm_mmu_get_shadow_page"},
	{SYNC, "mmu_sync_children"},
	{WRITE, "kvm_mmu_pte_write"},
	{WRITE, "kvm_mmu_track_write"},
	{INVLPG, "paging64_invlpg"},
	{INVLPG, "paging32_invlpg"},
	{INVLPG, "__kvm_mmu_invalidate_addr"},
};

/* The first of each is what the model's are shown as. */
static const struct {
	uint16_t routine;
	Caller caller;
} routines[] = {
	{M2D_R_m2d_mmu_commit_zap, COMMIT},
	{M2D_R_m2d_mmu_notifier_start, INVALIDATE},
	{M2D_R_m2d_mmu_notifier_age, AGE},
	{M2D_R_m2d_slot_apply_flags, LOG},
	{M2D_R_m2d_get_dirty_log, LOG},
	{M2D_R_m2d_clear_dirty_log, LOG},
	{M2D_R_m2d_mmu_zap_collapsible, COLLAPSE},
	{M2D_R_m2d_mmu_set_spte, SET_SPTE},
	{M2D_R_m2d_mmu_link_page, LINK},
	{M2D_R_m2d_mmu_direct_map, VALIDATE},
	{M2D_R_m2d_mmu_get_page, GET_PAGE},
	{M2D_R_m2d_mmu_sync_children, SYNC},
	{M2D_R_m2d_mmu_track_write, WRITE},
	{M2D_R_m2d_mmu_invlpg_zap, INVLPG},
	{M2D_R_m2d_mmu_invalidate_addr, INVLPG},
	{M2D_R_m2d_mmu_invlpg, INVLPG},
};

static uint64_t symbol(const char *name)
{
	return m2d_cap_symbol(name, (unsigned)strlen(name));
}

static Caller caller_of(uint64_t function)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(functions); i++)
		if (symbol(functions[i].name) == function)
			return functions[i].caller;
	return NOBODY;
}

/* The innermost frame of who acts; NULL: no routine does. */
static const M2dFrame *acting(const M2dRuntime *rt)
{
	return rt->current < rt->n_tasks && !m2d_rt_idle(rt, rt->current)
		       ? m2d_rt_top(rt, rt->current)
		       : NULL;
}

uint64_t m2d_conf_flush_caller(const M2dConform *c)
{
	const M2dRuntime *rt = c->vm->rt;
	const M2dFrame *f;

	for (f = acting(rt); f != NULL; f = m2d_rt_below(f)) {
		for (unsigned i = 0; i < G_N_ELEMENTS(routines); i++) {
			if (routines[i].routine != f->routine)
				continue;
			for (unsigned k = 0;; k++)
				if (functions[k].caller == routines[i].caller)
					return symbol(functions[k].name);
		}
		/* Only wrappers are looked through. */
		if (f->routine != M2D_R_m2d_flush_remote_tlbs &&
		    f->routine != M2D_R_m2d_mmu_flush_gfn &&
		    f->routine != M2D_R_m2d_mmu_flush_or_zap)
			break;
	}
	return 0;
}

/* kvm_flush_remote_tlbs_memslot() has no entry of its own for a dirty log ioctl, which lies in the
 * same file: the compiler put it there. */
bool m2d_conf_memslot_inlined(uint64_t caller)
{
	return caller == symbol("kvm_get_dirty_log_protect") ||
	       caller == symbol("kvm_clear_dirty_log_protect");
}

bool m2d_conf_in_dirty_log(const M2dConform *c)
{
	const M2dFrame *f = acting(c->vm->rt);

	return f != NULL &&
	       (f->routine == M2D_R_m2d_get_dirty_log || f->routine == M2D_R_m2d_clear_dirty_log);
}

bool m2d_conf_same_caller(uint64_t kernel, uint64_t model)
{
	Caller k;

	/* Names are hashed to be compared. */
	if (kernel == model)
		return true;
	k = caller_of(kernel);
	return k == NOBODY || k == caller_of(model);
}

const char *m2d_conform_function(uint64_t function)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(functions); i++)
		if (symbol(functions[i].name) == function)
			return functions[i].name;
	return NULL;
}
