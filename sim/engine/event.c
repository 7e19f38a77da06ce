/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	const char *name, *fields, *text;
} M2dEventInfo;

static const M2dEventInfo info[M2D_N_EVENTS] = {
#define EVENT(id, text, fields, what) {text, fields, what},
#include "sim/engine/event.def"
#undef EVENT
};

void m2d_events_init(M2dEvents *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->actor = ev->vcpu = M2D_NO_ACTOR;
}

void m2d_events_listen(M2dEvents *ev, M2dEventFn fn, void *data)
{
	if (ev->n_listeners == M2D_MAX_LISTENERS)
		__builtin_trap();
	ev->listener[ev->n_listeners] = fn;
	ev->data[ev->n_listeners++] = data;
}

void m2d_events_unlisten(M2dEvents *ev, M2dEventFn fn, void *data)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < ev->n_listeners; i++) {
		if (ev->listener[i] == fn && ev->data[i] == data)
			continue;
		ev->listener[kept] = ev->listener[i];
		ev->data[kept++] = ev->data[i];
	}
	ev->n_listeners = (uint8_t)kept;
}

void m2d_events_send(M2dEvents *ev, M2dEventType type, const uint64_t args[M2D_EVENT_ARGS])
{
	M2dEvent e = {.type = (uint16_t)type,
		      .actor = ev->actor,
		      .vcpu = ev->vcpu,
		      .step = ev->step,
		      .time = ++ev->time};

	memcpy(e.a, args, sizeof(e.a));
	for (unsigned i = 0; i < ev->n_listeners; i++)
		ev->listener[i](&e, ev->data[i]);
}

const char *m2d_event_name(M2dEventType type)
{
	return info[type].name;
}

const char *m2d_event_text(M2dEventType type)
{
	return info[type].text;
}

M2dEventType m2d_event_find(const char *name)
{
	for (unsigned i = 0; i < M2D_N_EVENTS; i++)
		if (strcmp(info[i].name, name) == 0)
			return (M2dEventType)i;
	return M2D_N_EVENTS;
}

/* The field at *@p: its name's length, its format, and *@p moved behind it. False at the end. */
static bool next_field(const char **p, const char **name, unsigned *len, char *format)
{
	const char *colon;

	while (**p == ' ')
		(*p)++;
	colon = strchr(*p, ':');
	if (colon == NULL)
		return false;
	*name = *p;
	*len = (unsigned)(colon - *p);
	*format = colon[1];
	*p = colon + 2;
	return true;
}

int m2d_event_field(M2dEventType type, const char *name)
{
	const char *p = info[type].fields, *field;
	unsigned len;
	char format;

	for (int i = 0; next_field(&p, &field, &len, &format); i++)
		if (strlen(name) == len && strncmp(name, field, len) == 0)
			return i;
	return -1;
}

char *m2d_event_format(const M2dEvent *e, char *buf, unsigned size)
{
	const char *p = info[e->type].fields, *field;
	unsigned len, at;
	char format;

	at = (unsigned)snprintf(buf, size, "%s", info[e->type].name);
	for (int i = 0; next_field(&p, &field, &len, &format) && at < size; i++) {
		at += (unsigned)snprintf(buf + at, size - at, " %.*s=", (int)len, field);
		if (at >= size)
			break;
		if (format == 'x')
			at += (unsigned)snprintf(buf + at, size - at, "0x%" PRIx64, e->a[i]);
		else if (format == 's')
			at += (unsigned)snprintf(buf + at, size - at, "%" PRId64, e->a[i]);
		else
			at += (unsigned)snprintf(buf + at, size - at, "%" PRIu64, e->a[i]);
	}
	return buf;
}
