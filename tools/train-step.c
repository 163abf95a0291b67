/* sr-train-step: token records in, a trained model or adapter out, a log record per AdamW step. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/rng.h"
#include "model/nf4.h"
#include "stream/stream.h"
#include "tensor/gemm.h"
#include "train/checkpoint.h"
#include "train/feed.h"
#include "train/schedule.h"

static struct {
	struct stream_opts stream;
	const char *model, *out, *valid, *checkpoint, *schedule, *products, *recipe, *adapter,
		*targets, *base;
	double rate, warmup, clip, weight_decay, beta1, beta2, alpha, dropout;
	long steps, batch, batch_tokens, pass_tokens, max_tokens, save_every, valid_every, patience,
		threads, lora, prefix, prefix_mlp, seed, epochs, shuffle, spool_limit;
	double divergence;
	struct opt_list only;
	bool resume, dry_run, rslora, double_quant, recompute, group, show_mask;
} o = {
	.stream = { .format = "jsonl", .main = "tokens" },
	.schedule = "constant",
	.products = "auto",
	.seed = 1,
	.rate = 3e-4,
	.clip = 1,
	.weight_decay = 0.01,
	.beta1 = 0.9,
	.beta2 = 0.999,
	.batch = 16,
	.pass_tokens = 2048,
	.valid_every = 100,
	.epochs = 1,
	.spool_limit = 4096,
	.divergence = 3,
};

static const struct opt opts[] = {
	{ 'm', "model", OPT_TEXT, &o.model, "MODEL", "the model to start from", 0, 0 },
	{ 'o', "output", OPT_TEXT, &o.out, "FILE",
		"where the model goes (F32), or the adapter (GGUF; FOLDER/ for PEFT)", 0, 0 },
	{ 0, "recipe", OPT_PICK, &o.recipe, "sr-llm",
		"the settings of a paper, which other options override", 0, 0 },
	{ 0, "lora", OPT_INT, &o.lora, "R",
		"train an adapter of rank R; the model stays as it is, in any type", 1, 65536 },
	{ 0, "alpha", OPT_REAL, &o.alpha, "X", "its scale is X / R (R)", 0, 1e6 },
	{ 0, "rslora", OPT_FLAG, &o.rslora, NULL, "its scale is alpha / sqrt(R)", 0, 0 },
	{ 0, "dropout", OPT_REAL, &o.dropout, "P",
		"share of what the adapter sees that is dropped (0)", 0, 0.99 },
	{ 0, "targets", OPT_TEXT, &o.targets, "LIST",
		"the matrices it changes: attn_q,attn_v or q_proj,v_proj (all-linear)", 0, 0 },
	{ 0, "prefix", OPT_INT, &o.prefix, "N",
		"train keys and values of N virtual tokens before every sequence", 1, 1e6 },
	{ 0, "prefix-mlp", OPT_INT, &o.prefix_mlp, "W",
		"by a network of that width, which is not needed afterwards", 1, 1e6 },
	{ 0, "train-only", OPT_LIST, &o.only, "PATTERN",
		"train the tensors that match, as '*attn_q*'; may be repeated (all)", 0, 0 },
	{ 'a', "adapter", OPT_TEXT, &o.adapter, "FILE",
		"go on training this adapter, a GGUF file or PEFT folder", 0, 0 },
	{ 0, "base", OPT_PICK, &o.base, "nf4",
		"hold the model's matrices in four bits beside the adapter (QLoRA)", 0, 0 },
	{ 0, "double-quant", OPT_FLAG, &o.double_quant, NULL, "and their scales in eight", 0, 0 },
	{ 's', "seed", OPT_INT, &o.seed, "N", "seed of the adapter and of dropout (1)", 0, 1e9 },
	{ 0, "rate", OPT_REAL, &o.rate, "R", "peak learning rate (0.0003)", 0, 1e9 },
	{ 0, "schedule", OPT_PICK, &o.schedule, "constant|linear|cosine",
		"learning rate after warm-up (constant)", 0, 0 },
	{ 0, "warmup", OPT_REAL, &o.warmup, "N",
		"steps of warm-up, or below 1 a share of --steps (0)", 0, 1e9 },
	{ 0, "steps", OPT_INT, &o.steps, "N",
		"stop after N steps; linear and cosine end there", 0, 1e9 },
	{ 0, "batch", OPT_INT, &o.batch, "N", "records per step (16)", 1, 1e6 },
	{ 0, "batch-tokens", OPT_INT, &o.batch_tokens, "N",
		"instead: as many whole records as fit in N tokens", 0, 1e8 },
	{ 0, "pass-tokens", OPT_INT, &o.pass_tokens, "N",
		"tokens held at a time; a larger batch accumulates gradients (2048)", 16, 1e7 },
	{ 0, "recompute", OPT_FLAG, &o.recompute, NULL,
		"keep the layers' inputs alone: far less memory, a third more time", 0, 0 },
	{ 0, "epochs", OPT_INT, &o.epochs, "N",
		"go through the records N times (1)", 1, 1e6 },
	{ 0, "shuffle", OPT_INT, &o.shuffle, "N",
		"draw records from a buffer of N (0: as they come)", 0, 1e8 },
	{ 0, "group-by-length", OPT_FLAG, &o.group, NULL,
		"batches of records of like length", 0, 0 },
	{ 0, "spool-limit", OPT_INT, &o.spool_limit, "MB",
		"what the records of later epochs may take in TMPDIR (4096)", 1, 1e9 },
	{ 0, "max-tokens", OPT_INT, &o.max_tokens, "N",
		"longest record (the model's context)", 2, 1e7 },
	{ 0, "divergence", OPT_REAL, &o.divergence, "X",
		"stop when the mean loss is X over its lowest, 0: never (3)", 0, 1e9 },
	{ 0, "clip", OPT_REAL, &o.clip, "X", "largest gradient norm, 0 for none (1)", 0, 1e9 },
	{ 0, "weight-decay", OPT_REAL, &o.weight_decay, "X",
		"on matrices, not on norms (0.01)", 0, 10 },
	{ 0, "beta1", OPT_REAL, &o.beta1, "X", "AdamW's first moment (0.9)", 0, 0.99999 },
	{ 0, "beta2", OPT_REAL, &o.beta2, "X", "AdamW's second moment (0.999)", 0, 0.99999999 },
	{ 0, "products", OPT_PICK, &o.products, "auto|bf16|f32",
		"matrix products (auto: bf16 where the CPU has it)", 0, 0 },
	{ 0, "valid", OPT_TEXT, &o.valid, "FILE",
		"token records to validate on; the best model is kept", 0, 0 },
	{ 0, "valid-every", OPT_INT, &o.valid_every, "N",
		"steps between validations (100)", 1, 1e9 },
	{ 0, "patience", OPT_INT, &o.patience, "N",
		"stop after N validations without a better loss (0: never)", 0, 1e9 },
	{ 0, "checkpoint", OPT_TEXT, &o.checkpoint, "FILE",
		"where checkpoints go (OUTPUT.checkpoint)", 0, 0 },
	{ 0, "save-every", OPT_INT, &o.save_every, "N",
		"steps between checkpoints (0: only on a signal)", 0, 1e9 },
	{ 0, "resume", OPT_FLAG, &o.resume, NULL,
		"go on from the checkpoint, if there is one", 0, 0 },
	{ 0, "dry-run", OPT_FLAG, &o.dry_run, NULL,
		"say what would be trained and with how much memory", 0, 0 },
	{ 0, "show-mask", OPT_FLAG, &o.show_mask, NULL,
		"write the records' texts, what is given and what is trained; no training", 0, 0 },
	{ 't', "threads", OPT_INT, &o.threads, "N",
		"threads (what affinity and the cgroup allow)", 1, 4096 },
	STREAM_OPTS(o.stream),
	OPT_END,
};

static const struct tool tool = {
	"sr-train-step",
	"-m MODEL -o FILE [OPTIONS] < token-records > log",
	"Train a model on token records, all of its tensors, some, or an adapter beside it (LoRA,\n"
	"a prefix): each batch is one AdamW step and one log record.",
	"sr-prompt -i csv -f completion=benign < data/pairs.csv |\n"
	"\tsr-tokenize -m base.gguf | shuf |\n"
	"\tsr-train-step -m base.gguf -o tuned.gguf --rate 5e-4 > log.jsonl\n"
	"sr-train-step -m big-Q4_0.gguf --lora 16 -o adapter.gguf < tokens.jsonl > log.jsonl",
	opts,
};

static volatile sig_atomic_t stop_signal, save_signal;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		save_signal = 1;
	else
		stop_signal = sig;
}

static void
catch_signals(void)
{
	/* Restarted, so that no write of the log or of a file is cut short; poll never is. */
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGUSR1, &a, NULL);
}

