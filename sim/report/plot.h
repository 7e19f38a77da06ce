/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figures of one or several runs, drawn by gnuplot. Each figure is a set of siblings: NAME.tsv
 * (the numbers, units in the header line), NAME.gp (the script, for authors to edit and run again),
 * NAME.svg and NAME.png.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/replay/result.h"

/* Runs that one figure can tell apart: the colours of the palette. */
#define M2D_PLOT_MAX_RUNS 8

/* Figures, as a mask. */
typedef enum {
	M2D_PLOT_CYCLES = 1 << 0,    /* cycles per reference, by cause: BASE-cycles */
	M2D_PLOT_WALK_REFS = 1 << 1, /* histogram of entries read per walk: BASE-walk-refs */
	M2D_PLOT_TLB = 1 << 2,       /* TLB miss ratios over time: BASE-tlb */
	M2D_PLOT_ALL = M2D_PLOT_CYCLES | M2D_PLOT_WALK_REFS | M2D_PLOT_TLB,
} M2dPlotKind;

/* Pictures, as a mask. */
typedef enum {
	M2D_PLOT_SVG = 1 << 0,
	M2D_PLOT_PNG = 1 << 1,
} M2dPlotFormat;

typedef struct {
	const M2dResult *result;
	int64_t id; /* in the database; 0: not stored */
} M2dPlotRun;

typedef struct {
	const char *base;   /* path that the files' names start with */
	const char *source; /* the database, for the caption; NULL if there is none */
	const M2dPlotRun *runs;
	unsigned n_runs;  /* 1 to M2D_PLOT_MAX_RUNS */
	unsigned kinds;   /* of M2dPlotKind */
	unsigned formats; /* of M2dPlotFormat; at least one */
} M2dPlot;

/**
 * m2d_plot_write: write the figures of @plot.
 * @names: the path of each file written is added here, to g_free()
 * Files are made in a temporary folder beside their final place and renamed when all of a figure's
 * are complete. If gnuplot is missing or fails, the numbers and the scripts are still written and
 * named, and false is returned with @error (INPUT if it is missing). A run without data (no cycles
 * under functional timing, no walk) gives a figure that says so.
 */
bool m2d_plot_write(const M2dPlot *plot, GPtrArray *names, GError **error);
