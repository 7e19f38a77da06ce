/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena and undo log. The log holds (offset, old word) pairs in the order of the writes; rolling
 * back replays it backwards and takes the hash from the mark, so its cost depends on the writes
 * undone, not on the size of the world.
 */
#include "sim/mem/arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/base/error.h"

typedef struct {
	union {
		/* Of the word; UNDO_FILL: of the first of @old words that were 0. */
		uint64_t off;
		/* UNDO_STEP: where the changes of a step are, beside the bits; how many are made at
		 * once is in the upper half of @old, how many there are in the lower. All are made,
		 * unless UNDO_LATE. */
		const uint8_t *step;
	};
	uint64_t old;
} M2dUndo;

#define UNDO_FILL UINT64_C(1)
#define UNDO_STEP UINT64_C(2)
#define UNDO_LATE UINT64_C(4)
#define UNDO_BITS UINT64_C(7)

/* Sums of keys for fills: the same few pages are filled again and again. */
#define M2D_KNOWN_FILLS 64u

typedef struct {
	uint64_t off, n; /* n 0: none */
	M2dHash128 sum;
} M2dFill;

struct _M2dJournal {
	M2dUndo *next;    /* where the next record goes */
	M2dUndo *limit;   /* end of the room; @undo: log_slow() sees to every word */
	M2dHash128 *keys; /* by word; 0: not known yet */
	uint64_t known;   /* bytes of the arena that @keys and @noted are for */
	uint8_t *noted;   /* by word: m2d_arena_changes() has it */
	M2dUndo *undo;
	uint64_t cap;
	uint64_t late; /* no record before this one is UNDO_LATE */
	M2dFill fill[M2D_KNOWN_FILLS];
};

static uint64_t depth(const M2dJournal *j)
{
	return (uint64_t)(j->next - j->undo);
}

M2dArena *m2d_arena_new(uint64_t reserve, GError **error)
{
	M2dArena *arena;
	void *base;

	reserve = (reserve + 4095) & ~UINT64_C(4095);
	base = mmap(NULL, reserve, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
			    "cannot reserve %" G_GUINT64_FORMAT " MiB of address space: %s",
			    reserve >> 20, g_strerror(errno));
		return NULL;
	}
	arena = g_new0(M2dArena, 1);
	arena->base = base;
	arena->reserved = reserve;
	return arena;
}

void m2d_arena_free(M2dArena *arena)
{
	if (arena == NULL)
		return;
	m2d_arena_detach_journal(arena);
	munmap(arena->base, arena->reserved);
	g_free(arena);
}

void *m2d_arena_alloc(M2dArena *arena, uint64_t bytes, uint64_t align)
{
	uint64_t off = (arena->used + align - 1) & ~(align - 1);

	g_assert(m2d_is_pow2(align) && align >= 8);
	bytes = (bytes + 7) & ~UINT64_C(7);
	if (bytes > arena->reserved || off > arena->reserved - bytes) {
		fprintf(stderr,
			"mmu2d: the simulated memory outgrew its bound of %" G_GUINT64_FORMAT
			" MiB\n",
			arena->reserved >> 20);
		exit(3);
	}
	arena->used = off + bytes;
	return arena->base + off;
}

static M2dHash128 sum_all(const M2dArena *arena)
{
	const uint64_t *word = (const uint64_t *)arena->base;
	M2dHash128 sum = {0};

	for (uint64_t i = 0; i < (arena->used + 7) / 8; i++)
		if (word[i] != 0)
			sum = m2d_arena_weigh(sum, m2d_arena_key(i * 8), 0, word[i]);
	return sum;
}

uint64_t m2d_arena_rehash(const M2dArena *arena)
{
	return sum_all(arena).high;
}

static M2dHash128 get_sum(const M2dArena *arena)
{
	return (M2dHash128){arena->hash_low, arena->hash};
}

static void set_sum(M2dArena *arena, M2dHash128 sum)
{
	arena->hash_low = sum.low;
	arena->hash = sum.high;
}

void m2d_arena_attach_journal(M2dArena *arena)
{
	if (arena->journal != NULL)
		return;
	set_sum(arena, sum_all(arena));
	arena->journal = g_new0(M2dJournal, 1);
}

void m2d_arena_detach_journal(M2dArena *arena)
{
	M2dJournal *j = arena->journal;

	if (j == NULL)
		return;
	free(j->keys);
	free(j->noted);
	g_free(j->undo);
	g_clear_pointer(&arena->journal, g_free);
}