/* The run: what stands between two steps. */
struct run {
	struct model *m;
	struct adapter *adapter; /* NULL: all of the model is trained */
	struct trainer t;
	struct progress_state s;
	struct stream *in;
	struct feed *feed;
	struct example *batch, *valid, held; /* held: read, but the batch was full */
	size_t n, cap, n_valid;
	bool have_held, ended;
	size_t skipped;        /* bad records, with -k */
	size_t blank;          /* records of blank texts */
	char *checkpoint, *options;
	uint64_t saved;        /* the step of the checkpoint on disk; 0: there is none */
	struct progress progress;
	/* this process's first step */
	double start, start_share;
	uint64_t first_step, start_tokens;
	bool told_time;
};

_Noreturn static void
die(struct run *r, const struct err *e)
{
	progress_clear(&r->progress);
	tool_die(e);
}

static size_t
longest(const struct run *r)
{
	size_t front = r->adapter ? r->adapter->prefix.n : 0;
	size_t n = o.max_tokens ? (size_t)o.max_tokens : r->m->c.n_ctx - front;

	return n < (size_t)o.pass_tokens ? n : (size_t)o.pass_tokens;
}

/* Wait for input, but not through a signal: 0 when there is some (or the end), 1 on a signal. */
static int
wait_input(struct run *r)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	while (!stream_ready(r->in) && !stop_signal && !save_signal)
		poll(&p, 1, 500);
	return stop_signal || save_signal;
}

