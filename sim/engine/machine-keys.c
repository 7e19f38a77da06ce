/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/machine-keys.h"

#include "sim/base/bits.h"
#include "sim/base/error.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define AT(field) offsetof(M2dMachine, field)
#define TEXT(s, k, f, t)                                                                           \
	{                                                                                          \
		s, k, M2D_KEY_TEXT, AT(f), 0, 0, M2D_KEY_OF_ALL, t                                 \
	}
#define UINT(s, k, f, lo, hi, t)                                                                   \
	{                                                                                          \
		s, k, M2D_KEY_UINT, AT(f), lo, hi, M2D_KEY_OF_ALL, t                               \
	}
#define BOOL(s, k, f, t)                                                                           \
	{                                                                                          \
		s, k, M2D_KEY_BOOL, AT(f), 0, 0, M2D_KEY_OF_ALL, t                                 \
	}
#define GEOM(s, k, f, t)                                                                           \
	{                                                                                          \
		s, k, M2D_KEY_GEOMETRY, AT(f), 0, 0, M2D_KEY_OF_ALL, t                             \
	}
#define COST(k, f, t) UINT("cost", k, cost.f, 0, MAX_COST, t)
#define COST_OF(who, k, f, t)                                                                      \
	{                                                                                          \
		"cost", k, M2D_KEY_UINT, AT(cost.f), 0, MAX_COST, M2D_KEY_OF_##who, t              \
	}

#define KVM(k, f, t) UINT("kvm", k, kvm.f, 0, MAX_COST, t)

/* A second at 1 GHz; a larger figure is a mistake of units. */
#define MAX_COST    1000000000.0
#define MAX_LATENCY 1000000.0
/* Far above any TLB built; bounds memory and the time of a fully associative search. */
#define MAX_ENTRIES 65536u
#define MAX_WAYS    4096u
#define MAX_CACHE   (UINT64_C(1) << 30)