void m2d_arena_hash_twice(M2dArena *arena, bool yes)
{
	arena->hash2 = 0;
	arena->twice = yes;
	if (arena->journal != NULL)
		arena->journal->limit = arena->journal->undo + (yes ? 0 : arena->journal->cap);
}

M2dMark m2d_arena_mark(const M2dArena *arena)
{
	g_assert(arena->journal != NULL);
	return (M2dMark){depth(arena->journal), arena->used, arena->hash, arena->hash_low,
			 arena->hash2};
}

static const M2dArenaChange *changes_of(const M2dUndo *u)
{
	return (const void *)(u->step - (u->off & UNDO_BITS));
}

static uint32_t now_of(const M2dUndo *u)
{
	return (uint32_t)(u->old >> 32);
}

static uint32_t all_of(const M2dUndo *u)
{
	return (uint32_t)u->old;
}

M2D_ALWAYS_INLINE void undo(uint8_t *base, const M2dUndo *u)
{
	const M2dArenaChange *c;

	if (m2d_likely(u->off & UNDO_STEP)) {
		c = changes_of(u);
		for (uint32_t n = u->off & UNDO_LATE ? now_of(u) : all_of(u); n != 0; n--, c++)
			*(uint64_t *)(void *)(base + c->off) = c->old;
	} else if (m2d_unlikely(u->off & UNDO_FILL)) {
		memset(base + (u->off & ~UNDO_FILL), 0, u->old * 8);
	} else {
		*(uint64_t *)(void *)(base + u->off) = u->old;
	}
}

void m2d_arena_rollback_to(M2dArena *arena, const M2dMark *mark)
{
	M2dJournal *j = arena->journal;
	uint8_t *base = arena->base;
	const M2dUndo *u, *end;

	g_assert(j != NULL && mark->depth <= depth(j) && mark->used <= arena->used);
	end = j->undo + mark->depth;
	for (u = j->next; u != end;)
		undo(base, --u);
	j->next = j->undo + mark->depth;
	j->late = MIN(j->late, mark->depth);
	arena->used = mark->used;
	arena->hash = mark->hash;
	arena->hash_low = mark->hash_low;
	arena->hash2 = mark->hash2;
}

static void more_room(M2dArena *arena)
{
	M2dJournal *j = arena->journal;
	uint64_t n = depth(j);

	j->cap = j->cap != 0 ? j->cap * 2 : 1024;
	j->undo = g_renew(M2dUndo, j->undo, j->cap);
	j->next = j->undo + n;
	j->limit = j->undo + (arena->twice ? 0 : j->cap);
}

static void put_undo(M2dArena *arena, M2dUndo undo)
{
	M2dJournal *j = arena->journal;

	if (depth(j) == j->cap)
		more_room(arena);
	*j->next++ = undo;
}

/* A table of keys for all of the arena so far; they are made where words are written. */
static void more_keys(M2dArena *arena)
{
	M2dJournal *j = arena->journal;

	free(j->keys);
	free(j->noted);
	j->known = MIN(2 * arena->used, arena->reserved);
	j->keys = calloc(j->known / 8 + 1, sizeof(M2dHash128));
	j->noted = calloc(j->known / 8 + 1, 1);
	if (j->keys == NULL || j->noted == NULL)
		g_error("no memory for the keys of a hash");
}

/* The word at @off was @old and is @value. */
static G_GNUC_NO_INLINE void log_slow(M2dArena *arena, uint64_t off, uint64_t old, uint64_t value)
{
	M2dJournal *j = arena->journal;
	M2dHash128 *key;

	put_undo(arena, (M2dUndo){.off = off, .old = old});
	if (off >= j->known)
		more_keys(arena);
	key = &j->keys[off / 8];
	*key = m2d_arena_key(off);
	set_sum(arena, m2d_arena_weigh(get_sum(arena), *key, old, value));
	if (arena->twice)
		arena->hash2 ^= m2d_arena_mix2(off, old) ^ m2d_arena_mix2(off, value);
}

/* What changes with each word logged, in registers. */
typedef struct {
	M2dUndo *next;
	M2dHash128 sum;
} Log;

M2D_ALWAYS_INLINE Log log_begin(const M2dArena *arena)
{
	return (Log){arena->journal->next, get_sum(arena)};
}

