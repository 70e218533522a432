/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - the inside of a client: what its files share.
 *
 * Threads: the caller's (sign-in, provisioning, waiting), the loop's (SIP, both machines, all of struct ue_call_state),
 * two workers (pairings, signatures, HTTPS of the authorisation machine), one of the media. `lock` guards what more
 * than one of them reads: tokens, key ring, outcomes, the state that public functions look at. Jobs hold a reference to
 * the ring they began with, so provisioning may replace it at any time.
 */
#ifndef MCX_UE_ENGINE_H
#define MCX_UE_ENGINE_H

#include <pthread.h>

#include "mcsec/mikey.h"
#include "mcx/doc/sdp.h"
#include "mcx/doc/user_profile.h"
#include "mcx/flow/client_auth.h"
#include "mcx/flow/client_call.h"
#include "mcx/flow/kms_provision.h"
#include "mcx/flow/redirect.h"
#include "mcx/flow/suite.h"
#include "mcx/media/csk_control.h"
#include "net/kms_client.h"
#include "net/sip_digest.h"
#include "net/sip_port.h"
#include "net/worker.h"
#include "ue/media_session.h"
#include "ue/signin.h"
#include "ue/ue.h"
#include "ue/ue_inspect.h"
#include "ue/ue_store.h"
#include "ue/video_session.h"

enum {
	UE_TEXT = 512,
	UE_MAX_KEYS = 16,
	UE_REPLAYS = 4096,
	UE_BODY = 64 * 1024,
	UE_SIGNERS = 64 * 1024,
	UE_ABSENT = 8,
	UE_PROFILES = 2,    /* MCPTT, MCVideo */
	UE_ANSWER_MS = 8000 /* that the server has for a REGISTER or PUBLISH */
};

/* ---- keys of our own: immutable once made ---- */

struct ue_ring {
	int refs; /* under ue->lock */
	struct kms_domain home;
	struct suite_list suites; /* what the domain allows of ours */
	size_t n_keys;
	struct kms_keys keys[UE_MAX_KEYS];
	int64_t cache_num; /* of the certificate cache; -1: none */
	size_t n_external;
	struct kms_domain *external; /* kms NULL: revoked, or not valid when it was read */
	struct mcsec_im_kms *kms;    /* of the book: home first */
	const char **domains;        /* KMS_MAX_DOMAINS for each */
	struct mcsec_im_own own[UE_MAX_KEYS];
	struct mcsec_im_book book;
};

/* A CSK and the message that uploads it. Secret memory. */
struct ue_csk {
	uint32_t id;
	uint64_t time; /* T, TIME seconds */
	uint8_t key[MCSEC_KEY_LEN];
	uint16_t suite;               /* in use under it; of an upload: what we select */
	uint16_t upload_suite;        /* under which the documents of its upload stand */
	uint16_t wanted;              /* our own choice when we uploaded               */
	struct suite_list offered;    /* and all that we offered                       */
	uint8_t rand[MCSEC_RAND_MAX]; /* part of the keys for control signalling */
	uint8_t rand_len;
	size_t message_len;
	uint8_t message[MCSEC_IM_MAX];
};

/* A multicast signalling key of the server (sip.md 4.3). Secret memory. */
struct ue_musik {
	struct ue_musik *next;
	uint32_t id;
	int64_t expires; /* Unix seconds; 0: never */
	uint8_t key[MCSEC_KEY_LEN];
	uint8_t rand[MCSEC_RAND_LEN];
};

/* A private call key as both sides need it. Secret memory. */
struct ue_pck {
	uint32_t id;
	uint8_t key[MCSEC_KEY_LEN];
	uint8_t rand[MCSEC_RAND_MAX];
	size_t rand_len;
	struct mcsec_profile profile;
	enum mcx_service service; /* of the call: its crypto sessions */
	int from_us;              /* we sent the I_MESSAGE: we send CS-ID 0, or 2 of MCVideo (media.md M-D1) */
	size_t message_len;
	uint8_t message[MCSEC_IM_MAX + 1]; /* of a peer's that is too long: enough to see it */
};

