/* SPDX-License-Identifier: MIT */
/*
 * http_reaper.h - bounds on slow clients, and gentle closing.
 *
 * The HTTP library times a connection by its last byte, which a client that drips bytes never reaches. One thread
 * looks at every connection about once a second and shuts down those that break a bound of struct http_options; the
 * event loop then sees the end and cleans up. The kernel's byte counters (TCP_INFO) tell a started header from an idle
 * connection. The thread sleeps while there is no connection.
 *
 * Lingering: closing a socket with unread input makes the kernel reset it, and the client may lose the reply that
 * refused its body. reaper_linger() takes a duplicate of the socket and reads it to its end, for a short time.
 */
#ifndef NET_HTTP_REAPER_H
#define NET_HTTP_REAPER_H

#include <stdatomic.h>

#include "net/http.h"

enum watch_state {
	WATCH_IDLE,   /* between requests, or a header is arriving */
	WATCH_BODY,   /* a body is arriving */
	WATCH_BUSY,   /* it is our turn: nothing is timed */
	WATCH_SENDING /* a reply is on its way */
};

struct watch {
	int fd;
	_Atomic int state;
	_Atomic int64_t since_us;
	_Atomic uint64_t bytes; /* of the body since since_us */
	/* the reaper's */
	struct watch *prev, *next;
	uint64_t received; /* when it became idle */
	uint64_t acked;
	int64_t moved_us; /* header: first byte seen; sending: last progress seen */
	int seen_state;
	int64_t seen_since;
	int64_t born_us; /* since_us of the first idle time */
};

struct reaper;

int reaper_new(const struct http_options *o, struct reaper **out, struct err *e);
void reaper_free(struct reaper *r); /* NULL allowed */
void reaper_add(struct reaper *r, struct watch *w, int fd);
/* Before the socket is closed. */
void reaper_remove(struct reaper *r, struct watch *w);
void watch_set(struct watch *w, enum watch_state s);
/* Shut down the connections that are idle. */
void reaper_close_idle(struct reaper *r);
/* Read @fd (which becomes the reaper's) until the client is done, then close it. */
void reaper_linger(struct reaper *r, int fd);

#endif
