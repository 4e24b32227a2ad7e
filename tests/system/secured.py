#!/usr/bin/env python3
# suite: timeout=180 calm
"""TLS and AUTH of a listening smtpd: what is injected or cut off is no mail, a process
that is killed takes nobody else with it, and a password stays nowhere."""
import base64
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from listening import (KEEPER, SESSION, Bad, Client, Front, case, check_mail,  # noqa: E402
                       expect, find_in_memory, free_port, limits, read, run_cases, status,
                       trees, wait_for)
import secure as client_side  # noqa: E402

PASSWORD = "Canary-0f3a9c5e71"
WRONG = "Wrong-bird-77b2d4"
SERVICES = ("smtp", "submission", "submissions")


@contextlib.contextmanager
def server(**conf):
    """A tree with a certificate and a login, and its smtpd on three ports: f.ports."""
    tree = trees.Tree()
    tree.add_certificate()
    tree.add_password("alice", PASSWORD)
    for key, value in conf.items():
        tree.set_conf("", key.replace("_", "-"), value)
    ports = {name: free_port() for name in SERVICES}
    options = []
    for name in SERVICES:
        options += ["-s", name, "-L", "127.0.0.1:%d" % ports[name]]
    try:
        with Front(tree, *options) as f:
            f.ports = ports
            f.address = ("127.0.0.1", ports["smtp"])
            try:
                yield f
            except Exception:
                print("".join("    " + line for line in
                              f.log().splitlines(keepends=True)[-30:]), flush=True)
                raise
    finally:
        tree.remove()


class Secure(Client):
    """Over TLS; plain: before it."""

    def __init__(self, f, service="submission", plain=False):
        super().__init__(("127.0.0.1", f.ports[service]), greeted=service != "submissions")
        self.service = service
        if service == "submissions":
            self.wrap()
            expect(self.reply() == "220 mx.test ESMTP\r\n", "no greeting")
        if not plain:
            self.secure()

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(os.path.join(client_side.certificates(), "mx.pem"))
        self.sock = context.wrap_socket(self.sock, server_hostname="mx.test",
                                        suppress_ragged_eofs=False)

    def secure(self):
        self.hello()
        if self.service != "submissions":
            self.say("STARTTLS", "220")
            self.wrap()
            self.hello()

    def login(self, password=PASSWORD, code="235"):
        self.say("AUTH PLAIN " + client_side.b64(b"\0alice@here.test\0" + password.encode()),
                 code)

    def send(self, text):
        with contextlib.suppress(OSError):
            self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def reply(self):
        for _ in range(2):
            try:
                return super().reply()
            except ssl.SSLError:
                return ""           # cut off without close_notify
            except BrokenPipeError:
                pass                # of another connection's write, which Python 3.13 mixes up
        return ""

    def begin_data(self, text):
        """Up to the middle of a message."""
        self.begin("bob", "alice@here.test")
        self.say("DATA", "354")
        self.send("Subject: x\r\n\r\n%s\r\n" % text)

    def end_data(self):
        self.send(".\r\n")
        got = self.reply()
        expect(got.startswith("250 2.0.0 ok "), "the message was answered by %r" % got)


def programs(f, name):
    """Pids by what ps shows: tls, tls-keys, tls-relay, auth, smtpd-starter."""
    return [p for p in f.processes(starter=True) if status(p).get("Name") == name]


def parent_of(f, name):
    """The helper that the starter has started."""
    (starter,) = programs(f, "smtpd-starter")
    return [p for p in programs(f, name) if status(p).get("PPid") == str(starter)]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: status(pid).get("State", "Z")[0] == "Z", "%d lives" % pid)


# -- injected, or cut off ------------------------------------------------------------


def inject(f, pieces):
    """STARTTLS with something behind it; what follows must find nothing of it."""
    with Client(("127.0.0.1", f.ports["smtp"])) as client:
        client.hello()
        for piece in pieces:
            client.send(piece)
            time.sleep(0.1)
        return client.rest()


