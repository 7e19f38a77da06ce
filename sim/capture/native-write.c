/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See native-write.h and, for the format, native.h. */
#include "sim/capture/native-write.h"

#include <stddef.h>
#include <string.h>
#include <zlib.h>

#include "sim/base/outfile.h"
#include "sim/capture/native.h"
#include "sim/trace/format.h"

#define LEVEL 6

struct _M2dCapWriter {
	const M2dCapture *capture;
	M2dOutFile *out;
	GError *error;
	GByteArray *raw; /* of the block being filled */
	uint8_t *packed;
	uint64_t events;
	uint16_t kind_of[M2D_CAP_MAX_NAMES]; /* number in the file plus 1; 0: not named yet */
	unsigned n_kinds;
	GHashTable *tasks, *reasons; /* that the file knows: pids with their names, numbers */
	uint32_t last_task;          /* known */
	M2dCapNativeState *state;
};

static void put_string(GByteArray *raw, const char *text)
{
	size_t len = text != NULL ? MIN(strlen(text), M2D_CAP_NATIVE_STRING) : 0;

	m2d_put_varint(raw, len);
	g_byte_array_append(raw, (const guint8 *)text, (guint)len);
}

static void put_out(M2dCapWriter *w, const void *data, size_t len)
{
	if (w->error == NULL)
		m2d_out_file_write(w->out, data, len, &w->error);
}

static void put_block(M2dCapWriter *w, unsigned type)
{
	uLongf packed = compressBound(M2D_CAP_NATIVE_RAW);
	const uint8_t *body = w->raw->data;
	uint8_t head[M2D_CAP_NATIVE_BLOCK] = {(uint8_t)type, 1};
	uLong crc;

	g_assert(w->raw->len <= M2D_CAP_NATIVE_RAW);
	if (compress2(w->packed, &packed, w->raw->data, w->raw->len, LEVEL) == Z_OK &&
	    packed < w->raw->len) {
		body = w->packed;
	} else {
		packed = w->raw->len;
		head[1] = 0;
	}
	m2d_put32(head + 4, w->raw->len);
	m2d_put32(head + 8, (uint32_t)packed);
	crc = crc32(crc32(0, head, 12), body, (uInt)packed);
	m2d_put32(head + 12, (uint32_t)crc);
	put_out(w, head, sizeof(head));
	put_out(w, body, packed);
	g_byte_array_set_size(w->raw, 0);
}

M2dCapWriter *m2d_cap_writer_new(const char *path, const M2dCapture *capture, GError **error)
{
	M2dOutFile *out = m2d_out_file_new(path, error);
	/* A native capture of a native one is of what that was made of. */
	const char *source = m2d_capture_source(capture), *again = "native, of ";
	uint8_t header[M2D_CAP_NATIVE_HEADER];
	M2dCapWriter *w;

	if (out == NULL)
		return NULL;
	w = g_new0(M2dCapWriter, 1);
	w->capture = capture;
	w->out = out;
	w->raw = g_byte_array_sized_new(M2D_CAP_NATIVE_RAW);
	w->packed = g_malloc(compressBound(M2D_CAP_NATIVE_RAW));
	w->tasks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	w->reasons = g_hash_table_new(NULL, NULL);
	w->last_task = UINT32_MAX;
	w->state = g_new0(M2dCapNativeState, 1);
	memcpy(header, M2D_CAP_NATIVE_MAGIC, M2D_CAP_NATIVE_MAGIC_LEN);
	m2d_put32(header + 8, M2D_CAP_NATIVE_VERSION);
	m2d_put32(header + 12, m2d_capture_is_text(capture) ? M2D_CAP_NATIVE_TEXT : 0);
	m2d_put32(header + 16, (uint32_t)crc32(0, header, 16));
	put_out(w, header, sizeof(header));
	put_string(w->raw, g_str_has_prefix(source, again) ? source + strlen(again) : source);
	put_block(w, M2D_CAP_B_SOURCE);
	return w;
}

/* Names that @e needs and the file does not have. */
static unsigned name_kind(M2dCapWriter *w, unsigned kind)
{
	if (w->kind_of[kind] == 0) {
		w->kind_of[kind] = (uint16_t)++w->n_kinds;
		m2d_put_varint(w->raw, M2D_CAP_T_KIND);
		put_string(w->raw, m2d_capture_name(w->capture, kind));
		put_string(w->raw, m2d_cap_kind_fields(kind));
	}
	return w->kind_of[kind] - 1u;
}

static void name_task(M2dCapWriter *w, uint32_t pid)
{
	const char *name, *known;

	if (pid == w->last_task)
		return;
	name = m2d_capture_task(w->capture, pid);
	known = g_hash_table_lookup(w->tasks, GUINT_TO_POINTER(pid));
	if (known == NULL || strcmp(known, name) != 0) {
		m2d_put_varint(w->raw, M2D_CAP_T_TASK);
		m2d_put_varint(w->raw, pid);
		put_string(w->raw, name);
		g_hash_table_insert(w->tasks, GUINT_TO_POINTER(pid), g_strdup(name));
	}
	/* One without a name may get it with any event of its own. */
	if (strcmp(name, "<...>") != 0)
		w->last_task = pid;
}

