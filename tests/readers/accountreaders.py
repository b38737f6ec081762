"""Readers of IMAP accounts that share no code with mailhaul: Python's imaplib over the wire, and Dovecot's doveadm.

Both give the records of mailreaders.py, so that accounts and local places are compared by the same code. Places:
`doveadm:CONF` (the user of $USER, no running server needed) and `doveadm:CONF:USER`."""

import calendar
import collections
import imaplib
import os
import re
import ssl
import subprocess

import mailreaders
from mailreaders import MONTHS, ReadError, Record

SYSTEM_FLAGS = {"\\seen": "seen", "\\answered": "answered", "\\flagged": "flagged", "\\deleted": "deleted", "\\draft": "draft"}
imaplib._MAXLINE = 50_000_000  # a reader of tests may take what the server has

Folder = collections.namedtuple("Folder", "path raw attributes separator")


def meta_of(words):
    """(flags, keywords) of flag words as IMAP writes them; \\Recent is of the session, not of the message."""
    flags = {SYSTEM_FLAGS[word.lower()] for word in words if word.lower() in SYSTEM_FLAGS}
    return flags, {word for word in words if not word.startswith("\\")}


def path_of(name, separator):
    """Components of a mailbox name on the wire: divided first, then decoded, for a name may hold the separator coded."""
    parts = name.split(separator) if separator else [name]
    decoded = [mailreaders.from_mutf7(part) for part in parts]
    return mailreaders.folder_of(tuple(part if plain is None else plain for part, plain in zip(parts, decoded)))


def instant_of(text):
    """Epoch seconds of an INTERNALDATE ("01-Jan-2024 10:00:00 +0100")."""
    match = re.fullmatch(r" ?(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d\d):(\d\d):(\d\d) ([-+])(\d\d)(\d\d)", text)
    if not match:
        raise ReadError("not an INTERNALDATE: " + text)
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    seconds = calendar.timegm((int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second)))
    return seconds - (1 if sign == "+" else -1) * (int(zone_hours) * 3600 + int(zone_minutes) * 60)


# imaplib ----------------------------------------------------------------------------------------------------------

class Account:
    """A session over TLS or in the clear, or over the pipe of a command that is logged in already."""

    def __init__(self, port=None, user=None, password=None, ca=None, host="localhost", starttls=False, command=None):
        context = ssl.create_default_context(cafile=ca) if ca else None
        if command:
            self.session = imaplib.IMAP4_stream(command)
        elif context and not starttls:
            self.session = imaplib.IMAP4_SSL(host, port, ssl_context=context)
        else:
            self.session = imaplib.IMAP4(host, port)
            if starttls:
                self.session.starttls(context)
        if user:
            self.session.login(user, password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.logout()

    def ask(self, verdict, what=""):
        kind, data = verdict
        if kind != "OK":
            raise ReadError("%s: %s %s" % (what, kind, data))
        return data

    def folders(self):
        """Every folder that LIST tells, mere containers too."""
        found = []
        for line in self.ask(self.session.list('""', "*"), "LIST"):
            if isinstance(line, tuple):  # the name came as a literal
                head, name = line
                head = re.sub(rb"\{\d+\}$", b"", head)
            elif line == b")" or not line:
                continue
            else:
                head, name = re.fullmatch(rb'(\([^)]*\) (?:NIL|"(?:\\.|[^"\\])*") )(.*)', line, re.S).groups()
                if name.startswith(b'"'):
                    name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
            attributes, separator = re.match(rb'\(([^)]*)\) (NIL|"(?:\\.|[^"\\])*")', head).groups()
            separator = None if separator == b"NIL" else re.sub(rb"\\(.)", rb"\1", separator[1:-1]).decode()
            found.append(Folder(path_of(name.decode("latin-1"), separator), name,
                                set(attributes.decode().split()), separator))
        return found

    def select(self, raw, readonly=True):
        quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", raw) + b'"'
        self.ask(self.session.select(quoted.decode("latin-1"), readonly), "EXAMINE")

    def messages(self, folder):
        """The records of one folder. BODY.PEEK[] by UID: what the server would hand to any client."""
        self.select(folder.raw)
        records = []
        data = self.ask(self.session.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])"), "FETCH")
        for at, item in enumerate(data):
            if not isinstance(item, tuple):
                continue
            # What follows the literal belongs to the message too: servers choose the order of the items.
            tail = data[at + 1] if at + 1 < len(data) and isinstance(data[at + 1], bytes) else b""
            head, octets = item[0] + b" " + tail, item[1]
            uid = int(re.search(rb"\bUID (\d+)", head).group(1))
            flags, keywords = meta_of(re.search(rb"\bFLAGS \(([^)]*)\)", head).group(1).decode("latin-1").split())
            received = instant_of(re.search(rb'\bINTERNALDATE "([^"]*)"', head).group(1).decode())
            records.append(Record(folder.path, octets, *mailreaders.identities(octets), flags, keywords, received, None,
                                  "%s UID %d" % ("/".join(folder.path), uid)))
        return records

    def records(self):
        return [record for folder in self.folders() if "\\noselect" not in {word.lower() for word in folder.attributes}
                for record in self.messages(folder)]


