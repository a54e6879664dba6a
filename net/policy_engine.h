/* SPDX-License-Identifier: MIT */
/*
 * policy_engine.h - the place where a compiled policy bundle plugs into the server (spec/security.md 7).
 * No engine is built in yet (CONFIG_SECURITY_CEDAR); boot.c refuses or quarantines what would need one.
 */
#ifndef NET_POLICY_ENGINE_H
#define NET_POLICY_ENGINE_H

#include <omnigraph/err.h>

struct policy_answer {
	bool allowed;
	char *rule;    /* matched rule id, malloced; NULL: none */
	char *message; /* of a denial, malloced */
};

struct policy_engine {
	/* 0 and *out, or a negative value and @e when the evaluation itself failed. Any thread. */
	int (*decide)(struct policy_engine *p, const char *actor, const char *action, const char *branch,
		      const char *target, struct policy_answer *out, struct err *e);
	void (*free)(struct policy_engine *p);
};

#endif
