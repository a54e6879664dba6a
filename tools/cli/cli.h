/* SPDX-License-Identifier: MIT */
/*
 * cli.h - the frame of the command line (spec/cli.md): one table of commands from which parsing, help and refusals follow.
 * One thread; values live until the process ends.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <omnigraph/err.h>
#include <omnigraph/json.h>
#include <omnigraph/mem.h>
#include <omnigraph/str.h>

#define CLI_FLAGS_MAX 16
#define CLI_VALUES_MAX 256 /* flags and positionals of one invocation */

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PRECONDITION = 4, EXIT_RETRY = 75 };

enum capability { CAP_ANY, CAP_SERVED, CAP_DIRECT, CAP_CONTROL, CAP_LOCAL };

/* Scope flags a command takes (spec/cli.md 4.2). */
enum { SCOPE_SERVER = 1, SCOPE_CLUSTER = 2, SCOPE_GRAPH = 4, SCOPE_STORE = 8, SCOPE_AS = 16, SCOPE_PROFILE = 32 };

struct flag {
	const char *name;	/* without dashes */
	char letter;		/* 0: none */
	const char *value;	/* placeholder; NULL: a switch */
	const char *const *set; /* possible values, NULL-terminated; NULL: any */
	bool required, repeat, hidden, number;
	bool pair;  /* the value is NAME=VALUE */
	bool input; /* "-" reads standard input */
	const char *help;
};

struct invocation;

struct command {
	const char *family, *sub; /* sub NULL: a command of one word */
	const char *label;	  /* in refusals */
	enum capability cap;
	unsigned scopes;
	const char *positionals; /* "NAME" "[URI]" "SOURCE" ...; "" for none */
	int min_pos, max_pos;
	const struct flag *flags;   /* ends with a NULL name */
	const char *const *exclude; /* pairs of flag names that exclude each other, NULL-terminated */
	int (*run)(struct invocation *inv);
	const char *help;
	const char *const *first_set; /* possible values of the first positional, NULL-terminated; NULL: any */
	bool writes;		      /* as somebody: a server takes the actor from the token instead of --as */
};

extern const struct command commands[];
extern const struct flag global_flags[];
/* Command by words; *family_only tells that @family exists and needs a subcommand. */
const struct command *command_find(const char *family, const char *sub, bool *family_only);

struct given {
	const struct flag *flag;
	const char *value; /* NULL for switches */
};

struct invocation {
	const struct command *cmd;
	size_t n_given, n_pos;
	struct given given[CLI_VALUES_MAX];
	const char *pos[CLI_VALUES_MAX];
	bool help;			      /* --help was given: print it and exit 0 */
	const struct operator_config *config; /* once read */
	struct arena arena;
};

/*
 * Parse the words after the program name. 0 and a complete invocation, or EXIT_USAGE after printing the usage error on stderr, or
 * EXIT_DONE + 1000 when help or the version was printed.
 */
#define ARGS_PRINTED 1000
int args_parse(int argc, char **argv, struct invocation *inv);

const char *flag_value(const struct invocation *inv, const char *name); /* NULL when not given; the last one */
bool flag_given(const struct invocation *inv, const char *name);
size_t flag_values(const struct invocation *inv, const char *name, const char **out, size_t max);

void help_root(int fd);
void help_family(const char *family, int fd);
void help_command(const struct command *cmd, int fd);
void usage_line(const struct command *cmd, struct strbuf *out);

/* --- scope.c --------------------------------------------------------------------------------------------------------------- */

struct op_profile;

enum scope_kind { SCOPED_NONE, SCOPED_SERVER, SCOPED_CLUSTER, SCOPED_STORE };
const char *scope_kind_word(enum scope_kind k); /* "none", "server", "cluster", "store" */

/* What a command works on. */
struct target {
	bool served;
	const char
		*uri; /* storage URI; or the URL of the served graph, the bare server URL when no graph is selected */
	const char *base;   /* served: the server's URL without a trailing slash */
	const char *server; /* served: as it was named */
	const char *graph;  /* served: NULL when none is selected */
};

/* Refuse a scope flag that does not apply (4.2). 0 or EXIT_FAILED after printing. */
int scope_check(const struct invocation *inv);
/* What a command addresses (4.3 to 4.5). @uri: positional or --uri, NULL when absent. */
int scope_target(struct invocation *inv, const char *uri, struct target *t, struct err *e);
/* A server by name or URL, and a graph of it (NULL: none). */
int scope_server(struct invocation *inv, const char *server, const char *graph, struct target *t, struct err *e);
/* The same for a command that works on storage alone: a served target is refused. */
int scope_graph(struct invocation *inv, const char *uri, const char **out, struct err *e);
/* What a profile binds: exactly one scope, or ERR_BAD_REQUEST. */
int profile_scope(struct arena *a, const struct op_profile *p, enum scope_kind *kind, const char **value,
		  struct err *e);
