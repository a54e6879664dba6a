/* SPDX-License-Identifier: MIT */
/*
 * changes.h - what commits changed: one commit, the feed of a branch, the baseline a feed starts from, the difference of two states
 * (spec/engine.md 13). The engine keeps no state of consumers: a position is a token that the consumer hands back.
 *
 * Results are compact JSON in the form of spec/server.md 8.22 and 8.23, appended to a strbuf; nothing is appended on failure.
 * Threading: any number of threads. Costs: a commit is read through its own rows, not by comparing whole states.
 */
#ifndef OMNIGRAPH_CHANGES_H
#define OMNIGRAPH_CHANGES_H

#include <omnigraph/graph.h>

enum { CHANGE_NODES = EXPORT_NODES, CHANGE_EDGES = EXPORT_EDGES };
enum { CHANGE_INSERTS = 1, CHANGE_UPDATES = 2, CHANGE_DELETES = 4 };

struct change_filter {		  /* spec/engine.md 13.2 */
	unsigned kinds, ops;	  /* sets of the constants above; 0: all */
	const char *const *types; /* names at the commit */
	size_t n_types;		  /* 0: all */
};

#define CHANGE_PAGE_DEFAULT 1000u
#define CHANGE_PAGE_MAX 8192u
#define CHANGE_BYTES_DEFAULT (4u << 20)
#define CHANGE_BYTES_MAX (32u << 20)
#define CHANGE_COMMITS_DEFAULT 128u
#define CHANGE_COMMITS_MAX 512u
#define CHANGE_TOKEN_MAX 4096u

struct change_limits { /* spec/engine.md 13.4; 0 is refused */
	uint64_t changes, bytes, commits;
};
#define CHANGE_LIMITS_DEFAULT \
	((struct change_limits){ CHANGE_PAGE_DEFAULT, CHANGE_BYTES_DEFAULT, CHANGE_COMMITS_DEFAULT })

/*
 * Changes of one commit against its first parent, from @page_token on (NULL: from the first).
 * ERR_COMMIT_HAS_NO_PARENT, ERR_SCHEMA_BOUNDARY, ERR_CHANGE_FEED_GAP (detail first_unreadable_commit_id), ERR_NOT_FOUND,
 * ERR_CURSOR_REJECTED, ERR_RESOURCE_LIMIT.
 */
int graph_commit_changes(struct graph *g, const char *id, const struct change_filter *f, const struct change_limits *l,
			 const char *page_token, struct strbuf *out, struct err *e);

struct change_position {   /* at most one is not NULL; none: start "now" */
	const char *start; /* now, beginning, after:<commit id> */
	const char *cursor, *page_token;
};

/* ERR_BAD_REQUEST: several positions, or a start that is none of these. */
int change_position_check(const struct change_position *at, struct err *e);

/*
 * Blocks of the commits of a branch (NULL: main) behind a position, oldest first (13.5). A commit that cannot be told ends the page
 * before it; as the first of a poll it is the error: as above, with detail cursor when the poll was made with one.
 */
int graph_changes(struct graph *g, const char *branch, const struct change_filter *f, const struct change_position *at,
		  const struct change_limits *l, struct strbuf *out, struct err *e);

struct change_baseline {
	struct snapshot *snapshot; /* the captured head */
	char *cursor;		   /* continues exactly behind it */
};

/* Capture a head and the cursor behind it; baseline_clear() it. Types are checked as by an export (13.8). */
int graph_baseline(struct graph *g, const char *branch, const struct change_filter *f, struct change_baseline *out,
		   struct err *e);
/* Stream its rows as export lines, restricted by kinds and types. */
int baseline_stream(const struct change_baseline *b, const struct change_filter *f, write_fn write, void *arg,
		    struct err *e);
/* {"baseline":{"snapshot_commit_id":..,"resume_cursor":..}} without a line end, appended: only after the stream succeeded. */
void baseline_handshake(const struct change_baseline *b, struct strbuf *out);
void baseline_clear(struct change_baseline *b);

/*
 * The net changes from one commit to another (13.9), as {"changes":[..]}: compares whole states. Refusals as above.
 */
int graph_diff(struct graph *g, const char *from_commit, const char *to_commit, const struct change_filter *f,
	       struct strbuf *out, struct err *e);

#endif
