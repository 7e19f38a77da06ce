/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/base/near.h"

#include <glib.h>
#include <string.h>

#define MAX_WORD 64

/* Edit distance with transposition of neighbours (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
	size_t la = strlen(a);
	size_t lb = strlen(b);
	unsigned rows[3][MAX_WORD + 1];

	if (la > MAX_WORD || lb > MAX_WORD)
		return G_MAXUINT;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *up = rows[(i - 1) % 3];
		const unsigned *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			char ca = g_ascii_tolower(a[i - 1]);
			char cb = g_ascii_tolower(b[j - 1]);
			unsigned best = up[j - 1] + (ca != cb);

			best = MIN(best, MIN(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && ca == g_ascii_tolower(b[j - 2]) &&
			    cb == g_ascii_tolower(a[i - 2]))
				best = MIN(best, up2[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[la % 3][lb];
}

const char *m2d_near_better(const char *word, const char *best, const char *candidate)
{
	/* A third of the letters wrong is a typing error, more is another word. */
	unsigned limit = MAX(1, (unsigned)(MAX(strlen(word), strlen(candidate)) + 1) / 3);
	unsigned d = distance(word, candidate);

	if (d > limit)
		return best;
	if (best != NULL && distance(word, best) <= d)
		return best;
	return candidate;
}
