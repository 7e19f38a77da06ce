/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading native captures; see native.h. Nothing in a file is trusted, checksums or not. */
#include "sim/capture/native.h"

#include <string.h>
#include <zlib.h>

#include "sim/trace/format.h"

/* What a number of the file stands for. */
typedef struct {
	uint16_t kind;
	int8_t field[M2D_CAP_FIELDS]; /* ours, or -1: a field that this program knows nothing of */
	bool same;                    /* ours are the file's */
} Kind;

struct _M2dCapNative {
	M2dInput *in;
	M2dCapNames *names;
	M2dCapExits *exits;
	M2dCapTaskFn task;
	void *task_data;
	M2dCapNativeInfo info;
	uint8_t *raw;
	M2dVarints at; /* in the block */
	bool ended;
	uint64_t events;
	Kind kind[M2D_CAP_MAX_NAMES];
	unsigned n_kinds;
	GHashTable *reasons; /* ours by the file's */
	M2dCapNativeState state;
};

static bool damaged(M2dCapNative *n, GError **error, const char *what)
{
	m2d_input_error(n->in, error, 0, "a damaged native capture: %s", what);
	return false;
}

/* --- blocks ------------------------------------------------------------------------------------
 */

static bool inflate_block(M2dCapNative *n, unsigned method, const uint8_t *body, uint32_t stored,
			  uint32_t raw)
{
	uLongf len = raw;

	if (method == 0 && stored == raw) {
		memcpy(n->raw, body, raw);
		return true;
	}
	return method == 1 && uncompress(n->raw, &len, body, stored) == Z_OK && len == raw;
}

/* The next block into n->at; its type in @type. 1, 0 at the end of the file, -1 with @error. */
static int read_block(M2dCapNative *n, unsigned *type, GError **error)
{
	uint32_t raw, stored;
	const uint8_t *p;
	size_t got;

	p = m2d_input_peek(n->in, M2D_CAP_NATIVE_BLOCK, &got, error);
	if (p == NULL)
		return -1;
	if (got == 0)
		return 0;
	if (got < M2D_CAP_NATIVE_BLOCK)
		return damaged(n, error, "the file ends in the head of a block"), -1;
	*type = p[0];
	raw = m2d_get32(p + 4);
	stored = m2d_get32(p + 8);
	if (raw > M2D_CAP_NATIVE_RAW || stored > M2D_CAP_NATIVE_RAW)
		return damaged(n, error, "a block is longer than any"), -1;
	p = m2d_input_peek(n->in, M2D_CAP_NATIVE_BLOCK + stored, &got, error);
	if (p == NULL)
		return -1;
	if (got < M2D_CAP_NATIVE_BLOCK + stored)
		return damaged(n, error, "the file ends in a block"), -1;
	if (crc32(crc32(0, p, 12), p + M2D_CAP_NATIVE_BLOCK, stored) != m2d_get32(p + 12))
		return damaged(n, error, "the checksum of a block is another"), -1;
	if (!inflate_block(n, p[1], p + M2D_CAP_NATIVE_BLOCK, stored, raw))
		return damaged(n, error, "a block cannot be unpacked"), -1;
	n->at = (M2dVarints){.p = n->raw, .end = n->raw + raw};
	m2d_input_consume(n->in, M2D_CAP_NATIVE_BLOCK + stored);
	return 1;
}

/* A string in place; NULL if it does not fit. */
static const char *get_string(M2dVarints *at, size_t *len)
{
	uint64_t n = m2d_get_varint(at);
	const char *text = (const char *)at->p;

	if (at->bad || n > M2D_CAP_NATIVE_STRING || n > (size_t)(at->end - at->p)) {
		at->bad = true;
		return NULL;
	}
	at->p += n;
	*len = n;
	return text;
}

static char *dup_string(M2dVarints *at)
{
	size_t len;
	const char *text = get_string(at, &len);

	return text == NULL || len == 0 ? NULL : g_strndup(text, len);
}

static bool read_header(M2dCapNative *n, GError **error)
{
	const uint8_t *p;
	unsigned type;
	size_t got;

	p = m2d_input_peek(n->in, M2D_CAP_NATIVE_HEADER, &got, error);
	if (p == NULL)
		return false;
	if (got < M2D_CAP_NATIVE_HEADER)
		return damaged(n, error, "the file ends in its header");
	if (m2d_get32(p + 8) != M2D_CAP_NATIVE_VERSION) {
		m2d_input_error(n->in, error, 8, "a native capture of version %u, expected %u",
				m2d_get32(p + 8), M2D_CAP_NATIVE_VERSION);
		return false;
	}
	if (crc32(0, p, 16) != m2d_get32(p + 16))
		return damaged(n, error, "the checksum of the header is another");
	n->info.is_text = m2d_get32(p + 12) & M2D_CAP_NATIVE_TEXT;
	m2d_input_consume(n->in, M2D_CAP_NATIVE_HEADER);
	switch (read_block(n, &type, error)) {
	case 0:
		return damaged(n, error, "the file ends behind its header");
	case 1:
		break;
	default:
		return false;
	}
	if (type == M2D_CAP_B_SOURCE)
		n->info.source = dup_string(&n->at);
	if (n->info.source == NULL)
		return damaged(n, error, "the name of the original format is missing");
	n->at.p = n->at.end;
	return true;
}

