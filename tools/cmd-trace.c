/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d trace info|dump|verify|cut|merge`: options and the choice of the action. */
#include "tools/trace-command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

M2dTraceOptions m2d_trace_options = {.limit = -1, .every = 1000};

static const GOptionEntry entries[] = {
	{"json", 0, 0, G_OPTION_ARG_NONE, &m2d_trace_options.json,
	 "info, verify: one JSON document", NULL},
	{"recover", 0, 0, G_OPTION_ARG_NONE, &m2d_trace_options.recover,
	 "Pass over damaged parts, name them on stderr", NULL},
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &m2d_trace_options.output,
	 "cut, merge: trace to write; - is stdout", "FILE"},
	{"refs", 0, 0, G_OPTION_ARG_STRING, &m2d_trace_options.refs,
	 "cut: references A to B - 1; either may be left out", "A..B"},
	{"every", 0, 0, G_OPTION_ARG_INT64, &m2d_trace_options.every,
	 "merge: references of each trace in turn (1000)", "N"},
	{"limit", 0, 0, G_OPTION_ARG_INT64, &m2d_trace_options.limit, "dump: at most N records",
	 "N"},
	{"from-ref", 0, 0, G_OPTION_ARG_INT64, &m2d_trace_options.from_ref,
	 "dump: start at reference N (0)", "N"},
	{"kind", 0, 0, G_OPTION_ARG_STRING, &m2d_trace_options.kinds,
	 "dump: only these kinds, with commas between", "KINDS"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &m2d_trace_options.quiet, "No progress", NULL},
	{NULL}};

enum {
	JSON = 1,
	OUTPUT = 2,
	REFS = 4,
	EVERY = 8,
	RECORDS = 16, /* --limit, --from-ref, --kind */
	RECOVER = 32,
};

static const struct {
	const char *name;
	unsigned takes; /* options besides --quiet */
	bool many;      /* traces */
	int (*run)(const char *path);
} actions[] = {
	{"info", JSON | RECOVER, false, m2d_trace_info},
	{"dump", RECORDS | RECOVER, false, m2d_trace_dump},
	{"verify", JSON, false, m2d_trace_verify},
	{"cut", OUTPUT | REFS | RECOVER, false, m2d_trace_do_cut},
	{"merge", OUTPUT | EVERY | RECOVER, true, NULL},
};

unsigned m2d_trace_read_flags(void)
{
	return m2d_trace_options.recover ? M2D_TRACE_RECOVER : 0;
}

char *m2d_trace_lost(const M2dTraceDamage *damage)
{
	if (damage->refs_lost == UINT64_MAX)
		return g_strdup("how much is lost cannot be told");
	if (damage->refs_lost == 0)
		return g_strdup("no reference is lost");
	return g_strdup_printf("%" PRIu64 " reference%s lost", damage->refs_lost,
			       damage->refs_lost == 1 ? " is" : "s are");
}

void m2d_trace_warn(const char *path, const M2dTraceDamage *damage)
{
	g_autofree char *lost = m2d_trace_lost(damage);

	fprintf(stderr,
		"mmu2d trace: %s: offset %" PRIu64 ", %" PRIu64 " bytes passed over: %s; %s\n",
		path, damage->offset, damage->length, damage->text, lost);
}

void m2d_trace_warn_all(const char *path, const M2dTraceReader *reader)
{
	unsigned n;
	const M2dTraceDamage *damage = m2d_trace_reader_damage(reader, &n);

	for (unsigned i = 0; i < n; i++)
		m2d_trace_warn(path, &damage[i]);
}

/* The first option that was given though the action does not take it; NULL: none. */
static const char *stray_option(unsigned takes)
{
	const M2dTraceOptions *o = &m2d_trace_options;
	const struct {
		unsigned bit;
		bool given;
		const char *name;
	} all[] = {
		{JSON, o->json, "--json"},
		{RECOVER, o->recover, "--recover"},
		{OUTPUT, o->output != NULL, "--output"},
		{REFS, o->refs != NULL, "--refs"},
		{EVERY, o->every != 1000, "--every"},
		{RECORDS, o->limit != -1, "--limit"},
		{RECORDS, o->from_ref != 0, "--from-ref"},
		{RECORDS, o->kinds != NULL, "--kind"},
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
		if (all[i].given && (takes & all[i].bit) == 0)
			return all[i].name;
	return NULL;
}

static int run(int argc, char **argv)
{
	unsigned i = 0;
	int status, finish;

	if (!m2d_cmd_parse(
		    &m2d_cmd_trace, "info|dump|verify|cut|merge FILE... [OPTION...]",
		    "Shows, checks, cuts and merges native traces; FILE may be - for stdin.\n\n"
		    "  mmu2d trace info traces/s-linux-tdp-u.m2t\n"
		    "  mmu2d trace cut traces/s-linux-tdp-u.m2t --refs 1000..5000 -o part.m2t",
		    &argc, &argv, &status))
		return status;
	if (argc < 2)
		return m2d_cmd_usage(&m2d_cmd_trace,
				     "expected info, dump, verify, cut or merge, and a trace");
	while (i < G_N_ELEMENTS(actions) && strcmp(actions[i].name, argv[1]) != 0)
		i++;
	if (i == G_N_ELEMENTS(actions))
		return m2d_cmd_usage(&m2d_cmd_trace,
				     "'%s': expected info, dump, verify, cut or merge", argv[1]);
	if (argc < 3 || (argc > 3 && !actions[i].many))
		return m2d_cmd_usage(&m2d_cmd_trace, "%s: expected %s", argv[1],
				     actions[i].many ? "at least one trace" : "one trace");
	if (stray_option(actions[i].takes) != NULL)
		return m2d_cmd_usage(&m2d_cmd_trace, "%s does not take %s", argv[1],
				     stray_option(actions[i].takes));
	status = actions[i].many ? m2d_trace_do_merge(argv + 2, (unsigned)argc - 2)
				 : actions[i].run(argv[2]);
	finish = m2d_cmd_finish_stdout(&m2d_cmd_trace);
	return status != 0 ? status : finish;
}

const M2dCommand m2d_cmd_trace = {"trace", run, "show, check, cut and merge native traces",
				  entries};
