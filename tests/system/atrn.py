#!/usr/bin/env python3
# suite: timeout=150 calm
"""ATRN (RFC 2645): the connection turns round, with TLS beneath it; a customer written
after the RFC, one that is killed, cut off or slow, and what is left of the mail then."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from dialin_talk import (DEADLINE, FOLDER, LOGIN, PASSWORD, Hop, Place, case, client, expect, run_cases, trees,
                         wait_for, where_named)

D = "far.test"
place = Place("odmr", "submission")
place.set_conf("", "mechanisms", "SCRAM-SHA-256 PLAIN CRAM-MD5")
place.add_login(LOGIN, "--cram-md5")
place.hold(D)
place.hold("b.test")
place.hold("other.test", login="other@here.test")
place.set_conf("", "atrn-on-submission", "yes")
place.start()


class Customer:
    """The server's side of SMTP over a connection that has said ATRN."""

    def __init__(self, what="", service="odmr", greeting=b"220 client.test ready"):
        self.c = client(place, service)
        self.code, self.text = self.c.docmd("ATRN", what)
        self.f = self.c.file
        self.sock = self.c.sock
        self.commands = []
        self.messages = []            # (recipients, text)
        if self.code == 250 and greeting:
            self.say(greeting)

    def say(self, line):
        self.sock.sendall(line + b"\r\n")

    def serve(self, until=None):
        """Until QUIT or the end; until(self) true: stops there."""
        taken = []
        for line in self.f:
            line = line.rstrip(b"\r\n").decode()
            self.commands.append(line)
            verb = line[:4].upper()
            if until and until(self, verb):
                return
            if verb == "EHLO":
                self.sock.sendall(b"250-client.test\r\n250 8BITMIME\r\n")
            elif verb == "MAIL":
                taken = []
                self.say(b"250 fine")
            elif verb == "RCPT":
                if "bad" in line:
                    self.say(b"550 5.1.1 nobody")
                    continue
                taken.append(re.search("<(.*?)>", line).group(1))
                self.say(b"250 fine")
            elif verb == "DATA":
                self.say(b"354 go")
                text = b""
                for part in self.f:
                    if part == b".\r\n":
                        break
                    text += part
                self.messages.append((taken, text))
                if until and until(self, "."):
                    return
                self.say(b"250 taken")
            elif verb == "QUIT":
                self.say(b"221 bye")
                return
            else:
                self.say(b"250 fine")

    def got(self):
        return sorted(a for to, _ in self.messages for a in to)

    def close(self):
        self.c.close()


def put(n, domain=D, start=0, **more):
    return [place.put(domain, "ok%d@%s" % (i, domain), **more) for i in range(start, start + n)]


def clear():
    for name in os.listdir(os.path.join(place.state, "spool")):
        place.drop(name)