/* clang-format off */
const M2dKey m2d_machine_keys[] = {
	TEXT("machine", "description", description, "what it stands for"),
	{"machine", "vendor", M2D_KEY_VENDOR, AT(vendor), 0, 0, M2D_KEY_OF_ALL,
	 "intel or amd: instructions, EPT or NPT, rules of the caching structures"},
	{"machine", "clock-ghz", M2D_KEY_DOUBLE, AT(clock_ghz), 0.1, 20, M2D_KEY_OF_ALL,
	 "core clock in GHz; converts nanoseconds and cycles, changes no count"},
	UINT("machine", "maxphyaddr", maxphyaddr, 32, 52, "physical address bits of the host"),

	GEOM("tlb", "l1d.4k", tlb.l1d[M2D_SIZE_4K], "L1 data TLB for 4 KiB pages"),
	GEOM("tlb", "l1d.2m", tlb.l1d[M2D_SIZE_2M], "L1 data TLB for 2 and 4 MiB pages"),
	GEOM("tlb", "l1d.1g", tlb.l1d[M2D_SIZE_1G], "L1 data TLB for 1 GiB pages"),
	GEOM("tlb", "l1d.unified", tlb.l1d_unified,
	     "L1 data TLB for all page sizes; replaces the three above"),
	GEOM("tlb", "l1i.4k", tlb.l1i[M2D_SIZE_4K], "L1 instruction TLB for 4 KiB pages"),
	GEOM("tlb", "l1i.2m", tlb.l1i[M2D_SIZE_2M], "L1 instruction TLB for 2 and 4 MiB pages"),
	GEOM("tlb", "l1i.1g", tlb.l1i[M2D_SIZE_1G], "L1 instruction TLB for 1 GiB pages"),
	GEOM("tlb", "l1i.unified", tlb.l1i_unified,
	     "L1 instruction TLB for all page sizes; replaces the three above"),
	GEOM("tlb", "l2", tlb.l2, "unified second-level TLB, 4 KiB and 2 MiB translations"),
	{"tlb", "l2.1g-mode", M2D_KEY_ONE_G, AT(tlb.l2_1g_mode), 0, 0, M2D_KEY_OF_ALL,
	 "1 GiB translations at the second level: none, own (array l2.1g) or smash (held as 2 MiB)"},
	GEOM("tlb", "l2.1g", tlb.l2_1g, "second-level TLB for 1 GiB translations"),
	BOOL("tlb", "l2.holds-pde", tlb.l2_holds_pde,
	     "PDEs are ordinary entries of the second-level TLB"),
	BOOL("tlb", "ideal", tlb.ideal, "nothing is ever evicted: staleness lasts as long as is legal"),
	BOOL("tlb", "spurious-fault", tlb.spurious_fault,
	     "a right missing in a cached entry faults without another walk"),
	UINT("tlb", "l1-hit", tlb.l1_hit, 0, MAX_LATENCY, "cycles of an L1 TLB hit"),
	UINT("tlb", "l2-hit", tlb.l2_hit, 0, MAX_LATENCY, "extra cycles of a second-level TLB hit"),

	GEOM("psc", "pde", psc.level[M2D_PSC_PDE], "first dimension: cached PDEs"),
	GEOM("psc", "pdpte", psc.level[M2D_PSC_PDPTE], "first dimension: cached PDPTEs"),
	GEOM("psc", "pml4", psc.level[M2D_PSC_PML4], "first dimension: cached PML4 entries"),
	GEOM("psc", "pml5", psc.level[M2D_PSC_PML5], "first dimension: cached PML5 entries"),
	GEOM("psc", "shared", psc.shared, "first dimension: one cache for several levels"),
	{"psc", "shared-levels", M2D_KEY_LEVELS, AT(psc.shared_levels), 0, 0, M2D_KEY_OF_ALL,
	 "first dimension: levels that the shared cache holds"},
	UINT("psc", "lookup", psc_lookup, 0, MAX_LATENCY,
	     "cycles per walk for looking up the paging-structure caches"),
	GEOM("npsc", "pde", npsc.level[M2D_PSC_PDE], "second dimension: cached PDEs"),
	GEOM("npsc", "pdpte", npsc.level[M2D_PSC_PDPTE], "second dimension: cached PDPTEs"),
	GEOM("npsc", "pml4", npsc.level[M2D_PSC_PML4], "second dimension: cached PML4 entries"),
	GEOM("npsc", "pml5", npsc.level[M2D_PSC_PML5], "second dimension: cached PML5 entries"),
	GEOM("npsc", "shared", npsc.shared, "second dimension: one cache for several levels"),
	{"npsc", "shared-levels", M2D_KEY_LEVELS, AT(npsc.shared_levels), 0, 0, M2D_KEY_OF_ALL,
	 "second dimension: levels that the shared cache holds"},
	GEOM("ntlb", "size", ntlb, "nested TLB: guest-physical to host-physical"),
	UINT("ntlb", "lookup", ntlb_lookup, 0, MAX_LATENCY, "cycles per lookup of the nested TLB"),

	UINT("walk", "walkers", walk.walkers, 1, 64, "page walkers in parallel (overlapped timing)"),
	UINT("walk", "start", walk.start, 0, MAX_LATENCY, "fixed cycles to start a walk"),
	UINT("walk", "ad-update", walk.ad_update, 0, MAX_LATENCY,
	     "cycles of a locked accessed- or dirty-bit update, beside the fetch of its line"),
	UINT("walk", "mshrs", walk.mshrs, 1, 256,
	     "distinct page misses outstanding (overlapped timing)"),
	UINT("walk", "window", walk.window, 1, 65536, "instructions in flight (overlapped timing)"),
	BOOL("walk", "fetch-from-l1", walk.fetch_from_l1,
	     "table entries are fetched through the L1 data cache; else from L2 on"),

	UINT("mem", "line", mem.line, 8, 4096, "bytes of a cache line"),
	{"mem", "l1", M2D_KEY_CACHE, AT(mem.level[0]), 0, 0, M2D_KEY_OF_ALL, "L1 data cache"},
	UINT("mem", "l1-latency", mem.level[0].latency, 0, MAX_LATENCY, "load to use, cycles"),
	{"mem", "l2", M2D_KEY_CACHE, AT(mem.level[1]), 0, 0, M2D_KEY_OF_ALL, "L2 cache"},
	UINT("mem", "l2-latency", mem.level[1].latency, 0, MAX_LATENCY, "load to use, cycles"),
	{"mem", "l3", M2D_KEY_CACHE, AT(mem.level[2]), 0, 0, M2D_KEY_OF_ALL,
	 "L3 cache as one core can use it"},
	UINT("mem", "l3-latency", mem.level[2].latency, 0, MAX_LATENCY, "load to use, cycles"),
	UINT("mem", "dram-latency", mem.dram, 0, MAX_LATENCY, "load to use, cycles"),

	COST("base-millicycles", base_millicycles,
	     "base execution per reference, 1/1000 cycles"),
	COST("page-fault", page_fault, "delivery of #PF and the guest's handler, cycles"),
	COST("invlpg", invlpg, "INVLPG, cycles"),
	COST("invpcid", invpcid, "INVPCID, cycles"),
	COST("mov-cr3", mov_cr3, "MOV to CR3, cycles"),
	COST("global-flush", global_flush, "MOV to CR4 or CR0 that flushes everything, cycles"),
	COST_OF(INTEL, "invvpid", invvpid, "INVVPID, cycles"),
	COST_OF(INTEL, "invept", invept, "INVEPT, cycles"),
	COST_OF(AMD, "tlb-control", tlb_control,
		"VMRUN with a TLB_CONTROL that flushes, beside the entry, cycles"),
	COST_OF(AMD, "invlpga", invlpga, "INVLPGA, cycles"),
	COST_OF(AMD, "invlpgb", invlpgb, "INVLPGB, cycles"),
	COST_OF(AMD, "tlbsync", tlbsync, "TLBSYNC, cycles"),
	COST("exit-entry", exit_entry, "VM exit and entry, hardware round trip, cycles"),
	COST("nested-fault", nested_fault,
	     "handler of a fault in the second dimension, beside exit-entry, cycles"),
	COST("ipi", ipi, "inter-processor interrupt, send to start of the handler, cycles"),

	KVM("fault-handler", fault_handler,
	    "handler of a fault in a shadow table, beside exit-entry and what is below, cycles"),
	KVM("emulate", emulate, "one emulated instruction, cycles"),
	KVM("sync-spte", sync_spte, "bringing one SPTE up to date with its guest entry, cycles"),
	KVM("zap-spte", zap_spte, "zapping one SPTE of a shadow page, cycles"),
	KVM("sp-alloc", sp_alloc, "a shadow page allocated, zeroed and linked, cycles"),
	KVM("rmap-zap", rmap_zap, "zapping one SPTE that its rmap leads to, cycles"),
	KVM("wrprot-spte", wrprot_spte,
	    "write-protecting one SPTE that its rmap leads to, cycles"),
	KVM("root-load", root_load,
	    "loading a root, beside its shadow page and the flush, cycles"),
	KVM("memslot-lookup", memslot_lookup, "finding the memslot of a gfn, cycles"),
	KVM("lock-acquire", lock_acquire, "taking mmu_lock while nobody holds it, cycles"),
	KVM("post-request", post_request, "posting a request to one vCPU, cycles"),
	KVM("kick", kick, "taking one vCPU out of the guest: the sender's side, cycles"),
	KVM("kick-target", kick_target, "the same, the target's side, beside exit-entry, cycles"),
	KVM("request-check", request_check,
	    "taking one pending request before an entry, without its service, cycles"),
	KVM("userspace-exit", userspace_exit,
	    "return to userspace and back, beside exit-entry, cycles"),
	KVM("srcu-sync", srcu_sync, "waiting for SRCU readers in a change of memslots, cycles"),
	KVM("hypercall", hypercall, "dispatching one hypercall, beside exit-entry, cycles"),
};
/* clang-format on */
const unsigned m2d_machine_n_keys = M2D_N_ELEMENTS(m2d_machine_keys);

