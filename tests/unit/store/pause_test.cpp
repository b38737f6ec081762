#include "store/pause.hpp"

#include <gtest/gtest.h>

namespace mailhaul::store {

using namespace std::chrono_literals;

TEST(Pause, The_time_that_a_server_names_is_taken) {
  EXPECT_EQ(pause_in_words("Request is throttled. Suggested Backoff Time: 62415 milliseconds"), 62415ms);
  EXPECT_EQ(pause_in_words("request is THROTTLED. suggested backoff time:5000 milliseconds"), 5000ms);
  EXPECT_EQ(pause_in_words("Suggested Backoff Time: 0 milliseconds"), 1s) << "never at once";
}

TEST(Pause, No_number_is_too_large_and_none_is_needed) {
  EXPECT_EQ(pause_in_words("Suggested Backoff Time: 1000000000000 milliseconds"), 720h);
  EXPECT_EQ(pause_in_words("Suggested Backoff Time: 99999999999999999999999999 milliseconds"), 720h);
  EXPECT_EQ(pause_in_words("Suggested Backoff Time: soon"), kPause);
  EXPECT_EQ(pause_in_words("Suggested Backoff Time:"), kPause);
}

TEST(Pause, The_words_of_servers) {
  for (const auto* text :
       {"Account exceeded command or bandwidth limits. (Failure)", "Too many simultaneous connections. (Failure)",
        "UID FETCH Rate limit hit.", "Too many connections from your address",
        "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", "Request is throttled."})
    EXPECT_EQ(pause_in_words(text), kPause) << text;
}

TEST(Pause, Other_words_ask_for_none) {
  for (const auto* text : {"", "Mailbox is full", "Message too large", "no such mailbox", "Invalid credentials",
                           "Requested allocation size is too large", "Suggested", "limit"})
    EXPECT_EQ(pause_in_words(text), std::nullopt) << text;
}

TEST(Refusals, Are_of_one_after_three_fruitless_sessions_unless_nothing_is_granted_any_more) {
  Refusals refusals;
  EXPECT_FALSE(refusals.is_of_one(2)) << "a pause may help yet";
  refusals.granted();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(refusals.is_of_one(3)) << i;
  EXPECT_FALSE(refusals.is_of_one(3)) << "the ninth in a row";
  refusals.granted();
  EXPECT_TRUE(refusals.is_of_one(3));
}

}  // namespace mailhaul::store
