/*
 * The dialogue with sts, who fetches MTA-STS policies by HTTPS: one connection, one policy
 * (helper.h says how it is reached).
 */
#ifndef BASE_STS_FETCH_H
#define BASE_STS_FETCH_H

enum sts_word {
	/* To it: domain, then 1 to STS_ADDRESSES addresses of its host mta-sts.domain. */
	STS_FETCH = 'f',
	/* From it: mode, max_age (seconds), patterns as in struct sts_policy. */
	STS_FETCHED = '+',
	STS_FAILED = '-', /* reason */
};

#define STS_ADDRESSES 8

/* Where sts finds the certificates of authorities, PEM, open for reading. */
#define STS_CA_FD 4

#endif
