#!/usr/bin/env python3
# suite: timeout=150
"""auth as a checkpassword program, and foreign checkpassword programs behind auth: what
they are given, in both orders, and what each way of ending means."""
import hmac
import os
import re
import subprocess
import time

from auth_talk import (AUTH, BUILD, KEEPER, PASSWORD, ROOT, TLS, Auth, Scram, Tree, b64, case,
                       check_log, expect, is_last, plain, run_cases, say, scram)

NAME = "alice@here.test"
CHALLENGE = "<1896.697170952@postoffice.reston.mci.net>"
LONG = os.environ.get("POSTERN_LONG") == "1"


def hmac_md5(password, challenge):
    return hmac.new(password.encode(), challenge.encode(), "md5").hexdigest()


def run(tree, data, program=("true",), env=None, closed=False):
    """auth as a checkpassword program with `data` on descriptor 3."""
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)

    def place():
        if closed:
            os.close(3)
        else:
            os.dup2(read, 3)
    with open(tree.log, "ab") as log:
        done = subprocess.run([os.path.join(BUILD, "auth"), "-c", tree.conf, *program],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                              pass_fds=[3], preexec_fn=place, text=True,
                              env=dict({"PATH": "/usr/bin:/bin", "KEPT": "yes"}, **env or {}))
    os.close(read)
    return done


own = Tree(mechanisms="PLAIN CRAM-MD5")
os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
own.password(NAME, PASSWORD)
own.copy("bob")
own.password(NAME, PASSWORD, "--cram-md5")


@case("checkpassword: the exit codes")
def _():
    def code(data, *program, **more):
        return run(own, data.encode(), program or ("true",), **more).returncode
    good = "%s\0%s\0Y123456\0" % (NAME, PASSWORD)
    expect(code(good) == 0, "good")
    expect(code(good + "more\0data") == 0, "more data")
    expect(code(good, "sh", "-c", "exit 7") == 7, "the program's own")
    expect(code("%s\0wrong\0\0" % NAME) == 1, "wrong")
    expect(code("nobody@here.test\0%s\0x\0" % PASSWORD) == 1, "unknown")
    expect(code("alice\0%s\0x\0" % PASSWORD) == 1, "a name of another domain")
    for bad in ("", "\0", NAME, NAME + "\0x", NAME + "\0x\0", NAME + "\0x\0y", "\0x\0y\0",
                "a\0" + "x" * 600 + "\0\0", "a\0b\0c\0" + "x" * 507):
        expect(code(bad) == 2, "misused", repr(bad))
    expect(code("a\0b\0c\0" + "x" * 506) == 1, "512 octets are not too many")
    expect(code(good, closed=True) == 2, "no descriptor 3")
    expect(code(good, "/nonexistent") == 111, "no program")


@case("checkpassword: the environment, the directory, the descriptors")
def _():
    script = 'env | sort; pwd; ls /proc/self/fd | tr "\\n" " "; id -u'
    done = run(own, ("ALICE@here.test\0%s\0x\0" % PASSWORD).encode(), ("sh", "-c", script),
               env={"TCPREMOTEIP": "192.0.2.5"})
    home = os.path.join(own.dir, "t", "state", "mail", "here.test", "alice")
    expect(done.returncode == 0, done)
    lines = done.stdout.splitlines()
    for line in ("USER=" + NAME, "HOME=" + home, "SHELL=/usr/sbin/nologin", "KEPT=yes",
                 "TCPREMOTEIP=192.0.2.5", home):
        expect(line in lines, line, lines)
    expect(lines[-1].split() == ["0", "1", "2", "3", str(KEEPER if ROOT else os.getuid())] or
           lines[-2:] and re.fullmatch(r"0 1 2 3 ?", lines[-2]) or
           re.fullmatch(r"0 1 2 3 %d" % (KEEPER if ROOT else os.getuid()), lines[-1]), lines)
    expect(own.lines("event=auth ", "client=192.0.2.5", "mechanism=checkpassword"), "logged")


@case("checkpassword: challenge and response of CRAM-MD5")
def _():
    def code(second, third, name=NAME, tree=own):
        data = "%s\0%s\0%s\0" % (name, second, third)
        return run(tree, data.encode(), env={"TCPREMOTEIP": "192.0.2.6"}).returncode
    response = hmac_md5(PASSWORD, CHALLENGE)
    expect(code(CHALLENGE, response) == 0, "challenge, response")
    expect(code(response, CHALLENGE) == 1, "another order")
    expect(code(CHALLENGE, hmac_md5("wrong", CHALLENGE)) == 1, "wrong")
    expect(code(CHALLENGE, response, "bob@here.test") == 1, "no such verifier")
    other = Tree(mechanisms="PLAIN CRAM-MD5", auth_order="response-challenge")
    other.password(NAME, PASSWORD, "--cram-md5")
    expect(code(response, CHALLENGE, tree=other) == 0, "response, challenge")
    expect(code(PASSWORD, "1234567890", tree=other) == 0, "a password, as before")


