"""The program among others: closed and full descriptors, limits, signals, odd environments."""

import os
import pty
import resource
import signal
import subprocess
import time
import unittest

import mailreaders
from support import BINARY, CliTest, instrumented, message, snapshot, write_maildir, write_mbox

NOBODY = 65534


class Descriptors(CliTest):
    def test_a_full_disk_behind_stdout_is_1_after_the_run_is_safe(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        with open("/dev/full", "wb") as full:
            done = self.expect(1, "copy", source, target, stdout=full)
            self.assertIn("cannot write to standard output", done.err)
            self.expect(1, "ls", source, stdout=full)
            self.expect(1, "ls", "--json", source, stdout=full)
            self.expect(1, "verify", "--json", source, target, stdout=full)
            self.expect(1, "help", stdout=full)
            self.expect(1, "version", stdout=full)
        self.assertEqual(self.expect(0, "copy", "--json", source, target).json()["copied"], 0, "the first run delivered all")

    def test_a_reader_that_goes_away_is_1_and_no_signal(self):
        source = self.small_source()
        for arguments in (["ls", source], ["copy", "--json", source, "maildir:" + self.path("t")], ["help"]):
            read_end, write_end = os.pipe()
            os.close(read_end)
            done = self.expect(1, *arguments, stdout=write_end)
            os.close(write_end)
            self.assertIn("standard output", done.err)

    def test_a_stderr_that_takes_nothing_does_not_stop_a_run(self):
        source = self.small_source()
        with open("/dev/full", "wb") as full:
            self.expect(0, "copy", "-v", source, "maildir:" + self.path("t"), stderr=full)
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.expect(0, "verify", source, "maildir:" + self.path("t"), stderr=write_end)
        os.close(write_end)

    def test_closed_descriptors_never_become_a_ledger_or_a_mailbox(self):
        source = self.small_source()
        for number, closed in enumerate(("<&-", ">&-", "2>&-", "<&- >&- 2>&-")):
            target = f"mbox:{self.path(f't{number}')}/"
            done = self.shell(f"exec \"$MH\" copy -v '{source}' '{target}' {closed}")
            self.assertEqual(done.code, 0, done.err)
            compared = mailreaders.compare(mailreaders.read_place(source), mailreaders.read_place(target))
            self.assertFalse(mailreaders.differs(compared), compared)
        self.assertEqual(self.expect(0, "copy", "--json", source, f"mbox:{self.path('t3')}/").json()["copied"], 0)

    @unittest.skipIf(instrumented(), "sanitizers need descriptors of their own")
    def test_with_few_descriptors_a_run_completes_or_says_what_it_lacks_and_loses_nothing(self):
        for number in range(30):
            write_maildir(self.path("src", f".F{number}"), [message(i, folder=f"F{number}") for i in range(3)])
        write_maildir(self.path("src"), [message(1, size=6_000_000)])
        source = "maildir:" + self.path("src")
        for limit, target in ((16, "maildir:" + self.path("t")), (16, "mbox:" + self.path("u") + "/"),
                              (64, "maildir:" + self.path("v")), (64, "mbox:" + self.path("w") + "/")):
            done = self.shell(f"ulimit -n {limit}; exec \"$MH\" copy --json --memory 64K '{source}' '{target}'")
            self.assert_balanced(done.json())
            if done.code != 0:
                self.assertEqual(limit, 16, done.err)
                self.assertIn("Too many open files", done.out)
                self.expect(0, "copy", "--settle", "0", source, target)
            compared = mailreaders.compare(mailreaders.read_place(source), mailreaders.read_place(target))
            self.assertFalse(mailreaders.differs(compared), compared)

    @unittest.skipIf(instrumented(), "sanitizers need descriptors of their own")
    def test_messages_that_wait_in_files_do_not_run_into_the_limit_that_is_only_advice(self):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2048:
            self.skipTest("the hard limit is low")
        write_maildir(self.path("src"), [message(i) for i in range(1500)])
        source, target = "maildir:" + self.path("src"), "maildir:" + self.path("t")
        done = self.shell(f"ulimit -Sn 256; exec \"$MH\" copy --json --memory 64K '{source}' '{target}'")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.json()["copied"], 1500)

    def test_a_terminal_gets_a_live_line_that_is_gone_at_the_end(self):
        write_maildir(self.path("src"), [message(i) for i in range(300)])
        for extra, live in (({}, True), ({"TERM": "dumb"}, False)):
            master, slave = pty.openpty()
            self.environment.update({"TERM": "xterm", **extra})
            process = self.start("copy", "maildir:" + self.path("src"), "maildir:" + self.path("t" + str(live)), stderr=slave)
            os.close(slave)
            out = process.communicate(timeout=60)[0]
            seen = b""
            while True:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # the other end of a pseudo-terminal that nobody holds
                    break
                if not piece:
                    break
                seen += piece
            os.close(master)
            self.assertEqual(process.returncode, 0)
            self.assertIn(b"complete: 300", out)
            self.assertEqual(b"\x1b[K" in seen, live, seen)
            if live:
                self.assertTrue(seen.endswith(b"\r\x1b[K"), seen)

    def test_colour_is_for_error_and_hint_on_a_terminal_only_and_can_be_refused(self):
        for extra, arguments, coloured in (({}, [], True), ({"NO_COLOR": "1"}, [], False), ({}, ["--no-color"], False),
                                           ({"TERM": "dumb"}, [], False)):
            master, slave = pty.openpty()
            self.environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm", **extra}
            process = self.start("bananas", *arguments, stderr=slave)
            process.communicate(timeout=30)
            os.close(slave)
            seen = os.read(master, 65536)
            os.close(master)
            self.assertEqual(b"\x1b[" in seen, coloured, seen)


