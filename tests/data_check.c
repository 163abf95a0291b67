/* The proof of a data file of pairs (data/README.md): its schema, and that no text stands in it
 * twice.
 *
 *	data_check [--min N] FILE
 *
 * Every fault is a line on stderr that names the row by its id. Near-duplicates are found by the
 * Jaccard index of their sets of character 5-grams, letters of ASCII folded and blanks squeezed:
 * over 0.6 is a fault between any two texts, and between a rewrite and another row's text in a
 * different split. */
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/utf8.h"
#include "stream/stream.h"

#define NEAR 0.6
#define GRAM 5

enum { ID, TEXT, LABEL, BENIGN, BIAS, TOXICITY, SENTIMENT, HARM, ASPECT, DOMAIN, SPLIT, N_COLUMNS };

/* A column and what may stand in it; no values: any text but an empty one. */
static const struct column {
	const char *name;
	const char *values[14];
} columns[N_COLUMNS] = {
	{ "id", { NULL } },
	{ "text", { NULL } },
	{ "label", { "unsafe", "benign" } },
	{ "benign", { NULL } },
	{ "bias", { "yes", "no" } },
	{ "toxicity", { "no", "mild", "high" } },
	{ "sentiment", { "neg", "neu", "pos" } },
	{ "harm", { "low", "med", "high" } },
	{ "aspect", { "gender", "age", "race", "religion", "disability", "body", "class",
		"nationality", "orientation", "politics", "profession", "none" } },
	{ "domain", { "news", "social", "workplace", "job advert", "support log", "review", "chat",
		"policy" } },
	{ "split", { "train", "dev", "test" } },
};

struct grams {
	uint64_t *v; /* sorted, no two alike */
	size_t n;
};

struct row {
	char *field[N_COLUMNS];
	struct grams text, benign;
};

static size_t faults;

