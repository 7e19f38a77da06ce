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
#include "tests/ref/refwalk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/base/bits.h"

/* The linear address of the access, so far as it has been translated. */
typedef struct {
	RefCpu *cpu;
	const RefMemory *mem;
	RefResult *res;
	M2dAccKind kind;
	bool user; /* judged as CPL 3 */
	bool implicit;
	uint64_t la;
	/* What the guest's entries said together. */
	bool rw, us, nx;
	unsigned key;
	uint64_t gpa;
	unsigned guest_shift; /* of the guest page; 64 with paging off */
	/* Result of the last nested walk. */
	uint64_t hpa;
	unsigned nested_shift; /* 64 in one dimension */
	bool ept_r, ept_w, ept_x, ept_ux;
} Walk;

/* A guest entry that was read. */
typedef struct {
	uint64_t gpa;
	uint64_t pa;
	unsigned size;
	uint64_t value;
	bool ept_r, ept_w, ept_x, ept_ux; /* rights of the page it lies in */
} Entry;

static bool bit(uint64_t v, unsigned n)
{
	return (v >> n) & 1;
}

/* Bits @hi..@lo of @v in their place; none if @hi < @lo. */
static uint64_t field(uint64_t v, int hi, int lo)
{
	uint64_t r = 0;

	for (int i = lo; i <= hi; i++)
		r |= v & (UINT64_C(1) << i);
	return r;
}

/* Bits @hi..@lo of @v as a number. */
static uint64_t number(uint64_t v, int hi, int lo)
{
	return field(v, hi, lo) >> lo;
}

static bool long_mode(const M2dRegs *r)
{
	return (r->efer & M2D_EFER_LMA) != 0;
}

static uint64_t read_entry(Walk *w, bool nested, unsigned level, uint64_t input, uint64_t gpa,
			   uint64_t pa, unsigned size)
{
	RefStep *s = &w->res->step[w->res->n_steps++];

	w->res->out.refs++;
	*s = (RefStep){nested, level, size, input, gpa, pa, w->mem->read(w->mem->data, pa, size)};
	return s->value;
}

/* A locked OR: nothing another update of the same word put there is lost. */
static void or_entry(Walk *w, uint64_t pa, unsigned size, uint64_t bits)
{
	uint64_t v = w->mem->read(w->mem->data, pa, size);

	if ((v & bits) != bits)
		w->mem->write(w->mem->data, pa, size, v | bits);
}

/* --- formats ---------------------------------------------------------------------------------- */

/* Does present entry @e of a 4- or 5-level table have a reserved bit set? */
static bool long_reserved(uint64_t e, unsigned level, unsigned maxphyaddr, bool nxe,
			  uint32_t features, bool amd)
{
	if (field(e, 51, (int)maxphyaddr) != 0)
		return true;
	if (bit(e, 63) && !nxe)
		return true;
	if (level >= 4)
		return bit(e, 7) || (amd && bit(e, 8));
	if (level == 3 && bit(e, 7))
		return !(features & M2D_FEAT_1G) || field(e, 29, 13) != 0;
	if (level == 2 && bit(e, 7))
		return field(e, 20, 13) != 0;
	return false;
}

/* The same for a PDE (@level 2) or PTE of PAE paging. */
static bool pae_reserved(uint64_t e, unsigned level, unsigned maxphyaddr, bool nxe)
{
	if (field(e, 62, (int)maxphyaddr) != 0)
		return true;
	if (bit(e, 63) && !nxe)
		return true;
	return level == 2 && bit(e, 7) && field(e, 20, 13) != 0;
}

/* The same for a PDPTE of PAE paging that is read from memory. */
static bool pdpte_reserved(uint64_t e, unsigned maxphyaddr)
{
	return field(e, 63, (int)maxphyaddr) != 0 || field(e, 2, 1) != 0 || field(e, 8, 5) != 0;
}

/* The same for a PDE of 32-bit paging that maps 4 MiB: with PSE-36 its bits 20:13 are physical
 * address bits 39:32, as far as the processor has those. */
