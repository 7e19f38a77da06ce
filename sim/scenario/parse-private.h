/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the parser, and for the formatter and lint, which look at lines. */
#pragma once

#include "sim/scenario/scenario.h"

typedef enum {
	M2D_SCN_LINE_BLANK,
	M2D_SCN_LINE_COMMENT, /* nothing else on it */
	M2D_SCN_LINE_HEADER,  /* the version too */
	M2D_SCN_LINE_DOC,     /* continues "doc" */
	M2D_SCN_LINE_SECTION,
	M2D_SCN_LINE_SETTING, /* of [machine] or [variant] */
	M2D_SCN_LINE_OBJECT,
	M2D_SCN_LINE_STEP,
	M2D_SCN_LINE_ORDER,
	M2D_SCN_LINE_CLAIM,
} M2dScnLineKind;

struct _M2dScnLine {
	M2dScnLineKind kind;
	bool indented;       /* a comment that does not begin in the first column */
	unsigned step;       /* of a step: its index */
	const char *code;    /* canonical text without indentation; of a step up to "->" */
	const char *tail;    /* of a step: "-> RESULT", or NULL */
	const char *comment; /* with its '#', or NULL */
};

/* Sections in the order in which they may come. */
typedef enum {
	M2D_SCN_IN_HEADER,
	M2D_SCN_IN_MACHINE,
	M2D_SCN_IN_VARIANT,
	M2D_SCN_IN_LAYOUT,
	M2D_SCN_IN_STEPS,
	M2D_SCN_IN_ORDERS,
	M2D_SCN_IN_FINAL,
} M2dScnSection;

typedef struct {
	M2dScenario *s; /* what becomes of it; arrays are joined at the end */
	M2dScnPool *pool;
	const M2dScenarioTables *tables;
	GError **error;
	/* The line being parsed, without its comment, and the place reached in it. */
	unsigned line;
	const char *start;
	const char *p;
	GString *code; /* canonical form of what was parsed of it */
	const char *tail;
	M2dScnSection section;
	unsigned n_sections[M2D_SCN_IN_FINAL + 1];
	bool in_doc;    /* the last line belonged to "doc" */
	unsigned vcpus; /* the least of all variants */
	unsigned pcpus; /* likewise; 0: as vcpus */
	GArray *settings, *variants, *objects, *gpts, *steps, *orders, *claims, *lines;
	/* Of the variant that the parser is in. */
	GArray *v_settings, *v_expect, *v_overrides;
	GArray *override_labels; /* M2dScnName; overrides hold indexes into it until the end */
} M2dScnParser;

/* --- memory (pool.c) ------------------------------------------------------------------------ */

M2dScnPool *m2d_scn_pool_new(void);
void m2d_scn_pool_free(M2dScnPool *pool);
/* m2d_scn_alloc: @size bytes of zeros that live as long as the scenario. */
void *m2d_scn_alloc(M2dScnPool *pool, gsize size);
/* m2d_scn_strndup: a copy of @len bytes of @text. */
const char *m2d_scn_strndup(M2dScnPool *pool, const char *text, gsize len);
/* m2d_scn_freeze: copy the elements of @array (not NULL) and empty it. */
void *m2d_scn_freeze(M2dScnPool *pool, GArray *array, unsigned *n);

/* --- words and errors (lex.c) --------------------------------------------------------------- */

typedef struct {
	const char *text; /* a copy */
	const char *at;   /* where it stands in the line */
} M2dScnWord;

