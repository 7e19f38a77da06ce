/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d duties`: each flush, sync, protection and zap that a run can leave out. */
#include "tools/cmd.h"

#include "sim/base/json.h"
#include "sim/vm/duty.h"

#include <stdio.h>

static gboolean json_output;

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "One JSON document", NULL}, {NULL}};

static void print_json(void)
{
	M2dJson *json = m2d_json_new();

	m2d_json_array_begin(json, NULL);
	for (unsigned i = 0; i < M2D_N_DUTIES; i++) {
		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "name", m2d_duty_name((M2dDuty)i));
		m2d_json_string(json, "text", m2d_duty_text((M2dDuty)i));
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
	m2d_cmd_print_json(json);
}

static int run(int argc, char **argv)
{
	int status;

	if (!m2d_cmd_parse(&m2d_cmd_duties, "[OPTION...]",
			   "Lists what KVM's MMU owes: every flush, synchronisation, write "
			   "protection, zap\nand transfer of state that `mmu2d run --without` can "
			   "leave out.",
			   &argc, &argv, &status))
		return status;
	if (argc != 1)
		return m2d_cmd_usage(&m2d_cmd_duties, "no arguments expected, got '%s'", argv[1]);
	if (json_output)
		print_json();
	else
		for (unsigned i = 0; i < M2D_N_DUTIES; i++)
			printf("%-24s %s\n", m2d_duty_name((M2dDuty)i), m2d_duty_text((M2dDuty)i));
	return m2d_cmd_finish_stdout(&m2d_cmd_duties);
}

const M2dCommand m2d_cmd_duties = {"duties", run, "list what a run can leave out", entries};
