#include "text/unicode.h"

#include <stdint.h>
#include <string.h>

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
