/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d replay` of a capture of a real KVM. */
#pragma once

#include "tools/cmd.h"

typedef struct {
	const char *kvm; /* NULL: as the capture tells */
	char **without;  /* names of duties, NULL-terminated or NULL */
	const char *diff_kind, *at;
	bool diff, json, quiet;
} M2dReplayCapture;

/* m2d_replay_capture: replay capture @path and print how the model compares; the exit status. */
int m2d_replay_capture(const char *path, const M2dReplayCapture *opt);
