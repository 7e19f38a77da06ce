/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest's page tables hold. KVM's walks show entries; what they are of is known from the
 * entry above and CR3. The rest is inferred from entries that are seen later: what a store made of
 * an entry is what the next walk finds there, or for the same page where the table has moved to. It
 * is kept by guest-physical address, beside the simulated frames: which frame is behind a table is
 * recorded nowhere.
 */
#include "sim/conform/conform-private.h"

#define AD (uint64_t)(M2D_PTE_A | M2D_PTE_D)

/* --- memory ----------------------------------------------------------------------------------- */

static gpointer word_key(uint64_t gpa)
{
	return GSIZE_TO_POINTER((gpa >> 3) + 1);
}

uint64_t m2d_conf_guest_read(M2dConform *c, uint64_t gpa, unsigned size)
{
	uint64_t word =
		GPOINTER_TO_SIZE(g_hash_table_lookup(c->words, word_key(gpa))) >> 8 * (gpa & 7);

	return size == 8 ? word : word & m2d_low_mask(8 * size);
}

void m2d_conf_guest_write(M2dConform *c, uint64_t gpa, unsigned size, uint64_t value)
{
	uint64_t mask = (size == 8 ? UINT64_MAX : m2d_low_mask(8 * size)) << 8 * (gpa & 7);
	uint64_t word = GPOINTER_TO_SIZE(g_hash_table_lookup(c->words, word_key(gpa)));

	word = (word & ~mask) | (value << 8 * (gpa & 7) & mask);
	g_hash_table_insert(c->words, word_key(gpa), GSIZE_TO_POINTER(word));
}

static uint64_t read_contents(void *data, uint64_t gpa, unsigned size)
{
	return m2d_conf_guest_read(data, gpa, size);
}

static void write_contents(void *data, uint64_t gpa, unsigned size, uint64_t value)
{
	m2d_conf_guest_write(data, gpa, size, value);
}

/* --- walks ------------------------------------------------------------------------------------ */

/* The next event of the walk that has come to @i: M2D_CONF_NONE: it is over. */
static uint32_t next_element(const M2dConform *c, uint32_t i)
{
	for (i = m2d_conf_next(c, i); i != M2D_CONF_NONE; i = m2d_conf_next(c, i)) {
		unsigned kind = m2d_conf_event(c, i)->kind;

		if (kind == M2D_CAP_WALK_ELEMENT)
			return i;
		/* Reading an entry can make the host invalidate pages. */
		if (kind == M2D_CAP_WALK || kind == M2D_CAP_WALK_ERROR || kind == M2D_CAP_ENTRY ||
		    kind == M2D_CAP_EXIT || kind == M2D_CAP_PAGE_FAULT ||
		    kind == M2D_CAP_SPTE_REQUESTED || kind == M2D_CAP_EMULATE)
			break;
	}
	return M2D_CONF_NONE;
}

/* The last element of the walk at event @i; M2D_CONF_NONE: it has none. */
static uint32_t last_element(const M2dConform *c, uint32_t i)
{
	uint32_t last = M2D_CONF_NONE;

	while ((i = next_element(c, i)) != M2D_CONF_NONE)
		last = i;
	return last;
}

/* Where the element at event @i was read; 0: unknown. */
static uint64_t element_gpa(const M2dConform *c, uint32_t i)
{
	return g_array_index(c->element_gpa, uint64_t, i);
}

/* A page of an address space. Pages of one space are as far from each other as their keys. */
static uint64_t page_key(uint64_t cr3, uint64_t page)
{
	return m2d_mix64(cr3) + page;
}

static void add_seen(GHashTable *lists, gpointer key, uint32_t i)
{
	GArray *list = g_hash_table_lookup(lists, key);

	if (list == NULL) {
		list = g_array_new(FALSE, FALSE, sizeof(uint32_t));
		g_hash_table_insert(lists, key, list);
	}
	g_array_append_val(list, i);
}

