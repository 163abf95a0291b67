/* The one rule of what UTF-8 is: Unicode's table 3-7 (no overlong forms, no surrogates, nothing
 * above U+10FFFF); an ill-formed sequence ends where it can no longer become a character (the
 * "maximal subpart" of Unicode 3.9, as web browsers and Python replace it). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length (1..4) of the sequence at s, len > 0: a character where *ok, else bytes to replace
 * as one. */
size_t utf8_step(const char *s, size_t len, bool *ok);

#endif
