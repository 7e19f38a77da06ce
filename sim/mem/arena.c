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
	uint64_t off; /* of the word; UNDO_FILL: of the first of @old words that were 0 */
	uint64_t old;
} M2dUndo;

#define UNDO_FILL UINT64_C(1)

/* What fills contribute to the hash: the same few pages are filled again and again. */
#define M2D_KNOWN_FILLS 64u

typedef struct {
	uint64_t off, n, value, hash; /* n 0: none */
} M2dFill;

struct _M2dJournal {
	M2dUndo *undo;
	uint64_t n, cap;
	M2dFill fill[M2D_KNOWN_FILLS];
};

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

void m2d_arena_attach_journal(M2dArena *arena)
{
	if (arena->journal != NULL)
		return;
	arena->hash = m2d_arena_rehash(arena);
	arena->journal = g_new0(M2dJournal, 1);
}

void m2d_arena_detach_journal(M2dArena *arena)
{
	if (arena->journal == NULL)
		return;
	g_free(arena->journal->undo);
	g_clear_pointer(&arena->journal, g_free);
}

void m2d_arena_hash_twice(M2dArena *arena, bool yes)
{
	arena->hash2 = 0;
	arena->twice = yes;
}

M2dMark m2d_arena_mark(const M2dArena *arena)
{
	g_assert(arena->journal != NULL);
	return (M2dMark){arena->journal->n, arena->used, arena->hash, arena->hash2};
}

void m2d_arena_rollback(M2dArena *arena, M2dMark mark)
{
	M2dJournal *j = arena->journal;

	g_assert(j != NULL && mark.depth <= j->n && mark.used <= arena->used);
	while (j->n > mark.depth) {
		M2dUndo u = j->undo[--j->n];

		if (m2d_unlikely(u.off & UNDO_FILL))
			memset(m2d_arena_at(arena, u.off & ~UNDO_FILL), 0, u.old * 8);
		else
			*(uint64_t *)m2d_arena_at(arena, u.off) = u.old;
	}
	arena->used = mark.used;
	arena->hash = mark.hash;
	arena->hash2 = mark.hash2;
}

uint64_t m2d_arena_rehash(const M2dArena *arena)
{
	const uint64_t *word = (const uint64_t *)arena->base;
	uint64_t hash = 0;

	for (uint64_t i = 0; i < (arena->used + 7) / 8; i++)
		hash ^= m2d_arena_mix(i * 8, word[i]);
	return hash;
}

static void more_room(M2dJournal *j)
{
	j->cap = j->cap != 0 ? j->cap * 2 : 1024;
	j->undo = g_renew(M2dUndo, j->undo, j->cap);
}

M2D_ALWAYS_INLINE void log_word(M2dArena *arena, uint64_t *word, uint64_t value)
{
	M2dJournal *j = arena->journal;
	uint64_t off = m2d_arena_offset(arena, word), old = *word;

	if (old == value)
		return;
	if (m2d_unlikely(j->n == j->cap))
		more_room(j);
	j->undo[j->n++] = (M2dUndo){off, old};
	arena->hash ^= m2d_arena_mix(off, old) ^ m2d_arena_mix(off, value);
	if (m2d_unlikely(arena->twice))
		arena->hash2 ^= m2d_arena_mix2(off, old) ^ m2d_arena_mix2(off, value);
	*word = value;
}

void m2d_arena_log_word(M2dArena *arena, uint64_t *word, uint64_t value)
{
	log_word(arena, word, value);
}

void m2d_arena_log_part(M2dArena *arena, void *p, unsigned size, uint64_t v)
{
	uint64_t off = m2d_arena_offset(arena, p);
	uint64_t *word = m2d_arena_at(arena, off & ~UINT64_C(7));
	uint64_t mask = m2d_low_mask(8 * size);
	unsigned shift = (unsigned)(off & 7) * 8;

	/* Little-endian, as the host that the words are shared with. */
	log_word(arena, word, (*word & ~(mask << shift)) | (v & mask) << shift);
}

void m2d_arena_log_bytes(M2dArena *arena, void *dst, const void *src, uint64_t len)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

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

static uint64_t fill_hash(M2dArena *arena, uint64_t off, uint64_t n, uint64_t value)
{
	M2dFill *f = &arena->journal->fill[off / 4096 % M2D_KNOWN_FILLS];
	uint64_t hash = 0;

	if (f->off == off && f->n == n && f->value == value)
		return f->hash;
	for (uint64_t i = 0; i < n; i++)
		hash ^= m2d_arena_mix(off + 8 * i, value);
	*f = (M2dFill){off, n, value, hash};
	return hash;
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
		if (j->n == j->cap)
			more_room(j);
		j->undo[j->n++] = (M2dUndo){off | UNDO_FILL, n};
		arena->hash ^= fill_hash(arena, off, n, value);
	}
	for (uint64_t i = 0; i < n; i++)
		word[i] = value;
}
