/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See beside.h. Two runs of different length and of different moments of a guest's life: counts
 * compare by a million references of the guest, and by its own page faults, which the work it does
 * decides. What only one of both can tell is "-" on the other side, never 0.
 */
#include "sim/report/beside.h"

#include "sim/base/bits.h"
#include "sim/report/report.h"

#define EXIT_PF     0x4eu
#define EXIT_INVLPG 0x79u

/* What one side has of a row. */
typedef struct {
	bool known;
	uint64_t n;
	uint64_t host_refs; /* recorded: of the host for these exits; 0: not told */
} Cell;

typedef struct {
	const char *name;
	const char *key; /* in JSON */
	Cell sim, rec;
} Row;

static Cell known(uint64_t n)
{
	return (Cell){.known = true, .n = n};
}

static Cell exits(const M2dPaid *p, unsigned from, unsigned to)
{
	Cell c = {.known = true};

	for (unsigned i = from; i <= to; i++) {
		c.n += p->exit[i].n;
		c.host_refs += p->exit[i].host_refs;
	}
	return c;
}

/* What the row of others has not: control registers, page faults, INVLPG. */
static Cell other_exits(const M2dPaid *p)
{
	const Cell taken[] = {exits(p, 0, 0x1f), exits(p, EXIT_PF, EXIT_PF),
			      exits(p, EXIT_INVLPG, EXIT_INVLPG)};
	Cell c = {.known = true, .n = p->all.n, .host_refs = p->all.host_refs};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(taken); i++) {
		c.n -= taken[i].n;
		c.host_refs -= taken[i].host_refs;
	}
	return c;
}

#define MAX_ROWS 32

static unsigned make_rows(Row *row, const M2dResult *r)
{
	const M2dCounters *c = &r->total.c;
	const M2dPaid *p = r->beside, *own = r->recorded;
	const Cell none = {0};
	uint64_t others = c->kvm_exits - c->kvm_faults - c->kvm_cr_writes - c->kvm_invalidations;
	const Row rows[] = {
		{"guest references", "guest_refs", known(own->guest_refs), known(p->guest_refs)},
		{"  its page faults", "guest_faults", known(own->guest_faults),
		 known(p->guest_faults)},
		{"  its loads of CR3", "cr3_loads", known(own->cr3_loads), known(p->cr3_loads)},
		{"  its INVLPG", "invlpgs", known(own->invlpgs), known(p->invlpgs)},
		{"  its table stores", "table_stores", known(own->table_stores), none},
		{"exits",
		 "exits",
		 known(c->kvm_exits),
		 {.known = true, .n = p->all.n, .host_refs = p->all.host_refs}},
		{"  page faults", "page_faults", known(c->kvm_faults), exits(p, EXIT_PF, EXIT_PF)},
		{"    nothing there", "absent", known(c->kvm_pf_absent), known(p->absent)},
		{"    write, CPL 0", "wp_kernel", known(c->kvm_pf_wp_kernel), known(p->wp_kernel)},
		{"    write, CPL 3", "wp_user", known(c->kvm_pf_wp_user), known(p->wp_user)},
		{"    > injected", "injected", known(c->kvm_injected), known(p->injected)},
		{"    > SPTE set", "mended", known(c->kvm_fixed), known(p->mended)},
		{"    > neither", "neither",
		 known(c->kvm_emulated + c->kvm_spurious + c->kvm_retried), known(p->nothing)},
		{"  MOV to CR", "cr_writes", known(c->kvm_cr_writes), exits(p, 0x10, 0x1f)},
		{"  MOV from CR", "cr_reads", none, exits(p, 0, 0xf)},
		{"  INVLPG", "invlpg_exits", known(c->kvm_invalidations),
		 exits(p, EXIT_INVLPG, EXIT_INVLPG)},
		{"  others", "other_exits", known(others), other_exits(p)},
		{"emulated stores", "emulated", known(c->kvm_emulated), none},
		{"pages gone unsync", "unsyncs", known(c->kvm_unsyncs), none},
		{"pages synced", "syncs", known(c->kvm_syncs), none},
		{"SPTEs", "sptes_set", known(c->kvm_sptes_made), known(p->set)},
		{"  made writable", "sptes_writable", known(c->kvm_sptes_writable),
		 known(p->writable)},
		{"  of tables", "sptes_linked", known(c->kvm_sptes_linked), known(p->linked)},
		{"  dropped", "sptes_dropped", known(c->kvm_sptes_dropped), known(p->dropped)},
		{"entries, new root", "root_switches", known(c->kvm_root_switches),
		 known(p->root_changes)},
		{"flushes", "flushes", known(c->kvm_hw_flushes), known(p->flushing_entries)},
	};

	G_STATIC_ASSERT(M2D_N_ELEMENTS(rows) <= MAX_ROWS);
	for (unsigned i = 0; i < M2D_N_ELEMENTS(rows); i++)
		row[i] = rows[i];
	return M2D_N_ELEMENTS(rows);
}

