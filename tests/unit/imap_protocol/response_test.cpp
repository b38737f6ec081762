// Known answers, each also in pieces of one octet and of three: the same events whatever the pieces.
#include <gtest/gtest.h>

#include "unit/imap_protocol/recorder.hpp"

using namespace mailhaul;
using namespace mailhaul::imap;
using mailhaul::imap::testing::parse;

namespace {

using Events = std::vector<std::string>;

struct Row {
  std::string_view name, input;
  Events events;
};

using namespace std::string_view_literals;

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(parse(row.input), row.events) << row.name;
    EXPECT_EQ(parse(row.input, 1), row.events) << row.name << ", one octet at a time";
    EXPECT_EQ(parse(row.input, 3), row.events) << row.name << ", three octets at a time";
  }
}

const Events kNotImap{"error: not IMAP"};
const Events kLimit{"error: limit"};

}  // namespace

TEST(ImapResponse, Status_and_tagged_responses) {
  check({
      {"greeting", "* OK IMAP4rev1 ready\r\n", {"status OK \"IMAP4rev1 ready\""}},
      {"bare OK (bad-input 67)", "* OK\r\n", {"status OK \"\""}},
      {"trailing blank", "* OK \r\n", {"status OK \"\""}},
      {"lower case", "* ok hi\r\n", {"status OK \"hi\""}},
      {"preauth", "* PREAUTH in\r\n", {"status PREAUTH \"in\""}},
      {"bye", "* BYE [UNAVAILABLE] later\r\n", {"status BYE [UNAVAILABLE] \"later\""}},
      {"LF alone", "* NO x\n", {"status NO \"x\""}},
      {"CR alone is part of the line", "* NO x\ry\r\n", {"status NO \"x\ry\""}},
      {"UTF-8 and worse in text", "* NO f\xC3\xBCr \xFC\r\n", {"status NO \"f\xC3\xBCr \xFC\""}},
      {"tagged", "A1 OK done\r\n", {"tagged A1 OK \"done\""}},
      {"tagged without text", "A1 NO\r\n", {"tagged A1 NO \"\""}},
      {"tagged in lower case", "a1 bad what\r\n", {"tagged a1 BAD \"what\""}},
      {"text that looks like a literal",
       "A1 OK see {5}\r\n* OK {3}\r\n",
       {"tagged A1 OK \"see {5}\"", "status OK \"{3}\""}},
      {"continuation", "+ go ahead\r\n", {"continue \"go ahead\""}},
      {"Exchange's continuation (quirk 28)", "+\r\n", {"continue \"\""}},
      {"continuation that looks like a literal", "+ {5}\r\n", {"continue \"{5}\""}},
      {"half a line", "* OK hel", {"unfinished"}},
  });
}

