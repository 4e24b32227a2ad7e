"""What systemd-front-inside.sh asks of a running postern.service; not a suite itself."""
import contextlib
import os
import re
import signal
import smtplib
import subprocess
import threading
import time

CONF = "/etc/postern/postern.conf"
STATE = "/var/lib/postern"
NEW = STATE + "/mail/here.test/alice/Maildir/new"
SOCKETS = ["postern.socket", "postern-submission.socket", "postern-lmtp.socket"]
SENDER, RECIPIENT = "MAIL FROM:<a@client.test>", "RCPT TO:<alice@here.test>"
LOST = (OSError, smtplib.SMTPException)


class Bad(Exception):
    pass


def expect(truth, why):
    if not truth:
        raise Bad(why)


def wait_for(test, what, seconds=10):
    end = time.monotonic() + seconds
    while not test():
        expect(time.monotonic() < end, "waited in vain for " + what)
        time.sleep(0.02)


def read(path):
    with open(path) as f:
        return f.read()


def systemctl(*args):
    done = subprocess.run(["systemctl", *args], capture_output=True, text=True)
    expect(done.returncode == 0, "systemctl %s: %s" % (" ".join(args), done.stderr))
    return done.stdout.strip()


def show(name):
    return systemctl("show", "-P", name, "postern.service")


def journal():
    subprocess.run(["journalctl", "--sync"], stderr=subprocess.DEVNULL)
    return subprocess.run(["journalctl", "--no-pager", "-t", "smtpd"],
                          capture_output=True, text=True).stdout


def connect(port=25, source="127.0.0.1"):
    client = smtplib.SMTP("127.0.0.1", port, "client.test", 20, (source, 0))
    client.ehlo()
    return client


def say(client, line, code):
    got = client.docmd(line)
    expect(got[0] == code, "%s: %r" % (line, got))
    return got[1].decode()


def begin(client):
    """Up to the 354."""
    say(client, SENDER, 250)
    say(client, RECIPIENT, 250)
    say(client, "DATA", 354)


def finish(client, text):
    client.send("Subject: x\r\n\r\n%s\r\n.\r\n" % text)
    return client.getreply()[0]


def deliver(text, **where):
    with connect(**where) as client:
        begin(client)
        return finish(client, text)


def stored():
    """The last line of every message."""
    return [read(os.path.join(NEW, name)).split("\n")[-2] for name in os.listdir(NEW)]


def refused(test):
    try:
        test().close()
    except smtplib.SMTPConnectError as e:
        return e.smtp_code
    return 0


def status(pid, name):
    found = re.search(r"^%s:[ \t]*(.*)$" % name, read("/proc/%d/status" % pid), re.M)
    return found.group(1).strip()


class Processes:
    """Who is who: the front's children are the nursery and keepers, hers the sessions."""

    def __init__(self):
        self.front = int(show("MainPID"))
        session_uid = os.stat(STATE + "/jail.owner").st_uid
        children = {}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError, AttributeError):
                if "/postern.service" not in read("/proc/%d/cgroup" % pid):
                    continue
                if status(pid, "Name") == "smtpd-starter":
                    continue            # it holds what it is to become others with
                children.setdefault(int(status(pid, "PPid")), []).append(
                    (pid, int(status(pid, "Uid").split()[0])))
        own = children.get(self.front, [])
        self.nursery = [pid for pid, uid in own if uid == session_uid]
        self.keeper = [pid for pid, uid in own if uid != session_uid]
        self.session = [pid for parent in self.nursery
                        for pid, _ in children.get(parent, [])]


cases = []


def case(name):
    return lambda test: cases.append((name, test))


@case("587: 530 for everybody without a login, relay-from or not")
def _():
    with connect(587) as client:
        say(client, SENDER, 530)
    with connect(587, source="127.0.0.2") as client:
        say(client, SENDER, 530)


