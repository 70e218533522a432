/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_call.c - a private call carried out: what client_call.c decides becomes jobs, messages, media and timers (flows
 * 3.1, 3.3). One call at a time; everything here runs on the loop, but for ue_call() and its kin at the end, which
 * wait.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mcsec/secret.h"
#include "ue/engine.h"

enum { SHOW_WAIT_MS = 2000, SILENT_MS = 30000, SSRC_DRAWS = 16, RING_MS = 60000, MAX_CALL_MS = 3600000 };

/* ---- notes of the media thread ------------------------------------------------------------------------------------
 */

struct note {
	struct ue *u;
	unsigned generation;
	enum media_event ev;
	char text[UE_TEXT];
};

/* One file is said, or shown, to its end: when it was the last, whoever called has said all. */
static void said_all(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	c->to_say -= c->to_say > 0;
	if (c->to_say || ue_line_said_all(u)) /* permission is given back; who has it next may answer */
		return;
	if (c->caller && !c->stay)
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_HANG_UP}, NULL);
}

static void take_note(void *arg)
{
	struct note *n = arg;
	struct ue *u = n->u;
	struct ue_call_state *c = &u->call;
	int ours = u->port && n->generation == c->generation && c->media;
	if (ours && n->ev == MEDIA_FIRST_PACKET)
		ue_emit(u, UE_EV_FIRST_PACKET, c->began_ms, NULL, c->peer, c->pck ? c->pck->id : 0, "%s", n->text);
	else if (ours && n->ev == MEDIA_SAID_ALL)
		said_all(u);
	else if (ours && n->ev == MEDIA_SILENT)
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_SILENT}, NULL);
	else if (ours && n->ev == MEDIA_FAILED) {
		snprintf(c->trouble, sizeof c->trouble, "%s", n->text);
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_FAILED}, NULL);
	}
	free(n);
}

struct media_link { /* what the media threads know of us; lives as long as the media */
	struct ue *u;
	unsigned generation;
	_Atomic int64_t alive; /* shared by all streams of the call */
};

static void on_media(void *ctx, enum media_event ev, const char *text)
{
	struct media_link *l = ctx;
	struct note *n = calloc(1, sizeof *n);
	if (!n)
		return;
	*n = (struct note){.u = l->u, .generation = l->generation, .ev = ev};
	snprintf(n->text, sizeof n->text, "%s", text);
	if (sip_loop_post(l->u->loop, take_note, n))
		free(n);
}

/* ---- actions ----------------------------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
	struct ue *u = arg;
	u->call.timer = NULL;
	int up = u->call.machine.state == CC_UP || u->call.machine.state == CC_REKEYING;
	ue_call_event(u, &(struct cc_event){.kind = up ? CC_EV_HANG_UP : CC_EV_RING_TIME}, NULL);
}

static void set_timer(struct ue *u, unsigned ms)
{
	sip_timer_stop(u->call.timer);
	u->call.timer = sip_timer_start(u->loop, ms, on_timer, u);
}

/* Sockets, codec, files: before the offer or answer that names the ports. */
static int open_media(struct ue *u, const struct ue_audio_files *files, const struct ue_video_files *show)
{
	struct ue_call_state *c = &u->call;
	struct media_link *link = calloc(1, sizeof *link);
	if (!link)
		return -1;
	link->u = u;
	link->generation = c->generation;
	struct media_options o = {.address = u->c.sip_address,
				  .audio = *files,
				  .ssrc = c->ssrc,
				  .silent_ms = SILENT_MS,
				  .alive = &link->alive,
				  .on_event = on_media,
				  .ctx = link,
				  .hooks = u->c.hooks};
	const struct video_options v = {.address = u->c.sip_address,
					.files = *show,
					.ssrc = c->video_ssrc,
					.silent_ms = SILENT_MS,
					.wait_ms = c->caller ? 0 : SHOW_WAIT_MS,
					.alive = &link->alive,
					.on_event = on_media,
					.ctx = link,
					.hooks = u->c.hooks};
	c->link = link;
	c->to_say = files->send != NULL;
	c->media = media_new(&o, c->trouble, sizeof c->trouble);
	if (!c->media)
		return -1;
	if (c->service == MCX_MCVIDEO) {
		c->to_say += show->send != NULL;
		c->video = video_new(&v, c->trouble, sizeof c->trouble);
		if (!c->video)
			return -1;
	}
	c->trouble[0] = 0;
	return 0;
}

