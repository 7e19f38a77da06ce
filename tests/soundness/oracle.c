/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/soundness/oracle.h"

#include <inttypes.h>

#include "sim/vm/hostmm.h"
#include "sim/vm/memslot.h"

static const uint64_t offsets[SND_WORDS] = {0, 8, 0x800, 0xff8};

uint64_t snd_oracle_offset(unsigned i)
{
	return offsets[i];
}

static int word_of(uint64_t gpa)
{
	for (unsigned i = 0; i < SND_WORDS; i++)
		if ((gpa & 0xfff) == offsets[i])
			return (int)i;
	return -1;
}

static void found(SndOracle *o, const char *kind, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void found(SndOracle *o, const char *kind, const char *format, ...)
{
	va_list args;

	if (o->what != NULL)
		return;
	va_start(args, format);
	o->what = g_strdup_vprintf(format, args);
	va_end(args);
	o->kind = g_strdup(kind);
}

/* --- where memory is -------------------------------------------------------------------------- */

/* Page of the process behind @gpa; false: no slot. */
static bool host_page(const SndOracle *o, uint64_t gpa, uint64_t *page)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(o->vm, 0, gpa >> M2D_PAGE_SHIFT);

	if (slot == NULL)
		return false;
	*page = m2d_slot_hva(slot, gpa >> M2D_PAGE_SHIFT);
	return *page < SND_HOST_PAGES;
}

static bool is_at(const SndOracle *o, uint64_t gpa, uint64_t hpa, uint64_t *page)
{
	uint64_t pfn;

	return host_page(o, gpa, page) && m2d_hostmm_peek(o->vm, *page, &pfn, NULL) &&
	       ((pfn << M2D_PAGE_SHIFT) | (gpa & 0xfff)) == hpa;
}

/* The page at @hpa, and the @gpa that leads there: for accesses of which too much is legal. */
static bool find_page(const SndOracle *o, uint64_t hpa, uint64_t *gpa, uint64_t *page)
{
	for (unsigned id = 0; id < SND_N_SLOTS; id++) {
		const M2dMemslot *slot = m2d_slot(o->vm, 0, id);

		for (uint64_t i = 0; i < slot->npages; i++) {
			*gpa = ((slot->base_gfn + i) << M2D_PAGE_SHIFT) | (hpa & 0xfff);
			if (is_at(o, *gpa, hpa, page))
				return true;
		}
	}
	return false;
}

static char *legal_text(const SndLegal *l, unsigned n)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(s, l[i].ok ? " gpa 0x%" PRIx64 : " #PF 0x%" PRIx64,
				       l[i].ok ? l[i].gpa : (uint64_t)l[i].code);
	return g_string_free(s, FALSE);
}

/* --- stores ----------------------------------------------------------------------------------- */

static void logged(SndOracle *o, uint64_t gpa, uint64_t page)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(o->vm, 0, gpa >> M2D_PAGE_SHIFT);

	if (slot != NULL && o->logging[slot->id])
		o->written[page] = o->model.now;
}

static void stored(SndOracle *o, const M2dOp *op, uint64_t gpa, uint64_t page, uint64_t value)
{
	int word = word_of(gpa);

	logged(o, gpa, page);
	if (snd_model_is_table(gpa)) {
		snd_model_store(&o->model, gpa, value);
		return;
	}
	if (word < 0)
		return;
	if (op->kind == M2D_OP_CMPXCHG && o->value[page][word] != op->arg[1]) {
		if (value != o->value[page][word])
			found(o, "oracle-data",
			      "cmpxchg at gpa 0x%" PRIx64 " found 0x%" PRIx64 ", 0x%" PRIx64
			      " was stored last",
			      gpa, value, o->value[page][word]);
		return;
	}
	if (op->kind == M2D_OP_CMPXCHG && value != op->arg[2])
		found(o, "oracle-data",
		      "cmpxchg at gpa 0x%" PRIx64 " found 0x%" PRIx64 ", 0x%" PRIx64
		      " was stored last",
		      gpa, value, o->value[page][word]);
	o->value[page][word] = value;
}

/* --- accesses --------------------------------------------------------------------------------- */

