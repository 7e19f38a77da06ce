/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one random run is made of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/scenario/world.h"

#define SND_MAX_TRACE 4096u

typedef struct {
	const char *guest; /* value of `guest` in scenarios */
	const char *mmu, *vendor;
	const char *kvm;
	const char *without; /* a duty, or NULL */
	bool pcid, huge;
	bool stepped; /* actors interleave at points */
	unsigned vcpus, pcpus;
	uint64_t seed;
	uint64_t ops;
	unsigned audit_every; /* operations; 0: never */
	unsigned trace;       /* events to print before a finding; at most SND_MAX_TRACE */
} SndConfig;

/* Guest-physical layout: tables and the kernel's own page, 4 MiB that can be one page, slots that
 * come, go and move, a read-only one. Addresses of the process are the same. */
#define SND_TABLES     0x100000u
#define SND_TABLES_END 0x180000u
#define SND_POOL       16u /* table pages at the end, before the page of steal time */
#define SND_BIG        0x400000u
#define SND_SMALL      0x800000u
#define SND_MOVING     0x810000u
#define SND_MOVED      0x830000u
#define SND_COMING     0x900000u
#define SND_READONLY   0xa00000u
#define SND_HOLE       0xb00000u
#define SND_SLOT_BYTES 0x10000u
#define SND_HOST_PAGES 0x1000u /* hva pages that the oracle knows */

enum {
	SND_SLOT_TABLES,
	SND_SLOT_BIG,
	SND_SLOT_SMALL,
	SND_SLOT_MOVING,
	SND_SLOT_COMING,
	SND_SLOT_READONLY,
	SND_N_SLOTS,
};

#define SND_MAX_SPACES 3u

/* A stretch of gvas below one table of level 1, in every address space. */
typedef struct {
	uint64_t gva;
	unsigned pages;
	bool kernel; /* global, supervisor */
	bool big;    /* can become one large page */
} SndRegion;

#define SND_N_REGIONS 5u
#define SND_N_PAGES   48u /* of all regions together */

/* snd_regions: by paging mode; nobody uses them with paging off. */
const SndRegion *snd_regions(const M2dPteFormat *fmt);
/* snd_page_gva: gva of page @i of all regions; snd_page_index: the reverse, -1 if none. */
uint64_t snd_page_gva(const SndRegion *r, unsigned i);
int snd_page_index(const SndRegion *r, uint64_t gva);
/* snd_region_of: region of page @i. */
unsigned snd_region_of(const SndRegion *r, unsigned i);

/* snd_data_gpa: page @i of those that mappings lead to; 0 after the last. */
uint64_t snd_data_gpa(unsigned i);
unsigned snd_n_data(void);

/* snd_header: the scenario up to [steps]; g_free(). */
char *snd_header(const SndConfig *c);
