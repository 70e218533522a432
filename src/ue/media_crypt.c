/* SPDX-License-Identifier: Apache-2.0 */
/* media_crypt.c - see media_crypt.h. keys[0] is the one in use; keys[1] the one before or after it while both count. */
#include "ue/media_crypt.h"

#include <pthread.h>
#include <stdlib.h>

#include "mcsec/secret.h"

enum {
	OLD_KEY_MS = 5000,
	PRIVATE_STREAMS = 8,
	ROC_TRIES = 4, /* media.md M-D16 */
};

struct media_crypt {
	pthread_mutex_t lock; /* all below */
	uint32_t ssrc;
	struct srtp_sender *sender, *next_sender;
	struct srtp_receiver *receiver;
	struct media_keys *keys[2]; /* secret memory */
	int n_keys;
	int64_t drop_old_at; /* 0: nothing to drop */
	uint64_t sent, received;
	struct ue_media_stats dropped;
};

/* The key layer of the receiver: called with the lock held. */
static int find_key(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	struct media_crypt *c = ctx;
	for (int i = 0; i < c->n_keys; i++) {
		const struct media_keys *k = c->keys[i];
		if (memcmp(mki, k->receive.mki, k->policy.mki_len) != 0)
			continue;
		*out = k->receive;
		return 1;
	}
	return 0;
}

static struct srtp_sender *sender_of(const struct media_keys *k, uint32_t ssrc)
{
	return srtp_sender_new(&k->policy, &k->send, ssrc, 0);
}

static struct media_keys *keep(const struct media_keys *k)
{
	struct media_keys *copy = mcsec_secret_alloc(sizeof *copy);
	if (copy)
		*copy = *k;
	return copy;
}

struct media_crypt *media_crypt_new(const struct media_keys *keys, uint32_t ssrc)
{
	struct media_crypt *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->ssrc = ssrc;
	c->keys[0] = keep(keys);
	c->n_keys = c->keys[0] != NULL;
	c->sender = sender_of(keys, ssrc);
	c->receiver = srtp_receiver_new(&(struct srtp_receiver_options){.policy = keys->policy,
									.find = find_key,
									.ctx = c,
									.max_streams = PRIVATE_STREAMS,
									.either_layout = 1,
									.roc_tries = ROC_TRIES});
	if (c->n_keys && c->sender && c->receiver)
		return c;
	media_crypt_free(c);
	return NULL;
}

void media_crypt_free(struct media_crypt *c)
{
	if (!c)
		return;
	srtp_sender_free(c->sender);
	srtp_sender_free(c->next_sender);
	srtp_receiver_free(c->receiver);
	mcsec_secret_free(c->keys[0]);
	mcsec_secret_free(c->keys[1]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void count_drop(struct media_crypt *c, enum srtp_verdict v, struct octets packet)
{
	struct ue_media_stats *s = &c->dropped;
	struct reader r = rd_init(packet);
	rd_take(&r, 8);
	int own = rd_u32(&r) == c->ssrc;
	switch (v) {
	case SRTP_UNKNOWN_MKI:
		s->dropped_unknown_mki++;
		break;
	case SRTP_REPLAY:
	case SRTP_OLD:
		s->dropped_replay++;
		break;
	case SRTP_AUTH:
		/* Both ends have the same MKI: what comes back to us carries our SSRC and fails under the peer's key.
		 */
		if (own)
			s->dropped_reflected++;
		else
			s->dropped_auth++;
		break;
	default:
		s->dropped_plain++;
	}
}

/* The first packet under the new key: from now on it is ours for sending too. */
static void follow_rekey(struct media_crypt *c, const uint8_t *mki, int64_t now_ms)
{
	if (!c->next_sender || memcmp(mki, c->keys[1]->receive.mki, c->keys[1]->policy.mki_len) != 0)
		return;
	struct media_keys *old = c->keys[0];
	srtp_sender_free(c->sender);
	c->sender = c->next_sender;
	c->next_sender = NULL;
	c->keys[0] = c->keys[1];
	c->keys[1] = old;
	c->drop_old_at = now_ms + OLD_KEY_MS;
}

enum srtp_verdict media_crypt_open(struct media_crypt *c, struct octets wire, uint8_t *plain, size_t size, size_t *len,
				   int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	enum srtp_verdict v = rtp_unprotect(c->receiver, wire, plain, size, len);
	if (v)
		count_drop(c, v, wire);
	else {
		c->received++;
		if (c->n_keys == 2)
			follow_rekey(c, wire.p + wire.len - c->keys[1]->policy.mki_len, now_ms);
	}
	pthread_mutex_unlock(&c->lock);
	return v;
}

enum srtp_verdict media_crypt_protect(struct media_crypt *c, struct octets plain, uint8_t *wire, size_t size,
				      size_t *len)
{
	pthread_mutex_lock(&c->lock);
	enum srtp_verdict v = rtp_protect(c->sender, plain, wire, size, len);
	c->sent += v == SRTP_OK;
	pthread_mutex_unlock(&c->lock);
	return v;
}

void media_crypt_tick(struct media_crypt *c, int64_t now_ms)
{
	pthread_mutex_lock(&c->lock);
	if (c->drop_old_at && now_ms >= c->drop_old_at) {
		srtp_receiver_drop(c->receiver, c->keys[1]->receive.mki);
		mcsec_secret_free(c->keys[1]);
		c->keys[1] = NULL;
		c->n_keys = 1;
		c->drop_old_at = 0;
	}
	pthread_mutex_unlock(&c->lock);
}

int media_crypt_rekey(struct media_crypt *c, const struct media_keys *keys)
{
	struct media_keys *copy = keep(keys);
	struct srtp_sender *sender = sender_of(keys, c->ssrc);
	pthread_mutex_lock(&c->lock);
	int same_shape = !memcmp(&keys->policy, &c->keys[0]->policy, sizeof keys->policy);
	int ok = copy && sender && same_shape;
	if (ok) {
		if (c->keys[1])
			srtp_receiver_drop(c->receiver, c->keys[1]->receive.mki);
		mcsec_secret_free(c->keys[1]);
		srtp_sender_free(c->next_sender);
		c->keys[1] = copy;
		c->next_sender = sender;
		c->n_keys = 2;
		c->drop_old_at = 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (!ok) {
		mcsec_secret_free(copy);
		srtp_sender_free(sender);
	}
	return ok ? 0 : -1;
}

void media_crypt_count(struct media_crypt *c, struct ue_media_stats *out, uint64_t *sent, uint64_t *received)
{
	pthread_mutex_lock(&c->lock);
	*sent += c->sent;
	*received += c->received;
	out->dropped_plain += c->dropped.dropped_plain;
	out->dropped_unknown_mki += c->dropped.dropped_unknown_mki;
	out->dropped_auth += c->dropped.dropped_auth;
	out->dropped_replay += c->dropped.dropped_replay;
	out->dropped_reflected += c->dropped.dropped_reflected;
	pthread_mutex_unlock(&c->lock);
}
