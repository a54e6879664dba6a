/* SPDX-License-Identifier: MIT */
/*
 * A process that dies between every two steps of an apply (spec/cluster.md 10). The apply does everything at once: it creates a
 * graph, migrates one, publishes queries and deletes one with an approval. For each change it would make to the store, on a
 * directory and on an object store, it is killed instead; then the documented next commands run and must reach the documented state.
 *
 * What was seen is a page, Documentation/crash-matrix.md, and the test compares it. OMNIGRAPH_BUILD: where the page as seen is
 * written; OMNIGRAPH_SRC: where the kept one is.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <sys/wait.h>

#include "cluster/tests/crash_store.h"
#include "cluster/tests/fixture.h"

#define PAGE "crash-matrix.md"
#define SIDECARS "__cluster/recoveries"

#define BEFORE                                                                       \
	"graphs:\n"                                                                  \
	"  attic: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"  books: { schema: shelf.pg, queries: { by_title: { file: books.gq } } }\n" \
	"policies:\n"                                                                \
	"  both: { file: readers.policy.yaml, applies_to: [attic, books] }\n"
#define AFTER                                                                         \
	"graphs:\n"                                                                   \
	"  books: { schema: shelf.pg, queries: { by_title: { file: books.gq } } }\n"  \
	"  cellar: { schema: books.pg, queries: { by_title: { file: books.gq } } }\n" \
	"policies:\n"                                                                 \
	"  both: { file: readers.policy.yaml, applies_to: [books, cellar] }\n"
#define NEW_GQ "// of the new revision\n" BOOKS_GQ

/* --- the windows of spec/cluster.md 10 ------------------------------------------------------------------------ */

#define ADOPTED "rolled forward cellar"
#define MIGRATED ADOPTED ", rolled forward books"

struct window {
	const char *begins; /* the change after which it begins; a pattern */
	const char *name;
	const char *left;   /* sidecars */
	const char *says;   /* of the sweep of the next apply */
	const char *server; /* what a server booted meanwhile makes of it */
};

static const struct window windows[] = {
	{ "", "before the lock", "", "", "serves attic books" },
	{ "create __cluster/lock.json", "lock … re-diff", "", "", "serves attic books" },
	{ "put " SIDECARS "/*", "create: armed … engine create", "create", "", "serves attic books" },
	{ "* graphs/cellar.omni/*", "create: inside the engine create", "create", "incomplete create of cellar",
	  "serves attic books" },
	{ "create graphs/cellar.omni/graph.json", "create: engine create … sidecar rewrite", "create", ADOPTED,
	  "serves attic books" },
	{ "put " SIDECARS "/*", "create: sidecar rewrite … ledger write", "create", ADOPTED, "serves attic books" },
	{ "put " SIDECARS "/*", "schema: armed … engine commit", "create, schema", ADOPTED, "serves attic" },
	{ "append to graphs/books.omni/log/*", "schema: engine commit … ledger write", "create, schema", MIGRATED,
	  "serves attic" },
	{ "put __cluster/resources/*", "payloads partly or fully written", "create, schema", MIGRATED, "serves attic" },
	{ "put " SIDECARS "/*", "delete: armed … removal", "create, schema, delete",
	  MIGRATED ", incomplete delete of attic", "cluster_no_healthy_graphs" },
	{ "delete graphs/attic.omni/*", "delete: during removal", "create, schema, delete",
	  MIGRATED ", incomplete delete of attic", "cluster_no_healthy_graphs" },
	{ "delete the rest of graphs/attic.omni", "delete: removal … ledger write", "create, schema, delete",
	  MIGRATED ", rolled forward attic", "cluster_no_healthy_graphs" },
	{ "replace __cluster/state.json", "ledger write … sidecar deletion", "create, schema, delete", "",
	  "cluster_no_healthy_graphs" },
	{ "delete " SIDECARS "/*", "ledger write … sidecar deletion", "schema, delete", "", "serves cellar" },
	{ "delete " SIDECARS "/*", "ledger write … sidecar deletion", "delete", "", "serves books cellar" },
	{ "delete " SIDECARS "/*", "sidecar deletion … approval rewrite", "", "", "serves books cellar" },
	{ "put __cluster/approvals/*", "before lock release", "", "", "serves books cellar" },
	{ "delete __cluster/lock.json", "finished", "", "", "serves books cellar" },
};

