/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <omnigraph/embed.h>
#include <omnigraph/mem.h>
#include <omnigraph/util.h>
#include <test/check.h>

static void check_bits(const char *text, const uint32_t want[4])
{
	float v[4];
	uint32_t bits[4];

	embed_mock(str_from(text), 4, v);
	memcpy(bits, v, sizeof(bits));
	for (int i = 0; i < 4; i++)
		CHECK_MSG(bits[i] == want[i], "'%s' element %d: %08x instead of %08x", text, i, bits[i], want[i]);
}

static void mock_vectors(void)
{
	check_bits("alpha", (const uint32_t[4]){ 0xbf0ac3b6, 0xbef18fb2, 0x3e24c44d, 0x3f2d3151 });
	check_bits("", (const uint32_t[4]){ 0xbeddaa50, 0xbf43a6a4, 0xbea724c4, 0x3eb2c1ff });
	check_bits("river", (const uint32_t[4]){ 0x3ef15114, 0xbf035172, 0x3f01044a, 0xbf02b862 });
}

/* --- environment ------------------------------------------------------------------------------------------------------------ */

static const char *fake_env[12];

static const char *fake_getenv(const char *name)
{
	for (int i = 0; fake_env[i]; i += 2)
		if (!strcmp(fake_env[i], name))
			return fake_env[i + 1];
	return NULL;
}

static void set_env(const char *a, const char *av, const char *b, const char *bv)
{
	memset(fake_env, 0, sizeof(fake_env));
	fake_env[0] = a;
	fake_env[1] = av;
	fake_env[2] = b;
	fake_env[3] = bv;
}

static void from_environment(void)
{
	struct embedder *em;
	char *why;
	struct err e = ERR_INIT;

	set_env("OMNIGRAPH_EMBEDDINGS_MOCK", " Yes ", "OMNIGRAPH_EMBED_MODEL", "m1");
	CHECK(embedder_from_env(fake_getenv, NULL, &em, &why, &e) == 0);
	CHECK(em && !why);
	CHECK_STR(embedder_model(em), "m1");
	embedder_free(em);
	set_env("OMNIGRAPH_EMBED_PROVIDER", "nonsense", NULL, NULL);
	CHECK(embedder_from_env(fake_getenv, NULL, &em, &why, &e) < 0);
	CHECK_STR(err_msg(&e), "unknown embedding provider 'nonsense' (expected openai-compatible|openai|gemini|mock)");
	err_clear(&e);
#ifdef CONFIG_ENGINE_EMBED
	set_env("OMNIGRAPH_EMBED_PROVIDER", "openai", "OPENROUTER_API_KEY", "k");
	CHECK(embedder_from_env(fake_getenv, NULL, &em, &why, &e) == 0);
	CHECK(!em);
	CHECK_STR(why, "OPENAI_API_KEY is required for the openai embedding provider");
	free(why);
	set_env("OPENROUTER_API_KEY", "k", NULL, NULL);
	CHECK(embedder_from_env(fake_getenv, NULL, &em, &why, &e) == 0);
	CHECK_STR(embedder_model(em), "openai/text-embedding-3-large");
	embedder_free(em);
#else
	set_env(NULL, NULL, NULL, NULL);
	CHECK(embedder_from_env(fake_getenv, NULL, &em, &why, &e) < 0);
	CHECK_HAS(err_msg(&e), "CONFIG_ENGINE_EMBED");
	err_clear(&e);
#endif
}

#ifdef CONFIG_ENGINE_EMBED

/* --- a provider on loopback that answers a script of replies ----------------------------------------------------------------- */

struct provider {
	int fd, port;
	const char *const *replies; /* full HTTP replies, one per connection, NULL-terminated */
	char requests[4][4096];
	int64_t at_us[4];	/* when the request came */
	int n, held[4], n_held; /* connections left without an answer (an empty reply) */
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct provider *p = arg;

	for (; p->replies[p->n] && p->n < 4; p->n++) {
		int c = accept(p->fd, NULL, NULL);
		size_t have = 0;
		char *body;

		if (c < 0)
			return NULL;
		for (;;) { /* headers, then as many bytes as they announce */
			ssize_t got = read(c, p->requests[p->n] + have, sizeof(p->requests[0]) - have - 1);
			const char *len;

			if (got <= 0)
				break;
			have += (size_t)got;
			p->requests[p->n][have] = 0;
			body = strstr(p->requests[p->n], "\r\n\r\n");
			len = strstr(p->requests[p->n], "Content-Length: ");
			if (body && len && strlen(body + 4) >= strtoul(len + 16, NULL, 10))
				break;
		}
		p->at_us[p->n] = time_mono_us();
		if (!p->replies[p->n][0]) {
			p->held[p->n_held++] = c;
			continue;
		}
		if (write(c, p->replies[p->n], strlen(p->replies[p->n])) < 0)
			perror("write");
		close(c);
	}
	return NULL;
}

