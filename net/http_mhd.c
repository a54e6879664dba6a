/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include <omnigraph/mem.h>
#include <omnigraph/thread.h>
#include <omnigraph/util.h>

#include "net/guard.h"
#include "net/http.h"
#include "net/http_reaper.h"

#define LOOP_STACK (512u << 10) /* stored point queries run here */
#define STREAM_BLOCK (16u << 10)
#define DISCARD_MAX (64u << 10) /* a refused body up to this size is read, so that the connection lives on */

enum phase {
	PHASE_START,   /* nothing but the request line was seen */
	PHASE_HEADERS, /* the application looks at the header */
	PHASE_BODY,
	PHASE_DISCARD, /* refused: the rest of the body is thrown away, then the reply goes out */
	PHASE_REPLY,   /* the reply is ready and can be queued in the final call */
	PHASE_SENDING
};

struct conn {
	struct http_exchange x; /* first: http_exchange and conn are one address */
	struct http_server *srv;
	struct MHD_Connection *mc;
	struct watch watch;
	enum phase phase;
	bool app_open; /* the application knows of the exchange */
	bool linger;
	struct strbuf target;
	const char *target_at; /* where it lay in the receive buffer */
	struct strbuf refusal;
};

struct http_server {
	struct MHD_Daemon *daemon;
	struct reaper *reaper;
	struct http_options o;
	struct http_app app;
	void *cls;
	_Atomic bool draining;
	_Atomic uint64_t n_exchanges;
	pthread_mutex_t lock;
	pthread_cond_t quiet;
};

static struct conn *conn_of(const struct http_exchange *x)
{
	return (struct conn *)(uintptr_t)x;
}

/* --- headers ------------------------------------------------------------------------------------- */

struct lookup {
	struct str name;
	unsigned n;
	struct str *first;
};

static enum MHD_Result on_lookup(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n, const char *value,
				 size_t value_n)
{
	struct lookup *l = cls;

	if (key_n == l->name.n && !strncasecmp(key, l->name.s, key_n) && !l->n++ && l->first)
		*l->first = (struct str){ value ? value : "", value_n };
	return MHD_YES;
}

unsigned http_header(const struct http_exchange *x, const char *name, struct str *first)
{
	struct lookup l = { .name = str_from(name), .first = first };

	if (first)
		*first = (struct str){ "", 0 };
	MHD_get_connection_values_n(conn_of(x)->mc, MHD_HEADER_KIND, on_lookup, &l);
	return l.n;
}

struct collected {
	struct guard_header headers[GUARD_HEADERS_MAX];
	size_t n;
	bool too_many;
};

static enum MHD_Result on_collect(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_n, const char *value,
				  size_t value_n)
{
	struct collected *c = cls;

	if (c->n == GUARD_HEADERS_MAX) {
		c->too_many = true;
		return MHD_NO;
	}
	c->headers[c->n++] =
		(struct guard_header){ { key, key_n }, { value ? value : key + key_n, value ? value_n : 0 } };
	return MHD_YES;
}

/* Header slices lie in the receive buffer in these versions; later ones check for themselves. */
static bool slices_in_place(void)
{
	static const char *const known = "0.9.75";

	return !strncmp(MHD_get_version(), known, strlen(known));
}

static const char *check_header(struct conn *c, const char *method, const char *version)
{
	const union MHD_ConnectionInfo *size;
	struct collected col;
	struct guard_input in;

	col.n = 0;
	col.too_many = false;
	MHD_get_connection_values_n(c->mc, MHD_HEADER_KIND, on_collect, &col);
	if (col.too_many)
		return "there are too many headers";
	size = MHD_get_connection_info(c->mc, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	in = (struct guard_input){ .method = str_from(method),
				   .target = sb_str(&c->target),
				   .target_at = c->target_at,
				   .version = str_from(version),
				   .headers = col.headers,
				   .n = col.n,
				   .in_place = size && slices_in_place() };
	if (in.in_place)
		in.end = method + size->header_size;
	return guard_check(&in);
}

static void fill_exchange(struct conn *c, const char *method)
{
	struct str target = sb_str(&c->target), v;
	const char *q = target.n ? memchr(target.s, '?', target.n) : NULL;
	struct http_exchange *x = &c->x;

	x->method = str_from(method);
	x->path = q ? (struct str){ target.s, (size_t)(q - target.s) } : target;
	x->query = q ? (struct str){ q + 1, (size_t)(target.s + target.n - q - 1) } : (struct str){ "", 0 };
	if (http_header(x, "Transfer-Encoding", NULL))
		x->content_length = HTTP_LENGTH_UNKNOWN;
	else if (!http_header(x, "Content-Length", &v) || !str_to_u64(str_trim_ascii(v), &x->content_length))
		x->content_length = 0;
	x->expects_continue = http_header(x, "Expect", NULL) > 0;
}

/* --- replies ------------------------------------------------------------------------------------- */

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
	struct http_reply *r = &x->reply;

	if (r->n_headers < HTTP_REPLY_HEADERS) {
		r->headers[r->n_headers].name = name;
		r->headers[r->n_headers++].value = value;
	}
}

