/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/replay/result.h"

static void config_clear(gpointer p)
{
	M2dConfigItem *item = p;

	g_free(item->key);
	g_free(item->value);
}

void m2d_violation_clear(gpointer p)
{
	M2dViolation *v = p;

	g_free(v->invariant);
	g_free(v->story);
}

M2dResult *m2d_result_new(unsigned n_vcpus)
{
	M2dResult *r = g_new0(M2dResult, 1);

	r->n_vcpus = n_vcpus;
	r->vcpu = g_new0(M2dStats, n_vcpus);
	r->vcpu_cycles = g_new0(uint64_t, n_vcpus);
	r->config = g_array_new(FALSE, FALSE, sizeof(M2dConfigItem));
	g_array_set_clear_func(r->config, config_clear);
	r->samples = g_array_new(FALSE, FALSE, sizeof(M2dSample));
	r->violations = g_array_new(FALSE, FALSE, sizeof(M2dViolation));
	g_array_set_clear_func(r->violations, m2d_violation_clear);
	return r;
}

void m2d_result_free(M2dResult *r)
{
	if (r == NULL)
		return;
	g_free(r->trace);
	g_free(r->trace_sha256);
	g_free(r->command_line);
	g_free(r->machine);
	g_free(r->mmu);
	g_free(r->timing);
	g_free(r->vcpu);
	g_free(r->vcpu_cycles);
	g_array_unref(r->config);
	g_array_unref(r->samples);
	g_array_unref(r->violations);
	m2d_paid_free(r->recorded);
	m2d_paid_free(r->beside);
	g_free(r);
}

void m2d_result_config(M2dResult *r, const char *key, const char *value)
{
	M2dConfigItem item = {g_strdup(key), g_strdup(value)};

	g_array_append_val(r->config, item);
}

void m2d_result_violation(M2dResult *r, const char *invariant, uint64_t ref, unsigned vcpu,
			  const char *story)
{
	M2dViolation v = {g_strdup(invariant), ref, vcpu, g_strdup(story)};

	g_array_append_val(r->violations, v);
}
