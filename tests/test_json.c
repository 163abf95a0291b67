/* JSON: what is read, what is refused, spans of members, and what is written reads back. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define N(a) ((int)(sizeof(a) / sizeof(a)[0]))

static const struct {
	const char *text;
	size_t len; /* 0: strlen */
	bool good;
} documents[] = {
	{ "{}", 0, true },
	{ " [1, 2.5e-3, \"x\", null, true] \r\n", 0, true },
	{ "\"a\\u0000b\"", 0, true },
	{ "123456789012345678901234567890", 0, true },
	{ "\"\\ud83d\\ude00\"", 0, true },
	{ "\"\\ud83d\"", 0, false },
	{ "", 0, false },
	{ "{} {}", 0, false },
	{ "{\"a\":1,}", 0, false },
	{ "{'a':1}", 0, false },
	{ "[01]", 0, false },
	{ "[NaN]", 0, false },
	{ "\"\xff\"", 0, false },
	{ "\"\xed\xa0\x80\"", 0, false },
	{ "\"a\nb\"", 0, false },
	{ "\"a\0b\"", 5, false },
	{ "{}\0", 3, false },
	{ "{\"a\":", 0, false },
};

START_TEST(parse)
{
	size_t len = documents[_i].len ? documents[_i].len : strlen(documents[_i].text);
	struct err e = { "" };
	struct json *j = json_parse(documents[_i].text, len, &e);

	ck_assert_msg((j != NULL) == documents[_i].good, "%s: %s", documents[_i].text, e.msg);
	ck_assert((e.msg[0] != '\0') == !documents[_i].good);
	json_free(j);
}
END_TEST

START_TEST(depth_is_bounded)
{
	size_t n = 1000000;
	char *deep = mem_alloc(n, 1);
	struct err e;

	memset(deep, '[', n);
	ck_assert_ptr_null(json_parse(deep, n, &e));
	free(deep);
}
END_TEST

START_TEST(views)
{
	static const char text[] = "{\"i\":-7,\"r\":2.5,\"w\":3.0,\"s\":\"a\\u0000b\","
		"\"t\":true,\"f\":false,\"a\":[1,\"x\"],\"big\":1000000000000000019884624838656}";
	struct json *j = json_parse(text, strlen(text), NULL);
	const struct json *v;
	const char *key;
	void *it = NULL;
	long long i = 0;
	double x = 0;
	size_t len, n = 0;

	ck_assert(json_is_object(j) && !json_is_array(j));
	ck_assert(json_int(json_get(j, "i"), &i) && i == -7);
	ck_assert(json_double(json_get(j, "i"), &x) && x == -7);
	ck_assert(json_double(json_get(j, "r"), &x) && x == 2.5);
	ck_assert(!json_int(json_get(j, "r"), &i));
	ck_assert(json_int(json_get(j, "w"), &i) && i == 3);
	ck_assert(json_double(json_get(j, "big"), &x) && x > 9e29);
	ck_assert(!json_int(json_get(j, "big"), &i));
	ck_assert_mem_eq(json_text(json_get(j, "s"), &len), "a\0b", 4);
	ck_assert_uint_eq(len, 3);
	ck_assert(json_is_true(json_get(j, "t")) && !json_is_true(json_get(j, "f")));
	ck_assert_uint_eq(json_len(json_get(j, "a")), 2);
	ck_assert_str_eq(json_text(json_at(json_get(j, "a"), 1), NULL), "x");
	ck_assert_ptr_null(json_at(json_get(j, "a"), 2));
	ck_assert_ptr_null(json_get(j, "none"));
	ck_assert_ptr_null(json_text(json_get(j, "i"), NULL));
	ck_assert(!json_int(NULL, &i) && !json_double(NULL, &x) && !json_is_true(NULL));
	ck_assert(!json_is_array(NULL) && !json_is_object(NULL) && json_len(NULL) == 0);
	while (json_each(j, &it, &key, &v))
		n++;
	ck_assert_uint_eq(n, 8);
	json_free(j);
}
END_TEST