@case("octets behind STARTTLS, in one segment and in the next: never a command")
def _():
    evil = "MAIL FROM:<evil@client.test>\r\nRCPT TO:<bob@here.test>\r\nDATA\r\nx\r\n.\r\n"
    with server() as f:
        said = inject(f, ["STARTTLS\r\nEHLO x\r\n" + evil])
        expect(said == "503 5.5.1 you must wait for the reply here\r\n", said)
        for behind in ("EHLO x\r\n" + evil, "\r\n", "x"):
            said = inject(f, ["STARTTLS\r\n", behind, evil])
            expect(said.encode("utf-8", "replace")[:28] == b"220 2.0.0 ready to start TLS" and
                   "250" not in said and "421" not in said, said)
        for _ in range(5):
            with Client(("127.0.0.1", f.ports["smtp"])) as client:
                client.hello()
                client.say("STARTTLS", "220")
                client.send("NOOP\r\n")
                said = client.rest()
                expect(said == "", "behind the failed handshake, in clear: %r" % said)
        expect("session-died" not in f.log(), "a failed handshake is no death")
        f.check_serves()
        check_mail(f.tree, "bob", [])
        f.stop()


@case("a client whose STARTTLS was taken out of the stream: submission takes nothing")
def _():
    with server() as f:
        for verb in ("XXXXTLS", "NO STARTTLS"):
            with Client(("127.0.0.1", f.ports["submission"])) as client:
                client.hello()
                client.say(verb, "500")
                client.say("MAIL FROM:<alice@here.test>", "530 5.7.0 send STARTTLS first")
                client.say("AUTH PLAIN AGEAYg==", "538")
                client.quit()
        f.stop()


def cut(client, how):
    if how == "close_notify":
        with contextlib.suppress(OSError):
            client.sock.unwrap()
        client.sock.close()
    elif how == "close":
        raw = socket.socket(fileno=client.sock.detach())
        raw.shutdown(socket.SHUT_RDWR)
        raw.close()
    else:
        client.reset()


@case("close_notify, a bare close, a reset in DATA and BDAT: nothing is delivered")
def _():
    with server() as f:
        count = 0
        for service in ("submission", "submissions"):
            for how in ("close_notify", "close", "reset"):
                for verb in ("DATA", "BDAT", "BDAT LAST"):
                    client = Secure(f, service)
                    client.login()
                    if verb == "DATA":
                        client.begin_data("half")
                    else:
                        client.begin("bob", "alice@here.test")
                        client.say("BDAT 6\r\nhalf", "250")
                        client.send("BDAT 1000 LAST\r\nmore\r\n" if "LAST" in verb else "")
                    cut(client, how)
                    count += 1
        f.wait_ends(count)
        check_mail(f.tree, "bob", [])
        wait_for(lambda: not programs(f, "tls-relay"), "relays are left")
        f.stop()


# -- killed --------------------------------------------------------------------------


@contextlib.contextmanager
def two(f):
    """Two clients in the midst of their messages, with the processes of the first."""
    before = set(f.keepers())
    with Secure(f, plain=True) as victim:
        victim.hello()
        victim.session, _ = f.serving(victim)
        victim.secure()
        victim.login()
        victim.begin_data("victim")
        (victim.keeper,) = set(f.keepers()) - before - set(programs(f, "smtpd-starter"))
        inode = victim.their_inode()
        (victim.relay,) = [p for p in programs(f, "tls-relay")
                           if inode in [os.readlink("/proc/%d/fd/%s" % (p, n))
                                        for n in os.listdir("/proc/%d/fd" % p)]]
        with Secure(f) as other:
            other.login()
            other.begin_data("other")
            yield victim, other


@case("session, keeper or relay killed in a message: its client is cut off, no other is",
      root=True)
