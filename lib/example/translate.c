/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tour of libmmu2d, on a machine of each vendor: builds guest page tables and nested page tables
 * in simulated memory, translates, looks at accessed and dirty bits, at a guest page fault, at a
 * fault of the second dimension, and at a stale translation before and after INVLPG. Everything it
 * prints it also checks; the exit status is 1 if something came out otherwise.
 *
 *	cc translate.c $(pkg-config --cflags --libs mmu2d) -o translate && ./translate
 */
#include <mmu2d.h>

#include <inttypes.h>
#include <stdio.h>

/* Entry bits of guest tables and NPT; EPT has its own. */
#define PRESENT  0x1u
#define WRITABLE 0x2u
#define USER     0x4u
#define ACCESSED 0x20u
#define DIRTY    0x40u
#define EPT_RWX  0x7u
#define EPT_WB   (6u << 3)

/* Where things lie. Guest-physical page g is host-physical page HOST_BASE + g. */
#define HOST_BASE   UINT64_C(0x40000000)
#define NESTED_ROOT UINT64_C(0x1000000)
#define GUEST_ROOT  UINT64_C(0x1000)
#define GVA         UINT64_C(0x7f0000200000)

typedef struct {
	M2dSpace *memory;
	bool amd;
	uint64_t next_nested; /* next free frame for nested tables */
	uint64_t next_guest;  /* next free guest-physical page for guest tables */
} Tour;

static int mistakes;

static void check(const char *what, uint64_t got, uint64_t expected)
{
	printf("  %-52s %#" PRIx64 "\n", what, got);
	if (got != expected) {
		printf("  ... but %#" PRIx64 " was expected\n", expected);
		mistakes++;
	}
}

/* Map guest-physical page @gpa in the nested tables, making the three upper levels as needed. */
static void map_nested(Tour *t, uint64_t gpa)
{
	uint64_t rights = t->amd ? PRESENT | WRITABLE | USER : EPT_RWX;
	uint64_t table = NESTED_ROOT;

	for (int shift = 39; shift > 12; shift -= 9) {
		M2dHpa entry = M2D_HPA(table + (gpa >> shift & 511) * 8);

		if (m2d_space_read64(t->memory, entry) == 0) {
			m2d_space_write64(t->memory, entry, t->next_nested | rights);
			t->next_nested += M2D_PAGE_SIZE;
		}
		table = m2d_space_read64(t->memory, entry) & ~UINT64_C(0xfff);
	}
	m2d_space_write64(t->memory, M2D_HPA(table + (gpa >> 12 & 511) * 8),
			  (HOST_BASE + gpa) | rights | (t->amd ? 0 : EPT_WB));
}

/* Host-physical address of the guest's entry for @gva at the level that @shift stands for. */
static M2dHpa guest_entry(Tour *t, uint64_t gva, int level_shift)
{
	uint64_t table = GUEST_ROOT;

	for (int shift = 39;; shift -= 9) {
		M2dHpa entry = M2D_HPA(HOST_BASE + table + (gva >> shift & 511) * 8);

		if (shift == level_shift)
			return entry;
		if (m2d_space_read64(t->memory, entry) == 0) {
			map_nested(t, t->next_guest);
			m2d_space_write64(t->memory, entry,
					  t->next_guest | PRESENT | WRITABLE | USER);
			t->next_guest += M2D_PAGE_SIZE;
		}
		table = m2d_space_read64(t->memory, entry) & ~UINT64_C(0xfff);
	}
}

static void map_guest(Tour *t, uint64_t gva, uint64_t gpa, uint64_t rights)
{
	m2d_space_write64(t->memory, guest_entry(t, gva, 12), gpa | rights);
}

static M2dOutcome access_user(M2dVcpu *vcpu, uint64_t gva, M2dAccKind kind)
{
	M2dAccess access = {.gva = M2D_GVA(gva), .size = 8, .kind = kind, .user = true};
	M2dOutcome out;

	m2d_vcpu_access(vcpu, &access, &out);
	return out;
}

