/*
 * The dialogue between a runner and the *router*, which asks DNS (libunbound) and MTA-STS,
 * and holds no file of ours. A SOCK_SEQPACKET connection of the runner's own, one question
 * at a time; relay/route.h speaks the runner's part.
 */
#ifndef BASE_ROUTING_H
#define BASE_ROUTING_H

/* Runner to router. */
enum route_verb {
	/*
	 * domain (A-labels, or a literal in brackets) policy ("" or the MTA-STS policy that was
	 * kept, in the form of base/sts.h): where does its mail go? Any number of ROUTE_HOPs in
	 * order of preference, then one of the last words.
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
	 * "sts-testing") names (for TLS_CONNECT, see helper.h) n (ROUTE_TLSA packets that
	 * follow; "dane" with none of them: RFC 7672 2.2, TLS is a must, whose is not known).
	 */
	ROUTE_HOP = 'h',
	/* "usage selector matching-type hex", as TLS_CONNECT takes it. Only what counts. */
	ROUTE_TLSA = 'a',
	/* The MTA-STS policy of the domain, to be kept; "": there is none any more. */
	ROUTE_STS = 's',
	/* The last word: */
	ROUTE_END = '+',      /* that was all, and there was at least one */
	ROUTE_NEVER = '5',    /* enhanced code, text: null MX 5.1.10, no such domain 5.1.2,
	                       * loop 5.4.6, nothing to connect to 5.4.4 */
	ROUTE_LATER = '4',    /* enhanced code, text: DNS does not answer 4.4.3, DNSSEC says
	                       * forged 4.7.0, no hop that MTA-STS allows 4.7.0 */
};

#endif
