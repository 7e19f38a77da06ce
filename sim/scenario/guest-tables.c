/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/guest-tables.h"

#include "sim/guest/guest.h"

/* Where the direct map begins, as Linux has it in each mode. */
static uint64_t direct_map_base(unsigned mode)
{
	switch (mode) {
	case M2D_PAGING_4LEVEL:
		return UINT64_C(0xffff888000000000);
	case M2D_PAGING_5LEVEL:
		return UINT64_C(0xff11000000000000);
	case M2D_PAGING_PAE:
	case M2D_PAGING_32:
		return UINT64_C(0xc0000000);
	default:
		return 0;
	}
}

void m2d_guest_tables_init(M2dGuestTables *t, M2dVm *vm, const M2dRegs *regs, uint64_t first,
			   uint64_t end)
{
	*t = (M2dGuestTables){.vm = vm, .next = first, .end = end};
	m2d_guest_format(&t->fmt, regs, vm->machine->vendor, vm->cfg.guest_maxphyaddr,
			 M2D_FEAT_ALL);
	t->direct_map = direct_map_base(t->fmt.mode);
	t->nx = regs->efer & M2D_EFER_NXE && t->fmt.entry_shift == 3;
}

uint64_t m2d_guest_tables_new(M2dGuestTables *t)
{
	uint64_t gpa = t->next, value;

	if (gpa >= t->end || !m2d_vm_read_guest(t->vm, M2D_GPA(gpa), 8, &value))
		return 0;
	t->next += M2D_PAGE_SIZE;
	return gpa;
}

static bool read_entry(const M2dGuestTables *t, uint64_t gpa, uint64_t *value)
{
	return m2d_vm_read_guest(t->vm, M2D_GPA(gpa), 1u << t->fmt.entry_shift, value);
}

static bool write_entry(M2dGuestTables *t, uint64_t gpa, uint64_t value)
{
	return m2d_vm_write_guest(t->vm, M2D_GPA(gpa), 1u << t->fmt.entry_shift, value, false);
}

/* log2 of the bytes that an entry of @level covers. */
static unsigned level_shift(const M2dPteFormat *fmt, unsigned level)
{
	return M2D_PAGE_SHIFT + fmt->index_bits * (level - 1);
}

static uint64_t leaf_entry(const M2dGuestTables *t, uint64_t gpa, unsigned level, unsigned rights)
{
	uint64_t e = gpa & t->fmt.frame_mask;

	e |= rights & M2D_OP_RIGHT_R ? M2D_PTE_P : 0;
	e |= rights & M2D_OP_RIGHT_W ? M2D_PTE_RW : 0;
	e |= rights & M2D_OP_RIGHT_U ? M2D_PTE_US : 0;
	e |= rights & M2D_OP_RIGHT_G ? M2D_PTE_G : 0;
	e |= level > 1 ? M2D_PTE_PS : 0;
	return e | (t->nx && !(rights & M2D_OP_RIGHT_X) ? M2D_PTE_NX : 0);
}

bool m2d_guest_tables_map(M2dGuestTables *t, uint64_t root, uint64_t gva, uint64_t gpa,
			  unsigned shift, unsigned rights)
{
	const M2dPteFormat *fmt = &t->fmt;
	uint64_t table = root, at, entry = 0;

	for (unsigned level = fmt->levels; level > 0; level--) {
		at = table + m2d_pte_index_offset(fmt, level, gva);
		if (level_shift(fmt, level) == shift)
			return (level == 1 || fmt->leaf_levels >> level & 1) &&
			       write_entry(t, at, leaf_entry(t, gpa, level, rights));
		if (!read_entry(t, at, &entry))
			return false;
		if (!(entry & M2D_PTE_P)) {
			uint64_t next = m2d_guest_tables_new(t);

			/* The leaf decides on rights; PDPTEs of PAE have none. */
			entry = next | M2D_PTE_P |
				(level == fmt->pdpte_level ? 0 : M2D_PTE_RW | M2D_PTE_US);
			if (next == 0 || !write_entry(t, at, entry))
				return false;
		} else if (m2d_pte_classify(fmt, level, entry) != M2D_PTE_TABLE) {
			return false;
		}
		table = entry & fmt->frame_mask;
	}
	return false;
}

bool m2d_guest_tables_find(const M2dGuestTables *t, uint64_t root, uint64_t gva, unsigned *level,
			   uint64_t *entry_gpa, uint64_t *value)
{
	const M2dPteFormat *fmt = &t->fmt;
	uint64_t table = root;

	for (unsigned l = fmt->levels; l > 0; l--) {
		*entry_gpa = table + m2d_pte_index_offset(fmt, l, gva);
		if (!read_entry(t, *entry_gpa, value))
			return false;
		if (l == *level || m2d_pte_classify(fmt, l, *value) != M2D_PTE_TABLE) {
			*level = l;
			return true;
		}
		table = *value & fmt->frame_mask;
	}
	return false;
}
