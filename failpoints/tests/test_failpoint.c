/* SPDX-License-Identifier: MIT */
#include <omnigraph/failpoint.h>
#include <test/check.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINT "graph_publish.before_commit_append"

static void set(const char *actions)
{
	char spec[256];

	snprintf(spec, sizeof(spec), POINT "=%s", actions);
	CHECK(failpoint_configure(spec, NULL, NULL) == 0);
}

static int hit(void)
{
	return FAILPOINT(POINT, NULL);
}

static void errors(void)
{
	struct err e = ERR_INIT;

	set("error");
	CHECK(FAILPOINT(POINT, &e) < 0);
	CHECK_STR(err_msg(&e), "injected failpoint triggered: " POINT);
	CHECK(e.code == ERR_BAD_REQUEST);
	set("error(storage)");
	CHECK(FAILPOINT(POINT, &e) < 0);
	CHECK(e.code == ERR_STORAGE);
	CHECK(FAILPOINT("open.before_schema_contract_read", &e) == 0);
	err_clear(&e);
}

static void counts(void)
{
	set("2+1*error");
	CHECK(hit() == 0 && hit() == 0 && hit() < 0 && hit() == 0);
	set("1*off->1*error->off");
	CHECK(hit() == 0 && hit() < 0 && hit() == 0 && hit() == 0);
	set("0%error");
	for (int i = 0; i < 50; i++)
		CHECK(hit() == 0);
}

static void crashes(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		set("crash");
		hit();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void refuses(void)
{
	static const char *const bad[] = { "nothing=error", POINT, POINT "=explode", POINT "=delay(x)", POINT "=error(what)",
					   POINT "=200%error" };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(failpoint_configure(bad[i], NULL, &e) < 0);
		CHECK_HAS(err_msg(&e), "OMNIGRAPH_FAILPOINTS");
		err_clear(&e);
	}
	CHECK(failpoint_configure(NULL, NULL, NULL) == 0);
}

CHECK_MAIN("failpoints",
	   { "an error action fails exactly its point with the literal text", errors },
	   { "skip, limit and chained actions are counted in order", counts },
	   { "crash kills the process at once", crashes },
	   { "an unknown name or a malformed action is refused", refuses }, )
