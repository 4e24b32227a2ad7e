#!/usr/bin/env python3
# suite: timeout=300 calm
"""The life of a listening smtpd: stop, reload, idle exit, sd_notify(3), and what the
death of each of its processes does to the others."""
import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time

from listening import (LONG, SPARES, Bad, Client, Front, case, check_mail, expect, free_port,
                       front, new_tree, read, run_cases, stat_fields, trees, wait_for)


def in_data(client, text):
    """A message up to its last line."""
    client.hello()
    client.begin()
    client.say("DATA", "354")
    client.send("Subject: test\r\n\r\n%s\r\n" % text)


def finish_data(client):
    client.send(".\r\n")
    got = client.reply()
    expect(got.startswith("250 2.0.0 ok "), "the message was answered by %r" % got)


def is_refused(f):
    try:
        f.connect(greeted=False).close()
        return False
    except ConnectionRefusedError:
        return True


def expect_exit(f):
    expect(f.wait() == 0, "exit code %d, log %s" % (f.wait(), f.log()[-500:]))
    wait_for(lambda: not f.processes(starter=True), "processes are left")


# -- stop --------------------------------------------------------------------------


def stop_gently(send_signal):
    with front() as f:
        with f.connect() as one, f.connect() as two, f.connect() as three:
            in_data(one, "of one")
            two.hello()
            send_signal(f)
            wait_for(lambda: is_refused(f), "new connections are taken")
            finish_data(one)
            one.quit()
            two.deliver("of two")
            two.quit()
            three.hello()
            expect(f.process.poll() is None, "it has ended before its sessions")
            three.close()
        expect_exit(f)
        check_mail(f.tree, "alice", ["of one", "of two"])
        expect("event=error" not in f.log() and "died" not in f.log(), f.log())


@case("SIGTERM: new connections are refused, sessions finish, exit 0")
def _():
    stop_gently(lambda f: f.signal(signal.SIGTERM))


@case("SIGINT from a terminal, to the whole group: the same")
def _():
    stop_gently(lambda f: os.killpg(f.pid, signal.SIGINT))


@case("SIGTERM to the whole group, SIGHUP behind it: the same")
def _():
    def send_signal(f):
        os.killpg(f.pid, signal.SIGTERM)
        os.killpg(f.pid, signal.SIGHUP)

    stop_gently(send_signal)


@case("SIGTERM: after `stop` seconds the rest is cut, exit 0")
def _():
    for seconds in (0, 2):
        with front(timeouts_stop=str(seconds)) as f:
            with f.connect() as one, f.connect() as two, f.connect() as three:
                in_data(one, "of one")
                two.hello()
                start = time.monotonic()
                f.signal(signal.SIGTERM)
                rest = [c.rest() for c in (one, two, three)]
                took = time.monotonic() - start
                closing = "421 4.3.2 closing, please try again later\r\n"
                expect(rest == ["", closing, closing], "the end was %s" % rest)
                expect(took >= seconds, "cut after %.1f s" % took)
            expect_exit(f)
            check_mail(f.tree, "alice", [])
            expect("died" not in f.log(), f.log())


@case("SIGTERM with nobody there: exit 0 at once")
def _():
    with front() as f:
        f.check_serves()
        f.stop()


# -- reload ------------------------------------------------------------------------


@case("SIGHUP: new sessions by the new configuration, old ones by the old")
def _():
    with front(vrfy="yes", proxies="127.0.0.9") as f:
        with f.connect() as idle, f.connect() as busy, \
                f.connect(source="127.0.0.9", greeted=False) as proxied:
            idle.hello()
            in_data(busy, "of busy")
            f.tree.conf.pop(("", "proxies"))
            f.tree.set_conf("", "vrfy", "no")
            f.tree.set_conf("", "hostname", "new.test")
            f.tree.set_conf("limits", "connections", "4")
            f.signal(signal.SIGHUP)
            wait_for(lambda: "configuration read again" in f.log(), "no reload: " + f.log())
            with f.connect(greeted=False) as fresh:
                expect(fresh.reply() == "220 new.test ESMTP\r\n", "the old configuration")
                fresh.hello()
                fresh.say("VRFY <alice@here.test>", "252 2.5.2")
                with f.connect(greeted=False) as fifth:
                    expect(fifth.reply().startswith("421 "), "a fifth of four")
                idle.say("VRFY <alice@here.test>", "250 2.1.5")
                idle.deliver("of idle")
                idle.quit()
                proxied.send("PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n")
                expect(proxied.reply() == "220 mx.test ESMTP\r\n", "of the proxy")
                finish_data(busy)
                busy.quit()
                fresh.deliver("of fresh")
        texts = {t.rpartition(b"\n\n")[2]: t for t in map(read, f.tree.messages("alice"))}
        expect(len(texts) == 3 and b"by mx.test" in texts[b"of idle\n"] and
               b"by new.test" in texts[b"of fresh\n"], "messages: %s" % texts)
        expect("event=boundary" not in f.log() and "event=error" not in f.log(), f.log())
        f.stop()