TEST(ImapResponse, Codes) {
  check({
      {"uidvalidity",
       "* OK [UIDVALIDITY 3857529045] UIDs valid\r\n",
       {"status OK [UIDVALIDITY 3857529045 n=3857529045] \"UIDs valid\""}},
      {"Cyrus",
       "* OK [HIGHESTMODSEQ 715194045007]\r\n",
       {"status OK [HIGHESTMODSEQ 715194045007 n=715194045007] \"\""}},
      {"uidnext 0 (quirk 65)", "* OK [UIDNEXT 0] x\r\n", {"status OK [UIDNEXT 0 n=0] \"x\""}},
      {"number that is none", "* OK [UNSEEN x] y\r\n", {"status OK [UNSEEN x] \"y\""}},
      {"number above 64 bits",
       "* OK [UIDNEXT 18446744073709551616] y\r\n",
       {"status OK [UIDNEXT 18446744073709551616] \"y\""}},
      {"lower case", "* OK [uidnext 7]\r\n", {"status OK [UIDNEXT 7 n=7] \"\""}},
      {"permanentflags",
       "* OK [PERMANENTFLAGS (\\Seen a]b \\*)] Limited\r\n",
       {"status OK [PERMANENTFLAGS (\\Seen a]b \\*) words=(\\Seen|a]b|\\*)] \"Limited\""}},
      {"no permanent flags", "* OK [PERMANENTFLAGS ()] none\r\n", {"status OK [PERMANENTFLAGS ()] \"none\""}},
      {"badcharset",
       "A1 NO [BADCHARSET (US-ASCII \"UTF-8\")] x\r\n",
       {"tagged A1 NO [BADCHARSET (US-ASCII \"UTF-8\") words=(US-ASCII|UTF-8)] \"x\""}},
      {"capability, with LITERAL + (quirk 65)",
       "A1 OK [CAPABILITY IMAP4rev1 literal + Idle] in\r\n",
       {"tagged A1 OK [CAPABILITY IMAP4rev1 literal + Idle words=(IMAP4REV1|LITERAL+|IDLE)] \"in\""}},
      {"appenduid",
       "A1 OK [APPENDUID 38505 3955] done\r\n",
       {"tagged A1 OK [APPENDUID 38505 3955 n=38505 uids=3955,] \"done\""}},
      {"appenduid of many, in order",
       "A1 OK [APPENDUID 1 7,2:4] done\r\n",
       {"tagged A1 OK [APPENDUID 1 7,2:4 n=1 uids=7,2,3,4,] \"done\""}},
      {"appenduid of all (CVE-2025-25186)",
       "A1 OK [APPENDUID 1 1:4294967295] x\r\n",
       {"tagged A1 OK [APPENDUID 1 1:4294967295] \"x\""}},
      {"appenduid of nothing", "A1 OK [APPENDUID 1] x\r\n", {"tagged A1 OK [APPENDUID 1] \"x\""}},
      {"Exchange without OK (quirk 23)", "* [COPYUID 7 1:2 3:4]\r\n", {"status OK [COPYUID 7 1:2 3:4 n=7] \"\""}},
      {"Outlook's empty sets", "* OK [COPYUID 701  ]\r\n", {"status OK [COPYUID 701   n=701] \"\""}},
      {"no blank behind", "* NO [ALERT]stop\r\n", {"status NO [ALERT] \"stop\""}},
      {"never closed", "* NO [ALERT stop\r\n", {"status NO \"[ALERT stop\""}},
      {"Exchange's text in brackets",
       "A1 OK [Error=\"a]b: c\" Proxy=x:1993] done\r\n",
       {"tagged A1 OK \"[Error=\"a]b: c\" Proxy=x:1993] done\""}},
      {"quotes hide a bracket", "* OK [X-A \"a]b\"] t\r\n", {"status OK [X-A \"a]b\"] \"t\""}},
      {"a quote that is not closed hides nothing", "* OK [X-A it\"s] t\r\n", {"status OK [X-A it\"s] \"t\""}},
  });
}

TEST(ImapResponse, Data_of_an_account) {
  check({
      {"capability", "* CAPABILITY IMAP4rev1 Uidplus AUTH=plain\r\n", {"capability (IMAP4REV1|UIDPLUS|AUTH=PLAIN)"}},
      {"capability, blanks", "* CAPABILITY  IMAP4rev1  IDLE \r\n", {"capability (IMAP4REV1|IDLE)"}},
      {"enabled", "* ENABLED CONDSTORE\r\n", {"enabled (CONDSTORE)"}},
      {"enabled nothing", "* ENABLED\r\n", {"enabled ()"}},
      {"namespace",
       "* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared.\" \".\" \"X\" (\"a\"))(\"#pub/\" \"/\"))\r\n",
       {"namespace (\"INBOX.\" .;) () (\"#shared.\" .;\"#pub/\" /;)"}},
      {"namespace without separator", "* NAMESPACE ((\"\" NIL)) NIL NIL\r\n", {"namespace (\"\" none;) () ()"}},
      {"namespace, less than three (quirk 62)", "* NAMESPACE ((\"\" \"/\"))\r\n", {"namespace (\"\" /;) () ()"}},
      {"namespace in literals", "* NAMESPACE (({2}\r\na. \".\")) NIL NIL\r\n", {"namespace (\"a.\" .;) () ()"}},
      {"id", "* ID (\"Name\" \"Dovecot\" \"os\" NIL)\r\n", {"id name=Dovecot os="}},
      {"id nil", "* ID NIL\r\n", {"id"}},
      {"other",
       "* QUOTAROOT INBOX \"\"\r\n* xyz it's a \"quote\r\n* 12 WHAT (a\r\n",
       {"other QUOTAROOT", "other XYZ", "other WHAT"}},
      {"other with literals",
       "* METADATA \"\" (/a {3}\r\nA1 /b ~{4}\r\n* OK)\r\n* OK x\r\n",
       {"other METADATA", "status OK \"x\""}},
  });
}

