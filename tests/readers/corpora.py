"""Mailboxes made of the corpora of real mail (MH_CORPORA), for the tests that drive the built program."""

import mailbox
import os
import random

ROOT = os.environ.get("MH_CORPORA", "")
SKIP_SUFFIXES = (".json", ".jsonl", ".yml", ".yaml", ".tsv", ".md", ".txt.license")
SKIP_FOLDERS = {"LICENSES", "mailkit-replay-shared", "net-imap-fixtures", "imap-codec-dicts"}
FOLDERS = [(), ("Entwürfe",), ("日本語", "メール"), ("A&B",), ("Sent",), ("Arbeit", "Größe", "Alt"),
           tuple("e%d" % n for n in range(1, 61))]
KEYWORDS = ["$Forwarded", "Work", "$Label1", "Überfällig".encode("ascii", "ignore").decode() or "x"]


def available():
    return bool(ROOT) and os.path.isdir(ROOT)


def is_mbox(octets):
    return octets.startswith(b"From ") and octets.count(b"\nFrom ") > 0


def messages(limit=None):
    """Every message of the corpora as octets: single files as they are, mboxes split by Python's `mailbox`."""
    count = 0
    for folder, folders, names in os.walk(ROOT):
        folders.sort()
        folders[:] = [name for name in folders if not (folder == ROOT and name in SKIP_FOLDERS)]
        for name in sorted(names):
            path = os.path.join(folder, name)
            if folder == ROOT or name.endswith(SKIP_SUFFIXES) or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                octets = file.read()
            for one in split(path, octets) if is_mbox(octets) else [octets]:
                yield one
                count += 1
                if limit and count >= limit:
                    return


def split(path, octets):
    box = mailbox.mbox(path, create=False)
    try:
        keys = box.keys()
        return [box.get_bytes(key) for key in keys] if keys else [octets]
    finally:
        box._file.close()  # close() would try to rewrite the corpus


def mutf7(text):
    import mailreaders
    return mailreaders.to_mutf7(text)


def fill_maildir(root, seed=1, limit=None):
    """A Maildir++ of the corpora with folders, flags, keywords and dates of every kind. Returns how many messages."""
    rng = random.Random(seed)
    directories = []
    for parts in FOLDERS:
        name = "" if not parts else "." + ".".join(mutf7(part) for part in parts)
        directory = os.path.join(root, name)
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(directory, sub), exist_ok=True)
        with open(os.path.join(directory, "dovecot-keywords"), "w") as file:
            for index, keyword in enumerate(KEYWORDS[1:]):
                file.write("%d %s\n" % (index, keyword))
        directories.append(directory)
    count = 0
    for octets in messages(limit):
        directory = directories[rng.randrange(len(directories))]
        info = "".join(sorted(rng.sample("DFPRSTabc", rng.randrange(0, 5))))
        date = rng.choice([rng.randrange(0, 2 ** 31 - 1)] * 8 + [-86400 * 200, 2 ** 31 + 1000, 4_000_000_000])
        name = "%d.M%dP1Q%d.host:2,%s" % (1_000_000_000 + count, count, count, info)
        path = os.path.join(directory, "cur", name)
        with open(path, "wb") as file:
            file.write(octets)
        os.utime(path, (date, date))
        count += 1
    return count
