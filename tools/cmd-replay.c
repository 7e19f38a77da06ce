/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d replay TRACE`: drive a world from a trace; tables, JSON, database and figures. */
#include "tools/cmd.h"
#include "tools/replay-capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/capture/capture.h"
#include "sim/replay/replay.h"
#include "sim/report/plot.h"
#include "sim/report/report.h"
#include "sim/store/store.h"
#include "tools/replay-beside.h"
#include "tools/replay-settings.h"

static struct {
	char *machine, *mmu, *kvm, *timing, *db, *plot, *final, *beside;
	char **set;
	gint vcpus;
	gint64 seed;
	gboolean no_check, no_plot, json, quiet, recover;
	/* Of captures. */
	char **without, *diff_kind, *at;
	gboolean diff;
} o;

static gboolean check_given(const char *name, const char *value, gpointer data, GError **error)
{
	o.no_check = FALSE;
	return TRUE;
}

static const GOptionEntry entries[] = {
	{"machine", 'm', 0, G_OPTION_ARG_STRING, &o.machine,
	 "Geometry and costs: a name of `mmu2d machines` or a file (generic)", "NAME|FILE"},
	{"mmu", 0, 0, G_OPTION_ARG_STRING, &o.mmu,
	 "recorded (the trace's own tables), shadow (its guest on KVM's), native, npt or ept "
	 "(guest model)",
	 "MODE"},
	{"kvm", 0, 0, G_OPTION_ARG_STRING, &o.kvm,
	 "Whose KVM --mmu shadow simulates: a version, +COMMIT, -COMMIT (" M2D_KNOBS_DEFAULT ")",
	 "VERSION"},
	{"beside", 0, 0, G_OPTION_ARG_FILENAME, &o.beside,
	 "--mmu shadow: compare with what KVM did in this trace, recorded on shadow paging",
	 "TRACE"},
	{"timing", 't', 0, G_OPTION_ARG_STRING, &o.timing,
	 "functional, blocking or overlapped (blocking)", "MODEL"},
	{"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.set,
	 "Replace one figure of the machine, guest.KEY or host.KEY of the model, or kvm.KNOB",
	 "KEY=VALUE"},
	{"vcpus", 0, 0, G_OPTION_ARG_INT, &o.vcpus, "Fold the trace's vCPUs onto N", "N"},
	{"seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "Seed of the guest model's layout (1)", "N"},
	{"check", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, (gpointer)check_given,
	 "Compare with recorded addresses, watch a shadowed guest (the default)", NULL},
	{"no-check", 0, 0, G_OPTION_ARG_NONE, &o.no_check, "Neither compare nor watch", NULL},
	{"final", 0, 0, G_OPTION_ARG_FILENAME, &o.final,
	 "At the end compare all tables, A/D bits included, with this recorded state", "FILE"},
	{"db", 0, 0, G_OPTION_ARG_FILENAME, &o.db, "Append the run to a database", "FILE"},
	{"plot", 0, 0, G_OPTION_ARG_FILENAME, &o.plot,
	 "Names of the figures start with BASE (the trace's name, in this folder)", "BASE"},
	{"no-plot", 0, 0, G_OPTION_ARG_NONE, &o.no_plot, "Draw no figures", NULL},
	{"recover", 0, 0, G_OPTION_ARG_NONE, &o.recover, "Use the good chunks of a damaged trace",
	 NULL},
	{"diff", 0, 0, G_OPTION_ARG_NONE, &o.diff,
	 "Of a capture: each event that the model predicts otherwise", NULL},
	{"diff-kind", 0, 0, G_OPTION_ARG_STRING, &o.diff_kind,
	 "Of a capture: the same for events of one kind", "EVENT"},
	{"at", 0, 0, G_OPTION_ARG_STRING, &o.at,
	 "Of a capture: all compared events around a line, or a time in seconds", "LINE|TIME"},
	{"without", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.without,
	 "Of a capture: leave out one duty of the model's (mmu2d duties)", "DUTY"},
	{"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON document; figures only with --plot",
	 NULL},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress", NULL},
	{NULL}};

static bool on_progress(uint64_t refs, uint64_t bytes, uint64_t total, void *data)
{
	m2d_progress_update(data, bytes);
	return !m2d_interrupted();
}

/* The digest of a regular file in hexadecimal. NULL without @error for a pipe, whose bytes are
 * gone, and NULL with it if reading fails. */
static char *sha256_of(const char *path, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree guchar *buf = g_malloc(1 << 16);
	int fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *hex = NULL;
	ssize_t n;

	if (strcmp(path, "-") == 0)
		return NULL;
	if (fd < 0) {
		m2d_error_from_errno(error, errno, "open", path);
		return NULL;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		while ((n = read(fd, buf, 1 << 16)) > 0)
			g_checksum_update(sum, buf, (gssize)n);
		if (n < 0)
			m2d_error_from_errno(error, errno, "read", path);
		else
			hex = g_strdup(g_checksum_get_string(sum));
	}
	close(fd);
	return hex;
}

/* Name for figures: the trace's, without folder and suffix. */
static char *plot_base(const char *trace)
{
	g_autofree char *name =
		strcmp(trace, "-") == 0 ? g_strdup("replay") : g_path_get_basename(trace);
	char *dot = strrchr(name, '.');

	if (dot != NULL && dot != name)
		*dot = '\0';
	return g_steal_pointer(&name);
}

static void print_pictures(const GPtrArray *names)
{
	const char *lead = "\nfigures:";

	for (guint i = 0; i < names->len; i++) {
		if (!g_str_has_suffix(names->pdata[i], ".svg") &&
		    !g_str_has_suffix(names->pdata[i], ".png"))
			continue;
		printf("%s %s", lead, (const char *)names->pdata[i]);
		lead = "";
	}
	if (lead[0] == '\0')
		printf("\n");
}

/* Figures nobody asked for are a by-product: without gnuplot, or in a folder that takes no files,
 * the run is still good. @id: of the run in the database, or 0. */
static int draw(const M2dResult *r, const char *trace, int64_t id)
{
	g_autofree char *base = o.plot != NULL ? g_strdup(o.plot) : plot_base(trace);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	M2dPlotRun run = {r, id};
	M2dPlot plot = {
		.base = base,
		.source = o.db,
		.runs = &run,
		.n_runs = 1,
		.kinds = M2D_PLOT_ALL,
		.formats = M2D_PLOT_SVG | M2D_PLOT_PNG,
	};
	GError *error = NULL;
	bool ok;

	if (strcmp(r->timing, "functional") == 0)
		plot.kinds &= ~(unsigned)M2D_PLOT_CYCLES;
	ok = m2d_plot_write(&plot, names, &error);
	if (!o.json)
		print_pictures(names);
	if (ok)
		return 0;
	if (o.plot != NULL || m2d_error_exit_status(error) != 2)
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	g_printerr("mmu2d replay: no figures: %s\n", error->message);
	g_error_free(error);
	return 0;
}

static int compare_final(M2dReplay *replay, M2dResult *r)
{
	M2dFinalDiff d;
	GError *error = NULL;

	if (!m2d_replay_final(replay, o.final, &d, &error))
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	if (d.missing_a + d.missing_d + d.extra_a + d.extra_d + d.other + d.absent != 0) {
		g_autofree char *story = g_strdup_printf(
			"final tables differ: A %" G_GUINT64_FORMAT " missing, %" G_GUINT64_FORMAT
			" extra; D %" G_GUINT64_FORMAT " missing, %" G_GUINT64_FORMAT
			" extra; other bits %" G_GUINT64_FORMAT "; pages absent %" G_GUINT64_FORMAT,
			d.missing_a, d.extra_a, d.missing_d, d.extra_d, d.other, d.absent);

		m2d_result_violation(r, "final-state", m2d_replay_refs(replay), 0, story);
	}
	if (!o.json)
		printf("final tables: %" G_GUINT64_FORMAT " pages, %" G_GUINT64_FORMAT
		       " present entries compared; A: %" G_GUINT64_FORMAT
		       " missing, %" G_GUINT64_FORMAT " extra; D: %" G_GUINT64_FORMAT
		       " missing, %" G_GUINT64_FORMAT " extra\n",
		       d.pages, d.entries, d.missing_a, d.extra_a, d.missing_d, d.extra_d);
	return 0;
}

/* @trace as messages have it. */
static const char *shown(const char *trace)
{
	return strcmp(trace, "-") == 0 ? "stdin" : trace;
}

static int finish(M2dReplay *replay, M2dResult *r, const char *trace)
{
	int status = o.final != NULL && !r->interrupted ? compare_final(replay, r) : 0;
	bool figures = !o.no_plot && !r->interrupted && (!o.json || o.plot != NULL);
	g_autofree char *text = NULL;
	GError *error = NULL;
	int64_t id = 0;
	int flushed;

	if (status != 0)
		return status;
	if (o.db != NULL) {
		r->trace_sha256 = sha256_of(trace, &error);
		id = error == NULL ? m2d_store_write(o.db, r, &error) : -1;
		if (id < 0)
			return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	text = o.json ? m2d_report_json(r) : m2d_report_text(r);
	fputs(text, stdout);
	if (figures)
		status = draw(r, trace, id);
	flushed = m2d_cmd_finish_stdout(&m2d_cmd_replay);
	if (status == 0)
		status = flushed;
	if (r->interrupted) {
		g_set_error(&error, M2D_ERROR, M2D_ERROR_TRANSIENT,
			    "%s: interrupted after %" G_GUINT64_FORMAT
			    " references; the results cover these",
			    shown(trace), m2d_replay_refs(replay));
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	return status == 0 && r->violations->len != 0 ? 1 : status;
}

static void report_damage(M2dTraceReader *reader, const char *trace)
{
	unsigned n;
	const M2dTraceDamage *d = m2d_trace_reader_damage(reader, &n);

	for (unsigned i = 0; i < n; i++)
		g_printerr("mmu2d replay: %s: %s\n", trace, d[i].text);
}

/* Say now what would be wrong after the whole trace. */
static bool check_files(GError **error)
{
	g_autofree char *folder = o.plot != NULL ? g_path_get_dirname(o.plot) : NULL;

	if (o.db != NULL && !m2d_store_check(o.db, error))
		return false;
	if (folder != NULL && !g_file_test(folder, G_FILE_TEST_IS_DIR)) {
		m2d_error_from_errno(error, ENOENT, "create plots in folder", folder);
		return false;
	}
	if (o.final != NULL && access(o.final, R_OK) != 0) {
		m2d_error_from_errno(error, errno, "open", o.final);
		return false;
	}
	return true;
}

/* Settings before files: @opt and @machine from the options. */
static bool configure(M2dReplayOptions *opt, M2dMachine *machine, GError **error)
{
	for (char **s = o.set; s != NULL && *s != NULL; s++)
		if (!m2d_tool_replay_set(*s, machine, opt, error))
			return false;
	return m2d_machine_check(machine, error) && check_files(error);
}

/* Only tables that the trace brought can equal recorded ones. */
static bool check_final(const M2dTraceInfo *info, const M2dReplayOptions *opt, GError **error)
{
	bool recorded = opt->mode == M2D_REPLAY_RECORDED ||
			(opt->mode == M2D_REPLAY_AUTO && (info->flags & M2D_TRACE_HAS_TABLES));

	if (o.final == NULL || recorded)
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "--final: expected a replay on recorded tables, not on the guest model's");
	return false;
}

/* Errors of the reader name the trace already. */
static void name_trace(GError **error, const char *trace)
{
	if (!g_str_has_prefix((*error)->message, shown(trace)))
		g_prefix_error(error, "%s: ", shown(trace));
}

static M2dResult *drive(M2dReplay **replay, M2dMachine *machine, M2dTraceReader *reader,
			M2dReplayOptions *opt, GError **error)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(reader);
	M2dResult *result = NULL;
	uint64_t total = 0;

	if (!check_final(info, opt, error)) {
		m2d_machine_free(machine);
		return NULL;
	}
	m2d_trace_reader_bytes(reader, &total);
	opt->progress = on_progress;
	opt->progress_data = m2d_progress_new("replay", "bytes", total, o.quiet);
	*replay = m2d_replay_new(machine, info, opt, error);
	if (*replay != NULL)
		result = m2d_replay_run(*replay, reader, error);
	m2d_progress_free(opt->progress_data);
	return result;
}

static int replay_trace(const char *trace, const char *command_line, M2dReplayOptions *opt)
{
	g_autoptr(M2dTraceReader) reader = NULL;
	g_autoptr(M2dReplay) replay = NULL;
	g_autoptr(M2dResult) result = NULL;
	g_autoptr(M2dMachine) machine = NULL;
	g_autoptr(M2dPaid) recorded = NULL, beside = NULL;
	GError *error = NULL;

	machine = m2d_machine_load(o.machine != NULL ? o.machine : "generic", &error);
	if (machine == NULL || !configure(opt, machine, &error))
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	if (o.beside != NULL &&
	    !m2d_tool_beside(trace, o.beside, o.quiet, &recorded, &beside, &error))
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	reader = m2d_trace_reader_open(trace, o.recover ? M2D_TRACE_RECOVER : 0, &error);
	if (reader == NULL)
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	result = drive(&replay, g_steal_pointer(&machine), reader, opt, &error);
	if (o.recover)
		report_damage(reader, trace);
	if (result == NULL) {
		name_trace(&error, trace);
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	result->trace = g_strdup(trace);
	result->recorded = g_steal_pointer(&recorded);
	result->beside = g_steal_pointer(&beside);
	result->command_line = g_strdup(command_line);
	result->seed = (uint64_t)o.seed;
	m2d_tool_replay_config(result, opt, m2d_world_machine(m2d_replay_world(replay)));
	return finish(replay, result, trace);
}

/* The options into @opt; returns the exit status. */
static int choose_options(M2dReplayOptions *opt)
{
	static const char *const modes[] = {"auto", "recorded", "native", "npt",
					    "ept",  "shadow",   NULL};
	static const char *const timings[] = {"functional", "blocking", "overlapped", NULL};
	int mode = o.mmu != NULL ? m2d_cmd_choice(o.mmu, modes) : 0;
	int timing = o.timing != NULL ? m2d_cmd_choice(o.timing, timings) : M2D_TIMING_BLOCKING;
	GError *error = NULL;

	if (mode < 0)
		return m2d_cmd_usage(&m2d_cmd_replay,
				     "--mmu=%s: expected recorded, shadow, native, npt or ept",
				     o.mmu);
	if (timing < 0)
		return m2d_cmd_usage(&m2d_cmd_replay,
				     "--timing=%s: expected functional, blocking or overlapped",
				     o.timing);
	if (o.vcpus != -1 && (o.vcpus < 1 || o.vcpus > (gint)M2D_TRACE_MAX_VCPUS))
		return m2d_cmd_usage(&m2d_cmd_replay, "--vcpus=%d: expected 1 to %u", o.vcpus,
				     M2D_TRACE_MAX_VCPUS);
	if (o.plot != NULL && o.no_plot)
		return m2d_cmd_usage(&m2d_cmd_replay, "--plot and --no-plot exclude each other");
	m2d_replay_options_init(opt);
	if (o.kvm != NULL && mode != M2D_REPLAY_SHADOW)
		return m2d_cmd_usage(&m2d_cmd_replay, "--kvm=%s: expected --mmu=shadow too", o.kvm);
	if (o.beside != NULL && mode != M2D_REPLAY_SHADOW)
		return m2d_cmd_usage(&m2d_cmd_replay, "--beside=%s: expected --mmu=shadow too",
				     o.beside);
	if (o.kvm != NULL && !m2d_knobs_profile(&opt->knobs, o.kvm, &error)) {
		g_prefix_error(&error, "--kvm: ");
		return m2d_cmd_fail(&m2d_cmd_replay, error);
	}
	opt->mode = (M2dReplayMode)mode;
	opt->timing = (M2dTimingModel)timing;
	opt->vcpus = o.vcpus > 0 ? (unsigned)o.vcpus : 0;
	opt->compare = opt->check = !o.no_check;
	opt->guest.seed = opt->host.seed = (uint64_t)o.seed;
	return 0;
}

static int replay_capture(const char *path)
{
	const M2dReplayCapture opt = {
		.kvm = o.kvm,
		.without = o.without,
		.diff_kind = o.diff_kind,
		.at = o.at,
		.diff = o.diff,
		.json = o.json,
		.quiet = o.quiet,
	};

	return m2d_replay_capture(path, &opt);
}

static int run(int argc, char **argv)
{
	g_autofree char *command_line = g_strjoinv(" ", argv);
	M2dReplayOptions opt = {0};
	int status = 0;

	o.seed = 1;
	o.vcpus = -1; /* as recorded */
	if (!m2d_cmd_parse(&m2d_cmd_replay, "TRACE [OPTION...]",
			   "Drive a simulated machine from a trace (mmu2d import makes one; - is "
			   "stdin).\nA trace with page tables is replayed on them and each "
			   "translation is compared\nwith the recorded address; others run on a "
			   "guest model that maps on demand.\n\nExample:\n  mmu2d replay "
			   "traces/s-linux-tdp-u.m2t --machine zen3 --db runs.db",
			   &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_replay, "expected one trace, found %d", argc - 1);
	if (m2d_capture_probe(argv[1]))
		return replay_capture(argv[1]);
	if (m2d_interrupted())
		return m2d_cmd_interrupted(&m2d_cmd_replay);
	if (o.diff || o.diff_kind != NULL || o.at != NULL || o.without != NULL)
		return m2d_cmd_usage(&m2d_cmd_replay, "--%s: expected a capture of a real KVM",
				     o.diff                ? "diff"
				     : o.diff_kind != NULL ? "diff-kind"
				     : o.at != NULL        ? "at"
							   : "without");
	status = choose_options(&opt);
	return status != 0 ? status : replay_trace(argv[1], command_line, &opt);
}

const M2dCommand m2d_cmd_replay = {
	.name = "replay",
	.run = run,
	.summary = "Drive a simulated machine from a trace",
	.entries = entries,
};
