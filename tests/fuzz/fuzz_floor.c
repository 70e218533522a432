/* SPDX-License-Identifier: Apache-2.0 */
/* Floor control messages: every view lies inside the packet, and what was read writes into a message that reads alike.
 */
#include "fuzz/fuzz.h"
#include "mcx/floor/floor_message.h"

static void holds(const struct floor_message *m, const uint8_t *data, size_t size)
{
	const struct octets views[] = {m->phrase,     m->granted_id,    m->user_id, m->queued_id,
				       m->track_info, m->granted_users, m->ssrcs};
	for (size_t i = 0; i < sizeof views / sizeof *views; i++)
		HOLDS(views[i].len == 0 || inside(views[i], data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[4096], again[4096];
	struct floor_message m, back, ack;
	if (floor_message_read((struct octets){data, size}, &m) != APP_READ_OK)
		return 0;
	holds(&m, data, size);
	HOLDS(floor_type_name(m.type));
	struct writer w = wr_init(out, sizeof out), v = wr_init(again, sizeof again);
	HOLDS(floor_message_write(&w, &m) == MCSEC_OK);
	HOLDS(floor_message_read(wr_result(&w), &back) == APP_READ_OK);
	HOLDS(floor_message_write(&v, &back) == MCSEC_OK && octets_equal(wr_result(&w), wr_result(&v)));
	ack = floor_ack(&m, 1, FLOOR_BY_PARTICIPANT);
	v = wr_init(again, sizeof again);
	HOLDS(floor_message_write(&v, &ack) == MCSEC_OK);
	return 0;
}
