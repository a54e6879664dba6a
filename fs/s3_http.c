/* SPDX-License-Identifier: MIT */
/*
 * s3_http.c - signed requests over libcurl: several in flight on one multi handle, whose connections are kept and reused; bounded
 * retries with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog) inside one deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "s3_priv.h"

#define BACKOFF_FIRST_US 100000
#define BACKOFF_MAX_US 5000000
#define RETRY_AFTER_MAX_S 20
#define ERROR_DOCUMENT_MAX (64u << 10)

enum { WAITING, RUNNING, FINAL };

static int64_t jitter_us(int attempt)
{
	int64_t most = attempt < 6 ? (int64_t)BACKOFF_FIRST_US << attempt : BACKOFF_MAX_US;
	uint32_t x = 0;

	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		x = (uint32_t)time_mono_us();
	return most / 8 + x % (uint32_t)(most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US);
}

void s3_sleep_jitter(int attempt)
{
	usleep((useconds_t)jitter_us(attempt));
}

/* --- channels --------------------------------------------------------------------------------- */

static struct s3_channel *take_channel(struct s3_store *s3)
{
	struct s3_channel *c;

	pthread_mutex_lock(&s3->lock);
	c = s3->idle;
	if (c)
		s3->idle = c->next;
	pthread_mutex_unlock(&s3->lock);
	if (c)
		return c;
	c = mem_zalloc(sizeof(*c));
	c->multi = curl_multi_init();
	if (c->multi)
		curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)S3_IN_FLIGHT);
	return c;
}

static void give_channel(struct s3_store *s3, struct s3_channel *c)
{
	pthread_mutex_lock(&s3->lock);
	c->next = s3->idle;
	s3->idle = c;
	pthread_mutex_unlock(&s3->lock);
}

/* --- what comes back -------------------------------------------------------------------------- */

static void copy_value(char *out, size_t cap, const char *v, size_t n)
{
	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v++;
		n -= 2;
	}
	if (n >= cap)
		n = 0; /* longer than any store makes it: as if it were not there */
	memcpy(out, v, n);
	out[n] = '\0';
}

/* The value when @line is header @name. */
static bool header_is(struct str line, const char *name, struct str *value)
{
	size_t n = strlen(name);

	if (line.n <= n || strncasecmp(line.s, name, n) || line.s[n] != ':')
		return false;
	*value = str_trim_ascii((struct str){ line.s + n + 1, line.n - n - 1 });
	return true;
}

static void new_answer(struct s3_req *r, struct str line)
{
	const char *sp = memchr(line.s, ' ', line.n);

	r->status = sp ? atoi(sp + 1) : 0;
	r->length = 0;
	r->mtime_us = 0;
	r->retry_after_s = 0;
	r->etag[0] = r->id[0] = r->prev[0] = r->region[0] = r->code[0] = '\0';
	r->reply.n = 0;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct s3_req *r = arg;
	struct str line = str_trim_ascii((struct str){ data, size * n }), v;
	char date[64];
	uint64_t u;

	if (str_starts(line, STR("HTTP/"))) {
		new_answer(r, line);
	} else if (header_is(line, "content-length", &v)) {
		if (str_to_u64(v, &u))
			r->length = u;
	} else if (header_is(line, "etag", &v)) {
		copy_value(r->etag, sizeof(r->etag), v.s, v.n);
	} else if (header_is(line, S3_ID_HEADER, &v)) {
		copy_value(r->id, sizeof(r->id), v.s, v.n);
	} else if (header_is(line, S3_PREV_HEADER, &v)) {
		copy_value(r->prev, sizeof(r->prev), v.s, v.n);
	} else if (header_is(line, "x-amz-bucket-region", &v)) {
		copy_value(r->region, sizeof(r->region), v.s, v.n);
	} else if (header_is(line, "retry-after", &v)) {
		if (str_to_u64(v, &u))
			r->retry_after_s = u < RETRY_AFTER_MAX_S ? (int)u : RETRY_AFTER_MAX_S;
	} else if (header_is(line, "last-modified", &v)) {
		copy_value(date, sizeof(date), v.s, v.n);
		time_t t = curl_getdate(date, NULL);
		r->mtime_us = t > 0 ? (int64_t)t * 1000000 : 0;
	}
	return size * n;
}

