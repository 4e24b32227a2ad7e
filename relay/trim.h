/*
 * STATE/partial within its limits of size. A keeper lets no message begin over them, but a
 * client need not say how large one will be, so they can be passed.
 */
#ifndef RELAY_TRIM_H
#define RELAY_TRIM_H

/*
 * Removes the oldest messages that wait for their rest, with all that is known of them, until
 * LIMIT_PARTIAL_OWN_OCTETS of each login or address and LIMIT_PARTIAL_ALL_OCTETS are not
 * passed, nor the numbers of messages. Who has the most loses the first; nobody a message
 * that was written to within LIMIT_PARTIAL_QUIET s, is being committed, or is the only one. What a
 * commit has linked elsewhere, and was cut off, takes no room of its own: neither counted nor
 * removed. dir: STATE/partial.
 */
void trim_partial(int dir);

#endif