def _():
    for who in ("session", "keeper", "relay"):
        with server() as f:
            with two(f) as (victim, other):
                kill(getattr(victim, who))
                victim.send(".\r\n")
                rest = victim.rest()
                expect(re.fullmatch(r"(421 [ -~]*\r\n)?", rest), "%s: %r" % (who, rest))
                other.end_data()
                other.quit()
            with Secure(f, "submissions") as client:
                client.login()
                client.begin_data("next")
                client.end_data()
            check_mail(f.tree, "bob", ["other", "next"])


@case("tls killed: who has TLS goes on, and the next one is served", root=True)
def _():
    with server() as f, two(f) as (victim, other):
        (tls,) = parent_of(f, "tls")
        kill(tls)
        victim.end_data()
        other.end_data()
        with Secure(f) as client:
            client.login()
            client.begin_data("next")
            client.end_data()
        expect(parent_of(f, "tls") not in ([], [tls]), "it was not started again")
        check_mail(f.tree, "bob", ["victim", "other", "next"])


@case("auth killed in an exchange: 454, and the next attempt is served", root=True)
def _():
    with server() as f, two(f) as (victim, other):
        for what in ("parent", "attempt"):
            with Secure(f) as client:
                client.say("AUTH LOGIN", "334")
                (parent,) = parent_of(f, "auth")
                children = [p for p in programs(f, "auth")
                            if status(p).get("PPid") == str(parent)]
                expect(children, "no attempt")
                if what == "parent":
                    kill(parent)
                    client.say(client_side.b64(b"alice@here.test"), "334")
                    client.say(client_side.b64(PASSWORD.encode()), "235")
                else:
                    for child in children:
                        kill(child)
                    client.say(client_side.b64(b"alice@here.test"), "454")
                    client.login()
        victim.end_data()
        other.end_data()
        check_mail(f.tree, "bob", ["victim", "other"])


@case("the starter killed: who has TLS goes on, plain clients are served", root=True)
def _():
    with server() as f, two(f) as (victim, other):
        (starter,) = programs(f, "smtpd-starter")
        kill(starter)
        victim.end_data()
        other.end_data()
        f.check_serves()
        check_mail(f.tree, "bob", ["victim", "other"])


# -- secrets -------------------------------------------------------------------------


def forms(password):
    """Its octets, and base64 of it wherever it may stand in a message."""
    found = [password.encode()]
    for before in range(3):
        text = base64.b64encode(b"x" * before + password.encode())
        # The ends depend on the neighbours.
        found.append(text[(4 if before else 0):-4])
    return found


@case("a password, right or wrong, is in no log, no file and no core")
def _():
    with server(mechanisms="PLAIN LOGIN SCRAM-SHA-256") as f:
        os.chdir(f.tree.dir)
        for service in ("submission", "submissions"):
            for password, code in ((WRONG, "535"), (PASSWORD, "235")):
                with Secure(f, service) as client:
                    client.say("AUTH LOGIN", "334")
                    client.say(client_side.b64(b"alice@here.test"), "334")
                    client.say(client_side.b64(password.encode()), code)
                    client.quit()
                with Secure(f, service) as client:
                    client.login(password, code)
                    client.quit()
        # A line that is no base64, one that is too long, a command that is none.
        with Secure(f) as client:
            client.say("AUTH PLAIN " + PASSWORD, "501")
            client.say("AUTH PLAIN", "334")
            client.say(PASSWORD * 300, "500")
            client.say(PASSWORD, "500")
            client.quit()
        f.wait_ends(9)
        where = {"the log": f.log().encode()}
        for at, _, names in os.walk(f.tree.dir):
            expect(not [n for n in names if n.startswith("core")], "a core: %s" % names)
            where.update((os.path.join(at, n), read(os.path.join(at, n))) for n in names
                         if os.path.isfile(os.path.join(at, n)))
        expect(b"event=auth-failed" in where["the log"] and
               any(b"argon2id" in text for text in where.values()), "nothing was searched")
        for password in (PASSWORD, WRONG):
            for form in forms(password):
                found = [name for name, text in where.items() if form in text]
                expect(not found, "%r in %s" % (form, found))
        for pid in f.processes():
            name = status(pid).get("Name")
            if name in ("auth", "tls", "tls-keys"):
                expect(limits(pid)["Max core file size"] == "0", "%s may leave a core" % name)
        f.stop()


