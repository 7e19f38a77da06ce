/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native captures (.m2c): the events of any other source, coded by their differences and
 * compressed, with the names that they need. Little-endian:
 *
 *	header	"MMU2DCAP", u32 version, u32 flags, u32 CRC-32 of these 16 bytes
 *	blocks	u8 type, u8 method (0 stored, 1 zlib), u16 0, u32 raw bytes, u32 stored bytes,
 *		u32 CRC-32 of these 12 bytes and the stored ones; stored bytes
 *
 * A block M2D_CAP_B_SOURCE comes first and has the name of the original format; then blocks of
 * events; last M2D_CAP_B_END. Numbers in blocks are varints (7 bits a byte, least significant
 * first), strings a number of bytes and the bytes. A block of events is a row of
 *
 *	0 name fields	the next number of a kind stands for events of this name, whose fields
 *			have the names "(a, b)"; LOST and BAD are kinds, too
 *	1 pid name	a task
 *	2 number name	an exit reason that has no code, only a name
 *	3 + kind, M2D_CAP_F_*, time, what these announce, fields in @has
 *
 * Time, place and fields are differences, in zigzag, from the event before, fields from the one
 * before of that kind. LOST has a count as its field, a mark one string in place of fields. END has
 * the number of events, of lines that could not be read, and of events that the ring buffer had
 * dropped before the first one, and two strings: what was wrong first, and why the capture is not
 * all.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "sim/capture/capture.h"
#include "sim/capture/exit.h"
#include "sim/capture/names.h"
#include "sim/trace/input.h"

#define M2D_CAP_NATIVE_MAGIC     "MMU2DCAP"
#define M2D_CAP_NATIVE_MAGIC_LEN 8u
#define M2D_CAP_NATIVE_VERSION   1u
#define M2D_CAP_NATIVE_HEADER    20u
#define M2D_CAP_NATIVE_BLOCK     16u       /* bytes of a block's head */
#define M2D_CAP_NATIVE_RAW       61440u    /* bytes of a block's content at most */
#define M2D_CAP_NATIVE_STRING    4096u     /* bytes of a string at most */
#define M2D_CAP_NATIVE_TEXT      (1u << 0) /* flag: places are lines of a text */

enum {
	M2D_CAP_B_SOURCE = 1,
	M2D_CAP_B_EVENTS = 2,
	M2D_CAP_B_END = 3,
};

enum {
	M2D_CAP_T_KIND,
	M2D_CAP_T_TASK,
	M2D_CAP_T_REASON,
	M2D_CAP_T_EVENT, /* and up */
};

/* What follows in an event, in this order. */
#define M2D_CAP_F_CPU   (1u << 0) /* another CPU than the event before */
#define M2D_CAP_F_PID   (1u << 1) /* another task */
#define M2D_CAP_F_PLACE (1u << 2) /* not the next place */
#define M2D_CAP_F_HAS   (1u << 3) /* other fields than the last event of its kind */

/* What writer and reader keep alike. */
typedef struct {
	uint64_t time, place;
	uint32_t pid;
	uint16_t cpu;
	uint32_t has[M2D_CAP_MAX_NAMES];                   /* by kind */
	uint64_t field[M2D_CAP_MAX_NAMES][M2D_CAP_FIELDS]; /* by kind */
} M2dCapNativeState;

/* --- reading -----------------------------------------------------------------------------------
 */

typedef struct _M2dCapNative M2dCapNative;

/* What a capture knows of its end. */
typedef struct {
	char *source;
	bool is_text;
	uint64_t bad, overwritten;
	char *first_bad, *cut; /* or NULL */
} M2dCapNativeInfo;

typedef void (*M2dCapTaskFn)(uint32_t pid, const char *name, size_t len, void *data);

/* m2d_cap_native_open: read from @in, which begins with the magic; it stays the caller's. Names go
 * into @names and @exits, tasks to @task. */
M2dCapNative *m2d_cap_native_open(M2dInput *in, M2dCapNames *names, M2dCapExits *exits,
				  M2dCapTaskFn task, void *data, GError **error);
void m2d_cap_native_close(M2dCapNative *native);
/* m2d_cap_native_next: 1 with an event; 0 at the end; -1 with @error. */
int m2d_cap_native_next(M2dCapNative *native, M2dCapEvent *event, GError **error);
/* m2d_cap_native_info: complete after the end; its source and is_text from the start. */
const M2dCapNativeInfo *m2d_cap_native_info(const M2dCapNative *native);
