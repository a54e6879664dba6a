/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include <omnigraph/json.h>
#include <omnigraph/mem.h>

#include "net/openapi.h"

/* The assembler finds the file through the include path of the source tree. */
__asm__(".section .rodata.openapi,\"a\"\n"
	".balign 16\n"
	"net_openapi_begin:\n"
	".incbin \"net/openapi.json\"\n"
	"net_openapi_end:\n"
	".byte 0\n"
	".previous\n");

extern const char net_openapi_begin[] __attribute__((visibility("hidden")));
extern const char net_openapi_end[] __attribute__((visibility("hidden")));

struct openapi {
	pthread_mutex_t lock;
	struct strbuf text;
};

struct openapi *openapi_new(void)
{
	struct openapi *o = mem_zalloc(sizeof(*o));

	pthread_mutex_init(&o->lock, NULL);
	return o;
}

void openapi_free(struct openapi *o)
{
	if (!o)
		return;
	pthread_mutex_destroy(&o->lock);
	sb_free(&o->text);
	free(o);
}

/* A copy of @v without the members called @name, to @depth levels of objects below. */
static void put_without(struct json_writer *w, const struct json *v, const char *name, int depth)
{
	jw_begin_object(w);
	for (size_t i = 0; i < v->n; i++) {
		if (str_eqz(v->keys[i], name))
			continue;
		jw_key(w, v->keys[i]);
		if (depth > 0 && v->items[i].type == JSON_OBJECT)
			put_without(w, &v->items[i], name, depth - 1);
		else
			jw_value(w, &v->items[i]);
	}
	jw_end_object(w);
}

static void put_info(struct json_writer *w, const struct json *info, const char *version)
{
	jw_begin_object(w);
	for (size_t i = 0; i < info->n; i++) {
		jw_key(w, info->keys[i]);
		if (str_eqz(info->keys[i], "version"))
			jw_strz(w, version);
		else
			jw_value(w, &info->items[i]);
	}
	jw_end_object(w);
}

static void put_document(struct json_writer *w, const struct json *doc, const char *version, bool with_security)
{
	jw_begin_object(w);
	for (size_t i = 0; i < doc->n; i++) {
		struct str key = doc->keys[i];
		const struct json *v = &doc->items[i];

		if (!with_security && str_eqz(key, "security"))
			continue;
		jw_key(w, key);
		if (str_eqz(key, "info"))
			put_info(w, v, version);
		else if (!with_security && str_eqz(key, "paths"))
			put_without(w, v, "security", 2); /* path, method */
		else if (!with_security && str_eqz(key, "components"))
			put_without(w, v, "securitySchemes", 0);
		else
			jw_value(w, v);
	}
	jw_end_object(w);
}

static int build(struct openapi *o, const char *version, bool with_security, struct err *e)
{
	struct str src = { net_openapi_begin, (size_t)(net_openapi_end - net_openapi_begin) };
	struct arena a = ARENA_INIT;
	struct json_writer w;
	struct json *doc;
	int rc = json_parse(&a, src, NULL, &doc, e);

	if (!rc) {
		jw_init(&w, &o->text, false);
		put_document(&w, doc, version, with_security);
	}
	arena_free(&a);
	return rc;
}

int openapi_document(struct openapi *o, const char *version, bool with_security, struct strbuf *out, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&o->lock);
	if (!o->text.n)
		rc = build(o, version, with_security, e);
	pthread_mutex_unlock(&o->lock);
	if (!rc)
		sb_adds(out, sb_str(&o->text));
	return rc;
}
