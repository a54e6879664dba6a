/* SPDX-License-Identifier: MIT */
/*
 * /load/ndjson (spec/server.md 8.16): the body goes to the engine while it arrives.
 *
 * A worker of the stream pool owns the request from the header on: it decides (branch, authority, type, declared size), lets
 * the body in, and runs the load, which reads from a ring that the event loop fills. A full ring pauses the connection.
 * When the client goes away in the middle the load fails without effect and the worker frees the request.
 */
#include <pthread.h>

#include "net/load_common.h"
#include "net/utf8_stream.h"

#define RING_BYTES (256u << 10)

struct upload {
	pthread_mutex_t lock;
	pthread_cond_t data; /* for the worker: bytes, the end, or a break */
	struct load_request load;
	/* ring */
	char *ring;
	size_t head, n;
	uint64_t total;
	/* event loop -> worker */
	bool eof, gone, too_large;
	/* worker -> event loop */
	bool started, accepted, finished;
	/* the connection is paused: in headers, for room in the ring, or for the result */
	bool paused;
	/* the worker's */
	struct utf8_stream utf8;
	uint64_t admitted;
	bool has_permit;
	struct strbuf refusal; /* 413 in the middle of the body */
};

static struct upload *upload_new(void)
{
	struct upload *u = mem_zalloc(sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->data, NULL);
	return u;
}

static void upload_free(struct upload *u)
{
	pthread_cond_destroy(&u->data);
	pthread_mutex_destroy(&u->lock);
	free(u->ring);
	sb_free(&u->refusal);
	free(u);
}

/* --- before the body ------------------------------------------------------------------------------------ */

static int decode_mode(struct request *r, const struct query_param *p, enum load_mode *mode)
{
	*mode = LOAD_MERGE;
	if (!p->given)
		return 0;
	for (size_t i = 0; load_mode_names[i]; i++) {
		if (str_eqz(p->value, load_mode_names[i])) {
			*mode = load_mode_of(p->value);
			return 0;
		}
	}
	return err_set(
		&r->err, ERR_BAD_REQUEST,
		"Failed to deserialize query string: unknown variant `%.*s`, expected one of `overwrite`, `append`, "
		"`merge`",
		STR_ARG(p->value));
}

int check_ndjson(struct request *r)
{
	struct query_param p[] = { { .name = "branch" }, { .name = "from" }, { .name = "mode" } };
	struct load_request l;
	int rc = query_string_parse(&r->arena, r->x->query, p, ARRAY_SIZE(p), &r->err);

	if (!rc)
		rc = decode_mode(r, &p[2], &l.mode);
	if (!rc)
		rc = branch_text(r, p[0].given ? &p[0].value : NULL, "main", &l.branch);
	if (!rc)
		rc = branch_text(r, p[1].given ? &p[1].value : NULL, NULL, &l.from);
	if (rc)
		return rc;
	r->upload = upload_new();
	r->upload->load = l;
	return 0;
}

static int too_large(struct err *e, uint64_t limit, uint64_t actual)
{
	int rc = err_set(e, ERR_RESOURCE_LIMIT, "graph-batch request body exceeds %llu bytes",
			 (unsigned long long)limit);

	err_detail(e, "resource", "graph_batch_request_bytes");
	err_detail_u64(e, "limit", limit);
	err_detail_u64(e, "actual", actual);
	return rc;
}

/* Everything that is decided before a body byte is read. */
static int decide(struct request *r)
{
	uint64_t limit = r->srv->limits.load_body_max;
	struct upload *u = r->upload;
	struct str type;
	bool missing;
	int rc = load_branch_missing(r, &u->load, &missing);

	if (!rc)
		rc = load_branch_rule(r, &u->load, missing);
	if (!rc)
		rc = load_authorize(r, &u->load, missing);
	if (rc)
		return rc;
	if (!http_header(r->x, "Content-Type", &type) || !content_type_is(type, STR("application/x-ndjson")))
		return request_fail(r, 415, "bad_request",
				    "graph-batch load requires Content-Type: application/x-ndjson");
	if (r->x->content_length != HTTP_LENGTH_UNKNOWN && r->x->content_length > limit)
		return too_large(&r->err, limit, r->x->content_length);
	return 0;
}

/* --- the worker ---------------------------------------------------------------------------------------------- */

/* With the lock held. */
static void wake(struct request *r)
{
	if (r->upload->paused && !r->upload->gone)
		http_wake(r->x);
	r->upload->paused = false;
}

static size_t take(struct upload *u, char *buf, size_t n)
{
	size_t first = RING_BYTES - u->head;

	if (n > u->n)
		n = u->n;
	if (first > n)
		first = n;
	memcpy(buf, u->ring + u->head, first);
	memcpy(buf + first, u->ring, n - first);
	u->head = (u->head + n) % RING_BYTES;
	u->n -= n;
	return n;
}

static int at_end(struct request *r, struct err *e)
{
	struct upload *u = r->upload;
	int rc;

	if (!utf8_stream_complete(&u->utf8))
		return err_set(e, ERR_BAD_REQUEST, "graph-batch request body must be valid UTF-8");
	if (u->has_permit)
		return 0;
	rc = admission_acquire(r->srv->admission, r->actor, u->total, e);
	u->has_permit = !rc;
	u->admitted = u->total;
	return rc;
}

