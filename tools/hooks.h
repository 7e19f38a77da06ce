/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hooks that gcc calls with -fsanitize=thread at each access of memory, once for all who want
 * to be told: they define M2D_HOOK(p, len, write) and include this file where they do.
 */
#pragma once

#ifdef M2D_HOOK

#define ACCESS(name, len, write)                                                                   \
	void name(void *p);                                                                        \
	void name(void *p)                                                                         \
	{                                                                                          \
		M2D_HOOK(p, len, write);                                                           \
	}
#define RANGE(name, write)                                                                         \
	void name(void *p, unsigned long len);                                                     \
	void name(void *p, unsigned long len)                                                      \
	{                                                                                          \
		M2D_HOOK(p, len, write);                                                           \
	}
#define ACCESSES(kind, write)                                                                      \
	ACCESS(__tsan_##kind##1, 1, write)                                                         \
	ACCESS(__tsan_##kind##2, 2, write)                                                         \
	ACCESS(__tsan_##kind##4, 4, write)                                                         \
	ACCESS(__tsan_##kind##8, 8, write)                                                         \
	ACCESS(__tsan_##kind##16, 16, write)                                                       \
	ACCESS(__tsan_unaligned_##kind##2, 2, write)                                               \
	ACCESS(__tsan_unaligned_##kind##4, 4, write)                                               \
	ACCESS(__tsan_unaligned_##kind##8, 8, write)                                               \
	ACCESS(__tsan_unaligned_##kind##16, 16, write)                                             \
	RANGE(__tsan_##kind##_range, write)

ACCESSES(read, false)
ACCESSES(write, true)

#undef ACCESS
#undef RANGE
#undef ACCESSES

void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_init(void);

void __tsan_func_entry(void *pc)
{
}

void __tsan_func_exit(void)
{
}

void __tsan_init(void)
{
}

#endif