static void __attribute__((format(printf, 2, 3)))
fault(const struct row *r, const char *fmt, ...)
{
	va_list ap;
	char line[1024];

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	tool_warn("%s: %s", r->field[ID], line);
	faults++;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The set of 5-grams as their FNV-1a hashes; a text of fewer characters is one gram. */
static struct grams
grams_of(const char *text)
{
	struct buf s = { 0 };
	size_t len = strlen(text), *start, n_chars = 0, i, j, n = 0;
	struct grams g;
	bool ok;

	for (i = 0; i < len; i++)
		if (!isspace((unsigned char)text[i]))
			buf_putc(&s, tolower((unsigned char)text[i]));
		else if (s.len && s.data[s.len - 1] != ' ')
			buf_putc(&s, ' ');
	buf_str(&s);
	start = mem_alloc(s.len + 1, sizeof(*start));
	for (i = 0; i < s.len; i += utf8_step(s.data + i, s.len - i, &ok))
		start[n_chars++] = i;
	start[n_chars] = s.len;
	g.n = n_chars < GRAM ? 1 : n_chars - GRAM + 1;
	g.v = mem_alloc(g.n, sizeof(*g.v));
	for (i = 0; i < g.n; i++) {
		size_t end = start[n_chars < i + GRAM ? n_chars : i + GRAM];

		g.v[i] = 0xcbf29ce484222325u;
		for (j = start[i]; j < end; j++)
			g.v[i] = (g.v[i] ^ (unsigned char)s.data[j]) * 0x100000001b3u;
	}
	qsort(g.v, g.n, sizeof(*g.v), by_value);
	for (i = 0; i < g.n; i++)
		if (i == 0 || g.v[i] != g.v[i - 1])
			g.v[n++] = g.v[i];
	g.n = n;
	free(start);
	buf_release(&s);
	return g;
}

/* Is every run of digits of `text` in `benign`, as often? */
static bool
numbers_kept(const char *text, const char *benign)
{
	char *left = mem_str(benign), *p;
	size_t n, m;
	bool kept = true;

	for (; kept && *(text += strcspn(text, "0123456789")); text += n) {
		n = strspn(text, "0123456789");
		kept = false;
		for (p = left; *(p += strcspn(p, "0123456789")); p += m) {
			m = strspn(p, "0123456789");
			if (m == n && !memcmp(p, text, n)) {
				memset(p, '-', n);
				kept = true;
				break;
			}
		}
	}
	free(left);
	return kept;
}

static void
check_value(const struct row *r, size_t c)
{
	const struct column *col = &columns[c];
	size_t i;

	if (!*r->field[c]) {
		fault(r, "%s is empty", col->name);
		return;
	}
	if (strstr(r->field[c], "\xef\xbf\xbd"))
		fault(r, "%s is not valid UTF-8", col->name);
	if (!col->values[0])
		return;
	for (i = 0; col->values[i]; i++)
		if (!strcmp(col->values[i], r->field[c]))
			return;
	fault(r, "%s is '%s'", col->name, r->field[c]);
}

static void
check_row(const struct row *r)
{
	char *const *f = r->field;
	bool same = !strcmp(f[TEXT], f[BENIGN]);
	size_t c;

	for (c = 0; c < N_COLUMNS; c++)
		check_value(r, c);
	if (!strcmp(f[LABEL], "benign")) {
		if (!same)
			fault(r, "a benign text stays as it is, and here benign differs");
	} else {
		if (same)
			fault(r, "the rewrite is the text itself");
		if (!numbers_kept(f[TEXT], f[BENIGN]))
			fault(r, "the rewrite loses a number");
	}
}

static int
by_id(const void *a, const void *b)
{
	return strcmp((*(const struct row *const *)a)->field[ID],
		(*(const struct row *const *)b)->field[ID]);
}

static void
check_ids(const struct row *rows, size_t n)
{
	const struct row **sorted = mem_alloc(n + 1, sizeof(*sorted));
	size_t i;

	for (i = 0; i < n; i++)
		sorted[i] = &rows[i];
	qsort(sorted, n, sizeof(*sorted), by_id);
	for (i = 1; i < n; i++)
		if (!strcmp(sorted[i - 1]->field[ID], sorted[i]->field[ID]))
			fault(sorted[i], "the id stands twice");
	free(sorted);
}

/* Which texts hold a gram: sorted by gram. */
struct posting {
	uint64_t gram;
	size_t row;
};

static int
by_gram(const void *a, const void *b)
{
	const struct posting *x = a, *y = b;

	if (x->gram != y->gram)
		return x->gram < y->gram ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

static struct posting *
index_texts(const struct row *rows, size_t n, size_t *count)
{
	struct posting *p;

	*count = 0;
	for (size_t i = 0; i < n; i++)
		*count += rows[i].text.n;
	p = mem_alloc(*count + 1, sizeof *p);
	*count = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < rows[i].text.n; j++)
			p[(*count)++] = (struct posting){ rows[i].text.v[j], i };
	qsort(p, *count, sizeof *p, by_gram);
	return p;
}

/* common[i] = how many of the grams text i has. */
static void
count_common(const struct posting *p, size_t count, const struct grams *g, size_t n, size_t *common)
{
	memset(common, 0, n * sizeof *common);
	for (size_t i = 0; i < g->n; i++) {
		size_t low = 0, high = count;

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (p[mid].gram < g->v[i])
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < count && p[low].gram == g->v[i]; low++)
			common[p[low].row]++;
	}
}

/* |a ∩ b| / |a ∪ b| */
static double
jaccard(const struct grams *a, const struct grams *b, size_t common)
{
	return (double)common / (double)(a->n + b->n - common);
}

