// The facts of MessageScanner beside the digests (identity_test.cpp).
#include "mail/message_scan.hpp"

#include <gtest/gtest.h>

#include "mail/dates.hpp"
#include "mail/sha256.hpp"

using namespace mailhaul;
using namespace mailhaul::mail;

namespace {

MessageFacts scan(std::string_view message) { return scan_message(as_octets(message)); }

std::optional<Digest> key_of(std::string_view message) {
  return scan_message(as_octets(message), {.mail_key = true}).mail_key;
}

std::string iso(const std::optional<ReceivedDate>& date) { return date ? to_iso(date->instant) : "none"; }

}  // namespace

TEST(MessageFacts, Sizes_count_octets_and_bare_line_feeds) {
  EXPECT_EQ(scan("a\nb\r\nc\r").size, 7U);
  EXPECT_EQ(scan("a\nb\r\nc\r").crlf_size, 8U);
  EXPECT_EQ(scan("A: b\r\n\r\n\n\n\n").crlf_size, 14U);
  EXPECT_EQ(scan("").size, 0U);
  EXPECT_EQ(scan("").crlf_size, 0U);
}

TEST(MessageFacts, A_cr_and_its_lf_in_two_chunks_are_one_line_end) {
  MessageScanner scanner({.cid = true});
  scanner.update(as_octets("A: b\r"));
  scanner.update(as_octets("\n\r"));
  scanner.update(as_octets(""));
  scanner.update(as_octets("\nx\r"));
  scanner.update(as_octets("\n"));
  const MessageFacts facts = scanner.finish();
  EXPECT_EQ(facts.crlf_size, facts.size);
  EXPECT_EQ(facts.nid, facts.cid);
}

TEST(MessageFacts, Nul_and_missing_line_end_are_told) {
  EXPECT_FALSE(scan("a\n").has_nul);
  EXPECT_TRUE(scan(std::string_view("a\0\n", 3)).has_nul);
  EXPECT_TRUE(scan("a\n").ends_with_line_end);
  EXPECT_FALSE(scan("a").ends_with_line_end);
  EXPECT_FALSE(scan("a\n\r").ends_with_line_end);
  EXPECT_TRUE(scan("").ends_with_line_end);
}

TEST(MessageFacts, Header_facts_come_from_the_header_only) {
  const MessageFacts facts = scan(
      "From joe Thu Jan  1 00:00:00 1970\n"
      "message-id:\n  <a@example.org> \n"
      "Date: Mon, 2 Jan 2006 15:04:05 +0100\n"
      "Date: Tue, 3 Jan 2006 15:04:05 +0100\n"
      "\n"
      "Received: from a; Mon, 2 Jan 2006 15:04:05 +0100\nX-IMAPbase: 1 2\n");
  EXPECT_EQ(facts.message_id, "<a@example.org>");
  EXPECT_EQ(iso(facts.date), "2006-01-02T14:04:05Z");
  EXPECT_FALSE(facts.has_received);
  EXPECT_FALSE(facts.received);
  EXPECT_FALSE(facts.housekeeping.has_x_imap);
}

TEST(MessageFacts, The_topmost_received_that_parses_counts) {
  const MessageFacts facts = scan(
      "Received: from a by b; once upon a time\r\n"
      "Received: from b by c;\r\n\tMon, 2 Jan 2006 15:04:05 -0700\r\n"
      "Received: from c by d; Mon, 2 Jan 2005 15:04:05 -0700\r\n\r\n");
  EXPECT_TRUE(facts.has_received);
  EXPECT_EQ(iso(facts.received), "2006-01-02T22:04:05Z");
  EXPECT_EQ(facts.received->zone, std::chrono::minutes(-420));
  const MessageFacts none = scan("Received: x\n\n");
  EXPECT_TRUE(none.has_received);
  EXPECT_FALSE(none.received);
}

TEST(MessageFacts, Housekeeping_takes_the_first_of_each_name_unfolded) {
  const Housekeeping kept = scan(
                                "Status: RO\nStatus: U\nX-Status:\nX-Status: A\nX-Keywords: a\n  b \nX-IMAP: 1 2\n"
                                "X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000002\nX-Mozilla-Keys: $label1\n\n")
                                .housekeeping;
  EXPECT_EQ(kept.status, "RO");
  EXPECT_EQ(kept.x_status, "");
  EXPECT_EQ(kept.x_keywords, "a  b");
  EXPECT_EQ(kept.x_mozilla_status, "0001");
  EXPECT_EQ(kept.x_mozilla_status2, "00000002");
  EXPECT_EQ(kept.x_mozilla_keys, "$label1");
  EXPECT_TRUE(kept.has_x_imap);
  EXPECT_TRUE(scan("X-IMAPbase: 1 2\n").housekeeping.has_x_imap);
  EXPECT_FALSE(scan("X-IMAPx: 1 2\n").housekeeping.has_x_imap);
}

