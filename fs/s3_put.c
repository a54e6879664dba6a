/* SPDX-License-Identifier: MIT */
/*
 * s3_put.c - writing objects: whole, in parts, and under a condition.
 *
 * A conditional write carries a fresh id in its metadata, and the id (or ETag) of the version it replaces. Whatever the server
 * answers but success, the object is read back: our id there means we won, also when the answer was lost; another one that
 * replaced the version we wanted to replace means we lost. Nothing is concluded from a status alone: Ceph answers 500 to the loser
 * of a race, and 412 to every If-Match in quotes, which Amazon and others insist on. The spelling that works is remembered.
 *
 * Objects over S3_MULTIPART_BYTES go up in parts, but for conditional ones: not every server takes a condition when parts are
 * joined, and all take one request of up to 5 GiB.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "s3_priv.h"

/* --- tokens: "<etag>" or "<etag> <id>" -------------------------------------------------------- */

void s3_token(const struct s3_req *r, struct store_token *out)
{
	size_t n = strlen(r->etag), m = strlen(r->id);

	if (!out)
		return;
	memcpy(out->s, r->etag, n + 1);
	if (m && n + 1 + m < sizeof(out->s)) {
		out->s[n] = ' ';
		memcpy(out->s + n + 1, r->id, m + 1);
	}
}

struct version { /* what a token says */
	char etag[STORE_TOKEN_MAX], id[STORE_TOKEN_MAX];
};

static void read_token(const struct store_token *t, struct version *v)
{
	const char *sp = strchrnul(t->s, ' ');
	size_t n = (size_t)(sp - t->s);

	memcpy(v->etag, t->s, n);
	v->etag[n] = '\0';
	memcpy(v->id, *sp ? sp + 1 : "", strlen(*sp ? sp + 1 : "") + 1);
}

/* Name of a version in the metadata of its successor. */
static const char *version_name(const struct version *v)
{
	return v->id[0] ? v->id : v->etag;
}

static bool is_version(const struct s3_req *found, const struct version *v)
{
	return !strcmp(found->etag, v->etag) && (!v->id[0] || !strcmp(found->id, v->id));
}

/* --- whole objects ---------------------------------------------------------------------------- */

int s3_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e)
{
	struct s3_req r = { .method = "GET", .key = key, .max = max };
	int rc = s3_key_check(s3_of(s), "read", key, e);

	if (rc)
		return rc;
	s3_run(s3_of(s), &r, 1);
	if (r.too_large)
		rc = store_err_too_large(e, key, max, r.length);
	else if (r.status != 200)
		rc = s3_fail(s3_of(s), &r, "read", key, e);
	if (rc) {
		s3_req_free(&r);
		return rc;
	}
	if (!r.reply.data)
		r.reply.data = mem_zalloc(1);
	*out = r.reply;
	s3_token(&r, &out->token);
	return 0;
}

/* --- parts ------------------------------------------------------------------------------------ */

static int begin_parts(struct s3_store *s3, const char *key, char **id, struct err *e)
{
	struct s3_req r = { .method = "POST", .key = key, .query = "uploads=", .max = S3_REPLY_MAX };
	struct strbuf enc = STRBUF_INIT;
	struct str text;
	int rc = 0;

	s3_run(s3, &r, 1);
	if (r.status == 200 && s3_xml_text((struct str){ r.reply.data, r.reply.n }, "UploadId", &text)) {
		percent_encode(&enc, text);
		*id = sb_detach(&enc);
	} else {
		rc = s3_fail(s3, &r, "begin the upload of", key, e);
	}
	s3_req_free(&r);
	return rc;
}

static int send_parts(struct s3_store *s3, const char *key, const char *id, const char *data, size_t n,
		      struct strbuf *list, struct err *e)
{
	size_t part = n / S3_PARTS_MAX + 1 > S3_PART_BYTES ? n / S3_PARTS_MAX + 1 : S3_PART_BYTES;
	size_t parts = (n + part - 1) / part;
	struct s3_req *r = mem_calloc(parts, sizeof(*r));
	char **query = mem_calloc(parts, sizeof(*query));
	int rc = 0;

