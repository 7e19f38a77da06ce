/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parser makes of a scenario that has one of everything. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/config.h"
#include "tests/scenario/util.h"

static M2dScenario *full(void)
{
	gsize len;
	g_autofree char *text = case_read("y_full.scn", &len);
	GError *error = NULL;
	M2dScenario *s = m2d_scenario_parse("y_full.scn", text, len, &m2d_scenario_models, &error);

	ck_assert_msg(s != NULL, "%s", error != NULL ? error->message : "no message");
	return s;
}

START_TEST(test_header)
{
	g_autoptr(M2dScenario) s = full();

	ck_assert_str_eq(s->title, "One of everything");
	ck_assert_str_eq(s->tags, "litmus grammar");
	ck_assert_ptr_null(s->doc);
}
END_TEST

START_TEST(test_config)
{
	g_autoptr(M2dScenario) s = full();
	M2dScnConfig c;
	const M2dScnSetting *set;

	m2d_scn_config(s, -1, &c);
	ck_assert_str_eq(c.machine, "litmus");
	ck_assert_uint_eq(c.vendor, M2D_SCN_VENDOR_AMD);
	ck_assert_uint_eq(c.memory, 128u << 20);
	ck_assert_uint_eq(c.vcpus, 3);
	ck_assert_uint_eq(c.guest, M2D_SCN_GUEST_4LEVEL);
	ck_assert(c.guest_pcid && c.guest_wp && !c.guest_smap && c.vpid);
	ck_assert_uint_eq(c.page_limit, 0);
	ck_assert_uint_eq(c.open->len, 1);
	m2d_scn_config_clear(&c);

	/* The variant's knob replaces that of [machine]; its own come behind. */
	m2d_scn_config(s, m2d_scenario_find_variant(s, "after"), &c);
	ck_assert_uint_eq(c.open->len, 2);
	set = c.open->pdata[0];
	ck_assert_str_eq(set->name, "pv-flush");
	ck_assert_str_eq(set->value, "sync");
	ck_assert_uint_eq(set->index, M2D_SCN_SET_KNOB);
	set = c.open->pdata[1];
	ck_assert_str_eq(set->name, "kick");
	ck_assert_uint_eq(set->index, M2D_SCN_SET_BUG);
	ck_assert_uint_eq(set->number, 0);
	m2d_scn_config_clear(&c);

	m2d_scn_config(s, m2d_scenario_find_variant(s, "tight"), &c);
	ck_assert_uint_eq(c.page_limit, 16);
	ck_assert_str_eq(((M2dScnSetting *)c.open->pdata[0])->value, "hw");
	m2d_scn_config_clear(&c);
	ck_assert_int_eq(m2d_scenario_find_variant(s, "none"), -1);
}
END_TEST

START_TEST(test_variants)
{
	g_autoptr(M2dScenario) s = full();
	int r2 = m2d_scenario_find_step(s, "r2"), log = m2d_scenario_find_step(s, "log");
	const M2dScnResult *r;

	ck_assert_uint_eq(s->n_variants, 3);
	ck_assert_uint_eq(s->variants[0].n_expect, 2);
	ck_assert_str_eq(s->variants[0].expect[1].text, "lost-dirty");
	ck_assert_uint_eq(s->variants[1].n_expect, 0);
	ck_assert_uint_ne(s->variants[1].expect_place.line, 0);
	ck_assert_uint_eq(s->variants[2].expect_place.line, 0);

	r = m2d_scenario_result(s, -1, (unsigned)r2);
	ck_assert(r->kind == M2D_SCN_RESULT_HPA && r->given && r->number == 0x5000);
	r = m2d_scenario_result(s, 0, (unsigned)r2);
	ck_assert(r->kind == M2D_SCN_RESULT_VALUE && r->number == 1);
	r = m2d_scenario_result(s, 1, (unsigned)r2);
	ck_assert(r->kind == M2D_SCN_RESULT_HPA);
	r = m2d_scenario_result(s, 2, (unsigned)r2);
	ck_assert(r->kind == M2D_SCN_RESULT_PF && r->number == 5);
	r = m2d_scenario_result(s, 2, (unsigned)log);
	ck_assert(r->kind == M2D_SCN_RESULT_DIRTY && r->n_gfns == 0);
	r = m2d_scenario_result(s, 0, (unsigned)log);
	ck_assert(r->n_gfns == 2 && r->gfns[0] == 5 && r->gfns[1] == 6);
}
END_TEST

