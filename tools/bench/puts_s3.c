/* SPDX-License-Identifier: MIT */
/*
 * puts_s3 URL CLIENTS SECONDS BYTES: threads that put small objects below URL (of the bucket) with libcurl alone, each acknowledged
 * before the next, over kept connections. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. Prints "<puts> <seconds>".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "tools/bench/clients.h"

struct target {
	const char *url;
	char user[512];
	size_t bytes;
	char *body;
};

struct putter {
	const struct target *t;
	CURL *curl;
	struct curl_slist *headers;
	size_t sent;
};

static size_t read_body(char *buf, size_t size, size_t n, void *arg)
{
	struct putter *p = arg;
	size_t k = p->t->bytes - p->sent < size * n ? p->t->bytes - p->sent : size * n;

	memcpy(buf, p->t->body + p->sent, k);
	p->sent += k;
	return k;
}

static void *client_open(void *arg, unsigned client)
{
	struct putter *p = calloc(1, sizeof(*p));

	if (!p || !(p->curl = curl_easy_init()))
		die("no memory");
	p->t = arg;
	p->headers = curl_slist_append(NULL, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
	curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, p->headers);
	curl_easy_setopt(p->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(p->curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(p->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(p->curl, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(p->curl, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:s3");
	curl_easy_setopt(p->curl, CURLOPT_USERPWD, p->t->user);
	curl_easy_setopt(p->curl, CURLOPT_READFUNCTION, read_body);
	curl_easy_setopt(p->curl, CURLOPT_READDATA, p);
	curl_easy_setopt(p->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)p->t->bytes);
	return p;
}

static void client_put(void *state, uint64_t number)
{
	struct putter *p = state;
	char url[1024];
	CURLcode rc;

	snprintf(url, sizeof(url), "%s/put-%016llx", p->t->url, (unsigned long long)number);
	p->sent = 0;
	curl_easy_setopt(p->curl, CURLOPT_URL, url);
	rc = curl_easy_perform(p->curl);
	if (rc)
		die("PUT %s: %s", url, curl_easy_strerror(rc));
}

static void client_close(void *state)
{
	struct putter *p = state;

	curl_easy_cleanup(p->curl);
	curl_slist_free_all(p->headers);
	free(p);
}

int main(int argc, char **argv)
{
	static const struct client_ops ops = { client_open, client_put, client_close };
	const char *key = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
	struct target t = { 0 };

	if (argc != 5 || !key || !secret)
		die("usage: AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... puts_s3 URL CLIENTS SECONDS BYTES");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	t.url = argv[1];
	t.bytes = strtoul(argv[4], NULL, 10);
	t.body = calloc(1, t.bytes + 1);
	snprintf(t.user, sizeof(t.user), "%s:%s", key, secret);
	clients_run(&ops, &t, (unsigned)atoi(argv[2]), atof(argv[3]));
	free(t.body);
	return 0;
}
