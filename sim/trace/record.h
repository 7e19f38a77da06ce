/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoded trace records. References are 16 bytes and come in batches (one per chunk of a trace
 * file); everything else is an event. A batch is a list of segments: first the segment's events,
 * then its references, all of one vCPU in one mode. Replay's hot loop runs over the references of
 * a segment and looks at nothing else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sim/base/bits.h"

/* M2dRef.w: kind, privilege, attributes, physical frame and size in one word. */
typedef enum {
	M2D_REF_READ = 0,
	M2D_REF_WRITE = 1,
	M2D_REF_FETCH = 2,
} M2dRefKind;

#define M2D_REF_KIND       M2D_BITS(1, 0)   /* M2dRefKind */
#define M2D_REF_USER       M2D_BIT(2)       /* CPL 3 */
#define M2D_REF_GUEST      M2D_BIT(3)       /* in guest mode: between VM entry and exit */
#define M2D_REF_HAS_PA     M2D_BIT(4)       /* the frame field holds the true physical frame */
#define M2D_REF_IO         M2D_BIT(5)       /* went to a device; the frame is not compared */
#define M2D_REF_DIRECT     M2D_BIT(6)       /* physical access without paging: va is the address */
#define M2D_REF_CROSS      M2D_BIT(7)       /* the access touches two 4 KiB pages */
#define M2D_REF_FRAME      M2D_BITS(51, 12) /* physical address with bits 11:0 clear */
#define M2D_REF_SIZE_SHIFT 52               /* bits 59:52: bytes accessed, 1..255; 0: unknown (1) */
#define M2D_REF_SIZE       M2D_BITS(59, 52)
/* Bits 63:60 and 11:8 are zero. */

typedef struct {
	uint64_t va;
	uint64_t w;
} M2dRef;
_Static_assert(sizeof(M2dRef) == 16, "a decoded reference is two words");

/* Record kinds of the file format and of decoded events. Numbers never change. 64 to 127 are
 * reserved for operations of hypervisors, 128 and up for extensions: readers skip them. */
typedef enum {
	M2D_EV_REG = 1,     /* sub = M2dTraceReg, a = new value, b = old value if known */
	M2D_EV_INVLPG = 2,  /* a = linear address */
	M2D_EV_INVPCID = 3, /* n = type, a = PCID, b = linear address */
	M2D_EV_INVLPGA = 4, /* a = linear address, n = ASID */
	M2D_EV_INVVPID = 5, /* n = type, a = VPID, b = linear address */
	M2D_EV_INVEPT = 6,  /* n = type, a = EPTP */
	M2D_EV_INVLPGB = 7, /* a = rAX, b = ECX, c = EDX */
	M2D_EV_TLBSYNC = 8,
	M2D_EV_PTWRITE = 16,  /* a = physical address, b = new value, n = bytes (4 or 8), sub = use
				 bits: 1 first dimension of the host, 2 nested or shadow, 4 guest */
	M2D_EV_VMRUN = 24,    /* AMD entry: n = ASID, sub = TLB_CONTROL, a = nCR3, b = guest CR3,
				 c = nested_ctl (bit 0 nested paging), d = guest CR0, e = guest CR4 */
	M2D_EV_VMEXIT = 25,   /* n = exit code, a = EXITINFO1, b = EXITINFO2 */
	M2D_EV_VMENTRY = 26,  /* Intel entry: n = VPID (0: VPIDs off), a = EPTP (0: EPT off),
				 b = guest CR3, d = guest CR0, e = guest CR4 */
	M2D_EV_VMX_EXIT = 27, /* n = exit reason, a = qualification, b = guest-physical address */
	M2D_EV_PF = 32,       /* entry of the guest's own #PF handler: a = CR2, b = CR3 */
	M2D_EV_ASPACE = 33,   /* traces without CR3: a = number of the process that runs now */
	M2D_EV_MARK = 40,     /* n = code, a, b: free for the producer; MMTRACE1's are kept */
} M2dEventKind;

/* Registers of M2D_EV_REG; sub = register | 0x80 when the value is the *initial* state at the
 * start of the trace (loading it flushes nothing). */
typedef enum {
	M2D_TR_CR0 = 0,
	M2D_TR_CR3 = 1,
	M2D_TR_CR4 = 2,
	M2D_TR_EFER = 3,
	M2D_TR_PKRU = 4,
	M2D_TR_PKRS = 5,
	M2D_TR_AC = 6, /* EFLAGS.AC, 0 or 1 */
} M2dTraceReg;
#define M2D_TR_INITIAL 0x80u

typedef struct {
	uint16_t kind; /* M2dEventKind */
	uint8_t vcpu;
	uint8_t sub;
	uint32_t n;
	uint8_t guest; /* 1: while the vCPU was in guest mode */
	uint8_t pad[7];
	uint64_t a, b, c, d, e;
} M2dTraceEvent;
_Static_assert(sizeof(M2dTraceEvent) == 56, "no hidden padding");

/* Events [first_event, +n_events) happen, then references [first_ref, +n_refs) on @vcpu. */
typedef struct {
	uint32_t first_event, n_events;
	uint32_t first_ref, n_refs;
	uint8_t vcpu;
	uint8_t guest; /* 1: M2D_REF_GUEST is set in all of them */
	uint8_t pad[6];
} M2dSegment;

/* A page of memory as it was when the trace started; @data NULL means all zero. */
typedef struct {
	uint64_t pa;
	const uint8_t *data; /* 4096 bytes, owned by the batch */
} M2dTracePage;

/* What one chunk decodes to. Arrays belong to the batch and are reused by the next decode. */
typedef struct {
	M2dRef *refs;
	M2dTraceEvent *events;
	M2dSegment *segments;
	M2dTracePage *pages;
	uint32_t n_refs, n_events, n_segments, n_pages;
	uint32_t cap_refs, cap_events, cap_segments, cap_pages;
	uint8_t *page_data; /* backing store of @pages */
	uint64_t cap_page_data;
	uint64_t first_ref;    /* ordinal in the trace of refs[0] */
	uint64_t instructions; /* instructions that the fetches stand for, when known */
	uint64_t elided;       /* references that the recorder's filter left out */
	uint64_t file_offset;  /* of the chunk, for messages */
} M2dBatch;
