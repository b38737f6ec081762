"""Readers of mbox and Maildir that share no code with mailhaul, to check what it wrote.

They follow the definitions of docs/design (identity, layouts) and Python's own `mailbox` module. A place is
`mbox:PATH` (a file, or a directory: a tree with NAME.sbd/), `maildir:PATH` or `doveadm:CONF[:USER]`.

    python3 mailreaders.py dump PLACE            JSON, one record a message
    python3 mailreaders.py compare PLACE PLACE   JSON; ends with 1 when mail is missing, extra or differs
    python3 mailreaders.py serve                 a PLACE a line in, tab-separated records and "." (or "!reason") out
"""

import base64
import calendar
import collections
import hashlib
import json
import mailbox
import os
import re
import shutil
import stat
import sys
import tempfile

HOUSEKEEPING = {
    b"status", b"x-status", b"x-keywords", b"x-uid", b"x-imap", b"x-imapbase", b"content-length",
    b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys",
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
OCTETS_SHOWN = 1 << 20  # larger messages are told by their digests only

Record = collections.namedtuple("Record", "folder octets nid eid flags keywords received ticket where")


class ReadError(Exception):
    """The place is not what it should be, or two ways to read it disagree."""


# Identity ---------------------------------------------------------------------------------------------------------

def canonical(octets):
    """Line ends as CRLF, all trailing ones folded into one; nothing stays nothing; a lone CR is an octet."""
    if not octets:
        return b""
    text = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    end = len(text)
    while text[max(0, end - 2):end] == b"\r\n":
        end -= 2
    return text[:end] + b"\r\n"


def nid(octets):
    return identities(octets)[0]


def eid(octets):
    return identities(octets)[1]


def identities(octets):
    """(NID, EID) in one go: a message may be large."""
    text = canonical(octets)
    fields, rest = header_fields(text)
    kept = [field for field in fields if field_name(field) not in HOUSEKEEPING]
    of_all = hashlib.sha256(text).hexdigest()
    if len(kept) == len(fields):
        return of_all, of_all
    return of_all, hashlib.sha256(b"".join(kept) + rest).hexdigest()


def eid_of_lines(lines):
    """EID of a message that is too large to hold, from its lines with their ends. It must have a body."""
    digest, in_header, kept, ends = hashlib.sha256(), True, True, 0
    for number, line in enumerate(lines):
        text = line[:-2] if line.endswith(b"\r\n") else line[:-1] if line.endswith(b"\n") else line
        in_header = in_header and text != b""
        if in_header and (number == 0 or text[:1] not in (b" ", b"\t")):
            kept = field_name(text) not in HOUSEKEEPING
        if in_header and not kept:
            continue
        if text:
            digest.update(b"\r\n" * ends + text)
            ends = 0
        ends += 1
    digest.update(b"\r\n")
    return digest.hexdigest()


def header_fields(text):
    """(fields with their continuation lines, the rest from the first empty line on) of a canonical text."""
    fields, at = [], 0
    while at < len(text):
        end = text.find(b"\r\n", at)
        end = len(text) if end < 0 else end + 2
        line = text[at:end]
        if line == b"\r\n":
            break
        if fields and line[:1] in (b" ", b"\t"):
            fields[-1] += line
        else:
            fields.append(line)
        at = end
    return fields, text[at:]


def field_name(field):
    match = re.match(rb"([!-9;-~]+)[ \t]*:", field)
    return match.group(1).lower() if match else b""


def field_body(field):
    return re.sub(rb"\r\n", b"", field.split(b":", 1)[1]).strip(b" \t\r\n")


# Names ------------------------------------------------------------------------------------------------------------

def to_mutf7(text):
    out, pending = [], ""

    def shift():
        nonlocal pending
        if pending:
            coded = base64.b64encode(pending.encode("utf-16-be")).rstrip(b"=").decode().replace("/", ",")
            out.append("&" + coded + "-")
            pending = ""

    for char in text:
        if " " <= char <= "~":
            shift()
            out.append("&-" if char == "&" else char)
        else:
            pending += char
    shift()
    return "".join(out)


def from_mutf7(text):
    """The name, or None when the text is no canonical mUTF-7."""
    def decode(match):
        if not match.group(1):
            return "&"
        coded = match.group(1).replace(",", "/")
        return base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode("utf-16-be")

    try:
        name = re.sub(r"&([^-]*)-", decode, text)
        return name if to_mutf7(name) == text else None
    except (ValueError, UnicodeError):
        return None


def component_of(file_name):
    """A folder's name from its file name: %XX undone, then mUTF-7. Names that are no such code stand for themselves."""
    raw = os.fsencode(file_name)
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), raw)
    try:
        name = from_mutf7(plain.decode("ascii"))
    except UnicodeDecodeError:
        name = None
    if name is None:
        return raw.decode("utf-8", "replace")
    return name


