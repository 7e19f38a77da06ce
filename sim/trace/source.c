/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See source.h. */
#include "sim/trace/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/base/error.h"
#include "sim/trace/codec.h"

#define READ_AHEAD (512u << 10)

struct _M2dSource {
	char *name;
	int fd;
	uint64_t offset; /* of the next byte */
	uint64_t size;
	uint8_t *buf;
	size_t cap, start, end;
	bool eof;
};

M2dSource *m2d_source_open(const char *path, GError **error)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	M2dSource *s;
	struct stat st;

	if (fd < 0) {
		m2d_error_from_errno(error, errno, "open", path);
		return NULL;
	}
	s = g_new0(M2dSource, 1);
	s->name = g_strdup(is_stdin ? "stdin" : path);
	s->fd = fd;
	if (!is_stdin && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		s->size = (uint64_t)st.st_size;
	s->cap = READ_AHEAD;
	s->buf = g_malloc0(s->cap + M2D_SECTION_SLACK);
	return s;
}

void m2d_source_close(M2dSource *s)
{
	if (s == NULL)
		return;
	if (s->fd != STDIN_FILENO)
		close(s->fd);
	g_free(s->name);
	g_free(s->buf);
	g_free(s);
}

static void make_room(M2dSource *s, size_t want)
{
	size_t have = s->end - s->start;

	if (s->cap < want) {
		uint8_t *bigger = g_malloc0(want + want / 4 + M2D_SECTION_SLACK);

		memcpy(bigger, s->buf + s->start, have);
		g_free(s->buf);
		s->buf = bigger;
		s->cap = want + want / 4;
	} else {
		memmove(s->buf, s->buf + s->start, have);
	}
	s->start = 0;
	s->end = have;
}

const uint8_t *m2d_source_peek(M2dSource *s, size_t want, size_t *got, GError **error)
{
	if (s->end - s->start < want && s->cap - s->start < want)
		make_room(s, want);
	while (s->end - s->start < want && !s->eof) {
		ssize_t n = read(s->fd, s->buf + s->end, s->cap - s->end);

		/* EINTR too: whoever caught the signal wants the wait to end. */
		if (n < 0) {
			m2d_error_from_errno(error, errno, "read", s->name);
			return NULL;
		}
		s->eof = n == 0;
		s->end += (size_t)n;
	}
	*got = s->end - s->start < want ? s->end - s->start : want;
	return s->buf + s->start;
}

void m2d_source_consume(M2dSource *s, size_t len)
{
	s->start += len;
	s->offset += len;
}

gboolean m2d_source_seek(M2dSource *s, uint64_t offset, GError **error)
{
	if (lseek(s->fd, (off_t)offset, SEEK_SET) < 0) {
		m2d_error_from_errno(error, errno, "seek in", s->name);
		return FALSE;
	}
	s->offset = offset;
	s->start = s->end = 0;
	s->eof = false;
	return TRUE;
}

uint64_t m2d_source_offset(const M2dSource *s)
{
	return s->offset;
}

uint64_t m2d_source_size(const M2dSource *s)
{
	return s->size;
}

const char *m2d_source_name(const M2dSource *s)
{
	return s->name;
}