M2D_ALWAYS_INLINE void log_end(M2dArena *arena, const Log *log)
{
	arena->journal->next = log->next;
	set_sum(arena, log->sum);
}

/* The word at @off was @old and is @value. False: log_slow() has to see to it. */
M2D_ALWAYS_INLINE bool log_change(Log *log, const M2dJournal *j, uint64_t off, uint64_t old,
				  uint64_t value)
{
	const M2dHash128 *key = (const void *)((const uint8_t *)j->keys + 2 * off);

	_Static_assert(sizeof(M2dHash128) == 16, "a key is twice as long as a word");
	if (m2d_unlikely(log->next >= j->limit || off >= j->known || key->high == 0))
		return false;
	*log->next++ = (M2dUndo){.off = off, .old = old};
	log->sum = m2d_arena_weigh(log->sum, *key, old, value);
	return true;
}

/* Calls nothing, unless for the last time, so that no registers need to be saved. */
M2D_ALWAYS_INLINE void log_word(M2dArena *arena, uint64_t *word, uint64_t value)
{
	uint64_t old = *word, off = m2d_arena_offset(arena, word);
	Log log;

	if (old == value)
		return;
	*word = value;
	log = log_begin(arena);
	if (m2d_likely(log_change(&log, arena->journal, off, old, value)))
		log_end(arena, &log);
	else
		log_slow(arena, off, old, value);
}

/* log_word() for the words at @off that were @old and are @now. @store: NULL: they were stored
 * already; else that is done here, too. */
M2D_ALWAYS_INLINE void log_words(M2dArena *arena, uint64_t off, const uint64_t *old,
				 const uint64_t *now, uint64_t *store, uint64_t n)
{
	const M2dJournal *j = arena->journal;
	Log log = log_begin(arena);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t was = old[i], is = now[i];

		if (was == is)
			continue;
		if (store != NULL)
			store[i] = is;
		if (m2d_likely(log_change(&log, j, off + 8 * i, was, is)))
			continue;
		log_end(arena, &log);
		log_slow(arena, off + 8 * i, was, is);
		log = log_begin(arena);
	}
	log_end(arena, &log);
}

void m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value)
{
	log_word(arena, word, value);
}

/* Little-endian, as the host that the words are shared with. */
M2D_ALWAYS_INLINE void log_part(M2dArena *arena, void *p, uint64_t mask, uint64_t value)
{
	unsigned offset = (unsigned)((uintptr_t)p & 7), shift = offset * 8;
	uint64_t *word = (uint64_t *)(void *)((uint8_t *)p - offset);

	log_word(arena, word, (*word & ~(mask << shift)) | value << shift);
}

void m2d_arena_log32(M2dArena *arena, uint32_t *p, uint32_t value)
{
	log_part(arena, p, UINT32_MAX, value);
}

void m2d_arena_log16(M2dArena *arena, uint16_t *p, uint16_t value)
{
	log_part(arena, p, UINT16_MAX, value);
}

void m2d_arena_log8(M2dArena *arena, uint8_t *p, uint8_t value)
{
	log_part(arena, p, UINT8_MAX, value);
}

void m2d_arena_note(M2dArena *arena, uint64_t *word, const uint64_t *old, uint64_t n)
{
	log_words(arena, m2d_arena_offset(arena, word), old, word, NULL, n);
}

void m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if ((((uintptr_t)d | (uintptr_t)s | len) & 7) == 0) {
		log_words(arena, m2d_arena_offset(arena, d), dst, src, dst, len / 8);
		return;
	}
	while (len > 0) {
		uint64_t off = m2d_arena_offset(arena, d) & 7;
		uint64_t n = MIN(8 - off, len), value, *word = (uint64_t *)(d - off);

		if (n == 8) {
			memcpy(&value, s, 8);
		} else {
			value = *word;
			memcpy((uint8_t *)&value + off, s, n);
		}
		log_word(arena, word, value);
		d += n;
		s += n;
		len -= n;
	}
}

/* The sum of the keys of @n words from @off on. */
static M2dHash128 fill_key(M2dArena *arena, uint64_t off, uint64_t n)
{
	M2dFill *f = &arena->journal->fill[off / 4096 % M2D_KNOWN_FILLS];
	M2dHash128 sum = {0};

	if (f->off == off && f->n == n)
		return f->sum;
	for (uint64_t i = 0; i < n; i++)
		sum = m2d_arena_weigh(sum, m2d_arena_key(off + 8 * i), 0, 1);
	*f = (M2dFill){off, n, sum};
	return sum;
}

