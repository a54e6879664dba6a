/* SPDX-License-Identifier: MIT */
/* profile list and profile show (spec/cli.md 11.23). */
#include <stdlib.h>

#include <omnigraph/json.h>

#include "tools/cli/cli.h"
#include "tools/cli/operator_config.h"

/* A profile as it is shown. */
struct shown {
	const char *name, *graph;
	enum scope_kind kind;
	const char *target;
	const char *error; /* NULL: valid */
};

static void inspect(struct invocation *inv, const struct op_profile *p, struct shown *out)
{
	struct err e = ERR_INIT;

	*out = (struct shown){ .name = p->name, .graph = p->default_graph };
	if (profile_scope(&inv->arena, p, &out->kind, &out->target, &e))
		out->error = arena_strdup(&inv->arena, err_msg(&e));
	err_clear(&e);
}

static const char *binding(struct arena *a, const struct shown *s)
{
	return s->error ? arena_printf(a, "invalid: %s", s->error)
			: arena_printf(a, "%s: %s", scope_kind_word(s->kind), s->target);
}

static void list_json(struct json_writer *w, struct arena *a, const struct shown *s, bool active)
{
	jw_begin_object(w);
	jw_kstrz(w, "name", s->name);
	jw_kstrz(w, "binding", binding(a, s));
	jw_kstrz(w, "scope_kind", s->error ? "invalid" : scope_kind_word(s->kind));
	jw_kstrz(w, "target", s->target);
	jw_kbool(w, "valid", !s->error);
	jw_kstrz(w, "error", s->error);
	jw_kstrz(w, "default_graph", s->graph);
	jw_kbool(w, "active", active);
	jw_end_object(w);
}

int cmd_profile_list(struct invocation *inv)
{
	struct err e = ERR_INIT;
	const struct operator_config *cfg = operator_config(inv, &e);
	const char *active = active_profile(inv);
	bool json = flag_given(inv, "json");
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (!cfg)
		return fail(&e, false);
	jw_init(&w, &out, true);
	if (json)
		jw_begin_array(&w);
	for (size_t i = 0; i < cfg->n_profiles; i++) {
		struct shown s;
		bool is_active = active && !strcmp(active, cfg->profiles[i].name);

		inspect(inv, &cfg->profiles[i], &s);
		if (json)
			list_json(&w, &inv->arena, &s, is_active);
		else
			sb_addf(&out, "%s%s  %s%s%s\n", s.name, is_active ? " (active)" : "", binding(&inv->arena, &s),
				s.graph ? " · graph: " : "", s.graph ? s.graph : "");
	}
	if (json) {
		jw_end_array(&w);
		sb_addch(&out, '\n');
	} else if (!cfg->n_profiles) {
		sb_addz(&out, "no profiles defined in the operator config\n");
	}
	return out_text(&out);
}

/* Where the scope leads: the URL of a server, the root of a cluster, the URI of a store; NULL for a name nobody defined. */
static const char *endpoint(const struct operator_config *cfg, const struct shown *s)
{
	const struct op_server *server;
	const struct op_cluster *cluster;

	switch (s->kind) {
	case SCOPED_SERVER:
		server = strstr(s->target, "://") ? NULL : op_server(cfg, s->target);
		return server ? server->url : strstr(s->target, "://") ? s->target : NULL;
	case SCOPED_CLUSTER:
		cluster = op_cluster(cfg, s->target);
		return cluster ? cluster->root : strpbrk(s->target, "/.") ? s->target : NULL;
	default:
		return s->target;
	}
}

static void of_defaults(const struct operator_config *cfg, struct shown *out)
{
	*out = (struct shown){ .name = "(defaults)", .graph = cfg->default_graph };
	out->kind = cfg->server ? SCOPED_SERVER : cfg->store ? SCOPED_STORE : SCOPED_NONE;
	out->target = cfg->server ? cfg->server : cfg->store;
}

static int find_shown(struct invocation *inv, const struct operator_config *cfg, struct shown *out, struct err *e)
{
	const char *name = inv->n_pos ? inv->pos[0] : active_profile(inv);
	const struct op_profile *p;

	if (!name) {
		of_defaults(cfg, out);
		return 0;
	}
	p = op_profile(cfg, name);
	if (!p)
		return err_set(e, ERR_BAD_REQUEST,
			       "unknown profile '%s' (not defined under `profiles:` in operator config)", name);
	inspect(inv, p, out);
	return out->error ? err_set(e, ERR_BAD_REQUEST, "%s", out->error) : 0;
}

static void show_text(const struct operator_config *cfg, const struct shown *s, const char *graph, struct strbuf *out)
{
	const char *at = endpoint(cfg, s);

	sb_addf(out, "profile: %s\n  scope:   %s%s%s\n", s->name, scope_kind_word(s->kind), s->target ? " " : "",
		s->target ? s->target : "");
	if (s->kind != SCOPED_NONE)
		sb_addf(out, "  endpoint: %s\n", at ? at : "(undefined — name not in this config)");
	if (graph)
		sb_addf(out, "  default graph: %s\n", graph);
	if (cfg->output)
		sb_addf(out, "  output: %s\n", cfg->output);
}

int cmd_profile_show(struct invocation *inv)
{
	struct err e = ERR_INIT;
	const struct operator_config *cfg = operator_config(inv, &e);
	struct strbuf out = STRBUF_INIT;
	const char *graph;
	struct json_writer w;
	struct shown s;

	if (!cfg || find_shown(inv, cfg, &s, &e))
		return fail(&e, false);
	graph = s.graph ? s.graph : cfg->default_graph;
	if (!flag_given(inv, "json")) {
		show_text(cfg, &s, graph, &out);
		return out_text(&out);
	}
	jw_init(&w, &out, true);
	jw_begin_object(&w);
	jw_kstrz(&w, "name", s.name);
	jw_kstrz(&w, "scope_kind", scope_kind_word(s.kind));
	jw_kstrz(&w, "target", s.target);
	jw_kstrz(&w, "endpoint", endpoint(cfg, &s));
	jw_kstrz(&w, "default_graph", graph);
	jw_kstrz(&w, "output_format", cfg->output);
	jw_end_object(&w);
	sb_addch(&out, '\n');
	return out_text(&out);
}
