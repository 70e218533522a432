/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sip_loop.h - the event loop a SIP agent lives on: one thread, timers, descriptors, and work posted from other
 * threads.
 *
 * Everything but sip_loop_post and sip_loop_stop belongs to the thread that runs the loop. Work that was posted is
 * never lost: what is still queued when the loop is freed runs then.
 */
#ifndef MCX_NET_SIP_LOOP_H
#define MCX_NET_SIP_LOOP_H

#include <stdint.h>

struct sip_loop;
struct sip_timer;
struct sip_watch;

/* SIGPIPE is ignored in the process from here on: a peer may close a connection at any moment. */
struct sip_loop *sip_loop_new(void);
void sip_loop_free(struct sip_loop *l);

/* Until sip_loop_stop. */
void sip_loop_run(struct sip_loop *l);
/* What is posted already, then work for at most `ms`; for the end, tests, and programs with a loop of their own. */
void sip_loop_step(struct sip_loop *l, unsigned ms);
/* From any thread and from a signal handler. */
void sip_loop_stop(struct sip_loop *l);
/* From any thread: fn(arg) on the loop's thread, in the order of posting. 0, or -1 without memory (fn will not run). */
int sip_loop_post(struct sip_loop *l, void (*fn)(void *arg), void *arg);

/* Milliseconds that never jump. */
int64_t sip_loop_now_ms(const struct sip_loop *l);

/* One shot after `ms`. The timer is gone once fn was called; NULL without memory. */
struct sip_timer *sip_timer_start(struct sip_loop *l, unsigned ms, void (*fn)(void *arg), void *arg);
/* Before it fired; NULL is allowed. */
void sip_timer_stop(struct sip_timer *t);

/* fn(arg) whenever fd is readable. The descriptor stays the caller's. NULL on failure. */
struct sip_watch *sip_watch_start(struct sip_loop *l, int fd, void (*fn)(void *arg), void *arg);
void sip_watch_stop(struct sip_watch *w);

#endif
