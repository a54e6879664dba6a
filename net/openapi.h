/* SPDX-License-Identifier: MIT */
/*
 * openapi.h - the wire contract as a document (spec/server.md 10). The file net/openapi.json is part of the program; the
 * served form (this build's version, without security when the server is open) is made at the first request and kept.
 * Any thread.
 */
#ifndef NET_OPENAPI_H
#define NET_OPENAPI_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

struct openapi;

struct openapi *openapi_new(void);
void openapi_free(struct openapi *o); /* NULL allowed */
int openapi_document(struct openapi *o, const char *version, bool with_security, struct strbuf *out, struct err *e);

#endif
