/* SPDX-License-Identifier: MIT */
/* Loads that do not fit into the memory they may use: the same rows, the same refusals, as when they do. */
#include <signal.h>
#include <sys/resource.h>

#include "load_test.h"

#define SCHEMA                                                                                              \
	"node City { name: String @key  pop: I32? @range(pop, 0..1000)  tags: [String]?  at: DateTime? }\n" \
	"node Note { text: String?  mail: String? @unique  v: Vector(3)?  f: F32?  b: Blob? }\n"            \
	"node Slot { tenant: String  slot: U32  @key(tenant, slot) }\n"                                     \
	"edge Road: City -> City { km: I32? }\n"                                                            \
	"edge About: Note -> City @card(0..3)\n"

struct pair {
	struct fix all, little; /* everything in memory; next to nothing */
};

static void open_little(struct fix *f, const char *schema)
{
	struct graph_open_opts opts = { .load_stage_bytes = 1 };
	struct err e = ERR_INIT;

	fix_open(f, schema);
	graph_close(f->g);
	FIX_OK(graph_open_store(f->store, &opts, &f->g, &e), &e);
}

static void open_pair(struct pair *p)
{
	fix_open(&p->all, SCHEMA);
	open_little(&p->little, SCHEMA);
}

static void close_pair(struct pair *p)
{
	fix_close(&p->all);
	fix_close(&p->little);
}

/* Load both; the outcome, its message, its counts and the rows afterwards must be equal. Returns the message, "" for none. */
static const char *both(struct pair *p, const struct load_opts *o, const struct strbuf *text)
{
	struct err want = ERR_INIT, got = ERR_INIT;
	struct load_result a, b;
	int rc = lt_load_str(&p->all, o, sb_str(text), &a, &want);
	const char *msg;

	CHECK_INT(lt_load_str(&p->little, o, sb_str(text), &b, &got), rc);
	CHECK_STR(err_msg(&got), err_msg(&want));
	if (!rc) {
		CHECK_INT(b.total, a.total);
		load_result_clear(&a);
		load_result_clear(&b);
	}
	CHECK_STR(lt_export(&p->little), lt_export(&p->all));
	msg = arena_strdup(&p->all.a, err_msg(&want));
	err_clear(&want);
	err_clear(&got);
	return msg;
}

static uint32_t next(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

static void city(struct strbuf *t, uint32_t name, int pop)
{
	sb_addf(t,
		"{\"type\":\"City\",\"data\":{\"name\":\"city-%05u\",\"pop\":%d,\"tags\":[\"a\",\"b%u\"],"
		"\"at\":\"2024-01-01T00:00:00Z\"}}\n",
		name, pop, name);
}

static void note(struct strbuf *t, uint32_t id, uint32_t mail)
{
	sb_addf(t,
		"{\"type\":\"Note\",\"data\":{\"id\":\"n%u\",\"text\":\"%*s\",\"mail\":\"m%u\",\"v\":[1,2.5,%u],\"f\":"
		"0.1,"
		"\"b\":\"base64:AAEC\"}}\n",
		id, (int)(id % 50), "x", mail, id);
}

static void road(struct strbuf *t, uint32_t id, uint32_t from, uint32_t to)
{
	sb_addf(t,
		"{\"edge\":\"Road\",\"from\":\"city-%05u\",\"to\":\"city-%05u\",\"data\":{\"id\":\"r%u\",\"km\":%u}}\n",
		from, to, id, id);
}

/* Ids in scattered order, edges before their nodes, none twice. */
static void plain(struct strbuf *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = i * 7919u % n;

		road(t, k, k, (k + 1) % n);
		city(t, k, (int)(k % 1000));
		note(t, k, k);
		sb_addf(t, "{\"type\":\"Slot\",\"data\":{\"tenant\":\"t%u\",\"slot\":%u}}\n", k % 3, k);
		sb_addf(t, "{\"edge\":\"About\",\"from\":\"n%u\",\"to\":\"city-%05u\",\"data\":{\"id\":\"a%u\"}}\n", k,
			k, k);
	}
}

