/*
 * Rows of text, collected in one process and read in another: a job that runs as
 * another user (owner.h) fills them, the command sorts and prints them.
 */
#ifndef ADMIN_ROWS_H
#define ADMIN_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ROWS_COLUMNS 8

struct rows {
	unsigned columns; /* of every row */
	size_t n;         /* rows, after rows_load */
	FILE *f;          /* in memory (memfd_create(2)) */
	char *buf;
	char **row;       /* columns pointers each */
};

/* 0, or -1 with errno. */
int rows_start(struct rows *r, unsigned columns);
/* Appends one field; a row is as many fields as there are columns. */
void rows_add(struct rows *r, const char *field);
/* Writes out what is buffered, before the collecting process ends. 0 or -1. */
int rows_flush(struct rows *r);
/* Reads everything back, sorted by octets, first column first. 0 or -1. */
int rows_load(struct rows *r);
const char *rows_get(const struct rows *r, size_t row, unsigned column);
/* True where a loaded row begins with these two columns (b may be NULL). */
bool rows_has(const struct rows *r, const char *a, const char *b);
/* The same, and which one it is. */
bool rows_find(const struct rows *r, const char *a, const char *b, size_t *row);
void rows_free(struct rows *r);

#endif
