/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traces that are well-formed and make no sense: every record is one that the format allows, and
 * no processor ever did this. Tables lead to themselves and out of memory, registers hold what no
 * instruction loads, entries and exits come in any order, and some of it is sensible, so that the
 * rest is reached.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * hostile_write: write the trace of @seed to @path; equal seeds, equal bytes.
 * @records: about how many references and events
 */
bool hostile_write(uint64_t seed, unsigned records, const char *path, GError **error);