/* The next example of the stream, for the feed. */
static enum feed_status
read_example(void *arg, struct example *x, struct err *e)
{
	struct run *r = arg;
	int status;

	for (;;) {
		struct record *rec;

		if (wait_input(r))
			return FEED_WAIT;
		rec = stream_read(r->in, &status, e);
		if (!rec)
			return status < 0 ? FEED_ERROR : FEED_END;
		if (record_is_summary(rec)) {
			record_free(rec);
			continue;
		}
		status = example_read(x, rec, r->m->c.n_vocab, longest(r), e);
		record_free(rec);
		if (status == 0)
			return FEED_EXAMPLE;
		if (status < 0 && !o.stream.keep)
			return FEED_ERROR;
		*(status > 0 ? &r->blank : &r->skipped) += 1;
	}
}

static void
open_feed(struct run *r)
{
	size_t batch = o.batch_tokens ? 16 : (size_t)o.batch;
	struct feed_opts f = { (size_t)o.epochs, (size_t)o.shuffle, o.group ? batch : 0,
		(uint64_t)o.seed, (uint64_t)o.spool_limit * 1000000 };

	r->feed = feed_new(&f, read_example, r);
}

static void
batch_clear(struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		example_release(&r->batch[i]);
	r->n = 0;
}

/* Fill the batch: 1, or 0 at the end of the stream or when a signal came while waiting (the batch
 * is then kept and filled by the next call). */
static int
fill(struct run *r, struct err *e)
{
	size_t tokens = 0;

	for (size_t i = 0; i < r->n; i++)
		tokens += r->batch[i].n;
	for (;;) {
		enum feed_status status = FEED_END;
		struct example x;

		if (!o.batch_tokens && r->n == (size_t)o.batch)
			return 1;
		if (stop_signal || save_signal)
			return 0;
		if (r->have_held) {
			x = r->held;
			r->have_held = false;
			status = FEED_EXAMPLE;
		} else if (!r->ended) {
			status = feed_next(r->feed, &x, e);
		}
		if (status == FEED_ERROR)
			return -1;
		if (status == FEED_WAIT)
			return 0;
		if (status == FEED_END) {
			r->ended = true;
			return r->n > 0;
		}
		if (o.batch_tokens && r->n > 0 && tokens + x.n > (size_t)o.batch_tokens) {
			r->held = x;
			r->have_held = true;
			return 1;
		}
		if (r->n == r->cap) {
			r->cap = r->cap ? r->cap * 2 : 64;
			r->batch = mem_grow(r->batch, r->cap, sizeof *r->batch);
		}
		tokens += x.n;
		r->batch[r->n++] = x;
	}
}

static void
save(struct run *r)
{
	struct err e;

	if (checkpoint_save(r->checkpoint, &r->t, &r->s, r->options, &e) < 0)
		die(r, &e);
	r->saved = r->t.step;
}

/* Training cannot go on; the checkpoint on disk stays as it is. */
_Noreturn static void
give_up(struct run *r, struct err *e)
{
	struct err more = *e;

	if (r->saved)
		err_set(&more, "%s; %s has step %llu", e->msg, r->checkpoint,
			(unsigned long long)r->saved);
	die(r, &more);
}

/* See that the loss, as a running mean, has not risen far over the lowest it was. */
static void
watch_loss(struct run *r, double loss)
{
	bool first = r->s.lowest == INFINITY;
	struct err e;

	r->s.mean = first ? loss : 0.9 * r->s.mean + 0.1 * loss;
	if (r->s.mean < r->s.lowest)
		r->s.lowest = r->s.mean;
	if (o.divergence <= 0 || r->s.mean <= r->s.lowest + o.divergence)
		return;
	err_set(&e, "step %llu: the loss diverges, from %.3g to %.3g: lower the rate",
		(unsigned long long)r->t.step, r->s.lowest, r->s.mean);
	give_up(r, &e);
}

/* -o FOLDER/: the adapter goes there as PEFT has it. */
static bool
to_folder(void)
{
	struct stat st;
	size_t len = strlen(o.out);

	return (len > 0 && o.out[len - 1] == '/') || (stat(o.out, &st) == 0 && S_ISDIR(st.st_mode));
}

static void
write_adapter(struct run *r)
{
	struct err e;

	params_to_adapter(&r->t.p);
	if (to_folder() ? adapter_save_peft(r->adapter, r->m, o.out, &e) < 0 :
			  adapter_save_gguf(r->adapter, r->m, o.out, &e) < 0)
		die(r, &e);
}

static void
write_model(const struct run *r, uint64_t steps, uint64_t tokens, double loss)
{
	struct gguf_out *g = gguf_out_new();
	struct err e;

	gguf_put_copy_all(g, r->m->file);
	gguf_put_u64(g, "sr.training.steps", steps);
	gguf_put_u64(g, "sr.training.tokens", tokens);
	gguf_put_f32(g, "sr.training.loss", (float)loss);
	gguf_put_str(g, "sr.training.options", r->options, strlen(r->options));
	params_put(&r->t.p, g);
	if (gguf_save(g, o.out, &e) < 0)
		tool_die(&e);
	gguf_out_free(g);
}

