// Where messages begin and end: by a table, one octet at a time, and over all the mboxes of the corpora.
#include "plugins/mbox/format/splitter.hpp"

#include <regex>

#include "support.hpp"

namespace mailhaul::mbox {
namespace {

using namespace test;

const std::string kA = "From a@example.org Thu Jan  1 00:00:00 1970\n";
const std::string kB = "From b@example.org Fri Feb 22 17:06:23 2008\n";

struct Row {
  const char* name;
  std::string text;
  std::vector<std::string> contents;
  std::string doubts;  ///< n(ear) e(mpty line missing) l(ength) i(nner) t(runcated) c(r)
};

std::string letters(const Doubts& doubts) {
  std::string text;
  if (doubts.near_from_lines.count > 0) text += 'n';
  if (doubts.no_empty_line.count > 0) text += 'e';
  if (doubts.ignored_lengths.count > 0) text += 'l';
  if (doubts.inner_from_lines.count > 0) text += 'i';
  if (doubts.no_final_newline.count > 0) text += 't';
  if (doubts.bare_cr.count > 0) text += 'c';
  return text;
}

std::vector<Row> rows() {
  return {
      {"one message", kA + "X: y\n\nbody\n\n", {"X: y\n\nbody\n"}, ""},
      {"no empty line at the end", kA + "X: y\n\nbody\n", {"X: y\n\nbody\n"}, ""},
      {"two messages", kA + "X: y\n\none\n\n" + kB + "X: z\n\ntwo\n\n", {"X: y\n\none\n", "X: z\n\ntwo\n"}, ""},
      {"CRLF", "From a Thu Jan  1 00:00:00 1970\r\nX: y\r\n\r\none\r\n\r\nFrom b Thu Jan  1 00:00:00 1970\r\nX: y\r\n\r\n",
       {"X: y\r\n\r\none\r\n", "X: y\r\n"}, ""},
      {"two empty lines: one is content", kA + "X: y\n\none\n\n\n" + kB + "\n", {"X: y\n\none\n\n", ""}, ""},
      {"no content", kA + "\n" + kB + "\n", {"", ""}, ""},
      {"only a From_ line", kA, {""}, ""},
      {"a From_ line cut off", "From a@example.org Thu Jan", {""}, "t"},
      {"only an empty line", kA + "\n\n", {"\n"}, ""},
      {"no final newline", kA + "X: y\n\nbo", {"X: y\n\nbo"}, "t"},
      {"prose after an empty line", kA + "X: y\n\nFrom Russia with love\n\nFrom here\n", {"X: y\n\nFrom Russia with love\n\nFrom here\n"}, ""},
      {"nearly a From_ line", kA + "X: y\n\nFrom a Thu, 3rd Jan\n", {"X: y\n\nFrom a Thu, 3rd Jan\n"}, "n"},
      {"quoted", kA + "X: y\n\n>" + kB, {"X: y\n\n>" + kB}, ""},
      {"no empty line before, a field behind", kA + "X: y\n\none\n" + kB + "X: z\n\ntwo\n", {"X: y\n\none\n", "X: z\n\ntwo\n"}, "e"},
      {"no empty line before, prose behind", kA + "X: y\n\none\n" + kB + "and on\n", {"X: y\n\none\n" + kB + "and on\n"}, "n"},
      {"a pair of From_ lines", kA + kB + "X: y\n\none\n", {kB + "X: y\n\none\n"}, ""},
      {"after an empty line prose may follow", kA + "X: y\n\none\n\n" + kB + "prose\n", {"X: y\n\none\n", "prose\n"}, ""},
      {"Mozilla's bare line", "From - \nX: y\n\none\nFrom -\nX: z\n", {"X: y\n\none\n", "X: z\n"}, "e"},
      {"a bare line in prose", "From -\nX: y\n\none\n\nFrom -\nto there\n", {"X: y\n\none\n\nFrom -\nto there\n"}, ""},
      {"Takeout", "From 12@xxx\nX: y\n\none\n\nFrom 13@xxx\nX: z\n", {"X: y\n\none\n", "X: z\n"}, ""},
      {"byte order mark", "\xEF\xBB\xBF" "From -\nX: y\n\none\n", {"X: y\n\none\n"}, ""},
      {"empty lines first", "\n\n" + kA + "X: y\n", {"X: y\n"}, ""},
      {"bare CR", "From a@example.org Thu Jan  1 00:00:00 1970\rX: y\r\rone\rFrom b\r", {"X: y\r\rone\rFrom b\r"}, "c"},
      {"a true length holds a From_ line", kA + "Content-Length: " + std::to_string(kB.size() + 5) + "\n\none\n\n" + kB + "\n" + kB + "X: z\n",
       {"Content-Length: " + std::to_string(kB.size() + 5) + "\n\none\n\n" + kB, "X: z\n"}, "i"},
      {"a true length to the end", kA + "Content-Length: 10\n\nFrom here\n", {"Content-Length: 10\n\nFrom here\n"}, ""},
      {"a true length without line end", kA + "Content-Length: 3\n\none\n" + kB + "X: z\n", {"Content-Length: 3\n\none", "X: z\n"}, ""},
      {"a length that points nowhere", kA + "Content-Length: 1\n\none\n\n" + kB + "X: z\n", {"Content-Length: 1\n\none\n", "X: z\n"}, "l"},
      {"a length beyond the end", kA + "Content-Length: 99999\n\none\n", {"Content-Length: 99999\n\none\n"}, "l"},
      {"a length that overflows", kA + "Content-Length: 18446744073709551615\n\none\n", {"Content-Length: 18446744073709551615\n\none\n"}, "l"},
      {"no length at all", kA + "Content-Length: x\n\none\n", {"Content-Length: x\n\none\n"}, ""},
      {"the second length is true", kA + "Content-Length: 1\nContent-Length: 4\n\none\n\n" + kB, {"Content-Length: 1\nContent-Length: 4\n\none\n", ""}, ""},
      {"a length short of an empty line", kA + "Content-Length: 4\n\none\n\n\n" + kB, {"Content-Length: 4\n\none\n\n", ""}, ""},
      {"a length of zero", kA + "Content-Length: 0\n\n\n" + kB + "\n", {"Content-Length: 0\n\n", ""}, ""},
  };
}

TEST(Splitter, Divides_as_the_table_says) {
  for (const Row& row : rows()) {
    const Split split = split_text(row.text);
    std::vector<std::string> contents;
    for (const MessageSpan& span : split.spans) contents.push_back(content_of(row.text, span));
    EXPECT_EQ(contents, row.contents) << row.name;
    EXPECT_EQ(letters(split.doubts), row.doubts) << row.name;
  }
}

TEST(Splitter, Any_pieces_give_the_same_spans_and_fingerprints) {
  std::mt19937_64 random(20240607);
  std::vector<std::string> texts;
  for (const Row& row : rows()) texts.push_back(row.text);
  for (int i = 0; i < 400; ++i) {
    std::string text = kA;
    while (text.size() < 400) text += nasty_text(random);
    texts.push_back(std::move(text));
  }
  for (const std::string& text : texts) {
    const Split whole = split_text(text);
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 16U, 61U}) EXPECT_EQ(split_text(text, piece), whole) << text;
  }
}

