/* SPDX-License-Identifier: MIT */
/*
 * server.h - what the parts of the server share: the server, a served graph, a request.
 *
 * A server is built by boot.c and constant afterwards, apart from what is marked. What it serves is a revision. A request belongs to one thread at a
 * time: the event loop until it is handed to a worker, the worker until it wakes the exchange.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <semaphore.h>

#include <omnigraph/graph.h>
#include <omnigraph/json.h>
#include <omnigraph/log.h>
#include <omnigraph/mem.h>
#include <omnigraph/query.h>
#include <omnigraph/thread.h>
#include <omnigraph/tokens.h>

#include "net/admission.h"
#include "net/http.h"
#include "net/query_string.h"
#include "net/revision.h"
#include "net/router.h"

struct blob;
struct policy_engine;
struct export_budget;
struct upload;

struct server_limits {
	uint64_t body_max, load_body_max;
	uint32_t actor_inflight_max;
	uint64_t actor_bytes_max;
};

struct server {
	struct logger *logger;
	struct token_set *tokens;
	struct server_limits limits;
	struct admission *admission;
	struct export_budget *exports;
	struct thread_pool *workers; /* requests */
	struct thread_pool *streams; /* long ones: exports and streamed loads */
	struct openapi *openapi;     /* NULL when compiled out */
	/* changing: requests kept for reuse */
	pthread_mutex_t spare_lock;
	struct request *spare;
	unsigned n_spare;
	/* changing: what is served, and what was and has no user any more */
	pthread_mutex_t revision_lock;
	struct revision *revision, *idle;
	sem_t *wake; /* of the control loop, NULL before it runs; constant while requests run */
};

enum body_kind { BODY_NONE, BODY_JSON, BODY_ANY, BODY_STREAM };

struct request {
	struct server *srv;
	struct revision *rev; /* current when the request began; it holds a reference */
	struct http_exchange *x;
	struct route_match match;
	const struct operation_ops *ops;
	struct served_graph *graph; /* NULL for routes outside a graph */
	const char *actor;	    /* NULL: none */
	struct str capture;	    /* decoded */
	struct arena arena;
	struct strbuf body; /* as received */
	uint64_t ignored;   /* bytes of a body that nothing asked for */
	struct strbuf out;  /* the answer */
	/* instead of out: bytes of another type, from where they lie; or none */
	const char *answer_type;
	struct str answer;
	bool answer_empty;
	struct blob *blob; /* what answer points into */
	struct err err;
	unsigned status;	      /* of the answer; 0: 200, or what err says */
	const char *code;	      /* wire code when status overrides err */
	bool job_done;		      /* a worker has finished */
	struct export_stream *export; /* the answer is a stream */
	struct upload *upload;	      /* the body is a stream */
	struct request *next_spare;
};

/*
 * One operation. check: stage 5 and what else can refuse before the body (loop thread; no engine calls). run: everything from
 * the body on; fills out and returns 0, or err and a negative result, or 1 when it has called request_finish itself. Runs on a
 * worker unless @on_loop says otherwise.
 */
struct operation_ops {
	enum body_kind body;
	bool load_limit;	    /* body limit of loads */
	bool long_answer;	    /* runs on a thread of the streams */
	const char *refusal_prefix; /* put in front of every body error (export), or NULL */
	int (*check)(struct request *r);
	int (*run)(struct request *r);
	bool (*on_loop)(const struct request *r); /* NULL: never */
};

extern const struct operation_ops operations[OP_COUNT];
extern const struct http_app server_app;

/* Refuse with a status that the error table does not give. Returns a negative value. */
int request_fail(struct request *r, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Fill the reply from out (@rc 0) or err. */
void request_answer(struct request *r, int rc);
/* Done by a worker: the event loop takes over; the request is not the worker's any more. */
void request_finish(struct request *r, int rc);
void request_put(struct request *r);

/* Requests kept for reuse. */
void server_free_spare(struct server *s);

/* --- the pieces (one file each) ---------------------------------------------------------------------- */

int authenticate(struct request *r);
/* Stage 8: 0, or err filled (403, or 500 "policy: ..."). @branch and @target may be NULL. */
int authorize(struct request *r, const char *action, const char *branch, const char *target);
/* Stage 10 for one call; the permit is given back with admit_end (0 bytes too). */
int admit(struct request *r, uint64_t bytes);
void admit_end(struct request *r, uint64_t bytes);

/* Fill r->out with the error body for r->err / r->status; returns the HTTP status. */
unsigned error_reply(struct request *r);

/* route_health.c */
int route_health(struct request *r);
int route_openapi(struct request *r);
int route_list_graphs(struct request *r);
/* route_query.c */
int route_query(struct request *r);
int route_read(struct request *r);
/* route_mutate.c */
int route_mutate(struct request *r);
int route_change(struct request *r);
int route_mutate_if(struct request *r);
/* route_stored.c */
int route_list_queries(struct request *r);
int check_invoke(struct request *r);
int check_invoke_if(struct request *r);
int route_invoke(struct request *r);
int route_invoke_if(struct request *r);
bool invoke_on_loop(const struct request *r);
/* route_schema.c */
int route_get_schema(struct request *r);
int route_apply_schema(struct request *r);
/* route_snapshot.c */
int check_branch_param(struct request *r);
int route_snapshot(struct request *r);
int route_list_commits(struct request *r);
int route_get_commit(struct request *r);
/* route_branch.c */
int route_list_branches(struct request *r);
int route_create_branch(struct request *r);
int route_delete_branch(struct request *r);
int route_merge_branches(struct request *r);
/* route_load.c */
int route_load(struct request *r);
int route_ingest(struct request *r);
/* route_ndjson.c: the body is streamed into the engine */
int check_ndjson(struct request *r);
enum http_next ndjson_headers(struct request *r);
enum http_next ndjson_body(struct request *r, const char *data, size_t n, size_t *used);
enum http_next ndjson_end(struct request *r);
/* The exchange is over. True: the worker still has the request and will free it. */
bool ndjson_done(struct request *r);
/* route_export.c */
int route_export(struct request *r);
int route_baseline(struct request *r);
void export_done(struct request *r);
extern const struct http_stream export_http_stream;
/* route_changes.c */
int check_commit_changes(struct request *r);
int route_commit_changes(struct request *r);
int check_poll_changes(struct request *r);
int route_poll_changes(struct request *r);
int redact_changes(struct request *r, int rc);
/* route_blob.c */
int check_blob(struct request *r);
int route_blob(struct request *r);

#endif
