/* A tool's frame: its name, its options from one table that also prints --help, its messages and
 * its end.
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		static const struct opt opts[] = { ..., OPT_END };
 *		static const struct tool tool = { "sr-embed", "[FILE]", "about", "examples", opts };
 *
 *		tool_init(&tool, &argc, &argv);
 *		...
 *		return tool_finish();
 *	}
 *
 * This is the only part of common/ that prints and exits; only tools/ call it. */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum opt_kind {
	OPT_FLAG, /* bool *: --name sets it, --no-name clears it */
	OPT_TEXT, /* const char ** */
	OPT_MAYBE, /* const char **: --name sets "", --name=value the value */
	OPT_INT,  /* long *, within min..max when max > min */
	OPT_REAL, /* double *, within min..max when max > min */
	OPT_LIST, /* struct opt_list *: may be given several times */
	OPT_PICK, /* const char **: one of `choices`, names parted by '|' */
};

struct opt_list {
	const char **v;
	size_t n;
};

struct opt {
	int letter;          /* 0 for none */
	const char *name;    /* NULL for none */
	enum opt_kind kind;
	void *to;
	const char *arg;     /* what --help calls the value; for OPT_PICK the choices "a|b|c" */
	const char *help;    /* one line; %d-style defaults are written out by hand */
	double min, max;
};

#define OPT_END { 0, NULL, OPT_FLAG, NULL, NULL, NULL, 0, 0 }

struct tool {
	const char *name;     /* "sr-embed" */
	const char *synopsis; /* "[OPTIONS] [FILE]" */
	const char *about;    /* a sentence or two */
	const char *examples; /* real pipe lines, one a line */
	const struct opt *opts;
};

/* Set up SIGPIPE's default, parse and remove the options: *argv then starts at the first operand
 * and *argc counts operands. Handles --help, --version (exit 0), a bad option or value (one line,
 * exit 2), "--". */
void tool_init(const struct tool *t, int *argc, char ***argv);
/* Set an option as the command line would, before tool_init and what stands there. */
void tool_preset(const struct tool *t, const char *name, const char *value);
/* Exit 2 with "NAME: message" and a pointer to --help. */
_Noreturn void tool_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Exit 1 with "NAME: message". */
_Noreturn void tool_die(const struct err *e);
_Noreturn void tool_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "NAME: message" on stderr, and go on. */
void tool_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Flush and close stdout; a full disk or a closed pipe is a failure. The exit status: 0, or 1. */
int tool_finish(void);

#endif
