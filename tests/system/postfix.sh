#!/bin/sh
# suite: timeout=120
# Postfix's smtp client hands its mail to Postern: STARTTLS enforced, the certificate's name
# checked, SASL by three mechanisms, TLS from the start. Postfix runs in a root folder of
# its own (an overlay in a mount namespace that goes away), nothing is installed.
. "$(dirname "$0")/lib.sh"

need postfix python3 unshare
is_root || { skip postfix 'needs root, for a root folder of its own'; exit 0; }
command -v dpkg >/dev/null && unpack_postfix >"$tmp/out" 2>&1 ||
	{ skip postfix "no package: $(tail -n 1 "$tmp/out")"; exit 0; }

# A tree with a login; the sender's address stays his, whatever transport takes it.
tree=$tmp/tree
new_tree "$tree" || { fail postfix 'no tree'; exit 0; }
sed -i '/^hostname/a mechanisms = SCRAM-SHA-256 PLAIN LOGIN' "$tree/postern.conf"
echo 'geheim 1' | "$BUILD/postern" -c "$tree/postern.conf" user passwd alice@here.test \
	--password-stdin >"$tmp/out" 2>&1 || { fail postfix "$(cat "$tmp/out")"; exit 0; }
starttls=$(free_port) implicit=$(free_port)
start "$tmp/smtpd.log" "$BUILD/smtpd" -c "$tree/postern.conf" \
	-s submission -L "127.0.0.1:$starttls" -s submissions -L "127.0.0.1:$implicit"
wait_for is_listening "$starttls" || { fail postfix "$(tail -n 3 "$tmp/smtpd.log")"; exit 0; }

# The root folder's files, for the script below.
mkdir "$tmp/conf"
cat >"$tmp/conf/main.cf" <<-END
	compatibility_level = 3.6
	myhostname = client.test
	mydestination =
	inet_interfaces = loopback-only
	inet_protocols = ipv4
	maillog_file = /var/log/postfix.log
	smtp_host_lookup = native
	smtp_tls_security_level = secure
	smtp_tls_secure_cert_match = nexthop
	smtp_tls_CAfile = /etc/postfix/tls.crt
	smtp_sasl_auth_enable = yes
	smtp_sasl_password_maps = static:{alice@here.test:geheim 1}
	smtp_sasl_tls_security_options = noanonymous
	transport_maps = texthash:/etc/postfix/transport
	default_transport = error
END
cat >"$tmp/conf/transport" <<-END
	bob@here.test plain:[mx.here.test]:$starttls
	bob+login@here.test login:[mx.here.test]:$starttls
	bob+scram@here.test scram:[mx.here.test]:$starttls
	bob+implicit@here.test implicit:[mx.here.test]:$implicit
	nobody@here.test plain:[wrong.here.test]:$starttls
END
{
	for service in 'pickup unix n - n 60 1 pickup' 'cleanup unix n - n - 0 cleanup' \
		'qmgr unix n - n 300 1 qmgr' 'tlsmgr unix - - n 1000? 1 tlsmgr' \
		'rewrite unix - - n - - trivial-rewrite' 'bounce unix - - n - 0 bounce' \
		'defer unix - - n - 0 bounce' 'trace unix - - n - 0 bounce' \
		'error unix - - n - - error' 'postlog unix-dgram n - n - 1 postlogd' \
		'proxymap unix - - n - - proxymap'; do
		echo "$service"
	done
	for mechanism in plain login scram; do
		echo "$mechanism unix - - n - - smtp"
		echo "  -o smtp_sasl_mechanism_filter=$mechanism" | sed 's/scram$/scram-sha-256/'
	done
	echo 'implicit unix - - n - - smtp -o smtp_tls_wrappermode=yes'
} >"$tmp/conf/master.cf"
cp "$tree/tls.crt" "$tmp/conf"
printf '127.0.0.1 localhost\n127.0.0.1 mx.here.test wrong.here.test client.test\n' >"$tmp/hosts"
printf 'From: alice@here.test\nTo: bob@here.test\nSubject: by Postfix\n\n.\n..dots\nlast\n' \
	>"$tmp/message"

# inside: what runs in the namespace; $1 is the scratch folder, $2 the unpacked package.
cat >"$tmp/inside" <<'END'
set -eu
. "$3"
trap 'chroot "$root" postfix stop; cp "$root/var/log/postfix.log" "$1/postfix.log"' EXIT
for to in bob bob+login bob+scram bob+implicit nobody; do
	chroot "$root" sendmail -f alice@here.test "$to@here.test" <"$1/message"
done
for i in $(seq 150); do
	[ "$(grep -c ' status=' "$root/var/log/postfix.log")" -ge 5 ] && break
	sleep 0.1
done
END

unshare -m --propagation private sh "$tmp/inside" "$tmp" "$place" \
	"$PWD/tests/system/postfix-inside.sh" >"$tmp/out" 2>&1 ||
	fail 'postfix runs' "$(tail -n 5 "$tmp/out")"
log=$tmp/postfix.log
[ -s "$log" ] || { fail 'postfix: a log' "$(tail -n 5 "$tmp/out")"; exit 0; }
for to in bob bob+login bob+scram bob+implicit; do
	check "postfix: $to" sh -c "grep 'to=<$to@here.test>.* status=sent (250 2.0.0 ok ' '$log' ||
		{ grep 'to=<$to@' '$log'; false; }"
done
check 'postfix: a name that is not the certificate'"'"'s gets nothing' \
	grep 'to=<nobody@here.test>.* status=deferred (Server certificate not \(trusted\|verified\)' "$log"
check 'postfix: all that it says was sent is there' has_messages "$tree" bob 4
check 'postfix: over TLS, with a login' [ "$(cat $(messages "$tree" bob) |
	grep -c ' with ESMTPSA id ')" = 4 ]
check 'postfix: three mechanisms were used' [ "$(sed -n 's/^event=auth .*mechanism=//p' \
	"$tmp/smtpd.log" | sort -u | wc -l)" = 3 ]
exit 0
