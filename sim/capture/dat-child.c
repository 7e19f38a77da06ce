/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See dat.h: the reader's side. Plugins of libtraceevent stay out: fields are read from the
 * records, by name, so that a field that a kernel lacks is missing rather than misread.
 */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include <trace-cmd.h>

#include "sim/capture/dat.h"
#include "sim/capture/names.h"

#define BATCH 512u

typedef enum {
	PLAIN,
	ROLE,
	ACCESS,
	REASON,
	SYMBOL,
	TEXT,
	VALID,
	SPURIOUS,
	FIXED,
} How;

/* Where a field of ours comes from. */
typedef struct {
	How how;
	struct tep_format_field *raw; /* NULL: not there */
	uint64_t result;              /* of SPURIOUS and FIXED: the value of ret that says so */
} Source;

/* One event type of the file. */
typedef struct {
	unsigned kind;
	unsigned n;
	Source from[M2D_CAP_FIELDS];
	struct tep_event *event;
} Type;

typedef struct {
	int out;
	struct tep_handle *tep;
	M2dCapNames *names;
	unsigned n_named;  /* names the other side knows */
	GHashTable *types; /* Type by event id */
	GHashTable *tasks; /* pids that were announced */
	uint64_t records;
	unsigned n;
	M2dCapEvent buf[BATCH];
} Reader;

static const char *const raws[M2D_CAP_N_KINDS] = {
	"",
	"",
#define EVENT(ID, id, name, fields, payload, raw) raw,
#include "sim/capture/event.def"
#undef EVENT
};

static void flush(Reader *r)
{
	const char *p = (const char *)r->buf;
	size_t left = r->n * sizeof(M2dCapEvent);

	while (left > 0) {
		ssize_t n = write(r->out, p, left);

		if (n <= 0)
			_exit(1);
		p += n;
		left -= (size_t)n;
	}
	r->n = 0;
}

static void put(Reader *r, const M2dCapEvent *e)
{
	r->buf[r->n++] = *e;
	if (r->n == BATCH)
		flush(r);
}

static void put_text(Reader *r, unsigned kind, uint64_t number, const char *text)
{
	M2dCapEvent e = {.kind = (uint16_t)kind, .place = number, .pid = (uint32_t)number};

	g_strlcpy(e.u.text, text, M2D_CAP_TEXT);
	put(r, &e);
}

/* The number that fast_page_fault's text compares ret with for its @nth last value. */
static uint64_t compared_value(const struct tep_event *event, unsigned nth)
{
	const struct tep_print_arg *arg = event->print_fmt.args;
	uint64_t values[2] = {UINT64_MAX, UINT64_MAX};

	for (; arg != NULL; arg = arg->next) {
		if (arg->type != TEP_PRINT_OP || arg->op.right == NULL ||
		    arg->op.right->type != TEP_PRINT_ATOM || strcmp(arg->op.op, "==") != 0)
			continue;
		values[0] = values[1];
		values[1] = g_ascii_strtoull(arg->op.right->atom.atom, NULL, 0);
	}
	return values[nth];
}

static Source find_source(struct tep_event *event, const char *word)
{
	static const struct {
		const char *word, *raw;
		How how;
	} special[] = {
		{"@role", "role", ROLE},
		{"@access", "spte", ACCESS},
		{"@reason", "exit_reason", REASON},
		{"@symbol", "caller", SYMBOL},
		{"@text", "buf", TEXT},
		{"@valid", "kvm_generation", VALID},
		{"@spurious", "ret", SPURIOUS},
		{"@fixed", "ret", FIXED},
		{"@mmio", "type", PLAIN},
	};
	g_auto(GStrv) names = g_strsplit(word, "|", 2);
	Source s = {.how = PLAIN};

	for (unsigned i = 0; i < G_N_ELEMENTS(special); i++) {
		if (strcmp(word, special[i].word) != 0)
			continue;
		s.how = special[i].how;
		s.raw = tep_find_any_field(event, special[i].raw);
		if (s.how == SPURIOUS || s.how == FIXED)
			s.result = compared_value(event, s.how == FIXED);
		return s;
	}
	for (unsigned i = 0; names[i] != NULL && s.raw == NULL; i++)
		s.raw = tep_find_any_field(event, names[i]);
	return s;
}

