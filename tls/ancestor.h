/*
 * The ancestor of the relays (base/ancestor.h): forked from the warmed parent, confined
 * once, it forks relays on the parent's word. So a connection finds its relay ready, and no
 * relay pays for what it inherits.
 */
#ifndef TLS_ANCESTOR_H
#define TLS_ANCESTOR_H

#include <stdbool.h>

/*
 * Forks it; what its relays do is run(), each of them once or many times. The parent's end of its control socket, for
 * base/brood.h; -1: logged.
 */
int tls_ancestor_start(void (*run)(void), bool once);

#endif
