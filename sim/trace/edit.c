/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See edit-private.h. */
#include "sim/trace/edit-private.h"

#include <string.h>

#include "sim/base/error.h"

static void free_page(gpointer p)
{
	M2dEditPage *page = p;

	g_free(page->data);
	g_free(page);
}

void m2d_edit_pages_init(M2dEditPages *pages)
{
	pages->by_pa = g_hash_table_new(g_int64_hash, g_int64_equal);
	pages->order = g_ptr_array_new_with_free_func(free_page);
}

void m2d_edit_pages_clear(M2dEditPages *pages)
{
	g_hash_table_unref(pages->by_pa);
	g_ptr_array_unref(pages->order);
}

M2dEditPage *m2d_edit_pages_get(M2dEditPages *pages, uint64_t pa, bool make)
{
	M2dEditPage *page = g_hash_table_lookup(pages->by_pa, &pa);

	if (page != NULL || !make)
		return page;
	page = g_new0(M2dEditPage, 1);
	page->pa = pa;
	g_hash_table_insert(pages->by_pa, &page->pa, page);
	g_ptr_array_add(pages->order, page);
	return page;
}

void m2d_edit_pages_put(M2dEditPages *pages, const M2dTracePage *page)
{
	M2dEditPage *p = m2d_edit_pages_get(pages, page->pa, true);

	g_clear_pointer(&p->data, g_free);
	if (page->data != NULL)
		p->data = g_memdup2(page->data, 4096);
}

bool m2d_edit_pages_same(const M2dEditPage *page, const M2dTracePage *other)
{
	static const uint8_t zeros[4096];
	const uint8_t *a = page->data != NULL ? page->data : zeros;
	const uint8_t *b = other->data != NULL ? other->data : zeros;

	return memcmp(a, b, 4096) == 0;
}

gboolean m2d_edit_pages_write(M2dEditPages *pages, M2dTraceWriter *out, GError **error)
{
	for (unsigned i = 0; i < pages->order->len; i++) {
		const M2dEditPage *page = g_ptr_array_index(pages->order, i);

		if (!m2d_trace_writer_page(out, page->pa, page->data, error))
			return FALSE;
	}
	return TRUE;
}

gboolean m2d_edit_tick(M2dTraceEdit *edit, uint64_t total, const char *out, GError **error)
{
	if (++edit->ticks % 65536 != 0 || edit->progress == NULL ||
	    edit->progress(edit->ticks, total, edit->data))
		return TRUE;
	g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT, "interrupted; %s was not written", out);
	return FALSE;
}

void m2d_edit_report(M2dTraceEdit *edit, const char *path, M2dTraceCursor *cursor)
{
	const M2dTraceDamage *damage;
	unsigned n;

	damage = m2d_trace_reader_damage(m2d_trace_cursor_reader(cursor), &n);
	for (unsigned i = 0; i < n && edit->damage != NULL; i++)
		edit->damage(path, &damage[i], edit->data);
}

gboolean m2d_edit_copy_record(M2dTraceWriter *out, const M2dTraceRecord *record, unsigned vcpu,
			      GError **error)
{
	M2dTraceEvent ev;

	if (record->type == M2D_RECORD_REF)
		return m2d_trace_writer_ref(out, vcpu, record->ref, record->n, error);
	ev = record->event;
	ev.vcpu = (uint8_t)vcpu;
	return m2d_trace_writer_event(out, &ev, error);
}
