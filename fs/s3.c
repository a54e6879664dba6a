/* SPDX-License-Identifier: MIT */
/* s3.c - the store on S3: opening, reading, listing, deleting. See s3_priv.h for the other parts. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "s3_priv.h"

#define BUCKET_MAX 255
#define PAGE 1000

/* --- opening ---------------------------------------------------------------------------------- */

static void wipe_free(char *s)
{
	if (s)
		mem_wipe(s, strlen(s));
	free(s);
}

static void s3_close(struct store *s)
{
	struct s3_store *s3 = s3_of(s);

	for (struct s3_channel *c = s3->idle, *next; c; c = next) {
		next = c->next;
		curl_multi_cleanup(c->multi);
		free(c);
	}
	for (size_t i = 0; i < s3->n_hints; i++)
		free(s3->hints[i].log);
	free(s3->hints);
	pthread_mutex_destroy(&s3->lock);
	free(s3->base.uri);
	free(s3->bucket);
	free(s3->prefix);
	wipe_free(s3->access_key);
	wipe_free(s3->secret_key);
	wipe_free(s3->session_token);
	free(s3->region);
	free(s3->origin);
	free(s3->host);
	free((char *)(uintptr_t)s3->cache.dir);
	free(s3->cache_place);
	free(s3);
}

/* A value that goes into a header or a host name: printable ASCII without blanks. */
static bool plain(const char *s)
{
	for (; *s; s++) {
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	}
	return true;
}

static int check_config(const char *uri, const struct s3_config *c, struct err *e)
{
	if (!c || !c->access_key || !*c->access_key || !c->secret_key || !*c->secret_key)
		return err_set_rc(
			e, -EACCES, ERR_STORAGE,
			"cannot open %s: no S3 credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and "
			"AWS_SESSION_TOKEN for temporary ones)",
			uri);
	if (!plain(c->access_key) || !plain(c->secret_key) || (c->session_token && !plain(c->session_token)))
		return err_set_rc(e, -EACCES, ERR_STORAGE,
				  "cannot open %s: the S3 credentials hold a blank or a control character; check "
				  "AWS_ACCESS_KEY_ID, "
				  "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
				  uri);
	for (const char *p = c->region; p && *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-')
			return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST,
					  "cannot open %s: \"%s\" is no region; write AWS_REGION like us-east-1", uri,
					  c->region);
	}
	return 0;
}

static bool is_ipv4(const char *host)
{
	return host[strspn(host, "0123456789.:")] == '\0';
}