static void
check_near(const struct row *rows, size_t n)
{
	size_t count, *common = mem_alloc(n + 1, sizeof *common);
	struct posting *p = index_texts(rows, n, &count);
	double x;

	for (const struct row *a = rows; a < rows + n; a++) {
		count_common(p, count, &a->text, n, common);
		for (const struct row *b = rows; b < a; b++)
			if ((x = jaccard(&a->text, &b->text, common[b - rows])) > NEAR)
				fault(a, "%.2f alike with %s (%s, %s): %s | %s", x, b->field[ID],
					a->field[SPLIT], b->field[SPLIT], a->field[TEXT],
					b->field[TEXT]);
		if (strcmp(a->field[LABEL], "unsafe"))
			continue;
		count_common(p, count, &a->benign, n, common);
		for (const struct row *b = rows; b < rows + n; b++)
			if (strcmp(a->field[SPLIT], b->field[SPLIT]) &&
				(x = jaccard(&a->benign, &b->text, common[b - rows])) > NEAR)
				fault(a, "its rewrite is %.2f alike with %s (%s, %s): %s | %s", x,
					b->field[ID], a->field[SPLIT], b->field[SPLIT],
					a->field[BENIGN], b->field[TEXT]);
	}
	free(p);
	free(common);
}

static void
check_header(FILE *f, const char *path)
{
	struct buf want = { 0 };
	char line[256] = "";
	size_t c;

	for (c = 0; c < N_COLUMNS; c++)
		buf_printf(&want, "%s%s", c ? "," : "", columns[c].name);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, buf_str(&want)))
		tool_fail("%s: the header is not %s", path, want.data);
	buf_release(&want);
	rewind(f);
}

static struct row *
read_rows(FILE *f, const char *path, size_t *n)
{
	struct stream_opts o = { .format = "csv", .main = "text" };
	struct row *rows = NULL;
	struct stream *s;
	struct record *rec;
	struct err e;
	size_t cap = 0, c;
	int status;

	*n = 0;
	if (!(s = stream_open(&o, f, NULL, path, &e)))
		tool_die(&e);
	while ((rec = stream_read(s, &status, &e))) {
		if (*n == cap)
			rows = mem_grow(rows, cap = cap ? 2 * cap : 256, sizeof(*rows));
		for (c = 0; c < N_COLUMNS; c++) {
			size_t len;
			const char *v = record_need(rec, columns[c].name, &len, &e);

			if (!v)
				tool_die(&e);
			rows[*n].field[c] = mem_dup(v, len);
		}
		rows[*n].text = grams_of(rows[*n].field[TEXT]);
		rows[*n].benign = grams_of(rows[*n].field[BENIGN]);
		++*n;
		record_free(rec);
	}
	if (status < 0)
		tool_die(&e);
	stream_free(s);
	return rows;
}

int
main(int argc, char **argv)
{
	static long least = 800;
	static const struct opt opts[] = {
		{ 0, "min", OPT_INT, &least, "N", "rows of each label at least (800)", 0, 1e6 },
		OPT_END
	};
	static const struct tool tool = { "data_check", "[--min N] FILE",
		"Prove the schema of a file of pairs and find near-duplicates.",
		"data_check data/pairs.csv", opts };
	struct row *rows;
	size_t n, i, c, unsafe = 0;
	FILE *f;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("one file is needed");
	if (!(f = fopen(argv[0], "rb")))
		tool_fail("%s: cannot be opened", argv[0]);
	check_header(f, argv[0]);
	rows = read_rows(f, argv[0], &n);
	fclose(f);
	for (i = 0; i < n; i++) {
		check_row(&rows[i]);
		unsafe += !strcmp(rows[i].field[LABEL], "unsafe");
	}
	check_ids(rows, n);
	check_near(rows, n);
	if (unsafe < (size_t)least || n - unsafe < (size_t)least) {
		tool_warn("%s: fewer than %ld rows of a label", argv[0], least);
		faults++;
	}
	printf("%s: %zu rows, %zu unsafe and %zu benign, %zu fault%s\n", argv[0], n, unsafe,
		n - unsafe, faults, faults == 1 ? "" : "s");
	for (i = 0; i < n; i++) {
		for (c = 0; c < N_COLUMNS; c++)
			free(rows[i].field[c]);
		free(rows[i].text.v);
		free(rows[i].benign.v);
	}
	free(rows);
	return tool_finish() || faults;
}
