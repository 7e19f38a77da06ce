/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts: small numbers for the architectural tags of cached items.
 *
 * Intel (SDM "Caching Translation Information"): linear mappings carry VPID and PCID; combined
 * mappings VPID, PCID and EP4TA; guest-physical mappings EP4TA only. AMD (APM "TLB Control"): all
 * items carry the ASID; those for linear addresses also the PCID; those for guest-physical
 * addresses neither PCID nor nCR3. A global item has no PCID but keeps the other tags.
 */
#pragma once

#include "sim/mem/arena.h"

typedef enum {
	M2D_CTX_NONE, /* free slot */
	M2D_CTX_LINEAR,
	M2D_CTX_COMBINED, /* Intel only: AMD tells the two apart by nothing but the ASID */
	M2D_CTX_PHYSICAL, /* guest-physical address as input */
} M2dCtxKind;

#define M2D_CTX_GLOBAL 0xffffu /* as PCID: item is global */

typedef struct {
	uint8_t kind; /* M2dCtxKind */
	uint8_t pad;
	uint16_t pcid; /* 0..4095 or M2D_CTX_GLOBAL; 0 for physical ones */
	uint32_t tag;  /* VPID or ASID */
	uint64_t root; /* EP4TA */
} M2dCtx;
_Static_assert(sizeof(M2dCtx) == 16, "contexts are compared as two words");

#define M2D_MAX_CTX 4096u

typedef struct {
	M2dCtx *ctx; /* [M2D_MAX_CTX] in the arena; 0 is never used */
	uint64_t *n; /* contexts ever used, slot 0 included */
} M2dCtxTable;

void m2d_ctx_init(M2dCtxTable *table, M2dArena *arena);

/* m2d_ctx_find: number of @ctx, or 0 if it has none. */
uint32_t m2d_ctx_find(const M2dCtxTable *table, const M2dCtx *ctx);

/* m2d_ctx_add: give @ctx a number; 0 if the table is full (free some with m2d_ctx_remove()). */
uint32_t m2d_ctx_add(M2dCtxTable *table, M2dArena *arena, const M2dCtx *ctx);
void m2d_ctx_remove(M2dCtxTable *table, M2dArena *arena, uint32_t id);