/* --- definitions -------------------------------------------------------------------------------
 */

/* The place of the field of @len bytes at @name in "(a, b)"; -1: not there. */
static int find_field(const char *fields, const char *name, size_t len)
{
	size_t n;

	for (int i = 0; (fields = m2d_cap_next_field(fields, &n)) != NULL; i++, fields += n)
		if (n == len && memcmp(fields, name, len) == 0)
			return i;
	return -1;
}

static bool define_kind(M2dCapNative *n, GError **error)
{
	size_t len, fields_len;
	const char *name = get_string(&n->at, &len);
	const char *text = name != NULL ? get_string(&n->at, &fields_len) : NULL;
	g_autofree char *fields = text != NULL ? g_strndup(text, fields_len) : NULL;
	const char *ours, *p = fields;
	Kind *k = &n->kind[n->n_kinds];

	if (fields == NULL || n->n_kinds == M2D_CAP_MAX_NAMES)
		return damaged(n, error, "a name of events is none");
	n->n_kinds++;
	k->kind = (uint16_t)m2d_cap_names_get(n->names, name, len);
	ours = m2d_cap_kind_fields(k->kind);
	k->same = strcmp(fields, ours) == 0;
	memset(k->field, -1, sizeof(k->field));
	for (unsigned i = 0; i < M2D_CAP_FIELDS; i++, p += len) {
		p = m2d_cap_next_field(p, &len);
		if (p == NULL)
			break;
		k->field[i] = (int8_t)find_field(ours, p, len);
	}
	return true;
}

static bool define_task(M2dCapNative *n, GError **error)
{
	uint64_t pid = m2d_get_varint(&n->at);
	size_t len;
	const char *name = get_string(&n->at, &len);

	if (name == NULL || pid > UINT32_MAX)
		return damaged(n, error, "a task is none");
	n->task((uint32_t)pid, name, len, n->task_data);
	return true;
}

static bool define_reason(M2dCapNative *n, GError **error)
{
	uint64_t number = m2d_get_varint(&n->at);
	size_t len;
	const char *name = get_string(&n->at, &len);

	if (name == NULL || !(number & M2D_CAP_EXIT_NAMED) || number > UINT32_MAX)
		return damaged(n, error, "an exit reason is none");
	g_hash_table_insert(n->reasons, GSIZE_TO_POINTER(number),
			    GSIZE_TO_POINTER((gsize)m2d_cap_exits_get(n->exits, name, len)));
	return true;
}

/* --- events ------------------------------------------------------------------------------------
 */

static void get_mark(M2dVarints *at, M2dCapEvent *e)
{
	size_t len;
	const char *text = get_string(at, &len);

	memset(e->u.text, 0, sizeof(e->u.text));
	if (text != NULL)
		memcpy(e->u.text, text, MIN(len, M2D_CAP_TEXT - 1));
}

static void get_fields(M2dCapNative *n, const Kind *k, unsigned number, M2dCapEvent *e)
{
	uint64_t *before = n->state.field[number];
	uint32_t has = e->has;

	memset(&e->u, 0, sizeof(e->u));
	if (k->same) {
		for (uint32_t left = has & 0xff; left != 0; left &= left - 1) {
			unsigned i = (unsigned)__builtin_ctz(left);

			before[i] += m2d_unzigzag(m2d_get_varint(&n->at));
			e->u.f[i] = before[i];
		}
		return;
	}
	e->has = 0;
	for (unsigned i = 0; i < M2D_CAP_FIELDS; i++) {
		if (!(has & 1u << i))
			continue;
		before[i] += m2d_unzigzag(m2d_get_varint(&n->at));
		if (k->field[i] < 0)
			continue;
		e->u.f[k->field[i]] = before[i];
		e->has |= 1u << k->field[i];
	}
}

static bool get_reason(M2dCapNative *n, M2dCapEvent *e, GError **error)
{
	uint64_t reason = e->u.exit.reason;
	gpointer ours;

	if (!(reason & M2D_CAP_EXIT_NAMED))
		return true;
	ours = g_hash_table_lookup(n->reasons, GSIZE_TO_POINTER(reason));
	if (ours == NULL)
		return damaged(n, error, "an exit reason without a name");
	e->u.exit.reason = GPOINTER_TO_SIZE(ours);
	return true;
}

