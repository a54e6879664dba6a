/* SPDX-License-Identifier: MIT */
/* s3_sign.c - AWS Signature Version 4 in the Authorization header, as Amazon's S3 API reference describes it. */
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "s3_priv.h"

void s3_encode_path(struct strbuf *out, const char *path)
{
	for (;;) {
		const char *slash = strchrnul(path, '/');

		percent_encode(out, (struct str){ path, (size_t)(slash - path) });
		if (!*slash)
			return;
		sb_addch(out, '/');
		path = slash + 1;
	}
}

static void hmac(const void *key, size_t n_key, const char *text, uint8_t out[SHA256_LEN])
{
	unsigned n = SHA256_LEN;

	HMAC(EVP_sha256(), key, (int)n_key, (const unsigned char *)text, strlen(text), out, &n);
}

static void signing_key(const struct s3_sign_in *in, const char *day, uint8_t key[SHA256_LEN])
{
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "AWS4%s", in->secret_key);
	hmac(b.s, b.n, day, key);
	mem_wipe(b.s, b.n);
	sb_free(&b);
	hmac(key, SHA256_LEN, in->region, key);
	hmac(key, SHA256_LEN, "s3", key);
	hmac(key, SHA256_LEN, "aws4_request", key);
}

/* One canonical header; its name joins the list of signed ones. */
static void add_header(struct strbuf *canon, struct strbuf *names, const char *name, size_t n_name, const char *value)
{
	while (*value == ' ')
		value++;
	sb_add(canon, name, n_name);
	sb_addf(canon, ":%s\n", value);
	if (names->n)
		sb_addch(names, ';');
	sb_add(names, name, n_name);
}

/* Byte order: host, other plain headers are not signed, then x-amz-content-sha256, -date, -meta-*, -security-token. */
static void canonical_headers(const struct s3_sign_in *in, const char *when, struct strbuf *canon, struct strbuf *names)
{
	add_header(canon, names, "host", 4, in->host);
	add_header(canon, names, "x-amz-content-sha256", 20, in->payload_sha256);
	add_header(canon, names, "x-amz-date", 10, when);
	for (const char *const *h = in->headers; h && *h; h++) {
		if (!strncmp(*h, "x-amz-", 6))
			add_header(canon, names, *h, strcspn(*h, ":"), *h + strcspn(*h, ":") + 1);
	}
	if (in->session_token)
		add_header(canon, names, "x-amz-security-token", 20, in->session_token);
}

static struct curl_slist *push(struct curl_slist *list, struct strbuf *b)
{
	list = curl_slist_append(list, b->s);
	mem_wipe(b->s, b->n);
	sb_reset(b);
	return list;
}

struct curl_slist *s3_sign(const struct s3_sign_in *in, struct curl_slist *list)
{
	struct strbuf canon = STRBUF_INIT, names = STRBUF_INIT, req = STRBUF_INIT, b = STRBUF_INIT;
	uint8_t key[SHA256_LEN], mac[SHA256_LEN];
	char when[32], day[16], hex[SHA256_HEX_LEN + 1];
	time_t t = (time_t)in->now_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	strftime(day, sizeof(day), "%Y%m%d", &tm);
	canonical_headers(in, when, &canon, &names);
	sb_addf(&req, "%s\n%s\n%s\n%s\n%s\n%s", in->method, in->path, in->query ? in->query : "", canon.s, names.s,
		in->payload_sha256);
	sha256_hex(req.s, req.n, hex);
	sb_addf(&b, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", when, day, in->region, hex);
	signing_key(in, day, key);
	hmac(key, sizeof(key), b.s, mac);
	mem_wipe(key, sizeof(key));
	hex_encode(hex, mac, sizeof(mac));
	sb_reset(&b);

	sb_addf(&b, "x-amz-content-sha256: %s", in->payload_sha256);
	list = push(list, &b);
	sb_addf(&b, "x-amz-date: %s", when);
	list = push(list, &b);
	if (in->session_token) {
		sb_addf(&b, "x-amz-security-token: %s", in->session_token);
		list = push(list, &b);
	}
	sb_addf(&b,
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%s",
		in->access_key, day, in->region, names.s, hex);
	list = push(list, &b);
	if (canon.s)
		mem_wipe(canon.s, canon.n); /* holds the session token */
	mem_wipe(req.s, req.n);
	sb_free(&canon);
	sb_free(&names);
	sb_free(&req);
	sb_free(&b);
	return list;
}