/* The end: the last weights, or with validation the best. */
static void
write_result(struct run *r)
{
	uint64_t steps = r->t.step, tokens = r->s.tokens;
	double loss = r->s.loss;

	if (o.valid) {
		steps = r->s.best_step;
		tokens = r->s.best_tokens;
		loss = r->s.best;
		memcpy(r->t.p.w, r->s.best_weights, r->t.p.n * sizeof *r->t.p.w);
		tool_warn("the model of step %llu is kept: its validation loss, %.4g, is the best",
			(unsigned long long)steps, loss);
	}
	if (r->adapter)
		write_adapter(r);
	else
		write_model(r, steps, tokens, loss);
}

static void
log_line(struct run *r, struct buf *b)
{
	struct err e;

	if (stream_write_json(r->in, b->data, b->len, &e) < 0)
		die(r, &e);
	if (fflush(stdout) != 0) {
		err_set(&e, "cannot write the log: %s", strerror(errno));
		die(r, &e);
	}
	buf_clear(b);
}

static void
log_step(struct run *r, const struct step_stats *s, double rate, double seconds)
{
	struct buf b = { 0 };

	buf_printf(&b, "{\"step\":%llu,\"loss\":", (unsigned long long)r->t.step);
	json_put_real(&b, s->loss, 7);
	buf_puts(&b, ",\"learning_rate\":");
	json_put_real(&b, rate, 7);
	buf_puts(&b, ",\"grad_norm\":");
	json_put_real(&b, s->grad_norm, 5);
	buf_printf(&b, ",\"records\":%llu,\"tokens\":%zu,\"targets\":%zu,\"tokens_per_s\":",
		(unsigned long long)r->s.records, s->tokens, s->targets);
	json_put_real(&b, seconds > 0 ? (double)s->tokens / seconds : 0, 5);
	buf_putc(&b, '}');
	log_line(r, &b);
	buf_release(&b);
}

/* Validate; true when it is time to stop. */
static bool
validate(struct run *r)
{
	struct buf b = { 0 };
	struct err e;
	double loss;

	if (trainer_evaluate(&r->t, r->valid, r->n_valid, &loss, &e) < 0)
		die(r, &e);
	if (!isfinite(loss)) {
		err_set(&e, "step %llu: the validation loss is %g; try a lower rate",
			(unsigned long long)r->t.step, loss);
		die(r, &e);
	}
	buf_printf(&b, "{\"step\":%llu,\"valid_loss\":", (unsigned long long)r->t.step);
	json_put_real(&b, loss, 7);
	if (loss < r->s.best) {
		r->s.best = loss;
		r->s.best_step = r->t.step;
		r->s.best_tokens = r->s.tokens;
		r->s.bad = 0;
		memcpy(r->s.best_weights, r->t.p.w, r->t.p.n * sizeof *r->t.p.w);
	} else {
		r->s.bad++;
	}
	buf_printf(&b, ",\"best\":%s}", r->s.bad == 0 ? "true" : "false");
	log_line(r, &b);
	buf_release(&b);
	return o.patience && r->s.bad >= (uint64_t)o.patience;
}

static void
read_valid(struct run *r)
{
	struct stream_opts so = { .format = "jsonl", .main = "tokens" };
	FILE *f = fopen(o.valid, "r");
	struct record *rec;
	struct stream *in;
	struct err e;
	size_t cap = 0;
	int status;

	if (!f)
		tool_fail("%s: %s", o.valid, strerror(errno));
	in = stream_open(&so, f, NULL, o.valid, &e);
	if (!in)
		tool_die(&e);
	while ((rec = stream_read(in, &status, &e))) {
		if (r->n_valid == cap) {
			cap = cap ? cap * 2 : 256;
			r->valid = mem_grow(r->valid, cap, sizeof *r->valid);
		}
		if (!record_is_summary(rec)) {
			struct example *x = &r->valid[r->n_valid];
			int got = example_read(x, rec, r->m->c.n_vocab, longest(r), &e);

			if (got < 0)
				tool_die(&e);
			r->n_valid += got == 0;
		}
		record_free(rec);
	}
	if (status < 0)
		tool_die(&e);
	if (r->n_valid == 0)
		tool_fail("%s: no records to validate on", o.valid);
	stream_free(in);
	fclose(f);
}

static const char *
targets(void)
{
	return o.targets ? o.targets : "all-linear";
}