/* m2d_scn_fail: set the error "PATH:LINE:COLUMN: ..." for the place @at in the line; false. */
bool m2d_scn_fail(M2dScnParser *ps, const char *at, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* m2d_scn_fail_at: the same for any place. */
bool m2d_scn_fail_at(M2dScnParser *ps, M2dScnPlace place, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
/* m2d_scn_fail_from: the same with the message of @inner, which is freed. */
bool m2d_scn_fail_from(M2dScnParser *ps, M2dScnPlace place, GError *inner);
/* m2d_scn_hint: "; did you mean 'NEAR'?", or "" for NULL. */
const char *m2d_scn_hint(M2dScnParser *ps, const char *near);
/* m2d_scn_quote: @text in quotes, shortened if it is long. */
const char *m2d_scn_quote(M2dScnParser *ps, const char *text);
/* m2d_scn_place: the place of @at in the line. */
M2dScnPlace m2d_scn_place(const M2dScnParser *ps, const char *at);

/* m2d_scn_word: take the next word, which ends at white space; false at the end of the line. */
bool m2d_scn_word(M2dScnParser *ps, M2dScnWord *word);
/* m2d_scn_peek: the next word without taking it. */
bool m2d_scn_peek(M2dScnParser *ps, M2dScnWord *word);
/* m2d_scn_end: an error if anything is left on the line. */
bool m2d_scn_end(M2dScnParser *ps, const char *expected);
/* m2d_scn_skip_space: to the next character that is not white space. */
void m2d_scn_skip_space(M2dScnParser *ps);
/* m2d_scn_code: append @text to the canonical form, after a space unless it is the first. */
void m2d_scn_code(M2dScnParser *ps, const char *text);

/* m2d_scn_is_name: letters, digits and any of "-_.", the first one no sign. */
bool m2d_scn_is_name(const char *text);
/* m2d_scn_number: decimal, or hexadecimal with 0x; false if @text is no 64-bit number. */
bool m2d_scn_number(const char *text, uint64_t *value);
/* m2d_scn_size: the same, also with a suffix k, m or g. */
bool m2d_scn_size(const char *text, uint64_t *value);
/* m2d_scn_address: hexadecimal with 0x, or 0. */
bool m2d_scn_address(const char *text, uint64_t *value);
/* m2d_scn_range: FIRST..LAST, two addresses in order. */
bool m2d_scn_range(const char *text, uint64_t *first, uint64_t *last);
/* m2d_scn_vcpu: "vcpuN" with N below 1000. */
bool m2d_scn_vcpu(const char *text, unsigned *number);

/* m2d_scn_setting_value: the number that @text stands for; false if @info does not take it. */
bool m2d_scn_setting_value(const M2dScnSettingInfo *info, const char *text, uint64_t *value);

/* --- the parts of a file -------------------------------------------------------------------- */

/* m2d_scn_parse_version: the first line; m2d_scn_parse_header: another one of the header;
 * m2d_scn_parse_doc: one that continues "doc"; m2d_scn_parse_section: "[NAME]". */
bool m2d_scn_parse_version(M2dScnParser *ps);
bool m2d_scn_parse_header(M2dScnParser *ps);
void m2d_scn_parse_doc(M2dScnParser *ps);
bool m2d_scn_parse_section(M2dScnParser *ps);
/* m2d_scn_close_variant: what a [variant] sets is complete once the next section begins. */
void m2d_scn_close_variant(M2dScnParser *ps);

/* All take the rest of the line and append to the arrays of @ps. */
bool m2d_scn_parse_setting(M2dScnParser *ps);
bool m2d_scn_parse_object(M2dScnParser *ps);
bool m2d_scn_parse_step(M2dScnParser *ps);
bool m2d_scn_parse_order(M2dScnParser *ps);
bool m2d_scn_parse_claim(M2dScnParser *ps);

/* m2d_scn_parse_result: the words behind "->" or behind "result @LABEL =". */
bool m2d_scn_parse_result(M2dScnParser *ps, M2dScnResult *result);

/**
 * m2d_scn_parse_keys: flags and key=value words up to "until", "->" or the end of the line.
 * @what: the verb or noun, for messages
 * @keys: as op.def explains
 * @bits_of: operation whose register bits the keys of type bits take, or -1
 * @arg, @given: as in M2dOp, presets included
 */
bool m2d_scn_parse_keys(M2dScnParser *ps, const char *what, const char *keys, int bits_of,
			uint64_t *arg, uint16_t *given);

/* m2d_scn_check_op: what op.def cannot say of the arguments of a step. */
bool m2d_scn_check_op(M2dScnParser *ps, const M2dScnStep *step);

/* m2d_scn_check_name: @text is one of the models' names of @kind. */
bool m2d_scn_check_name(M2dScnParser *ps, M2dScnNameKind kind, const char *what, const char *text,
			const char *at);

/* m2d_scn_find_gpt: index of a guest address space declared so far, or -1. */
int m2d_scn_find_gpt(const M2dScnParser *ps, const char *name, const char **near);
