/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the next step of an actor may read and write, and what all its later steps may: static
 * footprints of the real models.
 *
 * A routine is cut into segments: from where it is entered, from each point and wait, and from
 * behind each call of another routine. footprints-mmu.def and footprints-kvm.def say for each
 * segment what its own code may touch, which routines it may call and whether it may return without
 * a stop. A step is the segment of the innermost frame, with those of the routines that it may call
 * from their start and of the callers that it may return to. tests/footprints checks the table
 * against every byte that real steps read and wrote.
 */
#pragma once

#include "sim/explore/explore.h"
#include "sim/explore/objects.h"
#include "sim/kvm/kvm.h"

/* Where a segment begins. */
typedef enum {
	M2D_SEG_START, /* entered; of the routines that carry out operations: which one */
	M2D_SEG_POINT, /* M2dPoint */
	M2D_SEG_WAIT,  /* M2dWait */
	M2D_SEG_AFTER, /* the number of a routine that has returned to it */
	M2D_N_SEGS
} M2dSegKind;

typedef struct {
	uint16_t routine;
	uint8_t kind; /* M2dSegKind */
	uint8_t what; /* M2dOpKind + 1, M2dPoint, M2dWait or M2dRoutine; 0: none */
} M2dSegment;

/* Classes that a segment touches: bits 31:0 the actor's own and those that exist once, 63:32 those
 * of others, by class. */
typedef uint64_t M2dTouch;

#define M2D_TOUCH_OTHER 32

typedef struct {
	M2dSegment at;
	M2dTouch read, write;
	bool returns;          /* may come to its end within the step */
	const uint8_t *called; /* routines that it may call, terminated by 0 */
} M2dFootRow;

/* m2d_footprints_row: row @index of the table; NULL behind the last. */
const M2dFootRow *m2d_footprints_row(unsigned index);

/* m2d_segment: where frame @depth of @actor's task stands, 0 the innermost; false: no such frame.
 */
bool m2d_segment(const M2dVm *vm, unsigned actor, unsigned depth, M2dSegment *seg);
/* m2d_segment_op: the operation that the actor carries out; it must not be idle. */
M2dOpKind m2d_segment_op(const M2dVm *vm, unsigned actor);
/* m2d_segment_start: where an idle actor's next operation begins; @op: NULL: an interrupt. */
M2dSegment m2d_segment_start(const M2dVm *vm, unsigned actor, const M2dOp *op);
/* m2d_segment_name: g_free(). */
char *m2d_segment_name(M2dSegment seg);