static void note_pdpte(M2dConform *c, uint64_t addr, uint64_t pdpte)
{
	if (pdpte & M2D_PTE_P)
		g_hash_table_insert(
			c->pdpte_of, GSIZE_TO_POINTER(pdpte >> M2D_PAGE_SHIFT),
			GSIZE_TO_POINTER((pdpte & 0xfff & ~UINT64_C(3)) | (addr >> 30 & 3)));
}

void m2d_conf_locate_walk(M2dConform *c, const M2dPteFormat *fmt, uint64_t cr3, uint32_t i,
			  bool absent)
{
	uint64_t addr = m2d_conf_event(c, i)->u.walk.addr, table = cr3 & fmt->frame_mask;
	uint64_t page = page_key(cr3, addr >> M2D_PAGE_SHIFT);

	for (i = next_element(c, i); i != M2D_CONF_NONE; i = next_element(c, i)) {
		const M2dCapEvent *e = m2d_conf_event(c, i);
		unsigned level = (unsigned)e->u.element.level;
		uint64_t gpa;

		if (level == 0 || level > M2D_MAX_LEVELS)
			return;
		/* The walk began anew: an entry had changed under it. */
		if (level == fmt->levels)
			table = cr3 & fmt->frame_mask;
		if (level == fmt->pdpte_level) {
			/* A register of the vCPU's. */
			note_pdpte(c, addr, e->u.element.pte);
			table = e->u.element.pte & fmt->frame_mask;
			continue;
		}
		gpa = table + m2d_pte_index_offset(fmt, level, addr);
		g_array_index(c->element_gpa, uint64_t, i) = gpa;
		g_array_index(c->element_page, uint64_t, i) = page;
		add_seen(c->seen_at, GSIZE_TO_POINTER(gpa), i);
		if (level == 1 && absent)
			g_hash_table_add(c->absent, GUINT_TO_POINTER(i));
		if (level == 1)
			add_seen(c->seen_page, GSIZE_TO_POINTER(page), i);
		table = e->u.element.pte & fmt->frame_mask;
	}
}

uint32_t m2d_conf_first_after(const GArray *list, uint32_t i)
{
	guint low = 0, high = list != NULL ? list->len : 0;

	while (low < high) {
		guint mid = (low + high) / 2;

		if (g_array_index(list, uint32_t, mid) > i)
			high = mid;
		else
			low = mid + 1;
	}
	return list != NULL && low < list->len ? g_array_index(list, uint32_t, low) : M2D_CONF_NONE;
}

uint32_t m2d_conf_seen_next(const M2dConform *c, uint64_t gpa, uint32_t i)
{
	return m2d_conf_first_after(g_hash_table_lookup(c->seen_at, GSIZE_TO_POINTER(gpa)), i);
}

bool m2d_conf_seen_later(const M2dConform *c, uint64_t gpa, uint32_t now, uint64_t *value)
{
	uint32_t i = m2d_conf_seen_next(c, gpa, now);

	if (i == M2D_CONF_NONE)
		return false;
	*value = m2d_conf_event(c, i)->u.element.pte;
	return true;
}

/* An entry leads to table @to instead of @from now. If what will be seen in @to is rather what was
 * in @from than what was in @to, the guest has moved the table: the rest of it is what it was, too.
 */
static void table_moved(M2dConform *c, uint64_t from, uint64_t to, unsigned size, uint32_t now)
{
	uint64_t first = GPOINTER_TO_SIZE(
		g_hash_table_lookup(c->first_page, GSIZE_TO_POINTER(from >> M2D_PAGE_SHIFT)));
	unsigned moved = 0, stayed = 0;

	for (uint64_t at = 0; at < M2D_PAGE_SIZE; at += size) {
		uint32_t i = m2d_conf_seen_next(c, to + at, now - 1);
		uint64_t seen, in_from = m2d_conf_guest_read(c, from + at, size);
		uint64_t in_to = m2d_conf_guest_read(c, to + at, size);

		if (i == M2D_CONF_NONE || in_from == 0 || (in_from | AD) == (in_to | AD))
			continue;
		/* Seen when it was in another place again. */
		if (first != 0 && g_array_index(c->element_page, uint64_t, i) != first + at / size)
			continue;
		seen = m2d_conf_event(c, i)->u.element.pte | AD;
		moved += (in_from | AD) == seen;
		stayed += (in_to | AD) == seen;
	}
	if (moved <= stayed)
		return;
	for (uint64_t at = 0; at < M2D_PAGE_SIZE; at += 8)
		m2d_conf_guest_write(c, to + at, 8, m2d_conf_guest_read(c, from + at, 8));
}

