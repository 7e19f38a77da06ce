/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/replay/hostmap.h"

#include "sim/base/error.h"
#include "sim/base/x86pte.h"
#include "sim/ept/ept.h"
#include "sim/replay/settings.h"
#include "sim/replay/tables.h"

/* Frame 0 stays free, so that no table or page has address 0. */
#define FIRST_PFN 512u

#define DEFAULT_MEMORY (UINT64_C(1) << 40)

/* EPTP bits 2:0: the structures are read as write-back memory. */
#define EPT_WB UINT64_C(6)

struct _M2dHostmap {
	M2dNestedKind kind;
	M2dHostmapConfig config;
	M2dPageShares shares;
	M2dTables tables;
	M2dTableBits bits;
	uint64_t root;
	unsigned gpa_bits;
};

#define FIELD(name) offsetof(M2dHostmapConfig, name)

static const M2dSetting settings[] = {
	{"host.levels", M2D_SETTING_UINT, FIELD(levels), 4, 5, NULL, "levels of the nested tables"},
	{"host.memory", M2D_SETTING_BYTES, FIELD(memory), 0, UINT64_C(1) << 52, NULL,
	 "bytes of host memory; 0: 1T, or what the machine can address"},
	{"host.share-2m", M2D_SETTING_SHARE, FIELD(share_2m), 0, 0, NULL,
	 "share of guest memory that 2 MiB pages back"},
	{"host.share-1g", M2D_SETTING_SHARE, FIELD(share_1g), 0, 0, NULL,
	 "share of guest memory that 1 GiB pages back"},
	{"host.scatter", M2D_SETTING_SHARE, FIELD(scatter), 0, 0, NULL,
	 "share of 4 KiB frames at pseudo-random places"},
	{"host.ad", M2D_SETTING_BOOL, FIELD(ad), 0, 0, NULL, "EPT accessed and dirty bits are on"},
	{"host.seed", M2D_SETTING_UINT, FIELD(seed), 0, UINT64_MAX, NULL, "seed of the layout"},
	{NULL},
};

void m2d_hostmap_config_init(M2dHostmapConfig *config)
{
	*config = (M2dHostmapConfig){.levels = 4, .ad = true, .seed = 1};
}

bool m2d_hostmap_config_set(M2dHostmapConfig *config, const char *assignment, GError **error)
{
	return m2d_settings_set(settings, config, assignment, error);
}

void m2d_hostmap_config_foreach(const M2dHostmapConfig *config,
				void (*fn)(const char *key, const char *value, void *data),
				void *data)
{
	m2d_settings_foreach(settings, config, fn, data);
}

/* The bytes of memory to use, or 0 with @error. */
static uint64_t check_config(const M2dHostmapConfig *config, unsigned maxphyaddr, GError **error)
{
	uint64_t reach = UINT64_C(1) << maxphyaddr;
	uint64_t memory = config->memory != 0 ? config->memory : MIN(DEFAULT_MEMORY, reach);

	if (config->share_2m + config->share_1g > 1 + 1e-9) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "host.share-2m and host.share-1g: their sum is above 1");
		return 0;
	}
	if (memory > reach || memory < 4 * M2D_PAGE_SIZE * FIRST_PFN) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "host.memory: expected from 8M to the 2^%u bytes that the machine can "
			    "address",
			    maxphyaddr);
		return 0;
	}
	return memory;
}

