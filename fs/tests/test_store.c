/* SPDX-License-Identifier: MIT */
/* test_store.c - the contract of include/omnigraph/store.h, checked on every backend. */
#include <omnigraph/limits.h>

#include "store_fixture.h"

/* --- objects ---------------------------------------------------------------------------------- */

static void objects(struct fx *x)
{
	struct err e = ERR_INIT;
	struct store_object o;
	struct store_stat st;
	char buf[8];
	size_t got;

	CHECK_INT(store_get(x->s, "a/b", 100, &o, &e), -ENOENT);
	CHECK_INT(e.code, ERR_NOT_FOUND);
	CHECK_HAS(err_msg(&e), "a/b");
	CHECK_INT(store_head(x->s, "a/b", &st, NULL), -ENOENT);
	put_text(x->s, "a/b", "hello");
	check_text(x->s, "a/b", "hello");
	put_text(x->s, "a/b", "");
	check_text(x->s, "a/b", "");
	CHECK(store_put(x->s, "bin", "a\0b\0", 4, NULL) == 0);
	CHECK(store_get(x->s, "bin", 4, &o, NULL) == 0);
	CHECK_INT(o.n, 4);
	CHECK(!memcmp(o.data, "a\0b\0", 5));
	store_object_free(&o);
	CHECK(store_get(x->s, "bin", 3, &o, &e) < 0);
	CHECK_INT(e.code, ERR_RESOURCE_LIMIT);
	CHECK(o.data == NULL);
	CHECK(store_get_range(x->s, "bin", 1, 2, buf, &got, NULL) == 0 && got == 2 && buf[0] == 0 && buf[1] == 'b');
	CHECK(store_get_range(x->s, "bin", 2, 8, buf, &got, NULL) == 0 && got == 2);
	CHECK(store_get_range(x->s, "bin", 4, 8, buf, &got, NULL) == 0 && got == 0);
	CHECK(store_get_range(x->s, "bin", 400, 8, buf, &got, NULL) == 0 && got == 0);
	CHECK(store_head(x->s, "bin", &st, NULL) == 0);
	CHECK_INT(st.size, 4);
	CHECK(st.mtime_us > 1600000000000000 && st.token.s[0]);
	CHECK(store_delete(x->s, "bin", NULL) == 0);
	CHECK(store_delete(x->s, "bin", NULL) == 0);
	CHECK(store_delete(x->s, "no/such/dir", NULL) == 0);
	CHECK_INT(store_head(x->s, "bin", &st, NULL), -ENOENT);
	/* a name that only has children is no object */
	CHECK_INT(store_head(x->s, "a", &st, NULL), -ENOENT);
	CHECK_INT(store_get(x->s, "a/b/c", 9, &o, NULL), -ENOENT);
	CHECK(store_delete(x->s, "a", NULL) == 0);
	check_text(x->s, "a/b", "");
	err_clear(&e);
}

static void create_and_replace(struct fx *x)
{
	struct store_token t1, t2, t3;
	struct store_object o;
	struct store_stat st;
	struct err e = ERR_INIT;

	CHECK(store_create(x->s, "k", "one", 3, &t1, NULL) == 0);
	CHECK_INT(store_create(x->s, "k", "two", 3, &t2, &e), -EEXIST);
	CHECK_INT(e.code, ERR_CONFLICT);
	CHECK_HAS(err_msg(&e), "\"k\"");
	check_text(x->s, "k", "one");
	CHECK(store_get(x->s, "k", 99, &o, NULL) == 0);
	CHECK_STR(o.token.s, t1.s);
	store_object_free(&o);
	CHECK(store_replace(x->s, "k", &t1, "two", 3, &t2, NULL) == 0);
	CHECK(strcmp(t1.s, t2.s));
	CHECK_INT(store_replace(x->s, "k", &t1, "three", 5, &t3, &e), -ESTALE);
	CHECK_HAS(err_msg(&e), "\"k\"");
	check_text(x->s, "k", "two");
	CHECK(store_head(x->s, "k", &st, NULL) == 0);
	CHECK(store_replace(x->s, "k", &st.token, "three", 5, NULL, NULL) == 0);
	check_text(x->s, "k", "three");
	CHECK(store_delete(x->s, "k", NULL) == 0);
	CHECK_INT(store_replace(x->s, "k", &st.token, "x", 1, NULL, NULL), -ESTALE);
	CHECK_INT(store_replace(x->s, "no/such", &st.token, "x", 1, NULL, NULL), -ESTALE);
	CHECK(store_create(x->s, "k", "again", 5, NULL, NULL) == 0);
	check_list(x->s, "", NULL, true, "k\n");
	err_clear(&e);
}