static bool is_user(const M2dOp *op)
{
	return (op->kind == M2D_OP_READ && op->arg[2]) ||
	       (op->kind == M2D_OP_WRITE && op->arg[3]) || (op->kind == M2D_OP_FETCH && op->arg[1]);
}

static M2dAccKind kind_of(const M2dOp *op)
{
	return op->kind == M2D_OP_READ    ? M2D_ACC_READ
	       : op->kind == M2D_OP_FETCH ? M2D_ACC_FETCH
					  : M2D_ACC_WRITE;
}

static void accessed(SndOracle *o, const M2dEvent *e)
{
	const M2dOp *op = &o->op[e->vcpu];
	uint64_t gva = e->a[1], hpa = e->a[2], value = e->a[3], page = 0, gpa = 0;
	SndLegal legal[SND_MAX_LEGAL];
	unsigned n =
		snd_model_legal(&o->model, e->vcpu, gva, (M2dAccKind)e->a[0], is_user(op), legal);
	bool hit = n == 0 && find_page(o, hpa, &gpa, &page);
	int word;

	o->accesses++;
	if (n == 0 && !hit)
		return;
	for (unsigned i = 0; i < n && !hit; i++) {
		gpa = legal[i].gpa;
		hit = legal[i].ok && is_at(o, gpa, hpa, &page);
	}
	if (!hit) {
		g_autofree char *text = legal_text(legal, n);

		found(o, "oracle-translation",
		      "vcpu%u: access to gva 0x%" PRIx64 " reached hpa 0x%" PRIx64 "; legal:%s",
		      e->vcpu, gva, hpa, text);
		return;
	}
	if (e->a[0] == M2D_ACC_WRITE) {
		stored(o, op, gpa, page, value);
		return;
	}
	word = word_of(gpa);
	if (e->a[0] == M2D_ACC_READ && word >= 0 && !snd_model_is_table(gpa) &&
	    value != o->value[page][word])
		found(o, "oracle-data",
		      "vcpu%u: load from gva 0x%" PRIx64 " (gpa 0x%" PRIx64 ") found 0x%" PRIx64
		      ", 0x%" PRIx64 " was stored last",
		      e->vcpu, gva, gpa, value, o->value[page][word]);
}

static void faulted(SndOracle *o, const M2dEvent *e)
{
	const M2dOp *op = &o->op[e->vcpu];
	SndLegal legal[SND_MAX_LEGAL];
	unsigned n = snd_model_legal(&o->model, e->vcpu, e->a[0], kind_of(op), is_user(op), legal);
	/* KVM's own walk reports a fetch by EFER.NXE alone, the manuals want CR4.PAE too. */
	uint32_t ignored = o->model.fmt[0].entry_shift == 2 ? M2D_PFEC_ID : 0;
	g_autofree char *text = NULL;

	o->faults++;
	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++)
		if (!legal[i].ok && ((legal[i].code ^ e->a[1]) & ~ignored) == 0)
			return;
	text = legal_text(legal, n);
	found(o, "oracle-fault",
	      "vcpu%u: access to gva 0x%" PRIx64 " gave #PF 0x%" PRIx64 "; legal:%s", e->vcpu,
	      e->a[0], e->a[1], text);
}

/* An access that KVM makes for the guest goes where a legal translation leads, too. */
static bool is_legal(SndOracle *o, unsigned vcpu, const M2dOp *op, uint64_t gpa)
{
	SndLegal legal[SND_MAX_LEGAL];
	uint64_t gva = op->arg[0];
	unsigned n;

	/* The entry that set-pte stores to, through the direct map. */
	if (op->kind == M2D_OP_SET_PTE)
		return snd_model_is_table(gpa);
	n = snd_model_legal(&o->model, vcpu, gva, kind_of(op), is_user(op), legal);
	if (n == 0)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (legal[i].ok && legal[i].gpa == gpa)
			return true;
	return false;
}

