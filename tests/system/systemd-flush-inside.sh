# Runs in the container of systemd-flush.sh, as a unit, with /tests and /check.
# shellcheck shell=sh
. /tests/inside.sh

# hop PORT FILE: a server that takes all, writes each recipient to FILE, and waits a
# second at the end of a message whose recipient is called slow.
cat >/run/hop.py <<'P'
import socketserver, sys, time
class Hop(socketserver.StreamRequestHandler):
    def handle(self):
        say = lambda s: (self.wfile.write(s + b"\r\n"), self.wfile.flush())
        say(b"220 hop")
        to = b""
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.split(b"<")[1].split(b">")[0]
            if verb == b"DATA":
                say(b"354 go")
                while self.rfile.readline() != b".\r\n":
                    pass
                if b"slow" in to:
                    time.sleep(3)
                with open(sys.argv[2], "ab") as f:
                    f.write(to + b"\n")
            say(b"221 bye" if verb == b"QUIT" else b"250 fine")
            if verb == b"QUIT":
                return
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Hop).serve_forever()
P
# put ADDRESS: into the queue, as postern itself does.
cat >/run/put.py <<'P'
import os, sys, time
to = sys.argv[1]
domain = to.split("@")[1]
folder = "/var/lib/postern/spool/" + domain
name = "%08x%05x.1.1" % (int(time.time()), time.time_ns() // 1000 % 1000000)
os.makedirs(folder, 0o700, exist_ok=True)
body = b"Subject: x\n\nx\n"
with open(folder + "/" + name + ".m", "wb") as f:
    f.write(body)
with open(folder + "/.new", "w") as f:
    f.write("postern 1\nid %s\nhold -\narrived %d\nskip 0\nsize %d\nbody 7BIT\nutf8 no\n"
            "sender a@here.test\nto .- 0000000000 000 - - %s\nend\n" %
            (name, time.time(), len(body), to))
os.rename(folder + "/.new", folder + "/" + name + ".e")
P
put() { setpriv --reuid postern --regid postern --clear-groups python3 /run/put.py "$1"; }
tell() { setpriv --reuid "$2" --regid "$2" --clear-groups python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(sys.argv[1].encode(), "/run/postern/flush")' "$1"; }
sent() { grep -qx "$1" /run/sent; }
is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
unit=/usr/local/lib/systemd/system/postern-flush

systemd-sysusers
systemd-tmpfiles --create postern.conf
check 'flush units: configuration' configure
printf 'deliver = smtp:[127.0.0.1]:2525\n' >/etc/postern/domains/there.test.conf
python3 /run/hop.py 2525 /run/sent &
hop=$!
check 'flush units: valid' is_quiet systemd-analyze verify --man=no --recursive-errors=no \
	$unit.service $unit-due.service $unit.socket $unit.timer
check 'flush units: exposure at most 1.9' exposure_at_most 1.9 postern-flush.service
check 'flush units: the same for what the timer starts' \
	exposure_at_most 1.9 postern-flush-due.service
check 'flush units: socket and timer start' \
	systemctl enable --now postern-flush.socket postern-flush.timer
check 'flush units: no process yet' is_state postern-flush.service inactive
put first@there.test
check 'flush units: a stranger may not ask' sh -c '! setpriv --reuid 12345 --regid 12345 \
	--clear-groups python3 -c "import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b\"there.test\", \"/run/postern/flush\")" 2>/dev/null'
tell there.test postern
check 'flush units: a word starts it, and it sends' wait_for sent first@there.test
by_field() { journalctl -o cat "POSTERN_EVENT=sent" "POSTERN_TO=$1" | grep -q "^event=sent .*to=$1 "; }
check 'flush units: journalctl finds it by a field' wait_for by_field first@there.test
by_id() {
	id=$(journalctl -o cat POSTERN_TO=first@there.test | sed -n 's/.* id=\([^ ]*\) .*/\1/p' | head -n 1)
	[ -n "$id" ] && journalctl -u postern-flush.service -t flush -p info "POSTERN_ID=$id" |
		grep -q event=sent
}
check 'flush units: and by the message, unit, program and priority' by_id
status() { systemctl show -p StatusText postern-flush.service | grep -q 'domains being sent to'; }
check 'flush units: its status is told' status
put slow@there.test
tell there.test postern
# The owner of /proc/PID says nothing: these processes can't be traced.
users() {
	awk '/^Name:/ { n = $2 } /^Uid:/ { if (n == "flush") print $2 }' /proc/[0-9]*/status \
		2>/dev/null | sort -n -u | tr '\n' ' '
}
two_users() {
	users >/run/users
	[ "$(cat /run/users)" = "$(printf '%s\n' "$(id -u postern)" "$(id -u postern-session)" |
		sort -n | tr '\n' ' ')" ]
}
wait_for two_users
check "flush units: its sender runs as postern-session, the others as postern: $(cat /run/users)" \
	two_users
# Runner and sender; the first process has three.
powerless() {
	awk '/^Name:/ { n = $2 } /^CapEff:/ && n == "flush" { print $2 }' /proc/[0-9]*/status \
		2>/dev/null >/run/powers
	[ "$(grep -c '^0*$' /run/powers)" -ge 2 ] || { cat /run/powers; false; }
}
check 'flush units: they have no capability' powerless
check 'flush units: that is sent' wait_for sent slow@there.test
# No name server answers in here; the router, its filter and its sockets work all the same.
put x@nowhere.example
tell nowhere.example postern
asked() { journalctl -u postern-flush.service | grep -q 'event=no-route domain=nowhere.example code=4'; }
check 'flush units: the router asks' wait_for asked
rm -rf /var/lib/postern/spool/nowhere.example
systemctl stop postern-flush.service
check 'flush units: it stops when told to' is_state postern-flush.service inactive
put timer@there.test
check 'flush units: what the timer starts finds the rest' \
	systemctl start postern-flush-due.service
check 'flush units: and sends it' wait_for sent timer@there.test
check 'flush units: and ends' wait_for is_state postern-flush-due.service inactive
check 'flush units: the queue is empty' [ -z "$(ls /var/lib/postern/spool)" ]
check 'flush units: nothing failed' [ -z "$(systemctl list-units --failed --plain --no-legend \
	'postern*')" ]
check 'flush units: nothing was killed by a filter' sh -c '
	journalctl -u "postern-flush*" >/run/journal && grep -q event=sent /run/journal &&
	! grep -E "died|SYS|core" /run/journal'
kill $hop
. /tests/systemd-dialin-inside.sh
