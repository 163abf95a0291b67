#include "model/find.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* From the program's folder, PREFIX/bin or BUILD/bin: so an installed tree can be moved. */
static const char *const places[] = {
	"../share/sr-debias/models/sr.gguf",
	"../../data/models/sr.gguf",
};

/* The path of `place` as seen from the folder self (len bytes); NULL where nothing is. */
static char *
look(const char *self, size_t len, const char *place)
{
	struct buf b = { 0 };

	buf_add(&b, self, len);
	buf_puts(&b, place);
	buf_str(&b);
	if (access(b.data, R_OK) == 0)
		return b.data;
	buf_release(&b);
	return NULL;
}

char *
model_find(const char *given, struct err *e)
{
	const char *env = getenv("SR_MODEL"), *slash;
	char self[4096], *path = NULL;
	ssize_t n;

	if (given)
		return mem_str(given);
	if (env && *env)
		return mem_str(env);
	n = readlink("/proc/self/exe", self, sizeof self);
	if (n > 0 && (size_t)n < sizeof self && (slash = memrchr(self, '/', (size_t)n)))
		for (size_t i = 0; !path && i < sizeof places / sizeof *places; i++)
			path = look(self, (size_t)(slash + 1 - self), places[i]);
	if (!path)
		err_set(e, "no model: give one with -m FILE or SR_MODEL (none is installed)");
	return path;
}
