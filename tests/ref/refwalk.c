/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reference walker. Clarity before speed: each mode is spelled out in its own function, each
 * bit is asked for where the manuals ask for it.
 *
 * Where the manuals leave the processor a choice, this walker takes the following:
 *  - an access part of which is non-canonical gives #GP before anything is walked; outside long
 *    mode linear addresses are 32 bits and wrap;
 *  - A of a guest entry that points at a table is set when the entry is used, before the next
 *    level is read, and stays set if a lower level faults; A and D of the leaf are set together,
 *    after the guest's permission check and before the last nested walk;
 *  - a nested walk sets all its accessed bits, and D of its leaf for a write, at its end, and
 *    none at all if it faults or the log is full;
 *  - with EPT A/D bits off, setting a bit in a guest entry is a write to its page: it needs W
 *    there, reads no further EPT entries, and its violation reports read and write;
 *  - a guest-physical address wider than the nested walk's input counts as not present, with no
 *    entry read; so does one above 4 GiB under a legacy-mode NPT host;
 *  - the I/D bit of EXITINFO1 follows the rule of the #PF error code with the host's registers:
 *    fetch, and (CR4.SMEP, or EFER.NXE where NX exists);
 *  - the PK bit of a #PF tells whether the key forbids the access, whatever else forbids it;
 *  - with CR0.PG=0 every linear address is a user-mode one, writable and executable (SDM, notes
 *    to the exit qualification for EPT violations), which decides mode-based execute control.
 *
 * Not covered: CET shadow stacks, SNP, GMET, SPP, HLAT, memory types beyond their validity.
 */
#include <string.h>

#include "tests/ref/refwalk-private.h"

/* A guest entry that was read. */
typedef struct {
	uint64_t gpa;
	uint64_t pa;
	unsigned size;
	uint64_t value;
	bool ept_r, ept_w, ept_x, ept_ux; /* rights of the page it lies in */
} Entry;

uint64_t ref_read_entry(RefWalk *w, bool nested, unsigned level, uint64_t input, uint64_t gpa,
			uint64_t pa, unsigned size)
{
	RefStep *s = &w->res->step[w->res->n_steps++];

	w->res->out.refs++;
	*s = (RefStep){nested, level, size, input, gpa, pa, w->mem->read(w->mem->data, pa, size)};
	return s->value;
}

void ref_or_entry(RefWalk *w, uint64_t pa, unsigned size, uint64_t bits)
{
	uint64_t v = w->mem->read(w->mem->data, pa, size);

	if ((v & bits) != bits)
		w->mem->write(w->mem->data, pa, size, v | bits);
}

/* The second dimension for a guest table entry (@final false) or the page itself. */
static bool second_dimension(RefWalk *w, uint64_t gpa, bool final)
{
	switch (w->cpu->nested.kind) {
	case M2D_NESTED_NPT:
		return ref_npt_translate(w, gpa, final ? w->kind : M2D_ACC_WRITE, final);
	case M2D_NESTED_EPT:
		return ref_ept_translate(w, gpa, w->kind, final);
	case M2D_NESTED_NONE:
		break;
	}
	w->hpa = gpa;
	w->nested_shift = 64;
	return true;
}

static bool guest_read(RefWalk *w, Entry *e, unsigned level, uint64_t gpa, unsigned size)
{
	if (!second_dimension(w, gpa, false))
		return false;
	*e = (Entry){.gpa = gpa, .pa = w->hpa, .size = size};
	e->ept_r = w->ept_r;
	e->ept_w = w->ept_w;
	e->ept_x = w->ept_x;
	e->ept_ux = w->ept_ux;
	e->value = ref_read_entry(w, false, level, w->la, gpa, w->hpa, size);
	return true;
}

/* Set @bits in guest entry @e. */
static bool guest_update(RefWalk *w, const Entry *e, uint64_t bits)
{
	const M2dNested *nd = &w->cpu->nested;

	if ((e->value & bits) == bits)
		return true;
	if (nd->kind == M2D_NESTED_EPT && !(nd->eptp & M2D_EPTP_AD) && !e->ept_w) {
		w->ept_r = e->ept_r;
		w->ept_w = e->ept_w;
		w->ept_x = e->ept_x;
		w->ept_ux = e->ept_ux;
		return ref_ept_violation(w, e->gpa, false, 3, true);
	}
	ref_or_entry(w, e->pa, e->size, bits);
	return true;
}

