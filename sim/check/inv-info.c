/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/check/invariant.h"

#include <string.h>

#include "sim/base/names.h"

static const M2dInvariant info[M2D_N_INVARIANTS] = {
#define INVARIANT(id, name, ids, statement, source, breakers)                                      \
	{name, ids, statement, source, breakers},
#include "sim/check/inv.def"
#undef INVARIANT
};

const char *m2d_invariant_near(const char *name)
{
	return M2D_NAME_NEAR(info, name, name);
}

const M2dInvariant *m2d_invariant(M2dInvariantId id)
{
	return &info[id];
}

/* Whether the list of words @words has @word. */
static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; (p = strstr(p, word)) != NULL; p += len)
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return len != 0;
	return false;
}

M2dInvariantId m2d_invariant_find(const char *name)
{
	unsigned id = M2D_NAME_INDEX(info, name, name);

	for (unsigned i = 0; i < M2D_N_INVARIANTS && id == M2D_N_INVARIANTS; i++)
		if (has_word(info[i].ids, name))
			id = i;
	return (M2dInvariantId)id;
}
