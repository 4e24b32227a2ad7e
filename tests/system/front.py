#!/usr/bin/env python3
# suite: timeout=240
"""smtpd as a listener: its entrances, who its processes are, and that one client sees
nothing of another, in pooled keepers and in sessions that serve again."""
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from listening import (KEEPER, ROOT, SESSION, SPARES, Bad, Client, Front, case,
                       check_mail, descriptors, expect, find_in_memory, free_port, front,
                       new_tree, poison, read, registers, run_cases, stat_fields, status, steal_descriptor,
                       trees, wait_for)


# -- entrances ---------------------------------------------------------------------


def listen_everywhere(uid):
    tree = new_tree(uid, relay_from="192.0.2.1")
    folder = tempfile.mkdtemp(prefix="postern-front.")
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "lmtp")
    ports = [free_port() for _ in range(4)]
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)                    # of a run before; removed and made anew
    os.chmod(path, 0o777)
    stale.close()
    try:
        with front("-L", "127.0.0.1:%d" % ports[0], "-L", "[::1]:%d" % ports[1],
                   "-L", "*:%d" % ports[2], "-s", "submission", "-L",
                   "127.0.0.1:%d" % ports[3], "-s", "lmtp", "-L", path, uid=uid,
                   tree=tree) as f:
            use_everywhere(tree, ports, path)
            f.stop()
            expect("event=error" not in f.log(), f.log())
    finally:
        shutil.rmtree(folder)


def use_everywhere(tree, ports, path):
    seen = []
    for host, port, literal in (("127.0.0.1", ports[0], "[127.0.0.1]"),
                                ("::1", ports[1], "[IPv6:::1]"),
                                ("127.0.0.1", ports[2], "[127.0.0.1]"),
                                ("::1", ports[2], "[IPv6:::1]")):
        with Client((host, port)) as client:
            client.hello()
            client.deliver("%s %d" % (host, port))
            client.quit()
        seen.append("%s %d" % (host, port))
        text = [t for t in map(read, tree.messages("alice")) if seen[-1].encode() in t]
        expect(len(text) == 1 and b"Received: from client.test (%s)" % literal.encode()
               in text[0], "%s: %r" % (seen[-1], text))
    with Client(("127.0.0.1", ports[3])) as client:
        client.hello()
        client.say("MAIL FROM:<a@client.test>", "530")
    with Client(path) as client:
        client.hello("LHLO")
        client.say("MAIL FROM:<a@client.test>")
        for user in ("alice", "bob"):
            client.say("RCPT TO:<%s@%s>" % (user, trees.DOMAIN))
        client.say("DATA", "354")
        client.send("Subject: x\r\n\r\nby lmtp\r\n.\r\n")
        for _ in range(2):
            expect(client.reply().startswith("250 2.0.0 "), "one reply a recipient")
    check_mail(tree, "alice", seen + ["by lmtp"])
    check_mail(tree, "bob", ["by lmtp"])


@case("-L: IPv4, IPv6, both, submission, LMTP on a unix socket")
def _():
    listen_everywhere(None)


@case("the same, started by the owner of STATE", root=True)
def _():
    listen_everywhere(KEEPER)


def listeners(*families):
    made = []
    for family in families:
        s = socket.socket(family)
        if family == socket.AF_UNIX:
            s.bind(tempfile.mktemp(prefix="postern-front."))
            os.chmod(s.getsockname(), 0o777)
        else:
            s.bind(("127.0.0.1", 0))
        s.listen(100)
        made.append(s)
    return made


@case("LISTEN_FDS by hand: smtp, submission and lmtp by their names")
def _():
    tree = new_tree(relay_from="127.0.0.1")
    socks = listeners(socket.AF_INET, socket.AF_INET, socket.AF_UNIX)
    try:
        with Front(tree, fds=[s.fileno() for s in socks], names="smtp:submission:lmtp") as f:
            for s in socks:
                name = s.getsockname()
                with Client(name) as client:
                    client.hello("LHLO" if isinstance(name, str) else "EHLO")
                    if s is socks[1]:       # submission wants TLS and a login
                        client.say("MAIL FROM:<a@client.test>", "530")
                    else:
                        client.deliver(str(name))
            f.stop()
        check_mail(tree, "alice", [str(s.getsockname()) for s in socks[::2]])
    finally:
        os.unlink(socks[2].getsockname())
        tree.remove()


