/* sr-debias: text in, benign text out. man/sr-debias.1 */
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/data.h"
#include "base/file.h"
#include "base/json.h"
#include "base/opt.h"
#include "bias/diff.h"
#include "bias/rewrite.h"
#include "model/adapter.h"
#include "stream/stream.h"

enum {
	BATCH = 256,           /* records judged together */
	BATCH_BYTES = 128 << 10,
};

/* What stands in the place of a text that --on-fail mask hides. */
static const char mask[] = "[removed]";

static struct {
	struct stream_opts stream;
	const char *model, *on_fail, *report, *in_place;
	struct opt_list adapters;
	long threads;
	double threshold;
	bool gate, diff, dry_run, check, verbose;
} o = {
	.stream = { .format = "lines", .main = "text", .same = true },
	.on_fail = "keep",
	.threshold = -1,
	.gate = true,
};

static const struct opt opts[] = {
	MODEL_OPTS(o.model, o.adapters),
	{ 't', "threads", OPT_INT, &o.threads, "N",
		"threads (default: what the machine allows)", 1, 1024 },
	{ 0, "threshold", OPT_REAL, &o.threshold, "P",
		"unsafe from this P(unsafe) on (default: the model's)", 0, 1 },
	{ 0, "gate", OPT_FLAG, &o.gate, NULL,
		"ask the model only where the installed gate has doubts (default)", 0, 0 },
	{ 0, "on-fail", OPT_PICK, &o.on_fail, "keep|mask|drop",
		"what to do with unsafe text that has no good rewrite (default keep)", 0, 0 },
	{ 0, "in-place", OPT_MAYBE, &o.in_place, "SUFFIX",
		"change the files themselves; with SUFFIX, keep the old ones under such names", 0, 0 },
	{ 0, "diff", OPT_FLAG, &o.diff, NULL,
		"write the changed texts only, as word differences", 0, 0 },
	{ 0, "dry-run", OPT_FLAG, &o.dry_run, NULL,
		"write what would happen to each unsafe text, not the text", 0, 0 },
	{ 0, "check", OPT_FLAG, &o.check, NULL,
		"judge only: write what is unsafe, exit 1 if anything is", 0, 0 },
	{ 0, "report", OPT_TEXT, &o.report, "FILE",
		"a JSON record for each changed or refused text", 0, 0 },
	{ 'v', "verbose", OPT_FLAG, &o.verbose, NULL,
		"a summary on stderr (default where that is a terminal)", 0, 0 },
	STREAM_OPTS(o.stream),
	OPT_END,
};

static const struct tool tool = {
	.name = "sr-debias",
	.synopsis = "[-m MODEL] [-a ADAPTER] [--diff | --dry-run | --check] [OPTIONS] [FILE...]",
	.about = "Rewrite biased or toxic text so that it says the same thing benignly. What is benign comes out\n"
		"byte for byte, and so does what cannot be rewritten safely.",
	.examples = "journalctl -fu app | sr-debias\n"
		"sr-debias --diff < article.txt\n"
		"sr-debias -i csv -f text=comment < posts.csv\n"
		"sr-debias --check README.md",
	.opts = opts,
};

/* One run over all inputs. */
struct run {
	struct rewriter *rw;
	struct rewrite texts[BATCH];
	struct record *records[BATCH];
	size_t outcomes[N_OUTCOMES], faults[N_FAULTS];
	size_t total, bad;
	size_t changed; /* texts that were written otherwise than they came */
	bool colour; /* stdout is a terminal */
	struct buf line;
	const char *name; /* of the input */
	struct stream *s;
};

/* The file that is changed in place, while it is. */
static struct file_out changing;

static void
drop_changes(void)
{
	file_out_abort(&changing);
}

/* What SIGUSR1 writes: made anew after each batch, beside the one that may be being written. */
static struct {
	char line[512];
	size_t len;
} told[2];
static volatile sig_atomic_t telling;

static void
tell(int sig)
{
	ssize_t n = write(STDERR_FILENO, told[telling].line, told[telling].len);

	(void)sig;
	(void)n; /* nobody reads it */
}

/* The report, and what a signal needs to know to end the input. */
static struct file_out report;
static volatile sig_atomic_t input, nothing, caught;

static void
drop_report(void)
{
	file_out_abort(&report);
}

/* The first signal ends the input, so that the report is written; the next ends the program. */
static void
end_input(int sig)
{
	caught = sig;
	dup2(nothing, input);
}

static void
open_report(void)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction sa = { .sa_handler = end_input, .sa_flags = (int)SA_RESETHAND }, old;
	struct err e;

	if (file_out_open(&report, o.report, 0600, &e) < 0)
		tool_die(&e);
	atexit(drop_report);
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; nothing >= 0 && i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
}

