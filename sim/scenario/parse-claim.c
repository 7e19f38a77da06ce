/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of [final]: QUANTIFIER TERM [OPERATOR TERM]. */
#include "sim/scenario/parse-private.h"

#include <string.h>

#include "sim/base/near.h"

const M2dScnFunctionInfo m2d_scn_function_info[M2D_N_SCN_FUNCTIONS] = {
	{"", "", false, "", ""},
#define FUNCTION(name, word, arguments, keyed, fields, text) {word, arguments, keyed, fields, text},
#include "sim/scenario/functions.def"
#undef FUNCTION
};

static const char *const quantifiers[] = {"always", "never", "sometimes"};

/* In the order of M2dScnOperator, from M2D_SCN_OP_EQ. */
static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};

const char *m2d_scn_quantifier_word(M2dScnQuantifier quantifier)
{
	return quantifiers[quantifier];
}

/* --- characters ----------------------------------------------------------------------------- */

/* Length of a word or number at the cursor: it may hold '-', but not end with it. */
static gsize name_length(const char *p)
{
	gsize len = 0;

	while (g_ascii_isalnum(p[len]) || (len > 0 && p[len] != '\0' && strchr("-_.", p[len])))
		len++;
	return len;
}

static bool take(M2dScnParser *ps, char c)
{
	m2d_scn_skip_space(ps);
	if (*ps->p != c)
		return false;
	ps->p++;
	return true;
}

/* What the cursor stands at, for messages. */
static const char *rest(M2dScnParser *ps)
{
	return *ps->p == '\0' ? "end of the line" : m2d_scn_quote(ps, ps->p);
}

/* --- calls ---------------------------------------------------------------------------------- */

static M2dScnFunction find_function(const char *name, const char **near)
{
	*near = NULL;
	for (unsigned i = 1; i < M2D_N_SCN_FUNCTIONS; i++) {
		if (strcmp(m2d_scn_function_info[i].name, name) == 0)
			return (M2dScnFunction)i;
		*near = m2d_near_better(name, *near, m2d_scn_function_info[i].name);
	}
	return M2D_SCN_FN_NONE;
}

/* "KEY=" before an argument; "==" is no such thing. */
static const char *take_key(M2dScnParser *ps)
{
	gsize len;
	const char *key;

	m2d_scn_skip_space(ps);
	len = name_length(ps->p);
	if (len == 0 || ps->p[len] != '=' || ps->p[len + 1] == '=')
		return NULL;
	key = m2d_scn_strndup(ps->pool, ps->p, len);
	ps->p += len + 1;
	return key;
}

static bool parse_atom(M2dScnParser *ps, M2dScnExpr *e);

/* A claim of a variant stands above what it could name. */
static bool in_reach(M2dScnParser *ps, const char *at)
{
	return ps->section != M2D_SCN_IN_VARIANT ||
	       m2d_scn_fail(ps, at,
			    "a claim of a variant that names steps, vCPUs or address "
			    "spaces, expected it in [final]");
}

static bool check_vcpu(M2dScnParser *ps, M2dScnExpr *e, const char *at)
{
	unsigned number;

	if (!in_reach(ps, at))
		return false;
	if (e->kind != M2D_SCN_EXPR_WORD || !m2d_scn_vcpu(e->text, &number) || number >= ps->vcpus)
		return m2d_scn_fail(ps, at, "%s is no vCPU, expected vcpu0 to vcpu%u",
				    m2d_scn_quote(ps, e->text), ps->vcpus - 1);
	e->number = number;
	return true;
}

static bool check_gpt(M2dScnParser *ps, M2dScnExpr *e, const char *at)
{
	const char *near = NULL;
	int gpt = e->kind != M2D_SCN_EXPR_LABEL ? m2d_scn_find_gpt(ps, e->text, &near) : -1;

	if (!in_reach(ps, at))
		return false;
	if (gpt < 0)
		return m2d_scn_fail(ps, at, "%s, expected a guest address space of [layout]%s",
				    m2d_scn_quote(ps, e->text), m2d_scn_hint(ps, near));
	e->number = (uint64_t)gpt;
	return true;
}