static void name_reason(M2dCapWriter *w, uint32_t reason)
{
	char buf[32];

	if (!(reason & M2D_CAP_EXIT_NAMED) ||
	    !g_hash_table_add(w->reasons, GUINT_TO_POINTER(reason)))
		return;
	m2d_put_varint(w->raw, M2D_CAP_T_REASON);
	m2d_put_varint(w->raw, reason);
	put_string(w->raw, m2d_capture_exit_name(w->capture, reason, buf));
}

static void put_difference(GByteArray *raw, uint64_t now, uint64_t before)
{
	m2d_put_varint(raw, m2d_zigzag(now - before));
}

static void put_fields(M2dCapWriter *w, const M2dCapEvent *e, unsigned kind)
{
	uint64_t *before = w->state->field[kind];

	if (e->kind == M2D_CAP_MARK) {
		g_autofree char *text = g_strndup(e->u.text, M2D_CAP_TEXT);

		put_string(w->raw, text);
		return;
	}
	for (unsigned i = 0; i < M2D_CAP_FIELDS; i++) {
		if (!(e->has & 1u << i))
			continue;
		put_difference(w->raw, e->u.f[i], before[i]);
		before[i] = e->u.f[i];
	}
}

void m2d_cap_writer_add(M2dCapWriter *w, const M2dCapEvent *e)
{
	M2dCapNativeState *s = w->state;
	unsigned kind, flags = 0;

	if (w->error != NULL)
		return;
	kind = name_kind(w, e->kind);
	if (e->kind != M2D_CAP_LOST && e->kind != M2D_CAP_BAD)
		name_task(w, e->pid);
	if (e->kind == M2D_CAP_EXIT)
		name_reason(w, (uint32_t)e->u.exit.reason);
	flags |= e->cpu != s->cpu ? M2D_CAP_F_CPU : 0;
	flags |= e->pid != s->pid ? M2D_CAP_F_PID : 0;
	flags |= e->place != s->place + 1 ? M2D_CAP_F_PLACE : 0;
	flags |= e->has != s->has[kind] ? M2D_CAP_F_HAS : 0;
	m2d_put_varint(w->raw, M2D_CAP_T_EVENT + kind);
	m2d_put_varint(w->raw, flags);
	put_difference(w->raw, e->time, s->time);
	if (flags & M2D_CAP_F_CPU)
		m2d_put_varint(w->raw, e->cpu);
	if (flags & M2D_CAP_F_PID)
		m2d_put_varint(w->raw, e->pid);
	if (flags & M2D_CAP_F_PLACE)
		put_difference(w->raw, e->place, s->place);
	if (flags & M2D_CAP_F_HAS)
		m2d_put_varint(w->raw, e->has);
	put_fields(w, e, kind);
	s->time = e->time;
	s->cpu = e->cpu;
	s->pid = e->pid;
	s->place = e->place;
	s->has[kind] = e->has;
	w->events++;
	/* An event and its names take less than this. */
	if (w->raw->len > M2D_CAP_NATIVE_RAW - 4 * M2D_CAP_NATIVE_STRING)
		put_block(w, M2D_CAP_B_EVENTS);
}

static void writer_free(M2dCapWriter *w)
{
	g_clear_error(&w->error);
	g_byte_array_unref(w->raw);
	g_free(w->packed);
	g_hash_table_unref(w->tasks);
	g_hash_table_unref(w->reasons);
	g_free(w->state);
	g_free(w);
}

bool m2d_cap_writer_finish(M2dCapWriter *w, uint64_t *bytes, GError **error)
{
	const char *first = NULL;
	uint64_t bad = m2d_capture_bad(w->capture, &first);
	bool ok;

	if (w->raw->len != 0)
		put_block(w, M2D_CAP_B_EVENTS);
	m2d_put_varint(w->raw, w->events);
	m2d_put_varint(w->raw, bad);
	m2d_put_varint(w->raw, m2d_capture_overwritten(w->capture));
	put_string(w->raw, first);
	put_string(w->raw, m2d_capture_cut(w->capture));
	put_block(w, M2D_CAP_B_END);
	*bytes = m2d_out_file_offset(w->out);
	ok = w->error == NULL;
	if (!ok) {
		g_propagate_error(error, g_steal_pointer(&w->error));
		m2d_out_file_abort(w->out);
	} else {
		ok = m2d_out_file_commit(w->out, error);
	}
	writer_free(w);
	return ok;
}

void m2d_cap_writer_abort(M2dCapWriter *w)
{
	if (w == NULL)
		return;
	m2d_out_file_abort(w->out);
	writer_free(w);
}
