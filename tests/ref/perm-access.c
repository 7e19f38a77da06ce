/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every combination of entry flags, access and processor flags, in the manner of kvm-unit-tests'
 * x86/access.c: one number counts through all combinations, its digits are the flags. What must
 * happen is computed by the few lines of expect_*(): a third statement of the rules, beside the
 * simulator and the reference walker, made of flags alone: it walks nothing.
 *
 * Three enumerations: native 4-level paging (both vendors) with all caches on and INVLPG before
 * each case, nested page tables and extended page tables below it with nothing cached. In the
 * latter two the flags of the entries that map the guest's page table and its page vary as well.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ref/layout.h"

/* One digit of the number: a name for printing and how many values it takes. */
typedef struct {
	const char *name;
	unsigned radix;
} Digit;

#define MAX_DIGITS 48

typedef struct {
	const char *name;
	const Digit *digit;
	unsigned n_digits;
	M2dNestedKind kind;
} Enumeration;

/* Values of all digits of one case. */
typedef struct {
	unsigned v[MAX_DIGITS];
} Case;

/* What must happen. */
typedef struct {
	M2dOutcomeKind kind;
	uint64_t code; /* error code, EXITINFO1 or qualification */
	uint64_t gpa;
	uint64_t pte, pde; /* afterwards */
	uint64_t pt_leaf, data_leaf;
} Expected;

/* The digits. Those that vary fastest come first; processor flags last, they cost most. */
enum {
	KIND, /* read, write, fetch */
	WHO,  /* supervisor, user, implicit supervisor */
	TWICE,
	PTE_P,
	PTE_W,
	PTE_U,
	PTE_A,
	PTE_D,
	PTE_NX,
	PTE_BITS, /* none, 51, 36 */
	PTE_KEY,
	PDE_P,
	PDE_W,
	PDE_U,
	PDE_A,
	PDE_D,
	PDE_PS,
	PDE_NX,
	PDE_BITS, /* none, 51, 36, 13 */
	CPU_WP,
	CPU_NXE,
	CPU_SMEP,
	CPU_SMAP,
	CPU_AC,
	CPU_KEYS,   /* neither, PKE, PKS, both */
	CPU_RIGHTS, /* of key 1: all, no access, no write */
	CPU_WIDTH,  /* 36, 40, 52 address bits */
	N_NATIVE
};

static const Digit native_digit[N_NATIVE] = {
	{"kind", 3},       {"who", 3},       {"twice", 2},    {"pte.p", 2},    {"pte.w", 2},
	{"pte.u", 2},      {"pte.a", 2},     {"pte.d", 2},    {"pte.nx", 2},   {"pte.bits", 3},
	{"pte.key", 2},    {"pde.p", 2},     {"pde.w", 2},    {"pde.u", 2},    {"pde.a", 2},
	{"pde.d", 2},      {"pde.ps", 2},    {"pde.nx", 2},   {"pde.bits", 4}, {"cpu.wp", 2},
	{"cpu.nxe", 2},    {"cpu.smep", 2},  {"cpu.smap", 2}, {"cpu.ac", 2},   {"cpu.keys", 4},
	{"cpu.rights", 3}, {"cpu.width", 3},
};

/* Nested enumerations: the guest's PTE and both nested leaves vary, its PDE does not. */
enum {
	N_KIND,
	N_USER,
	G_P,
	G_W,
	G_U,
	G_A,
	G_D,
	G_NX,
	/* Nested leaf of the page-table page (T) and of the page (D). */
	T_P,
	T_W,
	T_X,
	T_A,
	T_D,
	T_U,
	T_RSVD,
	D_P,
	D_W,
	D_X,
	D_A,
	D_D,
	D_U,
	D_RSVD,
	N_WP,
	N_GNXE,
	N_HNXE,
	N_HSMEP,
	N_NPT
};

