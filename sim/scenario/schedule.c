/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/schedule.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/base/outfile.h"
#include "sim/vm/duty.h"

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
	g_free(s->file);
	if (s->without != NULL)
		g_ptr_array_unref(s->without);
	if (s->choices != NULL)
		g_array_unref(s->choices);
	g_free(s);
}

static bool bad(GError **error, const char *path, unsigned line, const char *expected)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u: expected %s", path, line, expected);
	return false;
}

/* "v0*7", "h", "v1!" or "z0+0x400000". */
static bool parse_choice(const char *word, M2dScnChoice *c)
{
	char *end;
	guint64 n = 1;

	if (word[0] == 'z') {
		c->actor = HOST;
		c->hw = true;
		c->count = 1;
		return m2d_hw_parse(word, &c->act);
	}
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
	c->begins = *end == '!';
	if (c->begins)
		end++;
	else if (*end == '*' && g_ascii_isdigit(end[1]))
		n = g_ascii_strtoull(end + 1, &end, 10);
	c->count = (uint32_t)n;
	return *end == '\0' && n >= 1 && n <= 1000000;
}

static bool parse_choices(M2dSchedule *s, unsigned number, const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", -1);

	for (char **w = words; *w != NULL; w++) {
		M2dScnChoice c = {0};

		if (**w == '\0')
			continue;
		if (!parse_choice(*w, &c))
			return false;
		if (c.actor != HOST && (c.actor > s->vcpu || s->vcpu_line == 0)) {
			s->vcpu = c.actor;
			s->vcpu_line = number;
		}
		g_array_append_val(s->choices, c);
	}
	return true;
}

static bool is_digest(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool is_hash(const char *text)
{
	return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

/* A line that may stand once. */
static bool take(char **field, const char *value)
{
	if (*field != NULL)
		return false;
	*field = g_strdup(value);
	return true;
}

static bool parse_word(M2dSchedule *s, const char *path, unsigned number, const char *word,
		       const char *value, GError **error)
{
	bool once = true;

	if (strcmp(word, "scenario") == 0) {
		once = take(&s->path, value);
	} else if (strcmp(word, "sha256") == 0) {
		if (!is_digest(value))
			return bad(error, path, number, "sha256 and 64 hexadecimal digits");
		once = take(&s->sha256, value);
		s->sha256_line = number;
	} else if (strcmp(word, "variant") == 0) {
		once = take(&s->variant, value);
	} else if (strcmp(word, "kvm") == 0) {
		once = take(&s->kvm, value);
	} else if (strcmp(word, "without") == 0) {
		if (m2d_duty_find(value) == M2D_N_DUTIES)
			return bad(error, path, number, "without and a name of mmu2d duties");
		g_ptr_array_add(s->without, g_strdup(value));
	} else if (strcmp(word, "choices") == 0) {
		if (!parse_choices(s, number, value))
			return bad(error, path, number,
				   "choices such as v0*7 h*3 v1 v1! z0+0x400000");
	} else if (strcmp(word, "state") == 0) {
		if (!is_hash(value))
			return bad(error, path, number, "state and 16 hexadecimal digits");
		once = !s->has_state;
		s->state = g_ascii_strtoull(value, NULL, 16);
		s->has_state = true;
	} else {
		return bad(error, path, number,
			   "scenario, sha256, variant, kvm, without, choices or state");
	}
	if (once)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u: a second line '%s', expected one",
		    path, number, word);
	return false;
}

static bool parse_line(M2dSchedule *s, const char *path, unsigned number, char *line,
		       GError **error)
{
	char *value = strchr(line, ' ');

	if (line[0] == '\0' || line[0] == '#')
		return true;
	if (value == NULL || value[1] == '\0')
		return bad(error, path, number, "a word and a value");
	*value++ = '\0';
	return parse_word(s, path, number, line, value, error);
}

/* What a file that was cut off lacks. */
static bool complete(const M2dSchedule *s, const char *path, unsigned lines, bool ends,
		     GError **error)
{
	if (s->path == NULL)
		return bad(error, path, lines, "a line 'scenario'");
	if (s->sha256 == NULL)
		return bad(error, path, lines, "a line 'sha256'");
	if (s->choices->len == 0)
		return bad(error, path, lines, "a line 'choices'");
	if (!ends)
		return bad(error, path, lines, "a line feed at the end");
	return true;
}

M2dSchedule *m2d_schedule_load(const char *path, GError **error)
{
	g_autoptr(M2dSchedule) s = g_new0(M2dSchedule, 1);
	gsize len;
	g_autofree char *text = m2d_scenario_read(path, &len, error);
	g_auto(GStrv) lines = NULL;
	unsigned n;

	s->file = g_strdup(path);
	s->choices = g_array_new(FALSE, FALSE, sizeof(M2dScnChoice));
	s->without = g_ptr_array_new_with_free_func(g_free);
	if (text == NULL)
		return NULL;
	if (memchr(text, '\0', len) != NULL) {
		bad(error, path, 1, "text, found a NUL byte");
		return NULL;
	}
	lines = g_strsplit(text, "\n", -1);
	n = g_strv_length(lines);
	if (n == 0 || strcmp(lines[0], "mmu2d-schedule 1") != 0) {
		bad(error, path, 1, "mmu2d-schedule 1");
		return NULL;
	}
	for (unsigned i = 1; i < n; i++)
		if (!parse_line(s, path, i + 1, lines[i], error))
			return NULL;
	if (!complete(s, path, n, text[len - 1] == '\n', error))
		return NULL;
	g_ptr_array_add(s->without, NULL);
	return g_steal_pointer(&s);
}

bool m2d_schedule_is_of(const M2dSchedule *s, const char *path, const char *text, gsize len,
			GError **error)
{
	g_autofree char *digest =
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, len);

	if (strcmp(digest, s->sha256) == 0)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%s:%u: the schedule is not of %s as it is now, expected a file with sha256 "
		    "%.12s, found %.12s",
		    s->file, s->sha256_line, path, s->sha256, digest);
	return false;
}

