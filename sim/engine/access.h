/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes into the two-dimensional MMU and what comes out of it: the paging registers, the
 * second dimension, one access, its outcome. Architecture outcomes are plain values, never errors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/base/addr.h"

/* Control-register bits, named as both vendors name them. */
#define M2D_CR0_PE      (UINT64_C(1) << 0)
#define M2D_CR0_WP      (UINT64_C(1) << 16)
#define M2D_CR0_NW      (UINT64_C(1) << 29)
#define M2D_CR0_CD      (UINT64_C(1) << 30)
#define M2D_CR0_PG      (UINT64_C(1) << 31)
#define M2D_CR4_PSE     (UINT64_C(1) << 4)
#define M2D_CR4_PAE     (UINT64_C(1) << 5)
#define M2D_CR4_PGE     (UINT64_C(1) << 7)
#define M2D_CR4_LA57    (UINT64_C(1) << 12)
#define M2D_CR4_PCIDE   (UINT64_C(1) << 17)
#define M2D_CR4_SMEP    (UINT64_C(1) << 20)
#define M2D_CR4_SMAP    (UINT64_C(1) << 21)
#define M2D_CR4_PKE     (UINT64_C(1) << 22)
#define M2D_CR4_PKS     (UINT64_C(1) << 24)
#define M2D_EFER_LME    (UINT64_C(1) << 8)
#define M2D_EFER_LMA    (UINT64_C(1) << 10)
#define M2D_EFER_NXE    (UINT64_C(1) << 11)
#define M2D_EFER_TCE    (UINT64_C(1) << 15) /* AMD: translation cache extension */
#define M2D_CR3_NOFLUSH (UINT64_C(1) << 63)
#define M2D_CR3_PCID    UINT64_C(0xfff)

/* Registers that paging looks at. Long mode is active iff EFER.LMA. */
typedef struct {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru;     /* AD of key i at bit 2i, WD at 2i+1 */
	uint32_t pkrs;     /* the same for supervisor pages (CR4.PKS) */
	bool ac;           /* EFLAGS.AC */
	uint64_t pdpte[4]; /* PAE on Intel: the registers loaded by MOV CR3; unused elsewhere */
} M2dRegs;

/* CPUID features that change what entries mean. */
#define M2D_FEAT_PSE36 (1u << 0) /* 4 MiB pages reach 40 physical bits */
#define M2D_FEAT_1G    (1u << 1) /* 1 GiB pages */
#define M2D_FEAT_ALL   (M2D_FEAT_PSE36 | M2D_FEAT_1G)

typedef enum {
	M2D_NESTED_NONE, /* one dimension: native, or a guest on shadow tables */
	M2D_NESTED_NPT,
	M2D_NESTED_EPT,
} M2dNestedKind;

/* EPT controls and capabilities that change walks. */
#define M2D_EPT_EXEC_ONLY (1u << 0) /* IA32_VMX_EPT_VPID_CAP bit 0: execute-only entries */
#define M2D_EPT_2M        (1u << 1) /* CAP bit 16 */
#define M2D_EPT_1G        (1u << 2) /* CAP bit 17 */
#define M2D_EPT_MBEC      (1u << 3) /* mode-based execute control is on */
#define M2D_EPT_ADV_INFO  (1u << 4) /* CAP bit 22: qualification bits 9..11 */
#define M2D_EPT_PML       (1u << 5) /* page-modification logging is on (needs EPTP bit 6) */

#define M2D_EPTP_AD      (UINT64_C(1) << 6)
#define M2D_EPTP_WALK(n) ((uint64_t)((n)-1) << 3) /* walk length of n levels */

/* The second dimension and the tags of one guest context. */
typedef struct {
	M2dNestedKind kind;
	uint32_t tag; /* ASID (AMD) or VPID (Intel; 0: VPIDs off, as VPID 0000h) */
	/* NPT: nested CR3, walked with the host's paging mode (CR4.PAE/PSE/LA57, EFER.LMA/NXE). */
	uint64_t ncr3;
	uint64_t hcr4, hefer;
	/* EPT: pointer with memory type, walk length and A/D bit; controls above. */
	uint64_t eptp;
	uint32_t ept_controls;
	uint64_t pml_address; /* HPA of the 4 KiB log */
	uint16_t pml_index;   /* next slot, counts down from 511 */
} M2dNested;

typedef enum {
	M2D_ACC_READ,
	M2D_ACC_WRITE,
	M2D_ACC_FETCH,
} M2dAccKind;

typedef struct {
	M2dGva gva;
	uint32_t size; /* bytes, 1..4096 */
	M2dAccKind kind;
	bool user;     /* CPL 3 */
	bool implicit; /* implicit supervisor access (descriptor tables, TSS): ignores AC, and is
			  a supervisor access at any CPL */
} M2dAccess;

typedef enum {
	M2D_OUT_OK,
	M2D_OUT_GP,            /* non-canonical address: #GP(0), nothing was walked */
	M2D_OUT_PF,            /* guest #PF: error_code, cr2 */
	M2D_OUT_NPF,           /* AMD #VMEXIT 400h: exitinfo1, fault_gpa (EXITINFO2) */
	M2D_OUT_EPT_VIOLATION, /* exit 48: qualification, fault_gpa, gla */
	M2D_OUT_EPT_MISCONFIG, /* exit 49: fault_gpa */
	M2D_OUT_PML_FULL,      /* exit 62: nothing was set or accessed */
} M2dOutcomeKind;

/* Where the translation of the first page came from. */
typedef enum {
	M2D_FROM_L1,
	M2D_FROM_L2,
	M2D_FROM_WALK,
} M2dServedBy;

/* #PF error code. */
#define M2D_PFEC_P    0x01u
#define M2D_PFEC_W    0x02u
#define M2D_PFEC_U    0x04u
#define M2D_PFEC_RSVD 0x08u
#define M2D_PFEC_ID   0x10u
#define M2D_PFEC_PK   0x20u

typedef struct {
	M2dOutcomeKind kind;
	M2dServedBy served_by;
	M2dPageSize size; /* of the translation that would be cached: min of both dimensions */
	uint32_t refs;    /* table entries read for this access */
	M2dHpa hpa;       /* of the first byte, if OK */
	M2dHpa hpa2;      /* of the first byte on the second page, if the access crosses one */
	uint32_t error_code;
	M2dGva cr2;             /* #PF: faulting linear address */
	uint64_t exitinfo1;     /* #NPF */
	uint64_t qualification; /* EPT violation */
	M2dGpa fault_gpa;
	M2dGva gla; /* EPT violation with qualification bit 7 */
} M2dOutcome;