static int open_callee_media(struct ue *u)
{
	char send[UE_TEXT], record[UE_TEXT], show_send[UE_TEXT], show_record[UE_TEXT];
	pthread_mutex_lock(&u->lock);
	memcpy(send, u->answer_send, sizeof send);
	memcpy(record, u->answer_record, sizeof record);
	memcpy(show_send, u->show_send, sizeof show_send);
	memcpy(show_record, u->show_record, sizeof show_record);
	struct ue_video_files show = u->show;
	int repeat = u->answer_repeat;
	pthread_mutex_unlock(&u->lock);
	show.send = show_send[0] ? show_send : NULL;
	show.record = show_record[0] ? show_record : NULL;
	return open_media(u, &(struct ue_audio_files){send[0] ? send : NULL, record[0] ? record : NULL, repeat}, &show);
}

/*
 * An SSRC never used under this key, durable, with the replay record of the message (media.md M-D13). At a rekey the
 * stream keeps its own; if the new key has seen it, it cannot be used. 0 or -1.
 */
static int record_ssrc(struct ue *u, const struct ue_pck *pck, uint8_t cs_id, uint32_t *ssrc)
{
	struct ue_call_state *c = &u->call;
	int rekey = c->machine.state == CC_REKEYING, rc = 1;
	for (int i = 0; i < (rekey ? 1 : SSRC_DRAWS) && rc == 1; i++) {
		if (!rekey && ue_random(ssrc, sizeof *ssrc))
			return -1;
		rc = ue_store_record(u->store, pck->id, cs_id, *ssrc, c->has_entry ? &c->entry : NULL);
	}
	return rc ? -1 : 0;
}

