/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A JSON writer: calls come in document order, commas, indentation and escapes are its business.
 * In an object every call takes a key; in an array and at the top the key is NULL. Integers above
 * 2^53 are written exactly, addresses as hexadecimal strings.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct _M2dJson M2dJson;

M2dJson *m2d_json_new(void);
void m2d_json_object_begin(M2dJson *json, const char *key);
void m2d_json_object_end(M2dJson *json);
void m2d_json_array_begin(M2dJson *json, const char *key);
void m2d_json_array_end(M2dJson *json);
/* @value NULL writes null. Bytes that are not UTF-8 are replaced by U+FFFD. */
void m2d_json_string(M2dJson *json, const char *key, const char *value);
void m2d_json_uint(M2dJson *json, const char *key, uint64_t value);
void m2d_json_int(M2dJson *json, const char *key, int64_t value);
/* Not-a-number and infinities are written as null. */
void m2d_json_double(M2dJson *json, const char *key, double value);
void m2d_json_bool(M2dJson *json, const char *key, bool value);
/* As a string "0x..." */
void m2d_json_hex(M2dJson *json, const char *key, uint64_t value);
/* m2d_json_finish: the document with a newline at its end, to g_free(); frees @json. */
char *m2d_json_finish(M2dJson *json);
/* m2d_json_free: give the document up, finished or not; also of NULL. */
void m2d_json_free(M2dJson *json);