static const Digit npt_digit[N_NPT] = {
	{"kind", 3},      {"user", 2},      {"pte.p", 2},   {"pte.w", 2},   {"pte.u", 2},
	{"pte.a", 2},     {"pte.d", 2},     {"pte.nx", 2},  {"table.p", 2}, {"table.w", 2},
	{"table.nx", 2},  {"table.a", 2},   {"table.d", 2}, {"table.u", 2}, {"table.rsvd", 2},
	{"page.p", 2},    {"page.w", 2},    {"page.nx", 2}, {"page.a", 2},  {"page.d", 2},
	{"page.u", 2},    {"page.rsvd", 2}, {"cpu.wp", 2},  {"cpu.nxe", 2}, {"host.nxe", 2},
	{"host.smep", 2},
};

enum {
	E_AD = N_WP,
	E_XO,
	E_MBEC,
	E_INFO,
	N_EPT
};

static const Digit ept_digit[N_EPT] = {
	{"kind", 3},     {"user", 2},      {"pte.p", 2},   {"pte.w", 2},        {"pte.u", 2},
	{"pte.a", 2},    {"pte.d", 2},     {"pte.nx", 2},  {"table.r", 2},      {"table.w", 2},
	{"table.x", 2},  {"table.a", 2},   {"table.d", 2}, {"table.ux", 2},     {"table.rsvd", 2},
	{"page.r", 2},   {"page.w", 2},    {"page.x", 2},  {"page.a", 2},       {"page.d", 2},
	{"page.ux", 2},  {"page.rsvd", 3}, {"ad", 2},      {"execute-only", 2}, {"mode-based", 2},
	{"advanced", 2},
};

static const Enumeration enumeration[] = {
	{"intel", native_digit, N_NATIVE, M2D_NESTED_NONE},
	{"amd", native_digit, N_NATIVE, M2D_NESTED_NONE},
	{"npt", npt_digit, N_NPT, M2D_NESTED_NPT},
	{"ept", ept_digit, N_EPT, M2D_NESTED_EPT},
};

static uint64_t enumeration_size(const Enumeration *e)
{
	uint64_t n = 1;

	for (unsigned i = 0; i < e->n_digits; i++)
		n *= e->digit[i].radix;
	return n;
}

static void decompose(const Enumeration *e, uint64_t number, Case *c)
{
	for (unsigned i = 0; i < e->n_digits; i++) {
		c->v[i] = (unsigned)(number % e->digit[i].radix);
		number /= e->digit[i].radix;
	}
}

static void dump(const Enumeration *e, const Case *c, uint64_t number)
{
	fprintf(stderr, "%s case %" PRIu64 ":", e->name, number);
	for (unsigned i = 0; i < e->n_digits; i++)
		if (c->v[i] != 0)
			fprintf(stderr, " %s=%u", e->digit[i].name, c->v[i]);
	fputc('\n', stderr);
}

/* --- the rights of a guest page -------------------------------------------------------------- */

/* Flags of a leaf mapping and of the processor, as far as rights go. */
typedef struct {
	bool w, u, nx;
	bool wp, smep, smap, ac;
	bool key_ad, key_wd; /* of the key that applies, if one does */
} Rights;

/* Bits of the #PF error code for a mapping that exists: 0 if the access is allowed. */
static uint64_t denied(const Rights *r, unsigned kind, unsigned who)
{
	bool user = who == 1, write = kind == M2D_ACC_WRITE, fetch = kind == M2D_ACC_FETCH;
	bool unchecked_write = !user && !r->wp;
	uint64_t no = 0;

	no |= user && !r->u;
	no |= write && !r->w && !unchecked_write;
	no |= fetch && r->nx;
	no |= fetch && !user && r->u && r->smep;
	no |= !fetch && !user && r->u && r->smap && (who == 2 || !r->ac);
	if (!fetch && (r->key_ad || (r->key_wd && write && !unchecked_write)))
		no |= M2D_PFEC_P | M2D_PFEC_PK;
	return no;
}

