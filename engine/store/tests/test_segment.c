/* SPDX-License-Identifier: MIT */
/* Segments: what is written is read back, and what is damaged is refused. */
#include <math.h>

#include <omnigraph/catalog.h>
#include <omnigraph/mem.h>
#include <test/check.h>

#include "engine/store/segment.h"
#include "engine/store/tests/segment_seal.h"

static const char schema[] =
	"node All {\n"
	"  key: String @key\n"
	"  bool: Bool?\n  i32: I32?\n  i64: I64?\n  u32: U32?\n  u64: U64?\n  f32: F32?\n  f64: F64?\n"
	"  date: Date?\n  time: DateTime?\n  text: String?\n  color: enum(red, green)?\n  vec: Vector(3)?\n  blob: "
	"Blob?\n"
	"  l_bool: [Bool]?\n  l_i32: [I32]?\n  l_i64: [I64]?\n  l_u32: [U32]?\n  l_u64: [U64]?\n  l_f32: [F32]?\n"
	"  l_f64: [F64]?\n  l_date: [Date]?\n  l_time: [DateTime]?\n  l_text: [String]?\n"
	"  r_i32: I32\n  r_text: String\n  r_list: [I32]\n"
	"}\n"
	"node Bare {\n  k: String @key\n}\n"
	"node Small {\n  k: String @key\n  n: I32?\n  tags: [String]?\n  v: Vector(2)?\n  pic: Blob?\n}\n"
	"node Blobs {\n"
	"  a: Blob?\n  b: Blob?\n  c: Blob?\n  d: Blob?\n  e: Blob?\n  f: Blob?\n  g: Blob?\n  h: Blob?\n  i: Blob?\n  "
	"j: Blob?\n"
	"  k: Blob?\n  l: Blob?\n  m: Blob?\n  n: Blob?\n  o: Blob?\n  p: Blob?\n"
	"}\n"
	"edge Link: All -> Small {\n  since: Date?\n  note: String?\n}\n";

static struct catalog *compile(void)
{
	struct catalog *c = NULL;
	struct err e = ERR_INIT;

	if (catalog_compile(str_from(schema), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, &e)) {
		fprintf(stderr, "# %s\n", err_msg(&e));
		abort();
	}
	return c;
}

/* --- rows to write ------------------------------------------------------------------------------------------------------- */

static uint64_t random_state = 88172645463325252ull;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static const char *const texts[] = {
	"",
	"plain",
	"na\xc3\xafve caf\xc3\xa9",
	"\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80",
	"tab\tnew\nline \"quoted\" \\ back",
	"e\xcc\x81 combining, \xe2\x80\x8d joiner, \xef\xbb\xbf mark",
	"a rather longer text that does not fit into any short-string trick of a reader, again and again",
};

/* Extremes for the first few rows, then random bits. */
static struct val scalar_value(struct arena *a, enum scalar s, uint64_t pick)
{
	static const double floats[] = { 0.0,	    -0.0,     1.5, -1e-40, 3.4028234663852886e38,
					 -INFINITY, INFINITY, NAN, 1e-45,  16777217.0,
					 0.1,	    -2.5 };
	static const double doubles[] = {
		0.0, -0.0, 1.7976931348623157e308, 4.9406564584124654e-324, NAN, INFINITY, 0.1
	};
	static const int64_t ints[] = { 0, -1, 1, INT32_MIN, INT32_MAX, 7 };
	static const int64_t longs[] = { 0, -1, INT64_MIN, INT64_MAX, 9007199254740993, -9007199254740993 };
	static const uint64_t unsigneds[] = { 0, 1, UINT32_MAX, INT32_MAX };
	static const uint64_t wides[] = { 0, 1, UINT64_MAX, (uint64_t)INT64_MAX + 1, 9007199254740993 };
	static const int64_t times[] = { 0, -1, 1700000000123, -62135596800000, 253402300799999, 86400000 };

