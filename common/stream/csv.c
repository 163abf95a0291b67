/* Rows: CSV (RFC 4180, through libcsv) and TSV, which knows no quoting. The first row is the
 * header.
 *
 * libcsv decodes the fields; where they stand it does not say, so the spans are found here by the
 * same rules, and both must come to the same number of fields. A quoted field begins with the
 * quote, blanks belong to the field, rows end with LF or CRLF, a quote inside an unquoted field
 * is itself. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/internal.h"

static char
delimiter(const struct stream *s)
{
	return s->format == &format_csv ? ',' : '\t';
}

/* Where rows end. */

enum scan_state { AT_START, PLAIN, QUOTED, QUOTE_IN_QUOTED };

static enum scan_state
next_state(enum scan_state state, char c)
{
	if (state == QUOTED)
		return c == '"' ? QUOTE_IN_QUOTED : QUOTED;
	if (c == '"' && state != PLAIN)
		return QUOTED; /* a field begins, or a doubled quote */
	return c == ',' ? AT_START : PLAIN;
}

static size_t
csv_end(struct stream *s, const char *data, size_t len)
{
	enum scan_state state = (enum scan_state)s->scan_state;
	size_t i = s->scan;

	for (; i < len && (data[i] != '\n' || state == QUOTED); i++)
		state = next_state(state, data[i]);
	s->scan = i;
	s->scan_state = state;
	return i;
}

static size_t
tsv_end(struct stream *s, const char *data, size_t len)
{
	return end_at(s, data, len, '\n');
}

/* Fields. */

static void
add_field(struct record *r, size_t start, size_t end, size_t *cap)
{
	if (r->n == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		r->fields = mem_grow(r->fields, *cap, sizeof *r->fields);
	}
	r->fields[r->n++] = (struct field){ .start = start, .len = end - start };
}

/* From the quote at i to behind the closing one; 0 when there is none. */
static size_t
skip_quoted(const char *s, size_t i, size_t len)
{
	for (i++; i < len; i++) {
		if (s[i] != '"')
			continue;
		if (i + 1 == len || s[i + 1] != '"')
			return i + 1;
		i++;
	}
	return 0;
}

static int
split(struct record *r, char delim, bool quotes, struct err *e)
{
	size_t i = 0, cap = 0;

	for (;;) {
		size_t start = i;

		if (quotes && i < r->len && r->body[i] == '"') {
			i = skip_quoted(r->body, i, r->len);
			if (!i)
				return err_set(e, "column %zu: the quote is never closed",
					r->n + 1);
			if (i < r->len && r->body[i] != delim)
				return err_set(e, "column %zu: text behind the closing quote",
					r->n + 1);
		} else {
			char *p = memchr(r->body + i, delim, r->len - i);

			i = p ? (size_t)(p - r->body) : r->len;
		}
		add_field(r, start, i, &cap);
		if (i == r->len)
			return 0;
		i++;
	}
}

/* Where decoded fields go, one after the other, a NUL behind each. */
struct decode {
	struct record *r;
	size_t n, used;
};

static void
take_value(void *bytes, size_t len, void *arg)
{
	struct decode *d = arg;

	if (d->n < d->r->n) {
		struct value *v = &d->r->fields[d->n].value;
		char *to = d->r->values + d->used;

		if (len)
			memcpy(to, bytes, len);
		to[len] = '\0';
		v->raw = to;
		v->raw_len = len;
		d->used += len + 1;
	}
	d->n++;
}

static int
csv_row(struct record *r, struct err *e)
{
	struct csv_parser *p = &r->s->csv;
	struct decode d = { .r = r };

	if (split(r, ',', true, e) < 0)
		return -1;
	/* A decoded field is never longer than its span. */
	r->values = mem_grow(NULL, r->len + r->n, 1);
	if (csv_parse(p, r->body, r->len, take_value, NULL, &d) != r->len ||
		csv_fini(p, take_value, NULL, &d) != 0)
		return err_set(e, "libcsv: %s", csv_strerror(csv_error(p)));
	if (d.n != r->n)
		return err_set(e, "libcsv finds %zu fields and not %zu", d.n, r->n);
	return 0;
}

static int
tsv_row(struct record *r, struct err *e)
{
	struct decode d = { .r = r };

	if (split(r, '\t', false, e) < 0)
		return -1;
	r->values = mem_grow(NULL, r->len + r->n, 1);
	for (size_t i = 0; i < r->n; i++)
		take_value(r->body + r->fields[i].start, r->fields[i].len, &d);
	return 0;
}

/* Columns. */

#define NO_COLUMN ((size_t)-1)

/* By name, else by number, 1 the first. */
static size_t
column(const struct stream *s, const char *name)
{
	size_t number = 0;

	for (size_t i = s->n_names; i-- > 0;)
		if (strcmp(s->names[i], name) == 0)
			return i;
	for (const char *p = name; *p; p++) {
		if (!isdigit((unsigned char)*p) || number > 1000000)
			return NO_COLUMN;
		number = number * 10 + (size_t)(*p - '0');
	}
	return number - 1; /* NO_COLUMN for 0 */
}

static struct field *
find(struct record *r, const char *name)
{
	size_t i = column(r->s, name);

	return i < r->n ? &r->fields[i] : NULL;
}

