/* SPDX-License-Identifier: MIT */
/* Type names as users write and read them (spec/schema.md 3). */
#include "engine/schema/ir.h"

const char *scalar_name(enum scalar s)
{
	static const char *const names[] = { "String", "Bool", "I32",  "I64",	   "U32",  "U64",
					     "F32",    "F64",  "Date", "DateTime", "Blob", "Vector" };

	return names[s];
}

const char *scalar_physical(enum scalar s)
{
	static const char *const names[] = { "Utf8",	"Boolean", "Int32",  "Int64",  "UInt32", "UInt64",
					     "Float32", "Float64", "Date32", "Date64", "Blob",	 "FixedSizeList" };

	return names[s];
}

void prop_type_display(const struct prop_type *t, struct strbuf *out)
{
	if (t->list)
		sb_addch(out, '[');
	if (t->n_enum) {
		sb_addz(out, "enum(");
		for (uint32_t i = 0; i < t->n_enum; i++)
			sb_addf(out, "%s%.*s", i ? ", " : "", STR_ARG(t->enum_values[i]));
		sb_addch(out, ')');
	} else if (t->scalar == SCALAR_VECTOR) {
		sb_addf(out, "Vector(%u)", t->dim);
	} else {
		sb_addz(out, scalar_name(t->scalar));
	}
	if (t->list)
		sb_addch(out, ']');
	if (t->nullable)
		sb_addch(out, '?');
}
