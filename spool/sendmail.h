/* The command line of sendmail, as mail programs use it: sendmail, mailq, newaliases. */
#ifndef SPOOL_SENDMAIL_H
#define SPOOL_SENDMAIL_H

#include <stdbool.h>

/* True for names under which this program is sendmail. */
bool is_sendmail(const char *name);

/* Does it. The exit code, of sysexits.h. */
int sendmail_run(const char *name, int argc, char **argv);

#endif