static bool pde4m_reserved(uint64_t e, unsigned maxphyaddr, uint32_t features)
{
	int lo = 13;

	if (features & M2D_FEAT_PSE36)
		lo = (int)(maxphyaddr < 40 ? maxphyaddr : 40) - 19;
	return field(e, 21, lo) != 0;
}

static uint64_t pde4m_address(uint64_t e, uint64_t va)
{
	return number(e, 20, 13) << 32 | field(e, 31, 22) | field(va, 21, 0);
}

/* --- nested page tables (AMD) ----------------------------------------------------------------- */

/* One nested walk under way. */
typedef struct {
	uint64_t gpa;
	M2dAccKind kind;
	bool final;
	/* Used entries, for their accessed bits. */
	uint64_t used[5];
	unsigned n_used;
	unsigned size;
	bool rw, us, nx;
} NptWalk;

static bool npt_fault(Walk *w, const NptWalk *n, bool present, bool reserved)
{
	const M2dNested *nd = &w->cpu->nested;
	bool nx_exists = (nd->hefer & M2D_EFER_LMA) || (nd->hcr4 & M2D_CR4_PAE);
	M2dOutcome *out = &w->res->out;

	out->kind = M2D_OUT_NPF;
	out->fault_gpa.v = n->gpa;
	out->exitinfo1 = UINT64_C(1) << 2; /* nested accesses are user accesses */
	if (present)
		out->exitinfo1 |= UINT64_C(1) << 0;
	if (n->kind == M2D_ACC_WRITE)
		out->exitinfo1 |= UINT64_C(1) << 1;
	if (reserved)
		out->exitinfo1 |= UINT64_C(1) << 3;
	if (n->kind == M2D_ACC_FETCH &&
	    ((nd->hcr4 & M2D_CR4_SMEP) || (nx_exists && (nd->hefer & M2D_EFER_NXE))))
		out->exitinfo1 |= UINT64_C(1) << 4;
	out->exitinfo1 |= UINT64_C(1) << (n->final ? 32 : 33);
	return false;
}

/* Take the rights of used entry @e at @pa. */
static void npt_use(NptWalk *n, uint64_t pa, uint64_t e, bool nx_exists)
{
	n->used[n->n_used++] = pa;
	n->rw = n->rw && bit(e, 1);
	n->us = n->us && bit(e, 2);
	n->nx = n->nx || (nx_exists && bit(e, 63));
}

/* The walk found the page at @hpa: rights, then accessed and dirty bits. */
static bool npt_finish(Walk *w, NptWalk *n, uint64_t hpa, unsigned shift)
{
	if (!n->us || (n->kind == M2D_ACC_WRITE && !n->rw) || (n->kind == M2D_ACC_FETCH && n->nx))
		return npt_fault(w, n, true, false);
	for (unsigned i = 0; i < n->n_used; i++)
		or_entry(w, n->used[i], n->size, 1u << 5);
	if (n->kind == M2D_ACC_WRITE)
		or_entry(w, n->used[n->n_used - 1], n->size, 1u << 6);
	w->hpa = hpa;
	w->nested_shift = shift;
	return true;
}

static bool npt_long(Walk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	unsigned m = w->cpu->host_maxphyaddr;
	unsigned levels = (nd->hcr4 & M2D_CR4_LA57) ? 5 : 4;
	uint64_t table = field(nd->ncr3, (int)m - 1, 12);

	if (n->gpa >> (12 + 9 * levels) != 0)
		return npt_fault(w, n, false, false);
	for (unsigned level = levels;; level--) {
		int lo = 12 + 9 * ((int)level - 1);
		uint64_t pa = table + 8 * number(n->gpa, lo + 8, lo);
		uint64_t e = read_entry(w, true, level, n->gpa, 0, pa, 8);

		if (!bit(e, 0))
			return npt_fault(w, n, false, false);
		if (long_reserved(e, level, m, (nd->hefer & M2D_EFER_NXE) != 0,
				  w->cpu->host_features, true))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, true);
		if (level == 1 || bit(e, 7)) {
			uint64_t hpa = field(e, (int)m - 1, lo) | field(n->gpa, lo - 1, 0);

			return npt_finish(w, n, hpa, (unsigned)lo);
		}
		table = field(e, (int)m - 1, 12);
	}
}

