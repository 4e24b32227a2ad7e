#!/usr/bin/env python3
# suite: timeout=120
"""The sandbox of the real session process, and the keeper's, tried from inside.

build/test/smtpd-probe is smtpd whose session knows one more command, XTRY WHAT: it
tries what a session that was taken over would try. tests/fault/inject.c goes further:
it makes the smtpd that is installed open a file it never meant to, at any moment. As
root this shows the design with privilege (two uids, chroot), and with `user` in the
name what an ordinary user gets, where seccomp and Landlock carry it alone.

tests/fault/sandbox.py [WORD]...    only the cases whose name holds all WORDs
"""
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from delivery import Bad, Skip, need_ptrace  # noqa: E402
from live import (PROBE, Smtpd, check_process, check_stored, descriptors,  # noqa: E402
                  expect, limits, new_tree, status, trees)

PLAIN_UID = 61003       # an ordinary user, for runs without privilege
ABI = 0                 # Landlock's, 0 where the kernel has none; see main()
TRIES = ("open", "socket", "execve", "ptrace", "kill", "connect", "mmap", "fcntl",
         "int80", "fork", "guess", "smash", "sendmsg")
# abort(3) prints before it raises SIGABRT, by calls that are forbidden; and a kernel
# without 32-bit calls knows no int 0x80.
DEATHS = {"smash": "SYS ABRT", "int80": "SYS SEGV"}


def try_what(tree, what, uid=None):
    with Smtpd(tree, PROBE, uid=uid) as s:
        s.hello()
        s.say("MAIL FROM:<a@client.test>", "250")
        s.say("RCPT TO:<alice@%s>" % trees.DOMAIN, "250")
        s.send("XTRY %s\r\n" % what)
        rest = s.reply()
        expect("NOT DENIED" not in rest, "the call went through: %r" % rest)
        rest += s.rest()
        expect(re.fullmatch(r"421 [ -~]*\r\n", rest), "the client saw %r" % rest)
        s.wait()
        lines = s.log().splitlines()
        died = [line for line in lines if line.startswith("event=session-died")]
        expect(len(died) == 1, "not one line says how the session died: %r" % lines)
        signals = DEATHS.get(what, "SYS").split()
        expect(re.search(r"signal=(\w+)", died[0]).group(1) in signals,
               "another death: " + died[0])
        expect(all(line.startswith("event=") for line in lines), "log: %r" % lines)
    check_stored(tree, 0)


def tries_denied(uid=None):
    def run():
        tree = new_tree(uid)
        try:
            for what in TRIES:
                try:
                    try_what(tree, what, uid)
                except Bad as e:
                    raise Bad("XTRY %s: %s" % (what, e)) from None
        finally:
            tree.remove()
        return "%s: each is death, 421 and one line" % " ".join(TRIES)
    return run


def running(tree, uid, keeper_uid, session_uid, jailed):
    """What /proc says of both processes in the midst of a transaction."""
    extra = [os.open("/etc", os.O_RDONLY) for _ in range(3)]
    try:
        with Smtpd(tree, uid=uid, pass_fds=extra) as s:
            s.hello()
            s.say("MAIL FROM:<a@client.test>", "250")
            pid = s.session_pid()
            seccomp = check_process(pid, session_uid, "session")
            expect(seccomp == ["2"], "session: Seccomp %s" % seccomp)
            check_process(s.process.pid, keeper_uid, "keeper")
            if trees.is_root():         # who else may not look, and so it should be
                fds = descriptors(pid)
                expect(sorted(fds) == [0, 1, 2, 3] and fds[2] == "/dev/null" and
                       all(fds[n].startswith("socket:") for n in (0, 1, 3)),
                       "session: descriptors %s" % fds)
            lim = limits(pid)
            expect(lim["Max core file size"] == "0", "core files: %s" % lim)
            expect(int(lim["Max file size"]) <= (25 << 20) + 4096, "file size: %s" % lim)
            expect(lim["Max cpu time"] != "unlimited", "cpu: %s" % lim)
            expect(int(lim["Max open files"]) <= 8, "open files: %s" % lim)
            if jailed:
                for name in ("root", "cwd"):
                    at = os.readlink("/proc/%d/%s" % (pid, name))
                    expect(at == os.path.join(tree.state, "jail"), "%s is %s" % (name, at))
            s.say("RSET", "250")
            s.deliver()
            s.quit()
    finally:
        for fd in extra:
            os.close(fd)
    check_stored(tree, 1)
    return "uid, gid, groups, capabilities, NoNewPrivs, Seccomp, descriptors, limits" + (
        ", root" if jailed else "")


def in_tree(uid, function, *args):
    def run():
        tree = new_tree(uid)
        try:
            return function(tree, uid, *args)
        finally:
            tree.remove()
    return run


