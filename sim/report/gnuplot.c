/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting gnuplot: by argument vector, never through a shell. */
#include "sim/report/plot-private.h"

#include <sys/wait.h>

#include "sim/base/error.h"

/* The first line of @text that says something; gnuplot puts the offending line and a caret above.
 */
static char *first_message(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

	for (char **l = lines; *l != NULL; l++) {
		char *colon = strchr(*l, ':');

		if (colon != NULL && strstr(*l, "line") != NULL)
			return g_strdup(g_strstrip(*l));
	}
	for (char **l = lines; *l != NULL; l++)
		if (*g_strstrip(*l) != '\0')
			return g_strdup(*l);
	return g_strdup("no message");
}

bool m2d_gnuplot_run(const char *dir, const char *script, GError **error)
{
	/* -d: no start-up files. The path keeps a name that begins with '-' from being an option.
	 */
	g_autofree char *path = g_strconcat("./", script, NULL);
	char *argv[] = {(char *)"gnuplot", (char *)"-d", path, NULL};
	g_auto(GStrv) env = g_get_environ();
	g_autofree char *output = NULL;
	g_autofree char *message = NULL;
	g_autoptr(GError) local = NULL;
	int status = 0;

	env = g_environ_setenv(env, "LC_ALL", "C.UTF-8", TRUE);
	env = g_environ_unsetenv(env, "GNUTERM");
	env = g_environ_unsetenv(env, "GNUPLOT_LIB");
	if (!g_spawn_sync(dir, argv, env, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
			  NULL, NULL, &output, &status, &local)) {
		bool missing = g_error_matches(local, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT);

		g_set_error(error, M2D_ERROR, missing ? M2D_ERROR_INPUT : M2D_ERROR_IO,
			    "cannot run gnuplot: %s",
			    missing ? "it is not installed (Debian: apt install gnuplot-nox)"
				    : local->message);
		return false;
	}
	if (WIFSIGNALED(status)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_TRANSIENT,
			    "gnuplot was killed by signal %d", WTERMSIG(status));
		return false;
	}
	if (WEXITSTATUS(status) != 0) {
		message = first_message(output);
		g_set_error(error, M2D_ERROR, M2D_ERROR_IO, "gnuplot failed with status %d: %s",
			    WEXITSTATUS(status), message);
		return false;
	}
	return true;
}
