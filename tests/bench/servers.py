"""The servers that run compares: ours, the floors, and the peers that are found.

Each server runs in a mount and pid namespace and a control group of its own (as
root), so that its processes can be counted together and all end together. A peer
keeps its packaged settings but for names, ports, sizes and the folders bound over
its own, so nothing outside the work folder is written.
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BUILD") or os.path.normpath(os.path.join(HERE, "../../build"))
BUILD = os.path.abspath(BUILD)
PEERS = os.environ.get("PEERS") or os.path.join(BUILD, "peers")
UID, SESSION_UID = 20001, 20002      # the mailbox's owner; used only as root
CONNECTIONS = "1200"                 # more than any figure opens at once


class Missing(Exception):
    """A server that cannot be measured here, and why."""


def is_root():
    return os.geteuid() == 0


def tool(name):
    return os.path.join(BUILD, "test", name)


def free_port():
    return subprocess.run([tool("floor"), "port"], check=True, capture_output=True,
                          text=True).stdout.strip()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def make_dirs(*paths, uid=None, mode=0o755):
    for path in paths:
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if uid is not None and is_root():
            os.chown(path, uid, uid)


def make_maildir(path):
    make_dirs(path, *(os.path.join(path, d) for d in ("tmp", "new", "cur")), uid=UID,
              mode=0o700)


class Group:
    """A control group: what its processes use, and which they are."""

    made = 0

    def __init__(self):
        Group.made += 1
        name = "postern-bench-%d-%d" % (os.getpid(), Group.made)
        self.dir = None
        for line in open("/proc/mounts"):
            if line.split()[2] == "cgroup2":
                self.dir = os.path.join(line.split()[1], name)
        try:
            os.mkdir(self.dir)
        except (OSError, TypeError):
            self.dir = None

    def enter(self):
        if self.dir:
            with open(os.path.join(self.dir, "cgroup.procs"), "w") as f:
                f.write("0")

    def cpu_seconds(self):
        if not self.dir:
            return None
        with open(os.path.join(self.dir, "cpu.stat")) as f:
            return int(f.readline().split()[1]) / 1e6

    def private_kib(self):
        """(private memory of all processes, their number)."""
        total = count = 0
        if not self.dir:
            return None
        for pid in open(os.path.join(self.dir, "cgroup.procs")).read().split():
            try:
                text = open("/proc/%s/smaps_rollup" % pid).read()
            except OSError:
                continue
            total += sum(map(int, re.findall(r"Private_(?:Clean|Dirty): +(\d+)", text)))
            count += 1
        return total, count

    def remove(self):
        for _ in range(50):
            try:
                if self.dir:
                    os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.1)


class Server:
    """Subclasses give name, setup(), and script(), a shell text that ends in exec."""
    name = ""
    mail = True          # it takes messages, not only greetings
    bdat = False
    address = "bench@bench.test"

    def __init__(self, work):
        self.dir = os.path.join(work, self.name.replace(" ", "-"))
        self.home = os.path.join(self.dir, "home")
        self.new = os.path.join(self.home, "Maildir/new")
        self.process = None
        make_dirs(self.dir)
        self.setup()
        self.port = free_port()
        self.start()

    def setup(self):
        pass

    def start(self):
        self.group = Group()
        command = ["sh", "-c", "set -e\n" + self.script()]
        if is_root():
            command = ["unshare", "--mount", "--propagation", "private", "--pid",
                       "--fork", "--kill-child"] + command
        if shutil.which("setpriv"):      # whatever ends us ends the server
            command = ["setpriv", "--pdeathsig", "KILL"] + command
        self.log = open(os.path.join(self.dir, "log"), "a")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, preexec_fn=self.group.enter,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        for _ in range(300):
            time.sleep(0.1)
            if self.process.poll() is not None:
                break
            if subprocess.run([tool("load"), "-p", self.port, "-h", "-c1", "-n1", "-x5"],
                              capture_output=True).returncode == 0:
                return
        log = open(os.path.join(self.dir, "log")).read()[-600:]
        self.stop()
        raise Missing("%s did not start: %s" % (self.name, log))

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        self.group.remove()

    def empty(self):
        """
        Before a round: an empty mailbox, nothing left to write back. Its messages are kept
        aside to the end, but for large ones: an ext4 without a journal looks, for each file
        it makes, at every one that was deleted in the last minutes.
        """
        aside = tempfile.mkdtemp(dir=self.dir)
        for name in os.listdir(self.new):
            kept = os.path.join(aside, name)
            os.rename(os.path.join(self.new, name), kept)
            if os.path.getsize(kept) > 1000000:
                os.unlink(kept)
        os.sync()


def tcpserver(server, program):
    """One line for every server that tcpserver starts: the same flags."""
    return "exec tcpserver -HRl0 -c %s -b 512 127.0.0.1 %s %s\n" % (
        CONNECTIONS, server.port, program)


def need(found, what):
    if not found:
        raise Missing(what)


class Greet(Server):
    name = "greet only"
    mail = False

    def setup(self):
        need(shutil.which("tcpserver"), "tcpserver is not installed (ucspi-tcp)")

    def script(self):
        return tcpserver(self, tool("greet"))


class Accept(Server):
    name = "accept, fork, greet"
    mail = False

    def script(self):
        return "exec %s accept %s\n" % (tool("floor"), self.port)


class Postern(Server):
    name = "postern"
    bdat = True
    keys = ""            # more global keys of postern.conf

    def setup(self):
        need(shutil.which("tcpserver"), "tcpserver is not installed (ucspi-tcp)")
        self.smtpd = os.environ.get("SMTPD") or os.path.join(BUILD, "smtpd")
        need(os.path.exists(self.smtpd), self.smtpd + " is not built")
        self.state = os.path.join(self.dir, "state")
        self.conf = os.path.join(self.dir, "postern.conf")
        write(self.conf, "hostname = bench.test\nstate = state\nsize = 200M\n"
              + self.keys + "[limits]\nrecipients = 200\nmessages = 1000000\n"
              # No client is turned away: it is one host that plays all of them.
              "connections = %s\nconnections-per-source = %s\nrate = 0\n" % (
                  CONNECTIONS, CONNECTIONS))
        write(os.path.join(self.dir, "domains/bench.test.conf"), "deliver = maildir\n")
        make_dirs(self.state, *(os.path.join(self.state, d) for d in (
            "auth", "mail", "mail/bench.test", "tmp", "spool", "partial")), uid=UID)
        make_dirs(os.path.join(self.state, "jail"), uid=0, mode=0o555)
        write(os.path.join(self.state, "jail.owner"), "")
        if is_root():
            os.chown(os.path.join(self.state, "jail.owner"), SESSION_UID, SESSION_UID)
        self.home = self.mailbox("bench")
        self.new = os.path.join(self.home, "Maildir/new")
        make_maildir(os.path.join(self.home, "Maildir"))

    def mailbox(self, local):
        path = os.path.join(self.state, "mail/bench.test", local)
        if not os.path.isdir(path):
            make_dirs(path, uid=UID, mode=0o700)
        return path

    def script(self):
        return tcpserver(self, "%s -c %s" % (self.smtpd, self.conf))


class Listening(Postern):
    """The listening entrance: no tcpserver, no exec; session processes are rewound."""
    name = "postern -L"

    def script(self):
        return "exec %s -c %s -L 127.0.0.1:%s\n" % (self.smtpd, self.conf, self.port)


class Fresh(Listening):
    name = "postern -L, fresh"
    keys = "session-reuse = 1\n"


class Notqmail(Server):
    """Found by NOTQMAIL=PREFIX, as it is installed."""
    name = "notqmail"

    def setup(self):
        prefix = os.environ.get("NOTQMAIL") or "/var/qmail"
        need(os.path.exists(prefix + "/bin/qmail-smtpd"),
             "no notqmail in %s (set NOTQMAIL=PREFIX)" % prefix)
        need(is_root(), "notqmail needs root")
        need(shutil.which("tcpserver"), "tcpserver is not installed (ucspi-tcp)")
        self.prefix = prefix
        for name in ("control", "users", "alias"):
            make_dirs(os.path.join(self.dir, name))
        # An empty queue and its trigger, as its own installation laid it out.
        subprocess.run(["cp", "-a", prefix + "/queue", self.dir], check=True)
        for name in ("me", "rcpthosts", "locals"):
            write(os.path.join(self.dir, "control", name), "bench.test\n")
        write(os.path.join(self.dir, "users/assign"),
              "=bench:bench:%d:%d:%s:::\n.\n" % (UID, UID, self.home))
        make_dirs(self.home, uid=UID, mode=0o700)
        make_maildir(os.path.join(self.home, "Maildir"))

    def script(self):
        binds = "".join("mount --bind %s/%s %s/%s\n" % (self.dir, d, self.prefix, d)
                        for d in ("control", "users", "alias", "queue"))
        qmail = self.prefix + "/bin/"
        return (binds + qmail + "qmail-newu\n" +
                "PATH=%s:$PATH %sqmail-start ./Maildir/ &\n" % (qmail, qmail) +
                # No exec: a change of uid would forget the signal at our death.
                "tcpserver -HRl0 -c %s -b 512 -u `id -u qmaild` -g `id -g qmaild` "
                "127.0.0.1 %s %sqmail-smtpd & wait\n" % (CONNECTIONS, self.port, qmail))


class Packaged(Server):
    """A peer installed in a root folder of its own (tests/bench/peers makes it)."""
    program = ""

    def setup(self):
        self.root = os.environ.get(self.name.upper() + "_ROOT") or \
            os.path.join(PEERS, self.name)
        need(os.path.exists(self.root + self.program),
             "no %s in %s (tests/bench/peers makes it)" % (self.name, self.root))
        need(is_root(), self.name + " needs root")
        self.binds = ["run"]
        make_dirs(os.path.join(self.dir, "run"))
        self.overlay("etc/passwd", lambda text: text + (
            "bench:x:%d:%d::/home/bench:/bin/sh\n" % (UID, UID)))
        self.home = os.path.join(self.dir, "home/bench")
        self.new = os.path.join(self.home, "Maildir/new")
        self.binds.append("home")
        make_dirs(self.home, uid=UID, mode=0o700)
        make_maildir(os.path.join(self.home, "Maildir"))

    def overlay(self, path, change=lambda text: text):
        with open(os.path.join(self.root, path)) as f:
            write(os.path.join(self.dir, path), change(f.read()))
        self.binds.append(path)

    def folder(self, path):
        os.makedirs(os.path.dirname(os.path.join(self.dir, path)), exist_ok=True)
        subprocess.run(["cp", "-a", os.path.join(self.root, path),
                        os.path.join(self.dir, path)], check=True)
        self.binds.append(path)

    def script(self):
        return "".join("mount --bind %s/%s %s/%s\n" % (self.dir, d, self.root, d)
                       for d in self.binds) + self.run()


class Postfix(Packaged):
    name = "postfix"
    program = "/usr/sbin/postfix"

    def setup(self):
        super().setup()
        for path in ("etc/postfix", "var/spool", "var/lib/postfix"):
            self.folder(path)
        master = os.path.join(self.dir, "etc/postfix/master.cf")
        with open(master) as f:
            self.services = f.read()

    def run(self):
        services = re.sub(r"(?m)^smtp +inet", "127.0.0.1:%s inet" % self.port,
                          self.services)
        write(os.path.join(self.dir, "etc/postfix/master.cf"), services)
        chroot = "chroot %s " % self.root
        return (chroot + "postconf -e myhostname=bench.test mydestination=bench.test "
                "inet_interfaces=loopback-only inet_protocols=ipv4 home_mailbox=Maildir/ "
                "mailbox_command= message_size_limit=200000000 mailbox_size_limit=0 "
                "alias_maps= alias_database= relayhost= default_process_limit=300\n"
                + chroot + "postfix check\n"
                + "exec " + chroot + "postfix start-fg\n")


class OpenSMTPD(Packaged):
    name = "opensmtpd"
    program = "/usr/sbin/smtpd"

    def setup(self):
        super().setup()
        self.folder("var/spool")
        make_dirs(os.path.join(self.dir, "var/spool/smtpd"), mode=0o711)

    def run(self):
        write(os.path.join(self.dir, "etc/smtpd.conf"),
              "smtp max-message-size \"200M\"\n"
              "listen on 127.0.0.1 port %s hostname bench.test\n"
              "action \"local\" maildir\n"
              "match from any for domain \"bench.test\" action \"local\"\n" % self.port)
        return "mount --bind %s/etc/smtpd.conf %s/etc/smtpd.conf\nexec chroot %s smtpd -d\n" % (
            self.dir, self.root, self.root)
