/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Workload generators. Randomness comes from one stream per vCPU, so that a vCPU's addresses do
 * not depend on how the vCPUs interleave.
 */
#include "sim/replay/gen.h"

#include "sim/base/addr.h"
#include "sim/base/error.h"
#include "sim/replay/genrand.h"
#include "sim/replay/settings.h"

#define CODE_BASE   UINT64_C(0x400000)
#define KERNEL_BASE UINT64_C(0xffff888000000000)
#define USER_END    (UINT64_C(1) << 47)

#define WORD       8u     /* bytes of a data reference */
#define INSN       4u     /* bytes of a fetch */
#define JUMP_SHARE 0.0625 /* of fetches: to a random place, else to the next instruction */

/* Room between the parts of a mix, so that none shares a large page with another. */
#define PART_GAP (UINT64_C(2) << 20)

/* The state of one vCPU. */
typedef struct {
	M2dRng rng;
	uint64_t position; /* stride, mix: offset in the data; chase: steps taken */
	uint64_t pc;       /* offset in the code */
	uint64_t pending;  /* gups: address to write next; 0: none */
	uint64_t done;     /* references made */
} M2dGenThread;

struct _M2dGen {
	M2dGenConfig config;
	M2dGenThread *threads;
	M2dPermutation pages; /* ranks or steps to pages */
	M2dZipf zipf;
	uint64_t n_pages;
	uint64_t hot_base, window_base;
	/* Shares as thresholds for 32 random bits. */
	uint64_t fetch_below, kernel_below, write_below, window_below, hot_below;
	uint64_t done;       /* references made by all */
	uint64_t burst_left; /* of the vCPU whose turn it is */
	unsigned turn;
	unsigned last_vcpu; /* of the references returned last */
	uint64_t last_process;
};

static const char *const kind_names[] = {"stride", "uniform", "zipf", "chase", "gups", "mix", NULL};
G_STATIC_ASSERT(G_N_ELEMENTS(kind_names) == M2D_GEN_KINDS + 1);

#define FIELD(name) offsetof(M2dGenConfig, name)
#define MAX_BYTES   (UINT64_C(1) << 46)

static const M2dSetting settings[] = {
	{"gen.kind", M2D_SETTING_NAME, FIELD(kind), 0, 0, kind_names, "pattern"},
	{"gen.refs", M2D_SETTING_UINT, FIELD(refs), 0, UINT64_C(1) << 62, NULL, "references"},
	{"gen.bytes", M2D_SETTING_BYTES, FIELD(bytes), 4096, MAX_BYTES, NULL, "bytes of data"},
	{"gen.base", M2D_SETTING_BYTES, FIELD(base), 0, UINT64_MAX, NULL, "address of the data"},
	{"gen.vcpus", M2D_SETTING_UINT, FIELD(vcpus), 1, 256, NULL, "vCPUs"},
	{"gen.processes", M2D_SETTING_UINT, FIELD(processes), 1, 4095, NULL, "processes"},
	{"gen.burst", M2D_SETTING_UINT, FIELD(burst), 1, UINT64_C(1) << 62, NULL,
	 "references of a vCPU before the next one's turn"},
	{"gen.slice", M2D_SETTING_UINT, FIELD(slice), 1, UINT64_C(1) << 62, NULL,
	 "references of a vCPU before it changes process"},
	{"gen.write-share", M2D_SETTING_SHARE, FIELD(write_share), 0, 0, NULL, "writes"},
	{"gen.fetch-share", M2D_SETTING_SHARE, FIELD(fetch_share), 0, 0, NULL, "fetches"},
	{"gen.kernel-share", M2D_SETTING_SHARE, FIELD(kernel_share), 0, 0, NULL, "kernel data"},
	{"gen.stride", M2D_SETTING_BYTES, FIELD(stride), 1, MAX_BYTES, NULL, "distance"},
	{"gen.theta", M2D_SETTING_REAL, FIELD(theta), 0, 20, NULL, "exponent"},
	{"gen.hot-bytes", M2D_SETTING_BYTES, FIELD(hot_bytes), 4096, MAX_BYTES, NULL, "hot tables"},
	{"gen.hot-share", M2D_SETTING_SHARE, FIELD(hot_share), 0, 0, NULL, "hot tables' share"},
	{"gen.window-bytes", M2D_SETTING_BYTES, FIELD(window_bytes), 4096, MAX_BYTES, NULL,
	 "window"},
	{"gen.window-share", M2D_SETTING_SHARE, FIELD(window_share), 0, 0, NULL, "window's share"},
	{"gen.code-bytes", M2D_SETTING_BYTES, FIELD(code_bytes), 4096, UINT64_C(128) << 20, NULL,
	 "code"},
	{"gen.kernel-bytes", M2D_SETTING_BYTES, FIELD(kernel_bytes), 4096, MAX_BYTES / 2, NULL,
	 "kernel data"},
	{"gen.seed", M2D_SETTING_UINT, FIELD(seed), 0, UINT64_MAX, NULL, "seed"},
	{NULL},
};

