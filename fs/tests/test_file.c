/* SPDX-License-Identifier: MIT */
/* test_file.c - the file backend: processes, crashes, torn logs, full and read-only disks. */
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "store_fixture.h"

#include "fs/file.h"
#include "fs/file_log.h"

/* In a forked child a failed check must not unwind into the parent's tests. */
static char *at(struct fx *x, const char *rel)
{
	static char buf[8][PATH_MAX];
	static int i;
	char *p = buf[i++ % 8];

	snprintf(p, PATH_MAX, "%s%s%s", x->root, *rel ? "/" : "", rel);
	return p;
}

/* --- races of processes ----------------------------------------------------------------------- */

#define ROUNDS 25

struct shared {
	pthread_barrier_t bar;
	uint32_t wins[ROUNDS];
	uint32_t acked, stop;
	char root[300];
	bool force_lock_file;
	enum file_create_how how;
};

static struct shared *shared_new(struct fx *x, unsigned n)
{
	struct shared *sh = shared_mem(sizeof(*sh));

	process_barrier(&sh->bar, n);
	snprintf(sh->root, sizeof(sh->root), "%s", x->root);
	return sh;
}

static struct store *child_open(struct shared *sh)
{
	struct store *s = NULL;

	if (store_open(sh->root, NULL, &s, NULL))
		return NULL;
	to_file_store(s)->force_lock_file = sh->force_lock_file;
	to_file_store(s)->create_how = sh->how;
	return s;
}

static int create_child(void *ctx, unsigned i)
{
	struct shared *sh = ctx;
	struct store *s = child_open(sh);
	char key[64], val[4096], buf[4096];

	MUST(s);
	memset(val, 'a' + (int)i, sizeof(val));
	for (int k = 0; k < ROUNDS; k++) {
		size_t got;
		int rc;

		snprintf(key, sizeof(key), "new/dir%d/k", k);
		pthread_barrier_wait(&sh->bar);
		rc = store_create(s, key, val, sizeof(val), NULL, NULL);
		MUST(rc == 0 || rc == -EEXIST);
		if (rc == 0)
			__atomic_add_fetch(&sh->wins[k], 1, __ATOMIC_SEQ_CST);
		if (sh->how == FILE_CREATE_EXCL)
			pthread_barrier_wait(
				&sh->bar); /* there the object is complete only when its creator returned */
		MUST(store_get_range(s, key, 0, sizeof(buf), buf, &got, NULL) == 0 && got == sizeof(buf));
		MUST(buf[0] == buf[4095] && (rc || buf[0] == val[0]));
	}
	store_close(s);
	return 0;
}

static void create_race(enum file_create_how how)
{
	struct shared *sh;
	struct fx x;

	fx_init(&x, false);
	sh = shared_new(&x, 8);
	sh->how = how;
	in_processes(8, create_child, sh);
	for (int k = 0; k < ROUNDS; k++)
		CHECK_INT(sh->wins[k], 1);
	munmap(sh, sizeof(*sh));
	fx_done(&x);
}

static void create_processes(void)
{
	create_race(FILE_CREATE_NOREPLACE);
}

static void create_fallbacks(void)
{
	create_race(FILE_CREATE_LINK);
	create_race(FILE_CREATE_EXCL);
}

static int count_child(void *ctx, unsigned i)
{
	struct shared *sh = ctx;
	struct store *s = child_open(sh);

	MUST(s);
	for (int n = 25; n;) {
		struct store_object o;
		char val[32];
		int rc;

		MUST(store_get(s, "d/counter", 100, &o, NULL) == 0);
		snprintf(val, sizeof(val), "%d", atoi(o.data) + 1);
		rc = store_replace(s, "d/counter", &o.token, val, strlen(val), NULL, NULL);
		store_object_free(&o);
		MUST(rc == 0 || rc == -ESTALE);
		n -= rc == 0;
	}
	store_close(s);
	return 0;
}

static void replace_processes(void)
{
	for (int lock_file = 0; lock_file < 2; lock_file++) {
		struct shared *sh;
		struct fx x;

		fx_init(&x, false);
		put_text(x.s, "d/counter", "0");
		sh = shared_new(&x, 1);
		sh->force_lock_file = lock_file;
		in_processes(6, count_child, sh);
		check_text(x.s, "d/counter", "150");
		check_list(x.s, "", NULL, true, "d/counter\n");
		munmap(sh, sizeof(*sh));
		fx_done(&x);
	}
}

struct appender {
	struct shared *sh;
	struct store *s;
	unsigned base;
	uint32_t failed;
};

static void append_thread(void *ctx, unsigned i)
{
	struct appender *a = ctx;
	char rec[32];

	for (int k = 0; k < 10; k++) {
		uint64_t next;
		int rc;

		snprintf(rec, sizeof(rec), "%u.%d", a->base + i, k);
		do {
			rc = store_log_tail(a->s, "log", &next, NULL);
			if (!rc)
				rc = store_log_append(a->s, "log", next, rec, strlen(rec), NULL);
		} while (rc == -EAGAIN);
		if (rc)
			__atomic_add_fetch(&a->failed, 1, __ATOMIC_SEQ_CST);
	}
}

static int append_child(void *ctx, unsigned i)
{
	struct appender a = { .sh = ctx, .base = 4 * i };

	a.s = child_open(a.sh);
	MUST(a.s);
	in_threads(4, append_thread, &a);
	store_close(a.s);
	return a.failed ? 1 : 0;
}

struct seen {
	uint64_t next;
	unsigned n[32];
	bool bad;
};

static int see(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct seen *v = arg;
	unsigned i, k;

	if (sscanf(data, "%u.%u", &i, &k) != 2 || i >= 32 || seq != v->next || k != v->n[i])
		v->bad = true;
	else
		v->n[i]++;
	v->next++;
	return 0;
}