static const struct {
	const char *object;
	const char *members; /* "key=value;..." as spelled; NULL: refused */
} objects[] = {
	{ "{}", "" },
	{ " { } ", "" },
	{ "{\"a\":1}", "\"a\"=1;" },
	{ "{ \"a\" : 18446744073709551615 , \"b\":1.50e+1}",
		"\"a\"=18446744073709551615;\"b\"=1.50e+1;" },
	{ "{\"a\":{\"x\":[1,\"}\"]},\"a\":\"q\\\"}\\\\\"}",
		"\"a\"={\"x\":[1,\"}\"]};\"a\"=\"q\\\"}\\\\\";" },
	{ "{\"k\\\"}\":[[],{}],\"n\":null}\r", "\"k\\\"}\"=[[],{}];\"n\"=null;" },
	{ "[1]", NULL },
	{ "\"{}\"", NULL },
	{ "{\"a\":1}}", NULL },
	{ "{\"a\":1", NULL },
};

START_TEST(spans)
{
	const char *text = objects[_i].object;
	struct json_span *v = NULL;
	size_t n = 0, cap = 0, close = 0;
	struct buf b = { 0 };
	struct err e;
	int rc = json_spans(text, strlen(text), &v, &n, &cap, &close, &e);

	ck_assert_int_eq(rc, objects[_i].members ? 0 : -1);
	if (rc == 0) {
		ck_assert_int_eq(text[close], '}');
		ck_assert(strspn(text + close + 1, " \r") == strlen(text + close + 1));
		for (size_t i = 0; i < n; i++) {
			buf_add(&b, text + v[i].key, v[i].key_len);
			buf_putc(&b, '=');
			buf_add(&b, text + v[i].value, v[i].value_len);
			buf_putc(&b, ';');
		}
		ck_assert_str_eq(buf_str(&b), objects[_i].members);
	}
	buf_release(&b);
	free(v);
}
END_TEST

/* A document cut anywhere is refused, and nothing is read behind its end. */
START_TEST(truncated)
{
	static const char text[] = "{\"a\":[1,{\"b\":\"c\\u00e9\\\"\"}],\"d\":-1.5e3,\"e\":\"\xc3\xa9\"}";
	struct json_span *v = NULL;
	size_t n, cap = 0, close;

	for (size_t len = 0; len < strlen(text); len++) {
		char *copy = mem_grow(NULL, len, 1);

		memcpy(copy, text, len);
		ck_assert_int_eq(json_spans(copy, len, &v, &n, &cap, &close, NULL), -1);
		free(copy);
	}
	ck_assert_int_eq(json_spans(text, strlen(text), &v, &n, &cap, &close, NULL), 0);
	free(v);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
	const char *literal;
} texts[] = {
	{ "", 0, "\"\"" },
	{ "a\"b\\c/", 6, "\"a\\\"b\\\\c/\"" },
	{ "\b\f\n\r\t\x01\x1f\x7f", 8, "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
	{ "a\0b", 3, "\"a\\u0000b\"" },
	{ "\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"" },
	{ "a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"" },
	{ "\xe2\x82", 2, "\"\xef\xbf\xbd\"" },
	{ "\xe2\x82\"", 3, "\"\xef\xbf\xbd\\\"\"" },
	{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

START_TEST(put_text)
{
	struct buf b = { 0 };
	struct json *j;

	json_put_text(&b, texts[_i].text, texts[_i].len);
	ck_assert_str_eq(buf_str(&b), texts[_i].literal);
	j = json_parse(b.data, b.len, NULL);
	ck_assert_ptr_nonnull(json_text(j, NULL));
	json_free(j);
	buf_release(&b);
}
END_TEST

START_TEST(put_real)
{
	static const double values[] = { 0, -0.0, 1, 0.1, 1e300, -2.5e-310, 123456789.123456789 };
	struct buf b = { 0 };

	for (int i = 0; i < N(values); i++) {
		struct json *j;
		double x;

		buf_clear(&b);
		json_put_real(&b, values[i], 17);
		j = json_parse(b.data, b.len, NULL);
		ck_assert(json_double(j, &x) && x == values[i]);
		json_free(j);
	}
	buf_clear(&b);
	json_put_real(&b, NAN, 9);
	json_put_real(&b, -INFINITY, 9);
	ck_assert_str_eq(buf_str(&b), "nullnull");
	buf_release(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("json");
	TCase *t = tcase_create("json");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, parse, 0, N(documents));
	tcase_add_test(t, depth_is_bounded);
	tcase_add_test(t, views);
	tcase_add_loop_test(t, spans, 0, N(objects));
	tcase_add_test(t, truncated);
	tcase_add_loop_test(t, put_text, 0, N(texts));
	tcase_add_test(t, put_real);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
