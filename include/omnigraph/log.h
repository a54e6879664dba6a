/* SPDX-License-Identifier: MIT */
/*
 * log.h - diagnostics of a running program: one event per line on a stream.
 *
 * text: "<UTC time>Z <LEVEL> <target>: <message> key=value ..."; values with blanks, quotes or '=' are quoted.
 * JSON lines: {"ts":...,"level":...,"target":...,"message":...,<fields>}.
 * A logger is created by main and handed down; libraries never make one. A NULL logger drops everything.
 * Secrets are never passed in. Threading: events of several threads never interleave.
 */
#ifndef OMNIGRAPH_LOG_H
#define OMNIGRAPH_LOG_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct logger;

struct log_field {
	const char *key;
	struct str value;
};

/*
 * @filter: a level, or a comma list of `target=level` with an optional bare default level; NULL or "" means
 * @dflt. ERR_BAD_REQUEST names the part that does not parse. @fd is borrowed. @json picks JSON lines.
 */
int logger_new(int fd, const char *filter, enum log_level dflt, bool json, struct logger **out, struct err *e);
void logger_free(struct logger *l);
bool log_enabled(const struct logger *l, enum log_level level, const char *target);
/* @fields: @n pairs, printed in order. */
void log_event(struct logger *l, enum log_level level, const char *target, const char *message,
	       const struct log_field *fields, size_t n);
/* log_kv(l, LOG_INFO, "boot", "serving omnigraph", "bind", "127.0.0.1:1", "graph_count", "2", NULL) */
void log_kv(struct logger *l, enum log_level level, const char *target, const char *message, ...)
	__attribute__((sentinel));

#endif