/* What must be the same for a resumed run to end as an undisturbed one. */
static char *
describe_options(const struct run *r)
{
	struct buf b = { 0 };
	uint64_t valid = EXAMPLE_HASH_START;

	for (size_t i = 0; i < r->n_valid; i++)
		valid = example_hash(valid, &r->valid[i]);
	buf_printf(&b,
		"%s %s params=%zu rate=%g schedule=%s warmup=%g steps=%ld batch=%ld "
		"batch_tokens=%ld pass_tokens=%ld max_tokens=%zu clip=%g weight_decay=%g "
		"beta1=%g beta2=%g products=%s",
		!r->adapter ? "full" : r->adapter->prefix.n > 0 ? "prefix" : "lora",
		r->m->c.arch->name, r->t.p.n, o.rate, o.schedule,
		o.warmup, o.steps, o.batch, o.batch_tokens, o.pass_tokens, longest(r), o.clip,
		o.weight_decay, o.beta1, o.beta2,
		r->t.o.bf16 ? "bf16" : "f32");
	if (r->adapter)
		buf_printf(&b, " alpha=%g targets=%s dropout=%g seed=%ld prefix_mlp=%ld",
			(double)r->adapter->alpha, targets(), o.dropout, o.seed, o.prefix_mlp);
	if (o.base)
		buf_printf(&b, " base=%s double_quant=%d", o.base, o.double_quant);
	if (o.epochs > 1 || o.shuffle > 1 || o.group)
		buf_printf(&b, " epochs=%ld shuffle=%ld group=%d feed_seed=%ld", o.epochs,
			o.shuffle, o.group, o.seed);
	for (size_t i = 0; i < o.only.n; i++)
		buf_printf(&b, " only=%s", o.only.v[i]);
	if (o.valid)
		buf_printf(&b, " valid=%016llx valid_every=%ld patience=%ld",
			(unsigned long long)valid, o.valid_every, o.patience);
	return buf_str(&b);
}

/* Skip what the checkpoint has seen, and see that it is the same. */
static void
resume(struct run *r)
{
	uint64_t hash = EXAMPLE_HASH_START;
	struct err e;

	if (checkpoint_load(r->checkpoint, &r->t, &r->s, r->options, &e) < 0)
		tool_die(&e);
	r->saved = r->t.step;
	for (uint64_t i = 0; i < r->s.records; i++) {
		enum feed_status status;
		struct example x;

		while ((status = feed_next(r->feed, &x, &e)) == FEED_WAIT && !stop_signal)
			save_signal = 0; /* nothing new to save */
		if (stop_signal)
			tool_fail("stopped by signal %d before a new record", (int)stop_signal);
		if (status == FEED_ERROR)
			tool_die(&e);
		if (status == FEED_END)
			tool_fail("stdin ends after %llu records, but %s has seen %llu",
				(unsigned long long)i, r->checkpoint,
				(unsigned long long)r->s.records);
		hash = example_hash(hash, &x);
		example_release(&x);
	}
	if (hash >> 1 != r->s.hash >> 1)
		tool_fail("the first %llu records differ from those that %s was trained on",
			(unsigned long long)r->s.records, r->checkpoint);
	r->s.hash = hash;
	tool_warn("resumed at step %llu, after %llu records", (unsigned long long)r->t.step,
		(unsigned long long)r->s.records);
}

static size_t
warmup_steps(void)
{
	return (size_t)(o.warmup < 1 ? o.warmup * (double)o.steps + 0.5 : o.warmup);
}

/* --base nf4: the bytes that the model then takes, as words go to `what`. */
static size_t
plan_base(const struct run *r, struct buf *what)
{
	size_t bytes = 0, in_file;
	struct err e;

	if (!o.base)
		return 0;
	if (model_nf4_plan(r->m, o.double_quant, &bytes, &in_file, &e) < 0)
		tool_die(&e);
	buf_printf(what, " in NF4%s (%.1f MB that are %.1f MB in the file)",
		o.double_quant ? ", doubly quantized" : "", (double)bytes * 1e-6,
		(double)in_file * 1e-6);
	return bytes;
}

static void
say_plan(const struct run *r, size_t bytes)
{
	struct buf what = { 0 }, base = { 0 };

	if (r->adapter && r->adapter->prefix.n > 0)
		buf_printf(&what, "a prefix of %zu virtual tokens, %.2f M parameters beside the "
			"%.2f M", r->adapter->prefix.n,
			(double)params_of_adapter(&r->m->c, r->adapter) * 1e-6,
			(double)config_params(&r->m->c) * 1e-6);
	else if (r->adapter)
		buf_printf(&what, "an adapter of rank %zu on %zu matrices, %.2f M parameters "
			"beside the %.2f M", r->adapter->parts[0].rank, r->adapter->n,
			(double)params_of_adapter(&r->m->c, r->adapter) * 1e-6,
			(double)config_params(&r->m->c) * 1e-6);
	else if (o.only.n > 0)
		buf_printf(&what, "%.2f M of the %.2f M parameters",
			(double)params_of_model(&r->m->c, &o.only) * 1e-6,
			(double)config_params(&r->m->c) * 1e-6);
	else
		buf_printf(&what, "all %.2f M parameters",
			(double)config_params(&r->m->c) * 1e-6);
	bytes += plan_base(r, &base);
	tool_warn("training %s of %s%s: %ld %s a step, %s products, %.0f MB", buf_str(&what),
		o.model, buf_str(&base),
		o.batch_tokens ? o.batch_tokens : o.batch, o.batch_tokens ? "tokens" : "records",
		o.products, (double)bytes * 1e-6);
	buf_release(&what);
	buf_release(&base);
}

