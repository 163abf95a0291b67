#include "text/strmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static uint32_t
hash_bytes(const char *s, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

/* The slot of the key, or the empty one where it belongs. */
static struct strmap_slot *
find(const struct strmap *m, const char *key, size_t len, uint32_t hash)
{
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct strmap_slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && s->len == len && !memcmp(s->key, key, len)))
			return s;
	}
}

static void
grow(struct strmap *m)
{
	struct strmap old = *m;

	m->cap = old.cap ? old.cap * 2 : 64;
	m->slots = mem_alloc(m->cap, sizeof *m->slots);
	for (size_t i = 0; i < old.cap; i++) {
		struct strmap_slot *s = &old.slots[i];

		if (s->key)
			*find(m, s->key, s->len, s->hash) = *s;
	}
	free(old.slots);
}

void
strmap_release(struct strmap *m)
{
	free(m->slots);
	*m = (struct strmap){ 0 };
}

struct strmap_slot *
strmap_put(struct strmap *m, const char *key, size_t len, _Bool *fresh)
{
	uint32_t hash = hash_bytes(key, len);
	struct strmap_slot *s;

	if (m->n * 2 >= m->cap)
		grow(m);
	s = find(m, key, len, hash);
	*fresh = !s->key;
	if (*fresh) {
		*s = (struct strmap_slot){ .key = key, .len = (uint32_t)len, .hash = hash };
		m->n++;
	}
	return s;
}

const struct strmap_slot *
strmap_get(const struct strmap *m, const char *key, size_t len)
{
	const struct strmap_slot *s;

	if (!m->cap)
		return NULL;
	s = find(m, key, len, hash_bytes(key, len));
	return s->key ? s : NULL;
}