	switch (s) {
	case SCALAR_STRING:
		return val_str(arena_str(a, str_from(texts[pick % ARRAY_SIZE(texts)])));
	case SCALAR_BOOL:
		return (struct val){ .kind = VAL_BOOL, .b = pick & 1 };
	case SCALAR_I32:
		return (struct val){ .kind = VAL_I64, .i = ints[pick % ARRAY_SIZE(ints)] };
	case SCALAR_I64:
		return (struct val){ .kind = VAL_I64, .i = longs[pick % ARRAY_SIZE(longs)] };
	case SCALAR_U32:
		return (struct val){ .kind = VAL_U64, .u = unsigneds[pick % ARRAY_SIZE(unsigneds)] };
	case SCALAR_U64:
		return (struct val){ .kind = VAL_U64, .u = wides[pick % ARRAY_SIZE(wides)] };
	case SCALAR_F32:
		return (struct val){ .kind = VAL_F32, .f = (double)(float)floats[pick % ARRAY_SIZE(floats)] };
	case SCALAR_F64:
		return (struct val){ .kind = VAL_F64, .f = doubles[pick % ARRAY_SIZE(doubles)] };
	case SCALAR_DATE:
		return (struct val){ .kind = VAL_DATE, .i = ints[pick % ARRAY_SIZE(ints)] };
	case SCALAR_DATETIME:
		return (struct val){ .kind = VAL_DATETIME, .i = times[pick % ARRAY_SIZE(times)] };
	default:
		return VAL_NULL_INIT;
	}
}

static struct val list_value(struct arena *a, enum scalar s, uint64_t pick)
{
	uint32_t n = (uint32_t)(pick % 5);
	struct val *items = arena_array(a, struct val, n + 1);

	for (uint32_t i = 0; i < n; i++)
		if ((pick + i) % 4)
			items[i] = scalar_value(a, s, pick + i);
	return (struct val){ .kind = VAL_LIST, .n = n, .list = items };
}

static struct val vector_value(struct arena *a, uint32_t dim, uint64_t pick)
{
	float *f = arena_array(a, float, dim);

	for (uint32_t i = 0; i < dim; i++)
		f[i] = (float)((double)pick * 0.37 - (double)i);
	return (struct val){ .kind = VAL_VEC, .n = dim, .vec = f };
}

static struct val blob_value(struct arena *a, uint64_t pick)
{
	static const char bytes[] = "\0\xff\x80 raw bytes \0 and more";
	struct str s = { bytes, (size_t)(pick % sizeof(bytes)) };

	if (pick % 3 == VAL_BLOB_URI)
		s = STR("https://example.org/\xc3\xa9");
	s = arena_str(a, s);
	return (struct val){ .kind = VAL_BLOB, .flags = (uint8_t)(pick % 3), .n = (uint32_t)s.n, .s = s.s };
}

static struct val make_value(struct arena *a, const struct prop *p, uint64_t pick)
{
	if (p->type.nullable && pick % 4 == 3)
		return VAL_NULL_INIT;
	if (p->type.n_enum)
		return val_str(p->type.enum_values[pick % p->type.n_enum]);
	if (p->type.list)
		return list_value(a, p->type.scalar, pick);
	if (p->type.scalar == SCALAR_VECTOR)
		return vector_value(a, p->type.dim, pick);
	if (p->type.scalar == SCALAR_BLOB)
		return blob_value(a, pick);
	return scalar_value(a, p->type.scalar, pick);
}

/* Row @i of a type; the same for the same @i. */
static struct row_image make_row(struct arena *a, const struct type *t, uint64_t i)
{
	struct val *vals = arena_array(a, struct val, t->n_props + 1);
	struct row_image row = { .vals = vals };