static void provider_start(struct provider *p, const char *const *replies)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(addr);

	*p = (struct provider){ .replies = replies, .fd = socket(AF_INET, SOCK_STREAM, 0) };
	CHECK(bind(p->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(p->fd, 8) == 0);
	CHECK(getsockname(p->fd, (struct sockaddr *)&addr, &n) == 0);
	p->port = ntohs(addr.sin_port);
	pthread_create(&p->thread, NULL, serve, p);
}

static void provider_stop(struct provider *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
	while (p->n_held)
		close(p->held[--p->n_held]);
}

static struct embedder *client(const struct provider *p, const char *kind, uint32_t attempts)
{
	struct embed_config cfg = {
		.kind = kind, .api_key = "sesame", .model = "m", .attempts = attempts, .backoff_ms = 1
	};
	struct embedder *em;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", p->port);
	cfg.base_url = url;
	CHECK(embedder_new(&cfg, &em, NULL) == 0);
	return em;
}

#define OK_REPLY(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body

static void openai_shape(void)
{
	static const char *const replies[] = {
		OK_REPLY("{\"data\":[{\"index\":1,\"embedding\":[9,9]},{\"index\":0,\"embedding\":[3,4]}]}"), NULL
	};
	struct provider p;
	struct embedder *em;
	struct err e = ERR_INIT;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, "openai", 1);
	CHECK_MSG(embedder_embed(em, STR("fern"), 2, EMBED_QUERY, v, &e) == 0, "%s", err_msg(&e));
	CHECK(v[0] == 0.6f && v[1] == 0.8f);
	provider_stop(&p);
	CHECK_HAS(p.requests[0], "POST /v1/embeddings HTTP/1.1");
	CHECK_HAS(p.requests[0], "Authorization: Bearer sesame");
	CHECK_HAS(p.requests[0], "{\"model\":\"m\",\"input\":[\"fern\"],\"dimensions\":2}");
	embedder_free(em);
}

static void gemini_shape(void)
{
	static const char *const replies[] = { OK_REPLY("{\"embedding\":{\"values\":[1,0]}}"), NULL };
	struct provider p;
	struct embedder *em;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, "gemini", 1);
	CHECK(embedder_embed(em, STR("fern"), 2, EMBED_DOCUMENT, v, NULL) == 0);
	provider_stop(&p);
	CHECK_HAS(p.requests[0], "POST /v1/models/m:embedContent");
	CHECK_HAS(p.requests[0], "x-goog-api-key: sesame");
	CHECK_HAS(p.requests[0], "\"taskType\":\"RETRIEVAL_DOCUMENT\",\"outputDimensionality\":2");
	embedder_free(em);
}

static void retries(void)
{
	static const char *const replies[] = { "HTTP/1.1 429 x\r\nConnection: close\r\n\r\n",
					       "HTTP/1.1 503 x\r\nConnection: close\r\n\r\n",
					       OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[1,0]}]}"), NULL };
	struct provider p;
	struct embedder *em;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, NULL, 4);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, NULL) == 0);
	provider_stop(&p);
	CHECK_INT(p.n, 3);
	embedder_free(em);
}

static void no_retry(void)
{
	static const char *const replies[] = {
		"HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"no such model\"}}", NULL
	};
	struct provider p;
	struct embedder *em;
	struct err e = ERR_INIT;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, NULL, 4);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, &e) < 0);
	CHECK_STR(err_msg(&e), "embedding request failed with status 400 Bad Request: no such model");
	CHECK(e.code == ERR_INTERNAL);
	CHECK(strstr(err_msg(&e), "sesame") == NULL);
	provider_stop(&p);
	err_clear(&e);
	embedder_free(em);
}

static void bad_answers(void)
{
	static const char *const replies[] = { OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[1,0,0]}]}"),
					       OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[0,0]}]}"),
					       OK_REPLY("{\"data\":[]}"), OK_REPLY("<html>"), NULL };
	static const char *const want[] = { "embedding dimension mismatch: expected 2, got 3",
					    "embedding has zero norm (no direction)",
					    "embedding response missing data[0]", "embedding response decode failed" };
	struct provider p;
	struct embedder *em;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, NULL, 4);
	for (int i = 0; i < 4; i++) {
		struct err e = ERR_INIT;

		CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, &e) < 0);
		CHECK_HAS(err_msg(&e), want[i]);
		err_clear(&e);
	}
	provider_stop(&p);
	embedder_free(em);
}

/* A client with its own patience. */
static struct embedder *timed_client(const struct provider *p, uint32_t timeout_ms, uint32_t deadline_ms,
				     uint32_t backoff_ms, struct logger *logger)
{
	struct embed_config cfg = { .api_key = "sesame",
				    .model = "m",
				    .timeout_ms = timeout_ms,
				    .deadline_ms = deadline_ms,
				    .backoff_ms = backoff_ms,
				    .logger = logger };
	struct embedder *em;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", p->port);
	cfg.base_url = url;
	CHECK(embedder_new(&cfg, &em, NULL) == 0);
	return em;
}

#define BUSY "HTTP/1.1 429 x\r\nConnection: close\r\n\r\n"

