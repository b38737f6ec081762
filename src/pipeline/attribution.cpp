// See attribution.hpp.
#include "pipeline/attribution.hpp"

namespace mailhaul::pipeline {
namespace {

class Attribution {
 public:
  Attribution(ledger::Ledger& ledger, ledger::RowId folder, const std::vector<store::Match>& matches)
      : ledger_(ledger), folder_(folder), matches_(matches), used_(matches.size(), false) {}

  Status leave_what_is_known();
  Result<std::optional<store::Key>> take(const Sought& sought);

 private:
  Result<bool> belongs_to_a_delivery(const store::Match& match);
  Status record(const Sought& sought, const store::Match& match);

  ledger::Ledger& ledger_;
  const ledger::RowId folder_;
  const std::vector<store::Match>& matches_;
  std::vector<bool> used_;
};

/// Without UIDPLUS a delivery may be confirmed without its key. Its copy answers to the same EID, so it is told its key
/// first, and not mistaken for the one in doubt. Only deliveries since the watermark: an older one that has no key was
/// removed by the target's user, and would swallow the match of a new one.
Result<bool> Attribution::belongs_to_a_delivery(const store::Match& match) {
  MH_TRY(const auto since, ledger_.contents_before_watermark(folder_));
  if (!since) return false;
  MH_TRY(const auto contents, ledger_.contents_by_eid(folder_, match.eid));
  for (const auto& content : contents) {
    if (!content.delivered || !content.key.empty() || content.id <= *since) continue;
    MH_CHECK(ledger_.locate_content(content.id, match.key));
    return true;
  }
  return false;
}

Status Attribution::leave_what_is_known() {
  for (std::size_t i = 0; i < matches_.size(); ++i) {
    if (matches_[i].ticket) continue;
    MH_TRY(const auto known, ledger_.content_by_key(folder_, matches_[i].key));
    if (known) {
      used_[i] = known->claims > 0;  // it stands for another message
      continue;
    }
    MH_TRY(const bool delivered, belongs_to_a_delivery(matches_[i]));
    used_[i] = delivered;
  }
  return {};
}

Status Attribution::record(const Sought& sought, const store::Match& match) {
  const ledger::Intent& intent = sought.intent;
  MH_TRY(const auto known, ledger_.content_by_key(folder_, match.key));
  ledger::RowId content = 0;
  if (known) {
    content = known->id;
  } else {
    MH_TRY(content, ledger_.add_content(folder_, match.key, intent.eid, intent.nid, intent.mail_key));
  }
  MH_CHECK(ledger_.mark_delivered(content, sought.flags));
  // No key: the source's folder is another one now. By its content the message will be found there all the same.
  if (!intent.key.empty())
    MH_CHECK(ledger_.record_item(intent.source_folder, intent.key, ledger::Done::copied, content));
  return ledger_.drop_intent(intent.instance, intent.counter);
}

Result<std::optional<store::Key>> Attribution::take(const Sought& sought) {
  const store::Ticket ticket{sought.intent.instance, sought.intent.counter};
  const auto fits = [&](std::size_t i, bool by_ticket) {
    if (used_[i] || matches_[i].eid != sought.intent.eid) return false;
    return by_ticket ? matches_[i].ticket == ticket : !matches_[i].ticket.has_value();
  };
  for (const bool by_ticket : {true, false}) {
    for (std::size_t i = 0; i < matches_.size(); ++i) {
      if (!fits(i, by_ticket)) continue;
      used_[i] = true;
      MH_CHECK(record(sought, matches_[i]));
      return std::optional(matches_[i].key);
    }
  }
  return std::optional<store::Key>();
}

}  // namespace

Result<std::vector<std::optional<store::Key>>> attribute(ledger::Ledger& ledger, ledger::RowId folder,
                                                         const std::vector<Sought>& sought,
                                                         const std::vector<store::Match>& matches) {
  MH_CHECK(ledger.begin());
  Attribution attribution(ledger, folder, matches);
  MH_CHECK(attribution.leave_what_is_known());
  std::vector<std::optional<store::Key>> found;
  for (const auto& one : sought) {
    MH_TRY(auto key, attribution.take(one));
    found.push_back(std::move(key));
  }
  return found;
}

}  // namespace mailhaul::pipeline
