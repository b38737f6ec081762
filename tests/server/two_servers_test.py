"""From one account to another, on two servers that differ: separators, stores, and what they announce."""

import accounts
import mailreaders
import sample_mail
from accounts import ServerTest

COUNT = 120
OLD = "IMAP4rev1 ID IDLE NAMESPACE CHILDREN"  # a server of the last century


class TwoServers(ServerTest):
    SERVERS = {
        "slash": {"storage": "sdbox", "separator": "/"},
        "dot": {"storage": "maildir", "separator": "."},
        "multiple": {"storage": "mdbox"},
        "old": {"capability": OLD, "storage": "sdbox"},
        "no_multiappend": {"capability": OLD + " UIDPLUS LITERAL+", "storage": "sdbox"},
        "small_literals": {"capability": OLD + " UIDPLUS LITERAL-", "storage": "sdbox"},
        "quota": {"storage": "sdbox", "quota": "messages=30"},
        "prefixed": {"separator": ".", "extra": "namespace inbox {\n  prefix = INBOX.\n}\n"},
    }

    def filled(self, server, folders=sample_mail.FOLDERS):
        sample_mail.fill_maildir(self.path("src" + server), COUNT, folders)
        account = self.account(server)
        report = self.haul("copy", "maildir:" + self.path("src" + server), account, "--dedup", "none")
        self.assertEqual((report["copied"], report["failed"]), (COUNT, 0), report["failures"][:3])
        return account

    def go(self, source, target, but=()):
        before = accounts.read(source)
        report = self.haul("copy", source, target, "--dedup", "none")
        self.assertEqual((report["copied"], report["failed"]), (COUNT, 0), report["failures"][:3])
        self.assert_same_mail(before, target.records(), but)
        self.assert_same_mail(before, target.doveadm_records(), but)
        self.assertEqual(self.haul("copy", source, target, "--dedup", "none")["copied"], 0)
        checked = self.haul("verify", source, target, "--dedup", "none")
        self.assertEqual((checked["checked"], checked["missing"], checked["different"]), (COUNT, 0, 0))

    def test_slash_to_dot_and_back(self):
        source, middle, back = self.filled("slash"), self.account("dot"), self.account("slash")
        self.go(source, middle)
        self.go(middle, back)

    def test_every_kind_of_server_takes_all(self):
        source = self.filled("slash")
        for server in ("multiple", "old", "no_multiappend", "small_literals"):
            with self.subTest(server):
                self.go(source, self.account(server))

    def test_every_kind_of_server_gives_all(self):
        for server in ("multiple", "old"):
            with self.subTest(server):
                self.go(self.filled(server), self.account("dot"))

    def test_a_component_with_the_separator_is_renamed_and_told(self):
        source = self.account("slash")
        with source.session() as session:
            for name in ("INBOX", "v1.2", "v1_2", "Top/a.b"):
                session.session.create(name)
                session.ask(session.session.append(name, None, None, b"Subject: %s\r\n\r\nx\r\n" % name.encode()))
        target = self.account("dot")
        report = self.haul("copy", source, target)
        found = {record.octets.split()[1].decode(): record.folder for record in target.records()}
        self.assertEqual(found["INBOX"], ("INBOX",))
        self.assertEqual(found["Top/a.b"], ("Top", "a_b"))
        self.assertEqual({found["v1.2"], found["v1_2"]}, {("v1_2",), ("v1_2_2",)})
        self.assertEqual(self.haul("copy", source, target)["copied"], 0)
        self.assertIn("v1_2", {folder["target"] for folder in report["folders"]})

    def test_a_prefix_of_the_namespace_is_no_folder(self):
        source = self.filled("slash", [("INBOX",), ("Work",), ("Work", "Sub")])
        target = self.account("prefixed")
        self.haul("copy", source, target, "--dedup", "none")
        self.assertEqual({record.folder for record in target.records()},
                         {("INBOX",), ("INBOX", "Work"), ("INBOX", "Work", "Sub")})
        self.haul("copy", target, "maildir:" + self.path("back"), "--dedup", "none")
        self.assertEqual({record.folder for record in mailreaders.read_place("maildir:" + self.path("back"))},
                         {("INBOX",), ("Work",), ("Work", "Sub")})

    def test_a_full_quota_ends_the_run_and_a_later_one_goes_on(self):
        source = self.filled("slash")
        target = self.account("quota")
        report = self.haul("copy", source, target, "--dedup", "none", "--connections", "1", code=10)
        stored = len(target.records())
        self.assertEqual((report["copied"], report["unknown"]), (stored, 0))
        self.assertTrue(0 < stored <= 30, stored)
        with target.session() as session:  # the user makes room
            for folder in session.folders():
                if "\\Noselect" in folder.attributes:
                    continue
                session.select(folder.raw, readonly=False)
                session.session.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
                session.session.expunge()
        # How much of it fits depends on what comes first, so over one connection.
        report = self.haul("copy", source, target, "--dedup", "none", "--connections", "1", code=10)
        self.assertEqual((report["copied"], report["unknown"]), (len(target.records()), 0))
        self.assertTrue(0 < len(target.records()) <= 30)
        report = self.haul("copy", source, target, "--dedup", "none", code=10)
        self.assertEqual(report["unknown"], 0)
        self.assertLessEqual(len(target.records()), 30)


if __name__ == "__main__":
    accounts.main()
