/* SPDX-License-Identifier: MIT */
/*
 * test_s3.c - what only the S3 backend has: signatures, settings, parts, and servers that differ or lose answers. The latter are
 * played by a server of one object in a thread of this program; the former ask a real one (scripts/check-s3).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "store_fixture.h"

#include "fs/s3_priv.h"

#define SECRET "verysecretkey0123456789"
#define SESSION "sessiontoken42"

/* --- a server of one object ------------------------------------------------------------------- */

struct fake {
	int fd;
	pthread_t thread;
	char endpoint[64];
	/* how it behaves */
	bool bare;  /* If-Match without quotes only, as Ceph; else with quotes only */
	int refuse; /* so many requests get .refuse_status, and have no effect */
	int refuse_status;
	int lose;	  /* so many PUTs have their effect, but no answer */
	int late_500;	  /* so many PUTs have their effect, but 500 is the answer */
	bool no_metadata; /* x-amz-meta-* is dropped */
	/* what it holds and saw */
	bool there;
	char body[256], etag[40], id[64], prev[64];
	int puts, version, requests;
	char seen[4096]; /* the last request */
};

static void header_of(const char *req, const char *name, char *out, size_t n)
{
	const char *p = strcasestr(req, name);

	out[0] = '\0';
	if (!p)
		return;
	p += strlen(name);
	p += strspn(p, ": ");
	snprintf(out, n, "%.*s", (int)strcspn(p, "\r\n"), p);
}

static void fake_reply(int c, int status, const char *headers, const char *body, bool head)
{
	char out[2048];
	int n = snprintf(out, sizeof(out), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s",
			 status, strlen(body), headers, head ? "" : body);

	if (write(c, out, (size_t)n) != n)
		return;
}

static void fake_put(struct fake *f, int c, const char *req, const char *body)
{
	char match[128], none[16], quoted[64];

	header_of(req, "If-Match", match, sizeof(match));
	header_of(req, "If-None-Match", none, sizeof(none));
	snprintf(quoted, sizeof(quoted), f->bare ? "%s" : "\"%s\"", f->etag);
	f->puts++;
	if ((none[0] && f->there) || (match[0] && strcmp(match, quoted))) {
		fake_reply(c, 412, "", "<Error><Code>PreconditionFailed</Code></Error>", false);
		return;
	}
	f->there = true;
	snprintf(f->body, sizeof(f->body), "%s", body);
	snprintf(f->etag, sizeof(f->etag), "e%d", ++f->version);
	header_of(req, S3_ID_HEADER, f->id, sizeof(f->id));
	header_of(req, S3_PREV_HEADER, f->prev, sizeof(f->prev));
	if (f->lose > 0) {
		f->lose--;
		return;
	}
	snprintf(quoted, sizeof(quoted), "ETag: \"%s\"\r\n", f->etag);
	fake_reply(c, f->late_500-- > 0 ? 500 : 200, quoted, "", false);
}

static void fake_get(struct fake *f, int c, bool head)
{
	char h[512];
	int n = snprintf(h, sizeof(h), "ETag: \"%s\"\r\n", f->etag);

	if (!f->no_metadata)
		snprintf(h + n, sizeof(h) - (size_t)n, "%s: %s\r\n%s: %s\r\n", S3_ID_HEADER, f->id, S3_PREV_HEADER,
			 f->prev);
	if (f->there)
		fake_reply(c, 200, h, f->body, head);
	else
		fake_reply(c, 404, "", "<Error><Code>NoSuchKey</Code></Error>", head);
}