static uint64_t request_bits(unsigned kind, unsigned who, bool id)
{
	return (kind == M2D_ACC_WRITE ? M2D_PFEC_W : 0) | (who == 1 ? M2D_PFEC_U : 0) |
	       (kind == M2D_ACC_FETCH && id ? M2D_PFEC_ID : 0);
}

/* --- native ---------------------------------------------------------------------------------- */

static const unsigned width_of[3] = {36, 40, 52};

static uint64_t native_bits(unsigned choice)
{
	static const uint64_t bit[4] = {0, M2D_BIT(51), M2D_BIT(36), M2D_BIT(13)};

	return bit[choice];
}

static uint64_t native_pte(const Case *c)
{
	const unsigned *v = c->v;

	return (uint64_t)v[PTE_P] | (uint64_t)v[PTE_W] << 1 | (uint64_t)v[PTE_U] << 2 |
	       (uint64_t)v[PTE_A] << 5 | (uint64_t)v[PTE_D] << 6 | (uint64_t)v[PTE_NX] << 63 |
	       native_bits(v[PTE_BITS]) | (uint64_t)v[PTE_KEY] << 59 | LAYOUT_GPA_DATA;
}

static uint64_t native_pde(const Case *c)
{
	const unsigned *v = c->v;
	uint64_t e = (uint64_t)v[PDE_P] | (uint64_t)v[PDE_W] << 1 | (uint64_t)v[PDE_U] << 2 |
		     (uint64_t)v[PDE_A] << 5 | (uint64_t)v[PDE_D] << 6 | (uint64_t)v[PDE_PS] << 7 |
		     (uint64_t)v[PDE_NX] << 63;

	/* Bit 13 belongs to the address of a table: table addresses here have it clear. */
	if (v[PDE_PS])
		return e | native_bits(v[PDE_BITS]) | (uint64_t)v[PTE_KEY] << 59;
	return e | (v[PDE_BITS] == 3 ? 0 : native_bits(v[PDE_BITS])) | LAYOUT_GPA_PT;
}

static bool too_wide(unsigned choice, unsigned width)
{
	return (choice == 1 && width <= 51) || (choice == 2 && width <= 36);
}

static void expect_native(const Case *c, Expected *x)
{
	const unsigned *v = c->v;
	unsigned width = width_of[v[CPU_WIDTH]];
	bool large = v[PDE_PS], nxe = v[CPU_NXE];
	bool pde_bad =
		too_wide(v[PDE_BITS], width) || (v[PDE_NX] && !nxe) || (large && v[PDE_BITS] == 3);
	bool pte_bad = too_wide(v[PTE_BITS], width) || (v[PTE_NX] && !nxe);
	bool wide_table = v[PDE_BITS] == 1 || v[PDE_BITS] == 2;
	uint64_t request = request_bits(v[KIND], v[WHO], nxe || v[CPU_SMEP]), no;
	Rights r = {
		.w = v[PDE_W] && (large || v[PTE_W]),
		.u = v[PDE_U] && (large || v[PTE_U]),
		.nx = v[PDE_NX] || (!large && v[PTE_NX]),
		.wp = v[CPU_WP],
		.smep = v[CPU_SMEP],
		.smap = v[CPU_SMAP],
		.ac = v[CPU_AC],
	};
	bool keys = r.u ? v[CPU_KEYS] & 1 : v[CPU_KEYS] & 2;

	r.key_ad = v[PTE_KEY] && keys && v[CPU_RIGHTS] == 1;
	r.key_wd = v[PTE_KEY] && keys && v[CPU_RIGHTS] == 2;
	x->pde = native_pde(c);
	x->pte = native_pte(c);
	x->kind = M2D_OUT_PF;
	x->code = request;
	if (!v[PDE_P])
		return;
	if (pde_bad) {
		x->code |= M2D_PFEC_P | M2D_PFEC_RSVD;
		return;
	}
	if (!large) {
		x->pde |= 0x20;
		/* A table address with an implemented high bit leads to empty memory. */
		if (wide_table || !v[PTE_P])
			return;
		if (pte_bad) {
			x->code |= M2D_PFEC_P | M2D_PFEC_RSVD;
			return;
		}
	}
	no = denied(&r, v[KIND], v[WHO]);
	if (no != 0) {
		x->code |= M2D_PFEC_P | no;
		return;
	}
	x->kind = M2D_OUT_OK;
	*(large ? &x->pde : &x->pte) |= v[KIND] == M2D_ACC_WRITE ? 0x60 : 0x20;
}

