/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of [steps]: [@LABEL] ACTOR: VERB KEY=VALUE... [until POINT] [-> RESULT]. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/bits.h"
#include "sim/base/near.h"

/* --- results -------------------------------------------------------------------------------- */

typedef enum {
	ARG_NONE,
	ARG_NUMBER,
	ARG_CODE,
	ARG_GFNS,
	ARG_YESNO,
} ResultArg;

static const struct {
	const char *word;
	ResultArg arg;
} results[] = {
	{NULL, ARG_NONE},
#define RESULT(name, word, argument, text) {word, ARG_##argument},
#include "sim/scenario/results.def"
#undef RESULT
};

const char *m2d_scn_result_word(M2dScnResultKind kind)
{
	return results[kind].word;
}

/* Bits of a page-fault error code by name, as KVM's tracepoints write them. */
static const struct {
	const char *name;
	unsigned bit;
} code_bits[] = {{"p", 0}, {"w", 1}, {"u", 2}, {"r", 3}, {"i", 4}, {"pk", 5}};

static bool parse_code(const char *text, uint64_t *code)
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);

	if (m2d_scn_number(text, code))
		return *code <= UINT32_MAX;
	*code = 0;
	for (char **w = words; *w != NULL; w++) {
		unsigned i = 0;

		while (i < M2D_N_ELEMENTS(code_bits) && strcmp(code_bits[i].name, *w) != 0)
			i++;
		if (i == M2D_N_ELEMENTS(code_bits))
			return false;
		*code |= M2D_BIT(code_bits[i].bit);
	}
	return true;
}

static int compare_gfns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* "none", or frame numbers joined by commas. */
static bool parse_gfns(M2dScnParser *ps, const char *text, M2dScnResult *result)
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);
	unsigned n = g_strv_length(words);

	if (strcmp(text, "none") == 0)
		return true;
	result->gfns = m2d_scn_alloc(ps->pool, n * sizeof(uint64_t));
	for (unsigned i = 0; i < n; i++)
		if (!m2d_scn_number(words[i], &result->gfns[i]))
			return false;
	qsort(result->gfns, n, sizeof(uint64_t), compare_gfns);
	for (unsigned i = 1; i < n; i++)
		if (result->gfns[i] == result->gfns[i - 1])
			return false;
	result->n_gfns = n;
	return n > 0;
}

static bool parse_argument(M2dScnParser *ps, M2dScnResult *result)
{
	static const char *const expected[] = {
		"nothing", "a number", "an error code, a number or bits p,w,u,r,i,pk",
		"frame numbers 0x..,0x.., each once, or none", "yes or no"};
	ResultArg arg = results[result->kind].arg;
	M2dScnWord word;
	bool ok = false;

	if (arg == ARG_NONE)
		return true;
	result->given = m2d_scn_word(ps, &word);
	if (!result->given && arg == ARG_CODE)
		return true;
	switch (arg) {
	case ARG_NUMBER:
		ok = m2d_scn_number(word.text, &result->number);
		break;
	case ARG_CODE:
		ok = parse_code(word.text, &result->number);
		break;
	case ARG_GFNS:
		ok = parse_gfns(ps, word.text, result);
		break;
	case ARG_YESNO:
		result->number = strcmp(word.text, "yes") == 0;
		ok = result->number || strcmp(word.text, "no") == 0;
		break;
	case ARG_NONE:
		break;
	}
	if (!ok)
		return m2d_scn_fail(ps, word.at, "%s %s, expected %s", results[result->kind].word,
				    result->given ? m2d_scn_quote(ps, word.text) : "alone",
				    expected[arg]);
	m2d_scn_code(ps, word.text);
	return true;
}

