/* postern check: everything that could keep mail from being taken safely. */
#ifndef ADMIN_CHECK_H
#define ADMIN_CHECK_H

#include "admin/admin.h"
#include "admin/rows.h"

int check_tree(struct admin *a);

/* The rest is for the parts of the check, one file each. */

enum { FINDING_LEVEL, FINDING_WHERE, FINDING_PROBLEM, FINDING_ADVICE, FINDING_COLUMNS };

/* An error keeps mail from being served or kept safe; a warning does not yet. */
#define CHECK_ERROR "error"
#define CHECK_WARNING "warning"

/* Between the problem and what to do, in a finding's format. */
#define ADVICE "\v"

/* Adds a finding: format is "problem" ADVICE "what to do". */
void finding(struct rows *out, const char *level, const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Loads and prints findings. DONE where there is none, REFUSED otherwise; or told. */
int check_print(const struct admin *a, struct rows *findings);

/* STATE/below, for `where`; the text lasts until the fourth call after this one. */
const char *check_path(const struct admin *a, const char *below);

/* "dir/name" in the same way. */
const char *check_join(const char *dir, const char *name);

/*
 * Owner and mode of something of ours: another owner than uid, or any of the mode
 * bits in forbidden, is a finding.
 */
struct stat;
void check_owner(struct rows *out, const char *where, const struct stat *st, uid_t uid,
                 mode_t forbidden);

/* True for what an interrupted postern leaves; then it is a finding. */
bool check_leftover(struct rows *out, const char *where, const char *name);

/* Loads a->conf; true where it has no error. */
bool check_conf(struct admin *a, struct rows *out);
/* Domain files; a->domains is open. state_owner may read and own them too. */
void check_domains(const struct admin *a, uid_t state_owner, struct rows *out);

void check_kernel(struct rows *out);

/* Jobs for owner_run(): arg is the struct admin. */
int check_state(int state, void *arg, struct rows *out);
int check_links(int state, void *arg, struct rows *out);
int check_providers(int state, void *arg, struct rows *out);
int check_mail(int state, void *arg, struct rows *out);
int check_auth(int auth, void *arg, struct rows *out);

/* Verifiers without a mailbox: domain and name of each in `verifiers`. */
struct check_verifiers {
	const struct admin *a;
	const struct rows *verifiers;
};
int check_lone_verifiers(int state, void *arg, struct rows *out);

/* What DNS says of the host and its domains; a->domains is open. DONE or told. */
int check_dns(const struct admin *a, struct rows *out);

/* STATE/partial, whose owner is own's; owner_run's child only. */
void check_partial(int state, const struct admin *a, const struct stat *own, struct rows *out);

/* Forward files; owner_run's child only. */
void check_forward(const struct admin *a, const char *domain, const char *name,
                   struct rows *out);

#endif