/* What is written in the text's place: NULL for nothing, the text itself where it stands. */
static const char *
replacement(const struct rewrite *t, size_t *len)
{
	if (t->outcome == OUTCOME_REWRITTEN) {
		*len = t->output.len;
		return t->output.data;
	}
	if (t->outcome == OUTCOME_REFUSED && *o.on_fail == 'm') {
		*len = sizeof mask - 1;
		return mask;
	}
	*len = t->len;
	return t->outcome == OUTCOME_REFUSED && *o.on_fail == 'd' ? NULL : t->text;
}

static void
report_text(struct run *r, const struct rewrite *t, size_t number)
{
	static const char *const actions[] = { "kept", "masked", "dropped" };
	struct buf *b = &r->line;

	buf_clear(b);
	buf_puts(b, "{\"file\":");
	json_put_text(b, r->name, strlen(r->name));
	buf_printf(b, ",\"line\":%zu,\"outcome\":\"%s\"", number, outcome_name(t->outcome));
	if (t->fault) {
		buf_printf(b, ",\"reason\":\"%s\",\"action\":\"%s\"", fault_name(t->fault),
			actions[*o.on_fail == 'm' ? 1 : *o.on_fail == 'd' ? 2 : 0]);
		if (t->detail.len) {
			buf_puts(b, ",\"detail\":");
			json_put_text(b, t->detail.data, t->detail.len);
		}
	}
	buf_puts(b, ",\"source\":");
	json_put_text(b, t->text, t->len);
	if (t->outcome != OUTCOME_UNSAFE) {
		buf_puts(b, ",\"output\":");
		json_put_text(b, t->output.data, t->output.len);
	}
	buf_puts(b, ",\"before\":");
	json_put_real(b, t->before, 6);
	if (!isnan(t->after)) {
		buf_puts(b, ",\"after\":");
		json_put_real(b, t->after, 6);
	}
	buf_puts(b, "}\n");
	fwrite(b->data, 1, b->len, report.f);
}

/* "NAME:LINE: ", as compilers and grep -n write it. */
static void
put_place(struct run *r, size_t number)
{
	buf_clear(&r->line);
	buf_printf(&r->line, r->colour ? "\033[36m%s:%zu:\033[m " : "%s:%zu: ", r->name, number);
}

static void
put_line(struct run *r)
{
	buf_putc(&r->line, '\n');
	fwrite(r->line.data, 1, r->line.len, stdout);
}

/* --check: a line of text, whatever stands in it. */
static void
show_unsafe(struct run *r, const struct rewrite *t, size_t number)
{
	size_t from;

	put_place(r, number);
	buf_printf(&r->line, "%.2f ", t->before);
	from = r->line.len;
	if (r->colour)
		diff_visible(&r->line, t->text, t->len);
	else
		buf_add(&r->line, t->text, t->len);
	for (char *p = r->line.data + from; p < r->line.data + r->line.len; p++)
		if (*p == '\n')
			*p = ' ';
	put_line(r);
}

static void
show_decision(struct run *r, const struct rewrite *t, size_t number)
{
	put_place(r, number);
	buf_printf(&r->line, "%.2f", t->before);
	if (t->outcome == OUTCOME_REWRITTEN) {
		buf_printf(&r->line, " -> %.2f rewritten", t->after);
	} else {
		buf_printf(&r->line, " refused: %s", fault_name(t->fault));
		if (t->detail.len) {
			buf_puts(&r->line, " (");
			diff_visible(&r->line, t->detail.data, t->detail.len);
			buf_putc(&r->line, ')');
		}
	}
	put_line(r);
}

static void
show_diff(struct run *r, const struct rewrite *t, size_t number)
{
	size_t len;
	const char *now = replacement(t, &len);

	if (now == t->text)
		return;
	put_place(r, number);
	diff_show(&r->line, t->text, t->len, now ? now : "", now ? len : 0, r->colour);
	put_line(r);
}

/* What the user asked for, for one record whose text was judged. */
static void
emit(struct run *r, struct record *rec, const struct rewrite *t)
{
	bool unsafe = t->outcome >= OUTCOME_UNSAFE;
	size_t number = record_number(rec), len;
	struct err e;

	r->outcomes[t->outcome]++;
	r->faults[t->fault]++;
	r->total++;
	if (unsafe && o.report)
		report_text(r, t, number);
	if (o.check || o.dry_run || o.diff) {
		if (unsafe)
			(o.check ? show_unsafe : o.dry_run ? show_decision : show_diff)(
				r, t, number);
	} else {
		const char *now = replacement(t, &len);

		r->changed += now != t->text;
		if (now && now != t->text)
			record_set_text(rec, "text", now, len);
		if ((now ? stream_write(r->s, rec, &e) : stream_drop(r->s, rec, &e)) < 0)
			tool_die(&e);
	}
}