/* The table that @entry of @level leads to; 0: none. */
static uint64_t table_of(const M2dPteFormat *fmt, unsigned level, uint64_t entry)
{
	return m2d_pte_classify(fmt, level, entry) == M2D_PTE_TABLE ? entry & fmt->frame_mask : 0;
}

/* The entry of level 1 at @gpa is for @page: so it is known of which page each of its table is. */
static void table_serves(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint64_t page)
{
	g_hash_table_insert(
		c->first_page, GSIZE_TO_POINTER(gpa >> M2D_PAGE_SHIFT),
		GSIZE_TO_POINTER(page - ((gpa & (M2D_PAGE_SIZE - 1)) >> fmt->entry_shift)));
}

void m2d_conf_put_entry(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint32_t i,
			uint32_t now)
{
	unsigned level = (unsigned)m2d_conf_event(c, i)->u.element.level;
	unsigned size = 1u << fmt->entry_shift;
	uint64_t value = m2d_conf_event(c, i)->u.element.pte;
	uint64_t from = table_of(fmt, level, m2d_conf_guest_read(c, gpa, size));
	uint64_t to = table_of(fmt, level, value);

	if (from != 0 && to != 0 && from != to) {
		gpointer first = g_hash_table_lookup(c->first_page,
						     GSIZE_TO_POINTER(from >> M2D_PAGE_SHIFT));

		table_moved(c, from, to, size, now);
		if (level == 2 && first != NULL)
			g_hash_table_insert(c->first_page, GSIZE_TO_POINTER(to >> M2D_PAGE_SHIFT),
					    first);
	}
	m2d_conf_guest_write(c, gpa, size, value);
}

void m2d_conf_guest_walk(M2dConform *c, uint32_t t, uint32_t i)
{
	const M2dPteFormat *fmt = &c->vm->vcpu[m2d_conf_task(c, t)->vcpu]->mmu.gfmt;

	if (i == M2D_CONF_NONE)
		return;
	for (i = next_element(c, i); i != M2D_CONF_NONE; i = next_element(c, i)) {
		if (element_gpa(c, i) == 0)
			continue;
		m2d_conf_put_entry(c, fmt, element_gpa(c, i), i, i);
		if (m2d_conf_event(c, i)->u.element.level == 1)
			table_serves(c, fmt, element_gpa(c, i),
				     g_array_index(c->element_page, uint64_t, i));
	}
}

uint64_t m2d_conf_leaf_gpa(const M2dConform *c, uint32_t i)
{
	uint32_t leaf = last_element(c, i);

	if (leaf == M2D_CONF_NONE || m2d_conf_event(c, leaf)->u.element.level != 1)
		return 0;
	return element_gpa(c, leaf);
}

/* Where the walk at event @i led to; false: nowhere. */
bool m2d_conf_walked_to(const M2dConform *c, const M2dPteFormat *fmt, uint32_t i, uint64_t *gpa)
{
	uint64_t addr = m2d_conf_event(c, i)->u.walk.addr, mask;
	uint32_t leaf = last_element(c, i);
	const M2dCapEvent *e;

	if (leaf == M2D_CONF_NONE)
		return false;
	e = m2d_conf_event(c, leaf);
	if (e->u.element.level < 1 || e->u.element.level > M2D_MAX_LEVELS ||
	    m2d_pte_classify(fmt, (unsigned)e->u.element.level, e->u.element.pte) != M2D_PTE_LEAF)
		return false;
	mask = m2d_low_mask(m2d_pte_shift(fmt, (unsigned)e->u.element.level));
	*gpa = m2d_pte_leaf_base(fmt, (unsigned)e->u.element.level, e->u.element.pte) |
	       (addr & mask);
	return true;
}

