/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Settings as text: "key=value" into a plain structure and back, driven by a table. Every setting
 * of a model can be given with --set and is recorded with a run in the same words.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
	M2D_SETTING_SHARE, /* double from 0 to 1 */
	M2D_SETTING_REAL,  /* double from @min to @max */
	M2D_SETTING_BYTES, /* uint64_t, suffixes k, M, G and T (powers of 1024) */
	M2D_SETTING_UINT,  /* uint64_t */
	M2D_SETTING_BOOL,  /* bool: yes or no */
	M2D_SETTING_NAME,  /* unsigned: index into @names */
} M2dSettingType;

typedef struct {
	const char *key;
	M2dSettingType type;
	size_t offset;            /* of the field in the structure */
	uint64_t min, max;        /* REAL, BYTES and UINT: both included */
	const char *const *names; /* NAME: NULL-terminated */
	const char *text;         /* one line of what it sets */
} M2dSetting;

/**
 * m2d_settings_set: parse "key=value" and store it in @config.
 * @table: ends with an entry whose key is NULL
 * An unknown key or a bad value is an error that names the key and what was expected; @config is
 * then unchanged.
 */
bool m2d_settings_set(const M2dSetting *table, void *config, const char *assignment,
		      GError **error);

/* m2d_settings_foreach: call @fn with each key and its value as m2d_settings_set() takes it. */
void m2d_settings_foreach(const M2dSetting *table, const void *config,
			  void (*fn)(const char *key, const char *value, void *data), void *data);

/**
 * m2d_settings_parse_bytes: parse a number of bytes such as "4096", "64k" or "1.5G".
 * False if @text is anything else, is negative or does not fit.
 */
bool m2d_settings_parse_bytes(const char *text, uint64_t *bytes);