/* A record without a text to judge goes through as it is. */
static void
pass(struct run *r, struct record *rec)
{
	struct err e;

	if (!o.check && !o.dry_run && !o.diff && stream_write(r->s, rec, &e) < 0)
		tool_die(&e);
}

/* Judge and rewrite the texts of n records, and write them in their order. */
static void
work(struct run *r, size_t n)
{
	int (*decide)(struct rewriter *, struct rewrite *, size_t, struct err *) =
		o.check ? rewriter_judge : rewriter_run;
	size_t k = 0, from[BATCH], end = n;
	struct err e, bad;

	for (size_t i = 0; i < n; i++) {
		struct rewrite *t = &r->texts[k];

		from[i] = BATCH;
		if (record_is_summary(r->records[i]))
			continue;
		t->text = record_need(r->records[i], "text", &t->len, &bad);
		if (t->text) {
			from[i] = k++;
		} else if (o.stream.keep) {
			r->bad++;
		} else {
			end = i;
			break;
		}
	}
	if (decide(r->rw, r->texts, k, &e) < 0)
		tool_die(&e);
	for (size_t i = 0; i < end; i++) {
		if (from[i] == BATCH)
			pass(r, r->records[i]);
		else
			emit(r, r->records[i], &r->texts[from[i]]);
	}
	for (size_t i = 0; i < n; i++)
		record_free(r->records[i]);
	if (end < n)
		tool_die(&bad);
}

/* "N lines: N benign, ..." */
static void
summarize(const struct run *r, struct buf *b)
{
	const char *sep = " (";

	buf_printf(b, "%zu %s: %zu benign", r->total,
		strcmp(o.stream.format, "lines") ? "records" : "lines",
		r->outcomes[OUTCOME_BENIGN]);
	if (o.check)
		buf_printf(b, ", %zu unsafe", r->outcomes[OUTCOME_UNSAFE]);
	else
		buf_printf(b, ", %zu rewritten, %zu refused", r->outcomes[OUTCOME_REWRITTEN],
			r->outcomes[OUTCOME_REFUSED]);
	for (int f = FAULT_NONE + 1; f < N_FAULTS; f++)
		if (r->faults[f]) {
			buf_printf(b, "%s%s %zu", sep, fault_name((enum fault)f), r->faults[f]);
			sep = ", ";
		}
	buf_printf(b, "%s, %zu skipped; threshold %.3g%s", r->outcomes[OUTCOME_REFUSED] ? ")" : "",
		r->outcomes[OUTCOME_SKIPPED], rewriter_threshold(r->rw),
		rewriter_calibrated(r->rw) ? "" : ", uncalibrated");
}

/* Have the next SIGUSR1 write how it stands now. */
static void
prepare_telling(const struct run *r)
{
	size_t next = !telling, len;
	struct buf b = { 0 };

	buf_puts(&b, "sr-debias: ");
	summarize(r, &b);
	buf_putc(&b, '\n');
	len = b.len < sizeof told->line ? b.len : sizeof told->line;
	memcpy(told[next].line, b.data, len);
	told[next].len = len;
	telling = (sig_atomic_t)next;
	buf_release(&b);
}

static void
read_input(struct run *r, FILE *f, const char *name, FILE *out)
{
	size_t n;
	long status;
	struct err e;

	r->name = name;
	input = fileno(f);
	r->s = stream_open(&o.stream, f, o.check || o.dry_run || o.diff ? NULL : out, name, &e);
	if (!r->s)
		tool_die(&e);
	do {
		status = stream_read_batch(r->s, r->records, BATCH, BATCH_BYTES, &n, &e);
		work(r, n);
		prepare_telling(r);
		if (status < 0)
			tool_die(&e);
		if ((o.check || o.dry_run || o.diff) && !stream_ready(r->s))
			fflush(stdout);
	} while (status > 0);
	if (stream_skipped(r->s))
		tool_warn("%s: %zu bad records skipped", name, stream_skipped(r->s));
	stream_free(r->s);
}

/* A link that --in-place keeps: the old file under its name with the suffix. */
static void
keep_old(const char *path)
{
	struct buf old = { 0 };

	buf_printf(&old, "%s%s", path, o.in_place);
	unlink(buf_str(&old));
	if (link(path, old.data) < 0)
		tool_fail("cannot keep %s as %s: %m", path, old.data);
	buf_release(&old);
}

