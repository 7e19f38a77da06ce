/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The grid in characters, for a terminal. */
#include "sim/report/walk-private.h"

#include <string.h>

#include "sim/report/report.h"

#define HEX   "%" G_GINT64_MODIFIER "x"
#define LABEL 6
#define LINES 4 /* of a cell */
/* Fits a 64-bit value. */
#define NARROW   17
#define WIDE     19
#define MAX_CELL 24

typedef char Lines[LINES][64];

static void dots(Lines out, const char *name, unsigned width)
{
	unsigned start = (width - (unsigned)strlen(name)) / 2;

	for (unsigned i = 0; i < LINES; i++) {
		memset(out[i], ' ', width);
		for (unsigned k = 1 + i % 2; k + 1 < width; k += 2)
			out[i][k] = '.';
		out[i][width] = '\0';
	}
	if (name[0] == '\0')
		return;
	out[1][start - 1] = ' ';
	memcpy(out[1] + start, name, strlen(name));
	out[1][start + strlen(name)] = ' ';
}

static void read_cell(const M2dWalkView *v, const M2dCell *c, Lines out, unsigned width)
{
	const M2dFetch *f = c->fetch;
	g_autofree char *flags = m2d_walk_flags(v, f);
	g_autofree char *order = g_strdup_printf("%u%s", c->order, c->faulted ? " FAULT" : "");
	const char *served = m2d_walk_served(f->served_by);

	g_snprintf(out[0], sizeof(out[0]), "%s%*s", order, (int)(width - strlen(order)), served);
	g_snprintf(out[1], sizeof(out[1]), "@" HEX, f->hpa);
	g_snprintf(out[2], sizeof(out[2]), "=" HEX, f->value);
	g_snprintf(out[3], sizeof(out[3]), "%s%s%s", flags, f->updates != 0 ? "  " : "",
		   m2d_walk_updates(f));
}

static void cell_lines(const M2dWalkView *v, const M2dCell *c, Lines out, unsigned width)
{
	for (unsigned i = 0; i < LINES; i++)
		out[i][0] = '\0';
	switch (c->kind) {
	case M2D_CELL_READ:
		read_cell(v, c, out, width);
		break;
	case M2D_CELL_PSC:
	case M2D_CELL_NPSC:
	case M2D_CELL_NTLB:
	case M2D_CELL_TLB:
		dots(out, m2d_walk_skip_name(c->kind), width);
		break;
	case M2D_CELL_LARGE:
		g_strlcpy(out[1], "(large page above)", sizeof(out[1]));
		out[1][width] = '\0';
		break;
	case M2D_CELL_DATA:
		if (v->out.kind == M2D_OUT_OK) {
			g_strlcpy(out[0], "the data", sizeof(out[0]));
			g_snprintf(out[1], sizeof(out[1]), "@" HEX, v->out.hpa.v);
		}
		break;
	case M2D_CELL_NOT_YET:
		g_strlcpy(out[1], "-", sizeof(out[1]));
		break;
	}
}

static void rule(GString *s, unsigned n, unsigned width)
{
	g_string_append_printf(s, "%*s", LABEL, "");
	for (unsigned c = 0; c < n; c++) {
		g_string_append_c(s, '+');
		for (unsigned i = 0; i < width + 2; i++)
			g_string_append_c(s, '-');
	}
	g_string_append(s, "+\n");
}

/* One line of cells; blanks at its end would be noise. */
static void row_line(GString *s, const char *label, const char *const *cells, unsigned n,
		     unsigned width)
{
	g_string_append_printf(s, "%-*s", LABEL, label);
	for (unsigned c = 0; c < n; c++)
		g_string_append_printf(s, "| %-*s ", (int)width, cells[c]);
	g_string_append(s, "|\n");
}

static void head(GString *s, const M2dWalkView *v, const M2dGrid *g, unsigned width)
{
	Lines lines[M2D_WALK_MAX_COLUMNS];
	const char *cells[M2D_WALK_MAX_COLUMNS];

	for (unsigned c = 0; c < g->n_columns; c++) {
		unsigned l = g->level[c];

		g_snprintf(lines[c][0], sizeof(lines[c][0]), "%s %s", m2d_walk_column_name(l),
			   l == 0 ? "address" : m2d_walk_entry_kind(l));
		lines[c][1][0] = '\0';
		if (l != 0) {
			unsigned bits = l == v->fmt.pdpte_level ? 2 : v->fmt.index_bits;
			unsigned low = 12 + v->fmt.index_bits * (l - 1);

			g_snprintf(lines[c][1], sizeof(lines[c][1]),
				   "index %" G_GUINT64_FORMAT " (%u:%u)",
				   v->access.gva.v >> low & m2d_low_mask(bits), low + bits - 1,
				   low);
		}
		lines[c][2][0] = '\0';
		if (g->has_address[c] && v->nested.kind != M2D_NESTED_NONE)
			g_snprintf(lines[c][2], sizeof(lines[c][2]), "gpa " HEX, g->address[c]);
	}
	rule(s, g->n_columns, width);
	for (unsigned i = 0; i < (v->nested.kind == M2D_NESTED_NONE ? 2 : 3); i++) {
		for (unsigned c = 0; c < g->n_columns; c++)
			cells[c] = lines[c][i];
		row_line(s, "", cells, g->n_columns, width);
	}
	rule(s, g->n_columns, width);
}

