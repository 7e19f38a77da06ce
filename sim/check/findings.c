/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings and their stories. */
#include "sim/check/check-private.h"

#include <inttypes.h>
#include <string.h>

static const char *const array_names[M2D_N_ARRAYS] = {
	"L1 dTLB",
	"L1 dTLB",
	"L1 dTLB",
	"L1 iTLB",
	"L1 iTLB",
	"L1 iTLB",
	"TLB",
	"TLB",
	"PDE cache",
	"PDPTE cache",
	"PML4E cache",
	"PML5E cache",
	"nested PDE cache",
	"nested PDPTE cache",
	"nested PML4E cache",
	"nested PML5E cache",
	"nested TLB",
};

M2dMoment m2d_event_moment(const M2dCheck *c)
{
	M2dMoment m = m2d_items_moment(c->items);

	if (c->event != NULL) {
		m.time = c->event->time;
		m.step = c->event->step;
		m.actor = c->event->actor;
		m.vcpu = c->event->vcpu;
		m.type = c->event->type;
		memcpy(m.a, c->event->a, sizeof(m.a));
	}
	return m;
}

static void append_who(const M2dCheck *c, GString *s, const M2dMoment *m)
{
	const char *label = NULL;

	if (m->actor == M2D_NO_ACTOR && m->vcpu != M2D_NO_ACTOR) {
		g_string_append_printf(s, "hardware of vcpu%u", m->vcpu);
		return;
	}
	if (m->actor == M2D_NO_ACTOR) {
		g_string_append(s, "set-up");
		return;
	}
	if (c->opt.label != NULL)
		label = c->opt.label(m->actor, m->step, c->opt.label_data);
	if (label != NULL)
		g_string_append_printf(s, "%s ", label);
	if (m->actor < c->vm->n_vcpus)
		g_string_append_printf(s, "vcpu%u", m->actor);
	else
		g_string_append(s, m->actor == c->vm->host_actor ? "host" : "worker");
	if (label == NULL)
		g_string_append_printf(s, " step %u", m->step);
	g_string_append_printf(s, " [%" PRIu64 "]", m->time);
}

static void append_event(GString *s, const M2dMoment *m)
{
	M2dEvent e = {.type = m->type};
	char buf[256];

	memcpy(e.a, m->a, sizeof(m->a));
	g_string_append(s, m2d_event_format(&e, buf, sizeof(buf)));
	if (m->vcpu != M2D_NO_ACTOR && m->vcpu != m->actor)
		g_string_append_printf(s, " (vcpu%u)", m->vcpu);
}

/* What a promise is, for those who do not know the events. */
static void append_promise(GString *s, const M2dMoment *m)
{
	static const char *const scopes[] = {"an address", "an address of a PCID", "a PCID",
					     "all but global translations", "everything"};
	static const struct {
		M2dEventType type;
		const char *words;
	} promises[] = {
		{M2D_E_FLUSH_REMOTE_DONE, "KVM's remote flush has returned"},
		{M2D_E_NOTIFIER_DONE, "the notifier has returned, the host may take the pages"},
		{M2D_E_SLOT_DELETED, "the deletion of the memslot has returned"},
		{M2D_E_DIRTY_LOG_DONE, "the dirty log was read, the next store must be logged"},
		{M2D_E_GFN_PROTECTED, "KVM relies on the page being write-protected"},
		{M2D_E_KVM_MMU_SYNC_PAGE, "KVM takes the shadow page for synchronous"},
		{M2D_E_FRAME_FREED, "the host gives the frame to others"},
		{M2D_E_SP_FREE, "the frame of the table is freed"},
		{M2D_E_OP_DONE, "the operation has ended"},
	};

	if (m->type == M2D_E_GUEST_FLUSH && m->vcpu != m->actor)
		g_string_append_printf(s, "vcpu%u's paravirtual flush is asked for: ", m->vcpu);
	else if (m->type == M2D_E_GUEST_FLUSH && m->a[0] < G_N_ELEMENTS(scopes))
		g_string_append_printf(s, "vcpu%u's guest flushes %s: ", m->vcpu, scopes[m->a[0]]);
	for (unsigned i = 0; i < G_N_ELEMENTS(promises); i++)
		if (promises[i].type == m->type)
			g_string_append_printf(s, "%s: ", promises[i].words);
	append_event(s, m);
}

