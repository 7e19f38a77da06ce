/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See paid.h. One pass over the batches of a trace; the shadow tables are kept as they are stored.
 */
#include "sim/replay/paid.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/base/x86pte.h"
#include "sim/engine/access.h"

#define SVM_EXIT_PF 0x4eu
#define HW_BITS     (M2D_BIT(5) | M2D_BIT(6)) /* the processor sets these without a record */

/* A page of tables. */
typedef struct {
	uint8_t level;   /* 0: not known yet */
	uint32_t walked; /* the last walk that came here */
	uint64_t entry[512];
} Page;

typedef struct {
	bool guest;  /* mode of the last reference */
	bool inside; /* between VMRUN and #VMEXIT */
	bool entered;
	uint32_t asid;
	uint64_t root;
	/* The page fault that is being handled or whose handling ended at the last entry. */
	bool fault, mended;
	M2dPaidExit *since; /* the exit that host references belong to; NULL: none yet */
} Vcpu;

typedef struct {
	M2dPaid *paid;
	GHashTable *pages; /* pfn to Page; looked up only */
	uint32_t walk;
	Vcpu vcpu[M2D_TRACE_MAX_VCPUS];
} State;

static Page *find_page(const State *s, uint64_t pa)
{
	return g_hash_table_lookup(s->pages, GSIZE_TO_POINTER(pa >> M2D_PAGE_SHIFT));
}

static Page *make_page(State *s, uint64_t pa)
{
	Page *page = find_page(s, pa);

	if (page == NULL) {
		page = g_new0(Page, 1);
		g_hash_table_insert(s->pages, GSIZE_TO_POINTER(pa >> M2D_PAGE_SHIFT), page);
	}
	return page;
}

/* Levels of what lies below @pa, each page once a walk; links tell of later ones. */
static void give_levels(State *s, uint64_t pa, unsigned level)
{
	Page *page = find_page(s, pa);

	if (page == NULL || page->walked == s->walk)
		return;
	page->walked = s->walk;
	page->level = (uint8_t)level;
	for (unsigned i = 0; level > 1 && i < 512; i++) {
		uint64_t e = page->entry[i];

		if ((e & M2D_PTE_P) && !m2d_paid_is_leaf(level, e))
			give_levels(s, e & M2D_REF_FRAME, level - 1);
	}
}

static void take_root(State *s, uint64_t root, uint64_t cr4)
{
	const Page *page = find_page(s, root);
	unsigned level = cr4 & M2D_CR4_LA57 ? 5 : 4;

	/* Guests without PAE have three or two levels, which nothing in the record tells. */
	if (page == NULL || !(cr4 & M2D_CR4_PAE) || page->level == level)
		return;
	s->walk++;
	give_levels(s, root, level);
}

static void shadow_store(State *s, Vcpu *v, uint64_t pa, uint64_t entry)
{
	Page *page = make_page(s, pa);
	uint64_t *slot = &page->entry[(pa & 0xfff) >> 3], old = *slot;
	M2dPaid *p = s->paid;
	bool was = old & M2D_PTE_P, is = entry & M2D_PTE_P;
	Page *below;

	*slot = entry;
	if (page->level == 0 || ((old ^ entry) & ~HW_BITS) == 0)
		return;
	if (was && !is) {
		p->dropped++;
		return;
	}
	if (!is)
		return;
	if (!m2d_paid_is_leaf(page->level, entry)) {
		p->linked++;
		v->mended = true;
		below = make_page(s, entry & M2D_REF_FRAME);
		below->level = (uint8_t)(page->level - 1);
		return;
	}
	if (!was)
		p->set++;
	else if ((entry & ~old) & M2D_PTE_RW)
		p->writable++;
	else
		return;
	v->mended = true;
}

/* What became of the last page fault is known. */
static void end_fault(M2dPaid *p, Vcpu *v, bool injected)
{
	if (!v->fault)
		return;
	v->fault = false;
	if (injected)
		p->injected++;
	else if (v->mended)
		p->mended++;
	else
		p->nothing++;
}

static void take_exit(State *s, Vcpu *v, const M2dTraceEvent *ev)
{
	M2dPaid *p = s->paid;

	end_fault(p, v, false);
	v->inside = false;
	p->all.n++;
	v->since = &p->exit[MIN(ev->n, M2D_PAID_CODES)];
	v->since->n++;
	if (ev->n != SVM_EXIT_PF)
		return;
	v->fault = true;
	v->mended = false;
	if (!(ev->a & M2D_PFEC_P))
		p->absent++;
	else if (ev->a & M2D_PFEC_W)
		*(ev->a & M2D_PFEC_U ? &p->wp_user : &p->wp_kernel) += 1;
}

