/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hostile.h"

#include "sim/base/addr.h"
#include "sim/base/rng.h"
#include "sim/base/x86pte.h"
#include "sim/engine/access.h"
#include "sim/trace/trace.h"

#define N_PAGES 24u

typedef struct {
	M2dRng rng;
	M2dTraceWriter *out;
	unsigned n_vcpus;
	unsigned wild; /* of 100 values, how many are random bits */
	bool guest;    /* flag of the records that come next */
	GError **error;
} Hostile;

static uint64_t below(Hostile *h, uint64_t n)
{
	return m2d_rng_below(&h->rng, n);
}

static bool chance(Hostile *h, unsigned percent)
{
	return below(h, 100) < percent;
}

/* One of the values at which things change: powers of two, one less, one more. */
static uint64_t edge(Hostile *h)
{
	uint64_t power = UINT64_C(1) << below(h, 64);

	switch (below(h, 4)) {
	case 0:
		return power;
	case 1:
		return power - 1;
	case 2:
		return 0 - power;
	default:
		return power + below(h, 8192) - 4096;
	}
}

static uint64_t wild(Hostile *h)
{
	return chance(h, 50) ? edge(h) : m2d_rng_next(&h->rng);
}

/* @value, or something wild. */
static uint64_t maybe(Hostile *h, uint64_t value)
{
	return chance(h, h->wild) ? wild(h) : value;
}

/* A frame of the pages that the trace brings; now and then one beyond or far away. */
static uint64_t frame(Hostile *h)
{
	static const uint64_t far[] = {0, UINT64_C(0xffffffffff000), UINT64_C(0x8000000000000),
				       UINT64_C(0xfffff000)};

	if (chance(h, 6))
		return far[below(h, G_N_ELEMENTS(far))];
	return below(h, N_PAGES + 2) << M2D_PAGE_SHIFT;
}

static uint64_t cr0(Hostile *h)
{
	uint64_t v = M2D_CR0_PE | M2D_CR0_PG;

	if (chance(h, 70))
		v |= M2D_CR0_WP;
	if (chance(h, 15))
		v ^= chance(h, 50) ? M2D_CR0_PE : M2D_CR0_PG;
	return maybe(h, v);
}

static uint64_t cr4(Hostile *h)
{
	static const uint64_t bits[] = {M2D_CR4_PSE,   M2D_CR4_PGE,  M2D_CR4_PCIDE, M2D_CR4_SMEP,
					M2D_CR4_SMAP,  M2D_CR4_PKE,  M2D_CR4_PKS,   M2D_CR4_LA57,
					M2D_CR4_PCIDE, M2D_CR4_PCIDE};
	uint64_t v = chance(h, 85) ? M2D_CR4_PAE : 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(bits); i++)
		if (chance(h, 25))
			v |= bits[i];
	return maybe(h, v);
}

static uint64_t cr3(Hostile *h)
{
	uint64_t v = frame(h);

	if (chance(h, 30))
		v |= below(h, 4096);
	if (chance(h, 20))
		v |= M2D_CR3_NOFLUSH;
	return maybe(h, v);
}

static uint64_t efer(Hostile *h)
{
	uint64_t v = chance(h, 85) ? M2D_EFER_LME | M2D_EFER_LMA : 0;

	if (chance(h, 70))
		v |= M2D_EFER_NXE;
	if (chance(h, 20))
		v |= M2D_EFER_TCE;
	return maybe(h, v);
}

static uint64_t address(Hostile *h)
{
	/* Few indices of each level are in use, so that walks meet. */
	uint64_t va = below(h, 4) << 39 | below(h, 4) << 30 | below(h, 4) << 21 |
		      below(h, 4) << 12 | below(h, 4096);

	if (chance(h, 15))
		va |= UINT64_C(0xffff800000000000);
	if (chance(h, 5))
		va |= UINT64_C(1) << (47 + below(h, 10));
	return maybe(h, va);
}

