/* SPDX-License-Identifier: MIT */
/* boot_priv.h - the boot's steps, shared by boot.c, boot_settings.c and boot_open.c. */
#ifndef NET_BOOT_PRIV_H
#define NET_BOOT_PRIV_H

#include "net/boot.h"

struct boot_graph { /* one graph on its way */
	const struct serving_graph *applied;
	struct served_graph g;
	const struct serving_policy *policy; /* bound bundle, or NULL */
	char *failure;			     /* quarantined: why */
};

struct boot {
	const struct boot_options *o;
	struct server *srv;
	struct revision *rev;	       /* being built */
	const struct revision *beside; /* only graphs that this one does not serve; NULL: all */
	const struct serving_policy *cluster_policy;
	struct boot_graph *graphs;
	size_t n;
};

/* Step 5. */
int boot_bind_policies(struct boot *b, struct err *e);
int boot_settings(struct boot *b, struct err *e);
/* Steps 8 and 9. */
int boot_cluster_policy(struct boot *b, struct err *e);
int boot_open(struct boot *b, struct err *e);

/* The embedder of a graph with an applied profile (spec/server.md 9.1). */
int boot_profile(const struct boot_options *o, const struct serving_embedding *p, struct embedder **out, struct err *e);

void boot_graph_fail(struct boot_graph *bg, const char *why);

#endif