static bool page_fault(RefWalk *w, uint32_t cause)
{
	const M2dRegs *r = &w->cpu->regs;
	M2dOutcome *out = &w->res->out;
	bool nx_on = (r->cr4 & M2D_CR4_PAE) && (r->efer & M2D_EFER_NXE);

	out->kind = M2D_OUT_PF;
	out->cr2.v = w->la;
	out->error_code = cause;
	if (w->kind == M2D_ACC_WRITE)
		out->error_code |= M2D_PFEC_W;
	if (w->user)
		out->error_code |= M2D_PFEC_U;
	if (w->kind == M2D_ACC_FETCH && ((r->cr4 & M2D_CR4_SMEP) || nx_on))
		out->error_code |= M2D_PFEC_ID;
	return false;
}

/* Does the protection key of the page forbid the access? */
static bool key_forbids(const RefWalk *w)
{
	const M2dRegs *r = &w->cpu->regs;
	uint32_t rights;

	if (!ref_long_mode(r) || w->kind == M2D_ACC_FETCH)
		return false;
	if (w->us && (r->cr4 & M2D_CR4_PKE))
		rights = r->pkru;
	else if (!w->us && (r->cr4 & M2D_CR4_PKS))
		rights = r->pkrs;
	else
		return false;
	if (ref_bit(rights, 2 * w->key))
		return true;
	return w->kind == M2D_ACC_WRITE && ref_bit(rights, 2 * w->key + 1) &&
	       (w->user || (r->cr0 & M2D_CR0_WP));
}

/* May the access be made, by R/W, U/S, NX and the control registers? */
static bool rights_allow(const RefWalk *w)
{
	const M2dRegs *r = &w->cpu->regs;

	if (w->user) {
		if (!w->us)
			return false;
		if (w->kind == M2D_ACC_WRITE)
			return w->rw;
		return w->kind == M2D_ACC_FETCH ? !w->nx : true;
	}
	if (w->kind == M2D_ACC_FETCH)
		return !w->nx && !(w->us && (r->cr4 & M2D_CR4_SMEP));
	if (w->us && (r->cr4 & M2D_CR4_SMAP) && (!r->ac || w->implicit))
		return false;
	return w->kind == M2D_ACC_READ || w->rw || !(r->cr0 & M2D_CR0_WP);
}

/* Guest leaf @e was found; it maps @gpa in a page of 1 << @shift bytes. */
static bool guest_leaf(RefWalk *w, const Entry *e, uint64_t gpa, unsigned shift)
{
	bool key = key_forbids(w);

	if (key || !rights_allow(w))
		return page_fault(w, M2D_PFEC_P | (key ? M2D_PFEC_PK : 0));
	if (!guest_update(w, e, w->kind == M2D_ACC_WRITE ? 0x60 : 0x20))
		return false;
	w->gpa = gpa;
	w->guest_shift = shift;
	return true;
}

static void take_rights(RefWalk *w, uint64_t e, bool nx_on)
{
	w->rw = w->rw && ref_bit(e, 1);
	w->us = w->us && ref_bit(e, 2);
	w->nx = w->nx || (nx_on && ref_bit(e, 63));
}

static bool guest_long(RefWalk *w)
{
	const RefCpu *c = w->cpu;
	bool nxe = (c->regs.efer & M2D_EFER_NXE) != 0;
	int m = (int)c->maxphyaddr;
	uint64_t table = ref_field(c->regs.cr3, m - 1, 12);
	Entry e;

	for (unsigned level = (c->regs.cr4 & M2D_CR4_LA57) ? 5 : 4;; level--) {
		int lo = 12 + 9 * ((int)level - 1);

		if (!guest_read(w, &e, level, table + 8 * ref_number(w->la, lo + 8, lo), 8))
			return false;
		if (!ref_bit(e.value, 0))
			return page_fault(w, 0);
		if (ref_long_reserved(e.value, level, c->maxphyaddr, nxe, c->features,
				      c->vendor == M2D_VENDOR_AMD))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, nxe);
		if (level == 1 || ref_bit(e.value, 7)) {
			w->key = (unsigned)ref_number(e.value, 62, 59);
			return guest_leaf(
				w, &e, ref_field(e.value, m - 1, lo) | ref_field(w->la, lo - 1, 0),
				(unsigned)lo);
		}
		if (!guest_update(w, &e, 0x20))
			return false;
		table = ref_field(e.value, m - 1, 12);
	}
}