static void append_processes(void)
{
	struct seen v = { .next = 1 };
	struct shared *sh;
	struct fx x;

	fx_init(&x, false);
	sh = shared_new(&x, 1);
	CHECK_INT(tail_of(x.s, "log"), 1);
	in_processes(8, append_child, sh);
	CHECK_INT(tail_of(x.s, "log"), 321);
	CHECK(store_log_read(x.s, "log", 1, see, &v, NULL) == 0);
	CHECK(!v.bad);
	for (int i = 0; i < 32; i++)
		CHECK_INT(v.n[i], 10);
	munmap(sh, sizeof(*sh));
	fx_done(&x);
}

static int trim_child(void *ctx, unsigned i)
{
	struct shared *sh = ctx;
	struct store *s = child_open(sh);
	char rec[32];

	MUST(s);
	for (int k = 0; k < 60; k++) {
		uint64_t next, got = 0;
		int rc;

		MUST(store_log_tail(s, "log", &next, NULL) == 0);
		if (i == 0) {
			MUST(store_log_trim(s, "log", next - next / 4, NULL) == 0);
			continue;
		}
		snprintf(rec, sizeof(rec), "%" PRIu64, next);
		rc = store_log_append(s, "log", next, rec, strlen(rec), NULL);
		MUST(rc == 0 || rc == -EAGAIN);
		if (rc)
			continue;
		__atomic_add_fetch(&sh->acked, 1, __ATOMIC_SEQ_CST);
		MUST(store_log_tail(s, "log", &got, NULL) == 0 && got > next);
	}
	store_close(s);
	return 0;
}

/* Records say their own number. */
static int check_number(void *arg, uint64_t seq, const void *data, size_t n)
{
	uint64_t *next = arg;

	if (seq != *next || strtoull(data, NULL, 10) != seq)
		return 99;
	(*next)++;
	return 0;
}

static void trim_processes(void)
{
	uint64_t next;
	struct shared *sh;
	struct fx x;

	fx_init(&x, false);
	append_text(x.s, "log", 1, "1");
	sh = shared_new(&x, 1);
	in_processes(4, trim_child, sh);
	CHECK_INT(tail_of(x.s, "log"), 2 + sh->acked);
	next = tail_of(x.s, "log");
	CHECK(store_log_trim(x.s, "log", next - 3, NULL) == 0);
	next -= 2;
	CHECK_INT(store_log_read(x.s, "log", next, check_number, &next, NULL), 0);
	CHECK_INT(next, 2 + sh->acked);
	munmap(sh, sizeof(*sh));
	fx_done(&x);
}

/* --- kill -9 ---------------------------------------------------------------------------------- */

