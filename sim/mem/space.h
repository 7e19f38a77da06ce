/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical address spaces. A root space owns frames, made on demand and zero at first; a derived
 * space (L1-physical memory under an outer hypervisor) owns none: its frames are windows onto
 * frames of its parent, entered by m2d_space_map(). Addresses go up to 52 bits. Frames never move.
 *
 * Every page table lives in exactly one space and is read and written through it. A write is
 * reported, whoever makes it, to the observers of the space it was made through: those of a parent
 * do not see writes through a space derived from it, nor the reverse.
 */
#pragma once

#include "sim/base/addr.h"
#include "sim/mem/arena.h"

#define M2D_PHYS_BITS 52

typedef struct _M2dSpace M2dSpace;

/* One write of @size bytes (1, 2, 4 or 8) at @pa; the new value is already in memory. */
typedef struct {
	M2dSpace *space;
	M2dHpa pa;
	uint64_t old_value;
	uint64_t new_value;
	unsigned size;
} M2dWrite;

typedef void (*M2dWriteObserver)(const M2dWrite *write, void *data);

/* m2d_space_new: a root space in @arena. Free with m2d_space_free(); the arena keeps the frames. */
M2dSpace *m2d_space_new(M2dArena *arena);
/* m2d_space_derive: a space on top of @parent, empty until m2d_space_map(). */
M2dSpace *m2d_space_derive(M2dSpace *parent);
void m2d_space_free(M2dSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dSpace, m2d_space_free)

M2dArena *m2d_space_arena(const M2dSpace *space);
/* m2d_space_frames: frames that exist (root) or are mapped (derived). */
uint64_t m2d_space_frames(const M2dSpace *space);

/* m2d_space_map: let frame @pfn of derived @space be frame @parent_pfn of its parent. */
void m2d_space_map(M2dSpace *space, uint64_t pfn, uint64_t parent_pfn);
/* m2d_space_unmap: make frame @pfn of derived @space absent again. */
void m2d_space_unmap(M2dSpace *space, uint64_t pfn);

/**
 * m2d_space_frame: the 512 words of frame @pfn, or NULL if it does not exist. For reading; write
 * through m2d_space_write*() or observers and journal miss it.
 */
uint64_t *m2d_space_frame(const M2dSpace *space, uint64_t pfn);
/**
 * m2d_space_frame_make: as m2d_space_frame(), but makes an absent frame of a root space. In a
 * derived space an unmapped frame gives NULL.
 */
uint64_t *m2d_space_frame_make(M2dSpace *space, uint64_t pfn);

/* m2d_space_foreach: call @fn for every frame, in ascending order of pfn. */
void m2d_space_foreach(const M2dSpace *space,
		       void (*fn)(uint64_t pfn, const uint64_t *words, void *data), void *data);

/**
 * m2d_space_read: copy @len bytes at @pa, crossing frames as needed; absent memory reads as 0.
 * m2d_space_write: the reverse; makes frames. False if a derived space lacks a frame (nothing
 * from there on is written).
 */
void m2d_space_read(const M2dSpace *space, M2dHpa pa, void *buf, uint64_t len);
bool m2d_space_write(M2dSpace *space, M2dHpa pa, const void *buf, uint64_t len);

/* m2d_space_read64/32: the aligned word at @pa; 0 where no frame exists. */
static inline uint64_t m2d_space_read64(const M2dSpace *space, M2dHpa pa)
{
	const uint64_t *f = m2d_space_frame(space, pa.v >> M2D_PAGE_SHIFT);

	return f != NULL ? f[(pa.v & 4095) / 8] : 0;
}

static inline uint32_t m2d_space_read32(const M2dSpace *space, M2dHpa pa)
{
	const uint64_t *f = m2d_space_frame(space, pa.v >> M2D_PAGE_SHIFT);

	return f != NULL ? ((const uint32_t *)f)[(pa.v & 4095) / 4] : 0;
}

/* m2d_space_write64/32: store to the aligned word at @pa, seen by journal and observers. Makes the
 * frame of a root space; that of a derived one must be there. */
void m2d_space_write64(M2dSpace *space, M2dHpa pa, uint64_t value);
void m2d_space_write32(M2dSpace *space, M2dHpa pa, uint32_t value);

/**
 * m2d_space_fill: set all 512 words of frame @pfn, which exists, to @value. For frames that change
 * hands: nothing can have been derived from their words, so observers are not told.
 */
void m2d_space_fill(M2dSpace *space, uint64_t pfn, uint64_t value);

/**
 * m2d_space_observe: call @observer after every write through @space, in order of registration.
 * m2d_space_unobserve: the reverse, for the same pair.
 */
void m2d_space_observe(M2dSpace *space, M2dWriteObserver observer, void *data);
void m2d_space_unobserve(M2dSpace *space, M2dWriteObserver observer, void *data);
