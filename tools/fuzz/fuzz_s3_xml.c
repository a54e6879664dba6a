/* SPDX-License-Identifier: MIT */
/* libFuzzer target: bytes as the answers of an S3 server: a page of a listing, an error document. */
#include <omnigraph/mem.h>

#include "fs/s3_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = memcpy(mem_alloc(n + 1), data, n);
	struct s3_page page = { .entries = NULL };
	struct str text;

	if (s3_page_parse((struct str){ copy, n }, "p/", &page))
		s3_page_free(&page);
	s3_xml_text((struct str){ copy, n }, "Code", &text);
	free(copy);
	return 0;
}