/* Names that can stand in front of a host name; a dot would not match the wildcard of a certificate. */
static bool is_dns_label(const char *bucket)
{
	size_t n = strlen(bucket);

	return n >= 3 && n <= 63 && bucket[strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' &&
	       bucket[0] != '-' && bucket[n - 1] != '-';
}

static int set_endpoint(struct s3_store *s3, const struct s3_config *c, struct err *e)
{
	__cleanup(mem_free_ptr) char *endpoint = NULL;
	struct strbuf host = STRBUF_INIT, origin = STRBUF_INIT;
	const char *scheme = "https://", *rest;
	const char *port;
	size_t n;

	if (c->endpoint && *c->endpoint) {
		endpoint = mem_strdup(c->endpoint);
	} else {
		sb_addf(&host, "https://s3.%s.amazonaws.com", s3->region);
		endpoint = sb_detach(&host);
	}
	for (n = strlen(endpoint); n && endpoint[n - 1] == '/'; n--)
		endpoint[n - 1] = '\0';
	if (!strncmp(endpoint, "http://", 7))
		scheme = "http://";
	rest = endpoint + strlen(scheme);
	if (strncmp(endpoint, scheme, strlen(scheme)) || !*rest || !plain(rest) || strpbrk(rest, "/?#@\\"))
		return err_set_rc(
			e, -EINVAL, ERR_BAD_REQUEST,
			"cannot open %s: the S3 endpoint must be http://host[:port] or https://host[:port], without a "
			"path or a user; check AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL",
			s3->base.uri);
	if (!strcmp(scheme, "http://") && !c->allow_http)
		return err_set_rc(
			e, -EINVAL, ERR_BAD_REQUEST,
			"cannot open %s: the S3 endpoint is not encrypted (http://); use https://, or allow it with "
			"AWS_ALLOW_HTTP=true",
			s3->base.uri);
	s3->path_style = c->force_path_style || is_ipv4(rest) || rest[0] == '[' || !is_dns_label(s3->bucket) ||
			 !strncmp(rest, "localhost", 9);
	if (!s3->path_style)
		sb_addf(&host, "%s.", s3->bucket);
	port = strrchr(rest, ':');
	n = strlen(rest);
	if (port && !strcmp(port, strcmp(scheme, "http://") ? ":443" : ":80"))
		n = (size_t)(port -
			     rest); /* HTTP leaves the usual port out of the Host header, and so does the signature */
	sb_add(&host, rest, n);
	sb_addf(&origin, "%s%s", scheme, host.s);
	s3->host = sb_detach(&host);
	s3->origin = sb_detach(&origin);
	return 0;
}

static int set_place(struct s3_store *s3, const char *rest, struct err *e)
{
	size_t n = strcspn(rest, "/"), m;
	struct strbuf b = STRBUF_INIT;

	s3->bucket = str_dup((struct str){ rest, n });
	rest += n;
	while (*rest == '/')
		rest++;
	for (m = strlen(rest); m && rest[m - 1] == '/'; m--)
		;
	sb_add(&b, rest, m);
	sb_addf(&b, m ? "/" : "%s", "");
	s3->prefix = sb_detach(&b);
	sb_addf(&b, "s3://%s", s3->bucket);
	if (m)
		sb_addf(&b, "/%.*s", (int)m, rest);
	s3->base.uri = sb_detach(&b);
	for (const char *p = s3->bucket; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			n = BUCKET_MAX + 1;
	}
	if (n == 0 || n > BUCKET_MAX)
		return err_set_rc(
			e, -EINVAL, ERR_BAD_REQUEST,
			"the storage location \"%s\" names no valid bucket; a bucket has letters, digits, '-', '.'",
			s3->base.uri);
	if (strstr(s3->prefix, "//") || !utf8_valid(str_from(s3->prefix)))
		return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST,
				  "the storage location \"%s\" has an empty component or is not UTF-8", s3->base.uri);
	return 0;
}

static char *dup_or(const char *s, const char *other)
{
	return s && *s ? mem_strdup(s) : other ? mem_strdup(other) : NULL;
}

int s3_key_check(struct s3_store *s3, const char *op, const char *key, struct err *e)
{
	size_t n = strlen(s3->prefix) + strlen(key);

	if (n > S3_KEY_MAX)
		return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST,
				  "cannot %s \"%.60s...\" in %s: with the prefix of the store the key has %zu bytes; "
				  "S3 allows %d",
				  op, key, s3->base.uri, n, S3_KEY_MAX);
	if (!utf8_valid(str_from(key)))
		return err_set_rc(e, -EINVAL, ERR_BAD_REQUEST,
				  "cannot %s a key in %s: the key is not UTF-8, as S3 demands", op, s3->base.uri);
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int s3_get_range(struct store *s, const char *key, uint64_t off, size_t n, void *buf, size_t *got, struct err *e)
{
	char range[80];
	struct s3_req r = { .method = "GET", .key = key, .headers = { range }, .max = n, .into = buf };
	struct store_stat st;
	int rc = s3_key_check(s3_of(s), "read", key, e);

	if (rc)
		return rc;
	if (n == 0)
		return s->ops->head(s, key, &st, e);
	if (n - 1 > (uint64_t)INT64_MAX - (off > INT64_MAX ? 0 : off) || off > INT64_MAX)
		n = off > INT64_MAX ? 0 : (size_t)((uint64_t)INT64_MAX - off) + 1;
	if (n == 0)
		return s->ops->head(s, key, &st, e);
	snprintf(range, sizeof(range), "Range: bytes=%llu-%llu", (unsigned long long)off,
		 (unsigned long long)(off + (n - 1)));
	s3_run(s3_of(s), &r, 1);
	if (r.status == 206 || (r.status == 200 && off == 0))
		*got = r.reply.n;
	else if (r.status == 416)
		*got = 0; /* behind the end */
	else
		rc = s3_fail(s3_of(s), &r, "read a part of", key, e);
	s3_req_free(&r);
	return rc;
}