static void load_native(Layout *l, const Case *c)
{
	const unsigned *v = c->v;
	uint32_t rights = v[CPU_RIGHTS] == 0 ? 0 : v[CPU_RIGHTS] == 1 ? 1u << 2 : 1u << 3;
	M2dRegs *r = &l->regs;

	r->cr0 = M2D_CR0_PE | M2D_CR0_PG | (v[CPU_WP] ? M2D_CR0_WP : 0);
	r->cr4 = M2D_CR4_PAE | (v[CPU_SMEP] ? M2D_CR4_SMEP : 0) | (v[CPU_SMAP] ? M2D_CR4_SMAP : 0) |
		 (v[CPU_KEYS] & 1 ? M2D_CR4_PKE : 0) | (v[CPU_KEYS] & 2 ? M2D_CR4_PKS : 0);
	r->efer = M2D_EFER_LME | M2D_EFER_LMA | (v[CPU_NXE] ? M2D_EFER_NXE : 0);
	r->ac = v[CPU_AC];
	r->pkru = r->pkrs = rights;
	layout_load(l, width_of[v[CPU_WIDTH]], M2D_FEAT_ALL);
}

/* --- nested ---------------------------------------------------------------------------------- */

#define PTE_GPA  LAYOUT_ENTRY(LAYOUT_GPA_PT)
#define DATA_GPA (LAYOUT_GPA_DATA | (LAYOUT_GVA & 0xfff))

static uint64_t nested_guest_pte(const Case *c)
{
	const unsigned *v = c->v;

	return (uint64_t)v[G_P] | (uint64_t)v[G_W] << 1 | (uint64_t)v[G_U] << 2 |
	       (uint64_t)v[G_A] << 5 | (uint64_t)v[G_D] << 6 | (uint64_t)v[G_NX] << 63 |
	       LAYOUT_GPA_DATA;
}

static uint64_t npt_leaf(const unsigned *v, uint64_t hpa)
{
	return (uint64_t)v[0] | (uint64_t)v[1] << 1 | (uint64_t)v[2] << 63 | (uint64_t)v[3] << 5 |
	       (uint64_t)v[4] << 6 | (uint64_t)v[5] << 2 | (v[6] ? M2D_BIT(50) : 0) | hpa;
}

/* EXITINFO1 of a user access of @kind through leaf flags @v, bits 32 and 33 aside; 0 if none. */
static uint64_t npt_denied(const unsigned *v, unsigned kind, bool hnxe, bool smep)
{
	uint64_t request = 4 | (kind == M2D_ACC_WRITE ? 2 : 0) |
			   (kind == M2D_ACC_FETCH && (hnxe || smep) ? 16 : 0);

	if (!v[0])
		return request;
	if (v[6] || (v[2] && !hnxe))
		return request | 9;
	if (!v[5] || (kind == M2D_ACC_WRITE && !v[1]) || (kind == M2D_ACC_FETCH && v[2]))
		return request | 1;
	return 0;
}

