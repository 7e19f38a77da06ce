/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The teaching view of one translation: the two-dimensional grid. Columns are levels of the first
 * dimension and the final address, rows are levels of the second and, below, the first-dimension
 * entries that they lead to. The functions return whole documents, to g_free().
 */
#pragma once

#include <glib.h>

#include "sim/replay/walkview.h"

/* m2d_walk_text: for a terminal, at most 120 columns wide. */
char *m2d_walk_text(const M2dWalkView *view);

/**
 * m2d_walk_json: one JSON document. Keys that other programs rely on: refs, steps (array of
 * dimension, level, entry_address, entry_value, ...), result.
 */
char *m2d_walk_json(const M2dWalkView *view);

/* m2d_walk_svg: a picture that stands alone. */
char *m2d_walk_svg(const M2dWalkView *view);

/**
 * m2d_walk_html: the picture in a page that steps through the reads in order, for a projector.
 * One file: no network, no other file.
 */
char *m2d_walk_html(const M2dWalkView *view);
