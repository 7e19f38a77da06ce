/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of `mmu2d explore`. */
#pragma once

#include "sim/explore/drop.h"
#include "tools/cmd.h"

/* m2d_explore_drop: `--drop NAME` of a variant that @with shows to be clean. @how: its `story`
 * asks for a table of each counterexample, in lines of @width columns. @status: 3 if a bound was
 * reached. False with @error. */
bool m2d_explore_drop(const M2dExVariant *with, const char *name, const M2dScnOptions *options,
		      const M2dExVariantOptions *how, unsigned width, M2dJson *json, int *status,
		      GError **error);
