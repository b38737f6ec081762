#!/usr/bin/env python3
"""A POP3 mailbox beside mpop, getmail6 and fetchmail: into a Maildir, and into an account, on a private Dovecot. Prints a
table to stderr and JSON to stdout.

    MH_BINARY=build/release/mailhaul python3 tests/bench/pop3.py [--corpus S|T|L] [--messages N] [--rounds N] [--rtt MS]
        [--jobs pop3-maildir,pop3-imap] [--without getmail,fetchmail] [--storage maildir|sdbox] [--fsync optimized|never|always]

One run: rounds are interleaved, every target is read back by its files or by doveadm and compared by digests. All use one
connection, in plain text. Durability: mailhaul syncs a batch before it calls it delivered, mpop and getmail sync every
file, fetchmail hands to LMTP, which answers for what it has stored. `limit` is what the octets cost alone: to a Maildir
RETR with 64 in flight, files written, one sync of the file system at the end (`limit fsync`: one for each file); to an
account the slower of such a RETR and of MULTIAPPEND, 50 messages at a time, from a file. `again` is the run after it that
finds nothing to do. A delay is added by a proxy in this process, which limits no bandwidth; in `pop3-imap` to both sides.

Every round has places of its own, and nothing is removed before the end: for minutes ext4 does not give out an inode that
was freed, and who creates files beside many such ones pays ten times the price. Steadiest with --scratch on a new file
system of its own."""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("readers", "server")] + [HERE]
import accountreaders  # noqa: E402
import certificates  # noqa: E402
import imap  # noqa: E402
import mailreaders  # noqa: E402
import proxy  # noqa: E402
import servers  # noqa: E402

ACCOUNTS = ["ours", "theirs", "nobody"]
FIRST_FIELD = b"Received: from mx.example.net"  # of every generated message; what stands before it a program put there
PEERS = {"mpop": "mpop", "getmail": "getmail", "fetchmail": "fetchmail"}

# Raw clients: PORT USER and what to do with it. Each a process of its own, like the programs they are beside. This one is C,
# for in Python it would be no limit: compiled with the first of cc, gcc, clang.
RAW_RETR = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static char in[1 << 20], *text;
static size_t at, end, size, room;
static int server;
static void die(const char* what) { perror(what); exit(1); }
static char next(void) {
  if (at == end) {
    ssize_t got = read(server, in, sizeof in);
    if (got <= 0) die("read");
    at = 0, end = (size_t)got;
  }
  return in[at++];
}
static char* line(void) {
  static char got[1024];
  size_t n = 0;
  for (char c; (c = next()) != '\n';) if (n < sizeof got - 1) got[n++] = c;
  got[n] = 0;
  if (got[0] != '+') exit((fprintf(stderr, "%s\n", got), 1));
  return got;
}
static void say(const char* words) { if (write(server, words, strlen(words)) < 0) die("write"); }
static void put(const char* from, size_t count) {
  if (size + count > room) text = realloc(text, room = (size + count) * 2);
  memcpy(text + size, from, count);
  size += count;
}
/* One message, without its dots, with LF for CR LF. */
static void body(void) {
  for (size = 0;;) {
    char c = next();
    if (c == '.') {
      c = next();
      if (c == '\r') { next(); return; }
    }
    for (at--;;) {
      if (at == end) next(), at--;
      char* nl = memchr(in + at, '\n', end - at);
      if (!nl) { put(in + at, end - at), at = end; continue; }
      put(in + at, (size_t)(nl - in) - at);
      at = (size_t)(nl - in) + 1;
      if (size && text[size - 1] == '\r') size--;
      put("\n", 1);
      break;
    }
  }
}
static void all(int fd) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, text + done, size - done);
    if (n < 0) die("write");
    done += (size_t)n;
  }
}
int main(int argc, char** argv) {
  const char* where = argc > 3 && *argv[3] ? argv[3] : NULL;
  const int each = argc > 4 && !strcmp(argv[4], "fsync");
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server = socket(AF_INET, SOCK_STREAM, 0);
  int one = 1;
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(server, (struct sockaddr*)&to, sizeof to)) die("connect");
  char words[4096], name[4096], last[4096];
  line();
  snprintf(words, sizeof words, "USER %s\r\n", argv[2]), say(words), line();
  say("PASS pw\r\n"), line();
  say("STAT\r\n");
  long count = atol(line() + 3), asked = 0;
  if (where) {
    mkdir(where, 0700);
    for (int i = 0; i < 3; i++) snprintf(name, sizeof name, "%s/%s", where, i == 0 ? "tmp" : i == 1 ? "cur" : "new"), mkdir(name, 0700);
  }
  for (long done = 0; done < count; done++) {
    words[0] = 0;
    for (size_t n = 0; asked < count && asked < done + 64;) n += (size_t)sprintf(words + n, "RETR %ld\r\n", ++asked);
    if (*words) say(words);
    line();
    body();
    if (!where) continue;
    snprintf(name, sizeof name, "%s/tmp/%ld", where, done), snprintf(last, sizeof last, "%s/cur/%ld:2,", where, done);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) die(name);
    all(fd);
    if (each && fsync(fd)) die("fsync");
    close(fd);
    if (each && rename(name, last)) die("rename");
  }
  say("QUIT\r\n");
  if (!where) return 0;
  snprintf(name, sizeof name, "%s/cur", where);
  int folder = open(name, O_RDONLY);
  if (!each) {
    if (syncfs(folder)) die("syncfs");
    for (long n = 0; n < count; n++) {
      snprintf(name, sizeof name, "%s/tmp/%ld", where, n), snprintf(last, sizeof last, "%s/cur/%ld:2,", where, n);
      if (rename(name, last)) die("rename");
    }
  }
  return fsync(folder);
}
"""
RAW_APPEND = r"""
import os, socket, sys, threading
port, user, index, texts = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
sizes = [int(word) for word in open(index).read().split()]
source = open(texts, "rb")
sock = socket.create_connection(("localhost", port))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
batches = [sizes[at:at + 50] for at in range(0, len(sizes), 50)]
answers = sock.makefile("rb")
def until(tag):
    while not (got := answers.readline()).startswith(tag + b" "):
        assert got, "the server ended"
    assert got.startswith(tag + b" OK"), got
