/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capture.h: telling formats apart, and what all of them share. */
#include "sim/capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/capture/dat.h"
#include "sim/capture/exit.h"
#include "sim/capture/names.h"
#include "sim/capture/native.h"
#include "sim/capture/pattern.h"
#include "sim/capture/text.h"
#include "sim/trace/input.h"

/* Lines that may come to nothing before the file is taken for something else. */
#define PATIENCE  1000u
#define MAX_TASKS 65536u

struct _M2dCapture {
	char *path;
	M2dInput *in;
	M2dCapDat *dat;       /* a trace.dat; */
	M2dCapNative *native; /* a native capture; neither: text */
	char *source;
	M2dCapNames *names;
	M2dCapExits *exits;
	M2dCapPatterns *patterns;
	M2dCapText text;
	GHashTable *tasks;                   /* name by pid */
	uint32_t recent[256];                /* pids known to be in @tasks, by their low bits */
	uint64_t events, n_bad;              /* read so far */
	bool at_end;                         /* of a native capture */
	char *first_bad;                     /* message about the first bad line */
	char *cut;                           /* why the text is not complete */
	uint16_t kind_of[M2D_CAP_MAX_NAMES]; /* our number for a name of the child's */
};

static gboolean wrong(const M2dCapture *c, GError **error, const char *what)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %s", c->path, what);
	return FALSE;
}

/* All of the input, decompressed, in a file without a name, for libtracecmd, which seeks. */
static int spool(M2dCapture *c, GError **error)
{
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "mmu2d-XXXXXX", NULL);
	int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		m2d_error_from_errno(error, errno, "make", path);
		return -1;
	}
	unlink(path);
	for (;;) {
		size_t got;
		const uint8_t *p = m2d_input_peek(c->in, 65536, &got, error);

		if (p != NULL && got == 0) {
			lseek(fd, 0, SEEK_SET);
			return fd;
		}
		for (size_t done = 0; p != NULL && done < got;) {
			ssize_t n = write(fd, p + done, got - done);

			if (n < 0) {
				m2d_error_from_errno(error, errno, "write", path);
				p = NULL;
			} else {
				done += (size_t)n;
			}
		}
		if (p == NULL) {
			close(fd);
			return -1;
		}
		m2d_input_consume(c->in, got);
	}
}

static gboolean open_dat(M2dCapture *c, const uint8_t *head, size_t len, GError **error)
{
	unsigned version = 0;
	int fd;

	for (size_t i = M2D_CAP_DAT_MAGIC_LEN; i < len && g_ascii_isdigit(head[i]); i++)
		version = 10 * version + (unsigned)(head[i] - '0');
	if (version != 6 && version != 7) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: a trace.dat of version %u, expected 6 or 7", c->path, version);
		return FALSE;
	}
	c->source = g_strdup_printf("trace.dat version %u", version);
	fd = spool(c, error);
	if (fd < 0)
		return FALSE;
	c->dat = m2d_cap_dat_open(fd, c->path, error);
	return c->dat != NULL;
}

static void know_task(M2dCapture *c, uint32_t pid, const char *comm, size_t len);

static void know_native_task(uint32_t pid, const char *name, size_t len, void *data)
{
	know_task(data, pid, name, len);
}

static gboolean open_native(M2dCapture *c, GError **error)
{
	c->native = m2d_cap_native_open(c->in, c->names, c->exits, know_native_task, c, error);
	if (c->native == NULL)
		return FALSE;
	c->source = g_strdup_printf("native, of %s", m2d_cap_native_info(c->native)->source);
	return TRUE;
}

static gboolean open_text(M2dCapture *c, const uint8_t *head, size_t len, GError **error)
{
	if (len == 0)
		return wrong(c, error, "the file is empty, expected a capture of KVM's events");
	if (memchr(head, 0, MIN(len, 256)) != NULL)
		return wrong(c, error,
			     "binary, expected ftrace text, trace-cmd report text or a trace.dat");
	c->source = g_strdup("text");
	return TRUE;
}

