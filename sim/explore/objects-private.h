/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by objects.c and objects-check.c only. */
#pragma once

#include "sim/explore/objects.h"

struct _M2dObjects {
	M2dVm *vm;
	M2dCheck *check;
	GArray *fixed; /* of M2dRegion */
	GArray *all;   /* of M2dRegion, sorted: @fixed and what grows */
};

/* Bytes [@off, @end) of the arena. */
typedef struct {
	uint64_t off, end;
	M2dObjAt what;
} M2dRegion;

/* m2d_objects_add: a region; @class: M2D_N_OBJ: private to actor @of. */
void m2d_objects_add(M2dObjects *o, GArray *list, const void *at, uint64_t bytes, unsigned class,
		     unsigned of);

#define M2D_ADD(o, field, class, of)                                                               \
	m2d_objects_add((o), (o)->fixed, &(field), sizeof(field), M2D_OBJ_##class, (of))

/* m2d_objects_check: the checker's regions: laid out, and grown. */
void m2d_objects_check(M2dObjects *o);
void m2d_objects_check_grown(M2dObjects *o);
