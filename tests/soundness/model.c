/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/soundness/model.h"

#include <string.h>

#include "sim/guest/guest.h"
#include "sim/vm/hostmm.h"

#define AD          (M2D_PTE_A | M2D_PTE_D)
#define MAX_HISTORY 48u

static unsigned entry_index(const SndModel *m, uint64_t gpa)
{
	return (unsigned)((gpa - SND_TABLES) >> m->fmt[0].entry_shift);
}

static unsigned n_entries(const SndModel *m)
{
	return (SND_TABLES_END - SND_TABLES) >> m->fmt[0].entry_shift;
}

static void push(SndModel *m, SndHistory *h, uint64_t value)
{
	if (h->n == MAX_HISTORY) {
		memmove(h->v, h->v + h->n / 2, (h->n - h->n / 2) * sizeof(*h->v));
		h->n -= h->n / 2;
		h->cut = true;
	}
	if (h->n == h->cap) {
		h->cap = MAX(2, 2 * h->cap);
		h->v = g_renew(SndVersion, h->v, h->cap);
	}
	h->v[h->n++] = (SndVersion){m->now, value & ~AD};
}

void snd_model_store(SndModel *m, uint64_t gpa, uint64_t value)
{
	SndHistory *h = &m->history[entry_index(m, gpa)];

	if (h->n == 0) {
		uint64_t now = m->now;

		m->now = 0;
		push(m, h, 0);
		m->now = now;
	}
	if (h->v[h->n - 1].value != (value & ~AD))
		push(m, h, value);
}

uint64_t snd_model_entry(const SndModel *m, uint64_t gpa)
{
	const SndHistory *h = &m->history[entry_index(m, gpa)];

	return h->n != 0 ? h->v[h->n - 1].value : 0;
}

/* The tables as the guest's kernel made them before the run. */
static void read_tables(SndModel *m)
{
	unsigned size = 1u << m->fmt[0].entry_shift;
	uint64_t pfn, word;

	for (uint64_t gpa = SND_TABLES; gpa < SND_TABLES_END; gpa += size) {
		if (!m2d_hostmm_peek(m->vm, gpa >> M2D_PAGE_SHIFT, &pfn, NULL))
			continue;
		word = m2d_space_read64(m->vm->space,
					M2D_HPA((pfn << M2D_PAGE_SHIFT) + (gpa & 0xff8)));
		if (size == 4)
			word = word >> 8 * (gpa & 4) & UINT32_MAX;
		if ((word & ~AD) != 0)
			push(m, &m->history[entry_index(m, gpa)], word);
	}
}

void snd_model_init(SndModel *m, M2dScnWorld *w)
{
	M2dRegs regs = w->vm->vcpu[0]->regs;

	memset(m, 0, sizeof(*m));
	m->w = w;
	m->vm = w->vm;
	for (unsigned nx = 0; nx < 2; nx++) {
		regs.efer = nx ? regs.efer | M2D_EFER_NXE : regs.efer & ~M2D_EFER_NXE;
		m2d_guest_format(&m->fmt[nx], &regs, m->vm->machine->vendor,
				 m->vm->cfg.guest_maxphyaddr, M2D_FEAT_ALL);
	}
	m->regions = snd_regions(&m->fmt[0]);
	m->history = g_new0(SndHistory, n_entries(m));
	if (m->fmt[0].levels != 0)
		read_tables(m);
	m->now = 1;
}

void snd_model_clear(SndModel *m)
{
	for (unsigned i = 0; i < n_entries(m); i++)
		g_free(m->history[i].v);
	g_free(m->history);
}

uint64_t snd_model_find(const SndModel *m, unsigned space, uint64_t gva, unsigned level)
{
	const M2dPteFormat *fmt = &m->fmt[1];
	uint64_t table = m->w->spaces[space].root_gpa, at, entry;

	for (unsigned l = fmt->levels;; l--) {
		at = table + m2d_pte_index_offset(fmt, l, gva);
		if (l == level)
			return at;
		entry = snd_model_entry(m, at);
		if (m2d_pte_classify(fmt, l, entry) != M2D_PTE_TABLE)
			return 0;
		table = entry & fmt->frame_mask;
	}
}

/* --- flushes ---------------------------------------------------------------------------------- */

void snd_model_flush_begins(SndModel *m, unsigned vcpu, M2dGuestFlush scope, uint64_t gva,
			    uint64_t pcid)
{
	SndFlushes *f = &m->flush[vcpu];

	/* Two of one kind at once: what both together allow. */
	if (f->begun[scope].time != 0)
		return;
	f->begun[scope].time = m->now;
	f->begun[scope].gva = gva;
	f->begun[scope].pcid = pcid % SND_N_PCIDS;
}

void snd_model_flush_ends(SndModel *m, unsigned vcpu, M2dGuestFlush scope)
{
	SndFlushes *f = &m->flush[vcpu];
	uint64_t time = f->begun[scope].time, pcid = f->begun[scope].pcid;
	int page = snd_page_index(m->regions, f->begun[scope].gva);

	f->begun[scope].time = 0;
	f->flushes++;
	if (time == 0)
		return;
	switch (scope) {
	case M2D_GF_PAGE:
		if (page >= 0)
			f->page[pcid][page] = f->global[page] = time;
		break;
	case M2D_GF_PCID_PAGE:
		if (page >= 0)
			f->page[pcid][page] = time;
		break;
	case M2D_GF_PCID:
		f->pcid[pcid] = time;
		break;
	case M2D_GF_NONGLOBAL:
		for (unsigned i = 0; i < SND_N_PCIDS; i++)
			f->pcid[i] = time;
		break;
	case M2D_GF_ALL:
	case M2D_N_GF:
		f->all = time;
		break;
	}
}

