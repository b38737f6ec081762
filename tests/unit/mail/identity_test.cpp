// CID, NID, EID and the header digest against known forms and a slow reference.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "mail/message_scan.hpp"
#include "mail/sha256.hpp"
#include "unit/mail/identity_reference.hpp"

using namespace mailhaul;
using namespace mailhaul::mail;

namespace {

constexpr ScanOptions kAll{.mail_key = false, .cid = true, .header_id = true};

MessageFacts scan(const std::string& message) { return scan_message(as_octets(message), kAll); }

MessageFacts scan_in_steps(const std::string& message, std::size_t step) {
  MessageScanner scanner(kAll);
  for (std::size_t at = 0; at < message.size(); at += step) scanner.update(as_octets(message.substr(at, step)));
  return scanner.finish();
}

testing::AssertionResult agrees(const MessageFacts& facts, const std::string& message) {
  const auto want = reference::expected(message);
  if (facts.cid != want.cid) return testing::AssertionFailure() << "CID differs";
  if (facts.nid != want.nid) return testing::AssertionFailure() << "NID differs";
  if (facts.eid != want.eid) return testing::AssertionFailure() << "EID differs";
  if (facts.header_id != want.header_id) return testing::AssertionFailure() << "header digest differs";
  return testing::AssertionSuccess();
}

Digest of(std::string_view text) { return sha256(as_octets(text)); }

}  // namespace

TEST(Nid, Known_canonical_forms) {
  struct Row {
    std::string message, canonical;
  };
  for (const Row& row : std::initializer_list<Row>{{"", ""},
                                                   {"\n", "\r\n"},
                                                   {"\r\n", "\r\n"},
                                                   {"\n\n\r\n", "\r\n"},
                                                   {"a", "a\r\n"},
                                                   {"a\n", "a\r\n"},
                                                   {"a\r\n", "a\r\n"},
                                                   {"a\n\n", "a\r\n"},
                                                   {"a\r\n\r\n\r\n", "a\r\n"},
                                                   {"\r", "\r\r\n"},
                                                   {"a\r", "a\r\r\n"},
                                                   {"a\rb", "a\rb\r\n"},
                                                   {"a\r\r\nb", "a\r\r\nb\r\n"},
                                                   {"A: b\n\nc\r\nd\n", "A: b\r\n\r\nc\r\nd\r\n"},
                                                   {"A: b\r\n\r\nc\r\n \r\n", "A: b\r\n\r\nc\r\n \r\n"}}) {
    EXPECT_EQ(scan(row.message).nid, of(row.canonical)) << testing::PrintToString(row.message);
    EXPECT_EQ(scan(row.message).cid, of(row.message));
  }
}

TEST(Eid, Known_forms_without_housekeeping) {
  struct Row {
    std::string message, kept;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"", ""},
           {"Status: RO\n", ""},
           {"Status: RO", ""},
           {"Status: RO\n\n\n", ""},
           {"Status: RO\n\nbody\n", "\r\nbody\r\n"},
           {"A: b\nStatus: RO\nX-UID: 7\n", "A: b\r\n"},
           {"A: b\nStatus: RO\n\n\nc", "A: b\r\n\r\n\r\nc\r\n"},
           {"Status: RO\n folded\n\tmore\nA: b\n c\n\nx\n", "A: b\r\n c\r\n\r\nx\r\n"},
           {"status\t : RO\nA: b\n\nx\n", "A: b\r\n\r\nx\r\n"},
           {"Status" + std::string(500, ' ') + ": RO\nA: b\n\nx\n", "A: b\r\n\r\nx\r\n"},
           {"Z: y\nStatus" + std::string(500, '\t') + "RO\nA: b\n",
            "Z: y\r\nStatus" + std::string(500, '\t') + "RO\r\nA: b\r\n"},
           {"Status" + std::string(500, ' ') + "\nA: b\n", "Status" + std::string(500, ' ') + "\r\nA: b\r\n"},
           {"Status" + std::string(500, ' '), "Status" + std::string(500, ' ') + "\r\n"},
           // a continuation belongs to the line before it, be that a field or not; at the very start to nothing
           {" Status: RO\nA: b\n", " Status: RO\r\nA: b\r\n"},
           {"no field\n Status: RO\n", "no field\r\n Status: RO\r\n"},
           // in the body, or with another name, they are text
           {"A: b\n\nStatus: RO\n", "A: b\r\n\r\nStatus: RO\r\n"},
           {"\nStatus: RO\n", "\r\nStatus: RO\r\n"},
           {"Status2: RO\nXStatus: x\n", "Status2: RO\r\nXStatus: x\r\n"},
           {"Status\n: RO\n", "Status\r\n: RO\r\n"},
           {"Status\r: RO\n", "Status\r: RO\r\n"},
           {">Status: RO\n", ">Status: RO\r\n"}}) {
    SCOPED_TRACE(testing::PrintToString(row.message.substr(0, 60)));
    EXPECT_EQ(scan(row.message).eid, of(row.kept));
    for (const std::size_t step : {1U, 2U, 3U, 7U, 63U, 64U, 65U})
      EXPECT_EQ(scan_in_steps(row.message, step).eid, of(row.kept));
  }
}