static void large_object_tokens(struct fx *x)
{
	size_t n = 3 << 20;
	char *big = mem_zalloc(n);
	struct store_object o;
	struct store_stat st;
	struct store_token t;

	CHECK(store_create(x->s, "big", big, n, &t, NULL) == 0);
	big[n - 1] = 1;
	CHECK(store_replace(x->s, "big", &t, big, n, &t, NULL) == 0);
	CHECK(store_head(x->s, "big", &st, NULL) == 0);
	CHECK_INT(st.size, n);
	CHECK(store_get(x->s, "big", n, &o, NULL) == 0);
	CHECK(!memcmp(o.data, big, n));
	store_object_free(&o);
	big[0] = 1;
	CHECK(store_replace(x->s, "big", &st.token, big, n, NULL, NULL) == 0);
	CHECK_INT(store_replace(x->s, "big", &t, big, n, NULL, NULL), -ESTALE);
	free(big);
}

static void maps(struct fx *x)
{
	struct store_map m, m2, none, empty;

	put_text(x->s, "seg/1", "content");
	put_text(x->s, "seg/0", "");
	CHECK(store_map(x->s, "seg/1", &m, NULL) == 0);
	CHECK(store_map(x->s, "seg/1", &m2, NULL) == 0);
	CHECK(store_map(x->s, "seg/0", &empty, NULL) == 0);
	CHECK_INT(empty.n, 0);
	CHECK_INT(store_map(x->s, "seg/2", &none, NULL), -ENOENT);
	CHECK(store_delete(x->s, "seg/1", NULL) == 0);
	CHECK(m.n == 7 && !memcmp(m.data, "content", 7));
	store_unmap(x->s, &m);
	store_unmap(x->s, &m);
	CHECK(m2.n == 7 && !memcmp(m2.data, "content", 7));
	store_unmap(x->s, &m2);
	store_unmap(x->s, &empty);
}

static void batches(struct fx *x)
{
	struct store_put_req p[3] = { { "b/1", "1", 1, 9 }, { "b/2", "22", 2, 9 }, { "b/3", "", 0, 9 } };
	struct store_get_req g[3] = { { .key = "b/2" }, { .key = "b/none" }, { .key = "b/1" } };
	struct err e = ERR_INIT;

	CHECK(store_put_batch(x->s, p, 3, &e) == 0);
	CHECK(p[0].rc == 0 && p[1].rc == 0 && p[2].rc == 0);
	CHECK_INT(store_get_batch(x->s, g, 3, 100, &e), -ENOENT);
	CHECK_HAS(err_msg(&e), "b/none");
	CHECK(g[0].rc == 0 && g[1].rc == -ENOENT && g[2].rc == 0);
	CHECK_STR(g[0].obj.data, "22");
	CHECK_STR(g[2].obj.data, "1");
	for (int i = 0; i < 3; i++)
		store_object_free(&g[i].obj);
	g[1].key = "../b";
	CHECK_INT(store_get_batch(x->s, g, 3, 100, &e), -EINVAL);
	err_clear(&e);
}

/* --- keys and lists --------------------------------------------------------------------------- */

