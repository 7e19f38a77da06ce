/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ChampSim's instruction records of 64 bytes, little-endian:
 *
 *	 0 u64 address of the instruction	16 u64[2] addresses written (0: none)
 *	 8 u8  is a branch; 9 u8 was taken	32 u64[4] addresses read (0: none)
 *	10 u8[2] + u8[4] registers written, read
 *
 * Each gives a fetch, then its reads, then its writes; sizes are unknown. Traces are distributed
 * compressed with xz: decompress to stdin.
 */
#include "sim/trace/format.h"
#include "sim/trace/import-private.h"

#define RECORD    64u
#define N_WRITTEN 2u
#define N_READ    4u

static gboolean take_record(M2dImporter *im, const uint8_t *p, GError **error)
{
	if (p[8] > 1 || p[9] > 1) {
		m2d_input_error(im->in, error, p[8] > 1 ? 8 : 9,
				"branch flag %u, expected 0 or 1: no ChampSim record",
				p[8] > 1 ? p[8] : p[9]);
		return FALSE;
	}
	if (!m2d_importer_user_ref(im, M2D_REF_FETCH, m2d_get64(p), 0, error))
		return FALSE;
	for (unsigned i = 0; i < N_READ; i++) {
		uint64_t va = m2d_get64(p + 32 + 8 * i);

		if (va != 0 && !m2d_importer_user_ref(im, M2D_REF_READ, va, 0, error))
			return FALSE;
	}
	for (unsigned i = 0; i < N_WRITTEN; i++) {
		uint64_t va = m2d_get64(p + 16 + 8 * i);

		if (va != 0 && !m2d_importer_user_ref(im, M2D_REF_WRITE, va, 0, error))
			return FALSE;
	}
	return TRUE;
}

gboolean m2d_import_champsim(M2dImporter *im, GError **error)
{
	const uint8_t *p;
	size_t got;

	if (!m2d_importer_start(im, 0, 1, error))
		return FALSE;
	while ((p = m2d_input_peek(im->in, RECORD, &got, error)) != NULL) {
		if (got == 0)
			return TRUE;
		if (got < RECORD) {
			m2d_input_error(im->in, error, got,
					"the data end inside a record of 64 bytes");
			return FALSE;
		}
		if (!take_record(im, p, error))
			return FALSE;
		m2d_input_consume(im->in, RECORD);
	}
	return FALSE;
}
