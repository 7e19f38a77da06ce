/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records as text: ordinal, vCPU, mode, kind, then what the kind carries. */
#include <inttypes.h>

#include "sim/trace/edit.h"

static void print_ref(GString *text, const M2dTraceRecord *r)
{
	uint64_t w = r->ref.w, size = w >> M2D_REF_SIZE_SHIFT & 0xff;

	g_string_append_printf(text, "%" PRIu64 " v%u %s %s 0x%" PRIx64, r->ordinal, r->vcpu,
			       w & M2D_REF_GUEST ? "guest" : "host",
			       m2d_trace_ref_name(w & M2D_REF_KIND), r->ref.va);
	if (w & M2D_REF_HAS_PA)
		g_string_append_printf(text, " pa=0x%" PRIx64,
				       (w & M2D_REF_FRAME) | (r->ref.va & 0xfff));
	if (size != 0)
		g_string_append_printf(text, " size=%" PRIu64, size);
	if (r->n != 1)
		g_string_append_printf(text, " n=%" PRIu32, r->n);
	g_string_append(text, w & M2D_REF_USER ? " user" : " supervisor");
	if (w & M2D_REF_IO)
		g_string_append(text, " io");
	if (w & M2D_REF_DIRECT)
		g_string_append(text, " direct");
	if (w & M2D_REF_CROSS)
		g_string_append(text, " cross");
}

/* What the fields of an event are called; NULL: not printed if zero. */
typedef struct {
	uint8_t kind;
	const char *sub, *n, *a, *b, *c, *d, *e;
} Fields;

static const Fields fields[] = {
	{M2D_EV_REG, .a = "new", .b = "old"},
	{M2D_EV_INVLPG, .a = "va"},
	{M2D_EV_INVPCID, .n = "type", .a = "pcid", .b = "va"},
	{M2D_EV_INVLPGA, .n = "asid", .a = "va"},
	{M2D_EV_INVVPID, .n = "type", .a = "vpid", .b = "va"},
	{M2D_EV_INVEPT, .n = "type", .a = "eptp"},
	{M2D_EV_INVLPGB, .a = "rax", .b = "ecx", .c = "edx"},
	{M2D_EV_TLBSYNC},
	{M2D_EV_PTWRITE, .sub = "use", .n = "bytes", .a = "pa", .b = "value"},
	{M2D_EV_VMRUN, "tlb_control", "asid", "ncr3", "cr3", "nested_ctl", "cr0", "cr4"},
	{M2D_EV_VMEXIT, .n = "code", .a = "exitinfo1", .b = "exitinfo2"},
	{M2D_EV_VMENTRY, .n = "vpid", .a = "eptp", .b = "cr3", .d = "cr0", .e = "cr4"},
	{M2D_EV_VMX_EXIT, .n = "reason", .a = "qualification", .b = "gpa"},
	{M2D_EV_PF, .a = "cr2", .b = "cr3"},
	{M2D_EV_ASPACE, .a = "process"},
	{M2D_EV_MARK, .n = "code", .a = "a", .b = "b"},
};

static void print_field(GString *text, const char *name, const char *otherwise, uint64_t value)
{
	if (name != NULL || value != 0)
		g_string_append_printf(text, " %s=0x%" PRIx64, name != NULL ? name : otherwise,
				       value);
}

static void print_event(GString *text, const M2dTraceRecord *r)
{
	static const Fields none = {0};
	const M2dTraceEvent *ev = &r->event;
	const Fields *f = &none;

	for (unsigned i = 0; i < M2D_N_ELEMENTS(fields); i++)
		if (fields[i].kind == ev->kind)
			f = &fields[i];
	g_string_append_printf(text, "%" PRIu64 " v%u %s ", r->ordinal, r->vcpu,
			       ev->guest ? "guest" : "host");
	if (f == &none)
		g_string_append_printf(text, "event-%u", ev->kind);
	else
		g_string_append(text, m2d_trace_event_name(ev->kind));
	if (ev->kind == M2D_EV_REG)
		g_string_append_printf(text, " %s%s", m2d_trace_reg_name(ev->sub & ~M2D_TR_INITIAL),
				       ev->sub & M2D_TR_INITIAL ? " initial" : "");
	else
		print_field(text, f->sub, "sub", ev->sub);
	print_field(text, f->n, "n", ev->n);
	print_field(text, f->a, "a", ev->a);
	print_field(text, f->b, "b", ev->b);
	print_field(text, f->c, "c", ev->c);
	print_field(text, f->d, "d", ev->d);
	print_field(text, f->e, "e", ev->e);
}

void m2d_trace_print(GString *text, const M2dTraceRecord *record)
{
	switch (record->type) {
	case M2D_RECORD_PAGE:
		g_string_append_printf(text, "%" PRIu64 " page 0x%" PRIx64 " %s", record->ordinal,
				       record->page.pa,
				       record->page.data != NULL ? "data" : "zero");
		break;
	case M2D_RECORD_EVENT:
		print_event(text, record);
		break;
	default:
		print_ref(text, record);
	}
	g_string_append_c(text, '\n');
}
