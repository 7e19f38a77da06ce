/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grid as a picture. Colours are those of Okabe and Ito, dark on light, and never the only
 * carrier: dimensions differ by place and name, skipped cells by a dashed frame, faults by a word.
 */
#include "sim/report/walk-private.h"

#include <string.h>

#include "sim/report/report.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* Pixels of the drawing; it scales. */
#define WIDTH     1600
#define MARGIN    20
#define LABEL     104
#define GAP_X     34 /* between columns: the way up runs there */
#define GAP_Y     14
#define ROW       112
#define TITLE     104
#define HEAD      88
#define MAX_CELL  300
#define FOOTER    132
#define CODE_LINE 24

#define BLUE      "#0072B2"
#define ORANGE    "#B36B00"
#define GREEN     "#00694E"
#define VERMILION "#C24A00"

typedef struct {
	const M2dWalkView *v;
	const M2dGrid *g;
	GString *s;
	double cell, step; /* width of a cell, and to the next one */
	unsigned mono;     /* font size of numbers */
} Draw;

static void text_at(const Draw *d, double x, double y, const char *class, const char *text)
{
	g_string_append_printf(d->s, "<text x=\"%.0f\" y=\"%.0f\" class=\"%s\">", x, y, class);
	m2d_walk_put_xml(d->s, text);
	g_string_append(d->s, "</text>\n");
}

static double column_x(const Draw *d, unsigned c)
{
	return MARGIN + LABEL + d->step * c;
}

static double row_y(unsigned r)
{
	return TITLE + HEAD + (double)(ROW + GAP_Y) * r;
}

static void style(const Draw *d)
{
	g_string_append_printf(
		d->s,
		"<style>\n"
		"text { font-family: 'DejaVu Sans', Verdana, Arial, sans-serif; fill: #111; }\n"
		".mono { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; "
		"font-size: %upx; }\n"
		".title { font-size: 34px; font-weight: bold; }\n"
		".sub { font-size: 26px; }\n"
		".meta { font-size: 19px; fill: #333; }\n"
		".head { font-size: 26px; font-weight: bold; }\n"
		".small { font-size: 17px; fill: #333; }\n"
		".flags { font-size: 18px; }\n"
		".skip { font-size: 20px; fill: #444; text-anchor: middle; }\n"
		".pill { font-size: 16px; font-weight: bold; text-anchor: middle; }\n"
		".order { font-size: 18px; font-weight: bold; text-anchor: middle; fill: #fff; }\n"
		".update { font-size: 19px; font-weight: bold; fill: " VERMILION "; }\n"
		".guest rect.box { fill: #DCEDF8; stroke: " BLUE "; stroke-width: 3; }\n"
		".nested rect.box { fill: #FFF3D9; stroke: " ORANGE "; stroke-width: 2; }\n"
		".guest circle { fill: " BLUE "; }\n"
		".nested circle { fill: " ORANGE "; }\n"
		".page rect.box { fill: #DDF3EA; stroke: " GREEN "; stroke-width: 3; }\n"
		".fault rect.box { fill: #FCE4D8; stroke: " VERMILION "; stroke-width: 5; }\n"
		".fault circle { fill: " VERMILION "; }\n"
		".skipped rect { fill: none; stroke: #777; stroke-width: 2; "
		"stroke-dasharray: 3 6; }\n"
		".edge { fill: none; stroke: #444; stroke-width: 2.5; }\n"
		"</style>\n"
		"<defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" "
		"markerWidth=\"5\" markerHeight=\"5\" orient=\"auto\">"
		"<path d=\"M0 0 L10 5 L0 10 z\" fill=\"#444\"/></marker></defs>\n",
		d->mono);
}

