/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random legal workloads against the whole model: no finding may come up on a kernel without a
 * known bug. With --without a duty is left out, and something must.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/soundness/run.h"

static gint64 opt_ops = 2000, opt_seeds = 3, opt_first = 1;
static char *opt_modes, *opt_kvm, *opt_mmu, *opt_vendor, *opt_without, *opt_scn;
static gboolean opt_stepped, opt_straight, opt_verbose, opt_all;
static gint opt_audit = 64, opt_trace;

static const GOptionEntry entries[] = {
	{"ops", 'o', 0, G_OPTION_ARG_INT64, &opt_ops, "Operations of a run", "N"},
	{"seeds", 's', 0, G_OPTION_ARG_INT64, &opt_seeds, "Runs of each kind", "N"},
	{"first-seed", 'f', 0, G_OPTION_ARG_INT64, &opt_first, "Seed of the first", "N"},
	{"modes", 'm', 0, G_OPTION_ARG_STRING, &opt_modes, "Paging modes of the guest", "LIST"},
	{"profile", 'k', 0, G_OPTION_ARG_STRING, &opt_kvm, "Kernel profile", "VERSION"},
	{"mmu", 0, 0, G_OPTION_ARG_STRING, &opt_mmu, "shadow, direct or both", "NAME"},
	{"vendor", 0, 0, G_OPTION_ARG_STRING, &opt_vendor, "intel, amd or both", "NAME"},
	{"without", 'w', 0, G_OPTION_ARG_STRING, &opt_without, "Duty to leave out", "NAME"},
	{"stepped", 0, 0, G_OPTION_ARG_NONE, &opt_stepped, "Only runs with interleaved actors",
	 NULL},
	{"straight", 0, 0, G_OPTION_ARG_NONE, &opt_straight, "Only runs without", NULL},
	{"audit-every", 0, 0, G_OPTION_ARG_INT, &opt_audit, "Operations between audits; 0: none",
	 "N"},
	{"trace", 0, 0, G_OPTION_ARG_INT, &opt_trace, "Print the N events before a finding", "N"},
	{"scenario", 0, 0, G_OPTION_ARG_FILENAME, &opt_scn, "Write what was found to FILE", "FILE"},
	{"all", 'a', 0, G_OPTION_ARG_NONE, &opt_all, "Go on after a finding", NULL},
	{"verbose", 'v', 0, G_OPTION_ARG_NONE, &opt_verbose, "A line for each run", NULL},
	{0},
};

static uint64_t runs, ops, accesses, faults, mmio, loose, promises, findings;

static void describe(const SndConfig *c, FILE *to)
{
	fprintf(to, "%s %s %s%s%s%s seed %" G_GUINT64_FORMAT, c->mmu, c->vendor, c->guest,
		c->pcid ? " pcid" : "", c->huge ? " huge" : "", c->stepped ? " stepped" : "",
		c->seed);
}

static void tell(const SndConfig *c, const SndResult *r)
{
	g_autoptr(GArray) script = NULL;
	g_autofree char *text = NULL;

	printf("found %s: ", r->kind);
	describe(c, stdout);
	printf(" after %" G_GUINT64_FORMAT " operations\n  %s\n", r->ops, r->what);
	if (opt_scn == NULL)
		return;
	if (r->story != NULL)
		printf("%s\n", r->story);
	script = snd_shrink(c, r);
	text = snd_print(c, script);
	if (!g_file_set_contents(opt_scn, text, -1, NULL))
		fprintf(stderr, "%s: cannot be written\n", opt_scn);
	printf("  %u groups are left in %s\n", script->len, opt_scn);
}

/* False: stop. */
static bool one(const SndConfig *c)
{
	g_autoptr(GError) error = NULL;
	bool go_on = true;
	SndResult r;

	if (!snd_run(c, NULL, &r, &error)) {
		fprintf(stderr, "%s\n", error->message);
		exit(2);
	}
	runs++;
	ops += r.ops;
	accesses += r.accesses;
	faults += r.faults;
	mmio += r.mmio;
	loose += r.loose;
	promises += r.promises;
	if (opt_verbose) {
		describe(c, stdout);
		printf(": %s\n", r.kind != NULL ? r.kind : "clean");
		fflush(stdout);
	}
	if (r.kind != NULL) {
		findings++;
		tell(c, &r);
		go_on = opt_all;
	}
	snd_result_clear(&r);
	return go_on;
}

static bool wanted(const char *option, const char *name)
{
	return option == NULL || g_str_equal(option, "both") || g_str_equal(option, name);
}

/* All kinds of runs with one seed; false: stop. */
static bool with_seed(uint64_t seed, char **modes)
{
	static const char *const mmus[] = {"shadow", "direct"}, *const vendors[] = {"intel", "amd"};

	for (unsigned k = 0; k < 8; k++) {
		SndConfig c = {.mmu = mmus[k & 1],
			       .vendor = vendors[k >> 1 & 1],
			       .stepped = k >> 2 & 1,
			       .kvm = opt_kvm != NULL ? opt_kvm : "7.3",
			       .without = opt_without,
			       .vcpus = 2 + seed % 2,
			       .pcpus = 2 + seed % 2 + (seed / 2 % 3 != 0),
			       .huge = seed % 3 == 0,
			       .seed = seed,
			       .ops = (uint64_t)opt_ops,
			       .audit_every = (unsigned)opt_audit,
			       .trace = (unsigned)opt_trace};

		if (!wanted(opt_mmu, c.mmu) || !wanted(opt_vendor, c.vendor) ||
		    (c.stepped ? opt_straight : opt_stepped))
			continue;
		for (char **m = modes; *m != NULL; m++) {
			c.guest = *m;
			c.pcid = seed % 4 >= 2 && (*m)[1] == 'l';
			if (!one(&c))
				return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) modes = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		fprintf(stderr, "%s\n", error->message);
		return 2;
	}
	modes = g_strsplit(opt_modes != NULL ? opt_modes : "4level,5level,pae,32bit,none", ",", -1);
	for (gint64 i = 0; i < opt_seeds; i++)
		if (!with_seed((uint64_t)(opt_first + i), modes))
			break;
	printf("runs %" G_GUINT64_FORMAT " operations %" G_GUINT64_FORMAT
	       " accesses %" G_GUINT64_FORMAT " faults %" G_GUINT64_FORMAT
	       " mmio %" G_GUINT64_FORMAT " promises %" G_GUINT64_FORMAT " loose %" G_GUINT64_FORMAT
	       " findings %" G_GUINT64_FORMAT "\n",
	       runs, ops, accesses, faults, mmio, promises, loose, findings);
	return findings != 0;
}
