/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/machine.h"

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/ini.h"
#include "sim/base/near.h"
#include "sim/engine/machine-keys.h"

#include <string.h>

/* A machine based on a machine based on ...: deeper than this is a loop. */
#define MAX_BASES 8

static M2dMachine *load(const char *name_or_file, const char *from, unsigned depth, GError **error);

void m2d_machine_free(M2dMachine *machine)
{
	if (machine == NULL)
		return;
	for (unsigned i = 0; machine->sources != NULL && i < m2d_machine_n_keys; i++)
		g_free(machine->sources[i]);
	g_free(machine->sources);
	g_free(machine->name);
	g_free(machine->path);
	g_free(machine->description);
	g_free(machine);
}

/* --- cross-field rules ---------------------------------------------------------------------- */

static bool rule(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool rule(GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list ap;

	va_start(ap, format);
	message = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, M2D_ERROR, M2D_ERROR_INPUT, message);
	return false;
}

static bool check_psc(const char *section, const M2dPscGeometry *g, GError **error)
{
	if ((g->shared.entries != 0) != (g->shared_levels != 0))
		return rule(error, "%s.shared and %s.shared-levels: expected both or neither",
			    section, section);
	return true;
}

static bool check_caches(const M2dMachine *m, GError **error)
{
	uint32_t below = 0;

	if (!m2d_is_pow2(m->mem.line))
		return rule(error, "mem.line: expected a power of two, got %u", m->mem.line);
	for (unsigned i = 0; i < 3; i++) {
		const M2dCacheLevel *c = &m->mem.level[i];
		uint64_t set = (uint64_t)c->ways * m->mem.line;

		if (c->bytes == 0)
			continue;
		if (c->bytes % set != 0 || !m2d_is_pow2(c->bytes / set))
			return rule(
				error,
				"mem.l%u: expected a power of two of sets (bytes / ways / line), "
				"got %" G_GUINT64_FORMAT " bytes, %u ways, lines of %u",
				i + 1, (guint64)c->bytes, c->ways, m->mem.line);
		if (c->latency < below)
			return rule(error, "mem.l%u-latency: expected at least %u as nearer caches",
				    i + 1, below);
		below = c->latency;
	}
	if (m->mem.dram < below)
		return rule(error, "mem.dram-latency: expected at least %u as the caches", below);
	return true;
}

bool m2d_machine_check(const M2dMachine *machine, GError **error)
{
	if (machine->tlb.l2_1g_mode == M2D_L2_1G_OWN && machine->tlb.l2_1g.entries == 0)
		return rule(error, "tlb.l2.1g-mode = own: expected a size in tlb.l2.1g");
	if (machine->tlb.l2_1g_mode == M2D_L2_1G_SMASH && machine->tlb.l2.entries == 0)
		return rule(error, "tlb.l2.1g-mode = smash: expected a size in tlb.l2");
	if (machine->tlb.l2_holds_pde && machine->tlb.l2.entries == 0)
		return rule(error, "tlb.l2.holds-pde = yes: expected a size in tlb.l2");
	return check_psc("psc", &machine->psc, error) && check_psc("npsc", &machine->npsc, error) &&
	       check_caches(machine, error);
}

/* --- one file ------------------------------------------------------------------------------- */

typedef struct {
	M2dMachine *machine;
	bool *given;    /* by key number; also true where a base gave it */
	unsigned *line; /* by key number: where this file gave it; 0: not */
	const char *path;
	unsigned depth;
	bool any;
} M2dLoad;

static void set_source(M2dMachine *machine, unsigned index, const char *source)
{
	g_free(machine->sources[index]);
	machine->sources[index] = g_strdup(source);
}

static bool is_section(const char *name)
{
	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		if (strcmp(m2d_machine_keys[i].section, name) == 0)
			return true;
	}
	return false;
}

/* Says what may have been meant instead of @section.@key. */
static bool unknown_key(const char *section, const char *key, GError **error)
{
	const char *near = NULL;

	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		if (!is_section(section))
			near = m2d_near_better(section, near, m2d_machine_keys[i].section);
		else if (strcmp(m2d_machine_keys[i].section, section) == 0)
			near = m2d_near_better(key, near, m2d_machine_keys[i].key);
	}
	if (!is_section(section))
		return rule(error, "unknown section '%s'%s%s%s", section,
			    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			    near != NULL ? "'?" : "");
	return rule(error, "unknown key '%s' in section '%s'%s%s%s", key, section,
		    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
		    near != NULL ? "'?" : "");
}

