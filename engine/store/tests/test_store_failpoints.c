/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/wait.h>

#include <omnigraph/failpoint.h>

#include "fixture.h"

#ifdef CONFIG_FAILPOINTS

static void set(const char *spec)
{
	CHECK_OK(failpoint_configure(spec, NULL, ep));
}

static void clear(const char *name)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "%s=off", name);
	set(spec);
}

/* Run @fn in a child with a failpoint set to crash; true when it did. */
static bool crashes(const char *name, void (*fn)(const char *dir), const char *dir)
{
	char spec[128];
	int status;
	pid_t pid = fork();

	if (!pid) {
		snprintf(spec, sizeof(spec), "%s=crash", name);
		if (failpoint_configure(spec, NULL, NULL))
			_exit(9);
		fn(dir);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void do_init(const char *dir)
{
	graph_init(dir, STR(FIXTURE_SCHEMA), NULL, NULL);
}

static void init_crash(void)
{
	static const char *const before[] = { "init.after_schema_pg_written", "init.after_schema_contract_written" };
	static const char *const after[] = { "init.post_manifest_create", "init.after_coordinator_init" };
	struct graph_init_opts force = { .force = true };
	struct err e = ERR_INIT;
	struct graph *g;

	for (int i = 0; i < 2; i++) {
		char *dir = temp_dir();

		CHECK(crashes(before[i], do_init, dir));
		CHECK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
		CHECK_INT(e.code, ERR_ALREADY_INITIALIZED);
		CHECK(graph_open(dir, NULL, &g, &e) < 0);
		CHECK_INT(e.code, ERR_NOT_FOUND);
		CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), &force, ep));
		CHECK_OK(graph_open(dir, NULL, &g, ep));
		graph_close(g);
		temp_dir_remove(dir);
	}
	for (int i = 0; i < 2; i++) {
		char *dir = temp_dir();

		CHECK(crashes(after[i], do_init, dir));
		CHECK_OK(graph_open(dir, NULL, &g, ep));
		WRITE(g, NULL, PERSON("ada", 1));
		graph_close(g);
		temp_dir_remove(dir);
	}
	err_clear(&e);
}

static void init_error(void)
{
	char *dir = temp_dir();
	struct err e = ERR_INIT;
	struct graph *g;

	set("init.after_schema_contract_written=error");
	CHECK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_HAS(err_msg(&e), "injected failpoint triggered: init.after_schema_contract_written");
	clear("init.after_schema_contract_written");
	CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep)); /* nothing was left behind */
	temp_dir_remove(dir);

	dir = temp_dir();
	set("init.after_schema_pg_written=error;init.schema_cleanup_delete=error");
	CHECK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_HAS(err_msg(&e), "injected failpoint triggered: init.after_schema_pg_written");
	clear("init.after_schema_pg_written");
	clear("init.schema_cleanup_delete");
	CHECK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_INT(e.code, ERR_ALREADY_INITIALIZED);
	temp_dir_remove(dir);

	dir = temp_dir();
	set("init.manifest_create_ack_lost=error");
	CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open(dir, NULL, &g, ep));
	graph_close(g);
	temp_dir_remove(dir);

	dir = temp_dir();
	set("init.manifest_create_ack_lost=error;init.manifest_create_probe=error");
	CHECK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, &e) < 0);
	CHECK_INT(e.code, ERR_INIT_INDETERMINATE);
	clear("init.manifest_create_ack_lost");
	clear("init.manifest_create_probe");
	CHECK_OK(graph_open(dir, NULL, &g, ep)); /* it had been created, and nothing was deleted */
	graph_close(g);
	temp_dir_remove(dir);
	err_clear(&e);
}

static void do_write(const char *dir)
{
	static const struct op v[] = { PERSON("bob", 1), KNOWS("e", "bob", "bob") };
	struct ops ops = { v, 2, 0, false };
	struct graph *g;

	if (graph_open(dir, NULL, &g, NULL))
		_exit(8);
	write_ops(g, NULL, &ops, true, NULL, NULL, NULL);
	graph_close(g);
}

static void write_crash(void)
{
	static const struct {
		const char *name;
		int persons;
	} points[] = { { "mutation.post_stage_pre_effect_gate", 1 },
		       { "mutation.post_finalize_pre_publisher", 1 },
		       { "graph_publish.before_commit_append", 1 },
		       { "graph_publish.after_manifest_commit", 2 } };
	struct graph *g;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		char *dir = temp_dir();

		CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep));
		CHECK_OK(graph_open(dir, NULL, &g, ep));
		WRITE(g, NULL, PERSON("ada", 1));
		graph_close(g);
		CHECK(crashes(points[i].name, do_write, dir));
		CHECK_OK(graph_open(dir, NULL, &g, ep));
		CHECK_INT(count_of(g, NULL, "P"), points[i].persons);
		CHECK_INT(count_of(g, NULL, "K"), points[i].persons - 1);
		WRITE(g, NULL, PERSON("cy", 1));
		CHECK_INT(count_of(g, NULL, "P"), points[i].persons + 1);
		graph_close(g);
		temp_dir_remove(dir);
	}
}

