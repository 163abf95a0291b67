#include "base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef SR_VERSION
#define SR_VERSION "unknown"
#endif

static const struct tool *tool;

static void
say(const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: ", tool ? tool->name : "sr");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

_Noreturn void
tool_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help'.\n", tool->name);
	exit(2);
}

_Noreturn void
tool_die(const struct err *e)
{
	tool_fail("%s", e->msg);
}

_Noreturn void
tool_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	exit(1);
}

void
tool_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int
tool_finish(void)
{
	bool bad = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !bad)
		return 0;
	tool_warn("cannot write to stdout%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
	return 1;
}

/* The left column of --help: "-i, --input lines|csv" */
static void
help_name(const struct opt *o, struct buf *b)
{
	buf_clear(b);
	if (o->letter)
		buf_printf(b, "-%c%s", o->letter, o->name ? ", " : "");
	else
		buf_puts(b, "    ");
	if (o->name)
		buf_printf(b, "--%s", o->name);
	if (o->kind == OPT_MAYBE)
		buf_printf(b, "[=%s]", o->arg);
	else if (o->kind != OPT_FLAG)
		buf_printf(b, " %s", o->arg ? o->arg : "VALUE");
}

static bool
last(const struct opt *o)
{
	return !o->letter && !o->name;
}

/* A text that may hold several lines, each indented. */
static void
help_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		printf("  %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static _Noreturn void
help(void)
{
	const size_t widest = 30; /* a longer name pushes its text to the next line */
	struct buf b = { 0 };
	size_t width = 13; /* "    --version" */

	for (const struct opt *o = tool->opts; !last(o); o++) {
		help_name(o, &b);
		if (b.len > width && b.len <= widest)
			width = b.len;
	}
	printf("usage: %s %s\n", tool->name, tool->synopsis);
	if (tool->about)
		printf("\n%s\n", tool->about);
	printf("\noptions:\n");
	for (const struct opt *o = tool->opts; !last(o); o++) {
		help_name(o, &b);
		if (b.len > width)
			printf("  %s\n  %*s", buf_str(&b), (int)width, "");
		else
			printf("  %-*s", (int)width, buf_str(&b));
		printf("  %s\n", o->help);
	}
	printf("  %-*s  print this and exit\n", (int)width, "    --help");
	printf("  %-*s  print the version and exit\n", (int)width, "    --version");
	if (tool->examples) {
		printf("\nexamples:\n");
		help_lines(tool->examples);
	}
	buf_release(&b);
	exit(tool_finish());
}

/* How messages call an option. */
static const char *
called(const struct opt *o)
{
	static char s[64];

	if (o->name)
		snprintf(s, sizeof s, "--%s", o->name);
	else
		snprintf(s, sizeof s, "-%c", o->letter);
	return s;
}

static void
set_int(const struct opt *o, const char *value)
{
	char *end;
	long x;

	errno = 0;
	x = strtol(value, &end, 10);
	if (end == value || *end || errno)
		tool_usage("%s wants a whole number, not '%s'", called(o), value);
	if (o->max > o->min && ((double)x < o->min || (double)x > o->max))
		tool_usage("%s must lie in %.0f..%.0f, not %s", called(o), o->min, o->max, value);
	*(long *)o->to = x;
}

static void
set_real(const struct opt *o, const char *value)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || x != x || x - x != 0)
		tool_usage("%s wants a number, not '%s'", called(o), value);
	if (o->max > o->min && (x < o->min || x > o->max))
		tool_usage("%s must lie in %g..%g, not %s", called(o), o->min, o->max, value);
	*(double *)o->to = x;
}

static void
set_pick(const struct opt *o, const char *value)
{
	size_t len = strlen(value);

	for (const char *p = o->arg; *p; p += *p == '|') {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, value, n) == 0) {
			*(const char **)o->to = value;
			return;
		}
		p += n;
	}
	tool_usage("%s must be one of %s, not '%s'", called(o), o->arg, value);
}