static void odd_keys(struct fx *x)
{
	char c255[256], k1024[1025], c252[253];
	static const char *const good[] = { "a b",	"%41",	"\xff\xfe/\x01", "...",	   ".hidden",
					    "a.log/b",	".tmp", "new\nline",	 "*?[]",   "-rf",
					    "\xc3\xa9", "logs", ".log2",	 "tmp-1-2" };
	static const char *const bad[] = { "",	  "/a",	    "a/",	   "a//b",     ".",	"..",	   "a/../b",
					   "./a", ".tmp-1", "a/.tmp-lock", ".tmp-x/y", "a.log", "d/x.log", ".log" };
	struct err e = ERR_INIT;
	struct store_object o;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (x->s3 && !utf8_valid(str_from(good[i]))) {
			CHECK_INT(store_put(x->s, good[i], "x", 1, &e), -EINVAL);
			CHECK_HAS(err_msg(&e), "UTF-8");
			continue;
		}
		put_text(x->s, good[i], good[i]);
		check_text(x->s, good[i], good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(store_put(x->s, bad[i], "x", 1, &e), -EINVAL);
		CHECK_INT(e.code, ERR_BAD_REQUEST);
		CHECK_HAS(err_msg(&e), "the key ");
		CHECK_INT(store_get(x->s, bad[i], 9, &o, NULL), -EINVAL);
		CHECK_INT(store_create(x->s, bad[i], "x", 1, NULL, NULL), -EINVAL);
		CHECK_INT(store_delete(x->s, bad[i], NULL), -EINVAL);
	}
	CHECK_INT(store_put(x->s, "bad\x01\xff/", "x", 1, &e), -EINVAL);
	CHECK_HAS(err_msg(&e), "\"bad\\x01\\xff/\"");
	CHECK_INT(store_delete_prefix(x->s, "", &e), -EINVAL);
	memset(c255, 'c', 255);
	c255[255] = '\0';
	put_text(x->s, c255, "longest component");
	check_text(x->s, c255, "longest component");
	memset(k1024, 'k', 1024);
	for (int i = 100; i < 1024; i += 101)
		k1024[i] = '/';
	k1024[1024] = '\0';
	if (x->s3) { /* S3 counts the prefix of the store too */
		CHECK_INT(store_put(x->s, k1024, "x", 1, &e), -EINVAL);
		CHECK_HAS(err_msg(&e), "S3 allows 1024");
		k1024[1024 - strlen(strchr(x->root + 5, '/'))] = '\0';
	}
	put_text(x->s, k1024, "longest key");
	check_text(x->s, k1024, "longest key");
	memset(k1024, 'k', 256);
	k1024[256] = '\0';
	CHECK_INT(store_put(x->s, k1024, "x", 1, &e), -EINVAL);
	CHECK_HAS(err_msg(&e), "255");
	memset(c252, 'l', 252);
	c252[252] = '\0';
	CHECK_INT(store_log_append(x->s, c252, 1, "x", 1, &e), -EINVAL);
	append_text(x->s, c252 + 1, 1, "x");
	check_log(x->s, c252 + 1, 1, "1=x\n");
	err_clear(&e);
}

struct limited {
	struct strbuf keys;
	int left;
};

static int add_limited(void *arg, const char *key, const struct store_stat *st)
{
	struct limited *l = arg;

	sb_addf(&l->keys, "%s\n", key);
	return --l->left ? 0 : 77;
}