/* `base = NAME` starts from another machine, so that a variant is a short file. */
static bool take_base(M2dLoad *state, const char *base, GError **error)
{
	M2dMachine *machine = state->machine;
	M2dMachine *b;

	if (state->any)
		return rule(error, "machine.base: expected before all other keys");
	if (state->depth >= MAX_BASES)
		return rule(error, "machine.base: more than %u machines deep, probably a loop",
			    MAX_BASES);
	b = load(base, state->path, state->depth + 1, error);
	if (b == NULL)
		return false;
	/* Take all of it but its identity. Nothing else was set yet, see above. */
	g_free(b->name);
	b->name = machine->name;
	g_free(b->path);
	b->path = machine->path;
	g_free(machine->sources);
	*machine = *b;
	g_free(b);
	for (unsigned i = 0; i < m2d_machine_n_keys; i++)
		state->given[i] = true;
	return true;
}

static bool take_item(const M2dIniItem *item, unsigned *column, void *data, GError **error)
{
	M2dLoad *state = data;
	int index;

	if (strcmp(item->section, "machine") == 0 && strcmp(item->key, "base") == 0) {
		bool ok = take_base(state, item->value, error);

		state->any = true;
		return ok;
	}
	state->any = true;
	index = m2d_machine_key_find(item->section, item->key);
	if (index < 0) {
		*column = item->key_column;
		return unknown_key(item->section, item->key, error);
	}
	/* The reader of the file misses a key given twice as 'l1-hit' and 'l1_hit'. */
	if (state->line[index] != 0) {
		*column = item->key_column;
		return rule(error, "key '%s' was already set on line %u", item->key,
			    state->line[index]);
	}
	state->line[index] = item->line;
	if (!m2d_machine_key_parse(state->machine, (unsigned)index, item->value, error))
		return false;
	set_source(state->machine, (unsigned)index, item->remark);
	state->given[index] = true;
	return true;
}

static bool owned_by_other(const M2dKey *key, M2dVendor vendor)
{
	return (key->owner == M2D_KEY_OF_INTEL && vendor != M2D_VENDOR_INTEL) ||
	       (key->owner == M2D_KEY_OF_AMD && vendor != M2D_VENDOR_AMD);
}

static bool check_complete(const M2dLoad *state, GError **error)
{
	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		const M2dKey *key = &m2d_machine_keys[i];

		if (!state->given[i] && !owned_by_other(key, state->machine->vendor))
			return rule(error,
				    "key '%s' is missing in section [%s] (or name a machine to "
				    "start from: base = NAME in [machine])",
				    key->key, key->section);
	}
	return true;
}

static M2dMachine *load_file(const char *path, unsigned depth, GError **error)
{
	g_autoptr(M2dMachine) machine = g_new0(M2dMachine, 1);
	g_autofree bool *given = g_new0(bool, m2d_machine_n_keys);
	g_autofree char *base = g_path_get_basename(path);
	g_autofree unsigned *line = g_new0(unsigned, m2d_machine_n_keys);
	M2dLoad state = {
		.machine = machine, .given = given, .line = line, .path = path, .depth = depth};

	machine->sources = g_new0(char *, m2d_machine_n_keys);
	machine->path = g_strdup(path);
	machine->name =
		g_str_has_suffix(base, ".ini") ? g_strndup(base, strlen(base) - 4) : g_strdup(base);
	if (!m2d_ini_read(path, take_item, &state, error))
		return NULL;
	if (!check_complete(&state, error) || !m2d_machine_check(machine, error)) {
		g_prefix_error(error, "%s: ", path);
		return NULL;
	}
	return g_steal_pointer(&machine);
}

/* --- finding files -------------------------------------------------------------------------- */

