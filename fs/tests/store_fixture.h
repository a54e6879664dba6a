/* SPDX-License-Identifier: MIT */
/* store_fixture.h - what the tests of stores share: a scratch directory, a store on it, small helpers. */
#ifndef OMNIGRAPH_FS_TESTS_STORE_FIXTURE_H
#define OMNIGRAPH_FS_TESTS_STORE_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <omnigraph/store.h>
#include <omnigraph/util.h>
#include <test/test_store.h>

#include "fs/mem.h"
#include "fs/sim.h"

struct fx {
	bool mem, s3;
	char dir[256]; /* file backend: the scratch directory; the store is "<dir>/root" */
	char root[300];
	struct s3_config s3_config;
	struct store *backing; /* sim: with its world, of which s is a process */
	struct sim *world;
	struct store *s;
};

static int fx_rm(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

__attribute__((unused)) static struct store *fx_open_path(const char *path, bool read_only)
{
	struct store_open_opts o = { .read_only = read_only };
	struct err e = ERR_INIT;
	struct store *s = NULL;
	int rc = store_open(path, &o, &s, &e);

	CHECK_MSG(rc == 0, "open %s: %s", path, err_msg(&e));
	return s;
}

/* S3: the suite runs there when there is a bucket. Each test has a prefix of its own and removes it at its end. */
__attribute__((unused)) static struct store *fx_open_s3(struct fx *x, bool read_only)
{
	struct store_open_opts o = { .read_only = read_only, .s3 = &x->s3_config };
	struct err e = ERR_INIT;
	struct store *s = NULL;
	int rc = store_open(x->root, &o, &s, &e);

	CHECK_MSG(rc == 0, "open %s: %s", x->root, err_msg(&e));
	return s;
}

/* False: no bucket to test on. */
__attribute__((unused)) static bool fx_init_s3(struct fx *x)
{
	char *uri;

	memset(x, 0, sizeof(*x));
	if (!test_s3_bucket()) {
		printf("# skipped: OMNIGRAPH_S3_TEST_BUCKET is not set (scripts/check-s3 starts a server and sets "
		       "it)\n");
		return false;
	}
	x->s3 = true;
	s3_config_from_env(test_getenv, NULL, &x->s3_config);
	uri = test_s3_uri();
	snprintf(x->root, sizeof(x->root), "%s", uri);
	free(uri);
	x->s = fx_open_s3(x, false);
	return true;
}

__attribute__((unused)) static void fx_init(struct fx *x, bool mem)
{
	const char *tmp = getenv("TMPDIR");

	memset(x, 0, sizeof(*x));
	x->mem = mem;
	if (mem) {
		x->s = fx_open_path("mem://test", false);
		return;
	}
	snprintf(x->dir, sizeof(x->dir), "%s/omnigraph-fs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	CHECK(mkdtemp(x->dir) != NULL);
	snprintf(x->root, sizeof(x->root), "%s/root", x->dir);
	x->s = fx_open_path(x->root, false);
}

#ifdef CONFIG_FS_SIM
__attribute__((unused)) static void fx_init_sim(struct fx *x)
{
	memset(x, 0, sizeof(*x));
	x->mem = true;
	x->backing = fx_open_path("mem://test", false);
	x->world = sim_new(x->backing, 1, NULL, NULL);
	x->s = sim_process(x->world, false);
}

static void fx_done_sim(struct fx *x)
{
	if (x->world)
		sim_free(x->world);
	store_close(x->backing);
}

static struct store *fx_again_sim(struct fx *x, bool read_only)
{
	return x->world ? sim_process(x->world, read_only) : NULL;
}
#else
static void fx_done_sim(struct fx *x)
{
}

static struct store *fx_again_sim(struct fx *x, bool read_only)
{
	return NULL;
}
#endif

__attribute__((unused)) static void fx_done(struct fx *x)
{
	test_store_close(x->s);
	fx_done_sim(x);
	if (!x->mem && !x->s3)
		nftw(x->dir, fx_rm, 16, FTW_DEPTH | FTW_PHYS);
}

/* A further handle on the same content. */
__attribute__((unused)) static struct store *fx_again(struct fx *x, bool read_only)
{
	if (x->s3)
		return fx_open_s3(x, read_only);
	if (x->world)
		return fx_again_sim(x, read_only);
	return x->mem ? store_mem_share(x->s, read_only) : fx_open_path(x->root, read_only);
}

__attribute__((unused)) static void put_text(struct store *s, const char *key, const char *text)
{
	struct err e = ERR_INIT;
	int rc = store_put(s, key, text, strlen(text), &e);

	CHECK_MSG(rc == 0, "put %s: %s", key, err_msg(&e));
}

__attribute__((unused)) static void check_text(struct store *s, const char *key, const char *text)
{
	struct store_object o;
	struct err e = ERR_INIT;
	int rc = store_get(s, key, 1 << 20, &o, &e);

	CHECK_MSG(rc == 0, "get %s: %s", key, err_msg(&e));
	CHECK_STR(o.data, text);
	store_object_free(&o);
}

/* List callback: "key\n" onto a struct strbuf. */
__attribute__((unused)) static int add_key(void *arg, const char *key, const struct store_stat *st)
{
	sb_addf(arg, "%s\n", key);
	return 0;
}

__attribute__((unused)) static void check_list(struct store *s, const char *prefix, const char *after, bool recurse,
					       const char *want)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = store_list(s, prefix, after, recurse, add_key, &b, &e);

	CHECK_MSG(rc == 0, "list %s: %s", prefix, err_msg(&e));
	CHECK_STR(b.s ? b.s : "", want);
	sb_free(&b);
}

/* Log callback: "seq=text\n" onto a struct strbuf. */
__attribute__((unused)) static int add_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	sb_addf(arg, "%" PRIu64 "=%.*s\n", seq, (int)n, (const char *)data);
	return 0;
}

