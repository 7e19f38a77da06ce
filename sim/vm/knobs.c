/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/vm/knobs.h"

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/names.h"
#include "sim/spte/spte.h"

#include <string.h>

/* --- the table ------------------------------------------------------------------------------ */

#define KNOB(field, FIELD, name, where, source, what) static const M2dKnobValue field##_values[] = {
#define VALUE(FIELD, V, name, text)                   {name, text},
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)                                                                          \
	}                                                                                          \
	;
#include "sim/vm/knobs.def"

#define KNOB(field, FIELD, name, where, source, what) static const M2dKnobStep field##_steps[] = {
#define VALUE(FIELD, V, name, text)
#define STEP(FIELD, major, minor, V, commits) {major, minor, M2D_##FIELD##_##V, commits},
#define END(field, FIELD)                                                                          \
	}                                                                                          \
	;
#include "sim/vm/knobs.def"

static const M2dKnob table[] = {
#define KNOB(field, FIELD, name, where, source, what)                                              \
	{name,           where,                                                                    \
	 source,         what,                                                                     \
	 field##_values, M2D_N_ELEMENTS(field##_values),                                           \
	 field##_steps,  M2D_N_ELEMENTS(field##_steps)},
#define VALUE(FIELD, V, name, text)
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)
#include "sim/vm/knobs.def"
};

/* Knobs are numbered as the bytes of the structure are. */
#define KNOB(field, FIELD, name, where, source, what)                                              \
	_Static_assert(offsetof(M2dKnobs, field) == M2D_KNOB_##FIELD, name);
#define VALUE(FIELD, V, name, text)
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)
#include "sim/vm/knobs.def"
_Static_assert(sizeof(M2dKnobs) == M2D_N_KNOBS, "one byte a knob");

/* The knob spte-layout is an M2dSpteLayout. */
_Static_assert((int)M2D_SPTE_LAYOUT_4_19 == (int)M2D_SPTE_4_19 &&
		       (int)M2D_SPTE_LAYOUT_5_4 == (int)M2D_SPTE_5_4 &&
		       (int)M2D_SPTE_LAYOUT_5_10 == (int)M2D_SPTE_5_10 &&
		       (int)M2D_SPTE_LAYOUT_5_14 == (int)M2D_SPTE_5_14 &&
		       (int)M2D_SPTE_LAYOUT_6_12 == (int)M2D_SPTE_6_12 &&
		       (int)M2D_SPTE_LAYOUT_6_13 == (int)M2D_SPTE_6_13 &&
		       (int)M2D_SPTE_LAYOUT_VALUES == (int)M2D_SPTE_N_LAYOUTS,
	       "spte-layout");

static bool refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool refuse(GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list ap;

	va_start(ap, format);
	message = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, M2D_ERROR, M2D_ERROR_INPUT, message);
	return false;
}

const M2dKnob *m2d_knob(M2dKnobId id)
{
	g_assert((unsigned)id < M2D_N_KNOBS);
	return &table[id];
}

int m2d_knob_find(const char *name, GError **error)
{
	g_autofree char *dashed = g_strdelimit(g_strdup(name), "_", '-');
	unsigned id = M2D_NAME_INDEX(table, name, dashed);
	const char *near;

	if (id != M2D_N_KNOBS)
		return (int)id;
	near = M2D_NAME_NEAR(table, name, dashed);
	if (near != NULL)
		refuse(error, "no knob '%s'; did you mean '%s'?", name, near);
	else
		refuse(error, "no knob '%s'; `mmu2d knobs` lists them", name);
	return -1;
}

/* --- profiles ------------------------------------------------------------------------------- */

/* Releases whose numbers can be named. Older ones differ in more than the knobs tell; newer ones
 * are not out. */
typedef struct {
	uint8_t major;
	uint8_t oldest;
	uint8_t newest;
} M2dSeries;

static const M2dSeries series[] = {{5, 4, 19}, {6, 0, 19}, {7, 0, 3}};

static const char *const profiles[] = {"5.4", "5.10", "5.15", "5.17", "5.18", "6.1",
				       "6.3", "6.6",  "6.12", "6.14", "6.19", "7.2"};