const char *m2d_gen_kind_name(unsigned kind)
{
	return kind < M2D_GEN_KINDS ? kind_names[kind] : NULL;
}

void m2d_gen_config_init(M2dGenConfig *config, M2dGenKind kind)
{
	/* The mix misses a first-level TLB of 64 entries about as often as a compressor does
	 * (3.6 to 5 %) and a second level of 1536 entries in well under 1 % of references. */
	*config = (M2dGenConfig){
		.kind = kind,
		.refs = 1000000,
		.bytes = UINT64_C(64) << 20,
		.base = UINT64_C(0x10000000),
		.vcpus = 1,
		.processes = 1,
		.burst = 1000,
		.slice = 100000,
		.write_share = 0.3,
		.stride = 64,
		.theta = 0.99,
		.hot_bytes = 64 << 10,
		.hot_share = 0.55,
		.window_bytes = 4 << 20,
		.window_share = 0.043,
		.code_bytes = 64 << 10,
		.kernel_bytes = 1 << 20,
		.seed = 1,
	};
}

bool m2d_gen_config_set(M2dGenConfig *config, const char *assignment, GError **error)
{
	return m2d_settings_set(settings, config, assignment, error);
}

void m2d_gen_config_foreach(const M2dGenConfig *config,
			    void (*fn)(const char *key, const char *value, void *data), void *data)
{
	m2d_settings_foreach(settings, config, fn, data);
}

static bool check_config(const M2dGenConfig *c, uint64_t data_end, GError **error)
{
	const char *wrong = NULL;

	if (c->base % M2D_PAGE_SIZE != 0)
		wrong = "gen.base: expected a multiple of 4096";
	else if (c->base >= USER_END || data_end > USER_END)
		wrong = "gen.base, gen.bytes: the data ends above 2^47, the end of user space";
	else if (c->fetch_share > 0 && c->base < CODE_BASE + c->code_bytes)
		wrong = "gen.base: the data overlaps the code, which starts at 4 MiB";
	else if (c->window_share + c->hot_share > 1 + 1e-9)
		wrong = "gen.window-share and gen.hot-share: their sum is above 1";
	else if (c->bytes % WORD != 0)
		wrong = "gen.bytes: expected a multiple of 8";
	else if (c->kind == M2D_GEN_STRIDE && c->stride > c->bytes)
		wrong = "gen.stride: expected no more than gen.bytes";
	if (wrong != NULL)
		g_set_error_literal(error, M2D_ERROR, M2D_ERROR_INPUT, wrong);
	return wrong == NULL;
}

static uint64_t threshold(double share)
{
	return (uint64_t)(share * 0x1p32);
}

static uint64_t part_after(uint64_t end)
{
	return (end + 2 * PART_GAP - 1) & ~(PART_GAP - 1);
}

