/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/capture/event.h"

#include <stddef.h>

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
