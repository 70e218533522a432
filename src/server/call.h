/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h - a private call at the server: the shell's state, shared by handle_call.c (events), call_act.c (actions) and
 * call_media.c (session descriptions and bodies).
 *
 * Two legs, a the caller and b the callee. The call owns its dialogs, its relay session and the transactions named
 * here; it is freed by the machine alone (SC_DO_FREE), never while a job of it is with the pool.
 */
#ifndef MCX_SERVER_CALL_H
#define MCX_SERVER_CALL_H

#include "mcx/doc/sdp.h"
#include "server/body.h"
#include "server/server.h"

struct leg {
	struct call *call;
	int end; /* 0 caller, 1 callee: also the relay's numbering */
	struct sip_dialog *dialog;
	struct db_binding who;
	int bye_due; /* after a restart: BYE waits for the client to come back */
};

struct call {
	struct call *next, **back;
	struct server *s;
	struct sc machine;
	enum mcx_service service; /* MCX_MCPTT or MCX_MCVIDEO */
	struct leg a, b;
	struct sip_server_tx *invite;   /* the caller's, until its final answer */
	struct sip_client_tx *outgoing; /* ours to the callee, until its final response */
	struct sip_server_tx *refresh;  /* a re-INVITE of end refresh_end, until its final answer */
	int refresh_end;
	struct relay_session *relay;
	struct call_control *control; /* floor control: server/control.h; NULL: none */
	size_t n_media;
	uint16_t offer_port[SDP_MAX_MEDIA]; /* of the caller's offer: 0 is a refused line */
	char offer_address[SDP_MAX_MEDIA][48];
	char *offer, *answer; /* session descriptions, as received */
	const char *mode;     /* Answer-Mode towards the callee */
	struct db_call row;
	struct sip_timer *ring;
	int byes, jobs, storing;
	int64_t restored_ms; /* 0: not read back from the store */
	int erase_late;      /* read back: its row goes when both ends were told */

	/* What the event at hand is about; valid while it is worked off. */
	struct sip_server_tx *at_hand;
	const struct sip_message *rs;
};

/* ---- handle_call.c ---- */
void call_event(struct call *c, const struct sc_event *ev);
void call_simple(struct call *c, enum sc_event_kind kind);
void call_on_dialog_request(void *ctx, struct sip_server_tx *tx, const struct sip_message *rq);
extern const struct sip_dialog_events call_dialog_events;
void call_free(struct call *c);

/* ---- call_act.c ---- */
/* Delete the stored call and record its end. */
void call_erase(struct call *c, const char *reason);
/* 0 when the action went through; else the event to go on with instead of the actions after it. */
enum sc_event_kind call_act(struct call *c, enum sc_action what, const struct sc_actions *acts);

/* ---- call_media.c ---- */
/* 1 if every live line can be relayed, belongs to `source`, and is one of the call's service. */
int media_acceptable(const struct call *c, const struct sdp *sdp, const char *source);
/* 1 if the offer asks for what the service is: MCVideo shows something. */
int media_wanted(const struct call *c, const struct sdp *offer);
/* The I_MESSAGE of the call, only looked at: 1 if there is one; *ok: it parses, carries a PCK, and stands for every
 * stream. */
int media_key(const struct sdp *sdp, struct db_call *row, int *ok);
/* That message itself; 0, or -1: there is none that can be read as base64. */
int media_message(const struct sdp *sdp, uint8_t msg[MCSEC_IM_MAX], size_t *len);
/* Where each line of this description wants its media; the relay's remotes of that end. */
void media_remotes(struct call *c, const struct sdp *sdp, int end);
/*
 * Body for the end `to`: its copy of the other end's session description, with the relay's address and ports, and the
 * service's info document when `info` is given. malloc'ed; NULL on failure. type receives the Content-Type.
 */
uint8_t *media_body(struct call *c, const struct sdp *sdp, int to, const struct mcptt_info *info, char *type,
		    size_t type_size, size_t *len);
/* Description in a message's body, kept in *text (malloc'ed) and read into *out. 0, or -1. */
int media_read(const struct sip_message *m, char **text, struct sdp *out);

#endif
