#include "dialogue/performer.hpp"

#include <algorithm>

#include "base/checked.hpp"
#include "base/strings.hpp"
#include "mail/dates.hpp"
#include "plugins/imap/plugin.hpp"
#include "plugins/pop3/plugin.hpp"

namespace mailhaul::dialogue {

namespace {

Error no_operation(const std::string& what) {
  return make_error(ErrorKind::usage, Scope::run, "no such operation: " + what);
}

mail::Role role_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(mail::Role::important); ++i) {
    if (mail::to_text(static_cast<mail::Role>(i)) == name) return static_cast<mail::Role>(i);
  }
  return mail::Role::none;
}

/// "(\Seen Work)" into flags and keywords.
void read_flag_list(const std::string& text, mail::Flags& flags, std::vector<std::string>& keywords) {
  static constexpr std::pair<std::string_view, mail::Flags::Bit> kFlags[] = {{"\\Seen", mail::Flags::seen},
                                                                             {"\\Answered", mail::Flags::answered},
                                                                             {"\\Flagged", mail::Flags::flagged},
                                                                             {"\\Deleted", mail::Flags::deleted},
                                                                             {"\\Draft", mail::Flags::draft}};
  for (const auto& word : split(text.substr(1, text.size() - 2), ' ')) {
    const auto* known =
        std::find_if(std::begin(kFlags), std::end(kFlags), [&](const auto& one) { return one.first == word; });
    if (known != std::end(kFlags))
      flags.set(known->second);
    else if (!word.empty())
      keywords.push_back(word);
  }
  mail::normalize_keywords(keywords);
}

std::string folder_line(const store::FolderInfo& info) {
  std::string line = "folder " + info.path.text() + " role " +
                     (info.role == mail::Role::none ? "none" : std::string(mail::to_text(info.role)));
  line += " epoch " + (info.epoch.empty() ? "none" : info.epoch);
  line += " messages " + (info.messages ? std::to_string(*info.messages) : "unknown");
  if (!info.selectable) line += " container";
  if (!info.subscribed) line += " unsubscribed";
  return line + " state " + (info.state.empty() ? "none" : "\"" + info.state + "\"") + " native " +
         visible(info.path.native);
}

store::FolderInfo declared(const DeclaredFolder& from) {
  store::FolderInfo info;
  info.path =
      mail::FolderPath(mail::FolderPath::from_text(from.path).value_or(mail::FolderPath()).components, from.native);
  info.epoch = from.uidvalidity;
  info.messages = parse_uint(from.messages);
  info.state = "1 " + from.uidvalidity + " " + from.uidnext + " " + from.messages + " " + from.modseq;
  return info;
}

}  // namespace

Performer::Performer(const Script& script, Player& player, ScriptedClock& clock)
    : script_(script),
      clock_(clock),
      record_(script, clock),
      spool_(spool_dir_.path(), budget_, mail::ScanOptions{}),
      fs_(files::make_real_file_system()),
      services_{clock, *fs_, spool_, cancel_, record_, random_, &player, &record_} {
  options_.access.password = [] { return Result<Secret>(Secret(std::string(kPassword))); };
  options_.access.allow_plaintext = script.get("allow-plaintext") == "yes";
  if (const auto most = parse_uint(script.get("longest-message"))) options_.access.longest_message = *most;
  options_.access.past.fruitless = static_cast<unsigned>(parse_uint(script.get("fruitless"), 10, 100).value_or(0));
  options_.access.past.one_at_a_time = script.get("one-at-a-time") == "yes";
  if (script.get("compress") == "auto") options_.access.compress = store::Compress::automatic;
  if (script.get("compress") == "on") options_.access.compress = store::Compress::on;
  for (const auto& one : script.folders) folders_[one.path] = declared(one);
}

Performer::~Performer() = default;

Result<std::vector<std::string>> Performer::perform(const std::string& operation) {
  const Words words = words_of(operation);
  if (words.empty()) return no_operation(operation);
  auto status = act(words);
  if (!status.ok()) record_.put_error("error ", status.error());
  return record_.take();
}

