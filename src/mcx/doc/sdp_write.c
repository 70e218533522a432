/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sdp_write.c - descriptions of our own, and a relay's copy of somebody else's (sip.md 5.1, 5.2).
 *
 * The copy goes line by line: o= and c= lose their address, m= its port, a=rtcp its port and address; every other
 * line leaves as it came, its line end included. That is what keeps a=key-mgmt, of any length, octet for octet.
 */
#include "sdp.h"

#include <stdarg.h>
#include <stdio.h>

#include "sec/base/text.h"

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *fmt, ...)
{
	char line[512];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof line)
		w->err = MCSEC_E_NO_SPACE;
	else
		wr_text(w, line);
}

static const char *family(const char *address)
{
	return strchr(address, ':') ? "IP6" : "IP4";
}

/* The first n blank-separated words of a value, blanks included. */
static struct octets words(struct octets value, unsigned n)
{
	size_t at = 0;
	while (at < value.len && n) {
		while (at < value.len && value.p[at] == ' ')
			at++;
		while (at < value.len && value.p[at] != ' ')
			at++;
		n--;
	}
	return (struct octets){value.p, at};
}

static struct octets line_end(const struct sdp_line *line)
{
	const uint8_t *end = line->value.p + line->value.len;
	return (struct octets){end, (size_t)(line->whole.p + line->whole.len - end)};
}

/* m=audio 49170 RTP/SAVP 97: the second word changes. */
static void copy_media_line(const struct sdp_line *line, uint16_t port, struct writer *w)
{
	struct octets kind = words(line->value, 1), upto_port = words(line->value, 2);
	wr_text(w, "m=");
	wr_octets(w, kind);
	put(w, " %u", port);
	wr_octets(w, (struct octets){line->value.p + upto_port.len, line->value.len - upto_port.len});
	wr_octets(w, line_end(line));
}

/* o=user id version IN IP4 address: the last three words change. */
static void copy_line(const struct sdp_line *line, const char *address, uint16_t port, struct writer *w)
{
	static const char rtcp[] = "rtcp:";
	int is_rtcp = line->type == 'a' && line->value.len >= 5 && !memcmp(line->value.p, rtcp, 5);
	if (line->type == 'o') {
		wr_text(w, "o=");
		wr_octets(w, words(line->value, 3));
		put(w, " IN %s %s", family(address), address);
	} else if (line->type == 'c') {
		put(w, "c=IN %s %s", family(address), address);
	} else if (is_rtcp && port) {
		put(w, "a=rtcp:%u IN %s %s", port + 1u, family(address), address);
	} else {
		wr_octets(w, line->whole);
		return;
	}
	wr_octets(w, line_end(line));
}

static void put_parameters(struct writer *w, const struct sdp_control *c)
{
	const struct sdp_control_names *names = &sdp_control_names[c->service];
	const char *between = "";
	put(w, "a=fmtp:%s ", names->format);
	const struct {
		int is_there;
		const char *name;
	} words_of[] = {{c->queueing, "mc_queueing"}, {c->granted, "mc_granted"}, {c->implicit, "mc_implicit_request"}};
	for (size_t i = 0; i < sizeof words_of / sizeof *words_of; i++)
		if (words_of[i].is_there) {
			put(w, "%s%s", between, words_of[i].name);
			between = ";";
		}
	const struct {
		int is_there;
		const char *name;
		uint32_t value;
	} numbers[] = {{c->priority, "mc_priority", c->priority},
		       {c->reception_priority, names->reception_priority, c->reception_priority},
		       {c->has_ssrc, names->ssrc, c->ssrc},
		       {c->has_video_ssrc, names->video_ssrc, c->video_ssrc},
		       {c->has_floor_ssrc, names->floor_ssrc, c->floor_ssrc}};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (numbers[i].is_there && numbers[i].name) {
			put(w, "%s%s=%lu", between, numbers[i].name, (unsigned long)numbers[i].value);
			between = ";";
		}
}

static int is_parameters(const struct sdp_line *line, enum mcx_service service)
{
	char fmtp[24];
	int n = snprintf(fmtp, sizeof fmtp, "fmtp:%s", sdp_control_names[service].format);
	return line->type == 'a' && line->value.len >= (size_t)n && !memcmp(line->value.p, fmtp, (size_t)n);
}

