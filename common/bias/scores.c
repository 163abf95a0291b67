#include "bias/scores.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void
scores_set(struct record *r, const char *name, const char *json, size_t len)
{
	struct json_span *spans = NULL;
	struct buf b = { 0 };
	size_t n_old, n, cap = 0, close, i;
	const char *old = record_json(r, "scores", &n_old);

	buf_putc(&b, '{');
	if (old && !json_spans(old, n_old, &spans, &n, &cap, &close, NULL))
		for (i = 0; i < n; i++) {
			const struct json_span *s = &spans[i];

			if (s->key_len == strlen(name) + 2 &&
				!memcmp(old + s->key + 1, name, strlen(name)))
				continue;
			buf_add(&b, old + s->key, s->key_len);
			buf_putc(&b, ':');
			buf_add(&b, old + s->value, s->value_len);
			buf_putc(&b, ',');
		}
	buf_printf(&b, "\"%s\":", name);
	buf_add(&b, json, len);
	buf_putc(&b, '}');
	record_set_json(r, "scores", b.data, b.len);
	buf_release(&b);
	free(spans);
}