/* The argument has the type that functions.def asks for. */
static bool check_argument(M2dScnParser *ps, const char *type, M2dScnExpr *e, const char *at)
{
	if (strcmp(type, "vcpu") == 0)
		return check_vcpu(ps, e, at);
	if (strcmp(type, "gpt") == 0)
		return check_gpt(ps, e, at);
	if (strcmp(type, "label") == 0 && e->kind != M2D_SCN_EXPR_LABEL)
		return m2d_scn_fail(ps, at, "%s, expected @LABEL of a step",
				    m2d_scn_quote(ps, e->text));
	if (strcmp(type, "number") == 0 && e->kind != M2D_SCN_EXPR_NUMBER)
		return m2d_scn_fail(ps, at, "%s, expected a number", m2d_scn_quote(ps, e->text));
	if (strcmp(type, "event") == 0)
		return m2d_scn_check_name(ps, M2D_SCN_NAME_EVENT, "an event", e->text, at);
	if (strcmp(type, "point") == 0)
		return m2d_scn_check_name(ps, M2D_SCN_NAME_POINT, "a point", e->text, at);
	return true;
}

/* A key restricts the event that the first argument names. */
static bool check_key(M2dScnParser *ps, const GArray *args, const char *key, const char *at)
{
	const char *event;

	if (args->len == 0)
		return m2d_scn_fail(ps, at, "%s= before the event, expected it behind", key);
	event = g_array_index(args, M2dScnArg, 0).value->text;
	if (ps->tables == NULL || ps->tables->event_key == NULL ||
	    ps->tables->event_key(event, key))
		return true;
	return m2d_scn_fail(ps, at,
			    "unknown key %s of event %s, expected one of its fields, actor "
			    "or vcpu",
			    m2d_scn_quote(ps, key), event);
}

static bool parse_arguments(M2dScnParser *ps, M2dScnExpr *call)
{
	const M2dScnFunctionInfo *info = &m2d_scn_function_info[call->fn];
	g_auto(GStrv) types = g_strsplit(info->arguments, " ", -1);
	unsigned n_types = info->arguments[0] != '\0' ? g_strv_length(types) : 0;
	g_autoptr(GArray) args = g_array_new(FALSE, FALSE, sizeof(M2dScnArg));
	unsigned n = 0;

	while (!take(ps, ')')) {
		M2dScnExpr *value = m2d_scn_alloc(ps->pool, sizeof(*value));
		M2dScnArg arg = {.value = value};
		const char *at;

		if (args->len > 0 && !take(ps, ','))
			return m2d_scn_fail(ps, ps->p, "unexpected %s, expected ',' or ')'",
					    rest(ps));
		m2d_scn_skip_space(ps);
		at = ps->p;
		arg.place = m2d_scn_place(ps, at);
		arg.key = take_key(ps);
		if (!parse_atom(ps, value))
			return false;
		if (arg.key != NULL && !info->keyed)
			return m2d_scn_fail(ps, at, "%s takes no keys, expected (%s)", info->name,
					    info->arguments);
		if (arg.key != NULL && !check_key(ps, args, arg.key, at))
			return false;
		if (arg.key == NULL && n == n_types)
			return m2d_scn_fail(ps, at, "too many arguments of %s, expected (%s)",
					    info->name, info->arguments);
		if (arg.key == NULL && !check_argument(ps, types[n++], value, at))
			return false;
		g_array_append_val(args, arg);
	}
	if (n < n_types)
		return m2d_scn_fail(ps, ps->p - 1, "too few arguments of %s, expected (%s)",
				    info->name, info->arguments);
	call->args = m2d_scn_freeze(ps->pool, args, &call->n_args);
	return true;
}

