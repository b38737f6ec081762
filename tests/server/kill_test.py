"""Runs that are killed, and connections that are cut, in the middle of deliveries to an account: each resumed at once.

Afterwards, by imaplib: every message is there once. MH_RANDOM_KILLS scales both (a long run: 1000)."""

import collections
import os
import random
import shutil
import subprocess
import time

import accounts
import mailreaders
import proxy
import sample_mail
import support
from accounts import LATEST, SETTLE, ServerTest, folded

KILLS = int(os.environ.get("MH_RANDOM_KILLS", "12"))
KILLS_A_TRIAL = 3
COUNT = 400


class Kill(ServerTest):
    SERVERS = {"maildir": {}, "sdbox": {"storage": "sdbox"}, "target": {}}

    def setUp(self):
        super().setUp()
        sample_mail.fill_maildir(self.path("src"), COUNT)
        self.source = "maildir:" + self.path("src")
        self.all = mailreaders.read_place(self.source)
        self.expected = folded(self.all)
        self.trial = 0

    def fresh(self, server):
        """An account as new, and no memory of it: the accounts of a server would soon be used up."""
        if not hasattr(self, "kept"):
            self.kept = {}
        account = self.kept.setdefault(server, None) or self.account(server)
        self.kept[server] = account
        account.server.forget(account.user)
        shutil.rmtree(self.path("state"), ignore_errors=True)
        return account

    def settled(self, source, target, when):
        """Runs until everything is known: the first run may still wait for deliveries in doubt."""
        report = self.haul("copy", source, target, *SETTLE, code=(0, 8))
        if report["exit"]:
            report = self.haul("copy", source, target, *SETTLE)
        again = self.haul("copy", source, target, *SETTLE)
        self.assertEqual(again["copied"], 0, when)
        after = accounts.read(target)
        difference = mailreaders.compare(self.expected, after)
        self.assertEqual((len(difference["missing"]), len(difference["extra"])), (0, 0),
                         (when, difference["missing"][:2], difference["extra"][:2]))
        # Which date a message has that stands for its twins is nobody's promise, and it has the flags of all of them.
        single = collections.Counter((record.folder, record.nid) for record in self.all)
        alone = [record for record in self.expected if single[(record.folder, record.nid)] == 1]
        difference = mailreaders.compare(alone, after)
        self.assertEqual((difference["flags"][:2], difference["keywords"][:2], difference["dates"][:2]), ([], [], []), when)

    def kill_in_the_middle(self, arguments, whole, rng):
        process = subprocess.Popen([support.BINARY, *arguments], env=self.environment, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(rng.random() * whole)  # the moment is what is tested; nothing waits for it
        process.kill()
        return process.wait() == -9

    def test_killed_runs_lose_nothing_and_double_nothing(self):
        rng = random.Random(30)
        for server in ("maildir", "sdbox"):
            account = self.fresh(server)
            start = time.monotonic()
            self.haul("copy", self.source, account, *SETTLE)
            whole = time.monotonic() - start
            kills = trials = 0
            while kills < KILLS / 2 and trials < KILLS:
                trials += 1
                account = self.fresh(server)
                arguments = self.arguments("copy", self.source, account, "-q", *SETTLE)
                for _ in range(KILLS_A_TRIAL):
                    kills += self.kill_in_the_middle(arguments, whole, rng)
                self.settled(self.source, account, "trial %d of %s" % (trials, server))
            print("%s: %d kills in %d trials, a whole run takes %.2f s" % (server, kills, trials, whole))
            self.assertGreaterEqual(kills, KILLS / 2, "too few runs were killed in their middle")

    def test_killed_runs_from_an_account_to_a_maildir(self):
        rng = random.Random(31)
        account = self.fresh("maildir")
        self.haul("copy", self.source, account)
        target = "maildir:" + self.path("back")
        arguments = self.arguments("copy", account, target, "-q")
        kills = 0
        for trial in range(max(2, KILLS // 6)):
            for name in ("state", "back"):
                shutil.rmtree(self.path(name), ignore_errors=True)
            for _ in range(KILLS_A_TRIAL):
                kills += self.kill_in_the_middle(arguments, 0.3, rng)
            self.settled(account, target, "trial %d" % trial)
        self.assertGreater(kills, 2)

    # Cuts -----------------------------------------------------------------------------------------------------------

    def through(self, server_port, faults):
        """A proxy whose first connections fail as `faults` say, and whose later ones are sound."""
        return proxy.Proxy(server_port, lambda number: faults[number - 1] if number <= len(faults) else proxy.Fault())

    def test_cut_deliveries_lose_nothing_and_double_nothing(self):
        rng = random.Random(32)
        octets = sum(len(record.octets) for record in self.expected)
        cuts = late = 0
        for trial in range(max(3, KILLS // 3)):
            account = self.fresh("target")
            faults = []
            for _ in range(3):  # the session that reads the target, and the two that share the writing
                kind = rng.choice(["to_server", "to_client", "late", "late"])
                point = rng.randrange(300, octets // 4)
                faults.append({"to_server": proxy.Fault(cut_to_server=point),
                               "to_client": proxy.Fault(cut_to_client=rng.randrange(200, 20_000)),
                               "late": proxy.Fault(late_after=point, late_seconds=rng.uniform(0, LATEST - 0.2))}[kind])
            with self.through(account.server.port, faults) as between:
                cut = accounts.Account(account.server, account.user, tls=False, port=between.port, query="?tls=off")
                self.haul("copy", self.source, cut, *SETTLE, code=(0, 5, 8))
                self.assertTrue(between.settle(), "the proxy still holds octets")
                self.settled(self.source, cut, "trial %d: %s" % (trial, faults))
                self.assertLessEqual(between.latest, LATEST)
                cuts += between.cuts
                late += between.latest > 0
        print("%d cuts, %d trials with late commits" % (cuts, late))
        self.assertGreater(cuts, 2, "the proxy hardly ever cut")
        self.assertGreater(late, 0, "no commit was late")

    def test_a_source_cut_anywhere_gives_whole_messages_only(self):
        rng = random.Random(33)
        account = self.fresh("maildir")
        self.haul("copy", self.source, account)
        octets = sum(len(record.octets) for record in self.expected)
        points = [1, 20, 150, 400, 700] + [rng.randrange(1000, octets) for _ in range(KILLS // 2)]
        for point in points:
            with self.subTest(point), self.through(account.server.port, [proxy.Fault(cut_to_client=point)]) as between:
                shutil.rmtree(self.path("state"))
                shutil.rmtree(self.path("back"), ignore_errors=True)
                cut = accounts.Account(account.server, account.user, tls=False, port=between.port, query="?tls=off")
                target = "maildir:" + self.path("back")
                self.haul("copy", cut, target, code=(0, 4))
                self.settled(cut, target, point)
                self.assertEqual(between.cuts, 1)

    def test_a_dribbling_connection_is_only_slow(self):
        shutil.rmtree(self.path("src"))
        sample_mail.fill_maildir(self.path("src"), 13)
        account = self.fresh("maildir")
        with proxy.Proxy(account.server.port, lambda number: proxy.Fault(dribble=True)) as between:
            slow = accounts.Account(account.server, account.user, tls=False, port=between.port, query="?tls=off")
            self.haul("copy", self.source, slow, "--dedup", "none")
            target = "maildir:" + self.path("back")
            self.haul("copy", slow, target, "--dedup", "none")
        self.assert_same_mail(mailreaders.read_place(self.source), mailreaders.read_place(target))


if __name__ == "__main__":
    accounts.main()
