/* SPDX-License-Identifier: MIT */
/*
 * /export and /changes/baseline (spec/server.md 8.7, 8.24): a worker produces, the event loop sends, two chunks lie between them.
 *
 * The stream has two owners, the producer and the reply; the last one frees it and gives the reservation back. A client that
 * stops reading fills the queue and so stops the producer; one that goes away makes its next write fail.
 */
#include <pthread.h>

#include <omnigraph/changes.h>

#include "net/body.h"
#include "net/change_words.h"
#include "net/export_budget.h"

enum { F_BRANCH, F_TYPES, F_EXPORT_COUNT, F_KINDS = F_EXPORT_COUNT, F_OPS, F_BASELINE_COUNT };

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
	struct change_baseline baseline; /* of an export: the snapshot alone */
	struct change_filter filter;
	const char **types; /* of the filter */
};

static void stream_put(struct export_stream *s)
{
	if (!ref_put(&s->ref))
		return;
	export_release(s->srv->exports);
	revision_put(s->rev);
	for (unsigned i = 0; i < EXPORT_QUEUE; i++)
		free(s->queue[i]);
	for (size_t i = 0; i < s->filter.n_types; i++)
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

/* The last line says that all before it is there (spec/engine.md 13.8). */
static int write_handshake(struct export_stream *s, struct err *e)
{
	struct strbuf line = STRBUF_INIT;
	int rc;

	baseline_handshake(&s->baseline, &line);
	sb_addch(&line, '\n');
	rc = stream_write(s, line.s, line.n, e);
	sb_free(&line);
	return rc;
}

static void produce(struct export_stream *s)
{
	struct logger *logger = s->srv->logger;
	struct err e = ERR_INIT;
	int rc = baseline_stream(&s->baseline, &s->filter, stream_write, s, &e);

	if (!rc && s->baseline.cursor)
		rc = write_handshake(s, &e);
	baseline_clear(&s->baseline);
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

/* Takes over @b. */
static struct export_stream *stream_new(struct request *r, struct change_baseline *b, const struct change_filter *f)
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
	s->baseline = *b;
	s->types = mem_calloc(f->n_types + 1, sizeof(*s->types));
	for (size_t i = 0; i < f->n_types; i++)
		s->types[i] = mem_strdup(f->types[i]);
	s->filter = *f;
	s->filter.types = s->types;
	return s;
}

static void take_types(struct request *r, const struct json *names, struct change_filter *f)
{
	const char **types = arena_array(&r->arena, const char *, names ? names->n : 0);

	for (size_t i = 0; names && i < names->n; i++)
		types[i] = arena_str(&r->arena, names->items[i].text).s;
	f->types = types;
	f->n_types = names ? names->n : 0;
}

/* The captured head; with its cursor when @cursor. */
static int capture(struct request *r, const char *branch, const struct change_filter *f, bool cursor,
		   struct change_baseline *out)
{
	int rc;

	*out = (struct change_baseline){ 0 };
	if (cursor)
		return graph_baseline(r->graph->graph, branch, f, out, &r->err);
	rc = graph_snapshot(r->graph->graph, branch, NULL, &out->snapshot, &r->err);
	return rc ? rc : export_check_types(out->snapshot, f->types, f->n_types, &r->err);
}

/* All refusals come before the status line. */
static int open_stream(struct request *r, const struct field *f, const struct change_filter *filter, bool cursor,
		       struct export_stream **out)
{
	struct change_baseline b = { 0 };
	const char *branch;
	int rc = branch_field(r, &f[F_BRANCH], "main", &branch);

	if (!rc)
		rc = authorize(r, "export", branch, NULL);
	if (!rc)
		rc = capture(r, branch, filter, cursor, &b);
	if (!rc)
		rc = export_reserve(r->srv->exports, &r->err);
	if (rc) {
		baseline_clear(&b);
		return rc;
	}
	*out = stream_new(r, &b, filter);
	return 0;
}

static int run_stream(struct request *r, struct export_stream *s)
{
	r->export = s;
	r->x->reply.status = 200;
	r->x->reply.content_type = "application/x-ndjson; charset=utf-8";
	r->x->reply.stream = &export_http_stream;
	request_finish(r, 0); /* the request is the event loop's from here on */
	produce(s);
	return 1;
}

int route_export(struct request *r)
{
	static const struct body_rules rules = {
		.syntax = "Failed to parse the request body as JSON: ",
		.shape = "Failed to deserialize the JSON body into the target type: ",
		.shape_status = 400,
		.strict = true,
	};
	struct field f[F_EXPORT_COUNT] = {
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_TYPES] = { .name = "type_names", .type = FIELD_STRINGS },
	};
	struct change_filter filter = { 0 };
	struct export_stream *s = NULL;
	int rc = body_decode(r, f, F_EXPORT_COUNT, &rules);

	if (rc)
		return rc;
	take_types(r, f[F_TYPES].value, &filter);
	rc = open_stream(r, f, &filter, false, &s);
	return rc ? rc : run_stream(r, s);
}

/* A list of words as a repeated parameter has it. */
static struct query_list words_of(struct request *r, const char *name, const struct json *list)
{
	struct query_list l = { .name = name, .n = list ? list->n : 0 };

	l.values = arena_array(&r->arena, struct str, l.n);
	for (size_t i = 0; i < l.n; i++)
		l.values[i] = list->items[i].text;
	return l;
}

int route_baseline(struct request *r)
{
	struct field f[F_BASELINE_COUNT] = {
		[F_BRANCH] = { .name = "branch", .type = FIELD_STRING },
		[F_TYPES] = { .name = "type", .type = FIELD_STRINGS },
		[F_KINDS] = { .name = "kind", .type = FIELD_STRINGS },
		[F_OPS] = { .name = "op", .type = FIELD_STRINGS },
	};
	struct change_filter filter = { 0 };
	struct export_stream *s = NULL;
	struct query_list kinds, ops;
	int rc = body_decode(r, f, F_BASELINE_COUNT, NULL);

	if (rc)
		return rc;
	kinds = words_of(r, "kind", f[F_KINDS].value);
	ops = words_of(r, "op", f[F_OPS].value);
	take_types(r, f[F_TYPES].value, &filter);
	rc = change_kinds(&kinds, &filter.kinds, &r->err);
	if (!rc)
		rc = change_ops(&ops, &filter.ops, &r->err);
	if (!rc)
		rc = open_stream(r, f, &filter, true, &s);
	return rc ? redact_changes(r, rc) : run_stream(r, s);
}
