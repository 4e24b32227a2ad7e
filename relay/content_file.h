/*
 * A stored message, read through one window of constant size: as runs of octets, or
 * line by line. The file may change or shrink meanwhile; then reading fails.
 */
#ifndef RELAY_CONTENT_FILE_H
#define RELAY_CONTENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* A line is known by so many of its first octets; structure never needs more. */
#define CONTENT_HEAD 1000

struct content_file {
	int fd;
	bool failed;           /* a read failed, or the file ends too early */
	uint64_t start, len;   /* the window is octets start to start + len of the file */
	char window[LIMIT_CHUNK];
	char head[CONTENT_HEAD];
};

/* One line, its end not counted. */
struct content_line {
	uint64_t at, len;
	const char *head;      /* its first octets, valid until the next read */
	size_t head_len;
	unsigned eol;          /* 2: CRLF, 1: LF, 0: the file ends here */
	uint64_t high;         /* octets that are not ASCII */
	bool nul, bare_cr;
};

void content_file_init(struct content_file *f, int fd);

/* Octets at `at`, at most to `end`: 0 at the end, or when it failed. */
size_t content_run(struct content_file *f, uint64_t at, uint64_t end, const char **run);

/* The line that starts at `at`; false at the end, or when it failed. */
bool content_next_line(struct content_file *f, uint64_t at, uint64_t end,
                       struct content_line *line);

/* Octets of s that are not ASCII. */
uint64_t content_count_high(const char *s, size_t len);

#endif
