/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MMTRACE1: full-system traces of an AMD machine with nested guests, recorded by an emulator
 * plugin. A header of 64 bytes, pages that hold page tables as they were at the start, then
 * records of 24 bytes: u8 type, u8 vcpu, u8 flags, u8 shift, u32 n, u64 a, u64 b.
 *
 * Kept: every record. The state of a vCPU at the start becomes initial register events; the three
 * records of a VMRUN become one event. A VMRUN that directly follows the state of its vCPU tells
 * that the vCPU was in guest mode already: its event has guest = 1.
 */
#include <inttypes.h>

#include "sim/trace/format.h"
#include "sim/trace/import-private.h"

#define HEADER 64u
#define RECORD 24u

enum {
	T_READ = 1,
	T_WRITE = 2,
	T_FETCH = 3,
	T_PTW = 4,
	T_CR3 = 16,
	T_INVLPG = 17,
	T_VMRUN = 18,
	T_VMRUN_CR = 19,
	T_VMEXIT = 20,
	T_INVLPGA = 21,
	T_CR0 = 22,
	T_CR4 = 23,
	T_PF = 24,
	T_START_CR3 = 25,
	T_MARK = 26,
	T_VMRUN_CTL = 27,
	T_START_CR0 = 28,
	T_START_EFER = 29,
};

enum {
	F_GUEST = 1,
	F_IO = 2,
	F_USER = 4,
	F_DIRECT = 8,
	F_ALL = 15,
};

typedef struct {
	uint8_t type, vcpu, flags, shift;
	uint32_t n;
	uint64_t a, b;
} Record;

/* What the importer knows of a vCPU. */
typedef struct {
	bool running;        /* anything but its state at the start has been seen */
	uint8_t expected;    /* the next part of a VMRUN; 0: none is under way */
	M2dTraceEvent vmrun; /* the parts so far */
} Vcpu;

typedef struct {
	M2dImporter *im;
	unsigned n_vcpus;
	uint64_t n_pages, n_records;
	Vcpu vcpu[M2D_TRACE_MAX_VCPUS];
} State;

static gboolean read_header(State *s, GError **error)
{
	const uint8_t *p;
	uint64_t filtered;
	size_t got;

	p = m2d_input_peek(s->im->in, HEADER, &got, error);
	if (p == NULL)
		return FALSE;
	if (got < 8 || memcmp(p, "MMTRACE1", 8) != 0) {
		m2d_input_error(s->im->in, error, 0,
				got >= 8 && memcmp(p, "MMTRACE", 7) == 0
					? "another version of MMTRACE, expected MMTRACE1"
					: "expected the magic MMTRACE1");
		return FALSE;
	}
	if (got < HEADER) {
		m2d_input_error(s->im->in, error, got, "the data end inside the header");
		return FALSE;
	}
	s->n_vcpus = m2d_get32(p + 8);
	s->n_pages = m2d_get64(p + 24);
	s->n_records = m2d_get64(p + 32);
	filtered = m2d_get64(p + 40);
	if (s->n_vcpus < 1 || s->n_vcpus > M2D_TRACE_MAX_VCPUS) {
		m2d_input_error(s->im->in, error, 8, "%u vCPUs, expected 1 to %u", s->n_vcpus,
				M2D_TRACE_MAX_VCPUS);
		return FALSE;
	}
	if (m2d_get32(p + 12) != RECORD) {
		m2d_input_error(s->im->in, error, 12, "records of %u bytes, expected %u",
				m2d_get32(p + 12), RECORD);
		return FALSE;
	}
	if (filtered > 1) {
		m2d_input_error(s->im->in, error, 40, "expected 0 or 1 (filtered)");
		return FALSE;
	}
	m2d_input_consume(s->im->in, HEADER);
	return m2d_importer_start(s->im,
				  M2D_TRACE_HAS_PA | M2D_TRACE_HAS_TABLES |
					  (filtered ? M2D_TRACE_FILTERED : 0),
				  s->n_vcpus, error) &&
	       m2d_trace_writer_meta(s->im->out, "vendor", "amd", error);
}

