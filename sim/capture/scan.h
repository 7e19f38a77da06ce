/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in text, the hot part of reading captures. Private to sim/capture. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Value of a hexadecimal digit plus one; 0 for all other bytes. */
extern const uint8_t m2d_cap_hex[256];

/* Read hexadecimal digits, with or without 0x; false if there is none, or too many. */
static inline bool m2d_cap_scan_hex(const char **p, const char *end, uint64_t *value)
{
	const char *s = *p, *start;
	uint64_t v = 0;

	if (end - s > 2 && s[0] == '0' && s[1] == 'x')
		s += 2;
	start = s;
	for (; s < end; s++) {
		unsigned d = m2d_cap_hex[(uint8_t)*s];

		if (d == 0)
			break;
		v = v << 4 | (d - 1);
	}
	*p = s;
	*value = v;
	/* Pointers of user space are padded to 16 digits behind "0x00". */
	return s != start && s - start <= 18;
}

/* Read decimal digits; a minus sign makes the two's complement. */
static inline bool m2d_cap_scan_dec(const char **p, const char *end, uint64_t *value)
{
	const char *s = *p, *start;
	bool minus = s < end && *s == '-';
	uint64_t v = 0;

	s += minus;
	start = s;
	for (; s < end && (uint8_t)(*s - '0') < 10; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	*p = s;
	*value = minus ? -v : v;
	return s != start && s - start <= 20;
}