struct ue_call_state {
	struct cc machine;
	unsigned generation; /* of the call; notes of an earlier one are ignored */
	int caller, stay;
	enum mcx_service service;
	int unreachable;             /* the last final answer was of our own making */
	int depth;                   /* of ue_call_event: the call is over only when the outermost has ended */
	struct ue_audio_files files; /* caller: as long as ue_call waits */
	struct ue_video_files video_files;
	int to_say; /* files that are not yet said or shown to their end */
	char peer[MCSEC_ID_MAX];
	char kms_uri[KMS_URI_MAX];
	struct sip_dialog *dialog;
	struct sip_client_tx *invite;
	struct sip_server_tx *invited, *reinvited; /* not yet answered */
	struct sip_timer *timer;                   /* t_ring, then the end of the call at the latest */
	unsigned ring_ms, max_ms;
	struct media_session *media;
	struct video_session *video; /* of a call of MCVideo */
	int floor_wanted;            /* caller: offer the media control line */
	struct ue_line *line;        /* NULL: a call without floor or transmission control */
	void *link;                  /* what the media's callbacks come with */
	char trouble[UE_TEXT];       /* why media or files failed, "" otherwise */
	struct ue_pck *pck, *next_pck;
	struct mcsec_replay_entry entry;
	int has_entry;
	uint32_t ssrc, video_ssrc;
	uint64_t session_id, sdp_version;
	size_t offer_len; /* the offer that counts: ours, or the peer's */
	uint8_t offer[SDP_MAX];
	struct ue_remote {
		char address[64];
		uint16_t port;
		uint8_t payload_type;
	} remote, remote_video;
	int64_t began_ms;
	int byes;               /* answers to our BYEs that are due */
	struct redirect rounds; /* caller */
	char refusal[UE_TEXT];  /* why its KMS cannot be used, or why none is left, "" otherwise */
	uint8_t *krr;           /* callee: the redirect that is our answer; NULL: none */
	size_t krr_len;
	struct ue_report report;
};

/* Room for what is read or written at one time; the loop's own. */
struct ue_scratch {
	struct sdp ours, theirs;
	uint8_t text[SDP_MAX], info[4096], list[2048];
};

/* A KMS that the home KMS has no certificate of, until then. */
struct ue_absent {
	char kms[KMS_URI_MAX];
	int64_t until;
};

/* The KMS of a callee, and who named it: a clause for the user. */
struct ue_callee {
	char kms[KMS_URI_MAX];
	const char *named;
};

/* What the home KMS answered when it was asked whose a user is; kms "": nobody's that it knows. */
struct ue_looked_up {
	char target[MCSEC_ID_MAX], kms[KMS_URI_MAX];
	int64_t until;
};

/* What a SIP core told us. */
struct ue_core {
	char *password; /* secret memory; NULL: none */
	struct sip_challenge challenge;
	int challenged, answers; /* we hold one; answered in a row */
	uint32_t nc;
	char route[UE_TEXT]; /* Service-Route, "" none */
};

/* The connection to the server (ue_way.c). */
struct ue_way {
	struct sip_flow *flow; /* NULL: none was there yet */
	struct sip_timer *timer;
	int64_t due_ms; /* when a new one is tried, 0: not lost */
	unsigned tries; /* since it was lost */
	int asking;     /* a request is out for it */
};

struct ue {
	struct ue_config c; /* points into `text` */
	char *text;
	char scopes[256]; /* that the sign-in asks for */
	struct ue_store *store;
	char client_uuid[64];

	pthread_mutex_t lock, emit_lock;
	pthread_cond_t changed;

	/* under lock */
	struct signin_tokens *tokens;
	struct ue_ring *ring;
	int auth_done, logged_off, call_busy;
	struct ue_report auth_report, call_report;
	uint32_t csk_ids[MCX_SERVICES];
	struct ue_media_stats stats;
	struct ue_musik *musiks;   /* changed on the loop alone */
	struct ue_call_keys *kept; /* secret memory */
	struct user_profile profiles[UE_PROFILES];
	int keep, answering, require_protection;
	char answer_send[UE_TEXT], answer_record[UE_TEXT];
	int answer_repeat;
	char show_send[UE_TEXT], show_record[UE_TEXT]; /* answer_*: what is said; show_*: the video */
	struct ue_video_files show;                    /* how */
	unsigned answer_max_ms;

	/* of the KMS: over an exchange and what is kept of it; taken before `lock`, never the other way round */
	pthread_mutex_t kms_lock;
	pthread_mutex_t token_lock;      /* over one refresh: after kms_lock, before `lock` */
	unsigned kms_turn;               /* of the addresses of the KMS */
	struct kms_transport *transport; /* TrK and InK, NULL without; secret memory */
	struct kp_policy key_policy;
	struct ue_absent absent[UE_ABSENT];
	size_t n_absent;
	struct ue_looked_up looked_up[UE_ABSENT];
	size_t n_looked_up;
	struct ue_provision *provision; /* set once; NULL while nothing runs in the background */