static void expect_npt(const Layout *l, const Case *c, Expected *x)
{
	const unsigned *v = c->v;
	Rights r = {.w = v[G_W], .u = v[G_U], .nx = v[G_NX], .wp = v[N_WP]};
	uint64_t request = request_bits(v[N_KIND], v[N_USER], v[N_GNXE]), no;

	x->pte = nested_guest_pte(c);
	x->pt_leaf = npt_leaf(&v[T_P], layout_hpa(l, LAYOUT_GPA_PT));
	x->data_leaf = npt_leaf(&v[D_P], layout_hpa(l, LAYOUT_GPA_DATA));
	x->kind = M2D_OUT_NPF;
	x->gpa = PTE_GPA;
	no = npt_denied(&v[T_P], M2D_ACC_WRITE, v[N_HNXE], v[N_HSMEP]);
	if (no != 0) {
		x->code = no | M2D_BIT(33);
		return;
	}
	x->pt_leaf |= 0x60;
	x->kind = M2D_OUT_PF;
	x->code = request;
	if (!v[G_P])
		return;
	x->code = request | M2D_PFEC_P | M2D_PFEC_RSVD;
	if (v[G_NX] && !v[N_GNXE])
		return;
	no = denied(&r, v[N_KIND], v[N_USER]);
	x->code = request | M2D_PFEC_P | no;
	if (no != 0)
		return;
	x->pte |= v[N_KIND] == M2D_ACC_WRITE ? 0x60 : 0x20;
	x->kind = M2D_OUT_NPF;
	x->gpa = DATA_GPA;
	no = npt_denied(&v[D_P], v[N_KIND], v[N_HNXE], v[N_HSMEP]);
	x->code = no | M2D_BIT(32);
	if (no != 0)
		return;
	x->data_leaf |= v[N_KIND] == M2D_ACC_WRITE ? 0x60 : 0x20;
	x->kind = M2D_OUT_OK;
}

static uint64_t ept_leaf(const unsigned *v, uint64_t hpa)
{
	static const uint64_t bad[3] = {0, M2D_BIT(50), 7 << 3};

	return (uint64_t)v[0] | (uint64_t)v[1] << 1 | (uint64_t)v[2] << 2 | (uint64_t)v[3] << 8 |
	       (uint64_t)v[4] << 9 | (uint64_t)v[5] << 10 | bad[v[6]] | 6 << 3 | hpa;
}

/* Outcome of an access asking for @need (R 1, W 2, X 4, user X 8) through leaf flags @v. */
static M2dOutcomeKind ept_outcome(const unsigned *v, unsigned need, bool xo, bool mbec,
				  uint64_t *perm)
{
	unsigned have = v[0] | v[1] << 1 | v[2] << 2 | (mbec ? v[5] << 3 : 0);

	*perm = 0;
	if (have == 0)
		return M2D_OUT_EPT_VIOLATION;
	if ((have & 3) == 2 || (!(have & 1) && (have & 12) && !xo) || v[6] != 0)
		return M2D_OUT_EPT_MISCONFIG;
	*perm = (uint64_t)have << 3;
	return (have & need) == need ? M2D_OUT_OK : M2D_OUT_EPT_VIOLATION;
}

static void expect_ept(const Layout *l, const Case *c, Expected *x)
{
	const unsigned *v = c->v;
	bool ad = v[E_AD], write = v[N_KIND] == M2D_ACC_WRITE, fetch = v[N_KIND] == M2D_ACC_FETCH;
	Rights r = {.w = v[G_W], .u = v[G_U], .nx = v[G_NX], .wp = true};
	uint64_t request = request_bits(v[N_KIND], v[N_USER], true), perm, no, set;
	unsigned need;

	x->pte = nested_guest_pte(c);
	x->pt_leaf = ept_leaf(&v[T_P], layout_hpa(l, LAYOUT_GPA_PT));
	x->data_leaf = ept_leaf(&v[D_P], layout_hpa(l, LAYOUT_GPA_DATA));
	x->gpa = PTE_GPA;
	x->kind = ept_outcome(&v[T_P], ad ? 3 : 1, v[E_XO], v[E_MBEC], &perm);
	x->code = (ad ? 3 : 1) | perm | 0x80;
	if (x->kind != M2D_OUT_OK)
		return;
	if (ad)
		x->pt_leaf |= 0x300;
	x->kind = M2D_OUT_PF;
	x->code = request;
	if (!v[G_P])
		return;
	no = denied(&r, v[N_KIND], v[N_USER]);
	x->code = request | M2D_PFEC_P | no;
	if (no != 0)
		return;
	set = write ? 0x60 : 0x20;
	if ((x->pte & set) != set && !v[T_W]) {
		x->kind = M2D_OUT_EPT_VIOLATION;
		x->code = 3 | perm | 0x80;
		return;
	}
	x->pte |= set;
	need = write ? 2 : !fetch ? 1 : v[E_MBEC] && v[G_U] ? 8 : 4;
	x->gpa = DATA_GPA;
	x->kind = ept_outcome(&v[D_P], need, v[E_XO], v[E_MBEC], &perm);
	x->code = (write ? 2 : fetch ? 4 : 1) | perm | 0x180;
	if (v[E_INFO])
		x->code |= (uint64_t)v[G_U] << 9 | (uint64_t)v[G_W] << 10 | (uint64_t)v[G_NX] << 11;
	if (x->kind == M2D_OUT_OK && ad)
		x->data_leaf |= write ? 0x300 : 0x100;
}