M2dHostmap *m2d_hostmap_new(M2dWorld *world, M2dNestedKind kind, const M2dHostmapConfig *config,
			    GError **error)
{
	unsigned maxphyaddr = m2d_world_machine(world)->maxphyaddr;
	uint64_t memory = check_config(config, maxphyaddr, error);
	uint64_t n_frames = (memory >> M2D_PAGE_SHIFT) & ~UINT64_C(511);
	M2dHostmap *map;

	g_assert(kind == M2D_NESTED_NPT || kind == M2D_NESTED_EPT);
	if (memory == 0)
		return NULL;
	map = g_new0(M2dHostmap, 1);
	map->kind = kind;
	map->config = *config;
	map->shares = (M2dPageShares){config->share_2m, config->share_1g, config->seed};
	map->gpa_bits = MIN(maxphyaddr, 12 + 9 * (unsigned)config->levels);
	map->tables = (M2dTables){
		.space = m2d_world_space(world),
		.frames = m2d_falloc_new(m2d_world_arena(world), FIRST_PFN, n_frames - FIRST_PFN,
					 config->scatter, config->seed),
		.levels = (uint8_t)config->levels,
		.index_bits = 9,
		.entry_shift = 3,
	};
	if (kind == M2D_NESTED_NPT) {
		/* Nested accesses are user accesses: U/S=0 anywhere would fault. */
		map->tables.present = M2D_PTE_P;
		map->tables.large = M2D_PTE_PS;
		map->bits.table = map->bits.leaf = M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US;
	} else {
		map->tables.present = M2D_EPT_R | M2D_EPT_W | M2D_EPT_X;
		map->tables.large = M2D_EPT_PS;
		map->bits.table = M2D_EPT_R | M2D_EPT_W | M2D_EPT_X;
		map->bits.leaf = map->bits.table | EPT_WB << 3;
	}
	if (!m2d_tables_new_table(&map->tables, &map->root))
		g_assert_not_reached(); /* check_config() left room for more than one */
	return map;
}

void m2d_hostmap_free(M2dHostmap *map)
{
	if (map == NULL)
		return;
	m2d_falloc_free(map->tables.frames);
	g_free(map);
}

void m2d_hostmap_nested(const M2dHostmap *map, M2dNested *nested)
{
	bool la57 = map->tables.levels == 5;

	nested->kind = map->kind;
	nested->ncr3 = nested->eptp = 0;
	nested->hcr4 = nested->hefer = 0;
	nested->ept_controls = 0;
	if (map->kind == M2D_NESTED_NPT) {
		nested->ncr3 = map->root;
		nested->hcr4 = M2D_CR4_PAE | M2D_CR4_PGE | (la57 ? M2D_CR4_LA57 : 0);
		nested->hefer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE;
	} else {
		nested->eptp = map->root | EPT_WB | M2D_EPTP_WALK(map->tables.levels) |
			       (map->config.ad ? M2D_EPTP_AD : 0);
		nested->ept_controls =
			M2D_EPT_EXEC_ONLY | M2D_EPT_2M | M2D_EPT_1G | M2D_EPT_ADV_INFO;
	}
}

unsigned m2d_hostmap_gpa_bits(const M2dHostmap *map)
{
	return map->gpa_bits;
}

bool m2d_hostmap_translate(M2dHostmap *map, M2dGpa gpa, M2dHpa *hpa)
{
	M2dTablesPage page;

	if (gpa.v >> map->gpa_bits != 0 ||
	    m2d_tables_map(&map->tables, map->root, gpa.v, &map->bits, &map->shares, &page) ==
		    M2D_TABLES_NO_MEMORY)
		return false;
	*hpa = M2D_HPA(page.pa);
	return true;
}

bool m2d_hostmap_fault(M2dHostmap *map, M2dGpa gpa, GError **error)
{
	M2dTablesPage page;

	if (gpa.v >> map->gpa_bits != 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "guest-physical address 0x%" G_GINT64_MODIFIER
			    "x is beyond the %u bits that the nested tables map",
			    gpa.v, map->gpa_bits);
		return false;
	}
	switch (m2d_tables_map(&map->tables, map->root, gpa.v, &map->bits, &map->shares, &page)) {
	case M2D_TABLES_MAPPED:
		return true;
	case M2D_TABLES_PRESENT:
		g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
			    "nested fault at guest-physical address 0x%" G_GINT64_MODIFIER
			    "x, which is mapped with every right",
			    gpa.v);
		return false;
	case M2D_TABLES_NO_MEMORY:
		break;
	}
	g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
		    "host memory is full (%" G_GUINT64_FORMAT
		    " MiB taken); raise host.memory or lower host.share-1g and host.share-2m",
		    m2d_hostmap_taken(map) >> 20);
	return false;
}

bool m2d_hostmap_find(const M2dHostmap *map, M2dGpa gpa, M2dHpa *hpa, M2dPageSize *size)
{
	M2dTablesPage page;

	if (gpa.v >> map->gpa_bits != 0 || !m2d_tables_find(&map->tables, map->root, gpa.v, &page))
		return false;
	*hpa = M2D_HPA(page.pa);
	*size = page.size;
	return true;
}

uint64_t m2d_hostmap_taken(const M2dHostmap *map)
{
	return m2d_falloc_taken(map->tables.frames) << M2D_PAGE_SHIFT;
}
