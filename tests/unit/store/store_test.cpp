#include "store/store.hpp"

#include <gtest/gtest.h>

using namespace mailhaul;
using namespace mailhaul::store;

namespace {

/// A target that overrides only what it must.
class PlainTarget final : public Target {
 public:
  const Caps& caps() const override { return caps_; }
  Status folders(const std::function<Status(FolderInfo)>&) override { return {}; }
  Result<FolderHandle> open_folder(const mail::FolderPath& path, mail::Role) override {
    return FolderHandle{1, path, "1", false};
  }
  Result<std::string> watermark(const FolderHandle&) override { return std::string(); }
  Status submit(const FolderHandle&, const Ticket&, mail::Message) override { return {}; }
  Status find_since(const FolderHandle&, std::string_view, std::span<const Wanted>,
                    const std::function<Status(Match)>&) override {
    return {};
  }
  Status flush() override { return {}; }
  Status pump(std::chrono::milliseconds) override { return {}; }

 private:
  Caps caps_;
};

}  // namespace

TEST(Ticket, Hex_is_32_digits_and_is_read_back) {
  const Ticket ticket{0x0123456789abcdef, 42};
  EXPECT_EQ(ticket.hex(), "0123456789abcdef000000000000002a");
  EXPECT_EQ(Ticket::from_hex(ticket.hex()), ticket);
  const Ticket largest{~std::uint64_t{0}, ~std::uint64_t{0}};
  EXPECT_EQ(Ticket::from_hex(largest.hex()), largest);
}

TEST(Ticket, Only_its_own_spelling_is_read) {
  const std::string good = Ticket{0xab, 1}.hex();
  EXPECT_TRUE(Ticket::from_hex(good));
  for (const std::string& bad : {std::string(), good.substr(1), good + "0", "0x" + good.substr(2), " " + good.substr(1),
                                 std::string("00000000000000AB0000000000000001"), std::string(32, 'g')}) {
    EXPECT_FALSE(Ticket::from_hex(bad)) << bad;
  }
}

TEST(Target, What_a_place_does_not_claim_it_refuses_as_unsupported) {
  PlainTarget target;
  const FolderHandle folder;
  const Ticket ticket;
  const auto is_refused = [](const Status& status) {
    return !status.ok() && status.error().kind == ErrorKind::unsupported;
  };
  EXPECT_TRUE(is_refused(target.rename_folder(folder, mail::FolderPath({"x"}))));
  EXPECT_TRUE(is_refused(target.subscribe(folder, /*on=*/true)));
  EXPECT_TRUE(is_refused(target.copy(folder, ticket, folder, "1", mail::Meta())));
  EXPECT_TRUE(is_refused(target.update(folder, ticket, "1", MetaChange())));
  EXPECT_TRUE(is_refused(target.remove(folder, ticket, "1", Digest())));
  EXPECT_TRUE(is_refused(target.commit()));
}
