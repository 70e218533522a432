/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sipp_bodies.c - bodies of SIP requests for sipp to send, as files: good ones, and others with one thing wrong each.
 *
 *	sipp_bodies DOMAIN USER OTHER FOLDER
 *
 * sipp is a SIP stack and no more: it cannot sign. This program signs the two in as their clients do, with token and
 *keys of their own, and writes what they would upload and offer. All of USER's; multipart, boundary mcx-sipp.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcsec/secret.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/poc_settings.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/xmlsec/xmlsec.h"
#include "sec/base/text.h"
#include "tool/domain/client.h"
#include "ue/engine.h"

#define BOUNDARY "mcx-sipp"
/* A part that no writer of ours would write; its first letter becomes an m. */
#define NESTED "xultipart/mixed"

enum { ROOM = 64 * 1024, PARTS = 8 };

struct end {
	struct user user;
	struct ue *ue;
};

static struct domain domain;
static struct end alice, bob;
static const char *folder;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "sipp_bodies: %s: %s\n", what, why);
	exit(1);
}

static void must(const char *what, enum mcsec_err e)
{
	if (e)
		die(what, mcsec_err_name(e));
}

static void client(struct end *e, const char *name)
{
	char err[600];
	struct client_texts *t = calloc(1, sizeof *t); /* as long as the client */
	struct ue_config c;
	struct ue_report r;
	if (!t || user_load(&domain, name, &e->user, err, sizeof err) != USER_OK)
		die(name, err);
	client_config(&domain, &e->user, t, &c);
	e->ue = ue_new(&c, err, sizeof err);
	if (!e->ue)
		die(name, err);
	if (client_sign_in(&domain, &e->user, e->ue, &r) || ue_provision(e->ue, &r))
		die(name, r.text);
}

/* ---- parts ---- */

static uint8_t csk[MCSEC_KEY_LEN]; /* of the last upload made */
static uint32_t csk_id;

/* What an I_MESSAGE is made of; zeroes: USER's CSK for the server, now. */
struct im {
	const struct end *from;
	enum mcsec_key_kind kind;
	const char *to;
	int64_t age;
	uint16_t suite;
};

static struct octets message(struct im how)
{
	static uint8_t out[MCSEC_IM_MAX];
	const struct end *from = how.from ? how.from : &alice;
	const struct mcsec_alg_list algs = {.selected = how.suite, .suites = {how.suite}, .n = 1};
	uint8_t key[MCSEC_KEY_LEN];
	size_t len;
	struct mcsec_im_make what = {.kind = how.kind ? how.kind : MCSEC_CSK,
				     .key = key,
				     .time = ue_time_now() - (uint64_t)how.age,
				     .initiator = from->user.mcptt,
				     .initiator_kms = from->ue->c.kms_uri,
				     .responder = how.to ? how.to : from->ue->c.sip_psi,
				     .responder_kms = from->ue->c.kms_uri,
				     .algs = how.suite ? &algs : NULL};
	must("random", mcsec_rng_system.fill(NULL, key, sizeof key));
	must("K-ID", mcsec_kid_new(what.kind, &mcsec_rng_system, NULL, NULL, &what.k_id));
	/* What is said to be old is older than the certificate too: a hostile peer does not mind. */
	for (size_t i = 0; i < from->ue->ring->book.n_kms; i++)
		from->ue->ring->kms[i].valid_from = 0;
	must("I_MESSAGE", mcsec_im_make(&from->ue->ring->book, &what, &mcsec_rng_system, out, sizeof out, &len));
	if (what.kind == MCSEC_CSK) {
		memcpy(csk, key, sizeof csk);
		csk_id = what.k_id;
	}
	return (struct octets){out, len};
}

static struct octets info(const char *token, const char *client_id)
{
	static uint8_t out[16384];
	static struct mcptt_info i;
	memset(&i, 0, sizeof i);
	i.access_token.form = token ? MCPTT_PLAIN : MCPTT_ABSENT;
	snprintf(i.access_token.value, sizeof i.access_token.value, "%s", token ? token : "");
	i.client_id.form = MCPTT_PLAIN;
	snprintf(i.client_id.value, sizeof i.client_id.value, "%s", client_id);
	struct writer w = wr_init(out, sizeof out);
	must("info", mcptt_info_write(&w, &i));
	return wr_result(&w);
}

static struct octets call_info(const char *session, const char *client_id)
{
	static uint8_t out[4096];
	static struct mcptt_info i;
	memset(&i, 0, sizeof i);
	snprintf(i.session_type, sizeof i.session_type, "%s", session);
	i.client_id.form = MCPTT_PLAIN;
	snprintf(i.client_id.value, sizeof i.client_id.value, "%s", client_id);
	struct writer w = wr_init(out, sizeof out);
	must("info", mcptt_info_write(&w, &i));
	return wr_result(&w);
}