static long read_body(void *arg, void *buf, size_t n, struct err *e)
{
	struct request *r = arg;
	struct upload *u = r->upload;
	bool broken, too_big;
	size_t got;

	pthread_mutex_lock(&u->lock);
	while (!u->n && !u->eof && !u->gone && !u->too_large)
		pthread_cond_wait(&u->data, &u->lock);
	broken = u->gone;
	too_big = u->too_large;
	got = broken || too_big ? 0 : take(u, buf, n);
	if (got && u->n <= RING_BYTES / 2)
		wake(r);
	pthread_mutex_unlock(&u->lock);
	if (too_big)
		return too_large(e, r->srv->limits.load_body_max, u->total);
	if (broken)
		return err_set(e, ERR_IO, "the client closed the connection before the end of the body");
	if (!got)
		return at_end(r, e);
	if (!utf8_stream_feed(&u->utf8, buf, got))
		return err_set(e, ERR_BAD_REQUEST, "graph-batch request body must be valid UTF-8");
	return (long)got;
}

static int run_load(struct request *r)
{
	struct upload *u = r->upload;
	struct load_opts opts = { .write = { .branch = u->load.branch, .actor = r->actor },
				  .from = u->load.from,
				  .mode = u->load.mode,
				  .shape = LOAD_STRICT };
	struct load_result res = { 0 };
	int rc = graph_load(r->graph->graph, &opts, read_body, r, &res, &r->err);

	if (u->has_permit)
		admit_end(r, u->admitted);
	if (!rc)
		load_put_result(r, &u->load, &res, false);
	load_result_clear(&res);
	return rc;
}

static void ndjson_job(void *arg)
{
	struct request *r = arg;
	struct upload *u = r->upload;
	bool gone;
	int rc = decide(r);

	if (!rc) {
		u->ring = mem_alloc(RING_BYTES);
		pthread_mutex_lock(&u->lock);
		u->accepted = true;
		wake(r);
		pthread_mutex_unlock(&u->lock);
		rc = run_load(r);
	}
	pthread_mutex_lock(&u->lock);
	gone = u->gone;
	if (!gone && !u->too_large)
		request_answer(r, rc);
	u->finished = true;
	wake(r);
	pthread_mutex_unlock(&u->lock);
	if (gone) {
		upload_free(u);
		r->upload = NULL;
		request_put(r);
	}
}

/* --- the event loop ---------------------------------------------------------------------------------------------- */

/* Until the worker has room or an answer. u->lock is held, or no worker is there yet. */
static enum http_next pause_upload(struct request *r)
{
	r->upload->paused = true;
	http_pause(r->x);
	return HTTP_PAUSED;
}

enum http_next ndjson_headers(struct request *r)
{
	struct upload *u = r->upload;
	enum http_next next;

	if (!u->started) {
		u->started = true;
		pause_upload(r);
		if (!thread_pool_submit(r->srv->streams, ndjson_job, r)) {
			request_answer(r, request_fail(r, 500, "internal",
						       "the server has too many requests waiting; try again"));
			u->finished = true;
			u->paused = false;
			http_wake(r->x);
		}
		return HTTP_PAUSED;
	}
	pthread_mutex_lock(&u->lock);
	next = u->finished && !u->accepted ? HTTP_REPLY : HTTP_GO_ON;
	pthread_mutex_unlock(&u->lock);
	if (next == HTTP_REPLY)
		r->x->reply.close = true; /* at once: no body byte is read */
	return next;
}

static size_t put(struct upload *u, const char *data, size_t n)
{
	size_t at = (u->head + u->n) % RING_BYTES, first = RING_BYTES - at;

	if (n > RING_BYTES - u->n)
		n = RING_BYTES - u->n;
	if (first > n)
		first = n;
	memcpy(u->ring + at, data, first);
	memcpy(u->ring, data + first, n - first);
	u->n += n;
	return n;
}

/* The reply is made without touching what the worker may be using. */
static void refuse_size(struct request *r, uint64_t limit)
{
	struct upload *u = r->upload;

	sb_addf(&u->refusal,
		"{\"error\":\"graph-batch request body exceeds %llu bytes\",\"code\":\"bad_request\","
		"\"resource_limit\":{\"resource\":\"graph_batch_request_bytes\",\"limit\":%llu,\"actual\":%llu}}",
		(unsigned long long)limit, (unsigned long long)limit, (unsigned long long)u->total);
	r->x->reply = (struct http_reply){
		.status = 413, .content_type = "application/json", .body = sb_str(&u->refusal), .close = true
	};
}

enum http_next ndjson_body(struct request *r, const char *data, size_t n, size_t *used)
{
	uint64_t limit = r->srv->limits.load_body_max;
	struct upload *u = r->upload;
	enum http_next next = HTTP_GO_ON;

	pthread_mutex_lock(&u->lock);
	if (n > limit - u->total) {
		u->total += n;
		u->too_large = true;
		refuse_size(r, limit);
		next = HTTP_REPLY;
	} else if (u->finished) {
		*used = n; /* refused already: the rest is read and dropped */
		u->total += n;
	} else {
		*used = put(u, data, n);
		u->total += *used;
		if (*used < n)
			next = pause_upload(r);
	}
	pthread_cond_signal(&u->data);
	pthread_mutex_unlock(&u->lock);
	return next;
}

enum http_next ndjson_end(struct request *r)
{
	struct upload *u = r->upload;
	enum http_next next = HTTP_REPLY;

	pthread_mutex_lock(&u->lock);
	u->eof = true;
	if (!u->finished)
		next = pause_upload(r);
	pthread_cond_signal(&u->data);
	pthread_mutex_unlock(&u->lock);
	return next;
}

bool ndjson_done(struct request *r)
{
	struct upload *u = r->upload;
	bool busy;

	pthread_mutex_lock(&u->lock);
	busy = u->started && !u->finished;
	u->gone = true;
	if (busy)
		r->x = NULL;
	pthread_cond_signal(&u->data);
	pthread_mutex_unlock(&u->lock);
	if (busy)
		return true;
	upload_free(u);
	r->upload = NULL;
	return false;
}
