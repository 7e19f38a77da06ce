/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reference walker: extended page tables and page-modification logging (Intel). */
#include "tests/ref/refwalk-private.h"

typedef struct {
	uint64_t gpa;
	M2dAccKind kind; /* of the final access */
	bool final;
	bool writes; /* needs W, sets D */
} EptAccess;

bool ref_ept_violation(RefWalk *w, uint64_t gpa, bool final, unsigned access_bits, bool complete)
{
	uint32_t controls = w->cpu->nested.ept_controls;
	M2dOutcome *out = &w->res->out;
	uint64_t q = access_bits;

	if (complete) {
		q |= (uint64_t)w->ept_r << 3 | (uint64_t)w->ept_w << 4 | (uint64_t)w->ept_x << 5;
		if (controls & M2D_EPT_MBEC)
			q |= (uint64_t)w->ept_ux << 6;
	}
	q |= UINT64_C(1) << 7;
	if (final) {
		q |= UINT64_C(1) << 8;
		if (controls & M2D_EPT_ADV_INFO)
			q |= (uint64_t)w->us << 9 | (uint64_t)w->rw << 10 | (uint64_t)w->nx << 11;
	}
	out->kind = M2D_OUT_EPT_VIOLATION;
	out->qualification = q;
	out->fault_gpa.v = gpa;
	out->gla.v = w->la;
	return false;
}

static bool ept_present(const RefWalk *w, uint64_t e)
{
	if (ref_field(e, 2, 0) != 0)
		return true;
	return (w->cpu->nested.ept_controls & M2D_EPT_MBEC) && ref_bit(e, 10);
}

static bool ept_leaf(uint64_t e, unsigned level)
{
	return level == 1 || (level <= 3 && ref_bit(e, 7));
}

static bool ept_misconfigured(const RefWalk *w, uint64_t e, unsigned level)
{
	uint32_t controls = w->cpu->nested.ept_controls;
	uint64_t type = ref_number(e, 5, 3);

	if (!ref_bit(e, 0)) {
		if (ref_bit(e, 1))
			return true;
		if (!(controls & M2D_EPT_EXEC_ONLY))
			return true; /* execute-only of either kind */
	}
	if (ref_field(e, 51, (int)w->cpu->host_maxphyaddr) != 0)
		return true;
	if (!ept_leaf(e, level))
		return ref_field(e, 6, 3) != 0 || (level >= 4 && ref_bit(e, 7));
	if (type == 2 || type == 3 || type == 7)
		return true;
	if (level == 3)
		return !(controls & M2D_EPT_1G) || ref_field(e, 29, 12) != 0;
	if (level == 2)
		return !(controls & M2D_EPT_2M) || ref_field(e, 20, 12) != 0;
	return false;
}

/* Before accessed or dirty bits are set: log the page, or find the log full. */
static bool ept_set_bits(RefWalk *w, const EptAccess *a, const uint64_t *used,
			 const uint64_t *value, unsigned n)
{
	M2dNested *nd = &w->cpu->nested;
	bool sets_d = a->writes && !ref_bit(value[n - 1], 9);
	bool sets_any = sets_d;

	for (unsigned i = 0; i < n; i++)
		sets_any = sets_any || !ref_bit(value[i], 8);
	if (!sets_any)
		return true;
	if ((nd->ept_controls & M2D_EPT_PML) && nd->pml_index > 511) {
		w->res->out.kind = M2D_OUT_PML_FULL;
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		ref_or_entry(w, used[i], 8, 1u << 8);
	if (!sets_d)
		return true;
	ref_or_entry(w, used[n - 1], 8, 1u << 9);
	if (nd->ept_controls & M2D_EPT_PML) {
		uint64_t slot = nd->pml_address + 8u * nd->pml_index;

		w->res->pml_slot[w->res->n_pml++] = slot;
		w->mem->write(w->mem->data, slot, 8, ref_field(a->gpa, 63, 12));
		nd->pml_index = (uint16_t)(nd->pml_index - 1);
	}
	return true;
}

bool ref_ept_translate(RefWalk *w, uint64_t gpa, M2dAccKind kind, bool final)
{
	M2dNested *nd = &w->cpu->nested;
	bool ad = (nd->eptp & M2D_EPTP_AD) != 0;
	unsigned levels = (unsigned)ref_number(nd->eptp, 5, 3) + 1, shift, n = 0, access_bits;
	int m = (int)w->cpu->host_maxphyaddr;
	EptAccess a = {gpa, kind, final, final ? kind == M2D_ACC_WRITE : ad};
	uint64_t table = ref_field(nd->eptp, m - 1, 12), used[5], value[5], e;
	bool ok;

	if (!final)
		access_bits = ad ? 3 : 1;
	else
		access_bits = kind == M2D_ACC_READ ? 1 : kind == M2D_ACC_WRITE ? 2 : 4;
	if (gpa >> (12 + 9 * levels) != 0)
		return ref_ept_violation(w, gpa, final, access_bits, false);
	w->ept_r = w->ept_w = w->ept_x = w->ept_ux = true;
	for (unsigned level = levels;; level--) {
		shift = 12 + 9 * (level - 1);
		used[n] = table + 8 * ref_number(gpa, (int)shift + 8, (int)shift);
		e = ref_read_entry(w, true, level, gpa, 0, used[n], 8);
		value[n++] = e;
		if (!ept_present(w, e))
			return ref_ept_violation(w, gpa, final, access_bits, false);
		if (ept_misconfigured(w, e, level)) {
			w->res->out.kind = M2D_OUT_EPT_MISCONFIG;
			w->res->out.fault_gpa.v = gpa;
			return false;
		}
		w->ept_r = w->ept_r && ref_bit(e, 0);
		w->ept_w = w->ept_w && ref_bit(e, 1);
		w->ept_x = w->ept_x && ref_bit(e, 2);
		w->ept_ux = w->ept_ux && ref_bit(e, 10);
		if (ept_leaf(e, level))
			break;
		table = ref_field(e, m - 1, 12);
	}
	if (!final)
		ok = w->ept_r && (!ad || w->ept_w);
	else if (kind == M2D_ACC_READ)
		ok = w->ept_r;
	else if (kind == M2D_ACC_WRITE)
		ok = w->ept_w;
	else if (nd->ept_controls & M2D_EPT_MBEC)
		ok = w->us ? w->ept_ux : w->ept_x;
	else
		ok = w->ept_x;
	if (!ok)
		return ref_ept_violation(w, gpa, final, access_bits, true);
	if (ad && !ept_set_bits(w, &a, used, value, n))
		return false;
	w->hpa = ref_field(e, m - 1, (int)shift) | ref_field(gpa, (int)shift - 1, 0);
	w->nested_shift = shift;
	return true;
}
