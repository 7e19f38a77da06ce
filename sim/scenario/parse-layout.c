/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of [layout]: what exists before the first step. */
#include "sim/scenario/parse-private.h"

#include <inttypes.h>
#include <string.h>

#include "sim/base/addr.h"
#include "sim/base/bits.h"
#include "sim/base/near.h"

static const struct {
	const char *noun;
	const char *keys;
} objects[] = {
#define OBJECT(name, noun, head, keys, text) {noun, keys},
#include "sim/scenario/layout.def"
#undef OBJECT
};

static const M2dScnObject *object_at(const M2dScnParser *ps, guint i)
{
	return &g_array_index(ps->objects, M2dScnObject, i);
}

static bool overlap(uint64_t first, uint64_t last, uint64_t other_first, uint64_t other_last)
{
	return first <= other_last && other_first <= last;
}

/* --- slot ----------------------------------------------------------------------------------- */

static bool fill_slot(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg, uint16_t given)
{
	uint64_t bytes = arg[2] - arg[1] + 1;

	o->slot.id = (unsigned)arg[0];
	o->slot.first = arg[1];
	o->slot.last = arg[2];
	o->slot.has_hva = given >> 3 & 1;
	o->slot.hva = arg[3];
	o->slot.as = (unsigned)arg[4];
	o->slot.readonly = arg[5];
	o->slot.log_dirty = arg[6];
	o->slot.shift = 12 + 9 * (unsigned)arg[7];
	if (arg[0] > 0x7fff || arg[4] > 1)
		return m2d_scn_fail_at(ps, o->place,
				       "slot id=%" G_GUINT64_FORMAT " as=%" G_GUINT64_FORMAT
				       ", expected id up to 32767 and as 0 or 1",
				       arg[0], arg[4]);
	if (arg[3] % M2D_PAGE_SIZE != 0 || (o->slot.has_hva && arg[3] + bytes - 1 < arg[3]))
		return m2d_scn_fail_at(ps, o->place,
				       "slot at hva=0x%" PRIx64
				       ", expected the start of a page, and room",
				       arg[3]);
	for (guint i = 0; i < ps->objects->len; i++) {
		const M2dScnObject *other = object_at(ps, i);

		if (other->kind != M2D_SCN_SLOT || other->slot.as != o->slot.as)
			continue;
		if (other->slot.id == o->slot.id)
			return m2d_scn_fail_at(ps, o->place,
					       "second slot %u, expected another id than on line "
					       "%u",
					       o->slot.id, other->place.line);
		if (overlap(o->slot.first, o->slot.last, other->slot.first, other->slot.last))
			return m2d_scn_fail_at(ps, o->place,
					       "slot %u overlaps slot %u of line %u, expected "
					       "memory of its own",
					       o->slot.id, other->slot.id, other->place.line);
	}
	return true;
}

/* --- gpt, gva, cr3 -------------------------------------------------------------------------- */

static bool head_gpt(M2dScnParser *ps, M2dScnObject *o)
{
	const char *near;
	M2dScnWord word;

	if (!m2d_scn_word(ps, &word) || !m2d_scn_is_name(word.text))
		return m2d_scn_fail(ps, word.at, "gpt without a name, expected gpt NAME");
	if (m2d_scn_find_gpt(ps, word.text, &near) >= 0)
		return m2d_scn_fail(ps, word.at, "second gpt %s, expected another name",
				    m2d_scn_quote(ps, word.text));
	m2d_scn_code(ps, word.text);
	o->gpt.name = word.text;
	return true;
}

static bool fill_gpt(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg, uint16_t given)
{
	o->gpt.has_page = given & 1;
	o->gpt.page = arg[0];
	if (arg[0] % M2D_PAGE_SIZE != 0)
		return m2d_scn_fail_at(ps, o->place,
				       "page=0x%" PRIx64 ", expected the start of a page", arg[0]);
	g_array_append_val(ps->gpts, o->gpt.name);
	return true;
}

/* "ADDRESS = GPA", or "FIRST..LAST = GPA". */
static bool head_gva(M2dScnParser *ps, M2dScnObject *o)
{
	gsize len;
	const char *text;
	M2dScnWord word;

	m2d_scn_skip_space(ps);
	len = strcspn(ps->p, " \t=");
	text = m2d_scn_strndup(ps->pool, ps->p, len);
	if (!m2d_scn_range(text, &o->gva.first, &o->gva.last)) {
		if (!m2d_scn_address(text, &o->gva.first))
			return m2d_scn_fail(ps, ps->p,
					    "gva of what, expected gva ADDRESS = GPA or "
					    "gva FIRST..LAST = GPA");
		o->gva.last = o->gva.first;
	}
	ps->p += len;
	m2d_scn_skip_space(ps);
	if (*ps->p != '=')
		return m2d_scn_fail(ps, ps->p, "gva without '=', expected gva ADDRESS = GPA");
	ps->p++;
	if (!m2d_scn_word(ps, &word) || !m2d_scn_address(word.text, &o->gva.gpa))
		return m2d_scn_fail(ps, word.at, "gva without a gpa, expected an address, 0x...");
	g_string_append_printf(ps->code, " %s = %s", text, word.text);
	return true;
}