static gboolean read_pages(State *s, GError **error)
{
	M2dInput *in = s->im->in;

	for (uint64_t i = 0; i < s->n_pages; i++) {
		const uint8_t *p;
		uint64_t pa;
		size_t got;
		bool zero;

		p = m2d_input_peek(in, 8 + 4096, &got, error);
		if (p == NULL)
			return FALSE;
		pa = got >= 8 ? m2d_get64(p) : 0;
		zero = pa & 1;
		if (got < (zero ? 8 : 8 + 4096)) {
			m2d_input_error(in, error, got,
					"the data end inside page %" PRIu64 " of %" PRIu64, i + 1,
					s->n_pages);
			return FALSE;
		}
		if (pa & ~(M2D_REF_FRAME | 1)) {
			m2d_input_error(in, error, 0,
					"page address 0x%" PRIx64 ", expected a multiple of 4096 "
					"below 2^52",
					pa);
			return FALSE;
		}
		if (!m2d_trace_writer_page(s->im->out, pa & ~UINT64_C(1), zero ? NULL : p + 8,
					   error) ||
		    !m2d_importer_tick(s->im, error))
			return FALSE;
		m2d_input_consume(in, zero ? 8 : 8 + 4096);
		s->im->result->pages++;
	}
	return TRUE;
}

static gboolean take_ref(State *s, const Record *r, GError **error)
{
	uint64_t size = r->type == T_FETCH ? 0 : UINT64_C(1) << r->shift;
	M2dRef ref = {.va = r->a};

	if ((r->b & ~(M2D_REF_FRAME | 0xfff)) != 0 || ((r->a ^ r->b) & 0xfff) != 0) {
		m2d_input_error(s->im->in, error, 16,
				"physical address 0x%" PRIx64 ", expected one below 2^52 with the "
				"page offset of 0x%" PRIx64,
				r->b, r->a);
		return FALSE;
	}
	if (r->flags & F_DIRECT && r->a != r->b) {
		m2d_input_error(s->im->in, error, 16,
				"a direct access at 0x%" PRIx64 " to 0x%" PRIx64
				", expected the same address",
				r->a, r->b);
		return FALSE;
	}
	ref.w = (r->type == T_READ    ? M2D_REF_READ
		 : r->type == T_WRITE ? M2D_REF_WRITE
				      : M2D_REF_FETCH) |
		M2D_REF_HAS_PA | (r->b & M2D_REF_FRAME) | size << M2D_REF_SIZE_SHIFT;
	if (r->flags & F_GUEST)
		ref.w |= M2D_REF_GUEST;
	if (r->flags & F_IO)
		ref.w |= M2D_REF_IO;
	if (r->flags & F_USER)
		ref.w |= M2D_REF_USER;
	if (r->flags & F_DIRECT)
		ref.w |= M2D_REF_DIRECT;
	return m2d_importer_ref(s->im, r->vcpu, ref, r->n, error);
}

static gboolean put_reg(State *s, const Record *r, unsigned sub, uint64_t a, uint64_t b,
			GError **error)
{
	M2dTraceEvent ev = {.kind = M2D_EV_REG,
			    .vcpu = r->vcpu,
			    .sub = (uint8_t)sub,
			    .guest = r->flags & F_GUEST,
			    .a = a,
			    .b = b};

	return m2d_importer_event(s->im, &ev, error);
}

/* The parts of a VMRUN come in a row: VMRUN, VMRUN_CTL, VMRUN_CR. */
static gboolean take_vmrun(State *s, Vcpu *v, const Record *r, GError **error)
{
	M2dTraceEvent *ev = &v->vmrun;

	switch (r->type) {
	case T_VMRUN:
		*ev = (M2dTraceEvent){.kind = M2D_EV_VMRUN,
				      .vcpu = r->vcpu,
				      .sub = r->shift,
				      .n = r->n,
				      .guest = !v->running,
				      .a = r->a,
				      .b = r->b};
		v->expected = T_VMRUN_CTL;
		return TRUE;
	case T_VMRUN_CTL:
		ev->c = r->a;
		v->expected = T_VMRUN_CR;
		return TRUE;
	default:
		ev->d = r->a;
		ev->e = r->b;
		v->expected = 0;
		return m2d_importer_event(s->im, ev, error);
	}
}