@case("LISTEN_FDS without a name: -s says the service; systemd's own names say nothing")
def _():
    tree = new_tree()
    try:
        for names in (None, "", "unknown", "postern-x.socket"):
            (s,) = listeners(socket.AF_INET)
            with Front(tree, "-s", "lmtp", fds=[s.fileno()], names=names) as f:
                f.address = s.getsockname()
                with f.connect() as client:
                    client.hello("LHLO")
                    client.say("EHLO client.test", "500")
    finally:
        tree.remove()


@case("what cannot listen ends at once, and says why")
def _():
    tree = new_tree()
    (busy,) = listeners(socket.AF_INET)
    taken = "127.0.0.1:%d" % busy.getsockname()[1]
    plain = socket.socket()
    rows = [
        (("-L", "nonsense"), {}, 2, "expected ADDRESS:PORT"),
        (("-L", "127.0.0.1:0"), {}, 2, "expected ADDRESS:PORT"),
        (("-L", "127.0.0.1:65536"), {}, 2, "expected ADDRESS:PORT"),
        (("-s", "smtps"), {}, 2, "expected smtp"),
        (("-L", taken), {}, 111, "Address already in use"),
        (("-L", "/nowhere/lmtp"), {}, 111, "No such file"),
        (("-L", "192.0.2.1:2525"), {}, 111, "Cannot assign"),
        ((), {"fds": [busy.fileno()], "names": "imap"}, 2, "FileDescriptorName"),
        ((), {"fds": [plain.fileno()], "names": "smtp"}, 2, "not a listening"),
    ]
    try:
        for options, more, code, why in rows:
            with Front(tree, *options, wait=False, **more) as f:
                expect(f.wait() == code and why in f.log() and not f.output(),
                       "%s: exit code %d, log %r" % (options or more, f.wait(), f.log()))
    finally:
        tree.remove()


@case("a tree that no session or keeper could live in ends at once, and says why", root=True)
def _():
    def no_jail(tree):
        os.rmdir(os.path.join(tree.state, "jail"))

    def root_state(tree):
        os.chown(tree.state, 0, 0)

    def root_session(tree):
        os.chown(os.path.join(tree.state, "jail.owner"), 0, 0)

    def no_domains(tree):
        shutil.rmtree(os.path.join(tree.dir, "domains"))

    for damage, why in ((no_jail, "jail"), (root_state, "belongs to root"),
                        (root_session, "no session user"), (no_domains, "domains/")):
        tree = new_tree()
        damage(tree)
        try:
            with Front(tree, "-L", "127.0.0.1:%d" % free_port(), wait=False) as f:
                expect(f.wait() == 111 and why in f.log() and f.log().count("\n") < 4,
                       "%s: exit code %d, log %r" % (damage.__name__, f.wait(), f.log()))
                wait_for(lambda: not f.processes(starter=True), "processes are left")  # noqa: B023
        finally:
            tree.remove()


@case("systemd-socket-activate: three sockets, named")
def _():
    if not shutil.which("systemd-socket-activate"):
        return "systemd-socket-activate is not installed"
    tree = new_tree(relay_from="127.0.0.1")
    ports = [free_port() for _ in range(3)]
    command = ["systemd-socket-activate", "--fdname=smtp:submission:lmtp"]
    for port in ports:
        command += ["-l", "127.0.0.1:%d" % port]
    try:
        with Front(tree, "-s", "smtp", before=command, wait=False) as f:
            wait_for(lambda: f.log().count("Listening on") >= 3, "it does not listen")
            for port in ports:
                with Client(("127.0.0.1", port)) as client:
                    client.hello("LHLO" if port == ports[2] else "EHLO")
                    if port == ports[1]:
                        client.say("MAIL FROM:<a@client.test>", "530")
                    else:
                        client.deliver(str(port))
            f.stop()
        check_mail(tree, "alice", [str(p) for p in ports[::2]])
    finally:
        tree.remove()
    return None


# -- who they are ------------------------------------------------------------------


def check_identity(pid, uid, jail, seccomp, what):
    s = status(pid)
    for name in ("Uid", "Gid"):
        expect(s[name].split() == [str(uid)] * 4, "%s: %s %s" % (what, name, s[name]))
    expect(s["Groups"] == "", "%s: groups %s" % (what, s["Groups"]))
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        expect(int(s[name], 16) == 0, "%s: %s %s" % (what, name, s[name]))
    expect(s["NoNewPrivs"] == "1", what + ": new privileges")
    expect(s["Seccomp"] == seccomp, "%s: seccomp %s" % (what, s["Seccomp"]))
    expect(os.stat("/proc/%d/mem" % pid).st_uid == 0, what + " is dumpable")
    root = os.readlink("/proc/%d/root" % pid)
    expect(root == jail, "%s: root %s" % (what, root))