static void look_around(Tour *t, M2dVcpu *vcpu)
{
	M2dHpa pte = guest_entry(t, GVA, 12);
	M2dOutcome out = access_user(vcpu, GVA + 0x123, M2D_ACC_READ);

	check("read: outcome (0 is a translation)", out.kind, M2D_OUT_OK);
	check("read: host-physical address", out.hpa.v, HOST_BASE + 0x8123);
	/* 24 without any cache. Here the first nested walk leaves its PDE in a cache, so that each
	 * of the four others reads one entry. */
	check("read: table entries fetched (4 guest, 4 + 4 x 1 nested)", out.refs, 12);
	check("guest PTE: accessed and dirty bits after it",
	      m2d_space_read64(t->memory, pte) & (ACCESSED | DIRTY), ACCESSED);
	out = access_user(vcpu, GVA, M2D_ACC_WRITE);
	check("write: outcome", out.kind, M2D_OUT_OK);
	check("guest PTE: accessed and dirty bits after it",
	      m2d_space_read64(t->memory, pte) & (ACCESSED | DIRTY), ACCESSED | DIRTY);

	out = access_user(vcpu, GVA + 0x1000, M2D_ACC_WRITE);
	check("write to a read-only page: outcome (2 is #PF)", out.kind, M2D_OUT_PF);
	check("#PF error code", out.error_code, M2D_PFEC_P | M2D_PFEC_W | M2D_PFEC_U);
	check("CR2", out.cr2.v, GVA + 0x1000);

	out = access_user(vcpu, GVA + 0x2000, M2D_ACC_READ);
	if (t->amd) {
		check("page without nested mapping: outcome (3 is #NPF)", out.kind, M2D_OUT_NPF);
		check("EXITINFO1: final address, user read", out.exitinfo1, UINT64_C(0x100000004));
	} else {
		check("page without nested mapping: outcome (4 is EPT violation)", out.kind,
		      M2D_OUT_EPT_VIOLATION);
		check("exit qualification: final address, read", out.qualification, 0x181);
	}
	check("faulting guest-physical address", out.fault_gpa.v, 0xa000);
}

/* The guest remaps a page; until it executes INVLPG the old translation may stay in use. */
static void see_staleness(Tour *t, M2dVcpu *vcpu)
{
	M2dOutcome out;

	map_nested(t, 0xb000);
	map_guest(t, GVA, 0xb000, PRESENT | WRITABLE | USER);
	out = access_user(vcpu, GVA, M2D_ACC_READ);
	check("after the guest changed its PTE: still the old page", out.hpa.v, HOST_BASE + 0x8000);
	check("INVLPG (0 is success)", m2d_vcpu_invlpg(vcpu, M2D_GVA(GVA)), M2D_INSN_OK);
	out = access_user(vcpu, GVA, M2D_ACC_READ);
	check("after INVLPG: the new page", out.hpa.v, HOST_BASE + 0xb000);
}

static int tour(const char *machine_name)
{
	GError *error = NULL;
	M2dMachine *machine = m2d_machine_load(machine_name, &error);
	M2dWorld *world = machine != NULL ? m2d_world_new(machine, 0, &error) : NULL;
	M2dRegs regs = {.cr0 = M2D_CR0_PE | M2D_CR0_WP | M2D_CR0_PG,
			.cr4 = M2D_CR4_PAE,
			.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
			.cr3 = GUEST_ROOT};
	M2dNested nested = {.tag = 1};
	Tour t = {.next_nested = NESTED_ROOT + M2D_PAGE_SIZE, .next_guest = GUEST_ROOT + 0x1000};
	M2dVcpu *vcpu;

	if (world == NULL) {
		fprintf(stderr, "translate: %s\n", error->message);
		g_error_free(error);
		return 2;
	}
	t.memory = m2d_world_space(world);
	t.amd = m2d_world_machine(world)->vendor == M2D_VENDOR_AMD;
	printf("%s (%s)\n", m2d_world_machine(world)->name, t.amd ? "NPT" : "EPT");

	vcpu = m2d_vcpu_new(world);
	m2d_vcpu_set_features(vcpu, false, m2d_world_machine(world)->maxphyaddr, M2D_FEAT_ALL);
	m2d_vcpu_set_features(vcpu, true, 40, M2D_FEAT_ALL);
	m2d_vcpu_load_host(vcpu, &regs);

	map_nested(&t, GUEST_ROOT);
	map_nested(&t, 0x8000);
	map_nested(&t, 0x9000);
	map_guest(&t, GVA, 0x8000, PRESENT | WRITABLE | USER);
	map_guest(&t, GVA + 0x1000, 0x9000, PRESENT | USER);
	map_guest(&t, GVA + 0x2000, 0xa000, PRESENT | WRITABLE | USER);

	if (t.amd) {
		nested.kind = M2D_NESTED_NPT;
		nested.ncr3 = NESTED_ROOT;
		nested.hcr4 = regs.cr4;
		nested.hefer = regs.efer;
	} else {
		nested.kind = M2D_NESTED_EPT;
		nested.eptp = NESTED_ROOT | M2D_EPTP_WALK(4) | 6;
		nested.ept_controls = M2D_EPT_2M | M2D_EPT_1G;
	}
	check("VM entry (0 is success)", m2d_vcpu_enter(vcpu, &regs, &nested, 0), M2D_INSN_OK);
	look_around(&t, vcpu);
	see_staleness(&t, vcpu);
	m2d_vcpu_exit(vcpu);
	m2d_world_free(world);
	return 0;
}

int main(void)
{
	int status = tour("zen3");

	if (status == 0)
		status = tour("skylake-sp");
	return status != 0 ? status : mistakes != 0;
}
