#!/bin/sh
# suite: timeout=120
# smtpd under a real tcpserver: the service directory of units/tcpserver run by
# daemontools, and as an ordinary user, where session and keeper share one uid.
. "$(dirname "$0")/lib.sh"

need tcpserver tcpserver tcprules python3 ps
printf 'Subject: tcpserver\r\n\r\n..dots\r\n' >"$tmp/message"

# deliveries NAME TREE: what holds at this entrance, whoever runs it.
deliveries() {
	check "$1: delivers" talk 127.0.0.1 "$port" deliver a@client.test alice@here.test "$tmp/message"
	check "$1: message is equal" same_message "$tmp/message" "$(newest "$2" alice)"
	check "$1: 200 quick connections" talk 127.0.0.1 "$port" burst 200 5
}

supervised() {
	need tcpserver svscan multilog setuidgid
	service=$tmp/service/postern
	mkdir -p "$tmp/service" && cp -R "$top/units/tcpserver" "$service" &&
		mkdir "$service/log/main" && new_tree "$tmp/tree" || return 1
	chown nobody "$service/log/main"
	sed "s,@SBINDIR@,$BUILD," "$top/units/tcpserver/run" >"$service/run"
	sed 's/postern-log/nobody/' "$top/units/tcpserver/log/run" >"$service/log/run"
	port=$(free_port)
	printf '127.:allow,RELAYCLIENT="",DATABYTES="5000"\n' |
		tcprules "$tmp/cdb" "$tmp/cdb.tmp" || return 1
	cat >"$service/settings" <<-EOF
	ADDRESS=127.0.0.1 PORT=$port CONF=$tmp/tree/postern.conf OPTIONS="-x $tmp/cdb"
	EOF
	at_end=end_supervised
	start "$tmp/svscan.log" svscan "$tmp/service"
	svscan=$started
	wait_for is_listening "$port"
}

end_supervised() {
	at_end=:
	stop "$svscan"
	svc -dx "$service" "$service/log"
	wait_for sh -c "! svok '$service' && ! svok '$service/log'"
}

if is_root; then
	if supervised; then
		server=$(svstat "$service" | sed -n 's/.*pid \([0-9]*\).*/\1/p')
		check 'tcpserver: supervise runs it' [ -n "$server" ]
		deliveries tcpserver "$tmp/tree"
		check 'tcpserver: session and keeper have uids of their own' \
			[ "$(uids "$port")" = '61001 61002 ' ]
		talk 127.0.0.1 "$port" say 'EHLO c' 'MAIL FROM:<a@c.test>' \
			'RCPT TO:<b@elsewhere.test>' QUIT >"$tmp/said"
		check 'tcpserver: DATABYTES is the size' grep -q '^250-SIZE 5000' "$tmp/said"
		check 'tcpserver: RELAYCLIENT may relay' grep -q '^250 2.1.5' "$tmp/said"
		check 'tcpserver: multilog has the delivery' \
			wait_for grep -q event=deliver "$service/log/main/current"
	else
		fail tcpserver "the service does not start: $(tail -n 3 "$tmp/svscan.log" \
			"$service/log/main/current")"
	fi
	end_supervised || fail tcpserver 'the service does not end'
else
	skip 'tcpserver: service directory' 'needs root: its logger changes user'
fi

# An ordinary user: tcpserver gives up root before smtpd starts, or never had it.
new_tree "$tmp/plain" || { fail tcpserver 'no tree'; exit 0; }
port=$(free_port)
if is_root; then
	start "$tmp/plain.log" tcpserver -v -R -H -l 0 -u 61001 -g 61001 127.0.0.1 "$port" \
		"$BUILD/smtpd" -c "$tmp/plain/postern.conf"
	one='61001 61001 '
else
	start "$tmp/plain.log" tcpserver -v -R -H -l 0 127.0.0.1 "$port" \
		"$BUILD/smtpd" -c "$tmp/plain/postern.conf"
	one="$(id -u) $(id -u) "
fi
server=$started
wait_for is_listening "$port" || fail 'tcpserver, ordinary user' "$(tail -n 3 "$tmp/plain.log")"
deliveries 'tcpserver, ordinary user' "$tmp/plain"
check 'tcpserver, ordinary user: one uid' [ "$(uids "$port")" = "$one" ]
hold "$port"
session=$(ps -o pid=,comm= --ppid "$keeper" | awk '$2 == "smtpd" { print $1 }')
check 'tcpserver, ordinary user: the filter is on all the same' [ "$(
	sed -n 's/^\(Seccomp\|NoNewPrivs\):\t//p' "/proc/$session/status" | tr '\n' ' ')" = '1 2 ' ]
let_go
check 'tcpserver, ordinary user: log lines on standard error' \
	wait_for grep -q '^event=deliver' "$tmp/plain.log"
