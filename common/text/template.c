#include "text/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Our own: control tokens alone, as the embedded model was trained. */
#define SR(name) "[[<|text|>]]{text}[[<|" name "|>]]"

/* SR_LLM's in Llama 2's chat form: the system block inside the first turn, a real end. */
#define SYSTEM "<<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n"
#define SR_LLM(instruction) \
	"[[bos]][INST] " SYSTEM "{shots|}{instruction|" instruction "}: \"{text}\" [/INST]"

#define PLAIN(instruction, answer) \
	"{instruction|" instruction "}\n\n{shots|}Text: {text}\n" answer ":"

#define VALUES(...) (const char *const[]) { __VA_ARGS__, NULL }
#define SAFETY(b) VALUES(b "unsafe", b "benign")
#define BIAS(b) VALUES(b "yes", b "no")
#define TOXICITY(b) VALUES(b "no", b "mild", b "high")
#define SENTIMENT(b) VALUES(b "neg", b "neu", b "pos")
#define HARM(b) VALUES(b "low", b "med", b "high")

static const struct task sr_tasks[] = {
	{ "rewrite", SR("rewrite"), NULL },
	{ "safety", SR("safety"), SAFETY("") },
	{ "bias", SR("bias"), BIAS("") },
	{ "toxicity", SR("toxicity"), TOXICITY("") },
	{ "sentiment", SR("sentiment"), SENTIMENT("") },
	{ "harm", SR("harm"), HARM("") },
	{ NULL, NULL, NULL },
};

static const struct task sr_llm_tasks[] = {
	{ "rewrite", SR_LLM("Debias this text by rephrasing it to be free of bias and toxicity "
		"while keeping its meaning"), NULL },
	{ "safety", SR_LLM("Is this text unsafe (biased, toxic, stereotyping or harmful) or "
		"benign? Answer unsafe or benign"), SAFETY(" ") },
	{ "bias", SR_LLM("Is this text biased against a group of people? "
		"Answer yes or no"), BIAS(" ") },
	{ "toxicity", SR_LLM("How toxic is this text? "
		"Answer no, mild or high"), TOXICITY(" ") },
	{ "sentiment", SR_LLM("Is the sentiment of this text negative, neutral or positive? "
		"Answer neg, neu or pos"), SENTIMENT(" ") },
	{ "harm", SR_LLM("How much harm could this text do? "
		"Answer low, med or high"), HARM(" ") },
	{ NULL, NULL, NULL },
};

static const struct task plain_tasks[] = {
	{ "rewrite", PLAIN("Rewrite the text so that it says the same thing without bias, insults "
		"or stereotypes.", "Rewrite"), NULL },
	{ "safety", PLAIN("Is the text unsafe (biased, toxic, stereotyping or harmful) or benign? "
		"Answer with \"unsafe\" or \"benign\".", "Answer"), SAFETY(" ") },
	{ "bias", PLAIN("Is the text biased against a group of people? "
		"Answer with \"yes\" or \"no\".", "Answer"), BIAS(" ") },
	{ "toxicity", PLAIN("How toxic is the text? "
		"Answer with \"no\", \"mild\" or \"high\".", "Answer"), TOXICITY(" ") },
	{ "sentiment", PLAIN("Is the sentiment of the text negative, neutral or positive? "
		"Answer with \"neg\", \"neu\" or \"pos\".", "Answer"), SENTIMENT(" ") },
	{ "harm", PLAIN("How much harm could the text do? "
		"Answer with \"low\", \"med\" or \"high\".", "Answer"), HARM(" ") },
	{ NULL, NULL, NULL },
};

static const struct template templates[] = {
	{ "sr", "control tokens, as the embedded model was trained", sr_tasks,
		"", "[[eos]]" },
	{ "sr-llm", "SR_LLM's instruction in Llama 2's chat form", sr_llm_tasks,
		" ", " [[eos]][[bos]][INST] " },
	{ "plain", "an instruction in plain words, for any model", plain_tasks,
		" ", "\n\n" },
};

/* Prompts. */

void
prompt_release(struct prompt *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].text);
	free(p->v);
	*p = (struct prompt){ 0 };
}

