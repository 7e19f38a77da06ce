/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pattern.h; event.def says what patterns look like. */
#include "sim/capture/pattern.h"

#include <glib.h>
#include <string.h>

#include "sim/capture/scan.h"

#define MAX_OPS 20
#define MAX_ALT 3

typedef struct {
	char op; /* the conversion; 0: the end; 'L': @len bytes at @text; '(': a kprobe's place */
	uint8_t field;
	uint16_t len;
	const char *text;
} Op;

typedef struct {
	unsigned n;
	Op ops[MAX_ALT][MAX_OPS];
} Pattern;

struct _M2dCapPatterns {
	M2dCapExits *exits;
	Pattern of[M2D_CAP_N_KINDS];
};

static const char *const payloads[M2D_CAP_N_KINDS] = {
	"",
	"",
#define EVENT(ID, id, name, fields, payload, raw) payload,
#include "sim/capture/event.def"
#undef EVENT
};

const uint8_t m2d_cap_hex[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Compile @s up to @end. */
static void compile(Op *op, const char *s, const char *end)
{
	unsigned n = 0, field = 0;

	if (end - s >= 2 && s[0] == '(' && s[1] == ')') {
		op[n++] = (Op){.op = '('};
		s += 2;
	}
	while (s < end) {
		Op *o = &op[n++];

		g_assert(n < MAX_OPS);
		if (*s != '%') {
			const char *stop = memchr(s, '%', (size_t)(end - s));

			*o = (Op){.op = 'L', .text = s, .len = (uint16_t)((stop ? stop : end) - s)};
			s += o->len;
			continue;
		}
		s++;
		if (g_ascii_isdigit(*s))
			field = (unsigned)(*s++ - '0');
		*o = (Op){.op = *s++, .field = (uint8_t)field, .text = s};
		if (o->op == '{')
			s = strchr(s, '}') + 1;
		if (o->op != '-' && o->op != 'Z')
			field++;
	}
	op[n].op = 0;
}

M2dCapPatterns *m2d_cap_patterns_new(M2dCapExits *exits)
{
	M2dCapPatterns *p = g_new0(M2dCapPatterns, 1);

	p->exits = exits;
	for (unsigned k = M2D_CAP_BAD + 1; k < M2D_CAP_N_KINDS; k++) {
		const char *s = payloads[k];

		for (;;) {
			const char *end = strstr(s, "||");

			compile(p->of[k].ops[p->of[k].n++], s, end ? end : s + strlen(s));
			if (end == NULL)
				break;
			g_assert(p->of[k].n < MAX_ALT);
			s = end + 2;
		}
	}
	return p;
}

void m2d_cap_patterns_free(M2dCapPatterns *patterns)
{
	g_free(patterns);
}

/* rwxu, in any order; "-" and absent letters are missing rights. */
static const char *scan_access(const char *p, const char *end, uint64_t *value)
{
	uint64_t v = 0;

	for (; p < end; p++) {
		if (*p == 'r')
			v |= M2D_CAP_ACC_R;
		else if (*p == 'w')
			v |= M2D_CAP_ACC_W;
		else if (*p == 'x')
			v |= M2D_CAP_ACC_X;
		else if (*p == 'u')
			v |= M2D_CAP_ACC_U;
		else if (*p != '-')
			break;
	}
	*value = v;
	return p;
}

/* Page-fault error code: letters with bars, a remainder as number, or nothing for 0. */
static const char *scan_flags(const char *p, const char *end, uint64_t *value)
{
	static const struct {
		char name[5];
		uint8_t bit;
	} flags[] = {{"P", 0}, {"W", 1},  {"U", 2},  {"RSVD", 3},
		     {"F", 4}, {"PK", 5}, {"SS", 6}, {"SGX", 15}};
	uint64_t v = 0, part;

	while (p < end && *p != ' ') {
		const char *stop = p;
		unsigned i;

		if (*p == '0') {
			if (!m2d_cap_scan_hex(&p, end, &part))
				return NULL;
			v |= part;
			continue;
		}
		while (stop < end && g_ascii_isupper(*stop))
			stop++;
		for (i = 0; i < G_N_ELEMENTS(flags); i++)
			if (strlen(flags[i].name) == (size_t)(stop - p) &&
			    memcmp(flags[i].name, p, (size_t)(stop - p)) == 0)
				break;
		if (i == G_N_ELEMENTS(flags))
			return NULL;
		v |= UINT64_C(1) << flags[i].bit;
		p = stop;
		if (p < end && *p == '|')
			p++;
	}
	*value = v;
	return p;
}

static const char *word_end(const char *p, const char *end)
{
	while (p < end && *p != ' ')
		p++;
	return p;
}

/* "l4 8-byte q0 direct wux invalid !nxe ad", as KVM_MMU_PAGE_PRINTK makes it. */
static const char *scan_role(const char *p, const char *end, uint64_t *value)
{
	uint64_t v = 0;
	bool rights = false;

	while (p < end) {
		const char *stop = word_end(p, end);
		size_t len = (size_t)(stop - p);

		if (len == 2 && *p == 'l')
			v |= (uint64_t)(p[1] - '0') & M2D_CAP_ROLE_LEVEL;
		else if (len == 6 && memcmp(p, "4-byte", 6) == 0)
			v |= M2D_CAP_ROLE_4BYTE;
		else if (len == 2 && *p == 'q')
			v |= ((uint64_t)(p[1] - '0') & 3) << 5;
		else if (len == 6 && memcmp(p, "direct", 6) == 0)
			v |= M2D_CAP_ROLE_DIRECT;
		else if (len == 7 && memcmp(p, "invalid", 7) == 0)
			v |= M2D_CAP_ROLE_INVALID;
		else if (len == 3 && memcmp(p, "nxe", 3) == 0)
			v |= M2D_CAP_ROLE_NX;
		else if (len == 2 && memcmp(p, "ad", 2) == 0)
			v |= M2D_CAP_ROLE_AD;
		else if (len == 3 && !rights && *p != '!' && memcmp(p, "pae", 3) != 0) {
			v |= (p[0] == 'w' ? 2u << 8 : 0) | (p[1] == 'u' ? 4u << 8 : 0) |
			     (p[2] == 'x' ? 1u << 8 : 0);
			rights = true;
		} else if (len == 4 && memcmp(p, "root", 4) == 0) {
			break;
		}
		p = stop < end ? stop + 1 : stop;
	}
	*value = v;
	/* The blank in front of "root" is the pattern's. */
	return rights && p < end ? p - 1 : NULL;
}

/* One of "a,b}" as its number. A longer word wins over the beginning of another. */
static const char *scan_word(const char *words, const char *p, const char *end, uint64_t *value)
{
	for (uint64_t i = 0;; i++) {
		size_t len = strcspn(words, ",}");

		if ((size_t)(end - p) >= len && memcmp(p, words, len) == 0 &&
		    (p + len == end || !g_ascii_isalpha(p[len]))) {
			*value = i;
			return p + len;
		}
		if (words[len] == '}')
			return NULL;
		words += len + 1;
	}
}

static const char *scan_reason(M2dCapExits *exits, const char *p, const char *end, uint64_t *value)
{
	const char *stop = memmem(p, (size_t)(end - p), " rip ", 5);
	size_t len;

	if (stop == NULL)
		return NULL;
	len = (size_t)(stop - p);
	/* Flags of VMX follow the name; two words are an exception: "PF excp". */
	if (len > 5 && memcmp(stop - 5, " excp", 5) != 0)
		len = (size_t)(word_end(p, stop) - p);
	*value = m2d_cap_exits_get(exits, p, len);
	return stop;
}

uint64_t m2d_cap_symbol(const char *name, unsigned len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return h;
}

static const char *scan_symbol(const char *p, const char *end, uint64_t *value)
{
	const char *stop = p, *dot;

	while (stop < end && (g_ascii_isalnum(*stop) || *stop == '_' || *stop == '.'))
		stop++;
	if (stop == p)
		return NULL;
	/* "function.part.0" is the same function. */
	dot = memchr(p, '.', (size_t)(stop - p));
	*value = m2d_cap_symbol(p, (unsigned)((dot != NULL ? dot : stop) - p));
	return word_end(stop, end);
}

static const char *match_text(M2dCapEvent *e, const char *p, const char *end)
{
	size_t len = MIN((size_t)(end - p), M2D_CAP_TEXT - 1);

	memcpy(e->u.text, p, len);
	memset(e->u.text + len, 0, M2D_CAP_TEXT - len);
	return end;
}

/* Whether @op of @patterns fits at @p: the place behind it, or NULL. */
static const char *match_op(const M2dCapPatterns *patterns, M2dCapEvent *e, const Op *op,
			    const char *p, const char *end)
{
	uint64_t *value = &e->u.f[op->field];

	switch (op->op) {
	case 'x':
		if (!m2d_cap_scan_hex(&p, end, value))
			return NULL;
		break;
	case 'd':
		if (!m2d_cap_scan_dec(&p, end, value))
			return NULL;
		break;
	case '(':
		if (p == end || *p != '(')
			return NULL;
		p = memchr(p, ')', (size_t)(end - p));
		if (p == NULL)
			return NULL;
		for (p++; p < end && *p == ' ';)
			p++;
		return p;
	case '-':
		return word_end(p, end);
	case 'Z':
		while (p < end && (*p == ' ' || *p == 0))
			p++;
		return p;
	case 'A':
		p = scan_access(p, end, value);
		break;
	case 'F':
		p = scan_flags(p, end, value);
		break;
	case 'P':
		p = scan_role(p, end, value);
		break;
	case 'R':
		p = scan_reason(patterns->exits, p, end, value);
		break;
	case 'c':
		p = scan_symbol(p, end, value);
		break;
	case '{':
		p = scan_word(op->text, p, end, value);
		break;
	case 'T':
		return match_text(e, p, end);
	default:
		g_assert_not_reached();
	}
	e->has |= 1u << op->field;
	return p;
}

static bool match(const M2dCapPatterns *patterns, M2dCapEvent *e, const Op *op, const char *p,
		  const char *end, const char **bad)
{
	const Op *first = op;

	for (; op->op != 0; op++) {
		const char *next;

		if (op->op == 'L') {
			unsigned i = 0;

			while (i < op->len && p + i < end && p[i] == op->text[i])
				i++;
			if (i < op->len) {
				*bad = MAX(*bad, p + i);
				return false;
			}
			p += op->len;
			continue;
		}
		next = match_op(patterns, e, op, p, end);
		if (next == NULL) {
			*bad = MAX(*bad, p);
			return false;
		}
		p = next;
	}
	if (op == first) /* nothing is read of it */
		return true;
	/* A number that is glued to something else is no number. */
	if (p < end && (g_ascii_isalnum(*p) || *p == '_')) {
		*bad = MAX(*bad, p);
		return false;
	}
	return true;
}

bool m2d_cap_match(const M2dCapPatterns *patterns, M2dCapEvent *e, const char *p, const char *end,
		   const char **bad)
{
	const Pattern *pattern = &patterns->of[e->kind];

	*bad = p;
	for (unsigned i = 0; i < pattern->n; i++) {
		e->has = 0;
		if (match(patterns, e, pattern->ops[i], p, end, bad))
			return true;
	}
	e->has = 0;
	return false;
}
