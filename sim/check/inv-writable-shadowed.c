/* SPDX-License-Identifier: GPL-2.0-or-later */
/* writable-shadowed: who may write to a gfn that a synchronous page shadows or that is tracked. */
#include "sim/check/check-private.h"

static void report(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, uint64_t gfn,
		   M2dSpIndex by)
{
	M2dMoment birth;
	M2dAbout about = {.vcpu = c->event->vcpu,
			  .gva = M2D_NO_ADDRESS,
			  .gpa = gfn << M2D_PAGE_SHIFT,
			  .hpa = m2d_spte_pfn(&c->vm->fmt, spte) << M2D_PAGE_SHIFT,
			  .birth = m2d_birth_get(c->births, sp, index, &birth)};

	if (by != 0)
		m2d_find(c, M2D_INV_WRITABLE_SHADOWED, &about,
			 "SPTE 0x%" G_GINT64_MODIFIER
			 "x lets the guest write gfn 0x%" G_GINT64_MODIFIER
			 "x, a table of level %u that is shadowed in sync",
			 spte, gfn, m2d_role_level(m2d_sp(c->vm, by)->role));
	else
		m2d_find(c, M2D_INV_WRITABLE_SHADOWED, &about,
			 "SPTE 0x%" G_GINT64_MODIFIER
			 "x lets the guest write gfn 0x%" G_GINT64_MODIFIER
			 "x, which is write-tracked",
			 spte, gfn);
}

void m2d_inv_writable_install(M2dCheck *c, const M2dLeaf *leaf)
{
	M2dSpIndex by;

	if (!m2d_spte_is_writable(leaf->spte) || leaf->level != 1)
		return;
	m2d_premise(c, M2D_INV_WRITABLE_SHADOWED);
	if (m2d_shadowed(c, leaf->as, leaf->gfn, &by))
		report(c, leaf->sp, leaf->index, leaf->spte, leaf->gfn, by);
}

static void leaf(M2dCheck *c, M2dSpIndex sp, unsigned index, uint64_t spte, void *data)
{
	const M2dEvent *e = data;
	uint64_t gfn = e->type == M2D_E_GFN_PROTECTED ? e->a[0] : e->a[1];
	M2dSpIndex by;

	if (!m2d_spte_is_writable(spte))
		return;
	/* The page that is told of is unsync until just after. */
	if (e->type == M2D_E_KVM_MMU_SYNC_PAGE)
		report(c, sp, index, spte, gfn, (M2dSpIndex)e->a[0]);
	else if (m2d_shadowed(c, m2d_role_as(m2d_sp(c->vm, sp)->role), gfn, &by))
		report(c, sp, index, spte, gfn, by);
}

/* Protection of a gfn has been promised, or a page has become synchronous. */
void m2d_inv_writable_shadowed(M2dCheck *c, const M2dEvent *e)
{
	uint64_t gfn = e->type == M2D_E_GFN_PROTECTED ? e->a[0] : e->a[1], pfn;

	if (e->type == M2D_E_KVM_MMU_SYNC_PAGE) {
		const M2dSp *sp = m2d_sp(c->vm, (M2dSpIndex)e->a[0]);

		/* A page that is zapped is told synchronous, too. */
		if (sp->parents == 0 && sp->root_count == 0)
			return;
	}
	m2d_premise(c, M2D_INV_WRITABLE_SHADOWED);
	if (m2d_peek_gfn(c->vm, 0, gfn, &pfn, NULL) && m2d_maybe_writable(c, pfn))
		m2d_each_leaf(c, 0, gfn, 1, M2D_SPTE_W, leaf, (void *)e);
	m2d_promise_gfns(c, gfn, 1, M2D_STALE_WRITE | M2D_STALE_GONE, true);
	m2d_judge(c, M2D_NO_ACTOR);
}
