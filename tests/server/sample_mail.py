"""A small mailbox with everything that a copy must keep or report, made on the spot."""

import os

import mailreaders

FOLDERS = [("INBOX",), ("Entwürfe",), ("日本語", "メール"), ("A&B",), ("Sent",), ("Arbeit", "Größe", "Alt"), ("mit Leerzeichen",),
           ('quoted "so"',), ("back\\slash",), ("percent%20",), ("Top",), ("😀",)]
KEYWORDS = ["$Forwarded", "Work", "$Label1", "NonJunk"]
LETTERS = {"Work": "a", "$Label1": "b", "NonJunk": "c"}
# (name, octets): what mail looks like at its edges. No NUL and no empty message: those a server refuses.
BODIES = [
    ("plain", b"one line\n"), ("no final newline", b"last line"), ("three final newlines", b"a\n\n\n"),
    ("CRLF", b"a\r\nb\r\n"), ("mixed line ends", b"a\r\nb\nc\r\n"), ("lone CR", b"a\rb\n"), ("8-bit", b"Gr\xc3\xbc\xc3\x9fe \xff\xfe\x80\n"),
    ("From_", b"From me to you\n\nFrom a@b Thu Jan  1 00:00:00 1970\n"), ("quoted From_", b">From me\n>>From you\n"),
    ("dots", b".\n..\n.\n"), ("long line", b"l" * 70_000 + b"\nend\n"), ("braces", b"a {10}\r\nb {5+}\r\n"),
    ("tags", b"A1 OK done\r\n* BYE\r\n+ go\r\n)\r\n"), ("large", b"0123456789abcdef\n" * 20_000),
]


def message(number, body):
    head = ("Return-Path: <>\nFrom: sender%d@example.org\nTo: reader@example.org\nSubject: message %d\n"
            "Message-ID: <sample.%d@example.org>\n%s\n" % (number, number, number, "Status: RO\n" if number % 17 == 3 else ""))
    return head.encode() + body


def directory_of(root, parts):
    coded = [mailreaders.to_mutf7(part).replace("%", "%25") for part in parts]  # %XX stands for an octet in a file's name
    name = "" if parts == ("INBOX",) else "." + ".".join(coded)
    return os.path.join(root, name)


def fill_maildir(root, count=120, folders=FOLDERS):
    """A Maildir++ with `count` messages over the folders: flags and keywords of every kind, dates since 1970, twins."""
    for parts in folders:
        directory = directory_of(root, parts)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(directory, sub), exist_ok=True)
        with open(os.path.join(directory, "dovecot-keywords"), "w", encoding="ascii") as file:
            for index, keyword in enumerate(KEYWORDS[1:]):
                file.write("%d %s\n" % (index, keyword))
    for number in range(count):
        twin = number % 17 == 16  # the same octets again, in the same folder
        place = number - len(folders) if twin and number >= len(folders) else number
        letters = {letter for bit, letter in enumerate("DFPRST") if number % 64 >> bit & 1}
        letters |= {LETTERS[KEYWORDS[1 + number % 3]]} if number % 5 == 0 else set()
        path = os.path.join(directory_of(root, folders[number % len(folders)]), "cur",
                            "%d.M%dP1Q%d.host:2,%s" % (1_000_000_000 + number, number, number, "".join(sorted(letters))))
        with open(path, "wb") as file:
            file.write(message(place, BODIES[place % len(BODIES)][1]))
        date = 1 + number * 17_650_000 % 1_700_000_000
        os.utime(path, (date, date))
    return count


def add_to_maildir(root, octets, folder=("INBOX",), name="extra.host", letters="S", date=1_600_000_000):
    path = os.path.join(directory_of(root, folder), "cur", name + ":2," + letters)
    with open(path, "wb") as file:
        file.write(octets)
    os.utime(path, (date, date))
