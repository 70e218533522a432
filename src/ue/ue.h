/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue.h - a headless mission critical client (libmcxue): sign-in, identity keys, registration with CSK, private calls.
 *
 * A client owns one folder (DIR/ue/NAME, 0700): its device key, and a database with everything that must outlive the
 * process: tokens, KMS certificate and key sets (sealed under the device key), used SSRCs, replay records. It runs a
 * thread of its own for SIP and one for the media of a call; any number of clients live in one process. The functions
 * below block until their step is done and are for one caller thread a client; events and hooks are called from the
 * client's own threads and must not call back into it.
 *
 * A call is set up only if its key is: the I_MESSAGE is opened before ringing (flows.md 3.3), a downgrading answer ends
 * the call before a sample is played (flows.md 3.1), and nothing is ever sent or played in clear (media.md 6, M-D17).
 */
#ifndef MCX_UE_H
#define MCX_UE_H

#include "mcx/doc/service.h"
#include "sec/base/bytes.h"

struct ue;
struct kp_policy;

/* ---- what happened --------------------------------------------------------------------------------------------- */

enum ue_status {
	UE_OK = 0,
	UE_STATE,       /* not possible now: not signed in, not registered, already in a call */
	UE_STORE,       /* the client's folder or database failed */
	UE_SIGN_IN,     /* identity server refused or did not answer */
	UE_KEYS,        /* key management server refused, did not answer, or its keys failed a check */
	UE_REFUSED,     /* SIP final response other than 2xx: sip_status and warning say which */
	UE_UNREACHABLE, /* no SIP response, or the transport failed */
	UE_NO_KMS,      /* the certificate of the callee's KMS is not held, or not valid */
	UE_DOWNGRADE,   /* the answer was less secure than the offer: hung up, nothing was played */
	UE_AUDIO,       /* WAV or H.264 file, or codec */
	UE_NO_MEDIA,    /* the media was silent too long, or the connection is gone */
	UE_INTERNAL,    /* memory, random source, libcrypto */
	UE_PROFILE,     /* the user profile does not read, or is another user's */
};
const char *ue_status_name(enum ue_status s);

/* How a step ended. */
struct ue_report {
	enum ue_status status;
	double ms;      /* what the step took */
	int sip_status; /* final SIP response, 0 if none */
	int warning;    /* MCX code of its Warning, 0 if none */
	char text[256]; /* one clear sentence, no key material */
};

enum ue_event_kind {
	UE_EV_SIGNED_IN,    /* code flow with PKCE done, tokens checked */
	UE_EV_KEYS,         /* certificate and key set there, checked, durable */
	UE_EV_KEYS_EXPIRED, /* none for the current period: nothing is signed or opened until UE_EV_KEYS */
	UE_EV_REGISTERED,   /* REGISTER or PUBLISH with CSK answered 200 */
	UE_EV_OFFERED,      /* INVITE with the I_MESSAGE left */
	UE_EV_RINGING,      /* 180 came */
	UE_EV_KEY_OPENED,   /* callee: I_MESSAGE verified and opened, before ringing or answering */
	UE_EV_REJECTED,     /* a call, or a key download, was refused; sip_status, warning and text say why */
	UE_EV_CALL_UP,      /* caller: secure answer came; callee: answered */
	UE_EV_FIRST_PACKET, /* first packet decrypted; ms counts from the call's beginning */
	UE_EV_CALL_ENDED,   /* text says who ended it and why */
	UE_EV_LOGGED_OFF,
	UE_EV_ALARM,        /* something the user should know: text */
	UE_EV_CSK_REPLACED, /* key download: the server's CSK is the one in use */
	UE_EV_MUSIK,        /* key download: a MuSiK was added */
	UE_EV_REDIRECTED,   /* an upload or a call is tried anew under another KMS; text says whose and why */
	UE_EV_FLOOR,        /* who may speak; key_id: the CSK that the server said it under */
	UE_EV_TRANSMISSION, /* of MCVideo: who may transmit and who receives it; key_id: as above */
};

struct ue_event {
	enum ue_event_kind kind;
	double ms; /* duration of the step it ends */
	int sip_status, warning;
	const char *peer; /* MCPTT ID of the other end, "" if none */
	uint32_t key_id;  /* PCK-ID or CSK-ID, 0 if none */
	const char *text; /* one clear line */
};

/* ---- a client -------------------------------------------------------------------------------------------------- */

/*
 * Hooks see what goes over the wire, for tests and the demo's verdict. All may be NULL. Texts are not NUL-terminated.
 */
struct ue_hooks {
	void (*sdp)(void *ctx, int sent, struct octets text);     /* each session description */
	void (*rtp)(void *ctx, int sent, struct octets packet);   /* each RTP datagram as on the wire */
	void (*offer)(void *ctx, uint8_t *i_message, size_t len); /* may change octets of the outgoing I_MESSAGE */
	void *ctx;
	void (*control)(void *ctx, int sent, struct octets packet); /* each control datagram as on the wire */
};

