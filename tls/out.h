/*
 * What `tls show`, `check` and `served` print, for the command postern to read: records of
 * lines "KEY<TAB>VALUE", an empty line behind each. A key may come several times.
 */
#ifndef TLS_OUT_H
#define TLS_OUT_H

#include <stdint.h>

/* Control characters in value become "?". */
void out_field(const char *key, const char *value);
void out_number(const char *key, int64_t n);
void out_end(void);

/* A record level, where, problem, do. */
void out_finding(const char *level, const char *where, const char *problem,
                 const char *advice);

/* True when everything has been written. */
int out_flush(void);

#endif
