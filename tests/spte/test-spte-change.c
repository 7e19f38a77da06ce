/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of SPTEs: the kind of each, between all legal leafs and between all states; which leafs
 * are volatile; which changes need a flush; and what the fast page fault makes of each leaf. The
 * expected answers are worked out from descriptions of leafs, not from bits.
 */
#include <string.h>

#include "tests/spte/spte-test.h"

/* The legal leafs of one format. */
typedef struct {
	M2dSpteFormat f;
	unsigned n;
	Model m[N_MODELS];
} Leafs;

static void leafs_fill(Leafs *l, unsigned format)
{
	l->f = format_nth(format);
	l->n = 0;
	for (unsigned i = 0; i < N_MODELS; i++) {
		Model m = model_nth(i);

		/* Formats without an A or D bit have one description for two values of a, d. */
		if (model_legal(&l->f, &m))
			l->m[l->n++] = m;
	}
}

static bool host_w(const Model *m)
{
	return m->write != M2D_SPTE_WRITE_RO;
}

static bool mmu_w(const Model *m)
{
	return m->write == M2D_SPTE_WRITE_RW || m->write == M2D_SPTE_WRITE_DL;
}

static bool same_rx(const Model *a, const Model *b)
{
	return a->r == b->r && a->x == b->x && a->u == b->u;
}

/* Whether @a becomes @b by a change of write state from @from to @to and nothing else. */
static bool only_write(const Model *a, const Model *b, M2dSpteWrite from, M2dSpteWrite to)
{
	Model t = *a;

	t.write = to;
	return a->write == from && !memcmp(&t, b, sizeof(t));
}

static M2dSpteTransition expect(const Model *a, const Model *b)
{
	bool off = a->type == M2D_SPTE_AD_DISABLED, ad_only;
	Model t = *b;

	t.a = a->a;
	t.d = a->d;
	ad_only = !memcmp(&t, a, sizeof(t));
	if (!memcmp(a, b, sizeof(*a)))
		return M2D_SPTE_T_NONE;
	if (host_w(a) && !host_w(b))
		return M2D_SPTE_T_ILLEGAL;
	if (off != (b->type == M2D_SPTE_AD_DISABLED))
		return M2D_SPTE_T_ILLEGAL;
	if (mmu_w(a) && !mmu_w(b))
		return M2D_SPTE_T6;
	if (a->tracked) {
		bool write = b->write == a->write ||
			     (a->write == M2D_SPTE_WRITE_DL && b->write == M2D_SPTE_WRITE_RW);

		return !b->tracked && same_rx(a, b) && write ? M2D_SPTE_T8 : M2D_SPTE_T_REWRITE;
	}
	if (b->tracked) {
		bool write =
			b->write == (a->write == M2D_SPTE_WRITE_RW ? M2D_SPTE_WRITE_DL : a->write);

		return same_rx(a, b) && write && a->d == b->d ? M2D_SPTE_T9 : M2D_SPTE_T_REWRITE;
	}
	if (only_write(a, b, M2D_SPTE_WRITE_RW, M2D_SPTE_WRITE_DL))
		return M2D_SPTE_T5;
	if (only_write(a, b, M2D_SPTE_WRITE_DL, M2D_SPTE_WRITE_RW))
		return M2D_SPTE_T7;
	if (!ad_only)
		return M2D_SPTE_T_REWRITE;
	if (a->a >= b->a && a->d > b->d)
		return M2D_SPTE_T10;
	if (a->a > b->a && a->d == b->d)
		return M2D_SPTE_T9;
	return a->a <= b->a && a->d <= b->d ? M2D_SPTE_T11 : M2D_SPTE_T_REWRITE;
}

