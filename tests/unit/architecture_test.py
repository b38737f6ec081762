"""Which room may include what: reads every #include of src/ and plugins/ and fails on a forbidden arrow.

Usage: architecture_test.py ROOT. The table below is docs/design/architecture.md ("Which way the arrows point");
where the two disagree, one of them is wrong. The table is tried on planted violations first, so that this test cannot
pass by checking nothing.
"""

import os
import re
import sys
import tempfile

# room -> rooms it may include beside itself. A plugin's parser (format/, protocol/) is the room "parser".
ALLOWED = {
    "base": set(),
    "mail": {"base"},
    "sasl": {"base"},
    "store": {"mail", "base"},
    "net": {"mail", "base"},
    "files": {"mail", "base"},
    "ledger": {"files", "mail", "base"},
    "pipeline": {"store", "ledger", "mail", "base"},
    "cli": {"pipeline", "store", "ledger", "net", "files", "mail", "base"},
    "main": {"cli", "base"},
    "plugin": {"store", "net", "sasl", "files", "mail", "base"},
    "parser": {"sasl", "mail", "base"},
}

# library header -> the files (regular expression on the path below ROOT) that may include it.
LIBRARIES = [
    (re.compile(r"^Poco/"), re.compile(r"^src/(net|files|cli)/|^src/store/loader[^/]*$")),
    (re.compile(r"^openssl/"), re.compile(r"^src/mail/sha256\.cpp$|^src/(sasl|net)/")),
    (re.compile(r"^zlib"), re.compile(r"^src/net/deflate\.cpp$")),
    (re.compile(r"^sqlite3"), re.compile(r"^src/files/")),
    (re.compile(r"^(xxhash|xxh3)"), re.compile(r"^plugins/mbox/format/")),
    (re.compile(r"^cxxopts"), re.compile(r"^src/cli/")),
]

# Rooms that do no I/O, and the headers that would let them.
PURE = {"base", "mail", "sasl", "parser"}
IMPURE = re.compile(
    r"^(fstream|iostream|thread|mutex|condition_variable|future|filesystem|unistd\.h|fcntl\.h|poll\.h"
    r"|dirent\.h|netdb\.h|signal\.h|csignal|sys/.*|netinet/.*|arpa/.*)$")
ENOUGH_INCLUDES = 50

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(?:<([^>]+)>|\"([^\"]+)\")", re.M)
PRINTS = re.compile(r"std::(?:cout|cerr|clog)\b|(?<![\w])v?[fd]?printf\s*\(|(?<![\w])(?:puts|putchar)\s*\(")
OPENS = re.compile(r"(?<![\w.>])f?open(?:at)?\s*\(\s*[^)\s]|\bfreopen\s*\(")
ASKS_THE_TIME = re.compile(
    r"_clock::now\s*\(|(?<![\w.>])(?:clock_gettime|gettimeofday|time)\s*\(\s*(?:CLOCK|nullptr|NULL|0|&)")


def without_comments(text, keep_strings):
    """The text with comments blanked, and string and character literals too unless they are kept. Lines stay."""
    literal = r'R"(?P<d>[^\s()\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z_])\'(?:\\.|[^\'\\\n])+\''
    pattern = re.compile(r"//[^\n]*|/\*.*?\*/|" + literal, re.S)

    def blank(match):
        found = match.group(0)
        if keep_strings and not found.startswith("/"):
            return found
        return re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text)


def room_of(path):
    """(room, owner) of a path below ROOT; owner is the plugin's folder, else ''. None: not in a room."""
    parts = path.split("/")
    if parts[0] == "plugins" and len(parts) >= 3:
        inner = parts[2] if len(parts) > 3 else ""
        return ("parser" if inner in ("format", "protocol") else "plugin"), parts[1]
    if parts[0] == "src" and len(parts) == 2 and parts[1].startswith("main."):
        return "main", ""
    if parts[0] == "src" and len(parts) >= 3:
        return parts[1], ""
    return None


def resolve(root, path, name):
    """Where a quoted include leads, below ROOT: beside the file, below src/, below ROOT."""
    for base in (os.path.dirname(path), "src", ""):
        candidate = os.path.normpath(os.path.join(base, name)).replace(os.sep, "/")
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def check_arrow(path, target):
    """None, or why `path` must not include `target`."""
    here, there = room_of(path), room_of(target)
    if here is None or there is None:
        return f"{target} is in no room"
    if here[0] not in ALLOWED:
        return f"room {here[0]} is not in the table"
    if there[0] in ("plugin", "parser"):
        if here[0] in ("plugin", "parser"):
            if here[1] != there[1]:
                return "a plugin includes another plugin"
            if here[0] == "parser" and there[0] != "parser":
                return "a parser includes its plugin"
            return None
        if path == "src/cli/stores.cpp" and re.fullmatch(r"plugins/[^/]+/plugin\.hpp", target):
            return None
        return "only src/cli/stores.cpp may include a plugin, and only its plugin.hpp"
    if here[0] == "cli" and there[0] == "net" and path != "src/cli/accounts.cpp":
        return "only src/cli/accounts.cpp may include net, for make_dialer"
    if there[0] == here[0] or there[0] in ALLOWED[here[0]]:
        return None
    return f"{here[0]} -> {there[0]} is no arrow of the table"


