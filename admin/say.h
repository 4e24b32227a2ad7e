/*
 * What `postern` tells a person. Every octet that could drive a terminal is shown
 * as \xNN: file names and addresses are written by others.
 */
#ifndef ADMIN_SAY_H
#define ADMIN_SAY_H

#include <stdio.h>

#define SAY_FORMAT(at) __attribute__((format(printf, at, at + 1)))

/* To standard output, as it is formatted: no newline added. */
void say(const char *format, ...) SAY_FORMAT(1);

/* "postern: ..." and a newline to standard error; returns REFUSED. */
int say_refused(const char *format, ...) SAY_FORMAT(1);

/* The same; returns MISUSED. */
int say_misused(const char *format, ...) SAY_FORMAT(1);

/*
 * "postern: ...: " and what err means. Returns TEMPORARY where trying again may
 * help (no space, no memory, an I/O error), otherwise REFUSED.
 */
int say_failed(int err, const char *format, ...) SAY_FORMAT(2);

/* s to f, made harmless for a terminal. */
void say_safe(FILE *f, const char *s);

#endif
