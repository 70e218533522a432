/* SPDX-License-Identifier: Apache-2.0 */
/*
 * issuer.c - see issuer.h. A thread that asks takes one of the channels for one exchange; a watcher waits for the other
 * side to hang up.
 *
 * `lock` guards all of the struct; nobody holds it during an exchange. `starting` is held by who replaces the process:
 * it shuts the channels, waits until none is in use, and only then closes them.
 */
#include "kms/issuer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "app/log.h"
#include "kms/keeper.h"
#include "mcsec/secret.h"

_Static_assert((int)ISSUER_IDENTITY_MAX == (int)KMS_URI_MAX, "identities fit");

enum { FIRST_PAUSE_MS = 100, MAX_PAUSE_MS = 5000, STEADY_S = 10, MAX_CHANNELS = 16 };

struct domain {
	char kms_uri[ISSUER_IDENTITY_MAX];
	struct issuer_domain public;
	uint8_t sealed[ISSUER_SEALED_MAX];
};

struct issuer {
	struct issuer_options options;
	struct keeper keeper;
	pthread_mutex_t lock, starting;
	pthread_cond_t returned;
	enum issuer_life life;
	int n, fd[MAX_CHANNELS], busy[MAX_CHANNELS]; /* fd -1: there is no process */
	int by_order;                                /* an officer sealed it: it is not to be opened again unasked */
	int has_domain;
	struct domain domain;
	pthread_t watcher;
	int watching, wake;
	atomic_int ending;
};

const char *issuer_life_name(enum issuer_life l)
{
	static const char *const names[] = {"uninitialised", "issuer-down", "sealed", "unsealed"};
	return names[l];
}

static void set_life(struct issuer *i, enum issuer_life now, int died)
{
	pthread_mutex_lock(&i->lock);
	i->life = now;
	pthread_mutex_unlock(&i->lock);
	if (i->options.changed)
		i->options.changed(i->options.ctx, now, died);
}

enum issuer_life issuer_life(struct issuer *i)
{
	pthread_mutex_lock(&i->lock);
	enum issuer_life l = i->life;
	pthread_mutex_unlock(&i->lock);
	return l;
}

int issuer_is_sealed(struct issuer *i)
{
	return issuer_life(i) != ISSUER_LIFE_UNSEALED;
}

/* ---- one exchange ---- */

static int take_channel(struct issuer *i)
{
	int c = -1;
	pthread_mutex_lock(&i->lock);
	while (c < 0 && i->fd[0] >= 0) {
		for (c = i->n - 1; c >= 0 && i->busy[c]; c--)
			;
		if (c < 0)
			pthread_cond_wait(&i->returned, &i->lock);
	}
	if (c >= 0)
		i->busy[c] = 1;
	pthread_mutex_unlock(&i->lock);
	return c;
}

static void give_channel(struct issuer *i, int c)
{
	pthread_mutex_lock(&i->lock);
	i->busy[c] = 0;
	pthread_cond_broadcast(&i->returned);
	pthread_mutex_unlock(&i->lock);
}