const char *m2d_profile_name(unsigned index)
{
	return index < M2D_N_ELEMENTS(profiles) ? profiles[index] : NULL;
}

/* A kernel: how many of the steps of each knob it has, at least one. */
typedef struct {
	uint8_t step[M2D_N_KNOBS];
} M2dTree;

/* Digits only, at most three. */
static bool take_number(const char **text, unsigned *value)
{
	const char *start = *text;

	*value = 0;
	while (g_ascii_isdigit(**text) && *text - start < 4)
		*value = *value * 10 + (unsigned)(*(*text)++ - '0');
	return *text > start && *text - start < 4;
}

static bool known_release(unsigned major, unsigned minor)
{
	for (unsigned i = 0; i < M2D_N_ELEMENTS(series); i++) {
		if (series[i].major == major && minor >= series[i].oldest &&
		    minor <= series[i].newest)
			return true;
	}
	return false;
}

static bool take_release(M2dTree *tree, const char **text, GError **error)
{
	const char *start = *text;
	unsigned major;
	unsigned minor;

	if (!take_number(text, &major) || *(*text)++ != '.' || !take_number(text, &minor))
		return refuse(error, "kernel '%s': expected MAJOR.MINOR such as " M2D_KNOBS_DEFAULT,
			      start);
	if (**text == '.')
		return refuse(error,
			      "kernel '%s': expected a release of mainline, with what a stable "
			      "tree has beside it as commits: 5.10+b53e84eed08b",
			      start);
	if (**text != '\0' && **text != '+' && **text != '-')
		return refuse(error, "kernel '%s': expected +COMMIT or -COMMIT, got '%s'", start,
			      *text);
	if (!known_release(major, minor))
		return refuse(error,
			      "kernel %u.%u: expected a release of Linux from %u.%u to %u.%u",
			      major, minor, series[0].major, series[0].oldest,
			      series[M2D_N_ELEMENTS(series) - 1].major,
			      series[M2D_N_ELEMENTS(series) - 1].newest);
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		const M2dKnobStep *steps = table[i].steps;
		uint8_t n = 1;

		while (n < table[i].n_steps &&
		       (steps[n].major < major ||
			(steps[n].major == major && steps[n].minor <= minor)))
			n++;
		tree->step[i] = n;
	}
	return true;
}

/* Whether one of @commits begins with @commit or, as far as it goes, is @commit. */
static bool names_commit(const char *commits, const char *commit)
{
	size_t len = MIN(strlen(commit), 12);

	for (const char *c = commits; *c != '\0'; c += strspn(c, " ")) {
		if (g_ascii_strncasecmp(c, commit, len) == 0)
			return true;
		c += strcspn(c, " ");
	}
	return false;
}

static bool backport(M2dTree *tree, M2dKnobId id, uint8_t n, const char *commit, GError **error)
{
	if (tree->step[id] > n)
		return refuse(error, "+%s: this kernel has it already (%s = %s)", commit,
			      table[id].name,
			      table[id].values[table[id].steps[tree->step[id] - 1].value].name);
	tree->step[id] = (uint8_t)(n + 1);
	return true;
}

static bool revert(M2dTree *tree, M2dKnobId id, uint8_t n, const char *commit, GError **error)
{
	if (tree->step[id] <= n)
		return refuse(error, "-%s: this kernel does not have it (%s = %s)", commit,
			      table[id].name,
			      table[id].values[table[id].steps[tree->step[id] - 1].value].name);
	if (tree->step[id] > n + 1)
		return refuse(error, "-%s: expected -%.12s before it, which changed %s since",
			      commit, table[id].steps[tree->step[id] - 1].commits, table[id].name);
	tree->step[id] = n;
	return true;
}

