/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arena: one flat, zero-initialised block that holds every mutable bit of a world. Objects in
 * it are laid out once, never move and contain no host pointers to data outside it. All writes go
 * through m2d_set*(): plain stores while no journal is attached; with a journal they also log the
 * old value and keep an incremental hash of the whole block, so that any earlier state can be
 * restored byte for byte and states can be compared by 64 bits.
 *
 * Invariants between calls: bytes at and beyond @used are zero; with a journal attached, @hash
 * equals m2d_arena_rehash().
 *
 * Statistics do not live here: they must survive a rollback.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sim/base/bits.h"

typedef struct _M2dArena M2dArena;
typedef struct _M2dJournal M2dJournal;

/*
 * M2D_OWN_WORD: before a member of an object in the arena, what one actor writes and another reads.
 * A step that is known by the words it reads (sim/explore/memo.h) would read neighbours of it, too.
 */
#define M2D_OWN_WORD _Alignas(8)

/* Fields are public for the inline writers only. */
struct _M2dArena {
	uint8_t *base;       /* start of the reserved block; page aligned */
	uint64_t used;       /* bytes handed out */
	uint64_t reserved;   /* bytes of address space behind @base */
	uint64_t hash;       /* upper half of the sum over all words; kept only with a journal */
	uint64_t hash_low;   /* its lower half */
	uint64_t hash2;      /* another one, from when it was asked for; else 0 */
	bool twice;          /* it is kept */
	M2dJournal *journal; /* NULL: writes are plain stores */
};

/* A state to return to: see m2d_arena_mark(). */
typedef struct {
	uint64_t depth; /* journal records at the mark */
	uint64_t used;
	uint64_t hash, hash_low, hash2;
} M2dMark;

/**
 * m2d_arena_new: reserve @reserve bytes of address space (rounded up to pages) for one arena.
 * Memory is committed on first touch. Returns NULL with @error if the kernel refuses.
 * Free with m2d_arena_free().
 */
M2dArena *m2d_arena_new(uint64_t reserve, GError **error);
void m2d_arena_free(M2dArena *arena);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dArena, m2d_arena_free)

/**
 * m2d_arena_alloc: @bytes of zeroed arena, aligned to @align (a power of two, at least 8).
 * Never fails for a caller that stays within the reservation; running out is reported on stderr
 * and ends the process with status 3, since no caller could continue.
 */
void *m2d_arena_alloc(M2dArena *arena, uint64_t bytes, uint64_t align);

/* m2d_arena_attach_journal: from now on log every write. The hash is computed afresh. */
void m2d_arena_attach_journal(M2dArena *arena);
/* m2d_arena_detach_journal: forget all logged values; writes become plain stores again. */
void m2d_arena_detach_journal(M2dArena *arena);

/* m2d_arena_hash_twice: keep @hash2, which starts at 0, or do not: 128 bits tell more states apart
 * than
 * 64. It is independent of @hash. */
void m2d_arena_hash_twice(M2dArena *arena, bool yes);

/* m2d_arena_mark: the present state; needs a journal. */
M2dMark m2d_arena_mark(const M2dArena *arena);
/**
 * m2d_arena_rollback, m2d_arena_rollback_to: restore the state at @mark byte for byte, allocations
 * included. Marks taken after @mark become invalid. @mark must stem from the attached journal.
 */
void m2d_arena_rollback_to(M2dArena *arena, const M2dMark *mark);

static inline void m2d_arena_rollback(M2dArena *arena, M2dMark mark)
{
	m2d_arena_rollback_to(arena, &mark);
}

/* One word that a step has changed. */
typedef struct {
	uint64_t off, old, now;
} M2dArenaChange;

/* What all changes of a step add to the sums, and to @used. */
typedef struct {
	uint64_t hash, hash_low, hash2;
	uint64_t used;
} M2dArenaDelta;

/* m2d_arena_changes: append what has changed since @mark to @changes, of M2dArenaChange; no word
 * twice. */
void m2d_arena_changes(M2dArena *arena, M2dMark mark, GArray *changes, M2dArenaDelta *delta);
/**
 * m2d_arena_apply: make such changes in a state in which all the words are as they were. Of the @n
 * stores only the first @n_now need be made before m2d_arena_catch_up(). Until then nobody may look
 * at the words of the others, nor store to them but as something that is left for later, too. The
 * hash is that of all at once. @changes must stay as they are as long as the journal has the step;
 * after m2d_arena_catch_up() their order may change.
 */
void m2d_arena_apply(M2dArena *arena, const M2dArenaChange *changes, uint32_t n_now, uint32_t n,
		     const M2dArenaDelta *delta);