def search(pid):
    return [place for form in forms(PASSWORD) for place in find_in_memory(pid, form)]


@contextlib.contextmanager
def stopped(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def look_for_password(f, start, rest):
    """rest: the lines behind the one in which the password is."""
    with Secure(f, plain=True) as client:
        client.hello()
        session, _ = f.serving(client)
        client.secure()
        client.say("MAIL FROM:<alice@here.test>", "530")    # so there is a keeper
        keepers = [p for p in f.keepers() if p not in programs(f, "smtpd-starter")]
        expect(len(keepers) == 1, "keepers: %s" % keepers)
        if start:
            client.say(*start)
        # The control: while somebody is stopped, it is where it has to be.
        with stopped(*keepers):
            client.send(rest)
            wait_for(lambda: search(session), "never in the session")
        got = client.reply()
        expect(got.startswith("235"), got)
        for name, pid in (("session", session), ("keeper", keepers[0])):
            expect(not search(pid), "in the %s: %s" % (name, search(pid)))
        for name in ("auth", "tls", "tls-keys", "smtpd-starter"):
            for pid in programs(f, name):
                expect(not search(pid), "in %s: %s" % (name, search(pid)))
        client.quit()
    return keepers[0], session


@case("after the exchange it is in the memory of no session, keeper or auth", root=True)
def _():
    text = client_side.b64(b"\0alice@here.test\0" + PASSWORD.encode()) + "\r\n"
    with server() as f:
        look_for_password(f, None, "AUTH PLAIN " + text)
    with server() as f:
        look_for_password(f, ("AUTH PLAIN", "334"), text)
    with server() as f:
        with Secure(f) as client:       # the control for the keeper: auth is stopped
            client.login(WRONG, "535")
            with stopped(*parent_of(f, "auth")):
                client.send("AUTH PLAIN " + text)
                keepers = [p for p in f.keepers() if p not in programs(f, "smtpd-starter")]
                wait_for(lambda: search(keepers[0]), "never in the keeper")
            expect(client.reply().startswith("235"), "no login")
            expect(not search(keepers[0]), "in the keeper: %s" % search(keepers[0]))


# -- uids ----------------------------------------------------------------------------


def may_read(uid, path):
    return subprocess.run(["head", "-c", "1", path], user=uid, group=uid, extra_groups=[],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@case("neither keeper nor session nor each other's helper can read key and verifiers",
      root=True)
def _():
    with server() as f:
        client = Secure(f)              # so that there is a relay
        client.login()
        key = os.path.join(f.tree.dir, "mx.key")
        verifier = os.path.join(f.tree.state, "auth", trees.DOMAIN, "alice")
        owners = {key: trees.TLS_UID, verifier: trees.AUTH_UID}
        for path, owner in owners.items():
            for uid in (KEEPER, SESSION, trees.AUTH_UID, trees.TLS_UID, 65534):
                expect(may_read(uid, path) == (uid == owner), "uid %d and %s" % (uid, path))
        for name, uid in (("tls", trees.TLS_UID), ("tls-keys", trees.TLS_UID),
                          ("tls-relay", trees.TLS_UID), ("auth", trees.AUTH_UID)):
            pids = programs(f, name)
            expect(pids, "no " + name)
            for pid in pids:
                s = status(pid)
                expect(s["Uid"].split() == s["Gid"].split() == [str(uid)] * 4 and
                       s["Groups"] == "", "%s: %s %s %s" % (name, s["Uid"], s["Gid"], s["Groups"]))
                for cap in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                    expect(int(s[cap], 16) == 0, "%s: %s" % (name, cap))
        client.quit()
        f.stop()


if __name__ == "__main__":
    sys.exit(run_cases())
