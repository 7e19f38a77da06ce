/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The native trace format (.m2t, mmu2d-trace(5)): writer, reader, cursor. Everything outside this
 * folder includes this header only.
 *
 * A writer takes single records and makes chunks of them; a reader gives one chunk at a time as a
 * M2dBatch; a cursor gives single records again, with their counts, for tools that copy traces.
 * None of the objects is thread-safe; each may be used by a thread of its own. Memory is bounded
 * by a few chunks, whatever the file says.
 *
 * Paths: "-" is stdin or stdout. A regular output file is written under a temporary name beside
 * PATH and renamed by m2d_trace_writer_close(); a device or a pipe is written directly.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/trace/record.h"

/* M2dTraceInfo.flags: what a trace carries. */
#define M2D_TRACE_HAS_PA (1u << 0) /* references carry the true physical frame */
#define M2D_TRACE_HAS_TABLES                                                                       \
	(1u << 1)                    /* pages at the start and all stores to tables: replay        \
					uses them instead of a guest model */
#define M2D_TRACE_FILTERED (1u << 2) /* the recorder left references out; n counts them */

/* Bounds of one batch. */
#define M2D_TRACE_MAX_BATCH_REFS (256u << 10)
#define M2D_TRACE_MAX_VCPUS      256u

typedef struct {
	char *key;
	char *value;
} M2dTraceMeta;

/* Writers look at flags and n_vcpus only. */
typedef struct {
	uint32_t flags;   /* M2D_TRACE_* */
	unsigned n_vcpus; /* 1..M2D_TRACE_MAX_VCPUS; records name vCPUs below it */

	unsigned version_major, version_minor;
	/* Totals from the end of the file; known is false while they cannot be had (a pipe that
	 * has not ended, a damaged file), and then all four are what was read so far. */
	bool known;
	uint64_t refs, events, pages, chunks;
	const M2dTraceMeta *meta; /* in file order; owned by the reader */
	unsigned n_meta;
} M2dTraceInfo;

/**
 * M2dTraceProgress: called now and then by long work. @done of @total units (0: unknown).
 * Returns false to give up: the work fails with %M2D_ERROR_TRANSIENT and leaves no output.
 */
typedef bool (*M2dTraceProgress)(uint64_t done, uint64_t total, void *data);

/* m2d_batch_clear: free what the batch's arrays hold and make it empty; the struct is the caller's.
 * A batch starts as all zero. */
void m2d_batch_clear(M2dBatch *batch);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(M2dBatch, m2d_batch_clear)

/* --- writing -------------------------------------------------------------------------------- */

typedef struct _M2dTraceWriter M2dTraceWriter;

/**
 * m2d_trace_writer_new: start a trace at @path.
 * Returns NULL with @error if the file cannot be made or @info is out of range. End with
 * m2d_trace_writer_close() or m2d_trace_writer_abort().
 */
M2dTraceWriter *m2d_trace_writer_new(const char *path, const M2dTraceInfo *info, GError **error);

/**
 * m2d_trace_writer_meta: attach @key=@value (both copied; up to 64 KiB in all). Pairs given before
 * the first record come first in the file, so that readers of a pipe see them too.
 */
gboolean m2d_trace_writer_meta(M2dTraceWriter *writer, const char *key, const char *value,
			       GError **error);
/**
 * m2d_trace_writer_page: memory at the start of the trace; before any other record.
 * @pa: physical address, a multiple of 4096, below 2^52
 * @data: 4096 bytes, or NULL for zeros
 */
gboolean m2d_trace_writer_page(M2dTraceWriter *writer, uint64_t pa, const void *data,
			       GError **error);
/**
 * m2d_trace_writer_ref: append a reference of @vcpu. M2D_REF_CROSS is ignored: readers compute it.
 * @n: of a fetch, instructions it stands for; in a filtered trace, references left out before it;
 *     else 1
 */
gboolean m2d_trace_writer_ref(M2dTraceWriter *writer, unsigned vcpu, M2dRef ref, uint32_t n,
			      GError **error);
/* m2d_trace_writer_event: append an event, ordered with the references as the calls are. */
gboolean m2d_trace_writer_event(M2dTraceWriter *writer, const M2dTraceEvent *event, GError **error);
/* m2d_trace_writer_close: write what is pending and the index, put the file in its place. Frees
 * the writer in any case; on failure nothing is left behind. */
gboolean m2d_trace_writer_close(M2dTraceWriter *writer, GError **error);
/* m2d_trace_writer_abort: drop everything written; NULL is allowed. */
void m2d_trace_writer_abort(M2dTraceWriter *writer);

/* --- reading -------------------------------------------------------------------------------- */

typedef struct _M2dTraceReader M2dTraceReader;

#define M2D_TRACE_RECOVER (1u << 0) /* skip damaged parts and list them; see ..._damage() */
#define M2D_TRACE_COUNTS  (1u << 1) /* decode n too, check every byte; see ..._counts() */

