/* SPDX-License-Identifier: Apache-2.0 */
/* body_line.h - a body for a target: the input's first line is the Content-Type, the rest the body. */
#ifndef FUZZ_BODY_LINE_H
#define FUZZ_BODY_LINE_H

#include "fuzz/fuzz.h"
#include "net/sip_message.h"

enum { BODY_TYPE = 1000 };

/* 0, or -1: there is no such line. The texts live in `type`. */
static inline int body_line(const uint8_t *data, size_t size, char type[BODY_TYPE + 1], struct sip_message *m)
{
	const uint8_t *line = memchr(data, '\n', size);
	if (!line || line - data > BODY_TYPE)
		return -1;
	memcpy(type, data, (size_t)(line - data));
	type[line - data] = 0;
	*m = (struct sip_message){
	    .method = "INVITE", .content_type = type, .body = {line + 1, size - (size_t)(line + 1 - data)}};
	return 0;
}

#endif
