/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk for programs. */
#include "sim/report/walk-private.h"

#include "sim/base/json.h"

static const char *const access_kinds[] = {"read", "write", "fetch"};

static void put_access(M2dJson *j, const M2dWalkView *v)
{
	m2d_json_object_begin(j, "access");
	m2d_json_hex(j, "gva", v->access.gva.v);
	m2d_json_string(j, "kind", access_kinds[v->access.kind]);
	m2d_json_bool(j, "user", v->access.user);
	m2d_json_bool(j, "implicit", v->access.implicit);
	m2d_json_object_end(j);
}

static void put_dimensions(M2dJson *j, const M2dWalkView *v)
{
	static const char *const modes[] = {"none", "32bit", "pae", "4level", "5level"};
	static const char *const kinds[] = {"none", "npt", "ept"};

	m2d_json_object_begin(j, "guest");
	m2d_json_string(j, "paging", modes[v->fmt.mode]);
	m2d_json_uint(j, "levels", v->fmt.levels);
	m2d_json_hex(j, "cr0", v->regs.cr0);
	m2d_json_hex(j, "cr3", v->regs.cr3);
	m2d_json_hex(j, "cr4", v->regs.cr4);
	m2d_json_hex(j, "efer", v->regs.efer);
	m2d_json_object_end(j);
	m2d_json_object_begin(j, "nested");
	m2d_json_string(j, "kind", kinds[v->nested.kind]);
	m2d_json_uint(j, "levels", m2d_walkview_nested_levels(v));
	if (v->nested.kind == M2D_NESTED_NPT)
		m2d_json_hex(j, "ncr3", v->nested.ncr3);
	if (v->nested.kind == M2D_NESTED_EPT)
		m2d_json_hex(j, "eptp", v->nested.eptp);
	m2d_json_object_end(j);
	if (v->origin.path == NULL)
		return;
	m2d_json_object_begin(j, "trace");
	m2d_json_string(j, "path", v->origin.path);
	m2d_json_uint(j, "reference", v->origin.at);
	m2d_json_uint(j, "vcpu", v->origin.vcpu);
	if (v->origin.has_recorded) {
		m2d_json_hex(j, "recorded_hpa", v->origin.recorded);
		m2d_json_bool(j, "agrees",
			      v->out.kind == M2D_OUT_OK && v->out.hpa.v == v->origin.recorded);
	}
	m2d_json_object_end(j);
}

static void put_step(M2dJson *j, const M2dWalkView *v, uint32_t i)
{
	const M2dFetch *f = &v->log.fetch[i];
	g_autofree char *name = m2d_walk_step_name(f), *flags = m2d_walk_flags(v, f);
	g_autofree char *text = m2d_walk_explain(v, i);

	m2d_json_object_begin(j, NULL);
	m2d_json_uint(j, "order", i + 1);
	m2d_json_string(j, "name", name);
	m2d_json_string(j, "dimension", f->dimension == M2D_DIM_GUEST ? "guest" : "nested");
	m2d_json_uint(j, "level", f->level);
	m2d_json_uint(j, "guest_level", f->guest_level);
	m2d_json_hex(j, "entry_address", f->hpa);
	m2d_json_hex(j, "entry_value", f->value);
	if (v->nested.kind != M2D_NESTED_NONE)
		m2d_json_hex(j, "gpa", f->gpa);
	m2d_json_bool(j, "leaf", m2d_walk_is_leaf(v, f));
	m2d_json_string(j, "flags", flags);
	m2d_json_string(j, "served_by", m2d_walk_served(f->served_by));
	m2d_json_uint(j, "cycles", v->latency[f->served_by < 5 ? f->served_by : 0]);
	m2d_json_array_begin(j, "updates");
	if (f->updates & 1)
		m2d_json_string(j, NULL, "accessed");
	if (f->updates & 2)
		m2d_json_string(j, NULL, "dirty");
	m2d_json_array_end(j);
	m2d_json_string(j, "text", text);
	m2d_json_object_end(j);
}