START_TEST(test_layout)
{
	g_autoptr(M2dScenario) s = full();
	const M2dScnObject *o = s->objects;

	ck_assert_uint_eq(s->n_objects, 11);
	ck_assert(o->kind == M2D_SCN_SLOT && o->slot.last == 0x3fffff && o->slot.has_hva);
	ck_assert(o->slot.hva == 0x10000000 && o->slot.log_dirty && !o->slot.readonly);
	o++;
	ck_assert(o->slot.as == 1 && o->slot.readonly && !o->slot.has_hva && o->slot.shift == 21);
	o++;
	ck_assert(o->kind == M2D_SCN_TABLES && o->tables.first == 0x100000);
	o++;
	ck_assert(o->kind == M2D_SCN_GPT && o->gpt.has_page && o->gpt.page == 0x101000);
	ck_assert_str_eq(s->gpts[1], "B");
	o += 2;
	ck_assert(o->kind == M2D_SCN_GVA && o->gva.first == 0x400000 && o->gva.last == 0x40ffff);
	ck_assert(o->gva.gpa == 0x5000 && o->gva.gpt == 0 && o->gva.shift == 12);
	ck_assert_uint_eq(o->gva.rights, M2D_OP_RIGHT_R | M2D_OP_RIGHT_W | M2D_OP_RIGHT_U);
	o++;
	ck_assert(o->gva.gpt == 1 && o->gva.shift == 21 && o->gva.last == 0x5fffff);
	o++;
	ck_assert(o->kind == M2D_SCN_CR3 && o->cr3.vcpu == 0 && o->cr3.gpt == 0);
	o++;
	ck_assert(o->cr3.vcpu == 1 && o->cr3.gpt == 1 && o->cr3.pcid == 1);
	o++;
	ck_assert(o->kind == M2D_SCN_MEMORY && o->memory.value == 1 && o->memory.size == 8);
	ck_assert(o[1].memory.gpa == 0x5008 && o[1].memory.size == 1);
}
END_TEST

START_TEST(test_steps)
{
	g_autoptr(M2dScenario) s = full();
	const M2dScnStep *step = s->steps;

	ck_assert_uint_eq(s->n_steps, 9);
	ck_assert_uint_eq(s->n_actors, 3);
	ck_assert_uint_eq(s->actors[2].kind, M2D_SCN_ACTOR_HOST);
	ck_assert_str_eq(step->label, "r1");
	ck_assert_uint_eq(step->place.line, 47);
	ck_assert_uint_eq(step->place.column, 1);
	ck_assert_uint_eq(step->actor_place.column, 5);
	ck_assert_uint_eq(step->verb_place.column, 12);
	ck_assert(step->op.kind == M2D_OP_READ && step->op.arg[0] == 0x400000);
	ck_assert(step->op.arg[1] == 8 && step->op.arg[2] == 1);
	ck_assert_uint_eq(step->op.given, 0x5); /* gva and user, not size */
	step++;
	ck_assert(step->op.kind == M2D_OP_IPI && step->op.arg[0] == 0x5 && step->op.arg[1] == 1);
	ck_assert_str_eq(step->until, "ipi-sent");
	ck_assert_str_eq(step->text, "ipi to=vcpu0,vcpu2 do=invlpg gva=0x400000");
	ck_assert(step->actor.number == 1 && step->column == 1 && step->label == NULL);
	step++;
	ck_assert(step->actor.kind == M2D_SCN_ACTOR_HOST && step->column == 2);
	step++;
	ck_assert(step->is_continue && step->result.kind == M2D_SCN_RESULT_BLOCKED);
	step += 2;
	ck_assert(step->op.arg[0] == (1u << 7 | 1u << 20) && step->op.arg[1] == 1u << 21);
	step++;
	ck_assert(step->op.kind == M2D_OP_SET_PTE && step->op.arg[1] == 0 && step->op.arg[2] == 1);
	ck_assert_uint_eq(step->op.given, 1u << 0 | 1u << 1 | 1u << 4);
	step++;
	ck_assert(step->op.arg[0] == 0x5000 && step->op.arg[1] == 0x6fff);
	ck_assert(step->result.kind == M2D_SCN_RESULT_YOUNG && step->result.number == 1);
}
END_TEST