struct ue_config {
	const char *dir;           /* the client's folder; created */
	const char *user;          /* MC ID: the name at the identity server, e.g. "sip:alice@run.mcx.test" */
	const char *impu;          /* SIP public identity; NULL: the MCPTT ID of the token */
	const char *idms_url;      /* issuer, e.g. "https://idms.run.mcx.test:7443" */
	const char *client_id;     /* at the identity server; NULL: SIGNIN_CLIENT_ID */
	const char *redirect_uri;  /* NULL: SIGNIN_REDIRECT_URI */
	const char *kms_url;       /* home KMS, e.g. "https://kms.run.mcx.test:8443"; several addresses, with blanks */
	const char *kms_uri;       /* its KmsUri, octet for octet, e.g. "kms.run.mcx.test" */
	const char *ca_file;       /* trust anchors of both */
	const char *resolve;       /* as in http_client_options */
	const char *https_proxy;   /* to both, as proxy there; NULL: none, whatever the environment says */
	const char *sip_psi;       /* public service identity of the server, e.g. "sip:mcptt@run.mcx.test" */
	const char *mdsi;          /* receiver of the CSK when configured; NULL: sip_psi (sip.md 2.4) */
	const char *sip_kms_uri;   /* KMS of the server; NULL: the home KMS */
	const char *user_profile;  /* file with our MCPTT user profile (TS 24.484 8.3.2); NULL: none */
	const char *video_profile; /* the same of MCVideo (9.3.2) */
	int lookup_kms;            /* ask the home KMS whose a callee is that the profile does not name (kms.md 7.8) */
	const char *krr_ca;        /* trust anchors of those who sign KMS redirects; NULL: ca_file */
	const char *krr_key;       /* certificate and key that sign ours; NULL: agent.pem of tls_dir, else unsigned */
	int krr_accept_unsigned;   /* follow redirects that nobody has signed */
	const char *sip_route;     /* next hop, e.g. "sip:sip.run.mcx.test:5061;transport=tls" */
	const char *sip_user; /* private identity at a SIP core, which sip_route then names; NULL: there is no core */
	const char *sip_password;                       /* for the core's digest access; kept in secret memory */
	const char *sip_address;                        /* own numeric address, e.g. "127.0.0.1" */
	const char *tls_dir;                            /* agent.pem and cafile.pem, as sip_port_options */
	const char *resolv_conf;                        /* as sip_port_options */
	int xml_confidentiality_off, xml_integrity_off; /* XML towards the server: protected unless set (24.484) */
	const char *suites; /* algorithms that go with a CSK, most wanted first (mcx/flow/suite.h); NULL: all we know */
	int hide_identities; /* in I_MESSAGEs: UIDs in place of the URIs of both ends (TS 33.180 5.2.6) */
	int sakke_to_self;   /* in I_MESSAGEs: the key for our own other devices too (TS 33.180 5.2.5) */
	unsigned register_s; /* Expires of the REGISTER; 0: 3600 */
	int no_queue;        /* who may not speak or transmit at once is refused, not queued */
	unsigned services;   /* set of 1 << enum mcx_service to be authorised for, with one CSK; 0: MCPTT alone */
	int publish; /* the REGISTER brings a contact alone; token, CSK and settings come by PUBLISH (sip.md 2.3) */
	const struct kp_policy *key_policy; /* of the provisioning (mcx/flow/kms_provision.h); NULL: the default */
	void (*on_event)(void *ctx, const struct ue_event *ev);
	void *ctx;
	struct ue_hooks hooks;
};

/* Opens or makes the folder; reads back what is durable. NULL and a sentence in err on failure. Copies the config. */
struct ue *ue_new(const struct ue_config *c, char *err, size_t err_size);
/* Ends a call (BYE), stops the threads, wipes. Does not log off. NULL is allowed. */
void ue_free(struct ue *u);

/* 1: nobody is signed in, or not for every service of the configuration. */
int ue_needs_sign_in(struct ue *u);
/* Code flow with PKCE, headless (TS 24.482); checks ID and access token; keeps the tokens sealed. */
enum ue_status ue_sign_in(struct ue *u, const char *password, struct ue_report *r);
/* Key set and certificates from the KMS when none is held for now (kms.md); every check of crypto.md 4. */
enum ue_status ue_provision(struct ue *u, struct ue_report *r);
/*
 * From now on until ue_free a thread of its own keeps identity keys, home certificate and the certificates of other
 * domains current (kms.md 3.4, 8.1, 8.2); ue_register begins it too. 0, or -1 without a thread.
 */
int ue_keep_keys(struct ue *u);
/* Key by which the KMS protects what it sends us, handed over out of band (kms.md 10); kept sealed, renewed by the KMS.
 */
struct ue_transport_key {
	const char *id;
	uint8_t key[32];
};
/* ink may be NULL: the KMS gives one when it wants one. The caller wipes what was handed in. */
enum ue_status ue_transport_keys(struct ue *u, const struct ue_transport_key *trk, const struct ue_transport_key *ink,
				 struct ue_report *r);
