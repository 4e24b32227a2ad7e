#!/bin/sh
# suite: timeout=120
# smtpd under a real xinetd, by the installed service file but for its port. xinetd hands
# the client's connection on as standard error too: show that nothing but SMTP gets there.
. "$(dirname "$0")/lib.sh"

need xinetd xinetd python3 ps
who=root
is_root || who=$(id -un)

# service PROGRAM CONF: runs xinetd with it on a free port, $port.
service() {
	port=$(free_port)
	sed -e "s,@SBINDIR@/smtpd,$1," -e "s,@SYSCONFDIR@/postern/postern.conf,$2," \
		-e "s/\(user *=\) root/\1 $who/" \
		-e "s/protocol  /type = UNLISTED\n\tport = $port\n\tbind = 127.0.0.1\n\t&/" \
		"$top/units/xinetd/postern" >"$tmp/xinetd.conf"
	start "$tmp/xinetd.log" xinetd -dontfork -f "$tmp/xinetd.conf" \
		-filelog "$tmp/xinetd.filelog" -pidfile "$tmp/xinetd.pid"
	server=$started
	wait_for is_listening "$port" && return 0
	fail xinetd "does not start: $(tail -n 3 "$tmp/xinetd.log" "$tmp/xinetd.filelog")"
	exit 0
}

# Nothing but one 421 line.
says_421() {
	talk 127.0.0.1 "$port" say QUIT >"$tmp/said" &&
		[ "$(wc -l <"$tmp/said")" -eq 1 ] && grep '^421 4.3.0 ' "$tmp/said"
}

new_tree "$tmp/tree" || { fail xinetd 'no tree'; exit 0; }

# The control: what a program here says on standard error does reach the client.
printf '#!/bin/sh\nprintf "220 mx ESMTP\\r\\n"\necho noise >&2\n' >"$tmp/noisy"
chmod 755 "$tmp/noisy"
service "$tmp/noisy" x
talk 127.0.0.1 "$port" say >"$tmp/noise" 2>/dev/null
check 'xinetd: standard error is the connection' grep -q noise "$tmp/noise"
stop "$server"

service "$BUILD/smtpd" "$tmp/tree/postern.conf"
printf 'Subject: xinetd\r\n\r\n..dots\r\n' >"$tmp/message"
check 'xinetd: delivers' talk 127.0.0.1 "$port" deliver a@client.test alice@here.test "$tmp/message"
check 'xinetd: message is equal' same_message "$tmp/message" "$(newest "$tmp/tree" alice)"
check 'xinetd: a dialogue with faults is only SMTP' talk 127.0.0.1 "$port" say \
	'EHLO client.test' 'NONSENSE' 'MAIL FROM:<a@client.test>' 'RCPT TO:<x@elsewhere.test>' \
	'RCPT TO:<nobody@here.test>' 'RCPT TO:<bob@here.test>' DATA \
	"$(printf 'Subject: x\n\nbare newline\r\n.')" QUIT
check 'xinetd: the refused message is nowhere' has_messages "$tmp/tree" bob 0
if is_root; then
	check 'xinetd: session and keeper have uids of their own' \
		[ "$(uids "$port")" = '61001 61002 ' ]
else
	skip 'xinetd: session and keeper have uids of their own' 'needs root'
fi
check 'xinetd: 200 quick connections' talk 127.0.0.1 "$port" burst 200 5

cp "$tmp/tree/postern.conf" "$tmp/tree/good.conf"
echo 'nonsense = 1' >>"$tmp/tree/postern.conf"
check 'xinetd: broken configuration: only SMTP' says_421
rm "$tmp/tree/postern.conf"
check 'xinetd: no configuration: only SMTP' says_421
mv "$tmp/tree/good.conf" "$tmp/tree/postern.conf"
mv "$tmp/tree/state" "$tmp/tree/gone"
check 'xinetd: no state: only SMTP' says_421
mv "$tmp/tree/gone" "$tmp/tree/state"
check 'xinetd: serves again' talk 127.0.0.1 "$port" burst 1 1
stop "$server"

# A session that finds its stack smashed, and one that breaks its sandbox. glibc reports
# the first on descriptor 2 or the terminal.
if [ -x "$BUILD/test/smtpd-probe" ]; then
	service "$BUILD/test/smtpd-probe" "$tmp/tree/postern.conf"
	for try in smash open; do
		check "xinetd: session aborts ($try): only SMTP" sh -c "python3 '$here/talk.py' \
			127.0.0.1 $port say 'EHLO client.test' 'XTRY $try' QUIT >'$tmp/said'"
		check "xinetd: session aborts ($try): the client hears 421" \
			sh -c "tail -n 1 '$tmp/said' | grep '^421 '"
	done
	stop "$server"
else
	skip 'xinetd: session aborts' "$BUILD/test/smtpd-probe is not built"
fi