/* The window after the first @n changes of the run. */
static const struct window *window_after(unsigned n)
{
	const struct window *w = windows;

	for (unsigned i = 0; i < n && w + 1 < windows + ARRAY_SIZE(windows); i++)
		if (!fnmatch(w[1].begins, crash.plan->call[i], 0))
			w++;
	return w;
}

/* --- a cluster before its apply --------------------------------------------------------------------------------- */

struct backend {
	const char *name, *storage; /* of cluster.yaml, NULL: the directory itself */
	const char *below;	    /* place of the root in the test's directory */
};
static const struct backend backends[] = { { "directory", NULL, "" }, { "s3", SIM_URI "/c", "bucket/c/" } };
static const struct backend *on;

static const char *stored(const char *rel)
{
	return arena_printf(&fx.arena, "%s%s", on->below, rel);
}

static const char *config(const char *graphs)
{
	return arena_printf(&fx.arena, "version: 1\n%s%s%s%s", on->storage ? "storage: " : "",
			    on->storage ? on->storage : "", on->storage ? "\n" : "", graphs);
}

static const struct json *ledger(void)
{
	const char *text = fx_read(stored(STATE));
	struct json *v = NULL;

	CHECK(text && !json_parse(&fx.arena, str_from(text), NULL, &v, NULL));
	return v;
}

static void prepare(const struct backend *b)
{
	on = b;
	if (!access("/dev/shm", W_OK)) /* deaths of processes, not of machines: nothing needs a disk */
		setenv("TMPDIR", "/dev/shm", 1);
	crash_prepare();
	fx_begin("");
	snprintf(crash.sim_dir, sizeof(crash.sim_dir), "%s/bucket", fx.dir);
	snprintf(crash.root, sizeof(crash.root), "%s", b->storage ? b->storage : fx.dir);
	fx_write("shelf.pg", BOOKS_PG);
	fx_write("cluster.yaml", config(BEFORE));
	fx_ok(CLUSTER_IMPORT);
	fx_ok(CLUSTER_APPLY);
	fx_write("cluster.yaml", config(AFTER));
	fx_write("shelf.pg", BOOKS_YEAR_PG);
	fx_write("books.gq", NEW_GQ);
	fx_approve("graph.attic");
	CHECK(fx.report.ok);
}

/* A command in a child that dies instead of making change number @die_at; true when it did. */
static bool run_and_die(enum cluster_command cmd, unsigned die_at)
{
	int status;
	pid_t pid;

	crash_prepare();
	crash.plan->die_at = die_at;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		struct cluster_args args = { .config_dir = fx.dir, .actor = "act-mina", .resource = "graph.attic" };

		crash.armed = true;
		fx_run_args(cmd, &args);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
	return WIFSIGNALED(status);
}

static bool apply_and_die(unsigned die_at)
{
	return run_and_die(CLUSTER_APPLY, die_at);
}

/* --- what is seen ------------------------------------------------------------------------------------------------ */