static bool npt_pae(Walk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	unsigned m = w->cpu->host_maxphyaddr;
	uint64_t pa, e;

	if (n->gpa >> 32 != 0)
		return npt_fault(w, n, false, false);
	pa = field(nd->ncr3, 31, 5) + 8 * number(n->gpa, 31, 30);
	e = read_entry(w, true, 3, n->gpa, 0, pa, 8);
	if (!bit(e, 0))
		return npt_fault(w, n, false, false);
	if (pdpte_reserved(e, m))
		return npt_fault(w, n, true, true);
	for (unsigned level = 2;; level--) {
		int lo = level == 2 ? 21 : 12;

		pa = field(e, (int)m - 1, 12) + 8 * number(n->gpa, lo + 8, lo);
		e = read_entry(w, true, level, n->gpa, 0, pa, 8);
		if (!bit(e, 0))
			return npt_fault(w, n, false, false);
		if (pae_reserved(e, level, m, (nd->hefer & M2D_EFER_NXE) != 0))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, true);
		if (level == 1 || bit(e, 7))
			return npt_finish(w, n, field(e, (int)m - 1, lo) | field(n->gpa, lo - 1, 0),
					  (unsigned)lo);
	}
}

static bool npt_32(Walk *w, NptWalk *n)
{
	const M2dNested *nd = &w->cpu->nested;
	uint64_t pa, e;

	n->size = 4;
	if (n->gpa >> 32 != 0)
		return npt_fault(w, n, false, false);
	pa = field(nd->ncr3, 31, 12) + 4 * number(n->gpa, 31, 22);
	e = read_entry(w, true, 2, n->gpa, 0, pa, 4);
	if (!bit(e, 0))
		return npt_fault(w, n, false, false);
	if (bit(e, 7) && (nd->hcr4 & M2D_CR4_PSE)) {
		if (pde4m_reserved(e, w->cpu->host_maxphyaddr, w->cpu->host_features))
			return npt_fault(w, n, true, true);
		npt_use(n, pa, e, false);
		return npt_finish(w, n, pde4m_address(e, n->gpa), 22);
	}
	npt_use(n, pa, e, false);
	pa = field(e, 31, 12) + 4 * number(n->gpa, 21, 12);
	e = read_entry(w, true, 1, n->gpa, 0, pa, 4);
	if (!bit(e, 0))
		return npt_fault(w, n, false, false);
	npt_use(n, pa, e, false);
	return npt_finish(w, n, field(e, 31, 12) | field(n->gpa, 11, 0), 12);
}

static bool npt_translate(Walk *w, uint64_t gpa, M2dAccKind kind, bool final)
{
	const M2dNested *nd = &w->cpu->nested;
	NptWalk n = {.gpa = gpa, .kind = kind, .final = final, .size = 8, .rw = true, .us = true};

	if (nd->hefer & M2D_EFER_LMA)
		return npt_long(w, &n);
	if (nd->hcr4 & M2D_CR4_PAE)
		return npt_pae(w, &n);
	return npt_32(w, &n);
}

/* --- extended page tables (Intel) ------------------------------------------------------------- */

typedef struct {
	uint64_t gpa;
	M2dAccKind kind; /* of the final access */
	bool final;
	bool writes; /* needs W, sets D */
} EptAccess;

static bool ept_violation(Walk *w, uint64_t gpa, bool final, unsigned access_bits, bool complete)
{
	uint32_t controls = w->cpu->nested.ept_controls;
	M2dOutcome *out = &w->res->out;
	uint64_t q = access_bits;

	if (complete) {
		q |= (uint64_t)w->ept_r << 3 | (uint64_t)w->ept_w << 4 | (uint64_t)w->ept_x << 5;
		if (controls & M2D_EPT_MBEC)
			q |= (uint64_t)w->ept_ux << 6;
	}
	q |= UINT64_C(1) << 7;
	if (final) {
		q |= UINT64_C(1) << 8;
		if (controls & M2D_EPT_ADV_INFO)
			q |= (uint64_t)w->us << 9 | (uint64_t)w->rw << 10 | (uint64_t)w->nx << 11;
	}
	out->kind = M2D_OUT_EPT_VIOLATION;
	out->qualification = q;
	out->fault_gpa.v = gpa;
	out->gla.v = w->la;
	return false;
}