def check_identities(uid):
    with front(uid=uid, limits_connections="20") as f:
        jail = "/" if uid else os.path.join(f.tree.state, "jail")
        expect(len(f.sessions()) == SPARES and not f.keepers(), "%d spares, %d keepers" %
               (len(f.sessions()), len(f.keepers())))
        with f.connect() as client:
            client.hello()
            expect(f.serving(client)[1] is None, "a keeper without a question")
            client.say("MAIL FROM:<a@client.test>")
            session, keeper = f.serving(client)
            check_identity(f.nursery(), uid or SESSION, jail, "2", "nursery")
            for spare in f.sessions():
                check_identity(spare, uid or SESSION, jail, "2", "session")
            check_identity(keeper, uid or KEEPER, "/", "0", "keeper")
            held = descriptors(session)
            null = [held[n] for n in (0, 1, 2, 4)]
            # And jobs, connection, boundary.
            expect(len(held) == 7 and null == ["/dev/null"] * 4, "session holds %s" % held)
            expect(len(descriptors(keeper)) == 8, "keeper holds %s" % descriptors(keeper))
        f.stop()


@case("as root: uids, jail, seccomp, descriptors of nursery, sessions, keepers", root=True)
def _():
    check_identities(None)


@case("as an ordinary user: the same but for uids and jail", root=True)
def _():
    check_identities(KEEPER)


def secret_of(f):
    """What lets the nursery fork, as it lies in its memory (base/gate.c)."""
    symbols = subprocess.run(["nm", trees.copied_smtpd()], capture_output=True, text=True,
                             check=True).stdout
    found = re.search(r"(?m)^([0-9a-f]+) b gate$", symbols)
    if not found:
        raise Bad("smtpd has no symbols")
    with open("/proc/%d/mem" % f.nursery(), "rb", 0) as mem:
        page = struct.unpack("Q", os.pread(mem.fileno(), 8, int(found.group(1), 16)))[0]
        return os.pread(mem.fileno(), 24, page)


@case("as root: what lets the nursery fork is in no session, nor its environment", root=True)
def _():
    # Served once: who is rewound is traced by the nursery, and by nobody else.
    with front(env={"MARK": "of-the-environment"}, session_reuse="1") as f:
        secret = secret_of(f)
        expect(len(set(secret)) > 8, "the secret is %s" % secret.hex())
        parts = [secret[i:i + 8] for i in range(0, 24, 8)]
        for part in parts:
            expect(find_in_memory(f.nursery(), part), "not found in the nursery either")
        with f.connect() as client:
            client.hello()
            for pid in f.sessions():
                for part in [*parts, b"of-the-environment"]:
                    places = find_in_memory(pid, part)
                    expect(not places, "%r in a session: %s" % (part, places))
                for part in [secret[i:i + 4] for i in range(0, 24, 4)]:
                    expect(part not in registers(pid), "in a session's registers")
            client.quit()
        f.stop()


@case("a session forks neither plainly nor by a guess at how the nursery does")
def _():
    probe = os.path.join(os.path.dirname(trees.default_smtpd()), "test", "smtpd-probe")
    with front(program=probe) as f:
        for count, what in enumerate(("fork", "guess"), 1):
            with f.connect() as client:
                client.hello()
                client.send("XTRY %s\r\n" % what)
                rest = client.rest()
                expect("DENIED" not in rest, "%s: %r" % (what, rest))
            wait_for(lambda: f.log().count("signal=SYS") == count, f.log())  # noqa: B023


@case("session-reuse = 1: each connection has a process of its own", root=True)
def _():
    with front(session_reuse="1") as f:
        seen = []
        for _ in range(20):
            with f.connect() as client:
                client.hello()
                seen.append(f.serving(client)[0])
                client.quit()
        expect(len(set(seen)) == 20, "served by %s" % seen)
        wait_for(lambda: not set(seen) & set(f.processes()), "old sessions are left")


# -- one client sees nothing of another --------------------------------------------


