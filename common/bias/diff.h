/* The difference of two texts by words, as `git diff --word-diff` shows it.
 *
 * Tokens are words (letters, digits, apostrophes, everything outside ASCII), runs of blanks, and
 * single signs. What stays is a longest common subsequence in which words count more than signs and
 * signs more than blanks; a stay of blanks alone between two changes joins them. Texts whose
 * changed middles are so long that the table would not fit (4 million pairs of tokens) are shown as
 * one change. */
#ifndef BIAS_DIFF_H
#define BIAS_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

enum diff_op { DIFF_SAME, DIFF_OLD, DIFF_NEW };

/* A piece of the old text (DIFF_SAME, DIFF_OLD) or of the new one (DIFF_NEW). */
struct diff_part {
	enum diff_op op;
	const char *s;
	size_t n;
};

/* The parts in order, at most one DIFF_OLD and then one DIFF_NEW between two DIFF_SAME; free() the
 * array. SAME and OLD parts joined are `a`, SAME and NEW parts joined are `b`. Returns their
 * number. */
size_t diff_words(const char *a, size_t n_a, const char *b, size_t n_b, struct diff_part **parts);

/* Append the difference for a reader: [-old-]{+new+}, or with `colour` in red and green for a
 * terminal, where the texts then go through diff_visible. */
void diff_show(struct buf *out, const char *a, size_t n_a, const char *b, size_t n_b, bool colour);

/* Append text for a terminal: control characters (C0, C1, DEL) other than newline and tab as ^X or
 * <9b>. */
void diff_visible(struct buf *out, const char *s, size_t n);

#endif