static Type *make_type(Reader *r, struct tep_event *event)
{
	Type *t = g_new0(Type, 1);
	g_auto(GStrv) words = NULL;
	const char *name = event->name;

	/* Marks have a name of their own in every text. */
	if (strcmp(name, "print") == 0 && strcmp(event->system, "ftrace") == 0)
		name = "tracing_mark_write";
	t->event = event;
	t->kind = m2d_cap_names_get(r->names, name, strlen(name));
	if (t->kind >= r->n_named) {
		put_text(r, M2D_CAP_DAT_NAME, t->kind, name);
		r->n_named = t->kind + 1;
	}
	if (t->kind >= M2D_CAP_N_KINDS)
		return t;
	words = g_strsplit(raws[t->kind], " ", M2D_CAP_FIELDS + 1);
	for (; words[t->n] != NULL; t->n++)
		t->from[t->n] = find_source(event, words[t->n]);
	return t;
}

static bool read_number(const struct tep_format_field *f, const struct tep_record *rec,
			uint64_t *value)
{
	unsigned long long v;

	if (f->offset + f->size > rec->size ||
	    tep_read_number_field((struct tep_format_field *)f, rec->data, &v) != 0)
		return false;
	if (f->flags & TEP_FIELD_IS_SIGNED && f->size > 0 && f->size < 8)
		v = (unsigned long long)((long long)(v << (64 - 8 * f->size)) >>
					 (64 - 8 * f->size));
	*value = v;
	return true;
}

static uint64_t other(const Type *t, const struct tep_record *rec, const char *name)
{
	struct tep_format_field *f = tep_find_any_field(t->event, name);
	uint64_t v = 0;

	return f != NULL && read_number(f, rec, &v) ? v : 0;
}

/* union kvm_mmu_page_role as every kernel since 4.x has it in its low bits. */
static uint64_t convert_role(uint64_t role)
{
	/* level:4, 4-byte gpte:1, quadrant:2, direct:1, access:3, invalid:1, nx:1, then cr0_wp,
	 * smep_andnot_wp and smap_andnot_wp, ad_disabled. */
	return (role & 0xff) | (role & 0x700) | (role & 1u << 11 ? M2D_CAP_ROLE_INVALID : 0) |
	       (role & 1u << 12 ? M2D_CAP_ROLE_NX : 0) | (role & 1u << 16 ? 0 : M2D_CAP_ROLE_AD);
}

static uint64_t convert_access(const Type *t, const struct tep_record *rec, uint64_t spte)
{
	/* The user right is a signed char: -1 says that the format has none. */
	uint64_t u = other(t, rec, "u");

	return (other(t, rec, "r") ? M2D_CAP_ACC_R : 0) | (spte & 2 ? M2D_CAP_ACC_W : 0) |
	       (other(t, rec, "x") ? M2D_CAP_ACC_X : 0) | (u == 1 ? M2D_CAP_ACC_U : 0);
}

static uint64_t convert_reason(const Type *t, const struct tep_record *rec, uint64_t reason)
{
	if (other(t, rec, "isa") == 1)
		return M2D_CAP_EXIT_VMX | (reason & 0xffff);
	return M2D_CAP_EXIT_SVM | (reason & 0x3fffffff);
}

static void read_text(M2dCapEvent *e, const Source *s, const struct tep_record *rec)
{
	int len = rec->size - s->raw->offset;

	if (len <= 0)
		return;
	g_strlcpy(e->u.text, (const char *)rec->data + s->raw->offset,
		  MIN((gsize)len + 1, M2D_CAP_TEXT));
	g_strchomp(e->u.text);
}