static bool ept_present(const Walk *w, uint64_t e)
{
	if (field(e, 2, 0) != 0)
		return true;
	return (w->cpu->nested.ept_controls & M2D_EPT_MBEC) && bit(e, 10);
}

static bool ept_leaf(uint64_t e, unsigned level)
{
	return level == 1 || (level <= 3 && bit(e, 7));
}

static bool ept_misconfigured(const Walk *w, uint64_t e, unsigned level)
{
	uint32_t controls = w->cpu->nested.ept_controls;
	uint64_t type = number(e, 5, 3);

	if (!bit(e, 0)) {
		if (bit(e, 1))
			return true;
		if (!(controls & M2D_EPT_EXEC_ONLY))
			return true; /* execute-only of either kind */
	}
	if (field(e, 51, (int)w->cpu->host_maxphyaddr) != 0)
		return true;
	if (!ept_leaf(e, level))
		return field(e, 6, 3) != 0 || (level >= 4 && bit(e, 7));
	if (type == 2 || type == 3 || type == 7)
		return true;
	if (level == 3)
		return !(controls & M2D_EPT_1G) || field(e, 29, 12) != 0;
	if (level == 2)
		return !(controls & M2D_EPT_2M) || field(e, 20, 12) != 0;
	return false;
}

/* Before accessed or dirty bits are set: log the page, or find the log full. */
static bool ept_set_bits(Walk *w, const EptAccess *a, const uint64_t *used, const uint64_t *value,
			 unsigned n)
{
	M2dNested *nd = &w->cpu->nested;
	bool sets_d = a->writes && !bit(value[n - 1], 9);
	bool sets_any = sets_d;

	for (unsigned i = 0; i < n; i++)
		sets_any = sets_any || !bit(value[i], 8);
	if (!sets_any)
		return true;
	if ((nd->ept_controls & M2D_EPT_PML) && nd->pml_index > 511) {
		w->res->out.kind = M2D_OUT_PML_FULL;
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		or_entry(w, used[i], 8, 1u << 8);
	if (!sets_d)
		return true;
	or_entry(w, used[n - 1], 8, 1u << 9);
	if (nd->ept_controls & M2D_EPT_PML) {
		uint64_t slot = nd->pml_address + 8u * nd->pml_index;

		w->res->pml_slot[w->res->n_pml++] = slot;
		w->mem->write(w->mem->data, slot, 8, field(a->gpa, 63, 12));
		nd->pml_index = (uint16_t)(nd->pml_index - 1);
	}
	return true;
}

static bool ept_translate(Walk *w, uint64_t gpa, M2dAccKind kind, bool final)
{
	M2dNested *nd = &w->cpu->nested;
	bool ad = (nd->eptp & M2D_EPTP_AD) != 0;
	unsigned levels = (unsigned)number(nd->eptp, 5, 3) + 1, shift, n = 0, access_bits;
	int m = (int)w->cpu->host_maxphyaddr;
	EptAccess a = {gpa, kind, final, final ? kind == M2D_ACC_WRITE : ad};
	uint64_t table = field(nd->eptp, m - 1, 12), used[5], value[5], e;
	bool ok;

	if (!final)
		access_bits = ad ? 3 : 1;
	else
		access_bits = kind == M2D_ACC_READ ? 1 : kind == M2D_ACC_WRITE ? 2 : 4;
	if (gpa >> (12 + 9 * levels) != 0)
		return ept_violation(w, gpa, final, access_bits, false);
	w->ept_r = w->ept_w = w->ept_x = w->ept_ux = true;
	for (unsigned level = levels;; level--) {
		shift = 12 + 9 * (level - 1);
		used[n] = table + 8 * number(gpa, (int)shift + 8, (int)shift);
		e = read_entry(w, true, level, gpa, 0, used[n], 8);
		value[n++] = e;
		if (!ept_present(w, e))
			return ept_violation(w, gpa, final, access_bits, false);
		if (ept_misconfigured(w, e, level)) {
			w->res->out.kind = M2D_OUT_EPT_MISCONFIG;
			w->res->out.fault_gpa.v = gpa;
			return false;
		}
		w->ept_r = w->ept_r && bit(e, 0);
		w->ept_w = w->ept_w && bit(e, 1);
		w->ept_x = w->ept_x && bit(e, 2);
		w->ept_ux = w->ept_ux && bit(e, 10);
		if (ept_leaf(e, level))
			break;
		table = field(e, m - 1, 12);
	}
	if (!final)
		ok = w->ept_r && (!ad || w->ept_w);
	else if (kind == M2D_ACC_READ)
		ok = w->ept_r;
	else if (kind == M2D_ACC_WRITE)
		ok = w->ept_w;
	else if (nd->ept_controls & M2D_EPT_MBEC)
		ok = w->us ? w->ept_ux : w->ept_x;
	else
		ok = w->ept_x;
	if (!ok)
		return ept_violation(w, gpa, final, access_bits, true);
	if (ad && !ept_set_bits(w, &a, used, value, n))
		return false;
	w->hpa = field(e, m - 1, (int)shift) | field(gpa, (int)shift - 1, 0);
	w->nested_shift = shift;
	return true;
}

/* --- the guest's own tables ------------------------------------------------------------------- */

/* The second dimension for a guest table entry (@final false) or the page itself. */
static bool second_dimension(Walk *w, uint64_t gpa, bool final)
{
	switch (w->cpu->nested.kind) {
	case M2D_NESTED_NPT:
		return npt_translate(w, gpa, final ? w->kind : M2D_ACC_WRITE, final);
	case M2D_NESTED_EPT:
		return ept_translate(w, gpa, w->kind, final);
	case M2D_NESTED_NONE:
		break;
	}
	w->hpa = gpa;
	w->nested_shift = 64;
	return true;
}

static bool guest_read(Walk *w, Entry *e, unsigned level, uint64_t gpa, unsigned size)
{
	if (!second_dimension(w, gpa, false))
		return false;
	*e = (Entry){.gpa = gpa, .pa = w->hpa, .size = size};
	e->ept_r = w->ept_r;
	e->ept_w = w->ept_w;
	e->ept_x = w->ept_x;
	e->ept_ux = w->ept_ux;
	e->value = read_entry(w, false, level, w->la, gpa, w->hpa, size);
	return true;
}

/* Set @bits in guest entry @e. */
static bool guest_update(Walk *w, const Entry *e, uint64_t bits)
{
	const M2dNested *nd = &w->cpu->nested;

	if ((e->value & bits) == bits)
		return true;
	if (nd->kind == M2D_NESTED_EPT && !(nd->eptp & M2D_EPTP_AD) && !e->ept_w) {
		w->ept_r = e->ept_r;
		w->ept_w = e->ept_w;
		w->ept_x = e->ept_x;
		w->ept_ux = e->ept_ux;
		return ept_violation(w, e->gpa, false, 3, true);
	}
	or_entry(w, e->pa, e->size, bits);
	return true;
}

static bool page_fault(Walk *w, uint32_t cause)
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
static bool key_forbids(const Walk *w)
{
	const M2dRegs *r = &w->cpu->regs;
	uint32_t rights;

	if (!long_mode(r) || w->kind == M2D_ACC_FETCH)
		return false;
	if (w->us && (r->cr4 & M2D_CR4_PKE))
		rights = r->pkru;
	else if (!w->us && (r->cr4 & M2D_CR4_PKS))
		rights = r->pkrs;
	else
		return false;
	if (bit(rights, 2 * w->key))
		return true;
	return w->kind == M2D_ACC_WRITE && bit(rights, 2 * w->key + 1) &&
	       (w->user || (r->cr0 & M2D_CR0_WP));
}

/* May the access be made, by R/W, U/S, NX and the control registers? */
static bool rights_allow(const Walk *w)
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
static bool guest_leaf(Walk *w, const Entry *e, uint64_t gpa, unsigned shift)
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

static void take_rights(Walk *w, uint64_t e, bool nx_on)
{
	w->rw = w->rw && bit(e, 1);
	w->us = w->us && bit(e, 2);
	w->nx = w->nx || (nx_on && bit(e, 63));
}

static bool guest_long(Walk *w)
{
	const RefCpu *c = w->cpu;
	bool nxe = (c->regs.efer & M2D_EFER_NXE) != 0;
	int m = (int)c->maxphyaddr;
	uint64_t table = field(c->regs.cr3, m - 1, 12);
	Entry e;

	for (unsigned level = (c->regs.cr4 & M2D_CR4_LA57) ? 5 : 4;; level--) {
		int lo = 12 + 9 * ((int)level - 1);

		if (!guest_read(w, &e, level, table + 8 * number(w->la, lo + 8, lo), 8))
			return false;
		if (!bit(e.value, 0))
			return page_fault(w, 0);
		if (long_reserved(e.value, level, c->maxphyaddr, nxe, c->features,
				  c->vendor == M2D_VENDOR_AMD))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, nxe);
		if (level == 1 || bit(e.value, 7)) {
			w->key = (unsigned)number(e.value, 62, 59);
			return guest_leaf(w, &e,
					  field(e.value, m - 1, lo) | field(w->la, lo - 1, 0),
					  (unsigned)lo);
		}
		if (!guest_update(w, &e, 0x20))
			return false;
		table = field(e.value, m - 1, 12);
	}
}

