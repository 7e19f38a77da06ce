/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What simulated shadow paging did, beside what a recorded KVM did. Private to sim/report. */
#pragma once

#include "sim/base/json.h"
#include "sim/replay/result.h"

/* m2d_report_beside: append the table to @s if @result has something to compare with. */
void m2d_report_beside(GString *s, const M2dResult *result);
/* m2d_report_beside_json: the same as member "beside" of the object that is open. */
void m2d_report_beside_json(M2dJson *json, const M2dResult *result);
