/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/report/run.h"

#include <stdio.h>
#include <string.h>

#include "sim/kvm/kvm-private.h"

static const char *const exits[] = {
	[M2D_EXIT_INTR] = "interrupt",        [M2D_EXIT_PF] = "#PF",
	[M2D_EXIT_NPF] = "nested page fault", [M2D_EXIT_MISCONFIG] = "EPT misconfiguration",
	[M2D_EXIT_CR] = "MOV to CR",          [M2D_EXIT_INVLPG] = "INVLPG",
	[M2D_EXIT_INVPCID] = "INVPCID",       [M2D_EXIT_MSR] = "WRMSR",
	[M2D_EXIT_PREEMPT] = "preempted",     [M2D_EXIT_USERSPACE] = "to userspace",
};

static const char *const requests[M2D_N_REQS] = {
	[M2D_REQ_MMU_FREE_OBSOLETE_ROOTS] = "MMU_FREE_OBSOLETE_ROOTS",
	[M2D_REQ_MMU_SYNC] = "MMU_SYNC",
	[M2D_REQ_LOAD_MMU_PGD] = "LOAD_MMU_PGD",
	[M2D_REQ_TLB_FLUSH] = "TLB_FLUSH",
	[M2D_REQ_TLB_FLUSH_CURRENT] = "TLB_FLUSH_CURRENT",
	[M2D_REQ_TLB_FLUSH_GUEST] = "TLB_FLUSH_GUEST",
	[M2D_REQ_STEAL_UPDATE] = "STEAL_UPDATE",
};

static const char *const hw_flushes[] = {"all", "current", "guest", "gva"};

static const char *const scopes[M2D_N_GF] = {
	[M2D_GF_PAGE] = "page", [M2D_GF_PCID_PAGE] = "page of a PCID",
	[M2D_GF_PCID] = "PCID", [M2D_GF_NONGLOBAL] = "all but global",
	[M2D_GF_ALL] = "all",
};

/* Fields whose numbers are names. */
static const struct {
	M2dEventType type;
	unsigned field, n;
	const char *const *names;
} named[] = {
	{M2D_E_KVM_EXIT, 0, M2D_N_ELEMENTS(exits), exits},
	{M2D_E_KVM_REQUEST, 1, M2D_N_ELEMENTS(requests), requests},
	{M2D_E_KVM_REQUEST_DONE, 0, M2D_N_ELEMENTS(requests), requests},
	{M2D_E_FLUSH_HW, 0, M2D_N_ELEMENTS(hw_flushes), hw_flushes},
	{M2D_E_GUEST_FLUSH, 0, M2D_N_ELEMENTS(scopes), scopes},
	{M2D_E_GUEST_FLUSH_DONE, 0, M2D_N_ELEMENTS(scopes), scopes},
};

char *m2d_run_event_text(const M2dEvent *event)
{
	char buf[200];

	m2d_event_format(event, buf, sizeof(buf));
	for (unsigned i = 0; i < M2D_N_ELEMENTS(named); i++) {
		uint64_t value = event->a[named[i].field];

		if (named[i].type == (M2dEventType)event->type && value < named[i].n)
			return g_strdup_printf("%s (%s)", buf, named[i].names[value]);
	}
	return g_strdup(buf);
}