static bool guest_pae(Walk *w)
{
	const RefCpu *c = w->cpu;
	bool nxe = (c->regs.efer & M2D_EFER_NXE) != 0;
	int m = (int)c->maxphyaddr;
	unsigned index = (unsigned)number(w->la, 31, 30);
	uint64_t table;
	Entry e;

	if (c->vendor == M2D_VENDOR_INTEL) {
		/* Loaded by MOV CR3 and checked then. */
		if (!bit(c->regs.pdpte[index], 0))
			return page_fault(w, 0);
		table = field(c->regs.pdpte[index], m - 1, 12);
	} else {
		if (!guest_read(w, &e, 3, field(c->regs.cr3, 31, 5) + 8 * index, 8))
			return false;
		if (!bit(e.value, 0))
			return page_fault(w, 0);
		if (pdpte_reserved(e.value, c->maxphyaddr))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		table = field(e.value, m - 1, 12);
	}
	for (unsigned level = 2;; level--) {
		int lo = level == 2 ? 21 : 12;

		if (!guest_read(w, &e, level, table + 8 * number(w->la, lo + 8, lo), 8))
			return false;
		if (!bit(e.value, 0))
			return page_fault(w, 0);
		if (pae_reserved(e.value, level, c->maxphyaddr, nxe))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, nxe);
		if (level == 1 || bit(e.value, 7))
			return guest_leaf(w, &e,
					  field(e.value, m - 1, lo) | field(w->la, lo - 1, 0),
					  (unsigned)lo);
		if (!guest_update(w, &e, 0x20))
			return false;
		table = field(e.value, m - 1, 12);
	}
}

