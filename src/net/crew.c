/* SPDX-License-Identifier: Apache-2.0 */
/* crew.c - see crew.h. */
#include "net/crew.h"

#include <stdlib.h>

static void end_threads(struct crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = 1;
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	while (c->n > 0)
		pthread_join(c->threads[--c->n], NULL);
}

int crew_start(struct crew *c, unsigned n, void *(*work)(void *), void *arg)
{
	*c = (struct crew){.threads = calloc(n, sizeof *c->threads)};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	while (c->threads && c->n < n && pthread_create(&c->threads[c->n], NULL, work, arg) == 0)
		c->n++;
	if (c->threads && c->n == n)
		return 0;
	end_threads(c);
	return -1;
}

void crew_stop(struct crew *c)
{
	end_threads(c);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
	free(c->threads);
}
