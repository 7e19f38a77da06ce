/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: what the models say of what they do. Emitting counts always and costs a call only while
 * someone listens. Counts are statistics: a rollback does not touch them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/base/bits.h"

typedef enum {
#define EVENT(name, text, fields, what) M2D_E_##name,
#include "sim/engine/event.def"
#undef EVENT
	M2D_N_EVENTS
} M2dEventType;

#define M2D_EVENT_ARGS 6
#define M2D_NO_ACTOR   0xffu

typedef struct {
	uint16_t type; /* M2dEventType */
	uint8_t actor; /* that caused it; M2D_NO_ACTOR: the driver */
	uint8_t vcpu;  /* it happened on; M2D_NO_ACTOR: none */
	uint32_t step; /* number of the actor's micro-step in this run, from 1 */
	uint64_t time; /* ordinal among the events of this run that somebody was told of */
	uint64_t a[M2D_EVENT_ARGS];
} M2dEvent;

typedef void (*M2dEventFn)(const M2dEvent *event, void *data);

#define M2D_MAX_LISTENERS 8

typedef struct {
	uint64_t count[M2D_N_EVENTS];
	uint8_t wanted[M2D_N_EVENTS]; /* mask of the listeners to tell */
	uint64_t time;
	uint32_t step;
	uint8_t actor, vcpu; /* context of what is emitted now */
	uint8_t n_listeners;
	M2dEventFn listener[M2D_MAX_LISTENERS];
	void *data[M2D_MAX_LISTENERS];
} M2dEvents;

/* m2d_events_init: no listeners, no context. */
void m2d_events_init(M2dEvents *events);
/* m2d_events_listen: call @fn for every event, in order of registration. */
void m2d_events_listen(M2dEvents *events, M2dEventFn fn, void *data);
/* m2d_events_listen_to: the same, for the types with @types[type] only. */
void m2d_events_listen_to(M2dEvents *events, M2dEventFn fn, void *data,
			  const bool types[M2D_N_EVENTS]);
void m2d_events_unlisten(M2dEvents *events, M2dEventFn fn, void *data);

/* m2d_events_send: slow half of m2d_emit(). */
void m2d_events_send(M2dEvents *events, M2dEventType type, const uint64_t args[M2D_EVENT_ARGS]);

/* m2d_emit(events, TYPE, arguments...): something happened. */
#define m2d_emit(events, TYPE, ...)                                                                \
	do {                                                                                       \
		M2dEvents *m2d_ev_ = (events);                                                     \
		m2d_ev_->count[M2D_E_##TYPE]++;                                                    \
		if (m2d_unlikely(m2d_ev_->wanted[M2D_E_##TYPE] != 0))                              \
			m2d_events_send(m2d_ev_, M2D_E_##TYPE,                                     \
					(const uint64_t[M2D_EVENT_ARGS]){__VA_ARGS__});            \
	} while (0)

/* m2d_event_name: as in KVM's trace, where it has the event. */
const char *m2d_event_name(M2dEventType type);
/* m2d_event_text: one line of what the event means. */
const char *m2d_event_text(M2dEventType type);
/* m2d_event_find: the type of that name; M2D_N_EVENTS if there is none. */
M2dEventType m2d_event_find(const char *name);
/* m2d_event_field: index of the field @name, or -1. */
int m2d_event_field(M2dEventType type, const char *name);
/* m2d_event_format: "name key=value ..." of @event into @buf of @len bytes; returns @buf. */
char *m2d_event_format(const M2dEvent *event, char *buf, unsigned len);