static void load_nested(Layout *l, const Case *c)
{
	const unsigned *v = c->v;

	if (l->nested.kind == M2D_NESTED_NPT) {
		l->regs.cr0 = M2D_CR0_PE | M2D_CR0_PG | (v[N_WP] ? M2D_CR0_WP : 0);
		l->regs.efer = M2D_EFER_LME | M2D_EFER_LMA | (v[N_GNXE] ? M2D_EFER_NXE : 0);
		l->nested.hefer = M2D_EFER_LME | M2D_EFER_LMA | (v[N_HNXE] ? M2D_EFER_NXE : 0);
		l->nested.hcr4 = M2D_CR4_PAE | (v[N_HSMEP] ? M2D_CR4_SMEP : 0);
	} else {
		l->nested.eptp = (l->nested.eptp & ~M2D_EPTP_AD) | (v[E_AD] ? M2D_EPTP_AD : 0);
		l->nested.ept_controls =
			M2D_EPT_2M | M2D_EPT_1G | (v[E_XO] ? M2D_EPT_EXEC_ONLY : 0) |
			(v[E_MBEC] ? M2D_EPT_MBEC : 0) | (v[E_INFO] ? M2D_EPT_ADV_INFO : 0);
	}
	if (!layout_load(l, 50, M2D_FEAT_ALL)) {
		fprintf(stderr, "perm-access: entry refused\n");
		exit(1);
	}
}

/* --- running --------------------------------------------------------------------------------- */

typedef struct {
	const Enumeration *e;
	Layout l;
	uint64_t loaded; /* processor digits in force, as one number */
	uint64_t pte_at, pde_at, pt_leaf_at, data_leaf_at;
	uint64_t tally[M2D_OUT_PML_FULL + 1];
} Run;

static uint64_t code_of(const M2dOutcome *out)
{
	switch (out->kind) {
	case M2D_OUT_PF:
		return out->error_code;
	case M2D_OUT_NPF:
		return out->exitinfo1;
	case M2D_OUT_EPT_VIOLATION:
		return out->qualification;
	default:
		return 0;
	}
}

static const char *check(const Run *run, const Expected *x, const M2dOutcome *out)
{
	bool native = run->e->kind == M2D_NESTED_NONE;

	if (out->kind != x->kind)
		return "kind";
	if (x->kind != M2D_OUT_OK && x->kind != M2D_OUT_EPT_MISCONFIG && code_of(out) != x->code)
		return "code";
	if (x->kind == M2D_OUT_PF && out->cr2.v != LAYOUT_GVA)
		return "cr2";
	if (x->kind != M2D_OUT_OK && x->kind != M2D_OUT_PF && out->fault_gpa.v != x->gpa)
		return "fault_gpa";
	if (layout_get(&run->l, run->pte_at) != x->pte)
		return "PTE";
	if (native && layout_get(&run->l, run->pde_at) != x->pde)
		return "PDE";
	if (!native && layout_get(&run->l, run->pt_leaf_at) != x->pt_leaf)
		return "nested leaf of the table";
	if (!native && layout_get(&run->l, run->data_leaf_at) != x->data_leaf)
		return "nested leaf of the page";
	return NULL;
}