void m2d_arena_fill(M2dArena *arena, uint64_t *word, uint64_t n, uint64_t value)
{
	M2dJournal *j = arena->journal;
	uint64_t off = m2d_arena_offset(arena, word), any = 0;

	if (j != NULL)
		for (uint64_t i = 0; i < n; i++)
			any |= word[i];
	if (j != NULL && (any != 0 || arena->twice)) {
		for (uint64_t i = 0; i < n; i++)
			log_word(arena, &word[i], value);
		return;
	}
	if (j != NULL && n != 0 && value != 0) {
		put_undo(arena, (M2dUndo){.off = off | UNDO_FILL, .old = n});
		set_sum(arena, m2d_arena_weigh(get_sum(arena), fill_key(arena, off, n), 0, value));
	}
	for (uint64_t i = 0; i < n; i++)
		word[i] = value;
}

/* --- changes that are made again -------------------------------------------------------------- */

/* The oldest value counts. */
static void add_change(const M2dArena *arena, GArray *changes, uint64_t off, uint64_t old)
{
	M2dArenaChange c = {off, old, *(const uint64_t *)m2d_arena_at(arena, off)};
	uint8_t *noted = &arena->journal->noted[off / 8];

	if (*noted)
		return;
	*noted = 1;
	g_array_append_val(changes, c);
}

static void add_changes(const M2dArena *arena, GArray *changes, const M2dUndo *u)
{
	uint64_t off = u->off & ~UNDO_BITS;

	if (u->off & UNDO_STEP)
		for (uint32_t i = 0; i < all_of(u); i++)
			add_change(arena, changes, changes_of(u)[i].off, changes_of(u)[i].old);
	else if (u->off & UNDO_FILL)
		for (uint64_t i = 0; i < u->old; i++)
			add_change(arena, changes, off + 8 * i, 0);
	else
		add_change(arena, changes, off, u->old);
}

void m2d_arena_changes(M2dArena *arena, M2dMark mark, GArray *changes, M2dArenaDelta *delta)
{
	const M2dJournal *j = arena->journal;
	guint first = changes->len;
	unsigned __int128 now = (unsigned __int128)arena->hash << 64 | arena->hash_low;
	unsigned __int128 was = (unsigned __int128)mark.hash << 64 | mark.hash_low, sum = now - was;

	if (arena->used > j->known)
		more_keys(arena);
	for (const M2dUndo *u = j->undo + mark.depth; u != j->next; u++)
		add_changes(arena, changes, u);
	for (guint i = first; i < changes->len; i++)
		j->noted[g_array_index(changes, M2dArenaChange, i).off / 8] = 0;
	*delta = (M2dArenaDelta){(uint64_t)(sum >> 64), (uint64_t)sum, arena->hash2 ^ mark.hash2,
				 arena->used - mark.used};
}

void m2d_arena_apply(M2dArena *arena, const M2dArenaChange *c, uint32_t n_now, uint32_t n,
		     const M2dArenaDelta *delta)
{
	uint8_t *base = arena->base;
	uint64_t late = n_now != n ? UNDO_LATE : 0;

	for (uint32_t i = 0; i < n_now; i++)
		*(uint64_t *)(void *)(base + c[i].off) = c[i].now;
	put_undo(arena, (M2dUndo){.step = (const uint8_t *)c + (UNDO_STEP | late),
				  .old = (uint64_t)n_now << 32 | n});
	arena->hash += delta->hash +
		       __builtin_add_overflow(arena->hash_low, delta->hash_low, &arena->hash_low);
	arena->hash2 ^= delta->hash2;
	arena->used += delta->used;
}

void m2d_arena_catch_up(M2dArena *arena)
{
	M2dJournal *j = arena->journal;

	for (M2dUndo *u = j->undo + j->late; u != j->next; u++) {
		const M2dArenaChange *c = changes_of(u);

		if (!(u->off & UNDO_LATE))
			continue;
		for (uint32_t i = now_of(u); i < all_of(u); i++)
			*(uint64_t *)(void *)(arena->base + c[i].off) = c[i].now;
		u->off &= ~UNDO_LATE;
	}
	j->late = depth(j);
}
