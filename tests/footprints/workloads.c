/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "workloads.h"

#include "tests/soundness/run.h"

static struct {
	Collect *c; /* NULL: nobody asks */
	bool on;    /* a VM is watched */
} now;

bool __real_m2d_kvm_step(M2dVm *vm, unsigned actor);
M2dCheck *__real_m2d_check_new(M2dVm *vm, const M2dCheckOptions *options);
void __real_m2d_check_free(M2dCheck *check);
bool __wrap_m2d_kvm_step(M2dVm *vm, unsigned actor);
M2dCheck *__wrap_m2d_check_new(M2dVm *vm, const M2dCheckOptions *options);
void __wrap_m2d_check_free(M2dCheck *check);

bool __wrap_m2d_kvm_step(M2dVm *vm, unsigned actor)
{
	bool ended;

	if (now.c == NULL || !now.on)
		return __real_m2d_kvm_step(vm, actor);
	collect_before(now.c, actor, NULL);
	ended = __real_m2d_kvm_step(vm, actor);
	collect_after(now.c);
	return ended;
}

M2dCheck *__wrap_m2d_check_new(M2dVm *vm, const M2dCheckOptions *options)
{
	M2dCheck *check = __real_m2d_check_new(vm, options);

	if (now.c != NULL) {
		collect_begin_vm(now.c, vm, check);
		now.on = true;
	}
	return check;
}

void __wrap_m2d_check_free(M2dCheck *check)
{
	if (now.c != NULL) {
		now.on = false;
		collect_end(now.c);
	}
	__real_m2d_check_free(check);
}

static void run(SndConfig config)
{
	g_autoptr(GError) error = NULL;
	SndResult r;

	if (!snd_run(&config, NULL, &r, &error))
		g_error("%s", error->message);
	snd_result_clear(&r);
}

void workloads(Collect *c, unsigned seeds)
{
	static const char *const guests[] = {"4level", "5level", "pae", "32bit", "none"};
	static const char *const kernels[] = {"7.3", "6.1", "5.15", "5.10", "5.4"};

	now.c = c;
	for (unsigned seed = 1; seed <= seeds; seed++) {
		for (unsigned k = 0; k < 4 * M2D_N_ELEMENTS(guests); k++) {
			SndConfig config = {.mmu = k & 1 ? "direct" : "shadow",
					    .vendor = k >> 1 & 1 ? "amd" : "intel",
					    .guest = guests[k / 4],
					    .kvm = kernels[(seed + k) % M2D_N_ELEMENTS(kernels)],
					    .stepped = true,
					    .vcpus = 2 + seed % 2,
					    .pcpus = 2 + seed % 2 + (seed / 2 % 3 != 0),
					    .huge = seed % 3 == 0,
					    .pcid = seed % 4 >= 2 && guests[k / 4][1] == 'l',
					    .seed = seed,
					    .ops = 300};

			run(config);
		}
	}
	now.c = NULL;
}