@case("checkpassword: failures slow it down, too")
def _():
    def fail(client):
        began = time.monotonic()
        data = "bob@here.test\0%s\0%s\0" % (CHALLENGE, "0" * 32)
        done = run(own, data.encode(), env={"TCPREMOTEIP": client} if client else {})
        expect(done.returncode == 1, done)
        return time.monotonic() - began
    took = [fail("192.0.2.%d" % n if n % 2 else None) for n in range(5)]
    expect(max(took[:3]) < 0.9 < took[4], took)


# -- foreign programs ------------------------------------------------------------------

PROGRAM = """#!/bin/sh
# What a checkpassword program is given goes to %(dir)s/seen, then it ends as the login says.
n=
for f in /proc/$$/fd/*; do [ -e "$f" ] && n="$n ${f##*/}"; done
%(read)s
{ cat %(dir)s/input | tr '\\0' '\\n'; echo; env | sort; echo "fd $n"; echo "args $*"; id -u
cat <&0; } >%(dir)s/seen
login=$(tr '\\0' '\\n' <%(dir)s/input | head -n 1)
case $login in
good*|root) exec "$@" ;;
exit*) exit "${login#exit}" ;;
signal*) kill -9 $$ ;;
hang*) sleep 300 & echo $! >%(dir)s/sleeper; wait ;;
esac
exit 1
"""


def foreign(read="cat <&3 >%(dir)s/input", **keys):
    tree = Tree(**keys)
    folder = os.path.join(tree.dir, "program")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "checkit")
    with open(path, "w") as f:
        f.write(PROGRAM % {"dir": folder, "read": read % {"dir": folder}})
    os.chmod(path, 0o755)
    tree.set(auth=path + " /bin/true done")
    tree.seen = lambda: open(os.path.join(folder, "seen")).read().split("\n")
    tree.folder = folder
    return tree


@case("foreign: PLAIN and LOGIN give it login, password and timestamp")
def _():
    tree = foreign()
    auth = tree.start()
    is_last(plain(auth, "good@here.test", "pass word", client="192.0.2.8"), "+",
            "good@here.test")
    seen = tree.seen()
    expect(seen[:2] == ["good@here.test", "pass word"] and re.fullmatch("[0-9]+", seen[2]) and
           seen[3] == "", seen)
    expect(seen[4:7] == ["", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "PROTO=TCP"][-len(seen[4:7]):] or "PROTO=TCP" in seen, seen)
    expect("TCPREMOTEIP=192.0.2.8" in seen and "args /bin/true done" in seen, seen)
    names = {line.split("=")[0] for line in seen if re.match("[A-Z_]+=", line)}
    expect(names <= {"PATH", "PROTO", "TCPREMOTEIP", "PWD", "OLDPWD", "_", "SHLVL"}, names)
    fds = [line for line in seen if line.startswith("fd ")][0].split()[1:]
    expect(set(fds) <= {"0", "1", "2", "3", "10", "255"}, fds)
    # What was typed, not what it means; a name without a domain is the host's.
    is_last(say(auth, "LOGIN", None, b64("GOOD"), b64("x")), "-")
    is_last(say(auth, "LOGIN", None, b64("good"), b64("x")), "+", "good@mx.here.test")
    expect(tree.seen()[0] == "good", tree.seen())
    is_last(plain(auth, "good", "x", "good@mx.here.test"), "+")
    is_last(plain(auth, "good", "x", "other"), "-")
    is_last(plain(auth, "root", "x"), "-")
    expect(tree.lines("reason=root"), "root is refused after it was right")
    for mechanism in ("SCRAM-SHA-256", "EXTERNAL", "CRAM-MD5", "DIGEST-MD5"):
        is_last(say(auth, mechanism), "n")
    check_log(tree)


