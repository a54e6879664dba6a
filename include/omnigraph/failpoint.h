/* SPDX-License-Identifier: MIT */
/*
 * failpoint.h - named fault points (ARCHITECTURE section 6).
 *
 * FAILPOINT(name, err) evaluates to 0, or to a negative value after filling @err when the action of the point
 * is an error; a crash, a delay or a pause happens inside. Without CONFIG_FAILPOINTS it is the constant 0 and
 * neither the name nor any symbol reaches the binary. Names are literals, listed in failpoints/names.h.
 */
#ifndef OMNIGRAPH_FAILPOINT_H
#define OMNIGRAPH_FAILPOINT_H

#include <omnigraph/err.h>

#ifdef CONFIG_FAILPOINTS
/* 0, or the injected error. Unknown names are a bug and abort. */
int failpoint_hit(const char *name, const char *file, int line, struct err *e);
/* Read OMNIGRAPH_FAILPOINTS and OMNIGRAPH_FAILPOINT_DIR as given by main. Malformed or unknown: ERR_BAD_REQUEST. */
int failpoint_configure(const char *spec, const char *dir, struct err *e);
/* Names in byte order; NULL-terminated. @where receives the place in words. */
const char *failpoint_name(unsigned i, const char **where);
#define FAILPOINT(name, e) failpoint_hit((name), __FILE__, __LINE__, (e))
#else
#define FAILPOINT(name, e) (0)
#endif

#endif
