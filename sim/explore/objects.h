/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which objects a byte of the arena belongs to: the vocabulary of footprints. Objects are classes
 * of objects.def; of those that exist once a vCPU, each vCPU has its own.
 */
#pragma once

#include "sim/check/check.h"

typedef enum {
#define PER(name, text) M2D_OBJ_##name,
#define ONE(name, text) M2D_OBJ_##name,
#include "sim/explore/objects.def"
#undef PER
#undef ONE
	M2D_N_OBJ
} M2dObjClass;

/* Classes below this exist once a vCPU, or once a processor. */
#define M2D_N_OBJ_PER ((unsigned)M2D_OBJ_ITEMS + 1)

/* m2d_object_name, m2d_object_text: of a class. */
const char *m2d_object_name(M2dObjClass kind);
const char *m2d_object_text(M2dObjClass kind);
/* m2d_object_find: M2D_N_OBJ if there is no class of that name. */
M2dObjClass m2d_object_find(const char *name);

/* What one byte of the arena is. */
typedef struct {
	uint32_t classes; /* mask; of free frames several; 0: private */
	uint8_t of;       /* vCPU or processor of a class PER; the actor of private bytes */
	bool idle;        /* private, but others look whether it is 0 */
	uint64_t frame;   /* + 1, that it lies in; 0: none */
	uint64_t owner;   /* + 1: says who has this frame */
} M2dObjAt;

typedef struct _M2dObjects M2dObjects;

/* m2d_objects_new: of the world of @vm, watched by @check. Both must outlive it. */
M2dObjects *m2d_objects_new(M2dVm *vm, M2dCheck *check);
void m2d_objects_free(M2dObjects *objects);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dObjects, m2d_objects_free)

/* m2d_objects_private: bytes that only @actor looks at, beside its task. */
void m2d_objects_private(M2dObjects *objects, const void *at, uint64_t bytes, unsigned actor);

/* m2d_objects_refresh: the arena has grown or was rolled back. */
void m2d_objects_refresh(M2dObjects *objects);

/* m2d_objects_at: what the byte at @off belongs to. */
M2dObjAt m2d_objects_at(const M2dObjects *objects, uint64_t off);
/* m2d_objects_frame: classes of frame @pfn now. */
uint32_t m2d_objects_frame(const M2dObjects *objects, uint64_t pfn);