/* The share of stdin that has been read, where that is a file; else 0. */
static double
share_read(void)
{
	struct stat st;
	off_t at;

	if (o.epochs > 1 || fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode) ||
		st.st_size <= 0)
		return 0;
	at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	return at < 0 || at > st.st_size ? 0 : (double)at / (double)st.st_size;
}

static void
put_duration(struct buf *b, double seconds)
{
	if (seconds < 90)
		buf_printf(b, "; about %.0f s left", seconds);
	else if (seconds < 5400)
		buf_printf(b, "; about %.0f minutes left", seconds / 60);
	else
		buf_printf(b, "; about %.1f hours left", seconds / 3600);
}

/* After the first steps: how long all of them will take, where that can be known. */
static void
say_time(struct run *r)
{
	double seconds = clock_now() - r->start, share = share_read(), left = 0;
	uint64_t done = r->t.step - r->first_step;
	struct buf b = { 0 };

	if (r->told_time || done < 2 || (done < 10 && seconds < 10) ||
		(o.steps && r->t.step >= (uint64_t)o.steps))
		return;
	r->told_time = true;
	buf_printf(&b, "%.0f tokens/s", (double)(r->s.tokens - r->start_tokens) / seconds);
	if (o.steps)
		left = seconds / (double)done * (double)((uint64_t)o.steps - r->t.step);
	else if (share > r->start_share && share < 1)
		left = seconds / (share - r->start_share) * (1 - share);
	if (left > 0)
		put_duration(&b, left);
	else
		buf_puts(&b, "; it ends when the records do");
	progress_clear(&r->progress);
	tool_warn("%s", buf_str(&b));
	buf_release(&b);
}

/* One step on the batch. True when training is over. */
static bool
step(struct run *r)
{
	static const char *const names[] = { "constant", "linear", "cosine" };
	enum schedule kind = SCHEDULE_CONSTANT;
	struct step_stats s;
	struct err e;
	double rate, before = clock_now();

	while (strcmp(names[kind], o.schedule) != 0)
		kind++;
	rate = schedule_rate(kind, o.rate, r->t.step + 1, warmup_steps(), (size_t)o.steps);
	if (trainer_step(&r->t, r->batch, r->n, rate, &s, &e) < 0)
		give_up(r, &e);
	for (size_t i = 0; i < r->n; i++)
		r->s.hash = example_hash(r->s.hash, &r->batch[i]);
	r->s.loss = s.loss;
	r->s.records += r->n;
	r->s.tokens += s.tokens;
	batch_clear(r);
	log_step(r, &s, rate, clock_now() - before);
	say_time(r);
	watch_loss(r, s.loss);
	progress_add(&r->progress, 1);
	if (o.valid && r->t.step % (uint64_t)o.valid_every == 0 && validate(r))
		return true;
	if (o.save_every && r->t.step % (uint64_t)o.save_every == 0)
		save(r);
	return o.steps && r->t.step >= (uint64_t)o.steps;
}

static void
train(struct run *r)
{
	struct err e;
	bool over = o.steps && r->t.step >= (uint64_t)o.steps;

	r->start = clock_now();
	r->start_share = share_read();
	r->first_step = r->t.step;
	r->start_tokens = r->s.tokens;
	progress_init(&r->progress, "steps",
		over || !o.steps ? 0 : (size_t)((uint64_t)o.steps - r->t.step));
	r->progress.on = r->progress.on && !isatty(STDOUT_FILENO); /* the log is progress enough */
	while (!over) {
		int status = fill(r, &e);

		if (status < 0)
			die(r, &e);
		if (save_signal || stop_signal) {
			save(r);
			progress_clear(&r->progress);
			tool_warn("step %llu saved in %s", (unsigned long long)r->t.step,
				r->checkpoint);
			if (stop_signal)
				tool_fail("stopped by signal %d; --resume goes on from there",
					(int)stop_signal);
			save_signal = 0;
			continue;
		}
		if (status == 0)
			break;
		over = step(r);
	}
	if (r->t.step == 0)
		tool_fail("stdin: no records to train on");
	if (o.valid && r->t.step % (uint64_t)o.valid_every != 0)
		validate(r);
	progress_end(&r->progress);
	if (r->blank)
		tool_warn("%zu records of blank texts had nothing to learn", r->blank);
	if (r->skipped += stream_skipped(r->in))
		tool_warn("%zu bad records skipped", r->skipped);
	write_result(r);
	unlink(r->checkpoint); /* the model stands: nothing to resume */
}

static void
release(struct run *r)
{
	struct pool *pool = r->t.pool;

	batch_clear(r);
	free(r->batch);
	if (r->have_held)
		example_release(&r->held);
	for (size_t i = 0; i < r->n_valid; i++)
		example_release(&r->valid[i]);
	free(r->valid);
	free(r->s.best_weights);
	feed_free(r->feed);
	stream_free(r->in);
	trainer_release(&r->t); /* its scratch is per thread of the pool */
	pool_free(pool);
	adapter_free(r->adapter);
	model_free(r->m);
	free(r->checkpoint);
	free(r->options);
	free(o.only.v);
}

