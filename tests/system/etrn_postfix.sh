#!/bin/sh
# suite: timeout=120
# Postfix is the site that dials in: it comes up, somebody says ETRN for it, and gets what has
# waited. It runs in a root folder of its own (an overlay in a mount namespace that goes
# away), nothing is installed.
. "$(dirname "$0")/lib.sh"

need etrn_postfix python3 unshare
is_root || { skip etrn_postfix 'needs root, for a root folder of its own'; exit 0; }
command -v dpkg >/dev/null && unpack_postfix >"$tmp/out" 2>&1 ||
	{ skip etrn_postfix "no package: $(tail -n 1 "$tmp/out")"; exit 0; }

tree=$tmp/tree
new_tree "$tree" || { fail etrn_postfix 'no tree'; exit 0; }
site=$(free_port) smtp=$(free_port) submission=$(free_port)
printf 'deliver = hold:[127.0.0.1]:%s\netrn = alice@here.test\n' "$site" \
	>"$tree/domains/site.test.conf"
echo 'geheim 1' | "$BUILD/postern" -c "$tree/postern.conf" user passwd alice@here.test \
	--password-stdin >"$tmp/out" 2>&1 || { fail etrn_postfix "$(cat "$tmp/out")"; exit 0; }
start "$tmp/smtpd.log" "$BUILD/smtpd" -c "$tree/postern.conf" \
	-s smtp -L "127.0.0.1:$smtp" -s submission -L "127.0.0.1:$submission"
wait_for is_listening "$submission" || { fail etrn_postfix "$(tail -n 3 "$tmp/smtpd.log")"; exit 0; }

printf 'From: a@client.test\nSubject: for the site\n\n.\n..dots\nlast\n' >"$tmp/message"
for to in one two three; do
	check "etrn_postfix: mail for $to is taken" talk 127.0.0.1 "$smtp" deliver a@client.test \
		"$to@site.test" "$tmp/message"
done

configure_postfix_site "$site" site.test
cat >"$tmp/ask" <<-END
	import smtplib, ssl
	c = smtplib.SMTP("127.0.0.1", $submission, "site.test", timeout=20)
	c.starttls(context=ssl._create_unverified_context())
	c.login("alice@here.test", "geheim 1")
	c.ehlo()
	assert c.has_extn("etrn"), "not announced"
	print(c.docmd("ETRN", "site.test"))
	c.quit()
END

cat >"$tmp/inside" <<'END'
set -eu
. "$3"
chmod 1777 "$root/var/mail"
trap 'chroot "$root" postfix stop; cp "$root/var/log/postfix.log" "$1/postfix.log";
	cat "$root"/var/mail/site/new/* >"$1/mails" || true' EXIT
python3 "$1/ask"
for i in $(seq 150); do
	[ "$(grep -c ' status=' "$root/var/log/postfix.log")" -ge 3 ] && break
	sleep 0.1
done
END

unshare -m --propagation private sh "$tmp/inside" "$tmp" "$place" \
	"$PWD/tests/system/postfix-inside.sh" >"$tmp/out" 2>&1 ||
	fail 'etrn_postfix: runs' "$(tail -n 5 "$tmp/out")"
check 'etrn_postfix: 253 with the count' grep -q '253.*OK, 3 pending messages started' "$tmp/out"
check 'etrn_postfix: Postfix has delivered three' [ "$(grep -c \
	'status=sent (delivered to maildir)' "$tmp/postfix.log")" = 3 ]
check 'etrn_postfix: and each is whole' [ "$(grep -c '^last$' "$tmp/mails")" = 3 ]
check 'etrn_postfix: the result is in the log' grep -q \
	'event=flush id=.*domain=site.test result=done sent=3 failed=0 left=0' "$tmp/smtpd.log"
check 'etrn_postfix: the queue is empty' [ ! -e "$tree/state/spool/site.test" ]
exit 0