TEST(ImapResponse, Folders) {
  check({
      {"quoted",
       "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Items\"\r\n",
       {"list (\\HasNoChildren|\\Sent) / \"Sent Items\""}},
      {"atom", "* LIST () \".\" INBOX.a\r\n", {"list () . \"INBOX.a\""}},
      {"literal", "* LIST () \"/\" {5}\r\na\r\nb\"\r\n", {"list () / \"a\r\nb\"\" literal"}},
      {"literal that looks like a response", "* LIST () \"/\" {6}\r\n* BYE\n\r\n", {"list () / \"* BYE\n\" literal"}},
      {"escaped", "* LIST () \"\\\\\" \"a\\\\b \\\"c\\\"\"\r\n", {"list () \\ \"a\\b \"c\"\""}},
      {"NIL separator", "* LIST (\\Noselect) NIL \"x\"\r\n", {"list (\\Noselect) none \"x\""}},
      {"two separators (bad-input 52)", "* LIST () \"//\" x\r\n", {"list () none \"x\""}},
      {"no separator", "* LIST () \"\" x\r\n", {"list () none \"x\""}},
      {"the empty name", "* LIST (\\Noselect) \"/\" \"\"\r\n", {"list (\\Noselect) / \"\""}},
      {"a folder called NIL", "* LIST () \"/\" NIL\r\n", {"list () / \"NIL\""}},
      {"Exchange's TAB (quirk 22)",
       "* LIST (\\HasNoChildren) \"/\" Old\tMail\x01\r\n",
       {"list (\\HasNoChildren) / \"Old\tMail\x01\""}},
      {"parentheses unquoted", "* LIST () \"/\" a(b)\r\n", {"list () / \"a(b)\""}},
      {"UTF-8 and Latin-1 names",
       "* LIST () \"/\" \"f\xC3\xBCr\"\r\n* LIST () \"/\" \"f\xFCr\"\r\n",
       {"list () / \"f\xC3\xBCr\"", "list () / \"f\xFCr\""}},
      {"extended",
       "* LIST (\\Subscribed) \"/\" \"a\" (\"CHILDINFO\" (\"SUBSCRIBED\") OLDNAME (\"b\"))\r\n",
       {"list (\\Subscribed) / \"a\""}},
      {"trailing blanks", "* LIST ( \\A ) \"/\" a  \r\n", {"list (\\A) / \"a\""}},
      {"lsub, lower case", "* lsub () \"/\" a\r\n", {"lsub () / \"a\""}},
      {"xlist", "* XLIST (\\Inbox) \"/\" \"Posteingang\"\r\n", {"list (\\Inbox) / \"Posteingang\""}},
      {"8-bit attribute", "* LIST (\\\xFC) \"/\" a\r\n", {"list (\\\xFC) / \"a\""}},
      {"status",
       "* STATUS \"a b\" (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 1 UNSEEN 0 HIGHESTMODSEQ 7 SIZE 5000000000)\r\n",
       {"mailbox \"a b\" messages=3 uidnext=9 uidvalidity=1 unseen=0 highestmodseq=7 size=5000000000"}},
      {"status with an id (RFC 8474)",
       "* STATUS x (MAILBOXID (F1234) X (a b) APPENDLIMIT NIL)\r\n",
       {"mailbox \"x\" id=F1234"}},
      {"status, literal name", "* STATUS {3}\r\na b (MESSAGES 1)\r\n", {"mailbox \"a b\" messages=1"}},
      {"status, numbers of quirk 64",
       "* STATUS x (MESSAGES 9.3736e+06 UIDNEXT 9.3736e+06 HIGHESTMODSEQ -1 SIZE NIL)\r\n",
       {"mailbox \"x\" messages=9373600"}},
      {"status of nothing", "* STATUS x ()\r\n", {"mailbox \"x\""}},
  });
}