/* Room for @n more bytes of the answer and a NUL. */
static bool grow_reply(struct s3_req *r, size_t n)
{
	size_t need = r->reply.n + n + 1, cap = r->cap;
	void *p;

	if (need <= cap)
		return true;
	if (r->length < SIZE_MAX / 2 && r->length + 1 > need)
		cap = (size_t)r->length + 1; /* known beforehand */
	else
		cap = cap * 2 > need ? cap * 2 : need;
	p = realloc(r->reply.data, cap);
	if (!p)
		return false;
	r->reply.data = p;
	r->cap = cap;
	return true;
}

static bool success(const struct s3_req *r)
{
	return r->status >= 200 && r->status < 300;
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct s3_req *r = arg;
	size_t total = size * n, keep = total;

	if (success(r) && r->into) {
		if (keep > r->max - r->reply.n)
			keep = r->max - r->reply.n;
		memcpy((char *)r->into + r->reply.n, data, keep);
		r->reply.n += keep;
		return total;
	}
	if (success(r) && (total > r->max - r->reply.n || r->length > r->max)) {
		r->too_large = true;
		return 0;
	}
	if (!success(r) && r->reply.n + total > ERROR_DOCUMENT_MAX)
		return total;
	if (!grow_reply(r, total))
		return 0;
	memcpy((char *)r->reply.data + r->reply.n, data, total);
	r->reply.n += total;
	((char *)r->reply.data)[r->reply.n] = '\0';
	return total;
}

/* --- one attempt ------------------------------------------------------------------------------ */

static void build_path(struct s3_store *s3, const struct s3_req *r, struct strbuf *path)
{
	sb_addch(path, '/');
	if (s3->path_style) {
		percent_encode(path, str_from(s3->bucket));
		if (r->key)
			sb_addch(path, '/');
	}
	if (r->key) {
		s3_encode_path(path, s3->prefix);
		s3_encode_path(path, r->key);
	}
}

static struct curl_slist *build_headers(struct s3_store *s3, const struct s3_req *r, const char *path)
{
	struct curl_slist *l = NULL;
	const char *headers[ARRAY_SIZE(r->headers) + 1] = { NULL };
	char hash[SHA256_HEX_LEN + 1];
	struct strbuf host = STRBUF_INIT;

	memcpy(headers, r->headers, sizeof(r->headers));
	sha256_hex(r->body ? r->body : "", r->n_body, hash);
	sb_addf(&host, "Host: %s", s3->host);
	l = curl_slist_append(l, host.s);
	sb_free(&host);
	l = curl_slist_append(l, "Content-Type:");
	l = curl_slist_append(l, "Expect:");
	l = curl_slist_append(l, "Accept:");
	for (size_t i = 0; headers[i]; i++)
		l = curl_slist_append(l, headers[i]);
	return s3_sign(&(struct s3_sign_in){ r->method, path, r->query, s3->host, s3->access_key, s3->secret_key,
					     s3->session_token, s3->region, headers, hash, time_now_us() / 1000000 },
		       l);
}

static void set_method(struct s3_req *r)
{
	if (!strcmp(r->method, "HEAD")) {
		curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
	} else if (!strcmp(r->method, "PUT") || !strcmp(r->method, "POST")) {
		curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->n_body ? r->body : "");
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->n_body);
		curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, r->method);
	} else if (strcmp(r->method, "GET")) {
		curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, r->method);
	}
}

static void set_options(struct s3_store *s3, struct s3_req *r, const char *url)
{
	CURL *c = r->easy;
	int64_t left_ms = (r->deadline_us - time_mono_us()) / 1000;

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_PROXY, ""); /* the environment is not read here */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)S3_STALL_S);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->slist);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(c, CURLOPT_PRIVATE, r);
	set_method(r);
}

/* The clock of a request begins with its first attempt, not while it waits in a batch. */
static void set_deadlines(struct s3_req *r)
{
	uint64_t answer = r->max < S3_READ_BYTES ? r->max : S3_READ_BYTES;

	r->retry_until_us = time_mono_us() + S3_DEADLINE_US + (int64_t)(r->n_body / S3_SLOWEST) * 1000000;
	if (!r->deadline_us)
		r->deadline_us = r->retry_until_us + (int64_t)(answer / S3_SLOWEST) * 1000000;
}