static const char *const vendor_names[] = {"intel", "amd"};
static const char *const bool_names[] = {"no", "yes"};
static const char *const one_g_names[] = {"none", "own", "smash"};
static const char *const level_names[] = {"pde", "pdpte", "pml4", "pml5"};

static bool same_name(const char *a, const char *b)
{
	for (; *a != '\0' || *b != '\0'; a++, b++) {
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	}
	return true;
}

int m2d_machine_key_find(const char *section, const char *key)
{
	for (unsigned i = 0; i < m2d_machine_n_keys; i++) {
		if (same_name(m2d_machine_keys[i].section, section) &&
		    same_name(m2d_machine_keys[i].key, key))
			return (int)i;
	}
	return -1;
}

/* --- parsing -------------------------------------------------------------------------------- */

static bool expected(const M2dKey *key, const char *what, const char *text, GError **error)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s.%s: expected %s, got '%s'", key->section,
		    key->key, what, text);
	return false;
}

/* Digits only: no sign, no space, no other base. */
static bool parse_digits(const char *text, size_t len, uint64_t *value)
{
	if (len == 0 || len > 18)
		return false;
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		if (!g_ascii_isdigit(text[i]))
			return false;
		*value = *value * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

static bool parse_name(const M2dKey *key, const char *const *names, unsigned n, const char *text,
		       unsigned *value, GError **error)
{
	g_autoptr(GString) all = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (strcmp(names[i], text) == 0) {
			*value = i;
			return true;
		}
	}
	all = g_string_new(NULL);
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(all, "%s%s",
				       i == 0      ? ""
				       : i + 1 < n ? ", "
						   : " or ",
				       names[i]);
	return expected(key, all->str, text, error);
}