	/* the loop and what lives on it */
	pthread_t loop_thread;
	int loop_runs, port_failed;
	char port_error[UE_TEXT];
	struct sip_loop *loop;
	struct sip_port *port;
	struct worker_pool *workers;
	char contact[2 * UE_TEXT], impu[MCSEC_ID_MAX], own_id[MCSEC_ID_MAX];
	struct mcsec_replay *replay;
	struct mcsec_signers *signers; /* NULL: no memory for it; all else goes on */
	struct ca auth;
	struct ue_core core;
	struct ue_way way;
	struct sip_timer *auth_timer;
	struct ue_csk *csk, *csk_new; /* csk: of MCPTT, whose calls it protects */
	struct ue_csk
	    *others[MCX_SERVICES]; /* of the other services, uploaded as the same; each is replaced by itself */
	const void *making;        /* the job whose CSK is wanted */
	struct suite_list suites;  /* what this client can do: of the configuration */
	uint64_t csk_time;
	uint32_t register_cseq, granted_s;
	char register_call_id[64];
	int64_t auth_began_ms, auth_give_up_ms;
	int64_t registered_until_ms;  /* the SIP registration, by its last 200 */
	char server_kms[KMS_URI_MAX]; /* under which the next CSK goes */
	struct redirect upload_rounds;
	const void *judging; /* the job that judges a redirect of an upload */
	uint8_t *krr_held;   /* came before the answer to the REGISTER it is about */
	size_t krr_held_len;
	char auth_refusal[UE_TEXT]; /* why no KMS is left, "" otherwise */
	_Atomic unsigned redirects_ignored;
	struct krr_trust *krr_trust; /* set once */
	struct krr_signer *krr_signer;
	struct csk_control *control[MCX_MCVIDEO + 1]; /* of each service: control signalling under our CSKs; NULL until
						       * it is needed */
	struct ue_call_state call;
	struct ue_scratch scratch;
};

