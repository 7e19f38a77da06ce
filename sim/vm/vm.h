/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine as KVM keeps it: struct kvm and struct kvm_vcpu, without the MMUs and the run
 * loop, which stand in layers above and work on what is declared here. The logical processors
 * (pCPUs) are the vCPU objects of sim/cpu: their TLBs are what vCPUs leave behind when they move.
 *
 * Everything that changes lies in the arena and is written with M2D_PUT(); M2dVm itself holds
 * only what is fixed when the VM is made.
 */
#pragma once

#include "sim/base/x86pte.h"
#include "sim/cpu/vcpu.h"
#include "sim/engine/routine.h"
#include "sim/engine/stats.h"
#include "sim/mem/falloc.h"
#include "sim/mem/put.h"
#include "sim/spte/spte.h"
#include "sim/vm/duty.h"
#include "sim/vm/knobs.h"

#define M2D_MAX_KVM_VCPUS 8u

typedef struct {
	bool tdp;            /* direct MMU over NPT or EPT; false: shadow paging */
	bool ept_ad;         /* EPT accessed and dirty bits are on */
	bool vpid;           /* Intel: VPIDs are on */
	unsigned n_vcpus;    /* 1..M2D_MAX_KVM_VCPUS */
	unsigned n_pcpus;    /* >= 1; vCPU i starts on pCPU i modulo this */
	uint32_t n_asids;    /* AMD: ASIDs per pCPU; 0 is the host's */
	bool flush_by_asid;  /* AMD: CPUID FLUSHBYASID */
	uint32_t page_limit; /* shadow pages; 0: none */
	uint8_t max_level;   /* of pages that KVM maps: 1 4 KiB, 2 2 MiB, 3 or 0 1 GiB */
	uint64_t first_pfn;  /* host frames that the VM's memory and tables come from, multiples */
	uint64_t n_pfns;     /*   of 512 */
	uint64_t host_pages; /* size of the process's address space in pages, from hva 0 */
	unsigned guest_maxphyaddr;
	bool manual_protect;     /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: only CLEAR clears the log */
	bool slot_zap_quirk_off; /* userspace turned KVM_X86_QUIRK_SLOT_ZAP_ALL off */
	bool intercept;          /* direct MMU: MOV to CR and INVPCID exit all the same */
	M2dKnobs knobs;
	M2dDutySet without; /* duties left out on purpose */
} M2dVmConfig;

/* vcpu->mode. */
typedef enum {
	M2D_OUTSIDE_GUEST_MODE,
	M2D_IN_GUEST_MODE,
	M2D_EXITING_GUEST_MODE,
	M2D_READING_SHADOW_PAGE_TABLES,
} M2dVcpuMode;

/* Bits of vcpu->requests, in the order in which the entry path services them. */
typedef enum {
	M2D_REQ_MMU_FREE_OBSOLETE_ROOTS, /* MMU_RELOAD with knob reload-request before 5.18 */
	M2D_REQ_MMU_SYNC,
	M2D_REQ_LOAD_MMU_PGD,
	M2D_REQ_TLB_FLUSH,
	M2D_REQ_TLB_FLUSH_CURRENT,
	M2D_REQ_TLB_FLUSH_GUEST,
	M2D_REQ_STEAL_UPDATE,
	M2D_N_REQS
} M2dRequest;

/* Fault handler results, in KVM's order. */
typedef enum {
	M2D_RET_PF_CONTINUE,
	M2D_RET_PF_RETRY,
	M2D_RET_PF_EMULATE,
	M2D_RET_PF_WRITE_PROTECTED,
	M2D_RET_PF_INVALID,
	M2D_RET_PF_FIXED,
	M2D_RET_PF_SPURIOUS,
	M2D_RET_PF_INJECT, /* ours: the guest's own fault */
} M2dRetPf;

/* What a guest flush covers: argument of GUEST_FLUSH events. */
typedef enum {
	M2D_GF_PAGE,      /* INVLPG: gva in the current PCID, and global */
	M2D_GF_PCID_PAGE, /* INVPCID 0 */
	M2D_GF_PCID,      /* INVPCID 1, MOV CR3: non-global items of the PCID */
	M2D_GF_NONGLOBAL, /* INVPCID 3 */
	M2D_GF_ALL,       /* INVPCID 2, MOV CR4/CR0, paravirtual flush */
	M2D_N_GF
} M2dGuestFlush;

