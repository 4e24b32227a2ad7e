/* JSON (RFC 8259) on a stdio stream: the writer keeps commas and nesting right. */
#ifndef ADMIN_JSON_H
#define ADMIN_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 8

struct json {
	FILE *f;
	unsigned depth;
	bool comma[JSON_DEPTH]; /* a value was written at this depth */
};

void json_start(struct json *j, FILE *f);
/* Ends the document with a newline. */
void json_end(struct json *j);

/* key is NULL for an element of an array and for the outermost value. */
void json_open(struct json *j, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *j, char bracket);                 /* '}' or ']' */
/* Any octets: what is no UTF-8 becomes U+FFFD, so the document stays valid. */
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t n);
void json_bool(struct json *j, const char *key, bool b);
void json_null(struct json *j, const char *key);

#endif