@case("foreign: how it ends is what it says")
def _():
    tree = foreign()
    auth = tree.start()
    for n, (login, letter) in enumerate((
            ("exit0", "+"), ("exit1", "-"), ("exit2", "l"), ("exit3", "-"), ("exit24", "-"),
            ("exit25", "l"), ("exit100", "l"), ("exit111", "l"), ("exit255", "l"),
            ("signal", "l"), ("nobody", "-"))):
        is_last(plain(auth, login, "x", client="192.0.2.%d" % n), letter)
    expect(len(tree.lines("event=error", "the program of the key")) == 6, "told")
    expect(tree.lines("code=111") and tree.lines("code=137"), "with the code")
    is_last(plain(auth, "good" + "x" * 251, "y" * 255, client="192.0.2.99"), "-")  # > 512
    expect("xxx" not in tree.seen()[0], "what does not fit is not sent")
    is_last(plain(auth, "good", "y" * 255, client="192.0.2.99"), "+")


@case("foreign: one that reads 155 octets, like vchkpw")
def _():
    tree = foreign(read="dd bs=155 count=1 of=%(dir)s/input <&3 2>/dev/null")
    auth = tree.start()
    is_last(plain(auth, "good", "p" * 255), "+")
    is_last(plain(auth, "good", "p"), "+")
    is_last(plain(auth, "exit1", "p" * 255), "-")


@case("foreign: one that reads nothing")
def _():
    tree = foreign(read=": >%(dir)s/input")
    auth = tree.start()
    is_last(plain(auth, "good", "p" * 255), "-")


@case("foreign: CRAM-MD5 in both orders")
def _():
    for order, at in (("challenge-response", (1, 2)), ("response-challenge", (2, 1))):
        tree = foreign(mechanisms="PLAIN CRAM-MD5", auth_order=order)
        auth = tree.start()
        a = auth.connect()
        a.begin("CRAM-MD5", **TLS)
        challenge = a.challenge().decode()
        a.respond(b64("good %s" % ("0123456789abcdef" * 2)))
        is_last(a, "+", "good@mx.here.test")
        seen = tree.seen()
        expect(seen[0] == "good" and seen[at[0]] == challenge and
               seen[at[1]] == "0123456789abcdef" * 2, order, seen)


@case("foreign: one that hangs is killed, with what it started")
def _():
    tree = foreign()
    auth = tree.start()
    a = auth.connect()
    a.send(b"aPLAIN\0" + b64("\0hang\0x").encode() + b"\0s1\x00192.0.2.1\0u\0TLSv1.3" + b"\0" * 6)
    sleeper = os.path.join(tree.folder, "sleeper")
    until = time.monotonic() + 20
    while not (os.path.exists(sleeper) and open(sleeper).read().strip()):
        expect(time.monotonic() < until, "it did not start")
        time.sleep(0.05)
    pid = int(open(sleeper).read())
    began = time.monotonic()
    if LONG:                                 # its thirty seconds
        expect(a.receive() == "l" and 25 < time.monotonic() - began < 45, a.last)
        expect(tree.lines("took too long"), "told")
    else:                                    # or when the attempt itself ends
        with open("/proc/%d/task/%d/children" % ((auth.process.pid,) * 2)) as f:
            os.kill(int(f.read().split()[0]), 9)
        expect(a.receive() == "closed", a.last)
    while os.path.exists("/proc/%d" % pid) and \
            open("/proc/%d/stat" % pid).read().split()[2] != "Z":
        expect(time.monotonic() < began + 45, "it lives on")
        time.sleep(0.05)


@case("foreign: a program that is not there, or no path")
def _():
    tree = Tree(auth="/nonexistent/checkit /bin/true")
    is_last(plain(tree.start(), NAME, "x"), "l")
    expect(tree.lines("/nonexistent/checkit", "No such file"), "told")


@case("foreign: failures slow down logins there as well, and hashing is not ours")
def _():
    tree = foreign()
    auth = tree.start()
    took = []
    for n in range(5):
        began = time.monotonic()
        is_last(plain(auth, "joe", "wrong", client="192.0.2.%d" % n), "-")
        took.append(time.monotonic() - began)
    expect(0.8 < took[4], took)


@case("auth behind auth")
def _():
    tree = Tree(auth="%s -c %s /bin/true" % (os.path.join(BUILD, "auth"), "CONF"))
    with open(tree.conf) as f:
        text = f.read().replace("CONF", tree.conf)
    with open(tree.conf, "w") as f:
        f.write(text)
    tree.password(NAME, PASSWORD)
    auth = tree.start()
    is_last(plain(auth, NAME, PASSWORD), "+", NAME)
    is_last(plain(auth, NAME, "wrong"), "-")
    check_log(tree)


@case("nothing secret is in the log")
def _():
    check_log(own)


if __name__ == "__main__":
    run_cases()
