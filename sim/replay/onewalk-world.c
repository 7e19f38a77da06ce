/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worlds for one walk: a small guest that has just mapped the address, or a replayed trace. */
#include "sim/replay/onewalk-private.h"

#include "sim/base/error.h"

/* Faults that mapping one address may take: one for each table of both dimensions. */
#define MAX_FAULTS 256

#define HOST_CR0 (M2D_CR0_PE | M2D_CR0_WP | M2D_CR0_PG)
#define HOST_CR4 (M2D_CR4_PSE | M2D_CR4_PAE | M2D_CR4_PGE)

#define LARGE_4M   (UINT64_C(4) << 20)
#define LEGACY_TOP (UINT64_C(4) << 30) /* guest memory of a 32-bit guest, if not set */

/* A world of the guest model. */
typedef struct {
	M2dWorld *world;
	M2dHostmap *host; /* NULL: native */
	M2dGuestos *guest;
	M2dMmu *mmu;      /* of the vCPU that is shown */
	M2dMmu *scout;    /* of a second one, which uses the tables first */
	uint64_t next_4m; /* where the next 4 MiB page of a 32-bit guest ends */
} Small;

static void small_clear(Small *s)
{
	m2d_guestos_free(s->guest);
	m2d_hostmap_free(s->host);
	m2d_world_free(s->world);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Small, small_clear)

static M2dMmu *add_vcpu(Small *s, const M2dRegs *regs, unsigned tag, GError **error)
{
	M2dVcpu *v = m2d_vcpu_new(s->world);
	M2dNested nested = {.tag = tag};
	M2dRegs host = {
		.cr0 = HOST_CR0,
		.cr4 = HOST_CR4,
		.efer = M2D_EFER_LME | M2D_EFER_LMA | M2D_EFER_NXE,
	};

	if (s->host == NULL) {
		m2d_vcpu_load_host(v, regs);
		return m2d_vcpu_mmu(v);
	}
	m2d_hostmap_nested(s->host, &nested);
	m2d_vcpu_load_host(v, &host);
	if (m2d_vcpu_enter(v, regs, &nested, 0) != M2D_INSN_OK) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL,
			    "the vCPU refused the host map's root");
		return NULL;
	}
	return m2d_vcpu_mmu(v);
}

static bool small_init(Small *s, M2dMachine *machine, const M2dOneWalkOptions *o, GError **error)
{
	M2dRegs regs;

	s->world = m2d_world_new(machine, 0, error);
	if (s->world == NULL)
		return false;
	if (o->nested != M2D_NESTED_NONE) {
		s->host = m2d_hostmap_new(s->world, o->nested, &o->host, error);
		if (s->host == NULL)
			return false;
	}
	s->guest = m2d_guestos_new(s->world, s->host, &o->guest, error);
	if (s->guest == NULL || !m2d_guestos_regs(s->guest, 0, &regs, error))
		return false;
	s->next_4m = (o->guest.memory != 0 ? o->guest.memory : LEGACY_TOP) & ~(LARGE_4M - 1);
	s->mmu = add_vcpu(s, &regs, 1, error);
	s->scout = add_vcpu(s, &regs, 2, error);
	return s->mmu != NULL && s->scout != NULL;
}

/* Let guest and host answer faults until the access succeeds or none of them can help. */
static bool map(Small *s, const M2dAccess *access, GError **error)
{
	M2dOutcome out;
	M2dWalkLog log;

	for (unsigned i = 0; i < MAX_FAULTS; i++) {
		switch (m2d_onewalk_scout(s->scout, access, &out, &log)) {
		case M2D_OUT_PF:
			/* Kernel pages are mapped for users too: they get the fault they deserve.
			 */
			switch (m2d_guestos_fault(s->guest, 0, access->gva, false)) {
			case M2D_GUESTOS_MAPPED:
				break;
			case M2D_GUESTOS_PRESENT:
			case M2D_GUESTOS_DENIED:
				return true;
			case M2D_GUESTOS_BAD_ADDRESS:
				g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
					    "0x%" G_GINT64_MODIFIER
					    "x: expected an address below 2^%u in this paging mode",
					    access->gva.v, s->scout->s->fmt.va_bits);
				return false;
			case M2D_GUESTOS_NO_MEMORY:
				g_set_error(error, M2D_ERROR, M2D_ERROR_BOUND,
					    "memory is full; raise guest.memory or host.memory");
				return false;
			}
			break;
		case M2D_OUT_NPF:
		case M2D_OUT_EPT_VIOLATION:
			if (!m2d_hostmap_fault(s->host, out.fault_gpa, error))
				return false;
			break;
		default:
			return true;
		}
	}
	g_set_error(error, M2D_ERROR, M2D_ERROR_INTERNAL, "mapping the address does not end");
	return false;
}