static void title(const Draw *d)
{
	const M2dWalkView *v = d->v;
	g_autofree char *mode = m2d_walk_mode(v), *access = m2d_walk_access(v);
	g_autofree char *origin = m2d_walk_origin(v);
	g_autoptr(GString) meta = g_string_new(NULL);
	g_autofree char *caches = g_strdup_printf("caches: %s", v->caches);

	text_at(d, MARGIN, 38, "title", mode);
	g_string_append_printf(d->s, "<text x=\"%d\" y=\"38\" class=\"sub\" text-anchor=\"end\">",
			       WIDTH - MARGIN);
	m2d_walk_put_xml(d->s, access);
	g_string_append(d->s, "</text>\n");
	g_string_append_printf(meta, "machine %s; CR3 " HEX, v->machine, v->regs.cr3);
	if (v->nested.kind == M2D_NESTED_NPT)
		g_string_append_printf(meta, ", nCR3 " HEX, v->nested.ncr3);
	else if (v->nested.kind == M2D_NESTED_EPT)
		g_string_append_printf(meta, ", EPTP " HEX, v->nested.eptp);
	if (v->fmt.mode == M2D_PAGING_PAE && v->first_level == 2)
		g_string_append(meta, "; PDPTEs in registers");
	g_string_append_printf(meta, "; %s", origin);
	text_at(d, MARGIN, 68, "meta", meta->str);
	text_at(d, MARGIN, 94, "meta", caches);
}

/* When the address of a column is known: with its first read. */
static unsigned first_order(const M2dGrid *g, unsigned column)
{
	for (unsigned r = 0; r < g->n_rows; r++)
		if (g->cell[r][column].kind == M2D_CELL_READ)
			return g->cell[r][column].order;
	return 0;
}

static void heads(const Draw *d)
{
	const M2dGrid *g = d->g;

	for (unsigned c = 0; c < g->n_columns; c++) {
		unsigned l = g->level[c];
		double x = column_x(d, c);
		g_autofree char *name =
			g_strdup_printf("%s %s", m2d_walk_column_name(l),
					l == 0 ? "address" : m2d_walk_entry_kind(l));

		text_at(d, x, TITLE + 26, "head", name);
		if (l != 0) {
			unsigned bits = l == d->v->fmt.pdpte_level ? 2 : d->v->fmt.index_bits;
			unsigned low = 12 + d->v->fmt.index_bits * (l - 1);
			g_autofree char *index =
				g_strdup_printf("index %" G_GUINT64_FORMAT " = bits %u:%u",
						d->v->access.gva.v >> low & m2d_low_mask(bits),
						low + bits - 1, low);

			text_at(d, x, TITLE + 51, "small", index);
		}
		if (g->has_address[c] && d->v->nested.kind != M2D_NESTED_NONE) {
			g_autofree char *gpa = g_strdup_printf("gpa " HEX, g->address[c]);

			g_string_append_printf(d->s,
					       "<text x=\"%.0f\" y=\"%d\" class=\"mono step\" "
					       "data-order=\"%u\">%s</text>\n",
					       x, TITLE + 76, first_order(g, c), gpa);
		}
	}
	for (unsigned r = 0; r < g->n_rows; r++)
		text_at(d, MARGIN, row_y(r) + ROW / 2.0 + 9, "head",
			m2d_walk_row_name(d->v, g->n_level[r]));
}

static void box(const Draw *d, double x, double y)
{
	g_string_append_printf(d->s,
			       "<rect class=\"box\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" "
			       "height=\"%d\" rx=\"8\"/>\n",
			       x, y, d->cell, ROW);
}

static void pill(const Draw *d, double x, double y, unsigned served_by)
{
	/* The farther, the darker. */
	static const char *const fill[] = {"#fff", "#fff", "#ccc", "#777", "#222"};
	static const char *const ink[] = {"#111", "#111", "#111", "#fff", "#fff"};
	unsigned i = served_by < 5 ? served_by : 0;
	g_autofree char *text =
		g_strdup_printf("%s %u", i == 4 ? "mem" : m2d_walk_served(i), d->v->latency[i]);
	double width = i == 4 ? 92 : 66;

	if (i == 0)
		return;
	g_string_append_printf(d->s,
			       "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"24\" rx=\"12\" "
			       "fill=\"%s\" stroke=\"#222\"/>"
			       "<text x=\"%.0f\" y=\"%.0f\" class=\"pill\" "
			       "style=\"fill:%s\">%s</text>\n",
			       x - width, y, width, fill[i], x - width / 2, y + 18, ink[i], text);
}