	random_state = 88172645463325252ull + i * 0x9e3779b97f4a7c15ull;
	rnd();
	row.id = str_from(arena_printf(a, "id-%llu-\xc3\xb6", (unsigned long long)i));
	if (t->kind == TYPE_EDGE) {
		row.src = str_from(arena_printf(a, "src %llu", (unsigned long long)(i % 7)));
		row.dst = str_from(arena_printf(a, "dst %llu", (unsigned long long)(i * 3)));
	}
	for (uint32_t p = 0; p < t->n_props; p++)
		vals[p] = make_value(a, &t->props[p], i < 64 ? i + p : rnd() >> 8);
	return row;
}

static uint64_t created_of(uint64_t i)
{
	return i == 1 ? UINT64_MAX : i * 3;
}

struct file {
	uint8_t *data; /* from malloc, so 8-byte aligned and watched by sanitizers to the byte */
	size_t n;
};

static struct file write_rows(const struct type *t, uint64_t first, uint64_t n)
{
	struct segment_writer *w = segment_writer_new(t);
	struct strbuf out = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct file f;

	for (uint64_t i = first; i < first + n; i++) {
		struct row_image row = make_row(&a, t, i);

		segment_writer_add(w, &row, created_of(i), created_of(i) / 2);
		arena_reset(&a);
	}
	CHECK_INT(segment_writer_rows(w), n);
	CHECK(segment_writer_finish(w, &out, &e) == 0);
	f.n = out.n;
	f.data = mem_alloc(out.n);
	memcpy(f.data, out.s, out.n);
	sb_free(&out);
	arena_free(&a);
	return f;
}

static struct segment *open_file(const struct file *f)
{
	struct segment *s = NULL;
	struct err e = ERR_INIT;

	if (segment_open(f->data, f->n, "seg/test.arrow", &s, &e) || segment_verify(s, &e))
		fprintf(stderr, "# %s\n", err_msg(&e));
	CHECK(e.code == ERR_NONE);
	return s;
}

static void check_cells(const struct segment *s, const struct type *t, uint64_t row, const struct row_image *want)
{
	struct arena a = ARENA_INIT;

	for (uint32_t p = 0; p < t->n_props; p++) {
		uint32_t col = segment_find_prop(s, t->props[p].id);
		struct val got;

		CHECK(col != UINT32_MAX);
		segment_get(s, col, row, &a, &got);
		CHECK_MSG(val_identical(&got, &want->vals[p]), "row %llu, %.*s differs", (unsigned long long)row,
			  STR_ARG(t->props[p].name));
	}
	arena_free(&a);
}

static void check_rows(const struct segment *s, const struct type *t, uint64_t first, uint64_t n)
{
	uint32_t id = segment_find_role(s, SEG_ID), src = segment_find_role(s, SEG_SRC),
		 dst = segment_find_role(s, SEG_DST);
	uint32_t created = segment_find_role(s, SEG_CREATED), updated = segment_find_role(s, SEG_UPDATED);
	struct arena a = ARENA_INIT;

	CHECK_INT(segment_rows(s), n);
	CHECK((src == UINT32_MAX) == (t->kind == TYPE_NODE) && (dst == UINT32_MAX) == (t->kind == TYPE_NODE));
	for (uint64_t i = 0; i < n; i++) {
		struct row_image want = make_row(&a, t, first + i);

		CHECK(str_eq(segment_str(s, id, i), want.id));
		CHECK(t->kind == TYPE_NODE ||
		      (str_eq(segment_str(s, src, i), want.src) && str_eq(segment_str(s, dst, i), want.dst)));
		CHECK(segment_u64(s, created, i) == created_of(first + i));
		CHECK(segment_u64(s, updated, i) == created_of(first + i) / 2);
		check_cells(s, t, i, &want);
		arena_reset(&a);
	}
	arena_free(&a);
}

static void round_trip(const struct type *t, uint64_t n)
{
	struct file f = write_rows(t, 0, n);
	struct segment *s = open_file(&f);

	check_rows(s, t, 0, n);
	segment_free(s);
	free(f.data);
}

/* --- tests ---------------------------------------------------------------------------------------------------------------- */