	for (size_t i = 0; i < parts; i++) {
		struct strbuf q = STRBUF_INIT;

		sb_addf(&q, "partNumber=%zu&uploadId=%s", i + 1, id);
		query[i] = sb_detach(&q);
		r[i] = (struct s3_req){ .method = "PUT",
					.key = key,
					.query = query[i],
					.body = data + i * part,
					.n_body = i + 1 < parts ? part : n - i * part,
					.max = S3_REPLY_MAX };
	}
	s3_run(s3, r, parts);
	sb_addz(list, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < parts; i++) {
		if (r[i].status != 200 && !rc)
			rc = s3_fail(s3, &r[i], "write a part of", key, e);
		sb_addf(list, "<Part><PartNumber>%zu</PartNumber><ETag>&quot;%s&quot;</ETag></Part>", i + 1, r[i].etag);
		s3_req_free(&r[i]);
		free(query[i]);
	}
	sb_addz(list, "</CompleteMultipartUpload>");
	free(query);
	free(r);
	return rc;
}

/* Joining may answer 200 and hold an error; a repeated one, 404 although the first had its effect. */
static int join_parts(struct s3_store *s3, const char *key, const char *query, const struct strbuf *list, uint64_t size,
		      struct err *e)
{
	struct s3_req r = {
		.method = "POST", .key = key, .query = query, .body = list->s, .n_body = list->n, .max = S3_REPLY_MAX
	};
	struct s3_req head = { .method = "HEAD", .key = key };
	struct str code;
	int rc = 0;

	s3_run(s3, &r, 1);
	if (r.status == 200 && r.reply.n && s3_xml_text((struct str){ r.reply.data, r.reply.n }, "Code", &code))
		snprintf(r.code, sizeof(r.code), "%.*s", (int)(code.n < 60 ? code.n : 60), code.s);
	if (r.status != 200 || r.code[0]) {
		rc = s3_fail(s3, &r, "join the parts of", key, e);
		if (r.status == 404 && r.attempts > 1) {
			s3_run(s3, &head, 1);
			if (head.status == 200 && head.length == size && strchr(head.etag, '-')) {
				rc = 0;
				err_clear(e);
			}
		}
	}
	s3_req_free(&r);
	s3_req_free(&head);
	return rc;
}

static int put_parts(struct s3_store *s3, const char *key, const void *data, size_t n, struct err *e)
{
	struct strbuf list = STRBUF_INIT, query = STRBUF_INIT;
	char *id = NULL;
	int rc = begin_parts(s3, key, &id, e);

	if (rc)
		return rc;
	sb_addf(&query, "uploadId=%s", id);
	rc = send_parts(s3, key, id, data, n, &list, e);
	if (!rc)
		rc = join_parts(s3, key, query.s, &list, n, e);
	if (rc) {
		struct s3_req r = { .method = "DELETE", .key = key, .query = query.s, .max = S3_REPLY_MAX };

		s3_run(s3, &r, 1); /* parts left behind cost money; a failure here hides nothing */
		s3_req_free(&r);
	}
	sb_free(&list);
	sb_free(&query);
	free(id);
	return rc;
}

int s3_put(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	struct store_put_req r = { .key = key, .data = data, .n = n };

	return s3_put_batch(s, &r, 1, e);
}

