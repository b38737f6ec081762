"""How an account is entered from the command line: passwords and where they do not end up, probe, trace, timeouts.

The server is a model in this process (tests/server/liar.py); it wants the password that the test gave last.
"""

import base64
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.environ["MH_SOURCE_DIR"], "tests", "server"))

import liar  # noqa: E402  (a neighbour's)
import mailreaders  # noqa: E402
from support import CliTest, message, snapshot, write_mbox  # noqa: E402

CANARY = "canary-5e1f-Pa55"
PROBE_FIELDS = ["command", "source", "greeting", "capabilities", "tls", "login", "limits", "quirks", "seconds", "exit"]


def crlf(octets):
    return octets.replace(b"\n", b"\r\n")


class Doorkeeper(liar.Honest):
    """Lets in whoever knows CANARY, and nobody else."""

    capability = b"IMAP4rev1 LITERAL+ UIDPLUS SASL-IR AUTH=PLAIN APPENDLIMIT=35651584"

    def do_authenticate(self, command):
        given = base64.b64decode(command.tokens[1]).split(b"\0")[2].decode()
        self.connection.server.given.append(given)
        if given == CANARY:
            self.done(command)
        else:
            self.reply(command, b"NO [AUTHENTICATIONFAILED] not you")


class AccountTest(CliTest):
    # Without a controlling terminal, so that nobody is asked even when a person runs this test.
    ALONE = {"start_new_session": True}

    def setUp(self):
        super().setUp()
        self.boxes = {b"INBOX": liar.Box([crlf(message(i)) for i in range(3)]),
                      b"Gesendet": liar.Box([crlf(message(9, folder="Sent"))], attributes="\\Sent")}
        self.server = self.serve(lambda connection: Doorkeeper(connection, self.boxes))

    def serve(self, script):
        server = liar.Liar(script)
        server.given = []
        self.enterContext(server) if hasattr(self, "enterContext") else self.enter(server)
        return server

    def enter(self, server):
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)

    def place(self, user="anna", server=None, folder=""):
        return f"imap://{user}@127.0.0.1:{(server or self.server).port}/{folder}?tls=off"

    def secret_file(self, text=CANARY, name="secret", mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def assert_no_canary(self, *texts):
        for text in texts:
            octets = text if isinstance(text, bytes) else text.encode()
            for spelled in (CANARY, base64.b64encode(CANARY.encode()).decode(),
                            base64.b64encode(b"\0anna\0" + CANARY.encode()).decode()):
                self.assertNotIn(spelled.encode(), octets)


class Passwords(AccountTest):
    def test_the_first_of_command_file_environment_and_location_counts(self):
        ways = [("--source-password-command", "echo of-the-command"),
                ("--source-password-file", self.secret_file("of-the-file\n"))]
        self.environment["MAILHAUL_SOURCE_PASSWORD"] = "of-the-environment"
        location = self.place("anna:of-the-location")
        options = [word for way in ways for word in way]
        for left, wanted in ((options, "of-the-command"), (options[2:], "of-the-file"), ([], "of-the-environment")):
            done = self.expect(4, "ls", *left, location, **self.ALONE)
            self.assertEqual(self.server.given[-1], wanted)
            self.assertIn("refused", done.err)
            self.assertNotIn(wanted, done.out + done.err)
        del self.environment["MAILHAUL_SOURCE_PASSWORD"]
        self.expect(4, "ls", location, **self.ALONE)
        self.assertEqual(self.server.given[-1], "of-the-location")

    def test_each_way_lets_in(self):
        for arguments in (["--source-password-command", f"printf '%s\\n' {CANARY}"],
                          ["--source-password-file", self.secret_file(CANARY + "\r\n")]):
            self.expect(0, "ls", *arguments, self.place(), **self.ALONE)
        self.expect(0, "ls", self.place("anna:" + CANARY), **self.ALONE)
        self.environment["MAILHAUL_SOURCE_PASSWORD"] = CANARY
        self.expect(0, "ls", self.place(), **self.ALONE)
        self.expect(0, "probe", self.place(), **self.ALONE)
        self.environment["MAILHAUL_SOURCE_PASSWORD"] = "wrong"
        self.environment["MAILHAUL_TARGET_PASSWORD"] = CANARY
        write_mbox(self.path("s.mbox"), [message(50)])
        self.expect(0, "copy", "mbox:" + self.path("s.mbox"), self.place(), **self.ALONE)

    def test_a_command_that_gives_no_password_is_4_or_5_with_its_status_and_without_its_output(self):
        rows = ((f"echo {CANARY}; exit 3", "exit status 3"), (f"echo {CANARY}; kill -9 $$", "signal 9"),
                ("true", "printed nothing"), (f"echo {CANARY}; echo {CANARY}", "more than one line"),
                (f"yes {CANARY}", "more than 64 KiB"), ("/no/such/program 2>/dev/null", "exit status 127"))
        write_mbox(self.path("s.mbox"), [message(1)])
        for command, wanted in rows:
            for code, side, arguments in ((4, "source", ("ls", self.place())), (4, "source", ("probe", self.place())),
                                          (4, "source", ("copy", self.place(), "maildir:" + self.path("t"))),
                                          (5, "target", ("copy", "mbox:" + self.path("s.mbox"), self.place()))):
                done = self.expect(code, "--json", f"--{side}-password-command", command, *arguments, **self.ALONE)
                self.assertIn(wanted, done.json()["error"]["what"])
                self.assertIn(side, done.json()["error"]["what"])
                self.assertIn(f"--{side}-password-command", done.json()["error"]["hint"])
                self.assert_no_canary(done.out, done.err)
        self.assertEqual(self.server.given, [])
        self.assertFalse(os.path.exists(self.path("t")))

    def test_a_command_that_hangs_is_given_up_after_half_a_minute(self):
        begin = time.monotonic()
        done = self.expect(4, "ls", "--source-password-command", f"echo {CANARY}; sleep 300", self.place(), **self.ALONE)
        self.assertIn("did not end within 30 s", done.err)
        self.assertTrue(29 < time.monotonic() - begin < 60)
        self.assert_no_canary(done.err)

    def test_what_a_command_says_on_stderr_is_for_the_person(self):
        done = self.expect(0, "ls", "--source-password-command", f"echo unlocking >&2; echo {CANARY}", self.place())
        self.assertIn("unlocking\n", done.err)

    def test_a_command_is_asked_for_each_login(self):
        count = self.path("count")
        self.expect(0, "copy", "--target-password-command", f"echo x >> {count}; echo {CANARY}",
                    "--source-password-command", f"echo {CANARY}", self.place(), self.place("berta"), **self.ALONE)
        with open(count, encoding="ascii") as file:
            self.assertEqual(len(file.readlines()), sum(1 for line in self.logins() if line == "berta"))

    def logins(self):
        for match in re.finditer(rb"AUTHENTICATE PLAIN (\S+)", self.server.transcript):
            yield base64.b64decode(match[1]).split(b"\0")[1].decode()

    def test_a_file_that_others_can_read_is_6_before_anything_is_asked(self):
        for mode in (0o644, 0o640, 0o604, 0o660):
            path = self.secret_file(mode=mode)
            done = self.expect(6, "ls", "--source-password-file", path, self.place(), **self.ALONE)
            self.assertIn("others", done.err)
            self.assertIn(f"hint: chmod 600 {path}", done.err)
        self.assertEqual(self.server.connections, 0)

    def test_a_file_without_a_password_is_2(self):
        for text in ("", "\n", f"{CANARY}\n{CANARY}\n"):
            done = self.expect(2, "ls", "--source-password-file", self.secret_file(text), self.place(), **self.ALONE)
            self.assertIn("--source-password-file", done.err)
            self.assert_no_canary(done.err)
        self.expect(2, "ls", "--source-password-file", self.path("none"), self.place(), **self.ALONE)
        self.expect(2, "ls", "--source-ca", self.path("none"), self.place(), **self.ALONE)
        self.assertEqual(self.server.connections, 0)

    def test_a_shells_process_substitution_is_a_file(self):
        done = self.shell(f"\"$MH\" ls --source-password-file <(sleep 0.2; echo {CANARY}) '{self.place()}'")
        self.assertEqual(done.code, 0, done.err)

    def test_without_any_password_the_error_names_the_ways(self):
        write_mbox(self.path("s.mbox"), [message(1)])
        for code, side, arguments in ((4, "source", ("ls", self.place())),
                                      (5, "target", ("copy", "mbox:" + self.path("s.mbox"), self.place()))):
            done = self.expect(code, *arguments, **self.ALONE)
            self.assertIn(f"no password for the {side} anna@127.0.0.1", done.err)
            for way in (f"--{side}-password-command", f"--{side}-password-file", f"MAILHAUL_{side.upper()}_PASSWORD"):
                self.assertIn(way, done.err)

    def test_options_for_an_account_are_warned_of_where_there_is_none(self):
        done = self.expect(0, "ls", "--source-password-file", "/no/such", self.small_source())
        self.assertIn("--source-password-file has no effect", done.err)


class Secrecy(AccountTest):
    def test_no_child_and_no_list_of_processes_shows_a_password(self):
        self.environment["MAILHAUL_SOURCE_PASSWORD"] = CANARY
        self.environment["MAILHAUL_TARGET_PASSWORD"] = CANARY
        # What a command of ours can see of itself and of us. /proc/PID/environ of ours is closed to all but root.
        look = (f"env > {self.path('env')}; cat /proc/$PPID/cmdline > {self.path('cmdline')}; "
                f"cat /proc/$PPID/environ > {self.path('environ')} 2>/dev/null; "
                f"cat /proc/$PPID/limits > {self.path('limits')}; cat {self.secret_file()}")
        source = self.place("berta:" + CANARY)
        self.expect(0, "copy", "--source-password-command", look, source, "maildir:" + self.path("t"), **self.ALONE)
        for name in ("env", "cmdline", "environ"):
            with open(self.path(name), "rb") as file:
                self.assert_no_canary(file.read())
        with open(self.path("cmdline"), "rb") as file:
            self.assertIn(b"imap://berta:****************@127.0.0.1", file.read())
        with open(self.path("env"), encoding="utf-8") as file:
            names = {line.split("=")[0] for line in file}
        self.assertLessEqual(names, {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_", "OLDPWD"})
        with open(self.path("limits"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"Max core file size +0 +0 ")

    def test_a_password_is_in_nothing_that_a_run_leaves_or_says(self):
        secret = self.secret_file(name="the-secret")
        for number, arguments in enumerate((["--json"], ["-v"], ["-n"], ["-q"])):
            done = self.expect(0, "copy", *arguments, "--source-password-file", secret, "--trace", self.path("trace"),
                               "--outcomes", self.path("outcomes"), self.place(), f"maildir:{self.path('t')}{number}",
                               **self.ALONE)
            self.assert_no_canary(done.raw_out, done.raw_err)
        with open(self.path("trace"), encoding="utf-8") as file:
            self.assertIn("AUTHENTICATE PLAIN", file.read())
        for wrong in ("x" + CANARY, CANARY + "x"):
            self.secret_file(wrong, name="the-secret")
            done = self.expect(4, "ls", "--json", "--source-password-file", secret, "--trace", self.path("trace2"),
                               self.place(), **self.ALONE)
            self.assertNotIn(wrong, done.out + done.err)
        for folder, _, names in os.walk(self.scratch):
            for name in names:
                if name != "the-secret":
                    with open(os.path.join(folder, name), "rb") as file:
                        self.assert_no_canary(file.read())

    def test_a_server_that_repeats_the_password_does_not_make_us_say_it_in_the_trace_of_what_we_sent(self):
        class Echo(Doorkeeper):
            def do_authenticate(self, command):
                self.reply(command, b"NO I do not know you")

        server = self.serve(lambda connection: Echo(connection, self.boxes))
        self.expect(4, "ls", "--source-password-file", self.secret_file(), "--trace", self.path("trace"),
                    self.place(server=server), **self.ALONE)
        with open(self.path("trace"), "rb") as file:
            self.assert_no_canary(file.read())


class Prompt(AccountTest):
    def start_at_terminal(self, *arguments):
        """The program with a terminal of its own, which is not its stdin, stdout or stderr."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        return self.start(*arguments, preexec_fn=take_terminal, pass_fds=(slave,)), master, slave

    def read_until(self, master, wanted):
        seen, deadline = b"", time.monotonic() + 20
        while wanted not in seen and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                seen += os.read(master, 1000)
        return seen

    def echoes(self, slave):
        return bool(termios.tcgetattr(slave)[3] & termios.ECHO)

    def test_a_person_is_asked_once_at_the_terminal_without_echo(self):
        process, master, slave = self.start_at_terminal("copy", self.place(), "maildir:" + self.path("t"))
        self.assertIn(b"Password for anna@127.0.0.1 (source): ", self.read_until(master, b"): "))
        self.assertFalse(self.echoes(slave))
        os.write(master, CANARY.encode() + b"\n")
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.read_until(master, b"\n"), b"\r\n")
        self.assertTrue(self.echoes(slave))
        self.assert_no_canary(out, err)
        self.assertEqual(set(self.server.given), {CANARY})

    def test_ctrl_c_at_the_question_is_12_and_the_terminal_echoes_again(self):
        process, master, slave = self.start_at_terminal("ls", self.place())
        self.read_until(master, b"): ")
        os.write(master, b"half\x03")
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 12)
        self.assertTrue(self.echoes(slave))

    def test_sigterm_at_the_question_does_the_same(self):
        process, master, slave = self.start_at_terminal("ls", self.place())
        self.read_until(master, b"): ")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 12)
        self.assertTrue(self.echoes(slave))

    def test_an_empty_answer_is_no_password(self):
        process, master, slave = self.start_at_terminal("ls", self.place())
        self.read_until(master, b"): ")
        os.write(master, b"\n")
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 4)
        self.assertIn(b"nothing was typed", err)
        self.assertTrue(self.echoes(slave))


class Probe(AccountTest):
    def test_the_json_report_has_all_fields_in_order(self):
        done = self.expect(0, "probe", "--json", "--source-password-file", self.secret_file(), self.place(), **self.ALONE)
        report = done.json()
        self.assertEqual([key for key in report if key in PROBE_FIELDS], PROBE_FIELDS)
        self.assertEqual((report["command"], report["exit"]), ("probe", 0))
        self.assertEqual(report["source"], self.place().replace("/?", "?"))
        self.assertIn("liar ready", report["greeting"])
        self.assertIn("UIDPLUS", report["capabilities"])
        self.assertEqual((report["tls"], report["login"]), ("none", "PLAIN"))
        self.assertEqual(report["limits"]["append_octets"], 35651584)
        self.assertIsInstance(report["quirks"], list)
        self.assertNotIn("error", report)

    def test_the_text_says_the_same(self):
        text = self.expect(0, "probe", "--source-password-file", self.secret_file(), self.place(), **self.ALONE).out
        for pattern in (r"greeting +.*liar ready", r"tls +none", r"login +PLAIN", r"capabilities +.*IMAP4REV1", r"\bUIDPLUS\n",
                        r"append_octets 35651584", r"quirks +\w"):
            self.assertRegex(text, pattern)

    def test_a_place_without_a_server_is_15(self):
        before = snapshot(self.scratch)
        for place in ("maildir:" + self.path("none"), "mbox:" + self.path("none")):
            done = self.expect(15, "probe", "--json", place)
            self.assertEqual(done.json()["error"]["kind"], "unsupported")
            self.assertIn("no account", done.err)
        self.assertEqual(before, snapshot(self.scratch))

    def test_a_failed_probe_is_a_whole_report(self):
        done = self.expect(4, "probe", "--json", "--source-password-file", self.secret_file("wrong"), self.place(), **self.ALONE)
        report = done.json()
        self.assertEqual([key for key in report if key in PROBE_FIELDS], PROBE_FIELDS)
        self.assertEqual((report["exit"], report["error"]["kind"]), (4, "unreachable"))
        self.assertEqual(report["capabilities"], [])
        self.assertEqual(self.expect(4, "probe", "--source-password-file", self.path("secret"), self.place(), **self.ALONE).out, "")

    def test_what_a_server_says_does_nothing_to_the_terminal_or_the_trace(self):
        class Loud(Doorkeeper):
            greeting = b"* OK \x1b]52;c;aGk=\x07 \xc2\x9b31m \xe2\x80\xae hello\r\n"
            capability = b"IMAP4rev1 SASL-IR AUTH=PLAIN X\x1b[2J"

        server = self.serve(lambda connection: Loud(connection, self.boxes))
        for arguments in (["probe"], ["probe", "--json"], ["ls", "-v"]):
            done = self.run_it(*arguments, "--source-password-file", self.secret_file(), "--trace", self.path("trace"),
                               self.place(server=server), **self.ALONE)
            self.assert_harmless(done.raw_out + done.raw_err)
            with open(self.path("trace"), "rb") as file:
                self.assert_harmless(file.read())


class Connections(AccountTest):
    def test_a_trace_has_the_conversation_and_is_for_the_user_alone(self):
        self.expect(0, "ls", "--source-password-file", self.secret_file(), "--trace", self.path("trace"), self.place(),
                    umask=0, **self.ALONE)
        self.assertEqual(os.stat(self.path("trace")).st_mode & 0o777, 0o600)
        with open(self.path("trace"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertTrue(lines[0].startswith("# mailhaul trace"))
        for line in lines[1:]:
            self.assertRegex(line, r"^ *\d+\.\d{3} source[ 0-9]* [><*] ")
        self.assertTrue(any(" < * OK liar ready" in line for line in lines))

    def test_a_trace_takes_the_place_of_no_other_file(self):
        write_mbox(self.path("precious.mbox"), [message(1)])
        before = snapshot(self.scratch)
        for path in (self.path("precious.mbox"), self.path("no", "such"), self.scratch, "/dev/full"):
            done = self.expect(2, "ls", "--trace", path, self.place("anna:" + CANARY), **self.ALONE)
            self.assertIn("--trace", done.err)
        self.assertEqual(before, snapshot(self.scratch))
        self.assertEqual(self.server.connections, 0)

    def test_a_trace_that_cannot_be_written_on_is_a_warning_and_no_failure(self):
        self.secret_file()
        done = self.shell(f"ulimit -f 1; \"$MH\" ls --trace trace --source-password-file secret '{self.place()}'")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("warning: --trace trace is cut short", done.err)

    def test_a_silent_server_is_given_up_after_the_timeout(self):
        server = self.serve(liar.say())
        begin = time.monotonic()
        done = self.expect(4, "ls", "--timeout", "1s", self.place("anna:" + CANARY, server=server), **self.ALONE)
        self.assertLess(time.monotonic() - begin, 15)
        self.assertIn("hint: ", done.err)

    def test_only_addresses_of_the_wanted_kind_are_tried(self):
        self.expect(4, "ls", "-6", self.place("anna:" + CANARY), **self.ALONE)
        self.assertEqual(self.server.connections, 0)
        self.expect(0, "ls", "-4", self.place("anna:" + CANARY), **self.ALONE)

    def test_an_error_says_which_side_it_is_on(self):
        write_mbox(self.path("s.mbox"), [message(1)])
        closed = "imap://anna@127.0.0.1:1/?tls=off"
        self.environment.update(MAILHAUL_SOURCE_PASSWORD=CANARY, MAILHAUL_TARGET_PASSWORD=CANARY)
        self.assertIn("error: source: ", self.expect(4, "copy", closed, self.place()).err)
        self.assertIn("error: target: ", self.expect(5, "copy", self.place(), closed).err)


class WholeRuns(AccountTest):
    def test_an_account_comes_into_a_maildir_is_proved_and_lists_its_roles(self):
        access = ["--source-password-file", self.secret_file()]
        target = "maildir:" + self.path("t")
        done = self.expect(0, "copy", *access, self.place(), target, **self.ALONE)
        self.assertEqual(done.out.splitlines()[0], f"{self.place().replace('/?', '?')} -> {target}")
        self.assertRegex(done.out, r"copied +4 ")
        self.expect(0, "verify", *access, self.place(), target, **self.ALONE)
        self.assertEqual(len(mailreaders.read_place(target)), 4)
        report = self.expect(0, "copy", "--json", *access, self.place(), target, **self.ALONE).json()
        self.assert_balanced(report)
        self.assertEqual((report["copied"], report["present"]), (0, 4))
        folders = {folder["path"]: folder for folder in
                   self.expect(0, "ls", "--json", *access, self.place(), **self.ALONE).json()["folders"]}
        self.assertEqual({name: (one["role"], one["messages"]) for name, one in folders.items()},
                         {"INBOX": ("inbox", 3), "Gesendet": ("sent", 1)})
        self.assertRegex(self.expect(0, "ls", *access, self.place(), **self.ALONE).out, r" 1 .*sent +Gesendet\n")


if __name__ == "__main__":
    unittest.main()
