"""Every example of the documentation that is marked as one is run, and the options it names are those that exist.

A block that begins with ```sh test is run by bash in a scratch folder that holds a copy of samples/, with the built
program first in PATH; the blocks of one page share the folder, in the order of the page. `exit=N` after `test` is the
exit code it must end with (0 unless said). A ```text output block right after it is its standard output; there `…` stands
for any text of a line, and a line `…` for any lines.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["MH_SOURCE_DIR"]
BINARY = os.environ["MH_BINARY"]
COMMANDS = ("copy", "verify", "ls", "probe", "version", "help")
BLOCK = re.compile(r"^```(?P<kind>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def pages():
    """The pages that may hold examples, by their path in the tree."""
    found = ["README.md", "samples/README.md"]
    for folder, _, names in os.walk(os.path.join(SOURCE, "docs")):
        found += [os.path.relpath(os.path.join(folder, name), SOURCE) for name in names if name.endswith(".md")]
    return sorted(found)


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


class Example:
    """One marked block: script, wanted exit code, wanted output or None."""

    def __init__(self, line, script, code):
        self.line, self.script, self.code, self.output = line, script, code, None


def examples(text):
    found, last = [], None
    for block in BLOCK.finditer(text):
        words = block["kind"].split()
        if words[:2] == ["sh", "test"]:
            code = next((int(word[5:]) for word in words[2:] if word.startswith("exit=")), 0)
            last = Example(text.count("\n", 0, block.start()) + 1, block["text"], code)
            found.append(last)
        elif words[:2] == ["text", "output"]:
            assert last is not None and last.output is None, "an output block without its example"
            last.output = block["text"]
        else:
            last = None
    return found


def pattern(wanted):
    """The regular expression that an output block stands for."""
    lines = []
    for line in wanted.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*")
        else:
            lines.append(r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ ]*\n")
    return "".join(lines)


class Examples(unittest.TestCase):
    maxDiff = None

    def run_page(self, page):
        found = examples(read(page))
        with tempfile.TemporaryDirectory() as scratch:
            tools = os.path.join(scratch, ".tools")
            os.mkdir(tools)
            os.symlink(BINARY, os.path.join(tools, "mailhaul"))
            work = os.path.join(scratch, "work")
            os.mkdir(work)
            shutil.copytree(os.path.join(SOURCE, "samples"), os.path.join(work, "samples"))
            environment = {"PATH": tools + ":/usr/bin:/bin", "HOME": os.path.join(scratch, "home"), "LANG": "C.UTF-8",
                           "XDG_STATE_HOME": os.path.join(scratch, "state")}
            for example in found:
                with self.subTest(page=page, line=example.line):
                    self.run_example(example, work, environment)
        return len(found)

    def run_example(self, example, work, environment):
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", example.script], cwd=work, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        output, errors = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, example.code, f"{example.script}\n{output}\n{errors}")
        if example.output is not None and re.fullmatch(pattern(example.output), output) is None:
            self.assertEqual(output, example.output, example.script)

    def test_every_marked_example_does_what_the_page_says(self):
        count = sum(self.run_page(page) for page in pages())
        self.assertGreaterEqual(count, 12, "the examples of the documentation were not found")

    def test_every_example_that_calls_mailhaul_is_marked(self):
        for page in pages():
            for block in BLOCK.finditer(read(page)):
                if block["kind"].split()[:1] == ["sh"] and re.search(r"^mailhaul ", block["text"], re.MULTILINE):
                    self.assertIn("test", block["kind"].split(), f"{page}: {block['text']}")


class TheTester(unittest.TestCase):
    """The comparison above must be able to fail."""

    def test_an_ellipsis_stands_for_text_of_one_line_or_for_whole_lines_and_for_nothing_else(self):
        self.assertTrue(re.fullmatch(pattern("a … c\n…\nend\n"), "a b c\n1\n2\nend\n"))
        self.assertTrue(re.fullmatch(pattern("a …\n…\nend\n"), "a \nend\n"))
        self.assertFalse(re.fullmatch(pattern("a … c\n"), "a b\nc\n"))
        self.assertFalse(re.fullmatch(pattern("a\n"), "a\nb\n"))
        self.assertFalse(re.fullmatch(pattern("copied 1\n"), "copied 2\n"))

    def test_a_wrong_exit_code_or_output_is_noticed(self):
        with tempfile.TemporaryDirectory() as work:
            good = Example(1, "echo one; exit 3\n", 3)
            good.output = "one\n"
            Examples().run_example(good, work, {"PATH": "/usr/bin:/bin"})
            for bad in (Example(1, "exit 1\n", 0), Example(1, "echo two\n", 0)):
                bad.output = "one\n"
                with self.assertRaises(AssertionError):
                    Examples().run_example(bad, work, {"PATH": "/usr/bin:/bin"})


class Options(unittest.TestCase):
    """docs/user/commands.md against the program's own help."""

    def documented(self, command):
        section = re.search(r"^## Options$(.*?)^## ", read("docs/user/commands.md"), re.MULTILINE | re.DOTALL)[1]
        names = set()
        for row in re.finditer(r"^\| (`-[^|]*) \| ([^|]*) \|", section, re.MULTILINE):
            if command in row[2].split():
                names.update(re.findall(r"--[a-z-]+", row[1]))
        return names

    def printed(self, command):
        done = subprocess.run([BINARY, "help", command], capture_output=True, timeout=30, check=True)
        # An option that is explained stands at the start of its line, after its short form.
        return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", done.stdout.decode(), re.MULTILINE))

    def test_the_documented_options_of_a_command_are_those_that_its_help_explains(self):
        for command in ("copy", "verify", "ls", "probe"):
            with self.subTest(command=command):
                self.assertGreater(len(self.documented(command)), 5)
                self.assertEqual(self.documented(command), self.printed(command))

    def test_every_documented_exit_code_is_in_the_help(self):
        done = subprocess.run([BINARY, "help", "exit-codes"], capture_output=True, timeout=30, check=True)
        section = read("docs/user/commands.md").split("## Exit codes")[1]
        codes = {code for row in re.finditer(r"^\| ([0-9 /]+) \|", section, re.MULTILINE) for code in re.findall(r"\d+", row[1])}
        self.assertGreaterEqual(len(codes), 13)
        printed = set(re.findall(r"\b\d+\b", done.stdout.decode()))
        self.assertLessEqual(codes, printed)

    def test_every_command_of_the_page_has_a_help_of_its_own(self):
        for command in COMMANDS:
            done = subprocess.run([BINARY, "help", command], capture_output=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())


class Links(unittest.TestCase):
    def test_every_link_between_pages_leads_somewhere(self):
        count = 0
        for page in pages() + ["CHANGELOG.md"]:
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(page)):
                if "://" in target:
                    continue
                count += 1
                path = os.path.normpath(os.path.join(SOURCE, os.path.dirname(page), target))
                self.assertTrue(os.path.exists(path), f"{page}: {target}")
        self.assertGreater(count, 10)


if __name__ == "__main__":
    unittest.main()
