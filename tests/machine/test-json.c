/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON writer: exact text of every kind of value, nesting, escapes, bytes that are no text. */
#include "sim/base/json.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static void expect(M2dJson *json, const char *text)
{
	g_autofree char *got = m2d_json_finish(json);

	ck_assert_str_eq(got, text);
}

START_TEST(test_scalars)
{
	M2dJson *json = m2d_json_new();

	m2d_json_array_begin(json, NULL);
	m2d_json_uint(json, NULL, UINT64_MAX);
	m2d_json_int(json, NULL, INT64_MIN);
	m2d_json_hex(json, NULL, UINT64_C(0xffff888000001000));
	m2d_json_hex(json, NULL, 0);
	m2d_json_bool(json, NULL, true);
	m2d_json_bool(json, NULL, false);
	m2d_json_double(json, NULL, 0.1);
	m2d_json_double(json, NULL, 1.0 / 3);
	m2d_json_double(json, NULL, 1e300);
	m2d_json_double(json, NULL, NAN);
	m2d_json_double(json, NULL, -INFINITY);
	m2d_json_string(json, NULL, NULL);
	m2d_json_array_end(json);
	expect(json, "[\n  18446744073709551615,\n  -9223372036854775808,\n"
		     "  \"0xffff888000001000\",\n  \"0x0\",\n  true,\n  false,\n  0.1,\n"
		     "  0.33333333333333331,\n  1e+300,\n  null,\n  null,\n  null\n]\n");
}
END_TEST

START_TEST(test_nesting)
{
	M2dJson *json = m2d_json_new();

	m2d_json_object_begin(json, NULL);
	m2d_json_array_begin(json, "empty");
	m2d_json_array_end(json);
	m2d_json_object_begin(json, "none");
	m2d_json_object_end(json);
	m2d_json_array_begin(json, "rows");
	m2d_json_object_begin(json, NULL);
	m2d_json_uint(json, "n", 1);
	m2d_json_object_end(json);
	m2d_json_array_begin(json, NULL);
	m2d_json_uint(json, NULL, 2);
	m2d_json_array_end(json);
	m2d_json_array_end(json);
	m2d_json_object_end(json);
	expect(json, "{\n  \"empty\": [],\n  \"none\": {},\n  \"rows\": [\n    {\n"
		     "      \"n\": 1\n    },\n    [\n      2\n    ]\n  ]\n}\n");
}
END_TEST

START_TEST(test_strings)
{
	M2dJson *json = m2d_json_new();

	m2d_json_object_begin(json, NULL);
	m2d_json_string(json, "quote\"\\", "a\"b\\c\n\t\r\x01\x7f/");
	m2d_json_string(json, "utf8", "\xc3\xa9\xf0\x9f\x90\xa7");
	m2d_json_string(json, "bad", "a\xff\xc3(\xe2\x82");
	m2d_json_object_end(json);
	expect(json, "{\n  \"quote\\\"\\\\\": \"a\\\"b\\\\c\\n\\t\\u000d\\u0001\\u007f/\",\n"
		     "  \"utf8\": \"\xc3\xa9\xf0\x9f\x90\xa7\",\n"
		     "  \"bad\": \"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\"\n}\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_scalars);
	tcase_add_test(tc, test_nesting);
	tcase_add_test(tc, test_strings);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