answers.readline()
sock.sendall(b"a LOGIN %s pw\r\n" % user.encode()); until(b"a")
window = threading.Semaphore(8)
def hear():
    for number in range(len(batches)):
        until(b"b%d" % number)
        window.release()
ear = threading.Thread(target=hear)
ear.start()
for number, batch in enumerate(batches):
    window.acquire()
    parts = [b"b%d APPEND INBOX" % number]
    for size in batch:
        parts.append(b' (\\Seen) "02-Jan-2006 15:04:05 +0000" {%d+}\r\n' % size)
        parts.append(source.read(size))
    sock.sendall(b"".join(parts) + b"\r\n")
ear.join()
sock.sendall(b"z LOGOUT\r\n")
"""


def digest(program, octets):
    octets = octets[max(0, octets.find(FIRST_FIELD)):]
    # getmail folds header lines anew: of what it delivers only the bodies are as they were.
    return mailreaders.nid(octets.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1] if program == "getmail" else octets)


def as_user(command):
    """getmail delivers nothing as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=%d" % servers.USER.pw_uid, "--regid=%d" % servers.USER.pw_gid, "--clear-groups", *command]


class Bench:
    def __init__(self, scratch, server, pop3_port, imap_port, lmtp_port):
        self.scratch, self.server = scratch, server
        self.pop3_port, self.imap_port, self.lmtp_port = pop3_port, imap_port, lmtp_port
        self.used = {}

    def path(self, *parts):
        return os.path.join(self.scratch, *parts)

    def fresh(self, name):
        """A place of that kind that nobody has used: the name of an account, or a path."""
        self.used[name] = self.used.get(name, 0) + 1
        return self.place(name)

    def place(self, name):
        """The one that was fresh last."""
        numbered = "%s-%d" % (name, self.used[name])
        return numbered if name in ACCOUNTS else self.path(numbered)

    def written(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o600)
        return self.path(name)

    def maildir(self, name):
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.fresh(name) if sub == "cur" else self.place(name), sub))

    # Programs; each gives what it cost, and `again` leaves what it finds

    def mailhaul(self, job, again):
        if not again:
            self.fresh("mailhaul" if job == "pop3-maildir" else "ours")
            self.fresh("state")
        source = "pop3://source@localhost:%d?tls=off" % self.pop3_port
        target = ("maildir:" + self.place("mailhaul") if job == "pop3-maildir"
                  else "imap://%s@localhost:%d/?tls=off" % (self.place("ours"), self.imap_port))
        passwords = ["--source-password-file", self.server.password_file("source")]
        passwords += ["--target-password-file", self.server.password_file(self.place("ours"))] if job == "pop3-imap" else []
        return imap.run([imap.BINARY, "copy", "-q", "--dedup", "none", *passwords, source, target],
                        dict(os.environ, XDG_STATE_HOME=self.place("state")))

    def mpop(self, _, again):
        if not again:
            self.maildir("mpop")
            self.fresh("mpop-uidls")
        settings = self.written("mpoprc", "account a\nhost localhost\nport %d\nuser source\npassword pw\ntls off\nauth user\nkeep on\n"
                                "pipelining on\nreceived_header off\nuidls_file %s\ndelivery maildir %s\n"
                                % (self.pop3_port, self.place("mpop-uidls"), self.place("mpop")))
        return imap.run(["mpop", "-C", settings, "-q", "a"])

    def getmail(self, _, again):
        if not again:
            os.makedirs(self.fresh("getmail-state"))
            self.maildir("getmail")
        settings = self.written("getmailrc", "[retriever]\ntype = SimplePOP3Retriever\nserver = localhost\nport = %d\nusername = source\n"
                                "password = pw\n[destination]\ntype = Maildir\npath = %s/\n[options]\nread_all = false\n"
                                "delivered_to = false\nreceived = false\nverbose = 0\n" % (self.pop3_port, self.place("getmail")))
        for name in ("getmail", "getmail-state"):
            servers.give_away(self.place(name))
        if os.geteuid() == 0:
            os.chown(settings, servers.USER.pw_uid, servers.USER.pw_gid)
        return imap.run(as_user(["getmail", "--getmaildir=" + self.place("getmail-state"), "--rcfile=" + settings]))

    def fetchmail(self, _, again):
        if not again:
            self.fresh("theirs")
            self.fresh("fetchmail-ids")
        settings = self.written("fetchmailrc", 'set idfile "%s"\nset pidfile "%s"\nset invisible\npoll localhost proto POP3 service %d uidl '
                                'user "source" password "pw" is %s here keep sslproto \'\' lmtp smtphost "127.0.0.1/%d" smtpname "%s"\n'
                                % (self.place("fetchmail-ids"), self.path("fetchmail-pid"), self.pop3_port, self.place("theirs"),
                                   self.lmtp_port, self.place("theirs")))
        # 1: there was no mail.
        return imap.run(["sh", "-c", '"$@" || [ $? -eq 1 ]', "sh", "fetchmail", "-f", settings, "-s"])

    def raw_retr(self, where="", sync=""):
        if where:
            where = self.fresh(where)
        return imap.run([self.path("raw-retr"), str(self.pop3_port), "source", where, sync])

    def limit(self, job, _):
        if job == "pop3-maildir":
            return self.raw_retr("limit", "syncfs")
        retr = self.raw_retr()
        append = imap.run([sys.executable, "-S", "-E", "-c", RAW_APPEND, str(self.imap_port), self.fresh("nobody"), self.path("sizes"), self.path("texts")])
        return {"retr": retr["wall"], "append": append["wall"], **max(retr, append, key=lambda one: one["wall"])}

    def limit_fsync(self, *_):
        return self.raw_retr("limit", "fsync")

    # Judging

    def digests(self, program, job):
        if job == "pop3-maildir":
            records = mailreaders.read_place("maildir:" + self.place({"limit_fsync": "limit"}.get(program, program)))
        else:
            account = self.place({"mailhaul": "ours", "limit": "nobody"}.get(program, "theirs"))
            records = accountreaders.read_doveadm(self.server.conf, account)
        return sorted(digest(program, record.octets) for record in records)


