/* sr-score-rewrite: how good rewrites are. man/sr-score-rewrite.1 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/opt.h"
#include "bias/chrf.h"
#include "bias/guard.h"
#include "bias/sari.h"
#include "bias/scores.h"
#include "bias/stats.h"
#include "bias/wordlist.h"
#include "stream/stream.h"

static struct {
	struct stream_opts stream;
	const char *list;
	long draws, seed;
} o = {
	.stream = { .format = "jsonl", .main = "text" },
	.draws = 1000,
};

static const struct opt opts[] = {
	{ 0, "list", OPT_TEXT, &o.list, "FILE",
		"words for the row delete-listed-words, one a line", 0, 0 },
	{ 0, "draws", OPT_INT, &o.draws, "N",
		"bootstrap samples for the intervals (default 1000; 0: none)", 0, 1e6 },
	{ 's', "seed", OPT_INT, &o.seed, "SEED", "of the bootstrap (default 0)", 0, 0 },
	STREAM_OPTS(o.stream),
	OPT_END,
};

static const struct tool tool = {
	.name = "sr-score-rewrite",
	.synopsis = "[--list FILE] [--draws N] < records > records",
	.about = "Score the `output` of each record as a rewrite of its `text`, against `references` or `benign`: SARI,\n"
		"chrF, chrF++, facts kept. A last record sums up, beside the rows copy-input,\n"
		"delete-listed-words and reference.",
	.examples = "sr-prompt -i csv < pairs.csv | sr-generate --temperature 0 | sr-score-rewrite | tail -n 1\n"
		"sr-score-rewrite -i csv -f output=rewrite --list words.txt < rewrites.csv | tail -n 1",
	.opts = opts,
};

/* What is said of one output. */
struct score {
	struct sari sari; /* NaN without references, and for benign texts */
	struct chrf chrf, chrfpp;
	double ratio;     /* of characters, output to source */
	enum fault fault;
	bool compared;    /* has references and is to be rewritten */
	bool benign, empty, changed, facts;
};

/* A system: the one whose outputs are read, or one that we know beforehand. */
enum row { SYSTEM, COPY, DELETE, REFERENCE, N_ROWS };
static const char *const row_names[] = { "system", "copy-input", "delete-listed-words",
	"reference" };

struct totals {
	struct score *v;
	size_t n, cap;
};

/* A record's texts. */
struct item {
	struct span text, output, *refs;
	size_t n_refs;
	bool benign;
	struct json *json; /* the references' owner */
};

struct run {
	struct totals totals[N_ROWS];
	struct wordlist list;
	struct buf deleted, json;
};

static void
item_release(struct item *it)
{
	json_free(it->json);
	free(it->refs);
}

/* References are an array of texts, or one text; else `benign` is the one reference. */
static int
read_references(struct record *r, struct item *it, struct err *e)
{
	size_t len, i;
	const char *json = record_json(r, "references", &len), *text;

	if (json && *json == '[') {
		if (!(it->json = json_parse(json, len, e)))
			return -1;
		it->refs = mem_alloc(json_len(it->json) + 1, sizeof *it->refs);
		for (i = 0; i < json_len(it->json); i++) {
			it->refs[i].s = json_text(json_at(it->json, i), &it->refs[i].n);
			if (!it->refs[i].s)
				return record_err(r, e, "a reference is no text");
		}
		it->n_refs = i;
		return 0;
	}
	if (!(text = record_text(r, "references", &len)))
		text = record_text(r, "benign", &len);
	it->refs = mem_alloc(1, sizeof *it->refs);
	it->refs[0] = (struct span){ text, len };
	it->n_refs = text != NULL;
	return 0;
}

static int
read_item(struct record *r, struct item *it, struct err *e)
{
	const char *label;
	size_t len;

	*it = (struct item){ 0 };
	if (!(it->text.s = record_need(r, "text", &it->text.n, e)))
		return -1;
	if (!(it->output.s = record_need(r, "output", &it->output.n, e)))
		return -1;
	label = record_text(r, "label", &len);
	it->benign = label && !strcmp(label, "benign");
	return read_references(r, it, e);
}

static size_t
characters(struct span t)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++)
		n += ((unsigned char)t.s[i] & 0xc0) != 0x80;
	return n;
}

static bool
is_blank(struct span t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!isspace((unsigned char)t.s[i]))
			return false;
	return true;
}