TEST(Splitter, The_fingerprint_is_of_the_region_from_its_From_line_to_the_contents_end) {
  const std::string text = kA + "X: y\n\none\n\n" + kB + "X: z\n\ntwo\n";
  const Split split = split_text(text);
  ASSERT_EQ(split.spans.size(), 2U);
  for (const MessageSpan& span : split.spans) {
    Fingerprint fingerprint;
    fingerprint.update(as_octets(std::string_view(text).substr(
        static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.content_end - span.begin))));
    EXPECT_EQ(span.fingerprint, fingerprint.value());
  }
}

TEST(Splitter, Spans_lie_in_order_and_leave_nothing_out_but_empty_lines) {
  std::mt19937_64 random(99);
  for (int i = 0; i < 3000; ++i) {
    std::string text = kA;
    const std::size_t goal = 50 + random() % 300;
    while (text.size() < goal) text += nasty_text(random);
    std::uint64_t at = 0;
    for (const MessageSpan& span : split_text(text).spans) {
      const std::string between = text.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(span.begin - at));
      ASSERT_TRUE(between.empty() || between == "\n" || between == "\r\n") << text;
      ASSERT_LE(span.begin, span.content_begin);
      ASSERT_LE(span.content_begin, span.content_end);
      at = span.content_end;
    }
    const std::string rest = text.substr(static_cast<std::size_t>(at));
    ASSERT_TRUE(rest.empty() || rest == "\n" || rest == "\r\n") << text;
  }
}

