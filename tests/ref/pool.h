/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random page tables in a few frames. The frames exist twice: in the simulator's space and in a
 * plain array that the reference walker reads, and every store goes to both. Each frame belongs
 * to one dimension and one level and is filled with entries that mostly make sense there, so that
 * random walks get deep; the low nine bits of a frame number name the frame in either dimension,
 * so that nested leaves mostly lead to the frame a guest entry meant.
 */
#pragma once

#include "sim/base/rng.h"
#include "tests/ref/refwalk.h"

#define POOL_GUEST   30 /* six frames for each of five levels */
#define POOL_NESTED  25 /* five frames for each of five levels */
#define POOL_PML     (POOL_GUEST + POOL_NESTED)
#define POOL_FRAMES  (POOL_PML + 1)
#define POOL_LOW_PFN 0x40

typedef enum {
	FORMAT_NONE, /* paging off, or one dimension only */
	FORMAT_32,
	FORMAT_PAE,
	FORMAT_LONG4,
	FORMAT_LONG5,
	FORMAT_EPT4,
	FORMAT_EPT5,
} Format;

/* One pair of dimensions that the tests go through. */
typedef struct {
	const char *name;
	M2dVendor vendor;
	Format guest;
	Format nested;
} Mode;

extern const Mode pool_mode[];
extern const unsigned pool_n_modes;

typedef struct {
	const Mode *mode;
	M2dRng rng;
	M2dSpace *space; /* of the simulator */
	uint64_t *fast[POOL_FRAMES];
	uint64_t pfn[POOL_FRAMES];
	uint64_t ref[POOL_FRAMES][512];
	unsigned stray_writes; /* of the reference walker, outside the frames */
	RefMemory memory;
	/* Widths of addresses in entries of either dimension. */
	unsigned guest_bits, host_bits;
	/* Entries lead only to frames of their own dimension and the level below, so that an
	 * accessed or dirty bit set through one path never changes what another path means. */
	bool strict;
} Pool;

/* pool_init: lay the frames into @space; @pool must stay where it is. */
void pool_init(Pool *pool, const Mode *mode, M2dSpace *space);
/* pool_fill: new random contents for all frames, for addresses of the given widths. */
void pool_fill(Pool *pool, unsigned guest_bits, unsigned host_bits);
/* pool_write: store an entry of @size bytes at @pa in both memories. */
void pool_write(Pool *pool, uint64_t pa, unsigned size, uint64_t value);
/* pool_mutate: change the entry that @step read in some small or large way. */
void pool_mutate(Pool *pool, const RefStep *step);
/* pool_culprit: the step (of at least one) to repair for the walk to get further. */
const RefStep *pool_culprit(Pool *pool, const RefResult *result);
/* pool_repair: replace the entry that @step read by a fresh one, most likely a good one. */
void pool_repair(Pool *pool, const RefStep *step);
/* pool_same_word: is the 8-byte word around @pa equal in both memories? */
bool pool_same_word(const Pool *pool, uint64_t pa);
/* pool_difference: first address at which the memories differ, or ~0. */
uint64_t pool_difference(const Pool *pool);
/* pool_dump_word: print both memories' word at @pa to stderr. */
void pool_dump_word(const Pool *pool, uint64_t pa);

/* pool_regs: random registers for the mode. */
void pool_regs(Pool *pool, M2dRegs *regs);
/* pool_nested: a second dimension for the mode. */
void pool_nested(Pool *pool, M2dNested *nested);
/* pool_access: a random access that fits @regs. */
void pool_access(Pool *pool, const M2dRegs *regs, M2dAccess *access);
/* pool_chance: true @n times out of 1024. */
bool pool_chance(Pool *pool, unsigned n);

/**
 * pool_compare: do the simulator's @out and @ref agree in everything that the manuals fix?
 * @refs: compare the number of entries read too
 * Returns NULL, or the name of the first field that differs.
 */
const char *pool_compare(const RefCpu *cpu, const M2dAccess *access, const M2dOutcome *ref,
			 const M2dOutcome *out, bool refs);
