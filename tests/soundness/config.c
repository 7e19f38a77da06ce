/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/soundness/config.h"

static const SndRegion regions_64[SND_N_REGIONS] = {
	{UINT64_C(0x400000), 16, false, false},         {UINT64_C(0x40000000), 8, false, false},
	{UINT64_C(0x7f0000000000), 8, false, false},    {UINT64_C(0x600000), 8, false, true},
	{UINT64_C(0xffffc90000000000), 8, true, false},
};

static const SndRegion regions_32[SND_N_REGIONS] = {
	{0x400000, 16, false, false}, {0x40000000, 8, false, false}, {0x80000000, 8, false, false},
	{0x800000, 8, false, true},   {0xd0000000, 8, true, false},
};

const SndRegion *snd_regions(const M2dPteFormat *fmt)
{
	return fmt->levels >= 4 ? regions_64 : regions_32;
}

unsigned snd_region_of(const SndRegion *r, unsigned i)
{
	unsigned n = 0;

	while (i >= r[n].pages)
		i -= r[n++].pages;
	return n;
}

uint64_t snd_page_gva(const SndRegion *r, unsigned i)
{
	while (i >= r->pages)
		i -= r++->pages;
	return r->gva + (uint64_t)i * M2D_PAGE_SIZE;
}

int snd_page_index(const SndRegion *r, uint64_t gva)
{
	int base = 0;

	for (unsigned n = 0; n < SND_N_REGIONS; base += (int)r[n++].pages)
		if (gva - r[n].gva < r[n].pages * M2D_PAGE_SIZE)
			return base + (int)((gva - r[n].gva) >> M2D_PAGE_SHIFT);
	return -1;
}

static const struct {
	uint64_t gpa;
	unsigned pages;
} data[] = {
	{SND_BIG, 10},  {SND_BIG + 0x200000, 4}, {SND_SMALL, 10},   {SND_MOVING, 8},
	{SND_MOVED, 4}, {SND_COMING, 6},         {SND_READONLY, 2}, {SND_HOLE, 2},
};

unsigned snd_n_data(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(data); i++)
		n += data[i].pages;
	return n;
}

uint64_t snd_data_gpa(unsigned i)
{
	for (unsigned n = 0; n < G_N_ELEMENTS(data); i -= data[n++].pages)
		if (i < data[n].pages)
			return data[n].gpa + (uint64_t)i * M2D_PAGE_SIZE;
	return 0;
}

static void put_slot(GString *s, unsigned id, uint64_t gpa, uint64_t bytes, const char *more)
{
	g_string_append_printf(s,
			       "slot id=%u gpa=0x%" G_GINT64_MODIFIER "x..0x%" G_GINT64_MODIFIER
			       "x hva=0x%" G_GINT64_MODIFIER "x%s\n",
			       id, gpa, gpa + bytes - 1, gpa, more);
}

static void put_mappings(GString *s, const SndConfig *c)
{
	bool wide = g_str_equal(c->guest, "4level") || g_str_equal(c->guest, "5level");
	const SndRegion *r = wide ? regions_64 : regions_32;
	unsigned page = 0;

	for (unsigned space = 0; space < SND_MAX_SPACES; space++)
		g_string_append_printf(s, "gpt %c\n", 'A' + space);
	for (unsigned space = 0; space < SND_MAX_SPACES; space++)
		for (unsigned i = 0; i < SND_N_PAGES; i++, page += 7)
			g_string_append_printf(s,
					       "gva 0x%" G_GINT64_MODIFIER
					       "x = 0x%" G_GINT64_MODIFIER "x gpt=%c rights=%s\n",
					       snd_page_gva(r, i),
					       snd_data_gpa(page % snd_n_data()), 'A' + space,
					       r[snd_region_of(r, i)].kernel ? "rwxg" : "rwxu");
	for (unsigned v = 0; v < c->vcpus; v++)
		g_string_append_printf(
			s, c->pcid ? "cr3 vcpu%u gpt=%c pcid=%u\n" : "cr3 vcpu%u gpt=%c\n", v,
			'A' + v % 2, v % 2 + 1);
}

char *snd_header(const SndConfig *c)
{
	GString *s = g_string_new("mmu2d-scenario 1\n");

	g_string_append_printf(s, "title   Random legal workload, seed %" G_GUINT64_FORMAT "\n",
			       c->seed);
	g_string_append(s, "origin  tests/soundness\ntags    random\n\n[machine]\n");
	g_string_append_printf(s, "vendor = %s\nmmu = %s\nguest = %s\nkvm = %s\n", c->vendor,
			       c->mmu, c->guest, c->kvm);
	g_string_append_printf(s, "vcpus = %u\npcpus = %u\nmemory = 64m\n", c->vcpus, c->pcpus);
	/* What no kernel does, and has to. */
	g_string_append(s, "kvm.mmio-sync = check\n");
	/* Not far from where MMIO SPTEs cannot tell it from the first any more. */
	if (c->seed % 5 == 0)
		g_string_append(s, "generation = 1048550\n");
	if (c->pcid)
		g_string_append(s, "guest.pcid = yes\n");
	g_string_append(s, "\n[variant found]\n");
	if (c->without != NULL)
		g_string_append_printf(s, "bug.%s = yes\n", c->without);
	g_string_append(s, "expect = clean\n\n[layout]\n");
	put_slot(s, SND_SLOT_TABLES, 0, 0x200000, "");
	put_slot(s, SND_SLOT_BIG, SND_BIG, 0x400000, c->huge ? " pages=2m" : "");
	put_slot(s, SND_SLOT_SMALL, SND_SMALL, SND_SLOT_BYTES, "");
	put_slot(s, SND_SLOT_MOVING, SND_MOVING, SND_SLOT_BYTES, "");
	put_slot(s, SND_SLOT_READONLY, SND_READONLY, SND_SLOT_BYTES, " readonly");
	g_string_append_printf(s, "tables gpa=0x%x..0x%x\n", SND_TABLES, SND_TABLES_END - 1);
	if (!g_str_equal(c->guest, "none"))
		put_mappings(s, c);
	return g_string_free(s, FALSE);
}
