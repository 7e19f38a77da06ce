/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making the files of a figure and giving them their final names. */
#include "sim/report/plot-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sim/base/bits.h"
#include "sim/base/error.h"

static const struct {
	M2dPlotKind kind;
	const char *name;
	void (*make)(M2dFigure *f);
} figures[] = {
	{M2D_PLOT_CYCLES, "cycles", m2d_plot_cycles},
	{M2D_PLOT_WALK_REFS, "walk-refs", m2d_plot_walk_refs},
	{M2D_PLOT_TLB, "tlb", m2d_plot_tlb},
};

/* Where one call works. */
typedef struct {
	char *folder;    /* final place */
	char *start;     /* of the files' names */
	char *temporary; /* folder in @folder */
} Place;

static bool check_base(const char *base, GError **error)
{
	g_autofree char *name = g_path_get_basename(base);
	struct stat st;

	for (const char *p = name; *p != '\0'; p++) {
		if (g_ascii_iscntrl(*p)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "plot file name: control character 0x%02x at byte %d, which "
				    "gnuplot cannot take",
				    (unsigned char)*p, (int)(p - name));
			return false;
		}
	}
	if (base[0] == '\0' || g_str_has_suffix(base, "/") ||
	    (stat(base, &st) == 0 && !S_ISREG(st.st_mode))) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: not a file name; expected what the names of plots start with, as "
			    "in figures/run",
			    base[0] != '\0' ? base : "(empty)");
		return false;
	}
	return true;
}

static bool place_open(Place *place, const char *base, GError **error)
{
	place->folder = g_path_get_dirname(base);
	place->start = g_path_get_basename(base);
	place->temporary = g_build_filename(place->folder, ".mmu2d-plot-XXXXXX", NULL);
	if (g_mkdtemp(place->temporary) == NULL) {
		m2d_error_from_errno(error, errno, "create plots in folder", place->folder);
		g_clear_pointer(&place->temporary, g_free);
		return false;
	}
	return true;
}

/* Remove the temporary folder with all that a failure left in it. */
static void place_close(Place *place)
{
	GDir *dir = place->temporary != NULL ? g_dir_open(place->temporary, 0, NULL) : NULL;

	if (dir != NULL) {
		const char *name;

		while ((name = g_dir_read_name(dir)) != NULL) {
			g_autofree char *path = g_build_filename(place->temporary, name, NULL);

			g_unlink(path);
		}
		g_dir_close(dir);
		g_rmdir(place->temporary);
	}
	g_free(place->folder);
	g_free(place->start);
	g_free(place->temporary);
}

/* Where @file will stand; "x" rather than "./x". */
static char *final_path(const Place *place, const char *file)
{
	return strcmp(place->folder, ".") == 0 ? g_strdup(file)
					       : g_build_filename(place->folder, file, NULL);
}

static bool write_text(const Place *place, const char *name, const char *suffix,
		       const GString *text, GError **error)
{
	g_autofree char *file = g_strconcat(name, suffix, NULL);
	g_autofree char *path = g_build_filename(place->temporary, file, NULL);
	g_autofree char *final = final_path(place, file);
	FILE *out = fopen(path, "we");
	int errnum = 0;

	if (out == NULL) {
		m2d_error_from_errno(error, errno, "create", final);
		return false;
	}
	if (fwrite(text->str, 1, text->len, out) != text->len)
		errnum = errno;
	if (fclose(out) != 0 && errnum == 0)
		errnum = errno;
	if (errnum != 0) {
		m2d_error_from_errno(error, errnum, "write", final);
		return false;
	}
	return true;
}

