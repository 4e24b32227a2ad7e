/*
 * What has to be changed in a message so that a next hop may get it that lacks 8BITMIME
 * or BINARYMIME (RFC 6152 3, RFC 3030 3): found in one pass over the file, in a table of
 * constant size. Parts are encoded, labels follow; structure, order and all other octets
 * stay. What is signed or encrypted is not touched.
 */
#ifndef RELAY_CONTENT_PLAN_H
#define RELAY_CONTENT_PLAN_H

#include "relay/content_file.h"
#include "relay/content_mime.h"

/* What may go out: 7bit or 8bit lines. */
enum content_level { CONTENT_7BIT, CONTENT_8BIT };

enum content_label { LABEL_7BIT, LABEL_8BIT, LABEL_QP, LABEL_BASE64 };

struct content_edit {
	uint64_t at;      /* skip octets there (a field, maybe folded) ... */
	uint64_t skip;    /* ... become a Content-Transfer-Encoding with this label, */
	enum content_label label;
	bool add_mime;    /* with a MIME-Version before it */
	bool add_type;    /* and a Content-Type */
	uint64_t body;    /* octets body to end are encoded (where label says so) */
	uint64_t end;
};

struct content_plan {
	const char *why;  /* it can't be done, and why (static text); NULL: it can */
	unsigned n;
	struct content_edit edit[LIMIT_MIME_EDITS]; /* in the order of the file */
};

/*
 * Plans octets at..end of the message. raw: it is stored as it came (BINARYMIME), so
 * parts may hold anything. A read that fails is told by file->failed.
 */
void content_plan(struct content_plan *plan, struct content_file *file, uint64_t at,
                  uint64_t end, bool raw, enum content_level level);

#endif