TEST(ImapResponse, Data_of_a_folder) {
  check({
      {"exists", "* 23 EXISTS\r\n* 0 RECENT \r\n* 44 EXPUNGE\r\n", {"exists 23", "recent 0", "expunge 44"}},
      {"64 bits", "* 18446744073709551615 exists\r\n", {"exists 18446744073709551615"}},
      {"flags", "* FLAGS (\\Answered $Forwarded f(o)\r\n", {"flags (\\Answered|$Forwarded|f(o)"}},
      {"no flags", "* FLAGS ()\r\n", {"flags ()"}},
      {"search", "* SEARCH 2 84 882 3\r\n", {"search 2:3,84,882"}},
      {"search of nothing", "* SEARCH\r\n* SEARCH \r\n", {"search ", "search "}},
      {"search with MODSEQ", "* SEARCH 2 5 (MODSEQ 917162500)\r\n", {"search 2,5"}},
      {"DavMail's 0 (quirk 59)", "* SEARCH 0 1\r\n", {"search 1"}},
      {"esearch", "* ESEARCH (TAG \"A1\") UID MIN 2 ALL 2,10:11 COUNT 3 MODSEQ 7\r\n", {"search 2,10:11"}},
      {"esearch of nothing", "* ESEARCH (TAG \"A1\") UID\r\n", {"search "}},
      {"vanished", "* VANISHED (EARLIER) 41,43:116\r\n* VANISHED 5\r\n", {"vanished earlier 41,43:116", "vanished 5"}},
  });
}

