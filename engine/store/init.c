/* SPDX-License-Identifier: MIT */
/* Creating a graph: artefacts under names of their own first, then graph.json, whose creation decides (spec/engine.md 2.1, 2.2). */
#include <errno.h>
#include <stdio.h>

#include <omnigraph/failpoint.h>

#include "init.h"

struct init {
	struct store *s;
	char *uri;
	struct catalog *cat;
	char graph_id[ULID_LEN + 1], domain[ULID_LEN + 1], main_id[ULID_LEN + 1];
	char digest[SHA256_HEX_LEN + 1];
	char pg[128], json[128], log[64];
	struct strbuf graph_json;
};

void genesis_record(const char *schema_digest, struct strbuf *out)
{
	struct strbuf raw = STRBUF_INIT;
	struct rec_commit c = { .version = 1, .created_at = time_now_us(), .kind = LOG_GENESIS };

	enc_digest(&raw, schema_digest);
	ulid_new(c.id);
	c.schema = sb_str(&raw);
	record_begin(out);
	commit_finish(out, commit_begin(out, &c));
	record_finish(out, 1);
	sb_free(&raw);
}

/* --- what is there already ------------------------------------------------------------------------- */

static int on_artefact(void *arg, const char *key, const struct store_stat *st)
{
	*(bool *)arg = true;
	return 1;
}

static int any_artefact(struct store *s, bool *found, struct err *e)
{
	static const char *const prefixes[] = { "schema", "refs", "ckpt", "seg" };
	int rc = 0;

	*found = false;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && rc >= 0 && !*found; i++)
		rc = store_list(s, prefixes[i], NULL, true, on_artefact, found, e);
	return rc < 0 ? rc : 0;
}

static int already(const struct init *in, struct err *e)
{
	return err_set(
		e, ERR_ALREADY_INITIALIZED,
		"graph already initialized or initialization metadata exists at '%s'; --force may replace only orphan "
		"schema files",
		in->uri);
}

static int refuse_force(const struct init *in, struct err *e)
{
	return err_set(e, ERR_CONFLICT,
		       "force init refuses graph root '%s' because an existing graph would be rebound to a newly "
		       "minted schema "
		       "identity domain; initialize an empty root instead",
		       in->uri);
}

static int check_empty(const struct init *in, bool force, struct err *e)
{
	struct store_stat st;
	bool found;
	int rc = store_head(in->s, KEY_GRAPH, &st, e);

	if (!rc)
		return force ? refuse_force(in, e) : already(in, e);
	if (rc != -ENOENT)
		return rc;
	err_clear(e);
	if (force)
		return 0;
	rc = any_artefact(in->s, &found, e);
	if (rc)
		return rc;
	return found ? already(in, e) : 0;
}

/* --- artefacts ------------------------------------------------------------------------------------- */

static int write_artefacts(struct init *in, struct err *e)
{
	struct strbuf rec = STRBUF_INIT;
	int rc = store_put(in->s, in->pg, in->cat->source.s, in->cat->source.n, e);

	if (!rc)
		rc = FAILPOINT("init.after_schema_pg_written", e);
	if (!rc)
		rc = store_put(in->s, in->json, in->cat->compiled_json.s, in->cat->compiled_json.n, e);
	if (!rc) {
		genesis_record(in->digest, &rec);
		rc = store_log_append(in->s, in->log, 1, rec.s, rec.n, e);
		sb_free(&rec);
	}
	if (!rc)
		rc = FAILPOINT("init.after_schema_contract_written", e);
	return rc;
}

/* Best effort: the error that led here is the one to report. */
static void delete_artefacts(struct init *in)
{
	if (FAILPOINT("init.schema_cleanup_delete", NULL))
		return;
	store_delete(in->s, in->pg, NULL);
	store_delete(in->s, in->json, NULL);
	store_delete_prefix(in->s, in->log, NULL);
	store_delete(in->s, in->log, NULL);
}

/* --- the commit point ------------------------------------------------------------------------------ */

static void compose(struct init *in)
{
	struct json_writer w;

	jw_init(&w, &in->graph_json, false);
	jw_begin_object(&w);
	jw_ku64(&w, "format_version", GRAPH_FORMAT_VERSION);
	jw_kstrz(&w, "graph_id", in->graph_id);
	jw_kstrz(&w, "schema_identity_domain", in->domain);
	jw_kstrz(&w, "main", in->main_id);
	jw_end_object(&w);
	json_seal(&in->graph_json);
}

static int indeterminate(const struct init *in, const struct err *why, struct err *e)
{
	return err_set(
		e, ERR_INIT_INDETERMINATE,
		"initialization of '%s' is indeterminate: the reply to the creation of %s was lost and reading it back "
		"failed (%s); check whether the graph opens before initializing again",
		in->uri, KEY_GRAPH, err_msg(why));
}

/* The creation failed or its reply was lost: what is there decides. 1: ours was not written. */
static int read_back(struct init *in, struct err *e)
{
	struct err why = ERR_INIT;
	struct store_object o;
	int rc = FAILPOINT("init.manifest_create_probe", &why);

	if (!rc)
		rc = store_get(in->s, KEY_GRAPH, 1u << 20, &o, &why);
	if (rc == -ENOENT) {
		rc = 1;
	} else if (rc) {
		rc = indeterminate(in, &why, e);
	} else {
		bool ours = str_eq((struct str){ o.data, o.n }, sb_str(&in->graph_json));

		store_object_free(&o);
		rc = ours ? 0 : already(in, e);
	}
	err_clear(&why);
	return rc;
}

static int create_graph(struct init *in, struct err *e)
{
	struct err first = ERR_INIT;
	int rc = store_create(in->s, KEY_GRAPH, in->graph_json.s, in->graph_json.n, NULL, &first);
	int back;

	if (!rc)
		rc = FAILPOINT("init.manifest_create_ack_lost", &first);
	if (!rc)
		return 0;
	back = read_back(in, e);
	if (back == 1 && e)
		err_move(e, &first);
	err_clear(&first);
	return back == 1 ? rc : back;
}

/* --- init ------------------------------------------------------------------------------------------ */

static int run(struct init *in, struct err *e)
{
	int rc = write_artefacts(in, e);

	if (!rc)
		rc = create_graph(in, e);
	if (rc && (!e || e->code != ERR_INIT_INDETERMINATE))
		delete_artefacts(in);
	if (!rc)
		rc = FAILPOINT("init.post_manifest_create", e);
	if (!rc)
		rc = FAILPOINT("init.after_coordinator_init", e);
	return rc;
}

int graph_init_store(struct store *s, struct str schema, const struct graph_init_opts *opts, struct err *e)
{
	struct err own = ERR_INIT;
	struct init in = { .s = s };
	int rc;

	e = e ? e : &own;
	ulid_new(in.graph_id);
	ulid_new(in.domain);
	ulid_new(in.main_id);
	rc = catalog_compile(schema, NULL, in.domain, &in.cat, e);
	if (rc)
		return rc;
	if (store_canonical_uri(s->uri, &in.uri, NULL))
		in.uri = mem_strdup(s->uri);
	schema_record_digest(in.cat->source, in.cat->compiled_json, in.digest);
	schema_keys(in.digest, in.pg, in.json);
	log_key(in.main_id, in.log);
	compose(&in);
	rc = check_empty(&in, opts && opts->force, e);
	if (!rc)
		rc = run(&in, e);
	sb_free(&in.graph_json);
	catalog_put(in.cat);
	free(in.uri);
	err_clear(&own);
	return rc;
}
