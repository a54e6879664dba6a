/* SPDX-License-Identifier: MIT */
/* Requests to a server (spec/cli.md 12). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <omnigraph/util.h>

#include "tools/cli/credentials.h"
#include "tools/cli/remote.h"

const char *url_segment(struct arena *a, const char *text)
{
	struct strbuf b = STRBUF_INIT;
	const char *out;

	percent_encode(&b, str_from(text));
	out = arena_str(a, sb_str(&b)).s;
	sb_free(&b);
	return out;
}

const char *remote_query(struct arena *a, const char *path, const char *const *pairs)
{
	const char *out = path;
	char sep = '?';

	for (; pairs[0]; pairs += 2) {
		if (!pairs[1])
			continue;
		out = arena_printf(a, "%s%c%s=%s", out, sep, pairs[0], url_segment(a, pairs[1]));
		sep = '&';
	}
	return out;
}

const char *remote_header(struct arena *a, const char *headers, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = headers; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncasecmp(line, name, n) || line[n] != ':')
			continue;
		return arena_str(a, str_trim((struct str){ line + n + 1, strcspn(line + n + 1, "\r\n") })).s;
	}
	return NULL;
}

#ifndef CONFIG_CLI_REMOTE

int remote_send(struct invocation *inv, const struct target *t, struct remote_call *call, struct remote_reply *out,
		struct err *e)
{
	sb_free(&call->body);
	return err_set(
		e, ERR_UNSUPPORTED,
		"this build works on storage only; enable CONFIG_CLI_REMOTE in menuconfig and rebuild to address a "
		"server (%s)",
		t->base);
}

#else

#include <curl/curl.h>

#define CONNECT_SECONDS 30L
#define REDIRECTS_MAX 10L
#define ERROR_BODY_MAX (1u << 20)
#define HEADERS_MAX (256u << 10)

struct exchange {
	struct remote_call *call;
	CURL *curl;
	struct strbuf body, headers;
	bool begun;
	struct err err; /* of a source or sink */
};

/* --- callbacks ---------------------------------------------------------------------------------------------------------- */

static int begin(struct exchange *x, long status)
{
	if (x->begun || !x->call->begin)
		return 0;
	x->begun = true;
	return x->call->begin(x->call->sink_arg, status, x->headers.s ? x->headers.s : "", &x->err);
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2 && begin(x, status))
		return 0;
	if (status / 100 == 2 && x->call->sink)
		return x->call->sink(x->call->sink_arg, data, n, &x->err) ? 0 : n;
	if (x->body.n + n > (status / 100 == 2 ? REMOTE_REPLY_MAX : ERROR_BODY_MAX)) {
		err_set(&x->err, ERR_IO, "the server's answer is too long");
		return 0;
	}
	sb_add(&x->body, data, n);
	return n;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;

	n *= size;
	if (n > 5 && !memcmp(data, "HTTP/", 5))
		sb_reset(&x->headers); /* of a redirect, or 100 Continue */
	if (x->headers.n + n > HEADERS_MAX) {
		err_set(&x->err, ERR_IO, "the server's answer has too many headers");
		return 0;
	}
	sb_add(&x->headers, data, n);
	return n;
}

static size_t give_body(char *out, size_t size, size_t n, void *arg)
{
	struct exchange *x = arg;
	long got = x->call->source(x->call->source_arg, out, size * n, &x->err);

	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* --- the request -------------------------------------------------------------------------------------------------------- */

static const char *env_of(const char *name, const char *other)
{
	const char *v = getenv(name);

	return v && v[0] ? v : other ? env_of(other, NULL) : NULL;
}

/* libcurl itself reads http_proxy in lower case alone, and no SSL_CERT_*. */
static void set_environment(CURL *c, const char *url)
{
	const char *proxy =
		!strncmp(url, "https:", 6) ? env_of("https_proxy", "HTTPS_PROXY") : env_of("http_proxy", "HTTP_PROXY");
	const char *none = env_of("no_proxy", "NO_PROXY"), *file = env_of("SSL_CERT_FILE", NULL),
		   *dir = env_of("SSL_CERT_DIR", NULL);

	curl_easy_setopt(c, CURLOPT_PROXY, proxy ? proxy : "");
	if (none)
		curl_easy_setopt(c, CURLOPT_NOPROXY, none);
	if (file)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static struct curl_slist *header_list(const struct remote_call *call, const char *token, bool has_body)
{
	struct curl_slist *h = NULL;
	struct strbuf line = STRBUF_INIT;

	if (has_body) {
		sb_addf(&line, "Content-Type: %s", call->content_type ? call->content_type : "application/json");
		h = curl_slist_append(h, line.s);
	}
	for (size_t i = 0; i < ARRAY_SIZE(call->headers) && call->headers[i]; i++)
		h = curl_slist_append(h, call->headers[i]);
	if (token) {
		sb_reset(&line);
		sb_addf(&line, "Authorization: Bearer %s", token);
		h = curl_slist_append(h, line.s);
		mem_wipe(line.s, line.n);
	}
	sb_free(&line);
	return h;
}

static void set_body(CURL *c, struct exchange *x)
{
	const struct remote_call *call = x->call;

	if (call->source) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(c, CURLOPT_READDATA, x);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->source_bytes);
	} else if (call->body.n || !strcmp(call->method, "POST")) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body.s ? call->body.s : "");
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
	}
	if (!strcmp(call->method, "HEAD"))
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_options(CURL *c, struct exchange *x, const char *url, struct curl_slist *headers)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "omnigraph/" OMNIGRAPH_VERSION);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, x->call->no_redirect ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(c, CURLOPT_POSTREDIR, CURL_REDIR_POST_ALL);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	set_environment(c, url);
	set_body(c, x);
}