static void list_order(struct fx *x)
{
	/* '/' is a byte like others: "a.b" < "a/b" < "a0" */
	static const char *const keys[] = { "z",	"a0",	 "a/b",	 "a.b",
					    "a/b.c/d",	"a-",	 "a/b0", "a/c/\xf4\x8f\xbf\xbf",
					    "a/c/\x01", "b c/d", "B" };
	const char *all = "B\na-\na.b\na/b\na/b.c/d\na/b0\na/c/\x01\na/c/\xf4\x8f\xbf\xbf\na0\nb c/d\nz\n";
	struct limited l = { .left = 4 };
	struct err e = ERR_INIT;

	check_list(x->s, "", NULL, true, "");
	check_list(x->s, "no/dir", NULL, true, "");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put_text(x->s, keys[i], "v");
	append_text(x->s, "a/log", 1, "r");
	append_text(x->s, "log", 1, "r");
	check_list(x->s, "", NULL, true, all);
	check_list(x->s, "", NULL, false, "B\na-\na.b\na0\nz\n");
	check_list(x->s, "a", NULL, false, "a/b\na/b0\n");
	check_list(x->s, "a", NULL, true, "a/b\na/b.c/d\na/b0\na/c/\x01\na/c/\xf4\x8f\xbf\xbf\n");
	check_list(x->s, "a/b", NULL, true, "");
	/* resume after every key, after what is no key, and between */
	for (const char *p = all; *p;) {
		const char *nl = strchr(p, '\n');
		char after[64];

		snprintf(after, sizeof(after), "%.*s", (int)(nl - p), p);
		check_list(x->s, "", after, true, nl + 1);
		p = nl + 1;
	}
	check_list(x->s, "", "a/", true, strstr(all, "a/b\n"));
	check_list(x->s, "", "a", true, strstr(all, "a-"));
	check_list(x->s, "", "a/b.c", true, strstr(all, "a/b.c/d"));
	check_list(x->s, "", "a/b.c/d/e", true, strstr(all, "a/b0"));
	check_list(x->s, "", "zz", true, "");
	check_list(x->s, "a", "a/b", true, "a/b.c/d\na/b0\na/c/\x01\na/c/\xf4\x8f\xbf\xbf\n");
	check_list(x->s, "a", "b", true, "");
	CHECK_INT(store_list(x->s, "", NULL, true, add_limited, &l, &e), 77);
	CHECK_STR(l.keys.s, "B\na-\na.b\na/b\n");
	sb_free(&l.keys);
}

static int delete_listed(void *arg, const char *key, const struct store_stat *st)
{
	struct store *s = arg;

	return store_delete(s, key, NULL) || store_delete_prefix(s, "p/9", NULL);
}

static void delete_prefix(struct fx *x)
{
	char key[64];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "p/%d/%d", i % 10, i);
		put_text(x->s, key, "v");
	}
	put_text(x->s, "p.x", "v");
	put_text(x->s, "q", "v");
	append_text(x->s, "p/log/1", 1, "r");
	append_text(x->s, "l", 1, "r");
	append_text(x->s, "l2", 1, "r");
	CHECK(store_delete_prefix(x->s, "p/3", NULL) == 0);
	check_list(x->s, "p/3", NULL, true, "");
	/* deleting while listing */
	CHECK(store_list(x->s, "p", NULL, true, delete_listed, x->s, NULL) == 0);
	check_list(x->s, "p", NULL, true, "");
	CHECK_INT(tail_of(x->s, "p/log/1"), 2);
	CHECK(store_delete_prefix(x->s, "p", NULL) == 0);
	CHECK(store_delete_prefix(x->s, "p", NULL) == 0);
	CHECK_INT(tail_of(x->s, "p/log/1"), 1);
	check_list(x->s, "", NULL, true, "p.x\nq\n");
	/* the log of that name goes too, others stay; it begins anew */
	CHECK(store_delete_prefix(x->s, "l", NULL) == 0);
	CHECK_INT(tail_of(x->s, "l"), 1);
	CHECK_INT(tail_of(x->s, "l2"), 2);
	append_text(x->s, "l", 1, "new");
	check_log(x->s, "l", 1, "1=new\n");
}

/* --- races ------------------------------------------------------------------------------------ */

#define ROUNDS 40

struct race {
	struct store *s;
	pthread_barrier_t bar;
	int wins[ROUNDS];
	uint32_t failed;
};

static void create_racer(void *ctx, unsigned i)
{
	struct race *r = ctx;
	char key[32], val[32];

	snprintf(val, sizeof(val), "%u", i);
	for (int k = 0; k < ROUNDS; k++) {
		struct store_object o;
		int rc;

		snprintf(key, sizeof(key), "race/%d", k);
		pthread_barrier_wait(&r->bar);
		rc = store_create(r->s, key, val, strlen(val), NULL, NULL);
		if (rc == 0)
			__atomic_add_fetch(&r->wins[k], 1, __ATOMIC_SEQ_CST);
		else if (rc != -EEXIST)
			__atomic_add_fetch(&r->failed, 1, __ATOMIC_SEQ_CST);
		/* whoever comes back sees a complete object */
		if (store_get(r->s, key, 100, &o, NULL) || o.n == 0 || (rc == 0 && strcmp(o.data, val)))
			__atomic_add_fetch(&r->failed, 1, __ATOMIC_SEQ_CST);
		store_object_free(&o);
	}
}

