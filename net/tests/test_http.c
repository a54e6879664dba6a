/* SPDX-License-Identifier: MIT */
/* The HTTP side alone: a small application, raw sockets on loopback. */
#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

#include "net/http.h"
#include "net/listen.h"

/* --- the application ----------------------------------------------------------------------------------------- */

struct exchange {
	bool woken;
	size_t body;
	int sent;
	char text[32];
	pthread_t thread;
};

static _Atomic int n_open;

static enum http_next answer(struct http_exchange *x, unsigned status, const char *text)
{
	x->reply.status = status;
	x->reply.content_type = "text/plain";
	x->reply.body = str_from(text);
	return HTTP_REPLY;
}

static enum http_next app_headers(void *app, struct http_exchange *x)
{
	x->user = mem_zalloc(sizeof(struct exchange));
	atomic_fetch_add(&n_open, 1);
	return str_eqz(x->path, "/refuse") ? answer(x, 403, "refused") : HTTP_GO_ON;
}

static enum http_next app_body(void *app, struct http_exchange *x, const char *data, size_t n, size_t *used)
{
	struct exchange *ex = x->user;

	*used = n;
	ex->body += n;
	return str_eqz(x->path, "/mid") && ex->body > 10 ? answer(x, 413, "too much") : HTTP_GO_ON;
}

static void *wake_later(void *arg)
{
	struct http_exchange *x = arg;

	((struct exchange *)x->user)->woken = true;
	http_wake(x);
	return NULL;
}

static long stream_read(struct http_exchange *x, char *buf, size_t max)
{
	struct exchange *ex = x->user;

	if (ex->sent == 2)
		return str_eqz(x->path, "/break") ? HTTP_STREAM_BREAK : HTTP_STREAM_END;
	if (!ex->woken) {
		http_pause(x);
		pthread_create(&ex->thread, NULL, wake_later, x);
		pthread_detach(ex->thread);
		return HTTP_STREAM_WAIT;
	}
	ex->woken = false;
	ex->sent++;
	memcpy(buf, "data\n", 5);
	return 5;
}

static const struct http_stream stream = { stream_read };

static enum http_next app_end(void *app, struct http_exchange *x)
{
	struct exchange *ex = x->user;

	if (str_eqz(x->path, "/async") && !ex->woken) {
		http_pause(x);
		pthread_create(&ex->thread, NULL, wake_later, x);
		pthread_detach(ex->thread);
		return HTTP_PAUSED;
	}
	if (str_eqz(x->path, "/stream") || str_eqz(x->path, "/break")) {
		answer(x, 200, "");
		x->reply.stream = &stream;
		return HTTP_REPLY;
	}
	snprintf(ex->text, sizeof(ex->text), "%zu", ex->body);
	return answer(x, 200, ex->text);
}

static void app_done(void *app, struct http_exchange *x, bool sent)
{
	free(x->user);
	atomic_fetch_sub(&n_open, 1);
}

static const struct http_app app = { app_headers, app_body, app_end, app_done };

static struct http_server *server;
static int port;

static void start(unsigned header_ms, unsigned grace_ms, unsigned idle_ms)
{
	struct http_options o = { .threads = 2,
				  .connection_memory = 16384,
				  .connections_max = 100,
				  .header_timeout_ms = header_ms,
				  .body_grace_ms = grace_ms,
				  .body_min_rate = 1000,
				  .idle_timeout_ms = idle_ms };
	char address[64];

	CHECK(!listen_open("127.0.0.1:0", &o.listen_fd, NULL));
	listen_address(o.listen_fd, address);
	port = atoi(strrchr(address, ':') + 1);
	CHECK(!http_start(&o, &app, NULL, &server, NULL));
}

static void stop(void)
{
	http_drain(server);
	http_stop(server);
	CHECK_INT(n_open, 0);
}

/* --- the client ------------------------------------------------------------------------------------------------ */