static void same_rows(void)
{
	const struct load_opts *modes[] = { &strict_append, &strict_merge, &strict_overwrite, &loose_merge };
	struct strbuf t = STRBUF_INIT;
	struct pair p;

	open_pair(&p);
	plain(&t, 1601);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		CHECK_STR(both(&p, modes[i], &t), "");
	CHECK_HAS(both(&p, &strict_append, &t), "type 'Road' already has id 'r0'");
	sb_free(&t);
	close_pair(&p);
}

/* What a long input may have wrong, each far behind its first half. */
static void refusals(void)
{
	static const char *const bad[] = {
		"{\"type\":\"City\",\"data\":{\"name\":\"city-00003\"}}\n",
		"same key",
		"{\"type\":\"Note\",\"data\":{\"id\":\"n5\"}}\n",
		"same id",
		"{\"type\":\"Note\",\"data\":{\"id\":\"new\",\"mail\":\"m7\"}}\n",
		"same mail",
		"{\"type\":\"City\",\"data\":{\"name\":\"x\",\"pop\":1001}}\n",
		"out of range",
		"{\"type\":\"Town\",\"data\":{}}\n",
		"no type",
		"{\"edge\":\"Road\",\"from\":\"city-00001\",\"to\":\"nowhere\"}\n",
		"no node",
		"{\"edge\":\"Road\",\"from\":\"city-00001\",",
		"no JSON",
	};
	const struct load_opts *modes[] = { &strict_append, &strict_overwrite, &loose_append };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i += 2) {
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			struct strbuf t = STRBUF_INIT;
			struct pair p;

			open_pair(&p);
			plain(&t, 211);
			sb_addz(&t, bad[i]);
			CHECK_MSG(both(&p, modes[m], &t)[0], "accepted: %s", bad[i + 1]);
			CHECK_STR(lt_export(&p.little), "");
			sb_free(&t);
			close_pair(&p);
		}
	}
}

static void line_numbers(void)
{
	struct strbuf t = STRBUF_INIT;
	struct pair p;

	open_pair(&p);
	plain(&t, 211);
	sb_addz(&t, "\n{\"type\":\"City\",\"data\":{\"name\":7}}\n");
	CHECK_HAS(both(&p, &strict_append, &t), "line 1057: strict property 'name' expects Utf8, got 7");
	CHECK_HAS(both(&p, &loose_append, &t), "record 1056: ");
	sb_free(&t);
	close_pair(&p);
}

/* Of records of one id the last counts, wherever the others went; the row that was there before stays for nobody. */
static void last_wins(void)
{
	struct strbuf t = STRBUF_INIT;
	struct pair p;

	open_pair(&p);
	for (uint32_t i = 0; i < 900; i++)
		note(&t, i % 300, i);
	CHECK_STR(both(&p, &strict_merge, &t), "");
	ROWS(&p.little, "match { $n: Note } return { count($n) as n }", "300");
	ROWS(&p.little, "match { $n: Note { mail: \"m899\" } } return { $n.mail }", "\"m899\"");
	ROWS(&p.little, "match { $n: Note { mail: \"m299\" } } return { $n.mail }", "");
	CHECK_HAS(both(&p, &strict_append, &t), "type 'Note' already has id 'n0'");
	sb_free(&t);
	close_pair(&p);
}

static void about(struct strbuf *t, uint32_t note, uint32_t k)
{
	sb_addf(t, "{\"edge\":\"About\",\"from\":\"n%u\",\"to\":\"city-00000\",\"data\":{\"id\":\"a%u\"}}\n", note, k);
}