static bool get_event(M2dCapNative *n, uint64_t number, M2dCapEvent *e, GError **error)
{
	M2dCapNativeState *s = &n->state;
	uint64_t flags = m2d_get_varint(&n->at), v;
	const Kind *k;

	if (number >= n->n_kinds)
		return damaged(n, error, "an event of a kind without a name");
	k = &n->kind[number];
	s->time += m2d_unzigzag(m2d_get_varint(&n->at));
	if (flags & M2D_CAP_F_CPU)
		s->cpu = (uint16_t)m2d_get_varint(&n->at);
	if (flags & M2D_CAP_F_PID)
		s->pid = (uint32_t)m2d_get_varint(&n->at);
	v = flags & M2D_CAP_F_PLACE ? m2d_unzigzag(m2d_get_varint(&n->at)) : 1;
	s->place += v;
	if (flags & M2D_CAP_F_HAS)
		s->has[number] = (uint32_t)m2d_get_varint(&n->at);
	*e = (M2dCapEvent){
		.time = s->time,
		.place = s->place,
		.pid = s->pid,
		.cpu = s->cpu,
		.kind = k->kind,
		.has = s->has[number],
	};
	if (k->kind == M2D_CAP_MARK)
		get_mark(&n->at, e);
	else
		get_fields(n, k, (unsigned)number, e);
	if (n->at.bad)
		return damaged(n, error, "a block ends in an event");
	n->events++;
	return k->kind != M2D_CAP_EXIT || get_reason(n, e, error);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static bool read_end(M2dCapNative *n, GError **error)
{
	M2dVarints *at = &n->at;
	uint64_t events = m2d_get_varint(at);
	const uint8_t *p;
	size_t got;

	n->info.bad = m2d_get_varint(at);
	n->info.overwritten = m2d_get_varint(at);
	n->info.first_bad = dup_string(at);
	n->info.cut = dup_string(at);
	if (at->bad || at->p != at->end || events != n->events)
		return damaged(n, error, "its end speaks of another one");
	p = m2d_input_peek(n->in, 1, &got, error);
	if (p != NULL && got != 0)
		return damaged(n, error, "more data behind its end");
	n->ended = true;
	return p != NULL;
}

/* More to read in n->at. 1, 0 at the end, -1 with @error. */
static int next_block(M2dCapNative *n, GError **error)
{
	unsigned type;
	int r = n->ended ? 0 : read_block(n, &type, error);

	if (n->ended || r < 0)
		return r;
	if (r == 0)
		return damaged(n, error, "the file ends before its end block"), -1;
	if (type == M2D_CAP_B_END)
		return read_end(n, error) ? 0 : -1;
	if (type != M2D_CAP_B_EVENTS)
		return damaged(n, error, "a block of a type that there is not"), -1;
	return 1;
}

int m2d_cap_native_next(M2dCapNative *n, M2dCapEvent *e, GError **error)
{
	for (;;) {
		uint64_t tag;
		bool ok;
		int r;

		if (n->at.p >= n->at.end) {
			r = next_block(n, error);
			if (r <= 0)
				return r;
			continue;
		}
		tag = m2d_get_varint(&n->at);
		switch (tag) {
		case M2D_CAP_T_KIND:
			ok = define_kind(n, error);
			break;
		case M2D_CAP_T_TASK:
			ok = define_task(n, error);
			break;
		case M2D_CAP_T_REASON:
			ok = define_reason(n, error);
			break;
		default:
			return get_event(n, tag - M2D_CAP_T_EVENT, e, error) ? 1 : -1;
		}
		if (!ok)
			return -1;
	}
}

M2dCapNative *m2d_cap_native_open(M2dInput *in, M2dCapNames *names, M2dCapExits *exits,
				  M2dCapTaskFn task, void *data, GError **error)
{
	M2dCapNative *n = g_new0(M2dCapNative, 1);

	n->in = in;
	n->names = names;
	n->exits = exits;
	n->task = task;
	n->task_data = data;
	n->raw = g_malloc(M2D_CAP_NATIVE_RAW);
	n->reasons = g_hash_table_new(NULL, NULL);
	if (read_header(n, error))
		return n;
	m2d_cap_native_close(n);
	return NULL;
}

void m2d_cap_native_close(M2dCapNative *n)
{
	if (n == NULL)
		return;
	g_hash_table_unref(n->reasons);
	g_free(n->raw);
	g_free(n->info.source);
	g_free(n->info.first_bad);
	g_free(n->info.cut);
	g_free(n);
}

const M2dCapNativeInfo *m2d_cap_native_info(const M2dCapNative *n)
{
	return &n->info;
}
