/*
 * Mailboxes as an administrator names them: LOCAL@DOMAIN, typed, to the directories
 * the keeper will look in. What is no address ends here; no path is built from it.
 */
#ifndef ADMIN_BOX_H
#define ADMIN_BOX_H

#include "admin/admin.h"
#include "keeper/forward.h"
#include "keeper/mailbox.h"

struct box {
	char domain[LIMIT_NAME + 1];   /* directory names */
	char name[LIMIT_NAME + 1];
	char path[MAILBOX_PATH];       /* beneath STATE */
	char shown[LIMIT_ADDRESS + 1]; /* LOCAL@DOMAIN as we write it */
};

/* From what was typed. DONE, or MISUSED after telling what was expected. */
int box_parse(struct box *b, const char *typed);

/* From directory names; false where no address leads to that directory. */
bool box_from_names(struct box *b, const char *domain, const char *name);

/* From an address in a file; false where it can't be one of our mailboxes. */
bool box_from_address(struct box *b, const struct address *a);

/* True where both name the same mailbox. */
bool is_same_box(const struct box *a, const struct box *b);

/* DONE where b's domain is served, REFUSED (told, with what to do), or an error. */
int box_served(const struct admin *a, const struct box *b);

enum box_kind {
	BOX_NONE,
	BOX_MAILBOX, /* a directory, with a copy kept for itself */
	BOX_ALIAS,   /* its forward file does not name itself */
	BOX_ERROR,   /* errno says why it can't be looked at */
};

/*
 * What there is. forward: TRUE where there is a forward file; f then holds its
 * text. As STATE's owner only, like all that follows.
 */
enum box_kind box_look(int state, const struct box *b, struct forward *f, bool *forward);

/* Messages in the Maildir and its subfolders (Maildir++), read or not. */
unsigned long box_messages(int state, const struct box *b);

/* Opens the directory of b's domain beneath mail/ (made first). -1 with errno. */
int box_open_domain(int state, const struct box *b, bool make);

/*
 * The text that tells why a directory of STATE can't be used, with what to do: the
 * keeper would meet the same errno.
 */
const char *box_problem(int err);

#endif
