/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sdp.c - session descriptions read line by line, and the questions asked of them (RFC 4566, RFC 4567, RFC 3264).
 *
 *   session lines, then for each media: m=<kind> <port>[/n] <proto> <format> ..., and its lines
 *
 * Lines are views into the caller's octets. Of the media only what the security decisions need is taken apart.
 */
#include "sdp.h"

static int is(struct octets o, const char *text)
{
	return octets_equal(o, octets_of(text));
}

static int starts(struct octets o, const char *text)
{
	size_t n = strlen(text);
	return o.len >= n && !memcmp(o.p, text, n);
}

/* Cuts the first word off *rest. */
static struct octets word(struct octets *rest)
{
	size_t n = 0, skip = 0;
	while (skip < rest->len && rest->p[skip] == ' ')
		skip++;
	while (skip + n < rest->len && rest->p[skip + n] != ' ')
		n++;
	struct octets w = {rest->p + skip, n};
	rest->p += skip + n;
	rest->len -= skip + n;
	return w;
}

static int decimal(struct octets o, uint32_t max, uint32_t *out)
{
	uint32_t v = 0;
	if (o.len == 0 || o.len > 9)
		return -1;
	for (size_t i = 0; i < o.len; i++) {
		if (o.p[i] < '0' || o.p[i] > '9')
			return -1;
		v = v * 10 + (uint32_t)(o.p[i] - '0');
	}
	*out = v;
	return v <= max ? 0 : -1;
}

/* c=IN IP4 192.0.2.10 -> the address; a multicast suffix ("/ttl") is no unicast call of ours. */
static enum mcsec_err read_connection(struct octets value, struct octets *address)
{
	struct octets net = word(&value), family = word(&value);
	*address = word(&value);
	if (!is(net, "IN") || !(is(family, "IP4") || is(family, "IP6")) || word(&value).len)
		return MCSEC_E_VALUE;
	return address->len && address->len < 64 && !memchr(address->p, '/', address->len) ? MCSEC_OK : MCSEC_E_VALUE;
}

/* o=- 1 1 IN IP4 192.0.2.10: a relay puts its own address in the last three words, so they have to be there. */
static enum mcsec_err read_origin(struct octets value)
{
	struct octets address;
	for (int i = 0; i < 3; i++)
		if (word(&value).len == 0)
			return MCSEC_E_VALUE;
	return read_connection(value, &address);
}

static enum mcsec_err read_media_line(struct octets value, struct sdp_media *m)
{
	uint32_t port = 0;
	m->kind = word(&value);
	if (decimal(word(&value), UINT16_MAX, &port)) /* "port/count" is refused: we never bundle ports */
		return MCSEC_E_VALUE;
	m->port = (uint16_t)port;
	m->proto = word(&value);
	for (struct octets f = word(&value); f.len; f = word(&value)) {
		if (m->n_formats == SDP_MAX_FORMATS)
			return MCSEC_E_LENGTH;
		m->formats[m->n_formats++] = f;
	}
	return m->kind.len && m->proto.len && m->n_formats ? MCSEC_OK : MCSEC_E_VALUE;
}

/* a=key-mgmt:mikey <base64>; other protocols are none of ours. Two of ours at one level: which one would be meant? */
static enum mcsec_err read_key_mgmt(struct octets value, struct octets *slot)
{
	struct octets rest = {value.p + strlen("key-mgmt:"), value.len - strlen("key-mgmt:")};
	if (!is(word(&rest), "mikey"))
		return MCSEC_OK;
	if (slot->p)
		return MCSEC_E_VALUE;
	*slot = word(&rest);
	return slot->len && !word(&rest).len ? MCSEC_OK : MCSEC_E_VALUE;
}

