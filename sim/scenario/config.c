/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/scenario/config.h"

#include <string.h>

#include "sim/scenario/parse-private.h"

const M2dScnSettingInfo m2d_scn_setting_info[M2D_N_SCN_SETTINGS] = {
#define SETTING(field, key, type, preset, domain, text) {key, M2D_SCN_##type, preset, domain, text},
#include "sim/scenario/settings.def"
#undef SETTING
};

static const M2dScnSetting *find(const M2dScnSetting *settings, unsigned n, const char *key)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

const M2dScnSetting *m2d_scn_config_origin(const M2dScenario *scenario, int variant, unsigned index)
{
	const char *key = m2d_scn_setting_info[index].key;
	const M2dScnSetting *own = NULL;

	if (variant >= 0)
		own = find(scenario->variants[variant].settings,
			   scenario->variants[variant].n_settings, key);
	return own != NULL ? own : find(scenario->settings, scenario->n_settings, key);
}

static uint64_t number(const M2dScenario *scenario, int variant, unsigned index)
{
	const M2dScnSetting *set = m2d_scn_config_origin(scenario, variant, index);
	uint64_t preset = 0;

	if (set != NULL)
		return set->number;
	m2d_scn_setting_value(&m2d_scn_setting_info[index], m2d_scn_setting_info[index].preset,
			      &preset);
	return preset;
}

static const char *text(const M2dScenario *scenario, int variant, unsigned index)
{
	const M2dScnSetting *set = m2d_scn_config_origin(scenario, variant, index);

	return set != NULL ? set->value : m2d_scn_setting_info[index].preset;
}

static void collect(const M2dScnSetting *settings, unsigned n, const M2dScnVariant *over,
		    GPtrArray *open)
{
	for (unsigned i = 0; i < n; i++)
		if (settings[i].index >= M2D_N_SCN_SETTINGS &&
		    (over == NULL ||
		     find(over->settings, over->n_settings, settings[i].key) == NULL))
			g_ptr_array_add(open, (gpointer)&settings[i]);
}

void m2d_scn_config(const M2dScenario *scenario, int variant, M2dScnConfig *config)
{
	const M2dScnVariant *own = variant >= 0 ? &scenario->variants[variant] : NULL;

#define M2D_SCN_GET_TEXT(index) text(scenario, variant, index)
#define M2D_SCN_GET_BOOL(index) (number(scenario, variant, index) != 0)
#define M2D_SCN_GET_UINT(index) number(scenario, variant, index)
#define M2D_SCN_GET_SIZE(index) number(scenario, variant, index)
#define M2D_SCN_GET_ENUM(index) (unsigned)number(scenario, variant, index)
#define SETTING(field, key, type, preset, domain, text)                                            \
	config->field = M2D_SCN_GET_##type(M2D_SCN_SET_##field);
#include "sim/scenario/settings.def"
#undef SETTING
	config->open = g_ptr_array_new();
	collect(scenario->settings, scenario->n_settings, own, config->open);
	if (own != NULL)
		collect(own->settings, own->n_settings, NULL, config->open);
}

void m2d_scn_config_clear(M2dScnConfig *config)
{
	g_clear_pointer(&config->open, g_ptr_array_unref);
}

unsigned m2d_scn_vcpus(const M2dScenario *scenario, int variant)
{
	return (unsigned)number(scenario, variant, M2D_SCN_SET_vcpus);
}
