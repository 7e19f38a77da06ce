/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ladder-capture.h. Events of the window are kept as text until the columns are known. */
#include "sim/report/ladder-capture.h"

#include <inttypes.h>
#include <string.h>

#include "sim/base/error.h"

/* Equal events in a row: so many at either end of more than both together and one. */
#define ENDS 2u

typedef struct {
	uint64_t time;
	uint32_t pid;
	uint16_t kind, cpu;
	char *text;
} Row;

struct _M2dLadderCapture {
	M2dLadderWindow window;
	GArray *rows;
	GHashTable *vcpus;   /* number plus 1 by pid */
	uint64_t begin, end; /* times of all events met */
	uint64_t n;          /* events in the window */
	uint64_t places;     /* the last place met */
};

static void row_clear(gpointer data)
{
	g_free(((Row *)data)->text);
}

M2dLadderCapture *m2d_ladder_capture_new(const M2dLadderWindow *window)
{
	M2dLadderCapture *lc = g_new0(M2dLadderCapture, 1);

	lc->window = *window;
	lc->begin = UINT64_MAX;
	lc->rows = g_array_new(FALSE, FALSE, sizeof(Row));
	g_array_set_clear_func(lc->rows, row_clear);
	lc->vcpus = g_hash_table_new(NULL, NULL);
	return lc;
}

void m2d_ladder_capture_free(M2dLadderCapture *lc)
{
	if (lc == NULL)
		return;
	g_array_unref(lc->rows);
	g_hash_table_unref(lc->vcpus);
	g_free(lc);
}

/* --- the text of one event ---------------------------------------------------------------------
 */

static void put_role(GString *s, uint64_t role)
{
	g_string_append_printf(s, " level=%u%s%s%s", (unsigned)(role & M2D_CAP_ROLE_LEVEL),
			       role & M2D_CAP_ROLE_DIRECT ? " direct" : "",
			       role & M2D_CAP_ROLE_4BYTE ? " 4-byte" : "",
			       role & M2D_CAP_ROLE_INVALID ? " invalid" : "");
}

/* Fields that say nothing to a reader: who is told by the column, where in the host's memory. */
static bool is_dull(const char *name, size_t len)
{
	static const char *const dull[] = {"vcpu", "rip", "at",     "sptep", "gen",
					   "intr", "as",  "caller", "place"};

	for (unsigned i = 0; i < G_N_ELEMENTS(dull); i++)
		if (strlen(dull[i]) == len && memcmp(dull[i], name, len) == 0)
			return true;
	return false;
}

static void put_access(GString *s, uint64_t access)
{
	g_string_append_printf(s, " %c%c%c%c", access & M2D_CAP_ACC_R ? 'r' : '-',
			       access & M2D_CAP_ACC_W ? 'w' : '-',
			       access & M2D_CAP_ACC_X ? 'x' : '-',
			       access & M2D_CAP_ACC_U ? 'u' : '-');
}

static void put_fields(GString *s, const M2dCapture *capture, const M2dCapEvent *e)
{
	const char *p = m2d_cap_kind_fields(e->kind);
	char buf[32];
	size_t len;

	for (unsigned n = 0; (p = m2d_cap_next_field(p, &len)) != NULL; n++, p += len) {
		/* Most exits leave most of what is recorded of them empty. */
		bool empty = e->kind == M2D_CAP_EXIT && e->u.f[n] == 0;

		if (e->has & 1u << n && !is_dull(p, len) && !empty) {
			if (len == 6 && memcmp(p, "reason", 6) == 0 && e->kind == M2D_CAP_EXIT)
				g_string_append_printf(
					s, " %s",
					m2d_capture_exit_name(capture, (uint32_t)e->u.f[n], buf));
			else if (len == 4 && memcmp(p, "role", 4) == 0)
				put_role(s, e->u.f[n]);
			else if (len == 6 && memcmp(p, "access", 6) == 0 &&
				 e->kind == M2D_CAP_SET_SPTE)
				put_access(s, e->u.f[n]);
			else if (e->u.f[n] < 10)
				g_string_append_printf(s, " %.*s=%" PRIu64, (int)len, p, e->u.f[n]);
			else
				g_string_append_printf(s, " %.*s=0x%" PRIx64, (int)len, p,
						       e->u.f[n]);
		}
	}
}

static char *event_text(const M2dCapture *capture, const M2dCapEvent *e)
{
	GString *s;

	if (e->kind == M2D_CAP_LOST)
		return e->u.f[0] != 0 ? g_strdup_printf("%" PRIu64 " events lost", e->u.f[0])
				      : g_strdup("events lost");
	if (e->kind == M2D_CAP_BAD)
		return g_strdup("a line that cannot be read");
	if (e->kind == M2D_CAP_MARK)
		return g_utf8_make_valid(e->u.text, (gssize)strnlen(e->u.text, M2D_CAP_TEXT));
	s = g_string_new(m2d_capture_name(capture, e->kind));
	if (e->kind < M2D_CAP_N_KINDS)
		put_fields(s, capture, e);
	return g_string_free(s, FALSE);
}

/* --- collecting --------------------------------------------------------------------------------
 */

static void learn_vcpu(M2dLadderCapture *lc, const M2dCapEvent *e)
{
	uint64_t vcpu = e->kind == M2D_CAP_ENTRY ? e->u.entry.vcpu : e->u.exit.vcpu;

	if ((e->kind == M2D_CAP_ENTRY || e->kind == M2D_CAP_EXIT) && (e->has & 1) && vcpu < 65536)
		g_hash_table_insert(lc->vcpus, GUINT_TO_POINTER(e->pid),
				    GUINT_TO_POINTER(vcpu + 1));
}