TEST(ImapResponse, Fetch) {
  check({
      {"list data",
       "* 7 FETCH (UID 12 FLAGS (\\Seen Work) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286)\r\n",
       {"fetch 7 uid=12 flags=(\\Seen|Work) date=17-Jul-1996 02:44:25 -0700 size=4286"}},
      {"body before UID", "* 1 FETCH (BODY[] {5}\r\nab\r\nc UID 4)\r\n", {"body 5 ab\r\nc", "fetch 1 uid=4 body=5"}},
      {"body behind UID", "* 1 FETCH (UID 4 BODY[] {3}\r\nabc)\r\n", {"body 3 abc", "fetch 1 uid=4 body=3"}},
      {"body that looks like a tagged line",
       "* 1 FETCH (BODY[] {10}\r\nA1 OK x\r\n) UID 4)\r\n",
       {"body 10 A1 OK x\r\n)", "fetch 1 uid=4 body=10"}},
      {"body with NUL", "* 1 FETCH (BODY[] {3}\r\na\0b)\r\n"sv, {std::string("body 3 a\0b", 10), "fetch 1 body=3"}},
      {"empty body", "* 1 FETCH (BODY[] {0}\r\n UID 4)\r\n", {"body 0 ", "fetch 1 uid=4 body=0"}},
      {"quoted body", "* 1 FETCH (BODY[] \"a\\\"b\" UID 4)\r\n", {"body 3 a\"b", "fetch 1 uid=4 body=3"}},
      {"empty quoted body", "* 1 FETCH (BODY[] \"\")\r\n", {"body 0 ", "fetch 1 body=0"}},
      {"no body", "* 1 FETCH (UID 4 BODY[] NIL)\r\n", {"fetch 1 uid=4 nil"}},
      {"Yandex leaves it out (quirk 46)",
       "* 1 FETCH (UID 4 BODY[])\r\n* 1 FETCH (BODY[TEXT])\r\n",
       {"fetch 1 uid=4 nil", "fetch 1"}},
      {"literal8",
       "* 1 FETCH (BINARY[] ~{2}\r\n\0x UID 4)\r\n"sv,
       {std::string("body 2 \0x", 9), "fetch 1 uid=4 body=2"}},
      {"origin", "* 1 FETCH (BODY[]<1024> {1}\r\nx)\r\n", {"body 1 x", "fetch 1 body=1 origin=1024"}},
      {"RFC822", "* 1 FETCH (rfc822 {1}\r\nx)\r\n", {"body 1 x", "fetch 1 body=1"}},
      {"leading zeros", "* 1 FETCH (BODY[] {003}\r\nabc)\r\n", {"body 3 abc", "fetch 1 body=3"}},
      {"sections are read over",
       "* 1 FETCH (BODY[HEADER.FIELDS (A \"B]\")] {4}\r\nA: b BODY[1]<0> {1}\r\nx RFC822.HEADER {1}\r\ny UID 4)\r\n",
       {"fetch 1 uid=4"}},
      {"literals in a section's name", "* 1 FETCH (BODY[HEADER.FIELDS ({1}\r\nA)] \"\" UID 4)\r\n", {"fetch 1 uid=4"}},
      {"envelope and structure are read over",
       "* 1 FETCH (ENVELOPE (\"\xFC\" ((NIL NIL {1}\r\na \"b\")) \"\\x\") BODYSTRUCTURE ((\"text\" \"plain\" (\"a\" "
       "\"b\")(\"c\" 1)) \"mixed\") UID 4)\r\n",
       {"fetch 1 uid=4"}},
      {"Gmail",
       "* 1 FETCH (X-GM-THRID 12 X-GM-MSGID 1278455344230334865 X-GM-LABELS (\"\\\\Inbox\" Work \"a b\" {3}\r\nx)y) "
       "UID 4)\r\n",
       {"fetch 1 uid=4 id=1278455344230334865 labels=(\\Inbox|Work|a b|x)y)"}},
      {"no labels", "* 1 FETCH (X-GM-LABELS ())\r\n", {"fetch 1"}},
      {"object id",
       "* 1 FETCH (EMAILID (M123) THREADID (T4) X-GM-MSGID 5)\r\n* 1 FETCH (EMAILID NIL THREADID NIL)\r\n",
       {"fetch 1 id=M123", "fetch 1"}},
      {"modseq", "* 1 FETCH (MODSEQ (12121231000) UID 4)\r\n", {"fetch 1 uid=4 modseq=12121231000"}},
      {"Zoho's modseq (quirk 64)", "* 1 FETCH (MODSEQ (-1) UID 4)\r\n", {"fetch 1 uid=4"}},
      {"rounded numbers (quirk 64)", "* 1 FETCH (RFC822.SIZE 9.3736e+06 MODSEQ (1e3))\r\n", {"fetch 1 size=9373600"}},
      {"Courier (quirk 52)", "* 0 FETCH (FLAGS ())\r\n", {"fetch 0 flags=()"}},
      {"Domino's parentheses (quirk 49)",
       "* 1 FETCH ((UID 4 FLAGS ((\\Seen))))\r\n* 2 FETCH (UID 5))\r\n",
       {"fetch 1 uid=4 flags=(\\Seen)", "fetch 2 uid=5"}},
      {"keywords of bad-input 56",
       "* 1 FETCH (FLAGS (\\Foo \\* a(b f\xFC \"q r\"))\r\n",
       {"fetch 1 flags=(\\Foo|\\*|a(b|f\xFC|q r)"}},
      {"NIL date", "* 1 FETCH (INTERNALDATE NIL)\r\n", {"fetch 1"}},
      {"Domino's date",
       "* 1 FETCH (INTERNALDATE \"00-Jan-0000 00:00:00 +0000\")\r\n",
       {"fetch 1 date=00-Jan-0000 00:00:00 +0000"}},
      {"lower case, many blanks, LF", "*  1  fetch ( uid  4  flags ( ) ) \n", {"fetch 1 uid=4 flags=()"}},
      {"nothing", "* 1 FETCH ()\r\n", {"fetch 1"}},
      {"unknown items", "* 1 FETCH (SAVEDATE NIL PREVIEW \"x\" X (a (b)) UID 4)\r\n", {"fetch 1 uid=4"}},
  });
}