/* A table entry: mostly present, mostly leading to another table of the trace or to itself. */
static uint64_t entry(Hostile *h, uint64_t self)
{
	uint64_t v = frame(h) | M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US;

	if (chance(h, 10))
		return 0;
	if (chance(h, 8))
		v = self | M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US;
	if (chance(h, 12))
		v |= M2D_PTE_PS;
	if (chance(h, 20))
		v &= ~(M2D_PTE_RW | M2D_PTE_US | M2D_PTE_P);
	if (chance(h, 20))
		v |= M2D_PTE_A | M2D_PTE_D;
	if (chance(h, 10))
		v |= M2D_PTE_G;
	if (chance(h, 8))
		v |= UINT64_C(1) << (51 + below(h, 13));
	return maybe(h, v);
}

static bool write_pages(Hostile *h)
{
	uint64_t words[512];

	for (unsigned i = 0; i < N_PAGES; i++) {
		uint64_t pa = (uint64_t)i << M2D_PAGE_SHIFT;

		for (unsigned k = 0; k < 512; k++)
			words[k] = chance(h, 60) || k < 4 ? entry(h, pa) : 0;
		if (!m2d_trace_writer_page(h->out, pa, chance(h, 5) ? NULL : words, h->error))
			return false;
	}
	return m2d_trace_writer_page(h->out, UINT64_C(0xffffffffff000), words, h->error);
}

static bool write_ref(Hostile *h, unsigned vcpu)
{
	static const unsigned sizes[] = {0, 1, 2, 4, 8, 16, 64, 255};
	uint64_t w = below(h, 3) | (uint64_t)sizes[below(h, 8)] << M2D_REF_SIZE_SHIFT;

	if (chance(h, 50))
		w |= M2D_REF_USER;
	if (h->guest)
		w |= M2D_REF_GUEST;
	if (chance(h, 60))
		w |= M2D_REF_HAS_PA | frame(h);
	if (chance(h, 5))
		w |= M2D_REF_IO;
	if (chance(h, 5))
		w |= M2D_REF_DIRECT;
	return m2d_trace_writer_ref(h->out, vcpu, (M2dRef){address(h), w}, (uint32_t)below(h, 4),
				    h->error);
}

static void reg_event(Hostile *h, M2dTraceEvent *ev)
{
	ev->sub = (uint8_t)below(h, 7);
	switch (ev->sub) {
	case M2D_TR_CR0:
		ev->a = cr0(h);
		break;
	case M2D_TR_CR3:
		ev->a = cr3(h);
		break;
	case M2D_TR_CR4:
		ev->a = cr4(h);
		break;
	case M2D_TR_EFER:
		ev->a = efer(h);
		break;
	default:
		ev->a = wild(h);
	}
	if (chance(h, 30))
		ev->sub |= M2D_TR_INITIAL;
	if (chance(h, 3))
		ev->sub = (uint8_t)below(h, 256);
}

static void fill_event(Hostile *h, M2dTraceEvent *ev)
{
	switch (ev->kind) {
	case M2D_EV_REG:
		reg_event(h, ev);
		break;
	case M2D_EV_PTWRITE:
		/* Often odd, sometimes to a page that is absent. */
		ev->a = maybe(h, frame(h) | below(h, 4096));
		ev->b = entry(h, ev->a & ~UINT64_C(4095));
		ev->n = (uint32_t)(chance(h, 90) ? UINT64_C(4) << below(h, 2) : wild(h));
		break;
	case M2D_EV_VMRUN:
		ev->n = (uint32_t)maybe(h, below(h, 4));
		ev->sub = (uint8_t)maybe(h, below(h, 4) == 0 ? below(h, 9) : 0);
		ev->a = maybe(h, frame(h));
		ev->b = cr3(h);
		ev->c = maybe(h, 1);
		ev->d = cr0(h);
		ev->e = cr4(h);
		break;
	case M2D_EV_VMEXIT:
		ev->n = (uint32_t)maybe(h, chance(h, 50) ? 0x10 + below(h, 0x20) : below(h, 0x500));
		break;
	case M2D_EV_INVPCID:
	case M2D_EV_INVVPID:
	case M2D_EV_INVEPT:
		ev->n = (uint32_t)(chance(h, 80) ? below(h, 5) : wild(h));
		ev->a = maybe(h, below(h, 8));
		ev->b = address(h);
		break;
	case M2D_EV_INVLPGB:
		ev->a = maybe(h, address(h) & ~UINT64_C(0xfc0));
		ev->b = chance(h, 95) ? below(h, 8) | (wild(h) & 0x80000000u) : wild(h);
		ev->c = maybe(h, below(h, 4));
		break;
	default:
		ev->n = (uint32_t)maybe(h, below(h, 4));
		ev->a = address(h);
		ev->b = cr3(h);
		break;
	}
}