# doveadm ----------------------------------------------------------------------------------------------------------

TAB_ESCAPES = {"0": "\0", "1": "\1", "t": "\t", "r": "\r", "n": "\n"}


def untab(octets):
    return re.sub("\1([01trn])", lambda match: TAB_ESCAPES[match.group(1)], octets.decode("utf-8"))


def doveadm_fetch(conf, user, form, fields, query=("all",)):
    command = ["doveadm", "-c", conf, "-f", form, "fetch"] + (["-u", user] if user else []) + [" ".join(fields), *query]
    environment = {"PATH": os.environ["PATH"], "HOME": os.path.join(os.path.dirname(conf), "home"), "USER": "test"}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment, cwd="/")
    if done.returncode != 0:
        raise ReadError("doveadm fetch: " + done.stderr.decode("utf-8", "replace"))
    return done.stdout


def read_doveadm(conf, user=None, separator="/", query=("all",)):
    """Messages by `doveadm fetch`: octets as they lie in the store. `query`: which ones, in words of doveadm-search-query."""
    facts = ["mailbox", "uid", "mailbox-guid", "flags", "date.received.unixtime"]
    lines = doveadm_fetch(conf, user, "tab", facts, query).split(b"\n")[1:-1]
    rows = [[untab(field) for field in line.split(b"\t")] for line in lines]
    # A text is printed as it is, without its size: it ends where the next one's facts begin.
    text = doveadm_fetch(conf, user, "pager", ["mailbox-guid", "uid", "text"], query)
    heads = [("mailbox-guid: %s\nuid: %s\ntext:\n" % (row[2], row[1])).encode() for row in rows]
    records, at = [], 0
    for row, head, following in zip(rows, heads, heads[1:] + [None]):
        name, uid, _, words, received = row
        if not text.startswith(head, at):
            raise ReadError("doveadm tells UID %s of %s one time and not the other" % (uid, name))
        at += len(head)
        end = text.index(b"\f\n" + following, at) if following else len(text)
        octets = text[at:end]
        at = end + 2
        flags, keywords = meta_of(words.split())
        seconds = (int(received) + 2 ** 31) % 2 ** 32 - 2 ** 31  # doveadm prints years before 1970 as unsigned
        path = mailreaders.folder_of(tuple(name.split(separator)))
        records.append(Record(path, octets, *mailreaders.identities(octets), flags, keywords, seconds, None,
                              "%s UID %s" % (name, uid)))
    return records


def read_place(path):
    conf, _, user = path.partition(":")
    with open(conf, encoding="utf-8") as file:
        separator = re.search(r"^  separator = (.)$", file.read(), re.M)
    return read_doveadm(conf, user or None, separator.group(1) if separator else "/")
