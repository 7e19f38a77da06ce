/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VMM and its guest agree on: where things are in guest-physical memory. */
#pragma once

#include <stdint.h>

#define LAB_RAM    0x1000000u /* slot 0, from 0; identity-mapped */
#define LAB_PARAMS 0x8000u
#define LAB_MAIL   0x9000u
#define LAB_STACK  0x80000u /* of vCPU 0; the next is LAB_STACK_STEP above */
#define LAB_CODE   0x100000u
#define LAB_ROOT   0x200000u /* top table; a second one that leads to the same at LAB_ROOT2 */
#define LAB_ROOT2  0x204000u
#define LAB_TABLES 0x210000u /* tables of level 1 for the data, one behind the other */
#define LAB_SPARE  0x240000u /* pages to replace tables with */
#define LAB_DATA                                                                                   \
	0x40000000u /* gva and gpa of the data: slots from number 1 on                             \
		     */
#define LAB_SLOT 0x200000u
#define LAB_END  0xf4u /* port: the vCPU is through; value: what it found wrong */

#define LAB_STACK_STEP 0x4000u

enum {
	LAB_TOUCH,  /* write and read back every page, in order */
	LAB_RANDOM, /* read and write at random */
	LAB_TABLE,  /* vCPU 0 rewrites its page tables and shoots TLBs down; vCPU 1 reads */
};

struct lab_params {
	uint32_t program, iterations, pages, seed, vcpus;
	uint32_t entry_size; /* bytes of a page-table entry: 8, or 4 with two levels */
};

/* A shootdown: vCPU 0 writes gva and counts asked up; vCPU 1 flushes and copies it to done. */
struct lab_mail {
	volatile uint32_t asked, gva, done, stop;
};
