/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small guest operating system for traces that carry addresses but no page tables. It runs
 * several processes, each with tables and a PCID of its own, and maps pages on demand when they
 * fault; the kernel half of the address space is shared by all, supervisor-only and global. Every
 * entry is a real one, written to simulated memory (through the second dimension when there is
 * one), with accessed and dirty bits clear, so that hardware walks find and update it.
 *
 * Such traces do not tell code from data nor read-only from writable, so every page can be read,
 * written and executed. Nothing is ever unmapped, swapped or made read-only: this system needs
 * no TLB flush beyond what loading CR3 does. SMEP and SMAP stay off, since the kernel of an
 * address-only trace may touch user pages without STAC.
 *
 * Not modelled: kernel page-table isolation, copy on write, huge-page collapse.
 */
#pragma once

#include "sim/replay/hostmap.h"

typedef struct _M2dGuestos M2dGuestos;

/* Largest number of processes: one PCID each, PCID 0 stays free. */
#define M2D_GUESTOS_PROCESSES 4095u

/* Values of M2dGuestosConfig.paging. */
typedef enum {
	M2D_GUESTOS_4LEVEL,
	M2D_GUESTOS_5LEVEL,
	M2D_GUESTOS_PAE,
	M2D_GUESTOS_32BIT,
} M2dGuestosPaging;

typedef struct {
	unsigned paging;           /* M2dGuestosPaging */
	uint64_t memory;           /* bytes of guest memory; 0: 256 GiB or what can be addressed */
	double share_2m, share_1g; /* of linear address space, by page size */
	double scatter;            /* share of 4 KiB frames at pseudo-random places */
	bool pcid;                 /* CR4.PCIDE and a PCID for each process */
	bool global;               /* CR4.PGE and global kernel pages */
	uint64_t seed;
} M2dGuestosConfig;

/* m2d_guestos_config_init: the defaults: 4-level, 4 KiB pages in sequence, PCIDs, global pages. */
void m2d_guestos_config_init(M2dGuestosConfig *config);
/* m2d_guestos_config_set: one "guest.KEY=VALUE"; foreach calls @fn with all keys. */
bool m2d_guestos_config_set(M2dGuestosConfig *config, const char *assignment, GError **error);
void m2d_guestos_config_foreach(const M2dGuestosConfig *config,
				void (*fn)(const char *key, const char *value, void *data),
				void *data);

/**
 * m2d_guestos_new: a system without processes in @world.
 * @host: backs its memory; must outlive the system. NULL: it runs natively, on the root space
 * @config: copied. NULL with @error if it contradicts itself or the machine.
 * Free with m2d_guestos_free(), before the world.
 */
M2dGuestos *m2d_guestos_new(M2dWorld *world, M2dHostmap *host, const M2dGuestosConfig *config,
			    GError **error);
void m2d_guestos_free(M2dGuestos *os);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dGuestos, m2d_guestos_free)

/**
 * m2d_guestos_regs: the paging registers while @process runs; creates it on first use.
 * @regs: all of it is overwritten
 * False with @error if the number is not below %M2D_GUESTOS_PROCESSES or memory is full.
 * To switch processes without losing the other's TLB entries, load CR3 with bit 63 set when
 * CR4.PCIDE is set: a process keeps its PCID for ever.
 */
bool m2d_guestos_regs(M2dGuestos *os, uint64_t process, M2dRegs *regs, GError **error);

typedef enum {
	M2D_GUESTOS_MAPPED,      /* the page is mapped now: try again */
	M2D_GUESTOS_PRESENT,     /* it was mapped, with the right asked for: a spurious fault */
	M2D_GUESTOS_BAD_ADDRESS, /* not canonical, or above 4 GiB in a 32-bit mode */
	M2D_GUESTOS_DENIED,      /* user access to the kernel half */
	M2D_GUESTOS_NO_MEMORY,   /* guest or host memory is full */
} M2dGuestosFault;

/**
 * m2d_guestos_fault: the page-fault handler: map the page of @gva for @process, which must exist.
 * @user: the access was made at CPL 3
 */
M2dGuestosFault m2d_guestos_fault(M2dGuestos *os, uint64_t process, M2dGva gva, bool user);

/**
 * m2d_guestos_find: what the tables of @process say about @gva, without mapping anything.
 * @gpa: guest-physical address; natively the physical address. False if not mapped.
 * A kernel page counts as mapped once it is for any process: hardware may use its global entry
 * before @process has faulted on it.
 */
bool m2d_guestos_find(const M2dGuestos *os, uint64_t process, M2dGva gva, M2dGpa *gpa,
		      M2dPageSize *size);

/* m2d_guestos_taken: bytes of guest memory in use, tables included. */
uint64_t m2d_guestos_taken(const M2dGuestos *os);
