#include "text/unicode.h"

#include <stdint.h>
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"

/* How many bytes from s on are ASCII, eight at a time. */
static size_t
ascii_run(const char *s, size_t len)
{
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= len; i += 8) {
		memcpy(&w, s + i, 8);
		if (w & 0x8080808080808080u)
			break;
	}
	while (i < len && (unsigned char)s[i] < 0x80)
		i++;
	return i;
}

bool
utf8_valid(const char *s, size_t len, size_t *bad)
{
	bool ok = true;

	for (size_t i = ascii_run(s, len); i < len; i += ascii_run(s + i, len - i)) {
		size_t n = utf8_step(s + i, len - i, &ok);

		if (!ok) {
			if (bad)
				*bad = i;
			return false;
		}
		i += n;
	}
	return true;
}

void
utf8_repair(const char *s, size_t len, struct buf *out)
{
	size_t bad;

	while (!utf8_valid(s, len, &bad)) {
		bool ok;
		size_t n = bad + utf8_step(s + bad, len - bad, &ok);

		buf_add(out, s, bad);
		buf_puts(out, "\xef\xbf\xbd");
		s += n;
		len -= n;
	}
	buf_add(out, s, len);
}

void
utf8_lower(const char *s, size_t len, struct buf *out)
{
	for (size_t i = 0, n; i < len; i += n) {
		utf8proc_uint8_t low[4];
		utf8proc_int32_t c;
		bool ok;

		n = utf8_step(s + i, len - i, &ok);
		if (n == 1 && ok) {
			buf_putc(out, s[i] >= 'A' && s[i] <= 'Z' ? s[i] + ('a' - 'A') : s[i]);
		} else if (ok) {
			utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)n, &c);
			buf_add(out, low, (size_t)utf8proc_encode_char(utf8proc_tolower(c), low));
		} else {
			buf_add(out, s + i, n);
		}
	}
}
