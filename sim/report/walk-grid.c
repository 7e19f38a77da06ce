/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the log of a walk, which is a sequence, to the cells of the grid. */
#include "sim/report/walk-private.h"

static const M2dPteFormat *nested_format(const M2dWalkView *v)
{
	return v->nested.kind == M2D_NESTED_NPT ? &v->npt.fmt : NULL;
}

bool m2d_walk_is_leaf(const M2dWalkView *v, const M2dFetch *f)
{
	const M2dPteFormat *fmt = f->dimension == M2D_DIM_GUEST ? &v->fmt : nested_format(v);

	if (fmt != NULL)
		return m2d_pte_classify(fmt, f->level, f->value) == M2D_PTE_LEAF;
	return m2d_ept_classify(&v->ept, f->level, f->value) == M2D_EPT_ENTRY_LEAF;
}

static int column_of(const M2dGrid *g, unsigned level)
{
	for (unsigned c = 0; c < g->n_columns; c++)
		if (g->level[c] == level)
			return (int)c;
	return -1;
}

static int row_of(const M2dGrid *g, unsigned nested_level)
{
	for (unsigned r = 0; r < g->n_rows; r++)
		if (g->n_level[r] == nested_level)
			return (int)r;
	return -1;
}

static void lay_out(const M2dWalkView *v, M2dGrid *g)
{
	unsigned nested = m2d_walkview_nested_levels(v);

	for (unsigned l = v->first_level; l >= 1; l--)
		g->level[g->n_columns++] = l;
	g->level[g->n_columns++] = 0;
	for (unsigned l = nested; l >= 1; l--)
		g->n_level[g->n_rows++] = l;
	g->n_level[g->n_rows++] = 0;
	for (unsigned r = 0; r < g->n_rows; r++)
		for (unsigned c = 0; c < g->n_columns; c++)
			g->cell[r][c].kind = M2D_CELL_NOT_YET;
	g->cell[g->n_rows - 1][g->n_columns - 1].kind = M2D_CELL_DATA;
}

static void set_rows(M2dGrid *g, unsigned column, unsigned first, unsigned end, M2dCellKind kind)
{
	for (unsigned r = first; r < end; r++)
		if (g->cell[r][column].kind == M2D_CELL_NOT_YET)
			g->cell[r][column].kind = kind;
}

/* What caches supplied instead of entries. */
static void place_skip(M2dGrid *g, const M2dSkip *s)
{
	int c = column_of(g, s->guest_level);
	unsigned nested_rows = g->n_rows - 1;

	if (c < 0)
		return;
	switch (s->kind) {
	case M2D_SKIP_PSC:
		/* The table below is known by its host address too. */
		for (unsigned i = 0; i < g->n_columns; i++) {
			if (g->level[i] >= s->level)
				set_rows(g, i, 0, g->n_rows, M2D_CELL_PSC);
			else if (g->level[i] + 1 == s->level)
				set_rows(g, i, 0, nested_rows, M2D_CELL_PSC);
		}
		break;
	case M2D_SKIP_NPSC:
		for (unsigned r = 0; r < nested_rows; r++)
			if (g->n_level[r] >= s->level)
				set_rows(g, (unsigned)c, r, r + 1, M2D_CELL_NPSC);
		break;
	case M2D_SKIP_NTLB:
		set_rows(g, (unsigned)c, 0, nested_rows, M2D_CELL_NTLB);
		break;
	default:
		break;
	}
}

static void place_fetch(const M2dWalkView *v, M2dGrid *g, uint32_t i)
{
	const M2dFetch *f = &v->log.fetch[i];
	int c = column_of(g, f->guest_level);
	int r = row_of(g, f->dimension == M2D_DIM_GUEST ? 0 : f->level);

	if (c < 0 || r < 0)
		return;
	/* A walk that starts again reads some entries twice: the last time counts. */
	g->cell[r][c] = (M2dCell){M2D_CELL_READ, i + 1, f, false};
	g->address[c] = f->gpa;
	g->has_address[c] = f->gpa != 0;
}

/* Below a large page there is nothing to read. */
static void place_large(const M2dWalkView *v, M2dGrid *g, const M2dFetch *f)
{
	int c = column_of(g, f->guest_level);

	if (c < 0 || !m2d_walk_is_leaf(v, f))
		return;
	if (f->dimension == M2D_DIM_NESTED) {
		for (unsigned r = 0; r + 1 < g->n_rows; r++)
			if (g->n_level[r] < f->level)
				set_rows(g, (unsigned)c, r, r + 1, M2D_CELL_LARGE);
		return;
	}
	for (unsigned i = 0; i < g->n_columns; i++)
		if (g->level[i] != 0 && g->level[i] < f->level)
			set_rows(g, i, 0, g->n_rows, M2D_CELL_LARGE);
}

void m2d_walk_grid(const M2dWalkView *v, M2dGrid *g)
{
	const M2dWalkLog *log = &v->log;

	*g = (M2dGrid){0};
	lay_out(v, g);
	for (uint32_t i = 0; i < log->n; i++) {
		place_fetch(v, g, i);
		if (log->fetch[i].dimension == M2D_DIM_GUEST)
			g->n_guest++;
		else
			g->n_nested++;
	}
	for (uint32_t i = 0; i < log->n_skips; i++)
		place_skip(g, &log->skip[i]);
	for (uint32_t i = 0; i < log->n; i++)
		place_large(v, g, &log->fetch[i]);
	if (v->out.served_by != M2D_FROM_WALK && v->out.kind != M2D_OUT_GP)
		for (unsigned c = 0; c < g->n_columns; c++)
			set_rows(g, c, 0, g->n_rows, M2D_CELL_TLB);
	if (v->out.kind != M2D_OUT_OK && log->n != 0)
		for (unsigned r = 0; r < g->n_rows; r++)
			for (unsigned c = 0; c < g->n_columns; c++)
				if (g->cell[r][c].order == log->n)
					g->cell[r][c].faulted = true;
}

const char *m2d_walk_column_name(unsigned level)
{
	static const char *const names[] = {"final", "gL1", "gL2", "gL3", "gL4", "gL5"};

	return names[level];
}

const char *m2d_walk_row_name(const M2dWalkView *v, unsigned nested_level)
{
	static const char *const names[] = {"guest", "nL1", "nL2", "nL3", "nL4", "nL5"};

	return v->nested.kind == M2D_NESTED_NONE ? "entry" : names[nested_level];
}

const char *m2d_walk_entry_kind(unsigned level)
{
	static const char *const names[] = {"page", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};

	return names[level];
}

char *m2d_walk_step_name(const M2dFetch *f)
{
	if (f->dimension == M2D_DIM_GUEST)
		return g_strdup(m2d_walk_column_name(f->level));
	return g_strdup_printf("nL%u@%s", f->level, m2d_walk_column_name(f->guest_level));
}

const char *m2d_walk_served(unsigned served_by)
{
	static const char *const names[] = {"unknown", "L1", "L2", "L3", "memory"};

	return names[served_by < G_N_ELEMENTS(names) ? served_by : 0];
}

const char *m2d_walk_skip_name(M2dCellKind kind)
{
	static const char *const names[] = {
		[M2D_CELL_READ] = "",           [M2D_CELL_PSC] = "psc",
		[M2D_CELL_NPSC] = "nested psc", [M2D_CELL_NTLB] = "nested TLB",
		[M2D_CELL_TLB] = "TLB",         [M2D_CELL_LARGE] = "large page",
		[M2D_CELL_DATA] = "",           [M2D_CELL_NOT_YET] = "",
	};

	return names[kind];
}