/* gnuplot exits with 0 even if the disk was full: look whether the picture has its end. */
static bool check_picture(const Place *place, const char *name, const char *suffix, GError **error)
{
	static const char svg_end[] = "</svg>";
	static const char png_end[] = "IEND\xae\x42\x60\x82";
	bool svg = strcmp(suffix, ".svg") == 0;
	const char *end = svg ? svg_end : png_end;
	g_autofree char *file = g_strconcat(name, suffix, NULL);
	g_autofree char *path = g_build_filename(place->temporary, file, NULL);
	g_autofree char *data = NULL;
	g_autofree char *final = final_path(place, file);
	struct statvfs fs;
	gsize size = 0;
	bool full;

	if (g_file_get_contents(path, &data, &size, NULL)) {
		while (svg && size > 0 && g_ascii_isspace(data[size - 1]))
			size--;
		if (size >= strlen(end) && memcmp(data + size - strlen(end), end, strlen(end)) == 0)
			return true;
	}
	full = statvfs(place->folder, &fs) == 0 && fs.f_bavail * fs.f_frsize < (1 << 20);
	g_set_error(error, M2D_ERROR, full ? M2D_ERROR_TRANSIENT : M2D_ERROR_IO,
		    "%s: gnuplot did not complete it%s", final, full ? ": disk full" : "");
	return false;
}

static bool publish(const Place *place, const char *name, const char *suffix, GPtrArray *names,
		    GError **error)
{
	g_autofree char *file = g_strconcat(name, suffix, NULL);
	g_autofree char *path = g_build_filename(place->temporary, file, NULL);
	g_autofree char *final = final_path(place, file);

	if (g_rename(path, final) != 0) {
		m2d_error_from_errno(error, errno, "create", final);
		return false;
	}
	g_ptr_array_add(names, g_steal_pointer(&final));
	return true;
}

/* The pictures, complete, in the temporary folder. */
static bool draw(const M2dPlot *plot, const Place *place, const char *name, GError **error)
{
	g_autofree char *script = g_strconcat(name, ".gp", NULL);

	if (!m2d_gnuplot_run(place->temporary, script, error))
		return false;
	if (plot->formats & M2D_PLOT_SVG && !check_picture(place, name, ".svg", error))
		return false;
	return !(plot->formats & M2D_PLOT_PNG) || check_picture(place, name, ".png", error);
}

/*
 * One figure. A failure to draw goes to @draw_error and keeps neither this one's numbers and
 * script nor later figures from being written; any other goes to @error and ends the work.
 */
static bool one_figure(const M2dPlot *plot, const Place *place, unsigned i, GPtrArray *names,
		       GError **draw_error, GError **error)
{
	g_autofree char *name = g_strconcat(place->start, "-", figures[i].name, NULL);
	M2dFigure f = {
		.plot = plot,
		.name = name,
		.tsv = g_string_new(NULL),
		.gp = g_string_new(NULL),
	};
	bool drawn, ok;

	figures[i].make(&f);
	ok = write_text(place, name, ".tsv", f.tsv, error) &&
	     write_text(place, name, ".gp", f.gp, error);
	g_string_free(f.tsv, TRUE);
	g_string_free(f.gp, TRUE);
	if (!ok)
		return false;
	drawn = *draw_error == NULL && draw(plot, place, name, draw_error);
	if (!publish(place, name, ".tsv", names, error) ||
	    !publish(place, name, ".gp", names, error))
		return false;
	if (drawn && plot->formats & M2D_PLOT_SVG && !publish(place, name, ".svg", names, error))
		return false;
	return !drawn || !(plot->formats & M2D_PLOT_PNG) ||
	       publish(place, name, ".png", names, error);
}

bool m2d_plot_write(const M2dPlot *plot, GPtrArray *names, GError **error)
{
	Place place = {0};
	GError *draw_error = NULL;
	bool ok;

	g_return_val_if_fail(plot->n_runs >= 1 && plot->n_runs <= M2D_PLOT_MAX_RUNS, false);
	g_return_val_if_fail(plot->formats != 0, false);
	if (!check_base(plot->base, error))
		return false;
	ok = place_open(&place, plot->base, error);
	for (unsigned i = 0; i < M2D_N_ELEMENTS(figures) && ok; i++)
		if (plot->kinds & figures[i].kind)
			ok = one_figure(plot, &place, i, names, &draw_error, error);
	place_close(&place);
	if (ok && draw_error != NULL) {
		g_propagate_error(error, draw_error);
		return false;
	}
	g_clear_error(&draw_error);
	return ok;
}
