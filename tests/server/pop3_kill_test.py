"""Runs from a POP3 mailbox that are killed, and connections that are cut, in the middle: each resumed at once.

Afterwards every message is there once, and nothing that was acknowledged has been downloaded again. MH_RANDOM_KILLS
scales it (a long run: 1000)."""

import os
import random
import shutil
import signal
import subprocess
import time

import accounts
import mailreaders
import proxy
import support
from accounts import SETTLE, ServerTest, commands

KILLS = int(os.environ.get("MH_RANDOM_KILLS", "8"))
KILLS_A_TRIAL = 3
COUNT = 1500
# What may be under way when a run dies, downloaded and not yet recorded: RETRs in flight, the queue, a batch that is
# being written.
WINDOW = 256 + 512 + 128


class Pop3Kill(ServerTest):
    SERVERS = {"source": {}, "target": {"storage": "sdbox"}}

    def setUp(self):
        super().setUp()
        rng = random.Random(40)
        self.texts = [support.message(number, rng.choice([100, 2000, 2000, 9000])) for number in range(COUNT)]
        self.pop3 = self.account("source").pop3().fill(self.texts)
        self.expected = self.pop3.popped()
        self.account_ = self.account("target")

    def fresh(self, target):
        if isinstance(target, str):
            shutil.rmtree(target.split(":")[1], ignore_errors=True)
        else:
            target.server.forget(target.user)
        shutil.rmtree(self.path("state"), ignore_errors=True)

    def through(self, between):
        return accounts.Pop3(self.pop3.server, self.pop3.user, tls=False, port=between.port, query="?tls=off")

    def cut_off(self, arguments, whole, rng, sign=signal.SIGKILL):
        """Whether the run died of it; it may have been done before."""
        process = subprocess.Popen([support.BINARY, *arguments], env=self.environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep((0.1 + 0.9 * rng.random()) * whole)  # the moment is what is tested; nothing waits for it
        process.send_signal(sign)
        return process.wait()

    def settled(self, source, target, when):
        report = self.haul("copy", source, target, *SETTLE, code=(0, 8))
        if report["exit"]:
            self.haul("copy", source, target, *SETTLE)
        again = self.haul("copy", source, target, *SETTLE)
        self.assertEqual((again["copied"], again["present"]), (0, COUNT), when)
        difference = mailreaders.compare(self.expected, accounts.read(target))
        self.assertEqual((len(difference["missing"]), len(difference["extra"])), (0, 0),
                         (when, difference["missing"][:2], difference["extra"][:2]))

    def killed(self, target, rng, sign=signal.SIGKILL, died=-signal.SIGKILL, runs=KILLS / 2):
        """Trials of three ended runs each; gives (runs that died, messages downloaded in vain)."""
        with proxy.Proxy(self.pop3.server.pop3_port, listen=True) as between:
            source = self.through(between)
            self.fresh(target)
            start = time.monotonic()
            self.haul("copy", source, target, *SETTLE)
            whole = time.monotonic() - start
            kills = trials = wasted = 0
            while kills < runs and trials < 3 * runs:
                trials += 1
                self.fresh(target)
                between.said[:] = b""
                arguments = self.arguments("copy", source, target, "-q", *SETTLE)
                ended = [self.cut_off(arguments, whole * 0.9, rng, sign) for _ in range(KILLS_A_TRIAL)]
                cut = ended.count(died)
                self.assertEqual([code for code in ended if code not in (died, 0, 8)], [])
                self.settled(source, target, "trial %d" % trials)
                fetched = commands(between.said).count("RETR")
                self.assertLessEqual(fetched, COUNT + cut * WINDOW, "acknowledged mail was downloaded again")
                kills, wasted = kills + cut, wasted + fetched - COUNT
        print("%s: %d ended runs in %d trials, a whole run takes %.2f s, %d messages downloaded again"
              % ("account" if not isinstance(target, str) else "maildir", kills, trials, whole, wasted))
        self.assertGreaterEqual(kills, runs, "too few runs were ended in their middle")
        return kills, wasted

    def test_killed_runs_into_an_account_lose_nothing_and_double_nothing(self):
        self.killed(self.account_, random.Random(41))

    def test_killed_runs_into_a_maildir_lose_nothing_and_double_nothing(self):
        self.killed("maildir:" + self.path("out"), random.Random(42))

    def test_ctrl_c_gives_12_and_the_next_run_completes(self):
        for target in (self.account_, "maildir:" + self.path("out")):
            self.killed(target, random.Random(43), signal.SIGINT, 12, runs=2)

    def test_what_was_delivered_when_a_run_died_is_not_downloaded_again(self):
        rng = random.Random(44)
        target = "maildir:" + self.path("out")
        with proxy.Proxy(self.pop3.server.pop3_port, listen=True) as between:
            source = self.through(between)
            kills = 0
            for trial in range(40):
                self.fresh(target)
                kills += self.cut_off(self.arguments("copy", source, target, "-q"), 0.5, rng) == -9
                there = sum(len(names) for folder, _, names in os.walk(self.path("out")) if folder.endswith("/cur"))
                between.said[:] = b""
                self.haul("copy", source, target)
                self.assertEqual(commands(between.said).count("RETR"), COUNT - there, "trial %d" % trial)
                if kills >= 3 and there:
                    break
            self.assertGreaterEqual(kills, 3)

    # Cuts -----------------------------------------------------------------------------------------------------------

    def test_a_source_cut_anywhere_is_gone_on_with_and_gives_whole_messages_only(self):
        rng = random.Random(45)
        octets = sum(len(record.octets) for record in self.expected)
        target = "maildir:" + self.path("out")
        points = [1, 100, 300, 600] + [rng.randrange(1000, octets) for _ in range(KILLS // 2)]
        for point in points:
            fault = lambda number: proxy.Fault(cut_to_client=point) if number == 1 else proxy.Fault()
            with self.subTest(point), proxy.Proxy(self.pop3.server.pop3_port, fault, listen=True) as between:
                self.fresh(target)
                # Before the mailbox is open nothing is lost by giving up; later the run goes on by itself.
                report = self.haul("copy", self.through(between), target, code=(0, 4) if point < 2000 else 0)
                self.assertEqual(between.cuts, 1)
                if report["exit"] == 0:
                    self.assertEqual((report["copied"], between.connections), (COUNT, 2))
                    self.assertLessEqual(commands(between.said).count("RETR"), COUNT + 64)
                self.settled(self.through(between), target, point)


if __name__ == "__main__":
    accounts.main()
