/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See replay-settings.h. */
#include "tools/replay-settings.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/base/near.h"

/* Settings of the model that were mistyped so that they look like the machine's. */
static const char *model_section(const char *setting)
{
	g_autofree char *section = g_strndup(setting, strcspn(setting, ".="));
	const char *near;

	near = m2d_near_better(section, m2d_near_better(section, NULL, "guest"), "host");
	return m2d_near_better(section, near, "kvm");
}

/* "kvm.NAME=value": a knob of KVM's or a cost of its software, which have no name in common. */
static bool apply_kvm_setting(const char *s, M2dMachine *machine, M2dKnobs *knobs, GError **error)
{
	const char *name = s + strlen("kvm."), *eq = strchr(name, '=');
	g_autofree char *knob = g_strndup(name, eq != NULL ? (gsize)(eq - name) : 0);

	if (eq != NULL && m2d_knob_find(knob, NULL) >= 0)
		return m2d_knobs_set(knobs, knob, eq + 1, error);
	return m2d_machine_set(machine, s, error);
}

bool m2d_tool_replay_set(const char *s, M2dMachine *machine, M2dReplayOptions *opt, GError **error)
{
	const char *near = model_section(s);
	GError *local = NULL;

	if (g_str_has_prefix(s, "guest."))
		return m2d_guestos_config_set(&opt->guest, s, error);
	if (g_str_has_prefix(s, "host."))
		return m2d_hostmap_config_set(&opt->host, s, error);
	if (g_str_has_prefix(s, "kvm."))
		return apply_kvm_setting(s, machine, &opt->knobs, error);
	if (m2d_machine_set(machine, s, &local))
		return true;
	if (near != NULL)
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "'%s': unknown setting; did you mean %s%s?", s, near,
			    s + strcspn(s, ".="));
	else
		g_propagate_error(error, g_steal_pointer(&local));
	g_clear_error(&local);
	return false;
}

static void add_config(const char *key, const char *value, void *data)
{
	m2d_result_config(data, key, value);
}

static void add_knob(const M2dKnob *knob, const M2dKnobValue *value, void *data)
{
	g_autofree char *key = g_strconcat("kvm.", knob->name, NULL);

	m2d_result_config(data, key, value->name);
}

void m2d_tool_replay_config(M2dResult *r, const M2dReplayOptions *opt, const M2dMachine *machine)
{
	g_autofree char *vcpus = g_strdup_printf("%u", r->n_vcpus);

	m2d_result_config(r, "replay.mmu", r->mmu);
	m2d_result_config(r, "replay.timing", r->timing);
	m2d_result_config(r, "replay.vcpus", vcpus);
	m2d_result_config(r, "replay.compare", opt->compare ? "yes" : "no");
	if (strcmp(r->mmu, "recorded") != 0 && strcmp(r->mmu, "shadow") != 0) {
		m2d_guestos_config_foreach(&opt->guest, add_config, r);
		if (strcmp(r->mmu, "native") != 0)
			m2d_hostmap_config_foreach(&opt->host, add_config, r);
	}
	m2d_machine_foreach(machine, add_config, r);
	if (strcmp(r->mmu, "shadow") == 0)
		m2d_knobs_foreach(&opt->knobs, add_knob, r);
}
