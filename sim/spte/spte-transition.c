/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which step takes one value of an SPTE to another. */
#include "sim/spte/spte-state.h"

static M2dSpteTransition illegal(const char **why, const char *text)
{
	*why = text;
	return M2D_SPTE_T_ILLEGAL;
}

/*
 * Between leafs of the same size. @to is legal, so that if it gained W but not MMU-writable, @from
 * was MMU-writable.
 */
static M2dSpteTransition leaf_to_leaf(const M2dSpteFormat *f, uint64_t from, uint64_t to,
				      const char **why)
{
	uint64_t gained = to & ~from, lost = from & ~to, ad = f->accessed | f->dirty;

	if (m2d_spte_pfn(f, from) != m2d_spte_pfn(f, to))
		return illegal(why, "a present leaf changed its frame");
	if (lost & f->host_writable)
		return illegal(why, "a present leaf lost host-writable");
	if (m2d_spte_ad_enabled(f, from) != m2d_spte_ad_enabled(f, to))
		return illegal(why, "a leaf changed whether it has A/D");
	if (lost & f->mmu_writable)
		return M2D_SPTE_T6;
	if (m2d_spte_is_access_track(f, from)) {
		uint64_t restored = m2d_spte_restore_acc_track(f, from);

		return (to ^ restored) & ~(M2D_SPTE_W | ad) ? M2D_SPTE_T_REWRITE : M2D_SPTE_T8;
	}
	if (m2d_spte_is_access_track(f, to))
		return to == m2d_spte_mark_for_access_track(f, from) ? M2D_SPTE_T9
								     : M2D_SPTE_T_REWRITE;
	if (gained && lost)
		return M2D_SPTE_T_REWRITE;
	if (lost) {
		if (lost == f->accessed)
			return M2D_SPTE_T9;
		if (lost == M2D_SPTE_W)
			return M2D_SPTE_T5;
		return lost & ~ad ? M2D_SPTE_T_REWRITE : M2D_SPTE_T10;
	}
	if (!(gained & ~ad))
		return M2D_SPTE_T11;
	return gained == M2D_SPTE_W ? M2D_SPTE_T7 : M2D_SPTE_T_REWRITE;
}

static M2dSpteTransition from_leaf(const M2dSpteFormat *f, uint64_t from, uint64_t to,
				   M2dSpteState state, const char **why)
{
	switch (state) {
	case M2D_SPTE_STATE_LEAF:
		return leaf_to_leaf(f, from, to, why);
	case M2D_SPTE_STATE_NONLEAF:
		return M2D_SPTE_T3;
	case M2D_SPTE_STATE_MMIO:
		return illegal(why, "an MMIO SPTE overwrote a present leaf");
	default:
		return M2D_SPTE_T12;
	}
}

static M2dSpteTransition from_nonleaf(const M2dSpteFormat *f, uint64_t from, uint64_t to,
				      M2dSpteState state, const char **why)
{
	switch (state) {
	case M2D_SPTE_STATE_LEAF:
		return M2D_SPTE_T4;
	case M2D_SPTE_STATE_NONLEAF:
		if (m2d_spte_pfn(f, from) != m2d_spte_pfn(f, to))
			return illegal(why, "a table link changed its table");
		/* Both are legal, so that only A and the A/D type are left to differ. */
		return to == (from | f->accessed) ? M2D_SPTE_T11
						  : illegal(why, "a table link was rewritten");
	case M2D_SPTE_STATE_MMIO:
		return illegal(why, "an MMIO SPTE overwrote a table link");
	default:
		return M2D_SPTE_T13;
	}
}

static M2dSpteTransition from_absent(M2dSpteState state)
{
	switch (state) {
	case M2D_SPTE_STATE_LEAF:
	case M2D_SPTE_STATE_NONLEAF:
		return M2D_SPTE_T1;
	case M2D_SPTE_STATE_FROZEN:
		return M2D_SPTE_T13;
	default:
		return M2D_SPTE_T2;
	}
}

M2dSpteTransition m2d_spte_transition(const M2dSpteFormat *f, uint64_t from, uint64_t to,
				      unsigned level, const char **why)
{
	M2dSpteState state = m2d_spte_state(f, to, level);
	const char *text;

	*why = NULL;
	if (from == to)
		return M2D_SPTE_T_NONE;
	text = m2d_spte_illegal(f, to, level);
	if (text)
		return illegal(why, text);
	switch (m2d_spte_state(f, from, level)) {
	case M2D_SPTE_STATE_LEAF:
		return from_leaf(f, from, to, state, why);
	case M2D_SPTE_STATE_NONLEAF:
		return from_nonleaf(f, from, to, state, why);
	case M2D_SPTE_STATE_FROZEN:
		return M2D_SPTE_T14;
	case M2D_SPTE_STATE_NONPRESENT:
	case M2D_SPTE_STATE_MMIO:
		return from_absent(state);
	default:
		return illegal(why, "what stood there was no SPTE");
	}
}