static void emulated(SndOracle *o, const M2dEvent *e)
{
	const M2dOp *op = &o->op[e->vcpu];
	uint64_t page;

	/* Accessed and dirty bits that KVM sets for the guest. */
	if (snd_model_is_table(e->a[0]) &&
	    snd_model_is_same(snd_model_entry(&o->model, e->a[0]), e->a[1]) &&
	    host_page(o, e->a[0], &page)) {
		logged(o, e->a[0], page);
		return;
	}
	if (!is_legal(o, e->vcpu, op, e->a[0]))
		found(o, "oracle-translation",
		      "vcpu%u: a store of gva 0x%" PRIx64 " was emulated at gpa 0x%" PRIx64
		      ", where no legal translation leads",
		      e->vcpu, op->arg[0], e->a[0]);
	else if (!host_page(o, e->a[0], &page))
		found(o, "oracle-mmio",
		      "a store was emulated at gpa 0x%" PRIx64 ", where no slot is", e->a[0]);
	else
		stored(o, op, e->a[0], page, e->a[1]);
}

static void mmio(SndOracle *o, const M2dEvent *e)
{
	const M2dMemslot *slot = m2d_gfn_to_slot(o->vm, 0, e->a[2] >> M2D_PAGE_SHIFT);
	uint64_t pfn;
	bool writable = true;

	o->mmio++;
	if (!is_legal(o, e->vcpu, &o->op[e->vcpu], e->a[2]))
		found(o, "oracle-mmio",
		      "vcpu%u: MMIO at gpa 0x%" PRIx64 ", where no legal translation leads",
		      e->vcpu, e->a[2]);
	if (!m2d_slot_visible(slot))
		return;
	if (e->a[0] == 2 && slot->flags & M2D_SLOT_READONLY)
		return;
	m2d_hostmm_peek(o->vm, m2d_slot_hva(slot, e->a[2] >> M2D_PAGE_SHIFT), &pfn, &writable);
	if (e->a[0] == 2 && !writable)
		return;
	found(o, "oracle-mmio", "vcpu%u: MMIO at gpa 0x%" PRIx64 ", where slot %u is", e->vcpu,
	      e->a[2], slot->id);
}

/* --- the host's side -------------------------------------------------------------------------- */

/* Pages that the process has no more read as zero when they come back. */
static void frame_freed(SndOracle *o)
{
	uint64_t pfn;

	for (unsigned i = 0; i < snd_n_data(); i++) {
		uint64_t page = snd_data_gpa(i) >> M2D_PAGE_SHIFT;

		if (m2d_hostmm_peek(o->vm, page, &pfn, NULL))
			continue;
		for (unsigned k = 0; k < SND_WORDS; k++)
			o->value[page][k] = 0;
	}
}

static void harvested(SndOracle *o, uint64_t gfn)
{
	uint64_t page;

	if (!host_page(o, gfn << M2D_PAGE_SHIFT, &page))
		return;
	o->written[page] = 0;
	o->reported[page] = o->model.now;
}

static void log_starts(SndOracle *o, unsigned id, bool on)
{
	const M2dMemslot *s = m2d_slot(o->vm, 0, id);

	if (!on || !o->logging[id])
		for (uint64_t i = 0; i < s->npages; i++)
			o->written[s->hva + i] = 0;
	o->logging[id] = on;
}

/* Whatever was written before the harvest began must be in it. Userspace copies the pages once it
 * has returned, and so with all that was written to them until now. */
static void log_returned(SndOracle *o, unsigned actor, unsigned id)
{
	const M2dMemslot *s = m2d_slot(o->vm, 0, id);

	for (uint64_t i = 0; o->logging[id] && i < s->npages; i++) {
		uint64_t t = o->written[s->hva + i];

		if (o->reported[s->hva + i] > o->begun[actor])
			o->written[s->hva + i] = 0;
		else if (t != 0 && t < o->begun[actor])
			found(o, "oracle-dirty",
			      "gfn 0x%" PRIx64 " was written and is not in the dirty log",
			      s->base_gfn + i);
	}
}

/* --- operations ------------------------------------------------------------------------------- */

void snd_oracle_begins(SndOracle *o, unsigned actor, const M2dOp *op)
{
	o->op[actor] = *op;
	o->begun[actor] = o->model.now;
	if (actor < o->vm->n_vcpus)
		o->flushes[actor] = o->model.flush[actor].flushes;
	/* From here on the log may be off. */
	if (op->kind == M2D_OP_SLOT_FLAGS && !op->arg[3])
		log_starts(o, (unsigned)op->arg[0], false);
	if (op->kind == M2D_OP_SLOT_DELETE)
		log_starts(o, (unsigned)op->arg[0], false);
}