__attribute__((unused)) static void check_log(struct store *s, const char *log, uint64_t from, const char *want)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = store_log_read(s, log, from, add_record, &b, &e);

	CHECK_MSG(rc == 0, "log read %s: %s", log, err_msg(&e));
	CHECK_STR(b.s ? b.s : "", want);
	sb_free(&b);
}

__attribute__((unused)) static void append_text(struct store *s, const char *log, uint64_t seq, const char *text)
{
	struct err e = ERR_INIT;
	int rc = store_log_append(s, log, seq, text, strlen(text), &e);

	CHECK_MSG(rc == 0, "append %s %" PRIu64 ": %s", log, seq, err_msg(&e));
}

__attribute__((unused)) static uint64_t tail_of(struct store *s, const char *log)
{
	struct err e = ERR_INIT;
	uint64_t next = 0;
	int rc = store_log_tail(s, log, &next, &e);

	CHECK_MSG(rc == 0, "tail %s: %s", log, err_msg(&e));
	return next;
}

/* Run @fn in @n threads. */
struct thread_arg {
	void *ctx;
	unsigned i;
	void (*fn)(void *ctx, unsigned i);
};

__attribute__((unused)) static void *thread_main(void *p)
{
	struct thread_arg *a = p;

	a->fn(a->ctx, a->i);
	return NULL;
}

__attribute__((unused)) static void in_threads(unsigned n, void (*fn)(void *ctx, unsigned i), void *ctx)
{
	pthread_t t[32];
	struct thread_arg a[32];

	for (unsigned i = 0; i < n; i++) {
		a[i] = (struct thread_arg){ ctx, i, fn };
		CHECK(pthread_create(&t[i], NULL, thread_main, &a[i]) == 0);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/* In a forked child: else it has failed. */
#define MUST(cond)                                                                          \
	do {                                                                                \
		if (!(cond)) {                                                              \
			fprintf(stderr, "# %s:%d: child: %s\n", __FILE__, __LINE__, #cond); \
			return 1;                                                           \
		}                                                                           \
	} while (0)

/* Run @fn in @n forked processes; its result must be 0. */
__attribute__((unused)) static void in_processes(unsigned n, int (*fn)(void *ctx, unsigned i), void *ctx)
{
	pid_t pid[32];
	int st;

	fflush(NULL);
	for (unsigned i = 0; i < n; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			alarm(60); /* a sibling that failed must not leave this one waiting at a barrier */
			_exit(fn(ctx, i));
		}
	}
	for (unsigned i = 0; i < n; i++) {
		CHECK(waitpid(pid[i], &st, 0) == pid[i]);
		CHECK_MSG(WIFEXITED(st) && WEXITSTATUS(st) == 0, "child %u: status %x", i, (unsigned)st);
	}
}

/* Memory that forked children share with us. */
__attribute__((unused)) static void *shared_mem(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A barrier of @n processes in shared memory. */
__attribute__((unused)) static void process_barrier(pthread_barrier_t *b, unsigned n)
{
	pthread_barrierattr_t a;

	pthread_barrierattr_init(&a);
	pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	CHECK(pthread_barrier_init(b, &a, n) == 0);
	pthread_barrierattr_destroy(&a);
}

#endif