typedef enum {
	M2D_LOCK_MMU,    /* mmu_lock */
	M2D_LOCK_SLOTS,  /* slots_lock */
	M2D_LOCK_UNSYNC, /* mmu_unsync_pages_lock */
	M2D_N_LOCKS
} M2dLockId;

typedef struct {
	M2D_OWN_WORD uint8_t owner; /* actor + 1 that holds it exclusively; 0: none */
	uint8_t pad;
	uint16_t readers; /* actors that hold it shared */
} M2dLock;

/* Index of a shadow page; 0: none. */
typedef uint32_t M2dSpIndex;

/* A root and the guest's pgd that it stands for. */
typedef struct {
	uint64_t pgd;  /* CR3 as KVM keys roots by it, PCID included */
	M2dSpIndex sp; /* root shadow page; M2D_ROOT_PAE: four of them; 0: invalid */
	uint32_t pad;
} M2dRootInfo;

#define M2D_ROOT_PAE     0xffffffffu
#define M2D_N_PREV_ROOTS 3

/* struct kvm_mmu of one vCPU. */
typedef struct {
	M2dRootInfo root;
	M2dRootInfo prev[M2D_N_PREV_ROOTS];
	M2dSpIndex pae_root[4]; /* SPs behind the PDPTEs in frame @pae_pfn */
	uint64_t pae_pfn;       /* 0: not allocated */
	uint64_t root_hpa;      /* what hardware is given; 0: invalid */
	uint32_t root_role;     /* role word of root pages */
	uint32_t cpu_role;      /* base word from the guest's registers */
	uint32_t ext_role;      /* extended word */
	uint8_t root_level;     /* of the shadow or nested tables */
	uint8_t pad[3];
	uint64_t pdptrs[4]; /* PAE guests: as loaded by MOV CR3 */
	M2dPteFormat gfmt;  /* of the guest's tables */
} M2dMmuCtx;

/* Guest interrupts that carry a function call, by sender. */
typedef struct {
	uint64_t gva;
	uint8_t action; /* M2dIpiAction */
	uint8_t pad[7];
} M2dGuestIpi;

/* struct kvm_vcpu: in the arena. */
typedef struct {
	uint8_t mode;     /* M2dVcpuMode */
	uint8_t loaded;   /* scheduled in on @pcpu */
	uint8_t pcpu;     /* it runs on, or ran on last */
	uint8_t in_guest; /* hardware is in guest mode for it */
	M2D_OWN_WORD uint32_t requests;
	M2D_OWN_WORD uint16_t kicks;   /* actors that wait for it to leave the guest */
	M2D_OWN_WORD uint16_t ipis;    /* vCPUs whose interrupt is pending */
	M2D_OWN_WORD uint16_t unacked; /* vCPUs that have not acknowledged this one's interrupts */
	M2D_OWN_WORD uint8_t preempt_req; /* be scheduled out at the next exit */
	uint8_t tlb_ctl;                  /* AMD: TLB_CONTROL of the next VMRUN */
	uint32_t asid;                    /* AMD */
	uint32_t vpid;                    /* Intel; 0: off */
	uint64_t asid_generation;
	uint8_t vmcb_pcpu;    /* pCPU + 1 of the last VMRUN; 0: none */
	uint8_t pv_flush_due; /* the guest relies on its flush from the next entry on */
	uint8_t bad_state;    /* VM entry fails its checks of the guest's state */
	uint8_t smm;          /* in system-management mode: the memslots of address space 1 */
	uint8_t pad[4];
	uint64_t steal_gpa; /* of struct kvm_steal_time; 0: not enabled */
	uint64_t steal_hva; /* cached page of it + 1; 0: none */
	M2dRegs regs;       /* the guest's own */
	M2dMmuCtx mmu;
	M2dGuestIpi ipi[M2D_MAX_KVM_VCPUS];
	/* The last MMIO access, cached. */
	uint64_t mmio_gva, mmio_gfn, mmio_gen;
	uint32_t mmio_access;
	uint32_t pad2;
	/* Unprotect-and-retry is tried once per address. */
	uint64_t last_retry_gpa;
} M2dKvmVcpu;

