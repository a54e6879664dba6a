/* SPDX-License-Identifier: MIT */
/* init.h - the first record of a graph's history. */
#ifndef ENGINE_STORE_INIT_H
#define ENGINE_STORE_INIT_H

#include "engine/store/graph_priv.h"

/* The log record of the genesis commit under a schema record. */
void genesis_record(const char *schema_digest, struct strbuf *out);

#endif
