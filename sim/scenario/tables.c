/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that our models define, as the parser asks for them. */
#include <string.h>

#include "sim/engine/event.h"
#include "sim/engine/routine.h"
#include "sim/scenario/scenario.h"
#include "sim/vm/duty.h"
#include "sim/vm/knobs.h"

static const char *name_at(M2dScnNameKind kind, unsigned index)
{
	switch (kind) {
	case M2D_SCN_NAME_POINT:
		/* The first says that there is none. */
		return index + 1 < M2D_N_POINTS ? m2d_point_name((M2dPoint)(index + 1)) : NULL;
	case M2D_SCN_NAME_BUG:
		return index < M2D_N_DUTIES ? m2d_duty_name((M2dDuty)index) : NULL;
	case M2D_SCN_NAME_EVENT:
		return index < M2D_N_EVENTS ? m2d_event_name((M2dEventType)index) : NULL;
	case M2D_SCN_NAME_INVARIANT:
		return NULL;
	}
	return NULL;
}

static bool profile(const char *text, GError **error)
{
	M2dKnobs knobs;

	return m2d_knobs_profile(&knobs, text, error);
}

static bool knob(const char *name, const char *value, GError **error)
{
	M2dKnobs knobs;

	return m2d_knobs_profile(&knobs, M2D_KNOBS_DEFAULT, error) &&
	       m2d_knobs_set(&knobs, name, value, error);
}

static bool event_key(const char *event, const char *key)
{
	M2dEventType type = m2d_event_find(event);

	return strcmp(key, "actor") == 0 || strcmp(key, "vcpu") == 0 ||
	       (type != M2D_N_EVENTS && m2d_event_field(type, key) >= 0);
}

const M2dScenarioTables m2d_scenario_models = {name_at, profile, knob, event_key};
