/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/kvm/op.h"

#include <glib.h>
#include <string.h>

#include "sim/base/bits.h"
#include "sim/engine/access.h"

const M2dOpInfo m2d_op_info[M2D_N_OPS] = {
#define OP(name, verb, actors, keys, text) {#name, verb, actors, keys, text},
#include "sim/kvm/op.def"
#undef OP
};

/* In the order of M2dOpArgType. */
static const char *const type_names[] = {
	"gva", "gpa",  "hva",   "range",  "uint", "hex",  "flag",
	"gpt", "vcpu", "vcpus", "rights", "bits", "enum",
};

/* Register bits by the instruction that writes the register. */
static const struct {
	M2dOpKind kind;
	const char *name;
	uint64_t bit;
} register_bits[] = {
	{M2D_OP_MOV_CR0, "wp", M2D_CR0_WP},     {M2D_OP_MOV_CR0, "pg", M2D_CR0_PG},
	{M2D_OP_MOV_CR4, "pge", M2D_CR4_PGE},   {M2D_OP_MOV_CR4, "smep", M2D_CR4_SMEP},
	{M2D_OP_MOV_CR4, "smap", M2D_CR4_SMAP}, {M2D_OP_MOV_CR4, "pcide", M2D_CR4_PCIDE},
	{M2D_OP_MOV_CR4, "pse", M2D_CR4_PSE},   {M2D_OP_MOV_CR4, "pae", M2D_CR4_PAE},
	{M2D_OP_MOV_CR4, "pke", M2D_CR4_PKE},   {M2D_OP_WRMSR_EFER, "nx", M2D_EFER_NXE},
};

int m2d_op_find(const char *verb)
{
	for (unsigned i = 0; i < M2D_N_OPS; i++)
		if (strcmp(m2d_op_info[i].verb, verb) == 0)
			return (int)i;
	return -1;
}

static M2dOpArgType type_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < M2D_N_ELEMENTS(type_names); i++)
		if (strlen(type_names[i]) == len && memcmp(type_names[i], name, len) == 0)
			return (M2dOpArgType)i;
	g_assert_not_reached(); /* a fault of op.def */
}

/* The number that the default @text stands for. */
static uint64_t preset_value(const M2dOpKey *key, const char *text, size_t len)
{
	g_autofree char *copy = g_strndup(text, len);
	const char *word;
	uint64_t rights;
	size_t n;

	if (key->type == M2D_OP_ARG_RIGHTS && m2d_op_rights(text, len, &rights))
		return rights;
	if (key->type != M2D_OP_ARG_ENUM)
		return g_ascii_strtoull(copy, NULL, 0);
	for (unsigned i = 0; (word = m2d_op_word(key, i, &n)) != NULL; i++)
		if (n == len && memcmp(word, text, len) == 0)
			return i;
	g_assert_not_reached();
}

bool m2d_op_rights(const char *text, size_t len, uint64_t *rights)
{
	static const char letters[] = "rwxug";

	*rights = 0;
	if (len == 1 && text[0] == '-')
		return true;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(letters, text[i]);

		if (at == NULL || text[i] == '\0')
			return false;
		*rights |= UINT64_C(1) << (at - letters);
	}
	return len > 0;
}

bool m2d_op_keys_next(const char *keys, M2dOpKeyIter *iter, M2dOpKey *key)
{
	const char *p = keys + iter->offset;
	size_t len = strcspn(p, " "), name, type;

	if (len == 0)
		return false;
	memset(key, 0, sizeof(*key));
	name = strcspn(p, ":");
	g_assert(name < sizeof(key->name));
	memcpy(key->name, p, name);
	type = strcspn(p + name + 1, "( !=");
	key->type = type_find(p + name + 1, type);
	key->words = key->type == M2D_OP_ARG_ENUM ? p + name + 2 + type : "";
	key->must = p[len - 1] == '!';
	key->arg = iter->arg;
	key->n_args = key->type == M2D_OP_ARG_RANGE ? 2 : 1;
	for (size_t i = name; i < len; i++)
		if (p[i] == '=')
			key->preset = preset_value(key, p + i + 1, len - i - 1);
	iter->arg += key->n_args;
	iter->offset += len + (p[len] == ' ');
	g_assert(iter->arg <= M2D_OP_MAX_ARGS);
	return true;
}

const char *m2d_op_word(const M2dOpKey *key, unsigned index, size_t *len)
{
	const char *p = key->words;

	for (;; p += *len + 1) {
		*len = strcspn(p, "|)");
		if (*len == 0)
			return NULL;
		if (index-- == 0)
			return p;
		if (p[*len] == ')')
			return NULL;
	}
}

const char *m2d_op_bit(M2dOpKind kind, unsigned index, uint64_t *bit)
{
	for (unsigned i = 0; i < M2D_N_ELEMENTS(register_bits); i++) {
		if (register_bits[i].kind != kind || index-- != 0)
			continue;
		*bit = register_bits[i].bit;
		return register_bits[i].name;
	}
	return NULL;
}

void m2d_op_preset(M2dOp *op, M2dOpKind kind)
{
	M2dOpKeyIter iter = {0};
	M2dOpKey key;

	memset(op, 0, sizeof(*op));
	op->kind = (uint16_t)kind;
	while (m2d_op_key_next(kind, &iter, &key))
		op->arg[key.arg] = key.preset;
}
