#include "plugins/imap/folders.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.hpp"
#include "plugins/imap/mailbox.hpp"

namespace mailhaul::imap {

namespace {

constexpr std::size_t kMostFolders = 100'000;  // durability 2.11
constexpr std::size_t kLongestName = 1'000;    // the same
constexpr std::size_t kStatusAtOnce = 64;      // commands of a round trip where the server has no LIST-STATUS

/// One name as the server gave it.
struct Listed {
  std::vector<std::string> attributes;
  std::optional<char> separator;
  bool subscribed = false;
  StatusData status;
  bool has_status = false;
};
using Names = std::map<std::string, Listed>;  // by native name; a name told twice is one folder (bad-input 55)

bool has_attribute(const std::vector<std::string>& attributes, std::string_view name) {
  return std::any_of(attributes.begin(), attributes.end(),
                     [&](const auto& attribute) { return equals_ignoring_case(attribute, name); });
}

class Lister {
 public:
  Lister(Session& session, Detail detail) : session_(session), detail_(detail) {}

  Result<std::vector<store::FolderInfo>> run() {
    MH_CHECK(list());
    learn_separator();
    if (detail_ == Detail::counts) MH_CHECK(ask_status());
    std::vector<store::FolderInfo> folders;
    for (const auto& [native, listed] : names_) {
      if (is_foreign(native)) continue;
      auto folder = make(native, listed);
      if (!folder) continue;
      tell_apart(folder->path);
      folders.push_back(std::move(*folder));
    }
    if (too_long_ != 0)
      note(store::Note::Weight::doubtful, "",
           std::to_string(too_long_) + " folders are left out: their names have more than 1,000 octets");
    if (!foreign_.empty()) {
      note(store::Note::Weight::info, "", "folders of others and shared ones are left out: " + foreign_);
    }
    give_roles_by_name(folders);
    std::sort(folders.begin(), folders.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return folders;
  }

 private:
  void note(store::Note::Weight weight, const std::string& folder, const std::string& text) {
    session_.services().events.note({weight, folder, text});
  }

  Status take(Response response) {
    if (auto* list = std::get_if<ListResponse>(&response)) {
      if (std::max(names_.size(), subscribed_.size()) >= kMostFolders)
        return make_error(ErrorKind::security, Scope::session, session_.place() + " lists more than 100,000 folders");
      if (list->name.size() > kLongestName) {
        ++too_long_;
        return {};
      }
      if (list->lsub) {
        subscribed_.push_back(std::move(list->name));
        return {};
      }
      Listed& entry = names_[list->name];
      if (entry.attributes.empty()) entry.attributes = std::move(list->attributes);
      entry.separator = list->separator;
    }
    if (auto* status = std::get_if<StatusData>(&response)) {
      // A name that was never listed tells nothing: only listed ones are folders.
      if (Listed* const entry = find(status->name)) {
        entry->status = std::move(*status);
        entry->has_status = true;
      }
    }
    return {};
  }

  /// INBOX has no case (RFC 9051 5.1), and servers spell it as they like from answer to answer (quirk 65).
  Listed* find(const std::string& name) {
    const auto exactly = names_.find(name);
    if (exactly != names_.end()) return &exactly->second;
    if (!equals_ignoring_case(name, "INBOX")) return nullptr;
    const auto inbox = std::find_if(names_.begin(), names_.end(),
                                    [](const auto& entry) { return equals_ignoring_case(entry.first, "INBOX"); });
    return inbox == names_.end() ? nullptr : &inbox->second;
  }

  [[nodiscard]] std::string status_items() const {
    std::string items = "(MESSAGES UIDNEXT UIDVALIDITY";
    if (session_.has("CONDSTORE") || session_.has("QRESYNC")) items += " HIGHESTMODSEQ";
    return items + ")";
  }

  Status list() {
    const UntaggedHandler handler = [this](Response response) { return take(std::move(response)); };
    const bool extended = session_.has("LIST-EXTENDED") && !session_.quirks().plain_list;
    if (extended) {
      std::string options = "SUBSCRIBED";
      if (session_.has("SPECIAL-USE")) options += " SPECIAL-USE";
      const bool with_status = detail_ == Detail::counts && session_.has("LIST-STATUS");
      if (with_status) options += " STATUS " + status_items();
      Command command("LIST");
      command.raw(R"( "" "*" RETURN ()" + options + ")");
      MH_TRY(const auto response, session_.run(std::move(command), handler));
      if (response.condition == Condition::ok && !names_.empty()) return {};
      names_.clear();
    }
    // Servers without LIST-EXTENDED, and those that have it by name alone (ProtonMail Bridge: BAD, Strato: nothing).
    std::vector<Command> commands;
    commands.emplace_back("LIST");
    commands.back().raw(R"( "" "*")");
    commands.emplace_back("LSUB");
    commands.back().raw(R"( "" "*")");
    MH_TRY(const auto responses, session_.run_all(std::move(commands), handler));
    if (responses.front().condition != Condition::ok)
      return session_.refusal(responses.front(), "list its folders", Scope::session);
    for (const auto& name : subscribed_) {
      if (Listed* const entry = find(name)) entry->subscribed = true;
    }
    return {};
  }

  /// Some servers tell no separator but with a name (quirks 62, 65).
  void learn_separator() {
    if (session_.naming().separator) return;
    const auto told =
        std::find_if(names_.begin(), names_.end(), [](const auto& entry) { return entry.second.separator; });
    if (told != names_.end()) session_.set_separator(*told->second.separator);
  }

  /// STATUS for those that LIST-STATUS did not tell, many in flight.
  Status ask_status() {
    std::vector<std::string> open;
    for (const auto& [native, listed] : names_) {
      if (!listed.has_status && is_selectable(listed) && !is_foreign(native)) open.push_back(native);
    }
    for (std::size_t first = 0; first < open.size(); first += kStatusAtOnce) {
      std::vector<Command> commands;
      for (std::size_t i = first; i < std::min(first + kStatusAtOnce, open.size()); ++i) {
        Command command("STATUS");
        command.mailbox(open[i]).raw(" " + status_items());
        if (command.check().ok()) commands.push_back(std::move(command));
      }
      if (commands.empty()) continue;
      // NO for one folder leaves it without counts: opening it will say why.
      MH_TRY([[maybe_unused]] const auto responses,
             session_.run_all(std::move(commands), [this](Response response) { return take(std::move(response)); }));
    }
    return {};
  }

  [[nodiscard]] bool is_foreign(const std::string& native) {
    for (const auto& prefix : session_.foreign_prefixes()) {
      const std::string stem = prefix.substr(0, prefix.size() - 1);  // the namespace's own folder, without separator
      if (!native.starts_with(prefix) && native != stem) continue;
      if (foreign_.find(prefix) == std::string::npos) foreign_ += (foreign_.empty() ? "" : ", ") + prefix;
      return true;
    }
    return false;
  }

  /// "Entw&APw-rfe" and the same in UTF-8 are two folders (bad-input 53): no path stands for both.
  void tell_apart(mail::FolderPath& path) {
    const std::string name = path.components.back();
    for (unsigned number = 2; !paths_.insert(path).second; ++number)
      path.components.back() = name + "~" + std::to_string(number);
    if (path.components.back() == name) return;
    note(store::Note::Weight::warning, "",
         "two folders have the same name; " + visible(path.native) + " is called " + path.text() + " here");
  }

  [[nodiscard]] static bool is_selectable(const Listed& listed) {
    return !has_attribute(listed.attributes, "\\Noselect") && !has_attribute(listed.attributes, "\\NonExistent");
  }

  std::optional<store::FolderInfo> make(const std::string& native, const Listed& listed) {
    Naming naming = session_.naming();
    naming.separator = listed.separator;  // bad-input 52: a name without separator is flat
    auto path = path_of(native, naming);
    if (!path) {
      note(store::Note::Weight::doubtful, "", "a folder is left out, its name cannot be used: " + visible(native));
      return std::nullopt;
    }
    store::FolderInfo folder;
    folder.path = std::move(*path);
    folder.role = folder.path.is_inbox() ? mail::Role::inbox : role_of(listed.attributes);
    folder.selectable = is_selectable(listed);
    folder.subscribed = listed.subscribed || has_attribute(listed.attributes, "\\Subscribed");
    folder.id = listed.status.mailbox_id;
    folder.messages = listed.status.messages;
    folder.epoch = epoch_of(listed.status.uidvalidity);
    folder.state =
        state_of(listed.status.uidvalidity, listed.status.uidnext, listed.status.messages, listed.status.highestmodseq);
    folder.covers = {.new_mail = true, .gone = true, .meta = listed.status.highestmodseq.value_or(0) != 0};
    return folder;
  }

  /// Names tell a role only where the server names none for that role (house.md: SPECIAL-USE, then names).
  static void give_roles_by_name(std::vector<store::FolderInfo>& folders) {
    std::vector<mail::Role> taken;
    for (const auto& folder : folders) taken.push_back(folder.role);
    for (auto& folder : folders) {
      if (folder.role != mail::Role::none) continue;
      const mail::Role role = mail::role_by_name(folder.path);
      if (role == mail::Role::none || std::find(taken.begin(), taken.end(), role) != taken.end()) continue;
      folder.role = role;
      taken.push_back(role);
    }
  }

  Session& session_;
  const Detail detail_;
  Names names_;
  std::set<mail::FolderPath> paths_;
  std::vector<std::string> subscribed_;
  std::string foreign_;
  std::uint64_t too_long_ = 0;
};

}  // namespace

Result<std::vector<store::FolderInfo>> list_folders(Session& session, Detail detail) {
  return Lister(session, detail).run();
}

}  // namespace mailhaul::imap
