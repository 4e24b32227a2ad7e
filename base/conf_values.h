/*
 * Values of postern.conf and of domain files that ini.h has no kind for: each reads one into
 * the structure of conf.h at v->base, and is false where it is none.
 */
#ifndef BASE_CONF_VALUES_H
#define BASE_CONF_VALUES_H

#include "base/conf.h"
#include "base/ini.h"

/* k->min of conf_paths(). */
enum { CONF_CERT, CONF_KEY };

bool conf_domain(const struct ini_key *k, const struct ini_value *v);
bool conf_local(const struct ini_key *k, const struct ini_value *v);
bool conf_address(const struct ini_key *k, const struct ini_value *v);
bool conf_networks(const struct ini_key *k, const struct ini_value *v);
bool conf_quota(const struct ini_key *k, const struct ini_value *v);
bool conf_order(const struct ini_key *k, const struct ini_value *v);
bool conf_mechanisms(const struct ini_key *k, const struct ini_value *v);
bool conf_sender_check(const struct ini_key *k, const struct ini_value *v);
bool conf_paths(const struct ini_key *k, const struct ini_value *v);
bool conf_dns(const struct ini_key *k, const struct ini_value *v);
bool conf_client_ca(const struct ini_key *k, const struct ini_value *v);
bool conf_relay(const struct ini_key *k, const struct ini_value *v);
bool conf_next_tls(const struct ini_key *k, const struct ini_value *v);
bool conf_relay_tls(const struct ini_key *k, const struct ini_value *v);
bool conf_deliver(const struct ini_key *k, const struct ini_value *v);
bool conf_checkpoint(const struct ini_key *k, const struct ini_value *v);
bool conf_deliver_by(const struct ini_key *k, const struct ini_value *v);
bool conf_priority_key(const struct ini_key *k, const struct ini_value *v);
bool conf_priority_logins(const struct ini_key *k, const struct ini_value *v);
bool conf_priority_over(const struct ini_key *k, const struct ini_value *v);
bool conf_etrn(const struct ini_key *k, const struct ini_value *v);
bool conf_queue(const struct ini_key *k, const struct ini_value *v);

#endif
