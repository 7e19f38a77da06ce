/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address kinds. Each is a struct of one field, so that mixing a guest-virtual, a guest-physical
 * and a host-physical address does not compile; at run time they cost nothing. Frame numbers
 * (gfn, pfn) are plain integers: the address shifted right by M2D_PAGE_SHIFT.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define M2D_PAGE_SHIFT 12
#define M2D_PAGE_SIZE  (1u << M2D_PAGE_SHIFT)

/* Guest-virtual (linear) address, also of the host's own code. */
typedef struct {
	uint64_t v;
} M2dGva;

/* Guest-physical address: input of the second dimension. */
typedef struct {
	uint64_t v;
} M2dGpa;

/* Physical address in the space that holds the frames: output of the last dimension. */
typedef struct {
	uint64_t v;
} M2dHpa;

#define M2D_GVA(x) ((M2dGva){.v = (x)})
#define M2D_GPA(x) ((M2dGpa){.v = (x)})
#define M2D_HPA(x) ((M2dHpa){.v = (x)})

/* Page sizes that a translation or a cached entry may have. */
typedef enum {
	M2D_SIZE_4K,
	M2D_SIZE_2M,
	M2D_SIZE_1G,
	M2D_N_SIZES
} M2dPageSize;

/* Log2 of the bytes in a page of @size: 12, 21 or 30. */
static inline unsigned m2d_size_shift(M2dPageSize size)
{
	return M2D_PAGE_SHIFT + 9u * (unsigned)size;
}
