/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files that make plots; not for others. */
#pragma once

#include "sim/report/plot.h"

/* Pixels of the SVG. */
#define M2D_PLOT_WIDTH 820

/* One figure in the making. */
typedef struct {
	const M2dPlot *plot;
	const char *name; /* of the files, without folder and suffix */
	GString *tsv;
	GString *gp;
	unsigned height, legend_lines; /* set by m2d_plot_begin() */
} M2dFigure;

/* The three figures: each fills @f->tsv and @f->gp. */
void m2d_plot_cycles(M2dFigure *f);
void m2d_plot_walk_refs(M2dFigure *f);
void m2d_plot_tlb(M2dFigure *f);

/**
 * m2d_plot_quote: append @text as a string expression of gnuplot.
 * In single quotes gnuplot expands nothing; control characters and bytes that are not UTF-8 are
 * replaced, so that no text can leave its quotes.
 */
void m2d_plot_quote(GString *gp, const char *text);

/**
 * m2d_plot_begin: the start of the script up to and into the loop over the terminals.
 * @title: of the figure
 * @height: of the frame in the SVG, in pixels; the PNG has twice as many
 * @legend_lines: that the legend takes between title and frame
 * The caller adds the commands that draw, one tab in, and then m2d_plot_end().
 */
void m2d_plot_begin(M2dFigure *f, const char *title, unsigned height, unsigned legend_lines);
void m2d_plot_end(M2dFigure *f);

/* The lower and the upper edge of the frame, in screen coordinates; after m2d_plot_begin(). */
double m2d_plot_bottom(const M2dFigure *f);
double m2d_plot_top(const M2dFigure *f);

/* m2d_plot_step: the distance of tics, 1, 2 or 5 times a power of ten, for about @n to @most. */
double m2d_plot_step(double most, unsigned n);

/* m2d_plot_run_name: "run 3" or, if it is not stored, "run"; a short name of run @i. g_free(). */
char *m2d_plot_run_name(const M2dFigure *f, unsigned i);

/* m2d_plot_legend: name of run @i with what tells it from the others; g_free(). */
char *m2d_plot_legend(const M2dFigure *f, unsigned i);

/* m2d_plot_no_data: draw @text in the middle of an empty frame instead of data. */
void m2d_plot_no_data(M2dFigure *f, const char *text);

/* m2d_plot_colour: of run @i: "#rrggbb" of the Okabe-Ito palette, safe for colour-blind readers. */
const char *m2d_plot_colour(unsigned i);

/**
 * m2d_gnuplot_run: run gnuplot on @script in the folder @dir.
 * Start-up files of the user are not read. False with @error if gnuplot is missing (INPUT), was
 * killed (TRANSIENT) or failed (IO).
 */
bool m2d_gnuplot_run(const char *dir, const char *script, GError **error);
