#include "cli/report_json.hpp"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <cmath>
#include <sstream>
#include <string_view>

#include "base/checked.hpp"
#include "base/strings.hpp"

namespace mailhaul::cli {
namespace {

// Pure ASCII for the reason that json_text.hpp gives; each object needs the options for itself.
constexpr int kOptions = Poco::JSON_PRESERVE_KEY_ORDER | Poco::JSON_ESCAPE_UNICODE;

/// One object under construction.
class Json {
 public:
  Json() : object_(new Poco::JSON::Object(kOptions)) {}
  Json& text(const char* key, std::string_view value) { return set(key, to_valid_utf8(value)); }
  Json& number(const char* key, std::uint64_t value) { return set(key, static_cast<Poco::UInt64>(value)); }
  Json& set(const char* key, const Poco::Dynamic::Var& value) {
    object_->set(key, value);
    return *this;
  }
  [[nodiscard]] const Poco::JSON::Object::Ptr& object() const { return object_; }
  [[nodiscard]] std::string line() const {
    std::ostringstream out;
    object_->stringify(out);
    return out.str() + "\n";
  }

 private:
  Poco::JSON::Object::Ptr object_;
};

using Array = Poco::JSON::Array;

Array::Ptr new_array() { return new Array(kOptions); }

void add_error(Json& json, const Error& error) {
  Json inner;
  inner.text("kind", pipeline::to_text(error.kind)).text("what", error.what).text("hint", error.hint);
  json.set("error", inner.object());
}

void add_counts(Json& json, const pipeline::CopyCounts& counts) {
  json.number("listed", counts.listed).number("copied", counts.copied).number("present", counts.present);
  json.number("present_by_header", counts.present_by_header).number("duplicate", counts.duplicate);
  json.number("filtered", counts.filtered).number("failed", counts.failed).number("vanished", counts.vanished);
  json.number("pending", counts.pending).number("unknown", counts.unknown).number("altered", counts.altered);
  json.number("repaired", counts.repaired).number("updated", counts.updated).number("moved", counts.moved);
  json.number("deleted", counts.deleted).number("bytes", counts.octets);
}

void add_counts(Json& json, const pipeline::VerifyCounts& counts) {
  json.number("checked", counts.checked).number("identical", counts.identical);
  json.number("equivalent", counts.equivalent).number("missing", counts.missing);
  json.number("different", counts.different).number("flags_differ", counts.flags_differ);
  json.number("dates_differ", counts.dates_differ).number("extra", counts.extra);
  json.number("unreadable", counts.unreadable);
}

void add_ending(Json& json, const pipeline::Report& report) {
  json.set("seconds", std::round(report.seconds * 1000) / 1000);
  json.set("exit", report.exit);
}

void add_folders(Json& json, const std::vector<pipeline::FolderLine>& lines) {
  auto folders = new_array();
  for (const auto& line : lines) {
    Json folder;
    folder.text("source", line.source).text("target", line.target);
    folder.number("listed", line.listed).number("copied", line.copied).number("bytes", line.octets);
    folders->add(folder.object());
  }
  json.set("folders", folders);
}

void add_folders(Json& json, const std::vector<pipeline::FolderSummary>& summaries) {
  auto folders = new_array();
  for (const auto& summary : summaries) {
    Json folder;
    folder.text("path", summary.path).text("role", summary.role).number("messages", summary.messages);
    folder.number("bytes", summary.octets).number("unseen", summary.unseen).set("selectable", summary.selectable);
    folders->add(folder.object());
  }
  json.set("folders", folders);
}

void add_failures(Json& json, const std::vector<pipeline::Failure>& list) {
  auto failures = new_array();
  for (const auto& failure : list) {
    Json one;
    one.text("folder", failure.folder).text("key", failure.key).text("message_id", failure.message_id);
    one.text("reason", failure.reason).text("detail", failure.detail);
    failures->add(one.object());
  }
  json.set("failures", failures);
}

std::string_view weight_word(store::Note::Weight weight) {
  switch (weight) {
    case store::Note::Weight::info:
      return "info";
    case store::Note::Weight::warning:
      return "warning";
    case store::Note::Weight::doubtful:
      return "doubtful";
  }
  return "warning";
}

void add_notes(Json& json, const pipeline::Report& report) {
  auto notes = new_array();
  for (const auto& note : report.notes) {
    Json one;
    one.text("weight", weight_word(note.weight)).text("folder", note.folder).text("text", note.text);
    notes->add(one.object());
  }
  json.set("notes", notes);
  auto changes = new_array();
  for (const auto& change : report.name_changes) changes->add(to_valid_utf8(change));
  json.set("name_changes", changes);
}

}  // namespace

std::string report_json(const pipeline::Report& report, const std::vector<pipeline::FolderSummary>& folders) {
  Json json;
  json.text("command", report.command).text("source", report.source);
  if (report.command != "ls") json.text("target", report.target).set("dry_run", report.dry_run);
  if (report.command == "copy") add_counts(json, report.counts);
  if (report.command == "verify") add_counts(json, report.verify);
  add_ending(json, report);
  if (report.command == "ls") {
    add_folders(json, folders);
  } else {
    add_folders(json, report.folders);
  }
  if (report.command == "copy") {
    Json lost;
    lost.number("keywords", report.counts.lost_keywords).number("dates", report.counts.lost_dates);
    json.set("lost_metadata", lost.number("flags", report.counts.lost_flags).object());
  }
  add_failures(json, report.failures);
  add_notes(json, report);
  if (report.error) add_error(json, *report.error);
  return json.line();
}

std::string probe_json(const pipeline::Report& report, const store::Probe& probe) {
  const auto texts = [](const std::vector<std::string>& list) {
    auto array = new_array();
    for (const auto& text : list) array->add(to_valid_utf8(text));
    return array;
  };
  Json json;
  json.text("command", report.command).text("source", report.source).text("greeting", probe.greeting);
  json.set("capabilities", texts(probe.capabilities)).text("tls", probe.tls).text("login", probe.login);
  Json limits;
  for (const auto& [name, value] : probe.limits) {
    const auto number = parse_uint(value);
    if (number && std::to_string(*number) == value) {
      limits.number(name.c_str(), *number);
    } else {
      limits.text(name.c_str(), value);
    }
  }
  json.set("limits", limits.object()).set("quirks", texts(probe.quirks));
  add_ending(json, report);
  add_notes(json, report);
  if (report.error) add_error(json, *report.error);
  return json.line();
}

std::string error_json(const std::string& command, const Error& error, int exit) {
  Json json;
  json.text("command", command).set("exit", exit);
  add_error(json, error);
  return json.line();
}

std::string texts_json(const std::vector<std::pair<std::string, std::string>>& texts) {
  Json json;
  for (const auto& [key, value] : texts) json.text(key.c_str(), value);
  return json.set("exit", 0).line();
}

}  // namespace mailhaul::cli