static void write_error(void)
{
	static const char *const points[] = { "mutation.post_stage_pre_effect_gate",
					      "mutation.post_finalize_pre_publisher",
					      "graph_publish.before_commit_append" };
	static const struct op v[] = { PERSON("bob", 1) };
	struct ops ops = { v, 1, 0, false };
	char *dir = temp_dir();
	struct err e = ERR_INIT;
	struct graph *g;
	char spec[128];

	CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open(dir, NULL, &g, ep));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		snprintf(spec, sizeof(spec), "%s=error", points[i]);
		set(spec);
		CHECK(write_ops(g, NULL, &ops, true, NULL, NULL, &e) < 0);
		CHECK_INT(e.code, ERR_BAD_REQUEST);
		CHECK_HAS(err_msg(&e), points[i]);
		clear(points[i]);
		CHECK_INT(count_of(g, NULL, "P"), 0);
	}
	set("graph_publish.after_manifest_commit=error");
	CHECK(write_ops(g, NULL, &ops, true, NULL, NULL, &e) < 0);
	clear("graph_publish.after_manifest_commit");
	CHECK_INT(count_of(g, NULL, "P"), 1); /* after the commit point: it stands */
	set("publish.load_state_retryable_contention=2*error");
	CHECK_OK(write_ops(g, NULL, &ops, true, NULL, NULL, ep));
	set("publish.load_state_retryable_contention=error");
	CHECK(write_ops(g, NULL, &ops, true, NULL, NULL, &e) < 0);
	CHECK_INT(e.code, ERR_RETRYABLE_CONFLICT);
	CHECK_HAS(err_msg(&e), "retryable storage commit conflict: ");
	clear("publish.load_state_retryable_contention");
	err_clear(&e);
	graph_close(g);
	temp_dir_remove(dir);
}

struct paused {
	struct graph *g;
	bool retryable;
	struct err e;
	int rc, calls;
};

static void *paused_writer(void *arg)
{
	struct paused *p = arg;
	static const struct op v[] = { PERSON("mine", 1) };
	struct ops ops = { v, 1, 0, false };

	p->rc = write_ops(p->g, NULL, &ops, p->retryable, NULL, NULL, &p->e);
	p->calls = ops.calls;
	return NULL;
}

static void touch(const char *dir, const char *name, const char *suffix)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	f = fopen(path, "w");
	fclose(f);
}

static void wait_for(const char *dir, const char *name, const char *suffix)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	for (int i = 0; i < 5000 && access(path, F_OK); i++)
		usleep(1000);
	CHECK(access(path, F_OK) == 0);
}

#define GATE "mutation.post_stage_pre_effect_gate"

static void paused_before_head_check(void)
{
	struct graph *other;

	for (int retryable = 0; retryable < 2; retryable++) {
		struct paused p = { .retryable = retryable };
		char *dir = temp_dir(), *root = temp_dir();
		pthread_t t;

		CHECK_OK(graph_init(root, STR(FIXTURE_SCHEMA), NULL, ep));
		CHECK_OK(graph_open(root, NULL, &p.g, ep));
		CHECK_OK(graph_open(root, NULL, &other, ep));
		CHECK_OK(failpoint_configure(GATE "=1*pause", dir, ep));
		pthread_create(&t, NULL, paused_writer, &p);
		wait_for(dir, GATE, "paused");
		WRITE(other, NULL, PERSON("theirs", 1));
		CHECK_INT(count_of(p.g, NULL, "P"), 1); /* reads go on meanwhile */
		touch(dir, GATE, "resume");
		pthread_join(t, NULL);
		clear(GATE);
		if (retryable) {
			CHECK_INT(p.rc, 0);
			CHECK_INT(p.calls, 2);
			CHECK_INT(count_of(other, NULL, "P"), 2);
		} else {
			CHECK_INT(p.e.code, ERR_READ_SET_CHANGED);
			CHECK_STR(err_get_detail(&p.e, "member"), "graph_head:main");
			CHECK_INT(p.calls, 1);
			CHECK_INT(count_of(other, NULL, "P"), 1);
		}
		err_clear(&p.e);
		graph_close(p.g);
		graph_close(other);
		temp_dir_remove(dir);
		temp_dir_remove(root);
	}
}

static void branch_replies_lost(void)
{
	char *dir = temp_dir();
	struct err e = ERR_INIT;
	struct graph *g;
	bool exists;

	CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep));
	CHECK_OK(graph_open(dir, NULL, &g, ep));
	set("branch_create.post_native=error");
	CHECK_OK(graph_branch_create(g, "x", NULL, NULL, ep));
	clear("branch_create.post_native");
	set("branch_delete.post_native=error");
	CHECK_OK(graph_branch_delete(g, "x", NULL, ep));
	clear("branch_delete.post_native");
	CHECK_OK(graph_branch_exists(g, "x", &exists, ep));
	CHECK(!exists);
	err_clear(&e);
	graph_close(g);
	temp_dir_remove(dir);
}

static void open_errors(void)
{
	char *dir = temp_dir();
	struct err e = ERR_INIT;
	struct graph *g;

	CHECK_OK(graph_init(dir, STR(FIXTURE_SCHEMA), NULL, ep));
	set("open.before_schema_contract_read=error");
	CHECK(graph_open(dir, NULL, &g, &e) < 0);
	CHECK_HAS(err_msg(&e), "open.before_schema_contract_read");
	clear("open.before_schema_contract_read");
	CHECK_OK(graph_open(dir, NULL, &g, ep));
	graph_close(g);
	err_clear(&e);
	temp_dir_remove(dir);
}

CHECK_MAIN("engine/store-failpoints",
	   { "ENG-07 a crashed init is refused by strict and taken over by force init", init_crash },
	   { "a failed init cleans up and keeps the first error; lost replies are read back", init_error },
	   { "ENG-01 a crash at any point of a write leaves all of it or nothing", write_crash },
	   { "ENG-03 an error before the commit point has no effect", write_error },
	   { "ENG-39 ENG-40 a write paused before its head check loses, or is retried", paused_before_head_check },
	   { "lost replies of branch create and delete are success", branch_replies_lost },
	   { "an error while opening is reported", open_errors }, )

#else

CHECK_MAIN("engine/store-failpoints", )

#endif