def pids(word):
    """Processes of the provider with the word in their command line or name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                fields = f.read().rpartition(")")
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                line = f.read().decode(errors="replace")
        except OSError:
            continue
        if int(fields[2].split()[3]) == place.process.pid and \
                word in line + fields[0].partition("(")[2]:
            found.append(int(pid))
    return found


@case("atrn: all the login's domains over one connection, TLS beneath it")
def _():
    put(3)
    put(2, "b.test")
    put(1, "other.test")
    c = Customer()
    expect((c.code, c.text) == (250, b"2.0.0 OK, now reversing the connection"), c.code, c.text)
    c.serve()
    expect(c.got() == ["ok0@b.test", "ok0@far.test", "ok1@b.test", "ok1@far.test",
                       "ok2@far.test"], c.got())
    expect(c.commands[0] == "EHLO mx.test" and c.commands[-1] == "QUIT" and
           sum(x.startswith("EHLO") for x in c.commands) == 1, c.commands)
    expect(b"Subject: hello\r\n\r\ntext\r\n" in c.messages[0][1] and
           b"Return-Path" not in c.messages[0][1], c.messages[0])
    wait_for(lambda: not place.waiting(D) and not place.waiting("b.test"), "nothing is left")
    expect(len(place.waiting("other.test")) == 1, "another's mail stays")
    mid = re.search(r" id=(\S+)", place.lines("atrn")[-1]).group(1)
    wait_for(lambda: sum(" id=%s " % mid in x for x in place.lines("flush")) == 2,
             "a line for each: " + place.log()[-900:])
    expect(any("domain=far.test result=done sent=3 failed=0 left=0" in x
               for x in place.lines("flush")), place.lines("flush"))
    c.close()
    clear()


@case("atrn: on submission, behind STARTTLS; one domain of two")
def _():
    put(1)
    put(1, "b.test")
    c = Customer("b.test", service="submission")
    c.serve()
    expect(c.got() == ["ok0@b.test"] and len(place.waiting(D)) == 1, c.got())
    clear()


@case("atrn: no mail, then some; 451 while the mail is being sent to another connection")
def _():
    c = Customer()
    expect(c.code == 453, c.code)
    put(1)
    expect(c.c.docmd("ATRN")[0] == 250)
    c.say(b"220 client.test")
    c.serve(lambda me, verb: verb == "MAIL")
    expect(Customer().code == 451)
    c.say(b"250 fine")
    c.serve()
    expect(c.got() == ["ok0@far.test"])
    clear()


@case("atrn: a recipient that is refused is reported, the others are sent")
def _():
    place.put(D, "ok@" + D, "bad@" + D)
    c = Customer()
    c.serve()
    expect(c.got() == ["ok@far.test"], c.got())
    wait_for(lambda: place.messages("alice"), "alice hears of it: " + place.log()[-600:])
    expect(not place.waiting(D), "done")
    clear()


@case("atrn: what requires TLS does not go this way, and its sender hears of it")
def _():
    before = len(place.messages("alice"))
    put(1, start=0, extra="requiretls yes\n")
    put(1, start=1)
    put(1, "b.test")
    c = Customer()
    c.serve()
    expect(c.got() == ["ok0@b.test", "ok1@far.test"] and c.commands[-1] == "QUIT", c.commands)
    wait_for(lambda: len(place.messages("alice")) > before, "alice hears of it")
    expect("code=5.7.30" in place.lines("bounced")[-1], place.lines("bounced"))
    expect(not place.waiting(D), "done")
    clear()


@case("atrn: a customer whose server is out of sorts keeps its mail, however old")
def _():
    before = len(place.messages("alice"))
    for greeting in (b"554 no", b"421 later", b"nonsense", b"220 x\r\n220 twice"):
        put(2, age=40 * 86400)
        c = Customer(greeting=greeting)
        c.serve()
        c.close()
        mid = re.search(r" id=(\S+)", place.lines("atrn")[-1]).group(1)
        wait_for(lambda: any(" id=%s " % mid in x for x in place.lines("flush")), "it ends")
        expect(len(place.waiting(D)) == 2, greeting, place.log()[-900:])
        expect("result=lost sent=0 failed=0 left=2" in place.lines("flush")[-1], greeting,
               place.lines("flush")[-1])
        clear()
    expect(len(place.messages("alice")) == before, "nobody is told anything")


@case("atrn: the line breaks at every point of a message: all of it arrives in the end")
def _():
    for point in ("EHLO", "MAIL", "RCPT", "DATA", ".", "QUIT"):
        put(3)
        broken = Customer()
        broken.serve(lambda me, verb: verb == point and
                     (verb in ("EHLO", "QUIT") or len(me.messages) > 0))
        broken.sock.close()
        broken.c.close()
        wait_for(lambda: not place.is_locked(D), "the run ends")
        c = Customer()
        c.serve() if c.code == 250 else None
        expect(c.code == (453 if point == "QUIT" else 250), point, c.code)
        acknowledged = broken.got()
        # The reply to the final dot never came: that one message may come twice.
        twice = sorted(set(acknowledged) & set(c.got()))
        expect(set(acknowledged) | set(c.got()) == {"ok%d@far.test" % i for i in range(3)},
               point, acknowledged, c.got())
        expect(len(twice) <= (point == "."), point, twice)
        expect(not place.waiting(D), point)
        c.close()


@case("atrn: session, keeper, runner, sender and dispatcher are killed: nothing is lost")
def _():
    for victim in ("smtpd", "flush"):
        for when in ("EHLO", "DATA"):
            put(3)
            c = Customer()
            killed = []

            def kill(_, verb):
                if verb == when and not killed:
                    # The starter, which nobody could start again, is not what this is about.
                    killed.extend(p for p in pids(victim) if p != place.process.pid and
                                  p not in pids("starter"))
                    for pid in killed:
                        # One that has just ended by itself is no end of this connection.
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            try:
                c.serve(kill)
            except OSError:
                pass
            expect(killed, "nobody to kill")
            first = c.got()
            c.close()
            wait_for(lambda: not place.is_locked(D), "nobody has the lock")
            got = fetch_rest()
            expect(set(first) | set(got) == {"ok%d@far.test" % i for i in range(3)} and
                   not place.waiting(D), victim, when, first, got)
            # Who was killed was not between the client and flush any more.
            expect(victim == "flush" or first == ["ok%d@far.test" % i for i in range(3)],
                   "the turned connection outlives smtpd", first)


def fetch_rest():
    """Asks until there is no mail: what was killed is started again."""
    until = time.monotonic() + DEADLINE
    got = []
    while True:
        try:
            c = Customer()
            if c.code == 453:
                return got
            if c.code == 250:
                c.serve()
                got += c.got()
            c.close()
        except OSError:
            pass
        expect(time.monotonic() < until, "no client is served: " + place.log()[-600:])
        time.sleep(0.1)


@case("atrn, etrn: flush is reached by its socket, which starts it, as under systemd")
def _():
    other = Place("odmr", "submission")
    other.add_login()
    hop = Hop()
    other.hold(D, "hold:[127.0.0.1]:%d" % hop.port)
    path = os.path.join(other.dir, "flush.sock")
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.bind(path)
    other._own(path)
    other.set_conf("sockets", "flush", path)
    other.start()
    global place
    ours, place = place, other
    run = None
    try:
        for ask in ("atrn", "etrn"):
            put(2)
            before = len(hop.messages)
            c = Customer(greeting=None) if ask == "atrn" else client(other, "submission")
            if ask == "etrn":
                expect(c.docmd("ETRN", D)[0] == 253)
            # The word, and the connection with it, wait until it has started.
            run = start_flush(other, door)
            if ask == "atrn":
                c.say(b"220 client.test ready")
                c.serve()
                expect(c.got() == ["ok0@far.test", "ok1@far.test"], c.got(), other.log()[-500:])
            else:
                wait_for(lambda: len(hop.messages) == before + 2, other.log()[-500:])
            wait_for(lambda: not other.waiting(D), "all is sent")
            run.terminate()
            run.wait(DEADLINE)
    finally:
        place = ours
        if run and run.poll() is None:
            run.kill()
        other.remove()


def start_flush(tree, door):
    """With the socket at 3, as sd_listen_fds(3) has it."""
    with open(tree.log_path, "ab") as log:
        code = ("import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); "
                "os.execv(sys.argv[1], sys.argv[1:])")
        return subprocess.Popen(
            ["python3", "-c", code, os.path.join(FOLDER, "flush"), "-c",
             os.path.join(tree.dir, "postern.conf")], stderr=log, stdin=subprocess.DEVNULL,
            env=dict(os.environ, LISTEN_FDS="1"), close_fds=False,
            preexec_fn=lambda: os.dup2(door.fileno(), 3))


@case("atrn: fetchmail, by CRAM-MD5, with openssl for its TLS")
def _():
    for program in ("fetchmail", "openssl"):
        if not shutil.which(program):
            return program + " is not installed"
    hop = Hop()
    put(2)
    rc = os.path.join(place.dir, "fetchmailrc")
    # Its own TLS reads a line at a time and then waits for the socket, so what is behind
    # that line in one record would wait for ever.
    with open(rc, "w") as f:
        f.write('poll localhost with proto ODMR and port %d and plugin '
                '"openssl s_client -quiet -verify_quiet -connect %%h:%%p"\n'
                ' user "%s" password "%s" options fetchdomains %s, smtphost "localhost/%d"\n' %
                (place.port["odmr"], LOGIN, PASSWORD, D, hop.port))
    os.chmod(rc, 0o600)

    def fetchmail():
        return subprocess.run(where_named("fetchmail", "-v", "-f", rc, "--nosyslog", "--pidfile",
                               os.path.join(place.dir, "pid")), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, HOME=place.dir, LC_ALL="C"),
                              timeout=DEADLINE)
    run = fetchmail()
    expect(run.returncode == 0 and hop.received("ok0@far.test") == 1 and
           hop.received("ok1@far.test") == 1, run.returncode, run.stdout[-600:])
    wait_for(lambda: not place.waiting(D), "nothing is left")
    expect("mechanism=CRAM-MD5" in place.log(), "by CRAM-MD5")
    expect("You have no mail" in fetchmail().stdout, "then there is none")
    clear()


try:
    run_cases()
finally:
    place.remove()
