/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.h - what mcx-kms knows about itself while it runs (kms.md 15A rows 12, 19 to 22): its clock, its alarms, its
 * measures, the checkpoints of its record, the tokens taken back, its configuration read anew.
 *
 * One thread looks once a second. Everything here is thread-safe; a NULL watch answers as if all were well.
 */
#ifndef MCX_KMS_WATCH_H
#define MCX_KMS_WATCH_H

#include "audit/keeper.h"
#include "kms/context.h"

struct kms_watch;

/* After kms_open, before the listeners. NULL and a sentence in err. */
struct kms_watch *kms_watch_start(struct kms *k, char *err, size_t err_size);
/* The public listener, whose certificate is watched; NULL again before it stops. */
void kms_watch_listener(struct kms_watch *w, const struct http_server *s);
void kms_watch_stop(struct kms_watch *w);

/* May keys be issued by the clock, now? */
int kms_watch_clock_ok(struct kms_watch *w);
int kms_watch_is_revoked(struct kms_watch *w, const struct token_claims *c);
/* A keyprov was answered with keys after so long. */
void kms_watch_issued(struct kms_watch *w, int64_t duration_ns);
/* token: a literal of the table of errors. */
void kms_watch_refused(struct kms_watch *w, const char *token);
/* A redirect response contradicts what is known (kms.md 11.5). */
void kms_watch_krr_anomaly(struct kms_watch *w);
/* As http_server_options.tls_said, with struct kms. */
void kms_watch_tls_said(void *kms, const char *error);

/* The configuration was read anew: taken over, or refused. */
void kms_watch_config_said(struct kms_watch *w, int refused);

/* Its rows for /metrics. */
const struct metric *kms_watch_metrics(struct kms_watch *w, size_t *n);

/* reconfigure.c. daemon_spec.reconfigure (c may be NULL), with struct kms: what may change while it runs, takes the
 * place of what was. */
int kms_reconfigure(struct kms *k, struct kms_config *c, char *err, size_t err_size);

/* For admin_watch.c. */
unsigned kms_watch_alarms(struct kms_watch *w);
enum audit_keeper_state kms_watch_checkpoint(struct kms_watch *w, char *line, size_t size);
/* The step that holds the issue, nanoseconds; 0: none does. */
int64_t kms_watch_held_step(struct kms_watch *w);
void kms_watch_accept_clock(struct kms_watch *w);

#endif
