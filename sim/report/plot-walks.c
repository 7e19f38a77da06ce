/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Histogram of walks by the number of table entries they read, as shares of all walks. */
#include "sim/report/plot-private.h"

/* Bars of one run carry their share if they reach no further than this. */
#define MAX_LABELLED 26

static uint64_t n_walks(const M2dResult *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++)
		n += r->total.walk_refs_hist[i];
	return n;
}

static double mean(const M2dResult *r)
{
	double sum = 0;

	for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++)
		sum += (double)i * (double)r->total.walk_refs_hist[i];
	return sum / (double)n_walks(r);
}

/* The largest number of entries that any walk read. */
static unsigned last_bin(const M2dPlot *p)
{
	unsigned last = 0;

	for (unsigned k = 0; k < p->n_runs; k++)
		for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++)
			if (p->runs[k].result->total.walk_refs_hist[i] != 0)
				last = MAX(last, i);
	return last;
}

/* Fills the table; returns the largest share in percent. */
static double table(M2dFigure *f, unsigned last)
{
	const M2dPlot *p = f->plot;
	double most = 0;

	g_string_append(f->tsv, "refs [entries/walk]");
	for (unsigned k = 0; k < p->n_runs; k++) {
		g_autofree char *run = m2d_plot_run_name(f, k);

		g_string_append_printf(f->tsv, "\t%s [walks]\t%s [%% of walks]", run, run);
	}
	g_string_append_c(f->tsv, '\n');
	for (unsigned i = 0; i <= last; i++) {
		g_string_append_printf(f->tsv, "%u", i);
		for (unsigned k = 0; k < p->n_runs; k++) {
			const M2dResult *r = p->runs[k].result;
			uint64_t walks = r->total.walk_refs_hist[i], all = n_walks(r);
			double share = all != 0 ? 100.0 * (double)walks / (double)all : 0;

			most = MAX(most, share);
			g_string_append_printf(f->tsv, "\t%" G_GUINT64_FORMAT "\t%.6g", walks,
					       share);
		}
		g_string_append_c(f->tsv, '\n');
	}
	return most;
}

static void draw(M2dFigure *f, bool labels)
{
	const M2dPlot *p = f->plot;
	double width = 0.8 / p->n_runs;

	g_string_append_printf(f->gp, "\tset boxwidth %.4f\n\tplot ", width);
	for (unsigned k = 0; k < p->n_runs; k++) {
		const M2dResult *r = p->runs[k].result;
		g_autofree char *legend = m2d_plot_legend(f, k);
		g_autofree char *title =
			g_strdup_printf("%s (mean %.2f)", legend, n_walks(r) != 0 ? mean(r) : 0);

		g_string_append_printf(f->gp,
				       "%sdata using ($1%+.4f):%u skip 1 with boxes linecolor rgb "
				       "'%s' ",
				       k == 0 ? "" : ", \\\n\t\t", width * (k + 0.5) - 0.4,
				       3 + 2 * k, m2d_plot_colour(k));
		if (p->n_runs > 1) {
			g_string_append(f->gp, "title ");
			m2d_plot_quote(f->gp, title);
		} else {
			g_string_append(f->gp, "notitle");
		}
	}
	if (labels)
		g_string_append(f->gp,
				", \\\n\t\tdata using 1:($3 >= 0.05 ? $3 : "
				"NaN):(sprintf('%.1f', $3)) skip 1 with labels center offset 0,0.6 "
				"font ',9' textcolor rgb '#444444' notitle");
	g_string_append_c(f->gp, '\n');
}

void m2d_plot_walk_refs(M2dFigure *f)
{
	const M2dPlot *p = f->plot;
	unsigned last = last_bin(p);
	double most = table(f, last);

	m2d_plot_begin(f, "References per walk", 300, most > 0 && p->n_runs > 1 ? p->n_runs : 0);
	g_string_append(f->gp, "\tset xlabel 'Table entries read per walk (both dimensions)' "
			       "offset 0,0.6 font ',12' "
			       "noenhanced\n"
			       "\tset ylabel 'Share of walks (%)' font ',12' noenhanced\n");
	if (most == 0) {
		m2d_plot_no_data(f, "No walk took place");
	} else {
		double top = 1.12 * most;

		g_string_append_printf(f->gp,
				       "\tset xrange [0:%u]\n\tset xtics %u\n\tset yrange "
				       "[0:%.4g]\n",
				       MAX(last, 4) + 1,
				       last > 40   ? 4
				       : last > 20 ? 2
						   : 1,
				       top);
		if (p->n_runs == 1) {
			double m = mean(p->runs[0].result);

			g_string_append_printf(
				f->gp,
				"\tset arrow 1 from %.4f, graph 0 to %.4f, graph 1 nohead dashtype "
				"2 linecolor rgb '#d55e00' back\n"
				"\tset label 1 'mean %.2f' at %.4f, graph 0.97 %s textcolor rgb "
				"'#d55e00' font ',11' front\n",
				m, m, m, m,
				m > 0.7 * last ? "right offset -0.6,0" : "left offset 0.6,0");
		}
		draw(f, p->n_runs == 1 && last <= MAX_LABELLED);
	}
	m2d_plot_end(f);
}