TEST(Eid, Mail_that_an_mbox_program_has_kept_house_in_is_still_the_same) {
  const std::string original = "From: a@example.org\r\nSubject: x\r\n\r\nbody\r\n";
  const std::string kept =
      "From: a@example.org\nStatus: RO\nX-Keywords:\n NonJunk\nSubject: x\nContent-Length: 5\n\nbody\n\n";
  EXPECT_EQ(scan(original).eid, scan(kept).eid);
  EXPECT_EQ(scan(original).header_id, scan(kept).header_id);
  EXPECT_NE(scan(original).nid, scan(kept).nid);
}

TEST(HeaderId, Is_the_block_without_its_empty_line_and_without_housekeeping) {
  EXPECT_EQ(scan("A: b\nStatus: O\n\nbody").header_id, of("A: b\r\n"));
  EXPECT_EQ(scan("A: b").header_id, of("A: b\r\n"));
  EXPECT_EQ(scan("\nbody").header_id, of(""));
  EXPECT_EQ(scan("Status: O\n\nbody").header_id, of(""));
  EXPECT_EQ(scan("").header_id, of(""));
}

TEST(Identity, Random_messages_agree_with_the_reference_at_every_split) {
  std::mt19937 random(1);
  const std::vector<std::string> pieces{"\n",
                                        "\r\n",
                                        "\r",
                                        "\n\n",
                                        "\r\n\r\n",
                                        " ",
                                        "\t",
                                        ":",
                                        "Status",
                                        "Status: R",
                                        "X-UID: 9",
                                        "X-Mozilla-Status2",
                                        "From: ",
                                        "x",
                                        "X-IMAPbase",
                                        std::string(1, '\0'),
                                        "Content-Length : 3",
                                        std::string(70, ' ')};
  for (int round = 0; round < 8000; ++round) {
    std::string message;
    for (auto i = random() % 14; i > 0; --i) message += pieces[random() % pieces.size()];
    ASSERT_TRUE(agrees(scan(message), message)) << testing::PrintToString(message);
    const std::size_t step = 1 + random() % 5;
    ASSERT_TRUE(agrees(scan_in_steps(message, step), message)) << step << " " << testing::PrintToString(message);
  }
}

TEST(Identity, Sizes_around_every_buffer_agree_with_the_reference) {
  for (const std::string line_end : {"\r\n", "\n"}) {
    for (const std::size_t line :
         {std::size_t{1}, std::size_t{72}, std::size_t{4095}, std::size_t{4097}, std::size_t{70000}}) {
      std::string message = "From: a" + line_end + "Status: RO" + line_end + line_end;
      while (message.size() < 100000) message += std::string(line, 'x') + line_end;
      for (const std::size_t step : {std::size_t{1}, std::size_t{255}, std::size_t{16384}, std::size_t{65536}}) {
        ASSERT_TRUE(agrees(scan_in_steps(message, step), message)) << line << " " << step;
      }
    }
  }
}

TEST(Identity, A_change_of_line_ends_in_the_middle_agrees_with_the_reference) {
  std::string message = "A: b\r\n\r\n";
  for (int i = 0; i < 3000; ++i) message += "line\r\n";
  message += std::string(700, '\n');
  for (int i = 0; i < 3000; ++i) message += i % 3 == 0 ? "more\r\n" : "more\n";
  for (int i = 0; i < 3000; ++i) message += "\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, message.size()}) {
    ASSERT_TRUE(agrees(scan_in_steps(message, step), message)) << step;
  }
}

TEST(Identity, Every_file_of_the_corpora_agrees_with_the_reference) {
  const std::filesystem::path corpora = MH_CORPORA;
  if (corpora.empty() || !std::filesystem::exists(corpora)) GTEST_SKIP() << "no corpora: set MAILHAUL_CORPORA";
  std::size_t files = 0;
  std::uint64_t octets = 0;
  std::size_t with_housekeeping = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(corpora)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string message((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const MessageFacts facts = scan(message);
    ASSERT_TRUE(agrees(facts, message)) << entry.path();
    ASSERT_TRUE(agrees(scan_in_steps(message, 509), message)) << entry.path();
    ++files;
    octets += message.size();
    if (facts.eid != facts.nid) ++with_housekeeping;
  }
  EXPECT_GT(files, 1000U) << "these are not the corpora";
  EXPECT_GT(with_housekeeping, 10U);
  RecordProperty("files", static_cast<int>(files));
  RecordProperty("octets", std::to_string(octets));
}