static void
set_list(const struct opt *o, const char *value)
{
	struct opt_list *l = o->to;

	l->v = mem_grow(l->v, l->n + 1, sizeof *l->v);
	l->v[l->n++] = value;
}

static void
set(const struct opt *o, const char *value)
{
	switch (o->kind) {
	case OPT_FLAG: *(bool *)o->to = true; break;
	case OPT_TEXT:
	case OPT_MAYBE: *(const char **)o->to = value; break;
	case OPT_INT:  set_int(o, value); break;
	case OPT_REAL: set_real(o, value); break;
	case OPT_LIST: set_list(o, value); break;
	case OPT_PICK: set_pick(o, value); break;
	}
}

static const struct opt *
find_name(const char *name, size_t len)
{
	for (const struct opt *o = tool->opts; !last(o); o++)
		if (o->name && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct opt *
find_letter(int letter)
{
	for (const struct opt *o = tool->opts; !last(o); o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* "--name", "--name=value", "--no-name"; returns how many further arguments it took. */
static int
long_option(const char *arg, const char *next)
{
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] ? arg + len + 1 : NULL;
	const struct opt *o = find_name(arg, len);

	if (!o && len > 3 && strncmp(arg, "no-", 3) == 0) {
		o = find_name(arg + 3, len - 3);
		if (o && o->kind == OPT_FLAG && !value) {
			*(bool *)o->to = false;
			return 0;
		}
		o = NULL;
	}
	if (!o && strcmp(arg, "help") == 0)
		help();
	if (!o && strcmp(arg, "version") == 0) {
		printf("%s %s\n", tool->name, SR_VERSION);
		exit(tool_finish());
	}
	if (!o)
		tool_usage("unknown option --%.*s", (int)len, arg);
	if (o->kind == OPT_FLAG) {
		if (value)
			tool_usage("--%s takes no value", o->name);
		set(o, NULL);
		return 0;
	}
	if (o->kind == OPT_MAYBE) {
		set(o, value ? value : "");
		return 0;
	}
	if (!value && !next)
		tool_usage("--%s wants a value (%s)", o->name, o->arg ? o->arg : "VALUE");
	set(o, value ? value : next);
	return value ? 0 : 1;
}

/* "-k0", "-mFILE", "-m FILE"; returns how many further arguments it took. */
static int
short_options(const char *arg, const char *next)
{
	for (; *arg; arg++) {
		const struct opt *o = find_letter((unsigned char)*arg);

		if (!o && *arg == 'h')
			help();
		if (!o)
			tool_usage("unknown option -%c", *arg);
		if (o->kind == OPT_FLAG) {
			set(o, NULL);
			continue;
		}
		if (!arg[1] && !next)
			tool_usage("-%c wants a value (%s)", *arg, o->arg ? o->arg : "VALUE");
		set(o, arg[1] ? arg + 1 : next);
		return arg[1] ? 0 : 1;
	}
	return 0;
}

/* A file opened into the place of a closed stdin, stdout or stderr would be taken for it: a model
 * that is being written could then receive the records. What takes the place instead can only be
 * used the wrong way round, so that reading or writing there is the error it would have been. */
static void
fill_std(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void
tool_preset(const struct tool *t, const char *name, const char *value)
{
	tool = t;
	set(find_name(name, strlen(name)), value);
}

void
tool_init(const struct tool *t, int *argc, char ***argv)
{
	char **in = *argv, **out;
	int n = *argc, kept = 0;

	tool = t;
	signal(SIGPIPE, SIG_DFL);
	fill_std();
	if (n > 0)
		in++, n--;
	out = in;
	for (int i = 0; i < n; i++) {
		char *arg = in[i], *next = i + 1 < n ? in[i + 1] : NULL;

		if (strcmp(arg, "--") == 0) {
			while (++i < n)
				out[kept++] = in[i];
		} else if (strncmp(arg, "--", 2) == 0) {
			i += long_option(arg + 2, next);
		} else if (arg[0] == '-' && arg[1]) {
			i += short_options(arg + 1, next);
		} else {
			out[kept++] = arg;
		}
	}
	*argc = kept;
	*argv = out;
}
