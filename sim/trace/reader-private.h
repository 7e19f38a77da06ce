/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the reader share: its state, how it finds chunks and notes damage. */
#pragma once

#include "sim/trace/decode.h"
#include "sim/trace/source.h"

typedef struct {
	uint64_t offset, first_ref;
	uint32_t n_refs, kind;
} M2dIndexEntry;

struct _M2dTraceReader {
	M2dSource *source;
	unsigned flags;
	M2dTraceInfo info;
	M2dDecoder *decoder;
	GArray *meta;   /* of M2dTraceMeta */
	GArray *index;  /* of M2dIndexEntry; empty if it cannot be had */
	GArray *damage; /* of M2dTraceDamage */
	uint32_t *counts;
	uint32_t piece;        /* references of a batch at most */
	bool piece_left;       /* the decoder holds more of the chunk taken last */
	uint64_t piece_offset; /* of that chunk */
	uint64_t first_chunk;  /* offset */
	uint64_t next_ref;     /* ordinal that the next chunk should start with */
	uint64_t skip_to;      /* chunks that end at or before this ordinal are passed over */
	uint32_t next_sequence;
	bool resumed;     /* after a seek: take the next chunk's numbers as they are */
	bool gap;         /* the last damage's refs_lost waits for the next intact chunk */
	bool meta_loaded; /* all metadata are in; pass over them in the stream */
	bool done;
};

typedef enum {
	M2D_FIND_CHUNK,  /* an intact header */
	M2D_FIND_BROKEN, /* something else; the message says what */
	M2D_FIND_END,    /* end of file */
	M2D_FIND_FAILED, /* I/O error */
} M2dFind;

/* m2d_reader_error: set @error to "NAME: offset N: ...". */
void m2d_reader_error(M2dTraceReader *r, GError **error, uint64_t offset, const char *format, ...)
	G_GNUC_PRINTF(4, 5);
/* m2d_reader_add_damage: a hole starts at @offset, unless one is open; @text is taken. */
void m2d_reader_add_damage(M2dTraceReader *r, uint64_t offset, char *text);
/* m2d_reader_close_gap: the open hole, if any, ends at @offset, where reference @first_ref (~0:
 * unknown) follows. */
void m2d_reader_close_gap(M2dTraceReader *r, uint64_t offset, uint64_t first_ref);
/* m2d_reader_peek_header: parse the chunk header at the present byte. */
M2dFind m2d_reader_peek_header(M2dTraceReader *r, M2dChunkHeader *h, const char **what,
			       GError **error);
/* m2d_reader_peek_chunk: all of chunk @h; NULL with *what, or with @error on I/O errors. */
const uint8_t *m2d_reader_peek_chunk(M2dTraceReader *r, const M2dChunkHeader *h, const char **what,
				     GError **error);
/* m2d_reader_resync: go to the next intact chunk header behind the present byte. */
M2dFind m2d_reader_resync(M2dTraceReader *r, M2dChunkHeader *h, GError **error);

/* m2d_reader_take_meta: add the pairs in a metadata section. */
void m2d_reader_take_meta(M2dTraceReader *r, const uint8_t *p, size_t len);
/* m2d_reader_parse_trailer: totals into @info; false if the trailer is damaged. */
bool m2d_reader_parse_trailer(const uint8_t *p, M2dTraceInfo *info, uint64_t *index,
			      uint64_t *size);
/* m2d_reader_start: read what comes before the first record. */
gboolean m2d_reader_start(M2dTraceReader *r, GError **error);