M2dCapture *m2d_capture_open(const char *path, M2dCapFormat format, GError **error)
{
	g_autoptr(M2dCapture) c = g_new0(M2dCapture, 1);
	const uint8_t *head;
	size_t got;

	c->path = g_strdup(strcmp(path, "-") == 0 ? "stdin" : path);
	memset(c->recent, 0xff, sizeof(c->recent));
	c->tasks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	c->names = m2d_cap_names_new(m2d_cap_kind_names(), M2D_CAP_N_KINDS, M2D_CAP_MAX_NAMES);
	c->exits = m2d_cap_exits_new();
	c->patterns = m2d_cap_patterns_new(c->exits);
	c->in = m2d_input_open(path, error);
	if (c->in == NULL)
		return NULL;
	head = m2d_input_peek(c->in, 4096, &got, error);
	if (head == NULL)
		return NULL;
	if (got >= M2D_CAP_DAT_MAGIC_LEN + 2 &&
	    memcmp(head, M2D_CAP_DAT_MAGIC, M2D_CAP_DAT_MAGIC_LEN) == 0) {
		if (format == M2D_CAP_FTRACE) {
			wrong(c, error, "a trace.dat, expected ftrace text; see --from trace-cmd");
			return NULL;
		}
		if (!open_dat(c, head, got, error))
			return NULL;
	} else if (got >= M2D_CAP_NATIVE_MAGIC_LEN &&
		   memcmp(head, M2D_CAP_NATIVE_MAGIC, M2D_CAP_NATIVE_MAGIC_LEN) == 0) {
		if (!open_native(c, error))
			return NULL;
	} else if (!open_text(c, head, got, error)) {
		return NULL;
	}
	c->text.names = c->names;
	c->text.patterns = c->patterns;
	c->text.print_kind = m2d_cap_names_get(c->names, "print", 5);
	return g_steal_pointer(&c);
}

void m2d_capture_close(M2dCapture *c)
{
	if (c == NULL)
		return;
	m2d_cap_dat_close(c->dat);
	m2d_cap_native_close(c->native);
	m2d_input_close(c->in);
	m2d_cap_patterns_free(c->patterns);
	m2d_cap_exits_free(c->exits);
	m2d_cap_names_free(c->names);
	g_clear_pointer(&c->tasks, g_hash_table_unref);
	g_free(c->first_bad);
	g_free(c->source);
	g_free(c->cut);
	g_free(c->path);
	g_free(c);
}

static void know_task(M2dCapture *c, uint32_t pid, const char *comm, size_t len)
{
	gpointer key = GUINT_TO_POINTER(pid);
	const char *old = g_hash_table_lookup(c->tasks, key);

	/* "<...>" stands for a task whose name the recorder did not keep. */
	if ((old == NULL || strcmp(old, "<...>") == 0) && g_hash_table_size(c->tasks) < MAX_TASKS)
		g_hash_table_insert(c->tasks, key, g_strndup(comm, len));
	if (len != 5 || memcmp(comm, "<...>", 5) != 0)
		c->recent[pid & 255] = pid;
}

static void bad_line(M2dCapture *c, const M2dLine *line)
{
	size_t column = c->text.bad >= line->p && c->text.bad <= line->p + line->len
				? (size_t)(c->text.bad - line->p) + 1
				: 1;

	if (c->n_bad++ == 0)
		c->first_bad = g_strdup_printf("%s:%" PRIu64 ":%zu: %s", c->path, line->number,
					       column, c->text.what);
	if (line->unended && c->cut == NULL)
		c->cut = g_strdup_printf("%s:%" PRIu64 ":%zu: the last line ends early", c->path,
					 line->number, column);
}

/* At the end of a text: whether that was all. */
static int end_text(M2dCapture *c, GError **error)
{
	if (c->events == 0 && c->first_bad == NULL)
		return wrong(c, error, "no event in it, expected a capture of KVM's events"), -1;
	if (c->events == 0) {
		g_set_error_literal(error, M2D_ERROR, M2D_ERROR_INPUT, c->first_bad);
		return -1;
	}
	if (c->cut == NULL && c->text.in_buffer != 0 && c->text.in_buffer != c->events + c->n_bad)
		c->cut = g_strdup_printf("%s: %" PRIu64 " events, expected %" PRIu64
					 " as its first lines say",
					 c->path, c->events, c->text.in_buffer);
	return 0;
}

static int next_text(M2dCapture *c, M2dCapEvent *e, GError **error)
{
	M2dLine line;
	int r;

	while ((r = m2d_input_line(c->in, &line, error)) > 0) {
		M2dCapLine what = m2d_cap_text_line(&c->text, &line, e);

		if (what == M2D_CAP_LINE_NOTHING)
			continue;
		e->place = line.number;
		if (what == M2D_CAP_LINE_EVENT) {
			c->events++;
			if (c->recent[e->pid & 255] != e->pid)
				know_task(c, e->pid, c->text.comm, c->text.comm_len);
			return 1;
		}
		if (what == M2D_CAP_LINE_LOST)
			return 1;
		bad_line(c, &line);
		if (c->events == 0 && c->n_bad >= PATIENCE)
			return end_text(c, error);
		e->kind = M2D_CAP_BAD;
		e->has = 0;
		return 1;
	}
	return r < 0 ? -1 : end_text(c, error);
}

