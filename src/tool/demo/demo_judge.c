/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_judge.c - the verdict of the main job: one function a condition, each returns whether it is met and says by what
 * evidence. A condition that could not be looked at is not met.
 */
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcx/media/srtp.h"
#include "net/http.h"
#include "sec/base/text.h"
#include "tool/domain/admin_client.h"
#include "tool/demo/demo.h"
#include "tool/domain/show.h"

#define SAY(...) snprintf(why, DEMO_EVIDENCE, __VA_ARGS__)

/* ---- processes ---- */

static int own_processes(struct demo *d, char *why)
{
	static const char *const names[] = {"mcx-idms", "mcx-kms", "mcx-server"};
	int pids[3], good = 1, at = 0;
	for (int i = 0; i < 3; i++) {
		char link[64], program[PATH_MAX] = "";
		pids[i] = show_pid_of(&d->d, names[i]);
		snprintf(link, sizeof link, "/proc/%d/cmdline", pids[i]);
		char *line = domain_read_file(link);
		snprintf(program, sizeof program, "%s", line ? line : "");
		free(line);
		good &= pids[i] > 0 && pids[i] != getpid() && strcmp(basename(program), names[i]) == 0;
		for (int k = 0; k < i; k++)
			good &= pids[k] != pids[i];
		at += snprintf(why + at, DEMO_EVIDENCE - (size_t)at, "%s%s %d", i ? ", " : "", names[i], pids[i]);
	}
	return good;
}

/* ---- metrics of the daemons ---- */

/* Sum of all rows of one name; -1 if there is none. */
static double metric_of(const char *text, const char *name)
{
	double sum = -1;
	size_t len = strlen(name);
	for (const char *p = text; (p = strstr(p, name)) != NULL; p += len) {
		if ((p != text && p[-1] != '\n') || (p[len] != ' ' && p[len] != '{'))
			continue;
		const char *value = strchr(p, ' ');
		const char *end = strchr(p, '\n');
		if (p[len] == '{') {
			const char *close = strchr(p, '}');
			value = close ? close + 1 : NULL;
		}
		if (value && (!end || value < end))
			sum = (sum < 0 ? 0 : sum) + strtod(value, NULL);
	}
	return sum;
}

static double grown(struct demo *d, enum admin_at at, const char *before, const char *name)
{
	char err[400];
	struct admin_client *c = admin_client_new(&d->d, "auditor", err, sizeof err);
	char *now = c ? admin_page(c, at, "/metrics") : NULL;
	double a = metric_of(before, name), b = now ? metric_of(now, name) : -1;
	free(now);
	admin_client_free(c);
	return b < 0 ? -1 : b - (a < 0 ? 0 : a);
}

/* An authorization request without proof of possession must be turned away (identity.md 7.2): 1 if it is. */
static int refused_without_pkce(struct demo *d, const char *challenge)
{
	char ca[PATH_MAX], resolve[1024], url[700];
	domain_resolve(&d->d, resolve, sizeof resolve);
	const struct http_client_options o = {.ca_file = domain_path(&d->d, ca, "ca/domain.pem"),
					      .resolve = resolve,
					      .max_body = 1 << 20,
					      .timeout_ms = 10000};
	struct http_client *c = http_client_new(&o);
	if (!c)
		return 0;
	snprintf(
	    url, sizeof url,
	    "https://idms.%s:%u/authorize?response_type=code&client_id=mcx-ue&redirect_uri=mcx.ue%%3A%%2Fcallback"
	    "&scope=openid%%203gpp%%3Amc%%3Aptt_service&state=demo&nonce=demo&acr_values=3gpp%%3Aacr%%3Apassword%s",
	    d->d.zone, d->d.idms, challenge);
	struct http_call call = {.method = "GET", .url = url};
	struct http_answer a;
	http_client_do(c, &call, &a);
	int refused = (a.status == 302 || a.status == 303) && strstr(a.location, "error=invalid_request") != NULL &&
		      !strstr(a.location, "code=");
	http_answer_free(&a);
	http_client_free(c);
	return refused;
}

static int signed_in_with_pkce(struct demo *d, char *why)
{
	double codes = grown(d, ADMIN_AT_IDMS, d->idms_before, "mcx_idms_codes_total");
	double redeemed = grown(d, ADMIN_AT_IDMS, d->idms_before, "mcx_idms_tokens_total{grant=\"code\"}");
	int none = refused_without_pkce(d, "");
	int plain = refused_without_pkce(
	    d, "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain");
	SAY("%.0f codes given out, %.0f redeemed for tokens; a request without challenge is %s, with method plain %s",
	    codes, redeemed, none ? "refused" : "NOT refused", plain ? "refused" : "NOT refused");
	return codes >= 2 && redeemed >= 2 && none && plain;
}

