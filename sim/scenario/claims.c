/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Claims: what the functions of functions.def mean in a world at the end of a run. A value is a
 * number, or a word where the function gives words; "none" stands for what does not exist.
 */
#include "sim/scenario/claims.h"

#include <stdio.h>
#include <string.h>

#include "sim/guest/guest.h"
#include "sim/mmu/mmu.h"
#include "sim/scenario/results.h"
#include "sim/vm/hostmm.h"

typedef struct {
	bool is_word;
	uint64_t number;
	char word[64];
} Value;

typedef struct {
	const M2dScnWorld *w;
	const M2dScnEnd *end;
	const M2dScnExpr *e;
} Eval;

static Value num(uint64_t n)
{
	return (Value){.number = n};
}

static Value word(const char *text)
{
	Value v = {.is_word = true};

	g_strlcpy(v.word, text, sizeof(v.word));
	return v;
}

static Value yes_no(bool b)
{
	Value v = word(b ? "yes" : "no");

	v.number = b;
	return v;
}

static uint64_t arg(const M2dScnExpr *e, unsigned i)
{
	return i < e->n_args ? e->args[i].value->number : 0;
}

/* Index of the field asked for in the function's list; the first if none is named. */
static bool field_is(const M2dScnExpr *e, const char *name)
{
	const char *fields = m2d_scn_function_info[e->fn].fields;
	size_t n = strcspn(fields, "|");

	if (e->field != NULL)
		return strcmp(e->field, name) == 0;
	return strlen(name) == n && strncmp(fields, name, n) == 0;
}

/* --- events and points ------------------------------------------------------------------------ */

static bool key_matches(const M2dEvent *ev, const M2dScnArg *a)
{
	int field;

	if (strcmp(a->key, "actor") == 0)
		return ev->actor == a->value->number;
	if (strcmp(a->key, "vcpu") == 0)
		return ev->vcpu == a->value->number;
	field = m2d_event_field((M2dEventType)ev->type, a->key);
	return field >= 0 && ev->a[field] == a->value->number;
}