@case("LMTP on its socket, for those who may open it")
def _():
    expect(os.stat("/run/postern/lmtp").st_mode & 0o777 == 0o660, "its mode")
    with smtplib.LMTP("/run/postern/lmtp", local_hostname="client.test") as client:
        client.ehlo()
        begin(client)
        expect(finish(client, "by lmtp") == 250, "not taken")
    expect("by lmtp" in stored(), "not there")


@case("users, capabilities, jail and filters of all four kinds")
def _():
    with connect() as client:
        say(client, SENDER, 250)
        say(client, RECIPIENT, 250)
        p = Processes()
        expect(len(p.nursery) == 1 and p.keeper and p.session, "processes: %r" % vars(p))
        # CAP_SETUID, CAP_SETGID and CAP_SYS_CHROOT, no more.
        expect(int(status(p.front, "CapPrm"), 16) == 0x400c0, "front: capabilities")
        keeper, session = os.stat(STATE), os.stat(STATE + "/jail.owner")
        for pids, owner in (p.keeper, keeper), (p.nursery + p.session, session):
            for pid in pids:
                for name in "CapPrm", "CapEff", "CapInh", "CapAmb":
                    expect(int(status(pid, name), 16) == 0, "%d: %s" % (pid, name))
                for name, number in ("Uid", owner.st_uid), ("Gid", owner.st_gid):
                    expect(set(status(pid, name).split()) == {str(number)}, name)
                expect(status(pid, "NoNewPrivs") == "1", "%d: privileges" % pid)
        filters = int(status(p.front, "Seccomp_filters"))
        for pid in p.nursery + p.session:
            expect(os.readlink("/proc/%d/root" % pid) == STATE + "/jail", "no jail")
            expect(status(pid, "Groups") == "", "groups")
            # What systemd filters holds for all; these have one more.
            own = int(status(pid, "Seccomp_filters")) - filters
            expect(filters > 0 and own == 1, "%d: %d filters of its own" % (pid, own))


@case("50 exits, a connection each time")
def _():
    for i in range(50):
        if i % 2 == 0:
            systemctl("stop", "postern.service")
        else:
            os.kill(int(show("MainPID")), signal.SIGTERM)
        with connect() as client:
            say(client, "NOOP", 250)
    for socket in SOCKETS:
        expect(systemctl("is-active", socket) == "active", socket)
    expect(show("NRestarts") == "0", "taken for failures: " + show("NRestarts"))


def configure(line):
    key = line.split(" = ")[0]
    rest = [old for old in read(CONF).splitlines() if not old.startswith(key)]
    with open(CONF, "w") as f:
        f.write("\n".join([line, *rest, ""]))


@case("reload: new sessions have the new configuration, running ones go on")
def _():
    with connect() as old:
        begin(old)
        pid, before = show("MainPID"), old.esmtp_features["size"]
        configure("size = 100K")
        systemctl("reload", "postern.service")
        wait_for(lambda: connect().esmtp_features["size"] == "102400", "the new size")
        expect(before != "102400", "the same size before")
        expect(finish(old, "across a reload") == 250, "the old session")
        say(old, "NOOP", 250)
    expect("across a reload" in stored(), "not there")
    expect(show("MainPID") == pid and show("ActiveState") == "active", "another process")


@case("reload: a broken configuration changes nothing")
def _():
    good = read(CONF)
    with open(CONF, "w") as f:
        f.write("nonsense = 1\n" + good)
    try:
        systemctl("reload", "postern.service")
        wait_for(lambda: "the old one stays" in journal(), "a line about it")
    finally:
        with open(CONF, "w") as f:
            f.write(good)
    expect(connect().esmtp_features["size"] == "102400", "another configuration")


@case("limit per source: 421 for the one more, other sources are served")
def _():
    with open(CONF, "a") as f:
        f.write("[limits]\nconnections-per-source = 5\n")
    systemctl("reload", "postern.service")
    wait_for(lambda: journal().count("configuration read again") >= 2, "the reload")
    with contextlib.ExitStack() as held:
        for _ in range(5):
            held.enter_context(connect(source="127.0.0.3"))
        expect(refused(lambda: connect(source="127.0.0.3")) == 421, "the sixth")
        with connect(source="127.0.0.4") as client:
            say(client, "NOOP", 250)


