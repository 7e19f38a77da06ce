/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Batches into vCPUs: order of events and references, samples of the time series, findings.
 */
#include "sim/replay/replay.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/replay/replay-private.h"

void m2d_replay_options_init(M2dReplayOptions *opt)
{
	*opt = (M2dReplayOptions){.compare = true, .check = true, .samples = 256};
	m2d_guestos_config_init(&opt->guest);
	m2d_hostmap_config_init(&opt->host);
	m2d_knobs_profile(&opt->knobs, M2D_KNOBS_DEFAULT, NULL);
}

static M2dReplayMode choose_mode(const M2dReplayOptions *opt, const M2dTraceInfo *info,
				 M2dVendor vendor)
{
	if (opt->mode != M2D_REPLAY_AUTO)
		return opt->mode;
	if (info->flags & M2D_TRACE_HAS_TABLES)
		return M2D_REPLAY_RECORDED;
	return vendor == M2D_VENDOR_AMD ? M2D_REPLAY_NPT : M2D_REPLAY_EPT;
}

static bool check_mode(M2dReplayMode mode, const M2dTraceInfo *info, M2dVendor vendor,
		       GError **error)
{
	const char *why = NULL;

	if (mode == M2D_REPLAY_RECORDED && !(info->flags & M2D_TRACE_HAS_TABLES))
		why = "the trace carries no page tables; expected native, npt or ept";
	else if (mode == M2D_REPLAY_SHADOW && !(info->flags & M2D_TRACE_HAS_TABLES))
		why = "shadow needs a trace with page tables; expected native, npt or ept";
	else if (mode == M2D_REPLAY_NPT && vendor != M2D_VENDOR_AMD)
		why = "npt needs an AMD machine; expected native or ept";
	else if (mode == M2D_REPLAY_EPT && vendor != M2D_VENDOR_INTEL)
		why = "ept needs an Intel machine; expected native or npt";
	if (why == NULL)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "--mmu: %s", why);
	return false;
}

static bool add_vcpus(M2dReplay *r, GError **error)
{
	r->vcpu = g_new0(M2dReplayVcpu, r->n_vcpus);
	if (r->mode == M2D_REPLAY_SHADOW && !m2d_replay_shadow_new(r, error))
		return false;
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		M2dReplayVcpu *v = &r->vcpu[i];

		v->vcpu = r->shadow != NULL ? m2d_replay_shadow_cpu(r, i) : m2d_vcpu_new(r->world);
		v->mmu = m2d_vcpu_mmu(v->vcpu);
		m2d_timing_init(&v->mmu->timing, m2d_world_machine(r->world), r->opt.timing,
				i > 0 ? &r->vcpu[0].mmu->timing : NULL);
		v->process[0] = v->process[1] = 0;
	}
	return true;
}

M2dReplay *m2d_replay_new(M2dMachine *machine, const M2dTraceInfo *info,
			  const M2dReplayOptions *options, GError **error)
{
	M2dReplayMode mode = choose_mode(options, info, machine->vendor);
	g_autoptr(M2dReplay) r = NULL;

	if (!check_mode(mode, info, machine->vendor, error)) {
		m2d_machine_free(machine);
		return NULL;
	}
	/* Nested entries were written for AMD hardware. */
	if (mode == M2D_REPLAY_RECORDED)
		machine->vendor = M2D_VENDOR_AMD;
	/* The recorded systems did not see the faults of other hardware. */
	if (mode == M2D_REPLAY_RECORDED || mode == M2D_REPLAY_SHADOW)
		machine->tlb.spurious_fault = false;
	r = g_new0(M2dReplay, 1);
	r->opt = *options;
	r->mode = mode;
	/* As many as there usually can be, so that growing does not move them again and again. */
	r->samples = g_array_sized_new(FALSE, FALSE, sizeof(M2dSample),
				       4 * CLAMP(r->opt.samples, 64, 1024));
	r->stories = g_array_new(FALSE, FALSE, sizeof(M2dViolation));
	g_array_set_clear_func(r->stories, m2d_violation_clear);
	r->cr3s = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	r->world = m2d_world_new(machine, 0, error);
	if (r->world == NULL)
		return NULL;
	r->n_vcpus = info->n_vcpus;
	if (options->vcpus != 0)
		r->n_vcpus = MIN(options->vcpus, r->n_vcpus);
	if (!add_vcpus(r, error))
		return NULL;
	if (m2d_replay_recorded(r))
		m2d_replay_setup_recorded(r);
	else if (!m2d_replay_setup_model(r, error))
		return NULL;
	if (options->samples != 0)
		r->sample_step = info->known ? MAX(info->refs / options->samples, 1024) : 1 << 16;
	r->next_sample = r->sample_step != 0 ? r->sample_step : UINT64_MAX;
	return g_steal_pointer(&r);
}

