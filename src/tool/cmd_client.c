/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_client.c - `mcx login`, `mcx register`, `mcx call`: one headless client of a local domain. Each goes as far as
 * its name says and does what must come before: signing in, fetching identity keys, registering.
 */
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tool/domain/client.h"
#include "tool/commands.h"

struct session {
	const struct tool_command *c;
	const char *dir, *send, *record, *https_proxy, *services, *user_profile;
	int lookup;
	const char *send_video, *record_video, *fps;
	struct ue_video_files video; /* of these three */
	int json, publish, no_queue;
	unsigned ptt_too; /* 1: what speaks of video alone is for MCPTT as well */
	struct domain d;
	struct user user;
	struct ue *ue;
};

static const char *event_name(enum ue_event_kind kind)
{
	static const char *const names[] = {
	    [UE_EV_SIGNED_IN] = "signed-in",
	    [UE_EV_KEYS] = "identity-keys",
	    [UE_EV_REGISTERED] = "registered",
	    [UE_EV_OFFERED] = "offered",
	    [UE_EV_RINGING] = "ringing",
	    [UE_EV_KEY_OPENED] = "key-opened",
	    [UE_EV_REJECTED] = "rejected",
	    [UE_EV_CALL_UP] = "call-up",
	    [UE_EV_FIRST_PACKET] = "first-packet",
	    [UE_EV_CALL_ENDED] = "call-ended",
	    [UE_EV_LOGGED_OFF] = "logged-off",
	    [UE_EV_ALARM] = "alarm",
	    [UE_EV_KEYS_EXPIRED] = "keys-expired",
	    [UE_EV_CSK_REPLACED] = "csk-replaced",
	    [UE_EV_MUSIK] = "musik",
	    [UE_EV_FLOOR] = "floor",
	    [UE_EV_TRANSMISSION] = "transmission",
	    [UE_EV_REDIRECTED] = "redirected",
	};
	return names[kind];
}

/* One line an event; printf is one call and so whole, whichever of the client's threads it comes from. */
static void on_event(void *ctx, const struct ue_event *ev)
{
	const struct session *s = ctx;
	if (!s->json) {
		printf("%-14s %8.1f ms  %s\n", event_name(ev->kind), ev->ms, ev->text);
		return;
	}
	json_t *j = json_pack("{s:s, s:f, s:s, s:s, s:i, s:i}", "event", event_name(ev->kind), "ms", ev->ms, "peer",
			      ev->peer, "text", ev->text, "sip_status", ev->sip_status, "warning", ev->warning);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (text)
		puts(text);
	free(text);
	json_decref(j);
}

static int step_failed(const struct session *s, const char *what, const struct ue_report *r)
{
	int code = r->status == UE_UNREACHABLE ? TOOL_UNREACHABLE
		   : r->status == UE_REFUSED   ? TOOL_REFUSED
					       : TOOL_FAILED;
	return tool_fail(s->c, code, r->status == UE_UNREACHABLE ? "start the domain with mcx up" : NULL, "%s: %s: %s",
			 what, ue_status_name(r->status), r->text);
}

/* Names with commas between them. 0, or -1. */
static int read_services(const char *list, unsigned *out)
{
	*out = 0;
	while (list) {
		char name[16];
		size_t n = strcspn(list, ",");
		snprintf(name, sizeof name, "%.*s", n < sizeof name ? (int)n : 0, list);
		enum mcx_service s = mcx_service_of(name);
		if (s == MCX_SERVICES)
			return -1;
		*out |= 1u << s;
		list = list[n] ? list + n + 1 : NULL;
	}
	return 0;
}

/* Options of video make a client of MCVideo too. -1 to go on. */
static int read_video(struct session *s, unsigned *services)
{
	char *end = NULL;
	unsigned long fps = s->fps ? strtoul(s->fps, &end, 10) : 0;
	if (s->fps && (*end || fps < 1 || fps > UE_MAX_FPS))
		return tool_fail(s->c, TOOL_USAGE, "--fps 25, for example", "no number of pictures a second: %s",
				 s->fps);
	s->video = (struct ue_video_files){.send = s->send_video, .record = s->record_video, .fps = (unsigned)fps};
	if (s->send_video || s->record_video)
		*services |= 1u << MCX_MCVIDEO | (*services ? 0 : s->ptt_too << MCX_MCPTT);
	return -1;
}

