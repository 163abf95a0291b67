#include "infer/input.h"

#include <string.h>

#include "base/json.h"
#include "text/template.h"

/* The array of token ids in `tokens`: 1, 0 when there is none, -1 when it is no such array. */
static int
tokens_of(struct record *r, const struct model *m, struct ids *out, struct err *e)
{
	size_t len;
	const char *text = record_json(r, "tokens", &len);
	struct json *j;
	struct err why;
	int status = 1;

	if (!text)
		return 0;
	if (!(j = json_parse(text, len, &why)))
		return record_err(r, e, "tokens: %s", why.msg);
	if (!json_is_array(j))
		status = record_err(r, e, "the tokens are no array");
	for (size_t i = 0; status == 1 && i < json_len(j); i++) {
		long long id;

		if (!json_int(json_at(j, i), &id))
			status = record_err(r, e, "token %zu is no integer", i);
		else if (id < 0 || (unsigned long long)id >= m->c.n_vocab)
			status = record_err(
				r, e, "token %lld is not among the model's %zu", id, m->c.n_vocab);
		else
			ids_add(out, (int)id);
	}
	json_free(j);
	return status;
}

static int
encode_prompt(const char *json, size_t len, const struct model *m, struct ids *out, struct err *e)
{
	struct prompt p = { 0 };
	int status = prompt_from_json(&p, json, len, e);

	if (status == 0)
		status = prompt_encode(&p, m->tok, out, e);
	prompt_release(&p);
	return status;
}

int
input_prompt(struct record *r, const struct model *m, struct ids *out, struct err *e)
{
	size_t len, first = out->n;
	const char *text = record_json(r, "prompt", &len);
	struct json *j;
	struct err why;
	long long from;
	int status;

	if (text)
		return encode_prompt(text, len, m, out, &why) < 0 ? record_err(r, e, "%s", why.msg)
								  : 0;
	status = tokens_of(r, m, out, e);
	if (status <= 0)
		return status < 0 ? -1 : record_err(r, e, "neither a 'prompt' nor 'tokens'");
	if ((text = record_json(r, "loss_from", &len)) && (j = json_parse(text, len, NULL))) {
		if (json_int(j, &from) && from > 0 && (unsigned long long)from < out->n - first)
			out->n = first + (size_t)from;
		json_free(j);
	}
	return 0;
}

int
input_text(struct record *r, const struct model *m, bool bos, struct ids *out, struct err *e)
{
	int status = tokens_of(r, m, out, e), id = tokenizer_bos(m->tok);
	const char *text;
	size_t len;

	if (status < 0)
		return -1;
	if (status == 0) {
		if (!(text = record_need(r, "text", &len, e)))
			return -1;
		if (bos)
			ids_add(out, id);
		tokenizer_encode(m->tok, text, len, true, out);
	} else if (bos && (out->n == 0 || out->v[0] != id)) {
		ids_add(out, id);
		memmove(out->v + 1, out->v, (out->n - 1) * sizeof *out->v);
		out->v[0] = id;
	}
	return 0;
}
