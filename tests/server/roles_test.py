"""Roles: folders find their like by SPECIAL-USE, then by name in English and German; views are no mailboxes."""

import accounts
import mailreaders
import sample_mail
import support
from accounts import ServerTest

ENGLISH = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Trash": "\\Trash", "Spam": "\\Junk", "Archive": "\\Archive"}
GERMAN = {"Gesendet": "\\Sent", "Entwürfe": "\\Drafts", "Papierkorb": "\\Trash", "Werbung": "\\Junk", "Archiv": "\\Archive"}
VIEWS = {"Alles": "\\All", "Markiert": "\\Flagged", "Sent": "\\Sent"}


class Roles(ServerTest):
    SERVERS = {"english": {"special_use": ENGLISH}, "german": {"special_use": GERMAN}, "plain": {}, "views": {"special_use": VIEWS}}

    def put(self, account, names):
        """One message in each folder, made when it is not there."""
        with account.session() as session:
            there = {folder.path: folder for folder in session.folders()}
            for number, name in enumerate(names):
                raw = mailreaders.to_mutf7(name)
                if (name,) not in there:
                    session.ask(session.session.create('"%s"' % raw))
                session.ask(session.session.append('"%s"' % raw, None, None, support.message(number, folder=name).replace(b"\n", b"\r\n")))

    def folders_of(self, account):
        return {"/".join(record.folder) for record in account.records()}

    def all_folders(self, account):
        with account.session() as session:
            return {"/".join(folder.path) for folder in session.folders()}

    def test_special_use_meets_special_use(self):
        source, target = self.account("english"), self.account("german")
        self.put(source, ENGLISH)
        report = self.haul("copy", source, target)
        self.assertEqual(self.folders_of(target), set(GERMAN), report["folders"])
        self.assertEqual(self.all_folders(target), set(GERMAN) | {"INBOX"}, "a role made a second folder")
        self.assertEqual(self.haul("copy", source, target)["copied"], 0)

    def test_names_meet_special_use(self):
        for names, expected in ((["Sent Items", "Drafts", "Deleted Items", "Junk"], {"Gesendet", "Entwürfe", "Papierkorb", "Werbung"}),
                                (["Gesendete Objekte", "Entwürfe", "Papierkorb"], {"Gesendet", "Entwürfe", "Papierkorb"})):
            with self.subTest(names):
                source, target = self.account("plain"), self.account("german")
                self.put(source, names)
                self.haul("copy", source, target)
                self.assertEqual(self.folders_of(target), expected)

    def test_names_meet_names(self):
        source, target = self.account("plain"), self.account("plain")
        self.put(source, ["Sent", "Drafts", "Trash"])
        self.put(target, ["Gesendet", "Entwürfe", "Papierkorb"])
        self.haul("copy", source, target)
        self.assertEqual(self.folders_of(target), {"Gesendet", "Entwürfe", "Papierkorb"})

    def test_a_local_tree_meets_special_use(self):
        sample_mail.fill_maildir(self.path("src"), 12, folders=[("INBOX",), ("Sent",), ("Trash",)])
        target = self.account("german")
        self.haul("copy", "maildir:" + self.path("src"), target)
        self.assertEqual(self.folders_of(target), {"INBOX", "Gesendet", "Papierkorb"})

    def test_no_role_map_keeps_names(self):
        source, target = self.account("english"), self.account("german")
        self.put(source, ENGLISH)
        self.haul("copy", source, target, "--no-role-map")
        self.assertEqual(self.folders_of(target), set(ENGLISH))

    def test_views_are_skipped_unless_named(self):
        source = self.account("views")
        self.put(source, ["Alles", "Markiert", "Sent", "Work"])
        target = "maildir:" + self.path("out")
        self.haul("copy", source, target)
        self.assertEqual({record.folder for record in mailreaders.read_place(target)}, {("Sent",), ("Work",)})
        named = "maildir:" + self.path("named")
        self.haul("copy", source, named, "--folder", "Alles")
        self.assertEqual({record.folder for record in mailreaders.read_place(named)}, {("Alles",)})

    def test_ls_tells_roles(self):
        account = self.account("german")
        report = self.haul("ls", account, None)
        roles = {folder["path"]: folder["role"] for folder in report["folders"]}
        self.assertEqual({roles[name] for name in GERMAN}, {"sent", "drafts", "trash", "junk", "archive"})


if __name__ == "__main__":
    accounts.main()