/* The file as it becomes stands beside it until it is whole; where nothing changes, or a signal
 * ends the input, the old one stays. */
static void
change_file(struct run *r, FILE *f, const char *name)
{
	char *path = realpath(name, NULL); /* of a link, the file it points to */
	size_t before = r->changed;
	struct stat st;
	struct err e;

	if (!path || fstat(fileno(f), &st) < 0)
		tool_fail("%s: %m", name);
	if (!S_ISREG(st.st_mode))
		tool_fail("%s: not a regular file, which --in-place is for", name);
	if (file_out_open(&changing, path, st.st_mode & 07777, &e) < 0)
		tool_die(&e);
	read_input(r, f, name, changing.f);
	if (r->changed == before || caught) {
		file_out_abort(&changing);
	} else {
		if (*o.in_place)
			keep_old(path);
		if (file_out_commit(&changing, &e) < 0)
			tool_die(&e);
	}
	free(path);
}

static void
read_file(struct run *r, const char *path)
{
	FILE *f;

	if (strcmp(path, "-") == 0) {
		read_input(r, stdin, "stdin", stdout);
		return;
	}
	f = fopen(path, "rb");
	if (!f)
		tool_fail("cannot open %s: %m", path);
	if (o.in_place)
		change_file(r, f, path);
	else
		read_input(r, f, path, stdout);
	fclose(f);
}

static void
summary(const struct run *r)
{
	struct buf b = { 0 };

	summarize(r, &b);
	tool_warn("%s", buf_str(&b));
	buf_release(&b);
}

/* The installed gate, where there is one and it is the model's; else NULL. */
static struct ngram *
open_gate(struct rewriter *rw)
{
	char *path = o.gate && o.adapters.n == 0 ? data_find("models/gate.gguf") : NULL;
	struct ngram *gate;
	struct err e;

	if (!path)
		return NULL;
	gate = ngram_open(path, &e);
	if (!gate)
		tool_die(&e);
	free(path);
	if (rewriter_gate(rw, gate))
		return gate;
	ngram_free(gate);
	return NULL;
}

/* The whole run: 1 when --check found something, else 0. */
static int
debias(const struct model *m, struct pool *p, char **files, int n)
{
	struct run *r = mem_alloc(1, sizeof *r);
	struct ngram *gate;
	struct err e;
	int found;

	r->rw = rewriter_new(m, p, o.threshold, &e);
	if (!r->rw)
		tool_die(&e);
	gate = open_gate(r->rw);
	prepare_telling(r);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = tell, .sa_flags = SA_RESTART }, NULL);
	r->colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (n == 0)
		read_file(r, "-");
	for (int i = 0; i < n && !caught; i++)
		read_file(r, files[i]);
	if (o.report && file_out_commit(&report, &e) < 0)
		tool_die(&e);
	if (r->bad)
		tool_warn("%zu records have no text and went through unchanged", r->bad);
	if (o.verbose || o.dry_run)
		summary(r);
	found = o.check && r->outcomes[OUTCOME_UNSAFE];
	for (size_t i = 0; i < BATCH; i++)
		rewrite_release(&r->texts[i]);
	buf_release(&r->line);
	rewriter_free(r->rw);
	ngram_free(gate);
	free(r);
	return found;
}

int
main(int argc, char **argv)
{
	struct model *m;
	struct pool *p;
	struct err e;
	int found, status;

	o.verbose = isatty(STDERR_FILENO);
	tool_init(&tool, &argc, &argv);
	if (o.check + o.dry_run + o.diff > 1)
		tool_usage("--check, --diff and --dry-run exclude each other");
	if (o.in_place && o.check + o.dry_run + o.diff > 0)
		tool_usage("--in-place changes files; --check, --diff and --dry-run change none");
	if (o.in_place)
		atexit(drop_changes);
	for (int i = 0; i < argc || (o.in_place && argc == 0); i++)
		if (o.in_place && (argc == 0 || strcmp(argv[i], "-") == 0))
			tool_usage("--in-place is for files, and stdin is none");
		else if (strcmp(argv[i], "-") != 0 && access(argv[i], R_OK) != 0)
			tool_fail("cannot open %s: %m", argv[i]);
	m = model_open_with(o.model, &o.adapters, &e);
	if (!m)
		tool_die(&e);
	if (o.report)
		open_report();
	p = pool_new((int)o.threads);
	found = debias(m, p, argv, argc);
	pool_free(p);
	model_free(m);
	free(o.adapters.v);
	status = tool_finish();
	if (caught)
		raise(caught);
	return status ? status : found;
}
