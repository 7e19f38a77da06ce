# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by ./mmu2d and ./run-tests: installs what the build lacks and builds what is stale.
# Standard output stays untouched; standard error gets a line when something is done.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# MMU2D_BUILD chooses another build folder, for trees that cannot be written to.
build=${MMU2D_BUILD:-$root/build}

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Runs a command whose output matters only if it fails.
quietly()
{
	local log status=0

	log=$(mktemp)
	"$@" </dev/null >"$log" 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 40 "$log" >&2
		say "failed with status $status: $*"
	fi
	rm -f "$log"
	return "$status"
}

# Names of the Debian packages that are missing, judged by what they provide, so that other
# packages and other systems that provide the same will do.
missing_packages()
{
	local pair

	for pair in cc:gcc meson:meson ninja:ninja-build pkg-config:pkgconf gnuplot:gnuplot-nox; do
		command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
	done
	printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
		cc -x c -o /dev/null - 2>/dev/null || echo libc6-dev
	for pair in glib-2.0:libglib2.0-dev zlib:zlib1g-dev sqlite3:libsqlite3-dev check:check \
		libtraceevent:libtraceevent-dev libtracefs:libtracefs-dev \
		libtracecmd:libtracecmd-dev; do
		pkg-config --exists "${pair%%:*}" 2>/dev/null || echo "${pair##*:}"
	done
}

install_missing()
{
	local packages as_root=()

	mapfile -t packages < <(missing_packages)
	[ "${#packages[@]}" -eq 0 ] && return 0
	if ! command -v apt-get >/dev/null; then
		say "please install what these Debian packages provide: ${packages[*]}"
		return 3
	fi
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			say "not root and no sudo; please run: apt-get install ${packages[*]}"
			return 3
		fi
		as_root=(sudo)
	fi
	say "installing ${packages[*]}"
	quietly "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 -q update || true
	quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get \
		-o DPkg::Lock::Timeout=300 -q -y --no-install-recommends \
		install "${packages[@]}" || true
	mapfile -t packages < <(missing_packages)
	# Without gnuplot everything works but drawing.
	[ "${packages[*]}" = "" ] || [ "${packages[*]}" = gnuplot-nox ] || return 75
}

configure()
{
	# A folder that was configured for another place, or half, starts again.
	if [ -e "$build/build.ninja" ] && [ "$(cat "$build/.source" 2>/dev/null)" != "$root" ]; then
		if ! [ -e "$build/.source" ]; then
			# Configured by hand: leave its options alone if it is for this tree.
			grep -qsF " $root " "$build/build.ninja" && return 0
		fi
		rm -rf "$build"
	fi
	[ -e "$build/build.ninja" ] && return 0
	say "configuring in $build"
	rm -rf "$build"
	quietly meson setup --buildtype=release "$build" "$root" || return 3
	printf '%s\n' "$root" >"$build/.source"
}

# prepare [TARGET...]: make these targets of the build folder up to date; no target means all.
prepare()
{
	# Others may do the same at the same time. The lock is on the source folder itself.
	exec {lock}<"$root"
	flock "$lock"
	if ! [ -x "$build/tools/mmu2d" ] || ! command -v ninja >/dev/null; then
		install_missing || return
	fi
	configure || return
	if ! ninja -C "$build" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
		say "building in $build"
		quietly ninja -C "$build" "$@" || return 3
	fi
	exec {lock}<&-
}