static void read_cell(const Draw *d, const M2dCell *c, double x, double y)
{
	const M2dFetch *f = c->fetch;
	g_autofree char *name = m2d_walk_step_name(f), *flags = m2d_walk_flags(d->v, f);
	g_autofree char *at = g_strdup_printf("@" HEX, f->hpa);
	g_autofree char *value = g_strdup_printf("=" HEX, f->value);

	g_string_append_printf(d->s, "<g class=\"step %s%s\" data-order=\"%u\"><title>%s</title>\n",
			       f->dimension == M2D_DIM_GUEST ? "guest" : "nested",
			       c->faulted ? " fault" : "", c->order, name);
	box(d, x, y);
	g_string_append_printf(d->s,
			       "<circle cx=\"%.0f\" cy=\"%.0f\" r=\"15\"/>"
			       "<text x=\"%.0f\" y=\"%.0f\" class=\"order\">%u</text>\n",
			       x + 21, y + 20, x + 21, y + 26, c->order);
	if (c->faulted)
		text_at(d, x + 44, y + 27, "update", "fault");
	pill(d, x + d->cell - 8, y + 7, f->served_by);
	text_at(d, x + 10, y + 55, "mono", at);
	text_at(d, x + 10, y + 78, "mono", value);
	g_string_append_printf(d->s, "<text x=\"%.0f\" y=\"%.0f\" class=\"flags\">", x + 10,
			       y + 102);
	m2d_walk_put_xml(d->s, flags);
	if (f->updates != 0)
		g_string_append_printf(d->s, " <tspan class=\"update\">%s</tspan>",
				       m2d_walk_updates(f));
	g_string_append(d->s, "</text>\n</g>\n");
}

static void skipped_cell(const Draw *d, const M2dCell *c, double x, double y)
{
	g_string_append_printf(d->s,
			       "<g class=\"skipped\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" "
			       "height=\"%d\" rx=\"8\"/>",
			       x, y, d->cell, ROW);
	text_at(d, x + d->cell / 2, y + ROW / 2.0 - 12, "skip", m2d_walk_skip_name(c->kind));
	g_string_append(d->s, "</g>\n");
}

/* Where the last column leads. */
static void page_cell(const Draw *d, double x, double y)
{
	g_autofree char *hpa = NULL;

	if (d->v->out.kind != M2D_OUT_OK)
		return;
	hpa = g_strdup_printf(HEX, d->v->out.hpa.v);
	g_string_append_printf(d->s, "<g class=\"step page\" data-order=\"%u\">\n",
			       d->v->log.n + 1);
	box(d, x, y);
	text_at(d, x + 12, y + 42, "head", "the data");
	text_at(d, x + 12, y + 82, "mono", hpa);
	g_string_append(d->s, "</g>\n");
}

static void cells(const Draw *d)
{
	for (unsigned c = 0; c < d->g->n_columns; c++) {
		for (unsigned r = 0; r < d->g->n_rows; r++) {
			const M2dCell *cell = &d->g->cell[r][c];
			double x = column_x(d, c), y = row_y(r);

			switch (cell->kind) {
			case M2D_CELL_READ:
				read_cell(d, cell, x, y);
				break;
			case M2D_CELL_DATA:
				page_cell(d, x, y);
				break;
			case M2D_CELL_NOT_YET:
				break;
			case M2D_CELL_PSC:
			case M2D_CELL_NPSC:
			case M2D_CELL_NTLB:
			case M2D_CELL_TLB:
			case M2D_CELL_LARGE:
				skipped_cell(d, cell, x, y);
				break;
			}
		}
	}
}

/* A way into the cell of @order. */
static void edge(const Draw *d, unsigned order, const char *path)
{
	g_string_append_printf(d->s,
			       "<path class=\"edge step\" data-order=\"%u\" d=\"%s\" "
			       "marker-end=\"url(#tip)\"/>\n",
			       order, path);
}

