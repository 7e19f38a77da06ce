/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lost-accessed: aging that is to flush, where the profile does. */
#include "sim/check/check-private.h"

void m2d_inv_lost_accessed(M2dCheck *c, const M2dEvent *e)
{
	if (!c->vm->cfg.knobs.young_flush || e->a[1] == 0)
		return;
	m2d_premise(c, M2D_INV_LOST_ACCESSED);
	m2d_promise_gfns(c, e->a[0], 1, M2D_STALE_ACC | M2D_STALE_GONE, false);
}