TEST(MessageFacts, A_long_message_id_is_cut_and_a_large_header_is_read_to_one_mebibyte) {
  EXPECT_EQ(scan("Message-ID: <" + std::string(5000, 'x') + ">\n\n").message_id.size(), 998U);
  const std::string filler = "X: " + std::string(1000, 'x') + "\n";
  std::string large;
  while (large.size() < 1024 * 1024) large += filler;
  EXPECT_EQ(scan("Message-ID: <a>\n" + large + "\nbody").message_id, "<a>");
  EXPECT_EQ(scan(large + "Message-ID: <a>\n\nbody").message_id, "");
}

TEST(MessageFacts, A_scanner_can_be_moved_while_it_works) {
  MessageScanner first;
  first.update(as_octets("A: b\n"));
  MessageScanner second = std::move(first);
  second.update(as_octets("\nc\n"));
  EXPECT_EQ(second.finish().nid, scan("A: b\n\nc\n").nid);
}

TEST(MessageFacts, Digests_of_exact_octets_and_of_the_header_are_there_only_when_asked_for) {
  EXPECT_FALSE(scan("A: b\n\nc\n").cid);
  EXPECT_FALSE(scan("A: b\n\nc\n").header_id);
  const std::string_view message = "A: b\r\n\nc\n\n";
  const MessageFacts all = scan_message(as_octets(message), {.mail_key = true, .cid = true, .header_id = true});
  EXPECT_EQ(all.cid, sha256(as_octets(message)));
  EXPECT_EQ(all.header_id, sha256(as_octets("A: b\r\n")));
  EXPECT_EQ(all.nid, scan(message).nid);
  EXPECT_EQ(all.eid, scan(message).eid);
  EXPECT_EQ(all.mail_key, key_of(message));
}

TEST(MailKey, Is_there_only_when_asked_for) {
  EXPECT_FALSE(scan("A: b\n\n").mail_key);
  EXPECT_TRUE(key_of("A: b\n\n"));
}

TEST(MailKey, Trace_fields_folding_blanks_and_line_ends_make_no_difference) {
  const auto key = key_of("From: a@x\nTo: b@x\nSubject: one two\nMessage-ID: <i>\nDate: d\n\nbody\nmore\n");
  EXPECT_EQ(key,
            key_of("Received: x\r\nX-Spam: no\r\nMessage-Id:  <i>\r\nDATE: d \r\nSubject: one\r\n\t two\r\nTo: b@x\r\n"
                   "From: a@x\r\nStatus: RO\r\n\r\nbody\r\nmore\r\n\r\n"));
}

TEST(MailKey, Each_field_and_the_body_make_a_difference) {
  const std::string_view message = "From: a\nTo: b\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbody\n";
  const auto key = key_of(message);
  for (const char* other : {"From: x\nTo: b\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbody\n",
                            "From: a\nTo: x\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbody\n",
                            "From: a\nTo: b\nCc: x\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbody\n",
                            "From: a\nTo: b\nCc: c\nSubject: x\nMessage-ID: <i>\nDate: d\n\nbody\n",
                            "From: a\nTo: b\nCc: c\nSubject: s\nMessage-ID: <x>\nDate: d\n\nbody\n",
                            "From: a\nTo: b\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: x\n\nbody\n",
                            "From: a\nTo: b\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbodx\n",
                            "From: a\nTo: b\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\n\nbody\n",
                            "From: b\nTo: a\nCc: c\nSubject: s\nMessage-ID: <i>\nDate: d\n\nbody\n"}) {
    EXPECT_NE(key, key_of(other)) << other;
  }
}

TEST(MailKey, An_absent_field_is_not_an_empty_one_and_lengths_keep_fields_apart) {
  EXPECT_NE(key_of("From: a\n\nx"), key_of("From: a\nTo:\n\nx"));
  EXPECT_NE(key_of("To: ab\nCc: c\n\nx"), key_of("To: a\nCc: bc\n\nx"));
}

TEST(MailKey, Equal_canonical_forms_have_equal_keys) {
  EXPECT_EQ(key_of("From: a\n"), key_of("From: a\n\n"));
  EXPECT_EQ(key_of("From: a\n\n"), key_of("From: a\r\n\r\n\r\n\r\n"));
  EXPECT_EQ(key_of("From: a\n\nx"), key_of("From: a\r\n\r\nx\r\n\r\n"));
  EXPECT_NE(key_of("From: a\n\nx"), key_of("From: a\n\n"));
}

TEST(ReceivedDate, Received_comes_before_the_From_line_and_that_before_Date) {
  const ReceivedDate from_line{Instant(std::chrono::seconds(1)), std::nullopt};
  const MessageFacts both = scan("Received: x; 1 Jan 2004 00:00:00 +0000\nDate: 1 Jan 2003 00:00:00 +0000\n\n");
  EXPECT_EQ(iso(received_or_fallback(both, from_line)), "2004-01-01T00:00:00Z");
  const MessageFacts date = scan("Received: x\nDate: 1 Jan 2003 00:00:00 +0000\n\n");
  EXPECT_EQ(received_or_fallback(date, from_line), from_line);
  EXPECT_EQ(iso(received_or_fallback(date)), "2003-01-01T00:00:00Z");
  EXPECT_FALSE(received_or_fallback(scan("Date: never\n\n")));
}