static struct octets settings(void)
{
	static uint8_t out[512];
	struct writer w = wr_init(out, sizeof out);
	must("settings", poc_settings_write(&w, "do1", POC_ANSWER_MANUAL));
	return wr_result(&w);
}

static struct octets lists(const char *const *uris, size_t n)
{
	static uint8_t out[2048];
	struct writer w = wr_init(out, sizeof out);
	must("lists", resource_lists_write(&w, uris, n));
	return wr_result(&w);
}

/* key: the I_MESSAGE in it; none: no key line. */
static struct octets offer(struct octets key)
{
	static char out[16384];
	char text[BASE64_SIZE(MCSEC_IM_MAX)], line[BASE64_SIZE(MCSEC_IM_MAX) + 32] = "";
	base64_encode(key, text);
	if (key.len)
		snprintf(line, sizeof line, "a=key-mgmt:mikey %s\r\n", text);
	int n = snprintf(
	    out, sizeof out,
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n%sm=audio 40000 RTP/SAVP 97\r\n"
	    "a=rtpmap:97 opus/48000/2\r\n",
	    line);
	return (struct octets){(const uint8_t *)out, (size_t)n};
}

/* ---- files ---- */

static void file(const char *name, struct octets o)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(o.p, 1, o.len, f) != o.len || fclose(f))
		die(path, "cannot be written");
}

/* Protected under `key` of that user (NULL: in clear), as a client of ours does it. */
static void body(const char *name, const struct end *whose, const uint8_t *key, uint32_t key_id,
		 const struct body_out *parts, size_t n)
{
	static uint8_t arena_room[ROOM], out[ROOM];
	struct body_out all[PARTS];
	struct writer arena = wr_init(arena_room, sizeof arena_room), w = wr_init(out, sizeof out);
	struct xml_key k;
	memcpy(all, parts, n * sizeof *parts);
	if (key) {
		must("XML key", xml_key_derive(&k, key, key_id, whose->user.mcptt));
		must("protection",
		     xml_protect(&xml_policy_default, &k, &mcsec_rng_system, "sipp.test", all, &n, PARTS, &arena));
	}
	must(name, multipart_write(&w, BOUNDARY, all, n));
	uint8_t *nested = memmem(out, wr_len(&w), NESTED, strlen(NESTED));
	if (nested)
		*nested = 'm';
	file(name, wr_result(&w));
}

static const char *my_token(void)
{
	return alice.ue->tokens->access;
}

/* Without settings the documents are those of a REGISTER, with them of a PUBLISH. */
static void upload(const char *name, struct octets im, const char *token, int published, int in_clear, int binary)
{
	struct body_out parts[3] = {{.type = TYPE_MIKEY, .body = im, .base64 = !binary},
				    {.type = TYPE_MCPTT_INFO, .body = info(token, alice.ue->client_uuid)},
				    {.type = TYPE_POC_SETTINGS, .body = settings()}};
	body(name, &alice, in_clear ? NULL : csk, csk_id, parts, published ? 3 : 2);
}

static struct octets damaged(struct octets im, size_t from_the_end)
{
	static uint8_t out[MCSEC_IM_MAX];
	memcpy(out, im.p, im.len);
	out[im.len - from_the_end] ^= 1;
	return (struct octets){out, im.len};
}

static void uploads(const char *prefix, int published)
{
	char name[64], token[8192];
#define NAME(what) (snprintf(name, sizeof name, "%s-%s", prefix, what), name)
	upload(NAME("damaged"), damaged(message((struct im){0}), 40), my_token(), published, 0, 0);
	struct octets cut = message((struct im){0});
	upload(NAME("cut"), (struct octets){cut.p, cut.len / 2}, my_token(), published, 0, 0);
	upload(NAME("private-call-key"), message((struct im){.kind = MCSEC_PCK}), my_token(), published, 0, 0);
	upload(NAME("multicast-key"), message((struct im){.kind = MCSEC_MUSIK}), my_token(), published, 0, 0);
	upload(NAME("for-another"), message((struct im){.to = bob.user.mcptt}), my_token(), published, 0, 0);
	upload(NAME("old"), message((struct im){.age = 400}), my_token(), published, 0, 0);
	upload(NAME("early"), message((struct im){.age = -900}), my_token(), published, 0, 0);
	upload(NAME("suite"), message((struct im){.suite = 0x0103}), my_token(), published, 0, 0);
	upload(NAME("no-token"), message((struct im){0}), NULL, published, 0, 0);
	snprintf(token, sizeof token, "%s", my_token());
	token[strlen(token) - 20] = token[strlen(token) - 20] == 'A' ? 'B' : 'A';
	upload(NAME("forged-token"), message((struct im){0}), token, published, 0, 0);
	upload(NAME("clear"), message((struct im){0}), my_token(), published, 1, 0);
	struct body_out of_bob[3] = {{.type = TYPE_MIKEY, .body = message((struct im){.from = &bob}), .base64 = 1},
				     {.type = TYPE_MCPTT_INFO, .body = info(my_token(), alice.ue->client_uuid)},
				     {.type = TYPE_POC_SETTINGS, .body = settings()}};
	body(NAME("of-another"), &bob, csk, csk_id, of_bob, published ? 3 : 2);
	struct octets im = message((struct im){0});
	struct body_out parts[4] = {{.type = TYPE_MIKEY, .body = im, .base64 = 1},
				    {.type = TYPE_MIKEY, .body = im, .base64 = 1},
				    {.type = TYPE_MCPTT_INFO, .body = info(my_token(), alice.ue->client_uuid)},
				    {.type = TYPE_POC_SETTINGS, .body = settings()}};
	body(NAME("two-keys"), &alice, csk, csk_id, parts, published ? 4 : 3);
	body(NAME("no-key"), &alice, csk, csk_id, parts + 2, published ? 2 : 1);
	uint8_t inner[16384];
	struct writer w = wr_init(inner, sizeof inner);
	must("inner", multipart_write(&w, "inner", parts, 1));
	parts[0] = (struct body_out){.type = NESTED ";boundary=inner", .body = wr_result(&w)};
	body(NAME("nested"), &alice, NULL, 0, parts, published ? 4 : 3);
}

