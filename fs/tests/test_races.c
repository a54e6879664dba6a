/* SPDX-License-Identifier: MIT */
/*
 * test_races.c - 16 processes, each with a store of its own, want the same thing in the same moment: on a directory, and on S3 when there is
 * one (scripts/check-s3). Exactly one wins each round; the others get the typed answer and read at once what the winner wrote.
 */
#include "store_fixture.h"

#define RACERS 16
#define ROUNDS 50
#define INCREMENTS 8 /* of each racer */

/* Shared by the processes. */
struct race {
	pthread_barrier_t bar;
	struct fx *x;
	uint32_t wins[ROUNDS], winner[ROUNDS], acknowledged;
};

static struct race *race_new(struct fx *x)
{
	struct race *r = shared_mem(sizeof(*r));

	process_barrier(&r->bar, RACERS);
	r->x = x;
	return r;
}

static void won(struct race *r, unsigned me, int round)
{
	r->winner[round] = me;
	__atomic_add_fetch(&r->wins[round], 1, __ATOMIC_SEQ_CST);
}

/* "<round> <racer>" and as much again that a mixture of two would show. */
static void text_of(char text[64], int round, unsigned me)
{
	snprintf(text, 64, "%04d %02u %02u %04d", round, me, me, round);
}

/* The racer whose text of @round this is; RACERS: of none. */
static unsigned writer_of(const void *data, size_t n, int round)
{
	char text[64];

	for (unsigned i = 0; i < RACERS; i++) {
		text_of(text, round, i);
		if (n == strlen(text) && !memcmp(data, text, n))
			return i;
	}
	return RACERS;
}

/* All are through with @round, and what this one saw was the winner's. */
static bool saw_winner(struct race *r, int round, unsigned seen)
{
	pthread_barrier_wait(&r->bar);
	return r->wins[round] == 1 && seen == r->winner[round];
}

static unsigned read_writer(struct store *s, const char *key, int round, struct store_token *token)
{
	struct store_object o;
	unsigned seen = RACERS;

	if (store_get(s, key, 100, &o, NULL))
		return RACERS;
	seen = writer_of(o.data, o.n, round);
	*token = o.token;
	store_object_free(&o);
	return seen;
}

/* --- creating --------------------------------------------------------------------------------- */

static int creator(void *ctx, unsigned me)
{
	struct race *r = ctx;
	struct store *s = fx_again(r->x, false);

	for (int k = 0; k < ROUNDS; k++) {
		char key[32], text[64];
		struct store_token t;
		struct err e = ERR_INIT;
		int rc;

		snprintf(key, sizeof(key), "new/%d", k);
		text_of(text, k, me);
		pthread_barrier_wait(&r->bar);
		rc = store_create(s, key, text, strlen(text), NULL, &e);
		MUST(rc == 0 || (rc == -EEXIST && e.code == ERR_CONFLICT));
		err_clear(&e);
		if (rc == 0)
			won(r, me, k);
		MUST(saw_winner(r, k, read_writer(s, key, k, &t)));
	}
	store_close(s);
	return 0;
}

/* --- replacing -------------------------------------------------------------------------------- */

static int replacer(void *ctx, unsigned me)
{
	struct race *r = ctx;
	struct store *s = fx_again(r->x, false);
	struct store_token t;
	struct store_stat st;

	MUST(store_head(s, "one", &st, NULL) == 0);
	t = st.token;
	for (int k = 0; k < ROUNDS; k++) {
		char text[64];
		struct err e = ERR_INIT;
		int rc;

		text_of(text, k, me);
		pthread_barrier_wait(&r->bar);
		rc = store_replace(s, "one", &t, text, strlen(text), NULL, &e);
		MUST(rc == 0 || (rc == -ESTALE && e.code == ERR_CONFLICT));
		err_clear(&e);
		if (rc == 0)
			won(r, me, k);
		MUST(saw_winner(r, k, read_writer(s, "one", k, &t)));
	}
	store_close(s);
	return 0;
}

static int counter(void *ctx, unsigned me)
{
	struct race *r = ctx;
	struct store *s = fx_again(r->x, false);

	pthread_barrier_wait(&r->bar);
	for (int n = 0; n < INCREMENTS;) {
		struct store_object o;
		char text[32];
		int rc;

		MUST(store_get(s, "one", 100, &o, NULL) == 0);
		snprintf(text, sizeof(text), "%d", atoi(o.data) + 1);
		rc = store_replace(s, "one", &o.token, text, strlen(text), NULL, NULL);
		store_object_free(&o);
		MUST(rc == 0 || rc == -ESTALE);
		if (rc == 0) {
			__atomic_add_fetch(&r->acknowledged, 1, __ATOMIC_SEQ_CST);
			n++;
		}
	}
	store_close(s);
	return 0;
}

