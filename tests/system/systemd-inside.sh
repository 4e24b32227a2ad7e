# Runs in the container of systemd.sh, as a unit, with /tests and /check.
# shellcheck shell=sh
. /tests/inside.sh

owners_are() {
	stat -c '%U %a %n' "$state" "$state"/* >"$out.owners"
	diff - "$out.owners" <<-EOF
	postern 711 $state
	postern-auth 700 $state/auth
	root 555 $state/jail
	postern-session 400 $state/jail.owner
	postern 700 $state/mail
	postern 700 $state/partial
	postern 700 $state/spool
	postern 700 $state/tmp
	EOF
}

check 'systemd: sysusers makes the users' systemd-sysusers
check 'systemd: tmpfiles makes the tree' systemd-tmpfiles --create postern.conf
check 'systemd: owners and modes' owners_are
check 'systemd: tmpfiles again changes nothing' is_quiet systemd-tmpfiles --create postern.conf
check 'systemd: owners and modes stay' owners_are
# The age of 36 hours cannot be awaited: the same line with one second.
sed 's/ 36h$/ 1s/' /usr/local/lib/tmpfiles.d/postern.conf >/run/aged.conf
touch "$state/tmp/old" "$state/mail/old"
check 'systemd: young files stay in tmp/' systemd-tmpfiles --clean postern.conf
check 'systemd: those two' [ -e "$state/tmp/old" -a -e "$state/mail/old" ]
sleep 1.1
check 'systemd: aged files leave tmp/' systemd-tmpfiles --clean /run/aged.conf
check 'systemd: only those' [ ! -e "$state/tmp/old" -a -e "$state/mail/old" ]
rm -f "$state/mail/old"
check 'systemd: units are valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	/usr/local/lib/systemd/system/postern-inetd.socket \
	/usr/local/lib/systemd/system/postern-inetd@.service
check 'systemd: exposure at most 1.5' exposure_at_most 1.5 postern-inetd@.service
check 'systemd: configuration' configure
check 'systemd: postern check is content' postern check
check 'systemd: socket starts' systemctl enable --now postern-inetd.socket

message first
check 'systemd: delivers' talk 127.0.0.1 25 deliver a@client.test alice@here.test /run/message
check 'systemd: message is equal' arrived "$new"
check 'systemd: message belongs to postern alone' \
	[ "$(stat -c '%U %a' "$new"/*)" = 'postern 600' ]
message second
rm -f "$new"/*
check 'systemd: delivers over IPv6' talk ::1 25 deliver a@client.test alice@here.test /run/message
check 'systemd: that message is equal' arrived "$new"
check 'systemd: refuses a stranger' sh -c "python3 /tests/talk.py 127.0.0.1 25 say \
	'HELO c' 'MAIL FROM:<a@c.test>' 'RCPT TO:<b@elsewhere.test>' QUIT | grep '^550 5.7.1 '"

# One connection held open: who are its two processes?
talk 127.0.0.1 25 hold 5 >/run/held &
held=$!
wait_for grep -q ready /run/held
processes=$(for s in /proc/[0-9]*/status; do
	awk -v d="${s%/status}" '/^Name:/ { n = $2 } /^Uid:/ { u = $2 } END { if (n == "smtpd") print u ":" d }' "$s"
done 2>/dev/null)
of() { echo "$processes" | sed -n "s,^$(id -u "$1"):,,p"; }
keeper=$(of postern)
session=$(of postern-session)
field() { sed -n "s/^$2:[[:space:]]*//p" "$1/status"; }
check 'systemd: one keeper, one session, each with its uid' \
	[ "$(echo "$processes" | wc -l)" -eq 2 -a -n "$keeper" -a -n "$session" ]
