/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.c - see confine.h. Filters are made by libseccomp, for whatever architecture this is.
 */
#include "kms/issuer/confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sanitizers, and builds that count lines (scripts/coverage.py), make calls of their own, at the end too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(MCX_COUNTED)
#define UNCONFINED 1
#else
#define UNCONFINED 0
#endif

/* ---- users ---- */

enum { DYNAMIC_MIN = 61184, DYNAMIC_COUNT = 4336 }; /* systemd's range for users without a name */

static uid_t nobody_else(void)
{
	uid_t uid = DYNAMIC_MIN + (uid_t)getpid() % DYNAMIC_COUNT;
	while (getpwuid(uid))
		uid = DYNAMIC_MIN + (uid - DYNAMIC_MIN + 1) % DYNAMIC_COUNT;
	return uid;
}

static int find_user(const char *name, uid_t *uid, gid_t *gid)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	const struct passwd *p = *end ? getpwnam(name) : getpwuid((uid_t)number);
	if (!p && (*end || number == 0 || number > UINT32_MAX - 1))
		return -1;
	*uid = p ? p->pw_uid : (uid_t)number;
	*gid = p ? p->pw_gid : (gid_t)number;
	return 0;
}

int confine_user(const char *name, int *separate, char *err, size_t err_size)
{
	uid_t was = geteuid(), uid = was;
	gid_t gid = getegid();
	*separate = 0;
	if (!name[0] && was == 0) {
		uid = nobody_else();
		gid = (gid_t)uid;
	} else if (name[0] && find_user(name, &uid, &gid)) {
		snprintf(err, err_size, "there is no user '%s'", name);
		return -1;
	}
	if (uid == was)
		return 0;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
		snprintf(err, err_size, "cannot become user %lu: %s", (unsigned long)uid, strerror(errno));
		return -1;
	}
	prctl(PR_SET_DUMPABLE, 0); /* the change of user is allowed to set it again */
	*separate = 1;
	return 0;
}

/* ---- filters ---- */

int confine_is_off(void)
{
	return UNCONFINED;
}

static int allow_all(scmp_filter_ctx f, const int *calls, size_t n)
{
	int rc = 0;
	for (size_t i = 0; i < n && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return rc;
}

static int load(scmp_filter_ctx f, int rc)
{
	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc ? -1 : 0;
}

int confine_issuer(void)
{
	static const int calls[] = {
	    SCMP_SYS(read),          SCMP_SYS(write),
	    SCMP_SYS(writev),        SCMP_SYS(close),
	    SCMP_SYS(recvmsg),       SCMP_SYS(sendmsg),
	    SCMP_SYS(recvfrom),      SCMP_SYS(sendto),
	    SCMP_SYS(recv),          SCMP_SYS(send),
	    SCMP_SYS(futex),         SCMP_SYS(futex_time64),
	    SCMP_SYS(munmap),        SCMP_SYS(madvise),
	    SCMP_SYS(mlock),         SCMP_SYS(munlock),
	    SCMP_SYS(brk),           SCMP_SYS(mremap),
	    SCMP_SYS(rt_sigreturn),  SCMP_SYS(rt_sigprocmask),
	    SCMP_SYS(rt_sigaction),  SCMP_SYS(exit),
	    SCMP_SYS(exit_group),    SCMP_SYS(getrandom),
	    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	    SCMP_SYS(gettimeofday),  SCMP_SYS(clock_nanosleep),
	    SCMP_SYS(nanosleep),     SCMP_SYS(getpid),
	    SCMP_SYS(gettid),        SCMP_SYS(tgkill),
	    SCMP_SYS(sched_yield),   SCMP_SYS(restart_syscall),
	    SCMP_SYS(rseq),          SCMP_SYS(set_robust_list),
	    SCMP_SYS(sigaltstack),   SCMP_SYS(getuid),
	    SCMP_SYS(geteuid),
	};
	if (UNCONFINED)
		return 0;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!f)
		return -1;
	int rc = allow_all(f, calls, sizeof calls / sizeof *calls);
	/* new memory, but never memory with code in it */
	if (!rc)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!rc)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return load(f, rc);
}

/* Threads only; clone3 hides its flags from a filter, so that the C library must use clone. */
static int forbid_processes(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
				  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	if (!rc)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return rc;
}

/* Sockets of the local machine and of the Internet; the name service asks the kernel for its addresses. */
static int forbid_sockets(scmp_filter_ctx f)
{
	int rc =
	    seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
	for (int family = AF_INET + 1; family < AF_NETLINK && !rc; family++)
		if (family != AF_INET6)
			rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	return rc;
}

int confine_front(void)
{
	static const int never[] = {
	    SCMP_SYS(execve),
	    SCMP_SYS(execveat),
	    SCMP_SYS(fork),
	    SCMP_SYS(vfork),
	    SCMP_SYS(ptrace),
	    SCMP_SYS(process_vm_readv),
	    SCMP_SYS(process_vm_writev),
	    SCMP_SYS(pidfd_getfd),
	    SCMP_SYS(kcmp),
	    SCMP_SYS(setuid),
	    SCMP_SYS(setgid),
	    SCMP_SYS(setreuid),
	    SCMP_SYS(setregid),
	    SCMP_SYS(setresuid),
	    SCMP_SYS(setresgid),
	    SCMP_SYS(setgroups),
	    SCMP_SYS(capset),
	    SCMP_SYS(mount),
	    SCMP_SYS(umount2),
	    SCMP_SYS(pivot_root),
	    SCMP_SYS(chroot),
	    SCMP_SYS(unshare),
	    SCMP_SYS(setns),
	    SCMP_SYS(bpf),
	    SCMP_SYS(perf_event_open),
	    SCMP_SYS(userfaultfd),
	    SCMP_SYS(keyctl),
	    SCMP_SYS(add_key),
	    SCMP_SYS(request_key),
	    SCMP_SYS(init_module),
	    SCMP_SYS(finit_module),
	    SCMP_SYS(delete_module),
	    SCMP_SYS(kexec_load),
	    SCMP_SYS(kexec_file_load),
	    SCMP_SYS(reboot),
	    SCMP_SYS(swapon),
	    SCMP_SYS(swapoff),
	    SCMP_SYS(acct),
	    SCMP_SYS(personality),
	    SCMP_SYS(open_by_handle_at),
	    SCMP_SYS(io_uring_setup),
	    SCMP_SYS(io_uring_enter),
	    SCMP_SYS(io_uring_register),
	    SCMP_SYS(mknod),
	    SCMP_SYS(mknodat),
	    SCMP_SYS(syslog),
	    SCMP_SYS(quotactl),
	    SCMP_SYS(nfsservctl),
	};
	if (UNCONFINED)
		return 0;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	if (!f)
		return -1;
	int rc = 0;
	for (size_t i = 0; i < sizeof never / sizeof *never && !rc; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, never[i], 0);
	if (!rc)
		rc = forbid_processes(f);
	if (!rc)
		rc = forbid_sockets(f);
	return load(f, rc);
}
