/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all figures share: quoting, terminals, style, legend and caption. */
#include "sim/report/plot-private.h"

#include <math.h>
#include <string.h>

#include "sim/base/bits.h"
#include "sim/report/report.h"

/* Pixels of the parts around the frame. */
#define TITLE        44.0
#define LEGEND_LINE  17.0
#define CAPTION_LINE 15.0
#define AXIS         62.0 /* labels of the tics and of the axis */

/* Longest file name in a caption; the middle of longer ones is left out. */
#define MAX_NAME 44

/* Okabe and Ito (2008), "Color Universal Design", ordered for contrast between neighbours. */
static const char *const palette[] = {"#0072b2", "#e69f00", "#009e73", "#d55e00",
				      "#cc79a7", "#56b4e9", "#000000", "#f0e442"};

G_STATIC_ASSERT(M2D_N_ELEMENTS(palette) == M2D_PLOT_MAX_RUNS);

const char *m2d_plot_colour(unsigned i)
{
	return palette[i % M2D_N_ELEMENTS(palette)];
}

static void quote_bytes(GString *gp, const char *text)
{
	g_string_append_c(gp, '\'');
	for (const char *p = text; *p != '\0'; p++) {
		/* A doubled quote would do, but not at the start of a string. */
		if (*p == '\'')
			g_string_append(gp, "'.\"'\".'");
		else
			g_string_append_c(gp, g_ascii_iscntrl(*p) ? '?' : *p);
	}
	g_string_append_c(gp, '\'');
}

void m2d_plot_quote(GString *gp, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	quote_bytes(gp, valid);
}

char *m2d_plot_run_name(const M2dFigure *f, unsigned i)
{
	int64_t id = f->plot->runs[i].id;

	return id != 0 ? g_strdup_printf("run %" G_GINT64_FORMAT, id) : g_strdup("run");
}

char *m2d_plot_legend(const M2dFigure *f, unsigned i)
{
	const M2dResult *r = f->plot->runs[i].result;
	g_autofree char *name = m2d_plot_run_name(f, i);

	return g_strdup_printf("%s: %s, %s, %s", name, r->machine, r->mmu, r->timing);
}

/* The last part of @path, shortened in the middle. */
static char *short_name(const char *path)
{
	g_autofree char *base = g_path_get_basename(path != NULL ? path : "");
	g_autofree char *valid = g_utf8_make_valid(base, -1);
	glong n = g_utf8_strlen(valid, -1);
	g_autofree char *left = NULL;
	g_autofree char *right = NULL;

	if (n <= MAX_NAME)
		return g_steal_pointer(&valid);
	left = g_utf8_substring(valid, 0, MAX_NAME / 2);
	right = g_utf8_substring(valid, n - MAX_NAME / 2, n);
	return g_strconcat(left, "…", right, NULL);
}

static char *caption_line(const M2dFigure *f, unsigned i)
{
	const M2dResult *r = f->plot->runs[i].result;
	g_autofree char *refs = m2d_report_number(r->total.c.refs);
	g_autofree char *trace = short_name(r->trace);
	g_autofree char *source = short_name(f->plot->source);
	g_autofree char *run = m2d_plot_run_name(f, i);
	GString *s = g_string_new(NULL);

	if (f->plot->runs[i].id != 0)
		g_string_append_printf(s, "%s%s%s: ", run, f->plot->source != NULL ? " of " : "",
				       f->plot->source != NULL ? source : "");
	g_string_append_printf(s, "%s, %s, %s, %u vCPU%s, %s references of %s%s", r->machine,
			       r->mmu, r->timing, r->n_vcpus, r->n_vcpus == 1 ? "" : "s", refs,
			       trace, r->interrupted ? " (interrupted)" : "");
	if (s->len > 0 && f->plot->runs[i].id != 0)
		s->str[0] = g_ascii_toupper(s->str[0]);
	return g_string_free(s, FALSE);
}

/* Pixels from the lower edge of a figure that is @height high, as a coordinate. */
static double screen(double pixels, unsigned height)
{
	return pixels / height;
}

double m2d_plot_bottom(const M2dFigure *f)
{
	return screen(CAPTION_LINE * f->plot->n_runs + AXIS, f->height);
}

double m2d_plot_top(const M2dFigure *f)
{
	return 1 - screen(TITLE + LEGEND_LINE * f->legend_lines, f->height);
}