void m2d_replay_free(M2dReplay *r)
{
	if (r == NULL)
		return;
	m2d_guestos_free(r->guest);
	m2d_hostmap_free(r->host);
	m2d_replay_shadow_free(r->shadow);
	m2d_world_free(r->world);
	g_free(r->vcpu);
	g_array_unref(r->samples);
	g_array_unref(r->stories);
	g_hash_table_unref(r->cr3s);
	g_free(r);
}

M2dWorld *m2d_replay_world(M2dReplay *r)
{
	return r->world;
}

uint64_t m2d_replay_refs(const M2dReplay *r)
{
	return r->refs;
}

/* A trace longer than it said, or of unknown length: keep every other sample. */
static void thin_samples(M2dReplay *r)
{
	M2dSample *s = (M2dSample *)(void *)r->samples->data;
	guint n = 0;

	for (guint i = 1; i < r->samples->len; i += 2)
		s[n++] = s[i];
	g_array_set_size(r->samples, n);
	r->sample_step *= 2;
}

static void take_sample(M2dReplay *r)
{
	M2dSample s = {.ref = r->refs};
	uint64_t *sum = (uint64_t *)&s.c;

	if (r->samples->len >= 4 * MAX(r->opt.samples, 64))
		thin_samples(r);
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		const M2dMmu *m = r->vcpu[i].mmu;
		const uint64_t *c = (const uint64_t *)&m->stats.c;

		for (unsigned k = 0; k < M2D_N_COUNTERS; k++)
			sum[k] += c[k];
		s.cycles += m2d_timing_now(&m->timing);
	}
	g_array_append_val(r->samples, s);
}

/* The recorded address and the translation differ: wrong, unless nothing had to be dropped. */
static void mismatch(M2dMmu *mmu, const M2dRef *ref, uint32_t index, uint64_t hpa, void *data)
{
	M2dReplay *r = data;
	uint64_t ordinal = r->refs + index, recorded = ref->w & M2D_REF_FRAME, fresh;
	static const char *const kinds[] = {"read", "write", "fetch", "access"};

	if (m2d_mmu_probe(mmu, ref->va, (M2dAccKind)(ref->w & M2D_REF_KIND), ref->w & M2D_REF_USER,
			  &fresh) &&
	    ((fresh ^ recorded) & M2D_REF_FRAME) == 0) {
		mmu->stats.c.stale_legal++;
		return;
	}
	mmu->stats.c.wrong++;
	m2d_replay_story(r, "wrong-translation", ordinal, m2d_vcpu_id(r->run_vcpu->vcpu),
			 "%s of 0x%" G_GINT64_MODIFIER "x in %s mode went to 0x%" G_GINT64_MODIFIER
			 "x, the recording says frame 0x%" G_GINT64_MODIFIER "x",
			 kinds[ref->w & M2D_REF_KIND], ref->va,
			 ref->w & M2D_REF_GUEST ? "guest" : "host", hpa, recorded);
}

/*
 * Faults that one reference may take before it goes through: one for each table of both dimensions
 * and for the page, twice if it crosses pages. More mean that an answer mends nothing.
 */
#define MAX_RETRIES 64

static M2dFaultAction fault(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *ref,
			    const M2dOutcome *out, GError **error)
{
	if (r->mode == M2D_REPLAY_SHADOW)
		return m2d_replay_fault_shadow(r, v, ref, out);
	if (r->mode == M2D_REPLAY_RECORDED)
		return m2d_replay_fault_recorded(r, v, ref, out);
	return m2d_replay_fault_model(r, v, ref, out, error);
}