bool m2d_scn_parse_result(M2dScnParser *ps, M2dScnResult *result)
{
	const char *near = NULL;
	M2dScnWord word;
	unsigned kind;

	memset(result, 0, sizeof(*result));
	if (!m2d_scn_word(ps, &word))
		return m2d_scn_fail(ps, ps->p,
				    "no result, expected one of hpa, value, pf, ok and "
				    "others of mmu2d-scenario(5)");
	for (kind = 1; kind < M2D_N_SCN_RESULTS; kind++) {
		if (strcmp(results[kind].word, word.text) == 0)
			break;
		near = m2d_near_better(word.text, near, results[kind].word);
	}
	if (kind == M2D_N_SCN_RESULTS)
		return m2d_scn_fail(ps, word.at,
				    "unknown result %s, expected one of hpa, value, pf, ok and "
				    "others of mmu2d-scenario(5)%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	result->place = m2d_scn_place(ps, word.at);
	result->kind = (M2dScnResultKind)kind;
	m2d_scn_code(ps, word.text);
	return parse_argument(ps, result) && m2d_scn_end(ps, "the end of the line");
}

char *m2d_scn_result_text(const M2dScnResult *result)
{
	const char *word = results[result->kind].word;
	g_autoptr(GString) list = NULL;

	switch (results[result->kind].arg) {
	case ARG_NUMBER:
	case ARG_CODE:
		if (result->given)
			return g_strdup_printf("%s 0x%" G_GINT64_MODIFIER "x", word,
					       result->number);
		return g_strdup(word);
	case ARG_YESNO:
		return g_strdup_printf("%s %s", word, result->number ? "yes" : "no");
	case ARG_GFNS:
		list = g_string_new(word);
		for (unsigned i = 0; i < result->n_gfns; i++)
			g_string_append_printf(list, "%c0x%" G_GINT64_MODIFIER "x",
					       i > 0 ? ',' : ' ', result->gfns[i]);
		if (result->n_gfns == 0)
			g_string_append(list, " none");
		return g_strdup(list->str);
	case ARG_NONE:
		break;
	}
	return g_strdup(word != NULL ? word : "");
}

/* --- actor and verb ------------------------------------------------------------------------- */

static bool is_future_actor(const char *text)
{
	static const char *const names[] = {"l0", "l1", "tdx", "dev"};

	for (unsigned i = 0; i < M2D_N_ELEMENTS(names); i++)
		if (strcmp(names[i], text) == 0)
			return true;
	return g_str_has_prefix(text, "l2.");
}

static bool parse_actor(M2dScnParser *ps, M2dScnStep *step)
{
	gsize len;
	const char *text, *at, *near;

	m2d_scn_skip_space(ps);
	at = ps->p;
	len = strcspn(at, ": \t");
	text = m2d_scn_strndup(ps->pool, at, len);
	if (at[len] != ':' || len == 0)
		return m2d_scn_fail(ps, at + len, "no ':' after the actor, expected ACTOR: VERB");
	step->actor_place = m2d_scn_place(ps, at);
	g_string_append_printf(ps->code, "%s%s:", ps->code->len > 0 ? " " : "", text);
	ps->p += len + 1;
	step->actor.kind = strcmp(text, "host") == 0     ? M2D_SCN_ACTOR_HOST
			   : strcmp(text, "worker") == 0 ? M2D_SCN_ACTOR_WORKER
							 : M2D_SCN_ACTOR_VCPU;
	if (step->actor.kind != M2D_SCN_ACTOR_VCPU)
		return true;
	if (is_future_actor(text))
		return m2d_scn_fail(ps, at,
				    "actor %s is not modelled, expected vcpuN, host or "
				    "worker",
				    text);
	if (!m2d_scn_vcpu(text, &step->actor.number)) {
		near = m2d_near_better(text, m2d_near_better(text, NULL, "host"), "worker");
		near = m2d_near_better(text, near, "vcpu0");
		return m2d_scn_fail(ps, at, "unknown actor %s, expected vcpuN, host or worker%s",
				    m2d_scn_quote(ps, text), m2d_scn_hint(ps, near));
	}
	if (step->actor.number >= ps->vcpus)
		return m2d_scn_fail(ps, at, "no %s where vcpus = %u, expected vcpu0 to vcpu%u",
				    text, ps->vcpus, ps->vcpus - 1);
	return true;
}

static const unsigned actor_masks[] = {M2D_OP_VCPU, M2D_OP_HOST, M2D_OP_WORKER};
static const char *const actor_words[] = {"vcpuN", "host", "worker"};

char *m2d_scn_actor_text(M2dScnActor actor)
{
	if (actor.kind == M2D_SCN_ACTOR_VCPU)
		return g_strdup_printf("vcpu%u", actor.number);
	return g_strdup(actor_words[actor.kind]);
}

static bool parse_verb(M2dScnParser *ps, M2dScnStep *step)
{
	unsigned mask = actor_masks[step->actor.kind];
	const char *near = NULL;
	M2dScnWord word;
	int op;

	if (!m2d_scn_word(ps, &word))
		return m2d_scn_fail(ps, ps->p, "no verb, expected ACTOR: VERB");
	step->verb_place = m2d_scn_place(ps, word.at);
	m2d_scn_code(ps, word.text);
	step->is_continue = strcmp(word.text, "continue") == 0;
	if (step->is_continue)
		return true;
	op = m2d_op_find(word.text);
	if (op < 0) {
		for (unsigned i = 0; i < M2D_N_OPS; i++)
			if (m2d_op_info[i].actors & mask)
				near = m2d_near_better(word.text, near, m2d_op_info[i].verb);
		near = m2d_near_better(word.text, near, "continue");
		return m2d_scn_fail(ps, word.at,
				    "unknown verb %s, expected one of "
				    "mmu2d-scenario(5)%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	}
	if (!(m2d_op_info[op].actors & mask))
		return m2d_scn_fail(ps, word.at, "%s is no verb of this actor, expected actor %s",
				    word.text,
				    actor_words[m2d_op_info[op].actors & M2D_OP_VCPU   ? 0
						: m2d_op_info[op].actors & M2D_OP_HOST ? 1
										       : 2]);
	step->op.kind = (uint16_t)op;
	return m2d_scn_parse_keys(ps, word.text, m2d_op_info[op].keys, op, step->op.arg,
				  &step->op.given) &&
	       m2d_scn_check_op(ps, step);
}

static bool parse_until(M2dScnParser *ps, M2dScnStep *step)
{
	M2dScnWord word;

	if (!m2d_scn_peek(ps, &word) || strcmp(word.text, "until") != 0)
		return true;
	m2d_scn_word(ps, &word);
	if (!m2d_scn_word(ps, &word) || strcmp(word.text, "->") == 0)
		return m2d_scn_fail(ps, word.at, "until what, expected until POINT");
	if (!m2d_scn_check_name(ps, M2D_SCN_NAME_POINT, "a point", word.text, word.at))
		return false;
	step->until = word.text;
	step->until_place = m2d_scn_place(ps, word.at);
	g_string_append_printf(ps->code, " until %s", word.text);
	return true;
}

/* --- a line --------------------------------------------------------------------------------- */

static bool parse_label(M2dScnParser *ps, M2dScnStep *step)
{
	const char *label = NULL;
	M2dScnWord word;

	if (*ps->p != '@')
		return true;
	m2d_scn_word(ps, &word);
	label = word.text + 1;
	if (!m2d_scn_is_name(label))
		return m2d_scn_fail(ps, word.at,
				    "%s is no label, expected '@', letters, digits, '-', '_' and "
				    "'.'",
				    m2d_scn_quote(ps, word.text));
	for (guint i = 0; i < ps->steps->len; i++) {
		const M2dScnStep *other = &g_array_index(ps->steps, M2dScnStep, i);

		if (g_strcmp0(other->label, label) == 0)
			return m2d_scn_fail(ps, word.at,
					    "second step @%s, expected another label than on line "
					    "%u",
					    label, other->place.line);
	}
	step->label = label;
	m2d_scn_code(ps, word.text);
	return true;
}

bool m2d_scn_parse_step(M2dScnParser *ps)
{
	M2dScnStep step = {.place = m2d_scn_place(ps, ps->p)};
	M2dScnWord word;
	gsize verb;

	if (!parse_label(ps, &step) || !parse_actor(ps, &step))
		return false;
	verb = ps->code->len + 1;
	if (!parse_verb(ps, &step))
		return false;
	step.text = m2d_scn_strndup(ps->pool, ps->code->str + verb, ps->code->len - verb);
	if (!parse_until(ps, &step))
		return false;
	if (m2d_scn_peek(ps, &word) && strcmp(word.text, "->") == 0) {
		gsize len = ps->code->len;

		m2d_scn_word(ps, &word);
		m2d_scn_code(ps, "->");
		if (!m2d_scn_parse_result(ps, &step.result))
			return false;
		ps->tail =
			m2d_scn_strndup(ps->pool, ps->code->str + len + 1, ps->code->len - len - 1);
		g_string_truncate(ps->code, len);
	}
	if (!m2d_scn_end(ps, "until POINT, -> RESULT or the end of the line"))
		return false;
	g_array_append_val(ps->steps, step);
	return true;
}
