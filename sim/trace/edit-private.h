/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cut and merge share. */
#pragma once

#include "sim/trace/edit.h"

/* Pages by address, in the order they came. */
typedef struct {
	GHashTable *by_pa; /* M2dEditPage by its pa */
	GPtrArray *order;
} M2dEditPages;

typedef struct {
	uint64_t pa;
	uint8_t *data; /* NULL: zeros */
} M2dEditPage;

void m2d_edit_pages_init(M2dEditPages *pages);
void m2d_edit_pages_clear(M2dEditPages *pages);
/* m2d_edit_pages_get: the page at @pa; NULL if there is none and @make is false. */
M2dEditPage *m2d_edit_pages_get(M2dEditPages *pages, uint64_t pa, bool make);
/* m2d_edit_pages_put: replace the contents of the page at page->pa. */
void m2d_edit_pages_put(M2dEditPages *pages, const M2dTracePage *page);
/* m2d_edit_pages_same: the page there has these contents. */
bool m2d_edit_pages_same(const M2dEditPage *page, const M2dTracePage *other);
gboolean m2d_edit_pages_write(M2dEditPages *pages, M2dTraceWriter *out, GError **error);

/* m2d_edit_tick: progress every few thousand calls; false if the caller gave up. */
gboolean m2d_edit_tick(M2dTraceEdit *edit, uint64_t total, const char *out, GError **error);
/* m2d_edit_report: hand the damage found in @path to the caller. */
void m2d_edit_report(M2dTraceEdit *edit, const char *path, M2dTraceCursor *cursor);
/* m2d_edit_copy_record: write an event or a reference of @record as of vCPU @vcpu. */
gboolean m2d_edit_copy_record(M2dTraceWriter *out, const M2dTraceRecord *record, unsigned vcpu,
			      GError **error);
