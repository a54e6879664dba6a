/* SPDX-License-Identifier: MIT */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>

/* SHA-256 cannot fail with the default provider; a crippled OpenSSL must not yield wrong digests.
 */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

void sha256(const void *data, size_t n, uint8_t out[SHA256_LEN])
{
	must(EVP_Digest(n ? data : "", n, out, NULL, EVP_sha256(), NULL));
}

void sha256_hex(const void *data, size_t n, char out[SHA256_HEX_LEN + 1])
{
	uint8_t d[SHA256_LEN];

	sha256(data, n, d);
	hex_encode(out, d, sizeof(d));
}

struct sha256_ctx {
	EVP_MD_CTX *md;
};

struct sha256_ctx *sha256_new(void)
{
	struct sha256_ctx *c = mem_alloc(sizeof(*c));

	c->md = EVP_MD_CTX_new();
	must(c->md != NULL);
	must(EVP_DigestInit_ex(c->md, EVP_sha256(), NULL));
	return c;
}

void sha256_update(struct sha256_ctx *c, const void *data, size_t n)
{
	if (n)
		must(EVP_DigestUpdate(c->md, data, n));
}

void sha256_final(struct sha256_ctx *c, uint8_t out[SHA256_LEN])
{
	must(EVP_DigestFinal_ex(c->md, out, NULL));
	EVP_MD_CTX_free(c->md);
	free(c);
}

void hex_encode(char *out, const void *data, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = hex[p[i] >> 4];
		*out++ = hex[p[i] & 15];
	}
	*out = 0;
}

bool mem_equal_ct(const void *a, const void *b, size_t n)
{
	return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}
