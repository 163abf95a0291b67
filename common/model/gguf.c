#include "model/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/gguf_internal.h"
#include "tensor/types.h"

enum {
	NAME_MAX_LEN = 65535, /* of keys, by the specification; tensor names get the same */
	KEY_LEAST = 8 + 4 + 1, /* bytes that the smallest key takes in a file */
	TENSOR_LEAST = 8 + 1 + 4 + 8 + 4 + 8,
	MAX_PARTS = 65535, /* split.count is a u16 */
};

/* How the name of part 1 of 3 ends. */
#define PART_NAME "-%05zu-of-%05zu.gguf"

struct key {
	char *name;
	enum gguf_type type;
	const unsigned char *raw; /* the value, an array's header included */
	size_t bytes;
	enum gguf_type elem; /* arrays: what they hold, how many, and where the first one is */
	size_t n;
	const unsigned char *first;
	size_t *at; /* arrays of strings: offset of each from `first` */
};

struct gguf {
	struct file_map map;
	struct gguf_content view;  /* instead of `map`: what was made in memory */
	struct key *keys;
	struct gguf_tensor *tensors;
	size_t n_keys, n_tensors;
	size_t *key_order, *tensor_order; /* sorted by name */
	struct gguf **parts;       /* a split file's second part and so on, whose tensors we have */
	size_t n_parts;
};

/* Where we read: every take checks what is left. */
struct cursor {
	const unsigned char *p;
	size_t left;
};

