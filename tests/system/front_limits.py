#!/usr/bin/env python3
# suite: timeout=240
"""Limits over all clients of a listening smtpd. Run by root it moves into a network
namespace of its own first, whose loopback has more IPv6 addresses."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from listening import (ORDINARY, ROOT, SPARES, Bad, Client, case, check_mail, expect, free_port,
                       front, new_tree, run_cases, wait_for)

FULL = "421 4.7.0 too many connections, try again later\r\n"
# Two of one /64, two of the next.
ADDRESSES = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "2001:db8:0:2::2"]


def expect_refused(f, address=None, source=None):
    """421 and the end, and no process for it."""
    for _ in range(4):
        before = sorted(f.sessions())
        with Client(address or f.address, source, greeted=False) as client:
            got = client.rest()
            expect(got == FULL, "over the limit: %r" % got)
        after = sorted(f.sessions())
        if after == before:
            expect("event=connection-refused" in f.log(), "not logged")
            return
        time.sleep(1)               # spares were on their way, for those before
    raise Bad("sessions %s, then %s" % (before, after))


def close_all(clients):
    while clients:
        clients.pop().close()


@case("connections in all: 421 without a process, others go on, a place freed is one")
def _():
    with front(limits_connections="12") as f:
        clients = [f.connect() for _ in range(12)]
        wait_for(lambda: len(f.sessions()) >= 12 + SPARES // 2, "the spares are missing")
        for _ in range(5):
            expect_refused(f, source="127.0.0.2")
        clients[0].hello()
        clients[0].deliver("served meanwhile")
        clients.pop().quit()
        f.wait_ends(1)
        clients.append(f.connect())
        expect_refused(f)
        close_all(clients)
        f.wait_ends(13)
        f.check_serves()
        expect("reply=too-many" in f.log(), f.log())
        check_mail(f.tree, "alice", ["served meanwhile", "still here"])
        f.stop()


@case("connections per IPv4 address, also when it comes as ::ffff:")
def _():
    port = free_port()
    with front("-L", "*:%d" % port, limits_connections_per_source="3") as f:
        one = ("127.0.0.1", port)
        clients = [Client(one), Client(one), Client(("::ffff:127.0.0.1", port),
                                                    "::ffff:127.0.0.1")]
        wait_for(lambda: len(f.sessions()) >= SPARES, "spares are missing")
        expect_refused(f, one, "127.0.0.1")
        expect_refused(f, ("::ffff:127.0.0.1", port), "::ffff:127.0.0.1")
        with Client(one, "127.0.0.2") as other:
            other.hello()
        with Client(("::1", port)) as other:
            other.hello()
        expect("reply=too-many-of-source" in f.log() and "client=127.0.0.1" in f.log(), f.log())
        clients.pop().quit()
        f.wait_ends(3)
        clients.append(Client(one))
        expect_refused(f, one)
        close_all(clients)
        f.stop()


@case("connections per IPv6 /64")
def _():
    if not os.environ.get("POSTERN_NETNS"):
        return "only root may add addresses, in a network namespace"
    port = free_port()
    with front("-L", "[::]:%d" % port, limits_connections_per_source="2") as f:
        where = (ADDRESSES[0], port)
        clients = [Client(where, a) for a in ADDRESSES]
        wait_for(lambda: len(f.sessions()) >= SPARES, "spares are missing")
        for address in ADDRESSES:
            expect_refused(f, where, address)
        with Client(("::1", port)) as other:
            other.hello()
        close_all(clients)
        f.stop()
    return None


@case("new connections per minute")
def _():
    with front(limits_rate="5") as f:
        for _ in range(5):
            with f.connect(source="127.0.0.1") as client:
                client.quit()
        f.wait_ends(5)
        f.wait_calm()
        for _ in range(3):
            expect_refused(f, source="127.0.0.1")
        for _ in range(5):
            with f.connect(source="127.0.0.2") as client:
                client.quit()
        expect_refused(f, source="127.0.0.2")
        f.stop()


@case("unix sockets have no limit per source, but count in all")
def _():
    folder = tempfile.mkdtemp(prefix="postern-front.")
    path = os.path.join(folder, "lmtp")
    try:
        with front("-s", "lmtp", "-L", path, limits_connections="9", limits_rate="2",
                   limits_connections_per_source="2") as f:
            clients = [Client(path) for _ in range(9)]
            wait_for(lambda: len(f.sessions()) >= 9 + SPARES // 2, "spares are missing")
            expect_refused(f, path)
            close_all(clients)
            f.stop()
    finally:
        shutil.rmtree(folder)


@case("proxies have no limit per source")
def _():
    with front(limits_connections_per_source="2", limits_rate="3", proxies="127.0.0.9") as f:
        clients = []
        for i in range(8):
            client = f.connect(source="127.0.0.9", greeted=False)
            client.send("PROXY TCP4 192.0.2.%d 192.0.2.200 5000 25\r\n" % i)
            expect(client.reply().startswith("220 "), "proxied client %d is refused" % i)
            clients.append(client)
        others = [f.connect(source="127.0.0.1") for _ in range(2)]
        wait_for(lambda: len(f.sessions()) >= 10 + SPARES // 2, "spares are missing")
        expect_refused(f, source="127.0.0.1")
        close_all(clients + others)
        f.stop()


@case("a flood of refusals is one log line a second")
def _():
    with front(limits_connections="1") as f:
        with f.connect():
            start = time.monotonic()
            for _ in range(300):
                with f.connect(greeted=False) as client:
                    expect(client.rest() == FULL, "not refused")
            took = time.monotonic() - start
        lines = f.log().count("event=connection-refused")
        expect(1 <= lines <= took + 2, "%d lines in %.0f s" % (lines, took))
        f.stop()


def serve_all(f, clients, either="220 "):
    """All who wait are greeted, once those before them have left."""
    while clients:
        for client in [c for c in clients if c.has_input()]:
            got = client.reply()
            expect(got.startswith(("220 ", either)), "greeted by %r" % got)
            if got.startswith("220 "):
                client.say("QUIT", "221")
            client.close()
            clients.remove(client)
        wait_for(lambda: not clients or any(c.has_input() for c in clients),
                 "%d clients are not served" % len(clients))


@case("no process to be had: clients wait, and are served when there is one", root=True)
def _():
    # front, nursery, 8 spares leave room for 6 more; RLIMIT_NPROC binds ordinary users.
    tree = new_tree(ORDINARY)
    with front(uid=ORDINARY, tree=tree, before=["prlimit", "--nproc=16"]) as f:
        clients = [f.connect(greeted=False) for _ in range(30)]
        wait_for(lambda: "fork a session" in f.log(), "no want: " + f.log())
        serve_all(f, clients)
        f.wait_calm()
        f.check_serves()
        expect(f.log().count("fork a session") < 40, "logged too often")
        f.stop()


@case("no descriptor to be had: the same, without spinning", root=True)
def _():
    tree = new_tree(ORDINARY, limits_connections_per_source="200")
    with front(uid=ORDINARY, tree=tree, before=["prlimit", "--nofile=100:100"]) as f:
        clients = [f.connect(greeted=False) for _ in range(150)]
        wait_for(lambda: "Too many open files" in f.log(), "no want: " + f.log())
        expect("LimitNOFILE" in f.log(), "not told at the start")
        before = cpu_ticks(f.pid)
        time.sleep(2)
        expect(cpu_ticks(f.pid) - before < 100, "it spins")
        serve_all(f, clients, either="421 ")
        f.wait_calm()
        f.check_serves()
        f.stop()


def cpu_ticks(pid):
    """Hundredths of a second."""
    with open("/proc/%d/stat" % pid) as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:13]))


def enter_namespace():
    """Once: the same program in a network namespace with addresses of our own."""
    if not ROOT or os.environ.get("POSTERN_NETNS") or not shutil.which("unshare"):
        return
    script = "ip link set lo up && for a in %s; do ip addr add $a/128 dev lo; done" % (
        " ".join(ADDRESSES))
    if subprocess.call(["unshare", "-n", "sh", "-c", script], stderr=subprocess.DEVNULL):
        return
    os.environ["POSTERN_NETNS"] = "1"
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", script + ' && exec "$@"', "sh",
                          sys.executable, *sys.argv])


if __name__ == "__main__":
    enter_namespace()
    run_cases()
