/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between mmu2d.c, cmd.c and the commands about commands; other commands need only cmd.h. */
#pragma once

#include "tools/cmd.h"

/* All commands in the order of `mmu2d help`; NULL-terminated. Made from tools/meson.build. */
extern const M2dCommand *const m2d_commands[];

/* m2d_command_find: the command called @name, or NULL. */
const M2dCommand *m2d_command_find(const char *name);

/* m2d_one_line: @text with control characters escaped, so that it stays one line; g_free(). */
char *m2d_one_line(const char *text);
