/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One recorded event of a real KVM. All sources give the same: text of tracefs or of trace-cmd
 * report, or the records of a trace.dat. Only fields whose bit in @has is set were recorded; the
 * others are 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
	M2D_CAP_LOST, /* the recorder dropped events of one CPU: @cpu, count in f[0] (0: unknown) */
	M2D_CAP_BAD,  /* a line or record that cannot be read: anything may have been in it */
#define EVENT(ID, id, name, fields, payload, raw) M2D_CAP_##ID,
#include "sim/capture/event.def"
#undef EVENT
	M2D_CAP_N_KINDS, /* kinds from here on are names this program knows nothing of */
} M2dCapKind;

#define M2D_CAP_FIELDS    8
#define M2D_CAP_TEXT      (M2D_CAP_FIELDS * 8)
#define M2D_CAP_MAX_NAMES 4096 /* kinds in all; what comes after shares the last one */

typedef struct {
	uint64_t time;  /* in ns of the recording's clock; in its ticks if it is not a time */
	uint64_t place; /* line of a text, record of a trace.dat; from 1 */
	uint32_t pid;
	uint16_t cpu;
	uint16_t kind; /* M2dCapKind or a name */
	uint32_t has;  /* bit i: f[i] is known */
	uint32_t reserved;
	union {
		uint64_t f[M2D_CAP_FIELDS];
		char text[M2D_CAP_TEXT]; /* of marks; ends with a NUL */
#define M2D_CAP_UNPACK(...) uint64_t __VA_ARGS__;
#define EVENT(ID, id, name, fields, payload, raw)                                                  \
	struct {                                                                                   \
		M2D_CAP_UNPACK fields                                                              \
	} id;
#include "sim/capture/event.def"
#undef EVENT
	} u;
} M2dCapEvent;

_Static_assert(sizeof(M2dCapEvent) == 96, "events go through pipes as they are");

/* The role of a shadow page as far as the tracepoints print it. */
#define M2D_CAP_ROLE_LEVEL    0xfu
#define M2D_CAP_ROLE_4BYTE    (1u << 4)
#define M2D_CAP_ROLE_QUADRANT (3u << 5)
#define M2D_CAP_ROLE_DIRECT   (1u << 7)
#define M2D_CAP_ROLE_ACCESS   (7u << 8) /* as M2D_SPTE_ACC_* */
#define M2D_CAP_ROLE_INVALID  (1u << 11)
#define M2D_CAP_ROLE_NX       (1u << 12) /* efer_nx */
#define M2D_CAP_ROLE_AD       (1u << 13) /* !ad_disabled */

/* Rights as kvm_mmu_set_spte prints them. */
#define M2D_CAP_ACC_R 1u
#define M2D_CAP_ACC_W 2u
#define M2D_CAP_ACC_X 4u
#define M2D_CAP_ACC_U 8u

/* Exit reasons: the vendor in bit 31 and 30, the code below; others are numbered names. */
#define M2D_CAP_EXIT_SVM   0x80000000u
#define M2D_CAP_EXIT_VMX   0x40000000u
#define M2D_CAP_EXIT_NAMED 0x20000000u

/* m2d_cap_kind_names: the names of all kinds, [M2D_CAP_N_KINDS]. */
const char *const *m2d_cap_kind_names(void);
/* m2d_cap_kind_name: the tracepoint's or kprobe's name; NULL for names from the file. */
const char *m2d_cap_kind_name(unsigned kind);
/* m2d_cap_kind_fields: "(vcpu, rip)": the names of the fields; "" if there are none. */
const char *m2d_cap_kind_fields(unsigned kind);
/* m2d_cap_next_field: the first name in @fields, which are such or their rest, and its length; NULL
 * behind the last one. */
const char *m2d_cap_next_field(const char *fields, size_t *len);
/* m2d_cap_event_fields: what was recorded, by name: "as=0x0 gfn=0x200 ..."; g_free(). */
char *m2d_cap_event_fields(const M2dCapEvent *event);
/* m2d_cap_symbol: what %c stores for function @name. */
uint64_t m2d_cap_symbol(const char *name, unsigned len);