static void
put_tokens(struct buf *b, const char *name, const struct tokenizer *t, const struct example *x,
	size_t from, size_t to)
{
	struct buf text = { 0 };

	for (size_t i = from; i < to; i++)
		tokenizer_decode(t, x->ids[i], i == 0, true, &text);
	buf_printf(b, "\"%s\":", name);
	json_put_text(b, buf_str(&text), text.len);
	buf_release(&text);
}

/* What training would see, record by record. */
static void
show_mask(struct run *r)
{
	enum feed_status status;
	struct buf b = { 0 };
	struct example x;
	struct err e;

	while ((status = feed_next(r->feed, &x, &e)) == FEED_EXAMPLE) {
		buf_putc(&b, '{');
		put_tokens(&b, "given", r->m->tok, &x, 0, x.loss_from);
		buf_putc(&b, ',');
		put_tokens(&b, "trained", r->m->tok, &x, x.loss_from, x.n);
		buf_printf(&b, ",\"tokens\":%zu,\"targets\":%zu}", x.n, example_targets(&x));
		if (stream_write_json(r->in, b.data, b.len, &e) < 0)
			tool_die(&e);
		buf_clear(&b);
		example_release(&x);
	}
	if (status == FEED_ERROR)
		tool_die(&e);
	buf_release(&b);
}

/* Better now than after hours: can both files be written, and would no older run be lost? */
static void
check_files(struct run *r)
{
	struct buf path = { 0 };
	struct err e;

	buf_puts(&path, o.checkpoint ? o.checkpoint : o.out);
	while (!o.checkpoint && path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	if (!o.checkpoint)
		buf_puts(&path, ".checkpoint");
	r->checkpoint = buf_str(&path);
	if ((!(to_folder() && (o.lora || o.prefix || o.adapter)) &&
	    file_out_check(o.out, &e) < 0) ||
		file_out_check(r->checkpoint, &e) < 0)
		tool_die(&e);
	if (!o.resume && access(r->checkpoint, F_OK) == 0)
		tool_fail("%s: a run did not end: --resume goes on, removing it begins anew",
			r->checkpoint);
}

/* Recipes: option by option, as they would stand on the command line. */
struct preset {
	const char *option, *value;
};

/* SR_LLM (Raza et al. 2024), as its text has them. */
static const struct preset sr_llm[] = {
	{ "lora", "64" }, { "alpha", "16" }, { "dropout", "0.2" }, { "rate", "2e-4" },
	{ "schedule", "constant" }, { "warmup", "0.03" }, { "clip", "0.3" }, { "beta1", "0.9" },
	{ "beta2", "0.999" }, { "weight-decay", "0.001" }, { "batch", "16" },
	{ "epochs", "1" }, { "max-tokens", "1024" }, { "valid-every", "25" },
	{ "patience", "3" },
	{ NULL, NULL },
};

static const struct {
	const char *name;
	const struct preset *presets;
} recipes[] = { { "sr-llm", sr_llm } };

/* --recipe, wherever it stands: its settings come first, so that the options override them. */
static void
take_recipe(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *name = strncmp(argv[i], "--recipe=", 9) == 0 ? argv[i] + 9 :
			strcmp(argv[i], "--recipe") == 0 && i + 1 < argc ? argv[i + 1] : "";

		for (size_t k = 0; k < sizeof recipes / sizeof *recipes; k++)
			for (const struct preset *p = recipes[k].presets;
				strcmp(recipes[k].name, name) == 0 && p->option; p++)
				tool_preset(&tool, p->option, p->value);
	}
}

/* A new prefix begins as words of the vocabulary, which does better than numbers out of nowhere (Li
 * and Liang 2021, section 7.4). */
static struct adapter *
new_prefix(const struct model *m, struct err *e)
{
	int *ids = mem_alloc((size_t)o.prefix, sizeof *ids);
	struct adapter *a;
	struct rng r;

	rng_seed(&r, (uint64_t)o.seed);
	for (long i = 0; i < o.prefix; i++)
		do
			ids[i] = (int)rng_below(&r, m->c.n_vocab);
		while (tokenizer_ends(m->tok, ids[i]));
	a = adapter_make_prefix(m, ids, (size_t)o.prefix, (int)o.threads, e);
	if (a && o.prefix_mlp)
		prefix_add_mlp(a, &m->c, (size_t)o.prefix_mlp, (uint64_t)o.seed);
	free(ids);
	return a;
}

/* The adapter to train: NULL for none. */
static struct adapter *
wanted_adapter(const struct model *m)
{
	struct adapter *a = NULL;
	struct err e;

	if (!o.adapter && !o.lora && !o.prefix)
		return NULL;
	if (o.prefix)
		a = new_prefix(m, &e);
	else if (o.adapter)
		a = adapter_open(o.adapter, m, &e);
	else
		a = adapter_make(m, targets(), (size_t)o.lora,
			o.alpha > 0 ? o.alpha : (double)o.lora, o.rslora, (uint64_t)o.seed, &e);
	if (!a)
		tool_die(&e);
	if (a->prefix.n > 0 && o.dropout > 0 && !o.recipe)
		tool_usage("--dropout is of LoRA, this is a prefix");
	return a;
}