int s3_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e)
{
	struct s3_store *s3 = s3_of(s);
	struct s3_req *r = mem_calloc(n ? n : 1, sizeof(*r));
	size_t *of = mem_calloc(n ? n : 1, sizeof(*of)), small = 0;
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		reqs[i].rc = s3_key_check(s3, "write", reqs[i].key, first ? NULL : e);
		if (!reqs[i].rc && reqs[i].n > S3_MULTIPART_BYTES)
			reqs[i].rc = put_parts(s3, reqs[i].key, reqs[i].data, reqs[i].n, first ? NULL : e);
		else if (!reqs[i].rc) {
			of[small] = i;
			r[small++] = (struct s3_req){ .method = "PUT",
						      .key = reqs[i].key,
						      .body = reqs[i].data,
						      .n_body = reqs[i].n,
						      .max = S3_REPLY_MAX };
		}
		first = first ? first : reqs[i].rc;
	}
	s3_run(s3, r, small);
	for (size_t k = 0; k < small; k++) {
		if (r[k].status < 200 || r[k].status >= 300)
			reqs[of[k]].rc = s3_fail(s3, &r[k], "write", reqs[of[k]].key, first ? NULL : e);
		first = first ? first : reqs[of[k]].rc;
		s3_req_free(&r[k]);
	}
	free(r);
	free(of);
	return first;
}

/* --- conditions ------------------------------------------------------------------------------- */

struct cond {
	const char *key;
	const void *data;
	size_t n;
	const struct version *old; /* NULL: create */
	char id[ULID_LEN + 1];
	bool bare, refused, answered;
};

static void send_cond(struct s3_store *s3, const struct cond *c, int64_t deadline_us, struct s3_req *r)
{
	char match[STORE_TOKEN_MAX + 32], id[96], prev[STORE_TOKEN_MAX + 64];

	if (c->old)
		snprintf(match, sizeof(match), c->bare ? "If-Match: %s" : "If-Match: \"%s\"", c->old->etag);
	else
		snprintf(match, sizeof(match), "If-None-Match: *");
	snprintf(id, sizeof(id), S3_ID_HEADER ":%s", c->id);
	snprintf(prev, sizeof(prev), S3_PREV_HEADER ":%s", c->old ? version_name(c->old) : "none");
	*r = (struct s3_req){ .method = "PUT",
			      .key = c->key,
			      .headers = { match, id, prev },
			      .body = c->data,
			      .n_body = c->n,
			      .max = S3_REPLY_MAX,
			      .once = true,
			      .deadline_us = deadline_us };
	s3_run(s3, r, 1);
	r->headers[0] = r->headers[1] = r->headers[2] = NULL;
}

/* A server that drops metadata: is the content ours? */
static bool same_content(struct s3_store *s3, const struct cond *c)
{
	struct store_object o = { 0 };
	bool same;

	if (s3_get(&s3->base, c->key, c->n, &o, NULL))
		return false;
	same = o.n == c->n && (!c->n || !memcmp(o.data, c->data, c->n));
	store_object_free(&o);
	return same;
}

enum outcome { WON, LOST, NOT_YET, UNKNOWN };

/*
 * What became of the write, from what is there now. c->refused: every answer so far said that the condition does not hold;
 * c->answered: the server itself answered each time.
 */
static enum outcome outcome_of(struct s3_store *s3, const struct cond *c, const struct s3_req *found)
{
	if (found->status == 404)
		return c->old ? LOST : NOT_YET;
	if (!strcmp(found->id, c->id) || !strcmp(found->prev, c->id))
		return WON;
	if (c->old && is_version(found, c->old))
		return NOT_YET;
	if (!found->id[0] && found->length == c->n && !c->refused && same_content(s3, c))
		return WON;
	if (c->answered || !found->id[0] || !strcmp(found->prev, c->old ? version_name(c->old) : "none"))
		return LOST;
	return UNKNOWN;
}

/* 500 too: nothing of ours was ever there when another version is there now. A gateway's 502 and 504 say nothing of the server. */
static bool server_answered(int status)
{
	return status != 0 && status != 502 && status != 504;
}

static int lost(struct s3_store *s3, const struct cond *c, struct err *e)
{
	return c->old ? store_err_changed(&s3->base, e, c->key) : store_err_exists(&s3->base, e, c->key);
}

