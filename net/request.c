/* SPDX-License-Identifier: MIT */
/* The pipeline of spec/server.md 4.1 around the operations, and the life of a request. */
#include <inttypes.h>

#include <omnigraph/blob.h>

#include "net/body.h"
#include "net/server.h"

#define SPARE_MAX 32
#define SPARE_BUFFER (64u << 10)

/* --- life --------------------------------------------------------------------------------------------- */

static struct request *request_get(struct server *s)
{
	struct request *r;

	pthread_mutex_lock(&s->spare_lock);
	r = s->spare;
	if (r) {
		s->spare = r->next_spare;
		s->n_spare--;
	}
	pthread_mutex_unlock(&s->spare_lock);
	if (!r)
		r = mem_zalloc(sizeof(*r));
	r->srv = s;
	r->rev = server_revision(s);
	return r;
}

static void request_free(struct request *r)
{
	arena_free(&r->arena);
	sb_free(&r->body);
	sb_free(&r->out);
	free(r);
}

/* Everything but the memory that is worth keeping. */
static void request_reset(struct request *r)
{
	struct arena arena = r->arena;
	struct strbuf body = r->body, out = r->out;
	struct server *srv = r->srv;

	err_clear(&r->err);
	blob_close(r->blob);
	memset(r, 0, sizeof(*r));
	if (arena.total > SPARE_BUFFER)
		arena_free(&arena);
	else
		arena_reset(&arena);
	if (body.cap > SPARE_BUFFER)
		sb_free(&body);
	if (out.cap > SPARE_BUFFER)
		sb_free(&out);
	sb_reset(&body);
	sb_reset(&out);
	r->arena = arena;
	r->body = body;
	r->out = out;
	r->srv = srv;
}

void request_put(struct request *r)
{
	struct server *s = r->srv;
	bool kept = false;

	revision_put(r->rev);
	request_reset(r);
	pthread_mutex_lock(&s->spare_lock);
	if (s->n_spare < SPARE_MAX) {
		r->next_spare = s->spare;
		s->spare = r;
		s->n_spare++;
		kept = true;
	}
	pthread_mutex_unlock(&s->spare_lock);
	if (!kept)
		request_free(r);
}

void server_free_spare(struct server *s)
{
	while (s->spare) {
		struct request *r = s->spare;

		s->spare = r->next_spare;
		request_free(r);
	}
	s->n_spare = 0;
}

/* --- answers ------------------------------------------------------------------------------------------- */

static void log_fault(const struct request *r, unsigned status)
{
	if (status >= 500)
		log_kv(r->srv->logger, LOG_ERROR, "omnigraph::request", "request failed", "operation",
		       operation_name(r->match.op), "graph", r->graph ? r->graph->id : "", "error", err_msg(&r->err),
		       NULL);
}

void request_answer(struct request *r, int rc)
{
	struct http_reply *reply = &r->x->reply;

	if (reply->stream)
		return;
	reply->status = rc ? error_reply(r) : r->status ? r->status : 200;
	reply->content_type = "application/json";
	reply->body = sb_str(&r->out);
	if (!rc && (r->answer_type || r->answer_empty || reply->status == 304)) {
		reply->content_type = r->answer_type;
		reply->body = r->answer;
	}
	if (rc) {
		reply->n_headers = 0;
		log_fault(r, reply->status);
	}
	if (reply->status == 429)
		http_reply_header(r->x, "Retry-After", "60");
	if (reply->status == 405)
		http_reply_header(r->x, "Allow", r->match.allow);
}

void request_finish(struct request *r, int rc)
{
	request_answer(r, rc);
	r->job_done = true;
	http_wake(r->x);
}

static enum http_next answer_now(struct request *r, int rc)
{
	request_answer(r, rc);
	return HTTP_REPLY;
}

/* --- stages 1 to 6, before the body ---------------------------------------------------------------------- */

static int resolve_graph(struct request *r)
{
	struct str id = r->match.graph;
	int rc;

	if (!r->match.has_graph)
		return 0;
	rc = graph_id_check(id, &r->err);
	if (rc)
		return rc;
	r->graph = revision_graph(r->rev, id);
	if (!r->graph)
		return err_set(&r->err, ERR_NOT_FOUND, "graph '%.*s' not found", STR_ARG(id));
	if (log_enabled(r->srv->logger, LOG_INFO, "omnigraph::request"))
		log_kv(r->srv->logger, LOG_INFO, "omnigraph::request", "graph routed", "graph_id", r->graph->id, NULL);
	return 0;
}

