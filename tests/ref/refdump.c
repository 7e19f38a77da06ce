/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reference walker: printing. */
#include <inttypes.h>
#include <stdio.h>

#include "sim/base/bits.h"
#include "tests/ref/refwalk.h"

const char *ref_outcome_name(M2dOutcomeKind kind)
{
	static const char *const name[] = {
		[M2D_OUT_OK] = "ok",
		[M2D_OUT_GP] = "#GP",
		[M2D_OUT_PF] = "#PF",
		[M2D_OUT_NPF] = "#NPF",
		[M2D_OUT_EPT_VIOLATION] = "EPT violation",
		[M2D_OUT_EPT_MISCONFIG] = "EPT misconfiguration",
		[M2D_OUT_PML_FULL] = "PML full",
	};

	return (unsigned)kind < M2D_N_ELEMENTS(name) ? name[kind] : "unknown";
}

void ref_dump_outcome(const char *who, const M2dOutcome *o)
{
	fprintf(stderr,
		"%s: %s size %d refs %u hpa %#" PRIx64 " hpa2 %#" PRIx64
		" error_code %#x cr2 %#" PRIx64 " exitinfo1 %#" PRIx64 " qualification %#" PRIx64
		" fault_gpa %#" PRIx64 " gla %#" PRIx64 "\n",
		who, ref_outcome_name(o->kind), (int)o->size, o->refs, o->hpa.v, o->hpa2.v,
		o->error_code, o->cr2.v, o->exitinfo1, o->qualification, o->fault_gpa.v, o->gla.v);
}

void ref_dump(const RefCpu *c, const M2dAccess *a, const RefResult *res)
{
	const M2dRegs *r = &c->regs;
	const M2dNested *n = &c->nested;

	fprintf(stderr,
		"%s cr0 %#" PRIx64 " cr3 %#" PRIx64 " cr4 %#" PRIx64 " efer %#" PRIx64
		" pkru %#x pkrs %#x ac %d maxphyaddr %u features %#x\n",
		c->vendor == M2D_VENDOR_AMD ? "amd" : "intel", r->cr0, r->cr3, r->cr4, r->efer,
		r->pkru, r->pkrs, r->ac, c->maxphyaddr, c->features);
	fprintf(stderr,
		"pdpte %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64
		"\nnested kind %d ncr3 %#" PRIx64 " hcr4 %#" PRIx64 " hefer %#" PRIx64
		" eptp %#" PRIx64 " controls %#x pml %#" PRIx64
		" index %u host maxphyaddr %u features %#x\n",
		r->pdpte[0], r->pdpte[1], r->pdpte[2], r->pdpte[3], (int)n->kind, n->ncr3, n->hcr4,
		n->hefer, n->eptp, n->ept_controls, n->pml_address, n->pml_index,
		c->host_maxphyaddr, c->host_features);
	fprintf(stderr, "access %s gva %#" PRIx64 " size %u user %d implicit %d\n",
		a->kind == M2D_ACC_READ    ? "read"
		: a->kind == M2D_ACC_WRITE ? "write"
					   : "fetch",
		a->gva.v, a->size, a->user, a->implicit);
	for (unsigned i = 0; i < res->n_steps; i++) {
		const RefStep *s = &res->step[i];

		fprintf(stderr, "  %2u %s level %u of %#" PRIx64, i + 1,
			s->nested ? "  nested" : "guest", s->level, s->input);
		if (!s->nested)
			fprintf(stderr, " gpa %#" PRIx64, s->gpa);
		fprintf(stderr, " at %#" PRIx64 ": %#" PRIx64 "\n", s->pa, s->value);
	}
	ref_dump_outcome("expected", &res->out);
}
