/* SPDX-License-Identifier: MIT */
/*
 * http.h - HTTP/1.1 as the server sees it: exchanges, not sockets.
 *
 * A thin interface over libmicrohttpd; only http_mhd.c includes its header. One exchange is one request and its
 * reply; a connection has one exchange at a time. The application gives four callbacks, all called on the
 * connection's event loop thread, never two at once for one exchange:
 *
 *   headers  once the header is there. HTTP_GO_ON: receive the body, then call `end`.
 *   body     a piece of the body; *used is how much was taken. Less than all of it needs HTTP_PAUSED.
 *   end      the whole request is there. The answer is HTTP_REPLY or HTTP_PAUSED.
 *   done     the exchange is over (sent, broken or refused): its memory may go. Called once if headers was.
 *
 * A callback that needs another thread calls http_pause() first, hands the exchange over, and returns HTTP_PAUSED;
 * the other thread ends with http_wake(), and the same callback is called again. Nothing arrives meanwhile.
 * HTTP_REPLY from headers or body refuses the rest of the request: a short body of known length is read and thrown
 * away so that the connection lives on, otherwise the reply goes out at once and the connection is closed gently.
 *
 * Before `headers` is called the request has passed guard.h. Requests that the library itself refuses (malformed,
 * too long) are answered by it and never get here.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <omnigraph/err.h>
#include <omnigraph/str.h>

#define HTTP_LENGTH_UNKNOWN UINT64_MAX
#define HTTP_REPLY_HEADERS 6

/* results of http_stream.read besides a positive count */
#define HTTP_STREAM_WAIT 0 /* nothing now: http_pause() was called, http_wake() will follow */
#define HTTP_STREAM_END (-1)
#define HTTP_STREAM_BREAK (-2) /* close the connection without an end mark */

enum http_next { HTTP_GO_ON, HTTP_PAUSED, HTTP_REPLY };

struct http_exchange;

struct http_stream { /* a body made while it is sent, chunked */
	/* Loop thread. Up to @max bytes into @buf: the count, or one of HTTP_STREAM_*. */
	long (*read)(struct http_exchange *x, char *buf, size_t max);
};

struct http_reply {
	unsigned status;
	const char *content_type;	  /* NULL: no body */
	struct str body;		  /* borrowed until `done` */
	const struct http_stream *stream; /* instead of body */
	unsigned n_headers;
	struct {
		const char *name, *value; /* borrowed until `done` */
	} headers[HTTP_REPLY_HEADERS];
	bool close; /* close the connection behind it */
};

struct http_exchange {
	void *user; /* the application's */
	struct str method;
	struct str path, query;	 /* as received: not decoded; query without the '?' */
	uint64_t content_length; /* of the body; 0: no body; HTTP_LENGTH_UNKNOWN: chunked */
	bool expects_continue;
	struct http_reply reply;
};

struct http_app {
	enum http_next (*headers)(void *app, struct http_exchange *x);
	enum http_next (*body)(void *app, struct http_exchange *x, const char *data, size_t n, size_t *used);
	enum http_next (*end)(void *app, struct http_exchange *x);
	void (*done)(void *app, struct http_exchange *x, bool sent);
};

struct http_options {
	int listen_fd;		  /* non-blocking, listening; owned by the server from the start on */
	unsigned threads;	  /* event loops */
	size_t connection_memory; /* bytes of header and socket buffer per connection */
	unsigned connections_max;
	/* bounds on slow clients, milliseconds; 0: none */
	unsigned header_timeout_ms; /* from the first byte of a request to the end of its header */
	unsigned body_grace_ms;	    /* after this the body must average at least body_min_rate */
	unsigned body_min_rate;	    /* bytes per second */
	unsigned idle_timeout_ms;   /* a connection without a request */
	unsigned send_timeout_ms;   /* a client that takes nothing of a reply (streams excepted) */
};

struct http_server;

int http_start(const struct http_options *o, const struct http_app *app, void *cls, struct http_server **out,
	       struct err *e);
/* Stop accepting, close idle connections, wait until every exchange is over. May take any time. */
void http_drain(struct http_server *s);
/* After http_drain: close all, join the threads, free. NULL allowed. */
void http_stop(struct http_server *s);

/* First value of a header, and how many there are. Any thread while the exchange is paused or in a callback. */
unsigned http_header(const struct http_exchange *x, const char *name, struct str *first);

void http_pause(struct http_exchange *x); /* loop thread, in a callback or a stream read */
void http_wake(struct http_exchange *x);  /* any thread, once per http_pause() */

/* Add a reply header; extra ones beyond HTTP_REPLY_HEADERS are dropped. */
void http_reply_header(struct http_exchange *x, const char *name, const char *value);

#endif