/* All streams we send stand under one master key: each has an SSRC of its own there. */
static int record(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	const struct ue_pck *pck = c->next_pck ? c->next_pck : c->pck;
	int video = c->service == MCX_MCVIDEO, rekey = c->machine.state == CC_REKEYING;
	uint8_t cs_id;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the machine asks for it only when it has a key */
	if (mcsec_cs_id_of(MCSEC_PCK, video, !pck->from_us, &cs_id) || record_ssrc(u, pck, cs_id, &c->ssrc) ||
	    (video && record_ssrc(u, pck, cs_id, &c->video_ssrc)))
		return -1;
	if (!rekey && c->next_pck) {
		c->pck = c->next_pck;
		c->next_pck = NULL;
		ue_emit(u, UE_EV_KEY_OPENED, c->began_ms, NULL, c->peer, c->pck->id, "key of the call from %s opened",
			c->peer);
	}
	return rekey ? 0 : c->caller ? open_media(u, &c->files, &c->video_files) : open_callee_media(u);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void do_record(struct ue *u)
{
	enum cc_event_kind kind = record(u) ? CC_EV_NOT_RECORDED : CC_EV_RECORDED;
	ue_call_event(u, &(struct cc_event){.kind = kind, .automatic = 1}, NULL);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void start_media(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct media_keys *keys = mcsec_secret_alloc(sizeof *keys);
	int rc = keys && c->media ? ue_pck_media_keys(c->pck, keys) : -1;
	snprintf(c->trouble, sizeof c->trouble, "%s", rc ? "no keys for the media" : "");
	if (!rc) {
		ue_pck_inspect(u, c->pck, keys);
		ue_line_begin(u);
		rc = media_start(c->media, keys, c->remote.address, c->remote.port, c->remote.payload_type, c->trouble,
				 sizeof c->trouble);
	}
	if (!rc && c->video)
		rc = video_start(c->video, keys, c->remote_video.address, c->remote_video.port,
				 c->remote_video.payload_type, c->trouble, sizeof c->trouble);
	mcsec_secret_free(keys);
	if (rc) {
		ue_call_event(u, &(struct cc_event){.kind = CC_EV_FAILED}, NULL);
		return;
	}
	set_timer(u, c->max_ms ? c->max_ms : MAX_CALL_MS);
	ue_emit(u, UE_EV_CALL_UP, c->began_ms, NULL, c->peer, c->pck->id, "call with %s is up, media protected",
		c->peer);
}

static void rekey_media(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct media_keys *keys = mcsec_secret_alloc(sizeof *keys);
	int rc = keys && c->next_pck ? ue_pck_media_keys(c->next_pck, keys) : -1;
	if (!rc && !media_rekey(c->media, keys) && (!c->video || !video_rekey(c->video, keys))) {
		mcsec_secret_free(c->pck);
		c->pck = c->next_pck;
		c->next_pck = NULL;
	}
	mcsec_secret_free(keys);
}

static void keep_stats(struct ue *u)
{
	pthread_mutex_lock(&u->lock);
	struct ue_media_stats before = u->stats;
	u->stats = (struct ue_media_stats){0};
	if (u->call.media)
		media_stats(u->call.media, &u->stats);
	if (u->call.video)
		video_stats(u->call.video, &u->stats);
	u->stats.control_opened = before.control_opened;
	u->stats.control_dropped = before.control_dropped;
	pthread_mutex_unlock(&u->lock);
}

/* A recording that lacks something says so. */
static void tell_gaps(struct ue *u)
{
	const struct ue_media_stats *s = &u->stats; /* changed on this thread alone */
	if (u->call.video && (s->video_lost || s->video_broken))
		ue_emit(u, UE_EV_ALARM, u->call.began_ms, NULL, u->call.peer, 0,
			"video: %llu packets were lost, %llu NAL units are not whole and left out",
			(unsigned long long)s->video_lost, (unsigned long long)s->video_broken);
}

static void stop_media(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	ue_line_close(u);
	if (!c->link)
		return;
	int failed = c->media && media_stop(c->media);
	if (c->video)
		failed |= video_stop(c->video);
	if (failed && !c->trouble[0])
		snprintf(c->trouble, sizeof c->trouble, "the recording could not be written");
	keep_stats(u);
	tell_gaps(u);
	media_free(c->media);
	video_free(c->video);
	free(c->link);
	c->media = NULL;
	c->video = NULL;
	c->link = NULL;
}

static void wipe(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	stop_media(u);    /* a call that never came up has a socket too */
	if (c->reinvited) /* it was being looked at when the call ended */
		ue_call_reply(u, c->reinvited, 487, 0);
	c->reinvited = NULL;
	mcsec_secret_free(c->pck);
	mcsec_secret_free(c->next_pck);
	c->pck = c->next_pck = NULL;
	c->has_entry = 0;
	free(c->krr);
	c->krr = NULL;
}

static enum ue_status status_of(const struct ue_call_state *c, const struct cc_event *ev)
{
	if (c->trouble[0])
		return UE_AUDIO;
	switch (ev->kind) {
	case CC_EV_CALL:
		return UE_NO_KMS;
	case CC_EV_ANSWER:
		return c->report.status ? c->report.status : ev->secure ? UE_OK : UE_DOWNGRADE;
	case CC_EV_REFUSED:
		return c->report.status ? c->report.status : c->unreachable ? UE_UNREACHABLE : UE_REFUSED;
	case CC_EV_SILENT:
		return UE_NO_MEDIA;
	case CC_EV_FAILED:
		return UE_INTERNAL;
	case CC_EV_NOT_RECORDED:
		return UE_STORE;
	case CC_EV_UNOPENED:
	case CC_EV_INVITE:
	case CC_EV_EXHAUSTED:
		return UE_REFUSED;
	default:
		return c->report.status;
	}
}

static void tell(struct ue *u, const struct cc_event *ev, const struct cc_actions *out)
{
	struct ue_call_state *c = &u->call;
	if (ev->kind == CC_EV_RINGING) {
		ue_emit(u, UE_EV_RINGING, c->began_ms, NULL, c->peer, 0, "%s is ringing", c->peer);
		return;
	}
	int rejected = ev->kind == CC_EV_UNOPENED || ev->kind == CC_EV_INVITE;
	if (out->status && ev->kind != CC_EV_BYE) {
		c->report.sip_status = out->status;
		c->report.warning = out->warning;
	}
	const char *why = c->trouble[0]                                           ? c->trouble
			  : ev->kind == CC_EV_UNOPENED                            ? mcsec_im_refusal(ev->im)
			  : ev->kind == CC_EV_EXHAUSTED || ev->kind == CC_EV_CALL ? c->refusal
										  : "";
	ue_report_set(&c->report, status_of(c, ev), c->began_ms, "%s%s%s", out->reason, why[0] ? ": " : "", why);
	ue_emit(u, rejected ? UE_EV_REJECTED : UE_EV_CALL_ENDED, c->began_ms, &c->report, c->peer, 0, "%s",
		c->report.text);
}

static void reply(struct ue *u, struct sip_server_tx *at_hand, const struct cc_actions *out)
{
	struct ue_call_state *c = &u->call;
	struct sip_server_tx **held = c->reinvited ? &c->reinvited : &c->invited;
	struct sip_server_tx *tx = at_hand ? at_hand : *held;
	if (tx == *held)
		*held = NULL;
	if (tx && c->krr)
		ue_redirect_reply(tx, (struct octets){c->krr, c->krr_len});
	else if (tx)
		ue_call_reply(u, tx, out->status, out->warning);
}

/* Our 200, to the INVITE or a re-INVITE. */
/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void answer(struct ue *u, struct sip_server_tx *at_hand)
{
	struct ue_call_state *c = &u->call;
	struct sip_server_tx **held = c->reinvited ? &c->reinvited : &c->invited;
	struct sip_server_tx *tx = at_hand ? at_hand : *held;
	if (tx && !ue_answer_send(u, tx)) {
		*held = NULL;
		return;
	}
	ue_call_event(u, &(struct cc_event){.kind = CC_EV_FAILED}, NULL);
}

/* BYE, or, where our 200 has not left yet, a refusal. */
static void bye(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	struct sip_server_tx *unanswered = c->invited;
	c->invited = NULL;
	if (unanswered)
		ue_call_reply(u, unanswered, 500, 0);
	else
		ue_bye_send(u);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
static void act(struct ue *u, enum cc_action a, const struct cc_event *ev, const struct cc_actions *out,
		struct sip_server_tx *at_hand)
{
	struct ue_call_state *c = &u->call;
	switch (a) {
	case CC_DO_MAKE:
		ue_pck_make(u);
		break;
	case CC_DO_RECORD:
		do_record(u);
		break;
	case CC_DO_INVITE:
		if (ue_invite_send(u))
			ue_call_event(u, &(struct cc_event){.kind = CC_EV_FAILED}, NULL);
		else
			ue_emit(u, UE_EV_OFFERED, c->began_ms, NULL, c->peer, c->pck->id,
				"call to %s offered with its key", c->peer);
		break;
	case CC_DO_RING_TIMER:
		set_timer(u, c->ring_ms ? c->ring_ms : RING_MS);
		break;
	case CC_DO_TELL:
		tell(u, ev, out);
		break;
	case CC_DO_MEDIA:
		start_media(u);
		break;
	case CC_DO_STOP:
		stop_media(u);
		break;
	case CC_DO_CANCEL:
		c->report.status = ev->kind == CC_EV_RING_TIME ? UE_UNREACHABLE : UE_OK;
		sip_cancel(c->invite);
		break;
	case CC_DO_BYE:
		bye(u);
		break;
	case CC_DO_OPEN:
		ue_pck_open(u);
		break;
	case CC_DO_REPLY:
		reply(u, at_hand, out);
		break;
	case CC_DO_ANSWER:
	case CC_DO_REANSWER:
		if (a == CC_DO_REANSWER) {
			c->sdp_version++;
			(void)media_move(c->media, c->remote.address, c->remote.port);
			if (c->video)
				(void)video_move(c->video, c->remote_video.address, c->remote_video.port);
		}
		answer(u, at_hand);
		break;
	case CC_DO_REKEY:
		rekey_media(u);
		break;
	case CC_DO_WIPE:
		wipe(u);
		break;
	default: /* CC_DO_RING: this client answers by itself */
		break;
	}
}

/* The machine is idle and nothing is due any more: whoever waits may go on. */
static void maybe_over(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	if (c->machine.state != CC_IDLE || c->byes || c->depth)
		return;
	sip_timer_stop(c->timer);
	c->timer = NULL;
	sip_dialog_free(c->dialog);
	c->dialog = NULL;
	pthread_mutex_lock(&u->lock);
	u->call_report = c->report;
	u->call_busy = 0;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->lock);
}

/* NOLINTNEXTLINE(misc-no-recursion): each step moves the machine on, whose states are few and never come twice */
void ue_call_event(struct ue *u, const struct cc_event *ev, struct sip_server_tx *tx)
{
	struct cc_actions out;
	struct ue_call_state *c = &u->call;
	c->depth++;
	if (ev) {
		cc_step(&c->machine, ev, &out);
		enum cc_state after = c->machine.state;
		for (size_t i = 0; i < out.n && c->machine.state == after;
		     i++) /* a failed action has moved on already */
			act(u, out.do_[i], ev, &out, tx);
	}
	c->depth--;
	maybe_over(u);
}

void ue_call_reset(struct ue *u, int caller)
{
	struct ue_call_state *c = &u->call;
	unsigned generation = c->generation + 1;
	*c = (struct ue_call_state){.generation = generation, .caller = caller, .began_ms = ue_clock_ms()};
}

/* The client ends: no message leaves any more, nothing stays. */
void ue_call_close(struct ue *u)
{
	struct ue_call_state *c = &u->call;
	sip_timer_stop(c->timer);
	c->timer = NULL;
	wipe(u);
	sip_dialog_free(c->dialog);
	c->dialog = NULL;
	c->machine.state = CC_IDLE;
	c->generation++;
}
