/*
 * DNS as the check asks it: several questions at once to the program `dns`, which asks with
 * the resolvers that mail is sent by.
 */
#ifndef ADMIN_DNS_BATCH_H
#define ADMIN_DNS_BATCH_H

#include <stdbool.h>

#include "admin/admin.h"
#include "admin/rows.h"

/* Questions of one run of `dns`, and records of one answer that are looked at. */
#define DNS_QUESTIONS 40
#define DNS_RECORDS 16
#define DNS_RECORD 512

struct dns_answer {
	bool good;                   /* the name is there; n may be 0 */
	bool secure;
	char at[LIMIT_DOMAIN + 1];   /* behind aliases */
	unsigned n;
	char record[DNS_RECORDS][DNS_RECORD];
};

struct dns_batch {
	const struct admin *a;
	struct rows *out;
	unsigned n;
	char name[DNS_QUESTIONS][LIMIT_DOMAIN + 16];
	const char *argv[2 * DNS_QUESTIONS + 4];
	struct dns_answer answer[DNS_QUESTIONS];
};

/* No question yet. */
void batch_start(struct dns_batch *b);

/*
 * One more: prefix and name joined, the type as `dns` takes it. The number of its answer. The
 * last is overwritten when there is no room, which the callers' counts keep from happening.
 */
unsigned batch_ask(struct dns_batch *b, const char *type, const char *prefix, const char *name);

/* The number of a question; DNS_QUESTIONS where it was not asked. */
unsigned batch_find(const struct dns_batch *b, const char *type, const char *name);

/* Asks them all; an answer that did not come is a finding. DONE or told. */
int batch_send(struct dns_batch *b);

#endif