@case("SIGHUP with a broken configuration: logged, and the old one stays")
def _():
    with front() as f:
        good = dict(f.tree.conf)
        for section, key, value, why in (("", "size", "huge", "size"),
                                         ("", "nonsense", "1", "unknown key"),
                                         ("limits", "connections", "0", "connections")):
            f.tree.set_conf(section, key, value)
            before = f.log().count("the old one stays")
            f.signal(signal.SIGHUP)
            wait_for(lambda: f.log().count("the old one stays") > before,  # noqa: B023
                     "no word of it")
            expect(why in f.log(), f.log())
            f.check_serves()
            f.tree.conf = dict(good)
        os.unlink(os.path.join(f.tree.dir, "postern.conf"))
        f.signal(signal.SIGHUP)
        wait_for(lambda: "cannot be opened" in f.log(), "no word of the missing file")
        f.check_serves()
        f.stop()


@case("SIGHUP with a STATE that no session can live in: logged, and the old one stays")
def _():
    with front() as f:
        with f.connect() as client:
            in_data(client, "goes on")
            f.tree.set_conf("", "state", "/nowhere")
            f.signal(signal.SIGHUP)
            wait_for(lambda: "the old configuration stays" in f.log(), f.log())
            finish_data(client)
        f.check_serves()
        f.stop()


def deliver_for_ever(f, name, over, sent, faults):
    n = 0
    while not over.is_set():
        try:
            with f.connect() as client:
                client.hello()
                client.deliver("%s %d" % (name, n))
                sent.append("%s %d" % (name, n))
                client.quit()
        except Exception as e:  # noqa: BLE001
            faults.append("%s %d: %s" % (name, n, e))
            return
        n += 1


@contextlib.contextmanager
def under_load(f, clients):
    """Clients that deliver meanwhile; afterwards none may have met anything odd."""
    sent, faults, over = [], [], threading.Event()
    threads = [threading.Thread(target=deliver_for_ever, args=(f, "c%d" % i, over, sent, faults))
               for i in range(clients)]
    for t in threads:
        t.start()
    try:
        yield sent
    finally:
        over.set()
        for t in threads:
            t.join()
    expect(not faults, "; ".join(faults[:3]))
    check_mail(f.tree, "alice", sent)


@case("SIGHUP under load: ten times, and no client notices")
def _():
    with front() as f:
        with under_load(f, 6) as sent:
            for i in range(40 if LONG else 10):
                wait_for(lambda: len(sent) > i * 6, "nobody delivers")  # noqa: B023
                f.signal(signal.SIGHUP)
                wait_for(lambda: f.log().count("read again") == i + 1, "no reload")  # noqa: B023
        f.wait_calm()
        f.stop()


# -- sd_notify ---------------------------------------------------------------------


