/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPTEs and their changes in words, for ladders, stories and findings. */
#include <inttypes.h>
#include <stdio.h>

#include "sim/spte/spte-state.h"

const char *m2d_spte_state_name(M2dSpteState state)
{
	static const char *const names[] = {"bad", "none", "mmio", "frozen", "table", "leaf"};

	return names[state];
}

const char *m2d_spte_write_name(M2dSpteWrite write)
{
	static const char *const names[] = {"bad", "writable", "dirty-logged", "write-protected",
					    "read-only"};

	return names[write];
}

static const struct {
	const char *name, *text;
} transitions[] = {
	[M2D_SPTE_T_ILLEGAL] = {"illegal", "no step of KVM's"},
	[M2D_SPTE_T_NONE] = {"none", "no change"},
	[M2D_SPTE_T1] = {"T1", "map"},
	[M2D_SPTE_T2] = {"T2", "cache or forget MMIO"},
	[M2D_SPTE_T3] = {"T3", "split a huge leaf"},
	[M2D_SPTE_T4] = {"T4", "join into a huge leaf"},
	[M2D_SPTE_T5] = {"T5", "write-protect for dirty logging"},
	[M2D_SPTE_T6] = {"T6", "write-protect a guest table"},
	[M2D_SPTE_T7] = {"T7", "make writable, lockless"},
	[M2D_SPTE_T8] = {"T8", "restore access-tracked rights"},
	[M2D_SPTE_T9] = {"T9", "age"},
	[M2D_SPTE_T10] = {"T10", "clear dirty"},
	[M2D_SPTE_T11] = {"T11", "accessed or dirty set"},
	[M2D_SPTE_T12] = {"T12", "zap a leaf"},
	[M2D_SPTE_T13] = {"T13", "zap a table"},
	[M2D_SPTE_T14] = {"T14", "thaw"},
	[M2D_SPTE_T_REWRITE] = {"rewrite", "change rights"},
};
_Static_assert(M2D_N_ELEMENTS(transitions) == M2D_SPTE_N_TRANSITIONS, "a name for each");

const char *m2d_spte_transition_name(M2dSpteTransition t)
{
	return transitions[t].name;
}

const char *m2d_spte_transition_text(M2dSpteTransition t)
{
	return transitions[t].text;
}

/* The fields of a leaf after its frame. */
static void leaf_text(const M2dSpteFormat *f, uint64_t v, unsigned level, char *buf)
{
	static const char sizes[][4] = {"?", "4k", "2m", "1g"};
	bool ept = f->kind == M2D_SPTE_EPT;
	char track[12] = "", memtype[8] = "";

	if (m2d_spte_is_access_track(f, v)) {
		uint64_t saved = (v & f->saved) >> f->saved_shift;

		snprintf(track, sizeof(track), " track %c-%c", saved & M2D_SPTE_R ? 'r' : '-',
			 saved & M2D_SPTE_X ? 'x' : '-');
	}
	/* Write-back is what RAM has. */
	if (ept && (v & M2D_SPTE_MT) >> 3 != 6)
		snprintf(memtype, sizeof(memtype), " mt %u", (unsigned)((v & M2D_SPTE_MT) >> 3));
	snprintf(buf, 64, " %s %c%c%c%s%s%s%s%s%s%s%s", sizes[level <= 3 ? level : 0],
		 v & M2D_SPTE_R ? 'r' : '-', m2d_spte_is_writable(v) ? 'w' : '-',
		 m2d_spte_is_executable(f, v) ? 'x' : '-',
		 ept                      ? ""
		 : m2d_spte_is_user(f, v) ? "u"
					  : "-",
		 m2d_spte_is_host_writable(f, v) ? " hw" : "",
		 m2d_spte_is_mmu_writable(f, v) ? " mw" : "",
		 m2d_spte_is_accessed(f, v) ? " a" : "", m2d_spte_is_dirty(f, v) ? " d" : "", track,
		 m2d_spte_ad_type(f, v) == M2D_SPTE_AD_DISABLED      ? " ad-off"
		 : m2d_spte_ad_type(f, v) == M2D_SPTE_AD_WRPROT_ONLY ? " wp-only"
								     : "",
		 memtype);
}

char *m2d_spte_to_string(const M2dSpteFormat *f, uint64_t v, unsigned level,
			 char buf[M2D_SPTE_TEXT])
{
	M2dSpteState state = m2d_spte_state(f, v, level);
	const char *why = m2d_spte_illegal(f, v, level);
	char rest[64] = "";

	switch (state) {
	case M2D_SPTE_STATE_NONPRESENT:
	case M2D_SPTE_STATE_FROZEN:
		snprintf(buf, M2D_SPTE_TEXT, "%s", m2d_spte_state_name(state));
		return buf;
	case M2D_SPTE_STATE_MMIO:
		snprintf(buf, M2D_SPTE_TEXT, "mmio gfn 0x%" PRIx64 " gen 0x%" PRIx64 "%s%s%s",
			 m2d_spte_mmio_gfn(f, v), m2d_spte_mmio_generation(f, v),
			 m2d_spte_mmio_access(f, v) ? " " : "",
			 m2d_spte_mmio_access(f, v) & M2D_SPTE_ACC_WRITE ? "w" : "",
			 m2d_spte_mmio_access(f, v) & M2D_SPTE_ACC_USER ? "u" : "");
		return buf;
	case M2D_SPTE_STATE_NONLEAF:
		snprintf(rest, sizeof(rest), "%s%s", v & f->accessed ? " a" : "",
			 m2d_spte_ad_enabled(f, v) ? "" : " ad-off");
		break;
	case M2D_SPTE_STATE_LEAF:
		leaf_text(f, v, level, rest);
		break;
	default:
		snprintf(buf, M2D_SPTE_TEXT, "0x%" PRIx64 " !%s", v, why);
		return buf;
	}
	snprintf(buf, M2D_SPTE_TEXT, "%spfn 0x%" PRIx64 "%s%s%s",
		 state == M2D_SPTE_STATE_NONLEAF ? "table " : "", m2d_spte_pfn(f, v), rest,
		 why ? " !" : "", why ? why : "");
	return buf;
}
