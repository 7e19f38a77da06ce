/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict reader of small settings files:
 *
 *	[section]
 *	key = value	# remark
 *
 * UTF-8; '#' starts a comment that runs to the end of the line; a key may stand once in its
 * section, a section once in the file. Values have no quotes and no escapes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Larger files are refused: settings are written by hand. */
#define M2D_INI_MAX_BYTES (1u << 20)

/* One `key = value` line. All strings live only during the call. */
typedef struct {
	const char *section;
	const char *key;
	const char *value;
	const char *remark; /* the comment on the same line without '#', or NULL */
	unsigned line;      /* from 1 */
	unsigned key_column;
	unsigned value_column;
} M2dIniItem;

/* Returns false with @error, whose message starts with neither file nor line, to stop. *@column is
 * the column to blame, preset to that of the value. */
typedef bool (*M2dIniFn)(const M2dIniItem *item, unsigned *column, void *data, GError **error);

/**
 * m2d_ini_read: call @fn for every item of @path, in order.
 * Errors of syntax and of @fn read "PATH:LINE:COLUMN: message".
 */
bool m2d_ini_read(const char *path, M2dIniFn fn, void *data, GError **error);
