/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a name to its place in a table of records that have one; most are made of a .def file. */
#pragma once

#include <stddef.h>

#include "sim/base/bits.h"

/* M2D_NAME_INDEX: the index of the record of array @table whose @field is @name; its length if
 * there is none. */
#define M2D_NAME_INDEX(table, field, name)                                                         \
	m2d_name_index(&(table)[0].field, sizeof((table)[0]), M2D_N_ELEMENTS(table), name)

/* M2D_NAME_NEAR: the @field that a typist of @name may have meant, or NULL. */
#define M2D_NAME_NEAR(table, field, name)                                                          \
	m2d_name_near(&(table)[0].field, sizeof((table)[0]), M2D_N_ELEMENTS(table), name)

/* m2d_name_index: as M2D_NAME_INDEX(): @n names, @stride bytes from one to the next. */
unsigned m2d_name_index(const char *const *first, size_t stride, unsigned n, const char *name);
/* m2d_name_near: as M2D_NAME_NEAR(). */
const char *m2d_name_near(const char *const *first, size_t stride, unsigned n, const char *name);