/* Read back after a refused or failed write. 1: try again. */
static int settle(struct s3_store *s3, const struct cond *c, struct s3_req *r, struct store_token *token, struct err *e)
{
	struct s3_req found = { .method = "HEAD", .key = c->key };
	int rc = 0;

	s3_run(s3, &found, 1);
	if (found.status != 200 && found.status != 404) {
		rc = s3_fail(s3, &found, "learn whether a write took effect, by reading", c->key, e);
		goto out;
	}
	switch (outcome_of(s3, c, &found)) {
	case WON:
		s3_token(strcmp(found.prev, c->id) ? &found : r, token);
		break;
	case LOST:
		rc = lost(s3, c, e);
		break;
	case UNKNOWN:
		rc = err_set_rc(
			e, -EIO, ERR_STORAGE,
			"cannot tell whether \"%s\" in %s was written: the answer was lost (%s) and others wrote it "
			"since; read it again",
			c->key, s3->base.uri, r->text);
		break;
	case NOT_YET:
		rc = 1;
		break;
	}
out:
	s3_req_free(&found);
	return rc;
}

/* Bad requests, no access, no bucket: these do not change, and nothing was written. */
static bool hopeless(const struct s3_req *r)
{
	if (r->status == 404)
		return !strcmp(r->code, "NoSuchBucket");
	if (!strcmp(r->code, "RequestTimeout"))
		return false;
	return (r->status >= 300 && r->status < 500 && r->status != 408 && r->status != 409 && r->status != 412 &&
		r->status != 429) ||
	       r->status == 507 || r->status == 501;
}

/* One attempt; 1: try again. */
static int put_once(struct s3_store *s3, struct cond *c, int64_t deadline_us, struct store_token *token, bool *last,
		    struct err *e)
{
	struct s3_req r;
	int rc = 0;

	send_cond(s3, c, deadline_us, &r);
	c->answered = c->answered && (server_answered(r.status) || r.no_effect);
	c->refused = c->refused && (r.status == 409 || r.status == 412);
	*last = *last || time_mono_us() >= deadline_us;
	if (r.status >= 200 && r.status < 300) {
		if (c->old)
			s3->bare_etags = c->bare;
		memcpy(r.id, c->id, sizeof(c->id));
		s3_token(&r, token);
	} else if (hopeless(&r) || r.no_effect) {
		rc = s3_fail(s3, &r, c->old ? "replace" : "create", c->key, e);
	} else {
		rc = settle(s3, c, &r, token, e);
		if (rc == 1 && *last)
			rc = s3_fail(s3, &r, c->old ? "replace" : "create", c->key, e);
		if (rc == 1 && r.status == 412 && c->old)
			c->bare = !c->bare; /* still the version we want: it is the spelling that it refuses */
	}
	s3_req_free(&r);
	return rc;
}

static int put_if(struct s3_store *s3, struct cond *c, struct store_token *token, struct err *e)
{
	int64_t deadline = time_mono_us() + S3_DEADLINE_US + (int64_t)(c->n / S3_SLOWEST) * 1000000;
	int rc = 1;

	ulid_new(c->id);
	c->bare = s3->bare_etags;
	c->answered = c->refused = true;
	for (int attempt = 1; rc == 1; attempt++) {
		bool last = attempt == S3_ATTEMPTS, bare = c->bare;

		rc = put_once(s3, c, deadline, token, &last, e);
		if (rc == 1 && (bare == c->bare || attempt > 2))
			s3_sleep_jitter(attempt - 1);
	}
	return rc;
}

int s3_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token, struct err *e)
{
	struct cond c = { .key = key, .data = data, .n = n };
	int rc = s3_key_check(s3_of(s), "create", key, e);

	return rc ? rc : put_if(s3_of(s), &c, token, e);
}

int s3_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
	       struct store_token *token, struct err *e)
{
	struct version old;
	struct cond c = { .key = key, .data = data, .n = n, .old = &old };
	int rc = s3_key_check(s3_of(s), "replace", key, e);

	if (rc)
		return rc;
	read_token(expected, &old);
	if (!old.etag[0]) /* an empty token matches nothing */
		return store_err_changed(s, e, key);
	return put_if(s3_of(s), &c, token, e);
}
