/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The issuer's parser and its operations (kms.md 15B): whatever the front end sends, in each of the issuer's states,
 * has an answer within bounds; what is read writes back the same; no answer holds a master secret, and keys are given
 * only for the UID of identity and period. The first octet of an input chooses the state. With its highest bit set the
 * rest is XORed over a good request of the operation in the second octet, to get behind identity, UID and parcel.
 */
#include "fuzz/fuzz.h"
#include "kms/issuer/serve.h"
#include "mcsec/secret.h"

enum {
	STATES = 3, /* nothing named yet; waiting for officers; open */
	OVER = 0x80
};

static const char kms_uri[] = "kms.example.org";
static struct issuer_desk desk[STATES];
static int made[STATES];
static struct issuer_domain domain;
static uint8_t sealed[CUSTODY_BLOB_MAX], *secrets, *answer;
static struct share shares[3];

static size_t opening(uint8_t *out)
{
	static uint8_t body[ISSUER_BODY_MAX];
	struct issuer_request r = {.op = ISSUER_OP_OPEN};
	struct writer b = wr_init(body, sizeof body), w = wr_init(out, ISSUER_REQUEST_MAX);
	strcpy(r.identity, kms_uri);
	issuer_domain_write(&b, &domain, 1);
	r.body = wr_result(&b);
	HOLDS(issuer_request_write(&w, &r) == MCSEC_OK);
	return wr_len(&w);
}

/* A desk in this state, once; a test that changed it makes it anew. */
static void make_desk(int state)
{
	static uint8_t request[ISSUER_REQUEST_MAX];
	struct issuer_desk *d = &desk[state];
	made[state] = 0;
	HOLDS(issuer_desk_open(d, &mcsec_rng_system) == 0);
	HOLDS(custody_attach(CUSTODY_BY_OFFICERS, &(struct custody_place){.k = 2, .n = 3}, &d->custody) == CUSTODY_OK);
	if (state > 0)
		HOLDS(issuer_serve(d, (struct octets){request, opening(request)}, answer) == 2);
	for (int i = 0; state == 2 && i < 2; i++)
		HOLDS(custody_add_share(d->custody, d->domain.sealed, &shares[i]) == CUSTODY_OK);
	HOLDS(state != 2 || vault_open(d->vault, d->custody, kms_uri, &d->domain) == CUSTODY_OK);
	made[state] = 1;
}

static void set_up(void)
{
	struct mcsec_master *m;
	size_t n;
	secrets = mcsec_secret_alloc(VAULT_SECRET_LEN);
	answer = mcsec_secret_alloc(ISSUER_ANSWER_MAX);
	HOLDS(secrets && answer && mcsec_master_generate(&m, &mcsec_rng_system) == MCSEC_OK);
	mcsec_master_export(m, secrets, secrets + MCSEC_KSAK_LEN);
	mcsec_master_public(m, domain.kpak, domain.z_pub);
	mcsec_master_free(m);
	HOLDS(officers_seal(2, 3, kms_uri, VAULT_SECRET_NAME, (struct octets){secrets, VAULT_SECRET_LEN},
			    &mcsec_rng_system, sealed, &n, shares) == CUSTODY_OK);
	domain.periods = (struct mcsec_periods){2592000, 0};
	domain.sealed = (struct octets){sealed, n};
	for (int i = 0; i < STATES; i++)
		make_desk(i);
}

/* A good request of this operation: an officer's share is the second one in its own parcel. */
static size_t good_request(unsigned op, struct issuer_desk *d, uint8_t out[ISSUER_REQUEST_MAX])
{
	static uint8_t text[SHARE_OCTETS], parcel[SHARE_OCTETS + PARCEL_OVERHEAD], body[ISSUER_BODY_MAX];
	struct issuer_request r = {.op = (enum issuer_op)op, .period = 1388, .number = op};
	struct writer w = wr_init(out, ISSUER_REQUEST_MAX), b = wr_init(body, sizeof body);
	if (op == ISSUER_OP_OPEN)
		return opening(out);
	strcpy(r.identity, op == ISSUER_OP_CREATE ? kms_uri : "sip:user@example.org");
	HOLDS(!mcsec_uid(r.identity, kms_uri, &domain.periods, r.period, r.uid));
	if (op == ISSUER_OP_CREATE) {
		issuer_domain_write(&b, &domain, 0);
		r.body = wr_result(&b);
	} else if (op == ISSUER_OP_SHARE) {
		share_write(&shares[1], text);
		HOLDS(parcel_seal(d->transport_key, OCTETS(text), parcel));
		r.body = OCTETS(parcel);
	}
	HOLDS(!issuer_request_write(&w, &r));
	return wr_len(&w);
}

