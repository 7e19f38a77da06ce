/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the importers share. */
#pragma once

#include "sim/trace/import.h"
#include "sim/trace/input.h"

#define M2D_IMPORT_TICK 16384u /* records between calls of the progress function */

/* One import under way. */
typedef struct {
	M2dImport *result;
	M2dInput *in;
	const char *out_path;
	M2dTraceWriter *out;
	uint64_t until_tick;
} M2dImporter;

/* m2d_importer_start: make the writer; metadata that all formats share are added. */
gboolean m2d_importer_start(M2dImporter *im, uint32_t flags, unsigned n_vcpus, GError **error);
/* m2d_importer_ref: write and count one reference. */
gboolean m2d_importer_ref(M2dImporter *im, unsigned vcpu, M2dRef ref, uint32_t n, GError **error);
/* m2d_importer_user_ref: one of a user-mode tracer; more than 255 bytes (@size up to 4096) are
 * written as several references. */
gboolean m2d_importer_user_ref(M2dImporter *im, M2dRefKind kind, uint64_t va, uint64_t size,
			       GError **error);
gboolean m2d_importer_event(M2dImporter *im, const M2dTraceEvent *event, GError **error);
/* m2d_importer_tick: report progress now and then; false if the caller gave up. */
gboolean m2d_importer_tick(M2dImporter *im, GError **error);

/* m2d_importer_lines: a format of text: start, with one vCPU, and hand each line to @take. */
gboolean m2d_importer_lines(M2dImporter *im,
			    gboolean (*take)(M2dImporter *im, const M2dLine *line, GError **error),
			    GError **error);
/* m2d_importer_bad_line: set @error for the byte at @pos (from 0) of @line; false. */
gboolean m2d_importer_bad_line(M2dImporter *im, const M2dLine *line, size_t pos, const char *what,
			       GError **error);

gboolean m2d_import_lackey(M2dImporter *im, GError **error);
gboolean m2d_import_din(M2dImporter *im, GError **error);
gboolean m2d_import_champsim(M2dImporter *im, GError **error);
gboolean m2d_import_mmtrace(M2dImporter *im, GError **error);
