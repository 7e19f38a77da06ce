/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario as it was written: settings and their variants, what exists before the first step,
 * the steps of the actors, orders to try, claims about the end. mmu2d-scenario(5) is the language.
 *
 * A parsed scenario never changes and owns everything that it points at. Every node knows its
 * place in the file. Names that the models define (knobs, points, invariants) are checked through
 * M2dScenarioTables, so that the language does not depend on the models.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/kvm/op.h"
#include "sim/scenario/claim.h"
#include "sim/scenario/place.h"

#define M2D_SCENARIO_VERSION 1u
/* Larger files are refused: scenarios are written by hand, and are to be read. */
#define M2D_SCENARIO_MAX_BYTES (256u * 1024u)
#define M2D_SCENARIO_MAX_LINES 4096u
#define M2D_SCENARIO_MAX_LINE  1000u /* bytes */

/* --- settings ------------------------------------------------------------------------------- */

typedef enum {
	M2D_SCN_TEXT,
	M2D_SCN_BOOL,
	M2D_SCN_UINT,
	M2D_SCN_SIZE,
	M2D_SCN_ENUM,
} M2dScnSettingType;

typedef struct {
	const char *key;
	M2dScnSettingType type;
	const char *preset; /* what holds where nothing is set */
	const char *domain; /* as settings.def explains */
	const char *text;   /* one line for the manual */
} M2dScnSettingInfo;

/* Rows of settings.def, then the two open families. */
enum {
#define SETTING(field, key, type, preset, domain, text) M2D_SCN_SET_##field,
#include "sim/scenario/settings.def"
#undef SETTING
	M2D_N_SCN_SETTINGS,
	M2D_SCN_SET_KNOB = M2D_N_SCN_SETTINGS, /* kvm.NAME */
	M2D_SCN_SET_BUG,                       /* bug.NAME */
};

extern const M2dScnSettingInfo m2d_scn_setting_info[M2D_N_SCN_SETTINGS];

typedef struct {
	M2dScnPlace place;
	M2dScnPlace value_place;
	unsigned index;    /* M2D_SCN_SET_... */
	const char *key;   /* as written */
	const char *name;  /* of a knob or bug: the key behind the dot */
	const char *value; /* as written */
	uint64_t number;   /* value, unless it is text */
} M2dScnSetting;

/* --- results of steps ----------------------------------------------------------------------- */

typedef enum {
	M2D_SCN_RESULT_NONE, /* no "->" */
#define RESULT(name, word, argument, text) M2D_SCN_RESULT_##name,
#include "sim/scenario/results.def"
#undef RESULT
	M2D_N_SCN_RESULTS
} M2dScnResultKind;

typedef struct {
	M2dScnPlace place;
	M2dScnResultKind kind;
	bool given;      /* an argument stands there */
	uint64_t number; /* hpa, value, error code; young: 1 or 0 */
	uint64_t *gfns;  /* dirty: ascending, each once */
	unsigned n_gfns;
} M2dScnResult;

/* m2d_scn_result_word: "hpa" and so on; NULL for M2D_SCN_RESULT_NONE. */
const char *m2d_scn_result_word(M2dScnResultKind kind);
/* m2d_scn_result_text: a result as it is written behind "->"; g_free(). */
char *m2d_scn_result_text(const M2dScnResult *result);

/* --- variants ------------------------------------------------------------------------------- */

typedef struct {
	M2dScnPlace place;
	const char *text;
} M2dScnName;

/* A "result @LABEL = ..." line: replaces what stands behind the step's "->". */
typedef struct {
	M2dScnPlace place;
	unsigned step;
	M2dScnResult result;
} M2dScnOverride;

typedef struct {
	M2dScnPlace place;
	const char *name;
	const M2dScnSetting *settings;
	unsigned n_settings;
	M2dScnPlace expect_place; /* line 0: not given, which means clean */
	const M2dScnName *expect; /* invariants that must be violated; none: clean */
	unsigned n_expect;
	const M2dScnOverride *overrides;
	unsigned n_overrides;
} M2dScnVariant;

/* --- layout --------------------------------------------------------------------------------- */

typedef enum {
#define OBJECT(name, noun, head, keys, text) M2D_SCN_##name,
#include "sim/scenario/layout.def"
#undef OBJECT
	M2D_N_SCN_OBJECTS
} M2dScnObjectKind;

typedef struct {
	M2dScnPlace place;
	M2dScnObjectKind kind;
	union {
		struct {
			unsigned id, as;
			uint64_t first, last; /* bytes of guest-physical memory */
			bool has_hva;
			uint64_t hva;
			bool readonly, log_dirty;
			unsigned shift; /* log2 of the size of the host's pages */
		} slot;
		struct {
			const char *name;
			bool has_page;
			uint64_t page; /* guest-physical address of the top table */
		} gpt;
		struct {
			uint64_t first, last; /* linear addresses: bytes */
			uint64_t gpa;         /* of the first */
			unsigned gpt;         /* index in M2dScenario.gpts */
			uint64_t rights;      /* M2D_OP_RIGHT_... */
			unsigned shift;       /* log2 of the page size: 12, 21, 22 or 30 */
		} gva;
		struct {
			uint64_t first, last;
		} tables;
		struct {
			unsigned vcpu, gpt, pcid;
		} cr3;
		struct {
			uint64_t gpa, value;
			unsigned size;
		} memory;
	};
} M2dScnObject;