class Limits(CliTest):
    def test_a_file_size_limit_is_10_and_the_run_can_go_on_without_it(self):
        write_maildir(self.path("src"), [message(i, size=30_000) for i in range(40)])
        source, target = "maildir:" + self.path("src"), "mbox:" + self.path("t") + "/"
        done = self.shell(f"ulimit -f 512; exec \"$MH\" copy --json '{source}' '{target}'")
        self.assertEqual(done.code, 10, done.err)
        report = done.json()
        self.assert_balanced(report)
        self.assertEqual(report["error"]["kind"], "no_space", report)
        self.expect(0, "copy", source, target)
        compared = mailreaders.compare(mailreaders.read_place(source), mailreaders.read_place(target))
        self.assertFalse(mailreaders.differs(compared), compared)


class Signals(CliTest):
    COUNT = 3000

    def many(self):
        for part in range(6):
            folder = f"F{part}"
            write_mbox(self.path("src", folder), [message(i, folder=folder) for i in range(self.COUNT // 6)])
        return "mbox:" + self.path("src")

    def wait_until_copying(self, process):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if sum(len(names) for folder, _, names in os.walk(self.path("t")) if folder.endswith("/cur")) >= 200:
                return
            time.sleep(0.005)
        self.fail(f"the run did not come to copying: {process.poll()}")

    def interrupt(self, number, json_report):
        source, target = self.many(), "maildir:" + self.path("t")
        process = self.start("copy", *(["--json"] if json_report else []), source, target)
        self.wait_until_copying(process)
        process.send_signal(number)
        begin = time.monotonic()
        out, err = process.communicate(timeout=30)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(process.returncode, 12, err)
        return source, target, out

    def finish(self, source, target):
        report = self.expect(0, "copy", "--json", "--settle", "0", source, target).json()
        self.assert_balanced(report)
        self.assertEqual(report["listed"], self.COUNT)
        records = mailreaders.read_place(target)
        self.assertEqual(len(records), self.COUNT, "nothing is there twice")
        compared = mailreaders.compare(mailreaders.read_place(source), records)
        self.assertEqual((compared["missing"], compared["extra"]), ([], []))
        self.assertEqual(self.expect(0, "copy", "--json", source, target).json()["copied"], 0)

    def test_ctrl_c_ends_with_12_and_a_balanced_report_and_the_next_run_completes(self):
        source, target, out = self.interrupt(signal.SIGINT, json_report=True)
        from support import Done
        report = Done(12, out, b"").json()
        self.assert_balanced(report)
        self.assertEqual(report["exit"], 12)
        self.assertGreater(report["copied"], 0)
        self.assertLess(report["copied"], self.COUNT)
        self.finish(source, target)

    def test_sigterm_does_the_same_and_the_last_line_says_how_to_go_on(self):
        source, target, out = self.interrupt(signal.SIGTERM, json_report=False)
        self.assertIn(b"interrupted: run the same command again to go on", out.splitlines()[-1])
        self.finish(source, target)

    def test_a_second_signal_ends_at_once_and_the_next_run_completes(self):
        source, target = self.many(), "maildir:" + self.path("t")
        process = self.start("copy", source, target)
        self.wait_until_copying(process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.25)  # closer signals are one wish: timeout(1) sends two
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        self.assertEqual(process.returncode, 12)
        self.finish(source, target)


class Environments(CliTest):
    def test_a_locale_that_is_not_utf8_gets_ascii_and_the_same_folders(self):
        write_mbox(self.path("src", "Entw\u00fcrfe"), [message(1)])
        source = "mbox:" + self.path("src")
        for locale in ("de_DE.ISO-8859-1", "C", "POSIX", "", "xx_XX.nonsense"):
            self.environment["LC_ALL"] = locale
            done = self.expect(0, "ls", source)
            self.assertIn("Entw\\u{fc}rfe" if "_" in locale else "Entw\u00fcrfe", done.out)
            self.expect(0, "copy", source, "maildir:" + self.path("t"))
        self.assertEqual({"/".join(record.folder) for record in mailreaders.read_place("maildir:" + self.path("t"))},
                         {"Entw\u00fcrfe"})

    def test_without_home_the_password_database_is_asked_or_the_error_names_the_way_out(self):
        source = self.small_source()
        for name in ("HOME", "XDG_STATE_HOME"):
            self.environment.pop(name)
        self.expect(0, "ls", source)
        self.expect(0, "copy", "--ledger", self.path("l", "my.ledger"), source, "maildir:" + self.path("t"))
        self.assertTrue(os.path.exists(self.path("l", "my.ledger")))
        if os.getuid() != 0:
            self.skipTest("only root can become a user without a home")
        # A uid that no database knows.
        open_to_all(self.scratch)
        done = self.expect(2, "copy", source, "maildir:" + self.path("t2"), user=54321, group=54321, extra_groups=[])
        self.assertIn("--ledger", done.err)
        self.assertFalse(os.path.exists(self.path("t2")))

    def test_verify_ls_and_dry_run_work_on_a_read_only_state_and_source(self):
        source, target = self.small_source(), "maildir:" + self.path("t")
        os.makedirs(self.path("state"))
        user = {}
        if os.getuid() == 0:
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            open_to_all(self.scratch)
            for folder, folders, names in os.walk(self.scratch):
                for name in [""] + folders + names:
                    os.chown(os.path.join(folder, name), NOBODY, NOBODY)
        self.expect(0, "copy", source, target, **user)
        for folder, folders, names in os.walk(self.scratch):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o400)
            os.chmod(folder, 0o500)
        self.addCleanup(self.make_removable)
        before = snapshot(self.scratch)
        for arguments in (["verify", source, target], ["ls", source], ["copy", "-n", source, target]):
            self.expect(0, *arguments, **user)
        self.assertEqual(before, snapshot(self.scratch))

    def test_a_read_only_source_is_copied(self):
        source = self.small_source()
        user = {}
        if os.getuid() == 0:
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chmod(self.scratch, 0o777)
        for folder, _, names in os.walk(self.path("src")):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o444)
            os.chmod(folder, 0o555)
        self.addCleanup(self.make_removable)
        before = snapshot(self.path("src"))
        self.expect(0, "copy", source, "mbox:" + self.path("t") + "/", **user)
        self.assertEqual(before, snapshot(self.path("src")))

    def make_removable(self):
        for folder, _, _ in os.walk(self.scratch):
            os.chmod(folder, 0o700)

    def test_files_of_ours_are_for_the_user_alone(self):
        source = self.small_source()
        self.expect(0, "copy", "--outcomes", self.path("o"), source, "maildir:" + self.path("t"), umask=0)
        self.assertEqual(os.stat(self.path("o")).st_mode & 0o777, 0o600)
        for folder, _, names in os.walk(self.path("state")):
            self.assertEqual(os.stat(folder).st_mode & 0o077, 0, folder)
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o177, 0, name)

    def test_two_runs_of_one_pair_do_not_meet(self):
        write_maildir(self.path("src"), [message(i) for i in range(2000)])
        arguments = ["copy", "maildir:" + self.path("src"), "maildir:" + self.path("t")]
        runs = [subprocess.Popen([BINARY, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        for run in runs:
            run.communicate(timeout=120)
        self.assertEqual(sorted(run.returncode for run in runs)[0], 0)
        self.assertIn(sorted(run.returncode for run in runs)[1], (0, 9))
        self.expect(0, *arguments)
        self.assertEqual(len(mailreaders.read_place("maildir:" + self.path("t"))), 2000)


def open_to_all(scratch):
    for folder, _, _ in os.walk(scratch):
        os.chmod(folder, 0o755)


if __name__ == "__main__":
    unittest.main()