static const char *sidecars_left(void)
{
	static const char *const kinds[] = { "graph_create", "schema_apply", "graph_delete" };
	static const char *const words[] = { "create", "schema", "delete" };
	struct strbuf b = STRBUF_INIT;
	const char *out;
	struct store *s;

	CHECK(!__real_store_open(fx_path(stored("")), NULL, &s, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct crash_keys k = { 0 };

		CHECK(!store_list(s, SIDECARS, NULL, false, crash_collect, &k, NULL));
		for (size_t f = 0; f < k.n; f++)
			if (strstr(fx_read(stored(k.key[f])), kinds[i]))
				sb_addf(&b, "%s%s", b.n ? ", " : "", words[i]);
		arena_free(&k.arena);
	}
	store_close(s);
	out = arena_str(&fx.arena, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

static const char *served(void)
{
	struct strbuf b = STRBUF_INIT;
	const char *out;

	if (fx_serve(NULL)) {
		sb_addz(&b, "serves");
		for (size_t i = 0; i < fx.snap.n_graphs; i++)
			sb_addf(&b, " %s", fx.snap.graphs[i].id);
	} else {
		sb_addz(&b, fx.snap.diagnostics.items[0].code);
	}
	out = arena_str(&fx.arena, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

/* What the last apply reported of earlier runs. */
static const char *swept(void)
{
	static const struct {
		const char *code, *words;
	} t[] = { { "cluster_recovery_rolled_forward", "rolled forward" },
		  { "graph_create_incomplete", "incomplete create of" },
		  { "graph_delete_incomplete", "incomplete delete of" },
		  { "cluster_recovery_pending", "pending" } };
	struct strbuf b = STRBUF_INIT;
	const char *out;

	for (size_t i = 0; i < at("diagnostics")->n; i++) {
		const struct json *d = &at("diagnostics")->items[i];

		for (size_t k = 0; k < ARRAY_SIZE(t); k++)
			if (!strcmp(fx_text(in(d, "code")), t[k].code))
				sb_addf(&b, "%s%s %s", b.n ? ", " : "", t[k].words, fx_text(in(d, "path")) + 6);
	}
	out = arena_str(&fx.arena, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

static void check_converged(void)
{
	const struct json *l;

	CHECK_STR(text_at("converged"), "true");
	CHECK_STR(sidecars_left(), "");
	CHECK(!fx_exists(stored(LOCK)));
	CHECK(!fx_exists(stored("graphs/attic.omni")));
	fx_ok(CLUSTER_REFRESH);
	fx_ok(CLUSTER_PLAN);
	CHECK_INT(at("changes")->n, 0);
	l = ledger();
	CHECK_STR(fx_text(in(l, "applied_revision", "resources", "schema.books", "digest")), fx_digest(BOOKS_YEAR_PG));
	CHECK_STR(fx_text(in(l, "applied_revision", "resources", "query.cellar.by_title", "digest")),
		  fx_digest(NEW_GQ));
	CHECK(!in(l, "applied_revision", "resources", "graph.attic"));
	CHECK_STR(fx_text(in(l, "observations", "graph.attic", "kind")), "tombstone");
	CHECK_INT(in(l, "approval_records")->n, 1);
	CHECK_STR(served(), "serves books cellar");
}

/* Break a dead command's lock; true when there was one. */
static bool unlocked(void)
{
	fx_run(CLUSTER_STATUS);
	if (strcmp(text_at("state_observations", "locked"), "true"))
		return false;
	fx_unlock(text_at("state_observations", "lock_id"));
	CHECK(fx.report.ok);
	return true;
}

/* The commands of spec/cluster.md 10, as an operator reads them in the messages. Returns them; *says: what the apply swept. */
static const char *recover(const char **says)
{
	const char *did = unlocked() ? "force-unlock, apply" : "apply";

	fx_run(CLUSTER_APPLY);
	*says = swept();
	if (fx_diag("graph_create_incomplete")) {
		CHECK(!fx.report.ok);
		fx_remove(stored("graphs/cellar.omni"));
		did = arena_printf(&fx.arena, "%s, remove the root, apply", did);
		fx_run(CLUSTER_APPLY);
	}
	CHECK_MSG(fx.report.ok, "%s", fx.report.json.s);
	return did;
}

/* --- the matrix --------------------------------------------------------------------------------------------------- */

static struct strbuf rows[ARRAY_SIZE(backends)];

static void die_and_recover(unsigned n)
{
	const char *ledger_before = fx_read(stored(STATE)), *did, *says;
	bool published, locked;
	const struct window *w;

	CHECK(apply_and_die(n));
	w = window_after(n - 1);
	published = strcmp(ledger_before, fx_read(stored(STATE))) != 0;
	locked = fx_exists(stored(LOCK));
	CHECK_INT(published, !strncmp(w->name, "ledger write", 12) || !strncmp(w->name, "sidecar deletion", 16) ||
				     !strncmp(w->name, "before lock release", 19));
	CHECK_INT(locked, n > 1);
	CHECK_STR(sidecars_left(), w->left);
	CHECK_STR(served(), w->server);
	did = recover(&says);
	CHECK_STR(says, w->says);
	check_converged();
	sb_addf(&rows[on - backends], "| %u | `%s` | %s | %s | %s | %s | %s | %s |\n", n, crash.plan->call[n - 1],
		w->name, *w->left ? w->left : "-", w->server, did, *w->says ? w->says : "-", published ? "new" : "old");
}

static void every_step(const struct backend *b)
{
	const char *says;
	unsigned n;

	prepare(b);
	CHECK(!apply_and_die(0));
	n = crash.plan->calls;
	CHECK(window_after(n) == &windows[ARRAY_SIZE(windows) - 1]);
	recover(&says);
	CHECK_STR(says, "");
	check_converged();
	for (unsigned i = 1; i <= n; i++) {
		prepare(b);
		die_and_recover(i);
	}
	fx_end();
}

/* --- errors instead of deaths ------------------------------------------------------------------------------------- */

static struct strbuf failures[ARRAY_SIZE(backends)];

/* The codes of the errors, of what was skipped, and of sidecars that could not be removed. */
static const char *reported(void)
{
	struct strbuf b = STRBUF_INIT;
	const char *out;

	for (size_t i = 0; i < at("diagnostics")->n; i++) {
		const struct json *d = &at("diagnostics")->items[i];
		const char *code = fx_text(in(d, "code"));

		if (!strcmp(fx_text(in(d, "severity")), "error") || strstr(code, "skipped") || strstr(code, "cleanup"))
			sb_addf(&b, "%s%s", b.n ? ", " : "", code);
	}
	out = b.n ? arena_str(&fx.arena, sb_str(&b)).s : "-";
	sb_free(&b);
	return out;
}

static void fail_and_recover(unsigned n)
{
	const char *before = fx_read(stored(STATE)), *told, *left, *did, *says;
	bool published;

	crash_prepare();
	crash.plan->fail_at = n;
	crash.armed = true;
	fx_run(CLUSTER_APPLY);
	crash.armed = false;
	told = reported();
	left = sidecars_left();
	published = strcmp(before, fx_read(stored(STATE))) != 0;
	CHECK_INT(published, !strcmp(text_at("state_written"), "true"));
	CHECK_INT(fx.report.ok, !strcmp(told, "-"));
	did = recover(&says);
	check_converged();
	sb_addf(&failures[on - backends], "| %u | `%s` | %s | %s | %s | %s |\n", n, crash.plan->call[n - 1], told,
		*left ? left : "-", published ? "new" : "old", did);
}

static void every_failure(const struct backend *b)
{
	unsigned n;

	prepare(b);
	CHECK(!apply_and_die(0));
	n = crash.plan->calls;
	for (unsigned i = 1; i <= n; i++) {
		prepare(b);
		fail_and_recover(i);
	}
	fx_end();
}

static void failures_on_a_directory(void)
{
	every_failure(&backends[0]);
}

static void failures_on_an_object_store(void)
{
	every_failure(&backends[1]);
}

/* --- a death while an earlier one is recovered from ------------------------------------------------------------- */

static void dies_again(const struct backend *b, unsigned first)
{
	const char *says;
	bool died;

	for (unsigned second = 1;; second++) {
		prepare(b);
		CHECK(apply_and_die(first));
		unlocked();
		died = apply_and_die(second);
		recover(&says);
		check_converged();
		if (!died)
			break;
	}
	fx_end();
}

static void deaths_during_recovery(void)
{
	static const unsigned firsts[] = { 4, 7, 9, 13, 17, 20, 22, 24 }; /* one in each window with sidecars */

	for (size_t i = 0; i < ARRAY_SIZE(firsts); i++)
		dies_again(&backends[i % ARRAY_SIZE(backends)], firsts[i]);
}

/* --- the other commands -------------------------------------------------------------------------------------------- */

static struct strbuf others[ARRAY_SIZE(backends)];

static const struct {
	enum cluster_command cmd;
	const char *name;
} commands[] = { { CLUSTER_IMPORT, "import" },
		 { CLUSTER_REFRESH, "refresh" },
		 { CLUSTER_PLAN, "plan" },
		 { CLUSTER_APPROVE, "approve" } };

/* Before a command: import finds a cluster whose ledger was lost, refresh a sidecar of a schema apply that took effect. */
static void prepare_for(const struct backend *b, enum cluster_command cmd)
{
	prepare(b);
	if (cmd == CLUSTER_IMPORT) {
		fx_remove(stored(STATE));
	} else if (cmd == CLUSTER_REFRESH) {
		CHECK(apply_and_die(14));
		unlocked();
	}
}

/* What an operator does next: the same command when it did not get to its end, and then apply. */
static const char *finish_command(enum cluster_command cmd)
{
	const char *did = unlocked() ? "force-unlock, " : "", *says;

	if (cmd == CLUSTER_IMPORT && !fx_exists(stored(STATE))) {
		fx_ok(CLUSTER_IMPORT);
		did = arena_printf(&fx.arena, "%simport, ", did);
	}
	if (cmd == CLUSTER_IMPORT) /* the ledger has forgotten the graph that goes */
		fx_remove(stored("graphs/attic.omni"));
	recover(&says);
	return arena_printf(&fx.arena, "%sapply", did);
}

static void command_dies(const struct backend *b, size_t which)
{
	enum cluster_command cmd = commands[which].cmd;

	for (unsigned n = 1;; n++) {
		const char *before, *call, *state;

		prepare_for(b, cmd);
		before = fx_read(stored(STATE));
		if (!run_and_die(cmd, n))
			break;
		call = arena_strdup(&fx.arena, crash.plan->call[n - 1]);
		state = fx_read(stored(STATE));
		state = !state ? "none" : !before || strcmp(state, before) ? "new" : "old";
		sb_addf(&others[b - backends], "| %s | %u | `%s` | %s | %s |\n", commands[which].name, n, call, state,
			finish_command(cmd));
		CHECK_STR(text_at("converged"), "true");
		CHECK_STR(sidecars_left(), "");
		CHECK_STR(served(), "serves books cellar");
	}
	fx_end();
}

static void other_commands_die(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		for (size_t k = 0; k < ARRAY_SIZE(commands); k++)
			command_dies(&backends[i], k);
}

/* --- a server beside a command that finishes ---------------------------------------------------------------------- */

static void sidecars_vanish(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		prepare(&backends[i]);
		CHECK(apply_and_die(14));
		CHECK_STR(served(), "serves attic");
		crash.vanish = SIDECARS "/";
		CHECK_STR(served(), "serves attic books");
		crash.vanish = NULL;
		CHECK_INT(fx.snap.diagnostics.n, 0);
		CHECK_STR(sidecars_left(), "");
	}
	fx_end();
}

/* --- the page ------------------------------------------------------------------------------------------------------ */

static void on_a_directory(void)
{
	every_step(&backends[0]);
}

static void on_an_object_store(void)
{
	every_step(&backends[1]);
}

static const char page_head[] =
	"# A crash between every two steps of an apply\n\n"
	"Written by `cluster/tests/test_crash_matrix`, which compares it with what it sees; `make check-crash` prints "
	"it. The apply creates\n"
	"graph `cellar`, migrates `books`, publishes queries and deletes `attic` with an approval. The process is "
	"killed instead of making\n"
	"the change named in the second column. Every row ends alike: `converged`, an empty plan after a refresh, no "
	"sidecar, no lock, the approval\n"
	"consumed once, and a server that serves `books` and `cellar`.\n\n"
	"Backends: a directory, and the object-store code paths over a store of the test's (`s3`).\n\n"
	"A second pair of tables lets the same changes fail instead, and a third shows the other commands.\n";
static const char table_head[] = "| step | dies instead of | window (spec/cluster.md 10) | sidecars left | a server "
				 "booted now | next commands | the apply reports | ledger "
				 "|\n|---|---|---|---|---|---|---|---|\n";

static const char failures_head[] =
	"| step | fails | the apply reports | sidecars left | ledger | next commands |\n|---|---|---|---|---|---|\n";

static const char others_head[] =
	"| command | step | dies instead of | ledger | next commands |\n|---|---|---|---|---|\n";

static void add_tables(struct strbuf *page, const char *head, const struct strbuf *tables)
{
	bool alike = str_eq(sb_str(&tables[0]), sb_str(&tables[1]));

	for (size_t i = 0; i < (alike ? 1 : ARRAY_SIZE(backends)); i++)
		sb_addf(page, "\n### %s\n\n%s%s", alike ? "directory and s3" : backends[i].name, head, tables[i].s);
}

static void write_page(struct strbuf *page)
{
	sb_addz(page, page_head);
	sb_addz(page, "\n## The process dies\n");
	add_tables(page, table_head, rows);
	sb_addz(page, "\n## The change fails (no space), the process goes on\n");
	add_tables(page, failures_head, failures);
	sb_addz(page, "\n## The other commands die\n\nThe import follows a lost ledger, the refresh a migration that "
		      "was cut off.\n");
	add_tables(page, others_head, others);
}

static void write_file(const char *path, struct str text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(text.s, 1, text.n, f) == text.n);
	CHECK(!fclose(f));
}

static void the_page_is_right(void)
{
	const char *build = getenv("OMNIGRAPH_BUILD"), *src = getenv("OMNIGRAPH_SRC");
	struct strbuf page = STRBUF_INIT, kept = STRBUF_INIT;
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!rows[i].n)
			every_step(&backends[i]);
		if (!failures[i].n)
			every_failure(&backends[i]);
	}
	if (!others[0].n)
		other_commands_die();
	if (!src) {
		printf("# skip: OMNIGRAPH_SRC does not say where the kept page is\n");
		return;
	}
	write_page(&page);
	if (build)
		write_file(arena_printf(&a, "%s/" PAGE, build), sb_str(&page));
	CHECK(!file_read(arena_printf(&a, "%s/Documentation/" PAGE, src), 1 << 20, &kept, NULL));
	CHECK_MSG(str_eq(sb_str(&page), sb_str(&kept)),
		  "Documentation/" PAGE " differs from what was seen; if that is right, copy " PAGE
		  " of the build folder there");
	sb_free(&page);
	sb_free(&kept);
	arena_free(&a);
}

CHECK_MAIN("cluster/crash_matrix",
	   { "CLU-06 CLU-07 CLU-08 CLU-09 CLU-36 CLU-37 CLU-51 a death between every two steps of an apply, on a "
	     "directory",
	     on_a_directory },
	   { "CLU-06 CLU-07 CLU-08 CLU-09 CLU-36 CLU-37 CLU-51 a death between every two steps of an apply, on an "
	     "object store",
	     on_an_object_store },
	   { "CLU-05 CLU-06 CLU-55 CLU-56 a failure of every step of an apply, on a directory",
	     failures_on_a_directory },
	   { "CLU-05 CLU-06 CLU-55 CLU-56 a failure of every step of an apply, on an object store",
	     failures_on_an_object_store },
	   { "CLU-07 CLU-36 a death at every step of the apply that recovers from a death", deaths_during_recovery },
	   { "CLU-14 CLU-45 a death at every step of import, refresh, plan and approve", other_commands_die },
	   { "CLU-22 CLU-29 sidecars that go between being listed and being read are no trouble", sidecars_vanish },
	   { "CLU-06 the page of crashes says what happens", the_page_is_right }, )
