/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See exit.h. */
#include "sim/capture/exit.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "sim/capture/event.h"
#include "sim/capture/names.h"

#define MAX_NAMES 1024

static const struct {
	uint32_t reason;
	const char *name, *tool; /* of tracefs, of trace-cmd; NULL: the same */
} known[] = {
#define SVM(code, name, tool) {M2D_CAP_EXIT_SVM | (code), name, tool},
#define VMX(code, name)       {M2D_CAP_EXIT_VMX | (code), name, NULL},
#include "sim/capture/exit.def"
#undef SVM
#undef VMX
};

struct _M2dCapExits {
	M2dCapNames *names;
	uint32_t reason[MAX_NAMES]; /* of each name; 0: it has none but its own number */
};

M2dCapExits *m2d_cap_exits_new(void)
{
	M2dCapExits *x = g_new0(M2dCapExits, 1);

	x->names = m2d_cap_names_new(NULL, 0, MAX_NAMES);
	for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
		x->reason[m2d_cap_names_get(x->names, known[i].name, strlen(known[i].name))] =
			known[i].reason;
		if (known[i].tool != NULL)
			x->reason[m2d_cap_names_get(x->names, known[i].tool,
						    strlen(known[i].tool))] = known[i].reason;
	}
	return x;
}

void m2d_cap_exits_free(M2dCapExits *x)
{
	if (x == NULL)
		return;
	m2d_cap_names_free(x->names);
	g_free(x);
}

uint32_t m2d_cap_exits_get(M2dCapExits *x, const char *name, size_t len)
{
	unsigned i = m2d_cap_names_get(x->names, name, len);

	return x->reason[i] != 0 ? x->reason[i] : M2D_CAP_EXIT_NAMED | i;
}

const char *m2d_cap_exits_name(const M2dCapExits *x, uint32_t reason, char buf[32])
{
	if (reason & M2D_CAP_EXIT_NAMED)
		return m2d_cap_names_text(x->names, reason & ~M2D_CAP_EXIT_NAMED);
	for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
		if (known[i].reason == reason)
			return known[i].name;
	snprintf(buf, 32, "0x%x", reason & 0x3fffffff);
	return buf;
}