def check_notify(address, name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(address)
        s.settimeout(20)
        if not address.startswith("\0"):
            os.chmod(address, 0o777)
        with front(env={"NOTIFY_SOCKET": name}) as f:
            expect(s.recv(100) == b"READY=1", "not ready")
            f.signal(signal.SIGHUP)
            expect(s.recv(100) == b"RELOADING=1" and s.recv(100) == b"READY=1", "reload")
            f.tree.set_conf("", "size", "huge")
            f.signal(signal.SIGHUP)
            expect(s.recv(100) == b"RELOADING=1" and s.recv(100) == b"READY=1", "bad reload")
            f.stop()
            expect(s.recv(100) == b"STOPPING=1", "stop")
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                raise Bad("more was said: %r" % s.recv(100))


@case("sd_notify: a path, and an abstract address")
def _():
    with tempfile.TemporaryDirectory(prefix="postern-front.") as folder:
        os.chmod(folder, 0o755)
        check_notify(folder + "/notify", folder + "/notify")
        check_notify("\0" + folder, "@" + folder)


# -- deaths ------------------------------------------------------------------------


def kill_session(f, client, number):
    os.kill(f.serving(client)[0], number)
    got = client.rest()
    expect(got == "421 4.3.0 our mistake, please try again later\r\n",
           "a killed session's client got %r" % got)


def start_afresh(f):
    """Three crashes, with and without a keeper, and one session that goes on."""
    before = f.log().count("session-died signal="), f.log().count("starting afresh")
    with f.connect() as kept:
        in_data(kept, "goes on")
        keepers = f.keepers()
        for i in range(3):
            with f.connect() as client:
                client.hello()
                if i == 1:
                    client.begin()
                kill_session(f, client, (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT)[i])
        wait_for(lambda: f.log().count("starting afresh") > before[1], "no fresh start")
        expect(f.log().count("session-died signal=") == before[0] + 3, "not three deaths")
        f.check_serves()
        expect(f.keepers() != keepers, "the same keepers")
        finish_data(kept)
        kept.quit()
    expect(f.process.poll() is None, "the front has ended")
    wait_for(lambda: not set(keepers) & set(f.processes()), "old keepers stay")


@case("three sessions crash: the front starts afresh, same pid, sessions with keepers go on",
      root=True)
def _():
    with front() as f:
        start_afresh(f)
        start_afresh(f)
        f.wait_calm()
        expect(len(f.tree.messages("alice")) == 4, "messages are missing")
        f.stop()


@case("the same under LISTEN_FDS, three sockets with names", root=True)
def _():
    tree = new_tree(relay_from="127.0.0.1")
    socks = [socket.socket() for _ in range(3)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
        s.listen(100)
    try:
        with Front(tree, "-s", "submission", fds=[s.fileno() for s in socks],
                   names="smtp:lmtp:unknown") as f:
            f.address = socks[0].getsockname()
            start_afresh(f)
            with Client(socks[1].getsockname()) as client:
                client.hello("LHLO")
            with Client(socks[2].getsockname()) as client:
                client.hello()
                client.say("MAIL FROM:<a@client.test>", "530")
            f.stop()
    finally:
        tree.remove()


@case("a signal in the midst of a fresh start is heard after it", root=True)
def _():
    with front() as f:
        for turn in range(3):
            for number in (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT):
                with f.connect() as client:
                    kill_session(f, client, number)
            while f.log().count("starting afresh") == turn:
                pass
            reloads = f.log().count("read again")
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                f.signal(signal.SIGHUP)
            wait_for(lambda: f.log().count("read again") > reloads or  # noqa: B023
                     f.process.poll() is not None, "not heard")
            expect(f.process.poll() is None, "it died: %s" % f.process.poll())
            while reloads != f.log().count("read again"):
                reloads = f.log().count("read again")
                time.sleep(0.5)
        f.check_serves()
        f.stop()


@case("kill -9 of the nursery: sessions go on, new ones come", root=True)
def _():
    with front() as f:
        with f.connect() as busy, f.connect() as idle:
            in_data(busy, "of busy")
            idle.hello()
            for i in range(2):
                old = f.nursery()
                os.kill(old, signal.SIGKILL)
                wait_for(lambda: f.nursery() not in (-1, old), "no other nursery")  # noqa: B023
                wait_for(lambda: f.log().count("nursery-died") == i + 1, f.log())  # noqa: B023
                with f.connect() as client:
                    client.hello()
                    client.deliver("after %d" % i)
                    client.quit()
            finish_data(busy)
            idle.deliver("of idle")
        check_mail(f.tree, "alice", ["of busy", "of idle", "after 0", "after 1"])
        expect("keeper-died" not in f.log() and "afresh" not in f.log(), f.log())
        f.stop()


@case("kill -9 of a keeper: 421 for its client, no mail lost, the next one works", root=True)
def _():
    with front() as f:
        with f.connect() as client:
            client.hello()
            client.deliver("acknowledged")
            client.begin()
            os.kill(f.serving(client)[1], signal.SIGKILL)
            client.send("DATA\r\n")
            expect(client.reply().startswith("421 4.3.0 "), "no 421")
            expect(client.rest() == "", "more than 421")
        with f.connect() as client:
            in_data(client, "unacknowledged")
            os.kill(f.serving(client)[1], signal.SIGKILL)
            client.send(".\r\n")
            expect(client.reply().startswith("421 4.3.0 "), "no 421 in DATA")
        f.wait_calm()
        f.check_serves()
        check_mail(f.tree, "alice", ["acknowledged", "still here"])
        (idle,) = f.keepers()
        os.kill(idle, signal.SIGKILL)
        f.check_serves()
        wait_for(lambda: f.log().count("keeper-died") == 3, f.log())
        f.check_serves()
        f.stop()


@case("kill -9 of a session: its client knows, the others go on", root=True)
def _():
    with front() as f:
        with f.connect() as one, f.connect() as two:
            in_data(one, "of one")
            in_data(two, "of two")
            keeper = f.serving(one)[1]
            kill_session(f, one, signal.SIGKILL)
            finish_data(two)
            two.quit()
        f.wait_calm()
        expect(keeper in f.keepers(), "its keeper is gone too")
        f.check_serves()
        check_mail(f.tree, "alice", ["of two", "still here"])
        os.kill(f.sessions()[0], signal.SIGKILL)        # one that waits
        wait_for(lambda: f.log().count("session-died signal=") == 2, f.log())
        for _ in range(2 * SPARES):
            f.check_serves()
        for _ in range(3):
            with f.connect() as client:
                kill_session(f, client, signal.SIGKILL)
        f.check_serves()
        expect("afresh" not in f.log(), "a kill by hand is no crash")
        f.stop()


@case("kill -9 of the front: sessions with keepers finish, all else ends by itself", root=True)
def _():
    with front() as f:
        with f.connect() as busy, f.connect() as idle, f.connect() as silent:
            in_data(busy, "of busy")
            idle.hello()
            f.check_serves()                            # leaves an idle keeper
            os.kill(f.pid, signal.SIGKILL)
            f.process.wait()
            expect(is_refused(f), "somebody listens")
            finish_data(busy)
            busy.deliver("one more")
            idle.send("MAIL FROM:<a@client.test>\r\n")
            expect(idle.reply().startswith("421 "), "a session without keeper or front")
            # Busy, its keeper, silent; and their ancestor, which waits for them.
            wait_for(lambda: len(f.processes()) == 4, "left: %s" % f.processes())
            busy.quit()
            silent.close()
        wait_for(lambda: not f.processes(starter=True), "processes are left")
        check_mail(f.tree, "alice", ["of busy", "still here", "one more"])


@case("ETRN is announced, or no longer, when a domain's file comes, changes or goes")
def _():
    with front(mechanisms="PLAIN", auth_without_tls="yes") as f:
        path = os.path.join(f.tree.dir, "domains", "held.test.conf")

        def announced():
            with f.connect() as client:
                return "ETRN" in client.hello()
        expect(not announced(), "without such a domain")
        with open(path, "w") as file:
            file.write("deliver = hold\netrn = alice@here.test\n")
        wait_for(announced, "it does not come")
        with open(path, "w") as file:
            file.write("deliver = hold\n")
        wait_for(lambda: not announced(), "it stays without a login")
        with open(path, "a") as file:
            file.write("etrn = alice@here.test\n")
        wait_for(announced, "it does not come to a file that was there")
        os.unlink(path)
        wait_for(lambda: not announced(), "it stays")


# -- idle exit ---------------------------------------------------------------------

IDLE = 60                # seconds, the smallest there is
idlers = {}              # what to look at in the end, and since when


def start_idlers():
    """In the background, since it takes a minute: see the case."""
    for name in ("served", "unused", "busy", "-L"):
        tree = new_tree(timeouts_idle="%ds" % IDLE)
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(100)
        if name == "-L":
            f = Front(tree, "-L", "127.0.0.1:%d" % free_port())
        else:
            f = Front(tree, fds=[s.fileno()], names="smtp")
            f.address = s.getsockname()
        client = None
        if name == "served":
            f.check_serves()
        if name == "busy":
            client = f.connect()
        idlers[name] = (f, s, client, time.monotonic())


@case("idle exit after a minute: under LISTEN_FDS, without a client, and then only")
def _():
    try:
        for name in ("served", "unused"):
            f, s, _, start = idlers[name]
            wait_for(lambda: f.process.poll() is not None,  # noqa: B023
                     "%s: still there" % name, IDLE + 30)
            took = time.monotonic() - start
            expect(f.process.poll() == 0 and took >= IDLE - 1, "%s: exit code %d after %.0f s" %
                   (name, f.process.poll(), took))
            wait_for(lambda: not f.processes(starter=True), "processes are left")  # noqa: B023
        # Who comes now waits in the socket for the next one.
        f, s, _, _ = idlers["served"]
        late = Client(s.getsockname(), greeted=False)
        with Front(f.tree, fds=[s.fileno()], names="smtp") as again:
            expect(late.reply().startswith("220 "), "who waited is not served")
            late.close()
            again.stop()
        time.sleep(max(0, idlers["-L"][3] + IDLE + 5 - time.monotonic()))
        f, _, client, _ = idlers["busy"]
        expect(f.process.poll() is None, "it left a client")
        client.hello()
        client.deliver("after a minute")
        expect(idlers["-L"][0].process.poll() is None, "with -L nobody would start it again")
        idlers["-L"][0].stop()
    finally:
        for f, s, _, _ in idlers.values():
            f.__exit__()
            f.tree.remove()
            s.close()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        start_idlers()
    run_cases()