static void create_race(struct fx *x)
{
	struct race r = { .s = x->s };

	pthread_barrier_init(&r.bar, NULL, 16);
	in_threads(16, create_racer, &r);
	pthread_barrier_destroy(&r.bar);
	CHECK_INT(r.failed, 0);
	for (int k = 0; k < ROUNDS; k++)
		CHECK_INT(r.wins[k], 1);
}

/* Add 1 to a decimal counter, @n times. */
static int count_up(struct store *s, int n)
{
	while (n) {
		struct store_object o;
		char val[32];
		int rc;

		if (store_get(s, "counter", 100, &o, NULL))
			return 1;
		snprintf(val, sizeof(val), "%d", atoi(o.data) + 1);
		rc = store_replace(s, "counter", &o.token, val, strlen(val), NULL, NULL);
		store_object_free(&o);
		if (rc && rc != -ESTALE)
			return 1;
		n -= rc == 0;
	}
	return 0;
}

static void count_racer(void *ctx, unsigned i)
{
	struct race *r = ctx;

	if (count_up(r->s, 25))
		__atomic_add_fetch(&r->failed, 1, __ATOMIC_SEQ_CST);
}

static void replace_race(struct fx *x)
{
	struct race r = { .s = x->s };

	put_text(x->s, "counter", "0");
	in_threads(8, count_racer, &r);
	CHECK_INT(r.failed, 0);
	check_text(x->s, "counter", "200");
}

/* --- logs ------------------------------------------------------------------------------------- */

static int stop_at(void *arg, uint64_t seq, const void *data, size_t n)
{
	return seq == *(uint64_t *)arg ? 55 : 0;
}

static void logs(struct fx *x)
{
	struct store *other = fx_again(x, false);
	struct err e = ERR_INIT;
	uint64_t three = 3;
	char *big = mem_alloc(LIMIT_LOG_RECORD_BYTES + 1);

	CHECK_INT(tail_of(x->s, "log/b"), 1);
	check_log(x->s, "log/b", 1, "");
	check_log(x->s, "log/b", 7, "");
	CHECK_INT(store_log_append(x->s, "log/b", 2, "x", 1, &e), -EAGAIN);
	CHECK_INT(e.code, ERR_RETRYABLE_CONFLICT);
	CHECK_INT(store_log_append(x->s, "log/b", 0, "x", 1, NULL), -EAGAIN);
	append_text(x->s, "log/b", 1, "one");
	CHECK_INT(tail_of(other, "log/b"), 2);
	append_text(other, "log/b", 2, "");
	CHECK_INT(tail_of(x->s, "log/b"), 3);
	CHECK_INT(store_log_append(x->s, "log/b", 2, "x", 1, NULL), -EAGAIN);
	CHECK_INT(store_log_append(x->s, "log/b", 4, "x", 1, NULL), -EAGAIN);
	append_text(x->s, "log/b", 3, "three");
	append_text(x->s, "log/b", 4, "four");
	check_log(other, "log/b", 1, "1=one\n2=\n3=three\n4=four\n");
	check_log(x->s, "log/b", 3, "3=three\n4=four\n");
	check_log(x->s, "log/b", 4, "4=four\n");
	check_log(x->s, "log/b", 2, "2=\n3=three\n4=four\n");
	check_log(x->s, "log/b", 5, "");
	CHECK_INT(store_log_read(x->s, "log/b", 1, stop_at, &three, NULL), 55);
	/* logs are neither objects nor listed */
	check_list(x->s, "", NULL, true, "");
	CHECK_INT(tail_of(x->s, "log/c"), 1);
	memset(big, 'b', LIMIT_LOG_RECORD_BYTES + 1);
	CHECK(store_log_append(x->s, "log/b", 5, big, LIMIT_LOG_RECORD_BYTES + 1, &e) < 0);
	CHECK_INT(e.code, ERR_RESOURCE_LIMIT);
	CHECK_INT(tail_of(x->s, "log/b"), 5);
	CHECK(store_log_append(x->s, "log/b", 5, big, 5 << 20, NULL) == 0);
	append_text(other, "log/b", 6, "six");
	check_log(other, "log/b", 6, "6=six\n");
	check_log(x->s, "log/b", 6, "6=six\n");
	free(big);
	store_close(other);
	err_clear(&e);
}