/* REGISTER with access token and a fresh CSK, or PUBLISH (flows.md 1.1). */
enum ue_status ue_register(struct ue *u, struct ue_report *r);
/* REGISTER with Expires 0; the CSK is wiped whatever the answer. */
enum ue_status ue_log_off(struct ue *u, struct ue_report *r);

/* KMS redirects of no message of ours, or not signed by whom we trust. */
unsigned ue_redirects_ignored(struct ue *u);
/* "" before the sign-in. */
const char *ue_mcptt_id(const struct ue *u);
uint32_t ue_csk_id(const struct ue *u); /* MCPTT's */
uint32_t ue_csk_id_of(const struct ue *u, enum mcx_service service);
/* MuSiK-IDs that are held, at most max; returns how many there are. */
size_t ue_musik_ids(const struct ue *u, uint32_t *ids, size_t max);

/* ---- calls ----------------------------------------------------------------------------------------------------- */

struct ue_audio_files {
	const char *send;   /* WAV to say, any sample rate from 8 to 192 kHz; NULL: say nothing */
	const char *record; /* WAV of what is heard, 48 kHz mono; made at the first packet; NULL: only count */
	int repeat;         /* `send` is said again and again, without a pause, as long as the call stands */
};

enum { UE_MAX_FPS = 120 };

struct ue_video_files {
	const char *send;   /* H.264 to show, a byte stream of ITU-T H.264 annex B; NULL: show nothing */
	const char *record; /* the same of what is seen; made at the first packet; NULL: only count */
	unsigned fps;       /* pictures of `send` a second, at most UE_MAX_FPS; 0: 25 */
	int repeat;         /* as in struct ue_audio_files */
};

struct ue_call {
	const char *target; /* MCPTT ID */
	const char
	    *kms_uri; /* KMS of the target, against all that follows; NULL: found by profile, lookup, else home */
	const char *forwarded_kms; /* PrivateCallKMSURI of the mcptt-info that forwarded us to the target; NULL: none */
	struct ue_audio_files audio;
	unsigned ring_ms; /* 0: 60000 */
	unsigned max_ms;  /* end of the call at the latest, 0: 3600000 */
	/* Ask for floor control, of MCVideo transmission control: one sends at a time, if server and callee take it up.
	 */
	int floor;
	int stay; /* do not hang up when `send` has been said: the other end, ue_hang_up or max_ms does */
	/* MCX_MCPTT, or MCX_MCVIDEO: the audio and this video beside it. */
	enum mcx_service service;
	struct ue_video_files video;
};

/* Takes the place of our user profile of the service that its root names: from the next call on. */
enum ue_status ue_user_profile(struct ue *u, struct octets xml, struct ue_report *r);
/* Calls, talks, hangs up: returns when the call is over. */
enum ue_status ue_call(struct ue *u, const struct ue_call *c, struct ue_report *r);
/* From any thread: ends the call, if there is one. */
void ue_hang_up(struct ue *u);

/* How calls that come in are answered from now on; NULL: with 480. Only after the key was opened. */
void ue_answer(struct ue *u, const struct ue_audio_files *audio);
/* And what a call of MCVideo shows and keeps besides; NULL: nothing. */
void ue_answer_video(struct ue *u, const struct ue_video_files *video);
/* Calls that come in from now on end after so long at the latest; 0, as at the beginning: 3600000. */
void ue_answer_for(struct ue *u, unsigned max_ms);
/* Demand end-to-end protection of calls that come in (default 1): an offer without key is refused with 488. */
void ue_require_protection(struct ue *u, int required);
/* Waits until no call is going on and its files are closed; 0, or -1 after `ms`. */
int ue_wait_idle(struct ue *u, unsigned ms);

/* Of the running or else the last call. */
struct ue_media_stats {
	uint64_t sent, received;       /* packets */
	uint64_t played_frames;        /* 20 ms each */
	uint64_t concealed, recovered; /* frames made up by the codec; brought back by in-band FEC */
	uint64_t late, duplicates;     /* packets that came too late, or twice */
	uint64_t dropped_plain;        /* not SRTP under our key: no MKI, or too short */
	uint64_t dropped_unknown_mki, dropped_auth, dropped_replay, dropped_reflected;
	uint64_t control_opened, control_dropped; /* control packets of the server; all others */
	uint64_t video_sent, video_received;      /* packets of the video; dropped ones count above */
	uint64_t pictures_sent, pictures_received;
	uint64_t video_lost; /* packets that never came: gaps of the recording */
	uint64_t
	    video_broken; /* NAL units of which a part is missing, and payloads that are no H.264: never recorded */
};
void ue_media_stats(struct ue *u, struct ue_media_stats *out);

/* What a perfect network would deliver: the WAV through our encoder and decoder. For comparison with a recording. */
enum ue_status ue_audio_reference(const char *wav_in, const char *wav_out, char *err, size_t err_size);

#endif
