// See shipper.hpp.
#include "conformance/shipper.hpp"

#include <algorithm>

namespace mailhaul::conformance {

Parcel parcel(std::uint64_t counter, std::string octets, mail::Meta meta) {
  return {ticket_of(counter), {content_of(std::move(octets)), std::move(meta)}};
}

store::Wanted wanted_of(const Parcel& parcel) {
  const mail::MessageFacts& facts = parcel.message.content->facts();
  return {parcel.ticket, facts.nid, facts.eid, facts.crlf_size};
}

void Shipper::on_ack(const store::Ack& ack) {
  acks_[ack.ticket].push_back(ack);
  if (const auto* refusal = std::get_if<store::Refused>(&ack.verdict)) message_errors_.push_back(refusal->error);
}

Status Shipper::ship(store::Target& target, const mail::FolderPath& folder, std::span<const Parcel> parcels,
                     std::size_t batch) {
  MH_TRY(const store::FolderHandle handle, target.open_folder(folder, mail::Role::none));
  const bool each = target.caps().watermark_per_batch;
  for (std::size_t at = 0; at < parcels.size(); at += batch) {
    if (each || !have_watermark_) {
      MH_TRY(watermark_, target.watermark(handle));
      have_watermark_ = true;
    }
    for (const Parcel& one : parcels.subspan(at, std::min(batch, parcels.size() - at))) {
      const Status sent = target.submit(handle, one.ticket, one.message);
      if (sent.ok()) continue;
      if (sent.error().scope != Scope::message) return sent;
      turned_away_[one.ticket] = true;
      message_errors_.push_back(sent.error());
    }
    MH_CHECK(target.flush());
  }
  return {};
}

Status Shipper::resume(store::Target& target, const mail::FolderPath& folder, std::span<const Parcel> parcels,
                       std::size_t batch) {
  std::vector<Parcel> missing;
  std::vector<store::Wanted> wanted;
  for (const Parcel& one : parcels) {
    if (!stored(one.ticket)) wanted.push_back(wanted_of(one));
  }
  if (have_watermark_ && !wanted.empty()) {
    MH_TRY(const store::FolderHandle handle, target.open_folder(folder, mail::Role::none));
    std::vector<store::Match> matches;
    MH_CHECK(target.find_since(handle, watermark_, wanted, [&](store::Match match) -> Status {
      matches.push_back(std::move(match));
      return {};
    }));
    for (const store::Match& match : matches) {
      // As multisets (house.md): a match with a ticket is that delivery's; one without is any twin's that still waits.
      const auto owner = std::find_if(wanted.begin(), wanted.end(), [&](const store::Wanted& one) {
        return !adopted_[one.ticket] && (match.ticket ? *match.ticket == one.ticket : match.eid == one.eid);
      });
      if (owner != wanted.end()) adopted_[owner->ticket] = true;
      matches_.push_back(match);
    }
  }
  std::copy_if(parcels.begin(), parcels.end(), std::back_inserter(missing),
               [&](const Parcel& one) { return !stored(one.ticket); });
  have_watermark_ = false;
  return ship(target, folder, missing, batch);
}

bool Shipper::stored(const store::Ticket& ticket) const {
  const auto adopted = adopted_.find(ticket);
  return stored_of(ticket) != nullptr || (adopted != adopted_.end() && adopted->second);
}

bool Shipper::refused(const store::Ticket& ticket) const {
  if (turned_away_.contains(ticket)) return true;
  const auto found = acks_.find(ticket);
  return found != acks_.end() && std::any_of(found->second.begin(), found->second.end(), [](const store::Ack& ack) {
           return std::holds_alternative<store::Refused>(ack.verdict);
         });
}

std::size_t Shipper::acks_of(const store::Ticket& ticket) const {
  const auto found = acks_.find(ticket);
  return found == acks_.end() ? 0 : found->second.size();
}

const store::Stored* Shipper::stored_of(const store::Ticket& ticket) const {
  const auto found = acks_.find(ticket);
  if (found == acks_.end()) return nullptr;
  for (const store::Ack& ack : found->second) {
    if (const auto* stored = std::get_if<store::Stored>(&ack.verdict)) return stored;
  }
  return nullptr;
}

std::size_t Shipper::stored_count() const {
  return static_cast<std::size_t>(
      std::count_if(acks_.begin(), acks_.end(), [&](const auto& entry) { return stored(entry.first); }));
}

std::multiset<std::string> eids_of(const std::vector<Kept>& kept) {
  std::multiset<std::string> eids;
  for (const Kept& one : kept) eids.insert(to_hex(one.eid.octets()));
  return eids;
}

std::multiset<std::string> eids_of(std::span<const Parcel> parcels) {
  std::multiset<std::string> eids;
  for (const Parcel& one : parcels) eids.insert(to_hex(one.message.content->facts().eid.octets()));
  return eids;
}

}  // namespace mailhaul::conformance