/* Under the CSK of the last good upload. */
static void calls(void)
{
	const char *const nobody[] = {"sip:nobody@example.test", bob.user.mcptt};
	char stranger[128];
	snprintf(stranger, sizeof stranger, "sip:stranger@%s", strchr(alice.user.mcptt, '@') + 1);
	const char *one[] = {stranger};
	const char *id = alice.ue->client_uuid;
	uint8_t pck_room[MCSEC_IM_MAX];
	struct octets pck = message((struct im){.kind = MCSEC_PCK, .to = bob.user.mcptt});
	memcpy(pck_room, pck.p, pck.len);
	pck.p = pck_room;
	struct body_out parts[3] = {{.type = TYPE_SDP, .body = offer(pck)},
				    {.type = TYPE_MCPTT_INFO, .body = call_info("private", id)},
				    {.type = TYPE_RESOURCE_LIST, .body = lists(one, 1)}};
	body("call-stranger", &alice, csk, csk_id, parts, 3);
	body("call-clear", &alice, NULL, 0, parts, 3);
	body("call-no-target", &alice, csk, csk_id, parts, 2);
	parts[1].body = call_info("prearranged", id);
	body("call-prearranged", &alice, csk, csk_id, parts, 3);
	parts[1].body = call_info("private", "urn:uuid:00000000-0000-4000-8000-000000000bad");
	body("call-other-client", &alice, csk, csk_id, parts, 3);
	parts[1].body = call_info("private", id);
	parts[2].body = lists(nobody, 2);
	body("call-two-targets", &alice, csk, csk_id, parts, 3);
	parts[2].body = lists(nobody + 1, 1);
	parts[0].body = offer((struct octets){0});
	body("call-no-key", &alice, csk, csk_id, parts, 3);
	parts[0].body = offer((struct octets){pck.p, pck.len / 2});
	body("call-cut-key", &alice, csk, csk_id, parts, 3);
	uint8_t kept[MCSEC_KEY_LEN];
	uint32_t kept_id = csk_id;
	memcpy(kept, csk, sizeof kept);
	parts[0].body = offer(message((struct im){.to = bob.user.mcptt}));
	body("call-client-server-key", &alice, kept, kept_id, parts, 3);
	uint8_t other[MCSEC_KEY_LEN] = {1};
	parts[0].body = offer(pck);
	body("call-other-csk", &alice, other, kept_id, parts, 3);
	body("call-unknown-csk", &alice, other, kept_id ^ 1, parts, 3);
}

int main(int argc, char **argv)
{
	char err[600];
	if (argc != 5 || domain_open(&domain, argv[1], 0, err, sizeof err))
		die("domain", argc == 5 ? err : "usage: sipp_bodies DOMAIN USER OTHER FOLDER");
	folder = argv[4];
	client(&alice, argv[2]);
	client(&bob, argv[3]);
	uploads("register", 0);
	uploads("publish", 1);
	/* each later than the one before, and the last than any key download meanwhile (flows 0.4) */
	upload("register-binary", message((struct im){0}), my_token(), 0, 0, 1);
	upload("publish-good", message((struct im){.age = -200}), my_token(), 1, 0, 0);
	upload("register-good", message((struct im){.age = -2}), my_token(), 0, 0, 0);
	calls();
	file("message-key", message((struct im){0}));
	file("message-info", info(NULL, alice.ue->client_uuid));
	file("message-text", octets_of("hello"));
	file("message-junk", octets_of("no boundary here"));
	mcsec_wipe(csk, sizeof csk);
	ue_free(alice.ue);
	ue_free(bob.ue);
	return 0;
}
