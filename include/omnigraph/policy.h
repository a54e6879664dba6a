/* SPDX-License-Identifier: MIT */
/*
 * policy.h - policy bundles: the YAML document, checked (spec/security.md 5). Deciding requests needs the Cedar module
 * (CONFIG_SECURITY_CEDAR); checking a document does not.
 */
#ifndef OMNIGRAPH_POLICY_H
#define OMNIGRAPH_POLICY_H

#include <omnigraph/err.h>
#include <omnigraph/str.h>

enum policy_kind {
	POLICY_ANY,   /* check the document only */
	POLICY_GRAPH, /* bound to graphs: per-graph actions only */
	POLICY_SERVER /* bound to the cluster: server-scoped actions only */
};

/*
 * Check a bundle for its kind. ERR_BAD_REQUEST with the first message of spec/security.md 5.2. *kind_redundant (may be NULL) is set
 * when the document carries an agreeing `kind:` key, which it does not need. Pure; any thread.
 */
int policy_check(struct str source, enum policy_kind kind, bool *kind_redundant, struct err *e);

#endif
