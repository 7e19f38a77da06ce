/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ASIDs and VPIDs of vCPUs. */
#pragma once

#include "sim/vm/vm.h"

/* m2d_tag_before_entry: give the vCPU an ASID if it has none that is good here (pre_svm_run()). */
void m2d_tag_before_entry(M2dVm *vm, unsigned vcpu);
/* m2d_tag_sched_in: the vCPU has come to its pCPU (vmx_vcpu_load_vmcs()). */
void m2d_tag_sched_in(M2dVm *vm, unsigned vcpu);
/* m2d_tag_pcpu_offline: the pCPU went away and came back; its TLB is empty. */
void m2d_tag_pcpu_offline(M2dVm *vm, unsigned pcpu);
/* m2d_vm_eptp: the EPTP for the vCPU's root (construct_eptp()). */
uint64_t m2d_vm_eptp(const M2dVm *vm, const M2dKvmVcpu *vcpu);
