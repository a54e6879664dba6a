/* SPDX-License-Identifier: MIT */
#include "cluster/desired.h"

static void add_z(struct strbuf *b, const char *s)
{
	sb_addz(b, s ? s : "");
	sb_addch(b, 0);
}

void provider_digest(const struct cfg_provider *p, char out[SHA256_HEX_LEN + 1])
{
	struct strbuf b = STRBUF_INIT;

	add_z(&b, "embedding-provider");
	cluster_profile_canonical(p, &b);
	sha256_hex(b.s, b.n, out);
	sb_free(&b);
}

void graph_composite(const char *graph, const char *schema_digest, const struct query_digest *queries, size_t n,
		     const char *provider, const char *digest, const char *blob_policy, char out[SHA256_HEX_LEN + 1])
{
	struct strbuf b = STRBUF_INIT;

	add_z(&b, "graph");
	add_z(&b, graph);
	add_z(&b, "schema");
	add_z(&b, schema_digest);
	for (size_t i = 0; i < n; i++) {
		add_z(&b, "query");
		add_z(&b, queries[i].name);
		add_z(&b, queries[i].digest);
	}
	if (provider) {
		add_z(&b, "embedding_provider");
		add_z(&b, provider);
		add_z(&b, digest);
	}
	if (blob_policy) {
		add_z(&b, "external_blob_policy");
		add_z(&b, blob_policy);
	}
	sha256_hex(b.s, b.n, out);
	sb_free(&b);
}
