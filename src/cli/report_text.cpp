#include "cli/report_text.hpp"

#include <algorithm>
#include <cstdint>

#include "base/strings.hpp"
#include "cli/values.hpp"
#include "cli/wording.hpp"

namespace mailhaul::cli {
namespace {

constexpr std::size_t kFailuresShown = 10;
constexpr std::size_t kLinesShown = 10;
constexpr std::size_t kLongLine = 400;  // a warning names file and offset and may be long

std::string right(const std::string& text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}
std::string left(const std::string& text, std::size_t width) {
  const auto taken = columns(text);
  return text + std::string(width > taken ? width - taken : 0, ' ');
}

/// Aligned lines of names, numbers and what else there is to say.
class Counters {
 public:
  void add(std::string name, std::uint64_t count, std::string more = {}) {
    rows_.push_back({std::move(name), grouped(count), std::move(more)});
  }
  void add_unless_zero(std::string name, std::uint64_t count, std::string more = {}) {
    if (count > 0) add(std::move(name), count, std::move(more));
  }
  [[nodiscard]] std::string text() const {
    std::size_t names = 0, numbers = 0;
    for (const auto& row : rows_) {
      names = std::max(names, row.name.size());
      numbers = std::max(numbers, row.number.size());
    }
    std::string out;
    for (const auto& row : rows_) {
      out += "  " + left(row.name, names) + "  " + right(row.number, numbers);
      out += (row.more.empty() ? "" : "  " + row.more) + "\n";
    }
    return out;
  }