static gboolean take_event(State *s, const Record *r, GError **error)
{
	M2dTraceEvent ev = {.vcpu = r->vcpu, .guest = r->flags & F_GUEST, .a = r->a, .b = r->b};

	switch (r->type) {
	case T_PTW:
		ev.kind = M2D_EV_PTWRITE;
		ev.sub = r->shift;
		ev.n = 8;
		break;
	case T_INVLPG:
		ev.kind = M2D_EV_INVLPG;
		break;
	case T_INVLPGA:
		ev.kind = M2D_EV_INVLPGA;
		ev.n = r->n;
		break;
	case T_VMEXIT:
		ev.kind = M2D_EV_VMEXIT;
		ev.n = r->n;
		break;
	case T_PF:
		ev.kind = M2D_EV_PF;
		break;
	case T_MARK:
		ev.kind = M2D_EV_MARK;
		ev.n = r->n;
		break;
	case T_CR0:
		return put_reg(s, r, M2D_TR_CR0, r->a, r->b, error);
	case T_CR3:
		return put_reg(s, r, M2D_TR_CR3, r->a, r->b, error);
	case T_CR4:
		return put_reg(s, r, M2D_TR_CR4, r->a, r->b, error);
	case T_START_CR3:
		return put_reg(s, r, M2D_TR_CR3 | M2D_TR_INITIAL, r->a, 0, error);
	case T_START_CR0:
		return put_reg(s, r, M2D_TR_CR0 | M2D_TR_INITIAL, r->a, 0, error) &&
		       put_reg(s, r, M2D_TR_CR4 | M2D_TR_INITIAL, r->b, 0, error);
	case T_START_EFER:
		return put_reg(s, r, M2D_TR_EFER | M2D_TR_INITIAL, r->a, 0, error);
	default:
		m2d_input_error(s->im->in, error, 0, "record type %u, expected 1 to 4 or 16 to 29",
				r->type);
		return FALSE;
	}
	return m2d_importer_event(s->im, &ev, error);
}

static gboolean take_record(State *s, const Record *r, GError **error)
{
	bool start = r->type == T_START_CR3 || r->type == T_START_CR0 || r->type == T_START_EFER;
	bool part = r->type == T_VMRUN_CTL || r->type == T_VMRUN_CR;
	gboolean ok;
	Vcpu *v;

	if (r->vcpu >= s->n_vcpus) {
		m2d_input_error(s->im->in, error, 1, "vCPU %u, expected one below %u", r->vcpu,
				s->n_vcpus);
		return FALSE;
	}
	if (r->flags & ~F_ALL) {
		m2d_input_error(s->im->in, error, 2, "flags 0x%x, expected at most 0x%x", r->flags,
				F_ALL);
		return FALSE;
	}
	if ((r->type == T_READ || r->type == T_WRITE) && r->shift > 7) {
		m2d_input_error(s->im->in, error, 3,
				"an access of 2^%u bytes, expected at most 2^7", r->shift);
		return FALSE;
	}
	v = &s->vcpu[r->vcpu];
	if (v->expected != 0 ? r->type != v->expected : part) {
		if (part && v->expected == 0)
			m2d_input_error(s->im->in, error, 0,
					"record type %u without the VMRUN it belongs to", r->type);
		else
			m2d_input_error(s->im->in, error, 0,
					"record type %u, expected %u: a VMRUN is under way",
					r->type, v->expected);
		return FALSE;
	}
	if (r->type >= T_READ && r->type <= T_FETCH)
		ok = take_ref(s, r, error);
	else if (r->type == T_VMRUN || part)
		ok = take_vmrun(s, v, r, error);
	else
		ok = take_event(s, r, error);
	if (!start && v->expected == 0)
		v->running = true;
	return ok;
}

static gboolean read_records(State *s, GError **error)
{
	M2dInput *in = s->im->in;
	const uint8_t *p;
	size_t got;

	for (uint64_t i = 0; i < s->n_records; i++) {
		Record r;

		p = m2d_input_peek(in, RECORD, &got, error);
		if (p == NULL)
			return FALSE;
		if (got < RECORD) {
			m2d_input_error(in, error, got,
					"the data end in record %" PRIu64 " of %" PRIu64, i + 1,
					s->n_records);
			return FALSE;
		}
		r = (Record){.type = p[0],
			     .vcpu = p[1],
			     .flags = p[2],
			     .shift = p[3],
			     .n = m2d_get32(p + 4),
			     .a = m2d_get64(p + 8),
			     .b = m2d_get64(p + 16)};
		if (!take_record(s, &r, error))
			return FALSE;
		m2d_input_consume(in, RECORD);
	}
	p = m2d_input_peek(in, 1, &got, error);
	if (p == NULL)
		return FALSE;
	for (unsigned i = 0; i < s->n_vcpus && got == 0; i++) {
		if (s->vcpu[i].expected == 0)
			continue;
		m2d_input_error(in, error, 0, "the data end inside a VMRUN of vCPU %u", i);
		return FALSE;
	}
	if (got != 0)
		m2d_input_error(in, error, 0, "more data than the %" PRIu64 " records announced",
				s->n_records);
	return got == 0;
}

gboolean m2d_import_mmtrace(M2dImporter *im, GError **error)
{
	g_autofree State *s = g_new0(State, 1);

	s->im = im;
	return read_header(s, error) && read_pages(s, error) && read_records(s, error);
}
