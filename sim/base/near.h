/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Did you mean ...?": the nearest of a set of names. */
#pragma once

/**
 * m2d_near_better: one step of a search for the name that a typist of @word meant.
 * @best: best so far, or NULL
 * Returns @candidate if it is near @word (by edit distance, swapped neighbours counting once) and
 * nearer than @best, else @best. Case does not matter.
 */
const char *m2d_near_better(const char *word, const char *best, const char *candidate);
