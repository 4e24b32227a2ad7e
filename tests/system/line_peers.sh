#!/bin/sh
# suite: timeout=300 long
# What a line that breaks does to 25 MB for a real server without CHECKPOINT: Postfix, in a
# root folder of its own, and OpenSMTPD where tests/bench/peers has installed it. The same
# for Postern is in the long run of checkpoint.py.
. "$(dirname "$0")/lib.sh"

need line_peers python3 unshare
is_root || { skip line_peers 'needs root, for a root folder of its own'; exit 0; }
command -v dpkg >/dev/null && unpack_postfix >"$tmp/out" 2>&1 ||
	{ skip line_peers "no package: $(tail -n 1 "$tmp/out")"; exit 0; }

PEERS=${PEERS:-$BUILD/peers}
export BUILD PEERS
site=$(free_port)
mkdir "$tmp/conf"
cat >"$tmp/conf/main.cf" <<-END
	compatibility_level = 3.6
	myhostname = far.test
	mydestination =
	inet_interfaces = loopback-only
	inet_protocols = ipv4
	maillog_file = /var/log/postfix.log
	mynetworks =
	message_size_limit = 100000000
	virtual_mailbox_limit = 0
	smtpd_relay_restrictions = reject_unauth_destination
	virtual_mailbox_domains = far.test
	virtual_mailbox_base = /var/mail
	virtual_mailbox_maps = static:far/
	virtual_uid_maps = static:61092
	virtual_gid_maps = static:61092
	default_transport = error
END
for service in "127.0.0.1:$site inet n - n - - smtpd" 'cleanup unix n - n - 0 cleanup' \
	'qmgr unix n - n 300 1 qmgr' 'rewrite unix - - n - - trivial-rewrite' \
	'bounce unix - - n - 0 bounce' 'defer unix - - n - 0 bounce' \
	'trace unix - - n - 0 bounce' 'error unix - - n - - error' \
	'virtual unix - n n - - virtual' 'anvil unix - - n - 1 anvil' \
	'postlog unix-dgram n - n - 1 postlogd' 'proxymap unix - - n - - proxymap'; do
	echo "$service"
done >"$tmp/conf/master.cf"
cat >"$tmp/inside" <<'END'
set -eu
. "$3/postfix-inside.sh"
chmod 1777 "$root/var/mail"
trap 'chroot "$root" postfix stop; cp "$root/var/log/postfix.log" "$1/postfix.log"' EXIT
python3 "$3/line_peer.py" postfix "$4" a@far.test "$root/var/mail/far/new" >"$1/said"
END
unshare -m --propagation private sh "$tmp/inside" "$tmp" "$place" \
	"$here" "$site" >"$tmp/out" 2>&1 ||
	fail 'line_peers: Postfix runs' "$(tail -n 5 "$tmp/out")"
cat "$tmp/said"
check 'line_peers: Postfix saw a hundred connections break in a message' [ "$(grep -c \
	'smtpd.*: lost connection after \(DATA\|BDAT\)' "$tmp/postfix.log")" = 100 ]
check 'line_peers: and delivered once' [ "$(grep -c 'status=sent' "$tmp/postfix.log")" = 1 ]
python3 "$here/line_peer.py" opensmtpd
exit 0