/* --- stores ----------------------------------------------------------------------------------- */

void m2d_conf_note_invlpg(M2dConform *c, uint64_t cr3, uint32_t i)
{
	uint64_t page = m2d_conf_event(c, i)->u.invlpg.gva >> M2D_PAGE_SHIFT;

	add_seen(c->invlpg_of, GSIZE_TO_POINTER(page_key(cr3, page)), i);
}

void m2d_conf_note_set(M2dConform *c, uint32_t i)
{
	add_seen(c->set_at, GSIZE_TO_POINTER(m2d_conf_event(c, i)->u.set_spte.at), i);
}

uint32_t m2d_conf_invalidates_next(const M2dConform *c, uint64_t cr3, uint32_t i)
{
	uint64_t page = m2d_conf_event(c, i)->u.invlpg.gva >> M2D_PAGE_SHIFT;
	const GArray *list =
		g_hash_table_lookup(c->invlpg_of, GSIZE_TO_POINTER(page_key(cr3, page)));
	uint32_t t = g_array_index(c->task_of, uint32_t, i);

	/* Those of other vCPUs belong to the same shootdown. */
	do
		i = m2d_conf_first_after(list, i);
	while (i != M2D_CONF_NONE && g_array_index(c->task_of, uint32_t, i) != t);
	return i;
}

bool m2d_conf_invalidated(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint64_t cr3,
			  uint32_t now)
{
	uint64_t page = m2d_conf_event(c, now)->u.invlpg.gva >> M2D_PAGE_SHIFT;
	gpointer key = GSIZE_TO_POINTER(page_key(cr3, page));
	uint32_t i = MIN(m2d_conf_seen_next(c, gpa, now),
			 m2d_conf_first_after(g_hash_table_lookup(c->seen_page, key), now));

	if (i >= m2d_conf_invalidates_next(c, cr3, now))
		return false;
	m2d_conf_put_entry(c, fmt, gpa, i, now);
	return true;
}

uint32_t m2d_conf_store_after(const M2dConform *c, uint64_t gfn, uint32_t now)
{
	return m2d_conf_first_after(g_hash_table_lookup(c->store_in, GSIZE_TO_POINTER(gfn)), now);
}

void m2d_conf_settle_entries(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, unsigned n,
			     uint32_t now, uint32_t until)
{
	for (; n != 0; n--, gpa += 1u << fmt->entry_shift) {
		uint32_t i = m2d_conf_seen_next(c, gpa, now);

		if (i < until)
			m2d_conf_put_entry(c, fmt, gpa, i, now);
	}
}

bool m2d_conf_fault_gfn(const M2dConform *c, uint32_t i, uint64_t *gfn)
{
	int vcpu = m2d_conf_task_of(c, i)->vcpu;
	uint64_t gpa = m2d_conf_event(c, i)->u.page_fault.addr;

	if (!c->tdp && vcpu >= 0 && c->vm->vcpu[vcpu]->regs.cr0 & M2D_CR0_PG) {
		i = m2d_conf_find(c, i, M2D_CAP_WALK);
		if (i == M2D_CONF_NONE ||
		    !m2d_conf_walked_to(c, &c->vm->vcpu[vcpu]->mmu.gfmt, i, &gpa))
			return false;
	}
	*gfn = gpa >> M2D_PAGE_SHIFT;
	return true;
}

/* The vCPU of event @now invalidates @page twice before event @i: it has changed the entry again by
 * then. Where INVLPG maps anew, it shows what the entry is in between. */