static int next_dat(M2dCapture *c, M2dCapEvent *e, GError **error)
{
	int r;

	while ((r = m2d_cap_dat_next(c->dat, e, error)) > 0) {
		if (e->kind == M2D_CAP_DAT_NAME) {
			unsigned k = m2d_cap_names_get(c->names, e->u.text, strlen(e->u.text));

			g_assert(k < M2D_CAP_MAX_NAMES);
			c->kind_of[e->place % M2D_CAP_MAX_NAMES] = (uint16_t)k;
		} else if (e->kind == M2D_CAP_DAT_TASK) {
			know_task(c, e->pid, e->u.text, strlen(e->u.text));
		} else {
			break;
		}
	}
	if (r <= 0)
		return r == 0 && c->events == 0 ? end_text(c, error) : r;
	if (e->kind == M2D_CAP_LOST)
		return 1;
	if (e->kind == M2D_CAP_BAD) {
		if (c->n_bad++ == 0)
			c->first_bad = g_strdup_printf(
				"%s: record %" PRIu64 ": of a type that the file does not describe",
				c->path, e->place);
		return 1;
	}
	if (e->kind >= M2D_CAP_N_KINDS)
		e->kind = c->kind_of[e->kind % M2D_CAP_MAX_NAMES];
	c->events++;
	return 1;
}

static int next_native(M2dCapture *c, M2dCapEvent *e, GError **error)
{
	int r = m2d_cap_native_next(c->native, e, error);
	const M2dCapNativeInfo *info = m2d_cap_native_info(c->native);

	if (r > 0) {
		c->events += e->kind != M2D_CAP_LOST && e->kind != M2D_CAP_BAD;
		c->n_bad += e->kind == M2D_CAP_BAD;
	}
	if (r != 0 || c->at_end)
		return r;
	c->at_end = true;
	/* The messages name the file that was imported, where the lines are. */
	c->n_bad = info->bad;
	c->first_bad = g_strdup(info->first_bad);
	c->cut = g_strdup(info->cut);
	c->text.written = info->overwritten;
	return c->events == 0 ? end_text(c, error) : 0;
}

int m2d_capture_next(M2dCapture *c, M2dCapEvent *event, GError **error)
{
	if (c->native != NULL)
		return next_native(c, event, error);
	return c->dat != NULL ? next_dat(c, event, error) : next_text(c, event, error);
}

const char *m2d_capture_name(const M2dCapture *c, unsigned kind)
{
	return m2d_cap_names_text(c->names, kind);
}

unsigned m2d_capture_kinds(const M2dCapture *c)
{
	return m2d_cap_names_count(c->names);
}

const char *m2d_capture_exit_name(const M2dCapture *c, uint32_t reason, char buf[32])
{
	return m2d_cap_exits_name(c->exits, reason, buf);
}

const char *m2d_capture_task(const M2dCapture *c, uint32_t pid)
{
	const char *name = g_hash_table_lookup(c->tasks, GUINT_TO_POINTER(pid));

	return name != NULL ? name : "?";
}

unsigned m2d_capture_tasks(const M2dCapture *c)
{
	return g_hash_table_size(c->tasks);
}

const char *m2d_capture_source(const M2dCapture *c)
{
	return c->source;
}

bool m2d_capture_is_text(const M2dCapture *c)
{
	return c->native != NULL ? m2d_cap_native_info(c->native)->is_text : c->dat == NULL;
}

uint64_t m2d_capture_bad(const M2dCapture *c, const char **first)
{
	if (first != NULL)
		*first = c->first_bad;
	return c->n_bad;
}

const char *m2d_capture_cut(const M2dCapture *c)
{
	return c->cut;
}

uint64_t m2d_capture_overwritten(const M2dCapture *c)
{
	return c->text.written > c->text.in_buffer ? c->text.written - c->text.in_buffer : 0;
}

uint64_t m2d_capture_progress(const M2dCapture *c, uint64_t *total)
{
	return m2d_input_progress(c->in, total);
}
