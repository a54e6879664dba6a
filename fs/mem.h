/* SPDX-License-Identifier: MIT */
/*
 * mem.h - the store in memory, for tests and for graphs that need not survive the process.
 *
 * Every store_open("mem://...") is a new, empty store: nothing is shared by name, since there is no global state.
 * A second handle on the same content comes from store_mem_share(). The content lives until the last handle is closed.
 */
#ifndef OMNIGRAPH_FS_MEM_H
#define OMNIGRAPH_FS_MEM_H

#include <omnigraph/store.h>

/* A further handle on the content of @s (which must be a mem store); store_close() each. */
struct store *store_mem_share(struct store *s, bool read_only);

#endif
