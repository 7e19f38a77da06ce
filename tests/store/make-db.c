/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * make-db DB N: append N runs that no replay made to DB; make-db --json: such a run as JSON;
 * make-db DB empty: append one without any data. For test-plot.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/report/report.h"
#include "sim/store/store.h"
#include "tests/store/synthetic.h"

static int append(const char *path, const M2dResult *r)
{
	g_autoptr(GError) error = NULL;

	if (m2d_store_write(path, r, &error) > 0)
		return 0;
	fprintf(stderr, "%s\n", error->message);
	return m2d_error_exit_status(error);
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc == 2 && strcmp(argv[1], "--json") == 0) {
		g_autoptr(M2dResult) r = synthetic_result(2, 1);
		g_autofree char *json = m2d_report_json(r);

		fputs(json, stdout);
		return 0;
	}
	if (argc != 3)
		return 2;
	if (strcmp(argv[2], "empty") == 0) {
		g_autoptr(M2dResult) r = m2d_result_new(1);

		return append(argv[1], r);
	}
	for (int i = 1; i <= atoi(argv[2]) && status == 0; i++) {
		g_autoptr(M2dResult) r = synthetic_result(2, i);

		status = append(argv[1], r);
	}
	return status;
}