static const size_t sizes[] = {
	[GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4,
	[GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_STR] = 0, [GGUF_ARR] = 0,
	[GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

enum { N_TYPES = sizeof sizes / sizeof *sizes };

static bool
take(struct cursor *c, void *to, size_t n)
{
	if (c->left < n)
		return false;
	if (to)
		memcpy(to, c->p, n);
	c->p += n;
	c->left -= n;
	return true;
}

static bool
take_str(struct cursor *c, const char **s, size_t *len)
{
	uint64_t n;

	if (!take(c, &n, sizeof n) || n > c->left)
		return false;
	*s = (const char *)c->p;
	*len = (size_t)n;
	return take(c, NULL, (size_t)n);
}

static int
short_file(struct err *e, const char *where)
{
	return err_set(e, "the file ends within %s", where);
}

/* A key's or tensor's name as a C string; `what` it is, for messages. */
static char *
take_name(struct cursor *c, const char *what, size_t i, struct err *e)
{
	const char *s;
	size_t len;

	if (!take_str(c, &s, &len)) {
		err_set(e, "the file ends within the name of %s %zu", what, i);
		return NULL;
	}
	if (len == 0 || len > NAME_MAX_LEN || memchr(s, '\0', len)) {
		err_set(e, "the name of %s %zu is empty, too long or holds a NUL", what, i);
		return NULL;
	}
	return mem_dup(s, len);
}

static int
parse_array(struct cursor *c, struct key *k, struct err *e)
{
	uint32_t elem;
	uint64_t n;

	if (!take(c, &elem, sizeof elem) || !take(c, &n, sizeof n))
		return short_file(e, "an array");
	if (elem >= N_TYPES || elem == GGUF_ARR)
		return err_set(e, "array of type %u is not supported", elem);
	k->elem = (enum gguf_type)elem;
	k->first = c->p;
	/* A string takes 8 bytes at least, so that the index stays within the file's own size. */
	if (n > c->left / (elem == GGUF_STR ? 8 : sizes[elem]))
		return short_file(e, "an array");
	k->n = (size_t)n;
	if (elem != GGUF_STR) {
		take(c, NULL, k->n * sizes[elem]);
		return 0;
	}
	k->at = mem_alloc(k->n, sizeof *k->at);
	for (size_t i = 0; i < k->n; i++) {
		const char *s;
		size_t len;

		k->at[i] = (size_t)(c->p - k->first);
		if (!take_str(c, &s, &len))
			return short_file(e, "an array of strings");
	}
	return 0;
}

static int
parse_key(struct cursor *c, struct key *k, size_t i, struct err *e)
{
	const char *s;
	uint32_t type;
	size_t len;

	k->name = take_name(c, "key", i, e);
	if (!k->name)
		return -1;
	if (!take(c, &type, sizeof type)) {
		short_file(e, "its type");
		return err_prefix(e, "key %s", k->name);
	}
	if (type >= N_TYPES)
		return err_set(e, "key %s: unknown type %u", k->name, type);
	k->type = (enum gguf_type)type;
	k->raw = c->p;
	if (type == GGUF_ARR) {
		if (parse_array(c, k, e) < 0)
			return err_prefix(e, "key %s", k->name);
	} else if (type == GGUF_STR ? !take_str(c, &s, &len) : !take(c, NULL, sizes[type])) {
		return err_set(e, "key %s: the file ends within its value", k->name);
	}
	k->bytes = (size_t)(c->p - k->raw);
	return 0;
}

/* The header's part of a tensor; its offset goes to *offset. */
static int
parse_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t *offset, size_t i, struct err *e)
{
	size_t rows = 1;
	char *name = take_name(c, "tensor", i, e);

	t->name = name;
	if (!name)
		return -1;
	if (!take(c, &t->n_dims, sizeof t->n_dims))
		return err_set(e, "tensor %s: the file ends within its shape", name);
	if (t->n_dims < 1 || t->n_dims > GGUF_MAX_DIMS)
		return err_set(
			e, "tensor %s: %u dimensions (1 to %d)", name, t->n_dims, GGUF_MAX_DIMS);
	for (uint32_t d = 0; d < GGUF_MAX_DIMS; d++) {
		t->dims[d] = 1;
		if (d < t->n_dims && !take(c, &t->dims[d], sizeof t->dims[d]))
			return err_set(e, "tensor %s: the file ends within its shape", name);
		if (t->dims[d] == 0 || t->dims[d] > INT64_MAX)
			return err_set(e, "tensor %s: dimension %u is 0 or too large", name, d);
		if (d > 0 && !mem_mul(rows, (size_t)t->dims[d], &rows))
			return err_set(e, "tensor %s: too large", name);
	}
	if (!take(c, &t->type, sizeof t->type) || !take(c, offset, sizeof *offset))
		return err_set(e, "tensor %s: the file ends within its offset", name);
	t->bytes = type_row_bytes(t->type, (size_t)t->dims[0]);
	if (t->bytes == 0 && type_row_bytes(t->type, 256) != 0)
		return err_set(e,
			"tensor %s: rows of %llu values are not whole blocks of %s, or too large",
			name, (unsigned long long)t->dims[0], type_label(t->type));
	if (!mem_mul(t->bytes, rows, &t->bytes))
		return err_set(e, "tensor %s: too large", name);
	return 0;
}

/* Sort by name. qsort has no argument, so pairs carry the name along. */
struct named {
	const char *name;
	size_t i;
};

static int
named_cmp(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static size_t *
order(struct named *v, size_t n, const char *what, struct err *e)
{
	size_t *out = mem_alloc(n, sizeof *out);

	qsort(v, n, sizeof *v, named_cmp);
	for (size_t i = 0; i < n; i++) {
		out[i] = v[i].i;
		if (i > 0 && strcmp(v[i].name, v[i - 1].name) == 0) {
			err_set(e, "%s %s is there twice", what, v[i].name);
			free(out);
			return NULL;
		}
	}
	return out;
}

static int
sort_names(struct gguf *g, struct err *e)
{
	size_t n = g->n_keys > g->n_tensors ? g->n_keys : g->n_tensors;
	struct named *v = mem_alloc(n, sizeof *v);

	free(g->key_order);
	free(g->tensor_order);
	g->key_order = g->tensor_order = NULL;
	for (size_t i = 0; i < g->n_keys; i++)
		v[i] = (struct named){ g->keys[i].name, i };
	g->key_order = order(v, g->n_keys, "key", e);
	for (size_t i = 0; i < g->n_tensors; i++)
		v[i] = (struct named){ g->tensors[i].name, i };
	if (g->key_order)
		g->tensor_order = order(v, g->n_tensors, "tensor", e);
	free(v);
	return g->tensor_order ? 0 : -1;
}

/* What tensors' offsets are multiples of; 0 when the file names nothing sensible. */
static size_t
alignment(const struct gguf *g)
{
	int64_t a = 32;

	if (gguf_has(g, "general.alignment") && !gguf_int(g, "general.alignment", &a))
		return 0;
	return a >= 8 && a <= 1 << 20 && (a & (a - 1)) == 0 ? (size_t)a : 0;
}

/* A tensor's bytes within the file. */
struct span {
	uint64_t from, to;
	const char *name;
};

static int
span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static int
refuse_overlaps(const struct gguf *g, const uint64_t *offset, struct err *e)
{
	struct span *v = mem_alloc(g->n_tensors, sizeof *v);
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < g->n_tensors; i++)
		if (g->tensors[i].bytes)
			v[n++] = (struct span){ offset[i], offset[i] + g->tensors[i].bytes,
				g->tensors[i].name };
	qsort(v, n, sizeof *v, span_cmp);
	for (size_t i = 1; i < n && rc == 0; i++)
		if (v[i].from < v[i - 1].to)
			rc = err_set(e, "tensors %s and %s overlap", v[i - 1].name, v[i].name);
	free(v);
	return rc;
}

/* Give every tensor its place: `c` stands behind the last tensor's header, offsets count from the
 * next aligned byte. */
static int
place(struct gguf *g, const struct cursor *c, const uint64_t *offset, struct err *e)
{
	size_t align = alignment(g), start, room;

	if (align == 0)
		return err_set(e, "general.alignment is not a power of two from 8 to 1048576");
	start = (size_t)(c->p - g->map.data);
	start = (start + align - 1) / align * align;
	room = start < g->map.len ? g->map.len - start : 0;
	for (size_t i = 0; i < g->n_tensors; i++) {
		struct gguf_tensor *t = &g->tensors[i];

		if (offset[i] % align != 0)
			return err_set(e, "tensor %s: offset %llu is not a multiple of %zu",
				t->name, (unsigned long long)offset[i], align);
		if (offset[i] > room || t->bytes > room - offset[i])
			return err_set(e,
				"tensor %s: %zu bytes at offset %llu pass the end (truncated?)",
				t->name, t->bytes, (unsigned long long)offset[i]);
		if (t->bytes)
			t->data = g->map.data + start + offset[i];
	}
	return refuse_overlaps(g, offset, e);
}

/* The tensors of a view lie wherever they were put. */
static void
place_view(struct gguf *g)
{
	for (size_t i = 0; i < g->n_tensors; i++)
		g->tensors[i].data = g->view.data[i];
}

static int
parse(struct gguf *g, struct err *e)
{
	struct cursor c = g->map.data ? (struct cursor){ g->map.data, g->map.len } :
		(struct cursor){ (const unsigned char *)g->view.head.data, g->view.head.len };
	uint64_t n_tensors, n_keys, *offset;
	uint32_t version;
	char magic[4];
	int rc = 0;

	if (!take(&c, magic, 4) || memcmp(magic, "GGUF", 4) != 0)
		return err_set(e, "no GGUF file (its first bytes are not \"GGUF\")");
	if (!take(&c, &version, 4) || !take(&c, &n_tensors, 8) || !take(&c, &n_keys, 8))
		return short_file(e, "the header");
	if (version != 2 && version != 3)
		return err_set(e,
			version << 16
				? "GGUF version %u is not supported (2 and 3 are)"
				: "a big-endian GGUF file (version %#x) is not supported",
			version);
	if (n_keys > c.left / KEY_LEAST)
		return err_set(e, "%llu keys do not fit into the file", (unsigned long long)n_keys);
	g->keys = mem_alloc((size_t)n_keys, sizeof *g->keys);
	while (rc == 0 && g->n_keys < n_keys) {
		rc = parse_key(&c, &g->keys[g->n_keys], g->n_keys, e);
		g->n_keys++;
	}
	if (rc < 0)
		return -1;
	if (n_tensors > c.left / TENSOR_LEAST)
		return err_set(
			e, "%llu tensors do not fit into the file", (unsigned long long)n_tensors);
	g->tensors = mem_alloc((size_t)n_tensors, sizeof *g->tensors);
	offset = mem_alloc((size_t)n_tensors, sizeof *offset);
	while (rc == 0 && g->n_tensors < n_tensors) {
		size_t i = g->n_tensors++;

		rc = parse_tensor(&c, &g->tensors[i], &offset[i], i, e);
	}
	if (rc == 0)
		rc = sort_names(g, e);
	if (rc == 0 && g->map.data)
		rc = place(g, &c, offset, e);
	else if (rc == 0)
		place_view(g);
	free(offset);
	return rc;
}

/* One file, which may be a part of several. */
static struct gguf *
open_part(const char *path, struct err *e)
{
	struct gguf *g = mem_alloc(1, sizeof *g);

	if (file_map(&g->map, path, e) < 0) {
		free(g);
		return NULL;
	}
	if (parse(g, e) < 0) {
		err_prefix(e, "%s", path);
		gguf_free(g);
		return NULL;
	}
	return g;
}

struct gguf *
gguf_of_content(const struct gguf_content *content, struct err *e)
{
	struct gguf *g = mem_alloc(1, sizeof *g);

	g->view = *content;
	if (parse(g, e) < 0) {
		gguf_free(g);
		return NULL;
	}
	return g;
}

/* Is `g` part `no` of `count`? */
static int
check_part(const struct gguf *g, size_t no, size_t count, struct err *e)
{
	int64_t its_no = 0, its_count = 0;

	gguf_int(g, "split.no", &its_no);
	gguf_int(g, "split.count", &its_count);
	if ((uint64_t)its_no == no && (uint64_t)its_count == count)
		return 0;
	return err_set(e, "its keys split.no and split.count say %lld and %lld, not %zu and %zu",
		(long long)its_no, (long long)its_count, no, count);
}

/* The tensors of `part` become ours; it stays open for their data. */
static void
take_part(struct gguf *g, struct gguf *part)
{
	g->parts = mem_grow(g->parts, g->n_parts + 1, sizeof *g->parts);
	g->parts[g->n_parts++] = part;
	g->tensors = mem_grow(g->tensors, g->n_tensors + part->n_tensors, sizeof *g->tensors);
	memcpy(g->tensors + g->n_tensors, part->tensors, part->n_tensors * sizeof *g->tensors);
	g->n_tensors += part->n_tensors;
	part->n_tensors = 0;
}

/* All `count` parts of the file whose parts' names begin with `stem`. */
static struct gguf *
open_parts(const char *stem, size_t count, struct err *e)
{
	struct gguf *g = NULL, *part;
	struct buf name = { 0 };
	int64_t total;
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		buf_clear(&name);
		buf_printf(&name, "%s" PART_NAME, stem, i + 1, count);
		part = open_part(buf_str(&name), e);
		if (!part || check_part(part, i, count, e) < 0) {
			if (part)
				err_prefix(e, "%s", buf_str(&name));
			gguf_free(part);
			rc = err_prefix(e, "part %zu of %zu", i + 1, count);
		} else if (!g) {
			g = part;
		} else {
			take_part(g, part);
		}
	}
	buf_release(&name);
	if (rc == 0 && g && gguf_int(g, "split.tensors.count", &total) &&
	    (uint64_t)total != g->n_tensors)
		rc = err_set(e, "%s: all parts have %zu tensors, split.tensors.count says %lld",
			stem, g->n_tensors, (long long)total);
	if (rc == 0 && sort_names(g, e) < 0)
		rc = err_prefix(e, "%s", stem);
	if (rc < 0) {
		gguf_free(g);
		return NULL;
	}
	return g;
}

struct gguf *
gguf_open(const char *path, struct err *e)
{
	struct gguf *g = open_part(path, e);
	struct buf tail = { 0 };
	size_t len = strlen(path);
	int64_t count, no = 0;
	char *stem;

	if (!g || !gguf_int(g, "split.count", &count) || count < 2)
		return g;
	gguf_int(g, "split.no", &no);
	gguf_free(g);
	g = NULL;
	buf_printf(&tail, PART_NAME, (size_t)no + 1, (size_t)count);
	if (count > MAX_PARTS || len < tail.len || strcmp(path + len - tail.len, buf_str(&tail))) {
		err_set(e, "%s: a part of a split file; its keys want a name that ends in %s", path,
			buf_str(&tail));
	} else {
		stem = mem_dup(path, len - tail.len);
		g = open_parts(stem, (size_t)count, e);
		free(stem);
	}
	buf_release(&tail);
	return g;
}

void
gguf_free(struct gguf *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_keys; i++) {
		free(g->keys[i].name);
		free(g->keys[i].at);
	}
	for (size_t i = 0; i < g->n_tensors; i++)
		free((char *)g->tensors[i].name);
	for (size_t i = 0; i < g->n_parts; i++)
		gguf_free(g->parts[i]);
	free(g->parts);
	free(g->keys);
	free(g->tensors);
	free(g->key_order);
	free(g->tensor_order);
	file_unmap(&g->map);
	buf_release(&g->view.head);
	free(g->view.data);
	if (g->view.release)
		g->view.release(g->view.owner);
	free(g);
}