static void trim(struct fx *x)
{
	struct store *other = fx_again(x, false), *ro = fx_again(x, true);
	struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
	struct err e = ERR_INIT;
	char rec[32];

	CHECK(store_log_trim(x->s, "t", 3, NULL) == 0); /* no log: nothing to forget */
	for (int i = 1; i <= 50; i++) {
		snprintf(rec, sizeof(rec), "r%d", i);
		append_text(i % 2 ? x->s : other, "t", (uint64_t)i, rec);
		if (i > 40)
			sb_addf(&want, "%d=r%d\n", i, i);
	}
	check_log(other, "t", 50, "50=r50\n");
	check_log(ro, "t", 50, "50=r50\n");
	CHECK(store_log_trim(x->s, "t", 40, NULL) == 0);
	CHECK(store_log_trim(x->s, "t", 40, NULL) == 0);
	CHECK(store_log_trim(x->s, "t", 7, NULL) == 0);
	CHECK_INT(store_log_read(x->s, "t", 40, add_record, &got, &e), -ENOENT);
	CHECK_HAS(err_msg(&e), "41");
	CHECK_INT(store_log_read(other, "t", 1, add_record, &got, NULL), -ENOENT);
	CHECK_INT(got.n, 0);
	check_log(x->s, "t", 41, want.s);
	check_log(other, "t", 41, want.s);
	check_log(ro, "t", 41, want.s);
	append_text(other, "t", 51, "r51");
	CHECK_INT(tail_of(x->s, "t"), 52);
	CHECK_INT(tail_of(ro, "t"), 52);
	check_log(x->s, "t", 51, "51=r51\n");
	/* everything */
	CHECK(store_log_trim(other, "t", UINT64_MAX, NULL) == 0);
	CHECK_INT(tail_of(x->s, "t"), 52);
	check_log(x->s, "t", 52, "");
	CHECK_INT(store_log_read(x->s, "t", 51, add_record, &got, NULL), -ENOENT);
	CHECK_INT(store_log_append(x->s, "t", 1, "x", 1, NULL), -EAGAIN);
	append_text(x->s, "t", 52, "r52");
	append_text(other, "t", 53, "r53");
	check_log(ro, "t", 52, "52=r52\n53=r53\n");
	store_close(other);
	store_close(ro);
	sb_free(&want);
	err_clear(&e);
}

static void append_racer(void *ctx, unsigned i)
{
	struct race *r = ctx;
	char rec[32];

	for (int k = 0; k < 25; k++) {
		int rc;

		snprintf(rec, sizeof(rec), "%u.%d", i, k);
		do {
			uint64_t next;

			rc = store_log_tail(r->s, "log", &next, NULL);
			if (!rc)
				rc = store_log_append(r->s, "log", next, rec, strlen(rec), NULL);
		} while (rc == -EAGAIN);
		if (rc)
			__atomic_add_fetch(&r->failed, 1, __ATOMIC_SEQ_CST);
	}
}

