/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_lab.h - a small world for client engines in one process: a KMS that issues real keys, identities that are signed
 * in, and a SIP server over TCP on loopback that registers clients and stands between the two ends of a call.
 *
 * The server here is the hostile one too: it can change what it forwards, and send INVITEs of its own making. What
 * the real daemons do is tested with them; here the engine is what is tested, whole, from SIP to WAV.
 */
#ifndef MCX_UE_LAB_H
#define MCX_UE_LAB_H

#include "mcsec/mikey.h"
#include "mcx/doc/kms_doc.h"
#include "mcx/doc/poc_settings.h"
#include "ue/ue.h"

#define LAB_KMS     "kms.lab.mcx.test"
#define LAB_OTHER   "kms.other.mcx.test" /* the KMS of another domain */
#define LAB_PSI     "sip:mcptt@lab.mcx.test"
#define LAB_ALICE   "sip:alice@lab.mcx.test"
#define LAB_BOB     "sip:bob@lab.mcx.test"
#define LAB_MALLORY "sip:mallory@lab.mcx.test"
#define LAB_CAROL   "sip:carol@other.mcx.test" /* homed at LAB_OTHER, with the server and the tokens of this domain */

struct lab;
struct signin_tokens;

struct lab_hooks { /* called on the server's loop; texts are replaced in place, *len may change up to size */
	void (*offer)(void *ctx, char *sdp, size_t *len, size_t size);
	void (*answer)(void *ctx, char *sdp, size_t *len, size_t size);
	void *ctx;
};

/* The calling test fails if the lab cannot be made. */
struct lab *lab_new(void);
void lab_free(struct lab *l);
/* A group of tests shares a lab; many of them one client in it, which each makes as it needs her. */
extern struct lab *lab;
extern struct ue *lab_alice;
int lab_set_up(void **state);
int lab_tear_down(void **state); /* the client too */
void lab_set_hooks(struct lab *l, const struct lab_hooks *h);

/* A client of this identity, signed in and provisioned; its folder stays in the lab until lab_free. */
struct ue *lab_client(struct lab *l, const char *uri, const struct ue_config *extra);

/*
 * A client that is signed in with this token and holds nothing yet: kms_uri, kms_url, ca_file and resolve of c say
 * which KMS it asks.
 */
struct ue *lab_bare_client(struct lab *l, const char *uri, const char *token, const struct ue_config *c);

/* What the identity server gives who signs in or refreshes; NULL: it cannot be reached, as at first. */
extern const struct signin_tokens *lab_tokens;

/* Tables to make and open messages with, as every identity of the lab. */
const struct mcsec_im_book *lab_book(const struct lab *l);

/* The same tables with another domain's keys under the name of LAB_OTHER: whoever has set up a KMS of that name. */
const struct mcsec_im_book *lab_impostor_book(struct lab *l);

/* The I_MESSAGE of a PCK from `from` to `to` at TIME `time`. Returns its length. */
size_t lab_pck_message(struct lab *l, const char *from, const char *to, uint64_t time, uint8_t out[MCSEC_IM_MAX]);
/* From Alice to Bob at TIME `time`, with these key parameters. */
size_t lab_pck_message_with(struct lab *l, uint64_t time, const struct mcsec_key_params *params,
			    uint8_t out[MCSEC_IM_MAX]);
/* An offer with that message (len 0: none) at session level; NUL-terminated. */
void lab_offer(const uint8_t *message, size_t len, char *out, size_t size);

struct lab_answer {
	int status, warning, retry_after_s;
	char type[64]; /* of its body, "" none; to a MESSAGE */
	size_t len;
	uint8_t body[MCSEC_IM_MAX];
};
/* INVITE to a registered client, caller's identity as the server puts it; the final answer. A 2xx is ended by BYE. */
struct lab_answer lab_invite(struct lab *l, const char *to, const char *calling_user_id, const char *offer);
/* Of which service the INVITEs of the server's own are from now on; at first MCPTT. */
void lab_set_service(struct lab *l, enum mcx_service service);
/* Same, and while the call is up a re-INVITE with another offer: its answer. */
struct lab_answer lab_invite_twice(struct lab *l, const char *to, const char *calling_user_id, const char *offer,
				   const char *second);

