/* SPDX-License-Identifier: MIT */
/* What a declaration says about itself: catalogue entry, signature. */
#include "describe.h"

struct str query_decl_name(const struct query_decl *d)
{
	return d->name;
}

bool query_decl_is_mutation(const struct query_decl *d)
{
	return d->is_mutation;
}

const char *query_decl_description(const struct query_decl *d)
{
	return d->description;
}

const char *query_decl_instruction(const struct query_decl *d)
{
	return d->instruction;
}

bool query_decl_has_vector_param(const struct query_decl *d, struct str *param, uint32_t *dim)
{
	for (uint32_t i = 0; i < d->n_params; i++) {
		if (d->params[i].type.scalar != SCALAR_VECTOR)
			continue;
		if (param)
			*param = d->params[i].name;
		if (dim)
			*dim = d->params[i].type.dim;
		return true;
	}
	return false;
}

static const char *scalar_kind(enum scalar s)
{
	static const char *const kinds[] = {
		[SCALAR_STRING] = "string",	[SCALAR_BOOL] = "bool",	 [SCALAR_I32] = "int",
		[SCALAR_U32] = "int",		[SCALAR_I64] = "bigint", [SCALAR_U64] = "bigint",
		[SCALAR_F32] = "float",		[SCALAR_F64] = "float",	 [SCALAR_DATE] = "date",
		[SCALAR_DATETIME] = "datetime", [SCALAR_BLOB] = "blob",	 [SCALAR_VECTOR] = "vector",
	};

	return kinds[s];
}

void describe_kind(struct json_writer *w, const struct prop_type *t, bool object)
{
	jw_kstrz(w, "kind", object ? "object" : t->list ? "list" : scalar_kind(t->scalar));
	if (object)
		return;
	if (t->list)
		jw_kstrz(w, "item_kind", scalar_kind(t->scalar));
	else if (t->scalar == SCALAR_VECTOR)
		jw_ku64(w, "vector_dim", t->dim);
}

void query_decl_entry_json(const struct query_decl *d, struct json_writer *w)
{
	jw_begin_object(w);
	jw_kstr(w, "name", d->name);
	jw_kstr(w, "tool_name", d->name);
	if (d->description)
		jw_kstrz(w, "description", d->description);
	if (d->instruction)
		jw_kstrz(w, "instruction", d->instruction);
	jw_kbool(w, "mutation", d->is_mutation);
	jw_keyz(w, "params");
	jw_begin_array(w);
	for (uint32_t i = 0; i < d->n_params; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", d->params[i].name);
		describe_kind(w, &d->params[i].type, false);
		jw_kbool(w, "nullable", d->params[i].type.nullable);
		jw_end_object(w);
	}
	jw_end_array(w);
	jw_end_object(w);
}

void query_decl_signature(const struct query_decl *d, struct strbuf *out)
{
	sb_adds(out, d->name);
	sb_addch(out, '(');
	for (uint32_t i = 0; i < d->n_params; i++) {
		sb_addf(out, "%s$%.*s: ", i ? ", " : "", STR_ARG(d->params[i].name));
		if (d->params[i].type_text.s)
			sb_adds(out, d->params[i].type_text);
		else
			prop_type_display(&d->params[i].type, out);
	}
	sb_addch(out, ')');
}
