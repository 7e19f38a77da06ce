/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest system. Kernel mappings live below a reference root of their own; a process gets copies of
 * its top entries, at once in PAE mode (hardware loads those into registers), else when it faults
 * on them. Both point at the same tables below, so a kernel page is mapped once for all.
 */
#include "sim/replay/guestos.h"

#include "sim/base/error.h"
#include "sim/base/x86pte.h"
#include "sim/replay/settings.h"
#include "sim/replay/tables.h"

/* Frame 0 stays free, so that no table or page has address 0. */
#define FIRST_PFN 512u

#define DEFAULT_MEMORY (UINT64_C(256) << 30)
#define LEGACY_MEMORY  (UINT64_C(4) << 30) /* CR3 and 32-bit entries reach 4 GiB */
#define LEGACY_KERNEL  UINT64_C(0xc0000000)

static const char *const paging_names[] = {"4level", "5level", "pae", "32bit", NULL};

struct _M2dGuestos {
	M2dArena *arena;
	M2dHostmap *host;
	M2dGuestosConfig config;
	M2dPageShares shares;
	M2dTables tables;
	M2dTableBits user, kernel;
	M2dVendor vendor;
	unsigned va_bits;
	uint64_t kernel_root; /* reference root of the kernel half */
	uint64_t *roots;      /* by process, in the arena; 0: none yet */
};

#define FIELD(name) offsetof(M2dGuestosConfig, name)

static const M2dSetting settings[] = {
	{"guest.paging", M2D_SETTING_NAME, FIELD(paging), 0, 0, paging_names,
	 "paging mode of the guest"},
	{"guest.memory", M2D_SETTING_BYTES, FIELD(memory), 0, UINT64_C(1) << 52, NULL,
	 "bytes of guest memory; 0: 256G, or what can be addressed"},
	{"guest.share-2m", M2D_SETTING_SHARE, FIELD(share_2m), 0, 0, NULL,
	 "share of linear memory in 2 MiB pages"},
	{"guest.share-1g", M2D_SETTING_SHARE, FIELD(share_1g), 0, 0, NULL,
	 "share of linear memory in 1 GiB pages"},
	{"guest.scatter", M2D_SETTING_SHARE, FIELD(scatter), 0, 0, NULL,
	 "share of 4 KiB frames at pseudo-random places"},
	{"guest.pcid", M2D_SETTING_BOOL, FIELD(pcid), 0, 0, NULL, "a PCID for each process"},
	{"guest.global", M2D_SETTING_BOOL, FIELD(global), 0, 0, NULL, "kernel pages are global"},
	{"guest.seed", M2D_SETTING_UINT, FIELD(seed), 0, UINT64_MAX, NULL, "seed of the layout"},
	{NULL},
};

void m2d_guestos_config_init(M2dGuestosConfig *config)
{
	*config = (M2dGuestosConfig){.pcid = true, .global = true, .seed = 1};
}

bool m2d_guestos_config_set(M2dGuestosConfig *config, const char *assignment, GError **error)
{
	return m2d_settings_set(settings, config, assignment, error);
}

void m2d_guestos_config_foreach(const M2dGuestosConfig *config,
				void (*fn)(const char *key, const char *value, void *data),
				void *data)
{
	m2d_settings_foreach(settings, config, fn, data);
}

static bool is_long_mode(const M2dGuestosConfig *config)
{
	return config->paging == M2D_GUESTOS_4LEVEL || config->paging == M2D_GUESTOS_5LEVEL;
}

/* The bytes of memory to use, or 0 with @error. */
static uint64_t check_config(const M2dGuestosConfig *config, unsigned pa_bits, GError **error)
{
	uint64_t reach = UINT64_C(1) << pa_bits, memory = config->memory;

	if (!is_long_mode(config))
		reach = MIN(reach, LEGACY_MEMORY);
	if (memory == 0)
		memory = MIN(DEFAULT_MEMORY, reach);
	if (memory > reach || memory < 4 * M2D_PAGE_SIZE * FIRST_PFN) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "guest.memory: expected from 8M to the %" G_GUINT64_FORMAT
			    " MiB that guest.paging=%s can address here",
			    reach >> 20, paging_names[config->paging]);
		return 0;
	}
	if (config->share_2m + config->share_1g > 1 + 1e-9) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "guest.share-2m and guest.share-1g: their sum is above 1");
		return 0;
	}
	if ((!is_long_mode(config) && config->share_1g > 0) ||
	    (config->paging == M2D_GUESTOS_32BIT && config->share_2m > 0)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "guest.share-2m, guest.share-1g: guest.paging=%s has no such pages",
			    paging_names[config->paging]);
		return 0;
	}
	return memory;
}