/* Replace the table below the page directory by a 4 MiB page at the top of guest memory. */
static bool map_4m(Small *s, const M2dAccess *access, GError **error)
{
	const uint64_t bits = M2D_PTE_P | M2D_PTE_RW | M2D_PTE_US | M2D_PTE_PS;
	M2dOutcome out;
	M2dWalkLog log;

	m2d_onewalk_scout(s->scout, access, &out, &log);
	for (uint32_t i = 0; i < log.n; i++) {
		const M2dFetch *f = &log.fetch[i];

		if (f->dimension != M2D_DIM_GUEST || f->level != 2 || (f->value & M2D_PTE_PS))
			continue;
		s->next_4m -= LARGE_4M;
		m2d_space_write32(m2d_world_space(s->world), M2D_HPA(f->hpa),
				  (uint32_t)(s->next_4m | bits));
		break;
	}
	return map(s, access, error);
}

static bool make_page(Small *s, const M2dAccess *access, const M2dOneWalkOptions *o, GError **error)
{
	M2dOutcome out;

	if (access->gva.v >> 32 != 0 && s->mmu->s->fmt.va_bits == 32) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "0x%" G_GINT64_MODIFIER
			    "x: expected an address below 2^32 in this paging mode",
			    access->gva.v);
		return false;
	}
	if (!map(s, access, error) || (o->guest_4m && !map_4m(s, access, error)))
		return false;
	if (!o->untouched)
		m2d_mmu_access(s->scout, access, &out);
	return true;
}

M2dWalkView *m2d_onewalk_model(M2dMachine *machine, const M2dOneWalkOptions *o, GError **error)
{
	g_auto(Small) s = {0};
	M2dAccess access = o->access;

	access.size = 1;
	if (!small_init(&s, machine, o, error))
		return NULL;
	for (unsigned i = 0; i < o->n_before; i++) {
		M2dAccess before = {.gva = M2D_GVA(o->before[i]), .size = 1, .user = access.user};

		if (!make_page(&s, &before, o, error))
			return NULL;
	}
	if (!make_page(&s, &access, o, error) ||
	    !m2d_onewalk_edits(s.mmu, &access, o->edits, error))
		return NULL;
	return m2d_onewalk_perform(s.mmu, &access, o, false, error);
}

/* --- from a trace ----------------------------------------------------------------------------- */

/* The reference that the walk is for. */
typedef struct {
	M2dRef ref;
	unsigned vcpu;
} Found;

/* Make @batch end at reference @index of it, which is included if @inclusive. */
static void cut(M2dBatch *batch, uint32_t index, bool inclusive, Found *found)
{
	for (uint32_t i = 0; i < batch->n_segments; i++) {
		M2dSegment *seg = &batch->segments[i];

		if (index >= seg->first_ref + seg->n_refs || seg->n_refs == 0)
			continue;
		found->ref = batch->refs[index];
		found->vcpu = seg->vcpu;
		seg->n_refs = index - seg->first_ref + inclusive;
		batch->n_segments = i + 1;
		return;
	}
}

