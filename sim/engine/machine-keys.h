/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of machine settings: one row a key, the only place that joins text and fields. */
#pragma once

#include "sim/engine/machine.h"

typedef enum {
	M2D_KEY_TEXT,
	M2D_KEY_VENDOR, /* intel, amd */
	M2D_KEY_DOUBLE,
	M2D_KEY_UINT,
	M2D_KEY_BOOL,     /* yes, no */
	M2D_KEY_GEOMETRY, /* ENTRIES/WAYS, ENTRIES/full, none */
	M2D_KEY_ONE_G,    /* none, own, smash */
	M2D_KEY_LEVELS,   /* words of pde pdpte pml4 pml5, or none */
	M2D_KEY_CACHE,    /* BYTES/WAYS with suffix K or M, or none */
} M2dKeyType;

/* Whose machines must give the key in their file. */
typedef enum {
	M2D_KEY_OF_ALL,
	M2D_KEY_OF_INTEL,
	M2D_KEY_OF_AMD,
} M2dKeyOwner;

typedef struct {
	const char *section;
	const char *key;
	M2dKeyType type;
	size_t offset; /* in M2dMachine */
	double min;    /* numbers only */
	double max;
	M2dKeyOwner owner;
	const char *text; /* what it is, with its unit */
} M2dKey;

extern const M2dKey m2d_machine_keys[];
extern const unsigned m2d_machine_n_keys;

/* m2d_machine_key_find: index of section.key ('_' and '-' are the same), or -1. */
int m2d_machine_key_find(const char *section, const char *key);
/* m2d_machine_key_parse: set field @index from @text; the message starts with the key. */
bool m2d_machine_key_parse(M2dMachine *machine, unsigned index, const char *text, GError **error);
/* m2d_machine_key_format: the field in the syntax that m2d_machine_key_parse() reads; g_free(). */
char *m2d_machine_key_format(const M2dMachine *machine, unsigned index);
