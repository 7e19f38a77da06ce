/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/kvm/fake-shadow.h"

#include <inttypes.h>

#include "sim/vm/srcu.h"
#include "sim/vm/tag.h"

Fake fake;

static void say(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void say(const char *format, ...)
{
	va_list ap;

	if (fake.trace->len != 0)
		g_string_append_c(fake.trace, ' ');
	va_start(ap, format);
	g_string_append_vprintf(fake.trace, format, ap);
	va_end(ap);
}

/* --- the MMU ---------------------------------------------------------------------------------- */

#define FAKE_ROUTINE(name, text)                                                                   \
	M2D_ROUTINE(name)                                                                          \
	{                                                                                          \
		name##_frame *f = frame;                                                           \
                                                                                                   \
		M2D_BEGIN(rt, f);                                                                  \
		say(text);                                                                         \
		M2D_END(rt, f);                                                                    \
	}

FAKE_ROUTINE(m2d_mmu_zap_all_fast, "zap-all-fast")
FAKE_ROUTINE(m2d_mmu_zap_all, "zap-all")
FAKE_ROUTINE(m2d_mmu_zap_slot_leafs, "zap-slot-leafs")
FAKE_ROUTINE(m2d_mmu_slot_remove_write_access, "remove-write-access")
FAKE_ROUTINE(m2d_mmu_zap_collapsible, "zap-collapsible")
FAKE_ROUTINE(m2d_mmu_commit_zap, "commit-zap")

static const char *locked(void)
{
	return m2d_lock_held(fake.vm, M2D_LOCK_MMU) ? "" : "!unlocked";
}

bool m2d_mmu_unmap_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end)
{
	say("unmap(%u:%" PRIx64 "-%" PRIx64 ")%s", slot->as, start, end, locked());
	return fake.flush;
}

bool m2d_mmu_age_gfn_range(M2dVm *vm, M2dMemslot *slot, uint64_t start, uint64_t end)
{
	say("age(%" PRIx64 "-%" PRIx64 ")%s", start, end, locked());
	return fake.young;
}

bool m2d_mmu_test_age_gfn(const M2dVm *vm, const M2dMemslot *slot, uint64_t gfn)
{
	say("test-age(%" PRIx64 ")%s", gfn, locked());
	return fake.young;
}

bool m2d_mmu_enable_log_dirty_pt_masked(M2dVm *vm, M2dMemslot *slot, uint64_t gfn_offset,
					uint64_t mask)
{
	say("protect(%" PRIx64 ":%" PRIx64 ")%s", gfn_offset, mask, locked());
	return fake.flush;
}

bool m2d_mmu_slot_gfn_write_protect(M2dVm *vm, M2dMemslot *slot, uint64_t gfn, unsigned min_level)
{
	say("write-protect(%" PRIx64 ",%u)%s", gfn, min_level, locked());
	return fake.flush;
}

void m2d_mmu_gfn_disallow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	say("disallow(%" PRIx64 ")%s", gfn, locked());
}

void m2d_mmu_gfn_allow_lpage(M2dVm *vm, M2dMemslot *slot, uint64_t gfn)
{
	say("allow(%" PRIx64 ")%s", gfn, locked());
}

bool m2d_mmu_prepare_shrink(M2dVm *vm, uint32_t goal)
{
	say("shrink(%u)%s", goal, locked());
	return fake.zapped;
}

/* --- the VM ----------------------------------------------------------------------------------- */

static const M2dRoutineFn table[M2D_N_ROUTINES] = {
#define R(name) [M2D_R_##name] = name
	R(m2d_lock),
	R(m2d_make_all_cpus_request),
	R(m2d_flush_remote_tlbs),
	R(m2d_mmu_zap_all_fast),
	R(m2d_mmu_zap_all),
	R(m2d_mmu_zap_slot_leafs),
	R(m2d_mmu_slot_remove_write_access),
	R(m2d_mmu_zap_collapsible),
	R(m2d_mmu_commit_zap),
	R(m2d_set_memory_region),
	R(m2d_slot_delete),
	R(m2d_set_memslot),
	R(m2d_memslots_sync),
	R(m2d_flush_shadow_memslot),
	R(m2d_slot_apply_flags),
	R(m2d_zap_policy_all_slow),
	R(m2d_zap_policy_all_fast),
	R(m2d_zap_policy_leafs),
	R(m2d_zap_policy_quirk),
	R(m2d_get_dirty_log),
	R(m2d_clear_dirty_log),
	R(m2d_mmu_notifier_start),
	R(m2d_mmu_notifier_end),
	R(m2d_mmu_notifier_age),
	R(m2d_host_change_pages),
	R(m2d_host_age_pages),
	R(m2d_host_munmap),
	R(m2d_host_poke),
	R(m2d_host_release),
	R(m2d_write_track),
	R(m2d_set_nr_mmu_pages),
	R(m2d_pcpu_offline),
#undef R
};

