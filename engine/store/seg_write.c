/* SPDX-License-Identifier: MIT */
/* seg_write.c - segments and what is stored beside them, on their way into the store. */
#include <omnigraph/failpoint.h>

#include "log_record.h"
#include "seg_cache.h"

static int put_adjacency(struct seg_cache *c, const struct segment *s, const char *digest, int end, struct err *e)
{
	uint32_t col = segment_find_role(s, end ? SEG_DST : SEG_SRC);
	struct strbuf out = STRBUF_INIT;
	char key[128];
	int rc;

	adjacency_build(s, col, end, digest, &out);
	adjacency_key(key, digest, end);
	rc = store_put(c->store, key, out.s, out.n, e);
	sb_free(&out);
	return rc;
}

static bool wants_index(const struct seg_cache *c, const struct segment *s)
{
	return segment_rows(s) >= c->index_rows && segment_find_role(s, SEG_SRC) != UINT32_MAX;
}

/* Nothing depends on it. */
static void try_adjacency(struct seg_cache *c, const struct strbuf *file, const char *digest)
{
	struct err why = ERR_INIT;
	struct segment *s = NULL;
	int rc = segment_open(file->s, file->n, digest, &s, &why);

	if (!rc && wants_index(c, s))
		rc = segment_verify(s, &why);
	for (int end = 0; end < 2 && !rc && wants_index(c, s); end++)
		rc = put_adjacency(c, s, digest, end, &why);
	segment_free(s);
	err_clear(&why);
}

int seg_write(struct seg_cache *c, struct segment_writer *w, struct rec_segment *ref, struct err *e)
{
	struct strbuf file = STRBUF_INIT;
	char key[128];
	int rc = segment_writer_finish(w, &file, e);

	if (!rc) {
		ref->bytes = file.n;
		sha256_hex(file.s, file.n, ref->digest);
		seg_key(key, ref->digest);
		rc = store_put(c->store, key, file.s, file.n, e);
	}
	if (!rc)
		try_adjacency(c, &file, ref->digest);
	sb_free(&file);
	return rc;
}

static bool is_stored(struct seg *s, int end)
{
	struct store_map m = { .data = NULL };
	struct adjacency a;
	bool ok = seg_map_adjacency(s, end, &m, &a);

	store_unmap(s->cache->store, &m);
	return ok;
}

int seg_index(struct seg *s, struct err *e)
{
	int rc = 0;

	if (!wants_index(s->cache, s->s) || atomic_load(&s->indexed))
		return 0;
	for (int end = 0; end < 2 && !rc; end++) {
		if (is_stored(s, end))
			continue;
		rc = seg_verify(s, e);
		if (!rc)
			rc = put_adjacency(s->cache, s->s, s->digest, end, e);
		if (!rc)
			rc = FAILPOINT("ensure_indices.post_stage_pre_commit_btree", e);
	}
	if (!rc)
		atomic_store(&s->indexed, true);
	return rc;
}
