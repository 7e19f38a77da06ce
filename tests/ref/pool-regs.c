/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random registers, second dimensions and accesses. */
#include <string.h>

#include "tests/ref/pool-private.h"

void pool_regs(Pool *pool, M2dRegs *regs)
{
	static const unsigned pcid[4] = {0, 1, 0xa5a, 0xfff};
	Format format = pool->mode->guest;
	unsigned levels = format == FORMAT_32 ? 2 : format == FORMAT_PAE ? 3 : 4;
	uint64_t cr4 = m2d_rng_next(&pool->rng) &
		       (M2D_CR4_PGE | M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE | M2D_CR4_PKS);
	uint64_t root;

	memset(regs, 0, sizeof(*regs));
	regs->cr0 = M2D_CR0_PE | (m2d_rng_next(&pool->rng) & M2D_CR0_WP);
	if (format != FORMAT_NONE)
		regs->cr0 |= M2D_CR0_PG;
	if (pool_chance(pool, 850))
		cr4 |= M2D_CR4_PSE;
	if (pool_chance(pool, 850))
		regs->efer |= M2D_EFER_NXE;
	if (pool->mode->vendor == AMD && pool_chance(pool, 300))
		regs->efer |= M2D_EFER_TCE;
	if (format >= FORMAT_PAE)
		cr4 |= M2D_CR4_PAE;
	if (format == FORMAT_LONG5) {
		cr4 |= M2D_CR4_LA57;
		levels = 5;
	}
	if (format >= FORMAT_LONG4) {
		regs->efer |= M2D_EFER_LME | M2D_EFER_LMA;
		if (pool_chance(pool, 300))
			cr4 |= M2D_CR4_PCIDE;
	}
	regs->cr4 = cr4;
	regs->pkru = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
	regs->pkrs = (uint32_t)(m2d_rng_next(&pool->rng) & m2d_rng_next(&pool->rng));
	regs->ac = pool_chance(pool, 512);
	/* CR3 is a 32-bit register outside long mode. */
	root = pool_guest_pfn(pool, pool_pick_frame(pool, false, levels, 52),
			      format >= FORMAT_LONG4 ? pool->guest_bits : 32);
	regs->cr3 = root << 12 | pool_bits(pool, 4, 3);
	if (format == FORMAT_PAE)
		regs->cr3 |= pool_bits(pool, 11, 5);
	if (cr4 & M2D_CR4_PCIDE)
		regs->cr3 = root << 12 | pcid[m2d_rng_next(&pool->rng) & 3];
	if (format == FORMAT_PAE && pool->mode->vendor == INTEL)
		for (unsigned i = 0; i < 4; i++)
			if (pool_chance(pool, 980))
				regs->pdpte[i] = pool_guest_table_pfn(pool, 2, pool->guest_bits)
							 << 12 |
						 1 | pool_bits(pool, 4, 3);
}

void pool_nested(Pool *pool, M2dNested *nested)
{
	Format format = pool->mode->nested;
	unsigned levels = format == FORMAT_32                               ? 2
			  : format == FORMAT_PAE                            ? 3
			  : format == FORMAT_LONG5 || format == FORMAT_EPT5 ? 5
									    : 4;
	uint64_t root;

	memset(nested, 0, sizeof(*nested));
	nested->tag = 1;
	if (format == FORMAT_NONE)
		return;
	root = pool->pfn[pool_pick_frame(
		       pool, true, levels,
		       format == FORMAT_32 || format == FORMAT_PAE ? 32 : pool->host_bits)]
	       << 12;
	if (format >= FORMAT_EPT4) {
		nested->kind = M2D_NESTED_EPT;
		nested->eptp = root | M2D_EPTP_WALK(levels) | 6;
		nested->ept_controls = 0;
		if (pool_chance(pool, 600))
			nested->ept_controls |= M2D_EPT_EXEC_ONLY;
		if (pool_chance(pool, 940))
			nested->ept_controls |= M2D_EPT_2M;
		if (pool_chance(pool, 940))
			nested->ept_controls |= M2D_EPT_1G;
		if (pool_chance(pool, 400))
			nested->ept_controls |= M2D_EPT_MBEC;
		if (pool_chance(pool, 512))
			nested->ept_controls |= M2D_EPT_ADV_INFO;
		if (pool_chance(pool, 600)) {
			nested->eptp |= M2D_EPTP_AD;
			if (pool_chance(pool, 512))
				nested->ept_controls |= M2D_EPT_PML;
		}
		nested->pml_address = pool->pfn[POOL_PML] << 12;
		nested->pml_index = (uint16_t)m2d_rng_below(&pool->rng, 512);
		if (pool_chance(pool, 100))
			nested->pml_index = (uint16_t)m2d_rng_below(&pool->rng, 6);
		if (pool_chance(pool, 30))
			nested->pml_index = pool_chance(pool, 512) ? 0xffff : 512;
		return;
	}
	nested->kind = M2D_NESTED_NPT;
	nested->ncr3 = root;
	nested->hcr4 = m2d_rng_next(&pool->rng) &
		       (M2D_CR4_PGE | M2D_CR4_SMEP | M2D_CR4_SMAP | M2D_CR4_PKE);
	if (pool_chance(pool, 900))
		nested->hcr4 |= M2D_CR4_PSE;
	if (pool_chance(pool, 850))
		nested->hefer |= M2D_EFER_NXE;
	if (format >= FORMAT_PAE)
		nested->hcr4 |= M2D_CR4_PAE;
	if (format >= FORMAT_LONG4)
		nested->hefer |= M2D_EFER_LME | M2D_EFER_LMA;
	if (format == FORMAT_LONG5)
		nested->hcr4 |= M2D_CR4_LA57;
}

void pool_access(Pool *pool, const M2dRegs *regs, M2dAccess *access)
{
	uint64_t gva = m2d_rng_next(&pool->rng), kind = m2d_rng_below(&pool->rng, 8);

	memset(access, 0, sizeof(*access));
	if (!(regs->efer & M2D_EFER_LMA)) {
		gva &= 0xffffffff;
		if (!(regs->cr0 & M2D_CR0_PG) && pool_chance(pool, 700))
			gva &= 0xfffff;
	} else if (!pool_chance(pool, 8)) {
		unsigned shift = (regs->cr4 & M2D_CR4_LA57) ? 7 : 16;

		gva = (uint64_t)((int64_t)(gva << shift) >> shift);
	}
	access->kind = kind < 3 ? M2D_ACC_READ : kind < 6 ? M2D_ACC_WRITE : M2D_ACC_FETCH;
	access->user = pool_chance(pool, 512);
	access->implicit = access->kind != M2D_ACC_FETCH && pool_chance(pool, 100);
	access->size = 1u << m2d_rng_below(&pool->rng, 4);
	if (pool_chance(pool, 60)) {
		access->size = 1 + (uint32_t)m2d_rng_below(&pool->rng, 4096);
		gva |= pool_bits(pool, 11, 3);
	}
	if (pool_chance(pool, 10)) {
		/* Just below where addresses stop being canonical, start again or wrap. */
		unsigned width = !(regs->efer & M2D_EFER_LMA) ? 33
				 : (regs->cr4 & M2D_CR4_LA57) ? 57
							      : 48;
		uint64_t edge = UINT64_C(1) << (width - 1);

		if (width != 33 && pool_chance(pool, 600))
			edge = pool_chance(pool, 512) ? 0 - edge : 0;
		gva = edge - 1 - m2d_rng_below(&pool->rng, 2 * access->size);
		if (width == 33)
			gva = (uint32_t)gva;
	}
	access->gva.v = gva;
}