/* Parses, opens domain, user and client. -1 to go on. */
static int begin(struct session *s, int argc, char **argv, const struct tool_option *o, size_t n, int operands)
{
	char err[600];
	unsigned services;
	struct client_texts t;
	struct ue_config config;
	int rc = tool_parse(s->c, o, n, &argc, argv, operands, operands);
	if (rc >= 0)
		return rc;
	if (read_services(s->services, &services))
		return tool_fail(s->c, TOOL_USAGE, "--services mcptt,mcvideo,mcdata, for example",
				 "no list of services: %s", s->services);
	rc = read_video(s, &services);
	if (rc >= 0)
		return rc;
	if (domain_open(&s->d, s->dir, 0, err, sizeof err))
		return tool_fail(s->c, TOOL_CONFIG, "mcx up makes a domain; --dir says which one is meant", "%s", err);
	if (user_load(&s->d, argv[0], &s->user, err, sizeof err) != USER_OK)
		return tool_fail(s->c, TOOL_USAGE, "mcx user add makes a user", "%s", err);
	client_config(&s->d, &s->user, &t, &config);
	config.on_event = on_event;
	config.ctx = s;
	config.publish = s->publish;
	config.no_queue = s->no_queue;
	config.https_proxy = s->https_proxy;
	config.services = services;
	config.user_profile = s->user_profile ? s->user_profile : config.user_profile;
	config.lookup_kms = s->lookup;
	s->ue = ue_new(&config, err, sizeof err);
	client_forget(&t);
	if (!s->ue)
		return tool_fail(s->c, TOOL_CONFIG, NULL, "%s", err);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return -1;
}

static int login(struct session *s)
{
	struct ue_report r;
	if (ue_needs_sign_in(s->ue) && client_sign_in(&s->d, &s->user, s->ue, &r) != UE_OK)
		return step_failed(s, "sign-in", &r);
	if (ue_provision(s->ue, &r) != UE_OK)
		return step_failed(s, "identity keys", &r);
	return -1;
}

static int login_and_register(struct session *s)
{
	struct ue_report r;
	int rc = login(s);
	if (rc < 0 && ue_register(s->ue, &r) != UE_OK)
		rc = step_failed(s, "registration", &r);
	return rc;
}

static int end(struct session *s, int rc)
{
	ue_free(s->ue);
	return rc < 0 ? TOOL_OK : rc;
}

#define DIR_OPTION(s)                                                                                                  \
	{                                                                                                              \
		"dir", "DIR", NULL, &(s).dir, "the domain's folder (default ./run)"                                    \
	}
#define PROXY_OPTION(s)                                                                                                \
	{                                                                                                              \
		"https-proxy", "URL", NULL, &(s).https_proxy,                                                          \
		    "HTTP proxy on the way to the identity server and the KMS"                                         \
	}
#define JSON_OPTION(s)                                                                                                 \
	{                                                                                                              \
		"json", NULL, &(s).json, NULL, "one JSON object an event"                                              \
	}

#define VIDEO_OPTIONS(s)                                                                                               \
	{"send-video", "H264", NULL, &(s).send_video, "H.264 byte stream to show, in a call of MCVideo"},              \
	    {"record-video", "H264", NULL, &(s).record_video, "what the other end shows"},                             \
	{                                                                                                              \
		"fps", "N", NULL, &(s).fps, "pictures a second of --send-video (default 25)"                           \
	}

int cmd_login(const struct tool_command *c, int argc, char **argv)
{
	struct session s = {.c = c, .dir = "run"};
	const struct tool_option table[] = {DIR_OPTION(s), JSON_OPTION(s), PROXY_OPTION(s)};
	int rc = begin(&s, argc, argv, table, sizeof table / sizeof *table, 1);
	return rc >= 0 ? rc : end(&s, login(&s));
}

