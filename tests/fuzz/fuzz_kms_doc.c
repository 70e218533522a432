/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of the KMS interface: what was read is written within its bound, reads back, and is written the same. */
#include "fuzz/fuzz.h"
#include "mcx/doc/kms_doc.h"

static void request(struct octets xml)
{
	static struct kms_request a, b;
	static uint8_t first[KMS_MAX_REQUEST * 2], second[sizeof first];
	struct kms_fault f;
	struct writer w = wr_init(first, sizeof first), v = wr_init(second, sizeof second);
	if (kms_request_read(&a, xml, &f) != MCSEC_OK) {
		HOLDS(f.detail && strlen(f.element) < sizeof f.element);
		return;
	}
	kms_request_write(&w, &a);
	if (!w.err) {
		HOLDS(kms_request_read(&b, wr_result(&w), &f) == MCSEC_OK);
		kms_request_write(&v, &b);
		HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
		kms_request_free(&b);
	}
	kms_request_free(&a);
}

static void response(struct octets xml)
{
	struct kms_response a, b;
	struct kms_fault f;
	if (kms_response_read(&a, KMS_ROOT_RESPONSE, xml, &f) != MCSEC_OK) {
		HOLDS(f.detail);
		return;
	}
	size_t bound = kms_response_bound(&a);
	uint8_t *first = malloc(bound), *second = malloc(bound);
	struct writer w = wr_init(first, bound), v = wr_init(second, bound);
	HOLDS(first && second);
	kms_response_write(&w, &a);
	HOLDS(w.err != MCSEC_E_NO_SPACE);
	if (!w.err) {
		HOLDS(kms_response_read(&b, KMS_ROOT_RESPONSE, wr_result(&w), &f) == MCSEC_OK);
		kms_response_write(&v, &b);
		HOLDS(octets_equal(wr_result(&w), wr_result(&v)));
		kms_response_free(&b);
	}
	kms_response_free(&a);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	request((struct octets){data, size});
	response((struct octets){data, size});
	return 0;
}
