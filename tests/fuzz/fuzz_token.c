/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and key sets: nothing an attacker writes passes under a key he does not have. */
#include "fuzz/fuzz.h"
#include "mcx/token/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_keys *keys;
	static struct token_claims c;
	if (!keys) {
		struct token_signer *s = token_signer_generate(TOKEN_ES256);
		char *jwks = token_jwks((const struct token_signer *const[]){s}, 1);
		keys = token_keys_parse(octets_of(jwks));
		HOLDS(keys);
		free(jwks);
		token_signer_free(s);
	}
	const struct token_policy p = {.keys = keys,
				       .issuer = "https://idms.a.example",
				       .audience = "https://mc.a.example",
				       .now = 1767225700,
				       .typ = "at+jwt",
				       .accept_typ_jwt = 1};
	HOLDS(token_check((const char *)data, size, &p, &c) != TOKEN_OK);
	HOLDS(!c.issuer[0] && !c.mcptt_id[0] && !c.scope[0]);
	(void)token_peek((const char *)data, size, &c);
	char *header = NULL, *payload = NULL;
	if (token_decode((const char *)data, size, &header, &payload) == TOKEN_OK)
		HOLDS(strlen(header) + strlen(payload) <= size);
	free(header);
	free(payload);
	token_keys_free(token_keys_parse((struct octets){data, size}));
	return 0;
}