static void *kill_thread(void *p)
{
	struct appender *a = p;
	char rec[32];

	for (;;) {
		uint64_t next;

		if (store_log_tail(a->s, "log", &next, NULL))
			_exit(3);
		snprintf(rec, sizeof(rec), "%" PRIu64, next);
		if (store_log_append(a->s, "log", next, rec, strlen(rec), NULL) == 0) {
			uint32_t seen = __atomic_load_n(&a->sh->acked, __ATOMIC_SEQ_CST);

			while (seen < next && !__atomic_compare_exchange_n(&a->sh->acked, &seen, (uint32_t)next, false,
									   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				;
		}
	}
	return NULL;
}

static void kill_child(struct shared *sh)
{
	struct appender a = { .sh = sh, .s = child_open(sh) };
	pthread_t t;

	alarm(60);
	if (!a.s || pthread_create(&t, NULL, kill_thread, &a))
		_exit(2);
	kill_thread(&a);
}

static void kill_appenders(void)
{
	struct store *fresh;
	struct shared *sh;
	struct fx x;

	fx_init(&x, false);
	sh = shared_new(&x, 1);
	for (unsigned round = 0; round < 40; round++) {
		uint32_t until = sh->acked + 1 + (round * 7919 + (unsigned)getpid()) % 23;
		uint64_t next = 1, n1, n2;
		pid_t pid[2];
		int st;

		for (int i = 0; i < 2; i++) {
			pid[i] = fork();
			CHECK(pid[i] >= 0);
			if (pid[i] == 0)
				kill_child(sh);
		}
		while (__atomic_load_n(&sh->acked, __ATOMIC_SEQ_CST) < until) {
			CHECK(waitpid(pid[0], &st, WNOHANG) == 0);
			sched_yield();
		}
		for (int i = 0; i < 2; i++) {
			kill(pid[i], SIGKILL);
			CHECK(waitpid(pid[i], &st, 0) == pid[i]);
			CHECK(WIFSIGNALED(st));
		}
		fresh = fx_again(&x, round % 2);
		n1 = tail_of(fresh, "log");
		n2 = tail_of(x.s, "log");
		CHECK(n1 > sh->acked && n2 > sh->acked);
		CHECK_INT(store_log_read(fresh, "log", 1, check_number, &next, NULL), 0);
		CHECK_INT(next, n1);
		next = 1;
		CHECK_INT(store_log_read(x.s, "log", 1, check_number, &next, NULL), 0);
		CHECK_INT(next, n2);
		store_close(fresh);
	}
	munmap(sh, sizeof(*sh));
	fx_done(&x);
}

/* --- torn and damaged log files ---------------------------------------------------------------- */

static struct strbuf slurp(const char *path)
{
	struct strbuf b = STRBUF_INIT;
	struct err e = ERR_INIT;

	CHECK_MSG(file_read(path, 64 << 20, &b, &e) == 0, "%s", err_msg(&e));
	return b;
}

static void spill(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	CHECK(fd >= 0);
	CHECK(write(fd, data, n) == (ssize_t)n);
	close(fd);
}

struct torn {
	struct fx x;
	struct strbuf file;	/* three records: "one", "two", "three" */
	struct logf_cell cell2; /* the cell as it was before the third */
	size_t last;		/* offset of the third */
};

#define FRAME_BYTES 32 /* of "three": 24 + 5 and 3 bytes of padding */

static void torn_init(struct torn *t)
{
	struct strbuf two;

	fx_init(&t->x, false);
	append_text(t->x.s, "l", 1, "one");
	append_text(t->x.s, "l", 2, "two");
	two = slurp(at(&t->x, "l.log"));
	memcpy(&t->cell2, two.s + LOGF_CELL_OFFSET, sizeof(t->cell2));
	append_text(t->x.s, "l", 3, "three");
	t->file = slurp(at(&t->x, "l.log"));
	t->last = LOGF_HEADER_BYTES + 2 * 32;
	CHECK(!memcmp(t->file.s + t->last + 24, "three", 5));
	sb_free(&two);
	store_close(t->x.s);
	t->x.s = NULL;
}

static void torn_done(struct torn *t)
{
	sb_free(&t->file);
	fx_done(&t->x);
}

enum cell { CELL_AS_IT_WAS, CELL_BEFORE, CELL_BROKEN };

/* A file with the first @n bytes of the log, byte @flip inverted, and a tail cell of a kind. */
static void torn_file(struct torn *t, size_t n, size_t flip, enum cell cell)
{
	char *copy = mem_alloc(t->file.n);

	memcpy(copy, t->file.s, t->file.n);
	if (flip)
		copy[flip] = (char)~copy[flip];
	if (cell == CELL_BEFORE)
		memcpy(copy + LOGF_CELL_OFFSET, &t->cell2, sizeof(t->cell2));
	if (cell == CELL_BROKEN)
		copy[LOGF_CELL_OFFSET + 3]++;
	unlink(at(&t->x, "l.log"));
	spill(at(&t->x, "l.log"), copy, n);
	free(copy);
}

static void torn_check(struct torn *t, const char *what, size_t k)
{
	struct strbuf before = slurp(at(&t->x, "l.log")), after;
	struct store *ro = fx_again(&t->x, true), *rw, *old;

	CHECK_MSG(tail_of(ro, "l") == 3, "%s %zu", what, k);
	check_log(ro, "l", 1, "1=one\n2=two\n");
	after = slurp(at(&t->x, "l.log"));
	CHECK(before.n == after.n && !memcmp(before.s, after.s, before.n));
	old = fx_again(&t->x, false);
	CHECK_INT(tail_of(old, "l"), 3);
	rw = fx_again(&t->x, false);
	append_text(rw, "l", 3, "3!");
	append_text(rw, "l", 4, "four");
	check_log(rw, "l", 1, "1=one\n2=two\n3=3!\n4=four\n");
	check_log(old, "l", 3, "3=3!\n4=four\n");
	check_log(ro, "l", 1, "1=one\n2=two\n3=3!\n4=four\n");
	store_close(ro);
	store_close(rw);
	store_close(old);
	sb_free(&before);
	sb_free(&after);
}

static void each_tear(enum cell cell, void (*check)(struct torn *t, const char *what, size_t k), struct torn *t)
{
	for (size_t k = 0; k < FRAME_BYTES; k++) {
		torn_file(t, t->last + k, 0, cell);
		check(t, "truncated at byte", k);
		if (k < 29) { /* the padding is not content */
			torn_file(t, t->file.n, t->last + k, cell);
			check(t, "inverted byte", k);
		}
	}
}

static void torn_tail(void)
{
	struct torn t;

	torn_init(&t);
	each_tear(CELL_BEFORE, torn_check, &t);
	each_tear(CELL_BROKEN, torn_check, &t);
	torn_done(&t);
}

static void counted_check(struct torn *t, const char *what, size_t k)
{
	struct strbuf before = slurp(at(&t->x, "l.log")), after;

	for (int ro = 0; ro < 2; ro++) {
		struct store *s = fx_again(&t->x, ro);
		struct err e = ERR_INIT;
		uint64_t next;

		CHECK_MSG(store_log_tail(s, "l", &next, &e) == -EIO, "%s %zu", what, k);
		CHECK_HAS(err_msg(&e), "log \"l\"");
		CHECK_HAS(err_msg(&e), "record 3 is unreadable");
		CHECK_HAS(err_msg(&e), "\"l.log\"");
		for (uint64_t seq = 3; seq < 5 && !ro; seq++)
			CHECK_INT(store_log_append(s, "l", seq, "x", 1, NULL), -EIO);
		err_clear(&e);
		store_close(s);
	}
	after = slurp(at(&t->x, "l.log"));
	CHECK(before.n == after.n && !memcmp(before.s, after.s, before.n));
	sb_free(&before);
	sb_free(&after);
}

static void counted(void)
{
	static const char zeros[sizeof(struct logf_cell)];
	struct torn t;
	int fd;

	torn_init(&t);
	each_tear(CELL_AS_IT_WAS, counted_check, &t);
	/* whoever would rather lose the record than restore the file wipes the cell */
	fd = open(at(&t.x, "l.log"), O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, zeros, sizeof(zeros), LOGF_CELL_OFFSET) == sizeof(zeros));
	close(fd);
	torn_check(&t, "cell wiped", 0);
	torn_done(&t);
}

static void unpublished(void)
{
	struct torn t;

	torn_init(&t);
	for (int cell = 0; cell < 3; cell++) {
		struct store *ro, *rw;

		torn_file(&t, t.file.n, 0, cell);
		ro = fx_again(&t.x, true);
		check_log(ro, "l", 1, "1=one\n2=two\n3=three\n");
		rw = fx_again(&t.x, false);
		CHECK_INT(store_log_append(rw, "l", 3, "x", 1, NULL), -EAGAIN);
		append_text(rw, "l", 4, "four");
		check_log(ro, "l", 2, "2=two\n3=three\n4=four\n");
		store_close(rw);
		store_close(ro);
	}
	torn_done(&t);
}

static void damage(void)
{
	struct strbuf got = STRBUF_INIT, before, after;
	struct err e = ERR_INIT;
	struct store *s;
	struct torn t;
	uint64_t next;

	torn_init(&t);
	/* a bad payload in the middle: what is after it can be read, it cannot */
	torn_file(&t, t.file.n, LOGF_HEADER_BYTES + 32 + 24, CELL_AS_IT_WAS);
	s = fx_again(&t.x, false);
	check_log(s, "l", 3, "3=three\n");
	CHECK_INT(store_log_read(s, "l", 1, add_record, &got, &e), -EIO);
	CHECK_STR(got.s, "1=one\n");
	CHECK_HAS(err_msg(&e), "record 2");
	CHECK_HAS(err_msg(&e), "l.log");
	store_close(s);
	/* with the cell gone too, nothing is dropped that might be a record, and nothing written */
	for (int cell = 0; cell < 2; cell++) {
		torn_file(&t, t.file.n, LOGF_HEADER_BYTES + 32 * (unsigned)cell + (cell ? 24 : 4),
			  cell ? CELL_BROKEN : CELL_AS_IT_WAS);
		if (cell == 0)
			torn_file(&t, t.last, LOGF_HEADER_BYTES, CELL_AS_IT_WAS);
		before = slurp(at(&t.x, "l.log"));
		s = fx_again(&t.x, false);
		CHECK_INT(store_log_tail(s, "l", &next, &e), -EIO);
		CHECK_HAS(err_msg(&e), "damaged");
		CHECK_INT(store_log_append(s, "l", 2, "x", 1, NULL), -EIO);
		CHECK_INT(store_log_append(s, "l", 4, "x", 1, NULL), -EIO);
		store_close(s);
		after = slurp(at(&t.x, "l.log"));
		CHECK(before.n == after.n && !memcmp(before.s, after.s, before.n));
		sb_free(&before);
		sb_free(&after);
	}
	/* headers */
	torn_file(&t, t.file.n, 3, CELL_AS_IT_WAS);
	s = fx_again(&t.x, false);
	CHECK_INT(store_log_tail(s, "l", &next, &e), -EIO);
	torn_file(&t, t.file.n, 17, CELL_AS_IT_WAS);
	CHECK_INT(store_log_tail(s, "l", &next, &e), -EIO);
	torn_file(&t, t.file.n, 8, CELL_AS_IT_WAS);
	CHECK(store_log_tail(s, "l", &next, &e) < 0);
	CHECK_INT(e.code, ERR_UNSUPPORTED);
	CHECK_HAS(err_msg(&e), "version");
	torn_file(&t, 4095, 0, CELL_AS_IT_WAS);
	CHECK_INT(store_log_tail(s, "l", &next, &e), -EIO);
	spill(at(&t.x, "l.log"), "", 0);
	CHECK_INT(store_log_append(s, "l", 1, "x", 1, &e), -EIO);
	store_close(s);
	sb_free(&got);
	err_clear(&e);
	torn_done(&t);
}

static void garbage(void)
{
	struct strbuf other;
	struct store *s;
	struct torn t;
	char *copy;

	torn_init(&t);
	/* another log, whose frame 4 has the right number and a good checksum of its own */
	s = fx_again(&t.x, false);
	for (uint64_t i = 1; i < 6; i++)
		append_text(s, "other", i, "record");
	other = slurp(at(&t.x, "other.log"));
	store_close(s);
	copy = mem_alloc(t.file.n);
	for (int kind = 0; kind < 3; kind++) {
		char *end = copy + t.last + FRAME_BYTES;

		memcpy(copy, t.file.s, t.file.n);
		if (kind == 0)
			memcpy(end, other.s + LOGF_HEADER_BYTES + 3 * 32, 64);
		if (kind == 1)
			memcpy(end, copy + t.last, FRAME_BYTES); /* our own frame 3 again */
		if (kind == 2)
			memset(end, 0xff, t.file.n - (size_t)(end - copy));
		spill(at(&t.x, "l.log"), copy, t.file.n);
		s = fx_again(&t.x, false);
		CHECK_INT(tail_of(s, "l"), 4);
		/* a shorter record than the garbage: what is behind it must not be read either */
		append_text(s, "l", 4, "4");
		check_log(s, "l", 1, "1=one\n2=two\n3=three\n4=4\n");
		store_close(s);
		s = fx_again(&t.x, false);
		CHECK_INT(tail_of(s, "l"), 5);
		store_close(s);
	}
	free(copy);
	sb_free(&other);
	torn_done(&t);
}

/* --- cost ------------------------------------------------------------------------------------- */

static void steady_state(void)
{
	const struct file_log_stats *st, *st2;
	uint64_t pw, fd, fsy, opens, settles, hops;
	struct store *reader;
	struct fx x;

	fx_init(&x, false);
	reader = fx_again(&x, true);
	append_text(x.s, "l", 1, "first");
	check_log(reader, "l", 1, "1=first\n");
	st = file_log_stats(x.s, "l");
	st2 = file_log_stats(reader, "l");
	append_text(x.s, "l", 2, "second");
	pw = st->pwrites;
	fd = st->fdatasyncs;
	fsy = st->fsyncs;
	opens = st->opens + st2->opens;
	settles = st->settles + st2->settles;
	hops = st2->hops;
	for (uint64_t i = 3; i < 203; i++) {
		append_text(x.s, "l", i, "a record of some length");
		CHECK_INT(tail_of(reader, "l"), i + 1);
		if (i % 20 == 0) {
			struct strbuf b = STRBUF_INIT;

			CHECK(store_log_read(reader, "l", i > 20 ? i - 19 : 2, add_record, &b, NULL) == 0);
			sb_free(&b);
		}
	}
	CHECK_INT(st->pwrites - pw, 200);
	CHECK_INT(st->fdatasyncs - fd, 200);
	CHECK_INT(st->fsyncs - fsy, 0);
	CHECK_INT(st->opens + st2->opens - opens, 0);
	CHECK_INT(st->settles + st2->settles - settles, 0);
	CHECK(st2->hops - hops <= 2);
	CHECK_INT(st2->pwrites + st2->fdatasyncs + st2->fsyncs, 0);
	store_close(reader);
	fx_done(&x);
}

static void growth(void)
{
	const struct file_log_stats *st;
	struct strbuf b = STRBUF_INIT;
	struct store *late;
	struct fx x;
	char rec[1000];

	fx_init(&x, false);
	memset(rec, 'r', sizeof(rec));
	for (uint64_t i = 1; i <= 2000; i++)
		CHECK(store_log_append(x.s, "l", i, rec, sizeof(rec), NULL) == 0);
	st = file_log_stats(x.s, "l");
	CHECK(st->fsyncs < 10);
	/* far into a long log: the way back from the tail, not through the history */
	late = fx_again(&x, false);
	CHECK(store_log_read(late, "l", 1991, add_record, &b, NULL) == 0);
	CHECK(!strncmp(b.s, "1991=", 5));
	CHECK(file_log_stats(late, "l")->hops <= 10);
	CHECK_INT(file_log_stats(late, "l")->pwrites + file_log_stats(late, "l")->fdatasyncs, 0);
	sb_reset(&b);
	CHECK(store_log_read(late, "l", 2, add_record, &b, NULL) == 0);
	CHECK(file_log_stats(late, "l")->hops <= 12);
	CHECK(!strncmp(b.s, "2=", 2) && b.n > 1999 * 1000);
	sb_free(&b);
	store_close(late);
	fx_done(&x);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0 /* it keeps a thread of its own, which would survive the exit below */
#endif

/* In seccomp's strict mode any system call but read, write, exit kills. */
static int tail_strict(void *ctx, unsigned i)
{
	struct store *s = NULL;
	uint64_t next, sum = 0;

	const char *preload = getenv("LD_PRELOAD"); /* valgrind makes calls of its own */

	MUST(store_open(((struct fx *)ctx)->root, NULL, &s, NULL) == 0);
	MUST(store_log_tail(s, "l", &next, NULL) == 0);
	if (UNDER_TSAN || (preload && strstr(preload, "vgpreload")) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 0;
	for (int k = 0; k < 10000; k++) {
		store_log_tail(s, "l", &next, NULL);
		sum += next;
	}
	syscall(SYS_exit, sum == 20000 ? 0 : 1);
	return 1;
}

static void tail_without_calls(void)
{
	struct fx x;

	fx_init(&x, false);
	append_text(x.s, "l", 1, "r");
	in_processes(1, tail_strict, &x);
	fx_done(&x);
}

/* --- logs replaced under open handles ----------------------------------------------------------- */

static void replaced_log(void)
{
	struct store *other, *ro;
	struct fx x;

	fx_init(&x, false);
	other = fx_again(&x, false);
	ro = fx_again(&x, true);
	append_text(x.s, "d/l", 1, "old1");
	append_text(other, "d/l", 2, "old2");
	CHECK_INT(tail_of(ro, "d/l"), 3);
	/* through the store: everybody knows at once */
	CHECK(store_delete_prefix(other, "d", NULL) == 0);
	CHECK_INT(tail_of(x.s, "d/l"), 1);
	CHECK_INT(tail_of(ro, "d/l"), 1);
	append_text(other, "d/l", 1, "new1");
	CHECK_INT(tail_of(ro, "d/l"), 2);
	CHECK_INT(store_log_append(x.s, "d/l", 3, "x", 1, NULL), -EAGAIN);
	append_text(x.s, "d/l", 2, "new2");
	check_log(ro, "d/l", 1, "1=new1\n2=new2\n");
	/* behind our back: an append never goes to a file that is not the log */
	CHECK(rename(at(&x, "d/l.log"), at(&x, "elsewhere")) == 0);
	CHECK_INT(store_log_append(x.s, "d/l", 3, "x", 1, NULL), -EAGAIN);
	append_text(x.s, "d/l", 1, "newest");
	CHECK_INT(store_log_append(other, "d/l", 3, "x", 1, NULL), -EAGAIN);
	append_text(other, "d/l", 2, "newest2");
	check_log(x.s, "d/l", 1, "1=newest\n2=newest2\n");
	store_close(other);
	store_close(ro);
	fx_done(&x);
}

static void many_logs(void)
{
	struct fx x;
	char name[32];

	fx_init(&x, false);
	for (uint64_t round = 1; round <= 2; round++) {
		for (int i = 0; i < 300; i++) {
			snprintf(name, sizeof(name), "log/%d", i);
			append_text(x.s, name, round, name);
		}
	}
	CHECK(to_file_store(x.s)->logs.n <= 256);
	check_log(x.s, "log/0", 1, "1=log/0\n2=log/0\n");
	check_log(x.s, "log/299", 2, "2=log/299\n");
	fx_done(&x);
}

/* --- full disks, rights, odd directories -------------------------------------------------------- */

static bool no_temps(const char *dir)
{
	char cmd[PATH_MAX + 64];

	snprintf(cmd, sizeof(cmd), "test -z \"$(find '%s' -name '.tmp-*')\"", dir);
	return system(cmd) == 0;
}

static int limit_child(void *ctx, unsigned i)
{
	struct fx *x = ctx;
	struct rlimit lim = { 300 << 10, RLIM_INFINITY };
	struct err e = ERR_INIT;
	struct store *s = NULL;
	char *big = mem_zalloc(1 << 20);
	uint64_t seq = 1, next;

	signal(SIGXFSZ, SIG_IGN);
	MUST(store_open(x->root, NULL, &s, NULL) == 0);
	MUST(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	MUST(store_put(s, "d/big", big, 1 << 20, &e) == -EFBIG);
	MUST(e.code == ERR_STORAGE && strstr(err_msg(&e), "\"d/big\"") && strstr(err_msg(&e), x->root) &&
	     strstr(err_msg(&e), "ulimit"));
	MUST(store_create(s, "d/big", big, 1 << 20, NULL, &e) == -EFBIG);
	MUST(no_temps(x->root));
	MUST(store_put(s, "d/small", big, 1000, &e) == 0);
	while (store_log_append(s, "l", seq, big, 10000, &e) == 0)
		seq++;
	/* the last whole record that fits: growing falls back to what is needed */
	MUST(strstr(err_msg(&e), "\"l\"") && seq > 28);
	MUST(store_log_append(s, "l", seq, big, 1 << 20, NULL) == -EFBIG);
	MUST(store_log_tail(s, "l", &next, NULL) == 0 && next == seq);
	lim.rlim_cur = RLIM_INFINITY;
	MUST(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	MUST(store_log_append(s, "l", seq, big, 1 << 20, NULL) == 0);
	MUST(store_log_tail(s, "l", &next, NULL) == 0 && next == seq + 1);
	store_close(s);
	free(big);
	err_clear(&e);
	return 0;
}

static void size_limit(void)
{
	struct fx x;

	fx_init(&x, false);
	in_processes(1, limit_child, &x);
	fx_done(&x);
}

static int count_records(void *arg, uint64_t seq, const void *data, size_t n)
{
	(*(uint64_t *)arg)++;
	return 0;
}

/* A tmpfs of 1 MiB in a mount namespace of our own, when we may. */
static int full_child(void *ctx, unsigned i)
{
	struct fx *x = ctx;
	struct store_token t;
	struct err e = ERR_INIT;
	struct store *s = NULL, *ro = NULL;
	struct store_open_opts ro_opts = { .read_only = true };
	char *big = mem_zalloc(2 << 20);
	uint64_t seq = 1, next, n = 0;

	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) || mkdir(x->root, 0777) ||
	    mount("tmpfs", x->root, "tmpfs", 0, "size=1m")) {
		free(big);
		return 0;
	}
	MUST(store_open(x->root, NULL, &s, NULL) == 0);
	MUST(store_create(s, "state", "1", 1, &t, NULL) == 0);
	MUST(store_put(s, "big", big, 2 << 20, &e) == -ENOSPC);
	MUST(strstr(err_msg(&e), "\"big\"") && strstr(err_msg(&e), "free some space"));
	MUST(store_put(s, "filler", big, 300 << 10, NULL) == 0);
	while (store_log_append(s, "l", seq, big, 10000, &e) == 0)
		seq++;
	MUST(strstr(err_msg(&e), "free some space") && seq > 10);
	MUST(store_log_append(s, "l", seq, big, 100000, NULL) == -ENOSPC);
	MUST(store_replace(s, "state", &t, big, 300 << 10, NULL, NULL) == -ENOSPC);
	MUST(no_temps(x->root));
	MUST(store_delete(s, "filler", NULL) == 0);
	MUST(store_log_append(s, "l", seq, big, 100000, NULL) == 0);
	MUST(store_log_read(s, "l", 1, count_records, &n, NULL) == 0 && n == seq);
	MUST(store_replace(s, "state", &t, "2", 1, NULL, NULL) == 0);
	/* and the disk becomes read-only */
	MUST(mount("none", x->root, "none", MS_REMOUNT | MS_RDONLY, NULL) == 0 || errno == EBUSY);
	store_close(s);
	MUST(mount("none", x->root, "none", MS_REMOUNT | MS_RDONLY, NULL) == 0);
	MUST(store_open(x->root, NULL, &s, NULL) == 0 && store_open(x->root, &ro_opts, &ro, NULL) == 0);
	MUST(store_put(s, "k", "v", 1, &e) == -EROFS && strstr(err_msg(&e), "mounted read-only"));
	MUST(store_delete(s, "state", NULL) == -EROFS);
	n = 0;
	MUST(store_log_read(s, "l", 1, count_records, &n, NULL) == 0 && n == seq);
	MUST(store_log_append(s, "l", seq + 1, "x", 1, &e) == -EROFS);
	n = 0;
	MUST(store_log_read(ro, "l", 1, count_records, &n, NULL) == 0 && n == seq);
	MUST(store_log_tail(ro, "l", &next, NULL) == 0 && next == seq + 1);
	store_close(s);
	store_close(ro);
	free(big);
	err_clear(&e);
	return 0;
}

static void full_disk(void)
{
	struct fx x;

	fx_init(&x, false);
	in_processes(1, full_child, &x);
	fx_done(&x);
}

static int rights_child(void *ctx, unsigned i)
{
	struct fx *x = ctx;
	struct store_open_opts ro_opts = { .read_only = true };
	struct err e = ERR_INIT;
	struct store *s = NULL, *ro = NULL;
	struct strbuf b = STRBUF_INIT;
	struct store_object o;
	uint64_t next;

	if (getuid() == 0)
		MUST(setgid(65534) == 0 && setuid(65534) == 0);
	MUST(store_open(x->root, NULL, &s, NULL) == 0 && store_open(x->root, &ro_opts, &ro, NULL) == 0);
	MUST(store_list(s, "", NULL, true, add_key, &b, &e) == -EACCES);
	MUST(e.code == ERR_STORAGE && strstr(err_msg(&e), "closed") && strstr(err_msg(&e), "check the owner"));
	MUST(store_get(s, "closed/k", 99, &o, &e) == -EACCES && strstr(err_msg(&e), "closed/k"));
	MUST(store_put(s, "open/k2", "v", 1, &e) == -EACCES);
	MUST(store_create(s, "open/k2", "v", 1, NULL, NULL) == -EACCES);
	MUST(store_put(s, "open/new/k2", "v", 1, NULL) == -EACCES);
	MUST(store_delete(s, "open/k", NULL) == -EACCES);
	MUST(store_delete_prefix(s, "open", NULL) == -EACCES);
	MUST(store_get(ro, "open/k", 99, &o, &e) == 0);
	store_object_free(&o);
	MUST(store_log_tail(ro, "open/l", &next, NULL) == 0 && next == 3);
	sb_reset(&b);
	MUST(store_log_read(s, "open/l", 2, add_record, &b, NULL) == 0 && !strcmp(b.s, "2=two\n"));
	MUST(store_log_append(s, "open/l", 3, "x", 1, &e) == -EACCES);
	store_close(s);
	store_close(ro);
	sb_free(&b);
	err_clear(&e);
	return 0;
}

static void rights(void)
{
	struct fx x;

	fx_init(&x, false);
	put_text(x.s, "open/k", "v");
	put_text(x.s, "closed/k", "v");
	append_text(x.s, "open/l", 1, "one");
	append_text(x.s, "open/l", 2, "two");
	CHECK(chmod(x.dir, 0755) == 0 && chmod(at(&x, "open"), 0555) == 0 && chmod(at(&x, "closed"), 0) == 0);
	CHECK(chmod(at(&x, "open/l.log"), 0444) == 0);
	in_processes(1, rights_child, &x);
	CHECK(chmod(at(&x, "open"), 0755) == 0 && chmod(at(&x, "closed"), 0755) == 0);
	fx_done(&x);
}

/* Names, sizes, times and content of everything below a directory. */
static char *picture(const char *dir)
{
	struct strbuf b = STRBUF_INIT;
	char cmd[PATH_MAX + 128], buf[4096];
	size_t n;
	FILE *p;

	snprintf(cmd, sizeof(cmd),
		 "cd '%s' && find . -printf '%%p %%i %%s %%T@ %%C@\\n' | sort; find . -type f -exec cksum {} + | sort",
		 dir);
	p = popen(cmd, "r");
	CHECK(p != NULL);
	while ((n = fread(buf, 1, sizeof(buf), p)))
		sb_add(&b, buf, n);
	pclose(p);
	return sb_detach(&b);
}

static void read_everything(struct store *s)
{
	struct strbuf b = STRBUF_INIT;
	struct store_object o;
	struct store_stat st;
	struct store_map m;
	char buf[4];
	size_t got;

	check_list(s, "", NULL, true, "a/k\n");
	CHECK(store_get(s, "a/k", 9, &o, NULL) == 0);
	store_object_free(&o);
	CHECK(store_get_range(s, "a/k", 0, 4, buf, &got, NULL) == 0);
	CHECK(store_head(s, "a/k", &st, NULL) == 0);
	CHECK(store_map(s, "a/k", &m, NULL) == 0);
	store_unmap(s, &m);
	CHECK_INT(tail_of(s, "a/l"), 3);
	CHECK_INT(tail_of(s, "a/none"), 1);
	CHECK(store_log_read(s, "a/l", 1, add_record, &b, NULL) == 0);
	CHECK_INT(store_head(s, "a/none", &st, NULL), -ENOENT);
	sb_free(&b);
}

static void reads_write_nothing(void)
{
	struct timespec old[2] = { { 1600000000, 0 }, { 1600000000, 0 } };
	char *before, *after;
	struct store *s;
	struct fx x;

	fx_init(&x, false);
	put_text(x.s, "a/k", "v");
	append_text(x.s, "a/l", 1, "one");
	append_text(x.s, "a/l", 2, "two");
	store_close(x.s);
	x.s = NULL;
	spill(at(&x, "a/.tmp-1-0000000000000000"), "left over", 9);
	CHECK(utimensat(AT_FDCWD, at(&x, "a/.tmp-1-0000000000000000"), old, 0) == 0);
	before = picture(x.dir);
	s = fx_again(&x, true);
	read_everything(s);
	CHECK(store_put(s, "b/k", "v", 1, NULL) == -EROFS);
	store_close(s);
	after = picture(x.dir);
	CHECK_STR(after, before);
	free(before);
	free(after);
	/* the list of a writable store only sweeps the stale temporary */
	CHECK(unlink(at(&x, "a/.tmp-1-0000000000000000")) == 0);
	before = picture(x.dir);
	s = fx_again(&x, false);
	read_everything(s);
	store_close(s);
	after = picture(x.dir);
	CHECK_STR(after, before);
	free(before);
	free(after);
	fx_done(&x);
}

static void temporaries(void)
{
	struct timespec old[2] = { { 1600000000, 0 }, { 1600000000, 0 } };
	struct fx x;

	fx_init(&x, false);
	put_text(x.s, "d/k", "v");
	spill(at(&x, "d/.tmp-1-aaaa"), "stale", 5);
	spill(at(&x, "d/.tmp-2-bbbb"), "being written", 13);
	spill(at(&x, "d/.tmp-lock"), "", 0);
	CHECK(utimensat(AT_FDCWD, at(&x, "d/.tmp-1-aaaa"), old, 0) == 0);
	CHECK(utimensat(AT_FDCWD, at(&x, "d/.tmp-lock"), old, 0) == 0);
	check_list(x.s, "", NULL, true, "d/k\n");
	CHECK(access(at(&x, "d/.tmp-1-aaaa"), F_OK) < 0);
	CHECK(access(at(&x, "d/.tmp-2-bbbb"), F_OK) == 0);
	CHECK(access(at(&x, "d/.tmp-lock"), F_OK) == 0);
	CHECK(store_delete_prefix(x.s, "d", NULL) == 0);
	CHECK(access(at(&x, "d"), F_OK) < 0);
	fx_done(&x);
}

static void odd_directories(void)
{
	struct store_stat st;
	struct err e = ERR_INIT;
	struct fx x;

	fx_init(&x, false);
	/* nothing is made by opening and reading; a write makes the root and all above it */
	check_list(x.s, "", NULL, true, "");
	CHECK(store_delete(x.s, "k", NULL) == 0 && store_delete_prefix(x.s, "k", NULL) == 0);
	CHECK(access(x.root, F_OK) < 0);
	strcat(x.root, "/deep/er");
	store_close(x.s);
	x.s = fx_again(&x, false);
	CHECK(store_create(x.s, "a/b/c", "v", 1, NULL, NULL) == 0);
	check_text(x.s, "a/b/c", "v");
	/* files where directories are needed, and the reverse */
	CHECK_INT(store_put(x.s, "a/b/c/d", "v", 1, &e), -ENOTDIR);
	CHECK_HAS(err_msg(&e), "a file stands where");
	CHECK_INT(store_put(x.s, "a/b", "v", 1, &e), -EISDIR);
	CHECK_HAS(err_msg(&e), "directory");
	CHECK_INT(store_create(x.s, "a/b", "v", 1, NULL, &e), -EISDIR);
	CHECK_INT(store_log_append(x.s, "a/b/c/log", 1, "v", 1, &e), -ENOTDIR);
	CHECK(store_delete_prefix(x.s, "a/b/c", NULL) == 0);
	check_text(x.s, "a/b/c", "v");
	/* links: to a file it is that object, to a directory it is not walked nor emptied */
	CHECK(symlink("b/c", at(&x, "a/link")) == 0 && symlink("b", at(&x, "a/dirlink")) == 0);
	CHECK(symlink("nowhere", at(&x, "a/dangling")) == 0 && mkfifo(at(&x, "a/fifo"), 0666) == 0);
	check_list(x.s, "", NULL, true, "a/b/c\na/link\n");
	check_text(x.s, "a/link", "v");
	CHECK_INT(store_head(x.s, "a/fifo", &st, NULL), -ENOENT);
	CHECK(store_delete_prefix(x.s, "a/dirlink", NULL) == 0);
	check_text(x.s, "a/b/c", "v");
	CHECK(store_delete_prefix(x.s, "a", NULL) == 0);
	check_list(x.s, "", NULL, true, "");
	snprintf(x.root, sizeof(x.root), "%s/root", x.dir);
	err_clear(&e);
	fx_done(&x);
}

static void fill_and_remove(void *ctx, unsigned i)
{
	struct appender *a = ctx;
	char key[64];

	for (int k = 0; k < 60; k++) {
		int rc;

		snprintf(key, sizeof(key), "t/%d/%u", k % 3, i);
		if (i == 0)
			rc = store_delete_prefix(a->s, "t", NULL);
		else if (i % 2)
			rc = store_put(a->s, key, "v", 1, NULL);
		else
			rc = store_create(a->s, key, "v", 1, NULL, NULL);
		if (rc && rc != -EEXIST)
			__atomic_add_fetch(&a->failed, 1, __ATOMIC_SEQ_CST);
	}
}

static void remove_while_written(void)
{
	struct appender a = { 0 };
	struct fx x;

	fx_init(&x, false);
	a.s = x.s;
	in_threads(6, fill_and_remove, &a);
	CHECK_INT(a.failed, 0);
	CHECK(store_delete_prefix(x.s, "t", NULL) == 0);
	check_list(x.s, "", NULL, true, "");
	CHECK(no_temps(x.root));
	fx_done(&x);
}

static void big_tokens(void)
{
	size_t n = 2 << 20;
	char *big = mem_zalloc(n);
	struct store_stat st, st2;
	struct store_object o;
	struct store_token t;
	struct fx x;

	/* in the tick it was written the content counts */
	fx_init(&x, false);
	CHECK(store_put(x.s, "big", big, n, NULL) == 0);
	CHECK(store_head(x.s, "big", &st, NULL) == 0);
	CHECK_INT(strlen(st.token.s), SHA256_HEX_LEN);
	CHECK(store_put(x.s, "big", big, n, NULL) == 0);
	CHECK(store_head(x.s, "big", &st2, NULL) == 0);
	CHECK_STR(st2.token.s, st.token.s);
	/* later the inode */
	to_file_store(x.s)->settled_seconds = -1;
	CHECK(store_head(x.s, "big", &st2, NULL) == 0);
	CHECK(!strncmp(st2.token.s, "i:", 2));
	CHECK(store_get(x.s, "big", n, &o, NULL) == 0);
	CHECK_STR(o.token.s, st2.token.s);
	store_object_free(&o);
	/* either kind is good for a replace, and only once */
	big[7] = 1;
	CHECK(store_replace(x.s, "big", &st2.token, big, n, &t, NULL) == 0);
	CHECK_INT(store_replace(x.s, "big", &st2.token, big, n, NULL, NULL), -ESTALE);
	CHECK_INT(store_replace(x.s, "big", &st.token, big, n, NULL, NULL), -ESTALE);
	CHECK(store_replace(x.s, "big", &t, big, 10, NULL, NULL) == 0);
	free(big);
	fx_done(&x);
}

CHECK_MAIN("fs/file", { "of 8 processes that create one object exactly one wins, whole", create_processes },
	   { "create is exclusive also by link and by O_EXCL", create_fallbacks },
	   { "compare-and-swap of 6 processes loses no update, with either kind of lock", replace_processes },
	   { "8 processes of 4 threads append to one log without loss", append_processes },
	   { "appends go on while another process trims", trim_processes },
	   { "an acknowledged record survives kill -9 of its writer", kill_appenders },
	   { "a record torn at any byte before it was counted is no record and is overwritten", torn_tail },
	   { "a record that was counted is never taken for torn: it is damage, reported, not repaired", counted },
	   { "a whole record that was not announced is a record", unpublished },
	   { "damage before the last record is reported, not repaired", damage },
	   { "bytes behind the tail never become a record", garbage },
	   { "an append is one pwrite and one fdatasync, a tail no open", steady_state },
	   { "a log grows in steps, and late readers do not walk its history", growth },
	   { "log_tail makes no system call", tail_without_calls },
	   { "a log that was deleted or moved is noticed", replaced_log },
	   { "hundreds of logs share a bounded number of descriptors", many_logs },
	   { "a file size limit fails writes cleanly", size_limit },
	   { "a full disk fails writes cleanly, a read-only disk can be read", full_disk },
	   { "missing rights are reported, never read as absence", rights },
	   { "ENG-09 reading writes nothing", reads_write_nothing },
	   { "temporaries are invisible and swept when stale", temporaries },
	   { "missing roots, files for directories, links", odd_directories },
	   { "writers survive a concurrent delete_prefix", remove_while_written },
	   { "tokens of large objects, of the content or of the inode, admit one replace", big_tokens }, )
