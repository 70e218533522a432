/* SPDX-License-Identifier: Apache-2.0 */
/* spare.c - see spare.h. */
#include "net/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BRAKE_MS = 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* reserve */
static int reserve = -1;
static _Atomic unsigned long long starved;
static void (*_Atomic observer)(void);

static int take(int listener, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)syscall(SYS_accept4, (long)listener, (intptr_t)addr, (intptr_t)len, (long)flags);
}

static void keep(void)
{
	if (reserve < 0)
		reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void spare_keep(void)
{
	pthread_mutex_lock(&lock);
	keep();
	pthread_mutex_unlock(&lock);
}

unsigned long long spare_starved(void)
{
	return atomic_load(&starved);
}

void spare_observe(void (*fn)(void))
{
	atomic_store(&observer, fn);
}

static int no_descriptor(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void turn_away(int listener)
{
	pthread_mutex_lock(&lock);
	if (reserve >= 0)
		close(reserve);
	reserve = -1;
	int fd = take(listener, NULL, NULL, SOCK_CLOEXEC);
	int error = errno;
	if (fd >= 0)
		close(fd);
	keep();
	int kept = reserve >= 0;
	pthread_mutex_unlock(&lock);
	/* Somebody else took it meanwhile: at least the loop does not spin. */
	if ((fd < 0 && no_descriptor(error)) || !kept)
		nanosleep(&(struct timespec){.tv_nsec = BRAKE_MS * 1000000}, NULL);
}

int spare_accept(int listener, struct sockaddr *addr, socklen_t *len, int flags)
{
	int fd = take(listener, addr, len, flags);
	if (fd >= 0 || !no_descriptor(errno))
		return fd;
	void (*fn)(void) = atomic_load(&observer);
	atomic_fetch_add(&starved, 1);
	turn_away(listener);
	if (fn)
		fn();
	errno = ECONNABORTED;
	return -1;
}

__attribute__((visibility("default"))) int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags)
{
	return spare_accept(fd, addr.__sockaddr__, len, flags);
}
