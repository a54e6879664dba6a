/* SPDX-License-Identifier: MIT */
#include <omnigraph/failpoint.h>
#include <test/check.h>

#include <omnigraph/util.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
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

static void delays(void)
{
	int64_t start = time_mono_us();

	set("1*delay(20)->off");
	CHECK(hit() == 0);
	CHECK(time_mono_us() - start >= 20000);
}

static _Atomic int passed_the_point;

static void *pass(void *arg)
{
	hit();
	atomic_store(&passed_the_point, 1);
	return NULL;
}

static void pauses(void)
{
	const char *base = getenv("TMPDIR");
	char dir[256], paused[512], resume[512];
	pthread_t t;

	snprintf(dir, sizeof(dir), "%s/failpoint-XXXXXX", base ? base : "/tmp");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(paused, sizeof(paused), "%s/" POINT ".paused", dir);
	snprintf(resume, sizeof(resume), "%s/" POINT ".resume", dir);
	CHECK(failpoint_configure(POINT "=1*pause", dir, NULL) == 0);
	CHECK(pthread_create(&t, NULL, pass, NULL) == 0);
	while (access(paused, F_OK))
		poll(NULL, 0, 1);
	CHECK(atomic_load(&passed_the_point) == 0);
	close(open(resume, O_CREAT | O_WRONLY, 0600));
	pthread_join(t, NULL);
	CHECK(atomic_load(&passed_the_point) == 1);
	CHECK(hit() == 0); /* once only */
	unlink(paused);
	unlink(resume);
	CHECK(rmdir(dir) == 0);
}

static void lists_in_byte_order(void)
{
	const char *where = NULL, *last = "";
	unsigned n = 0;

	for (; failpoint_name(n, &where); n++) {
		CHECK(strcmp(last, failpoint_name(n, NULL)) < 0);
		CHECK(where && *where);
		last = failpoint_name(n, NULL);
	}
	CHECK(n > 0);
}

static void refuses(void)
{
	static const char *const bad[] = { "nothing=error",	 POINT,
					   POINT "=explode",	 POINT "=delay(x)",
					   POINT "=error(what)", POINT "=200%error",
					   POINT "=pause" };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(failpoint_configure(bad[i], NULL, &e) < 0);
		CHECK_HAS(err_msg(&e), "OMNIGRAPH_FAILPOINTS");
		err_clear(&e);
	}
	CHECK(failpoint_configure(NULL, NULL, NULL) == 0);
}

CHECK_MAIN("failpoints", { "an error action fails exactly its point with the literal text", errors },
	   { "skip, limit and chained actions are counted in order", counts },
	   { "crash kills the process at once", crashes },
	   { "delay holds the step for its time and lets it go on", delays },
	   { "pause announces itself and holds the step until it is released", pauses },
	   { "every point is listed once, in byte order, with its place", lists_in_byte_order },
	   { "an unknown name, a malformed action or a pause nobody can release is refused", refuses }, )