static void doubling(void)
{
	static const char *const replies[] = { BUSY, BUSY, BUSY, BUSY, NULL };
	struct provider p;
	struct embedder *em;
	struct err e = ERR_INIT;
	float v[2];

	provider_start(&p, replies);
	em = timed_client(&p, 0, 0, 20, NULL);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, &e) < 0);
	provider_stop(&p);
	CHECK_STR(err_msg(&e), "embedding request failed with status 429 Too Many Requests: ");
	CHECK_INT(p.n, 4);
	for (int i = 1; i < 4; i++)
		CHECK(p.at_us[i] - p.at_us[i - 1] >= 20000 << (i - 1));
	err_clear(&e);
	embedder_free(em);
}

static void deadline(void)
{
	static const char *const replies[] = { "", "", "", "", NULL };
	struct provider p;
	struct embedder *em;
	struct err e = ERR_INIT;
	int64_t start = time_mono_us(), took;
	float v[2];

	provider_start(&p, replies);
	em = timed_client(&p, 0, 120, 1, NULL);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, &e) < 0);
	took = time_mono_us() - start;
	provider_stop(&p);
	CHECK_STR(err_msg(&e), "embedding deadline exceeded after 120 ms (provider=openai-compatible, model=m)");
	CHECK(took >= 119000 && took < 10000000);
	CHECK_INT(p.n, 1);
	err_clear(&e);
	embedder_free(em);
}

static void timeouts(void)
{
	static const char *const replies[] = { "", OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[0,-2]}]}"), NULL };
	struct provider p;
	struct embedder *em;
	float v[2];

	provider_start(&p, replies);
	em = timed_client(&p, 500, 0, 1, NULL);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, NULL) == 0);
	provider_stop(&p);
	CHECK(v[0] == 0 && v[1] == -1 && p.n == 2);
	embedder_free(em);
}

static void not_finite(void)
{
	static const char *const replies[] = { OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[1,1e39]}]}"), NULL };
	struct provider p;
	struct embedder *em;
	struct err e = ERR_INIT;
	float v[2];

	provider_start(&p, replies);
	em = client(&p, NULL, 4);
	CHECK(embedder_embed(em, STR("x"), 0, EMBED_QUERY, v, &e) < 0);
	CHECK_STR(err_msg(&e), "embedding dimension must be greater than zero");
	err_clear(&e);
	CHECK(embedder_embed(em, STR("x"), 2, EMBED_QUERY, v, &e) < 0);
	CHECK_STR(err_msg(&e), "embedding component 1 is not finite (inf)");
	provider_stop(&p);
	CHECK_INT(p.n, 1);
	err_clear(&e);
	embedder_free(em);
}

static void events(void)
{
	static const char *const replies[] = { BUSY, OK_REPLY("{\"data\":[{\"index\":0,\"embedding\":[1,0]}]}"), NULL };
	char text[4096] = "";
	struct logger *log;
	struct provider p;
	struct embedder *em;
	ssize_t got;
	float v[2];
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK(logger_new(fds[1], NULL, LOG_INFO, false, &log, NULL) == 0);
	provider_start(&p, replies);
	em = timed_client(&p, 0, 0, 1, log);
	CHECK(embedder_embed(em, STR("secret words"), 2, EMBED_QUERY, v, NULL) == 0);
	provider_stop(&p);
	got = read(fds[0], text, sizeof(text) - 1);
	CHECK(got > 0);
	CHECK_HAS(text, "WARN omnigraph::embedding: embedding attempt failed, retrying attempt=1 error=");
	CHECK_HAS(
		text,
		"INFO omnigraph::embedding: embedding succeeded provider=openai-compatible model=m dim=2 elapsed_ms=");
	CHECK_HAS(text, "outcome=ok");
	CHECK(!strstr(text, "sesame") && !strstr(text, "secret words"));
	embedder_free(em);
	logger_free(log);
	close(fds[0]);
	close(fds[1]);
}

#define HTTP_TESTS                                                                                  \
	{ "SRV-66 the OpenAI request carries model, input, dimensions and the key", openai_shape }, \
		{ "SRV-66 the Gemini request carries task type and dimension", gemini_shape },      \
		{ "SRV-68 429 and 503 are retried", retries },                                      \
		{ "SRV-68 400 is not retried; the key stays secret", no_retry },                    \
		{ "SRV-68 delays double, four attempts in all", doubling },                         \
		{ "SRV-68 the deadline bounds the call", deadline },                                \
		{ "a request that times out is retried", timeouts },                                \
		{ "an infinite component or no dimension is refused", not_finite },                 \
		{ "log events of 9.6 without key and text", events },                               \
		{ "a wrong length, zero norm or undecodable answer is refused", bad_answers },
#else
#define HTTP_TESTS
#endif

CHECK_MAIN("engine/embed", { "SRV-65 ENG-79 mock vectors are bit-exact", mock_vectors },
	   { "SRV-66 provider, model and key come from the environment in order", from_environment }, HTTP_TESTS)