static void refuse(struct conn *c, const char *why)
{
	sb_reset(&c->refusal);
	sb_addz(&c->refusal, "{\"error\":");
	sb_addf(&c->refusal, "\"malformed request: %s\"", why);
	sb_addz(&c->refusal, ",\"code\":\"bad_request\"}");
	c->x.reply = (struct http_reply){
		.status = 400, .content_type = "application/json", .body = sb_str(&c->refusal), .close = true
	};
}

static ssize_t on_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct conn *c = cls;
	long n = c->x.reply.stream->read(&c->x, buf, max);

	if (n == HTTP_STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n;
}

static struct MHD_Response *make_response(struct conn *c)
{
	struct http_reply *r = &c->x.reply;
	struct MHD_Response *resp;

	if (r->stream)
		resp = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, c, NULL);
	else
		resp = MHD_create_response_from_buffer(r->body.n, (void *)(uintptr_t)r->body.s, MHD_RESPMEM_PERSISTENT);
	if (!resp)
		return NULL;
	if (r->content_type)
		MHD_add_response_header(resp, "Content-Type", r->content_type);
	for (unsigned i = 0; i < r->n_headers; i++)
		MHD_add_response_header(resp, r->headers[i].name, r->headers[i].value);
	if (r->close || atomic_load_explicit(&c->srv->draining, memory_order_relaxed))
		MHD_add_response_header(resp, "Connection", "close");
	return resp;
}

static enum MHD_Result queue_reply(struct conn *c)
{
	struct MHD_Response *resp = make_response(c);
	enum MHD_Result ok;

	if (!resp)
		return MHD_NO;
	/* a stream may wait for its reader as long as it likes (spec/server.md 8.7, 11) */
	watch_set(&c->watch, c->x.reply.stream ? WATCH_BUSY : WATCH_SENDING);
	c->phase = PHASE_SENDING;
	ok = MHD_queue_response(c->mc, c->x.reply.status, resp);
	MHD_destroy_response(resp);
	return ok;
}

/* Refuse before the body: at once, and the connection ends. */
static enum MHD_Result reply_early(struct conn *c)
{
	c->linger = true;
	c->x.reply.close = true;
	return queue_reply(c);
}

/*
 * Refuse in the middle of a body. The library has no way to do that, so the bytes go to the socket directly (nothing was
 * sent on it for this request but perhaps "100 Continue"), and the connection ends.
 */
static enum MHD_Result reply_raw(struct conn *c)
{
	struct http_reply *r = &c->x.reply;
	struct strbuf b = STRBUF_INIT;

	sb_addf(&b, "HTTP/1.1 %u Refused\r\nConnection: close\r\nContent-Length: %zu\r\n", r->status, r->body.n);
	if (r->content_type)
		sb_addf(&b, "Content-Type: %s\r\n", r->content_type);
	for (unsigned i = 0; i < r->n_headers; i++)
		sb_addf(&b, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
	sb_addz(&b, "\r\n");
	sb_adds(&b, r->body);
	/* small, and the send buffer is empty: it fits or the client is gone */
	(void)!send(c->watch.fd, b.s, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	sb_free(&b);
	c->linger = true;
	return MHD_NO;
}

/* --- the library's callbacks ----------------------------------------------------------------------- */

static void exchange_begins(struct http_server *s)
{
	atomic_fetch_add_explicit(&s->n_exchanges, 1, memory_order_relaxed);
}

static void exchange_ends(struct http_server *s)
{
	if (atomic_fetch_sub_explicit(&s->n_exchanges, 1, memory_order_acq_rel) != 1 || !atomic_load(&s->draining))
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->quiet);
	pthread_mutex_unlock(&s->lock);
}

static void on_connection(void *cls, struct MHD_Connection *mc, void **ctx, enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	struct conn *c = *ctx;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);

