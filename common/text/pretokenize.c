#include "text/pretokenize.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

enum class { END, LETTER, NUMBER, BLANK, OTHER };

static const char *const names[] = { [PRETOK_GPT2] = "gpt-2", [PRETOK_SMOLLM] = "smollm" };

/* Unicode's White_Space property. */
static bool
is_blank(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static enum class
class_of(uint32_t c)
{
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return LETTER;
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return NUMBER;
	default:
		return is_blank(c) ? BLANK : OTHER;
	}
}

/* The class of the character at s[0..len) and its bytes; END and 0 bytes when nothing is left. */
static enum class
peek(const char *s, size_t len, size_t *bytes)
{
	unsigned char c;
	utf8proc_int32_t cp;
	utf8proc_ssize_t n;

	*bytes = len > 0;
	if (!len)
		return END;
	c = (unsigned char)*s;
	if (c < 0x80) {
		if ((c | 32) >= 'a' && (c | 32) <= 'z')
			return LETTER;
		if (c >= '0' && c <= '9')
			return NUMBER;
		return is_blank(c) ? BLANK : OTHER;
	}
	n = utf8proc_iterate((const utf8proc_uint8_t *)s, len < 4 ? (utf8proc_ssize_t)len : 4, &cp);
	if (n <= 0)
		return OTHER;
	*bytes = (size_t)n;
	return class_of((uint32_t)cp);
}

/* 's 't 're 've 'm 'll 'd, lower case only: bytes, or 0. */
static size_t
contraction(const char *s, size_t len)
{
	static const char *const ends[] = { "s", "t", "re", "ve", "m", "ll", "d" };

	if (len < 2 || *s != '\'')
		return 0;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t n = strlen(ends[i]);

		if (len > n && !memcmp(s + 1, ends[i], n))
			return n + 1;
	}
	return 0;
}

int
pretok_named(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == len && !memcmp(name, names[i], len))
			return (int)i;
	return -1;
}

size_t
pretok_next(enum pretok kind, const char *s, size_t len)
{
	/* What ends the text as gpt-2's pattern sees it: with smollm, a number too. */
	enum class stop = kind == PRETOK_SMOLLM ? NUMBER : END, c, first;
	size_t at = 0, n, last;

	c = peek(s, len, &n);
	if (c == END || c == stop)
		return n;
	if ((last = contraction(s, len)))
		return last;
	if (*s == ' ') {
		c = peek(s + 1, len - 1, &n);
		at = 1;
	}
	if (c != BLANK && c != END && c != stop) {
		first = c;
		while (c == first) {
			at += n;
			c = peek(s + at, len - at, &n);
		}
		return at;
	}
	/* A run of blanks; its last one is left to what follows, if anything does. */
	at = last = 0;
	while ((c = peek(s + at, len - at, &n)) == BLANK) {
		last = at;
		at += n;
	}
	return c == END || c == stop || !last ? at : last;
}