static void every_type(void)
{
	struct catalog *c = compile();

	round_trip(catalog_node(c, STR("All")), 400);
	round_trip(catalog_edge(c, STR("Link")), 100);
	round_trip(catalog_node(c, STR("Bare")), 1);
	catalog_put(c);
}

static void no_rows(void)
{
	struct catalog *c = compile();

	for (uint32_t i = 0; i < c->n_types; i++)
		round_trip(&c->types[i], 0);
	catalog_put(c);
}

static void all_null(void)
{
	struct catalog *c = compile();
	const struct type *t = catalog_node(c, STR("Blobs"));

	/* rows 3, 7, 11... of the first property are null, so one row alone makes a column of nulls only */
	for (uint64_t i = 0; i < 20; i++) {
		struct file f = write_rows(t, i, 1);
		struct segment *s = open_file(&f);

		check_rows(s, t, i, 1);
		segment_free(s);
		free(f.data);
	}
	round_trip(t, 50);
	catalog_put(c);
}

static void many_batches(void)
{
	struct catalog *c = compile();

	round_trip(catalog_node(c, STR("Small")), SEGMENT_BATCH_ROWS);
	round_trip(catalog_node(c, STR("Small")), SEGMENT_BATCH_ROWS + 1);
	round_trip(catalog_node(c, STR("Small")), 2 * SEGMENT_BATCH_ROWS + 777);
	catalog_put(c);
}

static void columns(void)
{
	static const char *const want[] = { "id", "src", "dst", "_created", "_updated", "note", "since" };
	struct catalog *c = compile();
	const struct type *t = catalog_edge(c, STR("Link"));
	struct file f = write_rows(t, 0, 2);
	struct segment *s = open_file(&f);

	CHECK_INT(segment_n_columns(s), ARRAY_SIZE(want));
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++)
		CHECK(str_eqz(segment_column(s, i)->name, want[i]));
	CHECK(segment_column(s, 5)->property_id == type_prop(t, STR("note"))->id);
	CHECK(segment_column(s, 6)->type.scalar == SCALAR_DATE && segment_column(s, 6)->type.nullable);
	CHECK(segment_find_prop(s, 1u << 30) == UINT32_MAX);
	CHECK(segment_type_id(s) == t->type_id && segment_incarnation(s) == t->incarnation);
	segment_free(s);
	free(f.data);
	catalog_put(c);
}

static void writer_size(void)
{
	struct catalog *c = compile();
	const struct type *t = catalog_node(c, STR("Bare"));
	struct segment_writer *w = segment_writer_new(t);
	struct val name = val_str(STR("0123456789"));
	struct row_image row = { .id = STR("0123456789"), .vals = &name };
	size_t before = segment_writer_bytes(w);

	for (int i = 0; i < 1000; i++)
		segment_writer_add(w, &row, 1, 1);
	CHECK(segment_writer_bytes(w) - before > 36000 && segment_writer_bytes(w) - before < 72000);
	segment_writer_free(w);
	catalog_put(c);
}

/* --- damage --------------------------------------------------------------------------------------------------------------- */

/* True when the bytes are refused as they must be. */
static bool refused(const uint8_t *data, size_t n)
{
	struct segment *s = NULL;
	struct err e = ERR_INIT;
	int rc = segment_open(data, n, "seg/test.arrow", &s, &e);
	bool ok;

	if (!rc)
		rc = segment_verify(s, &e);
	ok = rc < 0 && e.code == ERR_STORAGE && strstr(err_msg(&e), "seg/test.arrow");
	segment_free(s);
	err_clear(&e);
	return ok;
}

static void byte_flips(void)
{
	static const uint8_t flips[] = { 0x01, 0x10, 0x80, 0xff };
	struct catalog *c = compile();
	struct file f = write_rows(catalog_node(c, STR("Small")), 0, 12);
	struct segment *s = open_file(&f);

	segment_free(s);
	for (size_t i = 0; i < f.n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(flips); k++) {
			f.data[i] ^= flips[k];
			CHECK_MSG(refused(f.data, f.n), "byte %zu ^ %02x of %zu is not noticed", i, flips[k], f.n);
			f.data[i] ^= flips[k];
		}
	free(f.data);
	catalog_put(c);
}