static void read_field(Reader *r, M2dCapEvent *e, const Type *t, unsigned i,
		       const struct tep_record *rec)
{
	const Source *s = &t->from[i];
	uint64_t *v = &e->u.f[i];

	if (s->raw == NULL)
		return;
	if (s->how == TEXT) {
		read_text(e, s, rec);
		return;
	}
	if (!read_number(s->raw, rec, v))
		return;
	if (s->how == ROLE)
		*v = convert_role(*v);
	else if (s->how == ACCESS)
		*v = convert_access(t, rec, *v);
	else if (s->how == REASON)
		*v = convert_reason(t, rec, *v);
	else if (s->how == VALID)
		*v = *v == other(t, rec, "spte_generation");
	else if (s->how == SPURIOUS || s->how == FIXED)
		*v = *v == s->result;
	if (s->how == SYMBOL) {
		const char *name = tep_find_function(r->tep, *v);

		if (name == NULL)
			return;
		*v = m2d_cap_symbol(name, (unsigned)strcspn(name, "."));
	}
	e->has |= 1u << i;
}

static int on_record(struct tracecmd_input *handle, struct tep_record *rec, int cpu, void *data)
{
	Reader *r = data;
	struct tep_event *event = tep_find_event_by_record(r->tep, rec);
	M2dCapEvent e = {.time = rec->ts, .place = ++r->records, .cpu = (uint16_t)rec->cpu};
	Type *t;

	if (rec->missed_events != 0) {
		M2dCapEvent lost = e;

		lost.kind = M2D_CAP_LOST;
		lost.has = rec->missed_events > 0;
		lost.u.f[0] = rec->missed_events > 0 ? (uint64_t)rec->missed_events : 0;
		put(r, &lost);
	}
	if (event == NULL) {
		e.kind = M2D_CAP_BAD;
		put(r, &e);
		return 0;
	}
	e.pid = (uint32_t)tep_data_pid(r->tep, rec);
	if (g_hash_table_add(r->tasks, GUINT_TO_POINTER(e.pid))) {
		const char *comm = tep_data_comm_from_pid(r->tep, (int)e.pid);

		put_text(r, M2D_CAP_DAT_TASK, e.pid, comm != NULL ? comm : "<...>");
	}
	t = g_hash_table_lookup(r->types, GINT_TO_POINTER(event->id));
	if (t == NULL) {
		t = make_type(r, event);
		g_hash_table_insert(r->types, GINT_TO_POINTER(event->id), t);
	}
	e.kind = (uint16_t)t->kind;
	for (unsigned i = 0; i < t->n; i++)
		read_field(r, &e, t, i, rec);
	put(r, &e);
	return 0;
}

void m2d_cap_dat_child(int in, int out)
{
	struct tracecmd_input *handle;
	Reader *r = g_new0(Reader, 1);

	r->out = out;
	r->names = m2d_cap_names_new(m2d_cap_kind_names(), M2D_CAP_N_KINDS, M2D_CAP_MAX_NAMES);
	r->n_named = M2D_CAP_N_KINDS;
	r->types = g_hash_table_new(NULL, NULL);
	r->tasks = g_hash_table_new(NULL, NULL);
	tracecmd_set_loglevel(TEP_LOG_NONE);
	tep_set_loglevel(TEP_LOG_NONE);
	handle = tracecmd_open_fd(in, TRACECMD_FL_LOAD_NO_PLUGINS);
	if (handle == NULL) {
		put_text(r, M2D_CAP_DAT_ERROR, 0,
			 "damaged, expected a trace.dat of version 6 or 7");
		flush(r);
		return;
	}
	r->tep = tracecmd_get_tep(handle);
	if (tracecmd_iterate_events(handle, NULL, 0, on_record, r) < 0)
		put_text(r, M2D_CAP_DAT_ERROR, 0, "damaged, expected records up to its end");
	else
		put_text(r, M2D_CAP_DAT_END, 0, "");
	flush(r);
}
