/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scanning numbers in lines. Private to the importers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Value of hexadecimal digit @c; 16 or more if it is none. */
static inline unsigned m2d_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Read digits in @radix (10 or 16) at p[*pos]; false without a digit or beyond 64 bits. */
static inline bool m2d_scan_number(const char *p, size_t len, size_t *pos, unsigned radix,
				   uint64_t *value)
{
	size_t start = *pos;
	uint64_t v = 0;

	for (; *pos < len; ++*pos) {
		unsigned digit = m2d_hex_digit(p[*pos]);

		if (digit >= radix)
			break;
		if (v > (UINT64_MAX - digit) / radix)
			return false;
		v = v * radix + digit;
	}
	*value = v;
	return *pos != start;
}
