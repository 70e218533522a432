/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sdp.h - session descriptions (RFC 4566) as the private call needs them: read, rewritten by a relay, checked as an
 * answer, written as an offer or answer (sip.md 5).
 *
 * The reader keeps every line where it stands; nothing is normalised. The rewriter copies each line octet for octet
 * and changes only addresses and ports, so `a=key-mgmt` crosses a server unchanged (RFC 4567; sip.md 5.2). The octets
 * belong to the caller and must outlive struct sdp.
 */
#ifndef MCX_DOC_SDP_H
#define MCX_DOC_SDP_H

#include "mcx/doc/service.h"
#include "sec/base/bytes.h"

enum { SDP_MAX = 32 * 1024, SDP_MAX_LINES = 256, SDP_MAX_MEDIA = 8, SDP_MAX_FORMATS = 16 };

struct sdp_line {
	char type;           /* the letter before '=' */
	struct octets value; /* after '='; without the line's end */
	struct octets whole; /* with the line's end as it was */
};

struct sdp_media {
	size_t first, n;        /* its lines in struct sdp, the m= line first */
	struct octets kind;     /* "audio", "application", ... */
	struct octets proto;    /* "RTP/SAVP", ... */
	uint16_t port;          /* 0: refused */
	struct octets address;  /* of the c= line that applies; len 0 if there is none */
	struct octets key_mgmt; /* base64 of the MIKEY message that applies: media level wins; len 0 if none */
	size_t n_formats;
	struct octets formats[SDP_MAX_FORMATS];
};

struct sdp {
	size_t n_lines, n_session; /* session lines come first */
	struct sdp_line lines[SDP_MAX_LINES];
	size_t n_media;
	struct sdp_media media[SDP_MAX_MEDIA];
	struct octets key_mgmt; /* at session level */
};

/*
 * Line ends CRLF or LF. *at (may be NULL) is the offset of the line at fault. MCSEC_E_LENGTH too long or too many
 * lines; MCSEC_E_VALUE not v=0, a line without '=', a broken m=, c= or o= line, two key-mgmt:mikey lines at one level.
 */
enum mcsec_err sdp_read(struct octets text, struct sdp *out, size_t *at);

/* The first line of media i (or of the session when i is SDP_SESSION) that is `a=name` or `a=name:...`; its value after
 * the colon, or len 0 and p NULL if there is none. */
#define SDP_SESSION SIZE_MAX
struct octets sdp_attribute(const struct sdp *s, size_t media, const char *name);
/* First media line of this kind, or SIZE_MAX. */
size_t sdp_find_media(const struct sdp *s, const char *kind);
/* Encoding name, clock rate and channels of a payload type, e.g. "opus/48000/2"; len 0 if there is no rtpmap. */
struct octets sdp_rtpmap(const struct sdp *s, size_t media, struct octets format);
/* Its parameters, e.g. "packetization-mode=1;profile-level-id=42e01f"; len 0 if there is no fmtp. */
struct octets sdp_fmtp(const struct sdp *s, size_t media, struct octets format);
/* 1 if this parameter stands in it with this value. */
int sdp_fmtp_says(struct octets fmtp, const char *parameter);

/*
 * A relay's copy: o= and c= get `address` (IPv4 or IPv6 text), media i gets ports[i] where its port is not 0, a=rtcp
 * gets ports[i] + 1. Everything else is octet for octet the original. MCSEC_E_ARGUMENT if n_ports < n_media.
 */
enum mcsec_err sdp_rewrite(const struct sdp *s, const char *address, const uint16_t *ports, size_t n_ports,
			   struct writer *w);

/*
 * The media control line and its parameters: a=fmtp:MCPTT (TS 24.380 4.3.3.1, 14) or a=fmtp:MCVideo (TS 24.581 14;
 * sip.md 5.1). What floor control is to MCPTT, transmission control is to MCVideo.
 */
struct sdp_control {
	enum mcx_service service; /* MCX_MCPTT or MCX_MCVIDEO */
	uint16_t port;
	int queueing, granted, implicit;
	uint8_t priority;           /* mc_priority; 0: not there */
	uint8_t reception_priority; /* mc_reception_priority, MCVideo's; 0: not there */
	int has_ssrc, has_video_ssrc, has_floor_ssrc;
	uint32_t ssrc;       /* mc_ssrc or mc_audio_ssrc: of the media */
	uint32_t video_ssrc; /* mc_video_ssrc, MCVideo's */
	uint32_t floor_ssrc; /* mc_floor_ssrc or mc_transmission_ssrc: of the control itself */
};
/* Format of its m= line; names of the parameters that differ, NULL: the service has none. */
struct sdp_control_names {
	const char *format, *ssrc, *video_ssrc, *floor_ssrc, *reception_priority;
};
extern const struct sdp_control_names sdp_control_names[MCX_MCVIDEO + 1];
/*
 * The first `m=application <port> udp MCPTT`, or MCVideo, with its parameters; those that are unknown or out of range
 * count as absent. Its place, or SIZE_MAX: there is none.
 */
size_t sdp_control_read(const struct sdp *s, enum mcx_service service, struct sdp_control *out);
/* As sdp_rewrite, and the parameters of the control line `at` say what `control` says (5.2: SSRCs are each hop's own).
 */
enum mcsec_err sdp_rewrite_control(const struct sdp *s, const char *address, const uint16_t *ports, size_t n_ports,
				   size_t at, const struct sdp_control *control, struct writer *w);

enum sdp_verdict {
	SDP_SECURE = 0,
	SDP_NO_AUDIO,   /* no audio line in the offer */
	SDP_COUNT,      /* the answer has another number of media lines (RFC 3264 6) */
	SDP_KIND,       /* a media line changed its kind or its place */
	SDP_PROTO,      /* the transport profile changed: a downgrade */
	SDP_REFUSED,    /* the port of the audio, or of an offered video, is 0 */
	SDP_FORMAT,     /* a payload type that was not offered, or another encoding under its number */
	SDP_NO_ADDRESS, /* no connection address for the media */
	SDP_UNREADABLE, /* the answer is no session description */
};
const char *sdp_verdict_name(enum sdp_verdict v);

/* Is this answer as secure as the offer asked (flows.md 3.1 "secure answer")? A key-mgmt line in it is ignored. */
enum sdp_verdict sdp_check_answer(const struct sdp *offer, const struct sdp *answer);

/* A video stream beside the audio: then it is a call of MCVideo. */
struct sdp_video {
	uint16_t port;
	unsigned payload_type;     /* 96..127, another than the audio's */
	const char *rtpmap, *fmtp; /* "H264/90000"; NULL without */
};
/* What our own descriptions say; one audio stream. Text fields must hold no control characters. */
struct sdp_audio {
	uint64_t session_id, version;
	const char *address; /* IPv4 or IPv6 text */
	uint16_t port;
	const char *proto;                 /* "RTP/SAVP" */
	unsigned payload_type;             /* 96..127 */
	const char *rtpmap;                /* "opus/48000/2" */
	const char *fmtp;                  /* NULL without */
	struct octets key_mgmt;            /* the MIKEY message, binary; len 0 without */
	const struct sdp_control *control; /* NULL: no media control */
	const struct sdp_video *video;     /* NULL: none */
};

enum mcsec_err sdp_write_offer(struct writer *w, const struct sdp_audio *a);
/* Answers the first audio line, with `video` the first video line, with `control` the media control line of its
 * service; every other media line is refused with port 0, order and proto kept (RFC 3264 6). */
enum mcsec_err sdp_write_answer(struct writer *w, const struct sdp *offer, const struct sdp_audio *a);

#endif