static enum mcsec_err read_line(struct sdp *s, const struct sdp_line *line)
{
	struct sdp_media *m = s->n_media ? &s->media[s->n_media - 1] : NULL;
	struct octets *key_mgmt = m ? &m->key_mgmt : &s->key_mgmt;
	if (line->type == 'm') {
		if (s->n_media == SDP_MAX_MEDIA)
			return MCSEC_E_LENGTH;
		s->media[s->n_media].first = s->n_lines;
		return read_media_line(line->value, &s->media[s->n_media++]);
	}
	if (line->type == 'o')
		return read_origin(line->value);
	if (line->type == 'c') {
		struct octets address;
		return read_connection(line->value, &address);
	}
	return line->type == 'a' && starts(line->value, "key-mgmt:") ? read_key_mgmt(line->value, key_mgmt) : MCSEC_OK;
}

/* The next line of text from *at. */
static enum mcsec_err next_line(struct octets text, size_t *at, struct sdp_line *line)
{
	const uint8_t *start = text.p + *at, *lf = memchr(start, '\n', text.len - *at);
	size_t whole = lf ? (size_t)(lf - start) + 1 : text.len - *at, len = lf ? whole - 1 : whole;
	if (len && start[len - 1] == '\r')
		len--;
	if (len < 2 || start[1] != '=' || memchr(start, 0, len) || memchr(start, '\r', len))
		return MCSEC_E_VALUE;
	line->type = (char)start[0];
	line->value = (struct octets){start + 2, len - 2};
	line->whole = (struct octets){start, whole};
	*at += whole;
	return MCSEC_OK;
}

/* Lines per media, and what a media inherits from the session (RFC 4566 5.7, RFC 4567 3.1). */
static void finish(struct sdp *s)
{
	struct octets session_address = {0};
	s->n_session = s->n_media ? s->media[0].first : s->n_lines;
	for (size_t i = 0; i < s->n_session; i++)
		if (s->lines[i].type == 'c')
			(void)read_connection(s->lines[i].value, &session_address);
	for (size_t m = 0; m < s->n_media; m++) {
		struct sdp_media *media = &s->media[m];
		media->n = (m + 1 < s->n_media ? s->media[m + 1].first : s->n_lines) - media->first;
		media->address = session_address;
		for (size_t i = media->first; i < media->first + media->n; i++)
			if (s->lines[i].type == 'c')
				(void)read_connection(s->lines[i].value, &media->address);
		if (!media->key_mgmt.len)
			media->key_mgmt = s->key_mgmt;
	}
}

enum mcsec_err sdp_read(struct octets text, struct sdp *out, size_t *at)
{
	size_t here = 0, line_at = 0;
	enum mcsec_err e = text.len == 0 || text.len > SDP_MAX ? MCSEC_E_LENGTH : MCSEC_OK;
	memset(out, 0, sizeof *out);
	while (!e && here < text.len) {
		line_at = here;
		struct sdp_line *line = &out->lines[out->n_lines];
		e = out->n_lines == SDP_MAX_LINES ? MCSEC_E_LENGTH : next_line(text, &here, line);
		if (!e && out->n_lines == 0 && !(line->type == 'v' && is(line->value, "0")))
			e = MCSEC_E_VALUE;
		e = e ? e : read_line(out, line);
		out->n_lines += !e;
	}
	if (at)
		*at = line_at;
	if (e)
		memset(out, 0, sizeof *out);
	else
		finish(out);
	return e;
}

struct octets sdp_attribute(const struct sdp *s, size_t media, const char *name)
{
	size_t from = media == SDP_SESSION ? 0 : s->media[media].first, len = strlen(name);
	size_t to = media == SDP_SESSION ? s->n_session : from + s->media[media].n;
	for (size_t i = from; i < to; i++) {
		struct octets v = s->lines[i].value;
		if (s->lines[i].type != 'a' || !starts(v, name) || (v.len > len && v.p[len] != ':'))
			continue;
		size_t skip = v.len > len ? len + 1 : len;
		return (struct octets){v.p + skip, v.len - skip};
	}
	return (struct octets){0};
}

size_t sdp_find_media(const struct sdp *s, const char *kind)
{
	for (size_t i = 0; i < s->n_media; i++)
		if (is(s->media[i].kind, kind))
			return i;
	return SIZE_MAX;
}

