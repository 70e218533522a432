/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kms_answer.c - what a client makes of a hostile KMS's answers: the HTTP client is replaced by one that gives the
 * input back. First octet: which operation; second: which status; the rest is the answer's body.
 *
 * Invariants: success only for 200; a domain or a key comes out only with success, and then it is the one asked for; a
 * failure says what to do; nothing stays in secret memory.
 */
#include "fuzz/fuzz.h"
#include "mcsec/secret.h"
#include "net/http.h"
#include "net/kms_client.h"

static const char home_uri[] = "kms.run.mcx.test", user[] = "sip:alice@run.mcx.test";
static struct octets reply;
static int reply_status;

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
	out->body = malloc(reply.len + 1);
	HOLDS(out->body);
	memcpy(out->body, reply.p, reply.len);
	out->body[reply.len] = 0;
	out->body_len = reply.len;
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
		ok = kms_client_init(c, "t", user, 1795263600, &d[0], &r);
		HOLDS(!ok || (d[0].kms && !strcmp(d[0].cert.kms_uri, home_uri)));
		break;
	case 1:
		ok = kms_client_cert(c, "t", user, "kms.other.example", 1795263600, &d[0], &r);
		HOLDS(!ok || (d[0].kms && !strcmp(d[0].cert.kms_uri, "kms.other.example")));
		break;
	case 2:
		ok = kms_client_certcache(c, "t", user, 3, 1795263600, d, &n, &num, &r);
		HOLDS(n <= 8 && (ok || n == 0) && (!ok || num >= 0));
		for (size_t i = 0; ok && i < n; i++)
			kms_domain_free(&d[i]);
		break;
	case 3:
		n = 4;
		ok = kms_client_lookup(c, "t", user, "sip:bob@other.example", 1795263600, uris, &n, &r);
		HOLDS(n <= 4 && (ok || n == 0));
		break;
	default:
		n = 4;
		if (!home.kms && !kms_client_init(c, "t", user, 1795263600, &home, &r))
			return;
		ok = kms_client_keyprov(c, "t", user, user, KMS_NO_TIME, 1795263600, &home, mine, 1, keys, &n, &r);
		HOLDS(n <= 4 && (ok ? n > 0 : n == 0));
		kms_keys_free(keys, n);
	}
	outcome_fits(&r, ok);
	if (ok && op % 5 < 2)
		kms_domain_free(&d[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 200, 200, 401, 403, 404, 409, 429, 503, 0};
	static struct kms_client *c;
	const struct kms_client_options o = {.base_url = "https://kms.run.mcx.test", .kms_uri = home_uri};
	if (!c)
		c = kms_client_new(&o);
	if (!c || size < 2)
		return 0;
	size_t secret = mcsec_secret_in_use();
	reply_status = statuses[data[1] % 10];
	reply = (struct octets){data + 2, size - 2};
	ask(c, data[0]);
	HOLDS(mcsec_secret_in_use() == secret);
	return 0;
}
