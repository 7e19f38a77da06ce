/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text tables. Numbers are right-aligned in columns of fixed width; ratios whose denominator is
 * zero are shown as "-", never as 0.
 */
#include "sim/report/report.h"

#include <string.h>

#include "sim/base/bits.h"
#include "sim/report/beside.h"

#define BAR_WIDTH 40
/* Findings printed in full; a broken run can have millions. */
#define MAX_FINDINGS 20

char *m2d_report_number(uint64_t n)
{
	char digits[24];
	int len = g_snprintf(digits, sizeof(digits), "%" G_GUINT64_FORMAT, n);
	GString *s = g_string_new(NULL);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			g_string_append_c(s, ',');
		g_string_append_c(s, digits[i]);
	}
	return g_string_free(s, FALSE);
}

/* @n right-aligned in @width. */
static void put_number(GString *s, int width, uint64_t n)
{
	g_autofree char *text = m2d_report_number(n);

	g_string_append_printf(s, "%*s", width, text);
}

/* @a / @b times @scale with @digits decimals and @unit, right-aligned in @width. */
static void put_ratio(GString *s, int width, int digits, double a, double b, double scale,
		      const char *unit)
{
	char text[48];

	if (b > 0)
		g_snprintf(text, sizeof(text), "%.*f%s", digits, scale * a / b, unit);
	else
		g_strlcpy(text, "-", sizeof(text));
	g_string_append_printf(s, "%*s", width, text);
}

/* Counts too long for a column are shortened: 12.3M. @n right-aligned in @width. */
static void put_short(GString *s, int width, uint64_t n)
{
	static const char units[] = " kMGTPE";
	double v = (double)n;
	unsigned unit = 0;

	while (v >= 999.95 && unit + 2 < sizeof(units)) {
		v /= 1000;
		unit++;
	}
	if (unit == 0)
		g_string_append_printf(s, "%*" G_GUINT64_FORMAT, width, n);
	else
		g_string_append_printf(s, "%*.1f%c", width - 1, v, units[unit]);
}

static void put_bar(GString *s, double share)
{
	int n = (int)(share * BAR_WIDTH + 0.5);

	for (int i = 0; i < n && i < BAR_WIDTH; i++)
		g_string_append(s, i == 0 ? "  #" : "#");
	g_string_append_c(s, '\n');
}

/* @text without what could move the cursor or start a line. */
static void put_text(GString *s, const char *text)
{
	for (const char *p = text != NULL ? text : "-"; *p != '\0'; p++)
		g_string_append_c(s, g_ascii_iscntrl(*p) ? '?' : *p);
}

static void head(GString *s, const M2dResult *r)
{
	g_string_append(s, "Trace       ");
	put_text(s, r->trace);
	g_string_append_c(s, '\n');
	g_string_append_printf(
		s, "Machine     %s, mmu %s, timing %s, %u vCPU%s, seed %" G_GUINT64_FORMAT "\n",
		r->machine != NULL ? r->machine : "-", r->mmu != NULL ? r->mmu : "-",
		r->timing != NULL ? r->timing : "-", r->n_vcpus, r->n_vcpus == 1 ? "" : "s",
		r->seed);
	g_string_append(s, "References  ");
	put_number(s, 0, r->total.c.refs);
	if (r->seconds > 0)
		g_string_append_printf(s, " in %.2f s, %.1f M/s", r->seconds,
				       1e-6 * (double)r->total.c.refs / r->seconds);
	if (r->interrupted)
		g_string_append(s, "  (interrupted: figures cover this part only)");
	g_string_append_c(s, '\n');
}

static void cycles(GString *s, const M2dResult *r)
{
	uint64_t total = m2d_stats_cycles(&r->total);
	double refs = (double)r->total.c.refs;

	if (total == 0)
		return;
	g_string_append(s, "\nCycles                             count    share   per ref\n");
	for (unsigned class = 0; class < M2D_N_CLASSES; class ++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < M2D_N_CAUSES; i++)
			if (m2d_cause_class(i) == class)
				sum += r->total.cycles[i];
		if (sum == 0)
			continue;
		g_string_append_printf(s, "  %-16s", m2d_class_name(class));
		put_number(s, 22, sum);
		put_ratio(s, 9, 2, (double)sum, (double)total, 100, "%");
		put_ratio(s, 10, 4, (double)sum, refs, 1, "");
		g_string_append_c(s, '\n');
		for (unsigned i = 0; i < M2D_N_CAUSES; i++) {
			/* A class of one cause of the same name needs no second line. */
			if (m2d_cause_class(i) != class || r->total.cycles[i] == 0 ||
			    strcmp(m2d_cause_name(i), m2d_class_name(class)) == 0)
				continue;
			g_string_append_printf(s, "    %-14s", m2d_cause_name(i));
			put_number(s, 22, r->total.cycles[i]);
			put_ratio(s, 9, 2, (double)r->total.cycles[i], (double)total, 100, "%");
			put_ratio(s, 10, 4, (double)r->total.cycles[i], refs, 1, "");
			g_string_append_c(s, '\n');
		}
	}
	g_string_append(s, "  total           ");
	put_number(s, 22, total);
	put_ratio(s, 9, 2, 1, 1, 100, "%");
	put_ratio(s, 10, 4, (double)total, refs, 1, "");
	g_string_append_c(s, '\n');
}

