/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knobs: KVM's behaviours that changed at a commit (knobs.def), and kernel profiles, which are
 * settings of all of them. Code that differs between kernels asks the one knob it is about,
 *
 *	if (knobs->child_gfn_check && ...)
 *	switch (knobs->pv_flush) { case M2D_PV_FLUSH_HW: ...
 *
 * and never a version. A knob whose values are no and yes has them as 0 and 1.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Values: M2D_PV_FLUSH_HW, ..., and their number, M2D_PV_FLUSH_VALUES. */
#define KNOB(field, FIELD, name, where, source, what) enum {
#define VALUE(FIELD, V, name, text)                   M2D_##FIELD##_##V,
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)                                                                          \
	M2D_##FIELD##_VALUES                                                                       \
	}                                                                                          \
	;
#include "sim/vm/knobs.def"

typedef enum {
#define KNOB(field, FIELD, name, where, source, what) M2D_KNOB_##FIELD,
#define VALUE(FIELD, V, name, text)
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)
#include "sim/vm/knobs.def"
	M2D_N_KNOBS
} M2dKnobId;

/* One byte a knob, in the order of M2dKnobId; plain data, to be copied and compared as such. */
typedef struct {
#define KNOB(field, FIELD, name, where, source, what) uint8_t field;
#define VALUE(FIELD, V, name, text)
#define STEP(FIELD, major, minor, V, commits)
#define END(field, FIELD)
#include "sim/vm/knobs.def"
} M2dKnobs;

typedef struct {
	const char *name;
	const char *text;
} M2dKnobValue;

/* A change of mainline: from release @major.@minor on it does @value, since @commits (of 12
 * digits, separated by spaces). The first step of a knob has neither release nor commits. */
typedef struct {
	uint8_t major;
	uint8_t minor;
	uint8_t value;
	const char *commits;
} M2dKnobStep;

typedef struct {
	const char *name;   /* in scenario files, behind "kvm." */
	const char *where;  /* the part of the model it matters to */
	const char *source; /* ids in the catalogue of behaviours and bugs */
	const char *what;   /* the situation that the texts of the values are about */
	const M2dKnobValue *values;
	unsigned n_values;
	const M2dKnobStep *steps; /* oldest first */
	unsigned n_steps;
} M2dKnob;

/* The profile of a scenario or replay that names none. */
#define M2D_KNOBS_DEFAULT "6.12"

/* m2d_knob: all there is to say about a knob. */
const M2dKnob *m2d_knob(M2dKnobId id);
/**
 * m2d_knob_find: the knob called @name ('_' and '-' are the same), for M2dKnobId.
 * Returns -1 with an error that proposes a near name.
 */
int m2d_knob_find(const char *name, GError **error);

/**
 * m2d_knobs_profile: set all knobs as a kernel has them.
 * @version: a release MAJOR.MINOR, meaning that of mainline, then any number of +COMMIT
 *   (backported) and -COMMIT (reverted): "5.18+cf4a8693d97a", "6.12-aa8d1f48d353"
 * A commit is at least 7 hexadecimal digits of one that knobs.def names. A backport must be of a
 * change that the kernel does not have yet, a revert of the last change to its knob; a backport of
 * a later change of a knob takes the earlier ones for granted. Leaves @knobs alone on error.
 */
bool m2d_knobs_profile(M2dKnobs *knobs, const char *version, GError **error);

/* m2d_profile_name: the @index-th release with a profile worth naming, oldest first, or NULL. */
const char *m2d_profile_name(unsigned index);

/* m2d_knobs_set: set knob @name to the value called @value. */
bool m2d_knobs_set(M2dKnobs *knobs, const char *name, const char *value, GError **error);
/* m2d_knobs_get: the value of a knob, an index into M2dKnob.values. */
unsigned m2d_knobs_get(const M2dKnobs *knobs, M2dKnobId id);
/* m2d_knobs_put: set a knob by the number of its value. */
void m2d_knobs_put(M2dKnobs *knobs, M2dKnobId id, unsigned value);
/* m2d_knobs_value_name: the name of the value of a knob. */
const char *m2d_knobs_value_name(const M2dKnobs *knobs, M2dKnobId id);

/* m2d_knobs_equal: whether two settings are the same. */
bool m2d_knobs_equal(const M2dKnobs *a, const M2dKnobs *b);
/**
 * m2d_knobs_describe: @version and what @knobs have otherwise, such as "6.12 pv-flush=hw";
 * g_free().
 * @version: as m2d_knobs_profile() takes it
 */
char *m2d_knobs_describe(const M2dKnobs *knobs, const char *version);

/* m2d_knobs_foreach: all knobs in canonical order with their values. */
void m2d_knobs_foreach(const M2dKnobs *knobs,
		       void (*fn)(const M2dKnob *knob, const M2dKnobValue *value, void *data),
		       void *data);
