#include "sasl/mechanism.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/base64.hpp"

using namespace mailhaul;
using namespace mailhaul::sasl;

namespace {

Credentials credentials(std::string user, std::string secret, std::string authzid = {}) {
  return Credentials{std::move(user), std::move(authzid), Secret(std::move(secret))};
}

std::unique_ptr<Mechanism> mechanism(std::string_view name, Credentials who) {
  auto made = make_mechanism(name, std::move(who));
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().what);
  return made.ok() ? std::move(made).value() : nullptr;
}

const std::string kNul(1, '\0');

}  // namespace

TEST(Plain, Rfc_4616_examples) {
  auto tim = mechanism("PLAIN", credentials("tim", "tanstaaftanstaaf"));
  EXPECT_EQ(tim->name(), "PLAIN");
  EXPECT_EQ(tim->initial()->reveal(), kNul + "tim" + kNul + "tanstaaftanstaaf");
  auto kurt = mechanism("plain", credentials("Kurt", "xipj3plmq", "Ursel"));
  EXPECT_EQ(kurt->initial()->reveal(), "Ursel" + kNul + "Kurt" + kNul + "xipj3plmq");
}

TEST(Plain, Rfc_9051_example) {
  // RFC 9051 6.2.2: "C: A01 AUTHENTICATE PLAIN AHRlc3QAdGVzdA==" is user test, password test.
  EXPECT_EQ(to_base64(mechanism("PLAIN", credentials("test", "test"))->initial()->reveal()), "AHRlc3QAdGVzdA==");
}

TEST(Plain, Answers_an_empty_challenge_once_and_no_other) {
  auto plain = mechanism("PLAIN", credentials("u", "p"));
  const auto first = plain->respond("");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->reveal(), kNul + "u" + kNul + "p");
  const auto second = plain->respond("");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::security);
  EXPECT_EQ(second.error().scope, Scope::session);
  EXPECT_FALSE(mechanism("PLAIN", credentials("u", "p"))->respond("Password:").ok());
}

TEST(Login, Gives_user_then_password_whatever_the_prompts_say) {
  for (const auto& prompts : std::vector<std::vector<std::string>>{
           {"Username:", "Password:"}, {"User Name" + kNul, "Password" + kNul}, {"", ""}, {"Password:", "Username:"}}) {
    auto login = mechanism("LOGIN", credentials("tim", "tanstaaf"));
    EXPECT_EQ(login->initial(), std::nullopt);
    EXPECT_EQ(login->respond(prompts[0])->reveal(), "tim");
    EXPECT_EQ(login->respond(prompts[1])->reveal(), "tanstaaf");
    const auto third = login->respond("Token:");
    ASSERT_FALSE(third.ok());
    EXPECT_EQ(third.error().kind, ErrorKind::security);
  }
}

TEST(Xoauth2, Google_s_example) {
  // developers.google.com/gmail/imap/xoauth2-protocol: "SASL initial client response".
  auto made =
      mechanism("xoauth2", credentials("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
  EXPECT_EQ(to_base64(made->initial()->reveal()),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMj"
            "l0Q2cBAQ==");
}

TEST(Xoauth2, Answers_a_failure_report_with_nothing_and_keeps_it) {
  struct Row {
    const char* report;
    const char* failure;
  };
  for (const Row& row :
       std::initializer_list<Row>{{R"({"status":"401","schemes":"bearer","scope":"https://mail.google.com/"})",
                                   "401, schemes bearer, scope https://mail.google.com/"},
                                  {R"({"status":"invalid_token"})", "invalid_token"},
                                  {R"( { "scope" : "a\/b" , "status" : 400 } )", "400, scope a/b"},
                                  {R"({"status":"40)", R"({"status":"40)"},
                                  {R"({"status":{"x":"y"}})", R"({"status":{"x":"y"}})"},
                                  {R"({"status":"\u001b"})", R"({"status":"\u001b"})"},
                                  {R"({})", R"({})"},
                                  {"no JSON\x1b]0;", "no JSON\\x1b]0;"},
                                  {"\\", "\\"}}) {
    auto made = mechanism("XOAUTH2", credentials("u", "t"));
    EXPECT_EQ(made->failure(), "");
    ASSERT_TRUE(made->initial().has_value());
    const auto answer = made->respond(row.report);
    ASSERT_TRUE(answer.ok());
    EXPECT_TRUE(answer->empty());
    EXPECT_EQ(made->failure(), row.failure);
    EXPECT_FALSE(made->respond(row.report).ok()) << "a second report";
  }
}

TEST(Make, What_cannot_be_sent_is_refused) {
  struct Row {
    const char* name;
    Credentials who;
    ErrorKind kind;
  };
  const std::vector<Row> rows{{"PLAIN", credentials("a" + kNul, "p"), ErrorKind::usage},
                              {"PLAIN", credentials("a", "p" + kNul + "q"), ErrorKind::usage},
                              {"PLAIN", credentials("a", "p", kNul), ErrorKind::usage},
                              {"PLAIN", credentials("", "p"), ErrorKind::usage},
                              {"LOGIN", credentials("a" + kNul, "p"), ErrorKind::usage},
                              {"LOGIN", credentials("a", "p", "other"), ErrorKind::unsupported},
                              {"XOAUTH2", credentials("a", "p", "other"), ErrorKind::unsupported},
                              {"XOAUTH2", credentials("a\x01", "p"), ErrorKind::usage},
                              {"XOAUTH2", credentials("a", "p\x01"), ErrorKind::usage},
                              {"XOAUTH2", credentials("a", "token\n"), ErrorKind::usage},
                              {"XOAUTH2", credentials("a", ""), ErrorKind::usage},
                              {"CRAM-MD5", credentials("a", "p"), ErrorKind::unsupported},
                              {"", credentials("a", "p"), ErrorKind::unsupported}};
  for (const auto& row : rows) {
    const auto made = make_mechanism(row.name, row.who);
    ASSERT_FALSE(made.ok()) << row.name << " " << row.who.user;
    EXPECT_EQ(made.error().kind, row.kind) << row.name << " " << row.who.user;
    EXPECT_EQ(made.error().scope, Scope::run);
    EXPECT_EQ(made.error().what.find("token\n"), std::string::npos);
  }
  EXPECT_EQ(make_mechanism("SCRAM", credentials("a", "p")).error().hint, "?auth= takes plain, login, xoauth2");
}

TEST(Choose, Rows) {
  struct Row {
    std::vector<std::string> offered;
    const char* pinned;
    bool has_authzid;
    std::optional<std::string> chosen;
  };
  const std::vector<Row> rows{{{"LOGIN", "PLAIN"}, "", false, "PLAIN"},
                              {{"login", "xoauth2"}, "", false, "LOGIN"},
                              {{"LOGIN"}, "", true, std::nullopt},
                              {{"plain"}, "", true, "PLAIN"},
                              {{"XOAUTH2", "SCRAM-SHA-256"}, "", false, std::nullopt},
                              {{}, "", false, std::nullopt},
                              {{"PLAIN"}, "xoauth2", false, "XOAUTH2"},
                              {{}, "Login", false, "LOGIN"},
                              {{"PLAIN"}, "cram-md5", false, std::nullopt}};
  for (const auto& row : rows) {
    EXPECT_EQ(choose_mechanism(row.offered, row.pinned, row.has_authzid), row.chosen) << row.pinned;
  }
}