/* Folders in the order of search; NULL where there is none. */
static const char *folder(unsigned i)
{
	switch (i) {
	case 0:
		return g_getenv("MMU2D_MACHINES");
	case 1:
		return M2D_SOURCE_DIR "/machines";
	default:
		return M2D_MACHINES_DIR;
	}
}
#define N_FOLDERS 3

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **m2d_machine_list(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *names = g_ptr_array_new();

	for (unsigned i = 0; i < N_FOLDERS; i++) {
		g_autoptr(GDir) dir = folder(i) != NULL ? g_dir_open(folder(i), 0, NULL) : NULL;
		const char *file;

		while (dir != NULL && (file = g_dir_read_name(dir)) != NULL) {
			char *name;

			if (!g_str_has_suffix(file, ".ini") || file[0] == '.')
				continue;
			name = g_strndup(file, strlen(file) - 4);
			if (g_hash_table_add(seen, name))
				g_ptr_array_add(names, name);
			else
				g_free(name);
		}
	}
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

static M2dMachine *unknown_machine(const char *name, GError **error)
{
	g_auto(GStrv) names = m2d_machine_list();
	g_autofree char *all = g_strjoinv(" ", names);
	const char *near = NULL;

	for (char **n = names; *n != NULL; n++)
		near = m2d_near_better(name, near, *n);
	if (near != NULL)
		rule(error, "no machine '%s'; did you mean '%s'?", name, near);
	else if (names[0] != NULL)
		rule(error, "no machine '%s'; expected a file or one of: %s", name, all);
	else
		rule(error, "no machine '%s': no machine files in $MMU2D_MACHINES, %s or %s", name,
		     folder(1), folder(2));
	return NULL;
}

/* @from: the file whose `base` this is, to which relative paths refer; else NULL. */
static M2dMachine *load(const char *name_or_file, const char *from, unsigned depth, GError **error)
{
	if (strchr(name_or_file, '/') != NULL || g_str_has_suffix(name_or_file, ".ini")) {
		g_autofree char *dir = from != NULL ? g_path_get_dirname(from) : NULL;
		g_autofree char *path = dir != NULL && !g_path_is_absolute(name_or_file)
						? g_build_filename(dir, name_or_file, NULL)
						: g_strdup(name_or_file);

		return load_file(path, depth, error);
	}
	for (unsigned i = 0; i < N_FOLDERS && name_or_file[0] != '\0'; i++) {
		g_autofree char *file = g_strconcat(name_or_file, ".ini", NULL);
		g_autofree char *path =
			folder(i) != NULL ? g_build_filename(folder(i), file, NULL) : NULL;

		if (path != NULL && g_file_test(path, G_FILE_TEST_EXISTS))
			return load_file(path, depth, error);
	}
	return unknown_machine(name_or_file, error);
}

M2dMachine *m2d_machine_load(const char *name_or_file, GError **error)
{
	return load(name_or_file, NULL, 0, error);
}

/* --- single keys ---------------------------------------------------------------------------- */

bool m2d_machine_set(M2dMachine *machine, const char *assignment, GError **error)
{
	const char *equals = strchr(assignment, '=');
	const char *dot = strchr(assignment, '.');
	g_autofree char *section = NULL;
	g_autofree char *key = NULL;
	g_autofree char *value = NULL;
	int index;

	if (equals == NULL || dot == NULL || dot > equals)
		return rule(error, "expected SECTION.KEY=VALUE such as tlb.l2=1536/12, got '%s'",
			    assignment);
	section = g_strstrip(g_strndup(assignment, (size_t)(dot - assignment)));
	key = g_strstrip(g_strndup(dot + 1, (size_t)(equals - dot - 1)));
	value = g_strstrip(g_strdup(equals + 1));
	index = m2d_machine_key_find(section, key);
	if (index < 0)
		return unknown_key(section, key, error);
	if (!m2d_machine_key_parse(machine, (unsigned)index, value, error))
		return false;
	set_source(machine, (unsigned)index, NULL);
	return true;
}

void m2d_machine_foreach(const M2dMachine *machine,
			 void (*fn)(const char *key, const char *value, void *data), void *data)
{
	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		const M2dKey *k = &m2d_machine_keys[i];
		g_autofree char *key = g_strconcat(k->section, ".", k->key, NULL);
		g_autofree char *value = m2d_machine_key_format(machine, i);

		fn(key, value, data);
	}
}

const char *m2d_machine_source(const M2dMachine *machine, const char *key)
{
	const char *dot = strchr(key, '.');
	g_autofree char *section = dot != NULL ? g_strndup(key, (size_t)(dot - key)) : NULL;
	int index = dot != NULL ? m2d_machine_key_find(section, dot + 1) : -1;

	return index >= 0 ? machine->sources[index] : NULL;
}
