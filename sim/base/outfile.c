/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See outfile.h. */
#include "sim/base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"

#define BUFFER (256u << 10)

struct _M2dOutFile {
	char *path; /* for messages; the target */
	char *temp; /* NULL: written directly */
	int fd;
	uint64_t offset;
	size_t used;
	uint8_t buf[BUFFER];
};

static void out_file_free(M2dOutFile *f)
{
	if (f->fd > STDERR_FILENO)
		close(f->fd);
	if (f->temp != NULL)
		g_unlink(f->temp);
	g_free(f->temp);
	g_free(f->path);
	g_free(f);
}

/* The file that @path leads to, so that a link stays one and its target is replaced. */
static char *resolve(const char *path)
{
	char *real = realpath(path, NULL), *copy;

	if (real == NULL)
		return g_strdup(path);
	copy = g_strdup(real);
	free(real);
	return copy;
}

M2dOutFile *m2d_out_file_new(const char *path, GError **error)
{
	M2dOutFile *f = g_new0(M2dOutFile, 1);
	struct stat st;

	f->fd = -1;
	if (strcmp(path, "-") == 0) {
		f->path = g_strdup("stdout");
		f->fd = STDOUT_FILENO;
		return f;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		f->path = g_strdup(path);
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
		if (f->fd < 0) {
			m2d_error_from_errno(error, errno, "open", path);
			out_file_free(f);
			return NULL;
		}
		return f;
	}
	f->path = resolve(path);
	f->temp = g_strconcat(f->path, ".XXXXXX", NULL);
	f->fd = g_mkstemp_full(f->temp, O_WRONLY | O_CLOEXEC, 0666);
	if (f->fd < 0) {
		m2d_error_from_errno(error, errno, "create", path);
		g_clear_pointer(&f->temp, g_free);
		out_file_free(f);
		return NULL;
	}
	return f;
}

static gboolean write_all(M2dOutFile *f, const uint8_t *p, size_t len, GError **error)
{
	while (len > 0) {
		ssize_t n = write(f->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			m2d_error_from_errno(error, errno, "write", f->path);
			return FALSE;
		}
		p += n;
		len -= (size_t)n;
	}
	return TRUE;
}

static gboolean flush(M2dOutFile *f, GError **error)
{
	size_t used = f->used;

	f->used = 0;
	return write_all(f, f->buf, used, error);
}

gboolean m2d_out_file_write(M2dOutFile *f, const void *data, size_t len, GError **error)
{
	if (len == 0)
		return TRUE;
	f->offset += len;
	if (f->used + len > BUFFER && !flush(f, error))
		return FALSE;
	if (len > BUFFER)
		return write_all(f, data, len, error);
	memcpy(f->buf + f->used, data, len);
	f->used += len;
	return TRUE;
}

uint64_t m2d_out_file_offset(const M2dOutFile *f)
{
	return f->offset;
}

gboolean m2d_out_file_commit(M2dOutFile *f, GError **error)
{
	gboolean ok = flush(f, error);

	if (ok && f->fd != STDOUT_FILENO) {
		int fd = f->fd;

		f->fd = -1;
		if (close(fd) != 0) {
			m2d_error_from_errno(error, errno, "write", f->path);
			ok = FALSE;
		}
	}
	if (ok && f->temp != NULL) {
		if (g_rename(f->temp, f->path) == 0) {
			g_clear_pointer(&f->temp, g_free);
		} else {
			m2d_error_from_errno(error, errno, "rename to", f->path);
			ok = FALSE;
		}
	}
	out_file_free(f);
	return ok;
}

void m2d_out_file_abort(M2dOutFile *f)
{
	if (f != NULL)
		out_file_free(f);
}
