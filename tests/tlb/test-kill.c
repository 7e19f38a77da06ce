/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random contents, random invalidations: m2d_tlb_kill() against a list that is searched item by
 * item. Covers the short cut for addresses while no large page is cached in pieces, shared and
 * unified arrays, and the context table.
 */
#include <check.h>
#include <string.h>

#include "sim/base/rng.h"
#include "sim/engine/world.h"
#include "tests/tlb/dump.h"

static M2dRng rng;

static uint64_t below(uint64_t n)
{
	return m2d_rng_below(&rng, n);
}

/* Few distinct addresses, so that items collide and kills hit. */
static uint64_t random_va(void)
{
	return below(3) << 39 | below(3) << 30 | below(4) << 21 | below(6) << 12;
}

static uint32_t random_ctx(M2dTlb *tlb, uint32_t *gctx)
{
	M2dCtx c = {
		.kind = (uint8_t)(1 + below(2)),
		.pcid = (uint16_t)below(3),
		.tag = (uint32_t)below(3),
	};
	uint32_t keep[2] = {0}, id;

	c.root = c.kind == M2D_CTX_COMBINED ? (1 + below(2)) << 12 : 0;
	id = keep[0] = m2d_tlb_ctx(tlb, &c, NULL);
	c.pcid = M2D_CTX_GLOBAL;
	*gctx = m2d_tlb_ctx(tlb, &c, keep);
	return id;
}

static uint32_t random_nctx(M2dTlb *tlb)
{
	M2dCtx c = {.kind = M2D_CTX_PHYSICAL, .tag = (uint32_t)below(3), .root = below(3) << 12};

	return m2d_tlb_ctx(tlb, &c, NULL);
}

static void random_fill(M2dTlb *tlb, bool pieces)
{
	uint32_t gctx, ctx = random_ctx(tlb, &gctx);
	uint64_t frame = (1 + below(1000)) << 30, va = random_va(), e, g;
	unsigned level = (unsigned)below(M2D_PSC_LEVELS);

	switch (below(4)) {
	case 0:
	case 1:
		e = below(3);
		g = pieces ? e + below(3 - e) : e;
		m2d_tlb_fill(tlb, va, below(2), ctx, gctx,
			     frame | M2D_ITEM_NESTED_ALL | (below(4) == 0 ? M2D_ITEM_G : 0) |
				     e << M2D_ITEM_ESIZE_SHIFT | g << M2D_ITEM_GSIZE_SHIFT);
		break;
	case 2:
		if (below(2)) {
			m2d_psc_fill(tlb, false, (M2dPscLevel)level, 21 + 9 * level, va, ctx,
				     frame);
		} else {
			m2d_psc_fill(tlb, true, (M2dPscLevel)level, 21 + 9 * level, va,
				     random_nctx(tlb), frame);
		}
		break;
	default:
		m2d_ntlb_fill(tlb, va, random_nctx(tlb),
			      frame | M2D_ITEM_NESTED_ALL | below(3) << M2D_ITEM_ESIZE_SHIFT);
		break;
	}
}

static M2dKill random_kill(void)
{
	static const uint32_t kinds[] = {M2D_KINDS_LINEAR, M2D_KINDS_COMBINED, M2D_KINDS_PHYSICAL,
					 M2D_KINDS_ALL, M2D_KINDS_COMBINED | M2D_KINDS_PHYSICAL};

	return (M2dKill){
		.kinds = kinds[below(G_N_ELEMENTS(kinds))],
		.tag_rule = (M2dKillTag)below(3),
		.tag = (uint32_t)below(3),
		.pcid_rule = (M2dKillPcid)below(4),
		.pcid = (uint32_t)below(3),
		.match_root = below(4) == 0,
		.root = below(3) << 12,
		.match_va = below(2),
		.va = random_va() | below(4096),
		.upper = (M2dKillUpper)below(3),
		.keep_leaves = below(8) == 0,
	};
}

/* The naive model: must @i go? */
static bool must_go(const Item *i, const M2dKill *k)
{
	unsigned g = (unsigned)((i->data & M2D_ITEM_GSIZE) >> M2D_ITEM_GSIZE_SHIFT);
	unsigned shift = i->shift;

	if (!(k->kinds & 1u << i->kind))
		return false;
	if (k->tag_rule == M2D_KILL_TAG_EQUAL && i->tag != k->tag)
		return false;
	if (k->tag_rule == M2D_KILL_TAG_NONZERO && i->tag == 0)
		return false;
	if (k->match_root && i->root != k->root)
		return false;
	if (i->kind != M2D_CTX_PHYSICAL) {
		bool same = !i->global && i->pcid == k->pcid;

		if (k->pcid_rule == M2D_KILL_PCID_EQUAL && !same)
			return false;
		if (k->pcid_rule == M2D_KILL_PCID_OR_GLOBAL && !same && !i->global)
			return false;
		if (k->pcid_rule == M2D_KILL_PCID_NONGLOBAL && i->global)
			return false;
	}
	if (i->upper) {
		if (k->upper != M2D_UPPER_PATH)
			return k->upper == M2D_UPPER_ALL;
	} else {
		if (k->keep_leaves)
			return false;
		if (!k->match_va)
			return true;
		if (i->kind != M2D_CTX_PHYSICAL && 12 + 9 * g > shift)
			shift = 12 + 9 * g; /* all pieces of the page */
	}
	return i->va >> shift == k->va >> shift;
}

