/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cutting a stretch out of a trace; the state at its start becomes pages and initial events. */
#include <inttypes.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/trace/edit-private.h"

#define N_REGS 7u /* M2D_TR_CR0 to M2D_TR_AC */

typedef struct {
	uint64_t value[N_REGS];
	uint32_t known; /* by register */
} Regs;

/* What a vCPU is doing, as far as the records told. */
typedef struct {
	Regs host, guest;
	bool in_guest;
	M2dTraceEvent entry; /* the entry into the present guest */
	bool has_process;
	uint64_t process;
} Vcpu;

typedef struct {
	M2dTraceEdit *edit;
	M2dTraceCursor *in;
	M2dTraceWriter *out;
	const char *out_path;
	uint64_t from, to;
	bool started; /* pages and initial events are written */
	M2dEditPages pages;
	Vcpu vcpu[M2D_TRACE_MAX_VCPUS];
} Cut;

static void set_reg(Regs *regs, unsigned reg, uint64_t value)
{
	if (reg >= N_REGS)
		return;
	regs->value[reg] = value;
	regs->known |= 1u << reg;
}

static void apply_store(Cut *cut, const M2dTraceEvent *ev)
{
	uint32_t offset = ev->a & 0xfff, n = ev->n < 8 ? ev->n : 8;
	uint64_t value = GUINT64_TO_LE(ev->b);
	M2dEditPage *page;

	if (ev->a >> 52 != 0 || offset + n > 4096)
		return;
	page = m2d_edit_pages_get(&cut->pages, ev->a & ~UINT64_C(0xfff), true);
	if (page->data == NULL)
		page->data = g_malloc0(4096);
	memcpy(page->data + offset, &value, n);
}

static void enter_guest(Vcpu *v, const M2dTraceEvent *ev)
{
	v->in_guest = true;
	v->entry = *ev;
	v->guest.known = 0;
	set_reg(&v->guest, M2D_TR_CR3, ev->b);
	set_reg(&v->guest, M2D_TR_CR0, ev->d);
	set_reg(&v->guest, M2D_TR_CR4, ev->e);
}

/* Let an event before the cut change the state. */
static void apply_event(Cut *cut, const M2dTraceEvent *ev)
{
	Vcpu *v = &cut->vcpu[ev->vcpu];

	switch (ev->kind) {
	case M2D_EV_REG:
		set_reg(ev->guest ? &v->guest : &v->host, ev->sub & ~M2D_TR_INITIAL, ev->a);
		break;
	case M2D_EV_PTWRITE:
		apply_store(cut, ev);
		break;
	case M2D_EV_VMRUN:
	case M2D_EV_VMENTRY:
		enter_guest(v, ev);
		break;
	case M2D_EV_VMEXIT:
	case M2D_EV_VMX_EXIT:
		v->in_guest = false;
		break;
	case M2D_EV_ASPACE:
		v->has_process = true;
		v->process = ev->a;
		break;
	default:
		break; /* flushes and marks leave nothing that a cold start needs */
	}
}

