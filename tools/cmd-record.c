/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d record`: how to record what check and import want; or doing so. */
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACEFS "/sys/kernel/tracing"

static char *output, *kernel;
static int seconds, buffer_kib = 65536;
static gboolean perform;

static const GOptionEntry entries[] = {
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The trace.dat to record (trace.dat)",
	 "FILE"},
	{"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "For how long (10)", "N"},
	{"buffer", 'b', 0, G_OPTION_ARG_INT, &buffer_kib, "KiB of buffer for each CPU (65536)",
	 "KIB"},
	{"kernel", 0, 0, G_OPTION_ARG_STRING, &kernel,
	 "For this release, as 6.1; default: the running one", "VERSION"},
	{"run", 0, 0, G_OPTION_ARG_NONE, &perform, "Do it, as root", NULL},
	{NULL}};

static const struct {
	const char *name, *function;
	unsigned from, to;
	const char *args;
} probes[] = {
#define PROBE(name, function, from, to, args) {#name, function, from, to, args},
#include "sim/capture/probe.def"
#undef PROBE
};

/* "6.1.0-53-amd64" as 6001; 0 if it is no version. */
static unsigned parse_version(const char *text)
{
	unsigned major, minor;

	if (sscanf(text, "%u.%u", &major, &minor) != 2 || major < 4 || major > 99 || minor > 999)
		return 0;
	return 1000 * major + minor;
}

/* What to test for a probe of one vendor's module, or NULL. */
static const char *module_of(const char *name)
{
	return g_str_has_prefix(name, "svm_")   ? "kvm_amd"
	       : g_str_has_prefix(name, "vmx_") ? "kvm_intel"
						: NULL;
}

/* The recipe as a shell script. What a kernel does not have is passed over. */
static char *make_script(unsigned version)
{
	GString *s = g_string_new("#!/bin/sh\n");
	g_autofree char *file = g_shell_quote(output);

	g_string_append_printf(
		s,
		"# Records KVM's MMU events of Linux %u.%u for mmu2d check. As "
		"root, with trace-cmd.\n"
		"set -u\n"
		"cd " TRACEFS " || exit 1\n"
		"# Compilers split functions and name the parts.\n"
		"probe() {\n"
		"        for f in \"$2\" \"$2.part.0\" \"$2.isra.0\" \"$2.constprop.0\"; do\n"
		"                echo \"p:mmuk/$1 $f $3\" 2>/dev/null >>kprobe_events && return\n"
		"        done\n"
		"        echo \"no $2 in this kernel, passed over\" >&2\n"
		"}\n",
		version / 1000, version % 1000);
	for (unsigned i = 0; i < G_N_ELEMENTS(probes); i++) {
		const char *module = module_of(probes[i].name);

		if (version < probes[i].from || (probes[i].to != 0 && version > probes[i].to))
			continue;
		if (module != NULL)
			g_string_append_printf(s, "[ -d /sys/module/%s ] && ", module);
		g_string_append_printf(s, "probe %s %s '%s'\n", probes[i].name, probes[i].function,
				       probes[i].args);
	}
	g_string_append_printf(
		s,
		"cd \"$OLDPWD\" || exit 1\n"
		"trace-cmd record -q -C mono -b %d -e kvm -e kvmmmu -e mmuk -o %s "
		"sleep %d\n"
		"status=$?\n"
		"for p in " TRACEFS "/events/mmuk/*/enable; do echo 0 >\"$p\"; done\n"
		"grep '^p:mmuk/' " TRACEFS "/kprobe_events | sed 's/^p:/-:/; s/ .*//' |\n"
		"while read -r p; do echo \"$p\" >>" TRACEFS "/kprobe_events; done\n"
		"exit $status\n",
		buffer_kib, file, seconds);
	return g_string_free(s, FALSE);
}

/* Why nothing can be recorded here, or NULL. */
static const char *obstacle(void)
{
	g_autofree char *trace_cmd = g_find_program_in_path("trace-cmd");

	if (geteuid() != 0)
		return "only root can record; without --run the recipe is printed";
	if (access(TRACEFS "/kprobe_events", W_OK) != 0)
		return TRACEFS "/kprobe_events cannot be written, expected a mounted tracefs";
	if (access(TRACEFS "/events/kvm", F_OK) != 0)
		return "this kernel has no events of kvm, expected the module kvm to be loaded";
	return trace_cmd == NULL ? "expected trace-cmd to be installed" : NULL;
}

static int run_script(const char *script)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	GError *error = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)(void *)argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL,
			  NULL, NULL, NULL, &status, &error))
		return m2d_cmd_usage(&m2d_cmd_record, "%s", error->message);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 75;
}

static int run(int argc, char **argv)
{
	g_autofree char *script = NULL;
	struct utsname host;
	unsigned version;
	int status;

	if (!m2d_cmd_parse(&m2d_cmd_record, "[OPTION...]",
			   "Prints a shell script that records, with trace-cmd and kprobes, the "
			   "events that\n"
			   "mmu2d check and import want; with --run does so.\n\n"
			   "  mmu2d record --seconds 30 > record.sh",
			   &argc, &argv, &status))
		return status;
	if (argc != 1)
		return m2d_cmd_usage(&m2d_cmd_record, "%s: expected options only", argv[1]);
	if (kernel == NULL && uname(&host) == 0)
		kernel = host.release;
	version = kernel != NULL ? parse_version(kernel) : 0;
	if (version == 0)
		return m2d_cmd_usage(&m2d_cmd_record, "kernel %s: expected a release, as 6.1",
				     kernel);
	if (output == NULL)
		output = g_strdup("trace.dat");
	if (seconds == 0)
		seconds = 10;
	if (seconds < 0 || buffer_kib < 4)
		return m2d_cmd_usage(&m2d_cmd_record,
				     "expected at least 1 second and 4 KiB of buffer");
	script = make_script(version);
	if (!perform) {
		fputs(script, stdout);
		return m2d_cmd_finish_stdout(&m2d_cmd_record);
	}
	if (obstacle() != NULL)
		return m2d_cmd_usage(&m2d_cmd_record, "%s", obstacle());
	return run_script(script);
}

const M2dCommand m2d_cmd_record = {"record", run, "record a real KVM, or say how", entries};
