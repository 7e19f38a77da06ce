/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See names.h. */
#include "sim/capture/names.h"

#include <glib.h>
#include <string.h>

struct _M2dCapNames {
	unsigned n, max, mask;
	char **text;
	size_t *len;
	uint16_t *slots; /* number + 1 by hash; 0: free */
};

static uint32_t hash(const char *p, size_t len)
{
	uint64_t a = 0, b = 0;

	if (len >= 8) {
		memcpy(&a, p, 8);
		memcpy(&b, p + len - 8, 8);
	} else {
		memcpy(&a, p, len);
	}
	a = (a ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	b = (b ^ a >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(b >> 32 ^ a >> 40);
}

static unsigned add(M2dCapNames *names, uint32_t slot, const char *p, size_t len)
{
	unsigned i = names->n++;

	names->text[i] = g_strndup(p, len);
	names->len[i] = len;
	names->slots[slot] = (uint16_t)(i + 1);
	return i;
}

unsigned m2d_cap_names_get(M2dCapNames *names, const char *p, size_t len)
{
	uint32_t slot = hash(p, len) & names->mask;

	for (; names->slots[slot] != 0; slot = (slot + 1) & names->mask) {
		unsigned i = names->slots[slot] - 1u;

		if (names->len[i] == len && memcmp(names->text[i], p, len) == 0)
			return i;
	}
	if (names->n + 1 < names->max)
		return add(names, slot, p, len);
	if (names->n < names->max)
		add(names, slot, "(more names)", 12);
	return names->max - 1;
}

M2dCapNames *m2d_cap_names_new(const char *const *fixed, unsigned n_fixed, unsigned max)
{
	M2dCapNames *names = g_new0(M2dCapNames, 1);
	unsigned slots = 64;

	while (slots < 4 * max)
		slots *= 2;
	names->max = max;
	names->mask = slots - 1;
	names->text = g_new0(char *, max);
	names->len = g_new0(size_t, max);
	names->slots = g_new0(uint16_t, slots);
	for (unsigned i = 0; i < n_fixed; i++)
		m2d_cap_names_get(names, fixed[i], strlen(fixed[i]));
	g_assert(names->n == n_fixed);
	return names;
}

void m2d_cap_names_free(M2dCapNames *names)
{
	if (names == NULL)
		return;
	for (unsigned i = 0; i < names->n; i++)
		g_free(names->text[i]);
	g_free(names->text);
	g_free(names->len);
	g_free(names->slots);
	g_free(names);
}

unsigned m2d_cap_names_count(const M2dCapNames *names)
{
	return names->n;
}

const char *m2d_cap_names_text(const M2dCapNames *names, unsigned i)
{
	return names->text[i];
}
