/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_answer.c - what a client makes of a hostile KMS's answers: the HTTP client is replaced by one that gives the
 * input back. First octet: which operation; second: which status; the rest is the answer's body. With the first octet's
 * highest bit the client has transport keys, and a third octet says what the KMS does to its answer before it signs it
 * (enum forgery).
 *
 * Invariants: success only for 200; a domain or a key comes out only with success, and then it is the one asked for; a
 * failure says what to do; nothing stays in secret memory; a client with transport keys takes no answer that is not
 * signed under one of them, for this request and now, and only keys that open under its TrK.
 */
#include "fuzz/fuzz.h"
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_sign.h"
#include "mcx/kmssec/kms_wrap.h"
#include "net/http.h"
#include "net/kms_client.h"

enum { NOW = 1795263600, WITH_KEYS = 0x80 };

enum forgery {
	UNSIGNED = 1,       /* as it came */
	OTHER_KEY = 2,      /* signed under another key of that name */
	OTHER_NAME = 4,     /* or under a name the client does not know */
	OTHER_USER = 8,     /* the answer to somebody else */
	OTHER_TIME = 16,    /* of yesterday */
	NEW_KEY = 32,       /* with a new InK */
	WRONG_NEW_KEY = 64, /* wrapped under a key that is not the client's TrK */
	WRAPPED = 128,      /* key sets wrapped: under the TrK, with OTHER_NAME under an unknown one */
	REFUSED = UNSIGNED | OTHER_KEY | OTHER_NAME | OTHER_USER | OTHER_TIME
};

static const char home_uri[] = "kms.run.mcx.test", user[] = "sip:alice@run.mcx.test";
static struct octets reply;
static int reply_status;
static unsigned forgery, stored;
static int with_keys;
static struct kms_transport *transport;

static int store(void *ctx, const struct kms_transport *t)
{
	(void)ctx;
	HOLDS(t->ink.id[0] && t->trk.id[0]);
	stored++;
	return forgery & OTHER_TIME ? -1 : 0;
}

static void add_new_key(struct kms_response *a, uint8_t trk[KMS_TRK_LEN])
{
	static const uint8_t fresh[KMS_TRK_LEN] = "a fresh integrity key";
	struct kms_new_key *k = &a->new_keys[0];
	trk[0] ^= forgery & WRONG_NEW_KEY ? 1 : 0;
	*k = (struct kms_new_key){.is_ink = 1};
	HOLDS(kms_wrap(trk, 0, OCTETS(fresh), &k->key) == MCSEC_OK);
	trk[0] ^= forgery & WRONG_NEW_KEY ? 1 : 0;
	strcpy(k->key.key_name, "trk-1");
	strcpy(k->key.carried, "ink-2");
	a->n_new_keys = 1;
}

/* The reply as a KMS with these keys would send it. NULL: it is no answer that could be signed. */
static uint8_t *sign(const char *url, size_t *len)
{
	struct kms_response a;
	struct kms_fault f;
	uint8_t trk[KMS_TRK_LEN] = "the transport key", ink[KMS_TRK_LEN] = "the integrity key";
	if (forgery & UNSIGNED || kms_response_read(&a, KMS_ROOT_RESPONSE, reply, &f) != MCSEC_OK)
		return NULL;
	snprintf(a.user_uri, sizeof a.user_uri, "%s", forgery & OTHER_USER ? "sip:eve@run.mcx.test" : user);
	snprintf(a.client_req_url, sizeof a.client_req_url, "%s", url);
	strcpy(a.id, "answer-1");
	a.time = NOW - (forgery & OTHER_TIME ? 86400 : 0);
	if (forgery & NEW_KEY)
		add_new_key(&a, trk);
	for (size_t i = 0; forgery & WRAPPED && i < a.n_sets; i++)
		HOLDS(kms_key_set_wrap(&a.sets[i], trk, forgery & OTHER_NAME ? "trk-x" : "trk-1", 0) == MCSEC_OK);
	ink[0] ^= forgery & OTHER_KEY ? 1 : 0;
	size_t bound = kms_response_bound(&a) + KMS_SIGNATURE_BOUND;
	uint8_t *out = malloc(bound);
	HOLDS(out);
	struct writer w = wr_init(out, bound);
	kms_response_sign(&w, &a, forgery & OTHER_NAME ? "ink-x" : "ink-1", ink);
	kms_response_free(&a);
	HOLDS(w.err != MCSEC_E_NO_SPACE);
	*len = w.err ? 0 : wr_len(&w);
	return out;
}

struct http_client *http_client_new(const struct http_client_options *o)
{
	(void)o;
	return malloc(1);
}