enum mcsec_err sdp_rewrite_control(const struct sdp *s, const char *address, const uint16_t *ports, size_t n_ports,
				   size_t at, const struct sdp_control *control, struct writer *w)
{
	size_t media = 0;
	uint16_t port = 0;
	if (n_ports < s->n_media)
		return MCSEC_E_ARGUMENT;
	for (size_t i = 0; i < s->n_lines; i++) {
		if (media < s->n_media && s->media[media].first == i) {
			port = s->media[media].port ? ports[media] : 0;
			copy_media_line(&s->lines[i], port, w);
			media++;
		} else if (control && media == at + 1 && is_parameters(&s->lines[i], control->service)) {
			put_parameters(w, control);
			wr_octets(w, line_end(&s->lines[i]));
		} else {
			copy_line(&s->lines[i], address, port, w);
		}
	}
	return w->err;
}

enum mcsec_err sdp_rewrite(const struct sdp *s, const char *address, const uint16_t *ports, size_t n_ports,
			   struct writer *w)
{
	return sdp_rewrite_control(s, address, ports, n_ports, SDP_SESSION, NULL, w);
}

/* ---- our own --------------------------------------------------------------------------------------------------- */

static void put_session(struct writer *w, const struct sdp_audio *a)
{
	put(w, "v=0\r\no=- %llu %llu IN %s %s\r\ns=-\r\n", (unsigned long long)a->session_id,
	    (unsigned long long)a->version, family(a->address), a->address);
	put(w, "c=IN %s %s\r\nt=0 0\r\n", family(a->address), a->address);
}

static void put_key_mgmt(struct writer *w, struct octets message)
{
	if (!message.len)
		return;
	wr_text(w, "a=key-mgmt:mikey ");
	uint8_t *text = wr_reserve(w, BASE64_SIZE(message.len));
	if (!text)
		return;
	base64_encode(message, (char *)text);
	w->at--; /* the NUL */
	wr_text(w, "\r\n");
}

static void put_audio(struct writer *w, const struct sdp_audio *a)
{
	put(w, "m=audio %u %s %u\r\ni=%s\r\n", a->port, a->proto, a->payload_type,
	    a->video ? "audio component of MCVideo" : "speech");
	put(w, "a=rtpmap:%u %s\r\n", a->payload_type, a->rtpmap);
	if (a->fmtp)
		put(w, "a=fmtp:%u %s\r\n", a->payload_type, a->fmtp);
	put(w, "a=ptime:20\r\na=sendrecv\r\n");
}

static void put_video(struct writer *w, const struct sdp_video *v, struct octets proto)
{
	put(w, "m=video %u ", v->port);
	wr_octets(w, proto);
	put(w, " %u\r\ni=video component of MCVideo\r\n", v->payload_type);
	put(w, "a=rtpmap:%u %s\r\n", v->payload_type, v->rtpmap);
	if (v->fmtp)
		put(w, "a=fmtp:%u %s\r\n", v->payload_type, v->fmtp);
	wr_text(w, "a=sendrecv\r\n");
}

static void put_control(struct writer *w, const struct sdp_control *c)
{
	put(w, "m=application %u udp %s\r\n", c->port, sdp_control_names[c->service].format);
	put_parameters(w, c);
	wr_text(w, "\r\n");
}

enum mcsec_err sdp_write_offer(struct writer *w, const struct sdp_audio *a)
{
	put_session(w, a);
	put_key_mgmt(w, a->key_mgmt);
	put_audio(w, a);
	if (a->video)
		put_video(w, a->video, octets_of(a->proto));
	if (a->control)
		put_control(w, a->control);
	return w->err;
}

/* A refused media line: kind, proto and first format of the offer, port 0. */
static void put_refusal(struct writer *w, const struct sdp_media *m)
{
	wr_text(w, "m=");
	wr_octets(w, m->kind);
	wr_text(w, " 0 ");
	wr_octets(w, m->proto);
	wr_text(w, " ");
	wr_octets(w, m->formats[0]);
	wr_text(w, "\r\n");
}

enum mcsec_err sdp_write_answer(struct writer *w, const struct sdp *offer, const struct sdp_audio *a)
{
	struct sdp_control offered;
	enum mcx_service service = a->control ? a->control->service : MCX_MCPTT;
	size_t audio = sdp_find_media(offer, "audio"), video = sdp_find_media(offer, "video");
	size_t control = sdp_control_read(offer, service, &offered);
	put_session(w, a);
	put_key_mgmt(w, a->key_mgmt);
	for (size_t i = 0; i < offer->n_media; i++) {
		if (i == audio)
			put_audio(w, a);
		else if (i == video && a->video && offer->media[i].port)
			put_video(w, a->video, offer->media[i].proto);
		else if (i == control && a->control && offered.port)
			put_control(w, a->control);
		else
			put_refusal(w, &offer->media[i]);
	}
	return w->err;
}