/* struct kvm: in the arena. */
typedef struct {
	M2dLock lock[M2D_N_LOCKS];
	uint64_t srcu[M2D_MAX_KVM_VCPUS]; /* srcu.h */
	uint64_t mmu_invalidate_seq;
	/* [start, end) in gfns; with knob retry-scope hva in pages of the process. */
	uint64_t mmu_invalidate_start, mmu_invalidate_end;
	uint32_t mmu_invalidate_in_progress;
	uint32_t mmu_valid_gen;
	/* AMD: per pCPU. */
	uint32_t next_asid[M2D_MAX_KVM_VCPUS];
	uint64_t asid_generation[M2D_MAX_KVM_VCPUS];
} M2dVmState;

/* Contents of guest memory that lie elsewhere than in simulated frames; a gpa of some memslot. */
typedef struct {
	uint64_t (*read)(void *data, uint64_t gpa, unsigned size);
	void (*write)(void *data, uint64_t gpa, unsigned size, uint64_t value);
	void *data;
} M2dGuestContents;

typedef struct _M2dVm {
	M2dWorld *world;
	M2dArena *arena;
	M2dSpace *space; /* HPA */
	M2dEvents *ev;
	M2dRuntime *rt;
	const M2dMachine *machine;
	M2dVmConfig cfg;
	M2dSpteFormat fmt;
	M2dVmState *s;
	unsigned n_vcpus, n_pcpus;
	M2dKvmVcpu *vcpu[M2D_MAX_KVM_VCPUS];
	M2dVcpu *pcpu[M2D_MAX_KVM_VCPUS];
	unsigned host_actor;        /* actors 0..n_vcpus-1 are the vCPUs */
	struct _M2dHostMm *mm;      /* hostmm.h */
	struct _M2dMemslots *slots; /* memslot.h */
	struct _M2dShadow *shadow;  /* sim/shadow */
	void (*shadow_free)(struct _M2dShadow *);
	struct _M2dKvm *kvm; /* sim/kvm */
	void (*kvm_free)(struct _M2dKvm *);
	M2dFalloc *frames;
	/* What KVM's own reads and writes of guest memory see; NULL: the frames behind it. */
	const M2dGuestContents *contents;
	/* Whether @actor gives mmu_lock up for a while, amid something long (need_resched(),
	 * rwlock_needbreak()); NULL: never. */
	bool (*lock_break)(void *data, unsigned actor);
	void *lock_break_data;
	uint64_t host_cycles[M2D_N_CAUSES]; /* charged to no vCPU; statistics */
} M2dVm;

/**
 * m2d_vm_new: a VM without memory in @world, which must outlive it. Its vCPUs are not scheduled in
 * and have paging off. The runtime's routines are the caller's business (sim/kvm).
 */
M2dVm *m2d_vm_new(M2dWorld *world, const M2dVmConfig *config, GError **error);
void m2d_vm_free(M2dVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(M2dVm, m2d_vm_free)

/* m2d_vm_config_init: one vCPU, shadow paging, 64 MiB of host frames, default profile. */
void m2d_vm_config_init(M2dVmConfig *config);

/* The VM that a runtime's routines work on. */
static inline M2dVm *m2d_rt_vm(const M2dRuntime *rt)
{
	return rt->owner;
}

static inline bool m2d_vm_amd(const M2dVm *vm)
{
	return vm->machine->vendor == M2D_VENDOR_AMD;
}

/* VM_PUT: store to a field of simulated state. */
#define VM_PUT(vm, lvalue, value) M2D_PUT((vm)->arena, lvalue, value)

/* The logical processor that @v runs on. */
static inline M2dVcpu *m2d_vm_hw(const M2dVm *vm, const M2dKvmVcpu *v)
{
	return vm->pcpu[v->pcpu];
}

/* m2d_vm_charge: @cycles of KVM's software to the processor of vCPU @id, or if M2D_NO_ACTOR to
 * the host's clock. */
void m2d_vm_charge(M2dVm *vm, unsigned id, M2dCause cause, uint64_t cycles);
