// See key_set.hpp.
#include "pipeline/key_set.hpp"

#include <iterator>
#include <limits>
#include <optional>

#include "base/checked.hpp"

namespace mailhaul::pipeline {
namespace {

/// Only a number that is written the one usual way: `7` and `07` are two keys.
std::optional<std::uint64_t> number_of(const store::Key& key) {
  if (key.empty() || (key.front() == '0' && key.size() > 1) || key.find_first_not_of("0123456789") != key.npos)
    return std::nullopt;
  return parse_uint(key);
}

}  // namespace

bool KeySet::contains_number(std::uint64_t number) const {
  const auto above = ranges_.upper_bound(number);
  return above != ranges_.begin() && std::prev(above)->second >= number;
}

bool KeySet::insert_number(std::uint64_t number) {
  if (contains_number(number)) return false;
  const auto above = ranges_.upper_bound(number);
  const bool joins_above =
      above != ranges_.end() && number != std::numeric_limits<std::uint64_t>::max() && above->first == number + 1;
  const std::uint64_t last = joins_above ? above->second : number;
  if (above != ranges_.begin() && std::prev(above)->second + 1 == number) {
    std::prev(above)->second = last;
    if (joins_above) ranges_.erase(above);
    return true;
  }
  if (joins_above) ranges_.erase(above);
  ranges_.emplace(number, last);
  return true;
}

bool KeySet::insert(const store::Key& key) {
  const auto number = number_of(key);
  return number ? insert_number(*number) : others_.insert(key).second;
}

bool KeySet::contains(const store::Key& key) const {
  const auto number = number_of(key);
  return number ? contains_number(*number) : others_.count(key) != 0;
}

}  // namespace mailhaul::pipeline
