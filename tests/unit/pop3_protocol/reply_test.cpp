// Lines of a server, each for itself.
#include "plugins/pop3/protocol/reply.hpp"

#include <gtest/gtest.h>

#include "unit/pop3_protocol/wire.hpp"

using namespace mailhaul;
using namespace mailhaul::pop3;
using mailhaul::pop3::testing::describe;

namespace {

std::string reply_text(std::string_view line) {
  const auto reply = parse_reply(line);
  return reply ? describe(*reply) : "none";
}

std::string listing_text(std::string_view line) {
  const auto parsed = parse_listing_line(line);
  return parsed ? std::to_string(parsed->number) + " \"" + std::string(parsed->value) + "\"" : "none";
}

std::string stat_text(std::string_view text) {
  const auto stat = parse_stat(text);
  return stat ? std::to_string(stat->messages) + " of " + std::to_string(stat->octets) : "none";
}

std::string capability_text(std::string_view line) {
  const auto capability = parse_capability(line);
  return capability ? capability->name + " \"" + capability->arguments + "\"" : "none";
}

std::string size_text(std::string_view value) {
  const auto size = parse_size(value);
  return size ? std::to_string(*size) : "none";
}

std::string challenge_text(std::string_view line) {
  const auto text = parse_challenge(line);
  return text ? "\"" + std::string(*text) + "\"" : "none";
}

/// Rows that differ only in data: what the line is, and what it means.
using Rows = std::vector<std::pair<std::string_view, std::string_view>>;

void check(const Rows& rows, std::string (*tell)(std::string_view)) {
  for (const auto& [line, meaning] : rows) EXPECT_EQ(tell(line), meaning) << "'" << line << "'";
}

}  // namespace

TEST(Pop3Reply, Status_words_in_any_case_and_with_anything_but_a_letter_behind) {
  check({{"+OK", "ok \"\""},
         {"+OK ", "ok \"\""},
         {"+OK maildrop ready", "ok \"maildrop ready\""},
         {"+ok maildrop", "ok \"maildrop\""},
         {"+Ok\tmaildrop  ", "ok \"maildrop\""},
         {"+OK, go on", "ok \", go on\""},
         {"+OK+OK", "ok \"+OK\""},
         {"-ERR", "err \"\""},
         {"-ERR no such message", "err \"no such message\""},
         {"-err: none", "err \": none\""},
         {"-ERR -ERR +OK", "err \"-ERR +OK\""},
         {"+OK caf\xC3\xA9 \x01", "ok \"caf\xC3\xA9 \x01\""}},
        reply_text);
}

TEST(Pop3Reply, What_only_begins_like_a_status_word_is_none) {
  check({{"", "none"},
         {"+", "none"},
         {"-", "none"},
         {"+O", "none"},
         {"OK", "none"},
         {"ERR", "none"},
         {" +OK", "none"},
         {"+OKAY", "none"},
         {"+OK1", "none"},
         {"+OK_", "none"},
         {"-ERRor", "none"},
         {"-ERR7", "none"},
         {"-OK", "none"},
         {"+ERR", "none"},
         {"+ OK", "none"},
         {"* OK imap", "none"},
         {"220 smtp", "none"},
         {"HTTP/1.1 400 Bad Request", "none"}},
        reply_text);
}

TEST(Pop3Reply, Response_codes_stand_in_brackets_and_are_told_in_upper_case) {
  check({{"-ERR [IN-USE] locked", "err [IN-USE] \"locked\""},
         {"-ERR [in-use] locked", "err [IN-USE] \"locked\""},
         {"-ERR [SYS/TEMP] later", "err [SYS/TEMP] \"later\""},
         {"-ERR [SYS/PERM]", "err [SYS/PERM] \"\""},
         {"-ERR[LOGIN-DELAY]wait", "err [LOGIN-DELAY] \"wait\""},
         {"+OK [X-1.2_b] fine", "ok [X-1.2_B] \"fine\""},
         {"-ERR [IN-USE] [AUTH] both", "err [IN-USE] \"[AUTH] both\""}},
        reply_text);
}

TEST(Pop3Reply, Brackets_that_hold_no_code_belong_to_the_text) {
  check({{"-ERR []", "err \"[]\""},
         {"-ERR [two words] x", "err \"[two words] x\""},
         {"-ERR [never closed", "err \"[never closed\""},
         {"-ERR [IN-USE", "err \"[IN-USE\""},
         {"-ERR x [IN-USE]", "err \"x [IN-USE]\""},
         {"+OK [192.0.2.1:110] hi", "ok \"[192.0.2.1:110] hi\""},
         {"-ERR ]IN-USE[", "err \"]IN-USE[\""}},
        reply_text);
}

TEST(Pop3Reply, Challenges) {
  check({{"+", "\"\""},
         {"+ ", "\"\""},
         {"+ dGVzdA==", "\"dGVzdA==\""},
         {"+  dGVzdA== ", "\"dGVzdA==\""},
         {"+dGVzdA==", "none"},
         {"+OK", "none"},
         {"+OK dGVzdA==", "none"},
         {"-ERR", "none"},
         {"", "none"},
         {" + ", "none"}},
        challenge_text);
}

TEST(Pop3Reply, Lines_of_listings) {
  check({{"1 120", "1 \"120\""},
         {"  7 \t uidl-a \t", "7 \"uidl-a\""},
         {"1", "1 \"\""},
         {"1 ", "1 \"\""},
         {"2 a name with blanks", "2 \"a name with blanks\""},
         {"007 x", "7 \"x\""},
         {"4294967295 x", "4294967295 \"x\""}},
        listing_text);
}

TEST(Pop3Reply, Lines_without_a_message_number_are_none) {
  check({{"", "none"},
         {" ", "none"},
         {"0 120", "none"},
         {"-1 120", "none"},
         {"+1 120", "none"},
         {"1a 120", "none"},
         {"0x1 120", "none"},
         {"1.5 120", "none"},
         {"4294967296 120", "none"},
         {"18446744073709551617 120", "none"},
         {"99999999999999999999999999 120", "none"},
         {"one 120", "none"}},
        listing_text);
}

TEST(Pop3Reply, Sizes) {
  check({{"120", "120"},
         {"120 octets", "120"},
         {"0", "0"},
         {"18446744073709551615", "18446744073709551615"},
         {"18446744073709551616", "none"},
         {"", "none"},
         {"-5", "none"},
         {"12k", "none"},
         {"octets 120", "none"}},
        size_text);
}

TEST(Pop3Reply, Stat_tells_messages_and_octets_or_only_the_first) {
  check({{"3 1200", "3 of 1200"},
         {"0 0", "0 of 0"},
         {"3 messages", "3 of 0"},
         {"3", "3 of 0"},
         {"3 1200 and more", "3 of 1200"},
         {"", "none"},
         {"no 3", "none"},
         {"-1 0", "none"}},
        stat_text);
}

TEST(Pop3Reply, Capabilities) {
  check({{"PIPELINING", "PIPELINING \"\""},
         {"sasl PLAIN LOGIN", "SASL \"PLAIN LOGIN\""},
         {" EXPIRE  0 ", "EXPIRE \"0\""},
         {"LOGIN-DELAY 300 USER", "LOGIN-DELAY \"300 USER\""},
         {"", "none"},
         {"  ", "none"}},
        capability_text);
}
