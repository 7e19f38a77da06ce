/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries and fault codes in words.
 * Sources: SDM vol. 3 "Page-Fault Exceptions", "Exit Qualification for EPT Violations"; APM vol. 2
 * "Page-Fault Error Code", "Nested versus Guest Page Faults".
 */
#include "sim/report/walk-private.h"

#include "sim/report/report.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

void m2d_walk_put_xml(GString *s, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	g_autofree char *escaped = NULL;

	for (char *p = valid; *p != '\0'; p++)
		if (g_ascii_iscntrl(*p))
			*p = '?';
	escaped = g_markup_escape_text(valid, -1);
	g_string_append(s, escaped);
}

static void add(GString *s, bool on, const char *name)
{
	if (on)
		g_string_append_printf(s, "%s%s", s->len != 0 ? " " : "", name);
}

static char *ept_flags(const M2dWalkView *v, const M2dFetch *f)
{
	static const char *const types[] = {"UC", "WC", "mt2", "mt3", "WT", "WP", "WB", "mt7"};
	GString *s = g_string_new(NULL);
	uint64_t e = f->value;

	g_string_append_printf(s, "%c%c%c", e & M2D_EPT_R ? 'R' : '-', e & M2D_EPT_W ? 'W' : '-',
			       e & M2D_EPT_X ? 'X' : '-');
	add(s, v->ept.mbec && (e & M2D_EPT_XU), "XU");
	if (m2d_walk_is_leaf(v, f))
		add(s, true, types[(e & M2D_EPT_MT) >> 3]);
	add(s, f->level > 1 && (e & M2D_EPT_PS), "PS");
	add(s, v->ept.ad && (e & M2D_EPT_A), "A");
	add(s, v->ept.ad && (e & M2D_EPT_D) && m2d_walk_is_leaf(v, f), "D");
	return g_string_free(s, FALSE);
}

char *m2d_walk_flags(const M2dWalkView *v, const M2dFetch *f)
{
	GString *s;
	uint64_t e = f->value;
	bool leaf = m2d_walk_is_leaf(v, f);

	if (f->dimension == M2D_DIM_NESTED && v->nested.kind == M2D_NESTED_EPT)
		return ept_flags(v, f);
	s = g_string_new(NULL);
	add(s, !(e & M2D_PTE_P), "not present");
	add(s, e & M2D_PTE_P, "P");
	add(s, e & M2D_PTE_RW, "W");
	add(s, e & M2D_PTE_US, "U");
	add(s, e & M2D_PTE_A, "A");
	add(s, leaf && (e & M2D_PTE_D), "D");
	add(s, f->level > 1 && (e & M2D_PTE_PS), "PS");
	add(s, leaf && (e & M2D_PTE_G), "G");
	add(s, e & M2D_PTE_NX, "NX");
	return g_string_free(s, FALSE);
}

const char *m2d_walk_updates(const M2dFetch *f)
{
	static const char *const names[] = {"", "+A", "+D", "+A +D"};

	return names[f->updates & 3];
}

char *m2d_walk_mode(const M2dWalkView *v)
{
	static const char *const modes[] = {"no paging", "32-bit", "PAE", "4-level", "5-level"};
	const char *guest = modes[v->fmt.mode];

	if (v->nested.kind == M2D_NESTED_NONE)
		return g_strdup_printf("%s tables, one dimension", guest);
	return g_strdup_printf("%s guest x %u-level %s", guest, m2d_walkview_nested_levels(v),
			       v->nested.kind == M2D_NESTED_NPT ? "NPT" : "EPT");
}

char *m2d_walk_access(const M2dWalkView *v)
{
	static const char *const kinds[] = {"read", "write", "fetch"};
	const char *who = v->access.implicit ? "implicit supervisor"
			  : v->access.user   ? "user"
					     : "supervisor";

	return g_strdup_printf("%s %s of " HEX, who, kinds[v->access.kind], v->access.gva.v);
}

