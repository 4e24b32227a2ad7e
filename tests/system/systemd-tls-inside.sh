# Runs in the container of systemd-tls.sh, as a unit, with /tests and /check.
# shellcheck shell=sh
. /tests/inside.sh

# starttls PORT: a handshake through the real units, whatever the certificate.
cat >/run/starttls.py <<'P'
import smtplib, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=60) as client:
    client.starttls(context=context)
    client.ehlo("client.test")
    print(client.sock.version())
    if len(sys.argv) > 2:
        print("held", flush=True)
        open(sys.argv[2], "w").close()
        import os, time
        while os.path.exists(sys.argv[2]):
            time.sleep(0.1)
        client.noop()
P
starttls() { python3 /run/starttls.py "$@"; }
is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
unit=/usr/local/lib/systemd/system/postern-tls
key=/etc/postern/tls.key

systemd-sysusers
systemd-tmpfiles --create postern.conf
check 'tls units: configuration' configure
check 'tls units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$unit.service $unit.socket
check 'tls units: exposure at most 1.0' exposure_at_most 1.0 postern-tls.service
check 'tls units: init gives the key to postern-tls, alone' \
	[ "$(stat -c '%U %a' $key)" = 'postern-tls 600' ]
for who in postern postern-session postern-auth; do
	check "tls units: $who can't read it" may_not_read $who $key
done
check 'tls units: postern tls show' sh -c 'postern tls show | grep -q mx.here.test'
check 'tls units: the sockets start' systemctl enable --now postern-tls.socket \
	postern-auth.socket postern.socket
check 'tls units: nothing runs before a handshake' is_state postern-tls.service inactive
check 'tls units: only the keeper may ask' [ "$(stat -c '%U %a' /run/postern/tls)" = 'postern 600' ]
check 'tls units: a handshake' starttls 25
check 'tls units: the service is up' is_state postern-tls.service active
check 'tls units: its relays are rewound, not forked anew' \
	sh -c 'grep -q "^TracerPid:.*[1-9]" /proc/[0-9]*/status'
pid=$(systemctl show -P MainPID postern-tls.service)
check 'tls units: it is postern-tls' [ "$(stat -c %U "/proc/$pid")" = postern-tls ]
check 'tls units: it has no capability' grep -q '^CapPrm:.0*$' "/proc/$pid/status"
check 'tls units: the server shows what is in the files' sh -c \
	"postern tls check 127.0.0.1:25 | tee /dev/stderr | grep -q '^1 finding'"

starttls 25 /run/held >/run/held.out 2>&1 &
held=$!
check 'tls units: a connection stays open' wait_for test -e /run/held
cp $key /run/tls.key.old
echo rubbish >$key
systemctl reload postern-tls.service
check 'tls units: a bad key changes nothing' starttls 25
rm -f $key /etc/postern/tls.crt
postern tls make >/dev/null && chown postern-tls $key
check 'tls units: reload with a new key' systemctl reload postern-tls.service
wait_for sh -c 'postern tls check 127.0.0.1:25 | grep -q "^1 finding"'
check 'tls units: the new one is shown' sh -c \
	"postern tls check 127.0.0.1:25 | tee /dev/stderr | grep -q '^1 finding'"
check 'tls units: stop' systemctl stop postern-tls.service
rm -f /run/held
check 'tls units: the connection from before ends well' wait $held
check 'tls units: the next handshake starts it again' starttls 25
journalctl --sync 2>/dev/null
check 'tls units: one line for the bad key, with its priority' sh -c "
	journalctl --no-pager -o json SYSLOG_IDENTIFIER=tls >/run/journal
	grep 'private key cannot be used' /run/journal | grep -q '\"PRIORITY\":\"3\"'"