/* The input over the good request; *size is then that one's length. */
static const uint8_t *lay_over(struct issuer_desk *d, const uint8_t *data, size_t *size)
{
	static uint8_t one[ISSUER_REQUEST_MAX];
	size_t n = good_request(1 + data[0] % ISSUER_OP_SEAL, d, one);
	for (size_t i = 1; i < *size && i <= n; i++)
		one[i - 1] ^= data[i];
	*size = n;
	return one;
}

static int reads_back(const struct issuer_request *r, struct octets in)
{
	static uint8_t again[ISSUER_REQUEST_MAX];
	struct writer w = wr_init(again, sizeof again);
	return !issuer_request_write(&w, r) && octets_equal(wr_result(&w), in);
}

static int uid_is_right(const struct issuer_request *r)
{
	uint8_t uid[MCSEC_UID_LEN];
	return !mcsec_uid(r->identity, kms_uri, &domain.periods, r->period, uid) &&
	       memcmp(uid, r->uid, sizeof uid) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct issuer_request r;
	if (!secrets)
		set_up();
	if (size < 1)
		return 0;
	int state = (data[0] & ~OVER) % STATES, over = data[0] & OVER && size > 1;
	struct issuer_desk *d = &desk[state];
	const uint8_t *p = data + 1;
	size--;
	if (!made[state]) /* it could not be, on a failing machine */
		make_desk(state);
	if (over)
		p = lay_over(d, p, &size);
	struct octets in = {p, size};
	int parsed = issuer_request_read(&r, in) == MCSEC_OK;
	HOLDS(!parsed || (reads_back(&r, in) && inside(r.body, in.p, in.len)));
	int share = parsed && r.op == ISSUER_OP_SHARE;
	if (over && share && state == 1) /* with the first one given, the second may open */
		HOLDS(custody_add_share(d->custody, d->domain.sealed, &shares[0]) == CUSTODY_OK);
	size_t n = issuer_serve(d, in, answer);
	unsigned status = (unsigned)answer[0] << 8 | answer[1];
	HOLDS(n >= 2 && n <= ISSUER_ANSWER_MAX && (status == ISSUER_OK || n == 2));
	HOLDS(status != ISSUER_OK || parsed);
	HOLDS(status != ISSUER_OK || r.op != ISSUER_OP_ISSUE || (state == 2 && uid_is_right(&r)));
	HOLDS(!memmem(answer, n, secrets, 16) && !memmem(answer, n, secrets + VAULT_SECRET_LEN - 16, 16));
	HOLDS(vault_is_sealed(d->vault) || state == 2 || r.op == ISSUER_OP_CREATE || (over && share));
	if (parsed && (r.op == ISSUER_OP_OPEN || r.op == ISSUER_OP_CREATE || r.op == ISSUER_OP_SEAL || share)) {
		issuer_desk_close(d);
		make_desk(state);
	}
	return 0;
}

#ifdef FUZZ_STANDALONE
/* A good request of each kind, with a few octets changed, cut or added: so many cases on any compiler. */
int main(void)
{
	enum { RUNS = 20000 };
	static uint8_t good[ISSUER_OP_SEAL + 1][ISSUER_REQUEST_MAX], one[1 + ISSUER_REQUEST_MAX + 8];
	size_t len[ISSUER_OP_SEAL + 1] = {0};
	uint64_t seed = 88172645463325252u;
	LLVMFuzzerTestOneInput((const uint8_t *)"", 1);
	for (unsigned op = ISSUER_OP_ISSUE; op <= ISSUER_OP_SEAL; op++)
		len[op] = good_request(op, &desk[1], good[op]);
	for (int run = 0; run < RUNS; run++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		unsigned op = 1 + (unsigned)(seed >> 8) % ISSUER_OP_SEAL;
		size_t n = len[op];
		one[0] = (uint8_t)(seed >> 16 & 0x7f);
		memcpy(one + 1, good[op], n);
		for (unsigned changes = (unsigned)(seed >> 24) % 4; changes; changes--) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			one[1 + seed % n] ^= (uint8_t)(seed >> 32);
		}
		n = (seed >> 40) % 8 == 0 ? (size_t)(seed >> 44) % (n + 8) : n;
		LLVMFuzzerTestOneInput(one, 1 + n);
	}
	printf("1..1\nok 1 - %d_requests_to_the_issuer_good_changed_cut_and_longer_keep_its_word\n", (int)RUNS);
	return 0;
}
#endif