/* A part of the file that could not be used. */
typedef struct {
	uint64_t offset;    /* first damaged byte's chunk */
	uint64_t length;    /* bytes skipped */
	uint64_t refs_lost; /* ~0: cannot be told (the end of the file is missing) */
	char *text;         /* one line: what is wrong */
} M2dTraceDamage;

/**
 * m2d_trace_reader_open: open @path; pipes are fine, but cannot be seeked.
 * @flags: M2D_TRACE_RECOVER, M2D_TRACE_COUNTS
 */
M2dTraceReader *m2d_trace_reader_open(const char *path, unsigned flags, GError **error);
void m2d_trace_reader_close(M2dTraceReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dTraceReader, m2d_trace_reader_close)

/* m2d_trace_reader_info: owned by the reader; totals grow while reading if not known. */
const M2dTraceInfo *m2d_trace_reader_info(const M2dTraceReader *reader);

/**
 * m2d_trace_reader_next: decode the next chunk into @batch (all zero at first, then reused; ends
 * with m2d_batch_clear()). Pages come first, in batches without references.
 * Returns 1 with a batch, 0 at the end, -1 with @error.
 */
int m2d_trace_reader_next(M2dTraceReader *reader, M2dBatch *batch, GError **error);

/**
 * m2d_trace_reader_set_piece: let a batch be at most @refs references of a chunk, so that it stays
 * in a processor's cache on its way to another thread; 0, the default: whole chunks. Sums over the
 * chunk (elided, instructions) come with its first piece. Ignored with M2D_TRACE_RECOVER: of a
 * damaged chunk nothing may be used.
 */
void m2d_trace_reader_set_piece(M2dTraceReader *reader, uint32_t refs);

/**
 * m2d_trace_reader_seek: go on with the chunk that holds reference @ref (0 is the first; the end
 * if the trace has fewer); ordinal 0 rewinds to the pages. Events before it are passed over: a
 * consumer that needs their effect reads from the start. Fails on a pipe.
 */
gboolean m2d_trace_reader_seek(M2dTraceReader *reader, uint64_t ref, GError **error);

/* m2d_trace_reader_counts: n of each reference of the last batch; NULL without M2D_TRACE_COUNTS. */
const uint32_t *m2d_trace_reader_counts(const M2dTraceReader *reader);

/* m2d_trace_reader_skipped: records of unknown kinds passed over so far. */
uint64_t m2d_trace_reader_skipped(const M2dTraceReader *reader);

/* m2d_trace_reader_damage: what was skipped so far; the array is the reader's. */
const M2dTraceDamage *m2d_trace_reader_damage(const M2dTraceReader *reader, unsigned *n);

/* m2d_trace_reader_bytes: bytes of the file consumed so far and in all (0: unknown). */
uint64_t m2d_trace_reader_bytes(const M2dTraceReader *reader, uint64_t *total);

/* --- record by record ----------------------------------------------------------------------- */

typedef enum {
	M2D_RECORD_PAGE,
	M2D_RECORD_EVENT,
	M2D_RECORD_REF,
} M2dRecordType;

typedef struct {
	M2dRecordType type;
	unsigned vcpu;    /* of a reference or an event */
	uint64_t ordinal; /* references before this record */
	M2dRef ref;
	uint32_t n; /* of the reference */
	M2dTraceEvent event;
	M2dTracePage page; /* data valid until the next call */
} M2dTraceRecord;

typedef struct _M2dTraceCursor M2dTraceCursor;

/* m2d_trace_cursor_open: read @path record by record; @flags as m2d_trace_reader_open(). */
M2dTraceCursor *m2d_trace_cursor_open(const char *path, unsigned flags, GError **error);
void m2d_trace_cursor_close(M2dTraceCursor *cursor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dTraceCursor, m2d_trace_cursor_close)
/* m2d_trace_cursor_reader: the reader below, for its info and damage list. */
M2dTraceReader *m2d_trace_cursor_reader(M2dTraceCursor *cursor);
/* m2d_trace_cursor_seek: the next record is the first of the chunk that holds @ref. */
gboolean m2d_trace_cursor_seek(M2dTraceCursor *cursor, uint64_t ref, GError **error);
/* m2d_trace_cursor_next: 1 with a record, 0 at the end, -1 with @error. */
int m2d_trace_cursor_next(M2dTraceCursor *cursor, M2dTraceRecord *record, GError **error);

/* --- text ----------------------------------------------------------------------------------- */

/* m2d_trace_ref_name: "read", "write", "fetch". */
const char *m2d_trace_ref_name(unsigned kind);
/* m2d_trace_event_name: "reg", "invlpg", ..., "event" for kinds without a name. */
const char *m2d_trace_event_name(unsigned kind);
/* m2d_trace_reg_name: "cr0", ... for M2dTraceReg without M2D_TR_INITIAL; "reg" if unknown. */
const char *m2d_trace_reg_name(unsigned reg);
