/*
 * TRANSID of CHECKPOINT (RFC 1845): names a transaction, together with the client's EHLO name
 * and who it is. Case matters.
 */
#ifndef BASE_TRANSID_H
#define BASE_TRANSID_H

#include <stdbool.h>

/* RFC 1845 2: "<local@domain>", both of atoms and dots, at most LIMIT_TRANSID octets. */
bool is_transid(const char *s);

#endif
