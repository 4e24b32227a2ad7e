# Runs in the container of systemd-front.sh, as a unit, with /tests and /check. What takes
# a client with a memory is in systemd_front.py.
# shellcheck shell=sh disable=SC2046
. /tests/inside.sh
sockets='postern.socket postern-submission.socket postern-lmtp.socket'

installed() { for unit; do echo "/usr/local/lib/systemd/system/$unit"; done; }
is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
shows() { # UNIT PROPERTY=VALUE...
	shown=$1
	shift
	for wanted; do
		systemctl show "$shown" | grep -qx "$wanted" ||
			{ echo "$shown: not $wanted"; return 1; }
	done
}

systemd-sysusers
systemd-tmpfiles --create postern.conf
check 'front units: configuration' configure
# Before any section, as the keys without one must be.
sed -i '1i relay-from = 127.0.0.2' /etc/postern/postern.conf
check 'front units: postern check is content' postern check
check 'front units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$(installed postern.service $sockets)
# 0.1 of it for ptrace.
check 'front units: exposure at most 1.1' exposure_at_most 1.1 postern.service

check 'front units: the socket starts' systemctl enable --now postern.socket
check 'front units: nothing runs before a connection' is_state postern.service inactive
check 'front units: a connection is served' talk 127.0.0.1 25 burst 1 1
check 'front units: its sessions are rewound, not forked anew' \
	sh -c 'grep -q "^TracerPid:.*[1-9]" /proc/[0-9]*/status'
check 'front units: and the service is up' shows postern.service \
	Type=notify ActiveState=active SubState=running NRestarts=0
check 'front units: sockets that are not enabled stay closed' sh -c '
	! systemctl is-active postern-submission.socket && ! systemctl is-active postern-lmtp.socket'
check 'front units: settings of the service' shows postern.service OOMPolicy=continue \
	KillMode=mixed TasksMax=2100 StartLimitIntervalUSec=0 Restart=on-failure \
	RestrictSUIDSGID=yes NoNewPrivileges=yes User=postern
for unit in $sockets; do
	check "front units: $unit has no limit on starts" shows "$unit" \
		TriggerLimitIntervalUSec=0 Accept=no
done
# A socket that comes later is handed over when the service starts the next time.
check 'front units: the other sockets' sh -c \
	'systemctl stop postern.service && systemctl enable --now postern-submission.socket postern-lmtp.socket'

# The kernel's word for it: nursery and keeper enter their Landlock domains, and openat2
# is away, since it may set a mode that RestrictSUIDSGID= can't see.
strace -f -qq -e trace=landlock_restrict_self,openat2 -e signal=none -o /run/trace -p 1 &
strace=$!
wait_for sh -c "! grep -q '^TracerPid:.0$' /proc/1/status"
message first
check 'front units: delivers' talk 127.0.0.1 25 deliver a@client.test alice@here.test /run/message
kill -INT "$strace"
wait "$strace"
check 'front units: the message is equal' arrived "$new"
check 'front units: it belongs to postern alone' \
	[ "$(stat -c '%U %a' "$new"/*)" = 'postern 600' ]
check 'front units: Landlock is enforced in nursery and keeper' [ "$(
	sed -n 's/^\([0-9]*\) *landlock_restrict_self(.*) *= 0$/\1/p' /run/trace | sort -u | wc -l)" -eq 2 ]
check 'front units: mailboxes are opened without openat2' sh -c '
	grep -q "openat2.*ENOSYS" /run/trace && ! grep -q "openat2.*= [0-9]" /run/trace'

python3 /tests/systemd_front.py || fail 'front units: systemd_front.py' "exit $?"

# Without a standard error lines go to syslog; they must not go where a keeper's
# descriptors are.
smtpd -c /etc/postern/postern.conf -L 127.0.0.1:2525 2>&- &
front=$!
is_open() { talk 127.0.0.1 2525 listening; }
wait_for is_open
message last
rm -f "$new"/*
check 'front: delivers with syslog' \
	talk 127.0.0.1 2525 deliver a@client.test alice@here.test /run/message
check 'front: that message is equal' arrived "$new"
kill "$front"
wait "$front"
check 'front: syslog has the delivery' sh -c "
	journalctl --sync 2>/dev/null
	journalctl --no-pager _TRANSPORT=syslog -t smtpd | grep event=delivered"

journalctl --sync 2>/dev/null
journalctl --no-pager -o json SYSLOG_IDENTIFIER=smtpd >/run/journal
check 'front units: lines have their priority' sh -c "
	grep '\"MESSAGE\":\"event=deliver' /run/journal | grep -q '\"PRIORITY\":\"6\"' &&
	! grep '\"MESSAGE\":\"<' /run/journal"
check 'front units: Landlock was never missing' sh -c '! grep -i landlock /run/journal'
check 'front units: sockets stop' systemctl stop $sockets postern.service