/* Guest-physical to host-physical, for the table builder. */
static bool locate(void *data, uint64_t pa, M2dHpa *hpa)
{
	return m2d_hostmap_translate(data, M2D_GPA(pa), hpa);
}

/* The same without making the host back memory: what it does not back yet is not present. */
static bool locate_backed(void *data, uint64_t pa, M2dHpa *hpa)
{
	M2dPageSize size;

	return m2d_hostmap_find(data, M2D_GPA(pa), hpa, &size);
}

/* An entry of the PDPT, which knows no rights. */
static bool pae_fill(const M2dGuestos *os, uint64_t root, unsigned slot, uint64_t table)
{
	return m2d_tables_write_entry(&os->tables, root, 3, (uint64_t)slot << 30,
				      table | M2D_PTE_P);
}

/* A new root. Hardware loads a PAE root into registers, so its four entries never change. */
static bool root_new(M2dGuestos *os, bool kernel, uint64_t *root)
{
	uint64_t table;

	if (!m2d_tables_new_table(&os->tables, root))
		return false;
	if (os->config.paging != M2D_GUESTOS_PAE)
		return true;
	for (unsigned slot = kernel ? 3 : 0; slot < 4; slot++) {
		if (slot < 3 || kernel) {
			if (!m2d_tables_new_table(&os->tables, &table))
				return false;
		} else {
			if (!m2d_tables_read_entry(&os->tables, os->kernel_root, 3, LEGACY_KERNEL,
						   &table))
				return false;
			table &= ~M2D_PTE_P;
		}
		if (!pae_fill(os, *root, slot, table))
			return false;
	}
	return true;
}

M2dGuestos *m2d_guestos_new(M2dWorld *world, M2dHostmap *host, const M2dGuestosConfig *config,
			    GError **error)
{
	static const uint8_t levels[] = {4, 5, 3, 2}, va_bits[] = {48, 57, 32, 32};
	const M2dMachine *machine = m2d_world_machine(world);
	unsigned pa_bits = host != NULL ? m2d_hostmap_gpa_bits(host) : machine->maxphyaddr;
	uint64_t memory = check_config(config, pa_bits, error);
	uint64_t n_frames = (memory >> M2D_PAGE_SHIFT) & ~UINT64_C(511);
	M2dGuestos *os;

	if (memory == 0)
		return NULL;
	os = g_new0(M2dGuestos, 1);
	os->arena = m2d_world_arena(world);
	os->host = host;
	os->config = *config;
	os->vendor = machine->vendor;
	os->va_bits = va_bits[config->paging];
	os->shares = (M2dPageShares){config->share_2m, config->share_1g, config->seed};
	os->tables = (M2dTables){
		.space = m2d_world_space(world),
		.frames = m2d_falloc_new(os->arena, FIRST_PFN, n_frames - FIRST_PFN,
					 config->scatter, config->seed),
		.levels = levels[config->paging],
		.index_bits = config->paging == M2D_GUESTOS_32BIT ? 10 : 9,
		.entry_shift = config->paging == M2D_GUESTOS_32BIT ? 2 : 3,
		.present = M2D_PTE_P,
		.large = M2D_PTE_PS,
		.locate = host != NULL ? locate : NULL,
		.data = host,
	};
	os->user.table = os->user.leaf = M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US;
	os->kernel.table = M2D_PTE_P | M2D_PTE_RW;
	os->kernel.leaf = os->kernel.table | (config->global ? M2D_PTE_G : 0);
	os->roots = m2d_arena_alloc(os->arena, M2D_GUESTOS_PROCESSES * sizeof(uint64_t), 64);
	if (!root_new(os, true, &os->kernel_root)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND, "host memory is full");
		m2d_guestos_free(os);
		return NULL;
	}
	return os;
}

void m2d_guestos_free(M2dGuestos *os)
{
	if (os == NULL)
		return;
	m2d_falloc_free(os->tables.frames);
	g_free(os);
}