static bool parse_uint(const M2dKey *key, const char *text, uint32_t *value, GError **error)
{
	uint64_t v;
	g_autofree char *what = NULL;

	if (parse_digits(text, strlen(text), &v) && (double)v >= key->min &&
	    (double)v <= key->max) {
		*value = (uint32_t)v;
		return true;
	}
	what = g_strdup_printf("an integer from %.0f to %.0f", key->min, key->max);
	return expected(key, what, text, error);
}

static bool parse_double(const M2dKey *key, const char *text, double *value, GError **error)
{
	char *end;
	double v = g_ascii_strtod(text, &end);
	g_autofree char *what = NULL;

	/* No hexadecimal, no "inf": plain decimal numbers. */
	if (text[0] != '\0' && *end == '\0' && strspn(text, "0123456789.") == strlen(text) &&
	    v >= key->min && v <= key->max) {
		*value = v;
		return true;
	}
	what = g_strdup_printf("a number from %g to %g", key->min, key->max);
	return expected(key, what, text, error);
}

static bool parse_geometry(const M2dKey *key, const char *text, M2dGeometry *value, GError **error)
{
	const char *slash = strchr(text, '/');
	uint64_t entries;
	uint64_t ways;

	if (strcmp(text, "none") == 0) {
		*value = (M2dGeometry){0, 0};
		return true;
	}
	if (slash == NULL || !parse_digits(text, (size_t)(slash - text), &entries) || entries == 0)
		return expected(key, "ENTRIES/WAYS, ENTRIES/full or none", text, error);
	if (strcmp(slash + 1, "full") == 0)
		ways = entries;
	else if (!parse_digits(slash + 1, strlen(slash + 1), &ways) || ways == 0)
		return expected(key, "ENTRIES/WAYS, ENTRIES/full or none", text, error);
	if (entries > MAX_ENTRIES)
		return expected(key, "at most 65536 entries", text, error);
	if (ways > MAX_WAYS)
		return expected(key, "at most 4096 ways", text, error);
	if (ways > entries || entries % ways != 0)
		return expected(key, "a number of ways that divides the entries", text, error);
	if (!m2d_is_pow2(entries / ways))
		return expected(key, "a number of sets (entries / ways) that is a power of two",
				text, error);
	*value = (M2dGeometry){(uint32_t)entries, (uint32_t)ways};
	return true;
}

static bool parse_levels(const M2dKey *key, const char *text, uint32_t *value, GError **error)
{
	g_auto(GStrv) words = g_strsplit_set(text, " \t,", -1);
	uint32_t levels = 0;
	unsigned bit;

	if (strcmp(text, "none") == 0) {
		*value = 0;
		return true;
	}
	for (char **w = words; *w != NULL; w++) {
		if (**w == '\0')
			continue;
		if (!parse_name(key, level_names, M2D_PSC_LEVELS, *w, &bit, error))
			return false;
		levels |= 1u << bit;
	}
	if (levels == 0)
		return expected(key, "words of pde pdpte pml4 pml5, or none", text, error);
	*value = levels;
	return true;
}

static bool parse_cache(const M2dKey *key, const char *text, M2dCacheLevel *value, GError **error)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : 0;
	unsigned shift = 0;
	uint64_t bytes;
	uint64_t ways;

	if (strcmp(text, "none") == 0) {
		value->bytes = 0;
		value->ways = 0;
		return true;
	}
	if (len > 0 && (text[len - 1] == 'K' || text[len - 1] == 'M')) {
		shift = text[len - 1] == 'K' ? 10 : 20;
		len--;
	}
	if (slash == NULL || !parse_digits(text, len, &bytes) || bytes == 0 ||
	    !parse_digits(slash + 1, strlen(slash + 1), &ways) || ways == 0)
		return expected(key, "BYTES/WAYS such as 32K/8, or none", text, error);
	if (bytes > MAX_CACHE >> shift)
		return expected(key, "at most 1024M", text, error);
	if (ways > MAX_WAYS)
		return expected(key, "at most 4096 ways", text, error);
	value->bytes = bytes << shift;
	value->ways = (uint32_t)ways;
	return true;
}