Status Performer::act(const Words& words) {
  const std::string& verb = words.front();
  if (verb == "ls") return list_folders(/*of_target=*/false);
  if (verb == "ls-target") return list_folders(/*of_target=*/true);
  if (verb == "list") return list(words);
  if (verb == "expect-listings") return expect_listings(words);
  if (verb == "describe") return describe(words);
  if (verb == "fetch") return fetch(words);
  if (verb == "open") return open_folder(words);
  if (verb == "open-all") return open_folders(words);
  if (verb == "append") return append(words);
  if (verb == "update" || verb == "later-update") return update(words);
  if (verb == "find") return find(words);
  if (verb == "probe") return probe();
  if (verb == "tire") return tire(words);
  if (verb == "fill") {
    record_.fill(parse_uint(words.at(1)).value_or(0));
    return {};
  }
  if (verb == "later") {
    clock_.pass(std::chrono::seconds(parse_uint(words.at(1), 10, 100'000).value_or(0)));
    return {};
  }
  if (verb == "close") return close();
  if (verb == "login") {
    MH_TRY([[maybe_unused]] auto* const opened, source());
    return {};
  }
  if (verb == "idle") {
    MH_TRY(auto* const opened, source());
    return opened->pump(std::chrono::seconds(1));
  }
  if (verb == "watermark") {
    MH_TRY(const auto opened, handle(words.at(1)));
    MH_TRY(const std::string mark, target_->watermark(opened));
    record_.put("watermark \"" + mark + "\"");
    return {};
  }
  if (verb == "flush" || verb == "pump") {
    MH_TRY(auto* const opened, target());
    return verb == "flush" ? opened->flush() : opened->pump(std::chrono::seconds(1));
  }
  if (verb == "cancel") {
    cancel_.request();
    return {};
  }
  return no_operation(verb);
}

Status Performer::open_location() {
  if (descriptor_ != nullptr) return {};
  MH_TRY(location_, store::parse_location(script_.get("location", "imaps://anna@imap.example.org/")));
  const store::Registry registry({&imap::kImap, &imap::kImaps, &pop3::kPop3, &pop3::kPop3s});
  MH_TRY(descriptor_, registry.find(*location_));
  return {};
}

Result<store::Source*> Performer::source() {
  MH_CHECK(open_location());
  if (!source_) {
    MH_TRY(source_, descriptor_->open_source(*location_, services_, options_));
  }
  return source_.get();
}

Result<store::Target*> Performer::target() {
  MH_CHECK(open_location());
  if (!target_) {
    if (descriptor_->open_target == nullptr) return no_operation("writing where that cannot be");
    MH_TRY(target_, descriptor_->open_target(*location_, services_, record_, options_));
  }
  return target_.get();
}

Result<store::FolderHandle> Performer::handle(const std::string& path, mail::Role role) {
  MH_TRY(auto* const opened, target());
  return opened->open_folder(mail::FolderPath::from_text(path).value_or(mail::FolderPath()), role);
}

/// As listed, as declared, or by its name alone.
const store::FolderInfo& Performer::folder(const std::string& path) {
  const auto known = folders_.find(path);
  if (known != folders_.end()) return known->second;
  return folders_[path] = declared({path, path, script_.is_pop3() ? "uidl" : "1", "1", "1"});
}

Status Performer::list_folders(bool of_target) {
  const auto take = [&](store::FolderInfo info) -> Status {
    record_.put(folder_line(info));
    const std::string path = info.path.text();
    folders_[path] = std::move(info);
    return {};
  };
  if (of_target) {
    MH_TRY(auto* const opened, target());
    return opened->folders(take);
  }
  MH_TRY(auto* const opened, source());
  return opened->folders(take);
}

/// `list FOLDER [since STATE]`
Status Performer::list(const Words& words) {
  MH_TRY(auto* const opened, source());
  record_.items().clear();
  const auto since = words.size() == 4 ? std::optional(words[3]) : std::nullopt;
  MH_TRY(const store::ListEnd end, opened->list(folder(words.at(1)), since, record_));
  record_.put(std::string("end ") + (end.complete ? "complete" : "delta") + " state " +
              (end.state.empty() ? "none" : "\"" + end.state + "\""));
  return {};
}

/// `expect-listings FOLDER…`: of all of each.
Status Performer::expect_listings(const Words& words) {
  MH_TRY(auto* const opened, source());
  std::vector<store::ListingWish> wishes;
  for (std::size_t i = 1; i < words.size(); ++i) wishes.push_back({&folder(words[i]), std::nullopt});
  return opened->expect_listings(std::move(wishes));
}

/// `describe FOLDER 1,2`, or `1001..1999/2`: every second one.
Status Performer::describe(const Words& words) {
  MH_TRY(auto* const opened, source());
  std::vector<store::Key> keys;
  for (const auto& one : split(words.at(2), ',')) {
    const std::size_t dots = one.find(".."), slash = one.find('/');
    if (dots == std::string::npos) {
      keys.push_back(one);
      continue;
    }
    const auto first = parse_uint(one.substr(0, dots)), last = parse_uint(one.substr(dots + 2, slash - dots - 2));
    const auto step = parse_uint(one.substr(slash + 1));
    if (!first || !last || !step) return no_operation("describe " + one);
    for (std::uint64_t key = *first; key <= *last; key += *step) keys.push_back(std::to_string(key));
  }
  return opened->describe(folder(words.at(1)), keys, record_);
}

/// `fetch FOLDER all FOLDER 1/200,2 …`: keys with the size that a listing told, or what was listed last.
Status Performer::fetch(const Words& words) {
  MH_TRY(auto* const opened, source());
  std::vector<store::FetchBatch> batches;
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    store::FetchBatch batch{&folder(words[i]), {}};
    if (words[i + 1] == "all") batch.items = record_.items();
    for (const auto& one : words[i + 1] == "all" ? Words() : split(words[i + 1], ',')) {
      const auto parts = split(one, '/');
      store::Item item;
      item.key = parts[0];
      if (parts.size() == 2) {
        const auto message = script_.messages.find(parts[1]);
        item.size = message == script_.messages.end() ? parse_uint(parts[1]) : crlf_form(message->second).size();
      }
      batch.items.push_back(std::move(item));
    }
    batches.push_back(std::move(batch));
  }
  std::size_t next = 0;
  return opened->fetch(
      [&]() -> Result<store::FetchBatch> { return next < batches.size() ? batches[next++] : store::FetchBatch{}; },
      record_);
}

/// `open FOLDER [ROLE]`
Status Performer::open_folder(const Words& words) {
  MH_TRY(const auto opened, handle(words.at(1), words.size() > 2 ? role_named(words[2]) : mail::Role::none));
  record_.put("opened " + opened.path.text() + " epoch " + (opened.epoch.empty() ? "none" : opened.epoch) +
              (opened.created ? " created" : ""));
  return {};
}

/// `open-all FOLDER…`
Status Performer::open_folders(const Words& words) {
  MH_TRY(auto* const opened, target());
  std::vector<store::FolderWish> wishes;
  for (std::size_t i = 1; i < words.size(); ++i) wishes.push_back({*mail::FolderPath::from_text(words[i]), mail::Role::none});
  const auto handles = opened->open_folders(wishes);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    if (handles[i].ok())
      record_.put("opened " + handles[i]->path.text() + " epoch " + handles[i]->epoch + (handles[i]->created ? " created" : ""));
    else
      record_.put_error(words[i + 1] + ": ", handles[i].error());
  }
  return {};
}

/// `append FOLDER MESSAGE [(FLAGS)] [DATE]`
Status Performer::append(const Words& words) {
  MH_TRY(const auto opened, handle(words.at(1)));
  const auto message = script_.messages.find(words.at(2));
  if (message == script_.messages.end()) return no_operation("append of an unknown message " + words[2]);
  mail::Message what{conformance::content_of(message->second), {}};
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i].starts_with('('))
      read_flag_list(words[i], what.meta.flags, what.meta.keywords);
    else if (const auto instant = mail::parse_iso_date(words[i]))
      what.meta.received = mail::ReceivedDate{*instant, std::nullopt};
  }
  const auto ticket = conformance::ticket_of(++tickets_);
  record_.name(ticket, words[2]);
  return target_->submit(opened, ticket, std::move(what));
}