void http_client_free(struct http_client *c)
{
	free(c);
}

void http_client_do(struct http_client *c, const struct http_call *call, struct http_answer *out)
{
	(void)c;
	HOLDS(call->body.len > 0 && !strncmp(call->url, "https://", 8));
	memset(out, 0, sizeof *out);
	out->status = reply_status;
	out->body_len = reply.len;
	out->body = with_keys ? sign(call->url, &out->body_len) : NULL;
	if (out->body)
		return;
	out->body = malloc(reply.len + 1);
	HOLDS(out->body);
	memcpy(out->body, reply.p, reply.len);
}

void http_answer_free(struct http_answer *a)
{
	free(a->body);
}

static void outcome_fits(const struct kms_result *r, int ok)
{
	HOLDS(ok == (r->outcome == KMS_DONE));
	HOLDS(!ok || r->status == 200);
	HOLDS(ok || r->detail[0] || r->status != 200);
	HOLDS(memchr(r->detail, 0, sizeof r->detail) && kms_outcome_name(r->outcome)[0]);
}

static void ask(struct kms_client *c, unsigned op)
{
	static struct kms_domain d[8];
	static struct kms_domain home;
	struct kms_keys keys[4];
	struct kms_result r = {0};
	static char uris[4][KMS_URI_MAX];
	const char *mine[] = {user};
	size_t n = 8;
	int64_t num = -1;
	int ok;
	switch (op % 5) {
	case 0:
		ok = kms_client_init(c, "t", user, NOW, &d[0], &r);
		HOLDS(!ok || (d[0].kms && !strcmp(d[0].cert.kms_uri, home_uri)));
		break;
	case 1:
		ok = kms_client_cert(c, "t", user, "kms.other.example", NOW, &d[0], &r);
		HOLDS(!ok || (d[0].kms && !strcmp(d[0].cert.kms_uri, "kms.other.example")));
		break;
	case 2:
		ok = kms_client_certcache(c, "t", user, 3, NOW, d, &n, &num, &r);
		HOLDS(n <= 8 && (ok || n == 0) && (!ok || num >= 0));
		for (size_t i = 0; ok && i < n; i++)
			kms_domain_free(&d[i]);
		break;
	case 3:
		n = 4;
		ok = kms_client_lookup(c, "t", user, "sip:bob@other.example", NOW, uris, &n, &r);
		HOLDS(n <= 4 && (ok || n == 0));
		break;
	default:
		n = 4;
		if (!home.kms && !kms_client_init(c, "t", user, NOW, &home, &r))
			return;
		ok = kms_client_keyprov(c, "t", user, user, KMS_NO_TIME, NOW, &home, mine, 1, keys, &n, &r);
		HOLDS(n <= 4 && (ok ? n > 0 : n == 0));
		kms_keys_free(keys, n);
	}
	outcome_fits(&r, ok);
	HOLDS(!ok || !with_keys || !(forgery & REFUSED));
	HOLDS(!ok || !with_keys || !(forgery & NEW_KEY) || !(forgery & WRONG_NEW_KEY) || op % 5 == 1 || op % 5 == 3);
	if (ok && op % 5 < 2)
		kms_domain_free(&d[0]);
}

static void begin(void)
{
	transport = mcsec_secret_alloc(sizeof *transport);
	HOLDS(transport);
	memset(transport, 0, sizeof *transport);
	strcpy(transport->trk.id, "trk-1");
	memcpy(transport->trk.key, "the transport key", 17);
	strcpy(transport->ink.id, "ink-1");
	memcpy(transport->ink.key, "the integrity key", 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 200, 200, 401, 403, 404, 409, 429, 503, 0};
	static struct kms_transport *before;
	static struct kms_client *plain, *keyed;
	struct kms_client_options o = {.base_url = "https://kms.run.mcx.test", .kms_uri = home_uri};
	if (!plain) {
		begin();
		before = mcsec_secret_alloc(sizeof *before);
		HOLDS(before);
		*before = *transport;
		plain = kms_client_new(&o);
		o.transport = transport;
		o.store = store;
		keyed = kms_client_new(&o);
	}
	with_keys = size > 2 && data[0] & WITH_KEYS;
	if (!plain || !keyed || size < 2)
		return 0;
	size_t secret = mcsec_secret_in_use();
	reply_status = statuses[data[1] % 10];
	forgery = with_keys ? data[2] : 0;
	reply = (struct octets){data + 2 + with_keys, size - 2 - (size_t)with_keys};
	*transport = *before;
	ask(with_keys ? keyed : plain, data[0] & 0x7f);
	HOLDS(mcsec_secret_in_use() == secret);
	return 0;
}
