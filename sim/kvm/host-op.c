/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an operation's arguments, in the order of op.def, to the frame of the routine that carries
 * it out, and from its result to an outcome.
 */
#include "sim/kvm/host-op.h"

#include <inttypes.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/kvm/kvm-private.h"

/* The routine of an operation with its frame. */
typedef struct {
	M2dRoutineId routine;
	uint32_t size;
	union {
		m2d_set_memory_region_frame region;
		m2d_slot_delete_frame del;
		m2d_get_dirty_log_frame get;
		m2d_clear_dirty_log_frame clear;
		m2d_host_change_pages_frame change;
		m2d_host_age_pages_frame age;
		m2d_host_poke_frame poke;
		m2d_write_track_frame track;
		m2d_set_nr_mmu_pages_frame limit;
		m2d_host_release_frame release;
		m2d_pcpu_offline_frame offline;
	} u;
} Call;

#define CALL(call, name, member, ...)                                                              \
	do {                                                                                       \
		(call)->routine = M2D_R_##name;                                                    \
		(call)->size = sizeof(name##_frame);                                               \
		(call)->u.member = (name##_frame){__VA_ARGS__};                                    \
	} while (0)

static uint64_t gfn(uint64_t gpa)
{
	return gpa >> M2D_PAGE_SHIFT;
}

static uint64_t slot_flags(uint64_t readonly, uint64_t log)
{
	return (readonly ? M2D_SLOT_READONLY : 0) | (log ? M2D_SLOT_LOG_DIRTY : 0);
}

/* Memslots. A slot that does not exist is left to the ioctl to refuse. */
static void prepare_slot(const M2dVm *vm, const M2dOp *op, Call *c)
{
	const uint64_t *a = op->arg;
	const M2dMemslot none = {0}, *slot = &none;
	uint64_t as;

	switch (op->kind) {
	case M2D_OP_SLOT_CREATE:
		CALL(c, m2d_set_memory_region, region, .id = (uint32_t)a[0], .gfn = gfn(a[1]),
		     .npages = gfn(a[2]) + 1 - gfn(a[1]), .as = (uint32_t)a[4],
		     /* Where nothing else is said, memory lies in the process as in the guest. */
		     .hva = gfn(op->given >> 3 & 1 ? a[3] : a[1]),
		     .flags = (uint32_t)slot_flags(a[5], a[6]));
		return;
	case M2D_OP_SLOT_DELETE:
		CALL(c, m2d_slot_delete, del, .id = (uint32_t)a[0], .as = (uint32_t)a[1],
		     .unmap = a[2] != 0);
		return;
	case M2D_OP_SLOT_MOVE:
		as = a[3];
		break;
	default:
		as = a[1];
	}
	if (as < M2D_N_AS && a[0] < M2D_MAX_SLOTS)
		slot = m2d_slot(vm, (unsigned)as, (unsigned)a[0]);
	if (op->kind == M2D_OP_SLOT_MOVE)
		CALL(c, m2d_set_memory_region, region, .as = (uint32_t)as, .id = (uint32_t)a[0],
		     .gfn = gfn(a[1]), .npages = gfn(a[2]) + 1 - gfn(a[1]), .hva = slot->hva,
		     .flags = slot->flags, .must_exist = 1);
	else
		CALL(c, m2d_set_memory_region, region, .as = (uint32_t)as, .id = (uint32_t)a[0],
		     .gfn = slot->base_gfn, .npages = slot->npages, .hva = slot->hva,
		     .flags = (uint32_t)slot_flags(a[2], a[3]), .must_exist = 1);
}

static void prepare_pages(const M2dOp *op, M2dHostChange change, Call *c)
{
	const uint64_t *a = op->arg;
	bool one = op->kind == M2D_OP_MIGRATE;

	CALL(c, m2d_host_change_pages, change, .as = (uint32_t)a[one ? 1 : 2], .change = change,
	     .gfn = gfn(a[0]), .end = gfn(a[one ? 0 : 1]) + 1);
}

static void prepare(const M2dVm *vm, const M2dOp *op, Call *c)
{
	const uint64_t *a = op->arg;

	switch (op->kind) {
	case M2D_OP_GET_DIRTY_LOG:
		CALL(c, m2d_get_dirty_log, get, .id = (uint32_t)a[0], .as = (uint32_t)a[1]);
		break;
	case M2D_OP_CLEAR_DIRTY_LOG:
		CALL(c, m2d_clear_dirty_log, clear, .id = (uint32_t)a[0], .gfn = gfn(a[1]),
		     .end = gfn(a[2]) + 1, .as = (uint32_t)a[3]);
		break;
	case M2D_OP_UNMAP:
		prepare_pages(op, M2D_HOST_UNMAP, c);
		break;
	case M2D_OP_MIGRATE:
		prepare_pages(op, M2D_HOST_MIGRATE, c);
		break;
	case M2D_OP_PROTECT:
		prepare_pages(op, M2D_HOST_PROTECT, c);
		break;
	case M2D_OP_UNPROTECT:
		prepare_pages(op, M2D_HOST_UNPROTECT, c);
		break;
	case M2D_OP_AGE:
		CALL(c, m2d_host_age_pages, age, .as = (uint32_t)a[2], .gfn = gfn(a[0]),
		     .end = gfn(a[1]) + 1);
		break;
	case M2D_OP_TEST_AGE:
		CALL(c, m2d_host_age_pages, age, .as = (uint32_t)a[1], .test = 1, .gfn = gfn(a[0]),
		     .end = gfn(a[0]) + 1);
		break;
	case M2D_OP_POKE:
		CALL(c, m2d_host_poke, poke, .gpa = a[0], .value = a[1], .size = (uint32_t)a[2],
		     .as = (uint32_t)a[3]);
		break;
	case M2D_OP_TRACK:
	case M2D_OP_UNTRACK:
		CALL(c, m2d_write_track, track, .gfn = gfn(a[0]), .add = op->kind == M2D_OP_TRACK);
		break;
	case M2D_OP_PAGE_LIMIT:
		CALL(c, m2d_set_nr_mmu_pages, limit, .n = (uint32_t)a[0]);
		break;
	case M2D_OP_RELEASE:
		CALL(c, m2d_host_release, release, .pad = 0);
		break;
	case M2D_OP_PCPU_OFFLINE:
		CALL(c, m2d_pcpu_offline, offline, .pcpu = a[0]);
		break;
	default:
		prepare_slot(vm, op, c);
	}
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool refuse(GError **error, const M2dOp *op, const char *what, uint64_t value)
{
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %s, got 0x%" PRIx64,
		    m2d_op_info[op->kind].verb, what, value);
	return false;
}

static bool check_size(const M2dOp *op, uint64_t gpa, uint64_t size, GError **error)
{
	if (size == 0 || size > 8 || (size & (size - 1)) != 0)
		return refuse(error, op, "expected a size of 1, 2, 4 or 8 bytes", size);
	if (gpa % size != 0)
		return refuse(error, op, "expected an address aligned to the size", gpa);
	return true;
}

static bool check(const M2dOp *op, GError **error)
{
	M2dOpKeyIter iter = {0};
	M2dOpKey key;

	while (m2d_op_key_next((M2dOpKind)op->kind, &iter, &key)) {
		const uint64_t *a = &op->arg[key.arg];

		if (key.type == M2D_OP_ARG_RANGE && a[0] % M2D_PAGE_SIZE != 0)
			return refuse(error, op, "expected a range that begins a page", a[0]);
		if (key.type == M2D_OP_ARG_RANGE && (a[1] + 1) % M2D_PAGE_SIZE != 0)
			return refuse(error, op, "expected a range whose last byte ends a page",
				      a[1]);
		if (key.type == M2D_OP_ARG_RANGE && a[1] < a[0])
			return refuse(error, op, "expected a range that is not empty", a[1]);
		if (key.type == M2D_OP_ARG_RANGE && a[1] >> M2D_PHYS_BITS != 0)
			return refuse(error, op, "expected addresses below 2^52", a[1]);
		if (key.type == M2D_OP_ARG_HVA && a[0] % M2D_PAGE_SIZE != 0)
			return refuse(error, op, "expected the address of a page", a[0]);
		if (key.type == M2D_OP_ARG_UINT && strcmp(key.name, "as") == 0 && a[0] >= M2D_N_AS)
			return refuse(error, op, "expected address space 0 or 1", a[0]);
		if (key.type == M2D_OP_ARG_UINT && strcmp(key.name, "id") == 0 &&
		    a[0] >= M2D_MAX_SLOTS)
			return refuse(error, op, "expected a memslot below 32", a[0]);
	}
	return op->kind != M2D_OP_POKE || check_size(op, op->arg[0], op->arg[2], error);
}

bool m2d_host_op_start(M2dVm *vm, unsigned actor, const M2dOp *op, GError **error)
{
	m2d_host_op_frame f = {.op = *op};

	if (!check(op, error))
		return false;
	m2d_clear_padding(&f);
	m2d_rt_start(vm->rt, actor, M2D_R_m2d_host_op, &f, sizeof(f));
	return true;
}

/* --- carrying out ----------------------------------------------------------------------------- */

static void finish(M2dVm *vm, unsigned actor, const M2dOp *op, int64_t ret)
{
	M2dOpOutcome *out = &m2d_kvm(vm)->outcome[actor];

	out->value = ret < 0 ? (uint64_t)-ret : (uint64_t)ret;
	if (ret < 0)
		out->result = M2D_OPR_FAILED;
	else if (op->kind == M2D_OP_AGE || op->kind == M2D_OP_TEST_AGE)
		out->result = ret != 0 ? M2D_OPR_YES : M2D_OPR_NO;
	else
		out->result = M2D_OPR_OK;
	m2d_emit(vm->ev, OP_DONE, op->kind, out->result, out->value);
}

M2D_ROUTINE(m2d_host_op)
{
	m2d_host_op_frame *f = frame;
	M2dVm *vm = m2d_rt_vm(rt);
	Call call;

	memset(&call, 0, sizeof(call));
	if (f->h.pc == 0)
		prepare(vm, &f->op, &call);
	M2D_BEGIN(rt, f);
	m2d_clear_padding(&call);
	M2D_CALL_ANY(rt, f, call.routine, &call.u, call.size);
	f->ret = m2d_rt_ret(rt);
	finish(vm, rt->current, &f->op, f->ret);
	M2D_RETURN(rt, f, f->ret);
	M2D_END(rt, f);
}
