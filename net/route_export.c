/* SPDX-License-Identifier: MIT */
/*
 * /export (spec/server.md 8.7): a worker produces, the event loop sends, two chunks lie between them.
 *
 * The stream has two owners, the producer and the reply; the last one frees it and gives the reservation back. A client that
 * stops reading fills the queue and so stops the producer; one that goes away makes its next write fail.
 */
#include <pthread.h>

#include "net/body.h"
#include "net/export_budget.h"

enum { F_BRANCH, F_TYPES, F_COUNT };

struct chunk {
	size_t n, sent;
	char data[EXPORT_CHUNK];
};

struct export_stream {
	pthread_mutex_t lock;
	pthread_cond_t room;
	struct refcount ref;
	struct server *srv;
	struct revision *rev; /* a reference: the producer may outlive the request */
	struct http_exchange *x;
	struct chunk *queue[EXPORT_QUEUE]; /* n_full from head */
	unsigned head, n_full;
	bool gone; /* the reply is over */
	bool ended, failed;
	bool waiting; /* the connection is paused for data */
	/* the producer's */
	struct snapshot *snapshot;
	const char **types;
	size_t n_types;
};

static void stream_put(struct export_stream *s)
{
	if (!ref_put(&s->ref))
		return;
	export_release(s->srv->exports);
	revision_put(s->rev);
	for (unsigned i = 0; i < EXPORT_QUEUE; i++)
		free(s->queue[i]);
	for (size_t i = 0; i < s->n_types; i++)
		free((char *)(uintptr_t)s->types[i]);
	free(s->types);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- the reply's side ------------------------------------------------------------------------------------- */

static long stream_read(struct http_exchange *x, char *buf, size_t max)
{
	struct request *r = x->user;
	struct export_stream *s = r->export;
	struct chunk *c;
	long n;

	pthread_mutex_lock(&s->lock);
	if (s->n_full) {
		c = s->queue[s->head];
		if (max > c->n - c->sent)
			max = c->n - c->sent;
		memcpy(buf, c->data + c->sent, max);
		c->sent += max;
		n = (long)max;
		if (c->sent == c->n) {
			s->head = (s->head + 1) % EXPORT_QUEUE;
			s->n_full--;
			pthread_cond_signal(&s->room);
		}
	} else if (s->failed) {
		n = HTTP_STREAM_BREAK;
	} else if (s->ended) {
		n = HTTP_STREAM_END;
	} else {
		s->waiting = true;
		http_pause(x);
		n = HTTP_STREAM_WAIT;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

const struct http_stream export_http_stream = { stream_read };

void export_done(struct request *r)
{
	struct export_stream *s = r->export;

	r->export = NULL;
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	pthread_cond_signal(&s->room);
	pthread_mutex_unlock(&s->lock);
	stream_put(s);
}

/* --- the producer's side ------------------------------------------------------------------------------------ */

/* With the lock held. */
static void wake(struct export_stream *s)
{
	if (s->waiting && !s->gone)
		http_wake(s->x);
	s->waiting = false;
}

static int stream_write(void *arg, const void *data, size_t n, struct err *e)
{
	struct export_stream *s = arg;
	const char *p = data;
	bool gone = false;

	while (n && !gone) {
		size_t part = n < EXPORT_CHUNK ? n : EXPORT_CHUNK;
		struct chunk *c;

		pthread_mutex_lock(&s->lock);
		while (s->n_full == EXPORT_QUEUE && !s->gone)
			pthread_cond_wait(&s->room, &s->lock);
		gone = s->gone;
		if (!gone) {
			unsigned at = (s->head + s->n_full) % EXPORT_QUEUE;

			if (!s->queue[at])
				s->queue[at] = mem_alloc(sizeof(*c));
			c = s->queue[at];
			memcpy(c->data, p, part);
			c->n = part;
			c->sent = 0;
			s->n_full++;
			wake(s);
		}
		pthread_mutex_unlock(&s->lock);
		p += part;
		n -= part;
	}
	return gone ? err_set(e, ERR_IO, "the client closed the connection") : 0;
}

static void produce(struct export_stream *s)
{
	struct logger *logger = s->srv->logger;
	struct err e = ERR_INIT;
	int rc = graph_export(s->snapshot, s->types, s->n_types, stream_write, s, &e);

	snapshot_put(s->snapshot);
	pthread_mutex_lock(&s->lock);
	if (rc && !s->gone)
		log_kv(logger, LOG_ERROR, "omnigraph::request", "export broken off", "error", err_msg(&e), NULL);
	s->failed = rc != 0;
	s->ended = true;
	wake(s);
	pthread_mutex_unlock(&s->lock);
	err_clear(&e);
	stream_put(s);
}

/* --- the request -------------------------------------------------------------------------------------------- */

static struct export_stream *stream_new(struct request *r, struct snapshot *snap, const struct json *types)
{
	struct export_stream *s = mem_zalloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	ref_init(&s->ref);
	ref_get(&s->ref);
	s->srv = r->srv;
	s->rev = r->rev;
	ref_get(&s->rev->ref);
	s->x = r->x;
	s->snapshot = snap;
	s->n_types = types ? types->n : 0;
	s->types = mem_calloc(s->n_types + 1, sizeof(*s->types));
	for (size_t i = 0; i < s->n_types; i++)
		s->types[i] = str_dup(types->items[i].text);
	return s;
}

static int check_types(struct request *r, const struct snapshot *snap, const struct json *types)
{
	int rc = 0;

	for (size_t i = 0; types && i < types->n && !rc; i++) {
		const char *name = arena_str(&r->arena, types->items[i].text).s;

		rc = export_check_types(snap, &name, 1, &r->err);
	}
	return rc;
}

static int open_stream(struct request *r, struct field *f, struct export_stream **out)
{
	const struct json *types = f[F_TYPES].value;
	struct snapshot *snap;
	const char *branch;
	int rc = branch_field(r, &f[F_BRANCH], "main", &branch);

	if (!rc)
		rc = authorize(r, "export", branch, NULL);
	if (!rc)
		rc = graph_snapshot(r->graph->graph, branch, NULL, &snap, &r->err);
	if (rc)
		return rc;
	rc = check_types(r, snap, types);
	if (!rc)
		rc = export_reserve(r->srv->exports, &r->err);
	if (rc) {
		snapshot_put(snap);
		return rc;
	}
	*out = stream_new(r, snap, types);
	return 0;
}

int route_export(struct request *r)
{
	static const struct body_rules rules = {
		.syntax = "Failed to parse the request body as JSON: ",
		.shape = "Failed to deserialize the JSON body into the target type: ",
		.shape_status = 400,
		.strict = true,
	};
	struct field f[F_COUNT] = {
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_TYPES] = { .name = "type_names", .type = FIELD_STRINGS },
	};
	struct export_stream *s = NULL;
	int rc = body_decode(r, f, F_COUNT, &rules);

	if (!rc)
		rc = open_stream(r, f, &s);
	if (rc)
		return rc;
	r->export = s;
	r->x->reply.status = 200;
	r->x->reply.content_type = "application/x-ndjson; charset=utf-8";
	r->x->reply.stream = &export_http_stream;
	request_finish(r, 0); /* the request is the event loop's from here on */
	produce(s);
	return 1;
}