/* An empty output keeps nothing and is no change: it fails every measure. */
static struct score
score(const struct item *it, struct span out)
{
	struct score s = { .benign = it->benign, .empty = is_blank(out),
		.compared = it->n_refs && !it->benign };
	size_t n = characters(it->text);

	s.changed = !s.empty && (out.n != it->text.n || memcmp(out.s, it->text.s, out.n));
	s.fault = guard_check(it->text.s, it->text.n, out.s, out.n, NULL);
	s.facts = !s.empty && !guard_facts(it->text.s, it->text.n, out.s, out.n);
	s.ratio = n && !s.empty ? (double)characters(out) / (double)n : 0;
	if (s.empty)
		out.n = 0;
	s.sari = sari(it->text, out, it->refs, s.compared ? it->n_refs : 0);
	if (s.compared) {
		s.chrf = chrf_count(out, it->refs, it->n_refs, 0);
		s.chrfpp = chrf_count(out, it->refs, it->n_refs, CHRF_WORDS);
	}
	if (s.empty && s.compared)
		s.sari = (struct sari){ 0 };
	return s;
}

static void
count(struct totals *t, const struct score *s)
{
	if (t->n == t->cap)
		t->v = mem_grow(t->v, t->cap = t->cap ? 2 * t->cap : 256, sizeof *t->v);
	t->v[t->n++] = *s;
}

static void
put(struct buf *b, const char *name, double x)
{
	buf_printf(b, "%s\"%s\":", b->len && b->data[b->len - 1] != '{' ? "," : "", name);
	json_put_real(b, x, 13);
}

static void
put_flag(struct buf *b, const char *name, bool x)
{
	buf_printf(b, ",\"%s\":%s", name, x ? "true" : "false");
}

static void
put_score(struct buf *b, const struct score *s)
{
	buf_clear(b);
	buf_putc(b, '{');
	put(b, "sari", s->sari.score);
	put(b, "sari_keep", s->sari.keep);
	put(b, "sari_delete", s->sari.del);
	put(b, "sari_add", s->sari.add);
	put(b, "chrf", s->compared ? chrf_score(&s->chrf) : NAN);
	put(b, "chrf++", s->compared ? chrf_score(&s->chrfpp) : NAN);
	put(b, "length_ratio", s->ratio);
	put_flag(b, "facts_kept", s->facts);
	put_flag(b, "changed", s->changed);
	put_flag(b, "empty", s->empty);
	buf_puts(b, ",\"fault\":");
	json_put_text(b, fault_name(s->fault), strlen(fault_name(s->fault)));
	buf_putc(b, '}');
}

static void
score_record(struct run *u, struct record *r, const struct item *it)
{
	struct span out[N_ROWS] = { [SYSTEM] = it->output, [COPY] = it->text };
	size_t row;

	buf_clear(&u->deleted);
	wordlist_delete(&u->list, it->text, &u->deleted);
	buf_str(&u->deleted);
	out[DELETE] = (struct span){ u->deleted.data, u->deleted.len };
	/* A benign text's reference is itself. */
	out[REFERENCE] = it->benign ? it->text : it->n_refs ? it->refs[0] : (struct span){ "", 0 };
	for (row = 0; row < N_ROWS; row++) {
		struct score s;

		if ((row == DELETE && !o.list) || (row == REFERENCE && !it->n_refs && !it->benign))
			continue;
		s = score(it, out[row]);
		count(&u->totals[row], &s);
		if (row == SYSTEM) {
			put_score(&u->json, &s);
			scores_set(r, "rewrite", u->json.data, u->json.len);
		}
	}
}

/* The statistics of the summary, each over the rows that it is about. */

static bool
is_compared(const struct score *s)
{
	return s->compared;
}

static bool
is_unsafe(const struct score *s)
{
	return !s->benign;
}

static bool
is_benign(const struct score *s)
{
	return s->benign;
}

static bool
any(const struct score *s)
{
	(void)s;
	return true;
}

static double
get_sari(const struct score *s)
{
	return s->sari.score;
}

static double
get_keep(const struct score *s)
{
	return s->sari.keep;
}

static double
get_delete(const struct score *s)
{
	return s->sari.del;
}

static double
get_add(const struct score *s)
{
	return s->sari.add;
}

static double
get_changed(const struct score *s)
{
	return s->changed;
}

static double
get_same(const struct score *s)
{
	return !s->changed && !s->empty;
}

static double
get_facts(const struct score *s)
{
	return s->facts;
}

static double
get_empty(const struct score *s)
{
	return s->empty;
}

static double
get_ratio(const struct score *s)
{
	return s->ratio;
}

static const struct measure {
	const char *name;
	bool (*about)(const struct score *s);
	double (*get)(const struct score *s);
	bool interval;
} measures[] = {
	{ "sari", is_compared, get_sari, true },
	{ "sari_keep", is_compared, get_keep, false },
	{ "sari_delete", is_compared, get_delete, false },
	{ "sari_add", is_compared, get_add, false },
	{ "facts_kept", is_unsafe, get_facts, false },
	{ "length_ratio", is_unsafe, get_ratio, false },
	{ "empty", any, get_empty, false },
	{ "unsafe_changed", is_unsafe, get_changed, true },
	{ "benign_kept", is_benign, get_same, true },
};