/* What stands behind the payload type in the first a=<name>:<payload type> ... of it. */
static struct octets of_format(const struct sdp *s, size_t media, const char *name, struct octets format)
{
	const struct sdp_media *m = &s->media[media];
	size_t n = strlen(name);
	for (size_t i = m->first; i < m->first + m->n; i++) {
		struct octets v = s->lines[i].value;
		if (s->lines[i].type != 'a' || !starts(v, name))
			continue;
		v = (struct octets){v.p + n, v.len - n};
		if (octets_equal(word(&v), format))
			return v;
	}
	return (struct octets){0};
}

struct octets sdp_rtpmap(const struct sdp *s, size_t media, struct octets format)
{
	struct octets v = of_format(s, media, "rtpmap:", format);
	return v.p ? word(&v) : v;
}

struct octets sdp_fmtp(const struct sdp *s, size_t media, struct octets format)
{
	return of_format(s, media, "fmtp:", format);
}

/* The next of what ';' separates, without the blanks around it. */
static struct octets next_parameter(struct octets *text)
{
	const uint8_t *end = memchr(text->p, ';', text->len);
	size_t n = end ? (size_t)(end - text->p) : text->len;
	struct octets p = {text->p, n};
	n += end != NULL;
	*text = (struct octets){text->p + n, text->len - n};
	while (p.len && p.p[0] == ' ')
		p = (struct octets){p.p + 1, p.len - 1};
	while (p.len && p.p[p.len - 1] == ' ')
		p.len--;
	return p;
}

int sdp_fmtp_says(struct octets fmtp, const char *parameter)
{
	while (fmtp.len)
		if (is(next_parameter(&fmtp), parameter))
			return 1;
	return 0;
}

/* ---- the media control line ------------------------------------------------------------------------------------ */

static int number_of(struct octets value, uint32_t *out)
{
	uint64_t v = 0;
	if (value.len == 0 || value.len > 10)
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return 0;
		v = v * 10 + (uint64_t)(value.p[i] - '0');
	}
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

const struct sdp_control_names sdp_control_names[MCX_MCVIDEO + 1] = {
    [MCX_MCPTT] = {"MCPTT", "mc_ssrc", NULL, "mc_floor_ssrc", NULL},
    [MCX_MCVIDEO] = {"MCVideo", "mc_audio_ssrc", "mc_video_ssrc", "mc_transmission_ssrc", "mc_reception_priority"},
};

static int named(struct octets name, const char *wanted)
{
	return wanted && is(name, wanted);
}

/* One parameter: mc_queueing, mc_priority=5 ... */
static void read_parameter(struct octets p, struct sdp_control *out)
{
	const struct sdp_control_names *names = &sdp_control_names[out->service];
	uint32_t v = 0;
	const uint8_t *sign = p.len ? memchr(p.p, '=', p.len) : NULL;
	size_t n = sign ? (size_t)(sign - p.p) : p.len;
	struct octets name = {p.p, n}, value = {p.p + n + (sign != NULL), p.len - n - (sign != NULL)};
	int numeric = sign && number_of(value, &v);
	if (is(name, "mc_queueing") && !sign) {
		out->queueing = 1;
	} else if (is(name, "mc_granted") && !sign) {
		out->granted = 1;
	} else if (is(name, "mc_implicit_request") && !sign) {
		out->implicit = 1;
	} else if (is(name, "mc_priority") && numeric && v >= 1 && v <= 255) {
		out->priority = (uint8_t)v;
	} else if (named(name, names->reception_priority) && numeric && v >= 1 && v <= 255) {
		out->reception_priority = (uint8_t)v;
	} else if (is(name, names->ssrc) && numeric) {
		out->has_ssrc = 1;
		out->ssrc = v;
	} else if (named(name, names->video_ssrc) && numeric) {
		out->has_video_ssrc = 1;
		out->video_ssrc = v;
	} else if (is(name, names->floor_ssrc) && numeric) {
		out->has_floor_ssrc = 1;
		out->floor_ssrc = v;
	}
}