/* From the entry read before to each entry: down in a column, else up along the gap. */
static void edges(const Draw *d)
{
	const M2dGrid *g = d->g;
	int from_c = -1, from_r = -1;

	for (unsigned c = 0; c < g->n_columns; c++) {
		for (unsigned r = 0; r < g->n_rows; r++) {
			const M2dCell *cell = &g->cell[r][c];
			bool page = cell->kind == M2D_CELL_DATA && d->v->out.kind == M2D_OUT_OK;
			unsigned order = page ? d->v->log.n + 1 : cell->order;
			g_autofree char *path = NULL;
			double x = column_x(d, c), y = row_y(r) + ROW / 2.0;

			if (cell->kind != M2D_CELL_READ && !page)
				continue;
			if (from_c == (int)c && from_r + 1 == (int)r)
				path = g_strdup_printf("M%.0f %.0f V%.0f", x + d->cell / 2,
						       row_y((unsigned)from_r) + ROW, row_y(r) - 2);
			else if (from_c == (int)c)
				path = g_strdup_printf("M%.0f %.0f V%.0f", x + d->cell - 30,
						       row_y((unsigned)from_r) + ROW, row_y(r) - 2);
			else if (from_c >= 0)
				path = g_strdup_printf("M%.0f %.0f H%.0f V%.0f H%.0f",
						       column_x(d, (unsigned)from_c) + d->cell,
						       row_y((unsigned)from_r) + ROW / 2.0,
						       x - GAP_X / 2.0, y, x - 2);
			if (path != NULL)
				edge(d, order, path);
			from_c = (int)c;
			from_r = (int)r;
		}
	}
}

static double footer(const Draw *d)
{
	const M2dWalkView *v = d->v;
	g_autofree char *result = m2d_walk_result(v), *detail = m2d_walk_detail(v);
	g_autofree char *count = m2d_walk_count(v, d->g), *cost = m2d_walk_cost(v);
	bool ok = v->out.kind == M2D_OUT_OK;
	double y = row_y(d->g->n_rows) + 6;
	M2dFaultCode code;

	m2d_walk_fault_code(v, &code);
	g_string_append_printf(
		d->s, "<rect x=\"%d\" y=\"%.0f\" width=\"10\" height=\"%d\" fill=\"%s\"/>\n",
		MARGIN, y, FOOTER - 16, ok ? GREEN : VERMILION);
	text_at(d, MARGIN + 24, y + 28, "head", result);
	text_at(d, MARGIN + 24, y + 58, "meta", detail);
	text_at(d, MARGIN + 24, y + 88, "head", count);
	text_at(d, MARGIN + 24, y + 114, "meta", cost);
	y += FOOTER;
	for (guint i = 0; code.bits != NULL && i < code.bits->len; i++, y += CODE_LINE)
		text_at(d, MARGIN + 24, y + 8, "small", code.bits->pdata[i]);
	if (code.bits != NULL)
		g_ptr_array_unref(code.bits);
	return y;
}

/* What the signs mean, in one line at the foot. */
static void legend(const Draw *d, double y)
{
	static const char text[] =
		"Number: order of the read. @: host-physical address of the entry. "
		"=: its value. Badge: what served it, in how many cycles. psc: paging-structure "
		"cache.";

	text_at(d, MARGIN, y + 18, "small", text);
}

void m2d_walk_svg_body(const M2dWalkView *v, const M2dGrid *g, bool ending, GString *s)
{
	Draw d = {.v = v, .g = g};
	g_autoptr(GString) body = g_string_new(NULL);
	g_autofree char *access = m2d_walk_access(v);
	double room = WIDTH - 2 * MARGIN - LABEL, y;

	d.s = body;
	d.step = MIN((room + GAP_X) / g->n_columns, MAX_CELL + GAP_X);
	d.cell = d.step - GAP_X;
	d.mono = g->n_columns > 5 ? 17 : 20;
	style(&d);
	g_string_append(body, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
	title(&d);
	heads(&d);
	edges(&d);
	cells(&d);
	y = row_y(g->n_rows);
	if (ending) {
		y = footer(&d);
		legend(&d, y);
		y += 32;
	}
	g_string_append_printf(s, " viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", WIDTH, y);
	m2d_walk_put_xml(s, access);
	g_string_append_printf(s, "\">\n%s</svg>\n", body->str);
}

char *m2d_walk_svg(const M2dWalkView *v)
{
	GString *s = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				  "<svg xmlns=\"http://www.w3.org/2000/svg\"");
	M2dGrid g;

	m2d_walk_grid(v, &g);
	m2d_walk_svg_body(v, &g, true, s);
	return g_string_free(s, FALSE);
}