int cmd_register(const struct tool_command *c, int argc, char **argv)
{
	struct session s = {.c = c, .dir = "run", .ptt_too = 1};
	const char *seconds = NULL;
	const struct tool_option table[] = {
	    DIR_OPTION(s),
	    JSON_OPTION(s),
	    PROXY_OPTION(s),
	    {"seconds", "N", NULL, &seconds, "end a call after that long (default 3600)"},
	    {"send", "WAV", NULL, &s.send, "said to whoever calls"},
	    {"record", "WAV", NULL, &s.record, "what callers say; the last call's"},
	    VIDEO_OPTIONS(s),
	    {"services", "LIST", NULL, &s.services, "of mcptt,mcvideo,mcdata (default mcptt), in one registration"},
	    {"no-queue", NULL, &s.no_queue, NULL, "be refused, not queued, while the other end speaks or transmits"},
	    {"publish", NULL, &s.publish, NULL, "authorise by PUBLISH, after a REGISTER with the contact alone"}};
	struct ue_report r;
	sigset_t set;
	int got;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int rc = begin(&s, argc, argv, table, sizeof table / sizeof *table, 1);
	if (rc >= 0)
		return rc;
	ue_answer(s.ue, &(struct ue_audio_files){.send = s.send, .record = s.record});
	ue_answer_video(s.ue, &s.video);
	ue_answer_for(s.ue, seconds ? (unsigned)strtoul(seconds, NULL, 10) * 1000 : 0);
	rc = login_and_register(&s);
	if (rc < 0) {
		while (sigwait(&set, &got) != 0)
			;
		ue_hang_up(s.ue);
		ue_log_off(s.ue, &r);
	}
	return end(&s, rc);
}

int cmd_call(const struct tool_command *c, int argc, char **argv)
{
	struct session s = {.c = c, .dir = "run"};
	const char *target = NULL, *seconds = NULL, *kms = NULL;
	int repeat = 0, duplex = 0;
	const struct tool_option table[] = {
	    DIR_OPTION(s),
	    JSON_OPTION(s),
	    PROXY_OPTION(s),
	    {"to", "ID", NULL, &target, "MCPTT ID, or the name of a user of this domain"},
	    {"send", "WAV", NULL, &s.send, "what to say (default: the recorded announcement; with video: nothing)"},
	    {"record", "WAV", NULL, &s.record, "what the other end says"},
	    VIDEO_OPTIONS(s),
	    {"user-profile", "FILE", NULL, &s.user_profile, "XML that names the KMS of users of other domains"},
	    {"lookup", NULL, &s.lookup, NULL, "else ask the own KMS whose user that is"},
	    {"kms", "URI", NULL, &kms, "KMS of the called user, whatever the profile says"},
	    {"duplex", NULL, &duplex, NULL, "no floor or transmission control: both may send at once"},
	    {"no-queue", NULL, &s.no_queue, NULL, "be refused, not queued, while the other end speaks or transmits"},
	    {"seconds", "N", NULL, &seconds, "stay in the call that long"},
	    {"repeat", NULL, &repeat, NULL, "say it again and again, as long as the call stands"}};
	char uri[2 * DOMAIN_TEXT];
	struct ue_report r;
	int rc = begin(&s, argc, argv, table, sizeof table / sizeof *table, 1);
	if (rc >= 0)
		return rc;
	if (!target)
		return end(&s, tool_fail(c, TOOL_USAGE, "--to bob, for example", "whom to call is not said"));
	snprintf(uri, sizeof uri, strchr(target, ':') ? "%s" : "sip:%s@%s", target, s.d.zone);
	rc = login_and_register(&s);
	int video = s.send_video || s.record_video;
	const char *speech = s.send || video ? s.send : client_speech();
	struct ue_call call = {.target = uri,
			       .kms_uri = kms,
			       .audio = {.send = speech, .record = s.record, .repeat = repeat},
			       .floor = !duplex && !repeat, /* who never ends would keep the floor */
			       .service = video ? MCX_MCVIDEO : MCX_MCPTT,
			       .video = s.video};
	call.video.repeat = repeat;
	if (seconds) {
		call.max_ms = (unsigned)strtoul(seconds, NULL, 10) * 1000;
		call.stay = 1;
	}
	if (rc < 0 && ue_call(s.ue, &call, &r) != UE_OK)
		rc = step_failed(&s, "call", &r);
	ue_log_off(s.ue, &r);
	return end(&s, rc);
}
