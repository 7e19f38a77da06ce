/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The number of the vCPU is in (r|e)di. */
.globl _start
_start:
#ifdef __x86_64__
	call guest_main
#else
	push %edi
	call guest_main
#endif
1:	hlt
	jmp 1b
.section .note.GNU-stack, "", @progbits
