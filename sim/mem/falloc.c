/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frame allocator. The range is cut into chunks of 2 MiB and these into blocks of 1 GiB. A chunk
 * is untouched, taken whole, or split into 4 KiB frames of which a number have been cut. Only
 * touched chunks have a record, in an open-addressing hash; each touched 1 GiB block has one too,
 * so that a 1 GiB allocation sees in one probe whether all of it is untouched.
 *
 * Three cursors make the search amortised O(1), since none ever moves back:
 *   next_chunk   upward: untouched chunks for 2 MiB blocks and for runs of 4 KiB frames
 *   next_block   downward: untouched blocks for 1 GiB
 *   sweep_chunk  upward, once nothing untouched remains: split chunks with frames left
 * What is given back goes to a stack for its size and is reused first, last in first out.
 */
#include "sim/mem/falloc.h"

#define CHUNK_FRAMES 512u /* frames of 4 KiB in 2 MiB, and chunks in 1 GiB */
#define CHUNK_BITS   9u

#define FIRST_RECORDS 256u
#define FIRST_STACK   64u

/* Largest stretch, in chunks, over which scattered frames spread: 64 GiB. */
#define SCATTER_CHUNKS (UINT64_C(64) << CHUNK_BITS)
/* Places tried before a scattered frame goes beside its neighbour after all. */
#define SCATTER_TRIES 16u

/* M2dRecord.key: number + 1, with this bit for 1 GiB blocks; 0: free slot. */
#define KEY_BLOCK M2D_BIT(62)

/* M2dRecord.state of a chunk: frames cut (0..512), or WHOLE; of a block: 0 or WHOLE. */
#define STATE_CUT      M2D_BITS(15, 0)
#define STATE_WHOLE    M2D_BIT(16) /* taken as one piece, or part of one */
#define STATE_SHUFFLED M2D_BIT(17) /* frames are cut in pseudo-random order */

typedef struct {
	uint64_t key;
	uint64_t state;
} M2dRecord;

/* A stack of freed blocks. */
typedef struct {
	uint64_t base; /* arena offset of the numbers; 0: none yet */
	uint64_t n, cap;
} M2dStack;

typedef struct {
	uint64_t first_chunk, end_chunk;
	uint64_t scatter_chunks; /* scattered frames go to the first so many chunks */
	uint64_t scatter_below;  /* share as a threshold for 32 random bits */
	uint64_t seed, n_random; /* random numbers drawn so far */
	uint64_t next_chunk;
	uint64_t next_block; /* one above the block to try next */
	uint64_t run_chunk;  /* chunk that sequential 4 KiB frames come from; 0: none */
	uint64_t sweep_chunk;
	uint64_t taken;
	uint64_t records; /* arena offset */
	uint64_t n_records, cap_records;
	M2dStack freed[M2D_N_SIZES];
} M2dFallocState;

struct _M2dFalloc {
	M2dArena *arena;
	M2dFallocState *state;
};

M2dFalloc *m2d_falloc_new(M2dArena *arena, uint64_t first_pfn, uint64_t n_frames, double scatter,
			  uint64_t seed)
{
	M2dFalloc *f = g_new0(M2dFalloc, 1);
	M2dFallocState *st = m2d_arena_alloc(arena, sizeof(*st), 64);
	M2dRecord *records = m2d_arena_alloc(arena, FIRST_RECORDS * sizeof(M2dRecord), 64);
	uint64_t first = first_pfn >> CHUNK_BITS, n = n_frames >> CHUNK_BITS;

	g_assert(first_pfn % CHUNK_FRAMES == 0 && n_frames % CHUNK_FRAMES == 0);
	g_assert(first_pfn <= UINT64_C(1) << 40 && n_frames <= (UINT64_C(1) << 40) - first_pfn);
	g_assert(scatter >= 0 && scatter <= 1);
	f->arena = arena;
	f->state = st;
	m2d_set64(arena, &st->first_chunk, first);
	m2d_set64(arena, &st->end_chunk, first + n);
	m2d_set64(arena, &st->scatter_chunks, MIN((n + 1) / 2, SCATTER_CHUNKS));
	m2d_set64(arena, &st->scatter_below, (uint64_t)(scatter * 0x1p32));
	m2d_set64(arena, &st->seed, m2d_mix64(seed ^ UINT64_C(0x66616c6c6f63)));
	m2d_set64(arena, &st->next_chunk, first);
	m2d_set64(arena, &st->next_block, (first + n) >> CHUNK_BITS);
	m2d_set64(arena, &st->sweep_chunk, first);
	m2d_set64(arena, &st->records, m2d_arena_offset(arena, records));
	m2d_set64(arena, &st->cap_records, FIRST_RECORDS);
	return f;
}