static void start(struct s3_store *s3, struct s3_channel *ch, struct s3_req *r)
{
	struct strbuf path = STRBUF_INIT, url = STRBUF_INIT;

	if (!r->attempts)
		set_deadlines(r);
	r->status = 0;
	r->too_large = r->no_effect = false;
	r->reply.n = 0;
	r->attempts++;
	build_path(s3, r, &path);
	r->slist = build_headers(s3, r, path.s);
	sb_addf(&url, "%s%s", s3->origin, path.s);
	if (r->query)
		sb_addf(&url, "?%s", r->query);
	set_options(s3, r, url.s);
	sb_free(&path);
	sb_free(&url);
	curl_multi_add_handle(ch->multi, r->easy);
	r->state = RUNNING;
}

/* --- after an attempt ------------------------------------------------------------------------- */

static bool sent_nothing(CURLcode c)
{
	return c == CURLE_COULDNT_RESOLVE_HOST || c == CURLE_COULDNT_CONNECT || c == CURLE_SSL_CONNECT_ERROR ||
	       c == CURLE_PEER_FAILED_VERIFICATION || c == CURLE_SSL_CACERT_BADFILE;
}

static bool may_go_away(const struct s3_req *r, CURLcode c)
{
	switch (r->status) {
	case 0:
		return c != CURLE_PEER_FAILED_VERIFICATION && c != CURLE_SSL_CACERT_BADFILE &&
		       c != CURLE_URL_MALFORMAT && c != CURLE_OUT_OF_MEMORY;
	case 400:
		return !strcmp(r->code, "RequestTimeout");
	case 408:
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

static void read_answer(struct s3_req *r, CURLcode c)
{
	struct str code;

	if (c != CURLE_OK && !r->too_large) {
		r->status = 0;
		r->no_effect = sent_nothing(c);
		snprintf(r->text, sizeof(r->text), "%s", curl_easy_strerror(c));
		return;
	}
	if (!success(r) && r->reply.n && s3_xml_text((struct str){ r->reply.data, r->reply.n }, "Code", &code) &&
	    code.n < sizeof(r->code))
		copy_value(r->code, sizeof(r->code), code.s, code.n);
}

static void finish(struct s3_channel *ch, struct s3_req *r, CURLcode c)
{
	int64_t now = time_mono_us(), wait;

	curl_multi_remove_handle(ch->multi, r->easy);
	curl_slist_free_all(r->slist);
	r->slist = NULL;
	read_answer(r, c);
	r->state = FINAL;
	if (success(r) || !may_go_away(r, c) || r->attempts >= S3_ATTEMPTS || (r->once && !r->no_effect))
		return;
	wait = jitter_us(r->attempts - 1);
	if (wait < r->retry_after_s * INT64_C(1000000))
		wait = r->retry_after_s * INT64_C(1000000);
	if (now + wait >= r->retry_until_us || now + wait >= r->deadline_us)
		return;
	r->start_at_us = now + wait;
	r->state = WAITING;
}

/* Start what is due; returns how long to sleep at most (ms). */
static int start_due(struct s3_store *s3, struct s3_channel *ch, struct s3_req *r, size_t n, size_t *in_flight)
{
	int64_t now = time_mono_us(), next = now + 1000000;

	for (size_t i = 0; i < n && *in_flight < S3_IN_FLIGHT; i++) {
		if (r[i].state != WAITING)
			continue;
		if (r[i].start_at_us > now) {
			next = r[i].start_at_us < next ? r[i].start_at_us : next;
			continue;
		}
		start(s3, ch, &r[i]);
		(*in_flight)++;
	}
	return (int)((next - now) / 1000) + 1;
}

static bool prepare(struct s3_req *r, struct s3_store *s3)
{
	r->s3 = s3;
	r->attempts = 0;
	r->start_at_us = time_mono_us();
	r->state = WAITING;
	r->easy = curl_easy_init();
	if (r->easy)
		return true;
	r->state = FINAL;
	r->no_effect = true;
	snprintf(r->text, sizeof(r->text), "no memory for a request");
	return false;
}

void s3_run(struct s3_store *s3, struct s3_req *r, size_t n)
{
	struct s3_channel *ch = take_channel(s3);
	size_t left = 0, in_flight = 0;

	for (size_t i = 0; i < n; i++)
		left += prepare(&r[i], s3);
	while (left) {
		int sleep_ms = start_due(s3, ch, r, n, &in_flight), running, queued;
		CURLMsg *m;

		curl_multi_perform(ch->multi, &running);
		while ((m = curl_multi_info_read(ch->multi, &queued))) {
			struct s3_req *done = NULL;

			if (m->msg != CURLMSG_DONE)
				continue;
			CURLcode result = m->data.result; /* *m goes away with the handle */
			curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&done);
			finish(ch, done, result);
			in_flight--;
			left -= done->state == FINAL;
			sleep_ms = 0;
		}
		if (left && sleep_ms)
			curl_multi_poll(ch->multi, NULL, 0, sleep_ms, NULL);
	}
	for (size_t i = 0; i < n; i++) {
		if (r[i].easy)
			curl_easy_cleanup(r[i].easy);
		r[i].easy = NULL;
	}
	give_channel(s3, ch);
}

void s3_req_free(struct s3_req *r)
{
	store_object_free(&r->reply);
	r->cap = 0;
}

/* --- errors ----------------------------------------------------------------------------------- */

static int fail_access(struct s3_store *s3, const struct s3_req *r, const char *what, struct err *e)
{
	if (!strcmp(r->code, "QuotaExceeded"))
		return err_set_rc(e, -ENOSPC, ERR_STORAGE, "%s: the quota is used up; free some space or raise it",
				  what);
	return err_set_rc(e, -EACCES, ERR_STORAGE,
			  "%s: the server refuses it (%d %s); check the access key, the secret key, the session token, "
			  "the permissions of the key and the clock of this machine",
			  what, r->status, r->code[0] ? r->code : "Forbidden");
}

static int fail_place(struct s3_store *s3, const struct s3_req *r, const char *what, struct err *e)
{
	if (r->region[0])
		return err_set_rc(e, -EIO, ERR_STORAGE, "%s: the bucket is in region %s, not in %s; set AWS_REGION",
				  what, r->region, s3->region);
	return err_set_rc(e, -EIO, ERR_STORAGE,
			  "%s: %s answers %d %s; check the endpoint, the region and AWS_S3_FORCE_PATH_STYLE", what,
			  s3->host, r->status, r->code);
}

int s3_fail(struct s3_store *s3, const struct s3_req *r, const char *op, const char *key, struct err *e)
{
	__cleanup(mem_free_ptr) char *shown = store_show_key(key);
	struct strbuf what = STRBUF_INIT;
	int rc;

	sb_addf(&what, "cannot %s \"%s\" in %s", op, shown, s3->base.uri);
	if (r->status == 0)
		rc = err_set_rc(e, -EIO, ERR_STORAGE,
				"%s: %s after %d attempts at %s; check the network and the endpoint", what.s, r->text,
				r->attempts, s3->host);
	else if (r->status == 404 && !strcmp(r->code, "NoSuchBucket"))
		rc = err_set_rc(e, -EIO, ERR_STORAGE, "%s: there is no bucket \"%s\" at %s; create it first", what.s,
				s3->bucket, s3->host);
	else if (r->status == 404 && r->key)
		rc = store_err_absent(&s3->base, e, key);
	else if (r->status == 401 || r->status == 403)
		rc = fail_access(s3, r, what.s, e);
	else if ((r->status >= 300 && r->status < 400) || !strcmp(r->code, "AuthorizationHeaderMalformed"))
		rc = fail_place(s3, r, what.s, e);
	else if (r->status == 507)
		rc = err_set_rc(e, -ENOSPC, ERR_STORAGE, "%s: the storage is full; free some space", what.s);
	else if (r->status == 429 || r->status == 503)
		rc = err_set_rc(e, -EIO, ERR_STORAGE,
				"%s: %s is overloaded (%d %s), also after %d attempts; try again later", what.s,
				s3->host, r->status, r->code, r->attempts);
	else
		rc = err_set_rc(e, -EIO, ERR_STORAGE, "%s: %s answers %d %s after %d attempts", what.s, s3->host,
				r->status, r->code, r->attempts);
	sb_free(&what);
	return rc;
}
