/* SPDX-License-Identifier: MIT */
/* Schema: read it; applying is the cluster's business (spec/server.md 8.11). */
#include "net/body.h"
#include "net/server.h"

int route_get_schema(struct request *r)
{
	struct snapshot *s;
	struct json_writer w;
	int rc = authorize(r, "read", NULL, NULL);

	if (!rc)
		rc = graph_snapshot(r->graph->graph, NULL, NULL, &s, &r->err);
	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_kstr(&w, "schema_source", snapshot_catalog(s)->source);
	jw_end_object(&w);
	snapshot_put(s);
	return 0;
}

int route_apply_schema(struct request *r)
{
	struct field f[] = {
		{ .name = "schema_source", .type = FIELD_STRING, .required = true },
		{ .name = "allow_data_loss", .type = FIELD_BOOL },
	};
	int rc = body_decode(r, f, ARRAY_SIZE(f), NULL);

	if (!rc)
		rc = authorize(r, "schema_apply", NULL, "main");
	if (rc)
		return rc;
	return err_set(&r->err, ERR_CONFLICT,
		       "this server serves the applied revision of a cluster, so the schema of graph '%s' changes only "
		       "through "
		       "the cluster: edit the configuration, run 'omnigraph cluster apply' and restart the server",
		       r->graph->id);
}
