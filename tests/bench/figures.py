"""The figures that run measures: which servers, with what load, which columns."""
import collections
import os
import re
import subprocess

import servers
from servers import (Accept, Greet, Listening, Missing, Notqmail, OpenSMTPD, Postern,
                     Postfix, Fresh, tool)

Column = collections.namedtuple("Column", "key title unit")
RATE = Column("rate", "rate", "/s")
CPU = Column("cpu", "CPU per 1000", "s")


def parse(line):
    return {k: float(v) for k, v in (word.split("=") for word in line.split())}


def load(server, *options):
    """One run of the load client: its line as numbers; an error ends the figure."""
    cpu = server.group.cpu_seconds()
    done = subprocess.run([tool("load"), "-p", server.port, *map(str, options)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing("%s: %s %s" % (server.name, done.stderr.strip(), done.stdout.strip()))
    values = parse(done.stdout)
    if cpu is not None:
        values["cpu"] = (server.group.cpu_seconds() - cpu) * 1000 / values["count"]
    return values


def floor(*options):
    done = subprocess.run([tool("floor"), *map(str, options)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Missing("floor: " + done.stderr.strip())
    return [parse(line) for line in done.stdout.splitlines() if "=" in line]


class Figure:
    """once() gives the values of one round; the first column is what ratios compare."""
    name = title = about = ""
    servers = ()
    columns = (RATE, CPU)
    scale = 1.0            # --short makes it smaller

    def subjects(self, work, missing):
        started = []
        for kind in self.servers:
            try:
                started.append(kind(os.path.join(work, self.name)))
            except Missing as why:
                missing.append(str(why))
                if kind is self.servers[0]:
                    self.end(started)
                    raise
        return started

    def end(self, subjects):
        for subject in subjects:
            subject.stop()

    def label(self, subject):
        return subject.name

    def count(self, n):
        return max(1, int(n * self.scale))


class Hello(Figure):
    name = "hello"
    title = "Connect, EHLO, QUIT"
    about = ("10 clients, no message. `greet only` is the least that can run under "
             "tcpserver; `accept, fork, greet` needs no tcpserver and no exec.")
    servers = (Postern, Greet, Notqmail, Listening, Accept, Fresh, OpenSMTPD, Postfix)
    columns = (RATE, CPU, Column("banner_ms", "to the banner", "ms"))

    def once(self, server):
        quick = isinstance(server, (Accept, Listening, Postfix))
        return load(server, "-h", "-c", 10, "-n", self.count(3000 if quick else 1000))


class Banner(Figure):
    name = "banner"
    title = "Connect to banner, one client"
    about = "One connection after the other; the median and the 99th percentile."
    servers = (Postern, Greet, Notqmail, Listening, Accept, Fresh, OpenSMTPD, Postfix)
    columns = (Column("banner_ms", "median", "ms"), Column("banner_p99", "p99", "ms"))

    def once(self, server):
        return load(server, "-h", "-c", 1, "-n", self.count(400))


class Sink:
    """The floor of delivery, in a folder of its own on the same filesystem."""
    name = "write, fsync, link, fsync"

    def __init__(self, work):
        self.dir = os.path.join(work, "floor")
        servers.make_dirs(os.path.join(self.dir, "new"))

    def stop(self):
        pass


class Deliver(Figure):
    name = "deliver"
    title = "Delivered messages, a new connection each"
    about = ("4 KiB, 10 clients, one mailbox, timed until the last message is in new/; "
             "the peers with their packaged durability.")
    servers = (Postern, Listening, Fresh, Notqmail, OpenSMTPD, Postfix, Sink)
    columns = (RATE, CPU, Column("session_ms", "session", "ms"))
    each = 1
    messages = 600

    def once(self, server):
        if isinstance(server, Sink):
            return floor("commit", server.dir, 10, self.count(5 * self.messages), 4096)[0]
        server.empty()
        return load(server, "-w", server.new, "-c", 10, "-k", self.each, "-n",
                    self.count(self.messages))


class Many(Deliver):
    name = "many"
    title = "Delivered messages, ten on a connection"
    about = Deliver.about.replace("10 clients", "10 clients, 10 messages on a connection")
    each = 10
    messages = 1500


class Drain(Sink):
    name = "read, convert, write, fsync"
    bdat = False


class Big(Figure):
    name = "big"
    title = "One message of 25 MB by DATA"
    about = "One client; from the first octet of the data to the reply after it."
    servers = (Postern, Listening, OpenSMTPD, Postfix, Notqmail, Drain)
    columns = (Column("mbps", "rate", "MB/s"),)
    options = ()

    def once(self, server):
        if isinstance(server, Drain):
            return {"mbps": sorted(v["mbps"] for v in
                                   floor("drain", server.dir, 25000000, 3))[1]}
        server.empty()
        options = self.options if server.bdat else ()
        return load(server, "-w", server.new, "-c", 1, "-n", 5, "-k", 5, "-s", 25000000,
                    *options)


class BigBdat(Big):
    name = "bigbdat"
    title = "One message of 25 MB by BDAT"
    about = Big.about + " Servers without CHUNKING get DATA."
    options = ("-b",)
    servers = (Postern, Listening, OpenSMTPD, Postfix, Drain)


class Sized(Figure):
    """Ours against itself: a small and a large state; costs should not differ."""
    sizes = (10, 100000)
    columns = (RATE, CPU)

    def subjects(self, work, missing):
        self.sizes = (self.sizes[0], self.count(self.sizes[1]))
        started = []
        for size in self.sizes:
            server = Postern(os.path.join(work, self.name, str(size)))
            server.size = size
            self.fill(server)
            started.append(server)
        os.sync()
        return started

    def label(self, server):
        return "%d %s" % (server.size, self.what)


class Mailboxes(Sized):
    name = "mailboxes"
    title = "10 and 100,000 mailboxes"
    about = "A domain with so many mailboxes; messages go to 500 of them (or 10) in turn."
    what = "mailboxes"

    def fill(self, server):
        for i in range(server.size):
            path = server.mailbox("box%d" % i)
            if i < 500:
                servers.make_maildir(os.path.join(path, "Maildir"))

    def once(self, server):
        return load(server, "-c", 10, "-n", self.count(500), "-t", "box@bench.test", "-u",
                    min(500, server.size))


class Crowded(Sized):
    name = "crowded"
    title = "10 and 100,000 messages in the mailbox"
    about = "new/ of the one mailbox holds so many already."
    what = "messages"

    def fill(self, server):
        for i in range(server.size):
            path = os.path.join(server.new, "1000000000.M%06dP1R1.bench.test,S=5" % i)
            with open(path, "w") as f:
                f.write("a: b\n")
            if servers.is_root():
                os.chown(path, servers.UID, servers.UID)

    def once(self, server):
        return load(server, "-c", 10, "-n", self.count(500))


class Fanout(Figure):
    name = "fanout"
    title = "100 recipients of one message"
    about = ("One message of 4 KiB to 100 mailboxes, one to one: system calls of the whole "
             "delivery, and commits of the filesystem's journal where it has one.")
    servers = (Postern,)
    columns = tuple(Column(k, k, "") for k in (
        "messages", "write", "fsync", "syncfs", "linkat", "commits"))

    def subjects(self, work, missing):
        if not servers.shutil.which("strace"):
            raise Missing("strace is not installed")
        self.journal = None
        if journal_commits(work) is None:
            self.journal = mount_journal(work)
        server = super().subjects(self.journal or work, missing)[0]
        for i in range(100):
            servers.make_maildir(os.path.join(server.mailbox("box%d" % i), "Maildir"))
        return [(server, 1), (server, 100)]

    def label(self, subject):
        return "%d recipient%s" % (subject[1], "s" if subject[1] > 1 else "")

    def end(self, subjects):
        if subjects:
            subjects[0][0].stop()
        if self.journal:
            unmount(self.journal)

    def once(self, subject):
        server, n = subject
        options = ["-c", "1", "-n", "1", "-r", str(n), "-t", "box@bench.test", "-u", "100"]
        values = {"messages": 1.0}
        commits = journal_commits(server.state)
        load(server, *options)
        if commits is not None:
            values["commits"] = journal_commits(server.state) - commits
        # Traced apart from the count of commits: tracing itself is slow and noisy.
        values.update(trace(server, options))
        return values


def trace(server, options):
    """System calls of one delivery: strace starts smtpd in tcpserver's place."""
    out = os.path.join(server.dir, "trace")
    port = servers.free_port()
    names = ("write", "fsync", "fdatasync", "syncfs", "linkat")
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", out, "-e", "trace=" + ",".join(names), "tcpserver",
         "-HRl0", "127.0.0.1", port, server.smtpd, "-c", server.conf],
        stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(50):
            servers.time.sleep(0.1)
            if subprocess.run([tool("load"), "-p", port, "-h", "-n1", "-c1"],
                              capture_output=True).returncode == 0:
                break
        before = os.path.getsize(out)
        subprocess.run([tool("load"), "-p", port, *options], check=True, capture_output=True)
        servers.time.sleep(0.5)
    finally:
        os.killpg(process.pid, servers.signal.SIGTERM)
        process.wait()
    text = open(out).read()[before:]
    counts = {n: float(len(re.findall(r"(?m)^\d+ +%s\(" % n, text))) for n in names}
    counts["write"] -= len(re.findall(r"(?m)^\d+ +write\(2, ", text))   # the log
    counts["fsync"] += counts.pop("fdatasync")
    return counts


def journal_commits(path):
    """Transactions committed so far by the journal of path's filesystem (ext4)."""
    device = os.stat(path).st_dev
    name = "%d:%d" % (os.major(device), os.minor(device))
    real = os.path.basename(os.path.realpath("/sys/dev/block/" + name))
    for entry in os.listdir("/proc/fs/jbd2") if os.path.isdir("/proc/fs/jbd2") else ():
        if entry.startswith(real + "-"):
            text = open("/proc/fs/jbd2/%s/info" % entry).read()
            return float(re.match(r"(\d+) transactions", text).group(1))
    return None


def mount_journal(work):
    """A small ext4 with a journal, where the filesystem here keeps none; or None."""
    image, folder = os.path.join(work, "journal.img"), os.path.join(work, "journal")
    os.mkdir(folder)
    with open(image, "w") as f:
        f.truncate(256 << 20)
    for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, folder]):
        if not servers.is_root() or subprocess.run(command).returncode != 0:
            return None
    return folder


def unmount(folder):
    """The last processes beneath it may take a moment to be gone."""
    for _ in range(50):
        if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
            return
        servers.time.sleep(0.1)
    raise Missing("cannot unmount " + folder)


class Exec(Figure):
    name = "exec"
    title = "Start of an empty program"
    about = "posix_spawn and wait; linked in several ways by the compiler that is here."
    columns = (Column("cpu_us", "CPU", "us"), Column("us", "start to end", "us"))
    ways = (("static", ["-static"]), ("static-pie", ["-static-pie"]), ("dynamic", []),
            ("dynamic, libsodium", ["-lsodium"]), ("dynamic, libsystemd", ["-lsystemd"]),
            ("dynamic, OpenSSL", ["-lssl", "-lcrypto"]))

    def subjects(self, work, missing):
        folder = os.path.join(work, self.name)
        os.makedirs(folder)
        source = os.path.join(folder, "empty.c")
        servers.write(source, "int main(void) { return 0; }\n")
        made = []
        for label, flags in self.ways:
            out = os.path.join(folder, label.replace(", ", "-"))
            if subprocess.run(["gcc", "-O2", "-o", out, source, "-Wl,--no-as-needed", *flags],
                              capture_output=True).returncode == 0:
                made.append((label, out))
            else:
                missing.append("exec %s: does not link here" % label)
        if not made:
            raise Missing("no compiler")
        return made

    def label(self, subject):
        return subject[0]

    def end(self, subjects):
        pass

    def once(self, subject):
        return floor("exec", self.count(500), subject[1])[0]


def idle_memory(server, clients):
    """(private KiB, number) of the server's processes with so many clients after EHLO."""
    if server.group.private_kib() is None:
        raise Missing("no control group can be made here")
    idle = subprocess.Popen([tool("load"), "-p", server.port, "-i", "-c", str(clients)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    line = idle.stdout.readline()
    after = server.group.private_kib()
    idle.communicate("")
    servers.time.sleep(1)
    if "ready=%d " % clients not in line:
        raise Missing("%s: %s" % (server.name, line.strip()))
    return after


class Memory(Figure):
    name = "memory"
    title = "Memory of an idle session"
    about = ("200 clients that have said EHLO: private memory of all processes that came "
             "with them, a session.")
    servers = (Postern, Listening, Notqmail, OpenSMTPD, Postfix)
    columns = (Column("kib", "private", "KiB"), Column("processes", "processes", ""))

    def once(self, server):
        # Before the first session: what a server keeps for later ones counts too.
        if not hasattr(server, "before"):
            server.before = server.group.private_kib()
        kib, processes = idle_memory(server, 200)
        return {"kib": (kib - server.before[0]) / 200,
                "processes": (processes - server.before[1]) / 200}


class Clients(Deliver):
    name = "clients"
    title = "Messages a second and memory against clients"
    about = ("4 KiB, a new connection each, by so many clients at once; and the private "
             "memory of all processes while so many clients idle after EHLO.")
    servers = (Listening, Fresh, OpenSMTPD, Postfix)
    steps = (1, 3, 10, 30, 100)
    columns = (tuple(Column("rate%d" % n, "by %d" % n, "/s") for n in steps) +
               tuple(Column("mib%d" % n, "of %d" % n, "MiB") for n in steps))
    messages = 400

    def once(self, server):
        values = {"mib%d" % n: idle_memory(server, n)[0] / 1024 for n in self.steps}
        for n in self.steps:
            server.empty()
            values["rate%d" % n] = load(
                server, "-w", server.new, "-c", n, "-n",
                max(n, self.count(self.messages)))["rate"]
        return values


FIGURES = (Hello, Deliver, Many, Banner, Big, BigBdat, Mailboxes, Crowded, Fanout, Exec,
           Memory, Clients)
NAMES = [f.name for f in FIGURES]


def chosen(names, short):
    for kind in FIGURES:
        if not names or kind.name in names:
            figure = kind()
            figure.scale = 0.1 if short else 1.0
            yield figure
