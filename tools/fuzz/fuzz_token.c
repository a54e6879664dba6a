/* SPDX-License-Identifier: MIT */
/* Positions of the change feed, as consumers hand them back: the text as it is, and as the payload of a token whose digest is right. */
#include <omnigraph/util.h>

#include "engine/branch/change_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_as(struct str text)
{
	for (int kind = TOKEN_COMMIT_PAGE; kind <= TOKEN_FEED_PAGE; kind++) {
		struct change_token t;
		struct strbuf again = STRBUF_INIT;

		if (!token_read(text, (enum token_kind)kind, &t, NULL))
			token_write(&t, &again);
		sb_free(&again);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct strbuf payload = STRBUF_INIT, token = STRBUF_INIT;
	uint8_t digest[SHA256_LEN];

	read_as((struct str){ (const char *)data, n });
	sha256(data, n, digest);
	sb_add(&payload, data, n);
	sb_add(&payload, digest, sizeof(digest));
	base64url_encode(&token, payload.s, payload.n);
	read_as(sb_str(&token));
	sb_free(&payload);
	sb_free(&token);
	return 0;
}