static bool guest_32(Walk *w)
{
	const RefCpu *c = w->cpu;
	Entry e;

	if (!guest_read(w, &e, 2, field(c->regs.cr3, 31, 12) + 4 * number(w->la, 31, 22), 4))
		return false;
	if (!bit(e.value, 0))
		return page_fault(w, 0);
	if (bit(e.value, 7) && (c->regs.cr4 & M2D_CR4_PSE)) {
		if (pde4m_reserved(e.value, c->maxphyaddr, c->features))
			return page_fault(w, M2D_PFEC_P | M2D_PFEC_RSVD);
		take_rights(w, e.value, false);
		return guest_leaf(w, &e, pde4m_address(e.value, w->la), 22);
	}
	take_rights(w, e.value, false);
	if (!guest_update(w, &e, 0x20))
		return false;
	if (!guest_read(w, &e, 1, field(e.value, 31, 12) + 4 * number(w->la, 21, 12), 4))
		return false;
	if (!bit(e.value, 0))
		return page_fault(w, 0);
	take_rights(w, e.value, false);
	return guest_leaf(w, &e, field(e.value, 31, 12) | field(w->la, 11, 0), 12);
}

/* Translate the one page at w->la. */
static bool translate(Walk *w)
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
	} else if (!long_mode(r)) {
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
	Walk w = {.cpu = cpu, .mem = mem, .res = result, .kind = access->kind};
	uint64_t first = access->gva.v, last = first + access->size - 1;

	memset(out, 0, sizeof(*out));
	result->n_steps = 0;
	result->n_pml = 0;
	w.user = access->user && !access->implicit;
	w.implicit = access->implicit;
	if (long_mode(&cpu->regs)) {
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

/* --- printing --------------------------------------------------------------------------------- */

const char *ref_outcome_name(M2dOutcomeKind kind)
{
	static const char *const name[] = {
		[M2D_OUT_OK] = "ok",
		[M2D_OUT_GP] = "#GP",
		[M2D_OUT_PF] = "#PF",
		[M2D_OUT_NPF] = "#NPF",
		[M2D_OUT_EPT_VIOLATION] = "EPT violation",
		[M2D_OUT_EPT_MISCONFIG] = "EPT misconfiguration",
		[M2D_OUT_PML_FULL] = "PML full",
	};

	return (unsigned)kind < M2D_N_ELEMENTS(name) ? name[kind] : "unknown";
}

void ref_dump_outcome(const char *who, const M2dOutcome *o)
{
	fprintf(stderr,
		"%s: %s size %d refs %u hpa %#" PRIx64 " hpa2 %#" PRIx64
		" error_code %#x cr2 %#" PRIx64 " exitinfo1 %#" PRIx64 " qualification %#" PRIx64
		" fault_gpa %#" PRIx64 " gla %#" PRIx64 "\n",
		who, ref_outcome_name(o->kind), (int)o->size, o->refs, o->hpa.v, o->hpa2.v,
		o->error_code, o->cr2.v, o->exitinfo1, o->qualification, o->fault_gpa.v, o->gla.v);
}

void ref_dump(const RefCpu *c, const M2dAccess *a, const RefResult *res)
{
	const M2dRegs *r = &c->regs;
	const M2dNested *n = &c->nested;

	fprintf(stderr,
		"%s cr0 %#" PRIx64 " cr3 %#" PRIx64 " cr4 %#" PRIx64 " efer %#" PRIx64
		" pkru %#x pkrs %#x ac %d maxphyaddr %u features %#x\n",
		c->vendor == M2D_VENDOR_AMD ? "amd" : "intel", r->cr0, r->cr3, r->cr4, r->efer,
		r->pkru, r->pkrs, r->ac, c->maxphyaddr, c->features);
	fprintf(stderr,
		"pdpte %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64
		"\nnested kind %d ncr3 %#" PRIx64 " hcr4 %#" PRIx64 " hefer %#" PRIx64
		" eptp %#" PRIx64 " controls %#x pml %#" PRIx64
		" index %u host maxphyaddr %u features %#x\n",
		r->pdpte[0], r->pdpte[1], r->pdpte[2], r->pdpte[3], (int)n->kind, n->ncr3, n->hcr4,
		n->hefer, n->eptp, n->ept_controls, n->pml_address, n->pml_index,
		c->host_maxphyaddr, c->host_features);
	fprintf(stderr, "access %s gva %#" PRIx64 " size %u user %d implicit %d\n",
		a->kind == M2D_ACC_READ    ? "read"
		: a->kind == M2D_ACC_WRITE ? "write"
					   : "fetch",
		a->gva.v, a->size, a->user, a->implicit);
	for (unsigned i = 0; i < res->n_steps; i++) {
		const RefStep *s = &res->step[i];

		fprintf(stderr, "  %2u %s level %u of %#" PRIx64, i + 1,
			s->nested ? "  nested" : "guest", s->level, s->input);
		if (!s->nested)
			fprintf(stderr, " gpa %#" PRIx64, s->gpa);
		fprintf(stderr, " at %#" PRIx64 ": %#" PRIx64 "\n", s->pa, s->value);
	}
	ref_dump_outcome("expected", &res->out);
}
