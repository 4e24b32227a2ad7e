# Runs in the container of systemd-auth.sh, as a unit, with /tests and /check.
# shellcheck shell=sh
. /tests/inside.sh
export PYTHONDONTWRITEBYTECODE=1

# attempt LETTER LOGIN PASSWORD [MECHANISM]: through the unit's socket, as the keeper asks.
cat >/run/attempt.py <<'P'
import os, socket, sys
sys.path.insert(0, "/tests")
from auth_talk import Attempt, Scram, TLS, b64
wanted, login, password = sys.argv[1:4]
mechanism = sys.argv[4] if len(sys.argv) > 4 else "PLAIN"
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(60)
sock.connect("/run/postern/auth")
a = Attempt(sock)
if mechanism == "PLAIN":
    a.begin(mechanism, b64("\0%s\0%s" % (login, password)), **TLS)
else:
    user = Scram(login, password)
    if a.begin(mechanism, user.first(), **TLS) == "c" and \
            a.respond(user.final(a.challenge())) == "c":
        a.respond("")
print(a.last, a.text)
sys.exit(a.last != wanted)
P
attempt() { python3 /run/attempt.py "$@"; }
is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
unit=/usr/local/lib/systemd/system/postern-auth

systemd-sysusers
systemd-tmpfiles --create postern.conf
check 'auth units: configuration' configure
check 'auth units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$unit.service $unit.socket
check 'auth units: exposure at most 1.0' exposure_at_most 1.0 postern-auth.service
check 'auth units: the socket starts' systemctl enable --now postern-auth.socket
check 'auth units: nothing runs before an attempt' is_state postern-auth.service inactive
check 'auth units: only the keeper may ask' [ "$(stat -c '%U %a' /run/postern/auth)" = 'postern 600' ]
check 'auth units: a session may not' sh -c \
	'! setpriv --reuid postern-session --clear-groups python3 /run/attempt.py + alice@here.test secret'
check 'auth units: a password' setpriv --reuid postern --clear-groups \
	python3 /run/attempt.py + alice@here.test secret
check 'auth units: the service is up' is_state postern-auth.service active
check 'auth units: without a password' attempt + alice@here.test secret SCRAM-SHA-256
check 'auth units: a wrong one' attempt - alice@here.test wrong
check 'auth units: nobody' attempt - nobody@here.test secret
pid=$(systemctl show -P MainPID postern-auth.service)
check 'auth units: it is postern-auth' [ "$(stat -c %U "/proc/$pid")" = postern-auth ] ||
	ps -o user= -p "$pid"
for who in postern postern-session; do
	for file in here.test/alice .key .throttle; do
		check "auth units: $who can't read $file" may_not_read $who $state/auth/$file
	done
done
check 'auth units: a fresh tree has no findings after that' postern check
check 'auth units: reload' systemctl reload postern-auth.service
check 'auth units: and it still answers' attempt + alice@here.test secret SCRAM-SHA-256
journalctl --sync 2>/dev/null
check 'auth units: one line for each, with its priority' sh -c "
	journalctl --no-pager -o json SYSLOG_IDENTIFIER=auth >/run/journal
	[ \$(grep -c 'event=auth-failed' /run/journal) = 2 ] &&
	grep 'event=auth-failed.*reason=password' /run/journal | grep -q '\"PRIORITY\":\"4\"'"

# Users of the system.
useradd -m joe && echo 'joe:system secret' | chpasswd
install -m 644 /usr/local/share/postern/pam.d/postern /etc/pam.d/postern
sed -i '1i auth = /usr/local/sbin/auth-pam -d here.test /bin/true' /etc/postern/postern.conf
mkdir -p /etc/systemd/system/postern-auth.service.d
dropin() { # LINES
	printf '[Service]\n%b' "$1" >/etc/systemd/system/postern-auth.service.d/pam.conf
	systemctl daemon-reload
	systemctl stop postern-auth.service
}
dropin 'SupplementaryGroups=shadow\nPrivateUsers=no\n'
check 'auth-pam, group shadow: a user of the system' attempt + joe 'system secret'
check 'auth-pam, group shadow: with the domain' attempt + joe@here.test 'system secret'
check 'auth-pam, group shadow: a wrong password' attempt - joe wrong
check 'auth-pam, group shadow: no more mailboxes' attempt - alice@here.test secret
check 'auth-pam, group shadow: failures are still counted on disk' is_state postern-auth.service active
dropin "User=root\nPrivateUsers=no\nCapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_DAC_OVERRIDE\nSystemCallFilter=@setuid capset\n"
check 'auth-pam, root: a user of the system' attempt + joe 'system secret'
check 'auth-pam, root: a wrong password' attempt - joe wrong
check 'auth-pam, root: the key and the table stay their owner'"'"'s' \
	[ "$(stat -c %U $state/auth/.key $state/auth/.throttle | sort -u)" = postern-auth ]
journalctl --sync 2>/dev/null
check 'auth units: no error in the log' sh -c "
	! journalctl --no-pager SYSLOG_IDENTIFIER=auth | grep -E 'event=(error|notice|child-died)'"
check 'auth units: no secret in the log' sh -c "
	! journalctl --no-pager | grep -E 'system secret|argon2id|c2VjcmV0'"
check 'auth units: they stop' systemctl stop postern-auth.socket postern-auth.service