static void
put_interval(struct buf *b, const char *name, struct interval c)
{
	buf_printf(b, ",\"%s_95\":[", name);
	json_put_real(b, c.low, 13);
	buf_putc(b, ',');
	json_put_real(b, c.high, 13);
	buf_putc(b, ']');
}

static void
put_measure(struct buf *b, const struct totals *t, const struct measure *m)
{
	double *x = mem_alloc(t->n + 1, sizeof *x);
	size_t n = 0, i;

	for (i = 0; i < t->n; i++)
		if (m->about(&t->v[i]))
			x[n++] = m->get(&t->v[i]);
	put(b, m->name, mean(x, n));
	if (m->interval && n && o.draws)
		put_interval(b, m->name, bootstrap_mean(x, n, (size_t)o.draws, (uint64_t)o.seed));
	free(x);
}

/* A corpus' chrF is that of the sums of its texts' counts. */
static double
corpus_chrf(void *arg, const size_t *row, size_t n)
{
	const struct chrf *c = arg;
	struct chrf sum = { 0 };

	for (size_t i = 0; i < n; i++)
		chrf_add(&sum, &c[row ? row[i] : i]);
	return n ? chrf_score(&sum) : NAN;
}

static void
put_chrf(struct buf *b, const struct totals *t, const char *name, bool words)
{
	struct chrf *c = mem_alloc(t->n + 1, sizeof *c);
	size_t n = 0, i;

	for (i = 0; i < t->n; i++)
		if (t->v[i].compared)
			c[n++] = words ? t->v[i].chrfpp : t->v[i].chrf;
	put(b, name, corpus_chrf(c, NULL, n));
	if (n && o.draws)
		put_interval(b, name,
			bootstrap(corpus_chrf, c, n, (size_t)o.draws, (uint64_t)o.seed));
	free(c);
}

static void
put_summary(struct buf *b, const struct run *u)
{
	const struct totals *sys = &u->totals[SYSTEM];
	size_t compared = 0, benign = 0, i, row;

	for (i = 0; i < sys->n; i++) {
		compared += sys->v[i].compared;
		benign += sys->v[i].benign;
	}
	buf_clear(b);
	buf_printf(b,
		"{\"type\":\"summary\",\"tool\":\"sr-score-rewrite\",\"records\":%zu,\"unsafe\":%zu,\"benign\":%zu,"
		"\"compared\":%zu,\"listed_words\":%zu,\"draws\":%ld,\"seed\":%ld,"
		"\"signatures\":{\"sari\":\"case:lower|split:space|n:4|0/0:0\","
		"\"chrf\":\"nrefs:var|case:mixed|eff:yes|nc:6|nw:0|space:no\","
		"\"chrf++\":\"nrefs:var|case:mixed|eff:yes|nc:6|nw:2|space:no\"},\"systems\":{",
		sys->n, sys->n - benign, benign, compared, u->list.words.n, o.draws, o.seed);
	for (row = 0; row < N_ROWS; row++) {
		if (row == DELETE && !o.list)
			continue;
		buf_printf(b, "%s\"%s\":{", row ? "," : "", row_names[row]);
		for (i = 0; i < sizeof measures / sizeof *measures; i++)
			put_measure(b, &u->totals[row], &measures[i]);
		put_chrf(b, &u->totals[row], "chrf", false);
		put_chrf(b, &u->totals[row], "chrf++", true);
		buf_putc(b, '}');
	}
	buf_puts(b, "}}");
}

int
main(int argc, char **argv)
{
	struct run u = { 0 };
	struct stream *s;
	struct record *r;
	struct err e;
	size_t bad = 0, row;
	int status;

	tool_init(&tool, &argc, &argv);
	if (argc)
		tool_usage("'%s' is one argument too many", *argv);
	if (o.list && wordlist_load(&u.list, o.list, &e))
		tool_die(&e);
	if (!(s = stream_open(&o.stream, stdin, stdout, "stdin", &e)))
		tool_die(&e);
	while ((r = stream_read(s, &status, &e))) {
		struct item it = { 0 };
		bool fine = record_is_summary(r) || !read_item(r, &it, &e);

		if (!fine && !o.stream.keep)
			tool_die(&e);
		bad += !fine;
		if (fine && !record_is_summary(r))
			score_record(&u, r, &it);
		if (fine && stream_write(s, r, &e))
			tool_die(&e);
		item_release(&it);
		record_free(r);
	}
	if (status)
		tool_die(&e);
	put_summary(&u.json, &u);
	if (stream_write_json(s, u.json.data, u.json.len, &e))
		tool_die(&e);
	if (bad += stream_skipped(s))
		tool_warn("%zu bad records skipped", bad);
	stream_free(s);
	for (row = 0; row < N_ROWS; row++)
		free(u.totals[row].v);
	wordlist_release(&u.list);
	buf_release(&u.deleted);
	buf_release(&u.json);
	return tool_finish();
}