bool m2d_scn_event_matches(const M2dScnExpr *call, const M2dEvent *event)
{
	if (event->type != m2d_event_find(call->args[0].value->text))
		return false;
	for (unsigned k = 1; k < call->n_args; k++)
		if (call->args[k].key != NULL && !key_matches(event, &call->args[k]))
			return false;
	return true;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* The SPTE that hardware would end at for @gva on @v: its value and level; false: no root. */
static bool find_spte(const M2dVm *vm, const M2dKvmVcpu *v, uint64_t gva, uint64_t *value,
		      unsigned *level)
{
	uint64_t table = v->mmu.root_hpa;

	if (table == 0)
		return false;
	for (unsigned l = v->mmu.root_level; l > 0; l--) {
		unsigned bits = l == 3 && v->mmu.root.sp == M2D_ROOT_PAE ? 2 : 9;
		uint64_t index = gva >> (12 + 9 * (l - 1)) & ((1u << bits) - 1);

		*value = m2d_space_read64(vm->space, M2D_HPA(table + 8 * index));
		*level = l;
		/* PDPTEs of a PAE root are no SPTEs: present is bit 0. */
		if (bits == 2) {
			if (!(*value & 1))
				return true;
		} else if (!m2d_spte_is_present(&vm->fmt, *value) || m2d_spte_is_last(*value, l)) {
			return true;
		}
		table = *value & M2D_SPTE_ADDR;
	}
	return true;
}

static Value spte_field(const Eval *x)
{
	const M2dVm *vm = x->w->vm;
	const M2dSpteFormat *f = &vm->fmt;
	uint64_t vcpu = arg(x->e, 0), value = 0;
	unsigned level = 0;
	bool present;

	if (vcpu >= vm->n_vcpus || !find_spte(vm, vm->vcpu[vcpu], arg(x->e, 1), &value, &level))
		return word("none");
	present = m2d_spte_is_present(f, value) && m2d_spte_is_last(value, level);
	if (field_is(x->e, "present"))
		return yes_no(present);
	if (field_is(x->e, "mmio"))
		return yes_no(m2d_spte_is_mmio(f, value));
	if (field_is(x->e, "value"))
		return num(value);
	if (field_is(x->e, "level"))
		return num(level);
	if (!present)
		return word("none");
	if (field_is(x->e, "writable"))
		return yes_no(m2d_spte_is_writable(value));
	if (field_is(x->e, "user"))
		return yes_no(m2d_spte_is_user(f, value));
	if (field_is(x->e, "exec"))
		return yes_no(m2d_spte_is_executable(f, value));
	if (field_is(x->e, "accessed"))
		return yes_no(m2d_spte_is_accessed(f, value));
	if (field_is(x->e, "dirty"))
		return yes_no(m2d_spte_is_dirty(f, value));
	return num(m2d_spte_pfn(f, value));
}

static Value gpte_field(const Eval *x)
{
	uint64_t gpt = arg(x->e, 0), at, value;
	unsigned level = 1;

	if (gpt >= x->w->guest.n_spaces ||
	    !m2d_guest_tables_find(&x->w->tables, x->w->spaces[gpt].root_gpa, arg(x->e, 1), &level,
				   &at, &value))
		return word("none");
	if (field_is(x->e, "present"))
		return yes_no(value & M2D_PTE_P);
	if (field_is(x->e, "writable"))
		return yes_no(value & M2D_PTE_RW);
	if (field_is(x->e, "user"))
		return yes_no(value & M2D_PTE_US);
	if (field_is(x->e, "exec"))
		return yes_no(!(value & M2D_PTE_NX));
	if (field_is(x->e, "accessed"))
		return yes_no(value & M2D_PTE_A);
	if (field_is(x->e, "dirty"))
		return yes_no(value & M2D_PTE_D);
	if (field_is(x->e, "gfn"))
		return num((value & x->w->tables.fmt.frame_mask) >> M2D_PAGE_SHIFT);
	return num(field_is(x->e, "level") ? level : value);
}

/* What the processor that the vCPU runs on caches for @gva under the vCPU's tags. */
static Value tlb_field(const Eval *x)
{
	const M2dVm *vm = x->w->vm;
	uint64_t vcpu = arg(x->e, 0), gva = arg(x->e, 1), item;
	const M2dKvmVcpu *v;
	M2dMmu *mmu;
	M2dTlbSlot slot, l1;

	if (vcpu >= vm->n_vcpus)
		return word("none");
	v = vm->vcpu[vcpu];
	mmu = m2d_vcpu_mmu(m2d_vm_hw(vm, v));
	slot = m2d_tlb_find_l1(&mmu->tlb, gva, false, mmu->s->ctx, mmu->s->gctx);
	if (slot.array < 0)
		slot = m2d_tlb_find_l2(&mmu->tlb, gva, false, mmu->s->ctx, mmu->s->gctx, &l1);
	if (!v->in_guest || slot.array < 0)
		return field_is(x->e, "present") ? yes_no(false) : word("none");
	item = m2d_tlb_data(&mmu->tlb, slot);
	if (field_is(x->e, "present"))
		return yes_no(true);
	if (field_is(x->e, "writable"))
		return yes_no((item & (M2D_ITEM_W | M2D_ITEM_NW)) == (M2D_ITEM_W | M2D_ITEM_NW));
	if (field_is(x->e, "user"))
		return yes_no(item & M2D_ITEM_U);
	if (field_is(x->e, "exec"))
		return yes_no((item & (M2D_ITEM_X | M2D_ITEM_NX)) == (M2D_ITEM_X | M2D_ITEM_NX));
	if (field_is(x->e, "dirty"))
		return yes_no(item & M2D_ITEM_D);
	if (field_is(x->e, "hpa"))
		return num((item & M2D_ITEM_FRAME) | (gva & 4095));
	return num(UINT64_C(1) << m2d_size_shift(m2d_item_esize(item)));
}

/* --- shadow pages, slots, host pages ---------------------------------------------------------- */

static Value sp_field(const Eval *x)
{
	const M2dVm *vm = x->w->vm;
	uint64_t gfn = arg(x->e, 0), level = arg(x->e, 1), n = 0;
	const M2dSp *last = NULL;

	for (M2dSpIndex i = 1; i < m2d_shadow_max_sp(vm); i++) {
		const M2dSp *sp = m2d_sp(vm, i);

		if (sp->pfn == 0 || sp->on_list != 1 || sp->gfn != gfn ||
		    m2d_role_level(sp->role) != level)
			continue;
		n++;
		last = sp;
	}
	if (field_is(x->e, "count"))
		return num(n);
	if (last == NULL)
		return word("none");
	if (field_is(x->e, "unsync"))
		return yes_no(last->unsync);
	if (field_is(x->e, "unsync-children"))
		return num(last->unsync_children);
	if (field_is(x->e, "obsolete"))
		return yes_no(m2d_sp_obsolete(vm, last));
	return yes_no(last->parents != 0);
}

static Value slot_field(const Eval *x)
{
	const M2dVm *vm = x->w->vm;
	uint64_t id = arg(x->e, 0);
	const M2dMemslot *s = m2d_slot(vm, 0, (unsigned)MIN(id, M2D_MAX_SLOTS - 1));
	bool present = id < M2D_MAX_SLOTS && s->npages != 0;

	if (field_is(x->e, "present"))
		return yes_no(present);
	if (field_is(x->e, "generation"))
		return num(vm->slots->generation[0]);
	if (!present)
		return word("none");
	if (field_is(x->e, "readonly"))
		return yes_no(s->flags & M2D_SLOT_READONLY);
	if (field_is(x->e, "log-dirty"))
		return yes_no(s->flags & M2D_SLOT_LOG_DIRTY);
	return num(field_is(x->e, "gfn") ? s->base_gfn : s->npages);
}

static Value page_field(const Eval *x)
{
	M2dVm *vm = x->w->vm;
	uint64_t gpa = arg(x->e, 0), pfn = 0;
	const M2dMemslot *s = m2d_gfn_to_slot(vm, 0, gpa >> M2D_PAGE_SHIFT);
	bool writable = false, present;

	present = s != NULL &&
		  m2d_hostmm_peek(vm, m2d_slot_hva(s, gpa >> M2D_PAGE_SHIFT), &pfn, &writable);
	if (field_is(x->e, "present"))
		return yes_no(present);
	if (!present)
		return word("none");
	if (field_is(x->e, "writable"))
		return yes_no(writable);
	pfn = pfn << M2D_PAGE_SHIFT | (gpa & 4095);
	return num(field_is(x->e, "hpa")
			   ? pfn
			   : m2d_space_read64(vm->space, M2D_HPA(pfn & ~UINT64_C(7))));
}

/* --- evaluation ------------------------------------------------------------------------------- */

static Value step_value(const Eval *x)
{
	uint64_t i = arg(x->e, 0);
	const M2dScnStepEnd *end = &x->end->steps[i];
	g_autofree char *text = NULL;

	if (x->e->fn == M2D_SCN_FN_RESULT) {
		text = m2d_scn_outcome_text(&x->w->scenario->steps[i], end);
		text[strcspn(text, " ")] = '\0';
		return word(text);
	}
	if (!end->ended || (x->e->fn == M2D_SCN_FN_HPA && !end->outcome.has_hpa))
		return word("none");
	return num(x->e->fn == M2D_SCN_FN_HPA ? end->outcome.hpa : end->outcome.value);
}

static Value evaluate(const Eval *x)
{
	switch (x->e->kind) {
	case M2D_SCN_EXPR_NUMBER:
	case M2D_SCN_EXPR_LABEL:
		return num(x->e->number);
	case M2D_SCN_EXPR_WORD:
		return word(x->e->text);
	case M2D_SCN_EXPR_CALL:
		break;
	}
	switch (x->e->fn) {
	case M2D_SCN_FN_COUNT:
	case M2D_SCN_FN_REACHED:
		return num(x->end->count(x->e, x->end->data));
	case M2D_SCN_FN_RESULT:
	case M2D_SCN_FN_READ:
	case M2D_SCN_FN_HPA:
		return step_value(x);
	case M2D_SCN_FN_SPTE:
		return spte_field(x);
	case M2D_SCN_FN_GPTE:
		return gpte_field(x);
	case M2D_SCN_FN_TLB:
		return tlb_field(x);
	case M2D_SCN_FN_SP:
		return sp_field(x);
	case M2D_SCN_FN_SLOT:
		return slot_field(x);
	case M2D_SCN_FN_PAGE:
		return page_field(x);
	case M2D_SCN_FN_USED_PAGES:
		return num(m2d_shadow_used_pages(x->w->vm));
	case M2D_SCN_FN_NONE:
	case M2D_N_SCN_FUNCTIONS:
		break;
	}
	return num(0);
}

static bool truth(const Value *v)
{
	if (v->is_word)
		return strcmp(v->word, "no") != 0 && strcmp(v->word, "none") != 0;
	return v->number != 0;
}

static bool equal(const Value *a, const Value *b)
{
	if (a->is_word != b->is_word)
		return false;
	return a->is_word ? strcmp(a->word, b->word) == 0 : a->number == b->number;
}

static bool compare(M2dScnOperator op, const Value *a, const Value *b)
{
	switch (op) {
	case M2D_SCN_OP_EQ:
	case M2D_SCN_OP_IN:
		return equal(a, b);
	case M2D_SCN_OP_NE:
		return !equal(a, b);
	case M2D_SCN_OP_LT:
		return !a->is_word && !b->is_word && a->number < b->number;
	case M2D_SCN_OP_LE:
		return !a->is_word && !b->is_word && a->number <= b->number;
	case M2D_SCN_OP_GT:
		return !a->is_word && !b->is_word && a->number > b->number;
	case M2D_SCN_OP_GE:
		return !a->is_word && !b->is_word && a->number >= b->number;
	case M2D_SCN_OP_TRUE:
		break;
	}
	return truth(a);
}

bool m2d_scn_claim_holds(const M2dScnEnd *end, const M2dScnClaim *c, char **why)
{
	Eval x = {end->w, end, c->left};
	Value left = evaluate(&x);
	bool holds = c->op == M2D_SCN_OP_TRUE && truth(&left);

	for (unsigned i = 0; i < c->n_right && !holds; i++) {
		Value right;

		x.e = c->right[i];
		right = evaluate(&x);
		holds = compare(c->op, &left, &right);
	}
	if (why == NULL)
		return holds;
	if (left.is_word)
		*why = g_strdup_printf("it is %s", left.word);
	else
		*why = g_strdup_printf("it is %" G_GUINT64_FORMAT " (0x%" G_GINT64_MODIFIER "x)",
				       left.number, left.number);
	return holds;
}

bool m2d_scn_claim_counts(const M2dScenario *s, int variant, const M2dScnClaim *c)
{
	if (c->variant >= 0)
		return c->variant == variant;
	return variant < 0 || s->variants[variant].n_expect == 0;
}

char *m2d_scn_claim_text(const M2dScnClaim *c, const char *why)
{
	return g_strdup_printf("line %u: %s %s%s%s", c->place.line,
			       m2d_scn_quantifier_word(c->quantifier), c->text,
			       why != NULL ? ": " : "", why != NULL ? why : "");
}