void
prompt_add(struct prompt *p, bool control, const char *text, size_t len)
{
	struct segment *last = p->n ? &p->v[p->n - 1] : NULL;

	if (!len)
		return;
	if (last && !control && !last->control) {
		last->text = mem_grow(last->text, last->len + len + 1, 1);
		memcpy(last->text + last->len, text, len);
		last->len += len;
		last->text[last->len] = '\0';
		return;
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 8;
		p->v = mem_grow(p->v, p->cap, sizeof *p->v);
	}
	p->v[p->n++] = (struct segment){ control, mem_dup(text, len), len };
}

void
prompt_to_json(const struct prompt *p, struct buf *out)
{
	if (!p->n || (p->n == 1 && !p->v[0].control)) {
		json_put_text(out, p->n ? p->v[0].text : "", p->n ? p->v[0].len : 0);
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		buf_puts(out, i ? "," : "[");
		if (p->v[i].control)
			buf_puts(out, "{\"control\":");
		json_put_text(out, p->v[i].text, p->v[i].len);
		if (p->v[i].control)
			buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static int
add_json(struct prompt *p, const struct json *j, struct err *e)
{
	const struct json *name = json_get(j, "control");
	size_t len;
	const char *text = json_text(name ? name : j, &len);

	if (!text || (name && !len))
		return err_set(
			e, "a prompt is a string or an array of strings and {\"control\": NAME}");
	prompt_add(p, name != NULL, text, len);
	return 0;
}

int
prompt_from_json(struct prompt *p, const char *json, size_t len, struct err *e)
{
	struct json *j = json_parse(json, len, e);
	int status = 0;

	if (!j)
		return err_prefix(e, "prompt");
	if (json_is_array(j)) {
		for (size_t i = 0; i < json_len(j) && !status; i++)
			status = add_json(p, json_at(j, i), e);
	} else if (json_is_object(j)) {
		status = err_set(e, "a prompt is a string or an array of segments, not an object");
	} else {
		status = add_json(p, j, e);
	}
	json_free(j);
	if (status)
		prompt_release(p);
	return status;
}

/* "bos" and "eos", which a model may lack. */
static bool
may_lack(const struct segment *s)
{
	return s->len == 3 && (!memcmp(s->text, "bos", 3) || !memcmp(s->text, "eos", 3));
}

int
prompt_encode(const struct prompt *p, const struct tokenizer *t, struct ids *out, struct err *e)
{
	bool plain = true;

	for (size_t i = 0; i < p->n; i++)
		plain = plain && !p->v[i].control;
	if (plain && tokenizer_add_bos(t))
		ids_add(out, tokenizer_bos(t));
	for (size_t i = 0; i < p->n; i++) {
		const struct segment *s = &p->v[i];
		int id;

		if (!s->control) {
			tokenizer_encode(
				t, s->text, s->len, tokenizer_starts(t, out->v, out->n), out);
			continue;
		}
		id = tokenizer_control(t, s->text, s->len);
		if (id >= 0)
			ids_add(out, id);
		else if (!may_lack(s))
			return err_set(e, "the vocabulary has no control token %.*s",
				(int)(s->len < 100 ? s->len : 100), s->text);
	}
	return 0;
}

/* Templates. */

const struct template *
template_at(size_t i)
{
	return i < sizeof templates / sizeof *templates ? &templates[i] : NULL;
}

const struct template *
template_named(const char *name)
{
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
		if (!strcmp(templates[i].name, name))
			return &templates[i];
	return NULL;
}

const struct task *
template_task(const struct template *t, const char *task)
{
	for (const struct task *k = t->tasks; k->name; k++)
		if (!strcmp(k->name, task))
			return k;
	return NULL;
}

typedef const char *value_fn(void *arg, const char *role, size_t *len);

/* "{role}" or "{role|default}" of `len` bytes without its braces. */
static int
fill_placeholder(
	const char *s, size_t len, value_fn *value, void *arg, struct prompt *out, struct err *e)
{
	const char *bar = memchr(s, '|', len), *text;
	char *role = mem_dup(s, bar ? (size_t)(bar - s) : len);
	size_t n = 0;
	int status = 0;

	text = value(arg, role, &n);
	if (text)
		prompt_add(out, false, text, n);
	else if (bar)
		prompt_add(out, false, bar + 1, len - (size_t)(bar + 1 - s));
	else
		status = err_set(e, "the template wants a %s, which is not there",
			*role ? role : "nameless value");
	free(role);
	return status;
}

/* Fill source[0..len). */
static int
fill(const char *source, size_t len, value_fn *value, void *arg, struct prompt *out, struct err *e)
{
	const char *s = source, *end = source + len, *close;

	while (s < end) {
		size_t left = (size_t)(end - s);

		if (*s == '{') {
			close = memchr(s, '}', left);
			if (!close)
				return err_set(e, "a template's { has no } behind it");
			if (fill_placeholder(s + 1, (size_t)(close - s - 1), value, arg, out, e))
				return -1;
			s = close + 1;
		} else if (left >= 2 && s[0] == '[' && s[1] == '[') {
			close = memmem(s + 2, left - 2, "]]", 2);
			if (!close || close == s + 2)
				return err_set(e, "a template's [[ has no NAME]] behind it");
			prompt_add(out, true, s + 2, (size_t)(close - s - 2));
			s = close + 2;
		} else {
			size_t n = 1;

			while (n < left && s[n] != '{' && s[n] != '[')
				n++;
			prompt_add(out, false, s, n);
			s += n;
		}
	}
	return 0;
}

int
template_fill(const char *source, value_fn *value, void *arg, struct prompt *out, struct err *e)
{
	return fill(source, strlen(source), value, arg, out, e);
}

/* What task_prompt knows about one text. */
struct values {
	const char *text, *instruction;
	size_t len;
};

static const char *
role_value(void *arg, const char *role, size_t *len)
{
	const struct values *v = arg;

	if (!strcmp(role, "text")) {
		*len = v->len;
		return v->text;
	}
	if (!strcmp(role, "instruction") && v->instruction) {
		*len = strlen(v->instruction);
		return v->instruction;
	}
	return NULL;
}

/* One worked example: the prompt from where examples stand, the answer, and what ends it. */
static int
add_shot(const struct template *t, const struct task *k, const char *source, const struct shot *s,
	const char *instruction, struct prompt *out, struct err *e)
{
	struct values v = { s->text, instruction, s->text_len };
	struct buf answer = { 0 };
	int status = template_fill(source, role_value, &v, out, e);

	if (!status)
		status = task_answer(t, k, s->answer, s->answer_len, &answer, e);
	if (!status) {
		prompt_add(out, false, answer.data, answer.len);
		status = template_fill(t->shot_end, role_value, &v, out, e);
	}
	buf_release(&answer);
	return status;
}

int
task_prompt(const struct template *t, const struct task *k, const struct shot *shots,
	size_t n_shots, const char *instruction, const char *text, size_t len, struct prompt *out,
	struct err *e)
{
	static const char mark[] = "{shots|}";
	const char *place = strstr(k->prompt, mark),
		   *rest = place ? place + strlen(mark) : k->prompt;
	struct values v = { text, instruction, len };

	if (instruction && !strstr(k->prompt, "{instruction"))
		return err_set(e, "template %s takes no instruction", t->name);
	if (place && fill(k->prompt, (size_t)(place - k->prompt), role_value, &v, out, e))
		return -1;
	for (size_t i = 0; i < n_shots; i++)
		if (add_shot(t, k, rest, &shots[i], instruction, out, e))
			return -1;
	return template_fill(rest, role_value, &v, out, e);
}

int
task_answer(const struct template *t, const struct task *k, const char *answer, size_t len,
	struct buf *out, struct err *e)
{
	if (!k->values) {
		buf_puts(out, t->lead);
		buf_add(out, answer, len);
		return 0;
	}
	for (size_t i = 0; k->values[i]; i++) {
		const char *name = k->values[i] + (*k->values[i] == ' ');

		if (strlen(name) == len && !memcmp(name, answer, len)) {
			buf_puts(out, k->values[i]);
			return 0;
		}
	}
	return err_set(e, "'%.*s' is no value of %s", (int)(len < 40 ? len : 40), answer, k->name);
}