/* --- refusals ----------------------------------------------------------------------------------------------------------- */

static void copy_details(struct err *e, const struct json *from, const char *const *names)
{
	for (; *names; names++) {
		const struct json *v = json_get(from, *names);
		char *text = v && (v->type == JSON_STRING || v->type == JSON_NUMBER) ? str_dup(v->text) : NULL;

		if (v)
			err_detail(e, *names, text);
		free(text);
	}
}

static enum err_code code_of_status(long status)
{
	static const enum err_code codes[] = { ERR_UNAUTHORIZED, ERR_POLICY,	      ERR_NOT_FOUND,
					       ERR_CONFLICT,	 ERR_CHANGE_FEED_GAP, ERR_RESOURCE_LIMIT,
					       ERR_BLOB_RANGE,	 ERR_BLOB_SOURCE,     ERR_TOO_MANY_REQUESTS,
					       ERR_BAD_REQUEST };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (err_http_status(codes[i]) == status)
			return codes[i];
	return ERR_INTERNAL;
}

/* The error that the engine gives for the same cause: what decides the exit status (spec/cli.md 8.2) is in the body's objects. */
static void refused(struct err *e, long status, const struct json *body, const char *text)
{
	static const char *const read_set[] = { "member", "expected", "actual", NULL },
				 *const precondition[] = { "expected", "actual", NULL },
				 *const limit[] = { "resource", "limit", "actual", NULL };
	const struct json *o;

	if (status == 412 && (o = json_get_nonnull(body, "precondition_failure"))) {
		err_set(e, ERR_PRECONDITION, "%s", text);
		copy_details(e, o, precondition);
	} else if (status == 409 && (o = json_get_nonnull(body, "read_set_conflict"))) {
		err_set(e, ERR_READ_SET_CHANGED, "%s", text);
		copy_details(e, o, read_set);
	} else if (status == 409 && (json_get_nonnull(body, "published_dataset_version_conflict") ||
				     str_starts(str_from(text), STR("retryable storage commit conflict: ")))) {
		err_set(e, ERR_RETRYABLE_CONFLICT, "%s", text);
	} else {
		err_set(e, code_of_status(status), "%s", text);
		if ((o = json_get_nonnull(body, "resource_limit")))
			copy_details(e, o, limit);
	}
}

static const char *reason_of(struct arena *a, const struct strbuf *headers)
{
	struct str line = sb_str(headers);
	const char *end = memchr(line.s, '\r', line.n), *at = memchr(line.s, ' ', line.n);

	if (!end || !at || !(at = memchr(at + 1, ' ', (size_t)(end - at - 1))))
		return "";
	return arena_str(a, (struct str){ at + 1, (size_t)(end - at - 1) }).s;
}

static int refusal(struct invocation *inv, const struct exchange *x, long status, struct err *e)
{
	const struct json *text;
	struct json *body = NULL;

	if (!json_parse(&inv->arena, arena_str(&inv->arena, sb_str(&x->body)), NULL, &body, NULL)) {
		text = json_get(body, "error");
		if (text && text->type == JSON_STRING) {
			refused(e, status, body, arena_str(&inv->arena, text->text).s);
			return -err_errno(e->code);
		}
	}
	return err_set(e, status == 429 ? ERR_TOO_MANY_REQUESTS : code_of_status(status),
		       "server returned %ld %s: %.*s", status, reason_of(&inv->arena, &x->headers),
		       STR_ARG(sb_str(&x->body)));
}