static bool parse_field(M2dScnParser *ps, M2dScnExpr *call)
{
	const M2dScnFunctionInfo *info = &m2d_scn_function_info[call->fn];
	g_auto(GStrv) fields = g_strsplit(info->fields, "|", -1);
	const char *at = ps->p;
	const char *near = NULL;
	gsize len;

	if (*ps->p != '.')
		return true;
	ps->p++;
	len = name_length(ps->p);
	call->field = m2d_scn_strndup(ps->pool, ps->p, len);
	ps->p += len;
	for (char **f = fields; *f != NULL; f++) {
		if (strcmp(*f, call->field) == 0)
			return true;
		near = m2d_near_better(call->field, near, *f);
	}
	near = near != NULL ? m2d_scn_strndup(ps->pool, near, strlen(near)) : NULL;
	return m2d_scn_fail(ps, at + 1, "unknown field %s of %s, expected %s%s",
			    m2d_scn_quote(ps, call->field), info->name,
			    fields[0] != NULL ? info->fields : "none", m2d_scn_hint(ps, near));
}

/* --- terms ---------------------------------------------------------------------------------- */

static bool parse_label(M2dScnParser *ps, M2dScnExpr *e, const char *at)
{
	const char *near = NULL;
	gsize len = name_length(++ps->p);

	if (!in_reach(ps, at))
		return false;
	e->kind = M2D_SCN_EXPR_LABEL;
	e->text = m2d_scn_strndup(ps->pool, ps->p, len);
	ps->p += len;
	for (guint i = 0; i < ps->steps->len; i++) {
		const char *label = g_array_index(ps->steps, M2dScnStep, i).label;

		e->number = i;
		if (g_strcmp0(label, e->text) == 0)
			return true;
		if (label != NULL)
			near = m2d_near_better(e->text, near, label);
	}
	return m2d_scn_fail(ps, at, "no step has label %s, expected one of [steps]%s",
			    m2d_scn_quote(ps, e->text), m2d_scn_hint(ps, near));
}

/* A number, a word or a label. */
static bool parse_atom(M2dScnParser *ps, M2dScnExpr *e)
{
	const char *at;
	gsize len;

	m2d_scn_skip_space(ps);
	at = ps->p;
	e->place = m2d_scn_place(ps, at);
	if (*at == '@')
		return parse_label(ps, e, at);
	len = name_length(at);
	if (len == 0)
		return m2d_scn_fail(ps, at,
				    "unexpected %s, expected a number, a word, @LABEL or "
				    "FUNCTION(...)",
				    rest(ps));
	e->text = m2d_scn_strndup(ps->pool, at, len);
	ps->p += len;
	e->kind = M2D_SCN_EXPR_WORD;
	if (!g_ascii_isdigit(e->text[0]))
		return true;
	e->kind = M2D_SCN_EXPR_NUMBER;
	if (!m2d_scn_size(e->text, &e->number))
		return m2d_scn_fail(ps, at, "%s is no number, expected digits or 0x...",
				    m2d_scn_quote(ps, e->text));
	return true;
}

/* An atom or a call. Calls have no calls as arguments, so that there is no depth to bound. */
static bool parse_term(M2dScnParser *ps, M2dScnExpr *e)
{
	const char *near;

	if (!parse_atom(ps, e))
		return false;
	if (e->kind != M2D_SCN_EXPR_WORD)
		return true;
	e->fn = find_function(e->text, &near);
	if (*ps->p != '(') {
		if (e->fn == M2D_SCN_FN_NONE)
			return true;
		if (m2d_scn_function_info[e->fn].arguments[0] != '\0')
			return m2d_scn_fail_at(ps, e->place,
					       "%s without arguments, expected %s(%s)", e->text,
					       e->text, m2d_scn_function_info[e->fn].arguments);
		e->kind = M2D_SCN_EXPR_CALL;
		return true;
	}
	if (e->fn == M2D_SCN_FN_NONE)
		return m2d_scn_fail_at(ps, e->place,
				       "unknown function %s, expected one of mmu2d-scenario(5)%s",
				       m2d_scn_quote(ps, e->text), m2d_scn_hint(ps, near));
	e->kind = M2D_SCN_EXPR_CALL;
	ps->p++;
	return parse_arguments(ps, e) && parse_field(ps, e);
}