START_TEST(test_leaf_pairs)
{
	Leafs l;
	unsigned seen[M2D_SPTE_N_TRANSITIONS] = {0};

	leafs_fill(&l, _i);
	for (unsigned i = 0; i < l.n * l.n; i++) {
		const Model *a = &l.m[i / l.n], *b = &l.m[i % l.n];
		uint64_t from = model_encode(&l.f, a, 1), to = model_encode(&l.f, b, 1);
		M2dSpteTransition want = expect(a, b), got;
		const char *why;

		got = m2d_spte_transition(&l.f, from, to, 1, &why);
		if (got != want || (got == M2D_SPTE_T_ILLEGAL) != (why != NULL))
			ck_abort_msg("0x%" PRIx64 " to 0x%" PRIx64 ": %s instead of %s", from, to,
				     m2d_spte_transition_name(got), m2d_spte_transition_name(want));
		seen[got]++;
		/* Another frame is never right. */
		got = m2d_spte_transition(&l.f, from, to | 0x1000, 1, &why);
		if (got != M2D_SPTE_T_ILLEGAL)
			ck_abort_msg("another frame: %s", m2d_spte_transition_name(got));
	}
	/* The pairs meet every kind there is between leafs. */
	for (M2dSpteTransition t = M2D_SPTE_T5; t <= M2D_SPTE_T9; t++)
		ck_assert_msg(seen[t] || (t == M2D_SPTE_T8 && l.f.kind == M2D_SPTE_PT) ||
				      (t == M2D_SPTE_T9 && !l.f.accessed && !l.f.ad_disabled),
			      "no %s", m2d_spte_transition_name(t));
	ck_assert(!l.f.dirty || (seen[M2D_SPTE_T10] && seen[M2D_SPTE_T11]));
	ck_assert(seen[M2D_SPTE_T_REWRITE] && seen[M2D_SPTE_T_ILLEGAL]);
}
END_TEST

/* Between states, at level 2. */
START_TEST(test_state_pairs)
{
	enum {
		N,
		M,
		M2,
		F,
		P,
		P2,
		L,
		L2,
		W,
		N_VALUES
	};
#define T(n) M2D_SPTE_T##n
#define NO   M2D_SPTE_T_ILLEGAL
#define ID   M2D_SPTE_T_NONE
	static const M2dSpteTransition want[N_VALUES][N_VALUES] = {
		/* N      M      M2     F      P      P2     L      L2     W */
		{ID, T(2), T(2), T(13), T(1), T(1), T(1), T(1), NO},       /* N */
		{T(2), ID, T(2), T(13), T(1), T(1), T(1), T(1), NO},       /* M */
		{T(2), T(2), ID, T(13), T(1), T(1), T(1), T(1), NO},       /* M2 */
		{T(14), T(14), T(14), ID, T(14), T(14), T(14), T(14), NO}, /* F */
		{T(13), NO, NO, T(13), ID, NO, T(4), T(4), NO},            /* P */
		{T(13), NO, NO, T(13), NO, ID, T(4), T(4), NO},            /* P2 */
		{T(12), NO, NO, T(12), T(3), T(3), ID, NO, NO},            /* L */
		{T(12), NO, NO, T(12), T(3), T(3), NO, ID, NO},            /* L2 */
	};
	M2dSpteFormat f = format_nth(_i);
	Model m = {.r = true, .x = true, .write = M2D_SPTE_WRITE_RW};
	uint64_t v[N_VALUES];
	const char *why;

	v[N] = f.nonpresent;
	v[M] = m2d_spte_make_mmio(&f, 5, M2D_SPTE_ACC_ALL, 6);
	v[M2] = m2d_spte_make_mmio(&f, 5, M2D_SPTE_ACC_ALL, 8);
	v[F] = f.frozen;
	v[P] = m2d_spte_make_nonleaf(&f, 5, false);
	v[P2] = m2d_spte_make_nonleaf(&f, 6, false);
	v[L] = model_encode(&f, &m, 2) | 0x200000;
	v[L2] = model_encode(&f, &m, 2) | 0x400000;
	v[W] = v[L] & ~f.mmu_writable;
	for (unsigned i = 0; i < W * N_VALUES; i++) {
		unsigned from = i / N_VALUES, to = i % N_VALUES;
		M2dSpteTransition got;

		if (!f.frozen && (from == F || to == F))
			continue;
		got = m2d_spte_transition(&f, v[from], v[to], 2, &why);
		ck_assert_msg(got == want[from][to], "%u to %u: %s instead of %s", from, to,
			      m2d_spte_transition_name(got),
			      m2d_spte_transition_name(want[from][to]));
		ck_assert_int_eq(got == NO, why != NULL);
	}
	ck_assert_int_eq(m2d_spte_transition(&f, v[L], v[W], 2, &why), NO);
	ck_assert_str_eq(why, "W without MMU-writable");
	/* The processor sets A in a table link; nobody clears it. */
	if (f.accessed) {
		uint64_t old = v[P] & ~f.accessed;

		ck_assert_int_eq(m2d_spte_transition(&f, old, v[P], 2, &why), T(11));
		ck_assert_int_eq(m2d_spte_transition(&f, v[P], old, 2, &why), NO);
		ck_assert_str_eq(why, "a table link was rewritten");
	}
	/* A blind clear of A in a frozen entry leaves rubbish, from which no step leads on. */
	if (f.layout >= M2D_SPTE_5_14 && f.accessed) {
		uint64_t rubbish = f.frozen & ~f.accessed;

		ck_assert_int_eq(m2d_spte_transition(&f, f.frozen, rubbish, 2, &why), NO);
		ck_assert_str_eq(why, "neither present nor MMIO nor empty");
		ck_assert_int_eq(m2d_spte_transition(&f, rubbish, v[N], 2, &why), NO);
		ck_assert_str_eq(why, "what stood there was no SPTE");
	}
}
END_TEST