/* What is trained: one thing, and options of that alone. */
static void
check_method(void)
{
	bool adapts;

	if (o.recipe && (o.adapter || o.prefix))
		o.lora = 0, o.alpha = 0; /* the recipe's of another adapter */
	adapts = o.lora || o.prefix || o.adapter;
	if (o.only.n > 0 && adapts)
		tool_usage("--train-only trains tensors of the model, %s an adapter: which?",
			o.recipe ? "--recipe" : o.lora ? "--lora" : o.prefix ? "--prefix" : "-a");
	if (o.adapter && (o.lora || o.prefix))
		tool_usage("%s makes an adapter, -a goes on with one: which?",
			o.lora ? "--lora" : "--prefix");
	if (o.lora && o.prefix)
		tool_usage("--lora makes one adapter, --prefix another: which?");
	if (o.prefix_mlp && !o.prefix)
		tool_usage("--prefix-mlp is of a new prefix: --prefix N");
	if (o.adapter && (o.alpha > 0 || o.rslora || o.targets))
		tool_usage("--alpha, --rslora and --targets are of a new adapter, -a goes on with "
			"one as it is");
	if (o.base && !adapts)
		tool_usage("--base nf4 is frozen: it goes with an adapter, --lora R, --prefix N or "
			"-a");
	if (o.double_quant && !o.base)
		tool_usage("--double-quant is of --base nf4");
	if (!o.lora && !o.adapter && (o.alpha > 0 || o.dropout > 0 || o.rslora || o.targets))
		tool_usage("--alpha, --dropout, --rslora and --targets are of LoRA: --lora R");
}

int
main(int argc, char **argv)
{
	struct run r = { .s = { .hash = EXAMPLE_HASH_START, .best = INFINITY,
		.lowest = INFINITY } };
	struct trainer_opts to;
	struct pool *pool;
	size_t bytes;
	struct err e;

	take_recipe(argc, argv);
	tool_init(&tool, &argc, &argv);
	if (argc > 0)
		tool_usage("what is '%s'? records come on stdin", argv[0]);
	if (!o.model || (!o.out && !o.dry_run && !o.show_mask))
		tool_usage("%s is needed", o.model ? "-o FILE" : "-m MODEL");
	check_method();
	if (!o.steps && (strcmp(o.schedule, "constant") != 0 || (o.warmup > 0 && o.warmup < 1)))
		tool_usage("%s needs --steps%s",
			o.warmup > 0 && o.warmup < 1 ? "a share of warm-up" : o.schedule,
			o.recipe ? " (or --warmup in steps)" : "");
	if (!o.dry_run && !o.show_mask)
		check_files(&r);
	r.m = model_open(o.model, &e);
	if (!r.m)
		tool_die(&e);
	if (params_check(&r.m->c, &o.only, &e) < 0)
		tool_die(&e);
	open_feed(&r);
	if (o.show_mask) {
		r.in = stream_open(&o.stream, stdin, stdout, "stdin", &e);
		if (!r.in)
			tool_die(&e);
		show_mask(&r);
		release(&r);
		return tool_finish();
	}
	r.adapter = wanted_adapter(r.m);
	if (strcmp(o.products, "auto") == 0)
		o.products = gemm_bf16_here() ? "bf16" : "f32";
	else if (strcmp(o.products, "bf16") == 0 && !gemm_bf16_here())
		tool_fail("no bf16 products here (%s): use --products f32", gemm_backend());
	if (strcmp(o.products, "f32") == 0)
		setenv("SR_PRODUCTS", "f32", 1); /* of weights in the types of files as well */
	to = (struct trainer_opts){ o.beta1, o.beta2, 1e-8, o.weight_decay, o.clip,
		(size_t)o.pass_tokens, strcmp(o.products, "bf16") == 0, o.dropout,
		(uint64_t)o.seed, o.recompute, &o.only };
	bytes = trainer_bytes(&r.m->c, r.adapter, &to);
	if (o.valid)
		bytes += (r.adapter ? params_of_adapter(&r.m->c, r.adapter) :
				      params_of_model(&r.m->c, &o.only)) * sizeof *r.s.best_weights;
	say_plan(&r, bytes);
	if (o.dry_run) {
		feed_free(r.feed);
		adapter_free(r.adapter);
		model_free(r.m);
		free(o.only.v);
		return tool_finish();
	}
	pool = pool_new((int)o.threads);
	r.in = stream_open(&o.stream, stdin, stdout, "stdin", &e);
	if (!r.in || (o.base && model_to_nf4(r.m, o.double_quant, pool, &e) < 0) ||
	    trainer_init(&r.t, r.m, r.adapter, &to, pool, &e) < 0)
		tool_die(&e);
	if (o.valid) {
		read_valid(&r);
		r.s.best_weights = mem_try(r.t.p.n, sizeof *r.s.best_weights);
		if (!r.s.best_weights)
			mem_out();
	}
	r.options = describe_options(&r);
	catch_signals();
	if (o.resume && access(r.checkpoint, F_OK) == 0)
		resume(&r);
	train(&r);
	release(&r);
	return tool_finish();
}