		c = mem_zalloc(sizeof(*c));
		c->srv = s;
		c->mc = mc;
		*ctx = c;
		reaper_add(s->reaper, &c->watch, fd->connect_fd);
		return;
	}
	if (!c)
		return;
	reaper_remove(s->reaper, &c->watch);
	if (c->linger)
		reaper_linger(s->reaper, fcntl(c->watch.fd, F_DUPFD_CLOEXEC, 0));
	sb_free(&c->target);
	sb_free(&c->refusal);
	free(c);
	*ctx = NULL;
}

/* The request line is there. What it returns is the exchange's context from now on. */
static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info->socket_context;

	memset(&c->x, 0, sizeof(c->x));
	c->phase = PHASE_START;
	c->app_open = false;
	sb_reset(&c->target);
	sb_addz(&c->target, uri ? uri : "");
	c->target_at = uri;
	exchange_begins(c->srv);
	return c;
}

static void on_completed(void *cls, struct MHD_Connection *mc, void **ctx, enum MHD_RequestTerminationCode code)
{
	struct conn *c = *ctx;

	if (!c)
		return;
	*ctx = NULL;
	if (c->app_open)
		c->srv->app.done(c->srv->cls, &c->x, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	c->app_open = false;
	if (c->target.cap > 1024)
		sb_free(&c->target);
	watch_set(&c->watch, WATCH_IDLE);
	/* its reply may have been on the way when the idle ones were closed */
	if (atomic_load_explicit(&c->srv->draining, memory_order_relaxed))
		shutdown(c->watch.fd, SHUT_RD);
	exchange_ends(c->srv);
}

static bool body_is_short(const struct http_exchange *x)
{
	return !x->expects_continue && x->content_length <= DISCARD_MAX;
}

static enum MHD_Result headers_step(struct conn *c)
{
	enum http_next next;

	watch_set(&c->watch, WATCH_BUSY);
	c->app_open = true;
	next = c->srv->app.headers(c->srv->cls, &c->x);
	if (next == HTTP_PAUSED)
		return MHD_YES;
	if (next == HTTP_GO_ON) {
		c->phase = PHASE_BODY;
		watch_set(&c->watch, WATCH_BODY);
		return MHD_YES;
	}
	/* a reply queued now would end the connection: without a body it can wait for the final call */
	if (!c->x.content_length)
		c->phase = PHASE_REPLY;
	else if (body_is_short(&c->x) && !c->x.reply.close)
		c->phase = PHASE_DISCARD;
	else
		return reply_early(c);
	watch_set(&c->watch, WATCH_BODY);
	return MHD_YES;
}

static enum MHD_Result first_step(struct conn *c, const char *method, const char *version)
{
	const char *why = check_header(c, method, version);

	if (why) {
		refuse(c, why);
		return reply_early(c);
	}
	fill_exchange(c, method);
	c->phase = PHASE_HEADERS;
	return headers_step(c);
}

static enum MHD_Result body_step(struct conn *c, const char *data, size_t *n)
{
	size_t used = 0;
	enum http_next next;

	if (c->phase != PHASE_BODY) {
		*n = 0; /* refused already */
		return MHD_YES;
	}
	if (atomic_load_explicit(&c->watch.state, memory_order_relaxed) != WATCH_BODY)
		watch_set(&c->watch, WATCH_BODY);
	next = c->srv->app.body(c->srv->cls, &c->x, data, *n, &used);
	if (next == HTTP_REPLY)
		return reply_raw(c);
	atomic_fetch_add_explicit(&c->watch.bytes, used, memory_order_relaxed);
	*n -= used;
	return MHD_YES;
}

static enum MHD_Result end_step(struct conn *c)
{
	enum http_next next;

	if (c->phase == PHASE_SENDING)
		return MHD_YES;
	if (c->phase != PHASE_BODY)
		return queue_reply(c);
	watch_set(&c->watch, WATCH_BUSY);
	next = c->srv->app.end(c->srv->cls, &c->x);
	return next == HTTP_PAUSED ? MHD_YES : queue_reply(c);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mc, const char *url, const char *method,
				 const char *version, const char *data, size_t *n, void **ctx)
{
	struct conn *c = *ctx;

	if (!c)
		return MHD_NO;
	if (*n)
		return body_step(c, data, n);
	if (c->phase == PHASE_START)
		return first_step(c, method, version);
	if (c->phase == PHASE_HEADERS)
		return headers_step(c);
	return end_step(c);
}

/* Paths and queries are decoded by the application, after routing. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mc, char *s)
{
	return strlen(s);
}

/* --- pausing ----------------------------------------------------------------------------------------- */

void http_pause(struct http_exchange *x)
{
	struct conn *c = conn_of(x);

	watch_set(&c->watch, WATCH_BUSY);
	MHD_suspend_connection(c->mc);
}

void http_wake(struct http_exchange *x)
{
	MHD_resume_connection(conn_of(x)->mc);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct http_server *s)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
	unsigned threads = s->o.threads;
	struct MHD_OptionItem pool[] = {
		{ MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (threads < 2) /* one loop: no pool */
		pool[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, NULL, NULL, on_access, s, MHD_OPTION_LISTEN_SOCKET, s->o.listen_fd,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->o.connection_memory, MHD_OPTION_CONNECTION_LIMIT,
				s->o.connections_max, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_THREAD_STACK_SIZE,
				(size_t)LOOP_STACK, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, s,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
				on_completed, s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_ARRAY,
				pool, MHD_OPTION_END);
}

static struct MHD_Daemon *start_without_signals(struct http_server *s)
{
	struct MHD_Daemon *d;
	sigset_t old;

	thread_signals_block(&old);
	d = start_daemon(s);
	thread_signals_restore(&old);
	return d;
}

int http_start(const struct http_options *o, const struct http_app *app, void *cls, struct http_server **out,
	       struct err *e)
{
	struct http_server *s = mem_zalloc(sizeof(*s));
	int rc;

	*out = NULL;
	s->o = *o;
	s->app = *app;
	s->cls = cls;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->quiet, NULL);
	rc = reaper_new(o, &s->reaper, e);
	if (!rc) {
		s->daemon = start_without_signals(s);
		if (!s->daemon)
			rc = err_sys(e, errno ? errno : EIO, "cannot start the HTTP server");
	}
	if (rc) {
		close(o->listen_fd);
		http_stop(s);
		return rc;
	}
	*out = s;
	return 0;
}

/*
 * New connections are refused from here on. The library's own way, MHD_quiesce_daemon, aborts now and then: in 0.9.75 it does not
 * expect that a loop has taken the descriptor out of its epoll set just before. So the descriptor gets another socket, to which
 * nobody connects; the old one is closed, and with it its places in the epoll sets.
 */
static void stop_listening(int fd)
{
	struct sockaddr_un nowhere = { .sun_family = AF_UNIX }; /* the kernel picks a name */
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&nowhere, sizeof(nowhere.sun_family)) || listen(s, 1) ||
	    dup3(s, fd, O_CLOEXEC) < 0)
		shutdown(fd, SHUT_RDWR); /* the loops are busy until they end, but nobody comes in */
	if (s >= 0)
		close(s);
}

void http_drain(struct http_server *s)
{
	atomic_store(&s->draining, true);
	stop_listening(s->o.listen_fd);
	reaper_close_idle(s->reaper);
	pthread_mutex_lock(&s->lock);
	while (atomic_load(&s->n_exchanges))
		pthread_cond_wait(&s->quiet, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void http_stop(struct http_server *s)
{
	if (!s)
		return;
	if (s->daemon)
		MHD_stop_daemon(s->daemon); /* closes the listening socket */
	reaper_free(s->reaper);
	pthread_cond_destroy(&s->quiet);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