START_TEST(test_volatile)
{
	Leafs l;

	leafs_fill(&l, _i);
	for (unsigned i = 0; i < l.n; i++) {
		const Model *m = &l.m[i];
		uint64_t v = model_encode(&l.f, m, 1);
		bool rw = m->write == M2D_SPTE_WRITE_RW, dl = m->write == M2D_SPTE_WRITE_DL;
		bool off = m->type == M2D_SPTE_AD_DISABLED;
		/* Without an A or D bit the description's a and d are no bits. */
		bool no_a = !m->a || !l.f.accessed, no_d = !m->d || !l.f.dirty;

		ck_assert_int_eq(m2d_spte_is_volatile(&l.f, v, M2D_SPTE_VOLATILE_OLD),
				 rw || dl || m->tracked || (!off && no_a));
		ck_assert_int_eq(m2d_spte_is_volatile(&l.f, v, M2D_SPTE_VOLATILE_5_18),
				 dl || m->tracked || (!off && (no_a || (rw && no_d))));
		ck_assert_int_eq(m2d_spte_is_volatile(&l.f, v, M2D_SPTE_VOLATILE_6_13),
				 dl || m->tracked || (!off && rw && no_d));
		ck_assert_int_eq(m2d_spte_is_volatile(&l.f, v, M2D_SPTE_VOLATILE_6_15),
				 dl || off || (rw && no_d));
	}
	for (M2dSpteVolatile era = M2D_SPTE_VOLATILE_OLD; era <= M2D_SPTE_VOLATILE_6_15; era++) {
		ck_assert(!m2d_spte_is_volatile(&l.f, l.f.nonpresent, era));
		ck_assert(!m2d_spte_is_volatile(&l.f, l.f.frozen, era));
		ck_assert(!m2d_spte_is_volatile(
			&l.f, m2d_spte_make_mmio(&l.f, 5, M2D_SPTE_ACC_ALL, 6), era));
	}
}
END_TEST

START_TEST(test_flush)
{
	Leafs l;

	leafs_fill(&l, _i);
	for (unsigned i = 0; i < l.n * l.n; i++) {
		const Model *a = &l.m[i / l.n], *b = &l.m[i % l.n];
		uint64_t from = model_encode(&l.f, a, 1), to = model_encode(&l.f, b, 1);
		bool bits = l.f.layout >= M2D_SPTE_6_13;
		bool a_bit = bits || (l.f.accessed && a->type != M2D_SPTE_AD_DISABLED);
		bool b_bit = bits || (l.f.accessed && b->type != M2D_SPTE_AD_DISABLED);
		bool w_lost = mmu_w(a) && b->write != M2D_SPTE_WRITE_RW;
		bool a_lost = (a_bit ? a->a : !a->tracked) && !(b_bit ? b->a : !b->tracked);
		bool d_lost = (a_bit ? a->d : a->write == M2D_SPTE_WRITE_RW) &&
			      !(b_bit ? b->d : b->write == M2D_SPTE_WRITE_RW);

		if (m2d_spte_needs_flush(&l.f, from, to, M2D_SPTE_FLUSH_OLD) !=
		    (w_lost || a_lost || d_lost))
			ck_abort_msg("up to 6.12: 0x%" PRIx64 " to 0x%" PRIx64, from, to);
		if (m2d_spte_needs_flush(&l.f, from, to, M2D_SPTE_FLUSH_6_13) !=
		    (mmu_w(a) && !mmu_w(b)))
			ck_abort_msg("6.13: 0x%" PRIx64 " to 0x%" PRIx64, from, to);
	}
}
END_TEST

