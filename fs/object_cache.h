/* SPDX-License-Identifier: MIT */
/*
 * object_cache.h - copies of immutable objects of a remote store in a local directory, which many processes may share.
 *
 * A copy is one file, named by the SHA-256 of "<place>\n<key>" in hexadecimal, where the place
 * is what tells one store from another: "<endpoint> <URI>":
 *
 *   content, then 48 bytes: "OGCACHE1", u64 bytes of the content (little endian), SHA-256 of the file's name and the content
 *
 * It is written under a temporary name (".tmp-...") and renamed, so it is there whole or not at all; it is not synced, since it is proved
 * by its digest whenever it is mapped: one that a crash tore, that was changed, or that is of another object is removed and counts as absent.
 * Files are 0600 in a directory of 0700; symbolic links are not followed and files of other users are not read. Anything there may be deleted
 * at any time: who has a copy mapped keeps it. What goes beyond the bound is removed, what was used longest ago (modification time) first.
 *
 * No failure of the cache is a failure of its user: the object is then fetched from the store.
 * Threading: any; there is no state but the directory.
 */
#ifndef OMNIGRAPH_FS_OBJECT_CACHE_H
#define OMNIGRAPH_FS_OBJECT_CACHE_H

#include <omnigraph/store.h>

struct object_cache {
	const char *dir;    /* NULL: there is no cache */
	uint64_t max_bytes; /* of all files */
};

/* Map the copy of @key in the store at @place; object_cache_unmap() it. False: there is none. @out is then unchanged. */
bool object_cache_map(const struct object_cache *c, const char *place, const char *key, struct store_map *out);
/* Does this mapping come from a cache? */
bool object_cache_has(const struct store_map *m);
void object_cache_unmap(struct store_map *m);
/* Its pages may leave this process until they are read again. */
void object_cache_relax(const struct store_map *m);
/*
 * Keep a copy and map it; object_cache_unmap() it. False: it is not kept (larger than the bound, disk full, directory not writable), @out is
 * unchanged.
 */
bool object_cache_put(const struct object_cache *c, const char *place, const char *key, const void *data, size_t n,
		      struct store_map *out);

#endif
