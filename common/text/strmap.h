/* A map from byte strings to numbers, open addressing over FNV-1a. Keys are borrowed: they must
 * live as long as the map. Nothing is ever removed; once filled it may be read by many threads. */
#ifndef TEXT_STRMAP_H
#define TEXT_STRMAP_H

#include <stddef.h>
#include <stdint.h>

struct strmap_slot {
	const char *key; /* NULL: empty */
	uint32_t len, hash;
	uint64_t value;
};

struct strmap {
	struct strmap_slot *slots;
	size_t n, cap; /* cap is 0 or a power of two */
};

void strmap_release(struct strmap *m);
/* The key's slot; a new one starts with value 0 and *fresh set, and keeps the pointer `key`. */
struct strmap_slot *strmap_put(struct strmap *m, const char *key, size_t len, _Bool *fresh);
/* NULL when the key is not there. */
const struct strmap_slot *strmap_get(const struct strmap *m, const char *key, size_t len);

#endif