void m2d_falloc_free(M2dFalloc *falloc)
{
	g_free(falloc);
}

uint64_t m2d_falloc_taken(const M2dFalloc *falloc)
{
	return falloc->state->taken;
}

/* --- records -------------------------------------------------------------------------------- */

/* The record of @key, or the free slot where it would go. */
static M2dRecord *record_find(const M2dFalloc *f, uint64_t key)
{
	const M2dFallocState *st = f->state;
	M2dRecord *records = m2d_arena_at(f->arena, st->records);

	for (uint64_t i = m2d_mix64(key);; i++) {
		M2dRecord *r = &records[i & (st->cap_records - 1)];

		if (r->key == key || r->key == 0)
			return r;
	}
}

static void records_grow(M2dFalloc *f)
{
	M2dFallocState *st = f->state;
	uint64_t old_cap = st->cap_records;
	const M2dRecord *old = m2d_arena_at(f->arena, st->records);
	M2dRecord *records = m2d_arena_alloc(f->arena, 2 * old_cap * sizeof(M2dRecord), 64);

	m2d_set64(f->arena, &st->records, m2d_arena_offset(f->arena, records));
	m2d_set64(f->arena, &st->cap_records, 2 * old_cap);
	for (uint64_t i = 0; i < old_cap; i++) {
		M2dRecord *r;

		if (old[i].key == 0)
			continue;
		r = record_find(f, old[i].key);
		m2d_set64(f->arena, &r->key, old[i].key);
		m2d_set64(f->arena, &r->state, old[i].state);
	}
}

static void record_set(M2dFalloc *f, uint64_t key, uint64_t state)
{
	M2dFallocState *st = f->state;
	M2dRecord *r = record_find(f, key);

	if (r->key == 0) {
		if (2 * (st->n_records + 1) > st->cap_records) {
			records_grow(f);
			r = record_find(f, key);
		}
		m2d_set64(f->arena, &r->key, key);
		m2d_set64(f->arena, &st->n_records, st->n_records + 1);
	}
	m2d_set64(f->arena, &r->state, state);
}

static uint64_t block_key(uint64_t block)
{
	return (block + 1) | KEY_BLOCK;
}

/* Touch @chunk: its record becomes @state, and its 1 GiB block is no longer untouched. */
static void chunk_set(M2dFalloc *f, uint64_t chunk, uint64_t state)
{
	uint64_t block = block_key(chunk >> CHUNK_BITS);

	if (record_find(f, block)->key == 0)
		record_set(f, block, 0);
	record_set(f, chunk + 1, state);
}

/* True if nobody has had any of @chunk. */
static bool chunk_untouched(const M2dFalloc *f, uint64_t chunk)
{
	const M2dRecord *block = record_find(f, block_key(chunk >> CHUNK_BITS));

	if (block->key == 0)
		return true;
	return (block->state & STATE_WHOLE) == 0 && record_find(f, chunk + 1)->key == 0;
}

/* --- stacks of freed blocks ----------------------------------------------------------------- */