static bool write_event(Hostile *h, unsigned vcpu)
{
	static const uint16_t kinds[] = {
		M2D_EV_REG,     M2D_EV_REG,     M2D_EV_REG,      M2D_EV_INVLPG,  M2D_EV_INVPCID,
		M2D_EV_INVLPGA, M2D_EV_INVVPID, M2D_EV_INVEPT,   M2D_EV_INVLPGB, M2D_EV_TLBSYNC,
		M2D_EV_PTWRITE, M2D_EV_PTWRITE, M2D_EV_PTWRITE,  M2D_EV_VMRUN,   M2D_EV_VMRUN,
		M2D_EV_VMEXIT,  M2D_EV_VMENTRY, M2D_EV_VMX_EXIT, M2D_EV_PF,      M2D_EV_ASPACE,
		M2D_EV_MARK};
	M2dTraceEvent ev = {
		.kind = kinds[below(h, G_N_ELEMENTS(kinds))],
		.vcpu = (uint8_t)vcpu,
		.guest = h->guest,
	};

	fill_event(h, &ev);
	if (chance(h, 1))
		ev.kind = (uint16_t)(1 + below(h, 127)); /* reserved for other tools */
	if (ev.kind == M2D_EV_VMRUN || ev.kind == M2D_EV_VMEXIT)
		h->guest = ev.kind == M2D_EV_VMRUN;
	if (chance(h, 3))
		h->guest = !h->guest;
	return m2d_trace_writer_event(h->out, &ev, h->error);
}

/* Paging on, from the start, on every vCPU; sometimes it is forgotten. */
static bool write_start(Hostile *h)
{
	for (unsigned i = 0; i < h->n_vcpus; i++) {
		const uint64_t value[] = {cr0(h), cr3(h), cr4(h), efer(h)};

		if (chance(h, 10))
			continue;
		for (unsigned k = 0; k < G_N_ELEMENTS(value); k++) {
			M2dTraceEvent ev = {
				.kind = M2D_EV_REG,
				.vcpu = (uint8_t)i,
				.sub = (uint8_t)(k | M2D_TR_INITIAL),
				.a = value[k],
			};

			if (!m2d_trace_writer_event(h->out, &ev, h->error))
				return false;
		}
	}
	return true;
}

static bool write_records(Hostile *h, bool tables, unsigned records)
{
	/* Few vCPUs at a time, the last one always among them. */
	unsigned vcpu[3] = {0, h->n_vcpus - 1, (unsigned)below(h, h->n_vcpus)};

	if ((tables && !write_pages(h)) || !write_start(h))
		return false;
	for (unsigned i = 0; i < records; i++) {
		unsigned v = vcpu[below(h, G_N_ELEMENTS(vcpu))];
		unsigned n = chance(h, 40) ? 0 : (unsigned)below(h, 8);

		if (n == 0 && !write_event(h, v))
			return false;
		for (; n > 0 && i < records; n--, i++)
			if (!write_ref(h, v))
				return false;
	}
	return true;
}

bool hostile_write(uint64_t seed, unsigned records, const char *path, GError **error)
{
	static const unsigned vcpus[] = {1, 1, 2, 3, 255, M2D_TRACE_MAX_VCPUS};
	Hostile h = {.error = error};
	M2dTraceInfo info = {0};
	bool tables;

	m2d_rng_seed(&h.rng, seed);
	tables = chance(&h, 70);
	h.n_vcpus = vcpus[below(&h, G_N_ELEMENTS(vcpus))];
	h.wild = (unsigned)below(&h, 3) * 8;
	info.n_vcpus = h.n_vcpus;
	info.flags = (tables ? M2D_TRACE_HAS_TABLES : 0) | M2D_TRACE_HAS_PA |
		     (chance(&h, 20) ? M2D_TRACE_FILTERED : 0);
	h.out = m2d_trace_writer_new(path, &info, error);
	if (h.out == NULL)
		return false;
	if (write_records(&h, tables, records))
		return m2d_trace_writer_close(h.out, error);
	m2d_trace_writer_abort(h.out);
	return false;
}
