/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rmap-bijection, unsync-ancestors, and the rest of the shadow MMU's own books. */
#include "sim/check/check-private.h"

#include <string.h>

static const struct {
	const char *id;
	M2dInvariantId invariant;
} books[] = {
	{"INV-KVM-1", M2D_INV_RMAP_BIJECTION}, {"INV-KVM-2", M2D_INV_UNSYNC_ANCESTORS},
	{"INV-KVM-3", M2D_INV_INVALID_ROOT},   {"INV-WP-1", M2D_INV_WRITABLE_SHADOWED},
	{"INV-WP-3", M2D_INV_WRITABLE_COMBO},
};

static void found(const M2dShadowFinding *f, void *data)
{
	M2dCheck *c = data;
	M2dInvariantId id = M2D_INV_RMAP_BIJECTION;

	for (unsigned i = 0; i < G_N_ELEMENTS(books); i++)
		if (strcmp(books[i].id, f->invariant) == 0)
			id = books[i].invariant;
	m2d_find(c, id,
		 &(M2dAbout){.vcpu = M2D_NO_ACTOR,
			     .gva = M2D_NO_ADDRESS,
			     .gpa = f->gfn << M2D_PAGE_SHIFT,
			     .hpa = f->sp != 0 && m2d_sp(c->vm, f->sp)->pfn != 0
					    ? m2d_spte_hpa(c->vm, m2d_sptep(f->sp, f->index)).v
					    : M2D_NO_ADDRESS},
		 "page %u entry %u: %s", f->sp, f->index, f->what);
}

void m2d_inv_bookkeeping(M2dCheck *c)
{
	for (unsigned i = 0; i < M2D_N_LOCKS; i++)
		if (c->vm->s->lock[i].owner != 0)
			return;
	m2d_premise(c, M2D_INV_RMAP_BIJECTION);
	m2d_premise(c, M2D_INV_UNSYNC_ANCESTORS);
	m2d_shadow_audit(c->vm, found, c);
}