static void
put_name(const struct record *r, size_t i, struct buf *b)
{
	if (i < r->s->n_names)
		json_put_text(b, r->s->names[i], strlen(r->s->names[i]));
	else
		buf_printf(b, "\"%zu\"", i + 1);
}

/* The header. */

static int
no_column(const struct stream *s, const char *name, struct err *e)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->n_names; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", s->names[i]);
	err_set(e, "%s: no column '%s' in the header (%s)", s->name, name, buf_str(&b));
	buf_release(&b);
	return -1;
}

static int
read_header(struct stream *s, struct err *e)
{
	struct record *r;
	const char *row;
	int rc = stream_find(s, true, e);

	if (rc <= 0)
		return rc; /* an empty input has no columns to miss */
	r = mem_alloc(1, sizeof *r + s->found_len + 1);
	r->s = s;
	r->len = s->found_len;
	buf_add(&s->head, s->lead.data, s->lead.len);
	buf_clear(&s->lead);
	row = stream_take(s);
	buf_add(&s->head, row, s->found_total);
	memcpy(r->body, row, r->len);
	if (s->format->parse(r, e) < 0) {
		record_free(r);
		return err_prefix(e, "%s: header", s->name);
	}
	s->names = mem_alloc(r->n, sizeof *s->names);
	for (; s->n_names < r->n; s->n_names++)
		s->names[s->n_names] = mem_str(value_text(&r->fields[s->n_names].value, NULL));
	record_free(r);
	for (size_t i = 0; i < s->n_roles; i++)
		if (column(s, s->roles[i].field) == NO_COLUMN)
			return no_column(s, s->roles[i].field, e);
	return 0;
}

static int
never(unsigned char c)
{
	(void)c;
	return 0;
}

static int
csv_open(struct stream *s, struct err *e)
{
	if (csv_init(&s->csv, 0) != 0)
		return err_set(e, "libcsv does not start");
	/* It gets one row at a time without its ending, so nothing in there ends a row; and
	 * blanks stay. */
	csv_set_term_func(&s->csv, never);
	csv_set_space_func(&s->csv, never);
	csv_set_blk_size(&s->csv, (size_t)64 << 10);
	return read_header(s, e);
}

/* Writing. */

static void
put_quoted(struct buf *b, const char *text, size_t len)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			buf_putc(b, '"');
		buf_putc(b, text[i]);
	}
	buf_putc(b, '"');
}

static bool
needs_quotes(const char *text, size_t len, bool alone)
{
	if (len == 0)
		return alone; /* else the row would be an empty line */
	if (text[0] == ' ' || text[len - 1] == ' ')
		return true; /* many readers strip blanks that stand bare */
	for (size_t i = 0; i < len; i++)
		if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
			return true;
	return false;
}

static int
put_changed(struct record *r, struct change *c, size_t i, struct buf *b, struct err *e)
{
	size_t len;
	const char *text = value_text(&c->value, &len);
	bool was_quoted = i < r->n && r->fields[i].len && r->body[r->fields[i].start] == '"';

	if (!text)
		text = value_json(&c->value, &len);
	if (r->s->format == &format_csv) {
		if (was_quoted || needs_quotes(text, len, r->n < 2 && i == 0))
			put_quoted(b, text, len);
		else
			buf_add(b, text, len);
		return 0;
	}
	for (size_t k = 0; k < len; k++)
		if (text[k] == '\t' || text[k] == '\n' || text[k] == '\r')
			return record_err(r, e, "the new '%s' holds a tab or a line end, which "
				"TSV cannot", c->role);
	buf_add(b, text, len);
	return 0;
}

static struct change *
column_change(const struct record *r, size_t i)
{
	for (size_t k = r->n_changes; k-- > 0;)
		if (column(r->s, change_field(r, &r->changes[k])) == i)
			return &r->changes[k];
	return NULL;
}

/* A change of a field that the row is too short for makes it longer; one that no column takes is
 * left out. */
static int
write_row(struct record *r, struct err *e)
{
	struct buf *b = &r->s->scratch;
	size_t n = r->n;

	for (size_t k = 0; k < r->n_changes; k++) {
		size_t i = column(r->s, change_field(r, &r->changes[k]));

		if (i != NO_COLUMN && i < r->s->n_names && i >= n)
			n = i + 1;
	}
	buf_clear(b);
	for (size_t i = 0; i < n; i++) {
		struct change *c = column_change(r, i);

		if (i)
			buf_putc(b, delimiter(r->s));
		if (c && put_changed(r, c, i, b, e) < 0)
			return -1;
		if (!c && i < r->n)
			buf_add(b, r->body + r->fields[i].start, r->fields[i].len);
	}
	stream_put(r->s, b->data, b->len);
	return 0;
}

const struct format format_csv = {
	.name = "csv",
	.blank = "",
	.open = csv_open,
	.end = csv_end,
	.parse = csv_row,
	.find = find,
	.put_name = put_name,
	.write = write_row,
};

const struct format format_tsv = {
	.name = "tsv",
	.blank = "",
	.open = read_header,
	.end = tsv_end,
	.parse = tsv_row,
	.find = find,
	.put_name = put_name,
	.write = write_row,
};
