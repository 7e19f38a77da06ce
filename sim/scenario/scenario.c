/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of scenarios, and questions about parsed ones. */
#include "sim/scenario/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/base/names.h"

/* All of @fd, or one byte more than a scenario may have. */
static bool read_all(int fd, const char *path, GByteArray *bytes, GError **error)
{
	guint8 buf[16384];
	ssize_t n;

	while (bytes->len <= M2D_SCENARIO_MAX_BYTES && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n == -1) {
			m2d_error_from_errno(error, errno, "read", path);
			return false;
		}
		g_byte_array_append(bytes, buf, (guint)n);
	}
	return true;
}

char *m2d_scenario_read(const char *path, gsize *len, GError **error)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	bool ok;

	if (fd == -1) {
		m2d_error_from_errno(error, errno, "open", path);
		return NULL;
	}
	ok = read_all(fd, path, bytes, error);
	if (!is_stdin)
		close(fd);
	*len = bytes->len;
	g_byte_array_append(bytes, (const guint8 *)"", 1);
	return ok ? (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE) : NULL;
}

M2dScenario *m2d_scenario_load(const char *path, const M2dScenarioTables *tables, GError **error)
{
	gsize len;
	g_autofree char *text = m2d_scenario_read(path, &len, error);

	return text != NULL ? m2d_scenario_parse(path, text, len, tables, error) : NULL;
}

int m2d_scenario_find_step(const M2dScenario *scenario, const char *label)
{
	for (unsigned i = 0; i < scenario->n_steps; i++)
		if (g_strcmp0(scenario->steps[i].label, label) == 0)
			return (int)i;
	return -1;
}

int m2d_scenario_find_variant(const M2dScenario *scenario, const char *name)
{
	for (unsigned i = 0; i < scenario->n_variants; i++)
		if (strcmp(scenario->variants[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool m2d_scenario_variant(const M2dScenario *scenario, const char *name, int *variant,
			  GError **error)
{
	const char *near = NULL;

	*variant = m2d_scenario_find_variant(scenario, name);
	if (*variant >= 0)
		return true;
	if (scenario->n_variants != 0)
		near = m2d_name_near((const char *const *)&scenario->variants[0].name,
				     sizeof(scenario->variants[0]), scenario->n_variants, name);
	if (near != NULL)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: no variant '%s'; did you mean '%s'?", scenario->path, name, near);
	else
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: no variant '%s', expected one that the file names", scenario->path,
			    name);
	return false;
}

const M2dScnResult *m2d_scenario_result(const M2dScenario *scenario, int variant, unsigned step)
{
	if (variant >= 0) {
		const M2dScnVariant *v = &scenario->variants[variant];

		for (unsigned i = 0; i < v->n_overrides; i++)
			if (v->overrides[i].step == step)
				return &v->overrides[i].result;
	}
	return &scenario->steps[step].result;
}
