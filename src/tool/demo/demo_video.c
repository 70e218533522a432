/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo_video.c - the main job's MCVideo call (seed 000 4.7.1): Alice shows Bob a recorded clip of H.264, end to end
 * under a call key of its own, by clients that are registered for MCVideo alone. What Bob kept is compared octet for
 * octet. The call goes under transmission control (seed 000 4.7.2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tool/demo/demo.h"
#include "tool/domain/client.h"

enum { IDLE_MS = 5000 };

static int fail(struct demo *d, const char *who, const struct ue_report *r)
{
	snprintf(d->err, sizeof d->err, "MCVideo, %s, %s: %.200s", who, ue_status_name(r->status), r->text);
	return -1;
}

/* A device beside the first one, with a folder of its own: signed in, with keys, registered. */
static struct ue *video_client(struct demo *d, struct demo_end *e)
{
	struct client_texts t;
	struct ue_config c;
	struct ue_report r = {.status = UE_STORE};
	char folder[PATH_MAX];
	client_config(&d->d, &e->user, &t, &c);
	c.dir = domain_path(&d->d, folder, "ue/%s/video", e->user.name);
	c.services = 1 << MCX_MCVIDEO;
	if (demo_empty_store(d, folder))
		return NULL;
	struct ue *u = ue_new(&c, r.text, sizeof r.text);
	client_forget(&t);
	if (u && client_sign_in(&d->d, &e->user, u, &r) == UE_OK && ue_provision(u, &r) == UE_OK &&
	    ue_register(u, &r) == UE_OK) {
		narrate_step(&d->say, r.ms, "%s registers for MCVideo: client-server key %08x", e->who,
			     ue_csk_id_of(u, MCX_MCVIDEO));
		return u;
	}
	(void)fail(d, e->who, &r);
	ue_free(u);
	return NULL;
}

/* The file's octets, malloc'ed; *len 0 when it cannot be read. */
static uint8_t *octets_of_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	long size = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
	uint8_t *all = size > 0 ? malloc((size_t)size) : NULL;
	*len = 0;
	if (all && fseek(f, 0, SEEK_SET) == 0)
		*len = fread(all, 1, (size_t)size, f);
	if (f)
		fclose(f);
	return all;
}

static void compare(struct demo *d, const char *sent, const char *seen)
{
	struct demo_video *v = &d->video;
	uint8_t *a = octets_of_file(sent, &v->sent), *b = octets_of_file(seen, &v->seen);
	v->same = a && b && v->sent && v->sent == v->seen && memcmp(a, b, v->sent) == 0;
	free(a);
	free(b);
}

static int call(struct demo *d, struct ue *alice, struct ue *bob)
{
	struct ue_report r;
	char seen[PATH_MAX];
	const struct ue_call what = {.target = d->bob.user.mcvideo,
				     .service = MCX_MCVIDEO,
				     .floor = 1,
				     .video = {.send = client_clip(), .fps = CLIENT_CLIP_FPS}};
	ue_answer(bob, &(struct ue_audio_files){0});
	ue_answer_video(bob, &(struct ue_video_files){.record = domain_path(&d->d, seen, "ue/bob/seen.h264")});
	unlink(seen);
	if (ue_call(alice, &what, &r) != UE_OK)
		return fail(d, "call", &r);
	if (ue_wait_idle(bob, IDLE_MS))
		return fail(d, "Bob", &(struct ue_report){.status = UE_INTERNAL, .text = "his end does not end"});
	ue_media_stats(alice, &d->video.shown);
	ue_media_stats(bob, &d->video.recorded);
	compare(d, client_clip(), seen);
	narrate_step(&d->say, r.ms,
		     "MCVideo call: %zu octets of H.264 shown by Alice in %llu packets, %zu octets recorded by Bob",
		     d->video.sent, (unsigned long long)d->video.shown.video_sent, d->video.seen);
	return 0;
}

int demo_video(struct demo *d)
{
	struct ue *alice = video_client(d, &d->alice), *bob = alice ? video_client(d, &d->bob) : NULL;
	int rc = bob ? call(d, alice, bob) : -1;
	struct ue_report r;
	if (alice)
		(void)ue_log_off(alice, &r);
	if (bob)
		(void)ue_log_off(bob, &r);
	ue_free(alice);
	ue_free(bob);
	return rc;
}

int demo_video_same(struct demo *d, char *why)
{
	const struct demo_video *v = &d->video;
	snprintf(
	    why, DEMO_EVIDENCE,
	    "%zu octets of H.264 shown, %zu recorded, %s; %llu pictures in %llu packets, %llu lost; %llu messages of "
	    "transmission control opened",
	    v->sent, v->seen, v->same ? "the same" : "NOT the same", (unsigned long long)v->recorded.pictures_received,
	    (unsigned long long)v->recorded.video_received, (unsigned long long)v->recorded.video_lost,
	    (unsigned long long)v->shown.control_opened + v->recorded.control_opened);
	return v->same;
}