def read_by_same_uid(tree, uid):
    """Another process of the same uid can read neither of the two (dumpable 0)."""
    with Smtpd(tree, uid=uid) as s:
        s.hello()
        s.say("MAIL FROM:<a@client.test>", "250")   # a keeper is one when it is asked
        for pid in (s.process.pid, s.session_pid()):
            owner = int(status(pid)["Uid"].split()[0])
            code = subprocess.run(["head", "-c", "1", "/proc/%d/environ" % pid], user=owner,
                                  group=owner, extra_groups=[], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode
            expect(code != 0, "uid %d can read process %d of its own" % (owner, pid))
        s.quit()
    return "keeper and session"


def first_after(report, who, name):
    """Number of the call after the last one of that name (and first argument)."""
    last = [int(m) for m in re.findall(r"(?m)^call %s (\d+) %s " % (who, name), report)]
    expect(last, "%s never calls %s" % (who, name))
    return last[-1] + 1


def delivered_under(tree, options, uid=None):
    """A delivery under inject; its report and log."""
    need_ptrace()
    with Smtpd(tree, options=options, uid=uid) as s:
        s.hello()
        s.deliver()
        s.quit()
        return s.report(), s.log()


def tried(report, who):
    match = re.search(r"(?m)^tried %s (-?\d+)$" % who, report)
    expect(match, "nothing was tried: " + report[-300:])
    return int(match.group(1))


def keeper_opens(tree, uid):
    """The keeper, made to open what it should not: Landlock says no, not the modes."""
    if ABI < 2:
        raise Skip("no Landlock with REFER in this kernel")
    outside = os.path.join(tree.dir, "outside")
    os.mkdir(outside)
    os.chmod(outside, 0o777)
    domains = os.path.join(tree.dir, "domains")
    os.chmod(domains, 0o777)
    denied = ["open:/etc/passwd", "open:/proc/self/status", "create:%s/x" % outside,
              "create:%s/x.conf" % domains]
    report, _ = delivered_under(tree, ["-t", "keeper", "0", "kill"])
    n = str(first_after(report, "keeper", "landlock_restrict_self"))
    for what in denied:
        report, _ = delivered_under(tree, ["keeper", n, what])
        expect(tried(report, "keeper") == -13, "%s gave %d" % (what, tried(report, "keeper")))
        # The proof that it is Landlock that denies: without it, all go through.
        report, _ = delivered_under(tree, ["-a", "landlock_create_ruleset=ENOSYS",
                                           "keeper", n, what])
        expect(tried(report, "keeper") >= 0, "%s without Landlock gave %d" %
               (what, tried(report, "keeper")))
    check_stored(tree, 2 * len(denied) + 1)
    return "%d paths, each opened where Landlock is missing" % len(denied)


def session_opens(tree, uid):
    """The session with seccomp switched off by ptrace: Landlock alone denies."""
    if ABI < 1:
        raise Skip("no Landlock in this kernel")
    no_seccomp = ["-a", "prctl,0&16=0"]     # of its prctl calls only PR_SET_SECCOMP
    report, _ = delivered_under(tree, ["-t", *no_seccomp, "keeper", "0", "kill"])
    # After the message file is closed, which leaves a number free; the client is 0 and 1.
    n = str(first_after(report, "session", "close [4-9]"))
    results = []
    for options in ([], ["-a", "landlock_create_ruleset=ENOSYS"]):
        report, _ = delivered_under(tree, [*no_seccomp, *options, "session", n, "open:/"])
        results.append(tried(report, "session"))
    expect(results[0] == -13, "with Landlock the session opened /: %d" % results[0])
    expect(results[1] >= 0, "without it, it could not, so this proves nothing")
    return "open(/) is EACCES, and works where Landlock is missing"


def session_killed(tree, uid):
    """The installed smtpd's session, made to open a file: seccomp kills it."""
    report, _ = delivered_under(tree, ["-t", "keeper", "0", "kill"])
    first = int(re.search(r"(?m)^call session (\d+) prctl 16 ", report).group(1)) + 1
    calls = len(re.findall(r"(?m)^call session ", report))
    for n in range(first, calls + 1):
        with Smtpd(tree, options=["session", str(n), "open:/"]) as s:
            s.reply()
            s.send("EHLO client.test\r\n")
            s.send("MAIL FROM:<a@client.test>\r\n")
            s.send("RCPT TO:<alice@%s>\r\n" % trees.DOMAIN)
            while True:
                reply = s.reply()
                if "\r\n354" in "\r\n" + reply or not reply:
                    break
                s.send("DATA\r\n" if "250 2.1.5" in reply else "")
            s.send("Subject: one\r\n\r\nfirst half\r\nsecond half\r\n.\r\nQUIT\r\n")
            s.rest()
            s.wait()
            report = s.report()
            if not re.search(r"(?m)^hit", report):
                continue
            expect("signal=SYS" in s.log(), "call %d: %s%s" % (n, report, s.log()))
    return "in each of its %d calls" % (calls + 1 - first)


def landlock_missing(tree, uid):
    cases = (("missing", "landlock_create_ruleset=ENOSYS"),
             ("switched off", "landlock_create_ruleset=EOPNOTSUPP"),
             ("without REFER", "landlock_create_ruleset,2&1=1"))
    for count, (name, rule) in enumerate(cases, 1):
        _, log = delivered_under(tree, ["-a", rule, "keeper", "0", "kill"], uid)
        check_stored(tree, count)
        lines = [line for line in log.splitlines() if "andlock" in line]
        expect(len(lines) == 1, "Landlock %s: not one warning but %r" % (name, lines))
    return "and one warning each"


def stopped(tree, uid):
    """A session (and then a keeper) stopped while idle and in the data."""
    with Smtpd(tree, uid=uid) as s:
        s.hello()
        count = 0
        for pid in (s.session_pid(), s.process.pid):
            def stop(pid=pid):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.1)
                expect(status(pid)["State"].split()[0] in "Tt", "it does not stop")
                os.kill(pid, signal.SIGCONT)
            stop()
            s.deliver(middle=stop)
            stop()
            count += 1
        s.quit()
    check_stored(tree, count)
    return "idle and in the data, session and keeper"


