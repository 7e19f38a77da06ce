/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dinero's din: a line is LABEL ADDR [SIZE], with blanks between. LABEL 0 is a read, 1 a write,
 * 2 a fetch; 3 and 4 (escapes of Dinero III) carry no reference and are passed over, like empty
 * lines and those that start with '#'. ADDR is hexadecimal, with or without 0x; SIZE is decimal,
 * or hexadecimal with 0x, and unknown if it is missing.
 */
#include "sim/trace/import-private.h"
#include "sim/trace/text.h"

#define MAX_SIZE 4096u

static void skip_blanks(const M2dLine *line, size_t *pos)
{
	while (*pos < line->len && (line->p[*pos] == ' ' || line->p[*pos] == '\t'))
		++*pos;
}

static bool skip_0x(const M2dLine *line, size_t *pos)
{
	if (line->len - *pos < 2 || line->p[*pos] != '0' || (line->p[*pos + 1] | 0x20) != 'x')
		return false;
	*pos += 2;
	return true;
}

static gboolean take_line(M2dImporter *im, const M2dLine *line, GError **error)
{
	static const M2dRefKind kinds[] = {M2D_REF_READ, M2D_REF_WRITE, M2D_REF_FETCH};
	uint64_t va, size = 0;
	size_t pos = 0;
	unsigned label;

	skip_blanks(line, &pos);
	if (pos == line->len || line->p[pos] == '#') {
		im->result->skipped++;
		return m2d_importer_tick(im, error);
	}
	label = (unsigned)(line->p[pos] - '0');
	if (label > 4 ||
	    (pos + 1 < line->len && line->p[pos + 1] != ' ' && line->p[pos + 1] != '\t'))
		return m2d_importer_bad_line(im, line, pos,
					     "expected a label: 0 read, 1 write, 2 fetch", error);
	pos++;
	skip_blanks(line, &pos);
	skip_0x(line, &pos);
	if (!m2d_scan_number(line->p, line->len, &pos, 16, &va))
		return m2d_importer_bad_line(
			im, line, pos, "expected a hexadecimal address of up to 64 bits", error);
	if (pos < line->len && line->p[pos] != ' ' && line->p[pos] != '\t')
		return m2d_importer_bad_line(im, line, pos,
					     "expected a blank or the end of the line", error);
	skip_blanks(line, &pos);
	if (pos < line->len) {
		unsigned radix = skip_0x(line, &pos) ? 16 : 10;

		if (!m2d_scan_number(line->p, line->len, &pos, radix, &size) || size == 0 ||
		    size > MAX_SIZE)
			return m2d_importer_bad_line(im, line, pos,
						     "expected a size of 1 to 4096 bytes", error);
		skip_blanks(line, &pos);
		if (pos != line->len)
			return m2d_importer_bad_line(im, line, pos, "expected the end of the line",
						     error);
	}
	if (label > 2) {
		im->result->skipped++;
		return m2d_importer_tick(im, error);
	}
	return m2d_importer_user_ref(im, kinds[label], va, size, error);
}

gboolean m2d_import_din(M2dImporter *im, GError **error)
{
	return m2d_importer_lines(im, take_line, error);
}
