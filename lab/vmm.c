/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small VMM for recording: a guest (guest.c) that uses its memory and its page tables, while the
 * host does to that memory what hosts do.
 *
 *	vmm KEY=VALUE...
 *
 * program=touch|random|table, mode=64|pae|32 (paging of the guest), vcpus=1|2, iterations=N,
 * pages=N (of data, at most 4096), seed=N, huge=0|1, host=none|churn|dirty|notifiers|move|fork,
 * operations=N (of the host), seconds=N (then it is killed).
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define MAX_SLOTS 8
#define RAM_HVA   0x10000000ul
#define DATA_HVA  0x20000000ul

enum {
	MODE_64,
	MODE_PAE,
	MODE_32
};
enum {
	HOST_NONE,
	HOST_CHURN,
	HOST_DIRTY,
	HOST_NOTIFIERS,
	HOST_MOVE,
	HOST_FORK
};

static const char *const programs[] = {"touch", "random", "table", NULL};
static const char *const modes[] = {"64", "pae", "32", NULL};
static const char *const hosts[] = {"none", "churn", "dirty", "notifiers", "move", "fork", NULL};

static struct {
	unsigned program, mode, host, vcpus, iterations, pages, seed, huge, operations, seconds;
} set = {.vcpus = 1, .iterations = 2, .pages = 600, .seed = 1, .seconds = 40};

static int kvm, vm;
static uint8_t *ram, *data[MAX_SLOTS];
static unsigned n_slots;
static bool logging[MAX_SLOTS];
static int ended; /* vCPUs that are through */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* --- settings --------------------------------------------------------------------------------- */

static unsigned word_of(const char *const *words, const char *value)
{
	for (unsigned i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	fprintf(stderr, "vmm: %s?\n", value);
	exit(2);
}

static void read_setting(const char *arg)
{
	static const struct {
		const char *key;
		unsigned *value;
		const char *const *words;
	} keys[] = {
		{"program=", &set.program, programs},
		{"mode=", &set.mode, modes},
		{"host=", &set.host, hosts},
		{"vcpus=", &set.vcpus, NULL},
		{"iterations=", &set.iterations, NULL},
		{"pages=", &set.pages, NULL},
		{"seed=", &set.seed, NULL},
		{"huge=", &set.huge, NULL},
		{"operations=", &set.operations, NULL},
		{"seconds=", &set.seconds, NULL},
	};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t n = strlen(keys[i].key);

		if (strncmp(arg, keys[i].key, n) != 0)
			continue;
		*keys[i].value = keys[i].words != NULL ? word_of(keys[i].words, arg + n)
						       : (unsigned)strtoul(arg + n, NULL, 0);
		return;
	}
	fprintf(stderr, "vmm: %s?\n", arg);
	exit(2);
}

/* --- memory ----------------------------------------------------------------------------------- */

static uint64_t data_gpa(unsigned slot)
{
	return LAB_DATA + (uint64_t)slot * LAB_SLOT;
}

static void set_slot(unsigned id, uint64_t gpa, uint64_t size, void *hva, unsigned flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) != 0)
		fail("KVM_SET_USER_MEMORY_REGION");
}

static void set_data(unsigned slot, bool there, unsigned flags)
{
	set_slot(slot + 1, data_gpa(slot), there ? LAB_SLOT : 0, data[slot], flags);
}