static void caption(M2dFigure *f)
{
	unsigned n = f->plot->n_runs;

	for (unsigned i = 0; i < n; i++) {
		g_autofree char *line = caption_line(f, i);

		g_string_append_printf(f->gp, "\tset label %u ", 100 + i);
		m2d_plot_quote(f->gp, line);
		g_string_append_printf(f->gp,
				       " at screen 0.015, screen %.4f left font ',9' "
				       "textcolor rgb '#666666' noenhanced\n",
				       screen(CAPTION_LINE * (n - 0.4 - i), f->height));
	}
}

void m2d_plot_begin(M2dFigure *f, const char *title, unsigned height, unsigned legend_lines)
{
	GString *gp = f->gp;

	f->legend_lines = legend_lines;
	height += (unsigned)(CAPTION_LINE * f->plot->n_runs + AXIS + TITLE +
			     LEGEND_LINE * legend_lines);
	f->height = height;
	g_string_append_printf(
		gp,
		"# Made by mmu2d %s. To draw it again after an edit, run gnuplot on "
		"this file\n# in its folder. The numbers are in the .tsv beside it.\n",
		M2D_VERSION);
	g_string_append(gp, "name = './'.");
	/* A name with "./" in front is never a pipe ("<", "|"), standard input or a home folder. */
	quote_bytes(gp, f->name);
	g_string_append(gp, "\ndata = name.'.tsv'\nformats = '");
	if (f->plot->formats & M2D_PLOT_SVG)
		g_string_append(gp, "svg ");
	if (f->plot->formats & M2D_PLOT_PNG)
		g_string_append(gp, "png ");
	g_string_append(gp, "'\n\nset encoding utf8\n"
			    "set datafile separator \"\\t\"\n"
			    "set border 3 linecolor rgb '#444444' linewidth 1\n"
			    "set tics nomirror out scale 0.6 font ',11' textcolor rgb '#222222'\n"
			    "set grid noxtics ytics linetype 1 linecolor rgb '#dddddd' linewidth "
			    "0.6\n"
			    "set style fill solid 1.0 noborder\n");
	g_string_append_printf(
		gp,
		"set key at screen 0.012, screen %.4f left top Left reverse vertical "
		"maxrows %u samplen 1.2 noenhanced font ',11'\n",
		1 - screen(0.75 * TITLE, height), MAX(legend_lines, 1));
	g_string_append(gp, "\ndo for [format in formats] {\n"
			    "\tif (format eq 'svg') {\n");
	g_string_append_printf(gp,
			       "\t\tset terminal svg size %u,%u font 'sans-serif,13' "
			       "background 'white'\n\t} else {\n"
			       "\t\tset terminal pngcairo size %u,%u font 'sans-serif,13' "
			       "fontscale 2 linewidth 2 pointscale 2\n\t}\n"
			       "\tset output name.'.'.format\n",
			       M2D_PLOT_WIDTH, height, 2 * M2D_PLOT_WIDTH, 2 * height);
	g_string_append(gp, "\tset label 99 ");
	m2d_plot_quote(gp, title);
	g_string_append_printf(gp,
			       " at screen 0.015, screen %.4f left font ',15' noenhanced\n"
			       "\tset tmargin at screen %.4f\n\tset bmargin at screen %.4f\n",
			       1 - screen(0.45 * TITLE, height), m2d_plot_top(f),
			       m2d_plot_bottom(f));
	caption(f);
}

void m2d_plot_end(M2dFigure *f)
{
	g_string_append(f->gp, "\tunset output\n}\n");
}

void m2d_plot_no_data(M2dFigure *f, const char *text)
{
	g_string_append(f->gp, "\tset label 1 ");
	m2d_plot_quote(f->gp, text);
	g_string_append(f->gp, " at graph 0.5, graph 0.5 center textcolor rgb '#666666' "
			       "noenhanced\n"
			       "\tunset key\n\tunset xtics\n\tunset ytics\n"
			       "\tplot [0:1] [0:1] -1 notitle\n");
}

double m2d_plot_step(double most, unsigned n)
{
	double unit = pow(10, floor(log10(most / n)));
	double steps = most / n / unit;

	return unit * (steps <= 1 ? 1 : steps <= 2 ? 2 : steps <= 5 ? 5 : 10);
}