/* The status of the answer, whose fields are left in *out; -1 when the other side is gone. buf: ISSUER_ANSWER_MAX. */
static int talk(int fd, const struct issuer_request *r, uint8_t *buf, struct reader *out)
{
	struct writer w = wr_init(buf, ISSUER_ANSWER_MAX);
	ssize_t n;
	if (issuer_request_write(&w, r))
		return ISSUER_MALFORMED;
	if (send(fd, buf, wr_len(&w), MSG_NOSIGNAL) != (ssize_t)wr_len(&w))
		return -1;
	do
		n = recv(fd, buf, ISSUER_ANSWER_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -1;
	*out = rd_init((struct octets){buf, (size_t)n});
	int status = rd_u16(out);
	return out->err ? -1 : status;
}

static int ask(struct issuer *i, const struct issuer_request *r, uint8_t *buf, struct reader *out)
{
	int c = take_channel(i);
	if (c < 0)
		return -1;
	int status = talk(i->fd[c], r, buf, out);
	give_channel(i, c);
	return status;
}

/* ---- its life ---- */

static void close_channels(struct issuer *i)
{
	pthread_mutex_lock(&i->lock);
	int n = i->fd[0] >= 0 ? i->n : 0, fd[MAX_CHANNELS];
	for (int c = 0; c < n; c++) {
		fd[c] = i->fd[c];
		shutdown(fd[c], SHUT_RDWR);
	}
	i->fd[0] = -1;
	pthread_cond_broadcast(&i->returned);
	for (int c = 0; c < n; c++)
		while (i->busy[c])
			pthread_cond_wait(&i->returned, &i->lock);
	pthread_mutex_unlock(&i->lock);
	for (int c = 0; c < n; c++)
		close(fd[c]);
}

static void wake_watcher(struct issuer *i)
{
	uint64_t one = 1;
	if (write(i->wake, &one, sizeof one) != sizeof one)
		log_warn("issuer.wake-failed", log_text("error", strerror(errno)));
}

/*
 * A new process and its first message; under `starting`. The answer's status, -1 if it died over it. Requests find the
 * channels only after that.
 */
static int launch(struct issuer *i, const struct issuer_request *first, uint8_t *buf, struct reader *out)
{
	int fd[MAX_CHANNELS];
	close_channels(i);
	if (keeper_launch(&i->keeper, fd, i->n))
		return -1;
	int status = talk(fd[0], first, buf, out);
	if (status != ISSUER_OK && status != ISSUER_CUSTODY + CUSTODY_ABSENT) {
		for (int c = 0; c < i->n; c++)
			close(fd[c]);
		return status;
	}
	pthread_mutex_lock(&i->lock);
	memcpy(i->fd, fd, sizeof fd[0] * (size_t)i->n);
	memset(i->busy, 0, sizeof i->busy);
	i->by_order = 0;
	pthread_mutex_unlock(&i->lock);
	wake_watcher(i);
	return status;
}

static enum custody_err custody_of(int status)
{
	if (status == ISSUER_OK)
		return CUSTODY_OK;
	return status >= ISSUER_CUSTODY ? (enum custody_err)(status - ISSUER_CUSTODY) : CUSTODY_RESOURCES;
}

/* Under `starting`, with a domain. */
static enum custody_err open_domain(struct issuer *i)
{
	uint8_t *buf = mcsec_secret_alloc(ISSUER_ANSWER_MAX), body[ISSUER_BODY_MAX];
	struct writer w = wr_init(body, sizeof body);
	struct issuer_request r = {.op = ISSUER_OP_OPEN};
	struct reader answer;
	memcpy(r.identity, i->domain.kms_uri, sizeof r.identity);
	issuer_domain_write(&w, &i->domain.public, 1);
	r.body = wr_result(&w);
	int status = buf ? launch(i, &r, buf, &answer) : -1;
	mcsec_secret_free(buf);
	enum custody_err e = custody_of(status);
	set_life(i, e == CUSTODY_OK ? ISSUER_LIFE_UNSEALED : ISSUER_LIFE_SEALED, 0);
	return e;
}

enum custody_err issuer_unseal(struct issuer *i, const struct kms_certificate *cert, struct octets sealed)
{
	if (!sealed.len || sealed.len > ISSUER_SEALED_MAX)
		return CUSTODY_MALFORMED;
	pthread_mutex_lock(&i->starting);
	struct domain *d = &i->domain;
	memcpy(d->kms_uri, cert->kms_uri, sizeof d->kms_uri);
	d->public.periods = cert->periods;
	memcpy(d->public.kpak, cert->pub_auth_key, sizeof d->public.kpak);
	memcpy(d->public.z_pub, cert->pub_enc_key, sizeof d->public.z_pub);
	memcpy(d->sealed, sealed.p, sealed.len);
	d->public.sealed = (struct octets){d->sealed, sealed.len};
	i->has_domain = 1;
	enum custody_err e = open_domain(i);
	pthread_mutex_unlock(&i->starting);
	return e;
}

static int read_created(struct reader *answer, struct domain *d)
{
	struct issuer_domain got;
	struct octets all = rd_take(answer, rd_left(answer));
	if (issuer_domain_read(&got, all, 1))
		return -1;
	memcpy(d->sealed, got.sealed.p, got.sealed.len);
	d->public = got;
	d->public.sealed.p = d->sealed;
	return 0;
}

enum custody_err issuer_create(struct issuer *i, const char *kms_uri, const struct mcsec_periods *periods,
			       uint8_t kpak[MCSEC_KPAK_LEN], uint8_t z_pub[MCSEC_ZPUB_LEN],
			       uint8_t sealed[ISSUER_SEALED_MAX], size_t *sealed_len)
{
	uint8_t *buf = mcsec_secret_alloc(ISSUER_ANSWER_MAX), body[16];
	struct writer w = wr_init(body, sizeof body);
	struct issuer_request r = {.op = ISSUER_OP_CREATE};
	struct reader answer;
	snprintf(r.identity, sizeof r.identity, "%s", kms_uri);
	issuer_domain_write(&w, &(struct issuer_domain){.periods = *periods}, 0);
	r.body = wr_result(&w);
	pthread_mutex_lock(&i->starting);
	enum custody_err e = custody_of(buf ? launch(i, &r, buf, &answer) : -1);
	struct domain *d = &i->domain;
	if (!e && read_created(&answer, d))
		e = CUSTODY_MALFORMED;
	if (!e) {
		memcpy(d->kms_uri, r.identity, sizeof d->kms_uri);
		memcpy(kpak, d->public.kpak, MCSEC_KPAK_LEN);
		memcpy(z_pub, d->public.z_pub, MCSEC_ZPUB_LEN);
		memcpy(sealed, d->sealed, d->public.sealed.len);
		*sealed_len = d->public.sealed.len;
		i->has_domain = 1;
		set_life(i, ISSUER_LIFE_UNSEALED, 0);
	} else {
		close_channels(i);
	}
	pthread_mutex_unlock(&i->starting);
	mcsec_secret_free(buf);
	return e;
}

void issuer_seal(struct issuer *i)
{
	uint8_t *buf = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	struct reader answer;
	pthread_mutex_lock(&i->starting);
	set_life(i, ISSUER_LIFE_SEALED, 0);
	i->by_order = 1;
	/* A process that does not say it forgot is ended: so it forgets. */
	if (!buf || ask(i, &(struct issuer_request){.op = ISSUER_OP_SEAL}, buf, &answer) != ISSUER_OK)
		close_channels(i);
	pthread_mutex_unlock(&i->starting);
	mcsec_secret_free(buf);
}

/* ---- its death ---- */

static void bury(struct issuer *i)
{
	log_error("kms.issuer-died", log_text("alarm", "the issuing process died; requests for keys are answered 503"),
		  log_int("restart", i->options.config->issuer_restart));
	close_channels(i);
	set_life(i, i->by_order ? ISSUER_LIFE_SEALED : ISSUER_LIFE_DOWN, 1);
}

static int restart(struct issuer *i)
{
	int done = 1;
	pthread_mutex_lock(&i->starting);
	if (issuer_life(i) == ISSUER_LIFE_DOWN && !i->ending) {
		enum custody_err e = open_domain(i);
		done = e != CUSTODY_RESOURCES && e != CUSTODY_TOKEN; /* a wrong PIN again and again locks a token */
		if (done)
			log_warn("kms.issuer-restarted", log_text("custody", custody_err_name(e)));
		else
			set_life(i, ISSUER_LIFE_DOWN, 0);
	}
	pthread_mutex_unlock(&i->starting);
	return done;
}

/* The channel that is watched; -1: no process. */
static int watched(struct issuer *i)
{
	pthread_mutex_lock(&i->lock);
	int fd = i->fd[0];
	pthread_mutex_unlock(&i->lock);
	return fd;
}

static int hung_up(struct issuer *i, int fd)
{
	int gone = 0;
	pthread_mutex_lock(&i->starting); /* who replaces the process has shut this channel too */
	if (fd >= 0 && watched(i) == fd) {
		struct pollfd p = {.fd = fd};
		gone = poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
		if (gone)
			bury(i);
	}
	pthread_mutex_unlock(&i->starting);
	return gone;
}

static void *watch(void *ctx)
{
	struct issuer *i = ctx;
	int pause_ms = FIRST_PAUSE_MS, due = 0;
	time_t started = time(NULL);
	for (;;) {
		int fd = watched(i);
		uint64_t count;
		struct pollfd p[] = {{.fd = i->wake, .events = POLLIN}, {.fd = i->keeper.control}, {.fd = fd}};
		int n = poll(p, 3, due ? pause_ms : -1);
		if (p[0].revents && read(i->wake, &count, sizeof count) < 0)
			continue;
		if (i->ending)
			return NULL;
		if (p[1].revents) {
			log_error("kms.keeper-died", log_text("alarm", "without it no issuer can be started: ending"));
			kill(getpid(), SIGTERM); /* whoever supervises us starts all three anew */
			return NULL;
		}
		if (p[2].revents && hung_up(i, fd)) {
			due = i->options.config->issuer_restart;
			pause_ms = time(NULL) - started > STEADY_S ? FIRST_PAUSE_MS : pause_ms;
		} else if (n == 0 && due) {
			started = time(NULL);
			due = !restart(i);
			pause_ms = pause_ms * 2 > MAX_PAUSE_MS ? MAX_PAUSE_MS : pause_ms * 2;
		}
	}
}

/* ---- all of it ---- */

struct issuer *issuer_new(const struct issuer_options *o, char *err, size_t err_size)
{
	struct issuer *i = calloc(1, sizeof *i);
	if (!i) {
		snprintf(err, err_size, "no memory");
		return NULL;
	}
	i->options = *o;
	i->n = o->config->threads < MAX_CHANNELS ? (int)o->config->threads : MAX_CHANNELS;
	i->fd[0] = -1;
	pthread_mutex_init(&i->lock, NULL);
	pthread_mutex_init(&i->starting, NULL);
	pthread_cond_init(&i->returned, NULL);
	i->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (i->wake < 0 || keeper_start(&i->keeper, o->config_path, i->n)) {
		snprintf(err, err_size, "the issuer's keeper cannot be started: %s", strerror(errno));
		issuer_free(i);
		return NULL;
	}
	return i;
}

int issuer_watch(struct issuer *i)
{
	i->watching = pthread_create(&i->watcher, NULL, watch, i) == 0;
	return i->watching ? 0 : -1;
}

void issuer_free(struct issuer *i)
{
	if (!i)
		return;
	i->ending = 1;
	if (i->watching) {
		wake_watcher(i);
		pthread_join(i->watcher, NULL);
	}
	close_channels(i);
	keeper_stop(&i->keeper);
	if (i->wake >= 0)
		close(i->wake);
	pthread_cond_destroy(&i->returned);
	pthread_mutex_destroy(&i->starting);
	pthread_mutex_destroy(&i->lock);
	free(i);
}

enum mcsec_err issuer_give_share(struct issuer *i, struct octets parcel, struct issuer_verdict *out)
{
	uint8_t *buf = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	struct reader answer;
	memset(out, 0, sizeof *out);
	if (!buf)
		return MCSEC_E_MEMORY;
	int status = ask(i, &(struct issuer_request){.op = ISSUER_OP_SHARE, .body = parcel}, buf, &answer);
	enum mcsec_err e = status < 0 ? MCSEC_E_NO_KEYS : status ? MCSEC_E_UNSUPPORTED : MCSEC_OK;
	if (!e) {
		issuer_verdict_read(&answer, out);
		e = rd_done(&answer);
	}
	mcsec_secret_free(buf);
	if (!e && !out->state.sealed)
		set_life(i, ISSUER_LIFE_UNSEALED, 0);
	return e;
}

/* ---- issuing ---- */

enum mcsec_err issuer_ask_state(struct issuer *i, struct issuer_state *out)
{
	uint8_t buf[ISSUER_ANSWER_MAX];
	struct reader answer;
	memset(out, 0, sizeof *out);
	out->sealed = 1;
	if (ask(i, &(struct issuer_request){.op = ISSUER_OP_STATUS}, buf, &answer) != ISSUER_OK)
		return MCSEC_E_NO_KEYS;
	issuer_state_read(&answer, out);
	return rd_done(&answer);
}

static enum mcsec_err take_issued(struct reader *answer, struct kms_key_set *out)
{
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	if (!k)
		return MCSEC_E_MEMORY;
	issuer_issued_read(answer, k);
	enum mcsec_err e = rd_done(answer);
	if (!e) {
		memcpy(out->secret->rsk, k->rsk, sizeof k->rsk);
		memcpy(out->secret->ssk, k->ssk, sizeof k->ssk);
		memcpy(out->pvt, k->pvt, sizeof k->pvt);
	}
	mcsec_secret_free(k);
	return e;
}

static enum mcsec_err ask_for_keys(struct issuer *i, const struct issuer_request *r, struct kms_key_set *out)
{
	uint8_t *buf = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	struct reader answer;
	if (!buf)
		return MCSEC_E_MEMORY;
	int status = ask(i, r, buf, &answer);
	enum mcsec_err e = status == ISSUER_OK                     ? take_issued(&answer, out)
			   : status < 0 || status == ISSUER_SEALED ? MCSEC_E_NO_KEYS
								   : MCSEC_E_SELF_TEST;
	mcsec_secret_free(buf);
	return e;
}

enum mcsec_err issuer_issue(struct issuer *i, const struct kms_certificate *cert, uint64_t number, const char *identity,
			    uint64_t period_no, struct kms_key_set *out)
{
	uint64_t start = mcsec_period_start(&cert->periods, period_no);
	struct issuer_request r = {.op = ISSUER_OP_ISSUE, .period = period_no, .number = number};
	if (strlen(identity) >= sizeof out->user_uri)
		return MCSEC_E_LENGTH;
	memcpy(out->kms_uri, cert->kms_uri, sizeof out->kms_uri);
	memcpy(out->cert_uri, cert->cert_uri, sizeof out->cert_uri);
	strcpy(out->user_uri, identity);
	out->issuer[0] = 0;
	out->revoked = 0;
	out->period_no = period_no;
	out->valid_from = (int64_t)(start - MCSEC_NTP_UNIX);
	out->valid_to = (int64_t)(start + cert->periods.period - MCSEC_NTP_UNIX);
	enum mcsec_err e = mcsec_uid(identity, cert->kms_uri, &cert->periods, period_no, out->uid);
	if (e)
		return e;
	strcpy(r.identity, identity);
	memcpy(r.uid, out->uid, sizeof r.uid);
	return ask_for_keys(i, &r, out);
}
