/* SPDX-License-Identifier: MIT */
/* s3_config.c - S3 settings from the usual AWS_* names (spec/cluster.md 2.1). The caller supplies the lookup. */
#include <string.h>

#include <omnigraph/store.h>

#include "fs/store_priv.h"

static const struct s3_config nothing;
const struct s3_config *s3_config_default = &nothing;

void store_set_s3_default(const struct s3_config *c)
{
	s3_config_default = c ? c : &nothing;
}

static const char *lookup(s3_getenv_fn get, void *arg, const char *name)
{
	const char *v = get(arg, name);

	return v && *v ? v : NULL;
}

static bool truth(const char *v)
{
	struct str s = str_from(v);

	return v && (str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("1")) || str_eq_nocase(s, STR("yes")) ||
		     str_eq_nocase(s, STR("on")));
}

void s3_config_from_env(s3_getenv_fn get, void *arg, struct s3_config *out)
{
	memset(out, 0, sizeof(*out));
	out->access_key = lookup(get, arg, "AWS_ACCESS_KEY_ID");
	out->secret_key = lookup(get, arg, "AWS_SECRET_ACCESS_KEY");
	out->session_token = lookup(get, arg, "AWS_SESSION_TOKEN");
	out->region = lookup(get, arg, "AWS_REGION");
	if (!out->region)
		out->region = lookup(get, arg, "AWS_DEFAULT_REGION");
	out->endpoint = lookup(get, arg, "AWS_ENDPOINT_URL_S3");
	if (!out->endpoint)
		out->endpoint = lookup(get, arg, "AWS_ENDPOINT_URL");
	out->allow_http =
		truth(lookup(get, arg, "AWS_ALLOW_HTTP")) || (out->endpoint && !strncmp(out->endpoint, "http://", 7));
	out->force_path_style = truth(lookup(get, arg, "AWS_S3_FORCE_PATH_STYLE"));
}