/* ---- ue.c ---- */
int64_t ue_clock_ms(void);          /* monotonic */
int64_t ue_unix_now(void);          /* seconds */
uint64_t ue_time_now(void);         /* TIME seconds, uid.h */
int ue_random(void *out, size_t n); /* 0 or -1 */
enum ue_status ue_report_set(struct ue_report *r, enum ue_status s, int64_t began_ms, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void ue_emit(struct ue *u, enum ue_event_kind kind, int64_t began_ms, const struct ue_report *r, const char *peer,
	     uint32_t key_id, const char *fmt, ...) __attribute__((format(printf, 7, 8)));
/* Starts loop, port and workers when they are not running. 0, or -1 and a sentence in err. */
int ue_loop_start(struct ue *u, char *err, size_t err_size);

/* ---- ue_ring.c ---- */
struct ue_ring *ue_ring_ref(struct ue *u); /* NULL if there is none */
void ue_ring_unref(struct ue *u, struct ue_ring *ring);
void ue_ring_free(struct ue_ring *ring); /* one that nobody shares */
/* Is there an own key set for TIME `at`? */
int ue_ring_covers(const struct ue_ring *ring, uint64_t at);
/* What the certificate of this KMS is that it cannot be used at TIME `at` ("is not held"); NULL: it can. */
const char *ue_ring_lacks(const struct ue_ring *ring, const char *kms_uri, uint64_t at);
/* Do we hold a certificate of this KMS that may be used? */
int ue_kms_is_known(struct ue *u, const char *kms_uri);
/* Each 0 when durable, else -1. */
int ue_ring_keep_home(struct ue *u, const struct kms_domain *home);
int ue_ring_keep_sets(struct ue *u, const struct kms_keys *keys, size_t n);
int ue_ring_keep_cache(struct ue *u, int64_t num, const struct kms_domain *external, size_t n);
int ue_ring_drop_below(struct ue *u, uint64_t period);
int ue_ring_wipe(struct ue *u); /* the ring in use too */
/* Makes what is kept the ring in use; -1: there is no certificate that serves, and all stays as it is. */
int ue_ring_load(struct ue *u);

/* ---- ue_keys.c ---- */
/* What earlier runs left. 0 or -1. */
int ue_keys_load(struct ue *u);
/* Token of now: refreshed when due, or by force. Blocking. */
enum ue_status ue_token_fresh(struct ue *u, int force, struct ue_report *r);
enum ue_status ue_keys_fetch(struct ue *u, int force, struct ue_report *r);
struct kms_client *ue_kms_client(struct ue *u); /* under kms_lock */

/* ---- ue_provision.c ---- */
enum ue_poke {
	UE_POKE_TOKEN = 1,      /* there is a new one */
	UE_POKE_FETCHED = 2,    /* certificate and key sets came by another way */
	UE_POKE_UNKNOWN_KMS = 4 /* a KMS URI appeared that we hold no certificate of */
};
void ue_provision_poke(struct ue *u, enum ue_poke what);
void ue_provision_stop(struct ue *u);

/* ---- ue_register.c, on the loop ---- */
void ue_auth_event(struct ue *u, const struct ca_event *ev);
void ue_auth_close(struct ue *u);
/* REGISTER with u->csk_new (or the contact alone, where a PUBLISH follows), or, with 0, the log-off. */
void ue_register_send(struct ue *u, uint32_t expires);
/* The upload of u->csk_new, the way that is right now. */
void ue_upload_send(struct ue *u);
enum ue_upload_way { UE_BY_REGISTER, UE_BY_PUBLISH, UE_BY_PUBLISH_ALONE /* without a REGISTER before it */ };
/* Seconds of a Retry-After, 0 without one. */
uint32_t ue_retry_after(const struct sip_message *rs);
/* The final answer to it. */
void ue_auth_answer(struct ue *u, const struct sip_message *rs, enum ue_upload_way way);

void ue_set_csk_id(struct ue *u, enum mcx_service service, uint32_t id);

/* ---- ue_download.c, on the loop ---- */
/* A SIP MESSAGE of the server. */
void ue_message(struct ue *u, struct sip_server_tx *tx, const struct sip_message *rq);
/* MuSiKs of earlier runs; before the loop runs. 0 or -1. */
int ue_musik_load(struct ue *u);
/* From memory, and for ever from the folder too. */
void ue_musik_wipe(struct ue *u, int for_ever);

/* ---- ue_upload.c, on the loop ---- */
/* The upload's body: I_MESSAGE, token and client id; with settings what a PUBLISH says besides. Protected under csk. */
enum mcsec_err ue_upload_body(struct ue *u, const struct ue_csk *csk, int settings, struct writer *w, char *type,
			      size_t type_size);
/* PUBLISH with u->csk_new; 0, or -1: it could not be made. */
int ue_publish_send(struct ue *u, enum ue_upload_way way);

/* ---- ue_way.c, on the loop ---- */
/* The server answered this request of ours: its connection is the way, from here on watched. */
void ue_way_used(struct ue *u, const struct sip_client_tx *tx);
void ue_way_close(struct ue *u);

/* ---- ue_core.c, on the loop ---- */
int ue_core_is(const struct ue *u); /* 1: a SIP core is our registrar */
/* Headers of a REGISTER to this URI, at most two; the answer to a challenge is written into room. Returns how many. */
size_t ue_core_headers(struct ue *u, const char *uri, struct sip_header h[2], char *room, size_t size);
/* 1: the final answer is a challenge that we can answer: send again. */
int ue_core_challenge(struct ue *u, const struct sip_message *rs);
/* A 200 to our REGISTER. */
void ue_core_registered(struct ue *u, const struct sip_message *rs);
/* Value of the Route header of requests outside dialogs, NULL: none. */
const char *ue_core_route(const struct ue *u);
/* The server's final answer to a protected request; or 200 for a request of its own that opened under our CSK. */
void ue_core_proof(struct ue *u, int status, int warning);

/* ---- ue_callee.c, in the caller's thread ---- */
/* The profiles of the configuration. 0, or -1 and a sentence. */
int ue_profiles_open(struct ue *u, char *err, size_t err_size);
void ue_profiles_close(struct ue *u);
/* Whose KMS the call is made for. */
enum ue_status ue_callee_kms(struct ue *u, const struct ue_call *c, struct ue_callee *out, struct ue_report *r);

/* ---- ue_redirect.c, on the loop but for the first five ---- */
/* One request to the home KMS with a token of now; without one, or without the KMS, `what` is not called. Blocking. */
typedef void ue_errand(struct ue *u, struct kms_client *c, const struct signin_tokens *t, void *arg);
void ue_ask_home(struct ue *u, ue_errand *what, void *arg);
/* Key and anchors of the configuration. 0, or -1 and a sentence. */
int ue_redirect_open(struct ue *u, char *err, size_t err_size);
void ue_redirect_close(struct ue *u);
/* A redirect for this message, whose initiator goes by that name: malloc'ed; NULL: there is none. */
uint8_t *ue_redirect_make(struct ue *u, const struct ue_ring *ring, struct octets message, const char *initiator,
			  size_t *len);
/* 488 with it. */
void ue_redirect_reply(struct sip_server_tx *tx, struct octets text);
enum ue_redirected { UE_REDIRECT_UPLOAD, UE_REDIRECT_MESSAGE, UE_REDIRECT_CALL };
/* 1: the final answer is a redirect. */
int ue_is_redirect(const struct sip_message *rs);
/* To u->csk_new, or to the call: the machine is told, and later which KMS was chosen. 0, or -1: it cannot be judged. */
int ue_redirect_upload(struct ue *u, struct octets text);
int ue_redirect_call(struct ue *u, struct octets text);
/* As a SIP MESSAGE, about the CSK that was uploaded last. */
void ue_redirect_message(struct ue *u, struct octets text);
/* The REGISTER was answered: what came before that is looked at now. */
void ue_redirect_answered(struct ue *u);

/* ---- ue_csk.c, on the loop ---- */
/* A job whose end sends the upload, or tells the machine that it cannot. 0 or -1. */
int ue_csk_make(struct ue *u);
void ue_csk_wipe_new(struct ue *u);
/* The CSK of this service: where it is kept. */
struct ue_csk **ue_csk_at(struct ue *u, enum mcx_service service);
/* csk_new is the one in use for every service of the configuration. */
void ue_csk_install(struct ue *u);
/* All that is in use. */
void ue_csk_wipe(struct ue *u);
/* The first service of the configuration. */
enum mcx_service ue_first_service(const struct ue *u);

/* ---- ue_call.c, on the loop ---- */
void ue_call_event(struct ue *u, const struct cc_event *ev, struct sip_server_tx *tx);
void ue_call_close(struct ue *u);

/* Opens a slot for a new call; the machine is idle. */
void ue_call_reset(struct ue *u, int caller);

/* ---- ue_call_key.c ---- */
/* Jobs; their results come as events. */
void ue_pck_make(struct ue *u);
void ue_pck_open(struct ue *u);
/* Keys of both directions for the media. 0 or -1. */
int ue_pck_media_keys(const struct ue_pck *pck, struct media_keys *out);
void ue_pck_inspect(struct ue *u, const struct ue_pck *pck, const struct media_keys *keys);

/* ---- ue_control.c, on the loop ---- */
/* Caller: our end of the media control line, before the offer that names it. 0 or -1. */
int ue_line_open(struct ue *u);
/* What our description says of it. */
struct sdp_control ue_line_describe(const struct ue *u);
/*
 * The server's offer or answer. With a control line that can be used there is media control: as callee our end is
 * opened; else it is given up.
 */
void ue_line_take(struct ue *u, const struct sdp *theirs);
/* The call is up and its media not yet started. */
void ue_line_begin(struct ue *u);
/* Everything was said and shown: 1 when media control ends the call in its own time. */
int ue_line_said_all(struct ue *u);
void ue_line_close(struct ue *u);
void ue_control_wipe(struct ue *u);

/* ---- ue_talk.c: requests that come in ---- */
void ue_call_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);
extern const struct sip_dialog_events ue_dialog_events;

/* ---- ue_call_sip.c ---- */
int ue_invite_send(struct ue *u);                           /* 0, or -1 */
int ue_answer_send(struct ue *u, struct sip_server_tx *tx); /* 200 with our description */
void ue_call_reply(struct ue *u, struct sip_server_tx *tx, int status, int warning);
void ue_bye_send(struct ue *u);

/* ---- ue_call_read.c ---- */
/* What an INVITE or re-INVITE holds; fills in call.peer and what media needs. */
void ue_invite_read(struct ue *u, const struct sip_message *rq, struct cc_event *ev);
int ue_answer_read(struct ue *u, const struct sip_message *rs, const char **why); /* 1 if secure */
void ue_show_sdp(struct ue *u, int sent, struct octets text);                     /* to whoever watches */

#endif