static bool guest_pae(RefWalk *w)
{
	const RefCpu *c = w->cpu;
	bool nxe = (c->regs.efer & M2D_EFER_NXE) != 0;
	int m = (int)c->maxphyaddr;
	unsigned index = (unsigned)ref_number(w->la, 31, 30);
	uint64_t table;
	Entry e;

	if (c->vendor == M2D_VENDOR_INTEL) {
		/* Loaded by MOV CR3 and checked then. */
		if (!ref_bit(c->regs.pdpte[index], 0))
			return page_fault(w, 0);
		table = ref_field(c->regs.pdpte[index], m - 1, 12);
	} else {
		if (!guest_read(w, &e, 3, ref_field(c->regs.cr3, 31, 5) + 8 * index, 8))
			return false;
		if (!ref_bit(e.value, 0))
			return page_fault(w, 0);
		if (ref_pdpte_reserved(e.value, c->maxphyaddr))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		table = ref_field(e.value, m - 1, 12);
	}
	for (unsigned level = 2;; level--) {
		int lo = level == 2 ? 21 : 12;

		if (!guest_read(w, &e, level, table + 8 * ref_number(w->la, lo + 8, lo), 8))
			return false;
		if (!ref_bit(e.value, 0))
			return page_fault(w, 0);
		if (ref_pae_reserved(e.value, level, c->maxphyaddr, nxe))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, nxe);
		if (level == 1 || ref_bit(e.value, 7))
			return guest_leaf(
				w, &e, ref_field(e.value, m - 1, lo) | ref_field(w->la, lo - 1, 0),
				(unsigned)lo);
		if (!guest_update(w, &e, 0x20))
			return false;
		table = ref_field(e.value, m - 1, 12);
	}
}

static bool guest_32(RefWalk *w)
{
	const RefCpu *c = w->cpu;
	Entry e;

	if (!guest_read(w, &e, 2, ref_field(c->regs.cr3, 31, 12) + 4 * ref_number(w->la, 31, 22),
			4))
		return false;
	if (!ref_bit(e.value, 0))
		return page_fault(w, 0);
	if (ref_bit(e.value, 7) && (c->regs.cr4 & M2D_CR4_PSE)) {
		if (ref_pde4m_reserved(e.value, c->maxphyaddr, c->features))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, false);
		return guest_leaf(w, &e, ref_pde4m_address(e.value, w->la), 22);
	}
	take_rights(w, e.value, false);
	if (!guest_update(w, &e, 0x20))
		return false;
	if (!guest_read(w, &e, 1, ref_field(e.value, 31, 12) + 4 * ref_number(w->la, 21, 12), 4))
		return false;
	if (!ref_bit(e.value, 0))
		return page_fault(w, 0);
	take_rights(w, e.value, false);
	return guest_leaf(w, &e, ref_field(e.value, 31, 12) | ref_field(w->la, 11, 0), 12);
}

/* Translate the one page at w->la. */
static bool translate(RefWalk *w)
{
	const M2dRegs *r = &w->cpu->regs;
	bool ok;

	w->rw = w->us = true;
	w->nx = false;
	w->key = 0;
	w->ept_r = w->ept_w = w->ept_x = w->ept_ux = true;
	if (!(r->cr0 & M2D_CR0_PG)) {
		w->gpa = w->la;
		w->guest_shift = 64;
		ok = true;
	} else if (!(r->cr4 & M2D_CR4_PAE)) {
		ok = guest_32(w);
	} else if (!ref_long_mode(r)) {
		ok = guest_pae(w);
	} else {
		ok = guest_long(w);
	}
	return ok && second_dimension(w, w->gpa, true);
}

static bool canonical(const M2dRegs *r, uint64_t la)
{
	unsigned width = (r->cr4 & M2D_CR4_LA57) ? 57 : 48;
	uint64_t top = la >> (width - 1);

	return top == 0 || top == (UINT64_C(1) << (65 - width)) - 1;
}

static M2dPageSize page_size(unsigned a, unsigned b)
{
	unsigned shift = a < b ? a : b;

	return shift >= 30 ? M2D_SIZE_1G : shift >= 21 ? M2D_SIZE_2M : M2D_SIZE_4K;
}

void ref_access(RefCpu *cpu, const RefMemory *mem, const M2dAccess *access, RefResult *result)
{
	M2dOutcome *out = &result->out;
	RefWalk w = {.cpu = cpu, .mem = mem, .res = result, .kind = access->kind};
	uint64_t first = access->gva.v, last = first + access->size - 1;

	memset(out, 0, sizeof(*out));
	result->n_steps = 0;
	result->n_pml = 0;
	w.user = access->user && !access->implicit;
	w.implicit = access->implicit;
	if (ref_long_mode(&cpu->regs)) {
		if (!canonical(&cpu->regs, first) || !canonical(&cpu->regs, last)) {
			out->kind = M2D_OUT_GP;
			return;
		}
	} else {
		first = (uint32_t)first;
		last = (uint32_t)last;
	}
	out->kind = M2D_OUT_OK;
	w.la = first;
	if (!translate(&w))
		return;
	out->hpa.v = w.hpa;
	out->size = page_size(w.guest_shift, w.nested_shift);
	if (first >> 12 == last >> 12)
		return;
	w.la = last & ~UINT64_C(4095);
	if (!translate(&w))
		return;
	out->hpa2.v = w.hpa;
}
