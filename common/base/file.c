#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* A new file beside `path`, its name in *tmp; -1 with errno set. */
static int
open_beside(const char *path, mode_t mode, char **tmp)
{
	struct buf name = { 0 };
	int fd = -1;

	for (int i = 0; i < 100 && fd < 0; i++) {
		buf_clear(&name);
		buf_printf(&name, "%s.tmp-%ld-%d", path, (long)getpid(), i);
		fd = open(buf_str(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		buf_release(&name);
	else
		*tmp = name.data;
	return fd;
}

int
file_out_open(struct file_out *o, const char *path, unsigned mode, struct err *e)
{
	struct stat st;
	int fd;

	*o = (struct file_out){ 0 };
	/* A device or a pipe (/dev/null, a shell's >(...)) is written to, never replaced. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		fd = open(path, O_WRONLY | O_CLOEXEC);
	else
		fd = open_beside(path, mode ? mode : 0666, &o->tmp);
	if (fd < 0)
		return err_set(e, "cannot write %s: %s", path, strerror(errno));
	o->path = mem_str(path);
	if (mode && o->tmp && fchmod(fd, mode) < 0) {
		err_set(e, "cannot set the mode of %s: %s", path, strerror(errno));
		close(fd);
		file_out_abort(o);
		return -1;
	}
	o->f = fdopen(fd, "wb");
	if (!o->f) {
		err_set(e, "cannot write %s: %s", path, strerror(errno));
		close(fd);
		file_out_abort(o);
		return -1;
	}
	return 0;
}

int
file_out_check(const char *path, struct err *e)
{
	struct file_out o;
	struct stat st;

	/* Opening a pipe and closing it again would be the end of the file for who reads it. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return access(path, W_OK) == 0 ? 0 :
			err_set(e, "cannot write %s: %s", path, strerror(errno));
	if (file_out_open(&o, path, 0, e) < 0)
		return -1;
	file_out_abort(&o);
	return 0;
}

/* A rename lasts once its folder is on disk. Best effort: some file systems know no such thing. */
static void
sync_folder(const char *path)
{
	char *copy = mem_str(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

int
file_out_commit(struct file_out *o, struct err *e)
{
	bool bad = fflush(o->f) != 0 || ferror(o->f) || (o->tmp && fsync(fileno(o->f)) < 0);
	int why = errno;

	if (fclose(o->f) != 0 && !bad) {
		bad = true;
		why = errno;
	}
	o->f = NULL;
	if (!bad && o->tmp && rename(o->tmp, o->path) < 0) {
		bad = true;
		why = errno;
	}
	if (bad) {
		err_set(e, "cannot write %s: %s", o->path, strerror(why));
	} else if (o->tmp) {
		sync_folder(o->path);
		free(o->tmp);
		o->tmp = NULL;
	}
	file_out_abort(o);
	return bad ? -1 : 0;
}

void
file_out_abort(struct file_out *o)
{
	if (o->f)
		fclose(o->f);
	if (o->tmp)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	*o = (struct file_out){ 0 };
}

int
file_map(struct file_map *m, const char *path, struct err *e)
{
	struct stat st = { 0 };
	void *p;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*m = (struct file_map){ 0 };
	if (fd < 0)
		return err_set(e, "cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		close(fd);
		return err_set(e, "cannot map %s: %s", path,
			S_ISREG(st.st_mode) ? "it is empty" : "not a regular file");
	}
	p = (uintmax_t)st.st_size > PTRDIFF_MAX ? MAP_FAILED :
		mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return err_set(e, "cannot map %s: %s", path, strerror(errno));
	m->data = p;
	m->len = (size_t)st.st_size;
	return 0;
}

void
file_unmap(struct file_map *m)
{
	if (m->data)
		munmap((void *)m->data, m->len);
	*m = (struct file_map){ 0 };
}