static void read_parameters(struct octets text, struct sdp_control *out)
{
	while (text.len)
		read_parameter(next_parameter(&text), out);
}

size_t sdp_control_read(const struct sdp *s, enum mcx_service service, struct sdp_control *out)
{
	const char *format = sdp_control_names[service].format;
	*out = (struct sdp_control){.service = service};
	for (size_t i = 0; i < s->n_media; i++) {
		const struct sdp_media *m = &s->media[i];
		if (!is(m->kind, "application") || !is(m->proto, "udp") || !is(m->formats[0], format))
			continue;
		out->port = m->port;
		struct octets v = sdp_attribute(s, i, "fmtp");
		if (is(word(&v), format))
			read_parameters(v, out);
		return i;
	}
	return SIZE_MAX;
}

/* ---- the secure answer ----------------------------------------------------------------------------------------- */

const char *sdp_verdict_name(enum sdp_verdict v)
{
	static const char *const names[] = {
	    [SDP_SECURE] = "secure",
	    [SDP_NO_AUDIO] = "no audio line was offered",
	    [SDP_COUNT] = "the answer has another number of media lines",
	    [SDP_KIND] = "a media line changed its kind",
	    [SDP_PROTO] = "the transport profile changed",
	    [SDP_REFUSED] = "the audio or the video was refused",
	    [SDP_FORMAT] = "a format that was not offered",
	    [SDP_NO_ADDRESS] = "no connection address for the media",
	    [SDP_UNREADABLE] = "the answer is no session description",
	};
	return (size_t)v < sizeof names / sizeof *names ? names[v] : "unknown";
}

/* Case of encoding names does not count (RFC 4855 3); a missing rtpmap in the answer leaves the offered one in force.
 */
static int same_encoding(struct octets a, struct octets b)
{
	if (b.len == 0)
		return 1;
	if (a.len != b.len)
		return 0;
	for (size_t i = 0; i < a.len; i++) {
		uint8_t x = a.p[i], y = b.p[i];
		x = x >= 'A' && x <= 'Z' ? (uint8_t)(x + 32) : x;
		y = y >= 'A' && y <= 'Z' ? (uint8_t)(y + 32) : y;
		if (x != y)
			return 0;
	}
	return 1;
}

static int format_offered(const struct sdp *offer, const struct sdp *answer, size_t media, struct octets format)
{
	const struct sdp_media *m = &offer->media[media];
	for (size_t i = 0; i < m->n_formats; i++)
		if (octets_equal(m->formats[i], format))
			return same_encoding(sdp_rtpmap(offer, media, format), sdp_rtpmap(answer, media, format));
	return 0;
}

/* One line that was offered, as it was answered. */
static enum sdp_verdict check_media(const struct sdp *offer, const struct sdp *answer, size_t at)
{
	const struct sdp_media *m = &answer->media[at];
	if (m->port == 0)
		return SDP_REFUSED;
	for (size_t i = 0; i < m->n_formats; i++)
		if (!format_offered(offer, answer, at, m->formats[i]))
			return SDP_FORMAT;
	return m->address.len ? SDP_SECURE : SDP_NO_ADDRESS;
}

enum sdp_verdict sdp_check_answer(const struct sdp *offer, const struct sdp *answer)
{
	size_t audio = sdp_find_media(offer, "audio"), video = sdp_find_media(offer, "video");
	if (audio == SIZE_MAX)
		return SDP_NO_AUDIO;
	if (answer->n_media != offer->n_media)
		return SDP_COUNT;
	for (size_t i = 0; i < offer->n_media; i++) {
		if (!octets_equal(offer->media[i].kind, answer->media[i].kind))
			return SDP_KIND;
		if (!octets_equal(offer->media[i].proto, answer->media[i].proto))
			return SDP_PROTO;
	}
	enum sdp_verdict v = check_media(offer, answer, audio);
	return v == SDP_SECURE && video != SIZE_MAX && offer->media[video].port ? check_media(offer, answer, video) : v;
}
