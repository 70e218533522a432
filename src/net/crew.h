/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew.h - threads that wait for work: their start, the lock and the condition over their owner's queue, their end.
 *
 * What the queue is (a list without end, a ring with one) is the owner's. Its work function takes jobs under the lock,
 * waits on `more` while there is none and the crew is not stopping, and returns once it stops and none is left.
 */
#ifndef MCX_NET_CREW_H
#define MCX_NET_CREW_H

#include <pthread.h>

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t more;
	int stopping;
	unsigned n;
	pthread_t *threads;
};

/* n threads that run work(arg). 0, or -1 with those that began ended. Either way crew_stop is owed. */
int crew_start(struct crew *c, unsigned n, void *(*work)(void *), void *arg);
/* Waits until the queue is empty and every thread has ended. */
void crew_stop(struct crew *c);

#endif
