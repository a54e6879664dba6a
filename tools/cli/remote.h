/* SPDX-License-Identifier: MIT */
/*
 * remote.h - a graph behind omnigraph-server (spec/cli.md 12): one request, one answer, over libcurl.
 *
 * No request is ever repeated. A refusal of the server comes back as the error the engine would have given for the same cause, so that
 * exit statuses are equal in both modes (spec/cli.md 8). Tokens go only to the server they are kept for (5.5) and are never printed.
 * Without CONFIG_CLI_REMOTE every call is refused, naming the symbol. One thread; results live in the arena of the invocation.
 * Limits: REMOTE_REPLY_MAX for an answer that is not streamed; 10 redirects; 30 s to connect; no limit of the whole.
 */
#ifndef TOOLS_CLI_REMOTE_H
#define TOOLS_CLI_REMOTE_H

#include <omnigraph/graph.h>
#include <omnigraph/json.h>

#include "tools/cli/cli.h"

#define REMOTE_REPLY_MAX (256u << 20)

struct remote_call {
	const char *method;	  /* GET, HEAD, POST, DELETE */
	const char *path;	  /* behind the graph's URL, encoded: "/query", "/commits/01J..." */
	struct strbuf body;	  /* sent as @content_type when there is any; freed by the call */
	const char *content_type; /* NULL: application/json */
	const char *headers[3];	  /* "Name: value"; NULL ends them */
	read_fn source;		  /* streams the body instead; NULL: @body */
	void *source_arg;
	int64_t source_bytes; /* -1: not known */
	/* Called once with the header of a 2xx answer, before its body; may be NULL. Its argument is sink_arg. */
	int (*begin)(void *arg, long status, const char *headers, struct err *e);
	write_fn sink; /* receives the body of a 2xx answer; NULL: it is collected */
	void *sink_arg;
	bool no_redirect;
};

struct remote_reply {
	long status;	     /* also of a refusal; 0: there was no answer */
	struct str body;     /* collected */
	const char *headers; /* all header lines of the last answer, each ended by "\r\n" */
};

/* Send to @t (served). 0 on a 2xx status; @out may be NULL. */
int remote_send(struct invocation *inv, const struct target *t, struct remote_call *call, struct remote_reply *out,
		struct err *e);
/* The same for an answer that is one JSON object. */
int remote_json(struct invocation *inv, const struct target *t, struct remote_call *call, struct json **out,
		struct err *e);
/* The value of a header line, in the arena; NULL when it is not there. */
const char *remote_header(struct arena *a, const char *headers, const char *name);
/* No graph was selected: refuse with the server's list, or go on with the bare URL when there is none (4.5). */
int remote_no_graph(struct invocation *inv, struct target *t, struct err *e);

/* "<path>?a=x&b=y" with every value encoded; @pairs: name, value, ..., NULL; a NULL value leaves the pair out. */
const char *remote_query(struct arena *a, const char *path, const char *const *pairs);

#endif
