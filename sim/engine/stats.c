/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/stats.h"

#include <glib.h>

#include "sim/base/bits.h"

static const char *const counter_names[] = {
#define COUNTER(name, text) #name,
#include "sim/engine/counters.def"
#undef COUNTER
};

static const char *const counter_texts[] = {
#define COUNTER(name, text) text,
#include "sim/engine/counters.def"
#undef COUNTER
};

static const struct {
	const char *name;
	M2dCostClass class;
} causes[] = {
#define CAUSE(name, text, class) {text, class},
	M2D_CAUSES(CAUSE)
#undef CAUSE
};

static const char *const flush_names[] = {
#define FLUSH(name, text) text,
	M2D_FLUSHES(FLUSH)
#undef FLUSH
};

const char *m2d_counter_name(unsigned i)
{
	g_assert(i < M2D_N_COUNTERS);
	return counter_names[i];
}

const char *m2d_counter_text(unsigned i)
{
	g_assert(i < M2D_N_COUNTERS);
	return counter_texts[i];
}

const char *m2d_cause_name(M2dCause cause)
{
	return causes[cause].name;
}

M2dCostClass m2d_cause_class(M2dCause cause)
{
	return causes[cause].class;
}

const char *m2d_class_name(M2dCostClass class)
{
	static const char *const names[] = {"base", "walk", "software", "cross_cpu"};

	G_STATIC_ASSERT(M2D_N_ELEMENTS(names) == M2D_N_CLASSES);
	return names[class];
}

const char *m2d_flush_name(M2dFlushCause cause)
{
	return flush_names[cause];
}

void m2d_stats_add(M2dStats *a, const M2dStats *b)
{
	uint64_t *x = (uint64_t *)a;
	const uint64_t *y = (const uint64_t *)b;

	G_STATIC_ASSERT(sizeof(M2dStats) % sizeof(uint64_t) == 0);
	for (size_t i = 0; i < sizeof(M2dStats) / sizeof(uint64_t); i++)
		x[i] += y[i];
}

uint64_t m2d_stats_cycles(const M2dStats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < M2D_N_CAUSES; i++)
		sum += stats->cycles[i];
	return sum;
}
