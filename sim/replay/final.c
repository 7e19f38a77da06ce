/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of all tables at the end against a recorded one: are A and D exactly right? */
#include <string.h>
#include <errno.h>
#include <zlib.h>

#include "sim/base/error.h"
#include "sim/base/x86pte.h"
#include "sim/replay/replay-private.h"

static void compare_page(const uint64_t *ours, const uint64_t *theirs, M2dFinalDiff *d)
{
	const uint64_t ad = M2D_PTE_A | M2D_PTE_D;

	for (int i = 0; i < 512; i++) {
		uint64_t missing = theirs[i] & ~ours[i], extra = ours[i] & ~theirs[i];

		if (!((ours[i] | theirs[i]) & M2D_PTE_P))
			continue;
		d->entries++;
		if ((ours[i] ^ theirs[i]) & ~ad)
			d->other++;
		d->missing_a += (missing & M2D_PTE_A) != 0;
		d->missing_d += (missing & M2D_PTE_D) != 0;
		d->extra_a += (extra & M2D_PTE_A) != 0;
		d->extra_d += (extra & M2D_PTE_D) != 0;
	}
}

/* Why the last read gave @n bytes, which are neither a record nor the end; @offset: of the read. */
static void read_error(gzFile f, const char *path, uint64_t offset, int n, GError **error)
{
	int code = Z_OK, errnum = errno;
	const char *why = gzerror(f, &code);

	if (code == Z_ERRNO)
		m2d_error_from_errno(error, errnum, "read", path);
	else if (code != Z_OK)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: byte %" G_GUINT64_FORMAT " of the decompressed data: %s", path,
			    offset + (n > 0 ? (uint64_t)n : 0),
			    code == Z_BUF_ERROR ? "the compressed data end too early" : why);
	else
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "%s: byte %" G_GUINT64_FORMAT
			    ": expected a record of 4104 bytes%s, found %d bytes",
			    path, offset, offset != 0 ? " or the end of the file" : "", n);
}

static bool compare_all(M2dReplay *r, gzFile f, const char *path, M2dFinalDiff *diff,
			GError **error)
{
	uint64_t record[513];
	uint64_t offset = 0;
	int n, code;

	while ((n = gzread(f, record, sizeof(record))) == (int)sizeof(record)) {
		const uint64_t *ours;

		if (record[0] & 4095 || record[0] >> M2D_PHYS_BITS) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "%s: byte %" G_GUINT64_FORMAT
				    ": expected the address of a page, found 0x%" G_GINT64_MODIFIER
				    "x",
				    path, offset, record[0]);
			return false;
		}
		ours = m2d_space_frame(m2d_world_space(r->world), record[0] >> M2D_PAGE_SHIFT);
		diff->pages++;
		if (ours == NULL)
			diff->absent++;
		else
			compare_page(ours, record + 1, diff);
		offset += sizeof(record);
	}
	gzerror(f, &code);
	/* At a damaged end zlib reads 0 bytes as at a good one, but says so. */
	if (n == 0 && code == Z_OK && offset != 0)
		return true;
	read_error(f, path, offset, n, error);
	return false;
}

bool m2d_replay_final(M2dReplay *r, const char *path, M2dFinalDiff *diff, GError **error)
{
	gzFile f = gzopen(path, "rb");
	bool ok;

	*diff = (M2dFinalDiff){0};
	if (f == NULL) {
		m2d_error_from_errno(error, errno, "open", path);
		return false;
	}
	ok = compare_all(r, f, path, diff, error);
	gzclose(f);
	return ok;
}