static const char *fault_name(M2dOutcomeKind kind)
{
	static const char *const names[] = {
		"OK",
		"#GP(0): the address is not canonical",
		"#PF: page fault in the guest",
		"#NPF: nested page fault, #VMEXIT 400h to the host",
		"EPT violation: VM exit 48 to the host",
		"EPT misconfiguration: VM exit 49 to the host",
		"page-modification log full: VM exit 62 to the host",
	};

	return names[kind];
}

char *m2d_walk_result(const M2dWalkView *v)
{
	if (v->out.kind == M2D_OUT_OK)
		return g_strdup_printf("host-physical address " HEX, v->out.hpa.v);
	return g_strdup(fault_name(v->out.kind));
}

const char *m2d_walk_rights(uint8_t rights)
{
	static const char *const names[] = {"none", "r--", "-w-", "rw-",
					    "--x",  "r-x", "-wx", "rwx"};

	return names[rights & 7];
}

static void add_bit(M2dFaultCode *c, unsigned bit, const char *set, const char *clear)
{
	bool on = c->value >> bit & 1;

	g_ptr_array_add(c->bits, g_strdup_printf("bit %u = %d: %s", bit, on, on ? set : clear));
}

static void decode_pf(M2dFaultCode *c)
{
	add_bit(c, 0, "P, the page was present: a right was missing",
		"P, an entry was not present");
	add_bit(c, 1, "W, the access was a write", "W, not a write");
	add_bit(c, 2, "U, at CPL 3", "U, as supervisor");
	add_bit(c, 3, "RSVD, a reserved bit was set", "RSVD, no reserved bit was set");
	add_bit(c, 4, "I/D, an instruction fetch", "I/D, no fetch");
	if (c->value & M2D_PFEC_PK)
		add_bit(c, 5, "PK, a protection key forbids it", "");
}

static void decode_npf(M2dFaultCode *c)
{
	add_bit(c, 0, "the nested page was present: a right was missing",
		"a nested entry was not present");
	add_bit(c, 1, "the nested access was a write (reads of guest tables count as writes)",
		"the nested access was not a write");
	add_bit(c, 2, "a user access, as all nested accesses are", "a supervisor access");
	add_bit(c, 3, "a reserved bit was set in a nested entry", "no reserved bit was set");
	add_bit(c, 4, "an instruction fetch", "no fetch");
	if (c->value & M2D_NPF_FINAL)
		add_bit(c, 32, "while translating the final guest-physical address", "");
	if (c->value & M2D_NPF_TABLE)
		add_bit(c, 33, "while translating the address of a guest table", "");
}

static void decode_ept(const M2dWalkView *v, M2dFaultCode *c)
{
	bool final = c->value & M2D_EPTQ_FINAL;

	add_bit(c, 0, "a data read", "no data read");
	add_bit(c, 1, "a data write", "no data write");
	add_bit(c, 2, "an instruction fetch", "no fetch");
	add_bit(c, 3, "the EPT entries allow reads", "the EPT entries forbid reads");
	add_bit(c, 4, "they allow writes", "they forbid writes");
	add_bit(c, 5, "they allow execution", "they forbid execution");
	if (v->ept.mbec)
		add_bit(c, 6, "they allow execution in user mode",
			"they forbid execution in user mode");
	add_bit(c, 7, "the guest linear address is valid", "there is no guest linear address");
	add_bit(c, 8, "while translating the final address",
		"while translating the address of a guest table");
	if (!v->ept.adv_info || !final)
		return;
	add_bit(c, 9, "a user page in the guest's tables",
		"a supervisor page in the guest's tables");
	add_bit(c, 10, "writable there", "read-only there");
	add_bit(c, 11, "not executable there", "executable there");
}

