/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harden.c - what every process that handles keys does first (daemon.h): no core dump, not traceable by its own user,
 * no new privileges, files for nobody else. In a file of its own: a process that is no daemon links nothing more.
 */
#include "app/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void raise_limit(int resource)
{
	struct rlimit l;
	if (getrlimit((__rlimit_resource_t)resource, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit((__rlimit_resource_t)resource, &l);
	}
}

/* The environment must not make a library write our traffic in clear: sofia-sip its messages, libcurl and others TLS
 * keys. */
void harden_memory(void)
{
	static const char *const tracing[] = {"TPORT_DUMP", "TPORT_LOG", "TPORT_DEBUG",
					      "NTA_DEBUG",  "SU_DEBUG",  "SSLKEYLOGFILE"};
	for (size_t i = 0; i < sizeof tracing / sizeof *tracing; i++)
		unsetenv(tracing[i]);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

void harden_environment(const char *const *kept, size_t n, char **env)
{
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		const char *v = getenv(kept[i]);
		char *pair = NULL;
		if (v && asprintf(&pair, "%s=%s", kept[i], v) > 0)
			env[used++] = pair;
	}
	env[used] = NULL;
}

void daemon_harden(void)
{
	harden_memory();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	raise_limit(RLIMIT_MEMLOCK); /* secret memory is locked */
	raise_limit(RLIMIT_NOFILE);
	umask(077);
}