/* Replay up to @at; false with @error if the trace ends before. */
static bool replay_to(M2dReplay *r, M2dTraceReader *reader, const char *path, uint64_t at,
		      bool inclusive, Found *found, M2dReplayProgress progress, void *data,
		      GError **error)
{
	g_auto(M2dBatch) batch = {0};
	uint64_t total = 0, bytes;
	int status;

	while ((status = m2d_trace_reader_next(reader, &batch, error)) > 0) {
		bool last = at >= batch.first_ref && at - batch.first_ref < batch.n_refs;

		if (last)
			cut(&batch, (uint32_t)(at - batch.first_ref), inclusive, found);
		if (!m2d_replay_batch(r, &batch, error))
			return false;
		if (last)
			return true;
		bytes = m2d_trace_reader_bytes(reader, &total);
		if (progress != NULL && !progress(m2d_replay_refs(r), bytes, total, data)) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT, "%s: interrupted", path);
			return false;
		}
	}
	if (status == 0)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: expected a reference below %" G_GUINT64_FORMAT
			    ", the number in the trace, found %" G_GUINT64_FORMAT,
			    path, m2d_replay_refs(r), at);
	return false;
}

/* The access that @ref makes; see recorded.c for implicit accesses. */
static M2dAccess access_of(M2dMmu *mmu, const M2dRef *ref)
{
	M2dAccess a = {
		.gva = M2D_GVA(ref->va),
		.size = 1,
		.kind = (M2dAccKind)(ref->w & M2D_REF_KIND),
		.user = ref->w & M2D_REF_USER,
	};
	M2dAccess implicit = a;
	M2dOutcome out;
	M2dWalkLog log;

	implicit.user = false;
	implicit.implicit = true;
	if (a.user && a.kind != M2D_ACC_FETCH && (ref->w & M2D_REF_HAS_PA) &&
	    m2d_onewalk_scout(mmu, &a, &out, &log) == M2D_OUT_PF &&
	    (out.error_code & (M2D_PFEC_P | M2D_PFEC_RSVD)) == M2D_PFEC_P &&
	    m2d_onewalk_scout(mmu, &implicit, &out, &log) == M2D_OUT_OK)
		return implicit;
	return a;
}

M2dWalkView *m2d_onewalk_trace(M2dMachine *machine, M2dTraceReader *reader, const char *path,
			       uint64_t at, int vcpu, const M2dOneWalkOptions *o,
			       M2dReplayProgress progress, void *progress_data, GError **error)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(reader);
	bool recorded = info->flags & M2D_TRACE_HAS_TABLES;
	g_autoptr(M2dReplay) replay = NULL;
	M2dReplayOptions opt;
	Found found = {0};
	M2dAccess access = o->access;
	M2dWalkView *v;
	M2dMmu *mmu;

	m2d_replay_options_init(&opt);
	opt.timing = M2D_TIMING_BLOCKING;
	opt.samples = 0;
	opt.guest = o->guest;
	opt.host = o->host;
	if (vcpu >= (int)info->n_vcpus) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "--vcpu=%d: expected 0 to %u, the vCPUs of %s", vcpu, info->n_vcpus - 1,
			    path);
		m2d_machine_free(machine);
		return NULL;
	}
	replay = m2d_replay_new(machine, info, &opt, error);
	if (replay == NULL ||
	    !replay_to(replay, reader, path, at, !recorded, &found, progress, progress_data, error))
		return NULL;
	if (!o->has_gva && (found.ref.w & M2D_REF_DIRECT)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: reference %" G_GUINT64_FORMAT
			    " is a physical access without paging; expected another, or --gva",
			    path, at);
		return NULL;
	}
	mmu = m2d_vcpu_mmu(
		m2d_world_vcpu(m2d_replay_world(replay), vcpu >= 0 ? (unsigned)vcpu : found.vcpu));
	if (!o->has_gva)
		access = access_of(mmu, &found.ref);
	access.size = 1;
	if (!m2d_onewalk_edits(mmu, &access, o->edits, error))
		return NULL;
	v = m2d_onewalk_perform(mmu, &access, o, true, error);
	if (v == NULL)
		return NULL;
	v->origin.path = g_strdup(path);
	v->origin.at = at;
	v->origin.vcpu = vcpu >= 0 ? (unsigned)vcpu : found.vcpu;
	if (!o->has_gva && (found.ref.w & M2D_REF_HAS_PA) && !(found.ref.w & M2D_REF_IO)) {
		v->origin.has_recorded = true;
		v->origin.recorded = (found.ref.w & M2D_REF_FRAME) | (found.ref.va & 4095);
	}
	return v;
}