int s3_head(struct store *s, const char *key, struct store_stat *out, struct err *e)
{
	struct s3_req r = { .method = "HEAD", .key = key };
	int rc = s3_key_check(s3_of(s), "look up", key, e);

	if (rc)
		return rc;
	s3_run(s3_of(s), &r, 1);
	if (r.status != 200)
		rc = s3_fail(s3_of(s), &r, "look up", key, e);
	out->size = r.length;
	out->mtime_us = r.mtime_us;
	s3_token(&r, &out->token);
	s3_req_free(&r);
	return rc;
}

static int s3_get_batch(struct store *s, struct store_get_req *reqs, size_t n, uint64_t max, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	struct s3_req *r = mem_calloc(n ? n : 1, sizeof(*r));
	int first = 0, rc;

	for (size_t i = 0; i < n; i++) {
		rc = s3_key_check(s3, "read", reqs[i].key, e);
		if (rc) {
			reqs[i].rc = rc;
			free(r);
			return rc;
		}
		r[i] = (struct s3_req){ .method = "GET", .key = reqs[i].key, .max = max };
	}
	s3_run(s3, r, n);
	for (size_t i = 0; i < n; i++) {
		struct err *why = first ? NULL : e;

		reqs[i].rc = 0;
		if (r[i].too_large)
			reqs[i].rc = store_err_too_large(why, reqs[i].key, max, r[i].length);
		else if (r[i].status != 200)
			reqs[i].rc = s3_fail(s3, &r[i], "read", reqs[i].key, why);
		if (reqs[i].rc) {
			s3_req_free(&r[i]);
		} else {
			reqs[i].obj = r[i].reply;
			if (!reqs[i].obj.data)
				reqs[i].obj.data = mem_zalloc(1);
			s3_token(&r[i], &reqs[i].obj.token);
		}
		first = first ? first : reqs[i].rc;
	}
	free(r);
	return first;
}

/* An object has no address to map: a copy in the cache has, else it is read whole. */
static int s3_map(struct store *s, const char *key, struct store_map *out, struct err *e)
{
	const struct object_cache *cache = &s3_of(s)->cache;
	const char *place = s3_of(s)->cache_place;
	struct store_object o = { 0 };
	int rc;

	if (object_cache_map(cache, place, key, out))
		return 0;
	rc = s3_get(s, key, SIZE_MAX / 4, &o, e);
	if (!rc && object_cache_put(cache, place, key, o.data, o.n, out)) {
		free(o.data);
		return 0;
	}
	out->data = o.data;
	out->n = o.n;
	return rc;
}

static void s3_unmap(struct store *s, struct store_map *m)
{
	if (object_cache_has(m))
		object_cache_unmap(m);
	else
		free((void *)(uintptr_t)m->data);
}

