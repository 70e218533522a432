/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_work.h - the worker threads that run handlers, and the request that travels between them and the socket loop.
 *
 * A request belongs to the socket loop until http_work_put, to one worker until its answer is made, then to the loop
 * again. The queue cannot outgrow the number of connections: each has one request at a time.
 */
#ifndef MCX_NET_HTTP_WORK_H
#define MCX_NET_HTTP_WORK_H

#include "net/http.h"

struct http_work;

struct http_job {
	struct http_job *next;
	void (*run)(struct http_job *job);
};

struct http_work *http_work_start(unsigned threads);
void http_work_put(struct http_work *w, struct http_job *job);
/* Runs what is queued, then ends the threads. */
void http_work_stop(struct http_work *w);

#endif
