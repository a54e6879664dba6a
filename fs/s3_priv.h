/* SPDX-License-Identifier: MIT */
/*
 * s3_priv.h - the parts of the S3 backend. Private to fs/.
 *
 *   s3_config.c  settings from AWS_* names      s3_sign.c  Signature Version 4, percent-encoding of paths
 *   s3_http.c    requests, retries, deadlines   s3_xml.c   pages of ListObjectsV2, error documents
 *   s3_put.c     conditional and multipart      s3_log.c   logs: one create-only object per record
 *   s3.c         opening, the ops table, objects and lists; mapped objects through object_cache.h
 *
 * Keys in the bucket are "<prefix of the URI>/<store key>". They are UTF-8 and have at most 1024 bytes, which S3 demands.
 */
#ifndef OMNIGRAPH_FS_S3_PRIV_H
#define OMNIGRAPH_FS_S3_PRIV_H

#include <pthread.h>

#include <curl/curl.h>

#include <omnigraph/util.h>

#include "object_cache.h"
#include "store_priv.h"

#define S3_KEY_MAX 1024		       /* of S3 */
#define S3_IN_FLIGHT 16		       /* requests of one batch at once */
#define S3_ATTEMPTS 8		       /* per request */
#define S3_DEADLINE_US 60000000	       /* per request and its retries, plus the time for the bytes at S3_SLOWEST */
#define S3_SLOWEST (64u << 10)	       /* bytes per second */
#define S3_READ_BYTES (64u << 20)      /* the answer counts with at most so many */
#define S3_STALL_S 20		       /* a transfer that does not move for so long has failed */
#define S3_MULTIPART_BYTES (64u << 20) /* larger objects go up in parts */
#define S3_PART_BYTES (16u << 20)
#define S3_PARTS_MAX 9000	 /* S3 allows 10000 */
#define S3_REPLY_MAX (16u << 20) /* a page of a list, an error document */
#define S3_ID_HEADER "x-amz-meta-omnigraph-id"
#define S3_PREV_HEADER "x-amz-meta-omnigraph-prev"

#define S3_LOG_TRUST_US 30000000 /* how long it counts that a number of a log was free */
#define S3_LOG_YOUNG_US 60000000 /* a trim leaves younger records, below its mark, to the next one */

struct s3_moment { /* by both clocks: one stands still while the machine sleeps, the other may be set */
	int64_t mono_us, real_us;
};

/*
 * Records up to next - 1 of a log existed, and next did not, at this moment or later. As long as the moment is recent an append creates the
 * next record without a look at what surrounds it: a trim cannot have removed it, being young. That another process has deleted the whole
 * log (delete_prefix) goes unnoticed meanwhile; the engine deletes only logs of branch ids that nobody is given again.
 */
struct s3_hint {
	char *log;
	uint64_t next;
	struct s3_moment at;
};

struct s3_channel { /* a multi handle with its connections; used by one call at a time */
	CURLM *multi;
	struct s3_channel *next;
};

struct s3_store {
	struct store base;
	char *bucket, *prefix; /* @prefix: "" or "p/q/" */
	char *access_key, *secret_key, *session_token, *region;
	char *origin, *host; /* scheme://host[:port], host[:port] */
	bool path_style;
	_Atomic bool bare_etags; /* this server wants If-Match without the quotes (Ceph) */
	pthread_mutex_t lock;
	struct s3_channel *idle;
	struct s3_hint *hints;
	size_t n_hints, cap_hints;
	int64_t log_trust_us, log_young_us; /* as above; tests: 0 */
	struct object_cache cache;	    /* owns its dir */
	char *cache_place;		    /* what its copies are of: endpoint and URI */
};

static inline struct s3_store *s3_of(struct store *s)
{
	return container_of(s, struct s3_store, base);
}

/* --- one request ------------------------------------------------------------------------------- */

struct s3_req {
	/* set by the caller */
	const char *method;
	const char *key;	/* store key, or NULL for the bucket */
	const char *query;	/* canonical: encoded and sorted; NULL for none */
	const char *headers[4]; /* "name: value", not signed unless x-amz-; sorted by name */
	const void *body;
	size_t n_body;
	uint64_t max;	     /* a longer answer is cut off: .too_large */
	void *into;	     /* answer of at most @max bytes goes here instead of .reply, the rest is dropped */
	bool once;	     /* a failure that might have had an effect is not retried */
	int64_t deadline_us; /* monotonic; 0: from the size */
	/* results */
	int status; /* 0: no answer */
	bool too_large;
	bool no_effect;		   /* status 0: the request was not sent */
	struct store_object reply; /* .data malloced with a NUL; the caller frees it */
	uint64_t length;	   /* Content-Length */
	int64_t mtime_us;
	char etag[STORE_TOKEN_MAX], id[40], prev[STORE_TOKEN_MAX];
	char region[40]; /* where the bucket is, when it is elsewhere */
	char code[64];	 /* <Code> of an error document */
	char text[160];	 /* what curl says */
	/* of s3_http.c */
	struct s3_store *s3;
	CURL *easy;
	struct curl_slist *slist;
	size_t cap;
	int attempts, retry_after_s;
	int64_t start_at_us, retry_until_us;
	int state;
};