static void s3_relax(struct store *s, const struct store_map *m)
{
	if (object_cache_has(m))
		object_cache_relax(m);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void add_param(struct strbuf *q, const char *name, const char *a, const char *b)
{
	sb_addf(q, "%s%s=", q->n ? "&" : "", name);
	percent_encode(q, str_from(a));
	percent_encode(q, str_from(b));
}

char *s3_list_query(struct s3_store *s3, const struct s3_list *l)
{
	struct strbuf q = STRBUF_INIT;
	char max[16];

	snprintf(max, sizeof(max), "%u", l->max ? l->max : PAGE);
	if (l->more)
		add_param(&q, "continuation-token", l->more, "");
	if (l->flat)
		add_param(&q, "delimiter", "/", "");
	add_param(&q, "encoding-type", "url", "");
	add_param(&q, "list-type", "2", "");
	add_param(&q, "max-keys", max, "");
	add_param(&q, "prefix", s3->prefix, l->under);
	if (l->after)
		add_param(&q, "start-after", s3->prefix, l->after);
	return sb_detach(&q);
}

int s3_list_page(struct s3_store *s3, const struct s3_list *l, struct s3_page *out, struct err *e)
{
	__cleanup(mem_free_ptr) char *query = s3_list_query(s3, l);
	struct s3_req r = { .method = "GET", .query = query, .max = S3_REPLY_MAX };
	int rc = 0;

	memset(out, 0, sizeof(*out));
	s3_run(s3, &r, 1);
	if (r.status != 200 || r.too_large)
		rc = s3_fail(s3, &r, "list", l->under, e);
	else if (!r.reply.n || !s3_page_parse((struct str){ r.reply.data, r.reply.n }, s3->prefix, out))
		rc = err_set_rc(e, -EIO, ERR_STORAGE,
				"cannot list \"%s\" in %s: %s answers no list that S3 would; check the endpoint",
				l->under, s3->base.uri, s3->host);
	s3_req_free(&r);
	return rc;
}

bool s3_is_log_part(const char *key)
{
	const char *last = strrchr(key, '/');

	if (!last || last - key < 5 || memcmp(last - 4, STORE_LOG_SUFFIX, 4))
		return false;
	last++;
	return !strncmp(last, STORE_TMP_PREFIX, strlen(STORE_TMP_PREFIX)) ||
	       (strlen(last) == 20 && last[strspn(last, "0123456789")] == '\0');
}

static int deliver(const struct s3_page *p, const char *start_after, store_list_fn fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < p->n; i++) {
		struct store_stat st = { .size = p->entries[i].size, .mtime_us = p->entries[i].mtime_us };

		if (s3_is_log_part(p->entries[i].key) || (start_after && strcmp(p->entries[i].key, start_after) <= 0))
			continue;
		rc = fn(arg, p->entries[i].key, &st);
	}
	return rc;
}

static int s3_list(struct store *s, const char *prefix, const char *start_after, bool recurse, store_list_fn fn,
		   void *arg, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	struct strbuf under = STRBUF_INIT;
	struct s3_list l = { .after = start_after && *start_after ? start_after : NULL, .flat = !recurse };
	struct s3_page page = { 0 };
	char *more = NULL;
	int rc;

	sb_addf(&under, *prefix ? "%s/" : "%s", prefix);
	l.under = under.s;
	do {
		l.more = more;
		rc = s3_list_page(s3, &l, &page, e);
		free(more);
		more = page.more;
		page.more = NULL;
		if (!rc)
			rc = deliver(&page, start_after, fn, arg);
		s3_page_free(&page);
	} while (!rc && more);
	free(more);
	sb_free(&under);
	return rc;
}

/* --- deleting --------------------------------------------------------------------------------- */

int s3_delete_keys(struct s3_store *s3, const struct s3_entry *keys, size_t n, struct err *e)
{
	struct s3_req *r = mem_calloc(n ? n : 1, sizeof(*r));
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		r[i] = (struct s3_req){ .method = "DELETE", .key = keys[i].key, .max = S3_REPLY_MAX };
	s3_run(s3, r, n);
	for (size_t i = 0; i < n; i++) {
		bool gone = (r[i].status >= 200 && r[i].status < 300) ||
			    (r[i].status == 404 && strcmp(r[i].code, "NoSuchBucket"));

		if (!gone && !rc)
			rc = s3_fail(s3, &r[i], "delete", keys[i].key, e);
		s3_req_free(&r[i]);
	}
	free(r);
	return rc;
}

static int s3_delete(struct store *s, const char *key, struct err *e)
{
	struct s3_entry one = { .key = (char *)(uintptr_t)key };
	int rc = s3_key_check(s3_of(s), "delete", key, e);

	return rc ? rc : s3_delete_keys(s3_of(s), &one, 1, e);
}