/* @n for each @per, or "-". */
static void put_rate(GString *s, int width, bool is_known, double n, uint64_t per, double scale)
{
	if (is_known && per != 0)
		g_string_append_printf(s, "%*.2f", width, n * scale / (double)per);
	else
		g_string_append_printf(s, "%*s", width, "-");
}

static void put_cell(GString *s, const Cell *c, const M2dPaid *of)
{
	g_autofree char *text = c->known ? m2d_report_number(c->n) : NULL;

	g_string_append_printf(s, "%12s", text != NULL ? text : "-");
	put_rate(s, 11, c->known, (double)c->n, of->guest_refs, 1e6);
	put_rate(s, 9, c->known, (double)c->n, of->guest_faults, 1);
}

static void put_notes(GString *s, const M2dPaid *p)
{
	g_string_append_printf(s,
			       "  Not comparable: a recording does not tell whether a fault "
			       "without a new SPTE was an\n"
			       "  emulated store, a spurious one or one given up, nor which shadow "
			       "pages went unsync or\n"
			       "  were synced. A fault that makes an SPTE writable is an unsync or "
			       "the first write to a\n"
			       "  clean page: %" G_GUINT64_FORMAT
			       " here, so that is what unsyncs can be at most; "
			       "%" G_GUINT64_FORMAT " faults did neither,\n"
			       "  which bounds the emulated stores. Both guests run the same "
			       "programs, at other moments.\n",
			       p->writable, p->nothing);
}

void m2d_report_beside(GString *s, const M2dResult *r)
{
	Row row[MAX_ROWS];
	unsigned n;

	if (r->beside == NULL)
		return;
	n = make_rows(row, r);
	g_string_append_printf(s, "\nBeside      %s, %s\n", r->beside->trace,
			       r->beside->shadow ? "KVM's shadow paging as recorded"
						 : "recorded under nested paging");
	g_string_append_printf(s, "  %-18s%32s%32s  %8s\n", "", "simulated          ",
			       "recorded           ", "host refs");
	g_string_append_printf(s, "  %-18s%12s%11s%9s%12s%11s%9s  %8s\n", "", "count", "per M refs",
			       "per #PF", "count", "per M refs", "per #PF", "each");
	for (unsigned i = 0; i < n; i++) {
		g_string_append_printf(s, "  %-18s", row[i].name);
		put_cell(s, &row[i].sim, r->recorded);
		put_cell(s, &row[i].rec, r->beside);
		if (row[i].rec.host_refs != 0 && row[i].rec.n != 0)
			g_string_append_printf(s, "  %8.0f",
					       (double)row[i].rec.host_refs / (double)row[i].rec.n);
		g_string_append_c(s, '\n');
	}
	put_notes(s, r->beside);
}

static void emit_side(M2dJson *j, const char *key, const Row *row, unsigned n, bool sim)
{
	m2d_json_object_begin(j, key);
	for (unsigned i = 0; i < n; i++) {
		const Cell *c = sim ? &row[i].sim : &row[i].rec;

		if (c->known)
			m2d_json_uint(j, row[i].key, c->n);
	}
	m2d_json_object_end(j);
}

void m2d_report_beside_json(M2dJson *j, const M2dResult *r)
{
	const M2dPaid *p = r->beside;
	Row row[MAX_ROWS];
	unsigned n;

	if (p == NULL)
		return;
	n = make_rows(row, r);
	m2d_json_object_begin(j, "beside");
	m2d_json_string(j, "trace", p->trace);
	m2d_json_bool(j, "shadow", p->shadow);
	emit_side(j, "simulated", row, n, true);
	emit_side(j, "recorded", row, n, false);
	m2d_json_object_begin(j, "recorded_exits");
	for (unsigned i = 0; i <= M2D_PAID_CODES; i++) {
		char key[16];

		if (p->exit[i].n == 0)
			continue;
		g_snprintf(key, sizeof(key), i < M2D_PAID_CODES ? "0x%x" : "more", i);
		m2d_json_uint(j, key, p->exit[i].n);
	}
	m2d_json_object_end(j);
	m2d_json_object_end(j);
}
