/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Synthetic workloads: streams of references from a seed, without a file. Equal configurations
 * give equal streams. Memory is constant, whatever the size of the workload: random orders are
 * computed, not stored.
 *
 * Every vCPU runs one thread of the pattern, from a place of its own. vCPUs take turns in bursts;
 * a vCPU changes to the next process after each slice. The pattern's addresses are the same in
 * every process, so that only PCIDs or flushes keep their translations apart.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/trace/record.h"

typedef struct _M2dGen M2dGen;

/* Values of M2dGenConfig.kind. */
typedef enum {
	M2D_GEN_STRIDE,  /* each reference a fixed distance after the last */
	M2D_GEN_UNIFORM, /* every word equally likely */
	M2D_GEN_ZIPF,    /* the page of rank k with probability ~ k^-theta, ranks in random order */
	M2D_GEN_CHASE,   /* a random cycle through all pages, followed for ever */
	M2D_GEN_GUPS,    /* read, then write a random word (giga-updates per second) */
	M2D_GEN_MIX,     /* a compressor: streams, hot tables, random references to a window */
	M2D_GEN_KINDS
} M2dGenKind;

typedef struct {
	unsigned kind;  /* M2dGenKind */
	uint64_t refs;  /* of all vCPUs together */
	uint64_t bytes; /* of data that the pattern covers */
	uint64_t base;  /* linear address of the data */
	uint64_t vcpus;
	uint64_t processes;
	uint64_t burst;      /* references of one vCPU before the next one's turn */
	uint64_t slice;      /* references of one vCPU before it changes process */
	double write_share;  /* of data references; gups: half, whatever is set */
	double fetch_share;  /* of all references */
	double kernel_share; /* of data references: at CPL 0, to the kernel half */
	uint64_t stride;     /* stride: bytes */
	double theta;        /* zipf: exponent */
	uint64_t hot_bytes;  /* mix: tables that stay in the first-level TLB */
	double hot_share;
	uint64_t window_bytes; /* mix: window that only the second level holds */
	double window_share;
	uint64_t code_bytes;   /* with a fetch share: code that is run */
	uint64_t kernel_bytes; /* with a kernel share: kernel data */
	uint64_t seed;
} M2dGenConfig;

/* m2d_gen_kind_name: "stride", ...; NULL from M2D_GEN_KINDS on. */
const char *m2d_gen_kind_name(unsigned kind);

/* m2d_gen_config_init: the defaults of @kind. */
void m2d_gen_config_init(M2dGenConfig *config, M2dGenKind kind);
/* m2d_gen_config_set: one "gen.KEY=VALUE"; foreach calls @fn with all keys. */
bool m2d_gen_config_set(M2dGenConfig *config, const char *assignment, GError **error);
void m2d_gen_config_foreach(const M2dGenConfig *config,
			    void (*fn)(const char *key, const char *value, void *data), void *data);

/* m2d_gen_new: the stream of @config (copied); NULL with @error if it contradicts itself. */
M2dGen *m2d_gen_new(const M2dGenConfig *config, GError **error);
void m2d_gen_free(M2dGen *gen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dGen, m2d_gen_free)

/**
 * m2d_gen_fill: the next references, at most @n, all of one vCPU in one process.
 * Returns how many; 0 only at the end of the stream (or if @n is 0).
 */
size_t m2d_gen_fill(M2dGen *gen, M2dRef *refs, size_t n);
/* m2d_gen_next: the next reference; false at the end of the stream. */
bool m2d_gen_next(M2dGen *gen, M2dRef *ref);

/* m2d_gen_vcpu, m2d_gen_process: who made the reference returned last. */
unsigned m2d_gen_vcpu(const M2dGen *gen);
uint64_t m2d_gen_process(const M2dGen *gen);
