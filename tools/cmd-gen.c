/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d gen KIND -o OUT`: a synthetic workload as a native trace. */
#include "tools/cmd.h"

#include "sim/base/error.h"
#include "sim/base/json.h"
#include "sim/replay/gen.h"
#include "sim/trace/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BATCH 4096u

static char *output;
static gboolean quiet;
static gboolean json_output;

/* Values of the options that go into M2dGenConfig; NULL: not given. */
enum {
	REFS,
	BYTES,
	BASE,
	VCPUS,
	PROCESSES,
	BURST,
	SLICE,
	WRITE_SHARE,
	FETCH_SHARE,
	KERNEL_SHARE,
	STRIDE,
	THETA,
	HOT_BYTES,
	HOT_SHARE,
	WINDOW_BYTES,
	WINDOW_SHARE,
	CODE_BYTES,
	KERNEL_BYTES,
	SEED,
	N_VALUES
};
static char *values[N_VALUES];

#define VALUE(name, id, text, arg)                                                                 \
	{                                                                                          \
		name, 0, 0, G_OPTION_ARG_STRING, &values[id], text, arg                            \
	}

/* The first N_VALUES entries are in the order of the enumeration above. */
static const GOptionEntry entries[] = {
	VALUE("refs", REFS, "References of all vCPUs together (1000000)", "N"),
	VALUE("bytes", BYTES, "Data that the pattern covers (64M)", "SIZE"),
	VALUE("base", BASE, "Linear address of the data (0x10000000)", "ADDRESS"),
	VALUE("vcpus", VCPUS, "vCPUs, one thread each (1)", "N"),
	VALUE("processes", PROCESSES, "Processes that the vCPUs switch between (1)", "N"),
	VALUE("burst", BURST, "References of a vCPU before the next one's turn (1000)", "N"),
	VALUE("slice", SLICE, "References of a vCPU before it changes process (100000)", "N"),
	VALUE("write-share", WRITE_SHARE, "Writes among data references (0.3)", "0..1"),
	VALUE("fetch-share", FETCH_SHARE, "Fetches among all references (0)", "0..1"),
	VALUE("kernel-share", KERNEL_SHARE, "Kernel data among data references (0)", "0..1"),
	VALUE("stride", STRIDE, "stride: distance of two references (64)", "SIZE"),
	VALUE("theta", THETA, "zipf: exponent (0.99)", "X"),
	VALUE("hot-bytes", HOT_BYTES, "mix: hot tables (64k)", "SIZE"),
	VALUE("hot-share", HOT_SHARE, "mix: references to them (0.55)", "0..1"),
	VALUE("window-bytes", WINDOW_BYTES, "mix: window of random references (4M)", "SIZE"),
	VALUE("window-share", WINDOW_SHARE, "mix: references to it (0.043)", "0..1"),
	VALUE("code-bytes", CODE_BYTES, "Code that fetches run through (64k)", "SIZE"),
	VALUE("kernel-bytes", KERNEL_BYTES, "Kernel data (1M)", "SIZE"),
	VALUE("seed", SEED, "Seed of all randomness (1)", "N"),
	{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Native trace to write; - is stdout",
	 "FILE"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "No progress and no counts", NULL},
	{"json", 0, 0, G_OPTION_ARG_NONE, &json_output, "Counts as one JSON document", NULL},
	{NULL}};

/* Print an error about settings in terms of options: gen.KEY is --KEY here. */
static int fail_settings(GError *error)
{
	g_auto(GStrv) parts = g_strsplit(error->message, "gen.", -1);
	g_autofree char *message = g_strjoinv("--", parts);

	g_error_free(error);
	return m2d_cmd_usage(&m2d_cmd_gen, "%s", message);
}

/* The kind and the options; returns the exit status. */
static int configure(M2dGenConfig *config, const char *kind)
{
	GError *error = NULL;
	unsigned k = 0;

	while (m2d_gen_kind_name(k) != NULL && strcmp(m2d_gen_kind_name(k), kind) != 0)
		k++;
	if (m2d_gen_kind_name(k) == NULL)
		return m2d_cmd_usage(&m2d_cmd_gen,
				     "'%s': expected stride, uniform, zipf, chase, gups or mix",
				     kind);
	m2d_gen_config_init(config, (M2dGenKind)k);
	for (unsigned i = 0; i < N_VALUES; i++) {
		g_autofree char *assignment = NULL;

		if (values[i] == NULL)
			continue;
		assignment = g_strdup_printf("gen.%s=%s", entries[i].long_name, values[i]);
		if (!m2d_gen_config_set(config, assignment, &error))
			return fail_settings(error);
	}
	return 0;
}

typedef struct {
	M2dTraceWriter *writer;
	GError **error;
	gboolean ok;
} Meta;

static void write_meta(const char *key, const char *value, void *data)
{
	Meta *meta = data;

	meta->ok = meta->ok && m2d_trace_writer_meta(meta->writer, key, value, meta->error);
}

/* Tell the trace which process a vCPU runs from here on. */
static gboolean write_process(M2dTraceWriter *writer, unsigned vcpu, uint64_t process,
			      GError **error)
{
	M2dTraceEvent event = {.kind = M2D_EV_ASPACE, .vcpu = (uint8_t)vcpu, .a = process};

	return m2d_trace_writer_event(writer, &event, error);
}

/* Write all of @gen; @counts by kind. */
static gboolean write_refs(M2dGen *gen, const M2dGenConfig *config, M2dTraceWriter *writer,
			   uint64_t counts[3], GError **error)
{
	M2dProgress *progress = m2d_progress_new("gen", "refs", config->refs, quiet);
	g_autofree uint64_t *running = g_new(uint64_t, config->vcpus);
	M2dRef refs[BATCH];
	uint64_t done = 0;
	gboolean ok = TRUE;
	size_t n;

	memset(running, 0xff, config->vcpus * sizeof(*running));
	while (ok && (n = m2d_gen_fill(gen, refs, BATCH)) > 0) {
		unsigned vcpu = m2d_gen_vcpu(gen);
		uint64_t process = m2d_gen_process(gen);

		if (running[vcpu] != process)
			ok = write_process(writer, vcpu, process, error);
		running[vcpu] = process;
		for (size_t i = 0; ok && i < n; i++) {
			ok = m2d_trace_writer_ref(writer, vcpu, refs[i], 1, error);
			counts[refs[i].w & M2D_REF_KIND]++;
		}
		done += n;
		m2d_progress_update(progress, done);
		if (ok && m2d_interrupted()) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT, "%s: interrupted",
				    output);
			ok = FALSE;
		}
	}
	m2d_progress_free(progress);
	return ok;
}

static gboolean generate(M2dGen *gen, const M2dGenConfig *config, uint64_t counts[3],
			 GError **error)
{
	M2dTraceInfo info = {.n_vcpus = (unsigned)config->vcpus};
	M2dTraceWriter *writer = m2d_trace_writer_new(output, &info, error);
	Meta meta = {writer, error, TRUE};

	if (writer == NULL)
		return FALSE;
	meta.ok = m2d_trace_writer_meta(writer, "source", "synthetic", error);
	m2d_gen_config_foreach(config, write_meta, &meta);
	if (!meta.ok || !write_refs(gen, config, writer, counts, error)) {
		m2d_trace_writer_abort(writer);
		return FALSE;
	}
	return m2d_trace_writer_close(writer, error);
}

static void json_item(const char *key, const char *value, void *data)
{
	m2d_json_string(data, key + strlen("gen."), value);
}

static void print_counts(const M2dGenConfig *config, const uint64_t counts[3])
{
	M2dJson *json;

	if (!json_output) {
		for (unsigned k = 0; k < 3; k++)
			if (counts[k] != 0)
				printf("%-12s %14" PRIu64 "\n", m2d_trace_ref_name(k), counts[k]);
		return;
	}
	json = m2d_json_new();
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "output", output);
	m2d_json_uint(json, "refs", counts[0] + counts[1] + counts[2]);
	m2d_json_object_begin(json, "counts");
	for (unsigned k = 0; k < 3; k++)
		m2d_json_uint(json, m2d_trace_ref_name(k), counts[k]);
	m2d_json_object_end(json);
	m2d_json_object_begin(json, "config");
	m2d_gen_config_foreach(config, json_item, json);
	m2d_json_object_end(json);
	m2d_json_object_end(json);
	m2d_cmd_print_json(json);
}

static int run(int argc, char **argv)
{
	uint64_t counts[3] = {0};
	g_autoptr(M2dGen) gen = NULL;
	M2dGenConfig config;
	GError *error = NULL;
	int status;

	if (!m2d_cmd_parse(
		    &m2d_cmd_gen, "KIND -o OUT [OPTION...]",
		    "Writes a synthetic workload as a native trace. Equal options, equal bytes.\n"
		    "KIND: stride, uniform, zipf, chase (pointers), gups (updates), mix (a\n"
		    "compressor). SIZE takes k, M, G or T.\n\n"
		    "  mmu2d gen zipf --refs 30000000 --bytes 1G -o zipf.m2t",
		    &argc, &argv, &status))
		return status;
	if (argc != 2)
		return m2d_cmd_usage(&m2d_cmd_gen, "%s",
				     argc < 2 ? "expected a kind of workload"
					      : "one kind of workload at a time");
	if (output == NULL)
		return m2d_cmd_usage(&m2d_cmd_gen, "expected -o and the file to write");
	if (json_output && strcmp(output, "-") == 0)
		return m2d_cmd_usage(&m2d_cmd_gen,
				     "--json and -o - would both go to standard output");
	status = configure(&config, argv[1]);
	if (status != 0)
		return status;
	gen = m2d_gen_new(&config, &error);
	if (gen == NULL)
		return fail_settings(error);
	if (!generate(gen, &config, counts, &error))
		return m2d_cmd_fail(&m2d_cmd_gen, error);
	if (json_output || (!quiet && strcmp(output, "-") != 0))
		print_counts(&config, counts);
	return m2d_cmd_finish_stdout(&m2d_cmd_gen);
}

const M2dCommand m2d_cmd_gen = {"gen", run, "write a synthetic workload as a trace", entries};