/* 0, or the errno of the refusal. */
static int try_dial(int *fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(*fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? errno : 0;
}

static int dial(void)
{
	int fd;

	CHECK_INT(try_dial(&fd), 0);
	return fd;
}

static char got[65536];

/* Until the end of the connection, or until @until is seen. False: neither within five seconds. */
static bool receive(int fd, const char *until)
{
	size_t n = 0;

	got[0] = 0;
	while (n < sizeof(got) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t k;

		if (poll(&p, 1, 5000) <= 0)
			return false;
		k = recv(fd, got + n, sizeof(got) - 1 - n, 0);
		if (k <= 0)
			return k == 0 && !until;
		n += (size_t)k;
		got[n] = 0;
		if (until && strstr(got, until))
			return true;
	}
	return false;
}

static void say(int fd, const void *text, size_t n)
{
	CHECK(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n);
}

#define SAY(fd, text) say(fd, text, sizeof(text) - 1)

/* A refused request: 400 and the end of the connection. */
static void refused(const char *text, size_t n)
{
	int fd = dial();

	say(fd, text, n);
	CHECK_MSG(receive(fd, NULL), "no end: %s", text);
	CHECK_MSG(!strncmp(got, "HTTP/1.1 400", 12), "%s -> %s", text, got);
	close(fd);
}

#define REFUSED(text) refused(text, sizeof(text) - 1)

static void smuggling_is_refused(void)
{
	start(0, 0, 0);
	REFUSED("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd");
	REFUSED("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	REFUSED("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n");
	REFUSED("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc");
	REFUSED("GET /x HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n");
	REFUSED("GET /x HTTP/1.1\r\nHost: h\r\nA: b\rX: c\r\n\r\n");
	REFUSED("GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n folded\r\n\r\n");
	REFUSED("GET /x HTTP/1.1\r\nHost: h\nA: b\r\n\r\n");
	REFUSED("GET /x\0y HTTP/1.1\r\nHost: h\r\n\r\n");
	REFUSED("GET /x y HTTP/1.1\r\nHost: h\r\n\r\n");
	stop();
}

static void keep_alive_and_pipelining(void)
{
	int fd;

	start(0, 0, 0);
	fd = dial();
	SAY(fd, "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(receive(fd, "\r\n\r\n0"));
	SAY(fd, "GET /async HTTP/1.1\r\nHost: h\r\n\r\nPOST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(receive(fd, "\r\n\r\n3"));
	SAY(fd, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
	CHECK(receive(fd, "\r\n\r\n5"));
	/* a short refused body is read, and the connection lives on */
	SAY(fd, "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(receive(fd, "refused"));
	SAY(fd, "HEAD /ok HTTP/1.1\r\nHost: h\r\n\r\nGET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "Content-Length: 1\r\n");
	close(fd);
	stop();
}

static void refusals_come_before_the_body(void)
{
	static char junk[100000];
	int fd;

	start(0, 0, 0);
	fd = dial();
	SAY(fd, "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "HTTP/1.1 403");
	close(fd);
	fd = dial();
	SAY(fd, "POST /refuse HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "HTTP/1.1 403");
	close(fd);
	/* in the middle of it, with more on the way: the answer must arrive, no reset */
	fd = dial();
	SAY(fd, "POST /mid HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
	say(fd, junk, sizeof(junk));
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "HTTP/1.1 413");
	CHECK_HAS(got, "too much");
	close(fd);
	stop();
}

static void streams(void)
{
	int fd;

	start(0, 0, 0);
	fd = dial();
	SAY(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(receive(fd, "\r\n0\r\n\r\n"));
	CHECK_HAS(got, "Transfer-Encoding: chunked");
	CHECK_HAS(got, "5\r\ndata\n\r\n5\r\ndata\n\r\n0\r\n\r\n");
	SAY(fd, "GET /break HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "data\n");
	CHECK(!strstr(got, "\r\n0\r\n\r\n"));
	close(fd);
	stop();
}

static void slow_clients_are_closed(void)
{
	int header, body, idle;

	start(200, 200, 400);
	header = dial();
	body = dial();
	idle = dial();
	SAY(header, "GET /ok HTTP/1.1\r\nHo");
	SAY(body, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
	SAY(idle, "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(receive(idle, "\r\n\r\n0"));
	CHECK(receive(header, NULL));
	CHECK(receive(body, NULL));
	CHECK(receive(idle, NULL));
	close(header);
	close(body);
	close(idle);
	stop();
}

static void *drain_thread(void *arg)
{
	http_drain(server);
	return NULL;
}

static void drain_lets_requests_finish(void)
{
	pthread_t t;
	int fd, idle, late;

	start(0, 0, 0);
	idle = dial();
	SAY(idle, "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
	CHECK(receive(idle, "\r\n\r\n0"));
	while (n_open) /* its end comes after its answer */
		sched_yield();
	fd = dial();
	SAY(fd, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
	while (!n_open)
		sched_yield();
	pthread_create(&t, NULL, drain_thread, NULL);
	CHECK(receive(idle, NULL));		  /* idle connections are closed */
	CHECK_INT(try_dial(&late), ECONNREFUSED); /* and new ones refused */
	close(late);
	SAY(fd, "cd");
	CHECK(receive(fd, NULL));
	CHECK_HAS(got, "HTTP/1.1 200");
	pthread_join(t, NULL);
	close(fd);
	close(idle);
	http_stop(server);
}

CHECK_MAIN("net/http", { "request smuggling shapes get 400 and a closed connection", smuggling_is_refused },
	   { "keep-alive, pipelining, chunked bodies, HEAD", keep_alive_and_pipelining },
	   { "refusals come before the body, or in its middle, and arrive", refusals_come_before_the_body },
	   { "SRV-43 a stream ends with a final chunk, a broken one without", streams },
	   { "slow headers, slow bodies and idle connections are closed", slow_clients_are_closed },
	   { "SRV-70 draining closes idle connections and lets requests finish", drain_lets_requests_finish }, )
