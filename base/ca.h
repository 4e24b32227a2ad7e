/* The certificates of authorities that other servers' certificates are checked by. */
#ifndef BASE_CA_H
#define BASE_CA_H

#include "base/conf.h"

/* tls-ca, or the file that the system keeps; NULL: there is none. */
const char *ca_file(const struct conf *c);

#endif