/* --- send --------------------------------------------------------------------------------------------------------------- */

static int perform(struct invocation *inv, const struct target *t, struct exchange *x, long *status, struct err *e)
{
	CURLcode res = curl_easy_perform(x->curl);

	curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, status);
	/* a refusal that came before the whole body was sent is an answer, too */
	if (*status / 100 > 2 && x->err.code == ERR_NONE && x->body.n)
		return refusal(inv, x, *status, e);
	if (res == CURLE_OK && *status / 100 == 2)
		begin(x, *status);
	if (x->err.code != ERR_NONE) {
		err_move(e, &x->err);
		return -err_errno(e->code);
	}
	if (res == CURLE_COULDNT_CONNECT || res == CURLE_COULDNT_RESOLVE_HOST)
		return err_set(e, ERR_IO, "could not reach the server at %s: %s; is omnigraph-server running there?",
			       t->base, curl_easy_strerror(res));
	if (res != CURLE_OK)
		return err_set(e, ERR_IO, "the exchange with the server at %s broke off: %s", t->base,
			       curl_easy_strerror(res));
	return *status / 100 == 2 || (*status / 100 == 3 && x->call->no_redirect) ? 0 : refusal(inv, x, *status, e);
}

static int exchange(struct invocation *inv, const struct target *t, struct exchange *x, const char *token,
		    struct remote_reply *out, struct err *e)
{
	const char *url = arena_printf(&inv->arena, "%s%s", t->uri, x->call->path);
	struct curl_slist *headers = header_list(x->call, token, x->call->source || x->call->body.n);
	long status = 0;
	int rc;

	x->curl = curl_easy_init();
	if (!x->curl)
		return err_set(e, ERR_INTERNAL, "cannot start libcurl");
	set_options(x->curl, x, url, headers);
	rc = perform(inv, t, x, &status, e);
	if (out)
		*out = (struct remote_reply){ .status = status,
					      .body = arena_str(&inv->arena, sb_str(&x->body)),
					      .headers = arena_str(&inv->arena, sb_str(&x->headers)).s };
	curl_easy_cleanup(x->curl);
	curl_slist_free_all(headers);
	return rc;
}

int remote_send(struct invocation *inv, const struct target *t, struct remote_call *call, struct remote_reply *out,
		struct err *e)
{
	struct exchange x = { .call = call };
	const char *token;
	int rc = token_for(inv, t->uri, &token, e);

	if (!rc)
		rc = exchange(inv, t, &x, token, out, e);
	sb_free(&x.body);
	sb_free(&x.headers);
	err_clear(&x.err);
	sb_free(&call->body);
	return rc;
}

#endif

int remote_json(struct invocation *inv, const struct target *t, struct remote_call *call, struct json **out,
		struct err *e)
{
	struct remote_reply r = { 0 };
	int rc = remote_send(inv, t, call, &r, e);

	if (rc)
		return rc;
	if (json_parse(&inv->arena, r.body, NULL, out, e)) {
		err_prefix(e, "the answer of the server at %s is not JSON: ", t->base);
		return -EINVAL;
	}
	if ((*out)->type != JSON_OBJECT)
		return err_set(e, ERR_INTERNAL, "the answer of the server at %s is not a JSON object", t->base);
	return 0;
}

int remote_no_graph(struct invocation *inv, struct target *t, struct err *e)
{
	struct remote_call call = { .method = "GET", .path = "/graphs" };
	const struct json *graphs;
	struct err why = ERR_INIT;
	const char *ids = "";
	struct json *doc;
	int rc = remote_json(inv, t, &call, &doc, &why);

	err_clear(&why);
	graphs = rc ? NULL : json_get(doc, "graphs");
	if (!graphs || graphs->type != JSON_ARRAY || !graphs->n)
		return 0;
	for (size_t i = 0; i < graphs->n; i++) {
		const struct json *id = json_get(&graphs->items[i], "graph_id");

		ids = arena_printf(&inv->arena, "%s%s%.*s", ids, i ? ", " : "", id ? (int)id->text.n : 0,
				   id ? id->text.s : "");
	}
	return err_set(
		e, ERR_BAD_REQUEST,
		"server scope '%s' has %zu graph%s: [%s]; pass --graph <id> to select one (or set `default_graph` "
		"in your operator config)",
		t->server, graphs->n, graphs->n == 1 ? "" : "s", ids);
}
