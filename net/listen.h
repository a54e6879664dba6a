/* SPDX-License-Identifier: MIT */
/* listen.h - the listening socket and its address as text. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <omnigraph/err.h>

/* Non-blocking, listening, close-on-exec. @bind_to has passed bind_split. Returns 0 and *fd. */
int listen_open(const char *bind_to, int *fd, struct err *e);
/* "127.0.0.1:54321", "[::1]:8080". @out has 64 bytes. */
void listen_address(int fd, char *out);

#endif