/// `tire MESSAGES SECONDS`: what is fetched later goes to a target that is slow after so many messages, for that time.
Status Performer::tire(const Words& words) {
  const auto messages = parse_uint(words.at(1)), seconds = parse_uint(words.at(2), 10, 100'000);
  if (!messages || !seconds) return no_operation("tire " + words[1]);
  record_.tire(*messages, std::chrono::seconds(*seconds));
  return {};
}

/// `update FOLDER KEY (FLAGS TO ADD) (FLAGS TO REMOVE)`
Status Performer::update(const Words& words) {
  MH_TRY(const auto opened, handle(words.at(1)));
  store::MetaChange change;
  read_flag_list(words.at(3), change.add_flags, change.add_keywords);
  if (words.size() > 4) read_flag_list(words[4], change.remove_flags, change.remove_keywords);
  const auto ticket = conformance::ticket_of(++tickets_);
  record_.name(ticket, words[2]);
  MH_CHECK(target_->update(opened, ticket, words[2], change));
  return words[0] == "update" ? target_->flush() : Status();
}

/// `find FOLDER "V U0" m1,m2`
Status Performer::find(const Words& words) {
  MH_TRY(const auto opened, handle(words.at(1)));
  std::vector<store::Wanted> wanted;
  std::map<Digest, std::string> names;
  for (const auto& name : split(words.at(3), ',')) {
    const auto message = script_.messages.find(name);
    if (message == script_.messages.end()) return no_operation("find an unknown message " + name);
    const auto content = conformance::content_of(message->second);
    wanted.push_back(
        {conformance::ticket_of(++tickets_), content->facts().nid, content->facts().eid, content->facts().crlf_size});
    names[content->facts().eid] = name;
  }
  return target_->find_since(opened, words[2], wanted, [&](store::Match match) -> Status {
    record_.put("match " + match.key + " " + names[match.eid]);
    return {};
  });
}

Status Performer::probe() {
  MH_CHECK(open_location());
  MH_TRY(const store::Probe told, descriptor_->probe(*location_, services_, options_));
  record_.put("greeting " + visible(told.greeting));
  record_.put("capabilities " + visible(join(told.capabilities, " "), 500));
  record_.put("tls " + told.tls);
  record_.put("login " + told.login);
  for (const auto& [name, value] : told.limits) record_.put("limit " + name + " " + value);
  for (const auto& quirk : told.quirks) record_.put("quirk " + quirk);
  return {};
}

Status Performer::close() {
  source_.reset();
  target_.reset();
  return {};
}

}  // namespace mailhaul::dialogue