START_TEST(test_claims)
{
	g_autoptr(M2dScenario) s = full();
	const M2dScnClaim *c = s->claims;

	ck_assert(s->n_orders == 2 && s->orders[1].bounded && s->orders[1].preempt == 2 &&
		  s->orders[1].hw == 1);
	ck_assert_uint_eq(s->n_claims, 6);
	ck_assert_int_eq(c->variant, 1);
	ck_assert_str_eq(c->text, "count(kvm_exit) < 9");
	c++;
	ck_assert_int_eq(c->variant, -1);
	ck_assert(c->quantifier == M2D_SCN_ALWAYS && c->op == M2D_SCN_OP_GE);
	ck_assert(c->left->fn == M2D_SCN_FN_COUNT && c->left->n_args == 2);
	ck_assert_str_eq(c->left->args[1].key, "vcpu");
	ck_assert_uint_eq(c->left->args[1].value->number, 1);
	ck_assert_uint_eq(c->right[0]->number, 1);
	c++;
	ck_assert(c->op == M2D_SCN_OP_TRUE && c->n_right == 0);
	ck_assert_str_eq(c->left->field, "writable");
	ck_assert_uint_eq(c->left->args[1].value->number, 0x400000);
	c++;
	ck_assert(c->op == M2D_SCN_OP_IN && c->n_right == 2 && c->right[1]->number == 2);
	ck_assert(c->left->args[0].value->kind == M2D_SCN_EXPR_LABEL);
	ck_assert_uint_eq(c->left->args[0].value->number, 0);
	c++;
	ck_assert(c->left->kind == M2D_SCN_EXPR_CALL && c->left->fn == M2D_SCN_FN_USED_PAGES);
	ck_assert_uint_eq(c->right[0]->number, 4096);
	c++;
	ck_assert(c->right[0]->kind == M2D_SCN_EXPR_WORD);
	ck_assert_uint_eq(c->left->args[0].value->number, 8);
	ck_assert_str_eq(c->text, "result(@r2) == value");
}
END_TEST

/* Where nothing is checked against the models, any name will do. */
START_TEST(test_without_tables)
{
	static const char text[] = "mmu2d-scenario 1\n[machine]\nkvm = x\nkvm.y = z\nbug.w = yes\n"
				   "[steps]\nvcpu0: enter until anywhere\n";
	g_autoptr(M2dScenario) s = m2d_scenario_parse("x", text, strlen(text), NULL, NULL);

	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->steps[0].until, "anywhere");
	ck_assert_ptr_null(m2d_scenario_parse("x", text, strlen(text), &m2d_scenario_models, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tc = tcase_create("parse");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_header);
	tcase_add_test(tc, test_config);
	tcase_add_test(tc, test_variants);
	tcase_add_test(tc, test_layout);
	tcase_add_test(tc, test_steps);
	tcase_add_test(tc, test_claims);
	tcase_add_test(tc, test_without_tables);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