struct seen {
	uint64_t next;
	unsigned n[32]; /* records of each writer, in its order */
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

static void append_race(struct fx *x)
{
	struct race r = { .s = x->s };
	struct seen v = { .next = 1 };

	in_threads(16, append_racer, &r);
	CHECK_INT(r.failed, 0);
	CHECK_INT(tail_of(x->s, "log"), 401);
	CHECK(store_log_read(x->s, "log", 1, see, &v, NULL) == 0);
	CHECK(!v.bad);
	CHECK_INT(v.next, 401);
}

/* --- read-only -------------------------------------------------------------------------------- */

static void read_only(struct fx *x)
{
	struct store *ro = fx_again(x, true);
	struct store_token t = { "x" };
	struct store_put_req p = { "k2", "v", 1, 0 };
	struct err e = ERR_INIT;

	check_list(ro, "", NULL, true, "");
	CHECK_INT(tail_of(ro, "log"), 1);
	put_text(x->s, "k", "v");
	append_text(x->s, "log", 1, "r");
	check_text(ro, "k", "v");
	check_log(ro, "log", 1, "1=r\n");
	append_text(x->s, "log", 2, "r2");
	CHECK_INT(tail_of(ro, "log"), 3);
	CHECK_INT(store_put(ro, "k", "w", 1, &e), -EROFS);
	CHECK_HAS(err_msg(&e), "read-only");
	CHECK_HAS(err_msg(&e), "\"k\"");
	CHECK_INT(store_create(ro, "k2", "w", 1, NULL, NULL), -EROFS);
	CHECK_INT(store_replace(ro, "k", &t, "w", 1, NULL, NULL), -EROFS);
	CHECK_INT(store_delete(ro, "k", NULL), -EROFS);
	CHECK_INT(store_delete_prefix(ro, "k", NULL), -EROFS);
	CHECK_INT(store_put_batch(ro, &p, 1, NULL), -EROFS);
	CHECK_INT(store_log_append(ro, "log", 3, "x", 1, NULL), -EROFS);
	CHECK_INT(store_log_append(ro, "newlog", 1, "x", 1, NULL), -EROFS);
	CHECK_INT(store_log_trim(ro, "log", 1, NULL), -EROFS);
	check_text(x->s, "k", "v");
	check_log(x->s, "log", 1, "1=r\n2=r2\n");
	store_close(ro);
	err_clear(&e);
}

/* --- one test on every backend ---------------------------------------------------------------- */

#ifdef CONFIG_FS_S3
#define ON_S3(fn)                    \
	static void fn##_s3(void)    \
	{                            \
		struct fx x;         \
		if (!fx_init_s3(&x)) \
			return;      \
		fn(&x);              \
		fx_done(&x);         \
	}
#define ITEM_S3(name, fn) { name " (s3)", fn##_s3 },
#else
#define ON_S3(fn)
#define ITEM_S3(name, fn)
#endif

#ifdef CONFIG_FS_SIM
#define ON_SIM(fn)                 \
	static void fn##_sim(void) \
	{                          \
		struct fx x;       \
		fx_init_sim(&x);   \
		fn(&x);            \
		fx_done(&x);       \
	}
#define ITEM_SIM(name, fn) { name " (sim)", fn##_sim },
#else
#define ON_SIM(fn)
#define ITEM_SIM(name, fn)
#endif

#define ON_EVERY_BACKEND(fn)        \
	static void fn##_file(void) \
	{                           \
		struct fx x;        \
		fx_init(&x, false); \
		fn(&x);             \
		fx_done(&x);        \
	}                           \
	static void fn##_mem(void)  \
	{                           \
		struct fx x;        \
		fx_init(&x, true);  \
		fn(&x);             \
		fx_done(&x);        \
	}                           \
	ON_SIM(fn)                  \
	ON_S3(fn)

ON_EVERY_BACKEND(objects)
ON_EVERY_BACKEND(create_and_replace)
ON_EVERY_BACKEND(large_object_tokens)
ON_EVERY_BACKEND(maps)
ON_EVERY_BACKEND(batches)
ON_EVERY_BACKEND(odd_keys)
ON_EVERY_BACKEND(list_order)
ON_EVERY_BACKEND(delete_prefix)
ON_EVERY_BACKEND(create_race)
ON_EVERY_BACKEND(replace_race)
ON_EVERY_BACKEND(logs)
static int on_log_name(void *arg, const char *name)
{
	char *names = arg;

	strcat(strcat(names, name), " ");
	return 0;
}

static void log_list(struct fx *x)
{
	char names[128] = "";

	CHECK(store_log_list(x->s, "log", on_log_name, names, NULL) == 0);
	CHECK_STR(names, "");
	CHECK(store_put(x->s, "log/object", "x", 1, NULL) == 0);
	CHECK(store_log_append(x->s, "log/one", 1, "a", 1, NULL) == 0);
	CHECK(store_log_append(x->s, "log/one", 2, "b", 1, NULL) == 0);
	CHECK(store_log_append(x->s, "log/deep/er", 1, "a", 1, NULL) == 0);
	CHECK(store_log_append(x->s, "logs/other", 1, "a", 1, NULL) == 0);
	CHECK(store_log_trim(x->s, "log/one", 2, NULL) == 0);
	CHECK(store_log_list(x->s, "log", on_log_name, names, NULL) == 0);
	CHECK_STR(names, "log/one ");
	names[0] = 0;
	CHECK(store_delete_prefix(x->s, "log/one", NULL) == 0);
	CHECK(store_log_list(x->s, "log", on_log_name, names, NULL) == 0);
	CHECK_STR(names, "");
}

ON_EVERY_BACKEND(trim)
ON_EVERY_BACKEND(log_list)
ON_EVERY_BACKEND(append_race)
ON_EVERY_BACKEND(read_only)

static void uris(void)
{
	struct err e = ERR_INIT;
	struct store *s;
	char *u, cwd[512];

	CHECK(store_canonical_uri("file:///a/./b//c/../d/", &u, NULL) == 0);
	CHECK_STR(u, "/a/b/d");
	free(u);
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	CHECK(store_canonical_uri("x/y", &u, NULL) == 0);
	CHECK(!strncmp(u, cwd, strlen(cwd)));
	CHECK_HAS(u, "/x/y");
	free(u);
	CHECK(store_canonical_uri("s3://b/p//", &u, NULL) == 0);
	CHECK_STR(u, "s3://b/p");
	free(u);
	CHECK_INT(store_canonical_uri("", &u, &e), -EINVAL);
	CHECK_INT(store_canonical_uri("s3://", &u, &e), -EINVAL);
	CHECK_HAS(err_msg(&e), "bucket");
#ifndef CONFIG_FS_S3
	CHECK(store_open("s3://b/p", NULL, &s, &e) < 0);
	CHECK_INT(e.code, ERR_UNSUPPORTED);
	CHECK_HAS(err_msg(&e), "CONFIG_FS_S3");
#endif
	CHECK(store_open("file:///tmp/x/", NULL, &s, &e) == 0);
	CHECK_STR(s->uri, "file:///tmp/x");
	store_close(s);
	CHECK(store_open("/", NULL, &s, &e) == 0);
	CHECK_STR(s->uri, "file:///");
	store_close(s);
	CHECK_INT(store_open("/dev/null", NULL, &s, &e), -ENOTDIR);
	store_close(NULL);
	err_clear(&e);
}

#define EVERYWHERE(name, fn)                                                \
	{ name " (file)", fn##_file }, ITEM_S3(name, fn) ITEM_SIM(name, fn) \
	{                                                                   \
		name " (mem)", fn##_mem                                     \
	}

CHECK_MAIN("fs/store", { "URIs are resolved, an unbuilt backend names its symbol", uris },
	   EVERYWHERE("objects are written, read in part and whole, deleted", objects),
	   EVERYWHERE("create never overwrites, replace needs the present token", create_and_replace),
	   EVERYWHERE("large objects are replaced by token", large_object_tokens),
	   EVERYWHERE("a mapped object stays readable after its removal", maps),
	   EVERYWHERE("batches report each result", batches),
	   EVERYWHERE("odd keys work, reserved and malformed ones are refused with the reason", odd_keys),
	   EVERYWHERE("lists are in byte order of the whole key and resume anywhere", list_order),
	   EVERYWHERE("delete_prefix removes a tree and its logs, also while listing", delete_prefix),
	   EVERYWHERE("of 16 threads that create one object exactly one wins", create_race),
	   EVERYWHERE("counters incremented by compare-and-swap in threads lose nothing", replace_race),
	   EVERYWHERE("log records are numbered, ordered, and seen by other handles", logs),
	   EVERYWHERE("a trimmed log goes on with its numbers", trim),
	   EVERYWHERE("the logs of a place are listed, objects and deeper ones are not", log_list),
	   EVERYWHERE("16 threads append to one log without loss", append_race),
	   EVERYWHERE("a read-only store refuses every change", read_only), )