static void put_skips(M2dJson *j, const M2dWalkView *v)
{
	static const char *const kinds[] = {"psc", "npsc", "ntlb"};

	m2d_json_array_begin(j, "skips");
	for (uint32_t i = 0; i < v->log.n_skips; i++) {
		const M2dSkip *k = &v->log.skip[i];

		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "cache", kinds[k->kind]);
		m2d_json_uint(j, "level", k->level);
		m2d_json_uint(j, "guest_level", k->guest_level);
		m2d_json_uint(j, "after", k->before);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

static void put_result(M2dJson *j, const M2dWalkView *v)
{
	static const char *const kinds[] = {
		"ok", "gp", "pf", "npf", "ept_violation", "ept_misconfig", "pml_full"};
	static const char *const sizes[] = {"4k", "2m", "1g"};
	static const char *const from[] = {"l1_tlb", "l2_tlb", "walk"};
	g_autofree char *text = m2d_walk_result(v);
	M2dFaultCode code;

	m2d_json_object_begin(j, "result");
	m2d_json_string(j, "kind", kinds[v->out.kind]);
	m2d_json_string(j, "text", text);
	m2d_json_string(j, "served_by",
			v->out.kind == M2D_OUT_GP ? "none" : from[v->out.served_by]);
	switch (v->out.kind) {
	case M2D_OUT_OK:
		m2d_json_hex(j, "hpa", v->out.hpa.v);
		m2d_json_string(j, "page_size", sizes[v->out.size]);
		m2d_json_string(j, "supervisor_rights", m2d_walk_rights(v->rights[0]));
		m2d_json_string(j, "user_rights", m2d_walk_rights(v->rights[1]));
		break;
	case M2D_OUT_PF:
		m2d_json_hex(j, "error_code", v->out.error_code);
		m2d_json_hex(j, "cr2", v->out.cr2.v);
		break;
	case M2D_OUT_NPF:
		m2d_json_hex(j, "exitinfo1", v->out.exitinfo1);
		m2d_json_hex(j, "fault_gpa", v->out.fault_gpa.v);
		break;
	case M2D_OUT_EPT_VIOLATION:
		m2d_json_hex(j, "qualification", v->out.qualification);
		m2d_json_hex(j, "fault_gpa", v->out.fault_gpa.v);
		m2d_json_hex(j, "gla", v->out.gla.v);
		break;
	case M2D_OUT_EPT_MISCONFIG:
		m2d_json_hex(j, "fault_gpa", v->out.fault_gpa.v);
		break;
	case M2D_OUT_GP:
	case M2D_OUT_PML_FULL:
		break;
	}
	m2d_walk_fault_code(v, &code);
	if (code.bits != NULL) {
		m2d_json_array_begin(j, "code_bits");
		for (guint i = 0; i < code.bits->len; i++)
			m2d_json_string(j, NULL, code.bits->pdata[i]);
		m2d_json_array_end(j);
		g_ptr_array_unref(code.bits);
	}
	m2d_json_object_end(j);
}

char *m2d_walk_json(const M2dWalkView *v)
{
	M2dJson *j = m2d_json_new();
	uint64_t sum = 0;

	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "machine", v->machine);
	m2d_json_string(j, "caches", v->caches);
	put_access(j, v);
	put_dimensions(j, v);
	m2d_json_uint(j, "refs", v->log.n);
	m2d_json_array_begin(j, "steps");
	for (uint32_t i = 0; i < v->log.n; i++)
		put_step(j, v, i);
	m2d_json_array_end(j);
	put_skips(j, v);
	put_result(j, v);
	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		sum += v->cycles[i];
	m2d_json_uint(j, "cycles", sum);
	m2d_json_object_begin(j, "cycles_by_cause");
	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		if (v->cycles[i] != 0)
			m2d_json_uint(j, m2d_cause_name((M2dCause)i), v->cycles[i]);
	m2d_json_object_end(j);
	m2d_json_object_end(j);
	return m2d_json_finish(j);
}
