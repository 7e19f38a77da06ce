/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest may see, by the manuals alone: the history of every entry of its tables, the time
 * since which each vCPU may have kept translations of an address, and from both the set of all
 * translations that are still legal. Knows nothing of KVM, its tables, or what is cached.
 */
#pragma once

#include "tests/soundness/config.h"

/* One result that an access may have. */
typedef struct {
	bool ok;
	bool global;   /* from a global leaf */
	uint64_t gpa;  /* if ok */
	uint32_t code; /* else the error code of #PF */
} SndLegal;

#define SND_MAX_LEGAL 64u

typedef struct {
	uint64_t time, value; /* the entry had the value from @time on */
} SndVersion;

typedef struct {
	SndVersion *v;
	unsigned n, cap;
	bool cut; /* older versions are forgotten */
} SndHistory;

#define SND_N_PCIDS 4u

typedef struct {
	uint64_t all;
	uint64_t pcid[SND_N_PCIDS];
	uint64_t page[SND_N_PCIDS][SND_N_PAGES], global[SND_N_PAGES];
	/* Flushes that have begun, by scope; time 0: none. */
	struct {
		uint64_t time, gva, pcid;
	} begun[M2D_N_GF];
	uint64_t flushes; /* that were completed */
} SndFlushes;

typedef struct {
	M2dScnWorld *w;
	M2dVm *vm;
	M2dPteFormat fmt[2]; /* by EFER.NXE */
	const SndRegion *regions;
	uint64_t now;
	SndHistory *history; /* by entry of the tables' range */
	SndFlushes flush[M2D_MAX_KVM_VCPUS];
	uint64_t loose; /* accesses for which too much was legal to tell */
} SndModel;

void snd_model_init(SndModel *m, M2dScnWorld *w);
void snd_model_clear(SndModel *m);

/* snd_model_is_table: @gpa is in the range of the guest's tables. */
static inline bool snd_model_is_table(uint64_t gpa)
{
	return gpa >= SND_TABLES && gpa < SND_TABLES_END;
}

/* snd_model_store: the guest stored @value to the entry at @gpa. */
void snd_model_store(SndModel *m, uint64_t gpa, uint64_t value);
/* snd_model_entry: its value now, without accessed and dirty bits. */
uint64_t snd_model_entry(const SndModel *m, uint64_t gpa);
/* snd_model_is_same: two values of an entry differ in accessed and dirty bits at most. */
static inline bool snd_model_is_same(uint64_t a, uint64_t b)
{
	return ((a ^ b) & ~(M2D_PTE_A | M2D_PTE_D)) == 0;
}
/* snd_model_find: address of the entry for @gva at @level in address space @space; 0: the tables
 * do not reach down there. */
uint64_t snd_model_find(const SndModel *m, unsigned space, uint64_t gva, unsigned level);

/* snd_model_flush_begins, snd_model_flush_ends: what the events of that name say. */
void snd_model_flush_begins(SndModel *m, unsigned vcpu, M2dGuestFlush scope, uint64_t gva,
			    uint64_t pcid);
void snd_model_flush_ends(SndModel *m, unsigned vcpu, M2dGuestFlush scope);

/* snd_model_space: address space that CR3 of @vcpu names. */
unsigned snd_model_space(const SndModel *m, unsigned vcpu);

/**
 * snd_model_legal: what an access may come to.
 * @out: room for SND_MAX_LEGAL
 * Returns how many; 0: it can't be told.
 */
unsigned snd_model_legal(SndModel *m, unsigned vcpu, uint64_t gva, M2dAccKind kind, bool user,
			 SndLegal *out);