def measure(bench, job, rounds, expected, programs):
    has_again = [name for name in programs if not name.startswith("limit")]
    figures = {name: [] for name in programs} | {name + " again": [] for name in has_again}
    for number in range(rounds):
        for name in programs if number % 2 == 0 else programs[::-1]:
            figures[name].append(getattr(bench, name)(job, False))
            if bench.digests(name, job) != expected["getmail" if name == "getmail" else "others"]:
                raise SystemExit("%s, %s: the target is not the source" % (job, name))
            if name in has_again:
                figures[name + " again"].append(getattr(bench, name)(job, True))
    return figures


def summary(figures, octets, count):
    result = {"programs": {}, "over_mailhaul": {}}
    for name, runs in figures.items():
        walls = [one["wall"] for one in runs]
        row = {"wall": {"min": min(walls), "median": statistics.median(walls), "max": max(walls)},
               "cpu": statistics.median(one["cpu"] for one in runs)}
        for part in ("retr", "append"):
            if part in runs[0]:
                row[part] = statistics.median(one[part] for one in runs)
        if not name.endswith("again"):
            row.update(cpu_seconds_per_gib=row["cpu"] / octets * 2 ** 30, messages_per_second=count / row["wall"]["median"])
        result["programs"][name] = row
    for name, row in result["programs"].items():
        ours = result["programs"]["mailhaul again" if name.endswith("again") else "mailhaul"]
        if row is not ours:
            result["over_mailhaul"][name] = row["wall"]["median"] / ours["wall"]["median"]
    result["mailhaul_over_limit"] = 1 / result["over_mailhaul"]["limit"]
    return result


