/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A script as the text of a scenario. */
#include <inttypes.h>
#include <string.h>

#include "tests/soundness/run.h"

static void put_bits(GString *s, const M2dOp *op, uint64_t value)
{
	const char *name;
	uint64_t bit;
	bool first = true;

	for (unsigned i = 0; (name = m2d_op_bit((M2dOpKind)op->kind, i, &bit)) != NULL; i++) {
		if (!(value & bit))
			continue;
		g_string_append_printf(s, "%s%s", first ? "" : ",", name);
		first = false;
	}
}

static void put_vcpus(GString *s, uint64_t mask)
{
	bool first = true;

	for (unsigned i = 0; i < M2D_MAX_KVM_VCPUS; i++) {
		if (!(mask >> i & 1))
			continue;
		g_string_append_printf(s, "%svcpu%u", first ? "" : ",", i);
		first = false;
	}
}

static void put_rights(GString *s, uint64_t rights)
{
	static const char letters[] = "rwxug";

	for (unsigned i = 0; letters[i] != '\0'; i++)
		if (rights >> i & 1)
			g_string_append_c(s, letters[i]);
	if (rights == 0)
		g_string_append_c(s, '-');
}

static void put_value(GString *s, const M2dOp *op, const M2dOpKey *key)
{
	const uint64_t *a = &op->arg[key->arg];
	const char *word;
	size_t len;

	switch (key->type) {
	case M2D_OP_ARG_RANGE:
		g_string_append_printf(s, "0x%" PRIx64 "..0x%" PRIx64, a[0], a[1]);
		break;
	case M2D_OP_ARG_UINT:
		g_string_append_printf(s, "%" PRIu64, a[0]);
		break;
	case M2D_OP_ARG_GPT:
		g_string_append_c(s, (char)('A' + a[0]));
		break;
	case M2D_OP_ARG_VCPU:
		g_string_append_printf(s, "vcpu%" PRIu64, a[0]);
		break;
	case M2D_OP_ARG_VCPUS:
		put_vcpus(s, a[0]);
		break;
	case M2D_OP_ARG_RIGHTS:
		put_rights(s, a[0]);
		break;
	case M2D_OP_ARG_BITS:
		put_bits(s, op, a[0]);
		break;
	case M2D_OP_ARG_ENUM:
		word = m2d_op_word(key, (unsigned)a[0], &len);
		g_string_append_len(s, word, (gssize)len);
		break;
	default:
		g_string_append_printf(s, "0x%" PRIx64, a[0]);
		break;
	}
}

static void put_op(GString *s, unsigned actor, unsigned n_vcpus, const M2dOp *op)
{
	M2dOpKeyIter iter = {0};
	M2dOpKey key;

	if (actor < n_vcpus)
		g_string_append_printf(s, "vcpu%u: %s", actor, m2d_op_info[op->kind].verb);
	else
		g_string_append_printf(s, "host: %s", m2d_op_info[op->kind].verb);
	while (m2d_op_key_next((M2dOpKind)op->kind, &iter, &key)) {
		if (!(op->given >> key.arg & 1))
			continue;
		if (key.type == M2D_OP_ARG_FLAG) {
			if (op->arg[key.arg])
				g_string_append_printf(s, " %s", key.name);
			continue;
		}
		g_string_append_printf(s, " %s=", key.name);
		put_value(s, op, &key);
	}
	g_string_append_c(s, '\n');
}

char *snd_print(const SndConfig *c, const GArray *script)
{
	g_autofree char *header = snd_header(c);
	GString *s = g_string_new(header);

	if (c->stepped)
		g_string_append(s, "# found with actors interleaved at random points\n");
	g_string_append(s, "\n[steps]\n");
	for (guint i = 0; i < script->len; i++) {
		const SndRecord *r = &g_array_index(script, SndRecord, i);

		for (unsigned k = 0; k < r->group.n; k++)
			put_op(s, r->actor, c->vcpus, &r->group.op[k]);
	}
	return g_string_free(s, FALSE);
}
