/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second dimension when no hypervisor is modelled: a host that backs a guest's memory on
 * demand with nested page tables (AMD) or EPT (Intel). The entries are real 64-bit values in
 * frames of the world's root space (HPA), with accessed and dirty bits clear at first, so that
 * hardware walks find and update them.
 *
 * The host only ever adds mappings: it never write-protects, migrates or takes memory back.
 */
#pragma once

#include "sim/engine/access.h"
#include "sim/engine/world.h"

typedef struct _M2dHostmap M2dHostmap;

typedef struct {
	uint64_t levels;           /* of the tables: 4 or 5 */
	uint64_t memory;           /* bytes of host memory; 0: 1 TiB or all that can be addressed */
	double share_2m, share_1g; /* of guest-physical address space, by page size */
	double scatter;            /* share of 4 KiB frames at pseudo-random places */
	bool ad;                   /* EPT: accessed and dirty bits are on */
	uint64_t seed;
} M2dHostmapConfig;

/* m2d_hostmap_config_init: the defaults: 4 levels, 4 KiB pages in sequence, EPT A/D on. */
void m2d_hostmap_config_init(M2dHostmapConfig *config);
/* m2d_hostmap_config_set: one "host.KEY=VALUE"; the keys are those that foreach calls @fn with. */
bool m2d_hostmap_config_set(M2dHostmapConfig *config, const char *assignment, GError **error);
void m2d_hostmap_config_foreach(const M2dHostmapConfig *config,
				void (*fn)(const char *key, const char *value, void *data),
				void *data);

/**
 * m2d_hostmap_new: tables of @kind (%M2D_NESTED_NPT or %M2D_NESTED_EPT) in @world's root space.
 * @config: copied. NULL with @error if it contradicts itself or the machine.
 * Free with m2d_hostmap_free(), before the world.
 */
M2dHostmap *m2d_hostmap_new(M2dWorld *world, M2dNestedKind kind, const M2dHostmapConfig *config,
			    GError **error);
void m2d_hostmap_free(M2dHostmap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dHostmap, m2d_hostmap_free)

/**
 * m2d_hostmap_nested: fill in the kind, the root (nCR3, or EPTP with write-back type, walk length
 * and A/D bit), the host's paging mode and the EPT capabilities. The tag and the page-modification
 * log are left to the caller and stay untouched.
 */
void m2d_hostmap_nested(const M2dHostmap *map, M2dNested *nested);

/* m2d_hostmap_gpa_bits: guest-physical addresses the tables can map: below 2^n. */
unsigned m2d_hostmap_gpa_bits(const M2dHostmap *map);

/**
 * m2d_hostmap_translate: where @gpa is, mapping it first if needed; how the host and whoever
 * plays the guest's system reach guest memory. Sets no accessed or dirty bits.
 * False if @gpa is out of reach or host memory is full.
 */
bool m2d_hostmap_translate(M2dHostmap *map, M2dGpa gpa, M2dHpa *hpa);

/**
 * m2d_hostmap_fault: resolve a nested page fault or EPT violation at @gpa by mapping it.
 * False with @error if that cannot help: out of reach, memory full, or mapped already (the
 * mapping grants every right, so the fault has another cause).
 */
bool m2d_hostmap_fault(M2dHostmap *map, M2dGpa gpa, GError **error);

/* m2d_hostmap_find: as translate, but maps nothing: false if @gpa is not mapped. */
bool m2d_hostmap_find(const M2dHostmap *map, M2dGpa gpa, M2dHpa *hpa, M2dPageSize *size);

/* m2d_hostmap_taken: bytes of host memory in use, tables included. */
uint64_t m2d_hostmap_taken(const M2dHostmap *map);
