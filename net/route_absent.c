/* SPDX-License-Identifier: MIT */
/* Operations of the contract that the engine cannot do yet: blobs. */
#include "net/server.h"

int route_absent(struct request *r)
{
	return request_fail(r, 500, "internal", "%s is not there yet in this build", operation_name(r->match.op));
}