static void append_item(const M2dCheck *c, GString *s, M2dItemId id)
{
	const M2dItem *it = m2d_item(c->items, id);
	const M2dCtx *ctx = m2d_item_ctx(c->items, id);
	bool amd = m2d_vm_amd(c->vm);

	g_string_append_printf(s, "%s of pCPU %u: %s 0x%" PRIx64, array_names[it->array], it->cpu,
			       ctx->kind == M2D_CTX_PHYSICAL ? "gpa" : "gva", m2d_tag_va(it->tag));
	g_string_append_printf(
		s, m2d_item_is_upper(c->items, id) ? " -> table 0x%" PRIx64 : " -> hpa 0x%" PRIx64,
		it->data & M2D_ITEM_FRAME);
	g_string_append_printf(s, ", %s %u", amd ? "ASID" : "VPID", ctx->tag);
	if (ctx->pcid == M2D_CTX_GLOBAL)
		g_string_append(s, ", global");
	else if (ctx->pcid != 0)
		g_string_append_printf(s, ", PCID %u", ctx->pcid);
	if (ctx->root != 0)
		g_string_append_printf(s, ", EP4TA 0x%" PRIx64, ctx->root);
}

static void append_write(GString *s, const M2dMoment *m, const char *what)
{
	g_string_append_printf(s, "%s at 0x%" PRIx64 ": 0x%" PRIx64 " -> 0x%" PRIx64, what, m->a[0],
			       m->a[1], m->a[2]);
}

static char *make_story(M2dCheck *c, const M2dAbout *about)
{
	GString *s = g_string_new(NULL);
	const M2dMoment *write = about->write, *promise = about->promise;
	M2dMoment now = m2d_event_moment(c);

	if (about->item != 0) {
		const M2dItemStory *own = m2d_item_story(c->items, about->item);
		const M2dItem *it = m2d_item(c->items, about->item);
		bool host = about->host || !(it->due & M2D_DUE_GUEST);
		M2dMoment birth = m2d_item_birth(c->items, about->item);

		g_string_append(s, "cached:  ");
		append_who(c, s, &birth);
		g_string_append(s, ": ");
		append_item(c, s, about->item);
		g_string_append_c(s, '\n');
		if (write == NULL)
			write = m2d_item_change(c->items, about->item, host, M2D_STALE_ALL);
		if (write == NULL)
			write = m2d_item_change(c->items, about->item, !host, M2D_STALE_ALL);
		if (promise == NULL && it->due & (host ? M2D_DUE_HOST : M2D_DUE_GUEST))
			promise = host ? &own->host_promise : &own->guest_promise;
	}
	if (about->birth != NULL) {
		g_string_append(s, "cached:  ");
		append_who(c, s, about->birth);
		g_string_append(s, ": ");
		append_write(s, about->birth, "SPTE");
		g_string_append_c(s, '\n');
	}
	if (write != NULL) {
		g_string_append(s, "changed: ");
		append_who(c, s, write);
		g_string_append(s, ": ");
		if (write->type < M2D_N_EVENTS)
			append_event(s, write);
		else
			append_write(s, write, "entry");
		g_string_append_c(s, '\n');
	}
	if (promise != NULL && promise->type < M2D_N_EVENTS) {
		g_string_append(s, "promise: ");
		append_who(c, s, promise);
		g_string_append(s, ": ");
		append_promise(s, promise);
		g_string_append_c(s, '\n');
	}
	g_string_append(s, "found:   ");
	append_who(c, s, &now);
	g_string_append(s, ": ");
	if (now.type < M2D_N_EVENTS)
		append_event(s, &now);
	else
		g_string_append(s, "end of the run");
	g_string_append_c(s, '\n');
	return g_string_free(s, FALSE);
}

void m2d_find(M2dCheck *c, M2dInvariantId id, const M2dAbout *about, const char *format, ...)
{
	M2dMoment now = m2d_event_moment(c);
	M2dFinding f = {.id = id,
			.actor = now.actor,
			.vcpu = (uint8_t)about->vcpu,
			.step = now.step,
			.time = now.time,
			.gva = about->gva,
			.gpa = about->gpa,
			.hpa = about->hpa};
	va_list args;

	if (c->findings->len >= c->opt.max_findings)
		return;
	if (about->item != 0) {
		M2dItem *it = m2d_item(c->items, about->item);

		if (it->reported)
			return;
		CHECK_PUT(c, it->reported, 1);
	}
	va_start(args, format);
	f.what = g_strdup_vprintf(format, args);
	va_end(args);
	f.story = make_story(c, about);
	g_array_append_val(c->findings, f);
}

unsigned m2d_check_n_findings(const M2dCheck *c)
{
	return c->findings->len;
}

const M2dFinding *m2d_check_finding(const M2dCheck *c, unsigned index)
{
	return &g_array_index(c->findings, M2dFinding, index);
}

void m2d_check_forget(M2dCheck *c)
{
	for (guint i = 0; i < c->findings->len; i++) {
		M2dFinding *f = &g_array_index(c->findings, M2dFinding, i);

		g_free(f->what);
		g_free(f->story);
	}
	g_array_set_size(c->findings, 0);
}

uint64_t m2d_check_premises(const M2dCheck *c, M2dInvariantId id)
{
	return c->premises[id];
}
