/* SPDX-License-Identifier: MIT */
/* Embedding calls over libcurl: OpenAI's shape and Gemini's (spec/server.md 9.3 to 9.6). */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <curl/curl.h>

#include <omnigraph/json.h>
#include <omnigraph/log.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>

#include "engine/embed/embedder.h"

#define REPLY_BYTES_MAX (64u << 20)
#define BACKOFF_EXPONENT_MAX 10

struct call {
	struct embedder *em;
	struct strbuf url, body, reply;
	uint32_t dim;
	int64_t start_us;
	bool retry; /* the last failure may go away */
};

static size_t take_reply(char *data, size_t size, size_t n, void *arg)
{
	struct strbuf *reply = arg;

	if (reply->n + size * n > REPLY_BYTES_MAX)
		return 0;
	sb_add(reply, data, size * n);
	return size * n;
}

static void build_openai(struct call *c, struct str text)
{
	struct json_writer w;

	sb_addf(&c->url, "%s/embeddings", c->em->base_url);
	jw_init(&w, &c->body, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "model", c->em->model);
	jw_keyz(&w, "input");
	jw_begin_array(&w);
	jw_str(&w, text);
	jw_end_array(&w);
	jw_ku64(&w, "dimensions", c->dim);
	jw_end_object(&w);
}

static void build_gemini(struct call *c, struct str text, enum embed_role role)
{
	struct json_writer w;
	struct strbuf model = STRBUF_INIT;

	sb_addf(&c->url, "%s/models/%s:embedContent", c->em->base_url, c->em->model);
	sb_addf(&model, "models/%s", c->em->model);
	jw_init(&w, &c->body, false);
	jw_begin_object(&w);
	jw_kstr(&w, "model", sb_str(&model));
	jw_keyz(&w, "content");
	jw_begin_object(&w);
	jw_keyz(&w, "parts");
	jw_begin_array(&w);
	jw_begin_object(&w);
	jw_kstr(&w, "text", text);
	jw_end_object(&w);
	jw_end_array(&w);
	jw_end_object(&w);
	jw_kstrz(&w, "taskType", role == EMBED_QUERY ? "RETRIEVAL_QUERY" : "RETRIEVAL_DOCUMENT");
	jw_ku64(&w, "outputDimensionality", c->dim);
	jw_end_object(&w);
	sb_free(&model);
}

static struct curl_slist *headers(const struct call *c)
{
	struct curl_slist *h = curl_slist_append(NULL, "Content-Type: application/json");
	struct strbuf auth = STRBUF_INIT;

	if (c->em->kind == EMBED_GEMINI)
		sb_addf(&auth, "x-goog-api-key: %s", c->em->api_key ? c->em->api_key : "");
	else
		sb_addf(&auth, "Authorization: Bearer %s", c->em->api_key ? c->em->api_key : "");
	h = curl_slist_append(h, auth.s);
	mem_wipe(auth.s, auth.n);
	sb_free(&auth);
	return h;
}

/* The message a provider put into an error reply, else the reply itself. */
static const char *error_text(struct arena *a, const struct strbuf *reply)
{
	const struct json *m;
	struct json *v;

	if (reply->n && !json_parse(a, sb_str(reply), NULL, &v, NULL)) {
		m = json_get(json_get(v, "error"), "message");
		if (m && m->type == JSON_STRING)
			return arena_str(a, m->text).s;
	}
	return arena_printf(a, "%.*s", reply->n > 500 ? 500 : (int)reply->n, reply->s ? reply->s : "");
}

static const char *reason_phrase(long status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "";
	}
}

static int http_failed(struct call *c, long status, struct err *e)
{
	struct arena a = ARENA_INIT;
	int rc = err_set(e, ERR_INTERNAL, "embedding request failed with status %ld %s: %s", status,
			 reason_phrase(status), error_text(&a, &c->reply));

	c->retry = status == 429 || status >= 500;
	arena_free(&a);
	return rc;
}

static int64_t left_ms(const struct call *c)
{
	int64_t used = (time_mono_us() - c->start_us) / 1000;

	return c->em->deadline_ms ? (int64_t)c->em->deadline_ms - used : INT32_MAX;
}

static int deadline_exceeded(const struct call *c, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "embedding deadline exceeded after %u ms (provider=%s, model=%s)",
		       c->em->deadline_ms, embed_kind_name(c->em->kind), c->em->model);
}

