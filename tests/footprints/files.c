/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files.h"

static int by_name(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

static void add_folder(GPtrArray *files, const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	g_assert(dir != NULL);
	while ((name = g_dir_read_name(dir)) != NULL)
		if (g_str_has_suffix(name, ".scn"))
			g_ptr_array_add(files, g_build_filename(path, name, NULL));
	g_dir_close(dir);
}

GPtrArray *scenario_files(int argc, char **argv, int first)
{
	GPtrArray *files = g_ptr_array_new_with_free_func(g_free);

	for (int i = first; i < argc; i++) {
		if (g_file_test(argv[i], G_FILE_TEST_IS_DIR))
			add_folder(files, argv[i]);
		else
			g_ptr_array_add(files, g_strdup(argv[i]));
	}
	g_ptr_array_sort(files, by_name);
	return files;
}

void each_variant(int argc, char **argv, int first, VariantFn fn, void *data)
{
	g_autoptr(GPtrArray) files = scenario_files(argc, argv, first);

	for (guint i = 0; i < files->len; i++) {
		GError *error = NULL;
		g_autoptr(M2dScenario) s =
			m2d_scenario_load(files->pdata[i], &m2d_scenario_models, &error);

		if (s == NULL)
			g_error("%s", error->message);
		for (int v = s->n_variants != 0 ? 0 : -1; v < (int)s->n_variants; v++)
			fn(s, v, data);
	}
}