 private:
  struct Row {
    std::string name, number, more;
  };
  std::vector<Row> rows_;
};

std::string copy_counters(const pipeline::Report& report) {
  const auto& counts = report.counts;
  Counters lines;
  lines.add("listed", counts.listed);
  lines.add(report.dry_run ? "would be copied" : "copied", counts.copied, human_octets(counts.octets));
  lines.add("present", counts.present,
            counts.present_by_header == 0 ? "" : "(" + grouped(counts.present_by_header) + " judged by their headers)");
  lines.add_unless_zero("twins", counts.duplicate, "of messages that count once");
  lines.add_unless_zero("filtered", counts.filtered, "not selected by the options");
  lines.add_unless_zero("failed", counts.failed);
  lines.add_unless_zero("vanished", counts.vanished, "from the source during the run");
  lines.add_unless_zero("pending", counts.pending, "not reached in this run");
  lines.add_unless_zero("unknown", counts.unknown, "delivered or not: the next run finds out");
  lines.add_unless_zero("altered", counts.altered, "by the target, among those copied");
  return lines.text();
}

std::string verify_counters(const pipeline::Report& report) {
  const auto& counts = report.verify;
  Counters lines;
  lines.add("checked", counts.checked);
  lines.add("identical", counts.identical);
  lines.add_unless_zero("equivalent", counts.equivalent, "but for housekeeping fields like Status");
  lines.add("missing", counts.missing);
  lines.add("different", counts.different);
  lines.add_unless_zero("other flags", counts.flags_differ);
  lines.add_unless_zero("other date", counts.dates_differ);
  lines.add_unless_zero("extra", counts.extra, "at the target only, which is no fault");
  lines.add_unless_zero("unreadable", counts.unreadable);
  return lines.text();
}

std::string more_line(std::size_t count) {
  return count == 0 ? "" : "  … " + grouped(count) + " more: --json has them\n";
}

std::string_view failures_heading(const pipeline::Report& report) {
  if (report.command == "verify") return "Not as it should be";
  if (report.counts.altered == 0) return "Failed";
  return report.counts.failed == 0 ? "Altered by the target" : "Failed, or altered by the target";
}

std::string failed_lines(const pipeline::Report& report) {
  if (report.failures.empty()) return {};
  std::string out = "\n" + std::string(failures_heading(report)) + ":\n";
  const auto shown = std::min(report.failures.size(), kFailuresShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& failure = report.failures[i];
    out += "  " + visible(failure.folder);
    if (!failure.key.empty()) out += ", key " + visible(failure.key);
    out += ": " + (failure.detail.empty() ? visible(failure.reason) : visible(failure.detail, kLongLine)) + "\n";
    if (const auto what_to_do = advice(failure.reason); !what_to_do.empty()) {
      out += "    " + std::string(what_to_do) + "\n";
    }
  }
  // Beyond the first 1,000 the list ends, but the counter knows (docs/user/commands.md).
  const auto total = std::max<std::uint64_t>(
      report.failures.size(), report.command == "copy" ? report.counts.failed + report.counts.altered : 0);
  if (total > shown)
    out += "  … " + grouped(total - shown) + " more: --json has the first 1,000, --outcomes FILE all\n";
  return out;
}

std::string note_lines(const pipeline::Report& report, Detail detail) {
  std::string out;
  std::size_t shown = 0, hidden = 0;
  for (const auto& note : report.notes) {
    if (note.weight == store::Note::Weight::info && detail == Detail::normal) continue;
    if (detail == Detail::normal && shown == kLinesShown) {
      ++hidden;
      continue;
    }
    out += "  " + (note.folder.empty() ? "" : visible(note.folder) + ": ") + visible(note.text, kLongLine) + "\n";
    ++shown;
  }
  return out.empty() ? "" : "\nWarnings:\n" + out + more_line(hidden);
}

std::string name_lines(const pipeline::Report& report, Detail detail) {
  if (report.name_changes.empty()) return {};
  std::string out = "\nOther names at the target:\n";
  const auto shown =
      detail == Detail::verbose ? report.name_changes.size() : std::min(report.name_changes.size(), kLinesShown);
  for (std::size_t i = 0; i < shown; ++i) out += "  " + visible(report.name_changes[i], kLongLine) + "\n";
  return out + more_line(report.name_changes.size() - shown);
}

std::string lost_line(const pipeline::CopyCounts& counts) {
  std::string what;
  const auto add = [&](std::uint64_t count, const char* name) {
    if (count > 0) what += (what.empty() ? "" : "; ") + std::string(name) + " of " + messages(count);
  };
  add(counts.lost_keywords, "keywords");
  add(counts.lost_dates, "received dates");
  add(counts.lost_flags, "flags");
  return what.empty() ? "" : "\nThe target cannot keep: " + what + "\n";
}

std::string folder_lines(const pipeline::Report& report) {
  if (report.folders.empty()) return {};
  std::size_t names = 0;
  for (const auto& line : report.folders) names = std::max(names, columns(visible(line.source, 60)));
  std::string out = "\nFolders:\n";
  for (const auto& line : report.folders) {
    out += "  " + left(visible(line.source, 60), names) + " -> " + visible(line.target, 60) + ": ";
    out += grouped(line.listed) + " listed";
    if (report.command == "copy") {
      out += ", " + grouped(line.copied) + (report.dry_run ? " to copy, " : " copied, ") + human_octets(line.octets);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string report_text(const pipeline::Report& report, Detail detail) {
  const bool verify = report.command == "verify";
  const bool saw_nothing =
      verify ? report.verify.checked + report.verify.unreadable + report.verify.extra == 0 : report.counts.listed == 0;
  if (report.error && saw_nothing && report.notes.empty()) return {};
  std::string out = visible(report.source) + " -> " + visible(report.target) + "\n\n";
  out += verify ? verify_counters(report) : copy_counters(report);
  if (detail == Detail::verbose || report.dry_run) out += folder_lines(report);
  out += failed_lines(report);
  out += note_lines(report, detail);
  out += name_lines(report, detail);
  if (!verify) out += lost_line(report.counts);
  return out + "\n" + verdict(report) + " (" + human_seconds(report.seconds) + ")\n";
}

std::string folders_text(const std::vector<pipeline::FolderSummary>& folders) {
  std::vector<std::vector<std::string>> rows{{"messages", "unseen", "size", "role", "folder"}};
  std::uint64_t all_messages = 0, octets = 0, unseen = 0;
  for (const auto& folder : folders) {
    all_messages += folder.messages;
    octets += folder.octets;
    unseen += folder.unseen;
    if (folder.selectable) {
      rows.push_back({grouped(folder.messages), grouped(folder.unseen), human_octets(folder.octets), folder.role,
                      visible(folder.path)});
    } else {
      rows.push_back({"-", "-", "-", folder.role, visible(folder.path)});
    }
  }
  const std::string count = grouped(folders.size()) + (folders.size() == 1 ? " folder" : " folders");
  rows.push_back({grouped(all_messages), grouped(unseen), human_octets(octets), "", count});
  std::vector<std::size_t> widths(5, 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    out += right(row[0], widths[0]) + "  " + right(row[1], widths[1]) + "  " + right(row[2], widths[2]) + "  " +
           left(row[3], widths[3]) + "  " + row[4] + "\n";
  }
  return out;
}

std::string probe_text(const std::string& source, const store::Probe& probe) {
  constexpr std::size_t kIndent = 16, kWidth = 80;
  std::string out = visible(source) + "\n\n";
  const auto row = [&](const std::string& name, const std::string& text) {
    out += left("  " + name, kIndent) + text + "\n";
  };
  row("greeting", visible(probe.greeting));
  row("tls", visible(probe.tls));
  row("login", visible(probe.login));
  std::string name = "capabilities", line;
  for (const auto& capability : probe.capabilities) {
    const auto word = visible(capability, 60);
    if (!line.empty() && kIndent + columns(line) + 1 + columns(word) > kWidth) {
      row(name, line);
      name.clear();
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  row(name, line.empty() ? "none" : line);
  name = "limits";
  for (const auto& [limit, value] : probe.limits) {
    row(name, visible(limit, 60) + " " + visible(value, 60));
    name.clear();
  }
  if (probe.limits.empty()) row(name, "none announced");
  name = "quirks";
  for (const auto& quirk : probe.quirks) {
    row(name, visible(quirk, kLongLine));
    name.clear();
  }
  if (probe.quirks.empty()) row(name, "none known");
  return out;
}

}  // namespace mailhaul::cli
