/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <omnigraph/json.h>
#include <omnigraph/mem.h>
#include <omnigraph/tokens.h>
#include <omnigraph/util.h>

struct token {
	char *actor;
	uint8_t digest[SHA256_LEN];
};

struct token_set {
	struct token *tokens;
	size_t n, cap;
};

#define BAD_OBJECT "OMNIGRAPH_SERVER_BEARER_TOKENS_JSON must be a JSON object of actor->token"

void token_set_free(struct token_set *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->tokens[i].actor);
	free(t->tokens);
	free(t);
}

size_t token_set_count(const struct token_set *t)
{
	return t->n;
}

const char *token_set_actor(const struct token_set *t, size_t i)
{
	return t->tokens[i].actor;
}

const char *token_set_source(const struct token_set *t)
{
	return "env-or-file";
}

const char *token_set_find(const struct token_set *t, struct str token)
{
	uint8_t digest[SHA256_LEN];
	size_t found = SIZE_MAX;

	sha256(token.s, token.n, digest);
	for (size_t i = 0; i < t->n; i++) {
		bool equal = mem_equal_ct(t->tokens[i].digest, digest, SHA256_LEN);

		/* without a branch: keep the first match */
		found = (equal & (found == SIZE_MAX)) ? i : found;
	}
	return found == SIZE_MAX ? NULL : t->tokens[found].actor;
}

static int check_new(const struct token_set *t, struct str actor, const uint8_t *digest, struct err *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eqz(actor, t->tokens[i].actor))
			return err_set(e, ERR_BAD_REQUEST, "duplicate bearer token actor '%.*s'", STR_ARG(actor));
	for (size_t i = 0; i < t->n; i++)
		if (mem_equal_ct(t->tokens[i].digest, digest, SHA256_LEN))
			return err_set(e, ERR_BAD_REQUEST, "duplicate bearer token value configured");
	return 0;
}

static int add(struct token_set *t, struct str actor, struct str token, struct err *e)
{
	struct token *new;
	uint8_t digest[SHA256_LEN];
	int rc;

	actor = str_trim(actor);
	token = str_trim(token);
	if (!actor.n || memchr(actor.s, 0, actor.n))
		return err_set(e, ERR_BAD_REQUEST, "bearer token actor names must not be blank");
	if (!token.n)
		return err_set(e, ERR_BAD_REQUEST, "bearer token for actor '%.*s' must not be blank", STR_ARG(actor));
	sha256(token.s, token.n, digest);
	rc = check_new(t, actor, digest, e);
	if (rc)
		return rc;
	MEM_GROW(t->tokens, t->n, t->cap);
	new = &t->tokens[t->n++];
	new->actor = str_dup(actor);
	memcpy(new->digest, digest, SHA256_LEN);
	return 0;
}

/* The last of a repeated key counts. */
static bool is_repeated_later(const struct json *obj, size_t i)
{
	for (size_t k = i + 1; k < obj->n; k++)
		if (str_eq(obj->keys[i], obj->keys[k]))
			return true;
	return false;
}

static int add_object(struct token_set *t, const struct json *obj, struct err *e)
{
	int rc = 0;

	if (obj->type != JSON_OBJECT)
		return err_set(e, ERR_BAD_REQUEST, BAD_OBJECT);
	for (size_t i = 0; i < obj->n; i++)
		if (obj->items[i].type != JSON_STRING)
			return err_set(e, ERR_BAD_REQUEST, BAD_OBJECT);
	for (size_t i = 0; i < obj->n && !rc; i++)
		if (!is_repeated_later(obj, i))
			rc = add(t, obj->keys[i], obj->items[i].text, e);
	return rc;
}

static void wipe_strings(const struct json *obj)
{
	for (size_t i = 0; i < obj->n; i++)
		if (obj->items[i].type == JSON_STRING)
			mem_wipe((char *)(uintptr_t)obj->items[i].text.s, obj->items[i].text.n);
}

static int add_json(struct token_set *t, struct str text, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct json *doc = NULL;
	int rc = json_parse(&a, text, NULL, &doc, NULL);

	/* the parser's own message could quote a secret */
	if (rc)
		rc = err_set(e, ERR_BAD_REQUEST, BAD_OBJECT);
	else
		rc = add_object(t, doc, e);
	if (doc && (doc->type == JSON_OBJECT || doc->type == JSON_ARRAY))
		wipe_strings(doc);
	arena_free(&a);
	return rc;
}

/* Into a buffer of exactly the file's size: no copy is left behind by growing. */
static int read_secret(const char *path, char **out, size_t *n, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	struct stat st;
	ssize_t got = 0;

	*out = NULL;
	*n = 0;
	if (fd < 0)
		return err_sys(e, errno, "failed to read bearer tokens file at %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > TOKENS_FILE_MAX) {
		close(fd);
		return err_set(e, ERR_IO,
			       "failed to read bearer tokens file at %s: not a regular file of at most %u bytes", path,
			       TOKENS_FILE_MAX);
	}
	*out = mem_zalloc((size_t)st.st_size + 1);
	while (*n < (size_t)st.st_size && (got = read(fd, *out + *n, (size_t)st.st_size - *n)) > 0)
		*n += (size_t)got;
	if (got < 0)
		rc = err_sys(e, errno, "failed to read bearer tokens file at %s", path);
	close(fd);
	return rc;
}

static int add_file(struct token_set *t, const char *path, struct err *e)
{
	char *text = NULL;
	size_t n = 0, before = t->n;
	int rc = read_secret(path, &text, &n, e);

	if (!rc) {
		rc = add_json(t, (struct str){ text, n }, e);
		if (rc && t->n == before && !strcmp(err_msg(e), BAD_OBJECT))
			err_prefix(e, "failed to parse bearer tokens file at %s: ", path);
	}
	if (text)
		mem_wipe(text, n);
	free(text);
	return rc;
}

static int by_actor(const void *a, const void *b)
{
	return strcmp(((const struct token *)a)->actor, ((const struct token *)b)->actor);
}

static struct str trimmed(const char *z)
{
	return z ? str_trim(str_from(z)) : (struct str){ "", 0 };
}

static int load_all(struct token_set *t, const struct token_sources *src, struct err *e)
{
	struct str single = trimmed(src->single), file = trimmed(src->file), json = trimmed(src->json);
	int rc = 0;

	if (trimmed(src->aws_secret).n)
		return err_set(
			e, ERR_UNSUPPORTED,
			"OMNIGRAPH_SERVER_BEARER_TOKENS_AWS_SECRET is set, but this build cannot read AWS Secrets "
			"Manager; unset it and use OMNIGRAPH_SERVER_BEARER_TOKENS_FILE or another token source");
	if (single.n)
		rc = add(t, STR("default"), single, e);
	if (!rc && file.n) {
		char *path = str_dup(file);

		rc = add_file(t, path, e);
		free(path);
	} else if (!rc && json.n) {
		rc = add_json(t, json, e);
	}
	return rc;
}

int token_set_load(const struct token_sources *src, struct token_set **out, struct err *e)
{
	struct token_set *t = mem_zalloc(sizeof(*t));
	int rc = load_all(t, src, e);

	*out = NULL;
	if (rc) {
		token_set_free(t);
		return rc;
	}
	if (t->n)
		qsort(t->tokens, t->n, sizeof(*t->tokens), by_actor);
	*out = t;
	return 0;
}