/* Run all of @r, at most S3_IN_FLIGHT at once; each ends with a final status. */
void s3_run(struct s3_store *s3, struct s3_req *r, size_t n);
void s3_req_free(struct s3_req *r);
/* An error naming @op, @key and the store from the answer of @r. Returns negative. */
int s3_fail(struct s3_store *s3, const struct s3_req *r, const char *op, const char *key, struct err *e);
void s3_sleep_jitter(int attempt);

/* --- s3_sign.c --------------------------------------------------------------------------------- */

struct s3_sign_in {
	const char *method, *path, *query, *host; /* path and query as sent */
	const char *access_key, *secret_key, *session_token, *region;
	const char *const *headers; /* NULL-terminated "name: value", sorted by name */
	const char *payload_sha256; /* hex */
	int64_t now_s;
};

/* "/": kept. Appends to @out. */
void s3_encode_path(struct strbuf *out, const char *path);
/* x-amz-* headers and the Authorization header, one string each, onto @list. */
struct curl_slist *s3_sign(const struct s3_sign_in *in, struct curl_slist *list);

/* --- s3_xml.c ---------------------------------------------------------------------------------- */

struct s3_entry {
	char *key; /* store key */
	uint64_t size;
	int64_t mtime_us;
};

struct s3_page {
	struct s3_entry *entries;
	size_t n, cap;
	char *more; /* continuation token; NULL at the end */
};

/* Text of the first <tag> of @doc, false when there is none. */
bool s3_xml_text(struct str doc, const char *tag, struct str *out);
/* False: not a list. Keys lose @prefix. */
bool s3_page_parse(struct str doc, const char *prefix, struct s3_page *out);
void s3_page_free(struct s3_page *p);

/* --- s3.c: lists ------------------------------------------------------------------------------- */

struct s3_list {
	const char *under; /* store key prefix, byte-wise */
	const char *after; /* store key or NULL */
	const char *more;  /* continuation token or NULL */
	bool flat;	   /* direct children only */
	unsigned max;
};

char *s3_list_query(struct s3_store *s3, const struct s3_list *l);
int s3_list_page(struct s3_store *s3, const struct s3_list *l, struct s3_page *out, struct err *e);
/* True for what a log is made of: it is never listed. */
bool s3_is_log_part(const char *key);
int s3_head(struct store *s, const char *key, struct store_stat *out, struct err *e);
int s3_delete_keys(struct s3_store *s3, const struct s3_entry *keys, size_t n, struct err *e);
int s3_key_check(struct s3_store *s3, const char *op, const char *key, struct err *e);
void s3_token(const struct s3_req *r, struct store_token *out);

/* --- s3_put.c ---------------------------------------------------------------------------------- */

int s3_get(struct store *s, const char *key, uint64_t max, struct store_object *out, struct err *e);
int s3_put(struct store *s, const char *key, const void *data, size_t n, struct err *e);
int s3_put_batch(struct store *s, struct store_put_req *reqs, size_t n, struct err *e);
int s3_create(struct store *s, const char *key, const void *data, size_t n, struct store_token *token, struct err *e);
int s3_replace(struct store *s, const char *key, const struct store_token *expected, const void *data, size_t n,
	       struct store_token *token, struct err *e);

/* --- s3_log.c ---------------------------------------------------------------------------------- */

int s3_log_append(struct store *s, const char *log, uint64_t seq, const void *data, size_t n, struct err *e);
int s3_log_read(struct store *s, const char *log, uint64_t from, store_log_fn fn, void *arg, struct err *e);
int s3_log_tail(struct store *s, const char *log, uint64_t *next, struct err *e);
int s3_log_trim(struct store *s, const char *log, uint64_t upto, struct err *e);
int s3_log_list(struct store *s, const char *prefix, store_name_fn fn, void *arg, struct err *e);
/* Forget what is known of @prefix and of the logs below it. */
void s3_log_forget(struct s3_store *s3, const char *prefix);

#endif