if [ -n "$keeper" ] && [ -n "$session" ]; then
	check 'systemd: neither has a capability' [ "$(
		for p in "$keeper" "$session"; do
			field "$p" CapPrm; field "$p" CapEff; field "$p" CapAmb; field "$p" CapInh
		done | sort -u)" = 0000000000000000 ]
	check 'systemd: all ids of the session are its own' \
		[ "$(field "$session" Uid; field "$session" Gid)" = "$(
			i=$(id -u postern-session) g=$(id -g postern-session)
			printf '%s\t%s\t%s\t%s\n' "$i" "$i" "$i" "$i" "$g" "$g" "$g" "$g")" ]
	check 'systemd: the session has no groups' [ -z "$(field "$session" Groups | tr -d ' ')" ]
	check 'systemd: the session is in its jail' [ "$(readlink "$session/root")" = "$state/jail" ]
	check 'systemd: the session has a filter, both no new privileges' [ "$(
		field "$session" Seccomp; field "$session" NoNewPrivs
		field "$keeper" NoNewPrivs)" = "$(printf '2\n1\n1')" ]
fi
kill "$held" 2>/dev/null
wait "$held" 2>/dev/null

journalctl --sync 2>/dev/null
journalctl --no-pager -o json SYSLOG_IDENTIFIER=smtpd >/run/journal
check 'systemd: journal has the delivery' grep -q '"MESSAGE":"event=deliver' /run/journal
check 'systemd: lines have their priority' sh -c "
	grep '\"MESSAGE\":\"event=deliver' /run/journal | grep -q '\"PRIORITY\":\"6\"' &&
	! grep '\"MESSAGE\":\"<' /run/journal"
check 'systemd: no warning that Landlock is missing' sh -c "! grep -i landlock /run/journal"

# The kernel's word for it: both processes of a session enter their Landlock domain.
strace -f -qq -e trace=landlock_restrict_self -e signal=none -o /run/trace -p 1 &
strace=$!
wait_for sh -c "! grep -q '^TracerPid:.0$' /proc/1/status"
talk 127.0.0.1 25 deliver a@client.test alice@here.test /run/message
kill -INT "$strace"
wait "$strace"
check 'systemd: Landlock is enforced in session and keeper' [ "$(
	sed -n 's/^\([0-9]*\) *landlock_restrict_self(.*) *= 0$/\1/p' /run/trace | sort -u | wc -l)" -eq 2 ]

# systemd is too slow here to reach its own limits, so look that they are off, too.
check 'systemd: no limit on starts' [ "$(
	systemctl show -P TriggerLimitIntervalUSec postern-inetd.socket
	systemctl show -P StartLimitIntervalUSec postern-inetd@x.service)" = "$(printf '0\n0')" ]
check 'systemd: 150 quick connections' talk 127.0.0.1 25 burst 150 10
check 'systemd: the socket lives on' systemctl is-active postern-inetd.socket
no_session() { [ -z "$(systemctl list-units --plain --no-legend --all 'postern-inetd@*')" ]; }
check 'systemd: no session stays behind, none failed' wait_for no_session

# Each session is its own: one that is killed takes no other with it.
talk 127.0.0.1 25 hold 3 >/run/held2 &
held=$!
wait_for grep -q ready /run/held2
for s in /proc/[0-9]*/comm; do
	[ "$(cat "$s" 2>/dev/null)" = smtpd ] && p=${s%/comm} && kill -9 "${p#/proc/}"
done
wait "$held"
check 'systemd: serves after a session was killed' talk 127.0.0.1 25 burst 1 1
check 'systemd: its unit is collected' wait_for no_session

echo 'nonsense = 1' >>/etc/postern/postern.conf
check 'systemd: broken configuration: only SMTP' talk 127.0.0.1 25 say QUIT
check 'systemd: and the journal says why' wait_for sh -c \
	"journalctl --no-pager -t smtpd | grep nonsense"
check 'systemd: the socket survives that' systemctl is-active postern-inetd.socket
check 'systemd: socket stops' systemctl stop postern-inetd.socket
