/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to entries before the walk: "gL1:-W", "nL2@gL3:=0x0". */
#include "sim/replay/onewalk-private.h"

#include <string.h>

#include "sim/base/error.h"

typedef struct {
	const char *name;
	uint64_t bits;
} Flag;

static const Flag legacy_flags[] = {
	{"P", M2D_PTE_P},    {"W", M2D_PTE_RW},  {"U", M2D_PTE_US}, {"PWT", M2D_BIT(3)},
	{"PCD", M2D_BIT(4)}, {"A", M2D_PTE_A},   {"D", M2D_PTE_D},  {"PS", M2D_PTE_PS},
	{"G", M2D_PTE_G},    {"NX", M2D_PTE_NX}, {NULL, 0},
};

static const Flag ept_flags[] = {
	{"R", M2D_EPT_R},       {"W", M2D_EPT_W},   {"X", M2D_EPT_X}, {"MT", M2D_EPT_MT},
	{"IPAT", M2D_EPT_IPAT}, {"PS", M2D_EPT_PS}, {"A", M2D_EPT_A}, {"D", M2D_EPT_D},
	{"XU", M2D_EPT_XU},     {NULL, 0},
};

static bool edit_error(const char *text, const char *expected, GError **error)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "--edit=%s: %s", text, expected);
	return false;
}

/* "L1" to "L5" at @p; 0 if it is none. */
static unsigned parse_level(const char *p, const char **end)
{
	if (p[0] != 'L' || p[1] < '1' || p[1] > '5')
		return 0;
	*end = p + 2;
	return (unsigned)(p[1] - '0');
}

/* The name of the entry, up to the colon. */
static bool parse_entry(const char *text, const char **rest, M2dWalkEdit *edit, GError **error)
{
	const char *p = text;

	if (p[0] != 'g' && p[0] != 'n')
		return edit_error(text, "expected gL1 to gL5 or nL1@gL1 and so on, then a colon",
				  error);
	edit->dimension = p[0] == 'g' ? M2D_DIM_GUEST : M2D_DIM_NESTED;
	edit->level = parse_level(p + 1, &p);
	if (edit->level == 0)
		return edit_error(text, "expected a level L1 to L5", error);
	edit->guest_level = edit->level;
	if (edit->dimension == M2D_DIM_NESTED) {
		if (g_str_has_prefix(p, "@final")) {
			edit->guest_level = 0;
			p += strlen("@final");
		} else if (p[0] != '@' || p[1] != 'g' ||
			   (edit->guest_level = parse_level(p + 2, &p)) == 0) {
			return edit_error(text,
					  "expected the column of a nested entry: nL1@gL2, "
					  "nL1@final",
					  error);
		}
	}
	if (p[0] != ':')
		return edit_error(text, "expected a colon after the entry's name", error);
	*rest = p + 1;
	return true;
}

static bool parse_flag(const char *word, const Flag *flags, M2dWalkEdit *edit)
{
	for (; flags->name != NULL; flags++) {
		if (strcmp(word + 1, flags->name) != 0)
			continue;
		if (word[0] == '+')
			edit->set |= flags->bits;
		else
			edit->clear |= flags->bits;
		return true;
	}
	return false;
}

bool m2d_onewalk_edit_parse(const char *text, M2dNestedKind kind, M2dWalkEdit *edit, GError **error)
{
	const char *rest = NULL;
	g_auto(GStrv) words = NULL;
	bool ept;

	*edit = (M2dWalkEdit){0};
	if (!parse_entry(text, &rest, edit, error))
		return false;
	if (rest[0] == '=') {
		guint64 value;
		bool hex = g_str_has_prefix(rest + 1, "0x");

		if (!g_ascii_string_to_unsigned(rest + 1 + (hex ? 2 : 0), hex ? 16 : 10, 0,
						UINT64_MAX, &value, NULL))
			return edit_error(text, "expected a number after '='", error);
		edit->set = value;
		edit->clear = ~value;
		return true;
	}
	ept = edit->dimension == M2D_DIM_NESTED && kind == M2D_NESTED_EPT;
	words = g_strsplit(rest, ",", -1);
	for (char **w = words; *w != NULL || w == words; w++) {
		if (*w == NULL || ((*w)[0] != '+' && (*w)[0] != '-') ||
		    !parse_flag(*w, ept ? ept_flags : legacy_flags, edit))
			return edit_error(
				text,
				ept ? "expected + or - and one of R W X MT IPAT PS A D XU, or "
				      "=VALUE"
				    : "expected + or - and one of P W U PWT PCD A D PS G NX, or "
				      "=VALUE",
				error);
	}
	return true;
}

bool m2d_onewalk_edits(M2dMmu *mmu, const M2dAccess *access, char **edits, GError **error)
{
	for (; edits != NULL && *edits != NULL; edits++) {
		const M2dFetch *found = NULL;
		M2dWalkEdit edit;
		M2dWalkLog log;
		M2dOutcome out;
		uint64_t value;

		if (!m2d_onewalk_edit_parse(*edits, mmu->s->nested.kind, &edit, error))
			return false;
		m2d_onewalk_scout(mmu, access, &out, &log);
		for (uint32_t i = 0; i < log.n; i++)
			if (log.fetch[i].dimension == edit.dimension &&
			    log.fetch[i].level == edit.level &&
			    log.fetch[i].guest_level == edit.guest_level)
				found = &log.fetch[i];
		if (found == NULL)
			return edit_error(*edits, "the walk reads no such entry", error);
		value = (found->value & ~edit.clear) | edit.set;
		if (edit.dimension == M2D_DIM_GUEST && mmu->s->fmt.entry_shift == 2)
			m2d_space_write32(mmu->space, M2D_HPA(found->hpa), (uint32_t)value);
		else
			m2d_space_write64(mmu->space, M2D_HPA(found->hpa), value);
	}
	return true;
}