static void check_kill(M2dTlb *tlb, const M2dKill *kill)
{
	GArray *before = dump_items(tlb), *after;
	uint64_t dropped = m2d_tlb_kill(tlb, kill), leaves = 0;
	unsigned k = 0;

	after = dump_items(tlb);
	for (unsigned n = 0; n < before->len; n++) {
		const Item *i = &g_array_index(before, Item, n);
		bool there = k < after->len &&
			     memcmp(&g_array_index(after, Item, k), i, sizeof(Item)) == 0;

		k += there;
		leaves += !there && !i->upper;
		if (there == must_go(i, kill)) {
			dump_print(i, there ? "still there:" : "dropped without need:");
			ck_abort_msg("kinds %x tag %d %u pcid %d %u root %d va %d %lx upper %d",
				     kill->kinds, kill->tag_rule, kill->tag, kill->pcid_rule,
				     kill->pcid, kill->match_root, kill->match_va,
				     (unsigned long)kill->va, kill->upper);
		}
	}
	ck_assert_uint_eq(k, after->len);
	ck_assert_uint_eq(dropped, leaves);
	g_array_unref(before);
	g_array_unref(after);
}

static const char *const machines[] = {"generic", "haswell", "skylake-sp", "sapphire-rapids",
				       "zen1",    "zen2",    "zen4"};

START_TEST(random_kills)
{
	for (int pieces = 0; pieces < 2; pieces++) {
		GError *error = NULL;
		M2dMachine *m = m2d_machine_load(machines[_i], &error);
		M2dArena *arena = m2d_arena_new(UINT64_C(1) << 30, &error);
		M2dTlb tlb;

		ck_assert(m != NULL && arena != NULL);
		if (!pieces)
			m->tlb.l2_1g_mode = M2D_L2_1G_OWN; /* smashing makes pieces */
		m2d_rng_seed(&rng, (uint64_t)_i * 2 + (uint64_t)pieces);
		m2d_tlb_init(&tlb, arena, m);
		for (int round = 0; round < 3000; round++) {
			M2dKill kill;

			for (uint64_t n = below(12); n > 0; n--)
				random_fill(&tlb, pieces);
			kill = random_kill();
			check_kill(&tlb, &kill);
		}
		/* Splitting by the first level counts as well, where it lacks a size. */
		if (!pieces && m->tlb.l1d_unified.entries != 0)
			ck_assert_uint_eq(*tlb.n_splinters, 0);
		m2d_arena_free(arena);
		m2d_machine_free(m);
	}
}
END_TEST

/* More contexts than the table holds: reclaiming never lets an item change its owner. */
START_TEST(many_contexts)
{
	GError *error = NULL;
	M2dMachine *m = m2d_machine_load("generic", &error);
	M2dArena *arena = m2d_arena_new(UINT64_C(1) << 30, &error);
	M2dTlb tlb;

	ck_assert(m != NULL && arena != NULL);
	m2d_tlb_init(&tlb, arena, m);
	for (uint32_t n = 1; n <= 3 * M2D_MAX_CTX; n++) {
		M2dCtx c = {.kind = M2D_CTX_LINEAR, .tag = n};
		uint32_t id = m2d_tlb_ctx(&tlb, &c, NULL);
		GArray *items;

		ck_assert_uint_gt(id, 0);
		ck_assert_uint_lt(id, M2D_MAX_CTX);
		ck_assert_int_lt(m2d_tlb_find_l1(&tlb, 0x1000 * n, false, id, id).array, 0);
		m2d_tlb_fill(&tlb, 0x1000 * n, false, id, id,
			     (uint64_t)n << 12 | M2D_ITEM_NESTED_ALL);
		if (n % 1024 != 0)
			continue;
		items = dump_items(&tlb);
		ck_assert_uint_gt(items->len, 64);
		for (unsigned k = 0; k < items->len; k++) {
			const Item *i = &g_array_index(items, Item, k);

			ck_assert_uint_eq(i->tag, (i->data & M2D_ITEM_FRAME) >> 12);
			ck_assert_uint_eq(i->va, 0x1000 * (uint64_t)i->tag);
		}
		g_array_unref(items);
	}
	ck_assert_uint_gt(tlb.ctx_epoch, 0);
	m2d_arena_free(arena);
	m2d_machine_free(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tlb-kill");
	TCase *t = tcase_create("tlb-kill");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, random_kills, 0, G_N_ELEMENTS(machines));
	tcase_add_test(t, many_contexts);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
