/* JSON Lines: a record is an object on a line. Its bytes stay; a change replaces the value where it
 * stands, or is spliced in before the last brace. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/internal.h"
#include "text/unicode.h"

static int
parse(struct record *r, struct err *e)
{
	struct stream *s = r->s;
	size_t n, bad;

	if (!utf8_valid(r->body, r->len, &bad))
		return err_set(e, "not valid UTF-8 at byte %zu", bad + 1);
	if (json_spans(r->body, r->len, &s->spans, &n, &s->spans_cap, &r->close, e) < 0)
		return -1;
	record_fields(r, n);
	for (size_t i = 0; i < n; i++) {
		struct json_span *span = &s->spans[i];

		r->fields[i] = (struct field){
			.start = span->value, .len = span->value_len,
			.key = span->key, .key_len = span->key_len,
			.value = { .json = r->body + span->value, .json_len = span->value_len },
		};
	}
	return 0;
}

static bool
key_is(const struct record *r, const struct field *f, const char *name, size_t len)
{
	const char *key = r->body + f->key;
	struct json *j;
	const char *text;
	size_t text_len;
	bool same;

	if (!memchr(key, '\\', f->key_len))
		return f->key_len == len + 2 && memcmp(key + 1, name, len) == 0;
	j = json_parse(key, f->key_len, NULL);
	text = json_text(j, &text_len);
	same = text && text_len == len && memcmp(text, name, len) == 0;
	json_free(j);
	return same;
}

/* The last of its name is the one that counts, as it does for other readers of JSON. */
static struct field *
find(struct record *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = r->n; i-- > 0;)
		if (key_is(r, &r->fields[i], name, len))
			return &r->fields[i];
	return NULL;
}

static int
write_object(struct record *r, struct err *e)
{
	size_t from = 0;

	(void)e;
	record_aim(r);
	for (size_t i = 0; i < r->n && r->n_changes; i++) {
		struct field *f = &r->fields[i];
		struct change *c = record_change(r, f);
		const char *json;
		size_t len;

		if (!c)
			continue;
		json = value_json(&c->value, &len);
		stream_put(r->s, r->body + from, f->start - from);
		stream_put(r->s, json, len);
		from = f->start + f->len;
	}
	stream_put(r->s, r->body + from, r->close - from);
	record_put_new(r, r->n ? "," : "");
	stream_put(r->s, r->body + r->close, r->len - r->close);
	return 0;
}

const struct format format_jsonl = {
	.name = "jsonl",
	.blank = " \t\r\n",
	.end = end_of_line,
	.parse = parse,
	.find = find,
	.write = write_object,
};
