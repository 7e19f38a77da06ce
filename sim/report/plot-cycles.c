/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cycles per reference by cause: horizontal bars, one group a cause, ordered by class. One run is
 * coloured by class, because the classes are not equally certain; several by run.
 */
#include "sim/report/plot-private.h"

#include <string.h>

/* One bar a row and run takes this many pixels, and this many more between the groups. */
#define BAR   15
#define GROUP 11
/* Above this many runs the bars carry no figures: there is no room. */
#define MAX_LABELLED 4

static const char *class_colour(M2dCostClass class)
{
	static const char *const colours[M2D_N_CLASSES] = {
		[M2D_CLASS_BASE] = "#999999",
		[M2D_CLASS_WALK] = "#0072b2",
		[M2D_CLASS_SOFTWARE] = "#e69f00",
		[M2D_CLASS_CROSS] = "#d55e00",
	};

	return colours[class];
}

static const char *class_title(M2dCostClass class)
{
	static const char *const titles[M2D_N_CLASSES] = {
		[M2D_CLASS_BASE] = "execution",
		[M2D_CLASS_WALK] = "hardware: TLB and walks",
		[M2D_CLASS_SOFTWARE] = "software: faults, exits, flushes",
		[M2D_CLASS_CROSS] = "cross-CPU: IPIs, waiting",
	};

	return titles[class];
}

static double per_ref(const M2dResult *r, uint64_t cycles)
{
	return r->total.c.refs != 0 ? (double)cycles / (double)r->total.c.refs : 0;
}

/* The causes that cost anything in any run, by class; returns how many. */
static unsigned used_causes(const M2dPlot *p, M2dCause *causes)
{
	unsigned n = 0;

	for (unsigned class = 0; class < M2D_N_CLASSES; class ++)
		for (unsigned i = 0; i < M2D_N_CAUSES; i++) {
			bool used = false;

			for (unsigned k = 0; k < p->n_runs; k++)
				used |= p->runs[k].result->total.cycles[i] != 0;
			if (used && m2d_cause_class(i) == class)
				causes[n++] = i;
		}
	return n;
}

static void table(M2dFigure *f, const M2dCause *causes, unsigned n)
{
	const M2dPlot *p = f->plot;

	g_string_append(f->tsv, "cause\tlabel\tclass");
	for (unsigned k = 0; k < p->n_runs; k++) {
		g_autofree char *run = m2d_plot_run_name(f, k);

		g_string_append_printf(f->tsv, "\t%s [cycles]\t%s [cycles/reference]", run, run);
	}
	g_string_append_c(f->tsv, '\n');
	for (unsigned i = 0; i < n; i++) {
		const char *name = m2d_cause_name(causes[i]);
		g_autofree char *label = g_strdelimit(g_strdup(name), "_", ' ');

		g_string_append_printf(f->tsv, "%s\t%s\t%s", name, label,
				       m2d_class_name(m2d_cause_class(causes[i])));
		for (unsigned k = 0; k < p->n_runs; k++) {
			uint64_t cycles = p->runs[k].result->total.cycles[causes[i]];

			g_string_append_printf(f->tsv, "\t%" G_GUINT64_FORMAT "\t%.6g", cycles,
					       per_ref(p->runs[k].result, cycles));
		}
		g_string_append_c(f->tsv, '\n');
	}
}

/* The bars of column @column, in the place of run @k of @n. */
static void bars(GString *gp, unsigned column, unsigned k, unsigned n, const char *class)
{
	double height = 0.8 / n, top = 0.4 - height * k;
	g_autofree char *value = g_strdup_printf("$%u", column);

	if (class != NULL) {
		g_free(value);
		value = g_strdup_printf("(strcol(3) eq '%s' ? $%u : NaN)", class, column);
	}
	g_string_append_printf(gp,
			       "data using (0):(-$0):(0):(%s):(-$0%+.4f):(-$0%+.4f):ytic(2) skip 1 "
			       "with boxxyerror",
			       value, top - height, top);
}

static void figures(GString *gp, unsigned column, unsigned k, unsigned n)
{
	double height = 0.8 / n;

	g_string_append_printf(gp,
			       ", \\\n\t\tdata using %u:(-$0%+.4f):(sprintf('%%.3g', $%u)) skip 1 "
			       "with labels left offset 0.4,0 font ',9' textcolor rgb '#444444' "
			       "notitle",
			       column, 0.4 - height * (k + 0.5), column);
}

static void draw_one(M2dFigure *f, const M2dCause *causes, unsigned n)
{
	bool first = true;

	g_string_append(f->gp, "\tplot ");
	for (unsigned class = 0; class < M2D_N_CLASSES; class ++) {
		bool used = false;

		for (unsigned i = 0; i < n; i++)
			used |= m2d_cause_class(causes[i]) == class;
		if (!used)
			continue;
		g_string_append(f->gp, first ? "" : ", \\\n\t\t");
		first = false;
		bars(f->gp, 5, 0, 1, m2d_class_name(class));
		g_string_append_printf(f->gp, " linecolor rgb '%s' title '%s'", class_colour(class),
				       class_title(class));
	}
	figures(f->gp, 5, 0, 1);
	g_string_append_c(f->gp, '\n');
}

static void draw_many(M2dFigure *f)
{
	const M2dPlot *p = f->plot;

	g_string_append(f->gp, "\tplot ");
	for (unsigned k = 0; k < p->n_runs; k++) {
		g_autofree char *legend = m2d_plot_legend(f, k);
		g_autofree char *title = g_strdup_printf(
			"%s: %.3g cycles", legend,
			per_ref(p->runs[k].result, m2d_stats_cycles(&p->runs[k].result->total)));

		g_string_append(f->gp, k == 0 ? "" : ", \\\n\t\t");
		bars(f->gp, 5 + 2 * k, k, p->n_runs, NULL);
		g_string_append_printf(f->gp, " linecolor rgb '%s' title ", m2d_plot_colour(k));
		m2d_plot_quote(f->gp, title);
	}
	for (unsigned k = 0; k < p->n_runs && p->n_runs <= MAX_LABELLED; k++)
		figures(f->gp, 5 + 2 * k, k, p->n_runs);
	g_string_append_c(f->gp, '\n');
}

void m2d_plot_cycles(M2dFigure *f)
{
	const M2dPlot *p = f->plot;
	M2dCause causes[M2D_N_CAUSES];
	unsigned n = used_causes(p, causes);
	unsigned rows = MAX(n, 6);
	double most = 0;

	table(f, causes, n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < p->n_runs; k++)
			most = MAX(most, per_ref(p->runs[k].result,
						 p->runs[k].result->total.cycles[causes[i]]));
	m2d_plot_begin(f, "Cycles by cause", rows * (GROUP + BAR * p->n_runs) + 10,
		       most == 0        ? 0
		       : p->n_runs == 1 ? 2
					: p->n_runs);
	g_string_append(
		f->gp,
		"\tset xlabel 'Cycles per memory reference' offset 0,0.6 font ',12' noenhanced\n"
		"\tset grid xtics noytics\n\tset border 3\n"
		"\tset ytics scale 0 noenhanced\n");
	if (most == 0) {
		m2d_plot_no_data(f, "No cycles charged: functional timing only counts");
	} else {
		g_string_append_printf(f->gp, "\tset xrange [0:%.6g]\n\tset yrange [%.2f:0.6]\n",
				       1.1 * most, -(n - 0.4));
		if (p->n_runs == 1)
			draw_one(f, causes, n);
		else
			draw_many(f);
	}
	m2d_plot_end(f);
}
