#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# observed.sh ARCHIVE OBJECT: what searches need of ARCHIVE, the simulator compiled with hooks at each access, as one
# OBJECT that can be linked beside the simulator itself: of its names only two stay, and those of
# the C library that have no hooks lead to tools/observe.c.
set -e
"${LD:-ld}" -r -u m2d_ex_world_new -u m2d_ex_world_free -o "$2.tmp" "$1"
"${OBJCOPY:-objcopy}" \
	--redefine-sym m2d_ex_world_new=m2d_observed_world_new \
	--redefine-sym m2d_ex_world_free=m2d_observed_world_free \
	--redefine-sym memcpy=m2d_observed_memcpy --redefine-sym memmove=m2d_observed_memmove \
	--redefine-sym memset=m2d_observed_memset --redefine-sym memcmp=m2d_observed_memcmp \
	"$2.tmp"
"${OBJCOPY:-objcopy}" --keep-global-symbol=m2d_observed_world_new \
	--keep-global-symbol=m2d_observed_world_free "$2.tmp" "$2"
rm "$2.tmp"