/* --- appending -------------------------------------------------------------------------------- */

struct record {
	uint64_t seq;
	unsigned writer, n;
};

static int on_record(void *arg, uint64_t seq, const void *data, size_t n)
{
	struct record *v = arg;

	v->n++;
	if (seq == v->seq)
		v->writer = writer_of(data, n, (int)seq - 1);
	return 0;
}

static int appender(void *ctx, unsigned me)
{
	struct race *r = ctx;
	struct store *s = fx_again(r->x, false);

	for (int k = 0; k < ROUNDS; k++) {
		struct record v = { .seq = (uint64_t)k + 1, .writer = RACERS };
		char text[64];
		struct err e = ERR_INIT;
		int rc;

		text_of(text, k, me);
		pthread_barrier_wait(&r->bar);
		rc = store_log_append(s, "log", v.seq, text, strlen(text), &e);
		MUST(rc == 0 || (rc == -EAGAIN && e.code == ERR_RETRYABLE_CONFLICT));
		err_clear(&e);
		if (rc == 0)
			won(r, me, k);
		MUST(store_log_read(s, "log", v.seq, on_record, &v, NULL) == 0);
		MUST(v.n == 1 && saw_winner(r, k, v.writer));
	}
	store_close(s);
	return 0;
}

/* --- the tests -------------------------------------------------------------------------------- */

static void rounds(struct fx *x, int (*racer)(void *ctx, unsigned me))
{
	struct race *r = race_new(x);

	in_processes(RACERS, racer, r);
	for (int k = 0; k < ROUNDS; k++)
		CHECK_INT(r->wins[k], 1);
	munmap(r, sizeof(*r));
}

static void create_rounds(struct fx *x)
{
	rounds(x, creator);
}

static void replace_rounds(struct fx *x)
{
	put_text(x->s, "one", "the first");
	rounds(x, replacer);
}

static void append_rounds(struct fx *x)
{
	rounds(x, appender);
	CHECK_INT(tail_of(x->s, "log"), ROUNDS + 1);
}

static void no_lost_update(struct fx *x)
{
	struct race *r = race_new(x);
	char want[16];

	put_text(x->s, "one", "0");
	in_processes(RACERS, counter, r);
	CHECK_INT(r->acknowledged, RACERS * INCREMENTS);
	snprintf(want, sizeof(want), "%u", r->acknowledged);
	check_text(x->s, "one", want);
	munmap(r, sizeof(*r));
}

#define ON_FILE(fn)                 \
	static void fn##_file(void) \
	{                           \
		struct fx x;        \
		fx_init(&x, false); \
		fn(&x);             \
		fx_done(&x);        \
	}

#ifdef CONFIG_FS_S3
#define ON_BOTH(fn)                  \
	ON_FILE(fn)                  \
	static void fn##_s3(void)    \
	{                            \
		struct fx x;         \
		if (!fx_init_s3(&x)) \
			return;      \
		fn(&x);              \
		fx_done(&x);         \
	}
#define BOTH(name, fn)                 \
	{ name " (file)", fn##_file }, \
	{                              \
		name " (s3)", fn##_s3  \
	}
#else
#define ON_BOTH(fn) ON_FILE(fn)
#define BOTH(name, fn)                    \
	{                                 \
		name " (file)", fn##_file \
	}
#endif

ON_BOTH(create_rounds)
ON_BOTH(replace_rounds)
ON_BOTH(append_rounds)
ON_BOTH(no_lost_update)

CHECK_MAIN(
	"fs/races",
	BOTH("of 16 processes that create one object exactly one wins each of 50 rounds, and all read what it wrote",
	     create_rounds),
	BOTH("of 16 processes that replace one version exactly one wins each of 50 rounds, and all read what it wrote",
	     replace_rounds),
	BOTH("of 16 processes that append one record exactly one wins each of 50 rounds, and all read what it wrote",
	     append_rounds),
	BOTH("16 processes count up by compare-and-swap: the end is the number of acknowledged steps",
	     no_lost_update), )
