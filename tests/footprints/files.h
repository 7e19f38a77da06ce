/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scenarios that a test goes through. */
#pragma once

#include <glib.h>

/* scenario_files: names of @argv[first..]: files, and of folders all scenarios in order. */
GPtrArray *scenario_files(int argc, char **argv, int first);
