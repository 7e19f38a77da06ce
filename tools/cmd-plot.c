/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmu2d plot: figures of the runs in a result database. */
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/report/plot.h"
#include "sim/store/store.h"

static char **opt_runs, **opt_kinds;
static char *opt_output;
static gboolean opt_svg, opt_png;

static const GOptionEntry entries[] = {
	{"run", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &opt_runs,
	 "Runs to compare: ids, or \"all\" (default: the last one)", "ID[,ID...]"},
	{"kind", 'k', 0, G_OPTION_ARG_STRING_ARRAY, &opt_kinds,
	 "cycles, walk-refs, tlb or all (default)", "KIND[,KIND...]"},
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &opt_output,
	 "What the files' names start with (default: that of DB)", "BASE"},
	{"svg", 0, 0, G_OPTION_ARG_NONE, &opt_svg, "Draw SVG only, unless --png is given too",
	 NULL},
	{"png", 0, 0, G_OPTION_ARG_NONE, &opt_png, "Draw PNG only, unless --svg is given too",
	 NULL},
	{NULL}};

static int run_plot(int argc, char **argv);

const M2dCommand m2d_cmd_plot = {
	.name = "plot",
	.run = run_plot,
	.summary = "draw cycles by cause, references per walk and TLB miss ratios",
	.entries = entries,
};

static void result_free(gpointer p)
{
	m2d_result_free(p);
}

/* The words of a list with commas; at least one, which may be empty. */
static char **split(const char *list)
{
	return g_strsplit(list[0] != '\0' ? list : ",", ",", -1);
}

/* The figures named in --kind as a mask; 0 after an error, reported. */
static unsigned parse_kinds(void)
{
	static const struct {
		const char *name;
		unsigned kinds;
	} names[] = {
		{"cycles", M2D_PLOT_CYCLES},
		{"walk-refs", M2D_PLOT_WALK_REFS},
		{"tlb", M2D_PLOT_TLB},
		{"all", M2D_PLOT_ALL},
	};
	unsigned kinds = 0;

	for (char **o = opt_kinds; o != NULL && *o != NULL; o++) {
		g_auto(GStrv) words = split(*o);

		for (char **w = words; *w != NULL; w++) {
			unsigned found = 0;

			for (size_t i = 0; i < M2D_N_ELEMENTS(names); i++)
				if (strcmp(*w, names[i].name) == 0)
					found = names[i].kinds;
			if (found == 0) {
				m2d_cmd_usage(&m2d_cmd_plot,
					      "--kind: '%s' is not a figure; expected cycles, "
					      "walk-refs, tlb or all",
					      *w);
				return 0;
			}
			kinds |= found;
		}
	}
	return kinds != 0 ? kinds : M2D_PLOT_ALL;
}

static bool too_many(guint n, GError **error)
{
	if (n <= M2D_PLOT_MAX_RUNS)
		return false;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "%u runs in one figure, expected at most %d; choose some with --run", n,
		    M2D_PLOT_MAX_RUNS);
	return true;
}

/* The ids that --run asks for; NULL with @error. */
static GArray *choose_runs(M2dStore *store, const char *path, GError **error)
{
	g_autoptr(GArray) all = m2d_store_runs(store, error);
	g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(int64_t));

	if (all == NULL)
		return NULL;
	if (all->len == 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: holds no run", path);
		return NULL;
	}
	if (opt_runs == NULL)
		g_array_append_val(chosen, g_array_index(all, int64_t, all->len - 1));
	for (char **o = opt_runs; o != NULL && *o != NULL; o++) {
		g_auto(GStrv) words = split(*o);

		for (char **w = words; *w != NULL; w++) {
			int64_t id;

			if (strcmp(*w, "all") == 0) {
				g_array_append_vals(chosen, all->data, all->len);
				continue;
			}
			if (!g_ascii_string_to_signed(*w, 10, 1, G_MAXINT64, &id, NULL)) {
				g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
					    "--run: '%s' is not the id of a run; expected a number "
					    "from 1, or all",
					    *w);
				return NULL;
			}
			g_array_append_val(chosen, id);
		}
	}
	return too_many(chosen->len, error) ? NULL : g_steal_pointer(&chosen);
}

/* Load the runs; all of them are owned by @results. */
static bool load_runs(M2dStore *store, GArray *ids, GPtrArray *results, M2dPlotRun *runs,
		      GError **error)
{
	for (guint i = 0; i < ids->len; i++) {
		int64_t id = g_array_index(ids, int64_t, i);
		M2dResult *result = m2d_store_load(store, id, error);

		if (result == NULL)
			return false;
		g_ptr_array_add(results, result);
		runs[i] = (M2dPlotRun){.result = result, .id = id};
	}
	return true;
}

/* DB without its ".db": the start of the names if -o is not given. */
static char *default_base(const char *path)
{
	size_t n = strlen(path);
	g_autofree char *name = g_path_get_basename(path);

	if (g_str_has_suffix(name, ".db") && strlen(name) > strlen(".db"))
		n -= strlen(".db");
	return g_strndup(path, n);
}

static bool plot(const char *path, unsigned kinds, GPtrArray *names, GError **error)
{
	g_autoptr(M2dStore) store = m2d_store_open(path, error);
	g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(result_free);
	g_autoptr(GArray) ids = NULL;
	g_autofree char *base = opt_output != NULL ? g_strdup(opt_output) : default_base(path);
	M2dPlotRun runs[M2D_PLOT_MAX_RUNS];
	unsigned formats = (opt_svg ? M2D_PLOT_SVG : 0u) | (opt_png ? M2D_PLOT_PNG : 0u);

	if (store == NULL)
		return false;
	ids = choose_runs(store, path, error);
	if (ids == NULL || !load_runs(store, ids, results, runs, error))
		return false;
	return m2d_plot_write(
		&(M2dPlot){
			.base = base,
			.source = path,
			.runs = runs,
			.n_runs = ids->len,
			.kinds = kinds,
			.formats = formats != 0 ? formats : M2D_PLOT_SVG | M2D_PLOT_PNG,
		},
		names, error);
}

static int run_plot(int argc, char **argv)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	GError *error = NULL;
	unsigned kinds;
	int status, end;

	if (!m2d_cmd_parse(&m2d_cmd_plot, "DB [OPTION...]",
			   "Draw figures of the runs in a result database: for each the numbers "
			   "(.tsv), the\ngnuplot script (.gp), .svg and .png.",
			   &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_plot,
				     "%s given; expected one database, as replay --db makes it",
				     argc < 2 ? "no file" : "several files");
	kinds = parse_kinds();
	if (kinds == 0)
		return 2;
	status = plot(argv[1], kinds, names, &error) ? 0 : m2d_cmd_fail(&m2d_cmd_plot, error);
	for (guint i = 0; i < names->len; i++)
		printf("%s\n", (const char *)g_ptr_array_index(names, i));
	end = m2d_cmd_finish_stdout(&m2d_cmd_plot);
	return status != 0 ? status : end;
}
