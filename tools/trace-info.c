/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d trace info` and `verify`: read a whole trace, tell what is in it, or what is broken. */
#include "tools/trace-command.h"

#include "sim/base/error.h"
#include "sim/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	uint64_t refs[3], user, guest, io, direct, cross;
	uint64_t events[256], n_events;
	uint64_t pages, zero_pages;
	uint64_t instructions, elided;
	uint64_t batches;
} Counts;

static void count_batch(Counts *c, const M2dBatch *b)
{
	for (uint32_t i = 0; i < b->n_refs; i++) {
		uint64_t w = b->refs[i].w;

		c->refs[w & M2D_REF_KIND]++;
		c->user += (w & M2D_REF_USER) != 0;
		c->guest += (w & M2D_REF_GUEST) != 0;
		c->io += (w & M2D_REF_IO) != 0;
		c->direct += (w & M2D_REF_DIRECT) != 0;
		c->cross += (w & M2D_REF_CROSS) != 0;
	}
	for (uint32_t i = 0; i < b->n_events; i++)
		c->events[b->events[i].kind & 0xff]++;
	c->n_events += b->n_events;
	c->pages += b->n_pages;
	for (uint32_t i = 0; i < b->n_pages; i++)
		c->zero_pages += b->pages[i].data == NULL;
	c->instructions += b->instructions;
	c->elided += b->elided;
	c->batches++;
}

/* Read all of @reader. Returns 0, or the exit status after an error. */
static int read_all(M2dTraceReader *reader, Counts *c)
{
	uint64_t total = 0;
	M2dProgress *progress;
	g_auto(M2dBatch) batch = {0};
	GError *error = NULL;
	int ret;

	m2d_trace_reader_bytes(reader, &total);
	progress = m2d_progress_new("read", "bytes", total, m2d_trace_options.quiet);
	while ((ret = m2d_trace_reader_next(reader, &batch, &error)) == 1) {
		count_batch(c, &batch);
		m2d_progress_update(progress, m2d_trace_reader_bytes(reader, &total));
		if (m2d_interrupted()) {
			g_set_error(&error, M2D_ERROR, M2D_ERROR_TRANSIENT, "interrupted");
			break;
		}
	}
	m2d_progress_free(progress);
	return ret == 0 ? 0 : m2d_cmd_fail(&m2d_cmd_trace, error);
}

static void print_count(const char *name, uint64_t n)
{
	if (n != 0)
		printf("%-14s %16" PRIu64 "\n", name, n);
}

static void print_info(const char *path, const M2dTraceReader *reader, const Counts *c)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(reader);
	uint64_t refs = c->refs[0] + c->refs[1] + c->refs[2], bytes, total;

	bytes = m2d_trace_reader_bytes(reader, &total);
	if (total != 0)
		bytes = total;
	printf("%-14s %s\n", "trace", path);
	printf("%-14s %13u.%u\n", "format", info->version_major, info->version_minor);
	print_count("bytes", bytes);
	print_count("chunks", c->batches);
	print_count("vcpus", info->n_vcpus);
	printf("%-14s %s%s%s\n", "carries",
	       info->flags & M2D_TRACE_HAS_PA ? "physical addresses" : "virtual addresses only",
	       info->flags & M2D_TRACE_HAS_TABLES ? ", page tables" : "",
	       info->flags & M2D_TRACE_FILTERED ? ", filtered" : "");
	for (unsigned i = 0; i < info->n_meta; i++) {
		g_autofree char *key = g_strescape(info->meta[i].key, NULL);
		g_autofree char *value = g_strescape(info->meta[i].value, NULL);

		printf("%-14s %s\n", key, value);
	}
	print_count("refs", refs);
	for (unsigned k = 0; k < 3; k++)
		print_count(m2d_trace_ref_name(k), c->refs[k]);
	print_count("of user mode", c->user);
	print_count("of guests", c->guest);
	print_count("to devices", c->io);
	print_count("direct", c->direct);
	print_count("page-crossing", c->cross);
	print_count("instructions", c->instructions);
	print_count("elided", c->elided);
	print_count("pages", c->pages);
	print_count("zero pages", c->zero_pages);
	print_count("events", c->n_events);
	for (unsigned k = 0; k < 256; k++)
		print_count(m2d_trace_event_name(k), c->events[k]);
	print_count("unknown kinds", m2d_trace_reader_skipped(reader));
	if (refs != 0)
		printf("%-14s %16.3f\n", "bytes per ref", (double)bytes / (double)refs);
}

static void json_damage(M2dJson *json, const M2dTraceReader *reader)
{
	unsigned n;
	const M2dTraceDamage *d = m2d_trace_reader_damage(reader, &n);

	m2d_json_array_begin(json, "damage");
	for (unsigned i = 0; i < n; i++) {
		m2d_json_object_begin(json, NULL);
		m2d_json_uint(json, "offset", d[i].offset);
		m2d_json_uint(json, "length", d[i].length);
		if (d[i].refs_lost == UINT64_MAX)
			m2d_json_string(json, "refs_lost", NULL);
		else
			m2d_json_uint(json, "refs_lost", d[i].refs_lost);
		m2d_json_string(json, "text", d[i].text);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
}

static void json_counts(M2dJson *json, const Counts *c)
{
	m2d_json_object_begin(json, "counts");
	for (unsigned k = 0; k < 3; k++)
		m2d_json_uint(json, m2d_trace_ref_name(k), c->refs[k]);
	m2d_json_uint(json, "page", c->pages);
	for (unsigned k = 0; k < 256; k++) {
		g_autofree char *name = NULL;

		if (c->events[k] == 0)
			continue;
		name = g_strdup(m2d_trace_event_name(k));
		if (strcmp(name, "event") == 0) {
			g_free(name);
			name = g_strdup_printf("event-%u", k);
		}
		m2d_json_uint(json, name, c->events[k]);
	}
	m2d_json_object_end(json);
	m2d_json_object_begin(json, "attributes");
	m2d_json_uint(json, "user", c->user);
	m2d_json_uint(json, "guest", c->guest);
	m2d_json_uint(json, "io", c->io);
	m2d_json_uint(json, "direct", c->direct);
	m2d_json_uint(json, "cross", c->cross);
	m2d_json_object_end(json);
}

static void json_info(const char *path, const M2dTraceReader *reader, const Counts *c)
{
	const M2dTraceInfo *info = m2d_trace_reader_info(reader);
	uint64_t refs = c->refs[0] + c->refs[1] + c->refs[2], bytes, total;
	g_autofree char *version = NULL;
	M2dJson *json = m2d_json_new();

	bytes = m2d_trace_reader_bytes(reader, &total);
	if (total != 0)
		bytes = total;
	version = g_strdup_printf("%u.%u", info->version_major, info->version_minor);
	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "trace", path);
	m2d_json_string(json, "version", version);
	m2d_json_uint(json, "bytes", bytes);
	m2d_json_uint(json, "chunks", c->batches);
	m2d_json_uint(json, "vcpus", info->n_vcpus);
	m2d_json_bool(json, "physical_addresses", (info->flags & M2D_TRACE_HAS_PA) != 0);
	m2d_json_bool(json, "tables", (info->flags & M2D_TRACE_HAS_TABLES) != 0);
	m2d_json_bool(json, "filtered", (info->flags & M2D_TRACE_FILTERED) != 0);
	m2d_json_array_begin(json, "metadata");
	for (unsigned i = 0; i < info->n_meta; i++) {
		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "key", info->meta[i].key);
		m2d_json_string(json, "value", info->meta[i].value);
		m2d_json_object_end(json);
	}
	m2d_json_array_end(json);
	m2d_json_uint(json, "refs", refs);
	m2d_json_uint(json, "events", c->n_events);
	m2d_json_uint(json, "pages", c->pages);
	m2d_json_uint(json, "instructions", c->instructions);
	m2d_json_uint(json, "elided", c->elided);
	m2d_json_uint(json, "unknown_kinds", m2d_trace_reader_skipped(reader));
	json_counts(json, c);
	m2d_json_double(json, "bytes_per_ref", refs != 0 ? (double)bytes / (double)refs : 0);
	json_damage(json, reader);
	m2d_json_object_end(json);
	m2d_cmd_print_json(json);
}

int m2d_trace_info(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dTraceReader) reader =
		m2d_trace_reader_open(path, m2d_trace_read_flags(), &error);
	g_autofree Counts *c = g_new0(Counts, 1);
	int status;

	if (reader == NULL)
		return m2d_cmd_fail(&m2d_cmd_trace, error);
	status = read_all(reader, c);
	if (status != 0)
		return status;
	if (m2d_trace_options.json)
		json_info(path, reader, c);
	else
		print_info(path, reader, c);
	m2d_trace_warn_all(path, reader);
	return 0;
}

int m2d_trace_verify(const char *path)
{
	GError *error = NULL;
	g_autoptr(M2dTraceReader) reader =
		m2d_trace_reader_open(path, M2D_TRACE_RECOVER | M2D_TRACE_COUNTS, &error);
	g_autofree Counts *c = g_new0(Counts, 1);
	const M2dTraceDamage *d;
	uint64_t refs;
	unsigned n;
	int status;

	if (reader == NULL)
		return m2d_cmd_fail(&m2d_cmd_trace, error);
	status = read_all(reader, c);
	if (status != 0)
		return status;
	refs = c->refs[0] + c->refs[1] + c->refs[2];
	d = m2d_trace_reader_damage(reader, &n);
	if (m2d_trace_options.json) {
		M2dJson *json = m2d_json_new();

		m2d_json_object_begin(json, NULL);
		m2d_json_string(json, "trace", path);
		m2d_json_bool(json, "ok", n == 0);
		m2d_json_uint(json, "refs", refs);
		m2d_json_uint(json, "events", c->n_events);
		m2d_json_uint(json, "chunks", c->batches);
		json_damage(json, reader);
		m2d_json_object_end(json);
		m2d_cmd_print_json(json);
		return n == 0 ? 0 : 2;
	}
	for (unsigned i = 0; i < n; i++) {
		g_autofree char *lost = m2d_trace_lost(&d[i]);

		printf("%s: offset %" PRIu64 ", %" PRIu64 " bytes: %s; %s\n", path, d[i].offset,
		       d[i].length, d[i].text, lost);
	}
	printf("%s: %" PRIu64 " references, %" PRIu64 " events in %" PRIu64 " good chunks, %u "
	       "damaged part%s\n",
	       path, refs, c->n_events, c->batches, n, n == 1 ? "" : "s");
	return n == 0 ? 0 : 2;
}
