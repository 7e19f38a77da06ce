/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON document of a run. */
#include "sim/base/json.h"

#include "sim/report/beside.h"
#include "sim/report/report.h"

static void counters(M2dJson *j, const M2dCounters *c)
{
	const uint64_t *values = (const uint64_t *)c;

	m2d_json_object_begin(j, "counters");
	for (unsigned i = 0; i < M2D_N_COUNTERS; i++)
		m2d_json_uint(j, m2d_counter_name(i), values[i]);
	m2d_json_object_end(j);
}

static void cycles_by_class(M2dJson *j, const M2dStats *stats)
{
	m2d_json_object_begin(j, "cycles_by_class");
	for (unsigned class = 0; class < M2D_N_CLASSES; class ++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < M2D_N_CAUSES; i++)
			if (m2d_cause_class(i) == class)
				sum += stats->cycles[i];
		m2d_json_uint(j, m2d_class_name(class), sum);
	}
	m2d_json_object_end(j);
}

static void cycles_by_cause(M2dJson *j, const M2dStats *stats)
{
	m2d_json_array_begin(j, "cycles_by_cause");
	for (unsigned i = 0; i < M2D_N_CAUSES; i++) {
		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "cause", m2d_cause_name(i));
		m2d_json_string(j, "class", m2d_class_name(m2d_cause_class(i)));
		m2d_json_uint(j, "cycles", stats->cycles[i]);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

static void walk_refs(M2dJson *j, const M2dStats *stats)
{
	m2d_json_array_begin(j, "walk_refs");
	for (unsigned i = 0; i < M2D_MAX_WALK_REFS; i++) {
		if (stats->walk_refs_hist[i] == 0)
			continue;
		m2d_json_object_begin(j, NULL);
		m2d_json_uint(j, "refs", i);
		m2d_json_uint(j, "walks", stats->walk_refs_hist[i]);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

static void flush_bill(M2dJson *j, const M2dStats *stats)
{
	m2d_json_array_begin(j, "flush_bill");
	for (unsigned i = 0; i < M2D_N_FLUSHES; i++) {
		const M2dFlushBill *b = &stats->bill[i];

		if ((b->count | b->direct_cycles | b->indirect_cycles | b->dropped | b->refilled |
		     b->over_flushed) == 0)
			continue;
		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "cause", m2d_flush_name(i));
		m2d_json_uint(j, "count", b->count);
		m2d_json_uint(j, "direct_cycles", b->direct_cycles);
		m2d_json_uint(j, "indirect_cycles", b->indirect_cycles);
		m2d_json_uint(j, "dropped", b->dropped);
		m2d_json_uint(j, "refilled", b->refilled);
		m2d_json_uint(j, "over_flushed", b->over_flushed);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

static void violations(M2dJson *j, const M2dResult *r)
{
	m2d_json_array_begin(j, "violations");
	for (guint i = 0; i < r->violations->len; i++) {
		const M2dViolation *v = &g_array_index(r->violations, M2dViolation, i);

		m2d_json_object_begin(j, NULL);
		m2d_json_string(j, "invariant", v->invariant);
		m2d_json_uint(j, "ref", v->ref);
		m2d_json_uint(j, "vcpu", v->vcpu);
		m2d_json_string(j, "story", v->story);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
}

/* Samples as columns: far shorter than one object each, and what plotting tools want. */
static void samples(M2dJson *j, const M2dResult *r)
{
	m2d_json_object_begin(j, "samples");
	m2d_json_array_begin(j, "ref");
	for (guint i = 0; i < r->samples->len; i++)
		m2d_json_uint(j, NULL, g_array_index(r->samples, M2dSample, i).ref);
	m2d_json_array_end(j);
	m2d_json_array_begin(j, "cycles");
	for (guint i = 0; i < r->samples->len; i++)
		m2d_json_uint(j, NULL, g_array_index(r->samples, M2dSample, i).cycles);
	m2d_json_array_end(j);
	for (unsigned k = 0; k < M2D_N_COUNTERS; k++) {
		const M2dSample *last;

		/* Counters never fall: zero at the end is zero throughout. */
		if (r->samples->len == 0)
			break;
		last = &g_array_index(r->samples, M2dSample, r->samples->len - 1);
		if (((const uint64_t *)&last->c)[k] == 0)
			continue;
		m2d_json_array_begin(j, m2d_counter_name(k));
		for (guint i = 0; i < r->samples->len; i++) {
			const M2dSample *s = &g_array_index(r->samples, M2dSample, i);

			m2d_json_uint(j, NULL, ((const uint64_t *)&s->c)[k]);
		}
		m2d_json_array_end(j);
	}
	m2d_json_object_end(j);
}

char *m2d_report_json(const M2dResult *r)
{
	M2dJson *j = m2d_json_new();

	m2d_json_object_begin(j, NULL);
	m2d_json_string(j, "version", M2D_VERSION);
	m2d_json_string(j, "trace", r->trace);
	m2d_json_string(j, "trace_sha256", r->trace_sha256);
	m2d_json_string(j, "machine", r->machine);
	m2d_json_string(j, "mmu", r->mmu);
	m2d_json_string(j, "timing", r->timing);
	m2d_json_uint(j, "seed", r->seed);
	m2d_json_bool(j, "interrupted", r->interrupted);
	m2d_json_uint(j, "refs", r->total.c.refs);
	m2d_json_double(j, "seconds", r->seconds);
	m2d_json_double(j, "refs_per_second",
			r->seconds > 0 ? (double)r->total.c.refs / r->seconds : 0);
	m2d_json_uint(j, "cycles", m2d_stats_cycles(&r->total));
	cycles_by_class(j, &r->total);
	cycles_by_cause(j, &r->total);
	counters(j, &r->total.c);
	walk_refs(j, &r->total);
	flush_bill(j, &r->total);
	m2d_report_beside_json(j, r);
	m2d_json_array_begin(j, "vcpus");
	for (unsigned i = 0; i < r->n_vcpus; i++) {
		m2d_json_object_begin(j, NULL);
		m2d_json_uint(j, "vcpu", i);
		m2d_json_uint(j, "clock", r->vcpu_cycles[i]);
		cycles_by_cause(j, &r->vcpu[i]);
		counters(j, &r->vcpu[i].c);
		m2d_json_object_end(j);
	}
	m2d_json_array_end(j);
	samples(j, r);
	violations(j, r);
	m2d_json_object_begin(j, "config");
	for (guint i = 0; i < r->config->len; i++) {
		const M2dConfigItem *item = &g_array_index(r->config, M2dConfigItem, i);

		m2d_json_string(j, item->key, item->value);
	}
	m2d_json_object_end(j);
	m2d_json_object_end(j);
	return m2d_json_finish(j);
}
