/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See timeline-run.h. */
#include "sim/report/timeline-run.h"

#include <string.h>

#include "sim/report/chrome.h"
#include "sim/report/run.h"
#include "sim/scenario/results.h"
#include "sim/vm/vm.h"

#define TICK 1000u /* ns: a micro-step, an event */

/* Groups of tracks. */
enum {
	STEPS = 1,
	MODES,
	MMU,
	LOCKS,
	HARDWARE,
};

#define MAX_ACTORS 64u
#define MAX_LOCKS  16u
#define DEPTH      16u

/* A span that has no end yet. */
typedef struct {
	uint64_t start;
	M2dEventType type; /* of the event that began it */
	char *name, *args;
} Open;

typedef struct {
	Open open[DEPTH]; /* on its track of MMU, outermost first */
	unsigned depth;
	uint64_t entered, exited; /* 0: not in this mode, or since before the run */
	char *exit_name;
	uint64_t locked[MAX_LOCKS]; /* 0: not held */
	/* The step under way. */
	int step; /* -1: none */
	uint64_t step_start;
	/* Since when, and asked by whom; 0: not asked. */
	uint64_t request[M2D_N_REQS], kick[MAX_ACTORS], ipi[MAX_ACTORS], pv_flag;
	uint8_t request_by[M2D_N_REQS], pv_flag_by;
	bool seen;
} Actor;

typedef struct {
	M2dChrome chrome;
	const M2dScnRun *run;
	unsigned n_vcpus;
	uint64_t now;
	Actor actor[MAX_ACTORS];
} Draw;

static M2dChromeTrack track(unsigned group, unsigned actor)
{
	return (M2dChromeTrack){.group = group, .track = actor};
}

/* What @text has in parentheses at its end, or @otherwise; g_free(). */
static char *meaning(const char *text, const char *otherwise)
{
	const char *from = strrchr(text, '(');
	const char *to = from != NULL ? strchr(from, ')') : NULL;

	return to != NULL ? g_strndup(from + 1, (gsize)(to - from - 1)) : g_strdup(otherwise);
}

/* The inside of an "args" object that says @text; g_free(). */
static char *args_of(const char *text)
{
	g_autofree char *safe = m2d_chrome_safe(text);

	return g_strdup_printf("\"what\":\"%s\"", safe);
}

/* --- spans of KVM's MMU ----------------------------------------------------------------------- */

static void open_span(Draw *d, unsigned actor, M2dEventType type, const char *name,
		      const char *text)
{
	Actor *a = &d->actor[actor];

	if (a->depth == DEPTH)
		return;
	a->open[a->depth++] = (Open){d->now, type, g_strdup(name), args_of(text)};
}

/* Ends what is innermost. */
static void close_one(Draw *d, unsigned actor, uint64_t end)
{
	Open *o = &d->actor[actor].open[--d->actor[actor].depth];

	m2d_chrome_span(&d->chrome, track(MMU, actor), o->start, end, "mmu", o->name, o->args);
	g_free(o->name);
	g_free(o->args);
}

/* Ends the innermost span that @type began, and what is still open inside it. */
static void close_span(Draw *d, unsigned actor, M2dEventType type)
{
	Actor *a = &d->actor[actor];
	unsigned i = a->depth;

	while (i > 0 && a->open[i - 1].type != type)
		i--;
	if (i == 0)
		return;
	while (a->depth >= i)
		close_one(d, actor, d->now + TICK);
}