def check_system_header(path, name):
    for header, places in LIBRARIES:
        if header.search(name) and not places.search(path):
            return f"<{name}> may not be used here"
    room = room_of(path)
    if room and room[0] in PURE and IMPURE.match(name):
        return f"<{name}> in a room that does no I/O"
    return None


def check_text(path, code):
    room = room_of(path)
    header = path.endswith((".hpp", ".h"))
    for number, line in enumerate(code.split("\n"), 1):
        if header and re.search(r"\busing\s+namespace\b", line):
            yield f"{path}:{number}: using namespace in a header"
        if PRINTS.search(line) and room and room[0] not in ("cli", "main"):
            yield f"{path}:{number}: prints; only cli may"
        if room and room[0] in PURE and OPENS.search(line):
            yield f"{path}:{number}: opens a file in a room that does no I/O"
        # files is the seam to the system: it stirs the clock into a lock's pause where there is no random number yet.
        if ASKS_THE_TIME.search(line) and path != "src/base/clock.hpp" and room and room[0] != "files":
            yield f"{path}:{number}: asks the system for the time; Clock is handed in"


def check_file(root, path):
    """(includes seen, violations) of one file."""
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as handle:
        text = handle.read()
    seen, wrong = 0, []
    code = without_comments(text, keep_strings=True)
    for match in INCLUDE.finditer(code):
        seen += 1
        where = f"{path}:{code.count(chr(10), 0, match.start()) + 1}"
        if match.group(1):
            reason = check_system_header(path, match.group(1))
        else:
            target = resolve(root, path, match.group(2))
            reason = check_arrow(path, target) if target else None
            if target is None:  # a library's header in quotes, or a mistake
                reason = check_system_header(path, match.group(2)) or f'"{match.group(2)}" leads nowhere'
        if reason:
            wrong.append(f"{where}: {reason}")
    wrong.extend(check_text(path, without_comments(text, keep_strings=False)))
    return seen, wrong