static bool ready(M2dRuntime *rt, unsigned actor, M2dWait kind, uint64_t arg)
{
	M2dVm *vm = rt->owner;

	switch (kind) {
	case M2D_WAIT_LOCK:
		return m2d_lock_free(vm, (M2dLockId)(arg & 0xff), arg >> 8 & 1);
	case M2D_WAIT_ACKS:
		return m2d_acked(vm, actor, (uint32_t)arg);
	case M2D_WAIT_READERS:
		return m2d_srcu_synced(vm);
	case M2D_WAIT_NOTIFIER:
		return vm->s->mmu_invalidate_in_progress == 0;
	default:
		return true;
	}
}

static void note(const M2dEvent *e, void *data)
{
	switch (e->type) {
	case M2D_E_LOCK:
		say("+%" PRIu64, e->a[0]);
		break;
	case M2D_E_UNLOCK:
		say("-%" PRIu64, e->a[0]);
		break;
	case M2D_E_FLUSH_REMOTE:
		say("flush(%" PRIx64 ",%" PRIu64 ")%s", e->a[0], e->a[1], "");
		break;
	case M2D_E_NOTIFIER:
		say("%s(%" PRIu64 ":%" PRIx64 "-%" PRIx64 ")", e->a[2] ? "begin" : "end", e->a[3],
		    e->a[0], e->a[1]);
		break;
	case M2D_E_NOTIFIER_DONE:
		say("done(%" PRIu64 ":%" PRIx64 "-%" PRIx64 ")", e->a[2], e->a[0], e->a[1]);
		break;
	case M2D_E_FRAME_FREED:
		say("freed");
		break;
	case M2D_E_SLOT_DELETED:
		say("deleted(%" PRIx64 ":%" PRIx64 "+%" PRIx64 ")", e->a[0], e->a[1], e->a[2]);
		break;
	case M2D_E_DIRTY_HARVEST:
		say("harvest(%" PRIx64 ")", e->a[1]);
		break;
	case M2D_E_DIRTY_LOG_DONE:
		say("log-done(%" PRIx64 "+%" PRIx64 ")", e->a[1], e->a[2]);
		break;
	case M2D_E_GFN_PROTECTED:
		say("protected(%" PRIx64 ")", e->a[0]);
		break;
	case M2D_E_AGED:
		say("aged(%" PRIx64 ",%" PRIu64 ")", e->a[0], e->a[1]);
		break;
	default:
		break;
	}
}

void fake_new(const char *knobs, M2dDuty duty)
{
	M2dVmConfig cfg;

	memset(&fake, 0, sizeof(fake));
	fake.trace = g_string_new(NULL);
	fake.world = m2d_world_new(m2d_machine_load("zen3", NULL), UINT64_C(1) << 30, NULL);
	m2d_vm_config_init(&cfg);
	cfg.n_vcpus = 2;
	if (knobs != NULL)
		ck_assert(m2d_knobs_profile(&cfg.knobs, knobs, NULL));
	if (duty != M2D_N_DUTIES)
		m2d_duty_add(&cfg.without, duty);
	fake.vm = m2d_vm_new(fake.world, &cfg, NULL);
	ck_assert_ptr_nonnull(fake.vm);
	fake.vm->rt->table = table;
	fake.vm->rt->n_table = M2D_N_ROUTINES;
	fake.vm->rt->ready = ready;
	m2d_events_listen(fake.vm->ev, note, NULL);
}

void fake_free(void)
{
	m2d_vm_free(fake.vm);
	m2d_world_free(fake.world);
	g_string_free(fake.trace, TRUE);
}

int64_t fake_run(M2dRoutineId routine, const void *frame, uint32_t size, void (*fn)(M2dPoint))
{
	M2dRuntime *rt = fake.vm->rt;
	unsigned host = fake.vm->host_actor;

	m2d_rt_start(rt, host, routine, frame, size);
	for (unsigned i = 0; i < 1000; i++) {
		ck_assert_msg(m2d_rt_enabled(rt, host), "blocked after: %s", fake.trace->str);
		if (m2d_rt_step(rt, host))
			return rt->task[host]->ret;
		if (fn != NULL)
			fn((M2dPoint)rt->task[host]->point);
	}
	ck_abort_msg("no end after: %s", fake.trace->str);
	return 0;
}

void expect(const char *text)
{
	ck_assert_str_eq(fake.trace->str, text);
	g_string_truncate(fake.trace, 0);
}

M2dMemslot *slot_put(unsigned as, unsigned id, uint64_t gfn, uint64_t n, uint64_t hva,
		     uint32_t flags)
{
	ck_assert(m2d_slot_install(fake.vm, as, id, gfn, n, hva, flags, NULL));
	return m2d_slot(fake.vm, as, id);
}