size_t
gguf_n_tensors(const struct gguf *g)
{
	return g->n_tensors;
}

const struct gguf_tensor *
gguf_tensor_at(const struct gguf *g, size_t i)
{
	return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const struct gguf_tensor *
gguf_tensor(const struct gguf *g, const char *name)
{
	size_t lo = 0, hi = g->n_tensors;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct gguf_tensor *t = &g->tensors[g->tensor_order[mid]];
		int cmp = strcmp(name, t->name);

		if (cmp == 0)
			return t;
		if (cmp < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static const struct key *
find(const struct gguf *g, const char *name)
{
	size_t lo = 0, hi = g->n_keys;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct key *k = &g->keys[g->key_order[mid]];
		int cmp = strcmp(name, k->name);

		if (cmp == 0)
			return k;
		if (cmp < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* An integer of any width; u64 beyond i64 is none. */
static bool
as_int(enum gguf_type type, const unsigned char *p, int64_t *out)
{
	union {
		uint8_t u8;
		int8_t i8;
		uint16_t u16;
		int16_t i16;
		uint32_t u32;
		int32_t i32;
		uint64_t u64;
		int64_t i64;
	} v = { 0 };

	memcpy(&v, p, sizes[type]);
	switch (type) {
	case GGUF_U8: *out = v.u8; return true;
	case GGUF_I8: *out = v.i8; return true;
	case GGUF_U16: *out = v.u16; return true;
	case GGUF_I16: *out = v.i16; return true;
	case GGUF_U32: *out = v.u32; return true;
	case GGUF_I32: *out = v.i32; return true;
	case GGUF_I64: *out = v.i64; return true;
	case GGUF_U64: *out = v.i64; return v.u64 <= INT64_MAX;
	default: return false;
	}
}

static bool
as_real(enum gguf_type type, const unsigned char *p, double *out)
{
	int64_t i;
	float f;

	if (type == GGUF_F32) {
		memcpy(&f, p, sizeof f);
		*out = f;
	} else if (type == GGUF_F64) {
		memcpy(out, p, sizeof *out);
	} else if (as_int(type, p, &i)) {
		*out = (double)i;
	} else {
		return false;
	}
	return true;
}

bool
gguf_has(const struct gguf *g, const char *key)
{
	return find(g, key) != NULL;
}

bool
gguf_int(const struct gguf *g, const char *key, int64_t *out)
{
	const struct key *k = find(g, key);

	return k && as_int(k->type, k->raw, out);
}

bool
gguf_real(const struct gguf *g, const char *key, double *out)
{
	const struct key *k = find(g, key);

	return k && as_real(k->type, k->raw, out);
}

bool
gguf_bool(const struct gguf *g, const char *key, bool *out)
{
	const struct key *k = find(g, key);

	if (!k || k->type != GGUF_BOOL)
		return false;
	*out = *k->raw != 0;
	return true;
}

/* The string whose length stands at p; both were checked when the file was opened. */
static const char *
str_at(const unsigned char *p, size_t *len)
{
	uint64_t n;

	memcpy(&n, p, sizeof n);
	*len = (size_t)n;
	return (const char *)p + sizeof n;
}

const char *
gguf_str(const struct gguf *g, const char *key, size_t *len)
{
	const struct key *k = find(g, key);

	return k && k->type == GGUF_STR ? str_at(k->raw, len) : NULL;
}

char *
gguf_str_dup(const struct gguf *g, const char *key)
{
	size_t len;
	const char *s = gguf_str(g, key, &len);

	return s ? mem_dup(s, len) : NULL;
}

static const struct key *
find_array(const struct gguf *g, const char *key, size_t i)
{
	const struct key *k = find(g, key);

	return k && k->type == GGUF_ARR && i < k->n ? k : NULL;
}

bool
gguf_arr(const struct gguf *g, const char *key, enum gguf_type *type, size_t *n)
{
	const struct key *k = find(g, key);

	if (!k || k->type != GGUF_ARR)
		return false;
	if (type)
		*type = k->elem;
	if (n)
		*n = k->n;
	return true;
}

const char *
gguf_arr_str(const struct gguf *g, const char *key, size_t i, size_t *len)
{
	const struct key *k = find_array(g, key, i);

	return k && k->elem == GGUF_STR ? str_at(k->first + k->at[i], len) : NULL;
}

bool
gguf_arr_real(const struct gguf *g, const char *key, size_t i, double *out)
{
	const struct key *k = find_array(g, key, i);

	return k && as_real(k->elem, k->first + i * sizes[k->elem], out);
}

bool
gguf_arr_int(const struct gguf *g, const char *key, size_t i, int64_t *out)
{
	const struct key *k = find_array(g, key, i);

	return k && as_int(k->elem, k->first + i * sizes[k->elem], out);
}

size_t
gguf_n_keys(const struct gguf *g)
{
	return g->n_keys;
}

const char *
gguf_key_at(const struct gguf *g, size_t i, enum gguf_type *type)
{
	if (i >= g->n_keys)
		return NULL;
	if (type)
		*type = g->keys[i].type;
	return g->keys[i].name;
}

const void *
gguf_raw(const struct gguf *g, const char *key, enum gguf_type *type, size_t *bytes)
{
	const struct key *k = find(g, key);

	if (!k)
		return NULL;
	if (type)
		*type = k->type;
	*bytes = k->bytes;
	return k->raw;
}