def check_tree(root):
    seen, wrong, files = 0, [], 0
    for top in ("src", "plugins"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(names):
                if not name.endswith((".hpp", ".cpp", ".h", ".cc", ".inc")):
                    continue
                path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
                files += 1
                if room_of(path) is None:
                    wrong.append(f"{path}: lies in no room")
                count, found = check_file(root, path)
                seen += count
                wrong.extend(found)
    return files, seen, wrong


HEADERS = [f"src/{room}/x.hpp" for room in ALLOWED if room not in ("main", "plugin", "parser")]
HEADERS += ["plugins/a/plugin.hpp", "plugins/a/source.hpp", "plugins/a/format/x.hpp", "plugins/b/plugin.hpp"]

# (file, text, is it allowed?)
PLANTED = [
    ("src/base/a.cpp", '#include "mail/x.hpp"', False),
    ("src/mail/a.cpp", '#include "base/x.hpp"', True),
    ("src/mail/b.cpp", '#include "store/x.hpp"', False),
    ("src/files/a.cpp", '#include "store/x.hpp"', False),
    ("src/files/b.cpp", '#include "mail/x.hpp"', True),
    ("src/store/a.cpp", '#include "files/x.hpp"', False),
    ("src/net/a.cpp", '#include "files/x.hpp"', False),
    ("src/ledger/a.cpp", '#include "store/x.hpp"', False),
    ("src/ledger/b.cpp", '#include "files/x.hpp"', True),
    ("src/pipeline/a.cpp", '#include "plugins/a/plugin.hpp"', False),
    ("src/pipeline/b.cpp", '#include "files/x.hpp"', False),
    ("src/pipeline/c.cpp", '#include "ledger/x.hpp"', True),
    ("src/pipeline/d.cpp", '#include "cli/x.hpp"', False),
    ("src/cli/a.cpp", '#include "plugins/a/plugin.hpp"', False),
    ("src/cli/stores.cpp", '#include "plugins/a/plugin.hpp"', True),
    ("src/cli/stores_b.cpp", '#include "plugins/a/plugin.hpp"', False),
    ("src/cli/b.cpp", '#include "pipeline/x.hpp"', True),
    ("src/cli/d.cpp", '#include "net/x.hpp"', False),
    ("src/cli/accounts.cpp", '#include "net/x.hpp"', True),
    ("src/main.cpp", '#include "pipeline/x.hpp"', False),
    ("plugins/a/a.cpp", '#include "plugins/b/plugin.hpp"', False),
    ("plugins/a/b.cpp", '#include "plugins/a/format/x.hpp"', True),
    ("plugins/a/c.cpp", '#include "pipeline/x.hpp"', False),
    ("plugins/a/d.cpp", '#include "format/x.hpp"', True),
    ("plugins/a/e.cpp", '#include "files/x.hpp"', True),
    ("plugins/a/f.cpp", '#include "ledger/x.hpp"', False),
    ("plugins/a/i.cpp", '#include "sasl/x.hpp"', True),
    ("plugins/a/format/a.cpp", '#include "files/x.hpp"', False),
    ("plugins/a/format/b.cpp", '#include "../source.hpp"', False),
    ("plugins/a/format/c.cpp", '#include "mail/x.hpp"', True),
    ("plugins/a/format/d.cpp", "#include <fstream>", False),
    ("plugins/a/format/e.cpp", "#include <sys/stat.h>", False),
    ("plugins/a/format/f.cpp", "# include <thread>", False),
    ("plugins/a/format/g.cpp", "auto t = std::chrono::system_clock::now();", False),
    ("plugins/a/format/h.cpp", "#include <filesystem>", False),
    ("plugins/a/format/i.cpp", "#include <unistd.h>", False),
    ("plugins/a/format/j.cpp", "#include <xxhash.h>", False),
    ("plugins/mbox/format/a.cpp", "#include <xxhash.h>", True),
    ("plugins/mbox/a.cpp", "#include <xxhash.h>", False),
    ("plugins/a/g.cpp", "#include <Poco/Path.h>", False),
    ("src/store/b.cpp", "#include <Poco/SharedLibrary.h>", False),
    ("src/store/loader.cpp", "#include <Poco/SharedLibrary.h>", True),
    ("src/mail/sha256.cpp", "#include <openssl/evp.h>", True),
    ("src/mail/c.cpp", "#include <openssl/evp.h>", False),
    ("src/ledger/c.cpp", "#include <sqlite3.h>", False),
    ("src/ledger/d.cpp", '#include "sqlite3.h"', False),
    ("src/files/c.cpp", "#include <sqlite3.h>", True),
    ("src/pipeline/e.cpp", "#include <cxxopts.hpp>", False),
    ("src/mail/d.hpp", "using namespace std;", False),
    ("src/mail/e.cpp", "using namespace std;", True),
    ("src/mail/f.hpp", "// using namespace std;", True),
    ("src/store/c.cpp", "std::cout << 1;", False),
    ("src/store/d.cpp", "std::printf(text);", False),
    ("src/store/e.cpp", "std::snprintf(text, 1, text);", True),
    ("src/store/f.cpp", "const char* text = \"std::cout\"; // printf(", True),
    ("src/cli/c.cpp", "std::cerr << 1;", True),
    ("src/store/g.cpp", "auto t = std::chrono::steady_clock::now();", False),
    ("plugins/a/h.cpp", "const auto t = system_clock::now();", False),
    ("plugins/a/format/k.cpp", "std::FILE* f = std::fopen(path, mode);", False),
    ("src/mail/i.cpp", "std::snprintf(text, 1, text);", True),
    ("src/mail/g.cpp", '#include "mail/missing.hpp"', False),
    ("src/mail/h.cpp", '/* #include "store/x.hpp" */', True),
    ("src/odd/a.cpp", '#include "base/x.hpp"', False),
]


def try_the_table():
    """Plants each violation alone in a tree and returns what the checker got wrong."""
    mistakes = []
    with tempfile.TemporaryDirectory() as root:
        for header in HEADERS:
            os.makedirs(os.path.dirname(os.path.join(root, header)), exist_ok=True)
            with open(os.path.join(root, header), "w", encoding="utf-8") as handle:
                handle.write("#pragma once\n")
        for path, text, allowed in PLANTED:
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as handle:
                handle.write(text + "\n")
            wrong = check_tree(root)[2]
            if bool(wrong) == allowed:
                mistakes.append(f"planted {path} [{text}] should {'pass' if allowed else 'fail'}: {wrong}")
            elif wrong and not all(line.startswith(path) for line in wrong):
                mistakes.append(f"planted {path} [{text}] is blamed on another file: {wrong}")
            os.unlink(full)
    return mistakes


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    mistakes = try_the_table()
    files, seen, wrong = check_tree(sys.argv[1])
    for line in mistakes + wrong:
        print(line)
    print(f"{files} files, {seen} includes checked, {len(PLANTED)} planted cases, {len(wrong)} forbidden")
    if seen < ENOUGH_INCLUDES:
        print(f"fewer than {ENOUGH_INCLUDES} includes: this is not the tree")
        return 1
    return 1 if mistakes or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