bool m2d_guestos_regs(M2dGuestos *os, uint64_t process, M2dRegs *regs, GError **error)
{
	bool long_mode = is_long_mode(&os->config);
	bool pcid = long_mode && os->config.pcid;
	uint64_t root;

	if (process >= M2D_GUESTOS_PROCESSES) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "process %" G_GUINT64_FORMAT ": expected a number below %u", process,
			    M2D_GUESTOS_PROCESSES);
		return false;
	}
	root = os->roots[process];
	if (root == 0) {
		if (!root_new(os, false, &root)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
				    "process %" G_GUINT64_FORMAT
				    ": memory is full; raise guest.memory or host.memory",
				    process);
			return false;
		}
		m2d_set64(os->arena, &os->roots[process], root);
	}
	*regs = (M2dRegs){
		.cr0 = M2D_CR0_PE | M2D_CR0_WP | M2D_CR0_PG,
		.cr3 = root | (pcid ? process + 1 : 0),
		.cr4 = (os->config.paging != M2D_GUESTOS_32BIT ? M2D_CR4_PAE : M2D_CR4_PSE) |
		       (os->config.paging == M2D_GUESTOS_5LEVEL ? M2D_CR4_LA57 : 0) |
		       (os->config.global ? M2D_CR4_PGE : 0) | (pcid ? M2D_CR4_PCIDE : 0),
		.efer = (long_mode ? M2D_EFER_LME | M2D_EFER_LMA : 0) |
			(os->config.paging != M2D_GUESTOS_32BIT ? M2D_EFER_NXE : 0),
	};
	if (os->config.paging == M2D_GUESTOS_PAE && os->vendor == M2D_VENDOR_INTEL)
		for (unsigned slot = 0; slot < 4; slot++)
			m2d_tables_read_entry(&os->tables, root, 3, (uint64_t)slot << 30,
					      &regs->pdpte[slot]);
	return true;
}

/* True if the mode can express @gva. */
static bool is_canonical(const M2dGuestos *os, uint64_t gva)
{
	unsigned shift = 64 - os->va_bits;

	if (os->va_bits == 32)
		return gva >> 32 == 0;
	return (uint64_t)((int64_t)(gva << shift) >> shift) == gva;
}

static bool is_kernel(const M2dGuestos *os, uint64_t gva)
{
	return os->va_bits == 32 ? gva >= LEGACY_KERNEL : gva >> 63 != 0;
}

/* Let @root's top entry for @gva be the kernel's; true if it was not before. */
static bool sync_kernel(const M2dGuestos *os, uint64_t root, uint64_t gva, bool *changed)
{
	unsigned top = os->tables.levels;
	uint64_t reference, entry;

	*changed = false;
	if (!m2d_tables_read_entry(&os->tables, os->kernel_root, top, gva, &reference) ||
	    !m2d_tables_read_entry(&os->tables, root, top, gva, &entry))
		return false;
	if ((entry & M2D_PTE_P) != 0)
		return true;
	*changed = true;
	return m2d_tables_write_entry(&os->tables, root, top, gva, reference);
}

M2dGuestosFault m2d_guestos_fault(M2dGuestos *os, uint64_t process, M2dGva gva, bool user)
{
	bool kernel = is_kernel(os, gva.v), changed = false;
	uint64_t root;
	M2dTablesPage page;
	M2dTablesResult result;

	g_assert(process < M2D_GUESTOS_PROCESSES && os->roots[process] != 0);
	root = os->roots[process];
	if (!is_canonical(os, gva.v))
		return M2D_GUESTOS_BAD_ADDRESS;
	if (kernel && user)
		return M2D_GUESTOS_DENIED;
	result = m2d_tables_map(&os->tables, kernel ? os->kernel_root : root, gva.v,
				kernel ? &os->kernel : &os->user, &os->shares, &page);
	if (result == M2D_TABLES_NO_MEMORY)
		return M2D_GUESTOS_NO_MEMORY;
	if (kernel && !sync_kernel(os, root, gva.v, &changed))
		return M2D_GUESTOS_NO_MEMORY;
	return result == M2D_TABLES_MAPPED || changed ? M2D_GUESTOS_MAPPED : M2D_GUESTOS_PRESENT;
}

bool m2d_guestos_find(const M2dGuestos *os, uint64_t process, M2dGva gva, M2dGpa *gpa,
		      M2dPageSize *size)
{
	M2dTables tables = os->tables;
	M2dTablesPage page;

	if (os->host != NULL)
		tables.locate = locate_backed;
	if (process >= M2D_GUESTOS_PROCESSES || os->roots[process] == 0 ||
	    !is_canonical(os, gva.v) ||
	    !m2d_tables_find(&tables, is_kernel(os, gva.v) ? os->kernel_root : os->roots[process],
			     gva.v, &page))
		return false;
	*gpa = M2D_GPA(page.pa);
	*size = page.size;
	return true;
}

uint64_t m2d_guestos_taken(const M2dGuestos *os)
{
	return m2d_falloc_taken(os->tables.frames) << M2D_PAGE_SHIFT;
}
