/* Prompt templates. A prompt is a row of segments, each either text (never parsed for control tokens) or the name of
 * a control token. In a record it is a JSON string when there is only text, else an array:
 *	["plain text", {"control": "<|rewrite|>"}, ...]
 * A template is a string of literal text, {ROLE} placeholders and control tokens in double brackets: "[[<|text|>]]{text}[[<|rewrite|>]]"; "[[bos]]" and
 * "[[eos]]" name the model's own and vanish for a model without. */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "text/tokenizer.h"

struct segment {
	bool control;
	char *text;
	size_t len;
};

struct prompt {
	struct segment *v;
	size_t n, cap;
};

void prompt_release(struct prompt *p);
void prompt_add(struct prompt *p, bool control, const char *text, size_t len); /* neighbouring texts are joined */
/* To and from the JSON form of a record's `prompt` field. */
void prompt_to_json(const struct prompt *p, struct buf *out);
int prompt_from_json(struct prompt *p, const char *json, size_t len, struct err *e);
/* Token ids. A prompt of plain text alone gets the model's BOS where its vocabulary says so (add_bos); one with control
 * tokens says everything itself. A control token that the vocabulary lacks is an error that names it. */
int prompt_encode(const struct prompt *p, const struct tokenizer *t, struct ids *out, struct err *e);

/* One way of asking for one thing: the template and, for classification tasks, the continuations to choose from. */
struct task {
	const char *name;           /* "rewrite", "safety", "bias", "toxicity", "sentiment", "harm" */
	const char *prompt;         /* template source */
	const char *const *values;  /* continuations, NULL-ended; NULL for free text. For safety: unsafe first */
};

struct template {
	const char *name;           /* "sr", "sr-llm", "plain" */
	const char *about;
	const struct task *tasks;   /* ended by a NULL name */
	const char *shot;           /* how a worked example stands before the prompt; NULL: the prompt, then the answer, then a blank line */
};

/* By name; NULL when unknown. template_at walks all (NULL at the end). */
const struct template *template_named(const char *name);
const struct template *template_at(size_t i);
const struct task *template_task(const struct template *t, const char *task);
/* Fill a template source: `value(arg, role, &len)` gives a placeholder's text, or NULL, which is an error naming it. */
int template_fill(const char *source, const char *(*value)(void *arg, const char *role, size_t *len), void *arg, struct prompt *out, struct err *e);

#endif