static void fake_serve(struct fake *f, int c)
{
	char req[4096], len[16];
	size_t n = 0, want = 0;
	char *body = NULL;
	ssize_t k;

	while (!body || n < want) {
		k = read(c, req + n, sizeof(req) - 1 - n);
		if (k <= 0)
			return;
		n += (size_t)k;
		req[n] = '\0';
		body = strstr(req, "\r\n\r\n");
		header_of(req, "Content-Length", len, sizeof(len));
		want = body ? (size_t)(body + 4 - req) + strtoul(len, NULL, 10) : 0;
	}
	f->requests++;
	memcpy(f->seen, req, n + 1);
	if (f->refuse > 0) {
		f->refuse--;
		fake_reply(c, f->refuse_status, "", "<Error><Code>Refused</Code></Error>", !strncmp(req, "HEAD", 4));
	} else if (!strncmp(req, "PUT", 3)) {
		fake_put(f, c, req, body + 4);
	} else {
		fake_get(f, c, !strncmp(req, "HEAD", 4));
	}
}

static void *fake_main(void *arg)
{
	struct fake *f = arg;
	int c;

	while ((c = accept(f->fd, NULL, NULL)) >= 0) {
		fake_serve(f, c);
		close(c);
	}
	return NULL;
}

static void fake_start(struct fake *f)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	signal(SIGPIPE, SIG_IGN);
	f->fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(f->fd >= 0 && !bind(f->fd, (struct sockaddr *)&a, n) && !listen(f->fd, 32));
	CHECK(!getsockname(f->fd, (struct sockaddr *)&a, &n));
	snprintf(f->endpoint, sizeof(f->endpoint), "http://127.0.0.1:%d", ntohs(a.sin_port));
	CHECK(!pthread_create(&f->thread, NULL, fake_main, f));
}

static void fake_stop(struct fake *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
}

static struct store *open_at(const char *endpoint)
{
	struct s3_config c = { "AKIDTEST", SECRET, SESSION, "eu-west-1", endpoint, true, false };
	struct store_open_opts o = { .s3 = &c };
	struct store *s = NULL;
	struct err e = ERR_INIT;

	CHECK_MSG(store_open("s3://buck/p", &o, &s, &e) == 0, "%s", err_msg(&e));
	return s;
}

/* --- signatures, settings --------------------------------------------------------------------- */

