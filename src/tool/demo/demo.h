/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demo.h - the main job: a domain, two users, one private call through the real daemons, and a verdict each of whose
 * conditions is looked at, not assumed. Narration on standard output: one line a step with its milliseconds, or one
 * JSON object a line.
 */
#ifndef MCX_TOOL_DEMO_H
#define MCX_TOOL_DEMO_H

#include <pthread.h>
#include <stdarg.h>

#include "tool/demo/memory.h"
#include "tool/domain/supervisor.h"
#include "tool/tool.h"
#include "tool/domain/users.h"
#include "tool/demo/wire.h"
#include "ue/ue.h"
#include "ue/ue_inspect.h"

enum { DEMO_IMESSAGE = 4096, DEMO_PORTS = 16, DEMO_EVIDENCE = 400, DEMO_CONDITIONS = 12 };

/* What a person is told, as text or JSON; thread-safe. */
struct narrator {
	pthread_mutex_t lock;
	int json;
	unsigned steps;
	unsigned met, conditions;
};

void narrate_begin(struct narrator *n, int json);
void narrate_title(struct narrator *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* ms below 0: not measured. */
void narrate_step(struct narrator *n, double ms, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void narrate_condition(struct narrator *n, int met, const char *condition, const char *evidence);
/* Returns 1 if every condition was met (and there was one). */
int narrate_verdict(struct narrator *n);

struct demo;

/* One of the two ends, with what its hooks and events saw of the running call. */
struct demo_end {
	struct demo *demo;
	const char *who; /* "Alice" */
	struct user user;
	struct ue *ue;
	pthread_mutex_t lock;             /* all below */
	char key_mgmt[2 * DEMO_IMESSAGE]; /* first a=key-mgmt line of the call, without line end */
	uint16_t ports[DEMO_PORTS];       /* every m=audio port of the call that this end said or was told */
	size_t n_ports;
	int csks;                            /* client-server keys taken by key download; never reset */
	int first_packet, rejected, call_up; /* how often */
	int sip_status, warning;
};

/* The MCVideo call. */
struct demo_video {
	size_t sent, seen; /* octets of the clip, and of what Bob kept */
	int same;
	struct ue_media_stats shown, recorded;
};

struct demo {
	struct narrator say;
	struct domain d;
	struct domain_start start;
	struct demo_end alice, bob;
	struct wire *wire;
	int captured; /* by the raw socket; else the engine's own view of its sockets */
	int flip;     /* the next offer leaves with one octet changed; then: which one + 1 */
	char speech[PATH_MAX], heard[PATH_MAX], reference[PATH_MAX];
	char idms_before[65536], kms_before[65536]; /* /metrics before anybody signed in */
	struct ue_report call, bad_call;
	struct ue_media_stats heard_stats, said_stats;
	struct ue_call_keys *keys; /* secret memory */
	struct demo_video video;
	/* the searches of the server's memory: while the call is up, and after it */
	int searched[2];
	struct memory_result search[2];
	char search_error[2][200];
	int server_pid;
	char err[900];
};

/* Each returns 0, or -1 with d->err filled in: the job cannot go on. */
int demo_raise(struct demo *d);
int demo_enrol(struct demo *d);
int demo_prepare(struct demo *d, struct demo_end *e);
/* Key downloads between registration and call (demo_keys.c). */
int demo_new_keys(struct demo *d);
int demo_call(struct demo *d);
int demo_bad_call(struct demo *d);
int demo_video(struct demo *d);
void demo_log_off(struct demo *d);
/* Looks at every condition and narrates it. */
void demo_judge(struct demo *d);
void demo_free(struct demo *d);

/* What Bob kept of the video is what Alice showed: 1, and the evidence. */
int demo_video_same(struct demo *d, char *why);
/* A folder that a client begins with must not be there: its keys have to come from the KMS in this run. */
int demo_empty_store(struct demo *d, const char *path);

/* The party that holds everything of the MC server (demo_insider.c): 1 if it still has neither key nor speech. */
int demo_insider(struct demo *d, char *why);

/* Octets of an a=key-mgmt:mikey line; 0 if it is none. */
size_t demo_i_message(const char *key_mgmt, uint8_t out[DEMO_IMESSAGE]);

#endif
