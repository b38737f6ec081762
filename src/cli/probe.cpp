// `mailhaul probe LOCATION`.
#include <chrono>
#include <mutex>
#include <utility>

#include "cli/one_place.hpp"

namespace mailhaul::cli {
namespace {

/// Passes notes on and keeps them for the report.
class NoteKeeper final : public store::Events {
 public:
  explicit NoteKeeper(store::Events& next) : next_(next) {}
  void note(const store::Note& note) override {
    {
      const std::lock_guard guard(mutex_);
      notes_.push_back(note);
    }
    next_.note(note);
  }
  [[nodiscard]] std::vector<store::Note> take() {
    const std::lock_guard guard(mutex_);
    return std::move(notes_);
  }

 private:
  store::Events& next_;
  std::mutex mutex_;
  std::vector<store::Note> notes_;
};

Result<store::Probe> ask(const pipeline::Job& job, store::Events& events) {
  MH_TRY(const auto* descriptor, job.registry.find(job.source));
  if (descriptor->probe == nullptr) {
    return make_error(ErrorKind::unsupported, Scope::run,
                      job.source.text() + " is no account on a server: there is nothing to log in to",
                      "mailhaul ls lists the folders of such a place");
  }
  const auto& given = job.services;
  store::Services services{given.clock, given.fs,     given.spool,  given.cancel,
                           events,      given.random, given.dialer, given.trace};
  return descriptor->probe(job.source, services, job.source_open);
}

}  // namespace

int run_probe_command(Frame& frame, const ProbeOptions& options) {
  const auto place = OnePlace::open(frame, options);
  if (!place.ok()) return show_probe(frame, failed_report("probe", options.location, "", place.error()), {});
  const auto& job = (*place)->job();
  pipeline::Report report;
  report.command = "probe";
  report.source = job.source.text();
  NoteKeeper notes(job.services.events);
  const auto begin = frame.clock.steady();
  auto probe = ask(job, notes);
  report.seconds = std::chrono::duration<double>(frame.clock.steady() - begin).count();
  report.notes = notes.take();
  if (!probe.ok()) {
    report.exit = pipeline::exit_code(probe.error(), pipeline::Side::source);
    report.error = std::move(probe).error();
  }
  (*place)->finish();
  return show_probe(frame, report, report.error ? store::Probe{} : *probe);
}

}  // namespace mailhaul::cli