def deliver_many(f, name, count, sent, faults, user):
    try:
        with f.connect() as client:
            client.hello()
            for i in range(count):
                text = "client %s message %d" % (name, i)
                client.deliver(text, user, sender="%s@client.test" % name)
                sent.append(text)
            client.quit()
    except Exception as e:  # noqa: BLE001
        faults.append("%s: %s" % (name, e))


@case("50 clients at once, 20 messages each: every 250 has its mail, nothing else")
def _():
    with front(limits_connections="100", limits_connections_per_source="100") as f:
        sent = {"alice": [], "bob": []}
        faults = []
        threads = []
        for n in range(50):
            user = "bob" if n % 2 else "alice"
            threads.append(threading.Thread(target=deliver_many, args=(
                f, "c%d" % n, 20, sent[user], faults, user)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(not faults, "; ".join(faults[:3]))
        for user, texts in sent.items():
            expect(len(texts) == 500, "%d of 500" % len(texts))
            check_mail(f.tree, user, texts)
            for path in f.tree.messages(user):
                m = re.match(rb"Return-Path: <(c\d+)@client\.test>\nDelivered-To: (\w+)@.*"
                             rb"\n\nclient (c\d+) message \d+\n\Z", read(path), re.S)
                expect(m and m[1] == m[3] and m[2] == user.encode(), "mixed: " + path)
        wait_for(lambda: len(f.keepers()) <= 16, "%d keepers stay" % len(f.keepers()))
        f.stop()


@case("a pooled keeper: sender, recipients, address, ids of one session end with it", root=True)
def _():
    with front(vrfy="yes") as f:
        f.tree.add_user("verified-one")
        with f.connect(source="127.0.0.11") as one:
            one.hello()
            one.say("VRFY <verified-one@here.test>")
            one.begin("alice", "first@client.test")
            keeper = f.serving(one)[1]
            one.reset()
        wait_for(f.is_calm, "the first session stays")
        wait_for(lambda: f.log().count("event=end") == 1, "its end is not logged")
        with f.connect(source="127.0.0.12") as two:
            two.hello()
            two.say("RCPT TO:<bob@here.test>", "503")
            two.say("DATA", "503")
            two.say("MAIL FROM:<second@client.test>")
            expect(f.serving(two)[1] == keeper, "another keeper: nothing is shown")
            two.say("DATA", "503")
            two.say("RCPT TO:<mistyped@here.test>", "550")
            two.say("RCPT TO:<bob@here.test>")
            two.say("DATA", "354")
            two.send("Subject: x\r\n\r\nof two\r\n.\r\n")
            mail_id = two.reply().split()[-1]
        text = read(f.tree.messages("bob")[0]).decode()
        expect("Return-Path: <second@client.test>" in text and "[127.0.0.12]" in text and
               "id %s" % mail_id in text and "127.0.0.11" not in text and "first" not in text,
               text)
        check_mail(f.tree, "alice", [])
        wait_for(lambda: f.log().count("event=end") == 2, "the second end is not logged")
        lines = [line for line in f.log().splitlines() if "client=127.0.0.12" in line]
        sessions = {re.search(r"session=(\S+)", line)[1] for line in lines}
        expect(len(lines) == 3 and len(sessions) == 1 and mail_id.startswith(sessions.pop())
               and "127.0.0.11" not in "".join(lines), "logged: %s" % lines)
        for marker in (b"first@client", b"second@client", b"127.0.0.11", b"127.0.0.12",
                       b"verified-one", b"mistyped", b"client.test", mail_id.encode()):
            wait_for(lambda: not find_in_memory(keeper, marker), "%s is in the idle "
                     "keeper: %s" % (marker, find_in_memory(keeper, marker)))  # noqa: B023


@case("a keeper that met a malformed packet is not used again", root=True)
def _():
    with front() as f:
        for packet in (b"?\0", b"c\0", b"b\0", b"no end", b"x" * 4097):
            with f.connect() as client:
                client.hello()
                client.say("MAIL FROM:<a@client.test>")
                session, keeper = f.serving(client)
                with open_boundary(session) as boundary:
                    boundary.send(packet)
                    client.send("RCPT TO:<alice@here.test>\r\n")
                    expect(client.reply().startswith("421 "), "no 421 after %r" % packet)
                expect(client.rest() == "", "something after 421")
            f.check_serves()
            wait_for(lambda: keeper not in f.processes(), "it lives")  # noqa: B023
        expect(f.log().count("event=boundary") == 5 and "session-died" not in f.log(), f.log())


def open_boundary(session):
    for fd in sorted(descriptors(session), reverse=True):     # not its jobs, on 3
        ours = steal_descriptor(session, fd)
        try:
            sock = socket.socket(fileno=ours)
        except OSError:
            os.close(ours)
            continue
        if sock.type == socket.SOCK_SEQPACKET:
            return sock
        sock.close()
    raise Bad("session %d has no boundary" % session)


MARKERS = [b"marker-hello.test", b"marker-sender", b"marker-recipient", b"marker-subject",
           b"marker-text", b"marker-late", b"marker-vrfy", b"marker-noop", b"marker-parameter"]


def leave_markers(client):
    client.say("EHLO marker-hello.test")
    client.say("VRFY <marker-vrfy@here.test>", "252")
    client.say("NOOP marker-noop")
    client.say("MAIL FROM:<marker-sender@client.test> X=marker-parameter", "555")
    client.say("MAIL FROM:<marker-sender@client.test>")
    client.say("RCPT TO:<marker-recipient@here.test>", "550")
    client.say("RCPT TO:<alice@here.test>")
    client.say("DATA", "354")
    client.send("Subject: marker-subject\r\n\r\n" + "marker-text\r\n" * 5000 + ".\r\n")
    expect(client.reply().startswith("250 "), "not taken")
    client.send("HELP marker-late")


@case("session-reuse = 3: a process serves three, and keeps nothing of the one before",
      root=True)
def _():
    with front(session_reuse="3") as f:
        served = {}
        for i in range(60):
            with f.connect() as client:
                session = f.serving(client)[0]
                served[session] = served.get(session, 0) + 1
                check_forgotten(session)
                if i < 40:
                    leave_markers(client)
                    expect(find_in_memory(session, MARKERS[0]), "the search is no good")
                if i % 3 == 0:
                    client.reset()
        expect(max(served.values()) == 3, "served so often: %s" % served)
        wait_for(lambda: not [p for p, n in served.items() if n == 3 and stat_fields(p)],
                 "used up, and still there")
        f.wait_calm()
        for pid in [p for p in f.sessions() if p in served]:
            check_forgotten(pid)
        expect(len(f.tree.messages("alice")) == 40, "%d messages" %
               len(f.tree.messages("alice")))
        f.stop()


def check_forgotten(pid):
    for marker in MARKERS:
        found = find_in_memory(pid, marker)
        expect(not found, "%s is in the memory of %d: %s" % (marker.decode(), pid, found[:3]))


@case("who has taken a session over leaves nothing in it, not even where it never writes",
      root=True)
def _():
    marker = b"a-foot-in-the-door"
    with front(session_reuse="100") as f:
        pids = set()
        for _ in range(5):
            with f.connect() as client:
                client.hello()
                session = f.serving(client)[0]
                pids.add(session)
                expect(not find_in_memory(session, marker), "it was there before")
                expect(poison(session, marker) > 50, "it has no room")
                expect(len(find_in_memory(session, marker)) > 50, "the search is no good")
                client.quit()
            f.wait_calm()
        expect(len(pids) == 1, "other processes served: %s" % pids)
        expect(not find_in_memory(pids.pop(), marker), "it is there afterwards")
        f.check_serves()
        f.stop()


@case("a session that stops in the midst of its connection starts over, without it")
def _():
    probe = os.path.join(os.path.dirname(trees.default_smtpd()), "test", "smtpd-probe")
    with front(session_reuse="100", program=probe) as f:
        for _ in range(3):
            with f.connect() as client:
                client.hello()
                client.send("XTRY stop\r\n")
                rest = client.rest()
                expect(re.fullmatch(r"421 [ -~]*\r\n", rest), "the client saw %r" % rest)
        f.wait_calm()
        f.check_serves()
        expect("signal=" not in f.log(), f.log())
        f.stop()


@case("it can't close the socket of its jobs, which another could take the number of")
def _():
    probe = os.path.join(os.path.dirname(trees.default_smtpd()), "test", "smtpd-probe")
    with front(program=probe) as f:
        with f.connect() as client:
            client.hello()
            client.send("XTRY close\r\n")
            expect("DENIED" not in client.rest(), "it could")
        wait_for(lambda: f.log().count("signal=SYS") == 1, f.log())
        f.check_serves()


if __name__ == "__main__":
    if not ROOT:
        print("# by an ordinary user: who is who is not seen")
    run_cases()
