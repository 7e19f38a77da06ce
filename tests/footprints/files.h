/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scenarios that a test goes through. */
#pragma once

#include "sim/scenario/scenario.h"

/* scenario_files: names of @argv[first..]: files, and of folders all scenarios in order. */
GPtrArray *scenario_files(int argc, char **argv, int first);

/* each_variant: call @fn for each variant of these scenarios; -1: of one that has none. One that
 * cannot be read ends the program. */
typedef void (*VariantFn)(const M2dScenario *scenario, int variant, void *data);
void each_variant(int argc, char **argv, int first, VariantFn fn, void *data);