@case("stop while a message is under way: it is taken, then the service ends")
def _():
    with connect() as client:
        begin(client)
        client.send("first half, ")
        systemctl("stop", "--no-block", "postern.service")
        wait_for(lambda: show("ActiveState") == "deactivating", "the stop")
        expect(finish(client, "across a stop") == 250, "not taken")
    expect("across a stop" in stored(), "not there")
    wait_for(lambda: show("ActiveState") == "inactive", "its end")
    expect(show("Result") == "success", show("Result"))


class Load(threading.Thread):
    """Delivers until told to stop; keeps what was acknowledged."""

    def __init__(self, name):
        super().__init__(name=name)
        self.taken, self.left, self.halt = [], 0, threading.Event()

    def run(self):
        count = 0
        while not self.halt.is_set():
            count += 1
            text = "%s %d" % (self.name, count)
            try:
                if deliver(text, source="127.0.0.5") == 250:
                    self.taken.append(text)
                    continue
            except (Bad, *LOST):
                pass
            self.left += 1
            time.sleep(0.01)


def kill_one(kind, sig=signal.SIGKILL):
    """Again when it was gone already."""
    for _ in range(100):
        victims = getattr(Processes(), kind)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(victims if kind == "front" else victims[-1], sig)
            return
    raise Bad("no %s to kill" % kind)


@case("kill -9 of front, nursery, keeper, session: service goes on, nothing is lost")
def _():
    loads = [Load("load%d" % i) for i in range(2)]
    for load in loads:
        load.start()
    try:
        for kind in "front", "nursery", "keeper", "session", "keeper", "front":
            wait_for(lambda: all(load.taken for load in loads), "deliveries")
            kill_one(kind)
            before = [len(load.taken) for load in loads]
            wait_for(lambda: all(len(load.taken) > n + 3 for load, n in
                                 zip(loads, before)), "deliveries after " + kind)
    finally:
        for load in loads:
            load.halt.set()
            load.join()
    there = stored()
    for load in loads:
        missing = set(load.taken) - set(there)
        expect(not missing, "acknowledged and lost: %r" % sorted(missing))
    expect(show("NRestarts") == "2", "restarts: " + show("NRestarts"))
    log = journal()
    for event in ("event=nursery-died", "event=keeper-died", "event=session-died"):
        expect(event in log, "no line of " + event)
    expect(os.listdir(STATE + "/tmp") == [], "left in tmp/")
    for socket in SOCKETS:
        expect(systemctl("is-active", socket) == "active", socket)


@case("three crashes: the same process starts itself afresh and serves")
def _():
    front = Processes().front
    for kind in "keeper", "session", "session":
        kill_one(kind, signal.SIGSEGV)
    wait_for(lambda: "starting afresh" in journal(), "a fresh start")
    wait_for(lambda: status(front, "Name") == "smtpd", "its name")
    expect(deliver("afresh") == 250 and "afresh" in stored(), "no delivery")
    expect(show("MainPID") == str(front) and show("NRestarts") == "2", "a restart")


@case("idle: the service leaves by itself, the next connection brings it back")
def _():
    if not os.path.exists("/check/long"):
        return
    with open(CONF, "a") as f:
        f.write("[timeouts]\nidle = 60\n")
    systemctl("restart", "postern.service")
    wait_for(lambda: show("ActiveState") == "inactive", "its leaving", 80)
    expect(show("Result") == "success", show("Result"))
    with connect() as client:
        say(client, "NOOP", 250)


for name, test in cases:
    try:
        test()
        print("ok front units: " + name, flush=True)
    except (Bad, *LOST) as e:
        print("not ok front units: %s: %s" % (name, str(e).replace("\n", " ")), flush=True)
