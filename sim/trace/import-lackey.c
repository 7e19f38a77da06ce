/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Valgrind's lackey with --trace-mem=yes. Lines are "I  ADDR,SIZE" for a fetch, " L ADDR,SIZE",
 * " S ADDR,SIZE" for a load and a store and " M ADDR,SIZE" for a read-modify-write, which becomes
 * a read and a write. ADDR is hexadecimal without 0x, SIZE decimal. Valgrind's own lines start
 * with "==" and are passed over, empty ones too.
 */
#include "sim/trace/import-private.h"
#include "sim/trace/text.h"

#define MAX_SIZE 4096u

static gboolean take_line(M2dImporter *im, const M2dLine *line, GError **error)
{
	const char *p = line->p;
	uint64_t va, size;
	size_t pos = 3;
	char kind;

	if (line->len == 0 || (line->len >= 2 && p[0] == '=' && p[1] == '=')) {
		im->result->skipped++;
		return m2d_importer_tick(im, error);
	}
	kind = line->len > 1 && p[0] == ' ' ? p[1] : p[0];
	if (line->len < 3 || p[2] != ' ' || p[kind == 'I' ? 1 : 0] != ' ' ||
	    (kind != 'I' && kind != 'L' && kind != 'S' && kind != 'M') ||
	    (kind == 'I') != (p[0] == 'I'))
		return m2d_importer_bad_line(
			im, line, 0, "expected \"I  \", \" L \", \" S \" or \" M \" and an address",
			error);
	if (!m2d_scan_number(p, line->len, &pos, 16, &va))
		return m2d_importer_bad_line(
			im, line, pos, "expected a hexadecimal address of up to 64 bits", error);
	if (pos == line->len || p[pos] != ',')
		return m2d_importer_bad_line(im, line, pos, "expected a comma and the size", error);
	pos++;
	if (!m2d_scan_number(p, line->len, &pos, 10, &size) || size == 0 || size > MAX_SIZE)
		return m2d_importer_bad_line(im, line, pos, "expected a size of 1 to 4096 bytes",
					     error);
	if (pos != line->len)
		return m2d_importer_bad_line(im, line, pos, "expected the end of the line", error);
	if (kind == 'I')
		return m2d_importer_user_ref(im, M2D_REF_FETCH, va, size, error);
	if (kind != 'S' && !m2d_importer_user_ref(im, M2D_REF_READ, va, size, error))
		return FALSE;
	return kind == 'L' || m2d_importer_user_ref(im, M2D_REF_WRITE, va, size, error);
}

gboolean m2d_import_lackey(M2dImporter *im, GError **error)
{
	return m2d_importer_lines(im, take_line, error);
}