TEST(Splitter, The_folders_own_record_counts_only_as_the_first_message) {
  const std::string record = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\nThis text\n\n";
  const Split split = split_text("From MAILER-DAEMON Fri Feb 22 17:06:23 2008\n" + record + kB + record);
  ASSERT_EQ(split.spans.size(), 2U);
  EXPECT_TRUE(split.spans[0].internal_data);
  EXPECT_FALSE(split.spans[1].internal_data) << "somebody's mail that looks like one must not vanish";
}

TEST(Splitter, Only_a_believed_length_with_an_unquoted_From_line_is_taken_verbatim) {
  EXPECT_TRUE(split_text(kA + "Content-Length: 17\n\nFrom a\n>From bcd\n\n" + kB).spans[0].verbatim);
  EXPECT_FALSE(split_text(kA + "Content-Length: 10\n\n>From bcd\n\n" + kB).spans[0].verbatim);
  EXPECT_FALSE(split_text(kA + "X: y\n\nFrom here\n>From bcd\n\n" + kB).spans[0].verbatim);
}

// ---- Real mail.

std::string corpus(const std::string& name) {
  const std::string root = MH_CORPORA;
  return root.empty() ? std::string() : read_file(root + "/" + name);
}

std::string as_crlf(const std::string& text) {
  std::string crlf;
  for (const char c : text) {
    if (c == '\n') crlf += '\r';
    crlf += c;
  }
  return crlf;
}

struct Offsets {
  std::uint64_t marker, begin, end;
};

/// The messages' own offsets, without those of their parts: the fields that follow each marker.
std::vector<Offsets> offsets_of(const std::string& json) {
  static const std::regex kMessage(
      R"re("mboxMarkerOffset": (\d+),\s*"lineNumber": \d+,\s*"beginOffset": (\d+),\s*"headersEndOffset": \d+,\s*"endOffset": (\d+))re");
  std::vector<Offsets> found;
  for (std::sregex_iterator at(json.begin(), json.end(), kMessage), none; at != none; ++at) {
    found.push_back({std::stoull((*at)[1]), std::stoull((*at)[2]), std::stoull((*at)[3])});
  }
  return found;
}

// MimeKit counts the line end before a From_ line to the divider even where that line is not empty, and we count only an
// empty line; so where no empty line stands before the next From_ line our end is one line end later.
TEST(SplitterCorpus, Offsets_agree_with_those_that_MimeKit_expects) {
  if (std::string(MH_CORPORA).empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  for (const char* name : {"content-length", "issue1189"}) {
    for (const bool dos : {false, true}) {
      const std::string base = std::string("mimekit-messages/UnitTests/TestData/mbox/") + name;
      const std::string unix_text = corpus(base + ".mbox.txt");
      ASSERT_FALSE(unix_text.empty());
      const std::string text = dos ? as_crlf(unix_text) : unix_text;
      const auto expected = offsets_of(corpus(base + (dos ? ".dos-offsets.json" : ".unix-offsets.json")));
      ASSERT_FALSE(expected.empty());
      const Split split = split_text(text, 4096);
      ASSERT_EQ(split.spans.size(), expected.size()) << name << (dos ? " dos" : " unix");
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(split.spans[i].begin, expected[i].marker) << name << i;
        EXPECT_EQ(split.spans[i].content_begin, expected[i].begin) << name << i;
        std::uint64_t end = split.spans[i].content_end;
        const bool ends_line = end > 0 && text[static_cast<std::size_t>(end - 1)] == '\n';
        const bool next_at_once = i + 1 < expected.size() && end == expected[i + 1].marker;
        if (next_at_once && ends_line) end -= dos ? 2 : 1;
        EXPECT_EQ(end, expected[i].end) << name << i << (dos ? " dos" : " unix");
      }
    }
  }
}

