/* SPDX-License-Identifier: MIT */
/* Who asks (spec/server.md 3.2, 3.3) and what they may do (2.5, 7.2; spec/security.md 3, 7, 8). */
#include "net/policy_engine.h"
#include "net/server.h"

#define DENY_DEFAULT                                                                                                 \
	"server runs in default-deny mode: tokens are configured but no policy bundle is bound to this graph; only " \
	"'read' is permitted. Bind a bundle, run 'omnigraph cluster apply' and restart"
#define DENY_SERVER                                                                                                    \
	"server-scoped actions need a policy bundle bound to 'cluster'; this holds in every runtime state, including " \
	"--unauthenticated. Bind one, run 'omnigraph cluster apply' and restart"

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.s[i] >= 0x7f || ((unsigned char)s.s[i] < 0x20 && s.s[i] != '\t'))
			return false;
	return true;
}

int authenticate(struct request *r)
{
	struct str h;

	r->actor = NULL;
	if (!r->rev->auth_required)
		return 0;
	if (!http_header(r->x, "Authorization", &h) || !is_ascii(h) || !str_starts(h, STR("Bearer ")))
		return err_set(&r->err, ERR_UNAUTHORIZED, "missing bearer token");
	r->actor = token_set_find(r->srv->tokens, (struct str){ h.s + 7, h.n - 7 });
	if (!r->actor)
		return err_set(&r->err, ERR_UNAUTHORIZED, "invalid bearer token");
	return 0;
}

/* The scope has no policy: the table of spec/server.md 2.5. */
static int authorize_plain(struct request *r, const char *action)
{
	if (!strcmp(action, "graph_list"))
		return err_set(&r->err, ERR_POLICY, DENY_SERVER);
	if (!r->actor || !strcmp(action, "read"))
		return 0;
	return err_set(&r->err, ERR_POLICY, DENY_DEFAULT);
}

static void log_decision(struct request *r, const char *action, const char *branch, const char *target, bool allowed,
			 const char *rule)
{
	log_kv(r->srv->logger, LOG_INFO, "omnigraph::request", "policy decision", "actor_id", r->actor, "action",
	       action, "branch", branch ? branch : "", "target_branch", target ? target : "", "allowed",
	       allowed ? "true" : "false", "matched_rule_id", rule ? rule : "", NULL);
}

static int authorize_by(struct request *r, struct policy_engine *p, const char *action, const char *branch,
			const char *target)
{
	struct policy_answer ans = { 0 };
	struct err why = ERR_INIT;

	if (!r->actor)
		return err_set(&r->err, ERR_UNAUTHORIZED, "missing bearer token");
	if (p->decide(p, r->actor, action, branch, target, &ans, &why)) {
		request_fail(r, 500, "internal", "policy: %s", err_msg(&why));
		err_clear(&why);
		return -1;
	}
	log_decision(r, action, branch, target, ans.allowed, ans.rule);
	if (!ans.allowed)
		err_set(&r->err, ERR_POLICY, "%s", ans.message ? ans.message : "denied");
	free(ans.rule);
	free(ans.message);
	return ans.allowed ? 0 : -1;
}

int authorize(struct request *r, const char *action, const char *branch, const char *target)
{
	struct policy_engine *p = r->graph ? r->graph->policy : r->rev->policy;

	return p ? authorize_by(r, p, action, branch, target) : authorize_plain(r, action);
}

int admit(struct request *r, uint64_t bytes)
{
	return admission_acquire(r->srv->admission, r->actor, bytes, &r->err);
}

void admit_end(struct request *r, uint64_t bytes)
{
	admission_release(r->srv->admission, r->actor, bytes);
}