/* --- steps ---------------------------------------------------------------------------------- */

typedef enum {
	M2D_SCN_ACTOR_VCPU,
	M2D_SCN_ACTOR_HOST,
	M2D_SCN_ACTOR_WORKER,
} M2dScnActorKind;

typedef struct {
	M2dScnActorKind kind;
	unsigned number; /* of a vCPU; else 0 */
} M2dScnActor;

typedef struct {
	M2dScnPlace place;
	M2dScnPlace actor_place, verb_place, until_place;
	const char *label; /* without '@'; or NULL */
	M2dScnActor actor;
	unsigned column;     /* index of the actor in M2dScenario.actors */
	bool is_continue;    /* resumes the actor: there is no operation */
	M2dOp op;            /* addresses of guest spaces and vCPUs as op.def says */
	const char *text;    /* verb and arguments as written, in one line */
	const char *until;   /* point to stop at, or NULL */
	M2dScnResult result; /* kind M2D_SCN_RESULT_NONE: any will do */
} M2dScnStep;

/* m2d_scn_actor_text: "vcpu0", "host"; g_free(). */
char *m2d_scn_actor_text(M2dScnActor actor);

/* --- orders --------------------------------------------------------------------------------- */

typedef enum {
	M2D_SCN_AS_WRITTEN,
	M2D_SCN_EXPLORE,
	M2D_SCN_PERM,
} M2dScnOrderKind;

typedef struct {
	M2dScnPlace place;
	M2dScnOrderKind kind;
	bool bounded;          /* explore: "preempt<=N" was given */
	unsigned preempt;      /* N */
	unsigned hw;           /* explore: "hw<=N": what each processor may do of itself */
	const unsigned *steps; /* perm: all steps in their new order */
	unsigned n_steps;
} M2dScnOrder;

/* --- the whole ------------------------------------------------------------------------------ */

typedef struct _M2dScnLine M2dScnLine; /* for the formatter */
typedef struct _M2dScnPool M2dScnPool; /* memory of all nodes */

typedef struct {
	const char *path;
	/* The header; NULL where a line is missing. */
	const char *title, *origin, *tags, *doc;
	const M2dScnSetting *settings; /* of [machine] */
	unsigned n_settings;
	const M2dScnVariant
		*variants; /* none: the scenario has one, without a name, that is clean */
	unsigned n_variants;
	const M2dScnObject *objects;
	unsigned n_objects;
	const char *const *gpts; /* guest address spaces by index */
	unsigned n_gpts;
	const M2dScnStep *steps;
	unsigned n_steps;
	/* Actors that take steps: vCPUs by number, host, worker. */
	const M2dScnActor *actors;
	unsigned n_actors;
	const M2dScnOrder *orders; /* none: as written */
	unsigned n_orders;
	const M2dScnClaim *claims;
	unsigned n_claims;
	/* Private. */
	const M2dScnLine *lines;
	unsigned n_lines;
	M2dScnPool *pool;
} M2dScenario;

/* Kinds of names that the models define. */
typedef enum {
	M2D_SCN_NAME_POINT,
	M2D_SCN_NAME_INVARIANT,
	M2D_SCN_NAME_BUG,
	M2D_SCN_NAME_EVENT,
} M2dScnNameKind;

/* What the models know. A callback that is NULL accepts everything. */
typedef struct {
	/* name_at: name @index of @kind, or NULL after the last. */
	const char *(*name_at)(M2dScnNameKind kind, unsigned index);
	/* Both set @error, whose message has no place, if they refuse. */
	bool (*profile)(const char *text, GError **error);
	bool (*knob)(const char *name, const char *value, GError **error);
	/* event_key: whether events called @event have a field @key. */
	bool (*event_key)(const char *event, const char *key);
} M2dScenarioTables;

/* The names of our models. */
extern const M2dScenarioTables m2d_scenario_models;

/**
 * m2d_scenario_parse: the scenario in @len bytes of @text.
 * @path: for messages
 * @tables: names to check against; NULL: none is checked
 * The message of an error reads "PATH:LINE:COLUMN: what, expected what".
 */
M2dScenario *m2d_scenario_parse(const char *path, const char *text, gsize len,
				const M2dScenarioTables *tables, GError **error);

/* m2d_scenario_load: the same for a file; "-" is standard input. */
M2dScenario *m2d_scenario_load(const char *path, const M2dScenarioTables *tables, GError **error);

/* m2d_scenario_read: the bytes of a file that m2d_scenario_load() would parse; g_free(). */
char *m2d_scenario_read(const char *path, gsize *len, GError **error);

/* m2d_scenario_free: also of NULL. */
void m2d_scenario_free(M2dScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dScenario, m2d_scenario_free)

/* m2d_scenario_find_step: index of the step labelled @label, or -1. */
int m2d_scenario_find_step(const M2dScenario *scenario, const char *label);

/* m2d_scenario_find_variant: index of the variant called @name, or -1. */
int m2d_scenario_find_variant(const M2dScenario *scenario, const char *name);
/* m2d_scenario_variant: the same, in @variant; false with @error, which says what it may be. */
bool m2d_scenario_variant(const M2dScenario *scenario, const char *name, int *variant,
			  GError **error);

/* m2d_scenario_result: what step @step should give in @variant (-1: no variant). */
const M2dScnResult *m2d_scenario_result(const M2dScenario *scenario, int variant, unsigned step);