static gboolean put_regs(Cut *cut, unsigned vcpu, const Regs *regs, uint32_t which, bool guest,
			 GError **error)
{
	for (unsigned r = 0; r < N_REGS; r++) {
		M2dTraceEvent ev = {.kind = M2D_EV_REG,
				    .vcpu = (uint8_t)vcpu,
				    .sub = (uint8_t)(r | M2D_TR_INITIAL),
				    .guest = guest,
				    .a = regs->value[r]};

		if ((regs->known & which) >> r & 1 && !m2d_trace_writer_event(cut->out, &ev, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean put_vcpu(Cut *cut, unsigned id, GError **error)
{
	const uint32_t in_entry = 1u << M2D_TR_CR0 | 1u << M2D_TR_CR3 | 1u << M2D_TR_CR4;
	const Vcpu *v = &cut->vcpu[id];
	M2dTraceEvent ev = v->entry;

	if (v->has_process) {
		const M2dTraceEvent aspace = {
			.kind = M2D_EV_ASPACE, .vcpu = (uint8_t)id, .a = v->process};

		if (!m2d_trace_writer_event(cut->out, &aspace, error))
			return FALSE;
	}
	if (!put_regs(cut, id, &v->host, ~0u, false, error))
		return FALSE;
	if (!v->in_guest)
		return TRUE;
	ev.guest = 1;
	if (ev.kind == M2D_EV_VMRUN)
		ev.sub = 0; /* the TLBs are cold: nothing to flush */
	ev.b = v->guest.value[M2D_TR_CR3];
	ev.d = v->guest.value[M2D_TR_CR0];
	ev.e = v->guest.value[M2D_TR_CR4];
	return m2d_trace_writer_event(cut->out, &ev, error) &&
	       put_regs(cut, id, &v->guest, ~in_entry, true, error);
}

static gboolean start(Cut *cut, GError **error)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(m2d_trace_cursor_reader(cut->in));

	cut->started = true;
	if (!m2d_edit_pages_write(&cut->pages, cut->out, error))
		return FALSE;
	for (unsigned i = 0; cut->from != 0 && i < info->n_vcpus; i++)
		if (!put_vcpu(cut, i, error))
			return FALSE;
	return TRUE;
}

static gboolean make_writer(Cut *cut, GError **error)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(m2d_trace_cursor_reader(cut->in));
	g_autofree char *range = NULL;

	cut->out = m2d_trace_writer_new(cut->out_path, info, error);
	if (cut->out == NULL)
		return FALSE;
	for (unsigned i = 0; i < info->n_meta; i++)
		if (!m2d_trace_writer_meta(cut->out, info->meta[i].key, info->meta[i].value, error))
			return FALSE;
	if (cut->to == UINT64_MAX)
		range = g_strdup_printf("%" PRIu64 "..", cut->from);
	else
		range = g_strdup_printf("%" PRIu64 "..%" PRIu64, cut->from, cut->to);
	return m2d_trace_writer_meta(cut->out, "cut", range, error);
}

/* Take one record; *done: the stretch is complete. */
static gboolean take(Cut *cut, const M2dTraceRecord *r, bool *done, GError **error)
{
	if (r->type == M2D_RECORD_PAGE) {
		m2d_edit_pages_put(&cut->pages, &r->page);
		return TRUE;
	}
	/* Events between the last reference before the cut and its first belong to the state,
	 * unless the cut starts where the trace does. */
	if (cut->from != 0 && r->type == M2D_RECORD_EVENT && r->ordinal <= cut->from) {
		apply_event(cut, &r->event);
		return TRUE;
	}
	if (r->ordinal < cut->from)
		return TRUE;
	if (r->type == M2D_RECORD_REF && r->ordinal >= cut->to) {
		*done = true;
		return TRUE;
	}
	if (!cut->started && !start(cut, error))
		return FALSE;
	cut->edit->refs += r->type == M2D_RECORD_REF;
	return m2d_edit_copy_record(cut->out, r, r->vcpu, error);
}

static gboolean run(Cut *cut, const char *path, GError **error)
{
	const M2dTraceInfo *info;
	M2dTraceRecord record;
	bool done = false;
	uint64_t seen = 0, total;
	int ret = 0;

	if (!make_writer(cut, error))
		return FALSE;
	info = m2d_trace_reader_info(m2d_trace_cursor_reader(cut->in));
	total = info->known && info->refs < cut->to ? info->refs : cut->to;
	if (total == UINT64_MAX)
		total = 0;
	while (!done && (ret = m2d_trace_cursor_next(cut->in, &record, error)) == 1) {
		if (!m2d_edit_tick(cut->edit, total, cut->out_path, error) ||
		    !take(cut, &record, &done, error))
			return FALSE;
		seen = record.ordinal + (record.type == M2D_RECORD_REF);
	}
	if (ret < 0)
		return FALSE;
	if (!cut->started && cut->from == 0 && !start(cut, error))
		return FALSE;
	if (!cut->started) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: the trace has %" PRIu64 " references, expected more than %" PRIu64,
			    path, seen, cut->from);
		return FALSE;
	}
	return TRUE;
}

gboolean m2d_trace_cut(M2dTraceEdit *edit, const char *in, const char *out, uint64_t from,
		       uint64_t to, GError **error)
{
	Cut *cut = g_new0(Cut, 1);
	gboolean ok = FALSE;

	edit->refs = edit->ticks = 0;
	cut->edit = edit;
	cut->out_path = out;
	cut->from = from;
	cut->to = to;
	m2d_edit_pages_init(&cut->pages);
	cut->in = m2d_trace_cursor_open(in, edit->read_flags, error);
	if (cut->in != NULL) {
		ok = run(cut, in, error);
		m2d_edit_report(edit, in, cut->in);
	}
	if (ok)
		ok = m2d_trace_writer_close(g_steal_pointer(&cut->out), error);
	m2d_trace_writer_abort(cut->out);
	m2d_trace_cursor_close(cut->in);
	m2d_edit_pages_clear(&cut->pages);
	g_free(cut);
	return ok;
}