static int keys_from_kms(struct demo *d, char *why)
{
	double sets = grown(d, ADMIN_AT_KMS, d->kms_before, "mcx_kms_issued_total");
	SAY("mcx-kms issued %.0f key sets since the two users were enrolled; their clients began with empty stores",
	    sets);
	return sets >= 2;
}

/* ---- the call key's way ---- */

size_t demo_i_message(const char *key_mgmt, uint8_t out[DEMO_IMESSAGE])
{
	static const char prefix[] = "a=key-mgmt:mikey ";
	size_t len = 0;
	if (strncmp(key_mgmt, prefix, sizeof prefix - 1) != 0)
		return 0;
	const char *text = key_mgmt + sizeof prefix - 1;
	return base64_decode(text, strlen(text), out, DEMO_IMESSAGE, &len) == MCSEC_OK ? len : 0;
}

static int same_i_message(struct demo *d, char *why)
{
	static uint8_t a[DEMO_IMESSAGE], b[DEMO_IMESSAGE];
	size_t na = demo_i_message(d->alice.key_mgmt, a), nb = demo_i_message(d->bob.key_mgmt, b);
	int same = na > 0 && na == nb && memcmp(a, b, na) == 0 && strcmp(d->alice.key_mgmt, d->bob.key_mgmt) == 0;
	SAY("%zu octets in Alice's offer, %zu in Bob's INVITE, %s", na, nb, same ? "all equal" : "NOT equal");
	return same;
}

/* ---- the wire ---- */

struct opened {
	const struct ue_call_keys *keys;
	struct srtp_receiver *hop[2]; /* before the relay and after it: each datagram is on the wire twice */
	size_t rtp, good, bad;
};

static int find_key(void *ctx, const uint8_t *mki, struct srtp_master *out)
{
	/* Both directions have the same MKI; private calls use one receiver for each. */
	struct opened *o = ctx;
	uint32_t id = (uint32_t)mki[0] << 24 | (uint32_t)mki[1] << 16 | (uint32_t)mki[2] << 8 | mki[3];
	if (id != o->keys->pck_id)
		return 0;
	memset(out, 0, sizeof *out);
	memcpy(out->mki, mki, 4);
	memcpy(out->key, o->keys->streams[0].master_key, 16);
	memcpy(out->salt, o->keys->streams[0].master_salt, SRTP_SALT);
	return 1;
}

static void open_packet(void *ctx, struct octets packet)
{
	struct opened *o = ctx;
	uint8_t plain[SRTP_MAX_PACKET];
	size_t len;
	if (packet.len >= 2 && packet.p[1] >= 192 && packet.p[1] <= 223)
		return; /* RTCP */
	o->rtp++;
	enum srtp_verdict v = rtp_unprotect(o->hop[0], packet, plain, sizeof plain, &len);
	if (v == SRTP_REPLAY || v == SRTP_OLD)
		v = rtp_unprotect(o->hop[1], packet, plain, sizeof plain, &len);
	o->good += v == SRTP_OK;
	o->bad += v != SRTP_OK;
}

/* Every RTP packet of the call is AEAD ciphertext under the call's key: then none of them is the codec's octets. */
static void open_all(struct demo *d, struct opened *o)
{
	*o = (struct opened){.keys = d->keys};
	const struct srtp_receiver_options options = {.policy = {.key_len = 16, .mki_len = 4},
						      .find = find_key,
						      .ctx = o,
						      .max_streams = 4,
						      .either_layout = 1,
						      .roc_tries = 1};
	o->hop[0] = srtp_receiver_new(&options);
	o->hop[1] = srtp_receiver_new(&options);
	if (o->hop[0] && o->hop[1])
		wire_each(d->wire, open_packet, o);
	srtp_receiver_free(o->hop[0]);
	srtp_receiver_free(o->hop[1]);
}