def show(job, result):
    print("%-12s  %-18s %7s %7s %7s %7s  %s" % ("", job, "median", "min", "max", "CPU s", "/ mailhaul"), file=sys.stderr)
    for name, row in result["programs"].items():
        print("%-12s  %-18s %7.2f %7.2f %7.2f %7.2f  %s" % (
            "", name, row["wall"]["median"], row["wall"]["min"], row["wall"]["max"], row["cpu"],
            "%.2f" % result["over_mailhaul"][name] if name in result["over_mailhaul"] else ""), file=sys.stderr)


def flattened(tree, target):
    """All messages of a generated tree in one Maildir, which the server's user owns; gives them as POP3 has them."""
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(target, sub))
    names = {name: folder for folder, _, files in os.walk(tree) for name in files}
    for name in sorted(names, key=lambda name: int(name.split(".", 1)[0])):
        shutil.copy2(os.path.join(names[name], name), os.path.join(target, "cur", name))
        with open(os.path.join(names[name], name), "rb") as file:
            yield file.read().replace(b"\n", b"\r\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--corpus", choices=sorted(imap.MESSAGES), default="S")
    options.add_argument("--messages", type=int, help="default: %s" % imap.MESSAGES)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rtt", type=float, default=0, help="milliseconds")
    options.add_argument("--jobs", default="pop3-maildir,pop3-imap")
    options.add_argument("--without", default="", help="peers that take too long for you")
    options.add_argument("--storage", default="maildir", help="of the target account")
    options.add_argument("--fsync", default="optimized", help="mail_fsync of the server")
    options.add_argument("--scratch", default="/tmp")
    chosen = options.parse_args()
    count = chosen.messages or imap.MESSAGES[chosen.corpus]
    absent = sorted(name for name, program in PEERS.items() if not shutil.which(program))
    if absent:
        print("not installed: " + ", ".join(absent), file=sys.stderr)
    left_out = absent + chosen.without.split(",")
    scratch = tempfile.mkdtemp(prefix="mailhaul-bench-", dir=chosen.scratch)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
        authority = certificates.Authority(os.path.join(scratch, "ca"))
        lmtp_port = servers.free_ports(1)[0]
        lmtp = ("protocols = imap pop3 lmtp\npostmaster_address = postmaster@localhost\nservice lmtp {\n  chroot =\n"
                "  inet_listener lmtp {\n    port = %d\n  }\n}\n" % lmtp_port)
        users = ["source"] + ["%s-%d" % (name, number + 1) for name in ACCOUNTS for number in range(chosen.rounds)]
        one = lambda name, **more: cleanup.enter_context(servers.Dovecot(
            os.path.join(scratch, name), authority, users={user: "pw" for user in users}, fsync=chosen.fsync, **more))
        source, target = one("source-server"), one("target-server", storage=chosen.storage, extra=lmtp)
        octets = imap.generate(os.path.join(scratch, "corpus"), chosen.corpus, count)
        expected = {"getmail": [], "others": []}
        with open(os.path.join(scratch, "texts"), "wb") as texts, open(os.path.join(scratch, "sizes"), "w", encoding="ascii") as sizes:
            for text in flattened(os.path.join(scratch, "corpus"), os.path.join(source.mail_root("source"), "maildir")):
                texts.write(text)
                sizes.write("%d\n" % len(text))
                for program, digests in expected.items():
                    digests.append(digest(program, text))
        servers.give_away(source.mail_root("source"))
        for digests in expected.values():
            digests.sort()
            assert len(digests) == count, (len(digests), count)
        ports = [source.pop3_port, target.port]
        if chosen.rtt:
            ports = [cleanup.enter_context(proxy.Proxy(port, rtt=chosen.rtt / 1000)).port for port in ports]
        bench = Bench(scratch, target, *ports, lmtp_port)
        compiler = next(filter(shutil.which, ("cc", "gcc", "clang")), "cc")
        subprocess.run([compiler, "-O2", "-x", "c", "-", "-o", bench.path("raw-retr")], input=RAW_RETR.encode(), check=True)
        bench.raw_retr()  # the server has now sized every message, and all of them are in memory
        result = {"corpus": chosen.corpus, "messages": count, "octets": octets, "rounds": chosen.rounds, "rtt_ms": chosen.rtt,
                  "storage": chosen.storage, "mail_fsync": chosen.fsync, "absent": absent}
        for job in chosen.jobs.split(","):
            peers = ["mpop", "getmail"] if job == "pop3-maildir" else ["fetchmail"]
            limits = ["limit", "limit_fsync"] if job == "pop3-maildir" else ["limit"]
            programs = ["mailhaul"] + [name for name in peers if name not in left_out] + limits
            result[job] = summary(measure(bench, job, chosen.rounds, expected, programs), octets, count)
            show(job, result[job])
        print(json.dumps(json.loads(json.dumps(result), parse_float=lambda text: round(float(text), 4)), indent=1))


if __name__ == "__main__":
    main()
