/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLB miss ratios over time: three panels with one axis of references (L1 data, L1 instruction,
 * L2), a line a run. Each point is the ratio within one interval between samples, at its middle.
 */
#include "sim/report/plot-private.h"

#include <stddef.h>

#include "sim/base/bits.h"

/* Up to this many intervals the marks stand out; with more they only show lone points. */
#define MAX_MARKED 40

static const struct {
	const char *title, *column;
	size_t hits, misses; /* offsets in M2dCounters */
} panels[] = {
	{"L1 data", "l1d_miss_ratio [%]", offsetof(M2dCounters, l1d_hits),
	 offsetof(M2dCounters, l1d_misses)},
	{"L1 instruction", "l1i_miss_ratio [%]", offsetof(M2dCounters, l1i_hits),
	 offsetof(M2dCounters, l1i_misses)},
	{"L2", "l2_miss_ratio [%]", offsetof(M2dCounters, l2_hits),
	 offsetof(M2dCounters, l2_misses)},
};

#define N_PANELS M2D_N_ELEMENTS(panels)

typedef struct {
	double most[N_PANELS]; /* largest ratio, percent; negative: none */
	uint64_t last;         /* largest reference number */
	unsigned n;            /* most intervals of any run */
} Extent;

static uint64_t field(const M2dSample *s, size_t offset)
{
	return s != NULL ? *(const uint64_t *)((const char *)&s->c + offset) : 0;
}

static void row(M2dFigure *f, unsigned run, const M2dSample *from, const M2dSample *to, Extent *x)
{
	g_string_append_printf(f->tsv, "%u\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT, run,
			       from != NULL ? from->ref : 0, to->ref);
	for (unsigned i = 0; i < N_PANELS; i++) {
		double hits = (double)(field(to, panels[i].hits) - field(from, panels[i].hits));
		double misses =
			(double)(field(to, panels[i].misses) - field(from, panels[i].misses));
		double ratio = 100.0 * misses / (hits + misses);

		if (hits + misses > 0) {
			g_string_append_printf(f->tsv, "\t%.6g", ratio);
			x->most[i] = MAX(x->most[i], ratio);
		} else {
			g_string_append(f->tsv, "\tNaN");
		}
	}
	g_string_append_c(f->tsv, '\n');
	x->last = MAX(x->last, to->ref);
}

static void table(M2dFigure *f, Extent *x)
{
	const M2dPlot *p = f->plot;

	g_string_append(f->tsv, "line\tfrom [reference]\tto [reference]");
	for (unsigned i = 0; i < N_PANELS; i++) {
		g_string_append_printf(f->tsv, "\t%s", panels[i].column);
		x->most[i] = -1;
	}
	g_string_append_c(f->tsv, '\n');
	for (unsigned k = 0; k < p->n_runs; k++) {
		GArray *samples = p->runs[k].result->samples;
		const M2dSample *from = NULL;
		unsigned n = 0;

		for (guint i = 0; i < samples->len; i++) {
			const M2dSample *to = &g_array_index(samples, M2dSample, i);

			if (to->ref > (from != NULL ? from->ref : 0)) {
				row(f, k + 1, from, to, x);
				n++;
			}
			from = to;
		}
		x->n = MAX(x->n, n);
	}
}

static void panel(M2dFigure *f, unsigned i, const Extent *x, double unit)
{
	const M2dPlot *p = f->plot;
	double most = x->most[i];

	/* A label rather than that of the axis: at one distance from the edge in all panels. */
	g_string_append_printf(
		f->gp,
		"\n\tset label 3 \"%s\\nTLB misses (%%)\" at screen 0.028, graph 0.5 "
		"center rotate by 90 font ',11'\n",
		panels[i].title);
	if (most < 0)
		g_string_append(f->gp, "\tset label 2 'no accesses' at graph 0.5, graph 0.5 center "
				       "textcolor rgb '#666666'\n");
	else
		g_string_append(f->gp, "\tunset label 2\n");
	g_string_append_printf(f->gp, "\tset yrange [0:%.4g]\n\tset ytics %.4g\n\tplot ",
			       most > 0 ? 1.1 * most : 1,
			       m2d_plot_step(most > 0 ? 1.1 * most : 1, 4));
	for (unsigned k = 0; k < p->n_runs; k++) {
		g_autofree char *legend = m2d_plot_legend(f, k);

		g_string_append_printf(f->gp,
				       "%sdata using ($1 == %u ? ($2 + $3) / 2 / %.0f : NaN):%u "
				       "skip 1 with linespoints pointtype 7 pointsize %s linecolor "
				       "rgb '%s' linewidth 1.5 ",
				       k == 0 ? "" : ", \\\n\t\t", k + 1, unit, 4 + i,
				       x->n <= MAX_MARKED ? "0.4" : "0.2", m2d_plot_colour(k));
		if (i == 0 && p->n_runs > 1) {
			g_string_append(f->gp, "title ");
			m2d_plot_quote(f->gp, legend);
		} else {
			g_string_append(f->gp, "notitle");
		}
	}
	/* A curve outside the frame: a panel without a valid point is still drawn. */
	g_string_append(f->gp, ", \\\n\t\t-1 notitle\n");
}

void m2d_plot_tlb(M2dFigure *f)
{
	const M2dPlot *p = f->plot;
	Extent x = {0};
	double unit, bottom, panel_height;
	const char *unit_name;

	table(f, &x);
	unit = x.last >= 2000000 ? 1e6 : x.last >= 2000 ? 1e3 : 1;
	unit_name = unit == 1e6   ? "million references"
		    : unit == 1e3 ? "thousand references"
				  : "references";
	m2d_plot_begin(f, "TLB miss ratio over time, within each interval", 450,
		       x.n != 0 && p->n_runs > 1 ? p->n_runs : 0);
	if (x.n == 0) {
		m2d_plot_no_data(f, "The run has no samples");
		m2d_plot_end(f);
		return;
	}
	bottom = m2d_plot_bottom(f);
	panel_height = (m2d_plot_top(f) - bottom) / N_PANELS;
	g_string_append_printf(f->gp,
			       "\tset multiplot\n\tset lmargin at screen 0.115\n"
			       "\tset rmargin at screen 0.975\n\tset xrange [0:%.6g]\n",
			       (double)x.last / unit);
	for (unsigned i = 0; i < N_PANELS; i++) {
		double top = m2d_plot_top(f) - i * panel_height;

		g_string_append_printf(f->gp,
				       "\n\tset tmargin at screen %.4f\n\tset bmargin at screen "
				       "%.4f",
				       top, top - (i < N_PANELS - 1 ? 0.86 : 1) * panel_height);
		if (i == 0)
			g_string_append(f->gp, "\n\tset xtics format ''\n\tunset xlabel");
		if (i == 1)
			/* Title and caption are on the page once. */
			g_string_append_printf(f->gp,
					       "\n\tunset label 99\n\tunset for [i=100:%u] "
					       "label i",
					       99 + p->n_runs);
		if (i == N_PANELS - 1)
			g_string_append_printf(f->gp,
					       "\n\tset xtics format '%%g'\n\tset xlabel "
					       "'Time (%s)' offset 0,0.6 font ',12' noenhanced",
					       unit_name);
		panel(f, i, &x, unit);
	}
	g_string_append(f->gp, "\tunset multiplot\n");
	m2d_plot_end(f);
}
