#!/usr/bin/env python3
# suite: timeout=300
"""Load and abuse of a listening smtpd: clients that idle, crawl, leave, reset, and one
that takes all it can, while another is served; and that nothing grows meanwhile."""
import contextlib
import os
import resource
import socket
import threading
import time

from listening import (LONG, SESSIONS_IDLE, SPARES, Client, case, check_mail, descriptors, expect, front,
                       memory_kib, run_cases, stat_fields, wait_for)

MANY = {"limits_connections": "4000", "limits_connections_per_source": "4000"}
SERVED_IN = 20      # seconds for a whole delivery: the machine may have other work


def sources(n):
    """n addresses of the loopback, to be spread over."""
    return ["127.0.%d.%d" % (2 + i // 250, 1 + i % 250) for i in range(n)]


def raw(address, source=None):
    """A connection without the weight of Client."""
    s = socket.socket()
    try:
        if source:
            s.bind((source, 0))
        s.settimeout(30)
        s.connect(address)
    except BaseException:
        s.close()
        raise
    return s


@contextlib.contextmanager
def crowd(f, n):
    """n connections, none of which has read its greeting yet."""
    socks = []
    try:
        for source in sources(n):
            socks.append(raw(f.address, source))
        yield socks
    finally:
        for s in socks:
            s.close()


def timed_service(f, what):
    start = time.monotonic()
    f.check_serves()
    took = time.monotonic() - start
    expect(took < SERVED_IN, "%s: a delivery took %.1f s" % (what, took))


def wait_empty(f, sessions=SPARES + SESSIONS_IDLE):
    """The crowd has gone: front, nursery, 16 idle keepers, and sessions that wait."""
    wait_for(lambda: len(f.processes()) <= 2 + 16 + sessions, "processes are left", 60)


def enough_files(n):
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] > n


@case("1,000 idle clients: another is served, and nothing stays")
def _():
    if not enough_files(1100):
        return "too few open files are allowed"
    with front(**MANY) as f:
        with crowd(f, 1000) as socks:
            for s in socks:
                expect(s.recv(100).startswith(b"220 "), "an idle client is not greeted")
                s.sendall(b"EHLO client.test\r\n")
            timed_service(f, "idle clients")
            for s in socks:
                expect(s.recv(1000).startswith(b"250-"), "an idle client is not answered")
            timed_service(f, "idle clients")
            expect(len(f.processes()) < 1000 + 2 * SPARES + 16, "%d processes" %
                   len(f.processes()))
        wait_empty(f)
        f.stop()
    return None


@case("1,000 clients that send an octet a second: another is served")
def _():
    if not enough_files(1100):
        return "too few open files are allowed"
    line = b"MAIL FROM:<slow@client.test>\r\nRCPT TO:<alice@here.test>\r\nDATA\r\nSlow: "
    with front(**MANY) as f, crowd(f, 1000) as socks:
        for s in socks[::2]:
            s.sendall(b"HELO client.test\r\n")
        for i in range(60 if LONG else 8):
            start = time.monotonic()
            for s in socks:
                s.sendall(line[i % len(line):][:1])
            if i % 3 == 1:
                timed_service(f, "slow clients")
            time.sleep(max(0, 1 - (time.monotonic() - start)))
    return None


@case("1,000 clients in the midst of a message: another is served, half a message is none")
def _():
    if not LONG:
        return "POSTERN_LONG only: as many keepers too"
    with front(**MANY) as f, crowd(f, 1000) as socks:
        for s in socks:
            s.sendall(b"HELO client.test\r\nMAIL FROM:<slow@client.test>\r\n"
                      b"RCPT TO:<alice@here.test>\r\nDATA\r\n")
        for s in socks:
            got = b""
            while b"354 " not in got:
                got += s.recv(1000)
            s.sendall(b"half a ")
        timed_service(f, "clients in DATA")
        for s in socks:
            s.close()
        wait_empty(f)
        check_mail(f.tree, "alice", ["still here"])
        f.stop()
    return None


@case("clients that connect and close: as many sessions as there is work for")
def _():
    n = 20000 if LONG else 5000
    with front(**MANY) as f:
        for _ in range(n):
            raw(f.address).close()
        timed_service(f, "connect and close")
        wait_empty(f)
        wait_for(lambda: f.log().count("event=end") == n + 1, "not all ends are logged")
        f.stop()


@case("clients that reset, at each point of a session")
def _():
    steps = [b"", b"EH", b"EHLO client.test\r\n", b"MAIL FROM:<a@client.test>\r\n",
             b"RCPT TO:<alice@here.test>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nhalf"]
    with front(**MANY) as f:
        for i in range(100 if not LONG else 2000):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                client = f.connect(greeted=i % 2 == 0)
                for step in steps[2:2 + i % 6]:
                    client.send(step)
                    if i % 3 == 0:
                        client.reply()
                client.reset()
        timed_service(f, "resets")
        wait_empty(f)
        check_mail(f.tree, "alice", ["still here"])
        expect("died" not in f.log() and "event=error" not in f.log() and
               "event=boundary" not in f.log(), f.log()[-500:])
        f.stop()


@case("one source that wants all places leaves some to others")
def _():
    with front(limits_connections="60", limits_connections_per_source="20") as f:
        over = threading.Event()
        held, told = [], [0]

        def grab():
            while not over.is_set():
                with contextlib.suppress(OSError):
                    s = raw(f.address, "127.0.0.66")
                    if s.recv(100).startswith(b"220 "):
                        held.append(s)
                    else:
                        s.close()
                        told[0] += 1

        threads = [threading.Thread(target=grab) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            wait_for(lambda: told[0] > 100, "it is not refused")
            for _ in range(10):
                timed_service(f, "a greedy client")
        finally:
            over.set()
            for t in threads:
                t.join()
        expect(len(held) == 20, "it has %d connections" % len(held))
        for s in held:
            s.close()
        f.stop()


def burst(f, n, at_once=20):
    """n sessions with EHLO and QUIT; half of them ask the keeper for something."""
    faults = []
    turns = iter(range(n))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None or faults:
                return
            try:
                with f.connect(source="127.0.0.%d" % (1 + turn % 100)) as client:
                    client.hello()
                    if turn % 2:
                        client.begin()
                    client.quit()
            except Exception as e:  # noqa: BLE001
                faults.append(str(e))

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not faults, "; ".join(faults[:3]))


def check_growth(**keys):
    """After the first few hundred, nothing grows."""
    n = 20000 if LONG else 2000
    with front(**MANY, **keys) as f:
        burst(f, 300)
        f.wait_ends(300)
        before = sorted(k for k in descriptors(f.pid)), memory_kib(f.pid)
        burst(f, n)
        f.wait_ends(300 + n)
        wait_empty(f)
        after = sorted(k for k in descriptors(f.pid)), memory_kib(f.pid)
        # As many descriptors as keepers and sessions wait, of which both have a limit.
        expect(len(after[0]) <= len(before[0]) + 16 + SESSIONS_IDLE, "descriptors %s, then %s" %
               (before[0], after[0]))
        # Beside what it has at rest: one for each keeper, and one for each session's jobs.
        wait_for(lambda: len(descriptors(f.pid)) ==
                 3 + 1 + 1 + 1 + 1 + 1 + len(f.keepers()) + len(f.sessions()),
                 "%d descriptors, %d keepers, %d sessions: %s" %
                 (len(after[0]), len(f.keepers()), len(f.sessions()), descriptors(f.pid)))
        expect(after[1] <= before[1] + 64, "memory %d KiB, then %d KiB" %
               (before[1], after[1]))
        held = descriptors(f.nursery())
        expect(len(held) == 5, "the nursery holds %s" % held)
        children = [p for p in f.processes(zombies=True) if stat_fields(p)[:1] == ["Z"]]
        expect(len(children) <= 2, "%d zombies" % len(children))
        f.stop()


@case("descriptors and memory of the front after 2,000 connections are those before", root=True)
def _():
    check_growth()


@case("the same with session-reuse = 1", root=True)
def _():
    check_growth(session_reuse="1")


if __name__ == "__main__":
    run_cases()
