/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A place in a scenario file. */
#pragma once

typedef struct {
	unsigned line;   /* from 1; 0: nowhere */
	unsigned column; /* in characters from 1 */
} M2dScnPlace;
