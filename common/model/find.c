#include "model/find.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef SR_DATADIR
#define SR_DATADIR "/usr/local/share/sr-debias"
#endif

static const char installed[] = SR_DATADIR "/models/sr.gguf";

/* BUILD/bin/PROGRAM belongs to BUILD/../data/models/sr.gguf. */
static char *
in_tree(void)
{
	struct buf b = { 0 };
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self);
	char *slash;

	if (n <= 0 || (size_t)n == sizeof self || !(slash = memrchr(self, '/', (size_t)n)))
		return NULL;
	buf_add(&b, self, (size_t)(slash - self));
	buf_puts(&b, "/../../data/models/sr.gguf");
	buf_str(&b);
	if (access(b.data, R_OK) == 0)
		return b.data;
	buf_release(&b);
	return NULL;
}

char *
model_find(const char *given, struct err *e)
{
	const char *env = getenv("SR_MODEL");
	char *path;

	if (given)
		return mem_str(given);
	if (env && *env)
		return mem_str(env);
	if (access(installed, R_OK) == 0)
		return mem_str(installed);
	if (!(path = in_tree()))
		err_set(e, "no model: give one with -m FILE or SR_MODEL; there is none at %s",
			installed);
	return path;
}