/* Enough rows that uniqueness and cardinality are counted by hash first. */
static void large_checks(void)
{
	struct strbuf t = STRBUF_INIT;
	struct pair p;
	size_t good;

	open_pair(&p);
	city(&t, 0, 0);
	for (uint32_t i = 0; i < 4500; i++) {
		note(&t, i, i);
		about(&t, i / 3, i);
	}
	good = t.n;
	note(&t, 4500, 17);
	CHECK_STR(both(&p, &strict_append, &t),
		  "@unique violation on Note.mail: value 'm17' held by 'n17' and 'n4500'");
	t.n = good;
	about(&t, 20, 4500);
	CHECK_STR(both(&p, &strict_append, &t), "@card violation on edge About: source 'n20' has 4 edges (max 3)");
	t.n = good;
	CHECK_STR(both(&p, &strict_append, &t), "");
	/* a mail that is there, and edges beside those that are there */
	sb_reset(&t);
	for (uint32_t i = 0; i < 4500; i++)
		note(&t, 5000 + i, i == 4000 ? 3 : 5000 + i);
	CHECK_STR(both(&p, &strict_append, &t), "@unique violation on Note.mail: value 'm3' held by 'n3' and 'n9000'");
	sb_reset(&t);
	for (uint32_t i = 0; i < 4500; i++)
		about(&t, i == 4400 ? 30 : 2000, 5000 + i);
	CHECK_HAS(both(&p, &strict_append, &t), "@card violation on edge About: source 'n2000' has 4499 edges (max 3)");
	CHECK_STR(both(&p, &strict_merge, &t), "@card violation on edge About: source 'n2000' has 4499 edges (max 3)");
	sb_free(&t);
	close_pair(&p);
}

/* Random inputs of all kinds of collisions, one load on top of another. */
static void random_inputs(void)
{
	const struct load_opts *modes[] = { &strict_append, &strict_merge, &strict_overwrite,
					    &loose_append,  &loose_merge,  &loose_overwrite };
	uint32_t x = 7, accepted = 0, refused = 0;
	struct pair p;

	open_pair(&p);
	for (int round = 0; round < 60; round++) {
		uint32_t ids = round % 3 ? 1u << 20 : 400, n = 20 + next(&x) % 150, km = next(&x) % 4;
		struct strbuf t = STRBUF_INIT;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t a = next(&x) % ids, b = next(&x) % ids;

			city(&t, a, (int)(b % 1000));
			note(&t, b, a);
			if (km)
				road(&t, next(&x) % ids, a, a);
		}
		if (both(&p, modes[next(&x) % ARRAY_SIZE(modes)], &t)[0])
			refused++;
		else
			accepted++;
		sb_free(&t);
	}
	CHECK(accepted > 5 && refused > 5);
	close_pair(&p);
}

static void respelled_ids(void)
{
	struct strbuf t = STRBUF_INIT;
	struct fix f;

	open_little(&f, "node Num { n: I32 @key }\nedge Uses: Num -> Num\n");
	sb_addz(&t, "{\"edge\":\"Uses\",\"from\":\"007\",\"to\":\"007\",\"data\":{\"id\":\"u\"}}\n");
	for (int i = 0; i < 3000; i++)
		sb_addf(&t, "{\"type\":\"Num\",\"data\":{\"n\":%d,\"id\":\"%03d\"}}\n", i, i);
	lt_load(&f, &loose_append, t.s);
	CHECK_HAS(lt_export(&f), "{\"edge\":\"Uses\",\"from\":\"7\",\"to\":\"7\"");
	sb_free(&t);
	fix_close(&f);
}

/* The temporary file cannot grow: the load fails as a whole, and says why. */
static void no_space(void)
{
	struct rlimit old, small;
	struct strbuf t = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct pair p;

	open_pair(&p);
	plain(&t, 211);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 8192;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	lt_fail(&p.little, &strict_append, sb_str(&t), &e);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK_INT(e.code, ERR_IO);
	CHECK_HAS(err_msg(&e), "cannot write a temporary file");
	err_clear(&e);
	CHECK_STR(both(&p, &strict_append, &t), "");
	sb_free(&t);
	close_pair(&p);
}

CHECK_MAIN("engine/load/spill",
	   { "ENG-22 ENG-23 ENG-24 a load beyond its memory has the rows it would have within", same_rows },
	   { "ENG-03 ENG-26 ENG-27 ENG-32 it refuses what it would refuse, across the limit, and leaves nothing",
	     refusals },
	   { "ENG-28 errors of it name the line or the record", line_numbers },
	   { "ENG-27 of an id that came more than once the last record wins across the limit", last_wins },
	   { "SCH-35 SCH-37 uniqueness and cardinality of many rows", large_checks },
	   { "ENG-22 ENG-23 ENG-24 random loads agree with loads in memory, refusals too", random_inputs },
	   { "ENG-31 edges follow a node's other spelling across the limit", respelled_ids },
	   { "ENG-03 a temporary file that cannot be written fails the load and leaves nothing", no_space }, )
