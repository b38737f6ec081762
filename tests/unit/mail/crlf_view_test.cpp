#include "mail/crlf_view.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace mailhaul::mail {
namespace {

class Text final : public Content {
 public:
  explicit Text(std::string octets) : octets_(std::move(octets)), facts_(scan_message(as_octets(octets_))) {}
  [[nodiscard]] const MessageFacts& facts() const override { return facts_; }
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::string_view rest = std::string_view(octets_).substr(std::min<std::size_t>(offset, octets_.size()));
    const std::size_t some = std::min(into.size(), rest.size());
    std::memcpy(into.data(), rest.data(), some);
    return some;
  }

 private:
  std::string octets_;
  MessageFacts facts_;
};

std::string read_all(const std::string& octets, std::size_t step) {
  CrlfReader reader(std::make_shared<Text>(octets));
  std::string all;
  std::vector<std::byte> into(step);
  for (;;) {
    const auto got = reader.read(into);
    EXPECT_TRUE(got.ok());
    if (!got.ok() || *got == 0) return all;
    all.append(as_text(Octets(into).first(*got)));
  }
}

TEST(CrlfView, Bare_lf_becomes_crlf_and_nothing_else_changes) {
  const std::vector<std::pair<std::string, std::string>> rows{{"", ""},
                                                              {"\n", "\r\n"},
                                                              {"\r\n", "\r\n"},
                                                              {"\r", "\r"},
                                                              {"a\nb\r\nc\rd", "a\r\nb\r\nc\rd"},
                                                              {"\r\r\n\n", "\r\r\n\r\n"},
                                                              {"\n\n\n", "\r\n\r\n\r\n"}};
  for (const auto& [octets, expected] : rows) {
    for (const std::size_t step : {1U, 2U, 3U, 1000U}) EXPECT_EQ(read_all(octets, step), expected) << step;
    EXPECT_EQ(scan_message(as_octets(octets)).crlf_size, expected.size());
  }
}

TEST(CrlfView, A_line_end_that_falls_on_a_piece_border_is_one_line_end) {
  for (const std::size_t size : {(64U << 10U) - 1, 64U << 10U, (64U << 10U) + 1}) {
    const std::string before(size, 'x');
    EXPECT_EQ(read_all(before + "\r\nend", 5000), before + "\r\nend");
    EXPECT_EQ(read_all(before + "\nend", 5000), before + "\r\nend");
  }
}

TEST(CrlfView, Chunks_of_one_octet_give_the_same_text) {
  const std::string octets = "a\r\nb\n\r\rc\r\n";
  CrlfFilter filter;
  std::string all;
  for (const char c : octets) filter.append(as_octets(std::string_view(&c, 1)), all);
  EXPECT_EQ(all, "a\r\nb\r\n\r\rc\r\n");
}

}  // namespace
}  // namespace mailhaul::mail