/* One tick on a track of MMU, which an arrow can begin or end at. */
static void blip(Draw *d, unsigned group, unsigned actor, const char *cat, const char *name,
		 const char *text)
{
	g_autofree char *safe = m2d_chrome_safe(name);
	g_autofree char *args = args_of(text);

	m2d_chrome_span(&d->chrome, track(group, actor), d->now, d->now + TICK, cat, safe, args);
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_entry(Draw *d, unsigned v)
{
	Actor *a = &d->actor[v];

	if (a->exited != 0)
		m2d_chrome_span(&d->chrome, track(MODES, v), a->exited, d->now, "exit",
				a->exit_name, "");
	g_clear_pointer(&a->exit_name, g_free);
	a->exited = 0;
	a->entered = d->now;
	close_span(d, v, M2D_E_KVM_PAGE_FAULT);
}

static void on_exit_event(Draw *d, unsigned v, const char *text)
{
	Actor *a = &d->actor[v];
	g_autofree char *name = meaning(text, "exit");

	if (a->entered != 0)
		m2d_chrome_span(&d->chrome, track(MODES, v), a->entered, d->now, "guest", "guest",
				"");
	a->entered = 0;
	if (a->exited == 0) {
		a->exited = d->now;
		a->exit_name = m2d_chrome_safe(name);
	}
}

static void on_lock(Draw *d, unsigned actor, const M2dEvent *e)
{
	if (e->a[0] < MAX_LOCKS && d->actor[actor].locked[e->a[0]] == 0)
		d->actor[actor].locked[e->a[0]] = d->now;
}

static void unlock(Draw *d, unsigned actor, unsigned lock, uint64_t end)
{
	static const char *const names[] = {"mmu_lock", "slots_lock", "mmu_unsync_pages_lock"};
	uint64_t *since = &d->actor[actor].locked[lock];
	char number[16];

	g_snprintf(number, sizeof(number), "lock %u", lock);
	if (*since != 0)
		m2d_chrome_async(&d->chrome, track(LOCKS, actor), *since, end, "lock",
				 lock < G_N_ELEMENTS(names) ? names[lock] : number, "");
	*since = 0;
}

static void arrow(Draw *d, unsigned from, uint64_t start, unsigned to, const char *cat,
		  const char *name)
{
	g_autofree char *safe = m2d_chrome_safe(name);

	if (start != 0 && from != to)
		m2d_chrome_arrow(&d->chrome, track(MMU, from), start + TICK / 2, track(MMU, to),
				 d->now + TICK / 2, cat, safe);
}

static void on_request(Draw *d, unsigned actor, const M2dEvent *e, const char *text)
{
	Actor *to = &d->actor[e->a[0] % MAX_ACTORS];

	blip(d, MMU, actor, "request", "request", text);
	if (e->a[1] >= M2D_N_REQS || to->request[e->a[1]] != 0)
		return;
	to->request[e->a[1]] = d->now;
	to->request_by[e->a[1]] = (uint8_t)actor;
}

static void on_request_done(Draw *d, unsigned v, const M2dEvent *e, const char *text)
{
	Actor *a = &d->actor[v];
	g_autofree char *name = meaning(text, "request");

	blip(d, MMU, v, "request", name, text);
	if (e->a[0] >= M2D_N_REQS)
		return;
	arrow(d, a->request_by[e->a[0]], a->request[e->a[0]], v,
	      e->a[0] == M2D_REQ_TLB_FLUSH ? "flush" : "request", name);
	a->request[e->a[0]] = 0;
}

/* Whatever one asks of another and the other answers. */
static bool on_message(Draw *d, unsigned actor, const M2dEvent *e, const char *text)
{
	Actor *a = &d->actor[actor], *to = &d->actor[e->a[0] % MAX_ACTORS];

	switch ((M2dEventType)e->type) {
	case M2D_E_KVM_REQUEST:
		on_request(d, actor, e, text);
		return true;
	case M2D_E_KVM_REQUEST_DONE:
		on_request_done(d, actor, e, text);
		return true;
	case M2D_E_KVM_KICK:
		blip(d, MMU, actor, "kick", "kick", text);
		if (e->a[2] != 0)
			to->kick[actor] = d->now;
		return true;
	case M2D_E_KVM_KICK_TAKEN:
		blip(d, MMU, actor, "kick", "kick taken", text);
		for (unsigned i = 0; i < MAX_ACTORS; i++) {
			arrow(d, i, a->kick[i], actor, "kick", "kick");
			a->kick[i] = 0;
		}
		return true;
	case M2D_E_GUEST_IPI:
		blip(d, MMU, actor, "ipi", "guest IPI", text);
		to->ipi[actor] = d->now;
		return true;
	case M2D_E_GUEST_IPI_ACK:
		blip(d, MMU, actor, "ipi", "guest IPI handled", text);
		arrow(d, e->a[0] % MAX_ACTORS, a->ipi[e->a[0] % MAX_ACTORS], actor, "flush",
		      "guest IPI");
		a->ipi[e->a[0] % MAX_ACTORS] = 0;
		return true;
	case M2D_E_PV_FLUSH_FLAG:
		blip(d, MMU, actor, "flush", "KVM_VCPU_FLUSH_TLB", text);
		to->pv_flag = d->now;
		to->pv_flag_by = (uint8_t)actor;
		return true;
	case M2D_E_KVM_PV_TLB_FLUSH:
		blip(d, MMU, actor, "flush", "paravirtual flush", text);
		if (e->a[0] != 0)
			arrow(d, a->pv_flag_by, a->pv_flag, actor, "flush", "paravirtual flush");
		a->pv_flag = 0;
		return true;
	default:
		return false;
	}
}

static void on_event(Draw *d, unsigned actor, const M2dEvent *e)
{
	g_autofree char *text = m2d_run_event_text(e);
	g_autofree char *name = NULL, *safe = NULL;

	if (on_message(d, actor, e, text))
		return;
	switch ((M2dEventType)e->type) {
	case M2D_E_KVM_ENTRY:
		on_entry(d, actor);
		return;
	case M2D_E_KVM_EXIT:
		on_exit_event(d, actor, text);
		return;
	case M2D_E_KVM_PAGE_FAULT:
		open_span(d, actor, M2D_E_KVM_PAGE_FAULT, "page fault", text);
		return;
	case M2D_E_KVM_PAGE_FAULT_DONE:
		close_span(d, actor, M2D_E_KVM_PAGE_FAULT);
		return;
	case M2D_E_FLUSH_REMOTE:
		open_span(d, actor, M2D_E_FLUSH_REMOTE, "remote flush", text);
		return;
	case M2D_E_FLUSH_REMOTE_DONE:
		close_span(d, actor, M2D_E_FLUSH_REMOTE);
		return;
	case M2D_E_NOTIFIER:
		if (e->a[2] != 0)
			open_span(d, actor, M2D_E_NOTIFIER, "notifier", text);
		else
			close_span(d, actor, M2D_E_NOTIFIER);
		return;
	case M2D_E_LOCK:
		on_lock(d, actor, e);
		return;
	case M2D_E_UNLOCK:
		if (e->a[0] < MAX_LOCKS)
			unlock(d, actor, (unsigned)e->a[0], d->now + TICK);
		return;
	case M2D_E_KVM_MMU_PREPARE_ZAP_PAGE:
	case M2D_E_KVM_MMU_ZAP_ALL_FAST:
		blip(d, MMU, actor, "zap", "zap", text);
		return;
	case M2D_E_FLUSH_HW:
		name = meaning(text, "flush");
		blip(d, HARDWARE, actor, "flush", name, text);
		return;
	case M2D_E_HW_WALK:
	case M2D_E_HW_EVICT:
		blip(d, HARDWARE, actor, "hardware",
		     e->type == M2D_E_HW_WALK ? "speculative walk" : "eviction", text);
		return;
	default:
		break;
	}
	if (!m2d_run_event_tells((M2dEventType)e->type))
		return;
	safe = m2d_chrome_safe(text);
	m2d_chrome_instant(&d->chrome, track(MMU, actor), d->now, "event", safe, "");
}

/* --- steps ------------------------------------------------------------------------------------ */

static void end_step(Draw *d, unsigned actor, bool done)
{
	Actor *a = &d->actor[actor];
	const M2dScnStep *step = a->step >= 0 ? &d->run->scenario->steps[a->step] : NULL;
	g_autofree char *name = NULL, *result = NULL, *label = NULL, *args = NULL;

	if (step == NULL)
		return;
	name = m2d_chrome_safe(step->text);
	label = m2d_chrome_safe(step->label != NULL ? step->label : "");
	if (done) {
		g_autofree char *text = m2d_scn_outcome_text(step, &d->run->steps[a->step]);

		result = m2d_chrome_safe(text);
	}
	args = g_strdup_printf("\"label\":\"%s\",\"line\":%u,\"result\":\"%s\"", label,
			       step->place.line, result != NULL ? result : "not ended");
	m2d_chrome_span(&d->chrome, track(STEPS, actor), a->step_start, d->now, "step", name, args);
	for (guint i = 0; i < d->run->findings->len && done; i++) {
		const M2dScnFinding *f = &g_array_index(d->run->findings, M2dScnFinding, i);
		g_autofree char *story = NULL;

		if (f->label != a->step)
			continue;
		story = args_of(f->what);
		m2d_chrome_instant(&d->chrome, track(STEPS, actor), d->now - 1, "finding",
				   f->invariant, story);
	}
	a->step = -1;
}

static void on_micro(Draw *d, const M2dScnMicro *m)
{
	unsigned actor = m->actor % MAX_ACTORS;
	Actor *a = &d->actor[actor];

	a->seen = true;
	/* Interrupts come between the micro-steps of a step, and are no part of it. */
	if (m->step >= 0 && a->step != m->step) {
		end_step(d, actor, false);
		a->step = m->step;
		a->step_start = d->now;
	}
	d->now += TICK;
	for (guint i = 0; i < m->n_events; i++) {
		const M2dEvent *e = &g_array_index(d->run->events, M2dEvent, m->first_event + i);
		unsigned on = e->vcpu < d->n_vcpus ? e->vcpu : actor;

		d->actor[on % MAX_ACTORS].seen = true;
		on_event(d, on % MAX_ACTORS, e);
		d->now += TICK;
	}
	if (!m->done && m->point != M2D_PT_NONE)
		m2d_chrome_instant(&d->chrome, track(STEPS, actor), d->now - 1, "point",
				   m2d_point_name((M2dPoint)m->point), "");
	if (m->done && m->step >= 0)
		end_step(d, actor, true);
}

/* What is still open when the run ends. */
static void end_all(Draw *d)
{
	for (unsigned i = 0; i < MAX_ACTORS; i++) {
		Actor *a = &d->actor[i];

		end_step(d, i, false);
		while (a->depth > 0)
			close_one(d, i, d->now);
		for (unsigned k = 0; k < MAX_LOCKS; k++)
			unlock(d, i, k, d->now);
		if (a->entered != 0)
			m2d_chrome_span(&d->chrome, track(MODES, i), a->entered, d->now, "guest",
					"guest", "");
		if (a->exited != 0)
			m2d_chrome_span(&d->chrome, track(MODES, i), a->exited, d->now, "exit",
					a->exit_name, "");
		g_free(a->exit_name);
	}
}

static void name_tracks(Draw *d)
{
	static const char *const groups[] = {
		[STEPS] = "steps of the scenario",
		[MODES] = "guest mode and exits",
		[MMU] = "KVM's MMU",
		[LOCKS] = "locks held",
		[HARDWARE] = "hardware",
	};

	for (unsigned g = STEPS; g <= HARDWARE; g++) {
		m2d_chrome_group(&d->chrome, g, groups[g]);
		for (unsigned i = 0; i < MAX_ACTORS; i++) {
			bool vcpu = i < d->n_vcpus;
			char name[16];

			if (!d->actor[i].seen || (!vcpu && (g == MODES || g == HARDWARE)))
				continue;
			if (vcpu)
				g_snprintf(name, sizeof(name), "vcpu%u", i);
			else
				g_strlcpy(name, "host", sizeof(name));
			m2d_chrome_track(&d->chrome, track(g, i), name);
		}
	}
}

bool m2d_timeline_run(M2dOutFile *out, const M2dScnRun *run, uint64_t *spans, uint64_t *arrows,
		      GError **error)
{
	g_autofree Draw *d = g_new0(Draw, 1);
	bool ok;

	d->run = run;
	d->n_vcpus = m2d_run_vcpus(run);
	d->now = TICK; /* 0 stands for never */
	for (unsigned i = 0; i < MAX_ACTORS; i++)
		d->actor[i].step = -1;
	m2d_chrome_init(&d->chrome, out);
	for (guint i = 0; i < run->micro->len; i++)
		on_micro(d, &g_array_index(run->micro, M2dScnMicro, i));
	end_all(d);
	name_tracks(d);
	*spans = d->chrome.spans;
	*arrows = d->chrome.arrows;
	ok = m2d_chrome_finish(&d->chrome, error);
	m2d_chrome_clear(&d->chrome);
	return ok;
}
