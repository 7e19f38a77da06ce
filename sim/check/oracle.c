/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shadow tables against guest tables and host memory, entry by entry. */
#include "sim/check/check-private.h"

typedef struct {
	M2dCheck *check;
	unsigned n;
	char **what;
} M2dDiff;

static void differs(M2dDiff *d, M2dSpIndex sp, unsigned index, const char *how)
{
	const M2dSp *s = m2d_sp(d->check->vm, sp);

	if (d->n++ == 0 && d->what != NULL)
		*d->what = g_strdup_printf("SPTE 0x%" G_GINT64_MODIFIER
					   "x, entry %u of page gfn 0x%" G_GINT64_MODIFIER
					   "x role 0x%x, %s",
					   m2d_spte_read(d->check->vm, m2d_sptep(sp, index)), index,
					   s->gfn, s->role, how);
}

static void one_entry(M2dDiff *d, M2dSpIndex sp, unsigned index, uint64_t spte)
{
	static const char *const how[] = {
		[M2D_DIFFERS_GONE] = "is not what the guest's entry maps",
		[M2D_DIFFERS_ROLE] = "links a page of another kind",
		[M2D_DIFFERS_RIGHTS] = "grants more than the guest's entry",
		[M2D_DIFFERS_AD] = "is present though the guest's accessed bit is clear",
	};
	const M2dVm *vm = d->check->vm;
	const M2dSp *s = m2d_sp(vm, sp);
	M2dDiffers r = m2d_spte_differs(d->check, sp, index);
	uint64_t gfn, n, pfn;
	bool writable = false;

	if (r != M2D_AGREES) {
		differs(d, sp, index, how[r]);
		return;
	}
	if (!m2d_spte_is_last(spte, m2d_role_level(s->role)))
		return;
	m2d_leaf_gfns(d->check, sp, index, &gfn, &n);
	for (uint64_t i = 0; i < n; i++) {
		if (!m2d_peek_gfn(vm, m2d_role_as(s->role), gfn + i, &pfn, &writable) ||
		    pfn != m2d_spte_pfn(&vm->fmt, spte) + i) {
			differs(d, sp, index, "maps another frame than the host has there");
			return;
		}
	}
	if (m2d_spte_is_writable(spte) && !writable)
		differs(d, sp, index, "is writable where the host's memory is not");
}

static void page(M2dDiff *d, M2dSpIndex sp)
{
	const M2dVm *vm = d->check->vm;
	const uint64_t *words = m2d_sp_words(d->check, m2d_sp(vm, sp));
	unsigned level = m2d_role_level(m2d_sp(vm, sp)->role);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t spte = words[i];
		M2dSpIndex child;

		if (spte == vm->fmt.nonpresent || !m2d_spte_is_present(&vm->fmt, spte))
			continue;
		if (!m2d_sp(vm, sp)->unsync)
			one_entry(d, sp, i, spte);
		if (m2d_spte_is_last(spte, level))
			continue;
		child = m2d_shadow_sp_of_frame(vm, m2d_spte_pfn(&vm->fmt, spte));
		if (child != 0 && m2d_role_level(m2d_sp(vm, child)->role) < level)
			page(d, child);
	}
}

unsigned m2d_check_shadow_equal(M2dCheck *c, unsigned vcpu, char **what)
{
	M2dDiff d = {c, 0, what};

	if (what != NULL)
		*what = NULL;
	for (unsigned i = 0; i < 4; i++)
		if (m2d_root_page(c, vcpu, i) != 0)
			page(&d, m2d_root_page(c, vcpu, i));
	return d.n;
}