static int nothing_on_the_wire(struct demo *d, char *why)
{
	struct sound speech;
	struct wire_verdict heard, control = {0};
	struct opened o;
	char err[300];
	if (hear_load(d->reference, &speech, err, sizeof err)) {
		SAY("%s", err);
		return 0;
	}
	struct wire *clear = wire_encode(&speech);
	if (clear)
		wire_listen(clear, &speech, &control);
	wire_listen(d->wire, &speech, &heard);
	wire_free(clear);
	hear_free(&speech);
	open_all(d, &o);
	SAY("%zu RTP packets %s; without the key they decode to correlation %.3f with the speech (the same speech in "
	    "clear:"
	    " %.3f), %.2f bits of entropy an octet; with the key all %zu authenticate",
	    heard.packets, d->captured ? "captured on the wire" : "seen at the sockets", heard.correlation,
	    control.correlation, heard.entropy, o.good);
	return heard.packets > 100 && control.correlation > 0.9 && heard.correlation < 0.3 && heard.entropy > 7.9 &&
	       o.good == o.rtp && o.bad == 0 && o.good > 100;
}

/* ---- what Bob heard ---- */

static int heard_well(struct demo *d, char *why)
{
	struct sound a, b = {0};
	struct hear_verdict v;
	char err[300] = "";
	if (hear_load(d->reference, &a, err, sizeof err) || hear_load(d->heard, &b, err, sizeof err)) {
		SAY("%s", err);
		hear_free(&a);
		return 0;
	}
	hear_compare(&a, &b, 1000, &v);
	SAY("length differs by %+.0f ms, best shift %+.1f ms, correlation %.4f; %llu frames concealed",
	    v.length_difference_ms, v.delay_ms, v.correlation, (unsigned long long)d->heard_stats.concealed);
	int good = fabs(v.length_difference_ms) <= 200 && v.correlation >= 0.9 && a.n >= 10 * (size_t)a.rate;
	hear_free(&a);
	hear_free(&b);
	return good;
}

/* ---- the changed octet ---- */

static int flip_refused(struct demo *d, char *why)
{
	SAY("octet %d changed: Alice gets %d with Warning %d; Bob refused %d time(s), decrypted nothing", d->flip - 1,
	    d->bad_call.sip_status, d->bad_call.warning, d->bob.rejected);
	return d->flip > 1 && d->bad_call.status == UE_REFUSED && d->bad_call.sip_status == 488 &&
	       d->bad_call.warning == 136 && d->bob.rejected == 1 && d->bob.first_packet == 0 && d->alice.call_up == 0;
}

/* ---- the server's memory ---- */

static int not_in_memory(struct demo *d, char *why)
{
	static const char *const when[] = {"during", "after"};
	uint64_t found = 0;
	for (int i = 0; i < 2; i++) {
		if (!d->searched[i]) {
			SAY("%s the call: %s", when[i], d->search_error[i][0] ? d->search_error[i] : "not searched");
			return 0;
		}
		for (size_t k = 1; k < 8; k++)
			found += d->search[i].hits[k];
	}
	int proven = d->search[0].hits[0] > 0 && d->search[1].hits[0] > 0;
	SAY("searched %.1f MiB in %llu regions, during and after the call: %llu of the 7 values found; the server's "
	    "own "
	    "sealing key is %s, so the search can find",
	    (double)d->search[0].octets / 1048576, (unsigned long long)d->search[0].regions, (unsigned long long)found,
	    proven ? "found" : "NOT found");
	return proven && found == 0 && d->search[0].unreadable == 0 && d->search[1].unreadable == 0;
}

void demo_judge(struct demo *d)
{
	static const struct {
		const char *condition;
		int (*look)(struct demo *d, char *why);
	} conditions[] = {
	    {"each daemon ran as its own process", own_processes},
	    {"both users signed in by code flow with PKCE", signed_in_with_pkce},
	    {"both key sets came from mcx-kms in this run", keys_from_kms},
	    {"the I_MESSAGE is octet-identical in Alice's offer and Bob's INVITE", same_i_message},
	    {"no RTP packet on the wire decodes as the codec", nothing_on_the_wire},
	    {"Bob's WAV equals Alice's decoded reference", heard_well},
	    {"Bob's video is Alice's, octet for octet", demo_video_same},
	    {"one flipped octet in the I_MESSAGE ends in 488 with Warning 136", flip_refused},
	    {"the call's keys are nowhere in the memory of the MC server", not_in_memory},
	    {"who holds every file and key of the MC server has no key of the call", demo_insider},
	};
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		char why[DEMO_EVIDENCE] = "";
		int met = conditions[i].look(d, why);
		narrate_condition(&d->say, met, conditions[i].condition, why);
	}
}
