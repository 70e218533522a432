/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_bed.h - a whole MC server in this process, and user agents that talk to it over real TLS sockets.
 *
 * Real: SIP over TLS with certificates of a test authority, database file, worker threads, tokens fetched and checked
 * against a JWKS over HTTPS, MIKEY-SAKKE made by each user's keys and opened by the server's. Replaced: the fetching of
 * the server's keys from a KMS; the bed issues them from a master secret of its own (server_keys_* below).
 */
#ifndef TEST_SERVER_BED_H
#define TEST_SERVER_BED_H

#include "unit/sip/dns.h"
#include "unit/sip/pki.h"

#include "mcsec/mikey.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/multipart.h"
#include "mcx/doc/resource_lists.h"
#include "mcx/doc/sdp.h"
#include "mcx/token/token.h"
#include "net/http.h"
#include "net/sip_port.h"
#include "server/server.h"

#define ZONE    "a.test"
#define PSI     "sip:mcptt@" ZONE
#define MDSI    "sip:mdsi@" ZONE
#define KMS_URI "kms." ZONE
/* The KMS of another domain, b.test, whose certificate the server holds where bed_holds_other says so. */
#define BED_OTHER_KMS "kms.b.test"

enum { PERIOD = 2592000 };

/* A user agent: its certificate, its MCPTT ID with keys, what it sent and received last. */
struct ua {
	const char *name;
	char mcptt_id[64], impu[64], client_id[64], tls[128];
	struct mcsec_keyset *keys;
	int elsewhere;                 /* they are of BED_OTHER_KMS */
	uint8_t csk[16], csk_rand[16]; /* of the last REGISTER made */
	const char *control_line;      /* at the end of its descriptions; NULL: none */
	uint32_t csk_id;
	struct sip_port *port;
	/* as client */
	struct sip_dialog *dialog;
	struct sip_client_tx *tx;
	int status, warning, retry_after, provisional;
	char warning_text[200], error[128], contact[512];
	char *sdp; /* of the last 2xx, or of the last INVITE received */
	char body_type[128], called_party[128];
	struct octets body;
	uint8_t body_copy[8192];
	/* as callee */
	int answer;   /* status for an INVITE; 0: hold it */
	int reanswer; /* for one in a dialog; 0: 200 */
	const char *refuse_warning;
	struct octets refuse_body;
	struct sip_server_tx *held;
	int invites, byes, cancels, acks, reinvites;
	char calling_user[128], asserted[128], answer_mode[32], target[128], route[128];
	enum mcx_service service; /* whose document came last */
	char accept[400], asserted_service[128];
	uint16_t media_port;
	int media; /* UDP socket */
};

/* The server and its surroundings. */
struct bed {
	struct pki ca, other, admin_ca;
	struct dns dns;
	struct sip_loop *loop;
	struct http_server *jwks;
	struct token_signer *signer, *stranger;
	char *jwks_text;
	struct server_config cfg;
	struct server *server;
	char resolve[200];
	_Atomic uint64_t issued;
	pid_t pid; /* of the server's own process */
};

extern struct bed bed;
/* What the KMS says of suites (kms.md 7.3), from the next start on. */
extern const char *bed_suites, *bed_suites_minimum;
/* It has given the server the certificate of BED_OTHER_KMS, and its own names the domain mcptt.a.test. */
extern int bed_holds_other;

void bed_begin(void);
void bed_end(void);
/* Start (again) with the configuration in bed.cfg; the database stays. */
void bed_start(void);
void bed_stop(void);
/* A setting, changed where it is read if the server runs. */
void bed_set(int64_t *setting, int64_t value);
/* The same server in a process of its own, so that it can be killed. bed.server then only knows its ports. */
void bed_spawn(void);
void bed_kill(void);
uint16_t bed_free_port(void);
/* What main does when it is that process; never returns then. */
void bed_serve_if_asked(int argc, char **argv);
/* A new database. */
void bed_fresh(void);

/* The key set of this identity; tables: octets for those of its RSK. From any thread. */
struct mcsec_keyset *bed_keys(const char *uri, size_t tables);
/* The same under BED_OTHER_KMS. */
struct mcsec_keyset *bed_issue_elsewhere(const char *uri);

/*
 * As the user's device has it when all it does is sign: without the RSK, whose checks cost 7 ms. For crowds. From any
 * thread.
 */
struct mcsec_keyset *bed_signer(const char *uri);

/* The bed with Alice, Bob and, unless NULL, Alice's second device; the server is started by the test. */
void bed_begin_for(struct ua *alice, struct ua *bob, struct ua *tablet);
/* Server, user agents and bed end. */
void bed_end_for(struct ua *alice, struct ua *bob, struct ua *tablet);