static bool fill_gva(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg, uint16_t given)
{
	static const uint8_t shifts[] = {12, 21, 22, 30};
	bool range = o->gva.last != o->gva.first;
	uint64_t mask;

	o->gva.gpt = (unsigned)arg[0];
	o->gva.rights = arg[1];
	o->gva.shift = shifts[arg[2]];
	mask = m2d_low_mask(o->gva.shift);
	if (ps->gpts->len == 0)
		return m2d_scn_fail_at(ps, o->place,
				       "no guest address space yet, expected gpt NAME before");
	if (!(given & 1) && ps->gpts->len > 1)
		return m2d_scn_fail(ps, ps->p,
				    "which guest address space, expected gpt=NAME where there are "
				    "several");
	if (!range)
		o->gva.last = o->gva.first | mask;
	if ((o->gva.first & mask) != 0 || (o->gva.gpa & mask) != 0 || (o->gva.last & mask) != mask)
		return m2d_scn_fail_at(ps, o->place,
				       "not on the boundaries of pages, expected whole pages of "
				       "0x%" PRIx64 " bytes",
				       mask + 1);
	return true;
}

static bool head_cr3(M2dScnParser *ps, M2dScnObject *o)
{
	M2dScnWord word;

	if (!m2d_scn_word(ps, &word) || !m2d_scn_vcpu(word.text, &o->cr3.vcpu) ||
	    o->cr3.vcpu >= ps->vcpus)
		return m2d_scn_fail(ps, word.at, "cr3 of what, expected vcpu0 to vcpu%u",
				    ps->vcpus - 1);
	m2d_scn_code(ps, word.text);
	return true;
}

static bool fill_cr3(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg)
{
	o->cr3.gpt = (unsigned)arg[0];
	o->cr3.pcid = (unsigned)arg[1];
	if (arg[1] > 4095)
		return m2d_scn_fail(ps, ps->p, "pcid=%" G_GUINT64_FORMAT ", expected 0 to 4095",
				    arg[1]);
	for (guint i = 0; i < ps->objects->len; i++)
		if (object_at(ps, i)->kind == M2D_SCN_CR3 &&
		    object_at(ps, i)->cr3.vcpu == o->cr3.vcpu)
			return m2d_scn_fail_at(ps, o->place, "second cr3 of vcpu%u, expected one",
					       o->cr3.vcpu);
	return true;
}

/* --- tables, memory ------------------------------------------------------------------------- */

static bool fill_tables(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg)
{
	o->tables.first = arg[0];
	o->tables.last = arg[1];
	for (guint i = 0; i < ps->objects->len; i++)
		if (object_at(ps, i)->kind == M2D_SCN_TABLES)
			return m2d_scn_fail_at(ps, o->place, "second tables, expected one");
	return true;
}

static bool fill_memory(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg)
{
	o->memory.gpa = arg[0];
	o->memory.value = arg[1];
	o->memory.size = (unsigned)arg[2];
	if (!m2d_is_pow2(arg[2]) || arg[2] > 8 || arg[0] % arg[2] != 0 ||
	    arg[1] > m2d_low_mask(8 * (unsigned)arg[2]))
		return m2d_scn_fail_at(ps, o->place,
				       "memory, expected size 1, 2, 4 or 8, an aligned gpa and a "
				       "value that fits");
	return true;
}

/* --- a line --------------------------------------------------------------------------------- */

static bool parse_head(M2dScnParser *ps, M2dScnObject *o)
{
	switch (o->kind) {
	case M2D_SCN_GPT:
		return head_gpt(ps, o);
	case M2D_SCN_GVA:
		return head_gva(ps, o);
	case M2D_SCN_CR3:
		return head_cr3(ps, o);
	default:
		return true;
	}
}

static bool fill(M2dScnParser *ps, M2dScnObject *o, const uint64_t *arg, uint16_t given)
{
	switch (o->kind) {
	case M2D_SCN_SLOT:
		return fill_slot(ps, o, arg, given);
	case M2D_SCN_GPT:
		return fill_gpt(ps, o, arg, given);
	case M2D_SCN_GVA:
		return fill_gva(ps, o, arg, given);
	case M2D_SCN_TABLES:
		return fill_tables(ps, o, arg);
	case M2D_SCN_CR3:
		return fill_cr3(ps, o, arg);
	case M2D_SCN_MEMORY:
		return fill_memory(ps, o, arg);
	case M2D_N_SCN_OBJECTS:
		break;
	}
	g_assert_not_reached();
}

bool m2d_scn_parse_object(M2dScnParser *ps)
{
	uint64_t arg[M2D_OP_MAX_ARGS];
	const char *near = NULL;
	M2dScnObject o = {0};
	unsigned kind;
	uint16_t given;
	M2dScnWord word;

	m2d_scn_word(ps, &word);
	for (kind = 0; kind < M2D_N_SCN_OBJECTS; kind++) {
		if (strcmp(objects[kind].noun, word.text) == 0)
			break;
		near = m2d_near_better(word.text, near, objects[kind].noun);
	}
	if (kind == M2D_N_SCN_OBJECTS)
		return m2d_scn_fail(ps, word.at,
				    "unknown object %s, expected slot, gpt, gva, tables, cr3 or "
				    "memory%s",
				    m2d_scn_quote(ps, word.text), m2d_scn_hint(ps, near));
	o.place = m2d_scn_place(ps, word.at);
	o.kind = (M2dScnObjectKind)kind;
	m2d_scn_code(ps, word.text);
	if (!parse_head(ps, &o) ||
	    !m2d_scn_parse_keys(ps, word.text, objects[kind].keys, -1, arg, &given) ||
	    !m2d_scn_end(ps, "the end of the line") || !fill(ps, &o, arg, given))
		return false;
	g_array_append_val(ps->objects, o);
	return true;
}
