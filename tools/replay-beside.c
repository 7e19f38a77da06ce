/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See replay-beside.h. */
#include "tools/replay-beside.h"

#include <string.h>

#include "sim/base/error.h"
#include "tools/cmd.h"

typedef struct {
	M2dProgress *progress; /* made when the size is known */
	bool quiet;
} Watch;

static bool on_progress(uint64_t done, uint64_t total, void *data)
{
	Watch *w = data;

	if (w->progress == NULL)
		w->progress = m2d_progress_new("count", "bytes", total, w->quiet);
	m2d_progress_update(w->progress, done);
	return !m2d_interrupted();
}

static M2dPaid *count(const char *path, bool quiet, GError **error)
{
	Watch watch = {.quiet = quiet};
	g_autoptr(M2dPaid) paid = NULL;

	if (strcmp(path, "-") == 0) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "--beside: expected traces that are files, not stdin: they are read "
			    "twice");
		return NULL;
	}
	paid = m2d_paid_read(path, on_progress, &watch, error);
	if (watch.progress != NULL)
		m2d_progress_free(watch.progress);
	if (paid != NULL && !paid->nested && !paid->shadow) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: no guest runs in it; --beside expected one", path);
		return NULL;
	}
	return g_steal_pointer(&paid);
}

bool m2d_tool_beside(const char *trace, const char *beside, bool quiet, M2dPaid **recorded,
		     M2dPaid **other, GError **error)
{
	*other = count(beside, quiet, error);
	if (*other == NULL)
		return false;
	*recorded = count(trace, quiet, error);
	return *recorded != NULL;
}
