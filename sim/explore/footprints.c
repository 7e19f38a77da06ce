/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of footprints-mmu.def and footprints-kvm.def. */
#include "sim/explore/footprint.h"
#include "sim/vm/request.h"

/* Names of classes as masks. */
enum {
	NOTHING,
#define PER(name, text) name = 1u << M2D_OBJ_##name,
#define ONE(name, text) name = 1u << M2D_OBJ_##name,
#include "sim/explore/objects.def"
#undef PER
#undef ONE
};

#define OTHER(classes) ((M2dTouch)(classes) << M2D_TOUCH_OTHER)

/* What is touched together is entered together: see tests/footprints/print-rows.c. */
#define ALL_MEMORY (LAYOUT | GUEST | SPTE | HOST)
#define ALL_MMU    (SHADOW | RMAP | TRACK | DIRTY)
#define ALL_BOOKS  (NODES | DUE | FOLLOW | BOOKS)
#define ALL_LOCKS  (SLOTS | LOCK_MMU | LOCK_SLOTS | LOCK_UNSYNC | SEQ | GEN)
#define ALL_CPUS   (MODE | HW | ITEMS | OTHER(MODE | HW | ITEMS))
#define ALL_ITEMS  (ITEMS | OTHER(ITEMS))

#define START           M2D_SEG_START, 0
#define OPERATION(name) M2D_SEG_START, M2D_OP_##name + 1
#define POINT(name)     M2D_SEG_POINT, M2D_PT_##name
#define WAIT(name)      M2D_SEG_WAIT, M2D_WAIT_##name
#define AFTER(name)     M2D_SEG_AFTER, M2D_R_##name

#define RETURNS    true
#define STOPS      false
#define R(name)    M2D_R_##name,
#define CALLS(...) ((const uint8_t[]){__VA_ARGS__ 0})

static const M2dFootRow rows[] = {
#define SEGMENT(routine, at, read, write, returns, calls)                                          \
	{{M2D_R_##routine, at}, (read), (write), returns, calls},
#include "sim/explore/footprints-mmu.def"
#include "sim/explore/footprints-kvm.def"
#undef SEGMENT
};

const M2dFootRow *m2d_footprints_row(unsigned index)
{
	return index < M2D_N_ELEMENTS(rows) ? &rows[index] : NULL;
}