static bool run_case(Run *run, uint64_t number)
{
	Layout *l = &run->l;
	const Enumeration *e = run->e;
	bool native = e->kind == M2D_NESTED_NONE;
	unsigned cpu = native ? CPU_WP : N_WP, times;
	M2dAccess access = {.gva = M2D_GVA(LAYOUT_GVA), .size = 1};
	uint64_t processor = 0;
	Expected x = {0};
	M2dOutcome out;
	Case c;

	decompose(e, number, &c);
	for (unsigned i = e->n_digits; i-- > cpu;)
		processor = processor * e->digit[i].radix + c.v[i];
	if (processor != run->loaded) {
		if (native)
			load_native(l, &c);
		else
			load_nested(l, &c);
		run->loaded = processor;
	}
	access.kind = (M2dAccKind)c.v[KIND];
	access.user = c.v[WHO] == 1;
	access.implicit = native && c.v[WHO] == 2;
	times = native && c.v[TWICE] ? 2 : 1;
	if (native) {
		layout_set(l, run->pte_at, native_pte(&c));
		layout_set(l, run->pde_at, native_pde(&c));
		m2d_vcpu_invlpg(l->vcpu, access.gva);
		expect_native(&c, &x);
	} else if (e->kind == M2D_NESTED_NPT) {
		layout_set(l, run->pte_at, nested_guest_pte(&c));
		layout_set(l, run->pt_leaf_at, npt_leaf(&c.v[T_P], layout_hpa(l, LAYOUT_GPA_PT)));
		layout_set(l, run->data_leaf_at,
			   npt_leaf(&c.v[D_P], layout_hpa(l, LAYOUT_GPA_DATA)));
		expect_npt(l, &c, &x);
	} else {
		layout_set(l, run->pte_at, nested_guest_pte(&c));
		layout_set(l, run->pt_leaf_at, ept_leaf(&c.v[T_P], layout_hpa(l, LAYOUT_GPA_PT)));
		layout_set(l, run->data_leaf_at,
			   ept_leaf(&c.v[D_P], layout_hpa(l, LAYOUT_GPA_DATA)));
		expect_ept(l, &c, &x);
	}
	for (unsigned i = 0; i < times; i++) {
		const char *wrong;

		memset(&out, 0x5a, sizeof(out));
		m2d_vcpu_access(l->vcpu, &access, &out);
		wrong = check(run, &x, &out);
		if (wrong == NULL)
			continue;
		dump(e, &c, number);
		fprintf(stderr,
			"access %u: %s is wrong\nexpected kind %d code %#" PRIx64 " gpa %#" PRIx64
			" pte %#" PRIx64 " pde %#" PRIx64 " table leaf %#" PRIx64
			" page leaf %#" PRIx64 "\n",
			i + 1, wrong, (int)x.kind, x.code, x.gpa, x.pte, x.pde, x.pt_leaf,
			x.data_leaf);
		fprintf(stderr,
			"got      kind %d code %#" PRIx64 " gpa %#" PRIx64 " pte %#" PRIx64
			" pde %#" PRIx64 " table leaf %#" PRIx64 " page leaf %#" PRIx64 "\n",
			(int)out.kind, code_of(&out), out.fault_gpa.v, layout_get(l, run->pte_at),
			layout_get(l, run->pde_at), layout_get(l, run->pt_leaf_at),
			layout_get(l, run->data_leaf_at));
		return false;
	}
	run->tally[x.kind]++;
	return true;
}

/* A stride that visits different digits all the time and, coprime to the size, no case twice. */
static uint64_t pick_stride(uint64_t size, uint64_t cases)
{
	uint64_t stride = size / cases, a, b;

	if (stride <= 1)
		return 1;
	for (;; stride--) {
		for (a = size, b = stride; b != 0;) {
			uint64_t t = a % b;

			a = b;
			b = t;
		}
		if (a == 1)
			return stride;
	}
}