/* --- the predicate -------------------------------------------------------------------------- */

static bool parse_operator(M2dScnParser *ps, M2dScnOperator *op)
{
	gsize len;

	m2d_scn_skip_space(ps);
	if (*ps->p == '\0') {
		*op = M2D_SCN_OP_TRUE;
		return true;
	}
	len = name_length(ps->p);
	if (len == 0)
		len = strspn(ps->p, "=!<>");
	for (unsigned i = 0; i < G_N_ELEMENTS(operators); i++) {
		if (strlen(operators[i]) == len && strncmp(operators[i], ps->p, len) == 0) {
			*op = (M2dScnOperator)(i + 1);
			ps->p += len;
			return true;
		}
	}
	return m2d_scn_fail(ps, ps->p,
			    "unexpected %s, expected ==, !=, <, <=, >, >=, in or the "
			    "end of the line",
			    rest(ps));
}

static bool parse_right(M2dScnParser *ps, M2dScnClaim *claim)
{
	g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(M2dScnExpr *));

	do {
		M2dScnExpr *e = m2d_scn_alloc(ps->pool, sizeof(*e));

		if (!parse_term(ps, e))
			return false;
		g_array_append_val(list, e);
	} while (claim->op == M2D_SCN_OP_IN && take(ps, ','));
	claim->right = m2d_scn_freeze(ps->pool, list, &claim->n_right);
	return m2d_scn_end(ps, "the end of the line");
}

static void append_term(GString *out, const M2dScnExpr *e)
{
	g_string_append_printf(out, "%s%s", e->kind == M2D_SCN_EXPR_LABEL ? "@" : "", e->text);
	for (unsigned i = 0; i < e->n_args; i++) {
		g_string_append(out, i == 0 ? "(" : ", ");
		if (e->args[i].key != NULL)
			g_string_append_printf(out, "%s=", e->args[i].key);
		append_term(out, e->args[i].value);
	}
	if (e->n_args > 0)
		g_string_append_c(out, ')');
	if (e->field != NULL)
		g_string_append_printf(out, ".%s", e->field);
}

static const char *predicate_text(M2dScnParser *ps, const M2dScnClaim *claim)
{
	g_autoptr(GString) out = g_string_new(NULL);

	append_term(out, claim->left);
	if (claim->op != M2D_SCN_OP_TRUE)
		g_string_append_printf(out, " %s ", operators[claim->op - 1]);
	for (unsigned i = 0; i < claim->n_right; i++) {
		g_string_append(out, i > 0 ? ", " : "");
		append_term(out, claim->right[i]);
	}
	return m2d_scn_strndup(ps->pool, out->str, out->len);
}

bool m2d_scn_parse_claim(M2dScnParser *ps)
{
	M2dScnExpr *left = m2d_scn_alloc(ps->pool, sizeof(*left));
	M2dScnClaim claim = {.place = m2d_scn_place(ps, ps->p), .left = left, .variant = -1};
	const char *near = NULL;
	M2dScnWord word;
	unsigned q;

	m2d_scn_word(ps, &word);
	for (q = 0; q < G_N_ELEMENTS(quantifiers); q++) {
		if (strcmp(quantifiers[q], word.text) == 0)
			break;
		near = m2d_near_better(word.text, near, quantifiers[q]);
	}
	if (q == G_N_ELEMENTS(quantifiers))
		return m2d_scn_fail(ps, word.at,
				    "unknown claim %s, expected always, never or "
				    "sometimes%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	claim.quantifier = (M2dScnQuantifier)q;
	if (ps->section == M2D_SCN_IN_VARIANT)
		claim.variant = (int)ps->variants->len - 1;
	if (!parse_term(ps, left) || !parse_operator(ps, &claim.op) ||
	    (claim.op != M2D_SCN_OP_TRUE && !parse_right(ps, &claim)))
		return false;
	claim.text = predicate_text(ps, &claim);
	g_string_append_printf(ps->code, "%-9s %s", word.text, claim.text);
	g_array_append_val(ps->claims, claim);
	return true;
}