/* A key download of the server's own; texts NULL: as it should be. */
struct lab_message {
	enum mcsec_key_kind kind;
	const char *from, *to;         /* identities in the I_MESSAGE */
	const char *icsi, *asserted;   /* P-Asserted-Service ("": none), P-Asserted-Identity */
	int64_t ahead;                 /* seconds T lies ahead of now */
	int to_self;                   /* SAKKE-to-self */
	int hide, flip;                /* both identities as UIDs; octet to change, negative: from the end, 0: none */
	uint16_t suite;                /* list of this suite alone; 0: none */
	uint32_t k_id;                 /* 0: drawn; out: what was sent */
	int again, octets;             /* the key of the last one; its very octets */
	const char *kms;               /* of the receiver; NULL: the lab's */
	const char *type;              /* Content-Type; NULL: application/mikey */
	uint8_t key[MCSEC_KEY_LEN];    /* out */
	uint64_t time;                 /* out: T */
	uint8_t message[MCSEC_IM_MAX]; /* out */
	size_t len;
};
struct lab_answer lab_message(struct lab *l, const char *to, struct lab_message *m);

/* What the server saw of the last REGISTER or PUBLISH. */
struct lab_register {
	char event[32], expires[16], service[64], accept[128]; /* headers; "" none */
	int uploads;                                           /* there was a body; what follows is of the last one */
	enum poc_answer answer;
	int csk_opened;          /* the I_MESSAGE opened under the server's own keys, from the user, with a CSK */
	uint32_t csk_id, csb_id; /* when it opened; as it stands there */
	char receiver_kms[64];   /* IDRkmsr */
	uint64_t time;           /* T */
	char token[256], client_id[64];
	struct mcsec_alg_list algs;
	int initiator_hidden, responder_hidden, to_self;
};
struct lab_register lab_last_register(struct lab *l);
/* What the KMS has told the clients made from now on of algorithm suites; NULL: nothing. */
void lab_set_suites(struct lab *l, const char *list, const char *minimum);
/* Answer the next n requests of this method (a literal) so; REGISTERs instead of 200. */
void lab_refuse(struct lab *l, const char *method, int n, int status, const char *warning);
void lab_refuse_registers(struct lab *l, int n, int status, const char *warning);
/*
 * Answer the next n requests of this method (REGISTER or PUBLISH) with 488 and the KMS redirect that `write` puts into
 * out, on the server's loop; it returns its length.
 */
typedef size_t lab_redirect(void *ctx, const struct lab_register *sent, uint8_t *out, size_t size);
void lab_redirect_with(struct lab *l, const char *method, int n, lab_redirect *write, void *ctx);
/* Clients made from now on hold the certificate of the other domain: of LAB_OTHER, Carol of LAB_KMS. */
void lab_hold_other(struct lab *l, int held);
/* The home KMS gave them this certificate in its place; NULL: the right one. It must live as long as it is used. */
void lab_plant_other(struct lab *l, const struct kms_certificate *c);
const struct kms_certificate *lab_other_certificate(const struct lab *l);
/* How many of them came in. */
unsigned lab_registers(struct lab *l);
unsigned lab_publishes(struct lab *l);
unsigned lab_options(struct lab *l);
/* The server dies with all its connections; it is back at the same address, knowing who is registered but no way. */
void lab_go(struct lab *l);
void lab_come_back(struct lab *l);
/* The port on which that registered client listens. */
uint16_t lab_port_of(struct lab *l, const char *impu);
/* How many BYEs came in from clients. */
int lab_byes(struct lab *l);

#endif