static void vcpus(GString *s, const M2dResult *r)
{
	if (r->n_vcpus < 2)
		return;
	g_string_append(s,
			"\nvCPU          references               clock       walks   flushes\n");
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		const M2dCounters *c = &r->vcpu[i].c;

		g_string_append_printf(s, "  %-4u", i);
		put_number(s, 18, c->refs);
		put_number(s, 20, r->vcpu_cycles[i]);
		put_short(s, 12, c->walks);
		put_short(s, 10, c->flushes);
		g_string_append_c(s, '\n');
	}
}

static void tlb_row(GString *s, const char *name, uint64_t hits, uint64_t misses, double refs)
{
	if (hits == 0 && misses == 0)
		return;
	g_string_append_printf(s, "  %-14s", name);
	put_number(s, 20, hits);
	put_number(s, 20, misses);
	put_ratio(s, 12, 3, (double)misses, (double)hits + (double)misses, 100, "%");
	put_ratio(s, 15, 3, (double)misses, refs, 1000, "");
	g_string_append_c(s, '\n');
}

static void tlb(GString *s, const M2dCounters *c)
{
	double refs = (double)c->refs;
	if ((c->l1d_hits | c->l1d_misses | c->l1i_hits | c->l1i_misses | c->l2_hits | c->l2_misses |
	     c->ntlb_hits | c->ntlb_misses) == 0)
		return;
	g_string_append(s, "\nTLB                             hits              misses  "
			   "miss ratio  per 1000 refs\n");
	tlb_row(s, "L1 data", c->l1d_hits, c->l1d_misses, refs);
	tlb_row(s, "L1 instruction", c->l1i_hits, c->l1i_misses, refs);
	tlb_row(s, "L2", c->l2_hits, c->l2_misses, refs);
	tlb_row(s, "nested TLB", c->ntlb_hits, c->ntlb_misses, refs);
}

static void histogram(GString *s, const M2dStats *t)
{
	uint64_t sum = 0, most = 0;

	for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++) {
		sum += t->walk_refs_hist[i];
		most = MAX(most, t->walk_refs_hist[i]);
	}
	if (sum == 0)
		return;
	g_string_append(s, "  entries               walks    share\n");
	for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++) {
		uint64_t n = t->walk_refs_hist[i];

		if (n == 0)
			continue;
		g_string_append_printf(s, "  %6u%c", i, i == M2D_MAX_WALK_REFS - 1 ? '+' : ' ');
		put_number(s, 20, n);
		put_ratio(s, 9, 2, (double)n, (double)sum, 100, "%");
		put_bar(s, (double)n / (double)most);
	}
}

static void walks(GString *s, const M2dResult *r)
{
	const M2dCounters *c = &r->total.c;
	uint64_t fetched = c->pte_l1_hits + c->pte_l2_hits + c->pte_l3_hits + c->pte_dram;

	if (c->walks == 0)
		return;
	g_string_append(s, "\nWalks       ");
	put_number(s, 0, c->walks);
	g_string_append_printf(s, ", %.2f entries each (%.2f first dimension, %.2f second)\n",
			       (double)c->walk_refs / (double)c->walks,
			       (double)c->guest_entries / (double)c->walks,
			       (double)c->nested_entries / (double)c->walks);
	histogram(s, &r->total);
	if (fetched == 0)
		return;
	g_string_append(s, "  fetched from   ");
	put_ratio(s, 0, 1, (double)c->pte_l1_hits, (double)fetched, 100, "% L1");
	put_ratio(s, 12, 1, (double)c->pte_l2_hits, (double)fetched, 100, "% L2");
	put_ratio(s, 12, 1, (double)c->pte_l3_hits, (double)fetched, 100, "% L3");
	put_ratio(s, 16, 1, (double)c->pte_dram, (double)fetched, 100, "% memory");
	g_string_append_c(s, '\n');
}

static void events(GString *s, const M2dCounters *c)
{
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {
		{"page faults", c->page_faults},
		{"spurious faults", c->spurious_faults},
		{"nested faults", c->nested_faults},
		{"VM entries", c->entries},
		{"VM exits", c->exits},
		{"PML full", c->pml_full},
		{"accessed bits set", c->a_updates},
		{"dirty bits set", c->d_updates},
		{"page-table stores", c->pt_writes},
	};
	unsigned shown = 0;

	for (unsigned i = 0; i < M2D_N_ELEMENTS(rows); i++) {
		if (rows[i].n == 0)
			continue;
		if (shown == 0)
			g_string_append(s, "\nEvents\n");
		g_string_append_printf(s, "  %-18s", rows[i].name);
		put_number(s, 18, rows[i].n);
		/* Two columns. */
		g_string_append(s, shown % 2 == 0 ? "    " : "\n");
		shown++;
	}
	if (shown % 2 != 0) {
		g_string_truncate(s, s->len - 4);
		g_string_append_c(s, '\n');
	}
}

