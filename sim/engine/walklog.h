/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entries that one walk read, in order. Walkers append, timing charges each fetch afterwards,
 * the teaching view prints them: a walk never knows what a fetch costs.
 */
#pragma once

#include <stdint.h>

#include "sim/engine/stats.h"

typedef enum {
	M2D_DIM_GUEST,  /* first dimension; the only one without nested paging */
	M2D_DIM_NESTED, /* second dimension */
} M2dDimension;

typedef struct {
	uint64_t hpa;        /* of the entry */
	uint64_t gpa;        /* of the entry, first dimension; the address translated, second */
	uint64_t value;      /* as read, before any update of A or D */
	uint8_t dimension;   /* M2dDimension */
	uint8_t level;       /* 1 = page table */
	uint8_t guest_level; /* first-dimension level this belongs to; 0: the final address */
	uint8_t served_by;   /* filled by timing: 0 unknown, 1..3 cache level, 4 memory */
	uint8_t updates;     /* bit 0: A was set, bit 1: D was set */
	uint8_t pad[3];
} M2dFetch;

/* A translation that a cache supplied, so that no entry was read for it. */
typedef enum {
	M2D_SKIP_PSC,  /* first-dimension levels from the top down to @level */
	M2D_SKIP_NPSC, /* the same of a second-dimension walk */
	M2D_SKIP_NTLB, /* a whole second-dimension walk */
} M2dSkipKind;

typedef struct {
	uint8_t kind;
	uint8_t level;       /* lowest level skipped */
	uint8_t guest_level; /* as in M2dFetch */
	uint8_t before;      /* number of fetches made before this */
} M2dSkip;

#define M2D_MAX_SKIPS 16

typedef struct {
	uint32_t n;
	uint32_t n_skips;
	uint32_t ad_updates; /* locked updates made by this walk */
	uint32_t n_ntlb_lookups;
	M2dFetch fetch[M2D_MAX_WALK_REFS];
	M2dSkip skip[M2D_MAX_SKIPS];
} M2dWalkLog;

static inline void m2d_walklog_reset(M2dWalkLog *log)
{
	log->n = log->n_skips = log->ad_updates = log->n_ntlb_lookups = 0;
}

/* m2d_walklog_fetch: append one entry read; the last slot is reused when the log is full. */
static inline M2dFetch *m2d_walklog_fetch(M2dWalkLog *log, M2dDimension dimension, unsigned level,
					  unsigned guest_level, uint64_t gpa, uint64_t hpa,
					  uint64_t value)
{
	M2dFetch *f = &log->fetch[log->n < M2D_MAX_WALK_REFS ? log->n++ : M2D_MAX_WALK_REFS - 1];

	f->hpa = hpa;
	f->gpa = gpa;
	f->value = value;
	f->dimension = (uint8_t)dimension;
	f->level = (uint8_t)level;
	f->guest_level = (uint8_t)guest_level;
	f->served_by = 0;
	f->updates = 0;
	return f;
}

static inline void m2d_walklog_skip(M2dWalkLog *log, M2dSkipKind kind, unsigned level,
				    unsigned guest_level)
{
	if (log->n_skips < M2D_MAX_SKIPS)
		log->skip[log->n_skips++] = (M2dSkip){(uint8_t)kind, (uint8_t)level,
						      (uint8_t)guest_level, (uint8_t)log->n};
}
