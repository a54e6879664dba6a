/* SPDX-License-Identifier: MIT */
#include <test/check.h>

#include "engine/store/log_record.h"

#define ID1 "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define ID2 "01ARZ3NDEKTSV4RRFFQ69G5FAW"

static void make_row(struct strbuf *b)
{
	static const float f[3] = { 1, -0.5f, 3 };
	struct val items[2] = { val_str(STR("x")), VAL_NULL_INIT };
	struct val vals[] = { { .kind = VAL_I64, .i = INT64_MIN },
			      { .kind = VAL_U64, .u = UINT64_MAX },
			      { .kind = VAL_F32, .f = 0.25 },
			      { .kind = VAL_F64, .f = -1e300 },
			      { .kind = VAL_BOOL, .b = true },
			      { .kind = VAL_LIST, .n = 2, .list = items },
			      { .kind = VAL_VEC, .n = 3, .vec = f },
			      { .kind = VAL_BLOB, .flags = VAL_BLOB_URI, .n = 4, .s = "uri:" },
			      VAL_NULL_INIT };

	enc_bytes(b, STR("id"));
	for (size_t i = 0; i < ARRAY_SIZE(vals); i++)
		enc_val(b, &vals[i]);
}

static void make_record(struct strbuf *b)
{
	struct rec_commit c = {
		.id = ID1, .parent = ID2, .version = 300, .created_at = -5, .kind = LOG_LOAD, .n_types = 1
	};
	struct rec_segment seg = { .rows = 5, .bytes = 77, .min = STR("a"), .max = STR("b") };
	size_t start;

	memset(seg.digest, 'a', SHA256_HEX_LEN);
	c.actor = STR("act");
	record_begin(b);
	start = commit_begin(b, &c);
	enc_var(b, 7);
	enc_var(b, 8);
	sb_addch(b, LOG_TYPE_TRUNCATE);
	enc_var(b, 9);
	for (int i = 0; i < 9; i++)
		enc_var(b, (uint64_t)i);
	enc_var(b, 1);
	enc_segment(b, &seg);
	enc_var(b, 1);
	make_row(b);
	enc_var(b, 1);
	enc_bytes(b, STR("gone"));
	commit_finish(b, start);
	record_finish(b, 1);
}

static int decode(const void *data, size_t n, struct arena *a, struct rec_commit *c, struct rec_type *t,
		  struct dec *rest)
{
	uint32_t n_commits;
	struct dec d;
	int rc = record_open(data, n, &d, &n_commits, NULL);

	if (!rc)
		rc = commit_decode(&d, c, NULL);
	*rest = c->types;
	return rc ? rc : type_decode(rest, a, t, NULL);
}

static void round_trip(void)
{
	struct strbuf b = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct rec_commit c;
	struct rec_type t;
	struct dec d;
	struct val v;

	make_record(&b);
	CHECK(decode(b.s, b.n, &a, &c, &t, &d) == 0);
	CHECK_STR(c.id, ID1);
	CHECK_STR(c.parent, ID2);
	CHECK_INT(c.version, 300);
	CHECK_INT(c.created_at, -5);
	CHECK(str_eqz(c.actor, "act"));
	CHECK(t.truncate && !t.edge && t.n_props == 9 && t.n_segments == 1);
	CHECK_INT(t.segments[0].bytes, 77);
	CHECK(str_eqz(t.segments[0].max, "b"));
	CHECK_INT(dec_count(&d), 1);
	CHECK(str_eqz(dec_bytes(&d), "id"));
	dec_val(&d, &a, &v);
	CHECK(v.kind == VAL_I64 && v.i == INT64_MIN);
	dec_val(&d, &a, &v);
	CHECK(v.kind == VAL_U64 && v.u == UINT64_MAX);
	for (int i = 2; i < 5; i++)
		dec_val(&d, &a, &v);
	dec_val(&d, &a, &v);
	CHECK(v.kind == VAL_LIST && v.n == 2 && v.list[1].kind == VAL_NULL);
	dec_val(&d, &a, &v);
	CHECK(v.kind == VAL_VEC && v.vec[1] == -0.5f);
	dec_val(&d, &a, &v);
	CHECK(v.kind == VAL_BLOB && v.flags == VAL_BLOB_URI);
	CHECK(!d.bad);
	arena_free(&a);
	sb_free(&b);
}

static void damage_is_found(void)
{
	struct strbuf b = STRBUF_INIT;
	uint32_t n;
	struct dec d;

	make_record(&b);
	for (size_t i = 0; i < b.n; i++) {
		b.s[i] ^= 0x10;
		CHECK(record_open(b.s, b.n, &d, &n, NULL) < 0);
		b.s[i] ^= 0x10;
	}
	for (size_t i = 0; i < b.n; i++)
		CHECK(record_open(b.s, i, &d, &n, NULL) < 0);
	sb_free(&b);
}

/* Bytes that pass the checksum may still be nonsense: decoding ends, within bounds. */
static void nonsense_is_survived(void)
{
	struct strbuf b = STRBUF_INIT;
	uint64_t x = 88172645463325252ull;

	make_record(&b);
	for (int round = 0; round < 20000; round++) {
		struct arena a = ARENA_INIT;
		struct rec_commit c;
		struct rec_type t;
		struct strbuf m = STRBUF_INIT;
		struct dec d;
		struct val v;

		sb_add(&m, b.s, b.n);
		for (int k = 0; k < 1 + round % 4; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			m.s[LOG_HEADER_BYTES + x % (m.n - LOG_HEADER_BYTES)] = (char)(x >> 32);
		}
		record_finish(&m, 1);
		if (!decode(m.s, m.n, &a, &c, &t, &d)) {
			size_t n = dec_count(&d);

			for (size_t i = 0; i < n && !d.bad; i++)
				dec_val(&d, &a, &v);
		}
		arena_free(&a);
		sb_free(&m);
	}
	sb_free(&b);
}

CHECK_MAIN("engine/log-record", { "a commit is decoded as it was encoded", round_trip },
	   { "any changed or missing byte is found by the checksum", damage_is_found },
	   { "nonsense behind a good checksum is refused or bounded", nonsense_is_survived }, )