/* What a guest on shadow tables cost: how often, and the cycles that are KVM's own. */
static void kvm(GString *s, const M2dStats *t)
{
	const M2dCounters *c = &t->c;
	const struct {
		const char *name;
		uint64_t n;
		int cause; /* M2dCause of the cycles, or -1 */
	} rows[] = {
		{"exits", c->kvm_exits, M2D_CAUSE_EXIT_ENTRY},
		{"  MOV to CR", c->kvm_cr_writes, -1},
		{"  INVLPG, INVPCID", c->kvm_invalidations, -1},
		{"  page faults", c->kvm_faults, M2D_CAUSE_KVM_FAULT},
		{"    mended", c->kvm_fixed, -1},
		{"    spurious", c->kvm_spurious, -1},
		{"    tried again", c->kvm_retried, -1},
		{"    emulated", c->kvm_emulated, M2D_CAUSE_KVM_EMULATE},
		{"    injected", c->kvm_injected, -1},
		{"MMIO", c->kvm_mmio, -1},
		{"SPTEs set", c->kvm_sptes_set, -1},
		{"pages made", c->kvm_pages_made, -1},
		{"pages gone unsync", c->kvm_unsyncs, -1},
		{"pages synced", c->kvm_syncs, M2D_CAUSE_KVM_SYNC},
		{"pages zapped", c->kvm_pages_zapped, M2D_CAUSE_KVM_ZAP},
		{"roots loaded", c->kvm_root_loads, M2D_CAUSE_KVM_ROOT},
		{"flushes, own", c->kvm_hw_flushes, -1},
		{"flushes, remote", c->kvm_remote_flushes, -1},
		{"ranges unmapped", c->kvm_notifiers, -1},
		{"the rest", 0, M2D_CAUSE_KVM_OTHER},
	};

	if (c->kvm_exits == 0)
		return;
	g_string_append(s, "\nKVM                              count              cycles\n");
	for (unsigned i = 0; i < M2D_N_ELEMENTS(rows); i++) {
		uint64_t cycles = rows[i].cause >= 0 ? t->cycles[rows[i].cause] : 0;

		if (rows[i].n == 0 && cycles == 0)
			continue;
		g_string_append_printf(s, "  %-18s", rows[i].name);
		put_number(s, 18, rows[i].n);
		if (cycles != 0)
			put_number(s, 20, cycles);
		g_string_append_c(s, '\n');
	}
}

static void bill(GString *s, const M2dStats *t)
{
	bool any = false;

	for (unsigned i = 0; i < M2D_N_FLUSHES; i++) {
		const M2dFlushBill *b = &t->bill[i];

		if (b->count == 0 && b->dropped == 0)
			continue;
		if (!any)
			g_string_append_printf(s, "\n%-20s%8s%15s%17s%9s%10s%13s\n", "Flush bill",
					       "count", "direct cycles", "indirect cycles",
					       "dropped", "refilled", "over-flushed");
		any = true;
		g_string_append_printf(s, "  %-18s", m2d_flush_name(i));
		put_short(s, 8, b->count);
		put_number(s, 15, b->direct_cycles);
		put_number(s, 17, b->indirect_cycles);
		put_short(s, 9, b->dropped);
		put_short(s, 10, b->refilled);
		put_short(s, 13, b->over_flushed);
		g_string_append_c(s, '\n');
	}
}

static void findings(GString *s, const M2dResult *r)
{
	const M2dCounters *c = &r->total.c;

	if (c->checked != 0) {
		g_string_append(s, "\nCompared    ");
		put_number(s, 0, c->checked);
		g_string_append(s, " translations with those recorded: ");
		put_number(s, 0, c->wrong);
		g_string_append(s, " wrong");
		if (c->stale_legal != 0) {
			g_string_append(s, " (");
			put_number(s, 0, c->stale_legal);
			g_string_append(s, " legally stale)");
		}
	}
	g_string_append(s, "\nFindings    ");
	if (r->violations->len == 0)
		g_string_append(s, "none");
	else
		put_number(s, 0, r->violations->len);
	g_string_append_c(s, '\n');
	for (guint i = 0; i < r->violations->len; i++) {
		const M2dViolation *v = &g_array_index(r->violations, M2dViolation, i);

		if (i == MAX_FINDINGS) {
			g_string_append(s, "  ... ");
			put_number(s, 0, r->violations->len - i);
			g_string_append(s, " more; --db and --json keep them all\n");
			break;
		}
		g_string_append_printf(s, "  %s at reference ", v->invariant);
		put_number(s, 0, v->ref);
		g_string_append_printf(s, ", vCPU %u: %s\n", v->vcpu, v->story);
	}
}

char *m2d_report_text(const M2dResult *r)
{
	GString *s = g_string_new(NULL);

	head(s, r);
	vcpus(s, r);
	cycles(s, r);
	tlb(s, &r->total.c);
	walks(s, r);
	events(s, &r->total.c);
	kvm(s, &r->total);
	bill(s, &r->total);
	m2d_report_beside(s, r);
	findings(s, r);
	return g_string_free(s, FALSE);
}
