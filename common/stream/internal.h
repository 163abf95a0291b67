/* What the files of this room share. A stream cuts its input into records (stream.c), a format
 * says where a record ends, what its fields are and how they are written back (lines.c, jsonl.c,
 * csv.c), a record gives and takes values (record.c). */
#ifndef STREAM_INTERNAL_H
#define STREAM_INTERNAL_H

#include <csv.h>

#include "base/json.h"
#include "stream/stream.h"

/* A value in up to three spellings, each made from another when first asked for. */
struct value {
	const char *raw;  /* bytes of the input, maybe not UTF-8, a NUL behind them */
	const char *text; /* UTF-8, a NUL behind it */
	const char *json; /* a JSON literal */
	size_t raw_len, text_len, json_len;
	char *own_text, *own_json;
};

/* A field of a record: where it stands in the body, and its value. */
struct field {
	size_t start, len;   /* the value's span; for CSV with its quotes */
	size_t key, key_len; /* JSON: the key's span */
	struct value value;
};

/* A value that was set. */
struct change {
	char *role;
	struct value value;
	struct field *target; /* the field that it replaces, once record_aim has looked */
};

enum ending { END_NONE, END_LF, END_CRLF, END_NUL };

struct record {
	struct stream *s;
	size_t number;
	enum ending ending;
	char *lead; /* what stood before it and is no record: a byte order mark, empty lines */
	size_t lead_len;
	struct field *fields;
	size_t n;
	size_t close; /* JSON: where the last brace is */
	char *values; /* decoded fields, where they are not in the body */
	struct change *changes;
	size_t n_changes;
	size_t len;
	char body[]; /* without its ending; a NUL behind it */
};

struct format {
	const char *name;
	/* A line of nothing but these bytes is no record; NULL: every line is one. */
	const char *blank;
	/* Read the header, if the format has one. */
	int (*open)(struct stream *s, struct err *e);
	/* Offset of the byte that ends the record at `data`, or `len` when that is not there yet.
	 * Goes on where it stopped the last time: s->scan is how far it had come, s->scan_state
	 * what it was in. */
	size_t (*end)(struct stream *s, const char *data, size_t len);
	/* Check the body and find its fields. */
	int (*parse)(struct record *r, struct err *e);
	/* The field of that name, or NULL. */
	struct field *(*find)(struct record *r, const char *name);
	/* Append the JSON literal of field i's name (formats other than jsonl). */
	void (*put_name)(const struct record *r, size_t i, struct buf *b);
	/* Write the body with its changes, in the format's own spelling. */
	int (*write)(struct record *r, struct err *e);
};

extern const struct format format_lines, format_jsonl, format_csv, format_tsv;

struct role {
	char *role, *field;
};

struct stream {
	struct stream_opts o;
	const struct format *format;
	const char *main;
	char *name;
	int fd;
	FILE *out;
	struct role *roles;
	size_t n_roles;

	struct buf in; /* input from `start` on is not yet consumed */
	size_t start, scan;
	int scan_state;
	bool eof, begun;
	bool found; /* the next record is known to lie at `start`: */
	size_t found_len, found_total;
	enum ending found_ending;
	struct buf lead;

	struct buf head; /* the header row as it stood, until it is written */
	struct csv_parser csv;
	char **names;    /* the header's names */
	size_t n_names;
	struct json_span *spans; /* what json_spans fills */
	size_t spans_cap;

	struct buf scratch;
	size_t number, written, skipped;
	double flushed; /* when */
	int failed;     /* errno of the first failed write */
};

/* stream.c */
void stream_put(struct stream *s, const void *bytes, size_t len);
/* The next record's place without making a record of it: 1 there, 0 the end, -1 an error, 2 not
 * yet (when not to wait). */
int stream_find(struct stream *s, bool wait, struct err *e);
/* Take what stream_find found; its bytes start at the returned place until the next read. */
const char *stream_take(struct stream *s);
/* The `end` of formats whose records end at one byte. */
size_t end_at(struct stream *s, const char *data, size_t len, char byte);
size_t end_of_line(struct stream *s, const char *data, size_t len); /* newline, or NUL with -0 */

/* record.c */
/* The name of the field that plays the role. */
const char *role_field(const struct stream *s, const char *role);
const char *value_text(struct value *v, size_t *len);
const char *value_json(struct value *v, size_t *len);
void value_release(struct value *v);
/* The name of the field that a change writes to: the one that plays the role where the output
 * keeps the input's format, else the role's own name, so that the next tool finds it there. */
const char *change_field(const struct record *r, const struct change *c);
/* Find each change's target. */
void record_aim(struct record *r);
/* The change that replaces the field, or NULL. */
struct change *record_change(const struct record *r, const struct field *f);
/* The value of a field or role by the name the user gave. */
struct value *record_value(struct record *r, const char *role);
/* Write the record as a JSON object made of its fields and changes. */
void record_put_object(struct record *r);
/* Write the changes that replace nothing as members; `before` is the byte before the first (","
 * or ""). */
void record_put_new(struct record *r, const char *before);
/* Room for n fields, all zero. */
void record_fields(struct record *r, size_t n);

#endif