/* --- walks ------------------------------------------------------------------------------------ */

typedef struct {
	SndModel *m;
	const M2dPteFormat *fmt;
	M2dGuestPolicy policy;
	uint64_t since;
	uint64_t gva;
	M2dAccKind kind;
	bool user;
	bool globals; /* only what global leaves give */
	/* Global leaves of before are gone, whatever led to them. */
	bool pge;
	uint64_t global_since;
	bool loose;
	SndLegal *out;
	unsigned n;
} Walk;

static void result(Walk *w, SndLegal l)
{
	if (w->globals && !l.global)
		return;
	for (unsigned i = 0; i < w->n; i++)
		if (w->out[i].ok == l.ok && w->out[i].gpa == l.gpa && w->out[i].code == l.code)
			return;
	if (w->n == SND_MAX_LEGAL)
		w->loose = true;
	else
		w->out[w->n++] = l;
}

static void leaf(Walk *w, unsigned level, uint64_t pte, M2dGuestRights r)
{
	uint64_t offset = w->gva & m2d_low_mask(m2d_pte_shift(w->fmt, level));
	uint32_t code = m2d_guest_permission(&w->policy, &r, w->kind, w->user, false);
	SndLegal l = {.ok = code == 0, .global = pte & M2D_PTE_G, .code = code};

	if (l.ok)
		l.gpa = m2d_pte_leaf_base(w->fmt, level, pte) + offset;
	result(w, l);
}

static void walk(Walk *w, unsigned level, uint64_t table, M2dGuestRights rights)
{
	uint64_t at = table + m2d_pte_index_offset(w->fmt, level, w->gva);
	uint32_t code = m2d_guest_error_code(&w->policy, w->kind, w->user);
	static const SndVersion zero;
	const SndVersion *v = &zero;
	unsigned n = 1, i;

	if (!snd_model_is_table(at)) {
		w->loose = true;
		return;
	}
	if (w->m->history[entry_index(w->m, at)].n != 0) {
		const SndHistory *h = &w->m->history[entry_index(w->m, at)];

		v = h->v;
		n = h->n;
		w->loose |= h->cut && h->v[0].time > w->since;
	}
	/* The version in force at @since, and all that came later. */
	for (i = n - 1; i > 0 && v[i].time > w->since; i--)
		;
	for (; i < n; i++) {
		uint64_t pte = v[i].value, until = i + 1 < n ? v[i + 1].time : UINT64_MAX;
		M2dGuestRights r = rights;

		if (level != w->fmt->pdpte_level) {
			r.w &= (pte & M2D_PTE_RW) != 0;
			r.u &= (pte & M2D_PTE_US) != 0;
			r.x &= !(w->policy.nxe && w->fmt->entry_shift == 3 && (pte & M2D_PTE_NX));
		}
		switch (m2d_pte_classify(w->fmt, level, pte)) {
		case M2D_PTE_NOT_PRESENT:
			result(w, (SndLegal){.code = code});
			break;
		case M2D_PTE_RESERVED:
			result(w, (SndLegal){.code = code | M2D_PFEC_P | M2D_PFEC_RSVD});
			break;
		case M2D_PTE_LEAF:
			if (!(w->pge && pte & M2D_PTE_G && until <= w->global_since))
				leaf(w, level, pte, r);
			break;
		case M2D_PTE_TABLE:
			walk(w, level - 1, pte & w->fmt->frame_mask, r);
			break;
		}
	}
}

unsigned snd_model_space(const SndModel *m, unsigned vcpu)
{
	uint64_t root = m->vm->vcpu[vcpu]->regs.cr3 & ~UINT64_C(0xfff);

	for (unsigned i = 0; i < SND_MAX_SPACES; i++)
		if (m->w->spaces[i].root_gpa == root)
			return i;
	return 0;
}

unsigned snd_model_legal(SndModel *m, unsigned vcpu, uint64_t gva, M2dAccKind kind, bool user,
			 SndLegal *out)
{
	const M2dRegs *regs = &m->vm->vcpu[vcpu]->regs;
	const SndFlushes *f = &m->flush[vcpu];
	unsigned pcid = regs->cr4 & M2D_CR4_PCIDE ? regs->cr3 % SND_N_PCIDS : 0;
	int page = snd_page_index(m->regions, gva);
	M2dGuestRights all = {true, true, true, 0};
	Walk w = {.m = m, .gva = gva, .kind = kind, .user = user, .out = out};

	w.fmt = &m->fmt[(regs->efer & M2D_EFER_NXE) != 0];
	if (w.fmt->levels == 0) {
		out[0] = (SndLegal){.ok = true, .gpa = gva};
		return 1;
	}
	m2d_guest_policy(&w.policy, regs);
	w.since = MAX(f->all, f->pcid[pcid]);
	if (page >= 0) {
		w.since = MAX(w.since, f->page[pcid][page]);
		w.pge = regs->cr4 & M2D_CR4_PGE;
		w.global_since = MAX(f->all, f->global[page]);
	}
	walk(&w, w.fmt->levels, m->w->spaces[snd_model_space(m, vcpu)].root_gpa, all);
	/* Global pages outlive a change of address space. */
	if (page >= 0 && (regs->cr4 & M2D_CR4_PGE) &&
	    m->regions[snd_region_of(m->regions, (unsigned)page)].kernel) {
		w.globals = true;
		w.since = MAX(f->all, f->global[page]);
		for (unsigned s = 0; s < SND_MAX_SPACES; s++)
			walk(&w, w.fmt->levels, m->w->spaces[s].root_gpa, all);
	}
	if (w.loose)
		m->loose++;
	return w.loose ? 0 : w.n;
}
