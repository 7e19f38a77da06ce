/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/capture/event.h"

#include <glib.h>
#include <string.h>

static const char *const kind_names[M2D_CAP_N_KINDS] = {
	"LOST",
	"BAD",
#define EVENT(ID, id, name, fields, payload, raw) name,
#include "sim/capture/event.def"
#undef EVENT
};

static const char *const kind_fields[M2D_CAP_N_KINDS] = {
	"(count)",
	"",
#define EVENT(ID, id, name, fields, payload, raw) #fields,
#include "sim/capture/event.def"
#undef EVENT
};

const char *const *m2d_cap_kind_names(void)
{
	return kind_names;
}

const char *m2d_cap_kind_name(unsigned kind)
{
	return kind < M2D_CAP_N_KINDS ? kind_names[kind] : NULL;
}

const char *m2d_cap_kind_fields(unsigned kind)
{
	return kind < M2D_CAP_N_KINDS ? kind_fields[kind] : "";
}

const char *m2d_cap_next_field(const char *fields, size_t *len)
{
	fields += strspn(fields, "(), ");
	*len = strcspn(fields, "(), ");
	return *len != 0 ? fields : NULL;
}

char *m2d_cap_event_fields(const M2dCapEvent *e)
{
	const char *p = m2d_cap_kind_fields(e->kind);
	GString *s = g_string_new(NULL);
	size_t len;

	if (e->kind == M2D_CAP_MARK)
		return g_string_free(g_string_append(s, e->u.text), FALSE);
	for (unsigned n = 0; (p = m2d_cap_next_field(p, &len)) != NULL; n++, p += len)
		if (e->has & 1u << n)
			g_string_append_printf(s, "%s%.*s=0x%" G_GINT64_MODIFIER "x",
					       s->len > 0 ? " " : "", (int)len, p, e->u.f[n]);
	return g_string_free(s, FALSE);
}
