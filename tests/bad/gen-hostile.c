/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes one senseless trace: gen-hostile SEED RECORDS OUT. */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SEED RECORDS OUT\n", argv[0]);
		return 2;
	}
	if (hostile_write(strtoull(argv[1], NULL, 0), (unsigned)strtoul(argv[2], NULL, 0), argv[3],
			  &error))
		return 0;
	fprintf(stderr, "%s\n", error->message);
	return 1;
}