static bool changes_again(const M2dConform *c, uint64_t page, uint32_t now, uint32_t i)
{
	const GArray *list = g_hash_table_lookup(c->invlpg_of, GSIZE_TO_POINTER(page));
	uint32_t t = g_array_index(c->task_of, uint32_t, now);
	unsigned n = 0;

	if (c->vm->cfg.knobs.invlpg != M2D_INVLPG_SYNC)
		return false;
	for (now = m2d_conf_first_after(list, now); now < i && n < 2;
	     now = m2d_conf_first_after(list, now))
		n += g_array_index(c->task_of, uint32_t, now) == t;
	return n == 2;
}

/* The guest's store to @gpa that is about to happen: what the next walk of that entry shows.
 * Returns the entry's contents. */
uint64_t m2d_conf_stored(M2dConform *c, const M2dPteFormat *fmt, uint64_t gpa, uint32_t now)
{
	unsigned size = 1u << fmt->entry_shift;
	gconstpointer first;
	uint64_t page = 0;
	uint32_t i;

	gpa &= ~(uint64_t)(size - 1);
	i = m2d_conf_seen_next(c, gpa, now);
	/* The table may have moved by then. */
	first = g_hash_table_lookup(c->first_page, GSIZE_TO_POINTER(gpa >> M2D_PAGE_SHIFT));
	if (first != NULL) {
		page = GPOINTER_TO_SIZE(first) + (gpa & (M2D_PAGE_SIZE - 1)) / size;
		i = MIN(i, m2d_conf_first_after(
				   g_hash_table_lookup(c->seen_page, GSIZE_TO_POINTER(page)), now));
	}
	/* What it holds until a store after this one is never seen. */
	if (i != M2D_CONF_NONE && !(page != 0 && changes_again(c, page, now, i)) &&
	    m2d_conf_first_after(g_hash_table_lookup(c->store_at, GSIZE_TO_POINTER(gpa)), now) > i)
		m2d_conf_put_entry(c, fmt, gpa, i, now);
	return m2d_conf_guest_read(c, gpa, size);
}

void m2d_conf_note_store(M2dConform *c, const M2dPteFormat *fmt, uint32_t i)
{
	uint64_t gpa;

	if (m2d_conf_walked_to(c, fmt, i, &gpa)) {
		add_seen(c->store_at, GSIZE_TO_POINTER(gpa & ~m2d_low_mask(fmt->entry_shift)), i);
		add_seen(c->store_in, GSIZE_TO_POINTER(gpa >> M2D_PAGE_SHIFT), i);
	}
}

static void free_list(gpointer list)
{
	g_array_unref(list);
}

void m2d_conf_tables_new(M2dConform *c)
{
	c->words = g_hash_table_new(NULL, NULL);
	c->contents = (M2dGuestContents){read_contents, write_contents, c};
	c->vm->contents = &c->contents;
	c->element_gpa = g_array_sized_new(FALSE, TRUE, sizeof(uint64_t), c->events->len);
	g_array_set_size(c->element_gpa, c->events->len);
	c->element_page = g_array_sized_new(FALSE, TRUE, sizeof(uint64_t), c->events->len);
	g_array_set_size(c->element_page, c->events->len);
	c->seen_at = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->absent = g_hash_table_new(NULL, NULL);
	c->set_at = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->store_at = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->invlpg_of = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->store_in = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->seen_page = g_hash_table_new_full(NULL, NULL, NULL, free_list);
	c->first_page = g_hash_table_new(NULL, NULL);
	c->pdpte_of = g_hash_table_new(NULL, NULL);
}

void m2d_conf_guest_free(M2dConform *c)
{
	if (c->words == NULL)
		return;
	g_hash_table_unref(c->words);
	g_hash_table_unref(c->seen_at);
	g_hash_table_unref(c->absent);
	g_hash_table_unref(c->set_at);
	g_hash_table_unref(c->store_at);
	g_hash_table_unref(c->invlpg_of);
	g_hash_table_unref(c->store_in);
	g_hash_table_unref(c->seen_page);
	g_hash_table_unref(c->first_page);
	g_hash_table_unref(c->pdpte_of);
	g_array_unref(c->element_page);
	g_array_unref(c->element_gpa);
}
