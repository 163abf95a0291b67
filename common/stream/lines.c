/* Plain lines: a record is a line, its only field plays the stream's main role. As JSON it is
 * {"id":NUMBER,"ROLE":"text"}. */
#include <string.h>

#include "base/json.h"
#include "stream/internal.h"

enum { ID, TEXT, N_FIELDS };

static int
parse(struct record *r, struct err *e)
{
	struct value *id, *text;
	struct buf b = { 0 };

	(void)e;
	record_fields(r, N_FIELDS);
	id = &r->fields[ID].value;
	text = &r->fields[TEXT].value;
	buf_printf(&b, "%zu", r->number);
	id->json = id->own_json = buf_str(&b);
	id->json_len = b.len;
	text->raw = r->body;
	text->raw_len = r->len;
	return 0;
}

static struct field *
find(struct record *r, const char *name)
{
	if (strcmp(name, r->s->main) == 0)
		return &r->fields[TEXT];
	return strcmp(name, "id") == 0 ? &r->fields[ID] : NULL;
}

static void
put_name(const struct record *r, size_t i, struct buf *b)
{
	const char *name = i == ID ? "id" : r->s->main;

	json_put_text(b, name, strlen(name));
}

static int
write_line(struct record *r, struct err *e)
{
	struct change *c;
	const char *text = r->body;
	size_t len = r->len;

	record_aim(r);
	c = record_change(r, &r->fields[TEXT]);
	if (c)
		text = value_text(&c->value, &len);
	if (!text)
		return record_err(r, e, "the new '%s' is no text", r->s->main);
	if (c && memchr(text, r->s->o.nul ? '\0' : '\n', len))
		return record_err(r, e, "the new '%s' does not fit on a line", r->s->main);
	stream_put(r->s, text, len);
	return 0;
}

const struct format format_lines = {
	.name = "lines",
	.end = end_of_line,
	.parse = parse,
	.find = find,
	.put_name = put_name,
	.write = write_line,
};
