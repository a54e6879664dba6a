/* SPDX-License-Identifier: MIT */
/* /healthz, /graphs (spec/server.md 8.1, 8.2) and /openapi.json (10). */
#include "net/openapi.h"
#include "net/server.h"

int route_health(struct request *r)
{
	struct json_writer w;

	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_kstrz(&w, "status", "ok");
	jw_kstrz(&w, "version", OMNIGRAPH_VERSION);
	jw_ku64(&w, "internal_schema_version", GRAPH_FORMAT_VERSION);
#ifdef OMNIGRAPH_SOURCE_VERSION
	jw_kstrz(&w, "source_version", OMNIGRAPH_SOURCE_VERSION);
#endif
	jw_end_object(&w);
	return 0;
}

int route_list_graphs(struct request *r)
{
	const struct revision *v = r->rev;
	struct json_writer w;
	int rc = authorize(r, "graph_list", NULL, NULL);

	if (rc)
		return rc;
	jw_init(&w, &r->out, false);
	jw_begin_object(&w);
	jw_keyz(&w, "graphs");
	jw_begin_array(&w);
	for (size_t i = 0; i < v->n_graphs; i++) {
		jw_begin_object(&w);
		jw_kstrz(&w, "graph_id", v->graphs[i].id);
		jw_kstrz(&w, "uri", graph_uri(v->graphs[i].graph));
		jw_end_object(&w);
	}
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

int route_openapi(struct request *r)
{
#ifdef CONFIG_NET_OPENAPI
	return openapi_document(r->srv->openapi, OMNIGRAPH_VERSION, r->rev->auth_required, &r->out, &r->err);
#else
	return err_set(&r->err, ERR_NOT_FOUND, "this build has no OpenAPI document (CONFIG_NET_OPENAPI)");
#endif
}