static void truncations(void)
{
	struct catalog *c = compile();
	struct file f = write_rows(catalog_node(c, STR("Small")), 0, 12);

	for (size_t n = 0; n < f.n; n++) {
		uint8_t *copy = mem_alloc(n + 1); /* exactly as long, for the sanitizers */

		memcpy(copy, f.data, n);
		CHECK_MSG(refused(copy, n), "a cut after %zu of %zu bytes is not noticed", n, f.n);
		copy[n] = 0;
		free(copy);
	}
	f.data = mem_realloc(f.data, f.n + 8);
	memset(f.data + f.n, 0, 8);
	CHECK(refused(f.data, f.n + 8));
	CHECK(refused(f.data + 8, f.n - 8));
	free(f.data);
	catalog_put(c);
}

/* Read whatever a segment says it has. */
static uint64_t read_everything(const struct segment *s)
{
	struct arena a = ARENA_INIT;
	uint64_t sum = 0;

	for (uint32_t col = 0; col < segment_n_columns(s); col++)
		for (uint64_t row = 0; row < segment_rows(s) && row < 64; row++) {
			struct strbuf text = STRBUF_INIT;
			struct val v;

			segment_get(s, col, row, &a, &v);
			if (v.kind == VAL_STR || v.kind == VAL_BLOB)
				for (uint32_t i = 0; i < v.n; i++)
					sum += (uint8_t)v.s[i];
			else if (v.kind != VAL_LIST || v.n < 1000)
				val_bytes(&v);
			for (uint32_t i = 0; v.kind == VAL_LIST && i < v.n && v.list[i].kind == VAL_STR; i++)
				for (uint32_t k = 0; k < v.list[i].n; k++)
					sum += (uint8_t)v.list[i].s[k];
			for (uint32_t i = 0; v.kind == VAL_VEC && i < v.n; i++) {
				uint32_t bits;

				memcpy(&bits, &v.vec[i], 4);
				sum += bits;
			}
			sb_free(&text);
			arena_reset(&a);
		}
	arena_free(&a);
	return sum;
}

/* Damage with checksums to match: refused or readable, never a read outside the file (the sanitizers watch). */
static void hostile(void)
{
	struct catalog *c = compile();
	struct file f = write_rows(catalog_node(c, STR("Small")), 0, 12);
	uint8_t *bad = mem_alloc(f.n);
	uint64_t sum = 0;
	unsigned opened = 0;

	for (unsigned round = 0; round < 40000; round++) {
		unsigned edits = 1 + round % 3;
		struct segment *s = NULL;

		memcpy(bad, f.data, f.n);
		random_state = round * 2654435761ull + 1;
		rnd();
		while (edits--) {
			size_t at = round < 4 * f.n && !(round % 3) ? round / 4 : rnd() % f.n;

			bad[at] = rnd() % 3 ? (uint8_t)rnd() : (uint8_t)(bad[at] ^ (1u << rnd() % 8));
		}
		segment_seal(bad, f.n);
		if (!segment_open(bad, f.n, "x", &s, NULL) && !segment_verify(s, NULL)) {
			sum += read_everything(s);
			opened++;
		}
		segment_free(s);
	}
	CHECK(sum && opened > 100); /* the seal works: values may change, the form may not */
	free(bad);
	free(f.data);
	catalog_put(c);
}

CHECK_MAIN("store/segment", { "every type of value comes back as it was written", every_type },
	   { "a segment without rows", no_rows }, { "columns of nulls, and many blob columns", all_null },
	   { "rows over several record batches", many_batches },
	   { "columns are in order and carry identities", columns },
	   { "the writer knows about how large the file gets", writer_size },
	   { "a changed byte anywhere is noticed", byte_flips }, { "a cut or longer file is refused", truncations },
	   { "damage with matching checksums is never read beyond the file", hostile }, )