bool m2d_schedule_actors_fit(const M2dSchedule *s, unsigned n_vcpus, GError **error)
{
	if (s->vcpu_line == 0 || s->vcpu < n_vcpus)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s:%u: v%u, expected a vCPU below %u or h",
		    s->file, s->vcpu_line, s->vcpu, n_vcpus);
	return false;
}

static void add_choice(GString *out, const M2dScnChoice *c, unsigned n_vcpus)
{
	g_autofree char *act = c->hw ? m2d_hw_text(&c->act) : NULL;

	if (act != NULL) {
		g_string_append_printf(out, " %s", act);
		return;
	}
	if (c->actor < n_vcpus)
		g_string_append_printf(out, " v%u", c->actor);
	else
		g_string_append(out, " h");
	if (c->begins)
		g_string_append_c(out, '!');
	else if (c->count != 1)
		g_string_append_printf(out, "*%u", c->count);
}

char *m2d_schedule_text(const M2dScnRun *run, const char *const *without, unsigned n_vcpus,
			const char *text, gsize len)
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
	for (const char *const *w = without; w != NULL && *w != NULL; w++)
		g_string_append_printf(out, "without %s\n", *w);
	for (guint i = 0; i < choices->len; i++) {
		if (i % 16 == 0)
			g_string_append(out, i == 0 ? "choices" : "\nchoices");
		add_choice(out, &g_array_index(choices, M2dScnChoice, i), n_vcpus);
	}
	g_string_append_printf(out, "\nstate %016" G_GINT64_MODIFIER "x\n", run->hash);
	return g_string_free(out, FALSE);
}

bool m2d_schedule_save(const char *path, const M2dScnRun *run, const char *const *without,
		       unsigned n_vcpus, const char *text, gsize len, GError **error)
{
	g_autofree char *out = NULL;
	M2dOutFile *file;

	if (strchr(run->scenario->path, '\n') != NULL) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: a line feed in the name, which no schedule can hold",
			    run->scenario->path);
		return false;
	}
	out = m2d_schedule_text(run, without, n_vcpus, text, len);
	file = m2d_out_file_new(path, error);
	if (file == NULL)
		return false;
	if (!m2d_out_file_write(file, out, strlen(out), error)) {
		m2d_out_file_abort(file);
		return false;
	}
	return m2d_out_file_commit(file, error);
}
