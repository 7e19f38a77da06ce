/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the MMU tells of itself, in the order in which KVM's tracepoints and probes would: short
 * deeds of a guest under shadow paging on AMD, each against the list that KVM's source gives.
 */
#include "tests/shadow/fixture.h"

#define DIRECT_MAP UINT64_C(0x10000000)
#define GVA        UINT64_C(0x40000000)
#define RWUA       (RWU | M2D_PTE_A)
#define DATA       ((uint64_t)FIRST_DATA << 12)

typedef struct {
	Fx fx;
	M2dGuestSpace space[2];
	M2dGuestInfo info;
	GString *said;
} Guest;

/* Names that KVM has, too; of the others there is nothing to compare with. */
static bool traced(M2dEventType type)
{
	switch (type) {
	case M2D_E_KVM_ENTRY:
	case M2D_E_KVM_PAGE_FAULT:
	case M2D_E_PAGETABLE_WALK:
	case M2D_E_PAGING_ELEMENT:
	case M2D_E_SET_ACCESSED_BIT:
	case M2D_E_SET_DIRTY_BIT:
	case M2D_E_WALKER_ERROR:
	case M2D_E_SPTE_REQUESTED:
	case M2D_E_KVM_MMU_GET_PAGE:
	case M2D_E_KVM_MMU_SYNC_PAGE:
	case M2D_E_KVM_MMU_UNSYNC_PAGE:
	case M2D_E_KVM_MMU_PREPARE_ZAP_PAGE:
	case M2D_E_KVM_MMU_SET_SPTE:
	case M2D_E_FLUSH_REMOTE:
	case M2D_E_FLUSH_HW:
		return true;
	default:
		return type >= M2D_E_FN_MMU_LOAD && type <= M2D_E_FN_INVAL_MMIO;
	}
}

/* One word an event: its name without "kvm_mmu_" and what tells it apart. */
static void say(const M2dEvent *e, void *data)
{
	static const char *const flush[] = {"all", "current", "guest", "gva"};
	Guest *g = data;
	const uint64_t *a = e->a;
	const char *name = m2d_event_name((M2dEventType)e->type);

	if (!traced((M2dEventType)e->type))
		return;
	if (g_str_has_prefix(name, "kvm_mmu_"))
		name += strlen("kvm_mmu_");
	g_string_append_printf(g->said, " %s", name);
	switch (e->type) {
	case M2D_E_PAGETABLE_WALK:
		g_string_append_printf(g->said, ":%x", (unsigned)a[1]);
		break;
	case M2D_E_PAGING_ELEMENT:
		g_string_append_printf(g->said, ":%u", (unsigned)a[1]);
		break;
	case M2D_E_SPTE_REQUESTED:
	case M2D_E_KVM_MMU_SET_SPTE:
		g_string_append_printf(g->said, ":%x", (unsigned)(a[0] - FIRST_DATA));
		break;
	case M2D_E_KVM_MMU_GET_PAGE:
		g_string_append_printf(g->said, ":%u%s", m2d_role_level((uint32_t)a[2]),
				       a[5] ? "new" : "");
		break;
	case M2D_E_FLUSH_HW:
		g_string_append_printf(g->said, ":%s", flush[a[0] & 3]);
		break;
	default:
		break;
	}
}

static void begin(Guest *g, const char *kernel)
{
	Setup s = {.mode = MODE_4LEVEL, .cr0 = M2D_CR0_WP, .n_vcpus = 1, .kernel = kernel};
	Fx *fx = &g->fx;

	memset(g, 0, sizeof(*g));
	fx_init(fx, &s);
	for (uint64_t gfn = FIRST_TABLE; gfn < FIRST_TABLE + 0x40; gfn++)
		map(fx, DIRECT_MAP + (gfn << 12), gfn << 12, RWU);
	map(fx, GVA, DATA, RWU);
	map(fx, GVA + 0x1000, DATA + 0x1000, RWUA);
	map(fx, GVA + 0x2000, DATA + 0x2000, RWU);
	map(fx, GVA + 0x3000, DATA + 0x3000, RWUA);
	g->space[0].root_gpa = g->space[1].root_gpa = fx->root;
	g->space[1].root_gpa = new_table(fx);
	for (unsigned i = 0; i < 512; i++)
		gwrite(fx, g->space[1].root_gpa + 8 * i, 8, gread(fx, fx->root + 8 * i, 8));
	g->info = (M2dGuestInfo){.space = g->space, .n_spaces = 2, .direct_map = DIRECT_MAP};
	m2d_kvm_set_guest(fx->vm, &g->info);
	set_regs(fx, 0, &s);
	for (unsigned i = 0; i < 4; i++) /* the host has the pages */
		gwrite(fx, DATA + 4096 * i, 8, 1);
	g->said = g_string_new(NULL);
	m2d_events_listen(fx->vm->ev, say, g);
}

static void end(Guest *g)
{
	g_string_free(g->said, TRUE);
	fx_free(&g->fx);
}

static void said(Guest *g, const char *expected)
{
	ck_assert_str_eq(g->said->str, expected);
	g_string_truncate(g->said, 0);
}

static void enter(Guest *g)
{
	guest_op(&g->fx, 0, M2D_OP_ENTER, 0, 0, false);
}

#define LOADED " mmu_load get_page:4new sync_roots kvm_hw_flush:current svm_flush_tlb_asid"
#define WALK(err)                                                                                  \
	" kvm_page_fault pagetable_walk:" err " paging_element:4 paging_element:3"                 \
	" paging_element:2 paging_element:1"