/* Everything whose key begins with @under; @log: only what a log is made of. */
static int delete_under(struct s3_store *s3, const char *under, bool log, struct err *e)
{
	struct s3_list l = { .under = under };
	__cleanup(mem_free_ptr) char *after = NULL;
	struct s3_page page;
	bool more;
	int rc;

	do {
		size_t n = 0;

		l.after = after;
		rc = s3_list_page(s3, &l, &page, e);
		if (rc)
			return rc;
		more = page.more != NULL;
		if (page.n) {
			free(after);
			after = mem_strdup(page.entries[page.n - 1].key);
		}
		for (size_t i = 0; i < page.n; i++) { /* those to delete to the front */
			struct s3_entry x = page.entries[i];

			if (log && !s3_is_log_part(x.key))
				continue;
			page.entries[i] = page.entries[n];
			page.entries[n++] = x;
		}
		rc = s3_delete_keys(s3, page.entries, n, e);
		s3_page_free(&page);
	} while (!rc && more && after);
	return rc;
}

static int s3_delete_prefix(struct store *s, const char *prefix, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	struct strbuf b = STRBUF_INIT;
	int rc = s3_key_check(s3, "delete everything under", prefix, e);

	if (rc)
		return rc;
	sb_addf(&b, "%s/", prefix);
	rc = delete_under(s3, b.s, false, e);
	sb_reset(&b);
	sb_addf(&b, "%s" STORE_LOG_SUFFIX "/", prefix);
	if (!rc)
		rc = delete_under(s3, b.s, true, e);
	s3_log_forget(s3, prefix);
	sb_free(&b);
	return rc;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct store_ops s3_ops = {
	.scheme = "s3",
	.close = s3_close,
	.get = s3_get,
	.get_range = s3_get_range,
	.head = s3_head,
	.put = s3_put,
	.create = s3_create,
	.replace = s3_replace,
	.delete = s3_delete,
	.delete_prefix = s3_delete_prefix,
	.list = s3_list,
	.map = s3_map,
	.unmap = s3_unmap,
	.relax = s3_relax,
	.get_batch = s3_get_batch,
	.put_batch = s3_put_batch,
	.log_append = s3_log_append,
	.log_read = s3_log_read,
	.log_tail = s3_log_tail,
	.log_trim = s3_log_trim,
	.log_list = s3_log_list,
};

static void set_cache(struct s3_store *s3, const struct s3_config *c)
{
	struct strbuf place = STRBUF_INIT;

	sb_addf(&place, "%s %s", s3->origin, s3->base.uri);
	s3->cache_place = sb_detach(&place);
	s3->cache = (struct object_cache){ dup_or(c->cache_dir, NULL), c->cache_max_bytes };
}

int s3_store_open(const char *rest, const struct store_open_opts *opts, struct store **out, struct err *e)
{
	struct s3_store *s3 = mem_zalloc(sizeof(*s3));
	const struct s3_config *c = opts->s3 ? opts->s3 : s3_config_default;
	int rc;

	pthread_mutex_init(&s3->lock, NULL);
	s3->base.ops = &s3_ops;
	s3->base.remote = true;
	s3->log_trust_us = S3_LOG_TRUST_US;
	s3->log_young_us = S3_LOG_YOUNG_US;
	s3->base.read_only = opts->read_only;
	rc = set_place(s3, rest, e);
	if (!rc)
		rc = check_config(s3->base.uri, c, e);
	if (!rc) {
		s3->access_key = mem_strdup(c->access_key);
		s3->secret_key = mem_strdup(c->secret_key);
		s3->session_token = dup_or(c->session_token, NULL);
		s3->region = dup_or(c->region, "us-east-1");
		rc = set_endpoint(s3, c, e);
	}
	if (!rc)
		set_cache(s3, c);
	if (rc) {
		s3_close(&s3->base);
		return rc;
	}
	*out = &s3->base;
	return 0;
}