void m2d_walk_fault_code(const M2dWalkView *v, M2dFaultCode *c)
{
	*c = (M2dFaultCode){0};
	switch (v->out.kind) {
	case M2D_OUT_PF:
		*c = (M2dFaultCode){"error code", v->out.error_code, NULL};
		break;
	case M2D_OUT_NPF:
		*c = (M2dFaultCode){"EXITINFO1", v->out.exitinfo1, NULL};
		break;
	case M2D_OUT_EPT_VIOLATION:
		*c = (M2dFaultCode){"exit qualification", v->out.qualification, NULL};
		break;
	case M2D_OUT_OK:
	case M2D_OUT_GP:
	case M2D_OUT_EPT_MISCONFIG:
	case M2D_OUT_PML_FULL:
		return;
	}
	c->bits = g_ptr_array_new_with_free_func(g_free);
	if (v->out.kind == M2D_OUT_PF)
		decode_pf(c);
	else if (v->out.kind == M2D_OUT_NPF)
		decode_npf(c);
	else
		decode_ept(v, c);
}

/* "2M": the page that the leaf of a dimension maps, NULL if none was read. */
static const char *leaf_size(const M2dWalkView *v, M2dDimension dimension)
{
	static const char *const sizes[] = {"", "4K", "2M", "1G", "512G", ""};

	for (uint32_t i = v->log.n; i > 0; i--) {
		const M2dFetch *f = &v->log.fetch[i - 1];

		if (f->dimension != dimension || !m2d_walk_is_leaf(v, f) ||
		    (dimension == M2D_DIM_NESTED && f->guest_level != 0))
			continue;
		if (dimension == M2D_DIM_GUEST && v->fmt.mode == M2D_PAGING_32 && f->level == 2)
			return "4M";
		return sizes[f->level];
	}
	return NULL;
}

char *m2d_walk_detail(const M2dWalkView *v)
{
	static const char *const sizes[] = {"4K", "2M", "1G"};
	const char *guest = leaf_size(v, M2D_DIM_GUEST), *nested = leaf_size(v, M2D_DIM_NESTED);
	GString *s = g_string_new(NULL);

	switch (v->out.kind) {
	case M2D_OUT_OK:
		g_string_append_printf(s, "cached as a %s page", sizes[v->out.size]);
		if (guest != NULL && nested != NULL)
			g_string_append_printf(s, " (guest %s, nested %s)", guest, nested);
		g_string_append_printf(s, "; supervisor %s, user %s", m2d_walk_rights(v->rights[0]),
				       m2d_walk_rights(v->rights[1]));
		break;
	case M2D_OUT_PF:
		g_string_append_printf(s, "error code " HEX ", CR2 " HEX,
				       (uint64_t)v->out.error_code, v->out.cr2.v);
		break;
	case M2D_OUT_NPF:
		g_string_append_printf(s, "EXITINFO1 " HEX ", EXITINFO2 (guest-physical) " HEX,
				       v->out.exitinfo1, v->out.fault_gpa.v);
		break;
	case M2D_OUT_EPT_VIOLATION:
		g_string_append_printf(
			s, "exit qualification " HEX ", guest-physical " HEX ", guest linear " HEX,
			v->out.qualification, v->out.fault_gpa.v, v->out.gla.v);
		break;
	case M2D_OUT_EPT_MISCONFIG:
		g_string_append_printf(s, "guest-physical " HEX, v->out.fault_gpa.v);
		break;
	case M2D_OUT_GP:
		g_string_append(s, "nothing was walked");
		break;
	case M2D_OUT_PML_FULL:
		g_string_append(s, "nothing was set");
		break;
	}
	return g_string_free(s, FALSE);
}

char *m2d_walk_count(const M2dWalkView *v, const M2dGrid *g)
{
	static const char *const from[] = {"hit in the L1 TLB: no walk",
					   "hit in the L2 TLB: no walk"};

	if (v->out.served_by != M2D_FROM_WALK && v->out.kind != M2D_OUT_GP)
		return g_strdup(from[v->out.served_by]);
	if (v->nested.kind == M2D_NESTED_NONE)
		return g_strdup_printf("%u table entr%s read", v->log.n,
				       v->log.n == 1 ? "y" : "ies");
	return g_strdup_printf("%u table entr%s read: %u guest + %u nested", v->log.n,
			       v->log.n == 1 ? "y" : "ies", g->n_guest, g->n_nested);
}

