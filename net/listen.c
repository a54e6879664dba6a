/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"
#include "net/options.h"

#define BACKLOG 1024

static int open_one(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* inherited by accepted sockets */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int listen_open(const char *bind_to, int *fd, struct err *e)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list = NULL;
	char *host, *port;
	int rc;

	*fd = -1;
	if (!bind_split(bind_to, &host, &port))
		return err_set(e, ERR_BAD_REQUEST, "invalid --bind '%s'", bind_to);
	rc = getaddrinfo(host, port, &hints, &list);
	free(host);
	free(port);
	if (rc)
		return err_set(e, ERR_IO, "cannot resolve --bind '%s': %s", bind_to, gai_strerror(rc));
	errno = EADDRNOTAVAIL;
	for (struct addrinfo *a = list; a && *fd < 0; a = a->ai_next)
		*fd = open_one(a);
	rc = *fd < 0 ? err_sys(e, errno, "cannot listen on '%s'", bind_to) : 0;
	freeaddrinfo(list);
	return rc;
}

void listen_address(int fd, char *out)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	char ip[INET6_ADDRSTRLEN] = "";

	out[0] = 0;
	if (getsockname(fd, (struct sockaddr *)&sa, &n))
		return;
	if (sa.ss_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, 64, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)&sa;

		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, 64, "%s:%u", ip, ntohs(in->sin_port));
	}
}