M2dGen *m2d_gen_new(const M2dGenConfig *config, GError **error)
{
	/* No sum overflows: every term is below 2^48 once the base is. */
	uint64_t base = MIN(config->base, USER_END), data_end = base + config->bytes;
	uint64_t hot_base = part_after(data_end);
	uint64_t window_base = part_after(hot_base + config->hot_bytes);
	M2dGen *gen;

	if (config->kind == M2D_GEN_MIX)
		data_end = window_base + config->window_bytes;
	if (!check_config(config, data_end, error))
		return NULL;
	gen = g_new0(M2dGen, 1);
	gen->config = *config;
	gen->n_pages = (config->bytes + M2D_PAGE_SIZE - 1) / M2D_PAGE_SIZE;
	gen->hot_base = hot_base;
	gen->window_base = window_base;
	gen->fetch_below = threshold(config->fetch_share);
	gen->kernel_below = threshold(config->kernel_share);
	gen->write_below = threshold(config->write_share);
	gen->window_below = threshold(config->window_share);
	gen->hot_below = threshold(config->window_share + config->hot_share);
	gen->burst_left = config->burst;
	m2d_permutation_init(&gen->pages, gen->n_pages, config->seed);
	m2d_zipf_init(&gen->zipf, gen->n_pages, config->theta);
	gen->threads = g_new0(M2dGenThread, config->vcpus);
	for (uint64_t v = 0; v < config->vcpus; v++) {
		M2dGenThread *t = &gen->threads[v];
		uint64_t space = config->kind == M2D_GEN_CHASE ? gen->n_pages : config->bytes;

		m2d_rng_seed(&t->rng, config->seed * 256 + v);
		/* Threads start spread out evenly over the data. */
		t->position = (uint64_t)((unsigned __int128)space * v / config->vcpus);
		if (config->kind != M2D_GEN_CHASE)
			t->position &= ~(uint64_t)(WORD - 1);
	}
	return gen;
}

void m2d_gen_free(M2dGen *gen)
{
	if (gen == NULL)
		return;
	g_free(gen->threads);
	g_free(gen);
}

/* True with the probability that @below, a threshold, stands for. */
static inline bool draw(M2dGenThread *t, uint64_t below)
{
	return below != 0 && m2d_rng_next(&t->rng) >> 32 < below;
}

/* A random word of @bytes from @base. */
static inline uint64_t random_word(M2dGenThread *t, uint64_t base, uint64_t bytes)
{
	return base + m2d_rng_below(&t->rng, bytes / WORD) * WORD;
}

/* Word @word (modulo what fits) of page @page of the data. */
static uint64_t page_word(const M2dGen *gen, uint64_t page, uint64_t word)
{
	uint64_t start = page * M2D_PAGE_SIZE;
	uint64_t words = MIN(M2D_PAGE_SIZE, gen->config.bytes - start) / WORD;

	return gen->config.base + start + word % words * WORD;
}

static M2dRef ref_make(uint64_t va, M2dRefKind kind, uint64_t flags, unsigned size)
{
	return (M2dRef){va, (uint64_t)kind | flags | (uint64_t)size << M2D_REF_SIZE_SHIFT};
}

static M2dRef fetch_ref(const M2dGen *gen, M2dGenThread *t)
{
	uint64_t pc = t->pc;

	t->pc = pc + INSN < gen->config.code_bytes ? pc + INSN : 0;
	if (draw(t, threshold(JUMP_SHARE)))
		t->pc = m2d_rng_below(&t->rng, gen->config.code_bytes / INSN) * INSN;
	return ref_make(CODE_BASE + pc, M2D_REF_FETCH, M2D_REF_USER, INSN);
}