def smash_on_socket(tree, uid):
    """As under xinetd: fd 2 is the client's socket, and the session smashes its stack."""
    for what in ("smash", "open"):
        with Smtpd(tree, PROBE, uid=uid, stderr_is_socket=True) as s:
            s.hello()
            s.send("XTRY %s\r\n" % what)
            rest = s.rest()
            expect(re.fullmatch(r"421 [ -~]*\r\n", rest), "the client saw %r" % rest)
            s.wait()
    with Smtpd(tree, uid=uid, stderr_is_socket=True) as s:
        s.hello()
        s.deliver()
        s.say("RCPT TO:<nobody@%s>" % trees.DOMAIN, "503")
        if trees.is_root():
            for pid in (s.process.pid, s.session_pid()):
                expect(descriptors(pid)[2] == "/dev/null", "fd 2: %s" % descriptors(pid))
        s.quit()
    check_stored(tree, 1)
    return "only SMTP"


def not_as_root(tree, uid):
    """Sessions never run as root, and not at all where that can't be prevented."""
    owner = os.path.join(tree.state, "jail.owner")
    for spoil, repair in ((lambda: os.chown(owner, 0, 0), None),
                          (lambda: os.unlink(owner), None)):
        spoil()
        with Smtpd(tree) as s:
            rest = s.rest()
            code = s.wait()
            expect(re.fullmatch(r"421 [ -~]*\r\n", rest), "the client saw %r" % rest)
            expect(code in (100, 111), "exit code %s" % code)
            expect(s.log().count("\n") == 1, "log: %r" % s.log())
    return "owner of jail.owner root, or the file missing: no session"


def cases():
    """(name, function), the name says as whom."""
    root = trees.is_root()
    me = os.geteuid()
    if root:
        yield "as root: calls are denied", tries_denied()
        yield "as root: the running processes", in_tree(
            None, running, trees.KEEPER_UID, trees.SESSION_UID, True)
        yield "as root: unreadable by their own uids", in_tree(None, read_by_same_uid)
        yield "as root: no session with root's uid", in_tree(None, not_as_root)
        yield "keeper opens foreign files", in_tree(None, keeper_opens)
        yield "session opens a file", in_tree(None, session_killed)
        yield "as root: delivery where Landlock is missing", in_tree(None, landlock_missing)
        yield "as root: stopped and continued", in_tree(None, stopped)
        yield "as root: stderr is the connection", in_tree(None, smash_on_socket)
    else:
        yield "skip as root: uids, chroot, forced opens", None
    user = PLAIN_UID if root else None
    shown = PLAIN_UID if root else me
    yield "user: calls are denied", tries_denied(user)
    yield "user: the running processes", in_tree(user, running, shown, shown, False)
    yield "user: delivery where Landlock is missing", in_tree(user, landlock_missing)
    yield "user: stopped and continued", in_tree(user, stopped)
    yield "user: stderr is the connection", in_tree(user, smash_on_socket)
    if root:
        yield "session under Landlock alone", in_tree(None, session_opens)


def landlock_abi():
    number = ctypes.CDLL(None).syscall(444, None, 0, 1)   # the same on all architectures
    return max(number, 0)


def main():
    global ABI
    ABI = landlock_abi()
    wanted = sys.argv[1:]
    for name, run in cases():
        if not all(w in name for w in wanted):
            continue
        if run is None:
            print("%s: not root" % name)
            continue
        try:
            print("ok %s: %s" % (name, run()))
        except Bad as e:
            print("not ok %s: %s" % (name, e))
        except Skip as e:
            print("skip %s: %s" % (name, e))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