static void *map(uintptr_t hva, size_t size)
{
	void *p = mmap((void *)hva, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void make_memory(void)
{
	ram = map(RAM_HVA, LAB_RAM);
	madvise(ram, LAB_RAM, MADV_NOHUGEPAGE);
	set_slot(0, 0, LAB_RAM, ram, 0);
	n_slots = (set.pages + 511) / 512;
	for (unsigned i = 0; i < n_slots; i++) {
		data[i] = map(DATA_HVA + (uintptr_t)i * 2 * LAB_SLOT, LAB_SLOT);
		madvise(data[i], LAB_SLOT, set.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		if (set.huge)
			memset(data[i], 1, LAB_SLOT);
		set_data(i, true, 0);
	}
}

/* --- the guest -------------------------------------------------------------------------------- */

static void put(uint32_t gpa, unsigned index, uint64_t entry, unsigned size)
{
	memcpy(ram + gpa + index * size, &entry, size);
}

/* The first 16 MiB are mapped by large pages, the data by small ones. */
static void make_tables(void)
{
	unsigned size = set.mode == MODE_32 ? 4 : 8, per_table = 4096 / size;
	uint32_t root[2] = {LAB_ROOT, LAB_ROOT2};

	for (unsigned i = 0; i < 2; i++) {
		if (set.mode == MODE_64)
			put(root[i], 0, 0x201007, 8);
		if (set.mode == MODE_PAE) {
			put(root[i], 0, 0x202001, 8);
			put(root[i], 1, 0x203001, 8);
		}
		for (unsigned k = 0; set.mode == MODE_32 && k < 4; k++) {
			put(root[i], k, k << 22 | 0x87, 4);
			put(root[i], 256 + k, (LAB_TABLES + k * 4096) | 7, 4);
		}
	}
	put(0x201000, 0, 0x202007, 8);
	put(0x201000, 1, 0x203007, 8);
	for (unsigned k = 0; set.mode != MODE_32 && k < 8; k++) {
		put(0x202000, k, (uint64_t)k << 21 | 0x87, 8);
		put(0x203000, k, (LAB_TABLES + k * 4096) | 7, 8);
	}
	for (unsigned k = 0; k < MAX_SLOTS * 512; k++)
		put(LAB_TABLES + k / per_table * 4096, k % per_table,
		    (LAB_DATA + (uint64_t)k * 4096) | 7, size);
}

static void make_guest(void)
{
	struct lab_params p = {
		.program = set.program,
		.iterations = set.iterations,
		.pages = set.pages,
		.seed = set.seed,
		.vcpus = set.vcpus,
		.entry_size = set.mode == MODE_32 ? 4 : 8,
	};
	const char *path = set.mode == MODE_64 ? "/guest64.bin" : "/guest32.bin";
	FILE *f = fopen(path, "rb");

	if (f == NULL || fread(ram + LAB_CODE, 1, 65536, f) == 0)
		fail(path);
	fclose(f);
	memcpy(ram + LAB_PARAMS, &p, sizeof(p));
	make_tables();
}

static void set_registers(int vcpu, unsigned id)
{
	struct kvm_regs regs = {
		.rflags = 2,
		.rip = LAB_CODE,
		.rsp = LAB_STACK + id * LAB_STACK_STEP,
		.rdi = id,
	};
	struct kvm_segment seg = {.limit = 0xffffffff, .present = 1, .s = 1, .g = 1};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s) != 0)
		fail("KVM_GET_SREGS");
	s.cr0 = 0x80010033; /* PG, WP, NE, ET, MP, PE */
	s.cr3 = LAB_ROOT;
	s.cr4 = set.mode == MODE_32 ? 0x10 : 0x20; /* PSE or PAE */
	s.efer = set.mode == MODE_64 ? 0xd00 : 0;  /* NXE, LMA, LME */
	s.cs = seg;
	s.cs.selector = 8;
	s.cs.type = 11;
	s.cs.l = set.mode == MODE_64;
	s.cs.db = set.mode != MODE_64;
	seg.selector = 16;
	seg.type = 3;
	seg.db = 1;
	s.ds = s.es = s.fs = s.gs = s.ss = seg;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) != 0 || ioctl(vcpu, KVM_SET_REGS, &regs) != 0)
		fail("KVM_SET_SREGS");
}

