#include "bias/wordlist.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text/unicode.h"

int
wordlist_load(struct wordlist *w, const char *path, struct err *e)
{
	FILE *f = fopen(path, "rb");
	struct buf raw = { 0 };
	size_t got, i, n;
	bool fresh;
	int status = 0;

	*w = (struct wordlist){ 0 };
	if (!f)
		return err_set(e, "%s: %s", path, strerror(errno));
	while ((got = fread(buf_room(&raw, 4096), 1, 4096, f)) > 0)
		raw.len += got;
	if (ferror(f))
		status = err_set(e, "%s: cannot be read", path);
	fclose(f);
	utf8_lower(raw.data, raw.len, &w->text);
	buf_putc(&w->text, '\n');
	buf_release(&raw);
	for (i = 0; i < w->text.len; i += n + 1) {
		size_t word;

		n = (size_t)((char *)memchr(w->text.data + i, '\n', w->text.len - i) -
			(w->text.data + i));
		for (word = 0; word < n && !strchr("\t\r", w->text.data[i + word]); word++)
			;
		if (word)
			strmap_put(&w->words, w->text.data + i, word, &fresh);
	}
	if (status)
		wordlist_release(w);
	return status;
}

void
wordlist_release(struct wordlist *w)
{
	strmap_release(&w->words);
	buf_release(&w->text);
}

static bool
blank(char c)
{
	return isspace((unsigned char)c);
}

static bool
mark(char c)
{
	return ispunct((unsigned char)c) && c != '*';
}

void
wordlist_delete(const struct wordlist *w, struct span t, struct buf *out)
{
	struct buf low = { 0 };
	size_t first = out->len, gap, i, from, to, end;

	for (i = 0; i < t.n; i = end) {
		for (gap = i; i < t.n && blank(t.s[i]); i++)
			;
		for (end = i; end < t.n && !blank(t.s[end]); end++)
			;
		for (from = i; from < end && mark(t.s[from]); from++)
			;
		for (to = end; to > from && mark(t.s[to - 1]); to--)
			;
		buf_clear(&low);
		utf8_lower(t.s + from, to - from, &low);
		if (to == from || !strmap_get(&w->words, buf_str(&low), low.len)) {
			/* Behind a word that was deleted at the beginning no blank is left to part
			 * anything. */
			if (out->len == first && gap > 0)
				gap = i;
			buf_add(out, t.s + gap, end - gap);
			continue;
		}
		if (from > i)
			buf_add(out, t.s + gap, from - gap);
		buf_add(out, t.s + to, end - to);
	}
	buf_release(&low);
}