def folder_of(parts):
    if parts and parts[0].upper() == "INBOX":
        parts = ("INBOX",) + tuple(parts[1:])
    return tuple(parts)


# mbox -------------------------------------------------------------------------------------------------------------

def copy_unseen(path, target):
    """Copies a file without touching its access time where the system allows that."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOATIME)
    except PermissionError:
        source = os.open(path, os.O_RDONLY)
    with os.fdopen(source, "rb") as reader, open(target, "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


def read_unseen(path):
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW)
    except PermissionError:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as reader:
        return reader.read()


def from_line_facts(line):
    """(ticket or None, epoch seconds or None) of `From sender date`; without a zone the date is UTC (RFC 4155)."""
    text = line.decode("latin-1").rstrip("\r\n")
    sender = text[5:].lstrip().split(" ", 1)[0]
    ticket = sender[:-len("@mailhaul")] if re.fullmatch(r"[0-9a-f]{32}@mailhaul", sender) else None
    match = re.search(r"\b([A-Z][a-z]{2}) +(\d{1,2}) +(\d{1,2}):(\d\d)(?::(\d\d))?(?: +[A-Z]{3,4})?"
                      r"(?: +([-+]\d{4}))? +(\d{4})(?: +([-+]\d{4}))?", text)
    if not match or match.group(1) not in MONTHS:
        return ticket, None
    month, day, hour, minute, second, zone_before, year, zone_after = match.groups()
    seconds = calendar.timegm((int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second or 0)))
    zone = zone_after or zone_before
    if zone:
        east = (int(zone[1:3]) * 60 + int(zone[3:5])) * 60
        seconds -= -east if zone[0] == "-" else east
    return ticket, seconds


def unquote_mboxrd(octets):
    if b">From " not in octets:
        return octets
    return re.sub(rb"^>(>*From )", rb"\1", octets, flags=re.M)


def mbox_meta(octets):
    """(flags, keywords) of the housekeeping fields: the first field of each name counts."""
    found = {}
    head = re.split(rb"\n\r?\n", octets, maxsplit=1)[0]
    for field in header_fields(canonical(head))[0]:
        name = field_name(field)
        if name in HOUSEKEEPING:
            found.setdefault(name, field_body(field).decode("utf-8", "replace"))
    flags, keywords = set(), set()
    if "R" in found.get(b"status", ""):
        flags.add("seen")
    for letter, flag in (("A", "answered"), ("F", "flagged"), ("D", "deleted"), ("T", "draft")):
        if letter in found.get(b"x-status", ""):
            flags.add(flag)
    mozilla = found.get(b"x-mozilla-status", "")
    if re.fullmatch(r"[0-9A-Fa-f]{1,8}", mozilla):
        bits = int(mozilla, 16)
        for bit, flag in ((1, "seen"), (2, "answered"), (4, "flagged"), (8, "deleted")):
            if bits & bit:
                flags.add(flag)
        if bits & 0x1000:
            keywords.add("$Forwarded")
    for name in (b"x-keywords", b"x-mozilla-keys"):
        keywords.update(word for word in re.split(r"[\s,]+", found.get(name, "")) if word)
    return flags, keywords


def read_mbox(path, folder=None):
    """The messages of one mbox file (mboxrd). `mailbox.mbox` finds them, on a copy: it would set times and lock."""
    if folder is None:
        name = os.path.basename(os.path.normpath(path))
        folder = folder_of((component_of(name[:-5] if name.endswith(".mbox") else name),))
    records = []
    with tempfile.TemporaryDirectory() as scratch:
        copy = os.path.join(scratch, "mbox")
        copy_unseen(path, copy)
        if os.path.getsize(copy) == 0:
            return records
        with open(copy, "rb") as start:
            if start.read(5) != b"From ":
                raise ReadError(f"{path} does not begin with a From_ line")
        box = mailbox.mbox(copy, create=False)
        try:
            for key in box.keys():
                whole = box.get_bytes(key, from_=True)
                line, _, raw = whole.partition(b"\n")
                octets = unquote_mboxrd(raw)
                flags, keywords = mbox_meta(octets)
                ticket, received = from_line_facts(line)
                records.append(Record(folder, octets, *identities(octets), flags, keywords, received, ticket,
                                      f"{path}#{key}"))
        finally:
            box.close()
    return records


def is_mbox_file(path):
    with open(path, "rb") as handle:
        start = handle.read(5)
    return start in (b"", b"From ")


def read_mbox_tree(path):
    """Every mbox of a tree: children of NAME lie in NAME.sbd/. Other files (indexes, locks) are no folders."""
    records = []

    def walk(directory, parents):
        for name in sorted(os.listdir(directory)):
            full = os.path.join(directory, name)
            info = os.lstat(full)
            if stat.S_ISDIR(info.st_mode) and name.endswith(".sbd"):
                walk(full, parents + (component_of(name[:-4]),))
            elif stat.S_ISREG(info.st_mode) and not name.startswith("."):
                if is_mbox_file(full):
                    records.extend(read_mbox(full, folder_of(parents + (component_of(name),))))

    walk(path, ())
    return records


# Maildir ----------------------------------------------------------------------------------------------------------

def dovecot_keywords(directory):
    names = {}
    try:
        with open(os.path.join(directory, "dovecot-keywords"), encoding="utf-8", errors="replace") as handle:
            for line in handle:
                number, _, name = line.rstrip("\n").partition(" ")
                if number.isdigit() and int(number) < 26 and name:
                    names[chr(ord("a") + int(number))] = name
    except FileNotFoundError:
        pass
    return names


def maildir_meta(name, keyword_names):
    match = re.search(r"[:;!]2,([^,:;!]*)$", name)
    letters = match.group(1) if match else ""
    flags, keywords = set(), set()
    known = {"S": "seen", "R": "answered", "F": "flagged", "T": "deleted", "D": "draft"}
    for letter in letters:
        if letter in known:
            flags.add(known[letter])
        elif letter == "P":
            keywords.add("$Forwarded")
        elif letter in keyword_names:
            keywords.add(keyword_names[letter])
    return flags, keywords


def maildir_names(directory):
    """[(subdirectory, name)] by a plain walk, checked against what `mailbox.Maildir` lists."""
    found = []
    for sub in ("new", "cur"):
        inner = os.path.join(directory, sub)
        if os.path.isdir(inner):
            for name in sorted(os.listdir(inner)):
                if not name.startswith(".") and stat.S_ISREG(os.lstat(os.path.join(inner, name)).st_mode):
                    found.append((sub, name))
    if os.path.isdir(os.path.join(directory, "new")) and os.path.isdir(os.path.join(directory, "cur")):
        listed = set()
        for key in mailbox.Maildir(directory, factory=None, create=False).keys():
            listed.add(key)
        walked = {name.split(":")[0] for _, name in found}
        strange = {key for key in listed - walked if not key.startswith(".") and
                   any(os.path.isfile(p) and not os.path.islink(p)
                       for p in (os.path.join(directory, sub, key) for sub in ("new", "cur")))}
        if walked - listed or strange:
            raise ReadError(f"{directory}: mailbox.Maildir and the plain walk disagree: "
                            f"{sorted(walked - listed)} {sorted(strange)}")
    return found


def read_one_maildir(directory, folder):
    records, keyword_names = [], dovecot_keywords(directory)
    for sub, name in maildir_names(directory):
        path = os.path.join(directory, sub, name)
        octets = read_unseen(path)
        flags, keywords = maildir_meta(name, keyword_names)
        ticket = re.search(r"R([0-9a-f]{32})", name)
        records.append(Record(folder, octets, *identities(octets), flags, keywords,
                              os.lstat(path).st_mtime_ns // 10**9, ticket.group(1) if ticket else None, path))
    return records


def is_maildir(path):
    return os.path.isdir(os.path.join(path, "cur")) or os.path.isdir(os.path.join(path, "new"))


def read_maildir(path):
    """A Maildir, a Maildir++ tree (root = INBOX, `.A.B` = A/B), or nested ones (root/A/B)."""
    records = []
    if is_maildir(path):
        records.extend(read_one_maildir(path, ("INBOX",)))

    def walk(directory, parents):
        for name in sorted(os.listdir(directory)):
            full = os.path.join(directory, name)
            if name.startswith(".") or name in ("cur", "new", "tmp") or os.path.islink(full) or not os.path.isdir(full):
                continue
            here = parents + (component_of(name),)
            if is_maildir(full):
                records.extend(read_one_maildir(full, folder_of(here)))
            walk(full, here)

    for name in sorted(os.listdir(path)):
        full = os.path.join(path, name)
        if name.startswith(".") and not os.path.islink(full) and is_maildir(full):
            records.extend(read_one_maildir(full, folder_of(tuple(component_of(p) for p in name[1:].split(".")))))
    walk(path, ())
    return records


# Places -----------------------------------------------------------------------------------------------------------

def read_place(place):
    scheme, _, path = place.partition(":")
    if scheme == "doveadm":
        import accountreaders  # only who reads accounts needs it
        return accountreaders.read_place(path)
    if not path or not os.path.exists(path):
        raise ReadError(f"{place} is not there")
    if scheme == "maildir":
        return read_maildir(path)
    if scheme == "mbox":
        return read_mbox_tree(path) if os.path.isdir(path) else read_mbox(path)
    raise ReadError(f"{place}: scheme is mbox or maildir")


def fold(words):
    return sorted(word.lower() for word in words)


def compare(a, b):
    """Multiset comparison by folder and EID: what of `a` is missing in `b`, what is extra, what differs in meta."""
    report = {"missing": [], "extra": [], "flags": [], "keywords": [], "dates": [], "equivalent": 0, "equal": 0,
              "folders": {}}
    groups = collections.defaultdict(lambda: ([], []))
    for side, records in ((0, a), (1, b)):
        for record in records:
            groups[(record.folder, record.eid)][side].append(record)
    for (folder, _), (left, right) in sorted(groups.items()):
        counts = report["folders"].setdefault("/".join(folder), {"a": 0, "b": 0})
        counts["a"] += len(left)
        counts["b"] += len(right)
        pairs, left, right = pair_up(left, right)
        report["missing"].extend(describe(record) for record in left)
        report["extra"].extend(describe(record) for record in right)
        for one, other in pairs:
            report["equal" if one.nid == other.nid else "equivalent"] += 1
            for key, x, y in (("flags", sorted(one.flags), sorted(other.flags)),
                              ("keywords", fold(one.keywords), fold(other.keywords)),
                              ("dates", one.received, other.received)):
                if x != y:
                    report[key].append({"folder": "/".join(folder), "eid": one.eid, "a": x, "b": y})
    return report


def pair_up(left, right):
    """Pairs twins so that those that agree in most come first: a swap of two twins is no difference."""
    pairs, right = [], list(right)
    for same in (lambda x, y: (x.nid, x.flags, fold(x.keywords), x.received) ==
                 (y.nid, y.flags, fold(y.keywords), y.received),
                 lambda x, y: (x.flags, fold(x.keywords), x.received) == (y.flags, fold(y.keywords), y.received),
                 lambda x, y: x.nid == y.nid and x.flags == y.flags,
                 lambda x, y: True):
        waiting = []
        for one in left:
            other = next((candidate for candidate in right if same(one, candidate)), None)
            if other is None:
                waiting.append(one)
            else:
                right.remove(other)
                pairs.append((one, other))
        left = waiting
    return pairs, left, right


def describe(record):
    return {"folder": "/".join(record.folder), "eid": record.eid, "where": record.where}


def differs(report):
    return any(report[key] for key in ("missing", "extra", "flags", "keywords", "dates"))


def as_json(record):
    shown = {"folder": list(record.folder), "size": len(record.octets), "nid": record.nid, "eid": record.eid,
             "cid": hashlib.sha256(record.octets).hexdigest(), "flags": sorted(record.flags),
             "keywords": sorted(record.keywords), "received": record.received, "ticket": record.ticket,
             "where": record.where}
    if len(record.octets) <= OCTETS_SHOWN:
        shown["octets"] = base64.b64encode(record.octets).decode()
    return shown


def as_line(record):
    """folder (hex components, joined by '/'), cid, nid, eid, size, flags, keywords (hex), received, ticket."""
    return "\t".join([
        "/".join(part.encode("utf-8").hex() for part in record.folder), hashlib.sha256(record.octets).hexdigest(),
        record.nid, record.eid, str(len(record.octets)), ",".join(sorted(record.flags)),
        ",".join(word.encode("utf-8").hex() for word in sorted(record.keywords)),
        "" if record.received is None else str(record.received), record.ticket or ""])


def serve():
    for line in sys.stdin:
        try:
            for record in read_place(line.rstrip("\n")):
                print(as_line(record))
            print(".")
        except (ReadError, OSError) as error:
            print("!" + str(error).replace("\n", " "))
        sys.stdout.flush()


def main(arguments):
    if arguments[:1] == ["serve"] and len(arguments) == 1:
        serve()
        return 0
    try:
        if arguments[:1] == ["dump"] and len(arguments) == 2:
            json.dump([as_json(record) for record in read_place(arguments[1])], sys.stdout, indent=1)
            print()
            return 0
        if arguments[:1] == ["compare"] and len(arguments) == 3:
            report = compare(read_place(arguments[1]), read_place(arguments[2]))
            json.dump(report, sys.stdout, indent=1)
            print()
            return 1 if differs(report) else 0
    except (ReadError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