static void *run_vcpu(void *arg)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[128];
	} cpuid[2];
	unsigned id = (unsigned)(uintptr_t)arg;
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, id), size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (vcpu < 0 || run == MAP_FAILED)
		fail("KVM_CREATE_VCPU");
	cpuid[id].head.nent = 128;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid[id]) != 0 ||
	    ioctl(vcpu, KVM_SET_CPUID2, &cpuid[id]) != 0)
		fail("KVM_SET_CPUID2");
	set_registers(vcpu, id);
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) != 0)
			continue;
		if (run->exit_reason == KVM_EXIT_MMIO) {
			/* A memslot is gone for a while. */
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, 8);
		} else if (run->exit_reason == KVM_EXIT_IO && run->io.port == LAB_END) {
			printf("vcpu%u: %u wrong\n", id,
			       *(uint32_t *)((uint8_t *)run + run->io.data_offset));
			break;
		} else {
			printf("vcpu%u: exit reason %u\n", id, run->exit_reason);
			break;
		}
	}
	__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* --- the host --------------------------------------------------------------------------------- */

static unsigned some(unsigned n)
{
	return (unsigned)random() % n;
}

static void disturb_mapping(unsigned slot)
{
	unsigned n = 1 + some(12);
	uint8_t *hva = data[slot] + (size_t)some(500) * 4096;

	switch (some(5)) {
	case 0:
		madvise(hva, n * 4096, MADV_DONTNEED);
		break;
	case 1:
		mprotect(hva, n * 4096, PROT_READ);
		usleep(5000);
		mprotect(hva, n * 4096, PROT_READ | PROT_WRITE);
		break;
	case 2:
		madvise(hva, n * 4096, MADV_FREE);
		break;
	case 3:
		madvise(hva, n * 4096, MADV_COLD);
		break;
	default:
		madvise(data[slot], LAB_SLOT, MADV_PAGEOUT);
		break;
	}
}

static void log_dirty(unsigned slot, unsigned k)
{
	static uint64_t bitmap[512 / 64];
	struct kvm_dirty_log log = {.slot = slot + 1, .dirty_bitmap = bitmap};

	if (k < n_slots || some(8) == 0) {
		slot = k % n_slots;
		logging[slot] = !logging[slot];
		set_data(slot, true, logging[slot] ? KVM_MEM_LOG_DIRTY_PAGES : 0);
	} else if (logging[slot] && ioctl(vm, KVM_GET_DIRTY_LOG, &log) != 0) {
		fail("KVM_GET_DIRTY_LOG");
	}
}

static void host_operation(unsigned k)
{
	unsigned slot = some(n_slots);

	usleep(20000 + some(30000));
	switch (set.host) {
	case HOST_CHURN:
		set_data(slot, false, 0);
		usleep(some(20000));
		if (some(2))
			madvise(data[slot], LAB_SLOT, MADV_DONTNEED);
		set_data(slot, true, some(3) == 0 ? KVM_MEM_LOG_DIRTY_PAGES : 0);
		break;
	case HOST_DIRTY:
		log_dirty(slot, k);
		break;
	case HOST_NOTIFIERS:
		disturb_mapping(slot);
		break;
	case HOST_MOVE:
		set_slot(slot + 1, data_gpa(slot) + 0x40000000, LAB_SLOT, data[slot], 0);
		usleep(3000);
		set_data(slot, true, 0);
		break;
	case HOST_FORK:
		if (fork() == 0) {
			usleep(30000);
			_exit(0);
		}
		break;
	default:
		break;
	}
}

int main(int argc, char **argv)
{
	pthread_t thread[2];

	for (int i = 1; i < argc; i++)
		read_setting(argv[i]);
	if (set.vcpus < 1 || set.vcpus > 2 || set.pages < 2 || set.pages > MAX_SLOTS * 512) {
		fprintf(stderr, "vmm: 1 or 2 vCPUs, 2 to %u pages\n", MAX_SLOTS * 512);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(set.seconds);
	srandom(set.seed);
	kvm = open("/dev/kvm", O_RDWR);
	vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		fail("/dev/kvm");
	make_memory();
	make_guest();
	for (uintptr_t i = 0; i < set.vcpus; i++)
		if (pthread_create(&thread[i], NULL, run_vcpu, (void *)i) != 0)
			fail("pthread_create");
	for (unsigned k = 0;
	     k < set.operations && __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < (int)set.vcpus; k++)
		host_operation(k);
	for (unsigned i = 0; i < set.vcpus; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
