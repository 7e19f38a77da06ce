/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest: no operating system, no interrupts, 64 or 32 bits. */
#include "guest.h"

static const struct lab_params *const params = (const struct lab_params *)LAB_PARAMS;
static struct lab_mail *const mail = (struct lab_mail *)LAB_MAIL;

static uint32_t wrong;

static void end(uint32_t value)
{
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"((uint16_t)LAB_END));
}

static void invlpg(uintptr_t gva)
{
	__asm__ volatile("invlpg (%0)" ::"r"(gva) : "memory");
}

static uintptr_t read_cr3(void)
{
	uintptr_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static void write_cr3(uintptr_t v)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}

static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static volatile uint32_t *word(uint32_t page, unsigned i)
{
	return (volatile uint32_t *)(uintptr_t)(LAB_DATA + page * 4096 + i * 8);
}

/* Low and high half of the entry of a page: the high half has nothing but zero here. */
static volatile uint32_t *entry(uint32_t page)
{
	return (volatile uint32_t *)(uintptr_t)(LAB_TABLES + page * params->entry_size);
}

static void shoot_down(uint32_t page)
{
	uintptr_t gva = LAB_DATA + page * 4096;

	if (params->vcpus > 1) {
		mail->gva = (uint32_t)gva;
		mail->asked++;
		while (mail->done != mail->asked)
			__asm__ volatile("pause");
	}
	invlpg(gva);
}

static void touch(uint32_t id)
{
	for (uint32_t n = 0; n < params->iterations; n++) {
		for (uint32_t i = 0; i < params->pages; i++)
			*word(i, id) = i + n;
		for (uint32_t i = 0; i < params->pages; i++)
			wrong += *word(i, id) != i + n;
	}
}

static void at_random(uint32_t id)
{
	uint32_t state = params->seed * 77 + id * 1234567 + 1;

	for (uint32_t n = 0; n < params->iterations; n++) {
		uint32_t r = next(&state);
		volatile uint32_t *p = word(r % params->pages, r >> 20 & 0x1f8);

		if (r >> 31)
			*p = r;
		else
			(void)*p;
	}
}

static void serve_shootdowns(void)
{
	uint32_t state = 99, half = params->pages / 2;

	while (!mail->stop) {
		if (mail->done != mail->asked) {
			invlpg(mail->gva);
			mail->done = mail->asked;
		}
		(void)*word(half + next(&state) % half, 2); /* these stay present */
	}
}

/* A copy of the table takes its place for a while. */
static void replace_table(uint32_t page, uint32_t n)
{
	uint32_t per_table = 4096 / params->entry_size, t = page / per_table;
	uint32_t at = LAB_TABLES + t * 4096, copy = LAB_SPARE + n % 16 * 4096;
	volatile uint32_t *link =
		(volatile uint32_t *)(uintptr_t)(params->entry_size == 8
							 ? 0x203000u + t * 8
							 : LAB_ROOT + 0x400 + t * 4);
	uint32_t old = *link;

	for (unsigned i = 0; i < 1024; i++)
		((volatile uint32_t *)(uintptr_t)copy)[i] = ((volatile uint32_t *)(uintptr_t)at)[i];
	*link = copy | (old & 0xfff);
	shoot_down(page);
	(void)*word(page, 0);
	write_cr3(read_cr3());
	*link = old;
	shoot_down(page);
	write_cr3(read_cr3());
}

static void rewrite_entry(uint32_t r, uint32_t n)
{
	uint32_t page = r % params->pages, other = (r >> 8) % params->pages, old = *entry(page);

	switch ((r >> 24) % 8) {
	case 0: /* read-only, and back */
		*entry(page) = old & ~2u;
		shoot_down(page);
		(void)*word(page, 0);
		*entry(page) = old;
		shoot_down(page);
		*word(page, 1) = n;
		break;
	case 1: /* accessed and dirty again? */
		*entry(page) = old & ~0x60u;
		shoot_down(page);
		*word(page, 1) = n;
		wrong += !(*entry(page) & 0x20);
		break;
	case 2: /* another frame for a while */
		*entry(page) = (old & 0xfff) | (*entry(other) & ~0xfffu);
		shoot_down(page);
		(void)*word(page, 0);
		*entry(page) = old;
		shoot_down(page);
		wrong += *word(page, 0) != (page ^ 0x55);
		break;
	case 3: /* another address space and back */
		write_cr3(LAB_ROOT2);
		(void)*word(page, 0);
		write_cr3(LAB_ROOT);
		break;
	case 4:
		write_cr3(read_cr3());
		(void)*word(page, 3);
		break;
	case 5:
		replace_table(page, n);
		break;
	case 6: /* not present for a while */
		if (page >= params->pages / 2)
			break;
		*entry(page) = 0;
		shoot_down(page);
		*entry(page) = old;
		*word(page, 1) = n;
		break;
	default: /* many D bits, one flush */
		for (uint32_t i = 0; i < 8; i++) {
			volatile uint32_t *e = entry((page + i) % params->pages);

			*e &= ~0x40u;
		}
		write_cr3(read_cr3());
		for (uint32_t i = 0; i < 8; i++)
			*word((page + i) % params->pages, 1) = n;
		break;
	}
}

static void rewrite_tables(void)
{
	uint32_t state = params->seed;

	for (uint32_t i = 0; i < params->pages; i++)
		*word(i, 0) = i ^ 0x55;
	for (uint32_t n = 0; n < params->iterations; n++)
		rewrite_entry(next(&state), n);
	mail->stop = 1;
}

void guest_main(uint32_t id);

void guest_main(uint32_t id)
{
	if (params->program == LAB_TOUCH)
		touch(id);
	else if (params->program == LAB_RANDOM)
		at_random(id);
	else if (id == 0)
		rewrite_tables();
	else
		serve_shootdowns();
	end(wrong);
	for (;;)
		__asm__ volatile("hlt");
}
