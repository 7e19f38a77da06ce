/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a file is a capture, without taking anything from it: what comes down a pipe can be read
 * once only, so there a copy of its beginning is looked at.
 */
#include "sim/capture/capture.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/capture/dat.h"
#include "sim/capture/native.h"
#include "sim/trace/input.h"

/* A beginning is this long, unless the pipe ends before or nothing more comes for a while. */
#define ENOUGH   4096
#define PAUSE    10 /* ms */
#define PATIENCE 200u

static bool looks_like_one(const char *path)
{
	M2dInput *in = m2d_input_open(path, NULL);
	g_autoptr(M2dCapture) c = NULL;
	M2dCapEvent e;
	size_t got = 0;
	const uint8_t *p = in != NULL ? m2d_input_peek(in, 16, &got, NULL) : NULL;
	bool magic = p != NULL && got >= M2D_CAP_DAT_MAGIC_LEN &&
		     (memcmp(p, M2D_CAP_DAT_MAGIC, M2D_CAP_DAT_MAGIC_LEN) == 0 ||
		      memcmp(p, M2D_CAP_NATIVE_MAGIC, M2D_CAP_NATIVE_MAGIC_LEN) == 0);

	m2d_input_close(in);
	if (magic || p == NULL)
		return magic;
	c = m2d_capture_open(path, M2D_CAP_AUTO, NULL);
	while (c != NULL && m2d_capture_next(c, &e, NULL) > 0)
		if (e.kind != M2D_CAP_BAD)
			return true;
	return false;
}

/* Wait until the pipe has enough to tell; a signal ends it. */
static void wait_for_beginning(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = 0;

	if (poll(&p, 1, -1) < 0)
		return;
	for (unsigned i = 0; i < PATIENCE && !(p.revents & POLLHUP); i++)
		if (ioctl(fd, FIONREAD, &n) != 0 || n >= ENOUGH || poll(NULL, 0, PAUSE) < 0 ||
		    poll(&p, 1, 0) < 0)
			return;
}

/* A file with the first bytes of pipe @fd, which stay in it; -1 if they cannot be had. */
static int copy_beginning(int fd)
{
	g_autofree char *buf = g_malloc(16 * ENOUGH);
	int to[2], copy = memfd_create("beginning", MFD_CLOEXEC);
	ssize_t n = -1;

	if (copy < 0)
		return -1;
	if (pipe2(to, O_CLOEXEC) == 0) {
		wait_for_beginning(fd);
		if (tee(fd, to[1], 16 * ENOUGH, SPLICE_F_NONBLOCK) > 0)
			n = read(to[0], buf, 16 * ENOUGH);
		close(to[0]);
		close(to[1]);
	}
	if (n > 0 && write(copy, buf, (size_t)n) == n)
		return copy;
	close(copy);
	return -1;
}

bool m2d_capture_probe(const char *path)
{
	g_autofree char *name = NULL;
	struct stat st;
	int copy;
	bool is;

	if (strcmp(path, "-") != 0)
		return looks_like_one(path);
	if (fstat(STDIN_FILENO, &st) != 0)
		return false;
	if (S_ISREG(st.st_mode))
		return looks_like_one("/dev/stdin");
	copy = S_ISFIFO(st.st_mode) ? copy_beginning(STDIN_FILENO) : -1;
	if (copy < 0)
		return false;
	name = g_strdup_printf("/dev/fd/%d", copy);
	is = looks_like_one(name);
	close(copy);
	return is;
}