struct Count {
  const char* file;
  std::size_t messages;
  const char* doubts;
};

TEST(SplitterCorpus, Every_mbox_gives_its_number_of_messages) {
  if (std::string(MH_CORPORA).empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const std::vector<Count> counts = {
      {"mimekit-messages/UnitTests/TestData/mbox/simple.mbox.txt", 3, "e"},
      {"mimekit-messages/UnitTests/TestData/mbox/unmunged.mbox.txt", 2, ""},
      {"email-folder/t/mboxes/testmbox", 10, ""},
      {"email-folder/t/mboxes/testmbox.dos", 10, "l"},
      {"email-folder/t/mboxes/testmbox.mac", 1, "c"},
      {"email-folder/t/mboxes/testmbox.empty", 0, ""},
      {"email-folder/t/mboxes/mboxcl2", 3, ""},
      {"email-folder/t/mboxes/mboxcl2.lies", 3, "l"},
      {"email-folder/t/mboxes/mboxcl3", 2, ""},
      {"gyb-takeout/samples/google-takeout/takeout.mbox", 39, ""},
      {"mox/testdata/imaptest/imaptest.mbox", 48, ""},
      {"mox/testdata/importtest.mbox", 2, "l"},
      {"mime4j/mbox/src/test/resources/test-1/mbox.rlug", 5, ""},
      {"bigbang/tests/data/2001-November.txt", 164, ""},
      {"bigbang/tests/data/3GPP_mbox/3GPP_TSG_SA_WG4_EVS.mbox", 50, ""},
      {"bigbang/tests/data/3GPP_mbox/3GPP_TSG_RAN_WG4_NR-MIMO-OTA.mbox", 59, ""},
      {"laminas-mail/test/_files/test.mbox/INBOX", 7, "et"},
      {"laminas-mail/test/_files/test.mbox/INBOX.unix", 7, "et"},
      {"imaptest-scripts/src/tests/broken/search-intdate.mbox", 16, ""},
      {"imaptest-scripts/src/tests/default.mbox", 6, ""},
      {"ietf-mailarch/backend/mlarchive/tests/data/export.mbox", 21, "t"},
      {"ietf-mailarch/backend/mlarchive/tests/data/mailbox_mbox", 1, ""},
  };
  for (const Count& row : counts) {
    const std::string text = corpus(row.file);
    const Split split = split_text(text, 1000);
    EXPECT_EQ(split.spans.size(), row.messages) << row.file;
    EXPECT_EQ(letters(split.doubts), row.doubts) << row.file;
    EXPECT_EQ(split_text(text), split) << row.file;
  }
}

TEST(SplitterCorpus, A_true_length_keeps_the_From_line_of_an_mboxcl2_body) {
  if (std::string(MH_CORPORA).empty()) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  const std::string text = corpus("email-folder/t/mboxes/mboxcl2");
  const Split split = split_text(text);
  ASSERT_EQ(split.spans.size(), 3U);
  EXPECT_TRUE(split.spans[0].verbatim);
  EXPECT_NE(content_of(text, split.spans[0]).find("\n\nFrom perl5-porters:\n"), std::string::npos);
}

}  // namespace
}  // namespace mailhaul::mbox