static void stack_push(M2dFalloc *f, M2dStack *stack, uint64_t pfn)
{
	uint64_t *slots;

	if (stack->n == stack->cap) {
		uint64_t cap = stack->cap != 0 ? 2 * stack->cap : FIRST_STACK;
		uint64_t *wider = m2d_arena_alloc(f->arena, cap * sizeof(uint64_t), 64);

		if (stack->n > 0)
			m2d_arena_write(f->arena, wider, m2d_arena_at(f->arena, stack->base),
					stack->n * sizeof(uint64_t));
		m2d_set64(f->arena, &stack->base, m2d_arena_offset(f->arena, wider));
		m2d_set64(f->arena, &stack->cap, cap);
	}
	slots = m2d_arena_at(f->arena, stack->base);
	m2d_set64(f->arena, &slots[stack->n], pfn);
	m2d_set64(f->arena, &stack->n, stack->n + 1);
}

static bool stack_pop(M2dFalloc *f, M2dStack *stack, uint64_t *pfn)
{
	uint64_t *slots;

	if (stack->n == 0)
		return false;
	slots = m2d_arena_at(f->arena, stack->base);
	m2d_set64(f->arena, &stack->n, stack->n - 1);
	*pfn = slots[stack->n];
	/* Equal states have equal bytes: what is above the top stays zero. */
	m2d_set64(f->arena, &slots[stack->n], 0);
	return true;
}

/* --- taking --------------------------------------------------------------------------------- */

/* The next pseudo-random number: a counter, so that one word of state is enough. */
static uint64_t random_next(M2dFalloc *f)
{
	M2dFallocState *st = f->state;

	m2d_set64(f->arena, &st->n_random, st->n_random + 1);
	return m2d_mix64(st->seed + st->n_random * UINT64_C(0x9e3779b97f4a7c15));
}

static bool take_1g(M2dFalloc *f, uint64_t *block)
{
	M2dFallocState *st = f->state;
	uint64_t first = (st->first_chunk + CHUNK_FRAMES - 1) >> CHUNK_BITS;

	while (st->next_block > first) {
		uint64_t b = st->next_block - 1;

		m2d_set64(f->arena, &st->next_block, b);
		if (record_find(f, block_key(b))->key != 0)
			continue;
		record_set(f, block_key(b), STATE_WHOLE);
		*block = b;
		return true;
	}
	return false;
}

/* An untouched chunk, or one out of a larger block that was given back. */
static bool take_2m(M2dFalloc *f, uint64_t *chunk)
{
	M2dFallocState *st = f->state;
	uint64_t pfn;

	while (st->next_chunk < st->end_chunk) {
		uint64_t c = st->next_chunk;
		const M2dRecord *block = record_find(f, block_key(c >> CHUNK_BITS));

		if (block->key != 0 && (block->state & STATE_WHOLE) != 0) {
			uint64_t above = ((c >> CHUNK_BITS) + 1) << CHUNK_BITS;

			m2d_set64(f->arena, &st->next_chunk, MIN(above, st->end_chunk));
			continue;
		}
		m2d_set64(f->arena, &st->next_chunk, c + 1);
		if (chunk_untouched(f, c)) {
			*chunk = c;
			return true;
		}
	}
	if (!stack_pop(f, &f->state->freed[M2D_SIZE_1G], &pfn))
		return false;
	for (uint64_t i = CHUNK_FRAMES - 1; i > 0; i--)
		stack_push(f, &st->freed[M2D_SIZE_2M], pfn + i * CHUNK_FRAMES);
	*chunk = pfn >> CHUNK_BITS;
	return true;
}

/* Cut the next frame off split @chunk whose record says @state. */
static uint64_t chunk_cut(M2dFalloc *f, uint64_t chunk, uint64_t state)
{
	uint64_t i = state & STATE_CUT;

	chunk_set(f, chunk, state + 1);
	if ((state & STATE_SHUFFLED) != 0) {
		uint64_t key = m2d_mix64(f->state->seed ^ chunk);

		/* An odd factor permutes the numbers below 512. */
		i = (i * (key | 1) + (key >> 32)) & (CHUNK_FRAMES - 1);
	}
	return (chunk << CHUNK_BITS) + i;
}

