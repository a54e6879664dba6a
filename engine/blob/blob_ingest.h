/* SPDX-License-Identifier: MIT */
/*
 * blob_ingest.h - external references that come in with a write (spec/engine.md 14.1, 14.3). Internal to the engine.
 *
 * Called when everything is staged and folded: a reference that was overwritten in the same write is never looked at. Each distinct
 * source is probed once; sizes are judged before anything is fetched; nothing has happened yet when it fails.
 */
#ifndef ENGINE_BLOB_INGEST_H
#define ENGINE_BLOB_INGEST_H

#include <omnigraph/blob.h>

#include "engine/store/txn.h"

struct blob_ingest {
	const struct blob_policy *policy;
	struct arena *arena; /* lives as long as the staged values are used, over all attempts */
	bool keep;	     /* keep references (load overwrite); else the source is copied into a managed value */
	/* Did this URI come in with the write? One that a row held before is carried unchanged. NULL: all did. */
	bool (*is_new)(void *arg, const struct val *v);
	void *arg;
};

int blob_ingest(struct txn *t, const struct blob_ingest *in, struct err *e);

#endif
