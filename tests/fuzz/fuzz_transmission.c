/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transmission control messages: every view lies inside the packet, a fault too, and what was read writes into a
 * message that reads alike.
 */
#include "fuzz/fuzz.h"
#include "mcx/floor/transmission_message.h"

static void holds(const struct tx_message *m, const uint8_t *data, size_t size)
{
	const struct octets views[] = {m->phrase, m->transmitting_id, m->user_id,       m->queued_id, m->group_id,
				       m->alias,  m->overriding_id,   m->overridden_id, m->track_info};
	for (size_t i = 0; i < sizeof views / sizeof *views; i++)
		HOLDS(views[i].len == 0 || inside(views[i], data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[4096], again[4096];
	struct tx_message m, back, ack;
	size_t at;
	enum app_read e = tx_message_read((struct octets){data, size}, &m, &at);
	HOLDS(e != APP_READ_BROKEN || at <= size);
	if (e != APP_READ_OK)
		return 0;
	holds(&m, data, size);
	HOLDS(tx_type_name(m.type));
	struct writer w = wr_init(out, sizeof out), v = wr_init(again, sizeof again);
	HOLDS(tx_message_write(&w, &m) == MCSEC_OK);
	HOLDS(tx_message_read(wr_result(&w), &back, NULL) == APP_READ_OK);
	HOLDS(tx_message_write(&v, &back) == MCSEC_OK && octets_equal(wr_result(&w), wr_result(&v)));
	ack = tx_ack(&m, 1, TX_BY_PARTICIPANT);
	HOLDS(tx_acknowledges(&ack, m.type));
	v = wr_init(again, sizeof again);
	HOLDS(tx_message_write(&v, &ack) == MCSEC_OK);
	return 0;
}