TEST(ImapResponse, What_is_not_IMAP_ends_the_session) {
  for (const std::string_view bad : {
           "HTTP/1.1 400 Bad Request\r\n"sv,
           "220 mail.example ESMTP\r\n"sv,
           "SSH-2.0-OpenSSH_9.2\r\n"sv,
           "\r\n"sv,
           " * OK\r\n"sv,
           "*\r\n"sv,
           "* \r\n"sv,
           "* 5\r\n"sv,
           "* 18446744073709551616 EXISTS\r\n"sv,
           "* 1 EXISTS x\r\n"sv,
           "A1\r\n"sv,
           "A1 BYE x\r\n"sv,
           "A1 PREAUTH x\r\n"sv,
           "A1 FETCH (UID 1)\r\n"sv,
           "+go\r\n"sv,
           "* OK a\0b\r\n"sv,
           "* LIST () \"/\" \"a\0b\"\r\n"sv,  // bad-input 38
           "* LIST () \"/\" \"a\r\n"sv,       // never closed
           "* LIST () \"/\" \"a\\b\"\r\n"sv,  // only \" and \\ may be escaped
           "* LIST () \"/\"\r\n"sv,
           "* LIST \"/\" a\r\n"sv,
           "* LIST () \"/\" a b\r\n"sv,
           "* LIST (\\A \"/\" a\r\n"sv,
           "* LIST () \"/\" \"x {5}\r\n"sv,  // a literal inside of quotes is none
           "* LIST () \"/\" {5 }\r\n"sv,     // threat 13
           "* LIST () \"/\" {-1}\r\n"sv,
           "* LIST () \"/\" {5+}\r\n"sv,
           "* STATUS x\r\n"sv,
           "* STATUS x (MESSAGES)\r\n"sv,
           "* STATUS x (MESSAGES a)\r\n"sv,
           "* NAMESPACE x NIL NIL\r\n"sv,
           "* ID (\"a\" \"\xFC\")\r\n"sv,  // 8-bit that is not UTF-8 (bad-input 38)
           "* SEARCH 4294967296\r\n"sv,
           "* SEARCH 1 x\r\n"sv,
           "* VANISHED 0\r\n"sv,
           "* VANISHED 1:*\r\n"sv,
           "* 1 FETCH\r\n"sv,
           "* 1 FETCH UID 1\r\n"sv,
           "* 1 FETCH (UID 1\r\n"sv,
           "* 1 FETCH (UID 1) x\r\n"sv,
           "* 1 FETCH (UID)\r\n"sv,
           "* 1 FETCH (UID 0)\r\n"sv,  // bad-input 42
           "* 1 FETCH (UID 4294967296)\r\n"sv,
           "* 1 FETCH (UID 1x)\r\n"sv,
           "* 1 FETCH (UID -1)\r\n"sv,
           "* 1 FETCH (RFC822.SIZE 18446744073709551616)\r\n"sv,
           "* 1 FETCH (RFC822.SIZE x)\r\n"sv,
           "* 1 FETCH (BODY[ UID 1)\r\n"sv,
           "* 1 FETCH (BODY[] x)\r\n"sv,
           "* 1 FETCH (BODY[] \"\xFC\")\r\n"sv,
           "* 1 FETCH (BODY[]<x> NIL)\r\n"sv,
           "* 1 FETCH (BODY[] NIL RFC822 NIL)\r\n"sv,
           "* 1 FETCH (BODY[] {5 }\r\n"sv,
       }) {
    EXPECT_EQ(parse(bad), kNotImap) << visible(bad);
    EXPECT_EQ(parse(bad, 1), kNotImap) << visible(bad);
  }
}

TEST(ImapResponse, A_second_body_ends_the_session) {
  check({
      {"two literals", "* 1 FETCH (BODY[] {1}\r\nx RFC822 {1}\r\ny)\r\n", {"body 1 x", "error: not IMAP"}},
      {"literal and quoted", "* 1 FETCH (BODY[] {1}\r\nx RFC822 \"y\")\r\n", {"body 1 x", "error: not IMAP"}},
      {"body in an unknown list", "* 1 FETCH (X (BODY[] {1}\r\nx))\r\n", {"body 1 x", "error: not IMAP"}},
  });
}

