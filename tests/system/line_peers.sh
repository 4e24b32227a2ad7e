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
configure_postfix_site "$site" far.test
cat >>"$tmp/conf/main.cf" <<-END
	message_size_limit = 100000000
	virtual_mailbox_limit = 0
END
cat >"$tmp/inside" <<'END'
set -eu
. "$3/postfix-inside.sh"
chmod 1777 "$root/var/mail"
trap 'chroot "$root" postfix stop; cp "$root/var/log/postfix.log" "$1/postfix.log"' EXIT
python3 "$3/line_peer.py" postfix "$4" a@far.test "$root/var/mail/site/new" >"$1/said"
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
