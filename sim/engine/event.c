/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim/base/names.h"

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

void m2d_events_listen_to(M2dEvents *ev, M2dEventFn fn, void *data, const bool types[M2D_N_EVENTS])
{
	unsigned i = ev->n_listeners++;

	if (i == M2D_MAX_LISTENERS)
		__builtin_trap();
	ev->listener[i] = fn;
	ev->data[i] = data;
	for (unsigned t = 0; t < M2D_N_EVENTS; t++)
		ev->wanted[t] |= (uint8_t)(types[t] << i);
}

void m2d_events_listen(M2dEvents *ev, M2dEventFn fn, void *data)
{
	bool all[M2D_N_EVENTS];

	memset(all, true, sizeof(all));
	m2d_events_listen_to(ev, fn, data, all);
}

/* Listener @i goes; those behind it move up. */
static void remove_listener(M2dEvents *ev, unsigned i)
{
	unsigned below = (1u << i) - 1;

	ev->n_listeners--;
	for (unsigned k = i; k < ev->n_listeners; k++) {
		ev->listener[k] = ev->listener[k + 1];
		ev->data[k] = ev->data[k + 1];
	}
	for (unsigned t = 0; t < M2D_N_EVENTS; t++)
		ev->wanted[t] = (uint8_t)((ev->wanted[t] & below) | (ev->wanted[t] >> 1 & ~below));
}

void m2d_events_unlisten(M2dEvents *ev, M2dEventFn fn, void *data)
{
	for (unsigned i = ev->n_listeners; i-- > 0;)
		if (ev->listener[i] == fn && ev->data[i] == data)
			remove_listener(ev, i);
}

void m2d_events_send(M2dEvents *ev, M2dEventType type, const uint64_t args[M2D_EVENT_ARGS])
{
	M2dEvent e = {.type = (uint16_t)type,
		      .actor = ev->actor,
		      .vcpu = ev->vcpu,
		      .step = ev->step,
		      .time = ++ev->time};

	memcpy(e.a, args, sizeof(e.a));
	for (unsigned left = ev->wanted[type]; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		ev->listener[i](&e, ev->data[i]);
	}
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
	return (M2dEventType)M2D_NAME_INDEX(info, name, name);
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
