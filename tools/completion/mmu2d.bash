# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion for mmu2d. The program itself says which commands and options it has.

# The scenario on the command line, for the names of its variants.
_mmu2d_scenario()
{
	local word

	for word in "${COMP_WORDS[@]:2}"; do
		[[ $word == *.scn ]] && printf '%s\n' "$word" && return
	done
}

_mmu2d()
{
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
	local words pattern=''

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$("$program" --list-cmds 2>/dev/null) $("$program" --list-opts 2>/dev/null)"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		return
	fi
	if [[ $word == -* ]]; then
		words=$("$program" "$command" --list-opts 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		return
	fi
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--machine | machines)
		words=$("$program" machines 2>/dev/null | cut -d' ' -f1)
		mapfile -t COMPREPLY < <(compgen -f -W "$words" -- "$word")
		;;
	--kvm | profiles)
		words=$("$program" profiles 2>/dev/null | cut -d' ' -f1)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		;;
	knobs)
		words=$("$program" knobs 2>/dev/null | tail -n +2 | cut -d' ' -f1 | uniq)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		;;
	--without)
		words=$("$program" duties 2>/dev/null | cut -d' ' -f1)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		;;
	--variant)
		words=$(sed -n 's/^\[variant \(.*\)\].*/\1/p' "$(_mmu2d_scenario)" 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		;;
	invariants)
		words=$("$program" invariants 2>/dev/null | cut -d' ' -f1)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		;;
	help)
		mapfile -t COMPREPLY < <(compgen -W "$("$program" --list-cmds 2>/dev/null)" -- "$word")
		;;
	*)
		case $command in
		run | explore | fmt | lint | ladder)
			[[ ${COMP_WORDS[COMP_CWORD - 1]} != -* ]] && pattern='!*.scn'
			;;
		esac
		mapfile -t COMPREPLY < <(compgen -f -X "$pattern" -- "$word"
			[ -n "$pattern" ] && compgen -d -- "$word")
		;;
	esac
}
complete -o filenames -F _mmu2d mmu2d ./mmu2d