/* m2d_arena_catch_up: make the stores that were left for later. */
void m2d_arena_catch_up(M2dArena *arena);

/* m2d_arena_rehash: the hash computed from all words; equals @hash while a journal is attached. */
uint64_t m2d_arena_rehash(const M2dArena *arena);

/* Slow halves of m2d_set*(): replace the aligned word, or a part of one, with log and hash. */
void m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value);
void m2d_arena_log32(M2dArena *arena, uint32_t *p, uint32_t value);
void m2d_arena_log16(M2dArena *arena, uint16_t *p, uint16_t value);
void m2d_arena_log8(M2dArena *arena, uint8_t *p, uint8_t value);

/* m2d_arena_note: @n aligned words were stored to plainly; they held @old before. Log those that
 * differ. Needs a journal. */
void m2d_arena_note(M2dArena *arena, uint64_t *word, const uint64_t *old, uint64_t n);

/*
 * The hash is multilinear (Lemire and Kaser, Strongly universal string hashing is fast): each word
 * counts times the 128-bit key of its place, modulo 2^128, and the upper 64 bits of the sum tell
 * two given states apart but for 2^-64 of all choices of keys. A word of 0 counts nothing, so fresh
 * memory changes nothing, and a change of a word adds its key times the difference.
 */
typedef struct {
	uint64_t low, high;
} M2dHash128;

/* Key of the word at byte offset @off: neighbours in a sequence of splitmix64. */
static inline M2dHash128 m2d_arena_key(uint64_t off)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t at = (off / 4 + 1) * step;

	return (M2dHash128){m2d_mix64(at), m2d_mix64(at + step)};
}

/* @sum where the word with @key was @from and is @to. */
static inline M2dHash128 m2d_arena_weigh(M2dHash128 sum, M2dHash128 key, uint64_t from, uint64_t to)
{
	uint64_t diff = to - from, borrowed = to < from ? key.low : 0;
	unsigned __int128 low = (unsigned __int128)key.low * diff + sum.low;

	return (M2dHash128){(uint64_t)low,
			    sum.high + (uint64_t)(low >> 64) + key.high * diff - borrowed};
}

/* Contribution of the word at byte offset @off to @hash2. */
static inline uint64_t m2d_arena_mix2(uint64_t off, uint64_t word)
{
	return word == 0 ? 0 : m2d_mix64(word ^ m2d_mix64(off * UINT64_C(0x9e3779b97f4a7c15) + 1));
}

/* Byte offset of @p, which must lie in @arena. */
static inline uint64_t m2d_arena_offset(const M2dArena *arena, const void *p)
{
	return (uint64_t)((const uint8_t *)p - arena->base);
}

static inline void *m2d_arena_at(const M2dArena *arena, uint64_t off)
{
	return arena->base + off;
}

M2D_ALWAYS_INLINE void m2d_set64(M2dArena *arena, uint64_t *p, uint64_t v)
{
	if (m2d_unlikely(arena->journal != NULL))
		m2d_arena_log_word(arena, p, v);
	else
		*p = v;
}

M2D_ALWAYS_INLINE void m2d_set32(M2dArena *arena, uint32_t *p, uint32_t v)
{
	if (m2d_unlikely(arena->journal != NULL))
		m2d_arena_log32(arena, p, v);
	else
		*p = v;
}

M2D_ALWAYS_INLINE void m2d_set16(M2dArena *arena, uint16_t *p, uint16_t v)
{
	if (m2d_unlikely(arena->journal != NULL))
		m2d_arena_log16(arena, p, v);
	else
		*p = v;
}

M2D_ALWAYS_INLINE void m2d_set8(M2dArena *arena, uint8_t *p, uint8_t v)
{
	if (m2d_unlikely(arena->journal != NULL))
		m2d_arena_log8(arena, p, v);
	else
		*p = v;
}

/* m2d_arena_fill: set @n aligned words to @value; where all were 0 this is one record of the log.
 */
void m2d_arena_fill(M2dArena *arena, uint64_t *word, uint64_t n, uint64_t value);

/* Slow half of m2d_arena_write(). */
void m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len);

/* m2d_arena_write: copy @len bytes to @dst (anywhere in the arena) as m2d_set*() would. */
M2D_ALWAYS_INLINE void m2d_arena_write(M2dArena *arena, void *dst, const void *src, uint64_t len)
{
	if (m2d_unlikely(arena->journal != NULL))
		m2d_arena_log_bytes(arena, dst, src, len);
	else
		memcpy(dst, src, len);
}