static int attempt(struct call *c, struct err *e)
{
	int64_t left = left_ms(c);
	struct curl_slist *h;
	long status = 0;
	CURLcode res;
	CURL *curl;
	int rc = 0;

	c->retry = false;
	if (left <= 0)
		return deadline_exceeded(c, e);
	curl = curl_easy_init();
	if (!curl)
		return err_set(e, ERR_INTERNAL, "could not set up an HTTP client for the embedding provider");
	sb_reset(&c->reply);
	h = headers(c);
	curl_easy_setopt(curl, CURLOPT_URL, c->url.s);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, h);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, c->body.s);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &c->reply);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left < c->em->timeout_ms ? left : c->em->timeout_ms));
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	res = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (res != CURLE_OK && left_ms(c) <= 0) {
		rc = deadline_exceeded(c, e);
	} else if (res != CURLE_OK) {
		rc = err_set(e, ERR_INTERNAL, "embedding request failed: %s", curl_easy_strerror(res));
		c->retry = true;
	} else if (status < 200 || status > 299) {
		rc = http_failed(c, status, e);
	}
	curl_slist_free_all(h);
	curl_easy_cleanup(curl);
	return rc;
}

/* The vector of a reply: data[] with index 0, or embedding.values. */
static const struct json *find_vector(const struct call *c, const struct json *v)
{
	const struct json *data;

	if (c->em->kind == EMBED_GEMINI)
		return json_get(json_get(v, "embedding"), "values");
	data = json_get(v, "data");
	for (size_t i = 0; data && data->type == JSON_ARRAY && i < data->n; i++) {
		const struct json *index = json_get(&data->items[i], "index");
		uint64_t n;

		if (index && json_to_u64(index, &n) && n == 0)
			return json_get(&data->items[i], "embedding");
	}
	return NULL;
}

static int decode(const struct call *c, float *out, struct err *e)
{
	struct arena a = ARENA_INIT;
	const struct json *vec;
	struct json *v;
	int rc = json_parse(&a, sb_str(&c->reply), NULL, &v, e);

	if (rc) {
		rc = err_set(e, ERR_INTERNAL, "embedding response decode failed: not JSON");
		goto out;
	}
	vec = find_vector(c, v);
	if (!vec || vec->type != JSON_ARRAY) {
		rc = err_set(e, ERR_INTERNAL, "embedding response missing %s",
			     c->em->kind == EMBED_GEMINI ? "embedding.values" : "data[0]");
		goto out;
	}
	if (vec->n != c->dim) {
		rc = err_set(e, ERR_INTERNAL, "embedding dimension mismatch: expected %u, got %zu", c->dim, vec->n);
		goto out;
	}
	for (size_t i = 0; !rc && i < vec->n; i++) {
		double d;

		if (json_to_f64(&vec->items[i], &d))
			out[i] = (float)d;
		else
			rc = err_set(e, ERR_INTERNAL, "embedding response decode failed: component %zu is not a number",
				     i);
	}
out:
	arena_free(&a);
	return rc;
}

static void pause_ms(int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static void log_outcome(const struct call *c, const struct err *e, bool ok)
{
	char dim[16], ms[24];

	snprintf(dim, sizeof(dim), "%u", c->dim);
	snprintf(ms, sizeof(ms), "%lld", (long long)((time_mono_us() - c->start_us) / 1000));
	if (ok)
		log_kv(c->em->logger, LOG_INFO, "omnigraph::embedding", "embedding succeeded", "provider",
		       embed_kind_name(c->em->kind), "model", c->em->model, "dim", dim, "elapsed_ms", ms, "outcome",
		       "ok", NULL);
	else
		log_kv(c->em->logger, LOG_WARN, "omnigraph::embedding", "embedding failed", "provider",
		       embed_kind_name(c->em->kind), "model", c->em->model, "dim", dim, "elapsed_ms", ms, "outcome",
		       "error", "error", err_msg(e), NULL);
}

static int attempts(struct call *c, struct err *e)
{
	for (uint32_t n = 1;; n++) {
		int rc = attempt(c, e);
		char text[16];
		uint32_t exp = n - 1 < BACKOFF_EXPONENT_MAX ? n - 1 : BACKOFF_EXPONENT_MAX;
		int64_t wait = (int64_t)c->em->backoff_ms << exp;

		if (!rc || !c->retry || n >= c->em->attempts)
			return rc;
		snprintf(text, sizeof(text), "%u", n);
		log_kv(c->em->logger, LOG_WARN, "omnigraph::embedding", "embedding attempt failed, retrying", "attempt",
		       text, "error", err_msg(e), NULL);
		if (wait >= left_ms(c)) {
			pause_ms(left_ms(c) > 0 ? left_ms(c) : 0);
			return deadline_exceeded(c, e);
		}
		pause_ms(wait);
	}
}

int embed_http(struct embedder *em, struct str text, uint32_t dim, enum embed_role role, float *out, struct err *e)
{
	struct call c = { .em = em, .dim = dim, .start_us = time_mono_us() };
	int rc;

	if (em->kind == EMBED_GEMINI)
		build_gemini(&c, text, role);
	else
		build_openai(&c, text);
	rc = attempts(&c, e);
	if (!rc)
		rc = decode(&c, out, e);
	log_outcome(&c, e, !rc);
	sb_free(&c.url);
	sb_free(&c.body);
	sb_free(&c.reply);
	return rc;
}