static int pick_operation(struct request *r)
{
	if (!r->match.method_ok)
		return request_fail(r, 405, "method_not_allowed", "method '%.*s' is not allowed here; allowed: %s",
				    STR_ARG(r->x->method), r->match.allow);
	r->ops = &operations[r->match.op];
	return 0;
}

static int decode_capture(struct request *r)
{
	if (!r->match.capture.n)
		return 0;
	return path_segment_decode(&r->arena, r->match.capture, &r->capture, &r->err);
}

static uint64_t body_limit(const struct request *r)
{
	return r->ops->load_limit ? r->srv->limits.load_body_max : r->srv->limits.body_max;
}

static int too_large(struct request *r)
{
	return request_fail(r, 413, "bad_request", "%sFailed to buffer the request body: length limit exceeded",
			    r->ops->refusal_prefix ? r->ops->refusal_prefix : "");
}

static int check_body_header(struct request *r)
{
	struct str type;

	if (r->ops->body == BODY_JSON && (!http_header(r->x, "Content-Type", &type) || !content_type_is_json(type)))
		return request_fail(r, 415, "bad_request", "%sExpected request with `Content-Type: application/json`",
				    r->ops->refusal_prefix ? r->ops->refusal_prefix : "");
	if ((r->ops->body == BODY_JSON || r->ops->body == BODY_ANY) && r->x->content_length != HTTP_LENGTH_UNKNOWN &&
	    r->x->content_length > body_limit(r))
		return too_large(r);
	return 0;
}

static int before_body(struct request *r)
{
	int rc;

	route_match(r->x->path, r->x->method, &r->match);
	if (!r->match.found)
		return err_set(&r->err, ERR_NOT_FOUND, "no route for path '%.*s'", STR_ARG(r->x->path));
	rc = r->match.public ? 0 : authenticate(r);
	if (!rc)
		rc = resolve_graph(r);
	if (!rc)
		rc = pick_operation(r);
	if (!rc)
		rc = decode_capture(r);
	if (!rc && r->ops->check)
		rc = r->ops->check(r);
	return rc ? rc : check_body_header(r);
}

/* --- the callbacks of http.h ------------------------------------------------------------------------------ */

static enum http_next on_headers(void *app, struct http_exchange *x)
{
	struct request *r = x->user;
	int rc;

	if (r) /* a streamed body, back from its worker */
		return ndjson_headers(r);
	r = request_get(app);
	r->x = x;
	x->user = r;
	rc = before_body(r);
	if (rc)
		return answer_now(r, rc);
	return r->ops->body == BODY_STREAM ? ndjson_headers(r) : HTTP_GO_ON;
}

static enum http_next on_body(void *app, struct http_exchange *x, const char *data, size_t n, size_t *used)
{
	struct request *r = x->user;

	if (r->ops->body == BODY_STREAM)
		return ndjson_body(r, data, n, used);
	*used = n;
	if (r->ops->body == BODY_NONE) { /* ignored, but not without end */
		r->ignored += n;
		return r->ignored > body_limit(r) ? answer_now(r, too_large(r)) : HTTP_GO_ON;
	}
	if (n > body_limit(r) - r->body.n)
		return answer_now(r, too_large(r));
	if (!r->body.n && r->x->content_length != HTTP_LENGTH_UNKNOWN)
		sb_grow(&r->body, r->x->content_length); /* within the limit, checked before */
	sb_add(&r->body, data, n);
	return HTTP_GO_ON;
}

static void run_job(void *arg)
{
	struct request *r = arg;
	int rc = r->ops->run(r);

	/* a stream's producer has finished the request itself, and it may be gone */
	if (rc <= 0)
		request_finish(r, rc);
}

static enum http_next on_end(void *app, struct http_exchange *x)
{
	struct request *r = x->user;

	if (r->ops->body == BODY_STREAM)
		return ndjson_end(r);
	if (r->job_done)
		return HTTP_REPLY;
	if (r->ops->on_loop && r->ops->on_loop(r))
		return answer_now(r, r->ops->run(r));
	http_pause(x);
	if (thread_pool_submit(r->ops->long_answer ? r->srv->streams : r->srv->workers, run_job, r))
		return HTTP_PAUSED;
	request_finish(r, request_fail(r, 500, "internal", "the server has too many requests waiting; try again"));
	return HTTP_PAUSED;
}

static void on_done(void *app, struct http_exchange *x, bool sent)
{
	struct request *r = x->user;

	x->user = NULL;
	if (!r)
		return;
	if (r->export)
		export_done(r);
	if (r->upload && ndjson_done(r))
		return; /* its worker is still at it and frees the request */
	request_put(r);
}

const struct http_app server_app = { on_headers, on_body, on_end, on_done };