static bool in_window(const M2dLadderWindow *w, const M2dCapEvent *e)
{
	return (w->to == 0 || (e->time >= w->from && e->time <= w->to)) &&
	       (w->last == 0 || (e->place >= w->first && e->place <= w->last));
}

void m2d_ladder_capture_add(M2dLadderCapture *lc, const M2dCapture *capture, const M2dCapEvent *e)
{
	Row row = {.time = e->time, .pid = e->pid, .kind = e->kind, .cpu = e->cpu};

	/* Neither has a task; lost events have no time of their own in some sources. */
	if (e->kind == M2D_CAP_BAD || e->kind == M2D_CAP_LOST) {
		row.pid = UINT32_MAX;
		row.time = lc->end;
	} else {
		learn_vcpu(lc, e);
		lc->begin = MIN(lc->begin, e->time);
		lc->end = MAX(lc->end, e->time);
	}
	lc->places = e->place;
	if (!in_window(&lc->window, e) || lc->n++ >= M2D_LADDER_MAX_EVENTS)
		return;
	row.text = event_text(capture, e);
	g_array_append_val(lc->rows, row);
}

/* --- columns -----------------------------------------------------------------------------------
 */

/* Where tasks stand: vCPUs by number, then tasks by pid, then what has no task. */
static uint64_t rank(const M2dLadderCapture *lc, uint32_t pid)
{
	guint vcpu = GPOINTER_TO_UINT(g_hash_table_lookup(lc->vcpus, GUINT_TO_POINTER(pid)));

	return (uint64_t)(vcpu == 0) << 62 | (uint64_t)vcpu << 32 | pid;
}

static int by_rank(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static char *title_of(const M2dCapture *capture, uint64_t rank_of)
{
	uint32_t pid = (uint32_t)rank_of;
	g_autofree char *name = NULL;

	if (!(rank_of >> 62))
		return g_strdup_printf("vCPU %u", (unsigned)(rank_of >> 32) - 1);
	if (pid == UINT32_MAX)
		return g_strdup("recorder");
	name = g_utf8_make_valid(m2d_capture_task(capture, pid), -1);
	return g_strdup_printf("%s-%u", name, pid);
}

/* The ranks of all tasks in the window, ascending, each once. */
static GArray *find_columns(const M2dLadderCapture *lc)
{
	GArray *ranks = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

	for (guint i = 0; i < lc->rows->len; i++) {
		uint32_t pid = g_array_index(lc->rows, Row, i).pid;
		uint64_t r = rank(lc, pid);

		if (g_hash_table_add(seen, GUINT_TO_POINTER(pid)))
			g_array_append_val(ranks, r);
	}
	g_array_sort(ranks, by_rank);
	return ranks;
}

static unsigned column_of(const GArray *ranks, uint64_t r)
{
	unsigned lo = 0, hi = ranks->len;

	while (hi - lo > 1) {
		unsigned mid = (lo + hi) / 2;

		if (g_array_index(ranks, uint64_t, mid) <= r)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static void put_event(M2dLadder *ladder, const Row *row, unsigned column)
{
	g_autofree char *time = g_strdup_printf("%" PRIu64 ".%06" PRIu64, row->time / 1000000000,
						row->time / 1000 % 1000000);

	m2d_ladder_row(ladder, time, column, row->text);
}

static void put_rows(const M2dLadderCapture *lc, M2dLadder *ladder, const GArray *ranks)
{
	const Row *rows = (const Row *)(const void *)lc->rows->data;
	guint n = lc->rows->len;

	for (guint i = 0, end; i < n; i = end) {
		unsigned column = column_of(ranks, rank(lc, rows[i].pid));

		end = i + 1;
		while (end < n && rows[end].pid == rows[i].pid && rows[end].kind == rows[i].kind)
			end++;
		for (guint k = i; k < end; k++) {
			if (!lc->window.all && k == i + ENDS && end - i > 2 * ENDS + 1) {
				g_autofree char *text =
					g_strdup_printf("... %u more like it", end - i - 2 * ENDS);

				m2d_ladder_row(ladder, NULL, column, text);
				k = end - ENDS;
			}
			put_event(ladder, &rows[k], column);
		}
	}
}

M2dLadder *m2d_ladder_capture_finish(M2dLadderCapture *lc, const M2dCapture *capture,
				     GError **error)
{
	g_autoptr(GArray) ranks = find_columns(lc);
	M2dLadder *ladder;

	if (lc->n == 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "no event in this window; the capture has %" PRIu64 ".%06" PRIu64
			    " to %" PRIu64 ".%06" PRIu64 " s, %s 1 to %" PRIu64,
			    lc->begin / 1000000000, lc->begin / 1000 % 1000000,
			    lc->end / 1000000000, lc->end / 1000 % 1000000,
			    m2d_capture_is_text(capture) ? "lines" : "records", lc->places);
		return NULL;
	}
	if (lc->n > M2D_LADDER_MAX_EVENTS) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%" PRIu64 " events in this window, expected at most %u; see --time "
			    "and --lines",
			    lc->n, M2D_LADDER_MAX_EVENTS);
		return NULL;
	}
	ladder = m2d_ladder_new();
	for (guint i = 0; i < ranks->len; i++) {
		g_autofree char *title = title_of(capture, g_array_index(ranks, uint64_t, i));

		m2d_ladder_column(ladder, title);
	}
	put_rows(lc, ladder, ranks);
	return ladder;
}
