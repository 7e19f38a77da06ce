/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame around the importers: telling formats apart, writing, counting, progress. */
#include "sim/trace/import.h"

#include <string.h>

#include "sim/base/error.h"
#include "sim/base/names.h"
#include "sim/trace/import-private.h"

static const struct {
	const char *name;
	gboolean (*run)(M2dImporter *im, GError **error);
} formats[M2D_N_IMPORTS] = {
	[M2D_IMPORT_AUTO] = {"auto", NULL},
	[M2D_IMPORT_LACKEY] = {"lackey", m2d_import_lackey},
	[M2D_IMPORT_DIN] = {"din", m2d_import_din},
	[M2D_IMPORT_CHAMPSIM] = {"champsim", m2d_import_champsim},
	[M2D_IMPORT_MMTRACE] = {"mmtrace", m2d_import_mmtrace},
};

M2dImportFormat m2d_import_format(const char *name)
{
	return (M2dImportFormat)M2D_NAME_INDEX(formats, name, name);
}

const char *m2d_import_format_name(M2dImportFormat format)
{
	return formats[format].name;
}

/* Whether @p could be ChampSim records: the two flags of each are 0 or 1, and not all is zero. */
static bool like_champsim(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	if (len < 64)
		return false;
	for (size_t i = 0; i + 64 <= len; i += 64) {
		if (p[i + 8] > 1 || p[i + 9] > p[i + 8])
			return false;
		for (size_t j = 0; j < 8; j++)
			any |= p[i + j];
	}
	return any != 0;
}

static bool like_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((p[i] < ' ' && strchr("\t\r\n\f", p[i]) == NULL) || p[i] > 0x7e || p[i] == 0)
			return false;
	return true;
}

/* The format of a text, by its first line that says something. */
static M2dImportFormat guess_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len;) {
		const uint8_t *line = p + i, *end = memchr(line, '\n', len - i);
		size_t n = end != NULL ? (size_t)(end - line) : len - i;

		i += n + 1;
		if (n >= 2 && line[0] == '=' && line[1] == '=')
			return M2D_IMPORT_LACKEY;
		if (n >= 3 &&
		    ((line[0] == 'I' && line[1] == ' ') ||
		     (line[0] == ' ' && strchr("LSM", line[1]) != NULL && line[2] == ' ')))
			return M2D_IMPORT_LACKEY;
		while (n > 0 && g_ascii_isspace(*line)) {
			line++;
			n--;
		}
		if (n >= 3 && line[0] >= '0' && line[0] <= '4' && g_ascii_isspace(line[1]))
			return M2D_IMPORT_DIN;
		if (n > 0 && line[0] != '#')
			return M2D_IMPORT_AUTO;
	}
	return M2D_IMPORT_AUTO;
}

static M2dImportFormat guess(M2dInput *in, GError **error)
{
	M2dImportFormat format = M2D_IMPORT_AUTO;
	const uint8_t *p;
	size_t got;

	p = m2d_input_peek(in, 4096, &got, error);
	if (p == NULL)
		return M2D_IMPORT_AUTO;
	if (got >= 8 && memcmp(p, "MMTRACE", 7) == 0)
		return M2D_IMPORT_MMTRACE;
	if (like_text(p, got))
		format = guess_text(p, got);
	else if (like_champsim(p, got))
		format = M2D_IMPORT_CHAMPSIM;
	if (format == M2D_IMPORT_AUTO)
		m2d_input_error(in, error, 0,
				got == 0 ? "the input is empty"
					 : "the format cannot be told; name it with --from");
	return format;
}

gboolean m2d_importer_start(M2dImporter *im, uint32_t flags, unsigned n_vcpus, GError **error)
{
	const M2dTraceInfo info = {.flags = flags, .n_vcpus = n_vcpus};

	im->result->flags = flags;
	im->result->n_vcpus = n_vcpus;
	im->out = m2d_trace_writer_new(im->out_path, &info, error);
	return im->out != NULL &&
	       m2d_trace_writer_meta(im->out, "source", m2d_import_format_name(im->result->format),
				     error) &&
	       m2d_trace_writer_meta(im->out, "tool", "mmu2d import", error);
}

gboolean m2d_importer_lines(M2dImporter *im,
			    gboolean (*take)(M2dImporter *im, const M2dLine *line, GError **error),
			    GError **error)
{
	M2dLine line;
	int ret;

	if (!m2d_importer_start(im, 0, 1, error))
		return FALSE;
	while ((ret = m2d_input_line(im->in, &line, error)) == 1)
		if (!take(im, &line, error))
			return FALSE;
	return ret == 0;
}

gboolean m2d_importer_bad_line(M2dImporter *im, const M2dLine *line, size_t pos, const char *what,
			       GError **error)
{
	m2d_input_line_error(im->in, error, line, pos + 1, what);
	return FALSE;
}

gboolean m2d_importer_tick(M2dImporter *im, GError **error)
{
	M2dImport *r = im->result;
	uint64_t bytes, total;

	if (im->until_tick-- != 0 || r->progress == NULL)
		return TRUE;
	im->until_tick = M2D_IMPORT_TICK;
	bytes = m2d_input_progress(im->in, &total);
	if (r->progress(bytes, total, r->progress_data))
		return TRUE;
	g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT, "interrupted; %s was not written",
		    im->out_path);
	return FALSE;
}

gboolean m2d_importer_ref(M2dImporter *im, unsigned vcpu, M2dRef ref, uint32_t n, GError **error)
{
	unsigned kind = ref.w & M2D_REF_KIND;

	im->result->refs[kind]++;
	if (im->result->flags & M2D_TRACE_FILTERED)
		im->result->elided += n;
	else if (kind == M2D_REF_FETCH)
		im->result->instructions += n;
	return m2d_importer_tick(im, error) && m2d_trace_writer_ref(im->out, vcpu, ref, n, error);
}

gboolean m2d_importer_user_ref(M2dImporter *im, M2dRefKind kind, uint64_t va, uint64_t size,
			       GError **error)
{
	uint64_t left = size;

	do {
		uint64_t part = left > 255 ? 128 : left;
		M2dRef ref = {.va = va, .w = kind | M2D_REF_USER | part << M2D_REF_SIZE_SHIFT};
		/* The pieces after the first stand for no further instruction. */
		uint32_t n = kind == M2D_REF_FETCH && left != size ? 0 : 1;

		if (left != size)
			im->result->split++;
		if (!m2d_importer_ref(im, 0, ref, n, error))
			return FALSE;
		va += part;
		left -= part;
	} while (left != 0);
	return TRUE;
}

gboolean m2d_importer_event(M2dImporter *im, const M2dTraceEvent *event, GError **error)
{
	im->result->events[event->kind & 0xff]++;
	return m2d_importer_tick(im, error) && m2d_trace_writer_event(im->out, event, error);
}

gboolean m2d_import(M2dImport *import, const char *in, const char *out, GError **error)
{
	M2dImporter im = {.result = import, .out_path = out};
	gboolean ok = FALSE;

	im.in = m2d_input_open(in, error);
	if (im.in == NULL)
		return FALSE;
	if (import->format == M2D_IMPORT_AUTO)
		import->format = guess(im.in, error);
	if (import->format != M2D_IMPORT_AUTO)
		ok = formats[import->format].run(&im, error);
	if (ok)
		ok = m2d_trace_writer_close(g_steal_pointer(&im.out), error);
	m2d_trace_writer_abort(im.out);
	m2d_input_close(im.in);
	return ok;
}
