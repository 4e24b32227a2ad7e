/*
 * The log: one line per event, logfmt, values quoted where needed and every octet
 * outside printable ASCII written as \xNN, so a value can forge neither a line
 * nor a field. Goes to the journal's stream with its <N> prefix, to a terminal or
 * pipe on fd 2, or to syslog where fd 2 is not ours.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>
#include <stdnoreturn.h>

#include "base/limits.h"
#include "base/text.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/*
 * Decides where lines go; call before anything is confined. program stays the caller's.
 * When fd 2 is the same file as fd 0 or 1 (xinetd hands the client's socket on all three)
 * and not the journal, or closed, /dev/null is put there and syslog is used: no stray
 * octet may reach a client.
 */
void log_open(const char *program);

/* The same for what a person runs: the lines go to syslog, and fd 2 stays that person's. */
void log_open_aside(const char *program);

/*
 * After log_open(): where the journal has fd 2, lines go to it with their fields beside them
 * (journal.h). A process that has closed all but known descriptors calls log_reopen().
 */
void log_open_fields(void);

/*
 * Around code that puts descriptors on fixed numbers, or closes them wholesale: the
 * connection to syslog may be among them, and lines must not go to what took its place. So may the journal's.
 */
void log_close(void);
void log_reopen(void);

/* Fields that every line of this process gets from now on; "" leaves one out. */
void log_context(const char *session, const char *client);
/* One more; log_context() forgets it. */
void log_login(const char *login);

struct log_line {
	struct text t;
	char buf[LIMIT_LOG_LINE];
};

/* log_start(&l, "deliver"); log_field(&l, "to", to); log_send(&l, LOG_LEVEL_INFO); */
void log_start(struct log_line *l, const char *event);
void log_field(struct log_line *l, const char *key, const char *value);
void log_number(struct log_line *l, const char *key, uint64_t n);
/* signal=SEGV, or the number of one without a name. */
void log_signal(struct log_line *l, int sig);
void log_send(struct log_line *l, enum log_level level);

/* event=notice what="...": something an administrator may want to know. */
void log_notice(const char *what);

/* event=error what="..." error="strerror(errno)" when err is not 0. */
void log_error(const char *what, int err);

/* The same in the form of a callback, such as conf_load() wants. */
void log_message(void *unused, const char *message);

/* What is wrong with the command line, and how it should be; then the end: exit 2. */
noreturn void die_misused(const char *what, const char *usage);

/* One line, then the end: exit 111, try again. */
noreturn void die_temp(const char *what, int err);

#endif