char *m2d_walk_cost(const M2dWalkView *v)
{
	GString *s = g_string_new(NULL);
	g_autofree char *text = NULL;
	uint64_t sum = 0;

	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		sum += v->cycles[i];
	text = m2d_report_number(sum);
	g_string_append_printf(s, "%s cycles", text);
	for (unsigned i = 0, n = 0; i < M2D_N_CAUSES; i++)
		if (v->cycles[i] != 0)
			g_string_append_printf(s, "%s %s %" G_GUINT64_FORMAT, n++ != 0 ? "," : ":",
					       m2d_cause_name((M2dCause)i), v->cycles[i]);
	/* Causes have the names of keys. */
	g_strdelimit(s->str, "_", ' ');
	return g_string_free(s, FALSE);
}

char *m2d_walk_origin(const M2dWalkView *v)
{
	g_autofree char *name = NULL;

	if (v->origin.path == NULL)
		return g_strdup("a small guest that has just mapped the page");
	name = g_path_get_basename(v->origin.path);
	return g_strdup_printf("%s at reference %" G_GUINT64_FORMAT ", vCPU %u", name, v->origin.at,
			       v->origin.vcpu);
}

/* Bits of the address that select the entry of @f, e.g. "bits 47:39 = 254". */
static void index_of(const M2dWalkView *v, const M2dFetch *f, GString *s)
{
	bool guest = f->dimension == M2D_DIM_GUEST;
	const M2dPteFormat *fmt = guest                              ? &v->fmt
				  : v->nested.kind == M2D_NESTED_NPT ? &v->npt.fmt
								     : NULL;
	unsigned bits = fmt != NULL ? fmt->index_bits : 9;
	unsigned low = 12 + bits * (f->level - 1u);
	uint64_t address = guest ? v->access.gva.v : f->gpa;

	if (fmt != NULL && f->level == fmt->pdpte_level)
		bits = 2;
	g_string_append_printf(s, "bits %u:%u of the %s address select entry %" G_GUINT64_FORMAT,
			       low + bits - 1, low, guest ? "linear" : "guest-physical",
			       address >> low & m2d_low_mask(bits));
}

char *m2d_walk_explain(const M2dWalkView *v, uint32_t i)
{
	const M2dFetch *f = &v->log.fetch[i];
	bool guest = f->dimension == M2D_DIM_GUEST;
	bool last = i + 1 == v->log.n;
	GString *s = g_string_new(NULL);

	if (guest)
		g_string_append_printf(s, "The guest's %s: ", m2d_walk_entry_kind(f->level));
	else if (f->guest_level != 0)
		g_string_append_printf(s, "To find the guest's %s at guest-physical " HEX ": ",
				       m2d_walk_entry_kind(f->guest_level), f->gpa);
	else
		g_string_append_printf(s, "The page itself, at guest-physical " HEX ": ", f->gpa);
	index_of(v, f, s);
	g_string_append(s, ". ");
	if (last && v->out.kind != M2D_OUT_OK)
		g_string_append(s, "Here the walk ends in a fault.");
	else if (!m2d_walk_is_leaf(v, f))
		g_string_append(s, "It points at the next table.");
	else if (guest || f->guest_level == 0)
		g_string_append(s, "It maps the page.");
	else
		g_string_append(s, "It maps the page that the guest's table lies in.");
	if (f->updates != 0)
		g_string_append_printf(s, " Hardware sets %s in it.",
				       f->updates == 1   ? "A"
				       : f->updates == 2 ? "D"
							 : "A and D");
	return g_string_free(s, FALSE);
}