/* Applies one commit to each knob it changed. */
static bool apply(M2dTree *tree, char sign, const char *commit, GError **error)
{
	bool known = false;

	if (strlen(commit) < 7 || strlen(commit) > 40 ||
	    strspn(commit, "0123456789abcdefABCDEF") != strlen(commit))
		return refuse(error, "%c%s: expected a commit of 7 to 40 hexadecimal digits", sign,
			      commit);
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		for (uint8_t n = 1; n < table[i].n_steps; n++) {
			if (!names_commit(table[i].steps[n].commits, commit))
				continue;
			known = true;
			if (!(sign == '+' ? backport : revert)(tree, (M2dKnobId)i, n, commit,
							       error))
				return false;
		}
	}
	if (!known)
		return refuse(error,
			      "%c%s: no knob changes with this commit; `mmu2d knobs` lists them",
			      sign, commit);
	return true;
}

bool m2d_knobs_profile(M2dKnobs *knobs, const char *version, GError **error)
{
	const char *text = version;
	M2dTree tree = {{0}};

	if (!take_release(&tree, &text, error))
		return false;
	while (*text != '\0') {
		char sign = *text++;
		g_autofree char *commit = g_strndup(text, strcspn(text, "+-"));

		text += strlen(commit);
		if (!apply(&tree, sign, commit, error)) {
			g_prefix_error(error, "kernel '%s': ", version);
			return false;
		}
	}
	for (unsigned i = 0; i < M2D_N_KNOBS; i++)
		m2d_knobs_put(knobs, (M2dKnobId)i, table[i].steps[tree.step[i] - 1].value);
	return true;
}

/* --- single knobs --------------------------------------------------------------------------- */

unsigned m2d_knobs_get(const M2dKnobs *knobs, M2dKnobId id)
{
	g_assert((unsigned)id < M2D_N_KNOBS);
	return ((const uint8_t *)knobs)[id];
}

void m2d_knobs_put(M2dKnobs *knobs, M2dKnobId id, unsigned value)
{
	g_assert((unsigned)id < M2D_N_KNOBS && value < table[id].n_values);
	((uint8_t *)knobs)[id] = (uint8_t)value;
}

const char *m2d_knobs_value_name(const M2dKnobs *knobs, M2dKnobId id)
{
	return m2d_knob(id)->values[m2d_knobs_get(knobs, id)].name;
}

bool m2d_knobs_set(M2dKnobs *knobs, const char *name, const char *value, GError **error)
{
	int id = m2d_knob_find(name, error);
	g_autoptr(GString) all = NULL;
	const M2dKnob *knob;

	if (id < 0)
		return false;
	knob = &table[id];
	for (unsigned v = 0; v < knob->n_values; v++) {
		if (strcmp(knob->values[v].name, value) == 0) {
			m2d_knobs_put(knobs, (M2dKnobId)id, v);
			return true;
		}
	}
	all = g_string_new(NULL);
	for (unsigned v = 0; v < knob->n_values; v++)
		g_string_append_printf(all, "%s%s",
				       v == 0                   ? ""
				       : v + 1 < knob->n_values ? ", "
								: " or ",
				       knob->values[v].name);
	return refuse(error, "%s: expected %s, got '%s'", knob->name, all->str, value);
}

bool m2d_knobs_equal(const M2dKnobs *a, const M2dKnobs *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

char *m2d_knobs_describe(const M2dKnobs *knobs, const char *version)
{
	GString *s = g_string_new(version);
	M2dKnobs base;

	if (!m2d_knobs_profile(&base, version, NULL))
		return g_string_free(s, FALSE);
	for (unsigned i = 0; i < M2D_N_KNOBS; i++) {
		if (m2d_knobs_get(knobs, (M2dKnobId)i) != m2d_knobs_get(&base, (M2dKnobId)i))
			g_string_append_printf(s, " %s=%s", table[i].name,
					       m2d_knobs_value_name(knobs, (M2dKnobId)i));
	}
	return g_string_free(s, FALSE);
}

void m2d_knobs_foreach(const M2dKnobs *knobs,
		       void (*fn)(const M2dKnob *knob, const M2dKnobValue *value, void *data),
		       void *data)
{
	for (unsigned i = 0; i < M2D_N_KNOBS; i++)
		fn(&table[i], &table[i].values[m2d_knobs_get(knobs, (M2dKnobId)i)], data);
}
