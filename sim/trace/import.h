/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Importers: foreign traces to native ones, streaming, in bounded memory. Input is plain or gzip
 * (told by its magic), a file or "-" for stdin. Any error leaves no output behind and names the
 * place: line and column of text, byte offset of binary data (of the decompressed data if the
 * input is gzip).
 *
 * Addresses of user-mode tracers (lackey, din, ChampSim) become references at CPL 3 of one vCPU
 * without physical addresses; replay makes page tables for them.
 */
#pragma once

#include "sim/trace/trace.h"

typedef enum {
	M2D_IMPORT_AUTO, /* tell by the first bytes */
	M2D_IMPORT_LACKEY,
	M2D_IMPORT_DIN,
	M2D_IMPORT_CHAMPSIM,
	M2D_IMPORT_MMTRACE,
	M2D_N_IMPORTS,
} M2dImportFormat;

typedef struct {
	M2dImportFormat format;    /* the one asked for or found */
	M2dTraceProgress progress; /* may be NULL */
	void *progress_data;

	/* Filled by m2d_import(). */
	uint32_t flags; /* of the trace written */
	unsigned n_vcpus;
	uint64_t refs[3];     /* reads, writes, fetches */
	uint64_t events[256]; /* by M2dEventKind */
	uint64_t pages;
	uint64_t instructions, elided;
	uint64_t skipped; /* lines or records without a reference: banners, comments, escapes */
	uint64_t split;   /* references added because one of more than 255 bytes was cut up */
} M2dImport;

/* m2d_import_format: by name; M2D_N_IMPORTS if there is none. */
M2dImportFormat m2d_import_format(const char *name);
const char *m2d_import_format_name(M2dImportFormat format);

/* m2d_import: read @in, write the native trace @out. */
gboolean m2d_import(M2dImport *import, const char *in, const char *out, GError **error);