/* In pieces that end where a sample is due. */
bool m2d_replay_run_refs(M2dReplay *r, M2dReplayVcpu *v, const M2dRef *refs, uint32_t n,
			 GError **error)
{
	bool recorded = m2d_replay_recorded(r);
	M2dRunOptions opt = {
		.compare = recorded && r->opt.compare,
		/* Recorders leave out the tables that only lead to devices. */
		.skip_io = recorded,
		.mismatch = mismatch,
		.data = r,
	};
	unsigned retries = 0; /* of the reference that comes next */

	r->run_vcpu = v;
	while (n > 0) {
		uint32_t want = (uint32_t)MIN(MIN(n, r->next_sample - r->refs), 1u << 20), done;
		M2dFaultAction action;
		M2dOutcome out;

		done = m2d_mmu_run(v->mmu, refs, want, &opt, &out);
		refs += done;
		n -= done;
		r->refs += done;
		if (done != 0)
			retries = 0;
		if (done < want) {
			action = fault(r, v, refs, &out, error);
			if (action == M2D_FAULT_ERROR)
				return false;
			if (action == M2D_FAULT_RETRY && ++retries > MAX_RETRIES) {
				g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
					    "reference %" G_GUINT64_FORMAT
					    " to 0x%" G_GINT64_MODIFIER
					    "x still faults after %d answers to its faults",
					    r->refs, refs->va, MAX_RETRIES);
				return false;
			}
			if (action == M2D_FAULT_SKIP) {
				retries = 0;
				refs++;
				n--;
				r->refs++;
				r->skipped++;
			}
		}
		if (r->refs >= r->next_sample) {
			take_sample(r);
			r->next_sample += r->sample_step;
		}
	}
	return true;
}

static bool load_pages(M2dReplay *r, const M2dBatch *batch)
{
	M2dSpace *space = m2d_world_space(r->world);

	if (!m2d_replay_recorded(r))
		return true;
	for (uint32_t i = 0; i < batch->n_pages; i++) {
		const M2dTracePage *p = &batch->pages[i];

		m2d_space_frame_make(space, p->pa >> M2D_PAGE_SHIFT);
		if (p->data != NULL)
			m2d_space_write(space, M2D_HPA(p->pa), p->data, M2D_PAGE_SIZE);
	}
	return true;
}

bool m2d_replay_batch(M2dReplay *r, const M2dBatch *batch, GError **error)
{
	r->elided += batch->elided;
	r->instructions += batch->instructions;
	if (!load_pages(r, batch))
		return false;
	if (r->mode == M2D_REPLAY_SHADOW)
		return m2d_replay_batch_shadow(r, batch, error);
	for (uint32_t i = 0; i < batch->n_segments; i++) {
		const M2dSegment *seg = &batch->segments[i];
		uint32_t end = seg->first_event + seg->n_events;
		M2dReplayVcpu *v;

		for (uint32_t e = seg->first_event; e < end; e++) {
			const M2dTraceEvent *ev = &batch->events[e];
			const M2dTraceEvent *next = e + 1 < end ? ev + 1 : NULL;
			bool ok;

			v = &r->vcpu[ev->vcpu % r->n_vcpus];
			ok = r->mode == M2D_REPLAY_RECORDED
				     ? m2d_replay_event_recorded(r, v, ev, next, error)
				     : m2d_replay_event_model(r, v, ev, error);
			if (!ok)
				return false;
		}
		if (seg->n_refs == 0)
			continue;
		v = &r->vcpu[seg->vcpu % r->n_vcpus];
		if (r->mode != M2D_REPLAY_RECORDED &&
		    !m2d_replay_mode_model(r, v, seg->guest, error))
			return false;
		if (!m2d_replay_run_refs(r, v, batch->refs + seg->first_ref, seg->n_refs, error))
			return false;
	}
	return true;
}

M2dResult *m2d_replay_finish(M2dReplay *r)
{
	static const char *const modes[] = {"auto", "recorded", "native", "npt", "ept", "shadow"};
	static const char *const timings[] = {"functional", "blocking", "overlapped"};
	M2dResult *result = m2d_result_new(r->n_vcpus);

	if (r->shadow != NULL)
		m2d_replay_shadow_finish(r);
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		M2dMmu *m = r->vcpu[i].mmu;

		m2d_timing_drain(&m->timing, &m->stats);
		if (i == 0) {
			m->stats.c.elided = r->elided;
			m->stats.c.instructions = r->instructions;
		}
		result->vcpu[i] = m->stats;
		result->vcpu_cycles[i] = m2d_timing_now(&m->timing);
		m2d_stats_add(&result->total, &m->stats);
	}
	if (r->sample_step != 0 &&
	    (r->samples->len == 0 ||
	     g_array_index(r->samples, M2dSample, r->samples->len - 1).ref != r->refs))
		take_sample(r);
	g_array_append_vals(result->samples, r->samples->data, r->samples->len);
	for (guint i = 0; i < r->stories->len; i++) {
		const M2dViolation *v = &g_array_index(r->stories, M2dViolation, i);

		m2d_result_violation(result, v->invariant, v->ref, v->vcpu, v->story);
	}
	result->mmu = g_strdup(modes[r->mode]);
	result->timing = g_strdup(timings[r->opt.timing]);
	result->machine = g_strdup(m2d_world_machine(r->world)->name);
	result->interrupted = r->interrupted;
	return result;
}
