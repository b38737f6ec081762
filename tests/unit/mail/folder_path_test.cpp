#include "mail/folder_path.hpp"

#include <gtest/gtest.h>

using namespace mailhaul::mail;

TEST(FolderPath, The_top_component_inbox_has_one_spelling_and_deeper_ones_keep_theirs) {
  EXPECT_EQ(FolderPath({"inBox"}).text(), "INBOX");
  EXPECT_TRUE(FolderPath({"inbox"}).is_inbox());
  EXPECT_EQ(FolderPath({"inbox", "inbox"}).text(), "INBOX/inbox");
  EXPECT_EQ(FolderPath({"Inbox2"}).text(), "Inbox2");
}

TEST(FolderPath, Text_goes_both_ways) {
  for (const FolderPath& path : {FolderPath({"A", "B"}), FolderPath({"a/b", "100%"}), FolderPath({"%2F"}),
                                 FolderPath({" "}), FolderPath({"Entw\xC3\xBCrfe"}), FolderPath({"INBOX", "x"})}) {
    EXPECT_EQ(FolderPath::from_text(path.text()), path) << path.text();
  }
  EXPECT_EQ(FolderPath({"a/b", "100%"}).text(), "a%2Fb/100%25");
  EXPECT_EQ(FolderPath::from_text("a%2fb")->components, (std::vector<std::string>{"a/b"}));
  EXPECT_EQ(FolderPath::from_text("50%")->components, (std::vector<std::string>{"50%"}));
  EXPECT_EQ(FolderPath::from_text("%252F")->components, (std::vector<std::string>{"%2F"}));
}

TEST(FolderPath, Empty_components_are_refused) {
  for (const char* text : {"", "/", "/a", "a/", "a//b"}) EXPECT_FALSE(FolderPath::from_text(text)) << text;
}

TEST(FolderPath, Compares_components_and_never_native_names) {
  EXPECT_EQ(FolderPath({"a"}, "x"), FolderPath({"a"}, "y"));
  EXPECT_LT(FolderPath({"a", "z"}), FolderPath({"a b"}));
  EXPECT_LT(FolderPath({"a"}), FolderPath({"a", "b"}));
  EXPECT_TRUE(FolderPath({"a", "b"}).starts_with(FolderPath({"a"})));
  EXPECT_TRUE(FolderPath({"a"}).starts_with(FolderPath()));
  EXPECT_FALSE(FolderPath({"ab"}).starts_with(FolderPath({"a"})));
  EXPECT_FALSE(FolderPath({"a"}).starts_with(FolderPath({"a", "b"})));
}

TEST(Role, Names_in_two_languages) {
  struct Row {
    const char* name;
    Role role;
  };
  for (const Row& row : std::initializer_list<Row>{{"inbox", Role::inbox},
                                                   {"Sent", Role::sent},
                                                   {"SENT ITEMS", Role::sent},
                                                   {"Sent Messages", Role::sent},
                                                   {"Sent Mail", Role::sent},
                                                   {"Gesendet", Role::sent},
                                                   {"Gesendete Objekte", Role::sent},
                                                   {"Gesendete Elemente", Role::sent},
                                                   {"Drafts", Role::drafts},
                                                   {"Entw\xC3\xBCrfe", Role::drafts},
                                                   {"ENTW\xC3\x9CRFE", Role::drafts},
                                                   {"Entwu\xCC\x88rfe", Role::drafts},
                                                   {"Trash", Role::trash},
                                                   {"Deleted Items", Role::trash},
                                                   {"Deleted Messages", Role::trash},
                                                   {"Papierkorb", Role::trash},
                                                   {"Gel\xC3\xB6schte Elemente", Role::trash},
                                                   {"GEL\xC3\x96SCHTE OBJEKTE", Role::trash},
                                                   {"Junk", Role::junk},
                                                   {"Spam", Role::junk},
                                                   {"Junk E-Mail", Role::junk},
                                                   {"Bulk Mail", Role::junk},
                                                   {"Spamverdacht", Role::junk},
                                                   {"Unerw\xC3\xBCnscht", Role::junk},
                                                   {"Werbung", Role::junk},
                                                   {"Archive", Role::archive},
                                                   {"Archiv", Role::archive},
                                                   {"Archives", Role::archive},
                                                   {"Sent ", Role::none},
                                                   {"Important", Role::none},
                                                   {"Work", Role::none}}) {
    EXPECT_EQ(role_by_name(FolderPath({row.name})), row.role) << row.name;
  }
  EXPECT_EQ(role_by_name(FolderPath({"Work", "Sent"})), Role::none);
  EXPECT_EQ(role_by_name(FolderPath({"INBOX", "Sent"})), Role::none);
  EXPECT_EQ(role_by_name(FolderPath()), Role::none);
}

TEST(Role, Views_are_the_three_that_show_other_folders_mail) {
  EXPECT_TRUE(is_view(Role::all) && is_view(Role::flagged) && is_view(Role::important));
  EXPECT_FALSE(is_view(Role::archive) || is_view(Role::none));
  EXPECT_EQ(to_text(Role::none), "");
  EXPECT_EQ(to_text(Role::important), "important");
  EXPECT_EQ(to_text(Role::junk), "junk");
}
