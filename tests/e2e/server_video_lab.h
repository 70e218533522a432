/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_video_lab.h - for the tests of MCVideo's private calls at a whole server: user agents of both services, and a
 * description with the video beside the audio.
 */
#ifndef TEST_SERVER_VIDEO_LAB_H
#define TEST_SERVER_VIDEO_LAB_H

#include "server_call_lab.h"

#define ICSI_VIDEO "urn:urn-7:3gpp-service.ims.icsi.mcvideo"
#define SCOPES     "openid " SCOPE_PTT_SERVICE " " SCOPE_VIDEO_SERVICE

enum { PTT = 1 << MCX_MCPTT, VIDEO = 1 << MCX_MCVIDEO };

static int services;                  /* whose documents a REGISTER brings */
static enum mcx_service call_service; /* whose document an INVITE brings */
static const char *key_of_video;      /* a line at media level; NULL: none */

/* Other documents than MCPTT's, in place of the one that the bed made. */
static inline void on_body(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	static uint8_t documents[MCX_SERVICES][8192];
	static struct mcptt_info info;
	size_t at = 0;
	(void)max;
	while (at < *n && strcmp(parts[at].type, TYPE_MCPTT_INFO) != 0)
		at++;
	if (at == *n)
		return;
	int invite = strcmp(parts[0].type, TYPE_SDP) == 0, set = invite ? 1 << call_service : services;
	for (size_t s = 0; s < MCX_MCDATA; s++) {
		if (!(set >> s & 1))
			continue;
		memset(&info, 0, sizeof info);
		info.client_id.form = MCPTT_PLAIN;
		strcpy(info.client_id.value, u->client_id);
		if (invite) {
			strcpy(info.session_type, "private");
		} else {
			char *token = make_token(bed.signer, u->mcptt_id, bed.cfg.audience, SCOPES, 600);
			info.access_token.form = MCPTT_PLAIN;
			strcpy(info.access_token.value, token);
			free(token);
		}
		struct writer w = wr_init(documents[s], sizeof documents[s]);
		assert_int_equal(mcx_info_write(&w, (enum mcx_service)s, &info), MCSEC_OK);
		parts[at] = (struct body_out){.type = mcx_services[s].info_type, .body = wr_result(&w)};
		at = *n; /* a second one stands behind all */
		*n += (set >> (s + 1)) != 0;
	}
}

static char lines[MCX_SERVICES][500]; /* Alice's, Bob's */
static int sockets[2];
static uint16_t video_ports[2];

/* What stands behind the audio line: the video (0: refused; -1: none), and the control line of MCVideo. */
static inline void describe(struct ua *u, int end, int video, const char *control)
{
	char *out = lines[end];
	int n = video < 0
		    ? 0
		    : snprintf(out, sizeof lines[end],
			       "m=video %u RTP/SAVP 98\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1\r\n",
			       video ? video_ports[end] : 0u);
	snprintf(out + n, sizeof lines[end] - (size_t)n, "%s%s", key_of_video ? key_of_video : "", control);
	u->control_line = out;
}

/* age: of its CSK (struct reg); of two with equal T the larger CSK-ID would win (flows 0.4). */
static inline void authorise_with(struct ua *u, int set, int64_t age)
{
	char contact[300];
	snprintf(contact, sizeof contact, "<sip:%s@127.0.0.1:%u;transport=tls>%s%s", u->name,
		 sip_port_number(u->port, 0), set & PTT ? ";+g.3gpp.mcptt" : "", set & VIDEO ? ";+g.3gpp.mcvideo" : "");
	services = set;
	assert_int_equal(ua_register(u, &(struct reg){.expires = -1, .age = age, .contact = contact}), 200);
}

static inline void authorise(struct ua *u, int set)
{
	authorise_with(u, set, -1);
}

static inline void video_begin(int of_alice, int of_bob)
{
	call_service = MCX_MCVIDEO;
	key_of_video = NULL;
	bed_on_body = on_body;
	services = PTT;
	if (bed.server)
		bed_stop();
	bed.cfg.services = (struct config_list){.n = 2, .item = {"mcptt", "mcvideo"}};
	begin();
	authorise(&alice, of_alice);
	authorise(&bob, of_bob);
	describe(&alice, 0, 1, "");
	describe(&bob, 1, 1, "");
}

static inline int call_video(struct inv i)
{
	i.service = ICSI_VIDEO;
	bob.invites = 0;
	return ua_invite(&alice, &i);
}

#define CALL(...) call_video((struct inv){__VA_ARGS__})

static inline uint16_t port_of(const char *sdp, const char *kind)
{
	const char *m = strstr(sdp, kind);
	assert_non_null(m);
	return (uint16_t)atoi(m + strlen(kind));
}

static inline const char *crosses(int from, uint16_t to_port, int at, const char *packet)
{
	static char buf[100];
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(to_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(sendto(from, packet, strlen(packet), 0, (struct sockaddr *)&a, sizeof a) > 0);
	struct pollfd p = {at, POLLIN, 0};
	ssize_t n = poll(&p, 1, 3000) == 1 ? recv(at, buf, sizeof buf - 1, 0) : 0;
	buf[n > 0 ? n : 0] = 0;
	return buf;
}

static inline int set_up_video(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;
		sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(bind(sockets[i], (struct sockaddr *)&a, sizeof a), 0);
		getsockname(sockets[i], (struct sockaddr *)&a, &len);
		video_ports[i] = ntohs(a.sin_port);
	}
	return set_up(state);
}

static inline int tear_down_video(void **state)
{
	close(sockets[0]);
	close(sockets[1]);
	return tear_down(state);
}

#endif