static bool run_enumeration(const Enumeration *e, uint64_t cases, uint64_t first)
{
	bool native = e->kind == M2D_NESTED_NONE;
	bool amd = strcmp(e->name, "amd") == 0 || e->kind == M2D_NESTED_NPT;
	uint64_t size = enumeration_size(e), stride;
	int64_t start = g_get_monotonic_time();
	Run run = {.e = e, .loaded = ~UINT64_C(0)};
	bool ok = true;

	if (cases == 0 || cases > size)
		cases = size;
	stride = pick_stride(size, cases);
	layout_init(&run.l, "generic", amd ? M2D_VENDOR_AMD : M2D_VENDOR_INTEL, e->kind, native);
	run.pte_at = layout_hpa(&run.l, PTE_GPA);
	run.pde_at = layout_hpa(&run.l, LAYOUT_ENTRY(LAYOUT_GPA_PD));
	run.pt_leaf_at = layout_nested_leaf(LAYOUT_GPA_PT);
	run.data_leaf_at = layout_nested_leaf(LAYOUT_GPA_DATA);
	for (uint64_t i = 0; ok && i < cases; i++)
		ok = run_case(&run, (first + i * stride) % size);
	printf("%-6s %" PRIu64 " of %" PRIu64 " cases (stride %" PRIu64 ") %.2f s  ok %" PRIu64
	       " #PF %" PRIu64 " #NPF %" PRIu64 " violation %" PRIu64 " misconfig %" PRIu64 "%s\n",
	       e->name, cases, size, stride, (double)(g_get_monotonic_time() - start) / 1e6,
	       run.tally[M2D_OUT_OK], run.tally[M2D_OUT_PF], run.tally[M2D_OUT_NPF],
	       run.tally[M2D_OUT_EPT_VIOLATION], run.tally[M2D_OUT_EPT_MISCONFIG],
	       ok ? "" : "  FAILED");
	fflush(stdout);
	layout_clear(&run.l);
	return ok;
}

int main(int argc, char **argv)
{
	gint64 cases = 2000000, first = 0;
	g_autofree char *name = NULL;
	gboolean full = FALSE;
	const GOptionEntry entries[] = {
		{"cases", 'n', 0, G_OPTION_ARG_INT64, &cases,
		 "Cases of each enumeration, evenly spread (2000000)", "N"},
		{"full", 'f', 0, G_OPTION_ARG_NONE, &full, "All cases", NULL},
		{"first", 0, 0, G_OPTION_ARG_INT64, &first, "Begin with this case (0)", "N"},
		{"only", 'o', 0, G_OPTION_ARG_STRING, &name,
		 "One enumeration: intel, amd, npt or ept", "NAME"},
		{NULL},
	};
	g_autoptr(GOptionContext) context =
		g_option_context_new("- all combinations of entry, access and processor flags");
	g_autoptr(GError) error = NULL;
	bool ok = true, found = false;

	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_description(context, "The full enumeration takes hours:\n"
						  "  test-perm-access --full\n");
	if (!g_option_context_parse(context, &argc, &argv, &error) || cases <= 0 || first < 0) {
		fprintf(stderr, "test-perm-access: %s\n",
			error != NULL ? error->message : "--cases must be above 0");
		return 2;
	}
	for (unsigned i = 0; i < M2D_N_ELEMENTS(enumeration); i++) {
		if (name != NULL && strcmp(name, enumeration[i].name) != 0)
			continue;
		found = true;
		ok = run_enumeration(&enumeration[i], full ? 0 : (uint64_t)cases,
				     (uint64_t)first) &&
		     ok;
	}
	if (!found) {
		fprintf(stderr, "test-perm-access: no enumeration '%s'\n", name);
		return 2;
	}
	return ok ? 0 : 1;
}
