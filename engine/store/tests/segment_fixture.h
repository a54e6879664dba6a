/* SPDX-License-Identifier: MIT */
/* segment_fixture.h - a type with every column type, and rows with every kind of value. */
#ifndef ENGINE_STORE_SEGMENT_FIXTURE_H
#define ENGINE_STORE_SEGMENT_FIXTURE_H

#include <float.h>

#include <omnigraph/catalog.h>

#include "engine/store/segment.h"

static const char segment_schema[] = "node Thing { b: Bool? d32: Date? d64: DateTime? e: enum(x, y)? f32: F32? f64: "
				     "F64? i32: I32? i64: I64? name: String @key "
				     "lb: [Bool]? ld: [Date]? lf: [F64]? li: [I64]? ls: [String]? s: String? u32: U32? "
				     "u64: U64? vec: Vector(3)? blob: Blob? } "
				     "edge Rel: Thing -> Thing { w: F64? }";

/* Values of row @i by property name, in @a; every third row is all null. */
static struct val segment_value(const struct prop *p, uint64_t i, struct arena *a)
{
	static const char *const words[] = { "", "plain", "gr\xc3\xbc\xc3\x9f \"dich\"\n", "\xe6\xbc\xa2\xe5\xad\x97" };
	struct val v = VAL_NULL_INIT, *items;
	float *vec;

	if (str_eqz(p->name, "name"))
		return val_str(str_from(arena_printf(a, "id-%06llu", (unsigned long long)i)));
	if (i % 3 == 2)
		return v;
	if (p->type.list) {
		items = arena_array(a, struct val, 3);
		for (uint32_t k = 0; k < 3; k++) {
			struct prop one = *p;

			one.type.list = false;
			items[k] = k == 1 ? VAL_NULL_INIT : segment_value(&one, i - i % 3 + k / 2, a);
		}
		return (struct val){ .kind = VAL_LIST, .n = (uint32_t)(i % 4), .list = items };
	}
	switch (p->type.scalar) {
	case SCALAR_STRING:
		return p->type.n_enum ? val_str(i % 2 ? STR("y") : STR("x")) : val_str(str_from(words[i % 4]));
	case SCALAR_BOOL:
		return (struct val){ .kind = VAL_BOOL, .b = i % 2 };
	case SCALAR_I32:
		return (struct val){ .kind = VAL_I64, .i = i % 2 ? INT32_MIN : INT32_MAX };
	case SCALAR_I64:
		return (struct val){ .kind = VAL_I64, .i = i % 2 ? INT64_MIN : INT64_MAX };
	case SCALAR_U32:
		return (struct val){ .kind = VAL_U64, .u = UINT32_MAX - i };
	case SCALAR_U64:
		return (struct val){ .kind = VAL_U64, .u = UINT64_MAX - i };
	case SCALAR_F32:
		return (struct val){ .kind = VAL_F32, .f = i % 2 ? (double)FLT_MAX : (double)0.1f };
	case SCALAR_F64:
		return (struct val){ .kind = VAL_F64, .f = i % 2 ? DBL_MAX : -0.0 };
	case SCALAR_DATE:
		return (struct val){ .kind = VAL_DATE, .i = (int64_t)i * 100 - 20000 };
	case SCALAR_DATETIME:
		return (struct val){ .kind = VAL_DATETIME, .i = (int64_t)i * 86400000 - 1 };
	case SCALAR_VECTOR:
		vec = arena_array(a, float, 3);
		for (int k = 0; k < 3; k++)
			vec[k] = (float)i / 3.0f - (float)k;
		return (struct val){ .kind = VAL_VEC, .n = 3, .vec = vec };
	case SCALAR_BLOB:
		return (struct val){ .kind = VAL_BLOB,
				     .flags = i % 2 ? VAL_BLOB_URI : VAL_BLOB_INLINE,
				     .n = i % 4 ? 9 : 0,
				     .s = "s3://a/b\0" };
	}
	return v;
}

static void segment_write(const struct type *t, uint64_t rows, struct strbuf *out)
{
	struct segment_writer *w = segment_writer_new(t);
	struct arena a = ARENA_INIT;

	for (uint64_t i = 0; i < rows; i++) {
		struct val *vals = arena_array(&a, struct val, t->n_props + 1);
		struct row_image row = { .id = str_from(arena_printf(&a, "id-%06llu", (unsigned long long)i)),
					 .vals = vals };

		row.src = STR("from");
		row.dst = STR("to");
		for (uint32_t p = 0; p < t->n_props; p++)
			vals[p] = segment_value(&t->props[p], i, &a);
		segment_writer_add(w, &row, i + 1, i + 2);
		arena_reset(&a);
	}
	arena_free(&a);
	segment_writer_finish(w, out, NULL);
}

static struct catalog *segment_catalog(void)
{
	struct catalog *c = NULL;

	catalog_compile(str_from(segment_schema), NULL, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &c, NULL);
	return c;
}

#endif
