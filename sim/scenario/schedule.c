/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/schedule.h"

#include <string.h>

#include "sim/base/error.h"

/* The host's actor in choices that were not read for a VM yet: it comes behind all vCPUs. */
#define HOST M2D_MAX_KVM_VCPUS

void m2d_schedule_free(M2dSchedule *s)
{
	if (s == NULL)
		return;
	g_free(s->path);
	g_free(s->sha256);
	g_free(s->variant);
	g_free(s->kvm);
	if (s->choices != NULL)
		g_array_unref(s->choices);
	g_free(s);
}

static bool bad(GError **error, const char *path, unsigned line, const char *expected)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u: expected %s", path, line, expected);
	return false;
}

/* "v0*7" or "h". */
static bool parse_choice(const char *word, M2dScnChoice *c)
{
	char *end;
	guint64 n = 1;

	if (word[0] == 'h') {
		c->actor = HOST;
		end = (char *)word + 1;
	} else if (word[0] == 'v' && g_ascii_isdigit(word[1])) {
		guint64 id = g_ascii_strtoull(word + 1, &end, 10);

		if (id >= M2D_MAX_KVM_VCPUS)
			return false;
		c->actor = (uint8_t)id;
	} else {
		return false;
	}
	if (*end == '*' && g_ascii_isdigit(end[1]))
		n = g_ascii_strtoull(end + 1, &end, 10);
	c->count = (uint32_t)n;
	return *end == '\0' && n >= 1 && n <= 1000000;
}

static bool parse_choices(M2dSchedule *s, const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);

	for (char **w = words; *w != NULL; w++) {
		M2dScnChoice c;

		if (**w == '\0')
			continue;
		if (!parse_choice(*w, &c))
			return false;
		g_array_append_val(s->choices, c);
	}
	return true;
}

static void take(char **field, const char *value)
{
	g_free(*field);
	*field = g_strdup(value);
}

static bool parse_line(M2dSchedule *s, const char *path, unsigned number, char *line,
		       GError **error)
{
	char *value = strchr(line, ' '), *end;

	if (line[0] == '\0' || line[0] == '#')
		return true;
	if (value == NULL)
		return bad(error, path, number, "a word and a value");
	*value++ = '\0';
	if (strcmp(line, "scenario") == 0) {
		take(&s->path, value);
	} else if (strcmp(line, "sha256") == 0) {
		take(&s->sha256, value);
	} else if (strcmp(line, "variant") == 0) {
		take(&s->variant, value);
	} else if (strcmp(line, "kvm") == 0) {
		take(&s->kvm, value);
	} else if (strcmp(line, "choices") == 0) {
		if (!parse_choices(s, value))
			return bad(error, path, number, "choices such as v0*7 h*3 v1");
	} else if (strcmp(line, "state") == 0) {
		s->state = g_ascii_strtoull(value, &end, 16);
		s->has_state = *end == '\0' && end != value;
		if (!s->has_state)
			return bad(error, path, number, "a hexadecimal number");
	} else {
		return bad(error, path, number, "scenario, sha256, variant, kvm, choices or state");
	}
	return true;
}

M2dSchedule *m2d_schedule_load(const char *path, GError **error)
{
	g_autoptr(M2dSchedule) s = g_new0(M2dSchedule, 1);
	gsize len;
	g_autofree char *text = m2d_scenario_read(path, &len, error);
	g_auto(GStrv) lines = NULL;

	s->choices = g_array_new(FALSE, FALSE, sizeof(M2dScnChoice));
	if (text == NULL)
		return NULL;
	if (memchr(text, '\0', len) != NULL) {
		bad(error, path, 1, "text, found a NUL byte");
		return NULL;
	}
	lines = g_strsplit(text, "\n", -1);
	if (lines[0] == NULL || strcmp(lines[0], "mmu2d-schedule 1") != 0) {
		bad(error, path, 1, "mmu2d-schedule 1");
		return NULL;
	}
	for (unsigned i = 1; lines[i] != NULL; i++)
		if (!parse_line(s, path, i + 1, lines[i], error))
			return NULL;
	return g_steal_pointer(&s);
}

static void add_choice(GString *out, const M2dScnChoice *c, unsigned n_vcpus)
{
	if (c->actor < n_vcpus)
		g_string_append_printf(out, " v%u", c->actor);
	else
		g_string_append(out, " h");
	if (c->count != 1)
		g_string_append_printf(out, "*%u", c->count);
}

char *m2d_schedule_text(const M2dScnRun *run, unsigned n_vcpus, const char *text, gsize len)
{
	g_autofree char *digest =
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, len);
	g_autoptr(GArray) choices = m2d_scn_run_schedule(run);
	GString *out = g_string_new("mmu2d-schedule 1\n");

	g_string_append_printf(out, "scenario %s\nsha256 %s\n", run->scenario->path, digest);
	if (run->variant >= 0)
		g_string_append_printf(out, "variant %s\n",
				       run->scenario->variants[run->variant].name);
	g_string_append_printf(out, "kvm %s\n", run->kvm);
	for (guint i = 0; i < choices->len; i++) {
		if (i % 16 == 0)
			g_string_append(out, i == 0 ? "choices" : "\nchoices");
		add_choice(out, &g_array_index(choices, M2dScnChoice, i), n_vcpus);
	}
	g_string_append_printf(out, "\nstate %016" G_GINT64_MODIFIER "x\n", run->hash);
	return g_string_free(out, FALSE);
}
