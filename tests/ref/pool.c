/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/ref/pool-private.h"

const Mode pool_mode[] = {
	{"intel-off", INTEL, FORMAT_NONE, FORMAT_NONE},
	{"intel-32", INTEL, FORMAT_32, FORMAT_NONE},
	{"intel-pae", INTEL, FORMAT_PAE, FORMAT_NONE},
	{"intel-4", INTEL, FORMAT_LONG4, FORMAT_NONE},
	{"intel-5", INTEL, FORMAT_LONG5, FORMAT_NONE},
	{"amd-32", AMD, FORMAT_32, FORMAT_NONE},
	{"amd-pae", AMD, FORMAT_PAE, FORMAT_NONE},
	{"amd-4", AMD, FORMAT_LONG4, FORMAT_NONE},
	{"amd-5", AMD, FORMAT_LONG5, FORMAT_NONE},
	{"off-npt32", AMD, FORMAT_NONE, FORMAT_32},
	{"off-nptpae", AMD, FORMAT_NONE, FORMAT_PAE},
	{"off-npt4", AMD, FORMAT_NONE, FORMAT_LONG4},
	{"off-npt5", AMD, FORMAT_NONE, FORMAT_LONG5},
	{"32-npt32", AMD, FORMAT_32, FORMAT_32},
	{"32-nptpae", AMD, FORMAT_32, FORMAT_PAE},
	{"32-npt4", AMD, FORMAT_32, FORMAT_LONG4},
	{"32-npt5", AMD, FORMAT_32, FORMAT_LONG5},
	{"pae-npt32", AMD, FORMAT_PAE, FORMAT_32},
	{"pae-nptpae", AMD, FORMAT_PAE, FORMAT_PAE},
	{"pae-npt4", AMD, FORMAT_PAE, FORMAT_LONG4},
	{"pae-npt5", AMD, FORMAT_PAE, FORMAT_LONG5},
	{"4-npt32", AMD, FORMAT_LONG4, FORMAT_32},
	{"4-nptpae", AMD, FORMAT_LONG4, FORMAT_PAE},
	{"4-npt4", AMD, FORMAT_LONG4, FORMAT_LONG4},
	{"4-npt5", AMD, FORMAT_LONG4, FORMAT_LONG5},
	{"5-npt32", AMD, FORMAT_LONG5, FORMAT_32},
	{"5-nptpae", AMD, FORMAT_LONG5, FORMAT_PAE},
	{"5-npt4", AMD, FORMAT_LONG5, FORMAT_LONG4},
	{"5-npt5", AMD, FORMAT_LONG5, FORMAT_LONG5},
	{"off-ept4", INTEL, FORMAT_NONE, FORMAT_EPT4},
	{"off-ept5", INTEL, FORMAT_NONE, FORMAT_EPT5},
	{"32-ept4", INTEL, FORMAT_32, FORMAT_EPT4},
	{"32-ept5", INTEL, FORMAT_32, FORMAT_EPT5},
	{"pae-ept4", INTEL, FORMAT_PAE, FORMAT_EPT4},
	{"pae-ept5", INTEL, FORMAT_PAE, FORMAT_EPT5},
	{"4-ept4", INTEL, FORMAT_LONG4, FORMAT_EPT4},
	{"4-ept5", INTEL, FORMAT_LONG4, FORMAT_EPT5},
	{"5-ept4", INTEL, FORMAT_LONG5, FORMAT_EPT4},
	{"5-ept5", INTEL, FORMAT_LONG5, FORMAT_EPT5},
};
const unsigned pool_n_modes = M2D_N_ELEMENTS(pool_mode);

/* --- frames ---------------------------------------------------------------------------------- */

int pool_frame_of(const Pool *pool, uint64_t pa)
{
	uint64_t i = ((pa >> 12) & 511) - POOL_LOW_PFN;

	return i < POOL_FRAMES && pool->pfn[i] == pa >> 12 ? (int)i : -1;
}

static uint64_t memory_read(void *data, uint64_t pa, unsigned size)
{
	const Pool *pool = data;
	int f = pool_frame_of(pool, pa);
	uint64_t v;

	if (f < 0)
		return 0;
	v = pool->ref[f][(pa & 4095) / 8];
	if (size == 4)
		v = (uint32_t)(v >> ((pa & 4) * 8));
	return v;
}

