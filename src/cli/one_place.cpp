#include "cli/one_place.hpp"

#include <utility>

#include "cli/stores.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::uint64_t kBudget = 16ULL << 20;  // one message at a time is held, if any is read

}  // namespace

OnePlace::OnePlace(Frame& frame, store::Registry registry, std::unique_ptr<files::FileSystem> fs, StatePlaces state)
    : fs_(std::move(fs)),
      registry_(std::move(registry)),
      budget_(kBudget),
      spool_(state.spool_directory, budget_, {}, files::Keep::facts),
      warnings_(frame.terminal, warnings_to_show(frame.global)),
      accounts_(frame),
      services_{frame.clock, *fs_, spool_, frame.cancel, warnings_, random_},
      job_{.registry = registry_,
           .services = services_,
           .facts_spool = spool_,
           .source = {},
           .target = {},
           .source_open = {},
           .target_open = {},
           .options = {},
           .ledger_directory = std::move(state.ledger_directory),
           .ledger_file = std::move(state.ledger_file)} {}

Result<std::unique_ptr<OnePlace>> OnePlace::open(Frame& frame, const PlaceOptions& options) {
  auto registry = built_in_stores();
  MH_TRY(auto location, read_location(frame, registry, options.location));
  auto fs = files::make_real_file_system();
  MH_TRY(auto state, find_state(*fs, frame.environment, frame.global.ledger, StateUse::read));
  std::unique_ptr<OnePlace> place(new OnePlace(frame, std::move(registry), std::move(fs), std::move(state)));
  MH_TRY(place->job_.source_open.access, place->accounts_.enter("source", options.access, location, *place->fs_));
  place->job_.source = std::move(location);
  MH_CHECK(place->accounts_.open_trace(*place->fs_));
  place->accounts_.give_to(place->services_);
  return place;
}

void OnePlace::finish() {
  warnings_.finish();
  accounts_.finish();
}

}  // namespace mailhaul::cli