START_TEST(test_first_fault)
{
	Guest g;

	begin(&g, "6.1");
	enter(&g);
	said(&g, LOADED " kvm_entry");
	/* The neighbour without an A bit ends the prefetch. */
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 1, false);
	said(&g,
	     WALK("2") " set_accessed_bit set_dirty_bit get_page:3new get_page:2new get_page:1new"
		       " spte_requested:0 set_spte:0 set_spte:1 kvm_entry");
	guest_op(&g.fx, 0, M2D_OP_READ, GVA + 0x2000, 0, false);
	said(&g, WALK("0") " set_accessed_bit spte_requested:2 set_spte:2 set_spte:3 kvm_entry");
	/* The D bit of the guest's entry is only set by a write, so the first one faults. */
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA + 0x1000, 1, false);
	said(&g, WALK("3") " set_dirty_bit spte_requested:1 set_spte:1 kvm_entry");
	guest_op(&g.fx, 0, M2D_OP_READ, GVA + 0x9000, 0, false);
	said(&g, WALK("0") " walker_error");
	end(&g);
}
END_TEST

START_TEST(test_store_to_table)
{
	static const struct {
		const char *kernel, *invlpg, *reload;
	} row[] = {
		/* The SPTE goes and comes back from the guest's entry. */
		{"6.1",
		 " mmu_invlpg kvm_hw_flush:gva kvm_flush_remote_tlbs set_spte:1 kvm_hw_flush:all"
		 " svm_flush_tlb_asid kvm_entry",
		 /* Every SPTE is made anew without its A bit. */
		 " sync_roots kvm_flush_remote_tlbs sync_page kvm_flush_remote_tlbs "
		 "kvm_hw_flush:all"
		 " svm_flush_tlb_asid kvm_entry"},
		/* Another frame: dropped, and mapped by the next fault. */
		{"6.12",
		 " mmu_invlpg kvm_hw_flush:gva kvm_flush_remote_tlbs kvm_hw_flush:all"
		 " svm_flush_tlb_asid kvm_entry",
		 " sync_roots kvm_flush_remote_tlbs sync_page kvm_hw_flush:all svm_flush_tlb_asid"
		 " kvm_entry"},
	};
	const unsigned i = (unsigned)_i;
	Guest g;
	M2dOp op;
	uint64_t at;

	begin(&g, row[i].kernel);
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 1, false);
	at = DIRECT_MAP + gpte_gpa(&g.fx, g.fx.root, GVA, 1, false);
	g_string_truncate(g.said, 0);
	guest_op(&g.fx, 0, M2D_OP_WRITE, at, (DATA + 0x1000) | RWUA | M2D_PTE_D, false);
	ck_assert_ptr_nonnull(strstr(g.said->str, " spte_requested"));
	g_string_erase(g.said, 0, strstr(g.said->str, " spte_requested") - g.said->str);
	ck_assert(g_str_has_prefix(g.said->str, " spte_requested"));
	ck_assert_ptr_nonnull(strstr(g.said->str, " unsync_page set_spte:"));
	g_string_truncate(g.said, 0);
	m2d_op_preset(&op, M2D_OP_INVLPG);
	op.arg[0] = GVA;
	run_op(&g.fx, 0, &op);
	said(&g, row[i].invlpg);
	m2d_op_preset(&op, M2D_OP_MOV_CR3);
	op.arg[0] = 0;
	run_op(&g.fx, 0, &op);
	said(&g, row[i].reload);
	/* The same root again: nothing is unsync any more. */
	run_op(&g.fx, 0, &op);
	said(&g, " sync_roots kvm_hw_flush:current svm_flush_tlb_asid kvm_entry");
	op.arg[0] = 1;
	run_op(&g.fx, 0, &op);
	/* What the load of CR3 asked for comes before the load of the root that it lacks. */
	said(&g, " new_pgd sync_roots kvm_hw_flush:current svm_flush_tlb_asid" LOADED " kvm_entry");
	op.arg[0] = 0;
	run_op(&g.fx, 0, &op);
	said(&g, " new_pgd sync_roots kvm_hw_flush:current svm_flush_tlb_asid kvm_entry");
	end(&g);
}
END_TEST

START_TEST(test_slot_delete)
{
	Guest g;
	M2dOp op;

	begin(&g, "6.1");
	guest_op(&g.fx, 0, M2D_OP_WRITE, GVA, 1, false);
	g_string_truncate(g.said, 0);
	m2d_op_preset(&op, M2D_OP_SLOT_DELETE);
	op.arg[0] = 0;
	run_op(&g.fx, g.fx.vm->host_actor, &op);
	/* The root is in use: it is told of, but stays until the vCPU has let go of it. */
	ck_assert(g_str_has_prefix(g.said->str, " inval_mmio slots_flush_shadow zap_all_fast") ||
		  g_str_has_prefix(g.said->str, " inval_mmio slots_flush_shadow prepare_zap_page"));
	ck_assert_ptr_nonnull(strstr(g.said->str, " commit_zap kvm_flush_remote_tlbs"));
	ck_assert(g_str_has_suffix(g.said->str, " inval_mmio"));
	end(&g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shadow-trace");
	TCase *tc = tcase_create("trace");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_first_fault);
	tcase_add_loop_test(tc, test_store_to_table, 0, 2);
	tcase_add_test(tc, test_slot_delete);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