bool m2d_machine_key_parse(M2dMachine *machine, unsigned index, const char *text, GError **error)
{
	const M2dKey *key = &m2d_machine_keys[index];
	void *field = (char *)machine + key->offset;
	unsigned choice = 0;

	switch (key->type) {
	case M2D_KEY_TEXT:
		if (text[0] == '\0')
			return expected(key, "a line of text", text, error);
		g_free(*(char **)field);
		*(char **)field = g_strdup(text);
		return true;
	case M2D_KEY_VENDOR:
		if (!parse_name(key, vendor_names, 2, text, &choice, error))
			return false;
		*(M2dVendor *)field = (M2dVendor)choice;
		return true;
	case M2D_KEY_BOOL:
		if (!parse_name(key, bool_names, 2, text, &choice, error))
			return false;
		*(bool *)field = choice != 0;
		return true;
	case M2D_KEY_ONE_G:
		if (!parse_name(key, one_g_names, 3, text, &choice, error))
			return false;
		*(M2dL2OneG *)field = (M2dL2OneG)choice;
		return true;
	case M2D_KEY_DOUBLE:
		return parse_double(key, text, field, error);
	case M2D_KEY_UINT:
		return parse_uint(key, text, field, error);
	case M2D_KEY_GEOMETRY:
		return parse_geometry(key, text, field, error);
	case M2D_KEY_LEVELS:
		return parse_levels(key, text, field, error);
	case M2D_KEY_CACHE:
		return parse_cache(key, text, field, error);
	}
	g_assert_not_reached();
}

/* --- formatting ----------------------------------------------------------------------------- */

static char *format_geometry(const M2dGeometry *g)
{
	if (g->entries == 0)
		return g_strdup("none");
	if (g->entries == g->ways)
		return g_strdup_printf("%u/full", g->entries);
	return g_strdup_printf("%u/%u", g->entries, g->ways);
}

static char *format_levels(uint32_t levels)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < M2D_PSC_LEVELS; i++) {
		if ((levels >> i & 1) != 0)
			g_string_append_printf(s, "%s%s", s->len > 0 ? " " : "", level_names[i]);
	}
	return g_string_free(levels != 0 ? s : g_string_append(s, "none"), FALSE);
}

static char *format_cache(const M2dCacheLevel *c)
{
	guint64 bytes = c->bytes;

	if (bytes == 0)
		return g_strdup("none");
	if (bytes % (1u << 20) == 0)
		return g_strdup_printf("%" G_GUINT64_FORMAT "M/%u", bytes >> 20, c->ways);
	if (bytes % (1u << 10) == 0)
		return g_strdup_printf("%" G_GUINT64_FORMAT "K/%u", bytes >> 10, c->ways);
	return g_strdup_printf("%" G_GUINT64_FORMAT "/%u", bytes, c->ways);
}

char *m2d_machine_key_format(const M2dMachine *machine, unsigned index)
{
	const M2dKey *key = &m2d_machine_keys[index];
	const void *field = (const char *)machine + key->offset;
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	switch (key->type) {
	case M2D_KEY_TEXT:
		return g_strdup(*(char *const *)field);
	case M2D_KEY_VENDOR:
		return g_strdup(vendor_names[*(const M2dVendor *)field]);
	case M2D_KEY_BOOL:
		return g_strdup(bool_names[*(const bool *)field]);
	case M2D_KEY_ONE_G:
		return g_strdup(one_g_names[*(const M2dL2OneG *)field]);
	case M2D_KEY_DOUBLE:
		return g_strdup(
			g_ascii_formatd(number, sizeof(number), "%.15g", *(const double *)field));
	case M2D_KEY_UINT:
		return g_strdup_printf("%u", *(const uint32_t *)field);
	case M2D_KEY_GEOMETRY:
		return format_geometry(field);
	case M2D_KEY_LEVELS:
		return format_levels(*(const uint32_t *)field);
	case M2D_KEY_CACHE:
		return format_cache(field);
	}
	g_assert_not_reached();
}