/* --- The fast page fault. --- */

static bool allows(const M2dSpteFault *fault, const Model *m)
{
	if (m->tracked)
		return false;
	if (fault->exec)
		return m->x;
	return fault->write ? m->write == M2D_SPTE_WRITE_RW : m->r;
}

static M2dSpteFast expect_fast(const M2dSpteFormat *f, const M2dSpteFault *fault, const Model *old,
			       bool stuck, Model *new)
{
	*new = *old;
	if (fault->rsvd || (fault->present ? !fault->write : f->ad))
		return M2D_SPTE_FAST_NO;
	if (allows(fault, old))
		return M2D_SPTE_FAST_SPURIOUS;
	new->tracked = false;
	if (old->tracked && f->layout >= M2D_SPTE_6_13)
		new->a = true;
	if (fault->write && old->write == M2D_SPTE_WRITE_DL) {
		if (stuck)
			return M2D_SPTE_FAST_NO;
		new->write = M2D_SPTE_WRITE_RW;
	}
	return allows(fault, new) ? M2D_SPTE_FAST_FIX : M2D_SPTE_FAST_NO;
}

START_TEST(test_fast_fault)
{
	Leafs l;
	unsigned seen[3] = {0};

	leafs_fill(&l, _i);
	for (unsigned i = 0; i < l.n * 64; i++) {
		M2dSpteFault fault = {
			.write = i & 1, .exec = i & 2, .present = i & 4, .rsvd = i & 8};
		unsigned level = i & 16 ? 2 : 1;
		bool logged = i & 32;
		const Model *m = &l.m[i / 64];
		uint64_t v = model_encode(&l.f, m, level), to = 0;
		M2dSpteFast want, got;
		Model new;
		const char *why;

		if (fault.write && fault.exec)
			continue;
		want = expect_fast(&l.f, &fault, m, level > 1 && logged, &new);
		got = m2d_spte_fast_fault(&l.f, &fault, v, level, logged, &to);
		ck_assert_msg(got == want, "0x%" PRIx64 ": %d instead of %d", v, got, want);
		seen[got]++;
		if (got != M2D_SPTE_FAST_FIX)
			continue;
		ck_assert_uint_eq(to, model_encode(&l.f, &new, level));
		/* A lockless step, which gives no W that MMU-writable did not promise. */
		switch (m2d_spte_transition(&l.f, v, to, level, &why)) {
		case M2D_SPTE_T7:
		case M2D_SPTE_T8:
			break;
		default:
			ck_abort_msg("0x%" PRIx64 " to 0x%" PRIx64 " is no lockless step", v, to);
		}
		ck_assert_int_eq(to & M2D_SPTE_W && !mmu_w(m), 0);
	}
	ck_assert(seen[M2D_SPTE_FAST_NO] && seen[M2D_SPTE_FAST_SPURIOUS] &&
		  seen[M2D_SPTE_FAST_FIX]);
}
END_TEST

/* Whatever is no leaf goes the slow way. */
START_TEST(test_fast_no_leaf)
{
	M2dSpteFormat f = format_nth(_i);
	uint64_t v[] = {f.nonpresent, f.frozen, m2d_spte_make_mmio(&f, 5, M2D_SPTE_ACC_ALL, 6),
			m2d_spte_make_nonleaf(&f, 5, false)};
	M2dSpteFault fault = {.write = true, .present = f.ad};
	uint64_t to;

	for (unsigned i = 0; i < M2D_N_ELEMENTS(v); i++)
		ck_assert_int_eq(m2d_spte_fast_fault(&f, &fault, v[i], 2, false, &to),
				 M2D_SPTE_FAST_NO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spte-change");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_leaf_pairs, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_state_pairs, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_volatile, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_flush, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_fast_fault, 0, N_FORMATS);
	tcase_add_loop_test(tc, test_fast_no_leaf, 0, N_FORMATS);
	suite_add_tcase(s, tc);
	return run(s);
}