// Found by fuzzing: the body had been passed on, and the response came without one.
TEST(ImapResponse, A_body_taken_for_the_name_of_an_item_ends_the_session) {
  check({
      {"body as a name", "* 1 FETCH (X BODY[] {1}\r\nx Y)\r\n", {"body 1 x", "error: not IMAP"}},
      {"string as a name", "* 1 FETCH (X Y {1}\r\nx Z)\r\n", kNotImap},
      {"string as a number", "* 1 FETCH (X-GM-MSGID {1}\r\n5)\r\n", kNotImap},
      {"string inside of a flag", "* 1 FETCH (FLAGS (a({1}\r\n5))\r\n", kNotImap},
      {"string as a capability", "* CAPABILITY {1}\r\n5\r\n", kNotImap},
      {"string inside of quotes", "* LIST (\"a\"\"b {1}\r\n5\") \"/\" x\r\n", kNotImap},
  });
}

TEST(ImapResponse, The_error_shows_what_was_there_and_stays) {
  ResponseParser parser;
  mailhaul::imap::testing::Recorder recorder;
  const Status first = parser.feed(as_octets("HTTP/1.1 400 Bad\x1b[0m\r\n* OK x\r\n"), recorder);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(first.error().scope, Scope::session);
  EXPECT_EQ(first.error().retry, Retry::later);
  EXPECT_NE(first.error().what.find("HTTP/1.1 400 Bad\\x1b[0m"), std::string::npos) << first.error().what;
  EXPECT_FALSE(parser.at_start());
  EXPECT_FALSE(parser.feed(as_octets("* OK x\r\n"), recorder));
  EXPECT_TRUE(recorder.events.empty());
}

TEST(ImapResponse, An_error_of_the_sink_stops_the_parser) {
  struct Full final : mailhaul::imap::testing::Recorder {
    Status on_body(Octets) override { return make_error(ErrorKind::no_space, Scope::run, "full"); }
  };
  ResponseParser parser;
  Full sink;
  const Status status = parser.feed(as_octets("* OK x\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n"), sink);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::no_space);
  EXPECT_EQ(sink.events, (Events{"status OK \"x\""}));
  EXPECT_FALSE(parser.feed(as_octets("* OK x\r\n"), sink));
}

TEST(ImapResponse, Bodies_pass_through_as_they_come) {
  struct Counter final : mailhaul::imap::testing::Recorder {
    Status on_body(Octets octets) override {
      calls.push_back(octets);
      return {};
    }
    std::vector<Octets> calls;
  };
  ResponseParser parser;
  Counter sink;
  const std::string head = "* 1 FETCH (BODY[] {2000000}\r\n";
  const std::string body(2'000'000, 'x');
  ASSERT_TRUE(parser.feed(as_octets(head), sink));
  ASSERT_TRUE(parser.feed(as_octets(body), sink));
  ASSERT_EQ(sink.calls.size(), 1U);
  EXPECT_EQ(static_cast<const void*>(sink.calls[0].data()), body.data());  // not copied
  ASSERT_TRUE(parser.feed(as_octets(")\r\n"), sink));
  EXPECT_TRUE(parser.at_start());
}

TEST(ImapResponse, Lines_are_told_to_a_trace) {
  struct Tracer final : mailhaul::imap::testing::Recorder {
    void on_line(std::optional<std::uint64_t> literal, std::string_view line) override {
      lines.push_back((literal ? "<" + std::to_string(*literal) + ">" : "") + std::string(line));
    }
    Events lines;
  };
  for (const std::size_t piece : {1U, 100U}) {
    ResponseParser parser;
    Tracer sink;
    std::string_view text = "* OK x\r\n* 1 FETCH (BODY[] {3}\r\nabc UID 1)\r\n";
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(piece, text.size()))) {
      ASSERT_TRUE(parser.feed(as_octets(text.substr(0, piece)), sink));
    }
    EXPECT_EQ(sink.lines, (Events{"* OK x", "* 1 FETCH (BODY[] {3}", "<3> UID 1)"}));
  }
}