static void memory_write(void *data, uint64_t pa, unsigned size, uint64_t value)
{
	Pool *pool = data;
	int f = pool_frame_of(pool, pa);
	uint64_t *word;

	if (f < 0) {
		pool->stray_writes++;
		return;
	}
	word = &pool->ref[f][(pa & 4095) / 8];
	if (size == 8) {
		*word = value;
	} else {
		unsigned shift = (pa & 4) * 8;

		*word = (*word & ~(UINT64_C(0xffffffff) << shift)) | value << shift;
	}
}

unsigned pool_frame_level(unsigned f, bool *nested)
{
	*nested = f >= POOL_GUEST;
	return *nested ? (f - POOL_GUEST) / 5 + 1 : f / 6 + 1;
}

void pool_init(Pool *pool, const Mode *mode, M2dSpace *space)
{
	memset(pool, 0, sizeof(*pool));
	pool->mode = mode;
	pool->space = space;
	pool->memory = (RefMemory){pool, memory_read, memory_write};
	for (unsigned f = 0; f < POOL_FRAMES; f++) {
		bool nested;
		unsigned level = pool_frame_level(f, &nested);

		pool->pfn[f] = POOL_LOW_PFN + f;
		/* The last frame of each level lies high, to see all address bits in use. */
		if (f < POOL_GUEST && f % 6 == 5)
			pool->pfn[f] |= UINT64_C(1) << (21 + 2 * level);
		else if (f >= POOL_GUEST && f < POOL_PML && (f - POOL_GUEST) % 5 == 4)
			pool->pfn[f] |= UINT64_C(1) << (22 + 3 * level);
		pool->fast[f] = m2d_space_frame_make(space, pool->pfn[f]);
	}
}

void pool_write(Pool *pool, uint64_t pa, unsigned size, uint64_t value)
{
	if (pool_frame_of(pool, pa) < 0)
		return;
	memory_write(pool, pa, size, value);
	if (size == 8)
		m2d_space_write64(pool->space, M2D_HPA(pa), value);
	else
		m2d_space_write32(pool->space, M2D_HPA(pa), (uint32_t)value);
}

bool pool_same_word(const Pool *pool, uint64_t pa)
{
	int f = pool_frame_of(pool, pa);

	return f < 0 || pool->fast[f][(pa & 4095) / 8] == pool->ref[f][(pa & 4095) / 8];
}

uint64_t pool_difference(const Pool *pool)
{
	for (unsigned f = 0; f < POOL_FRAMES; f++) {
		if (memcmp(pool->fast[f], pool->ref[f], 4096) == 0)
			continue;
		for (unsigned i = 0; i < 512; i++)
			if (pool->fast[f][i] != pool->ref[f][i])
				return pool->pfn[f] << 12 | 8 * i;
	}
	return ~UINT64_C(0);
}

void pool_dump_word(const Pool *pool, uint64_t pa)
{
	int f = pool_frame_of(pool, pa);

	if (f >= 0)
		fprintf(stderr,
			"memory at %#" PRIx64 ": simulator %#" PRIx64 ", expected %#" PRIx64 "\n",
			pa & ~UINT64_C(7), pool->fast[f][(pa & 4095) / 8],
			pool->ref[f][(pa & 4095) / 8]);
}

/* --- comparing ------------------------------------------------------------------------------- */

const char *pool_compare(const RefCpu *cpu, const M2dAccess *access, const M2dOutcome *ref,
			 const M2dOutcome *out, bool refs)
{
	if (ref->kind != out->kind)
		return "kind";
	if (refs && ref->refs != out->refs)
		return "refs";
	switch (ref->kind) {
	case M2D_OUT_OK:
		if (ref->hpa.v != out->hpa.v)
			return "hpa";
		if ((access->gva.v & 4095) + access->size > 4096 && ref->hpa2.v != out->hpa2.v)
			return "hpa2";
		/* With no dimension there is no page. */
		if (((cpu->regs.cr0 & M2D_CR0_PG) || cpu->nested.kind != M2D_NESTED_NONE) &&
		    ref->size != out->size)
			return "size";
		break;
	case M2D_OUT_PF:
		if (ref->error_code != out->error_code)
			return "error_code";
		if (ref->cr2.v != out->cr2.v)
			return "cr2";
		break;
	case M2D_OUT_NPF:
		if (ref->exitinfo1 != out->exitinfo1)
			return "exitinfo1";
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_EPT_VIOLATION:
		if (ref->qualification != out->qualification)
			return "qualification";
		if (ref->gla.v != out->gla.v)
			return "gla";
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_EPT_MISCONFIG:
		if (ref->fault_gpa.v != out->fault_gpa.v)
			return "fault_gpa";
		break;
	case M2D_OUT_GP:
	case M2D_OUT_PML_FULL:
		break;
	}
	return NULL;
}
