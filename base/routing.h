/*
 * The dialogue between a runner and the *router*, which asks DNS (libunbound) and MTA-STS,
 * and holds no file of ours. A SOCK_SEQPACKET pair, one question at a time.
 */
#ifndef BASE_ROUTING_H
#define BASE_ROUTING_H

/* Runner to router. */
enum route_verb {
	/*
	 * domain (A-labels, or a literal in brackets) our-name: where does its mail go?
	 * Any number of ROUTE_HOPs in order of preference, then one of the last words.
	 */
	ROUTE_MX = 'm',
	/* host port: a relay that was configured: its addresses, no MX. As above. */
	ROUTE_HOST = 'h',
};

/* Router to runner. */
enum route_word {
	/*
	 * address (IP) port host (the MX name, "" for a literal) preference secure ("yes":
	 * DNSSEC proved MX and address) policy ("" none, "dane", "sts-enforce",
	 * "sts-testing") n (ROUTE_TLSA packets that follow).
	 */
	ROUTE_HOP = 'h',
	/* usage selector matching-type data (hex), RFC 6698; RFC 7672 decides which count. */
	ROUTE_TLSA = 'a',
	/* The last word: */
	ROUTE_END = '+',      /* that was all, and there was at least one */
	ROUTE_NEVER = '5',    /* enhanced code, text: null MX 5.1.10, no such domain 5.1.2,
	                       * loop 5.4.6, nothing to connect to 5.4.4 */
	ROUTE_LATER = '4',    /* enhanced code, text: DNS does not answer 4.4.3, ... */
};

#endif