/* Amazon's worked example "GET Bucket Lifecycle" in the Signature Version 4 chapter of the S3 API reference. */
static void signature(void)
{
	char hash[SHA256_HEX_LEN + 1];
	struct strbuf path = STRBUF_INIT;
	struct curl_slist *l;
	bool found = false;

	sha256_hex("", 0, hash);
	l = s3_sign(&(struct s3_sign_in){ "GET", "/", "lifecycle=", "examplebucket.s3.amazonaws.com",
					  "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL,
					  "us-east-1", NULL, hash, 1369353600 },
		    NULL);
	for (struct curl_slist *h = l; h; h = h->next) {
		CHECK(strstr(h->data, "EXAMPLEKEY") == NULL);
		if (!strncmp(h->data, "Authorization:", 14)) {
			found = true;
			CHECK_HAS(h->data, "SignedHeaders=host;x-amz-content-sha256;x-amz-date, ");
			CHECK_HAS(h->data, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
		}
	}
	CHECK(found);
	curl_slist_free_all(l);
	s3_encode_path(&path, "a b/%41/\xc3\xa9+~");
	CHECK_STR(path.s, "a%20b/%2541/%C3%A9%2B~");
	sb_free(&path);
}

static const char *from_pairs(void *arg, const char *name)
{
	for (const char **p = arg; *p; p += 2) {
		if (!strcmp(p[0], name))
			return p[1];
	}
	return NULL;
}

static void environment(void)
{
	const char *full[] = { "AWS_ACCESS_KEY_ID",
			       "ak",
			       "AWS_SECRET_ACCESS_KEY",
			       "sk",
			       "AWS_SESSION_TOKEN",
			       "st",
			       "AWS_REGION",
			       "r1",
			       "AWS_DEFAULT_REGION",
			       "r2",
			       "AWS_ENDPOINT_URL",
			       "https://b",
			       "AWS_ENDPOINT_URL_S3",
			       "http://a",
			       "AWS_S3_FORCE_PATH_STYLE",
			       "True",
			       NULL };
	const char *few[] = {
		"AWS_SESSION_TOKEN", "", "AWS_DEFAULT_REGION", "r2", "AWS_ENDPOINT_URL", "https://b", NULL
	};
	struct s3_config c;

	s3_config_from_env(from_pairs, full, &c);
	CHECK_STR(c.access_key, "ak");
	CHECK_STR(c.secret_key, "sk");
	CHECK_STR(c.session_token, "st");
	CHECK_STR(c.region, "r1");
	CHECK_STR(c.endpoint, "http://a");
	CHECK(c.allow_http && c.force_path_style);
	s3_config_from_env(from_pairs, few, &c);
	CHECK(!c.access_key && !c.session_token && !c.allow_http && !c.force_path_style);
	CHECK_STR(c.region, "r2");
	CHECK_STR(c.endpoint, "https://b");
}

static void check_open(const struct s3_config *c, const char *uri, const char *part)
{
	struct store_open_opts o = { .s3 = c };
	struct store *s = NULL;
	struct err e = ERR_INIT;

	CHECK(store_open(uri, &o, &s, &e) < 0 && s == NULL);
	CHECK_HAS(err_msg(&e), part);
	CHECK(strstr(err_msg(&e), "secret0") == NULL);
	err_clear(&e);
}

static void bad_settings(void)
{
	struct s3_config c = { .access_key = "a", .secret_key = "secret0" };

	const struct s3_config none = { 0 };

	check_open(&none, "s3://b/p", "AWS_ACCESS_KEY_ID");
	check_open(&(struct s3_config){ .access_key = "a" }, "s3://b/p", "AWS_SECRET_ACCESS_KEY");
	check_open(&c, "s3://b b/p", "no valid bucket");
	check_open(&c, "s3://b/p//q", "empty component");
	c.endpoint = "http://127.0.0.1:1";
	check_open(&c, "s3://b", "AWS_ALLOW_HTTP");
	c.endpoint = "127.0.0.1:1";
	check_open(&c, "s3://b", "AWS_ENDPOINT_URL_S3");
	c.endpoint = "https://user:secret0@host";
	check_open(&c, "s3://b", "AWS_ENDPOINT_URL_S3");
	c.endpoint = NULL;
	c.region = "eu west";
	check_open(&c, "s3://b", "AWS_REGION");
	c.region = NULL;
	c.secret_key = "secret0\r\nHost: x";
	check_open(&c, "s3://b", "control character");
}

static void addressing(void)
{
	static const struct {
		const char *bucket, *endpoint;
		bool force;
		const char *origin;
		bool path_style;
	} t[] = {
		{ "buck", NULL, false, "https://buck.s3.eu-west-1.amazonaws.com", false },
		{ "buck", NULL, true, "https://s3.eu-west-1.amazonaws.com", true },
		{ "with.dot", NULL, false, "https://s3.eu-west-1.amazonaws.com", true },
		{ "buck", "https://store.example:443/", false, "https://buck.store.example", false },
		{ "buck", "http://store.example:9000", false, "http://buck.store.example:9000", false },
		{ "buck", "http://10.0.0.1:80", false, "http://10.0.0.1", true },
		{ "buck", "http://localhost:9000", false, "http://localhost:9000", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct s3_config c = { "a", "b", NULL, "eu-west-1", t[i].endpoint, true, t[i].force };
		struct store_open_opts o = { .s3 = &c };
		char uri[64];
		struct store *s;

		snprintf(uri, sizeof(uri), "s3://%s//", t[i].bucket);
		CHECK(store_open(uri, &o, &s, NULL) == 0);
		CHECK_STR(s3_of(s)->origin, t[i].origin);
		CHECK(s3_of(s)->path_style == t[i].path_style);
		CHECK_INT(s->uri[strlen(s->uri) - 1] == '/', 0);
		store_close(s);
	}
}

static void lists(void)
{
	struct s3_page p;

	CHECK(s3_page_parse(STR("<?xml?><ListBucketResult "
				"xmlns=\"x\"><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
				"<NextContinuationToken>a&amp;b&lt;</NextContinuationToken>"
				"<Contents><Key>p/a+b%2B%01</Key><Size>7</Size><LastModified>2026-03-01T09:00:00.000Z</"
				"LastModified>"
				"</Contents><Contents><Key>p/</Key><Size>0</Size></Contents></ListBucketResult>"),
			    "p/", &p));
	CHECK_INT(p.n, 1);
	CHECK_STR(p.entries[0].key, "a b+\x01");
	CHECK_INT(p.entries[0].size, 7);
	CHECK(p.entries[0].mtime_us > 1600000000000000);
	CHECK_STR(p.more, "a&b<");
	s3_page_free(&p);
	CHECK(!s3_page_parse(STR("<html>hello</html>"), "", &p));
	CHECK(!s3_page_parse(STR("<ListBucketResult><Contents><Key>x</Key><Size>no</Size></Contents>"), "", &p));
	CHECK(!s3_page_parse(STR("<ListBucketResult><IsTruncated>true</IsTruncated>"), "", &p));
}

/* --- servers that differ ---------------------------------------------------------------------- */

static void either_spelling(void)
{
	for (int bare = 0; bare < 2; bare++) {
		struct fake f = { .bare = bare };
		struct store_token t = { "" };
		struct store *s;

		fake_start(&f);
		s = open_at(f.endpoint);
		CHECK(store_create(s, "k", "one", 3, &t, NULL) == 0);
		CHECK(strstr(f.seen, "PUT /buck/p/k HTTP") == f.seen);
		CHECK_HAS(f.seen, "x-amz-security-token: " SESSION);
		CHECK(strstr(f.seen, SECRET) == NULL);
		for (int i = 0; i < 3; i++)
			CHECK(store_replace(s, "k", &t, "two", 3, &t, NULL) == 0);
		CHECK_INT(f.puts, 4 + bare); /* the spelling was learnt at once */
		strcpy(f.etag, "other");
		strcpy(f.id, "other");
		CHECK_INT(store_replace(s, "k", &t, "x", 1, NULL, NULL), -ESTALE);
		store_close(s);
		fake_stop(&f);
	}
}

/* Names below "localhost" are this machine, so the bucket can stand in front of one. */
static void bucket_in_host(void)
{
	struct fake f = { .bare = false };
	char endpoint[64], host[64];
	struct store *s;

	fake_start(&f);
	snprintf(endpoint, sizeof(endpoint), "http://store.localhost%s", strrchr(f.endpoint, ':'));
	snprintf(host, sizeof(host), "Host: buck.store.localhost%s\r\n", strrchr(f.endpoint, ':'));
	s = open_at(endpoint);
	put_text(s, "a b", "v");
	CHECK(strstr(f.seen, "PUT /p/a%20b HTTP") == f.seen);
	CHECK_HAS(f.seen, host);
	check_text(s, "a b", "v");
	store_close(s);
	fake_stop(&f);
}

static void retries(void)
{
	struct fake f = { .refuse = 2, .refuse_status = 503 };
	struct store_object o;
	struct err e = ERR_INIT;
	struct store *s;

	fake_start(&f);
	s = open_at(f.endpoint);
	CHECK(store_put(s, "k", "v", 1, NULL) == 0);
	CHECK_INT(f.requests, 3);
	f.refuse = 1;
	f.refuse_status = 429;
	check_text(s, "k", "v");
	f.lose = 1;
	CHECK(store_put(s, "k", "w", 1, NULL) == 0);
	f.refuse = 1;
	f.refuse_status = 403;
	f.requests = 0;
	CHECK_INT(store_get(s, "k", 9, &o, &e), -EACCES);
	CHECK_INT(e.code, ERR_STORAGE);
	CHECK_INT(f.requests, 1);
	CHECK_HAS(err_msg(&e), "403 Refused");
	CHECK_HAS(err_msg(&e), "s3://buck/p");
	CHECK(strstr(err_msg(&e), SECRET) == NULL && strstr(err_msg(&e), "AKIDTEST") == NULL);
	store_close(s);
	fake_stop(&f);
	err_clear(&e);
}

static void lost_answers(void)
{
	for (int i = 0; i < 4; i++) { /* lost or 500, with metadata or without */
		struct fake f = { .no_metadata = i & 1, .lose = i < 2, .late_500 = i >= 2 };
		struct store_token t = { "" };
		struct store *s;

		fake_start(&f);
		s = open_at(f.endpoint);
		CHECK_INT(store_create(s, "k", "one", 3, &t, NULL), 0);
		CHECK_INT(f.puts, 1);
		CHECK_STR(f.body, "one");
		if (!f.no_metadata) {
			f.lose = i < 2;
			f.late_500 = i >= 2;
			CHECK(store_replace(s, "k", &t, "two", 3, &t, NULL) == 0);
			CHECK_STR(f.body, "two");
			CHECK(store_replace(s, "k", &t, "three", 5, &t, NULL) == 0);
			f.refuse = 1; /* refused without effect: sent again */
			f.refuse_status = 500;
			CHECK(store_replace(s, "k", &t, "four", 4, NULL, NULL) == 0);
			CHECK_STR(f.body, "four");
		}
		CHECK_INT(store_create(s, "k", "five", 4, NULL, NULL), -EEXIST);
		store_close(s);
		fake_stop(&f);
	}
}

/* --- a real server ---------------------------------------------------------------------------- */

static void parts(void)
{
	size_t n = S3_MULTIPART_BYTES + S3_PART_BYTES + 12345;
	struct store_put_req p[2];
	struct store_map m;
	struct fx x;
	char *big, buf[8];
	size_t got;

	if (!fx_init_s3(&x))
		return;
	big = mem_alloc(n);
	for (size_t i = 0; i < n; i++)
		big[i] = (char)(i * 2654435761u >> 13);
	p[0] = (struct store_put_req){ "big", big, n, 1 };
	p[1] = (struct store_put_req){ "small", "s", 1, 1 };
	CHECK(store_put_batch(x.s, p, 2, NULL) == 0);
	CHECK(store_map(x.s, "big", &m, NULL) == 0);
	CHECK(m.n == n && !memcmp(m.data, big, n));
	store_unmap(x.s, &m);
	CHECK(store_get_range(x.s, "big", n - 3, 8, buf, &got, NULL) == 0 && got == 3 && !memcmp(buf, big + n - 3, 3));
	check_text(x.s, "small", "s");
	free(big);
	fx_done(&x);
}

static void long_lists(void)
{
	enum { N = 2300 };
	struct store_put_req *p;
	struct strbuf keys = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct fx x;
	int rc;

	if (!fx_init_s3(&x))
		return;
	p = mem_calloc(N, sizeof(*p));
	for (int i = 0; i < N; i++) {
		char key[64];

		snprintf(key, sizeof(key), "d/%04d", i);
		sb_addf(&keys, "%s\n", key);
		p[i] = (struct store_put_req){ mem_strdup(key), "v", 1, 1 };
	}
	rc = store_put_batch(x.s, p, N, &e);
	CHECK_MSG(rc == 0, "%s", err_msg(&e));
	check_list(x.s, "", NULL, true, keys.s);
	check_list(x.s, "d", "d/1499", false, strstr(keys.s, "d/1500"));
	CHECK(store_delete_prefix(x.s, "d", NULL) == 0);
	check_list(x.s, "", NULL, true, "");
	/* a log whose records do not fit one page, found by a new handle; the records are made without appending them */
	for (int i = 0; i < N; i++) {
		free((char *)(uintptr_t)p[i].key);
		struct strbuf k = STRBUF_INIT;

		sb_addf(&k, "long.log/%020d", i + 1);
		p[i].key = sb_detach(&k);
	}
	CHECK(store_put_batch(x.s, p, N, NULL) == 0);
	CHECK_INT(tail_of(x.s, "long"), N + 1);
	append_text(x.s, "long", N + 1, "last");
	check_log(x.s, "long", N + 1, "2301=last\n");
	CHECK(store_log_trim(x.s, "long", N, NULL) == 0);
	CHECK_INT(tail_of(x.s, "long"), N + 2);
	CHECK(store_delete_prefix(x.s, "long", NULL) == 0);
	for (int i = 0; i < N; i++)
		free((char *)(uintptr_t)p[i].key);
	free(p);
	sb_free(&keys);
	fx_done(&x);
}

/* A writer that slept while its number was used and trimmed again does not think that it won. */
static void sleeper(void)
{
	struct store *other;
	struct fx x;

	if (!fx_init_s3(&x))
		return;
	other = fx_again(&x, false);
	append_text(x.s, "l", 1, "1");
	append_text(x.s, "l", 2, "2");
	CHECK_INT(tail_of(other, "l"), 3);
	for (uint64_t i = 3; i < 9; i++)
		append_text(x.s, "l", i, "x");
	/* trimmed, but so young that the record is still there */
	CHECK(store_log_trim(x.s, "l", 7, NULL) == 0);
	CHECK_INT(store_log_append(other, "l", 3, "late", 4, NULL), -EAGAIN);
	CHECK_INT(tail_of(other, "l"), 9);
	/* the record is gone, and it took too long to trust what it knew */
	s3_of(x.s)->log_young_us = -3600 * 1000000ll;
	s3_of(other)->log_trust_us = 0;
	for (uint64_t i = 9; i < 12; i++)
		append_text(x.s, "l", i, "x");
	CHECK(store_log_trim(x.s, "l", 10, NULL) == 0);
	CHECK_INT(store_log_append(other, "l", 9, "late", 4, NULL), -EAGAIN);
	CHECK_INT(tail_of(other, "l"), 12);
	check_log(x.s, "l", 11, "11=x\n");
	/* one whose log was deleted and begun anew */
	CHECK(store_delete_prefix(x.s, "l", NULL) == 0);
	append_text(x.s, "l", 1, "new");
	CHECK_INT(store_log_append(other, "l", 12, "gap", 3, NULL), -EAGAIN);
	check_log(x.s, "l", 1, "1=new\n");
	CHECK(store_delete_prefix(x.s, "l", NULL) == 0);
	store_close(other);
	fx_done(&x);
}

static void wrong_keys(void)
{
	struct s3_config c;
	struct store_open_opts o = { .s3 = &c };
	struct store_object obj;
	struct err e = ERR_INIT;
	struct store *s;
	struct fx x;

	if (!fx_init_s3(&x))
		return;
	c = x.s3_config;
	c.secret_key = SECRET;
	CHECK(store_open(x.root, &o, &s, NULL) == 0);
	CHECK_INT(store_get(s, "k", 9, &obj, &e), -EACCES);
	CHECK_HAS(err_msg(&e), "SignatureDoesNotMatch");
	CHECK(strstr(err_msg(&e), SECRET) == NULL);
	store_close(s);
	o.s3 = &x.s3_config;
	CHECK(store_open("s3://no-such-bucket-here/p", &o, &s, NULL) == 0);
	CHECK_INT(store_get(s, "k", 9, &obj, &e), -EIO);
	CHECK_HAS(err_msg(&e), "no bucket \"no-such-bucket-here\"");
	store_close(s);
	err_clear(&e);
	fx_done(&x);
}

CHECK_MAIN("fs/s3", { "requests are signed as in Amazon's example", signature },
	   { "settings come from the AWS_* names, in their order of preference", environment },
	   { "wrong settings are refused by name, without the secret", bad_settings },
	   { "the bucket is in the path or in the host", addressing },
	   { "pages of lists are parsed, others refused", lists },
	   { "If-Match is spelled as the server wants it", either_spelling },
	   { "a bucket in the host name is asked there", bucket_in_host },
	   { "overload and lost answers are retried, refusals are not", retries },
	   { "a conditional write whose answer was lost is read back", lost_answers },
	   { "large objects go up in parts (real server)", parts },
	   { "lists and logs of several pages (real server)", long_lists },
	   { "a late append never wins a number used before (real server)", sleeper },
	   { "wrong keys and buckets are named (real server)", wrong_keys }, )