void ua_make(struct ua *u, const char *name, const char *user, const char *impu_user);
/* As ua_make, and the port is opened. */
void ua_open(struct ua *u, const char *name, const char *user, const char *impu_user);
void ua_close(struct ua *u);
/* From now on a user of b.test, with keys of BED_OTHER_KMS. */
void ua_move(struct ua *u);
/* Close the port and open it again: a lost connection, a restarted phone. */
void ua_reconnect(struct ua *u);
/* Let the server know the settings of that user. */
void bed_user(const char *mcptt_id, const char *answer_mode, int private_call, int auto_answer);
/* May call and be called; the operator has said which KMSs serve this user. */
void bed_user_kms(const char *mcptt_id, const char *kms_uris);
/* Private calls of MCPTT allowed, of MCVideo as said. */
void bed_user_video(const char *mcptt_id, int private_video);

/* Looks at, and changes, the parts of each body before it is sent (room for max); NULL: nobody does. */
extern void (*bed_on_body)(struct ua *u, struct body_out *parts, size_t *n, size_t max);

/* Under which key and name they are protected; each zero: the user agent's own, 0101. */
extern struct bed_csk {
	const uint8_t *key;
	uint32_t id; /* counts with a key */
	const char *name;
	uint16_t suite;
} bed_csk;
/* A bed_on_body: protects what has to be. */
void bed_protect(struct ua *u, struct body_out *parts, size_t *n, size_t max);

/* What a REGISTER is made of; each test spoils one thing. */
struct reg {
	const char *token; /* NULL: a good one is made */
	int no_info, no_mikey, no_client, no_tags, base64, text;
	const char *initiator, *responder; /* of the I_MESSAGE; NULL: as it should be */
	struct mcsec_keyset *keys;
	enum mcsec_key_kind kind;          /* 0: CSK */
	int64_t age;                       /* seconds T lies in the past */
	int flip;                          /* octet of the I_MESSAGE to change, 0: none */
	struct octets mikey;               /* use these octets instead */
	int64_t expires;                   /* -1: 600 */
	const char *impu, *from, *to_port; /* NULL: own; own; TLS */
	const char *contact;
	enum sip_transport transport;
	int junk_body;
	const char *info; /* this text in place of mcptt-info */
	uint16_t suite;   /* what the list of algorithms in the I_MESSAGE selects; 0: no list */
	int hide_initiator, hide_responder, to_self; /* in the I_MESSAGE */
	uint16_t second_suite;                       /* stands behind it in the list; 0: none */
	const char *initiator_kms, *responder_kms;   /* as the I_MESSAGE names them; NULL: ours */
	const char *call_id;                         /* NULL: a fresh one */
};
extern uint8_t last_mikey[MCSEC_IM_MAX];
extern size_t last_mikey_len;
extern uint8_t last_csk[16];
extern uint32_t last_csk_id;

/* The body alone; its Content-Type is BED_REGISTER_TYPE. Returns its length, 0 for none. */
#define BED_REGISTER_TYPE "multipart/mixed;boundary=\"bed-boundary-5f0d1\""
size_t ua_register_body(struct ua *u, const struct reg *r, uint8_t *out, size_t size);

/* Whom a request is for that came to the port of this one; NULL: for whose port it is. */
extern struct ua *(*bed_addressee)(struct ua *port, const struct sip_message *rq);
/* Answers a MESSAGE; NULL: 200. */
extern void (*bed_on_message)(struct ua *u, struct sip_server_tx *tx, const struct sip_message *rq);
/* Opens an I_MESSAGE with the user's keys, from PSI or MDSI. The caller frees. NULL: it does not open. */
struct mcsec_im *ua_open_im(const struct ua *u, struct octets message);

void ua_send_register(struct ua *u, const struct reg *r);
/* Sends it, waits; returns the status. */
int ua_register(struct ua *u, const struct reg *r);
int ua_options(struct ua *u);
/* Sees each final answer that ua_response gets; NULL: nobody does. */
extern void (*bed_on_answer)(struct ua *u, const struct sip_message *rs);
void ua_response(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs);
char *make_token(const struct token_signer *s, const char *mcptt_id, const char *audience, const char *scope,
		 int64_t exp);

struct inv {
	const char *from, *preferred, *asserted, *session, *target, *second_target, *mode, *client;
	int no_key, damaged_key, wrong_tag, no_sdp, no_lists, dont_wait;
	const char *responder_kms; /* in the I_MESSAGE; NULL: ours */
	int plain, assert_twice;   /* over TCP; P-Asserted-Identity twice */
	const char *address;
	const char *service; /* ICSI; NULL: MCPTT */
};
extern char last_key_mgmt[4096];
int ua_invite(struct ua *u, const struct inv *i);
int ua_bye(struct ua *u);
/* A call whose bodies stand under that; a 200 is ended. */
int ua_invite_under(struct ua *u, const struct bed_csk *csk);
extern const struct sip_dialog_events ua_dialog_events;

void wait_until(const int *value, int at_least);
void pump(unsigned ms);
size_t bindings_in_db(void);
size_t rows_in_db(const char *sql);
/* Until that counts n; until n bindings have this CSK. */
void bed_wait_rows(const char *sql, size_t n);
void bed_wait_csk(uint32_t id, size_t n);
/* The audit record as text, which the caller frees; how many records of a type hold `also` (NULL: anything). */
char *bed_audit_text(void);
size_t bed_recorded(const char *type, const char *also);
void bed_wait_recorded(const char *type, const char *also, size_t n);

#endif
