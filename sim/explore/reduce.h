/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Footprints of whole steps and of what is left of a program, from those of segments: see
 * footprint.h. Bits of an M2dFootprint: of a class that exists once a vCPU four, which vCPUs share
 * modulo four; one of every other class.
 */
#pragma once

#include "sim/explore/footprint.h"

typedef struct _M2dFootprints M2dFootprints;

/* m2d_footprints_new: for actors of @vm, which must outlive it. @moves: vCPUs may change
 * processors.
 */
M2dFootprints *m2d_footprints_new(M2dVm *vm, bool moves);
/* m2d_footprints_new_wrong: the same of a table whose row @row lacks @write among what it writes:
 * the tests must notice. */
M2dFootprints *m2d_footprints_new_wrong(M2dVm *vm, bool moves, unsigned row, M2dTouch write);
void m2d_footprints_free(M2dFootprints *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dFootprints, m2d_footprints_free)

/* m2d_footprints_next: of the next step; @op: what the actor begins if it is idle, NULL: it takes
 * an interrupt. */
void m2d_footprints_next(const M2dFootprints *f, unsigned actor, const M2dOp *op, M2dFootprint *fp);
/* m2d_footprints_begin: of the step that begins @op, as if the actor were idle. */
void m2d_footprints_begin(const M2dFootprints *f, unsigned actor, const M2dOp *op,
			  M2dFootprint *fp);
/* m2d_footprints_under_way: adds all that is left of the operation under way. */
void m2d_footprints_under_way(const M2dFootprints *f, unsigned actor, M2dFootprint *fp);
/* m2d_footprints_op: adds a whole operation. */
void m2d_footprints_op(const M2dFootprints *f, unsigned actor, M2dOpKind kind, M2dFootprint *fp);
/* m2d_footprints_interrupt: adds what an idle vCPU does when it is interrupted. @guest: handlers of
 * the guest may run, else it is only kicked. */
void m2d_footprints_interrupt(const M2dFootprints *f, unsigned actor, bool guest, M2dFootprint *fp);

/* m2d_footprints_visible: the checker's books, of which verdicts are made. */
uint64_t m2d_footprints_visible(void);
/* m2d_footprints_objects: the objects of @classes, a mask; those that exist once a vCPU: of vCPU or
 * processor @of. */
uint64_t m2d_footprints_objects(uint32_t classes, unsigned of);
/* m2d_footprints_mask: the objects behind @touch of @actor. */
uint64_t m2d_footprints_mask(const M2dFootprints *f, unsigned actor, M2dTouch touch);
