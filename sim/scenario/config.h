/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a variant sets, all in all: [machine] with the variant's own settings on top. */
#pragma once

#include "sim/scenario/scenario.h"

/* A field for each row of settings.def: its number, or the text. */
typedef struct {
#define M2D_SCN_FIELD_TEXT                              const char *
#define M2D_SCN_FIELD_BOOL                              bool
#define M2D_SCN_FIELD_UINT                              uint64_t
#define M2D_SCN_FIELD_SIZE                              uint64_t
#define M2D_SCN_FIELD_ENUM                              unsigned
#define SETTING(field, key, type, preset, domain, text) M2D_SCN_FIELD_##type field;
#include "sim/scenario/settings.def"
#undef SETTING
	/* const M2dScnSetting *: kvm.KNOB and bug.NAME, those of [machine] that the variant does
	 * not replace first. */
	GPtrArray *open;
} M2dScnConfig;

/* Indexes of words of settings.def. */
enum {
	M2D_SCN_VENDOR_INTEL,
	M2D_SCN_VENDOR_AMD
};
enum {
	M2D_SCN_MMU_SHADOW,
	M2D_SCN_MMU_DIRECT
};
enum {
	M2D_SCN_TLB_IDEAL,
	M2D_SCN_TLB_MACHINE
};
enum {
	M2D_SCN_GUEST_4LEVEL,
	M2D_SCN_GUEST_5LEVEL,
	M2D_SCN_GUEST_PAE,
	M2D_SCN_GUEST_32BIT,
	M2D_SCN_GUEST_NONE,
};

/* m2d_scn_config: the settings of @variant (-1: of [machine] alone); m2d_scn_config_clear() it. */
void m2d_scn_config(const M2dScenario *scenario, int variant, M2dScnConfig *config);
void m2d_scn_config_clear(M2dScnConfig *config);

/* m2d_scn_vcpus: vCPUs of @variant (-1: of [machine] alone); the actor behind them is the host. */
unsigned m2d_scn_vcpus(const M2dScenario *scenario, int variant);

/* m2d_scn_config_origin: the setting that gives @index (no knob or bug) its value, or NULL: preset.
 */
const M2dScnSetting *m2d_scn_config_origin(const M2dScenario *scenario, int variant,
					   unsigned index);
