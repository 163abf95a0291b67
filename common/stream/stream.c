#include "stream/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/progress.h"
#include "stream/internal.h"

#define CHUNK ((size_t)128 << 10)     /* bytes asked of read(2) at once */
#define LONGEST ((size_t)1 << 30)     /* bytes in one record */
#define FLUSH_AFTER 0.1               /* seconds that output may wait for more of it */

/* Options. */

static const struct format *
format_named(const char *name)
{
	static const struct format *const all[] = {
		&format_lines, &format_jsonl, &format_csv, &format_tsv,
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

/* "ROLE=FIELD,ROLE=FIELD" */
static int
parse_roles(struct stream *s, const char *spec, struct err *e)
{
	while (*spec) {
		size_t n = strcspn(spec, ","), eq = strcspn(spec, "=");
		struct role r;

		if (eq == 0 || eq + 1 >= n)
			return err_set(e, "'%.*s' is not of the form ROLE=FIELD", (int)n, spec);
		r.role = mem_dup(spec, eq);
		r.field = mem_dup(spec + eq + 1, n - eq - 1);
		s->roles = mem_grow(s->roles, s->n_roles + 1, sizeof *s->roles);
		s->roles[s->n_roles++] = r;
		for (size_t i = 0; i + 1 < s->n_roles; i++)
			if (strcmp(s->roles[i].role, r.role) == 0)
				return err_set(e, "the role '%s' is given twice", r.role);
		spec += n + (spec[n] == ',');
	}
	return 0;
}

struct stream *
stream_open(const struct stream_opts *o, FILE *in, FILE *out, const char *name, struct err *e)
{
	const char *format = o->format ? o->format : "jsonl";
	struct stream *s = mem_alloc(1, sizeof *s);

	s->o = *o;
	s->main = o->main ? o->main : "text";
	s->name = mem_str(name);
	s->fd = fileno(in);
	s->out = out;
	s->format = format_named(format);
	if (!s->format) {
		err_set(e, "unknown format '%s' (lines, csv, tsv or jsonl)", format);
	} else if (o->fields && s->format == &format_lines) {
		err_set(e, "plain lines have no fields to name");
	} else if (!o->fields || parse_roles(s, o->fields, e) == 0) {
		if (!s->format->open || s->format->open(s, e) == 0)
			return s;
	}
	s->out = NULL;
	stream_free(s);
	return NULL;
}

/* Reading. */

/* 1 more input, 0 the end, -1 an error, 2 nothing there yet. */
static int
fill(struct stream *s, bool wait, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	ssize_t n;

	if (!wait && poll(&p, 1, 0) <= 0)
		return 2;
	if (s->start == s->in.len) {
		s->start = s->in.len = 0;
	} else if (s->start >= s->in.len / 2) {
		s->in.len -= s->start;
		memmove(s->in.data, s->in.data + s->start, s->in.len);
		s->start = 0;
	}
	do
		n = read(s->fd, buf_room(&s->in, CHUNK), CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		if (wait)
			poll(&p, 1, -1);
		return wait ? 1 : 2;
	}
	if (n < 0)
		return err_set(e, "%s: %s", s->name, strerror(errno));
	s->in.len += (size_t)n;
	s->eof = n == 0;
	return n > 0;
}

size_t
end_at(struct stream *s, const char *data, size_t len, char byte)
{
	char *p = len > s->scan ? memchr(data + s->scan, byte, len - s->scan) : NULL;

	s->scan = p ? (size_t)(p - data) : len;
	return s->scan;
}

size_t
end_of_line(struct stream *s, const char *data, size_t len)
{
	return end_at(s, data, len, s->o.nul ? '\0' : '\n');
}

static bool
is_blank(const struct format *f, const char *s, size_t len)
{
	if (!f->blank)
		return false;
	while (len > 0 && *s && strchr(f->blank, *s))
		s++, len--;
	return len == 0;
}

static void
skip_to_lead(struct stream *s, size_t n)
{
	buf_add(&s->lead, s->in.data + s->start, n);
	s->start += n;
	s->scan = 0;
	s->scan_state = 0;
}

int
stream_find(struct stream *s, bool wait, struct err *e)
{
	while (!s->found) {
		const char *data = s->in.data ? s->in.data + s->start : "";
		size_t have = s->in.len - s->start, end = s->format->end(s, data, have), len = end;
		enum ending ending = END_NONE;

		if (end == have && !s->eof) {
			int rc;

			if (have > LONGEST)
				return err_set(e, "%s: record %zu: longer than %zu bytes", s->name,
					s->number + 1, LONGEST);
			rc = fill(s, wait, e);
			if (rc < 0 || rc == 2)
				return rc;
			continue;
		}
		if (have == 0)
			return 0;
		if (!s->begun) {
			s->begun = true;
			if (have >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
				skip_to_lead(s, 3);
				continue;
			}
		}
		if (end < have && data[end] == '\0') {
			ending = END_NUL;
		} else if (end < have) {
			bool cr = end > 0 && data[end - 1] == '\r';

			ending = cr ? END_CRLF : END_LF;
			len -= cr;
		}
		if (is_blank(s->format, data, len)) {
			skip_to_lead(s, end + (end < have));
			continue;
		}
		s->found = true;
		s->found_len = len;
		s->found_total = end + (end < have);
		s->found_ending = ending;
	}
	return 1;
}

const char *
stream_take(struct stream *s)
{
	const char *data = s->in.data + s->start;

	s->found = false;
	s->start += s->found_total;
	s->scan = 0;
	s->scan_state = 0;
	return data;
}

bool
stream_ready(struct stream *s)
{
	return stream_find(s, false, NULL) != 2;
}

/* Make a record of what was found. */
static struct record *
take_record(struct stream *s, int *status, struct err *e)
{
	size_t len = s->found_len;
	struct record *r = mem_alloc(1, sizeof *r + len + 1);

	memcpy(r->body, stream_take(s), len);
	r->len = len;
	r->s = s;
	r->number = ++s->number;
	r->ending = s->found_ending;
	if (s->o.same && s->lead.len) {
		r->lead_len = s->lead.len;
		r->lead = mem_dup(s->lead.data, s->lead.len);
	}
	buf_clear(&s->lead);
	*status = s->format->parse(r, e);
	if (*status == 0)
		return r;
	record_err(r, e, "%s", e ? e->msg : "");
	record_free(r);
	return NULL;
}

/* NULL with *status 0 at the end, and when there is nothing yet and it is not to wait. */
static struct record *
read_record(struct stream *s, bool wait, int *status, struct err *e)
{
	for (;;) {
		struct record *r;
		int rc = stream_find(s, wait, e);

		if (rc != 1) {
			*status = rc < 0 ? -1 : 0;
			return NULL;
		}
		r = take_record(s, status, e);
		if (r || !s->o.keep)
			return r;
		s->skipped++;
	}
}

struct record *
stream_read(struct stream *s, int *status, struct err *e)
{
	return read_record(s, true, status, e);
}

long
stream_read_batch(struct stream *s, struct record **out, size_t max, size_t max_bytes,
	size_t *n_before, struct err *e)
{
	size_t n = 0, bytes = 0;
	int status = 0;

	while (n < max && (n == 0 || bytes < max_bytes)) {
		struct record *r = read_record(s, n == 0, &status, e);

		if (!r)
			break;
		bytes += r->len;
		out[n++] = r;
	}
	if (n_before)
		*n_before = n;
	return status < 0 ? -1 : (long)n;
}

size_t
stream_skipped(const struct stream *s)
{
	return s->skipped;
}

/* Writing. */

void
stream_put(struct stream *s, const void *bytes, size_t len)
{
	if (len && fwrite_unlocked(bytes, 1, len, s->out) != len && !s->failed)
		s->failed = errno ? errno : EIO;
}

static void
put_ending(struct stream *s, enum ending ending)
{
	static const char *const spelling[] = { "", "\n", "\r\n", "" };

	stream_put(s, spelling[ending], ending == END_NUL ? 1 : strlen(spelling[ending]));
}

static enum ending
line_ending(const struct stream *s)
{
	return s->o.nul ? END_NUL : END_LF;
}

static int
write_error(const struct stream *s, struct err *e)
{
	return err_set(e, "cannot write the output: %s", strerror(s->failed));
}

/* Keep what is written no longer than a reader would want it: when no input waits it goes out, and
 * when the work on each record takes its time it goes out too. */
static int
after_write(struct stream *s, struct err *e)
{
	double now = clock_now();

	s->written++;
	if (!s->failed && (stream_find(s, false, NULL) != 1 || now - s->flushed > FLUSH_AFTER)) {
		if (fflush_unlocked(s->out) != 0)
			s->failed = errno ? errno : EIO;
		s->flushed = now;
	}
	return s->failed ? write_error(s, e) : 0;
}

static int
write_raw(struct stream *s, struct record *r, struct err *e)
{
	struct value *v = record_value(r, s->o.raw);
	const char *text;
	size_t len;

	if (!v && record_is_summary(r))
		return 0;
	if (!v && s->o.keep) {
		s->skipped++;
		return 0;
	}
	if (!v)
		return record_err(r, e, "no field '%s' to print", s->o.raw);
	/* A field that nothing changed comes out as its bytes, well-formed or not. */
	text = v->raw;
	len = v->raw_len;
	if (!text)
		text = value_text(v, &len);
	if (!text)
		text = value_json(v, &len);
	stream_put(s, text, len);
	put_ending(s, line_ending(s));
	return 0;
}

/* The header and what else came before the first record, once. */
static void
put_head(struct stream *s)
{
	stream_put(s, s->head.data, s->head.len);
	buf_clear(&s->head);
}

int
stream_write(struct stream *s, struct record *r, struct err *e)
{
	int rc = 0;

	if (s->o.raw) {
		rc = write_raw(s, r, e);
	} else if (s->o.same) {
		put_head(s);
		stream_put(s, r->lead, r->lead_len);
		rc = s->format->write(r, e);
		if (rc == 0)
			put_ending(s, r->ending);
	} else if (s->format == &format_jsonl) {
		rc = s->format->write(r, e);
		if (rc == 0)
			put_ending(s, r->ending == END_CRLF ? END_CRLF : line_ending(s));
	} else {
		record_put_object(r);
		put_ending(s, line_ending(s));
	}
	return rc < 0 ? -1 : after_write(s, e);
}

int
stream_drop(struct stream *s, struct record *r, struct err *e)
{
	if (s->o.same && !s->o.raw) {
		put_head(s);
		stream_put(s, r->lead, r->lead_len);
	}
	return after_write(s, e);
}

int
stream_write_json(struct stream *s, const char *json, size_t len, struct err *e)
{
	stream_put(s, json, len);
	put_ending(s, line_ending(s));
	return after_write(s, e);
}

void
stream_free(struct stream *s)
{
	if (!s)
		return;
	/* A header without rows, and empty lines behind the last record. */
	if (s->out && s->o.same && !s->o.raw && (s->written > 0 || s->number == 0)) {
		put_head(s);
		stream_put(s, s->lead.data, s->lead.len);
	}
	if (s->out)
		fflush(s->out); /* an error stays with the FILE, whose owner checks it */
	for (size_t i = 0; i < s->n_roles; i++) {
		free(s->roles[i].role);
		free(s->roles[i].field);
	}
	for (size_t i = 0; i < s->n_names; i++)
		free(s->names[i]);
	if (s->format == &format_csv)
		csv_free(&s->csv);
	free(s->roles);
	free(s->spans);
	free(s->names);
	free(s->name);
	buf_release(&s->in);
	buf_release(&s->lead);
	buf_release(&s->head);
	buf_release(&s->scratch);
	free(s);
}