/* A frame in a pseudo-random chunk that is untouched or split with frames left. */
static bool take_scattered(M2dFalloc *f, uint64_t *pfn)
{
	const M2dFallocState *st = f->state;

	for (unsigned try = 0; try < SCATTER_TRIES; try++) {
		uint64_t r = random_next(f);
		uint64_t c = st->first_chunk +
			     (uint64_t)(((unsigned __int128)r * st->scatter_chunks) >> 64);
		const M2dRecord *record = record_find(f, c + 1);

		if (record->key == 0) {
			if (!chunk_untouched(f, c))
				continue;
			*pfn = chunk_cut(f, c, STATE_SHUFFLED);
			return true;
		}
		if ((record->state & STATE_WHOLE) == 0 &&
		    (record->state & STATE_CUT) < CHUNK_FRAMES) {
			*pfn = chunk_cut(f, c, record->state);
			return true;
		}
	}
	return false;
}

/* The frame beside the last one, out of a fresh chunk when that is used up. */
static bool take_in_sequence(M2dFalloc *f, uint64_t *pfn)
{
	M2dFallocState *st = f->state;
	uint64_t chunk, whole;

	if (st->run_chunk != 0) {
		const M2dRecord *r = record_find(f, st->run_chunk);

		if ((r->state & STATE_CUT) < CHUNK_FRAMES) {
			*pfn = chunk_cut(f, st->run_chunk - 1, r->state);
			return true;
		}
	}
	if (stack_pop(f, &st->freed[M2D_SIZE_2M], &whole))
		chunk = whole >> CHUNK_BITS;
	else if (!take_2m(f, &chunk))
		return false;
	m2d_set64(f->arena, &st->run_chunk, chunk + 1);
	*pfn = chunk_cut(f, chunk, 0);
	return true;
}

/* The last resort: chunks that scattered frames opened and did not use up. */
static bool take_leftover(M2dFalloc *f, uint64_t *pfn)
{
	M2dFallocState *st = f->state;

	for (; st->sweep_chunk < st->end_chunk;
	     m2d_set64(f->arena, &st->sweep_chunk, st->sweep_chunk + 1)) {
		const M2dRecord *r = record_find(f, st->sweep_chunk + 1);

		if (r->key != 0 && (r->state & STATE_WHOLE) == 0 &&
		    (r->state & STATE_CUT) < CHUNK_FRAMES) {
			*pfn = chunk_cut(f, st->sweep_chunk, r->state);
			return true;
		}
	}
	return false;
}

static bool take_4k(M2dFalloc *f, uint64_t *pfn)
{
	uint64_t below = f->state->scatter_below;

	if (below != 0 && random_next(f) >> 32 < below && take_scattered(f, pfn))
		return true;
	return take_in_sequence(f, pfn) || take_leftover(f, pfn);
}

bool m2d_falloc_take(M2dFalloc *f, M2dPageSize size, uint64_t *pfn)
{
	M2dFallocState *st = f->state;
	uint64_t n;

	if (!stack_pop(f, &st->freed[size], pfn)) {
		switch (size) {
		case M2D_SIZE_4K:
			if (!take_4k(f, pfn))
				return false;
			break;
		case M2D_SIZE_2M:
			if (!take_2m(f, &n))
				return false;
			*pfn = n << CHUNK_BITS;
			chunk_set(f, n, STATE_WHOLE);
			break;
		default:
			if (!take_1g(f, &n))
				return false;
			*pfn = n << (2 * CHUNK_BITS);
			break;
		}
	}
	m2d_set64(f->arena, &st->taken, st->taken + (UINT64_C(1) << (CHUNK_BITS * size)));
	return true;
}

void m2d_falloc_give(M2dFalloc *f, M2dPageSize size, uint64_t pfn)
{
	M2dFallocState *st = f->state;
	uint64_t n = UINT64_C(1) << (CHUNK_BITS * size);

	g_assert(pfn % n == 0 && pfn >> CHUNK_BITS >= st->first_chunk &&
		 (pfn + n - 1) >> CHUNK_BITS < st->end_chunk);
	g_assert(st->taken >= n);
	stack_push(f, &st->freed[size], pfn);
	m2d_set64(f->arena, &st->taken, st->taken - n);
}
