#!/bin/sh
# suite: timeout=60
# smtpd under systemd-socket-activate, one process for each connection on fd 0 and 1.
. "$(dirname "$0")/lib.sh"

need socket-activate systemd-socket-activate python3 ps
new_tree "$tmp/tree" || { fail socket-activate 'no tree'; exit 0; }
port=$(free_port)
start "$tmp/log" systemd-socket-activate --inetd --accept -l "127.0.0.1:$port" \
	"$BUILD/smtpd" -c "$tmp/tree/postern.conf"
server=$started
wait_for is_listening "$port" || fail socket-activate "does not start: $(tail -n 3 "$tmp/log")"
printf 'Subject: socket-activate\r\n\r\n..dots\r\n' >"$tmp/message"
check 'socket-activate: delivers' \
	talk 127.0.0.1 "$port" deliver a@client.test alice@here.test "$tmp/message"
check 'socket-activate: message is equal' same_message "$tmp/message" "$(newest "$tmp/tree" alice)"
if is_root; then
	check 'socket-activate: session and keeper have uids of their own' \
		[ "$(uids "$port")" = '61001 61002 ' ]
fi
stop "$server"

port=$(free_port)
start "$tmp/lmtp.log" systemd-socket-activate --inetd --accept -l "127.0.0.1:$port" \
	"$BUILD/smtpd" -c "$tmp/tree/postern.conf" -s lmtp
wait_for is_listening "$port"
talk 127.0.0.1 "$port" say 'LHLO client.test' 'MAIL FROM:<a@client.test>' \
	'RCPT TO:<alice@here.test>' 'RCPT TO:<bob@here.test>' DATA \
	"$(printf 'Subject: lmtp\r\n\r\n.')" QUIT >"$tmp/said"
check 'socket-activate: LMTP answers for each recipient' \
	[ "$(grep -c '^250 2.0.0 ' "$tmp/said")" -eq 2 ]
check 'socket-activate: one file, linked twice' \
	[ "$(stat -c %h "$(newest "$tmp/tree" bob)")" -eq 2 ]