static bool is_flush(const M2dOp *op)
{
	return op->kind == M2D_OP_INVLPG || op->kind == M2D_OP_INVPCID ||
	       (op->kind == M2D_OP_MOV_CR3 && !op->arg[2]);
}

static void ended(SndOracle *o, const M2dEvent *e)
{
	unsigned actor = e->actor;
	const M2dOp *op = &o->op[actor];
	bool memory = op->kind <= M2D_OP_SET_PTE;
	uint64_t page;
	SndLegal legal[SND_MAX_LEGAL];
	int word;

	if (actor < o->vm->n_vcpus && is_flush(op) && e->a[1] == M2D_OPR_OK &&
	    o->model.flush[actor].flushes == o->flushes[actor])
		found(o, "oracle-flush", "vcpu%u: %s ended and flushed nothing", actor,
		      m2d_op_info[op->kind].verb);
	if (op->kind == M2D_OP_GET_DIRTY_LOG && e->a[1] == M2D_OPR_OK)
		log_returned(o, actor, (unsigned)op->arg[0]);
	if (op->kind == M2D_OP_SLOT_FLAGS && e->a[1] == M2D_OPR_OK && op->arg[3])
		log_starts(o, (unsigned)op->arg[0], true);
	if (op->kind == M2D_OP_POKE && e->a[1] == M2D_OPR_OK && host_page(o, op->arg[0], &page) &&
	    word_of(op->arg[0]) >= 0)
		o->value[page][word_of(op->arg[0])] = op->arg[1];
	if (memory && e->a[1] == M2D_OPR_FAILED && !o->stepped && op->kind != M2D_OP_SET_PTE)
		found(o, "oracle-progress", "vcpu%u: %s of gva 0x%" PRIx64 " never ends", actor,
		      m2d_op_info[op->kind].verb, op->arg[0]);
	/* What KVM loads for the guest gives no event of its own. */
	if (op->kind == M2D_OP_READ && e->a[1] == M2D_OPR_EMULATED && !o->stepped &&
	    snd_model_legal(&o->model, actor, op->arg[0], M2D_ACC_READ, is_user(op), legal) == 1 &&
	    legal[0].ok && host_page(o, legal[0].gpa, &page)) {
		word = word_of(legal[0].gpa);
		if (word >= 0 && !snd_model_is_table(legal[0].gpa) &&
		    e->a[2] != o->value[page][word])
			found(o, "oracle-data",
			      "vcpu%u: emulated load from gpa 0x%" PRIx64 " found 0x%" PRIx64
			      ", 0x%" PRIx64 " was stored last",
			      actor, legal[0].gpa, e->a[2], o->value[page][word]);
	}
}

static void on_event(const M2dEvent *e, void *data)
{
	SndOracle *o = data;

	o->model.now++;
	switch (e->type) {
	case M2D_E_GUEST_FLUSH:
		snd_model_flush_begins(&o->model, e->vcpu, (M2dGuestFlush)e->a[0], e->a[1],
				       e->a[2]);
		break;
	case M2D_E_GUEST_FLUSH_DONE:
		snd_model_flush_ends(&o->model, e->vcpu, (M2dGuestFlush)e->a[0]);
		break;
	case M2D_E_GUEST_ACCESS:
		accessed(o, e);
		break;
	case M2D_E_GUEST_PF:
		faulted(o, e);
		break;
	case M2D_E_EMULATED_WRITE:
		emulated(o, e);
		break;
	case M2D_E_KVM_MMIO:
		mmio(o, e);
		break;
	case M2D_E_FRAME_FREED:
		if (e->a[1] == M2D_FRAME_GUEST)
			frame_freed(o);
		break;
	case M2D_E_DIRTY_HARVEST:
		harvested(o, e->a[1]);
		break;
	case M2D_E_OP_DONE:
		ended(o, e);
		break;
	default:
		break;
	}
}

void snd_oracle_init(SndOracle *o, M2dScnWorld *w)
{
	snd_model_init(&o->model, w);
	o->vm = w->vm;
	m2d_events_listen(w->vm->ev, on_event, o);
}

void snd_oracle_clear(SndOracle *o)
{
	m2d_events_unlisten(o->vm->ev, on_event, o);
	snd_model_clear(&o->model);
	g_free(o->what);
	g_free(o->kind);
}