/* Address of the next data reference of a mix. */
static uint64_t mix_address(const M2dGen *gen, M2dGenThread *t, bool write)
{
	const M2dGenConfig *c = &gen->config;
	uint64_t part = m2d_rng_next(&t->rng) >> 32, half = c->bytes / 2 & ~(uint64_t)(WORD - 1);
	uint64_t offset;

	if (part < gen->window_below)
		return random_word(t, gen->window_base, c->window_bytes);
	if (part < gen->hot_below)
		return random_word(t, gen->hot_base, c->hot_bytes);
	/* Input is read from the first half of the data, output written to the second. */
	offset = t->position % half;
	t->position += WORD;
	return c->base + (write ? half : 0) + offset;
}

static M2dRef data_ref(const M2dGen *gen, M2dGenThread *t)
{
	const M2dGenConfig *c = &gen->config;
	M2dRefKind kind;
	uint64_t va, page;

	if (t->pending != 0) {
		va = t->pending;
		t->pending = 0;
		return ref_make(va, M2D_REF_WRITE, M2D_REF_USER, WORD);
	}
	kind = draw(t, gen->write_below) ? M2D_REF_WRITE : M2D_REF_READ;
	if (draw(t, gen->kernel_below))
		return ref_make(random_word(t, KERNEL_BASE, c->kernel_bytes), kind, 0, WORD);
	switch ((M2dGenKind)c->kind) {
	case M2D_GEN_STRIDE:
		va = c->base + t->position;
		t->position += c->stride;
		t->position -= t->position >= c->bytes ? c->bytes : 0;
		break;
	case M2D_GEN_ZIPF:
		page = m2d_permutation_at(&gen->pages, m2d_zipf_next(&gen->zipf, &t->rng) - 1);
		va = page_word(gen, page, m2d_rng_next(&t->rng) >> 32);
		break;
	case M2D_GEN_CHASE:
		page = m2d_permutation_at(&gen->pages, t->position);
		t->position = t->position + 1 < gen->n_pages ? t->position + 1 : 0;
		/* The node lies at a fixed place in its page. */
		va = page_word(gen, page, m2d_mix64(page + c->seed) >> 32);
		break;
	case M2D_GEN_GUPS:
		va = t->pending = random_word(t, c->base, c->bytes);
		kind = M2D_REF_READ;
		break;
	case M2D_GEN_MIX:
		va = mix_address(gen, t, kind == M2D_REF_WRITE);
		break;
	default:
		va = random_word(t, c->base, c->bytes);
		break;
	}
	return ref_make(va, kind, M2D_REF_USER, WORD);
}

size_t m2d_gen_fill(M2dGen *gen, M2dRef *refs, size_t n)
{
	const M2dGenConfig *c = &gen->config;
	M2dGenThread *t;
	uint64_t slice_left;

	if (gen->burst_left == 0) {
		gen->turn = gen->turn + 1 < c->vcpus ? gen->turn + 1 : 0;
		gen->burst_left = c->burst;
	}
	t = &gen->threads[gen->turn];
	slice_left = c->slice - t->done % c->slice;
	n = MIN(n, c->refs - gen->done);
	if (c->vcpus > 1)
		n = MIN(n, gen->burst_left);
	if (c->processes > 1)
		n = MIN(n, slice_left);
	if (n == 0)
		return 0;
	gen->last_vcpu = gen->turn;
	gen->last_process = (gen->turn + t->done / c->slice) % c->processes;
	for (size_t i = 0; i < n; i++)
		refs[i] = draw(t, gen->fetch_below) ? fetch_ref(gen, t) : data_ref(gen, t);
	t->done += n;
	gen->done += n;
	if (c->vcpus > 1)
		gen->burst_left -= n;
	return n;
}

bool m2d_gen_next(M2dGen *gen, M2dRef *ref)
{
	return m2d_gen_fill(gen, ref, 1) == 1;
}

unsigned m2d_gen_vcpu(const M2dGen *gen)
{
	return gen->last_vcpu;
}

uint64_t m2d_gen_process(const M2dGen *gen)
{
	return gen->last_process;
}