static void take_entry(State *s, Vcpu *v, const M2dTraceEvent *ev)
{
	M2dPaid *p = s->paid;

	v->inside = true;
	if (ev->c & 1)
		p->nested = true;
	else
		p->shadow = true;
	if (!(ev->c & 1))
		take_root(s, ev->b & M2D_REF_FRAME, ev->e);
	if (!ev->guest) {
		p->entries++;
		if (v->entered) {
			p->flushing_entries += v->asid != ev->n || ev->sub != 0;
			p->root_changes += !(ev->c & 1) && v->root != ev->b;
		}
	}
	v->entered = true;
	v->asid = ev->n;
	v->root = ev->b;
}

static void take_event(State *s, const M2dTraceEvent *ev)
{
	Vcpu *v = &s->vcpu[ev->vcpu];
	M2dPaid *p = s->paid;

	switch (ev->kind) {
	case M2D_EV_VMRUN:
		take_entry(s, v, ev);
		break;
	case M2D_EV_VMEXIT:
		take_exit(s, v, ev);
		break;
	case M2D_EV_PTWRITE:
		if (ev->guest)
			p->table_stores++;
		else if ((ev->sub & 2) && ev->n == 8)
			shadow_store(s, v, ev->a & ~UINT64_C(7), ev->b);
		break;
	case M2D_EV_PF:
		if (ev->guest) {
			p->guest_faults++;
			end_fault(p, v, true);
		}
		break;
	case M2D_EV_REG:
		p->cr3_loads += ev->guest && ev->sub == M2D_TR_CR3;
		break;
	case M2D_EV_INVLPG:
		p->invlpgs += ev->guest;
		break;
	default:
		break;
	}
}

static void add_refs(M2dPaid *p, const Vcpu *v, bool guest, uint64_t n)
{
	if (guest) {
		p->guest_refs += n;
		return;
	}
	p->host_refs += n;
	if (v->since != NULL && !v->inside) {
		v->since->host_refs += n;
		p->all.host_refs += n;
	}
}

/* References that the filter left out come before the one that counts them, and every event of the
 * MMU empties the filter: they were made in the mode of the reference before. */
static void take_refs(State *s, const M2dBatch *b, const M2dSegment *seg, const uint32_t *counts,
		      bool filtered)
{
	Vcpu *v = &s->vcpu[seg->vcpu];

	for (uint32_t i = seg->first_ref; i < seg->first_ref + seg->n_refs; i++) {
		bool guest = b->refs[i].w & M2D_REF_GUEST;

		if (filtered)
			add_refs(s->paid, v, v->guest, counts[i]);
		add_refs(s->paid, v, guest, 1);
		v->guest = guest;
	}
}

static void take_batch(State *s, const M2dBatch *b, const uint32_t *counts, bool filtered)
{
	for (uint32_t i = 0; i < b->n_pages; i++) {
		Page *page = make_page(s, b->pages[i].pa);

		if (b->pages[i].data != NULL)
			memcpy(page->entry, b->pages[i].data, M2D_PAGE_SIZE);
	}
	for (uint32_t i = 0; i < b->n_segments; i++) {
		const M2dSegment *seg = &b->segments[i];

		for (uint32_t e = 0; e < seg->n_events; e++)
			take_event(s, &b->events[seg->first_event + e]);
		take_refs(s, b, seg, counts, filtered);
	}
}

static bool read_all(State *s, M2dTraceReader *reader, M2dTraceProgress progress, void *data,
		     GError **error)
{
	bool filtered = m2d_trace_reader_info(reader)->flags & M2D_TRACE_FILTERED;
	g_auto(M2dBatch) batch = {0};
	uint64_t total;
	int status;

	while ((status = m2d_trace_reader_next(reader, &batch, error)) > 0) {
		uint64_t done = m2d_trace_reader_bytes(reader, &total);

		take_batch(s, &batch, m2d_trace_reader_counts(reader), filtered);
		if (progress != NULL && !progress(done, total, data)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT, "%s: interrupted",
				    s->paid->trace);
			return false;
		}
	}
	return status == 0;
}

void m2d_paid_free(M2dPaid *p)
{
	if (p == NULL)
		return;
	g_free(p->trace);
	g_free(p);
}

M2dPaid *m2d_paid_read(const char *path, M2dTraceProgress progress, void *data, GError **error)
{
	g_autoptr(M2dTraceReader) reader = m2d_trace_reader_open(path, M2D_TRACE_COUNTS, error);
	g_autoptr(M2dPaid) paid = NULL;
	State *s;
	bool ok;

	if (reader == NULL)
		return NULL;
	paid = g_new0(M2dPaid, 1);
	paid->trace = g_strdup(path);
	s = g_new0(State, 1);
	s->paid = paid;
	s->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	ok = read_all(s, reader, progress, data, error);
	for (unsigned i = 0; i < M2D_TRACE_MAX_VCPUS; i++)
		end_fault(paid, &s->vcpu[i], false);
	g_hash_table_unref(s->pages);
	g_free(s);
	return ok ? g_steal_pointer(&paid) : NULL;
}