/* --profile, else a non-empty $OMNIGRAPH_PROFILE, else NULL. */
const char *active_profile(const struct invocation *inv);
/* --as, else operator.actor, else NULL. */
const char *scope_actor(struct invocation *inv);
/* Commands that write as somebody do not work with a broken operator configuration. 0 or EXIT_FAILED after printing. */
int scope_check_actor(struct invocation *inv);
/* "omnigraph <verb> -> <uri> (direct, local)" on stderr, unless --quiet; a URL of a server is "served". */
void target_line(const struct invocation *inv, const char *verb, const char *uri);
/* The consent that a destructive write to a target that is not local needs (7.3). */
int confirm_destructive(const struct invocation *inv, const char *verb, const char *uri, struct err *e);
/* @text percent-encoded as one path segment or query value. */
const char *url_segment(struct arena *a, const char *text);

/* --- output.c --------------------------------------------------------------------------------------------------------------- */

/* Write to standard output; a failure is an error (full disk), SIGPIPE ends the process silently. */
int out_write(const void *data, size_t n, struct err *e);
int out_text(struct strbuf *b); /* write and free; returns an exit status */
/* One member of @doc as print_doc writes it, nothing when it is absent. */
void doc_member(struct json_writer *w, const struct json *doc, const char *name);
/* Parse a document of ours into the arena of the invocation; frees @text. */
int doc_parse(struct invocation *inv, struct strbuf *text, struct json **out, struct err *e);
/* Print @doc: with --json its @members (NULL: of a commit) that are present, in that order; else what @text makes of it. Returns an exit status. */
int print_doc(struct invocation *inv, const struct json *doc, const char *const *members,
	      void (*text)(struct invocation *inv, const struct json *doc, struct strbuf *out));
/* The text of a string or number member, in the arena of the invocation; NULL, or "" by doc_text, when it is absent or null. */
const char *doc_optional(struct invocation *inv, const struct json *doc, const char *name);
const char *doc_text(struct invocation *inv, const struct json *doc, const char *name);
/* "Error: <message>" on stderr, the error body on stdout for statuses 4 and 75 with @json; returns the exit status. Clears @e. */
int fail(struct err *e, bool json);
int refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A whole file, or standard input for "-". */
int read_input(const char *path, size_t max, struct strbuf *out, struct err *e);

/* --- read_format.c ------------------------------------------------------------------------------------------------------------ */

struct table_opts {
	size_t max_width;
	bool wrap;
};
/* Render a read envelope as table, kv, csv, jsonl or json (spec/cli.md 10). */
int read_format(struct str envelope, const char *format, const struct table_opts *opts, struct strbuf *out,
		struct err *e);

/* --- the commands -------------------------------------------------------------------------------------------------------------- */

int cmd_query(struct invocation *inv);
int cmd_mutate(struct invocation *inv);
int cmd_load(struct invocation *inv);
int cmd_export(struct invocation *inv);
int cmd_snapshot(struct invocation *inv);
int cmd_init(struct invocation *inv);
int cmd_schema_show(struct invocation *inv);
int cmd_schema_plan(struct invocation *inv);
int cmd_schema_apply(struct invocation *inv);
int cmd_blob_get(struct invocation *inv);
int cmd_blob_stat(struct invocation *inv);
int cmd_commit_list(struct invocation *inv);
int cmd_commit_show(struct invocation *inv);
int cmd_commit_changes(struct invocation *inv);
int cmd_changes_poll(struct invocation *inv);
int cmd_changes_baseline(struct invocation *inv);
int cmd_branch_create(struct invocation *inv);
int cmd_branch_list(struct invocation *inv);
int cmd_branch_delete(struct invocation *inv);
int cmd_branch_merge(struct invocation *inv);
int cmd_lint(struct invocation *inv);
int cmd_optimize(struct invocation *inv);
int cmd_cleanup(struct invocation *inv);
int cmd_cluster(struct invocation *inv);
int cmd_graphs_list(struct invocation *inv);
int cmd_alias(struct invocation *inv);
int cmd_login(struct invocation *inv);
int cmd_logout(struct invocation *inv);
int cmd_profile_list(struct invocation *inv);
int cmd_profile_show(struct invocation *inv);
int cmd_version(struct invocation *inv);
int cmd_failpoints_list(struct invocation *inv);

#endif