static void body(GString *s, const M2dWalkView *v, const M2dGrid *g, unsigned width)
{
	Lines lines[M2D_WALK_MAX_COLUMNS];
	const char *cells[M2D_WALK_MAX_COLUMNS];

	for (unsigned r = 0; r < g->n_rows; r++) {
		if (r + 1 == g->n_rows && r > 0) {
			g_string_append_printf(s, "%*s", LABEL, "");
			for (unsigned i = 0; i < g->n_columns * (width + 3) + 1; i++)
				g_string_append_c(s, '=');
			g_string_append_c(s, '\n');
		} else if (r > 0) {
			rule(s, g->n_columns, width);
		}
		for (unsigned c = 0; c < g->n_columns; c++)
			cell_lines(v, &g->cell[r][c], lines[c], width);
		for (unsigned i = 0; i < LINES; i++) {
			for (unsigned c = 0; c < g->n_columns; c++)
				cells[c] = lines[c][i];
			row_line(s, i == 0 ? m2d_walk_row_name(v, g->n_level[r]) : "", cells,
				 g->n_columns, width);
		}
	}
	rule(s, g->n_columns, width);
}

static void introduction(GString *s, const M2dWalkView *v)
{
	g_autofree char *access = m2d_walk_access(v), *mode = m2d_walk_mode(v);
	g_autofree char *origin = m2d_walk_origin(v);

	g_string_append_printf(s, "%s\n", access);
	g_string_append_printf(s, "%s, machine %s; %s\n", mode, v->machine, origin);
	g_string_append_printf(s, "CR3 0x" HEX, v->regs.cr3);
	if (v->nested.kind == M2D_NESTED_NPT)
		g_string_append_printf(s, ", nCR3 0x" HEX ", ASID %u", v->nested.ncr3,
				       v->nested.tag);
	else if (v->nested.kind == M2D_NESTED_EPT)
		g_string_append_printf(s, ", EPTP 0x" HEX ", VPID %u", v->nested.eptp,
				       v->nested.tag);
	if (v->fmt.mode == M2D_PAGING_PAE && v->first_level == 2)
		g_string_append(s, "; the PDPTEs are in registers");
	g_string_append_printf(s, "\ncaches: %s\n\n", v->caches);
}

static void ending(GString *s, const M2dWalkView *v, const M2dGrid *g)
{
	g_autofree char *result = m2d_walk_result(v), *detail = m2d_walk_detail(v);
	g_autofree char *count = m2d_walk_count(v, g), *cost = m2d_walk_cost(v);
	M2dFaultCode code;

	g_string_append_printf(s, "result  %s\n        %s\n", result, detail);
	m2d_walk_fault_code(v, &code);
	for (guint i = 0; code.bits != NULL && i < code.bits->len; i++)
		g_string_append_printf(s, "          %s\n", (const char *)code.bits->pdata[i]);
	if (code.bits != NULL)
		g_ptr_array_unref(code.bits);
	if (v->origin.has_recorded) {
		bool same = v->out.kind == M2D_OUT_OK && v->out.hpa.v == v->origin.recorded;

		g_string_append_printf(s, "        the recording says 0x" HEX ": %s\n",
				       v->origin.recorded, same ? "the same" : "DIFFERENT");
	}
	g_string_append_printf(s, "refs    %s\ntime    %s\n", count, cost);
}

char *m2d_walk_text(const M2dWalkView *v)
{
	GString *s = g_string_new(NULL);
	M2dGrid g;
	unsigned width;

	m2d_walk_grid(v, &g);
	width = g.n_columns > 5 ? NARROW - 1 : WIDE - 1;
	introduction(s, v);
	if (v->log.n + v->log.n_skips != 0 || v->out.kind == M2D_OUT_OK) {
		head(s, v, &g, width);
		body(s, v, &g, width);
		g_string_append_printf(s,
				       "%*sorder, what served it; @ host-physical address of the "
				       "entry; = its value; "
				       "flags, + set now\n\n",
				       LABEL, "");
	}
	ending(s, v, &g);
	return g_string_free(s, FALSE);
}
