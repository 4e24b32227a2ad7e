"""What `run --smoke` does: much mail at once, all of it must be there. No timing."""
import os
import pwd
import subprocess
import sys

import servers
from servers import Missing, Postern, tool

WHO = "as root" if servers.is_root() else "as an ordinary user"


def files(folder):
    return sorted(os.path.join(folder, n) for n in os.listdir(folder))


def send(server, *options):
    done = subprocess.run([tool("load"), "-p", server.port, "-x", "60",
                           *map(str, options)], capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr + done.stdout).strip()


def new_connections(server):
    return send(server, "-n", 300, "-c", 10, "-w", server.new) or \
        count(server.new, 300)


def many_each(server):
    return send(server, "-n", 300, "-c", 10, "-k", 15, "-P", "-w", server.new) or \
        count(server.new, 300)


def by_bdat(server):
    return send(server, "-n", 200, "-c", 10, "-k", 5, "-b", "-w", server.new) or \
        count(server.new, 200)


def large(server):
    why = send(server, "-n", 4, "-c", 2, "-s", 5000000, "-w", server.new) or \
        count(server.new, 4)
    small = [f for f in files(server.new) if os.path.getsize(f) < 4900000]
    return why or (small and "shorter than sent: " + small[0])


def to_hundred(server):
    folders = [os.path.join(server.mailbox("box%d" % i), "Maildir/new") for i in range(100)]
    why = send(server, "-n", 1, "-r", 100, "-P", "-t", "box@bench.test", "-u", 100)
    for folder in folders:
        why = why or count(folder, 1)
    links = why or os.stat(files(folders[0])[0]).st_nlink
    return why or (links != 100 and "%d links instead of 100" % links)


def nothing_left(server):
    left = files(os.path.join(server.state, "tmp"))
    return left and "left in tmp/: " + left[0]


def count(folder, expected):
    found = len(files(folder))
    return found != expected and "%d messages instead of %d" % (found, expected)


CASES = (
    ("300 messages, a connection each", new_connections),
    ("300 messages, 15 a connection, pipelined", many_each),
    ("200 messages by BDAT", by_bdat),
    ("4 messages of 5 MB", large),
    ("1 message to 100 mailboxes is one file", to_hundred),
    ("nothing is left in tmp/", nothing_left),
)


def again_unprivileged(work):
    """The same, as nobody in particular."""
    global WHO
    folder = os.path.join(work, "unprivileged")
    os.mkdir(folder)
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        WHO = "as an ordinary user"
        os._exit(run(folder))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(work):
    try:
        server = Postern(work)
    except Missing as why:
        print("skip load %s: %s" % (WHO, str(why).replace("\n", " ")), flush=True)
        return 0
    try:
        for name, case in CASES:
            why = case(server)
            if os.path.isdir(server.new):
                server.empty()
            print("%s load %s, %s%s" % ("not ok" if why else "ok", name, WHO,
                                        ": " + str(why).replace("\n", " ") if why else ""),
                  flush=True)
    finally:
        server.stop()
    return again_unprivileged(work) if servers.is_root() else 0
