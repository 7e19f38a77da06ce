/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dat.h: this process's side. */
#include "sim/capture/dat.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/base/error.h"

#define BATCH     512u
#define MAX_SPACE (UINT64_C(1) << 30) /* bytes of address space for libtracecmd */

struct _M2dCapDat {
	char *name;
	pid_t child;
	int fd;
	size_t bytes, used; /* of the buffer: read, handed out */
	M2dCapEvent buf[BATCH];
};

static G_GNUC_NORETURN void run_child(int in, int out)
{
	int null = open("/dev/null", O_RDWR);

	/* The library complains to standard error; the message of this program is one line. */
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifndef __SANITIZE_ADDRESS__
	/* Nor may a damaged length eat all memory. */
	setrlimit(RLIMIT_AS, &(struct rlimit){MAX_SPACE, MAX_SPACE});
#endif
	signal(SIGINT, SIG_IGN);
	m2d_cap_dat_child(in, out);
	_exit(0);
}

M2dCapDat *m2d_cap_dat_open(int fd, const char *name, GError **error)
{
	M2dCapDat *dat;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		m2d_error_from_errno(error, errno, "make a pipe for", name);
		close(fd);
		return NULL;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run_child(fd, ends[1]);
	}
	close(ends[1]);
	close(fd);
	if (pid < 0) {
		m2d_error_from_errno(error, errno, "make a process for", name);
		close(ends[0]);
		return NULL;
	}
	dat = g_new0(M2dCapDat, 1);
	dat->name = g_strdup(name);
	dat->child = pid;
	dat->fd = ends[0];
	return dat;
}

void m2d_cap_dat_close(M2dCapDat *dat)
{
	if (dat == NULL)
		return;
	close(dat->fd);
	kill(dat->child, SIGKILL);
	while (waitpid(dat->child, NULL, 0) < 0 && errno == EINTR)
		;
	g_free(dat->name);
	g_free(dat);
}

/* At least one whole event in the buffer; false at the end of the pipe or with @error. */
static bool fill(M2dCapDat *dat, GError **error)
{
	size_t have = dat->bytes - dat->used;

	memmove(dat->buf, (char *)dat->buf + dat->used, have);
	dat->used = 0;
	dat->bytes = have;
	while (dat->bytes < sizeof(M2dCapEvent)) {
		ssize_t n =
			read(dat->fd, (char *)dat->buf + dat->bytes, sizeof(dat->buf) - dat->bytes);

		if (n < 0) {
			m2d_error_from_errno(error, errno, "read", dat->name);
			return false;
		}
		if (n == 0) {
			g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
				    "%s: libtracecmd could not read it to the end, expected a "
				    "trace.dat that is complete",
				    dat->name);
			return false;
		}
		dat->bytes += (size_t)n;
	}
	return true;
}

int m2d_cap_dat_next(M2dCapDat *dat, M2dCapEvent *event, GError **error)
{
	if (dat->bytes - dat->used < sizeof(*event) && !fill(dat, error))
		return -1;
	memcpy(event, (char *)dat->buf + dat->used, sizeof(*event));
	dat->used += sizeof(*event);
	if (event->kind == M2D_CAP_DAT_END)
		return 0;
	if (event->kind != M2D_CAP_DAT_ERROR)
		return 1;
	event->u.text[M2D_CAP_TEXT - 1] = 0;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "%s: %s", dat->name, event->u.text);
	return -1;
}
