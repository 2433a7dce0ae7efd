// Device words: ids, names, patterns, numbers of replicas, precisions.
#include "pool/device_words.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "core/error.h"

namespace indextts2 {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

std::string describe(const std::vector<Device>& devices) {
  std::string text;
  for (const Device& device : devices) {
    text += (text.empty() ? "" : ", ") + device.id + " (" + device.name + ")";
  }
  return text;
}

// What stands before and behind the '@' of a word.
struct Word {
  std::string device;
  std::string precision;
};

Word split(const std::string& word) {
  const size_t at = word.rfind('@');
  if (at == std::string::npos) return {word, ""};
  const std::string precision = lower(word.substr(at + 1));
  for (const char* known : {"auto", "fp32", "tf32", "fp16", "bf16"}) {
    if (precision == known) return {word.substr(0, at), precision};
  }
  throw Error(ErrorCode::kSettings, "devices: \"" + word +
                                        "\": expected auto, fp32, tf32, fp16 or bf16 behind "
                                        "the @");
}

// The number behind "cpu:", or nothing when `word` is something else.
std::optional<int> cpu_replicas(const std::string& word) {
  if (word == "cpu") return 1;
  if (!starts_with(word, "cpu:") || word.size() == 4 || word.size() > 8 ||
      !std::all_of(word.begin() + 4, word.end(), [](unsigned char c) { return std::isdigit(c); })) {
    return std::nullopt;
  }
  return std::stoi(word.substr(4));
}

// '*' in `pattern` stands for any letters.
bool matches(const char* pattern, const char* text) {
  if (*pattern == '\0') return *text == '\0';
  if (*pattern == '*') return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
  return *pattern == *text && matches(pattern + 1, text + 1);
}

// Ids of the devices that one word means.
std::vector<std::string> match(const std::string& word, const std::vector<Device>& devices) {
  std::vector<std::string> ids;
  const std::string wanted = word == "cuda" ? "cuda:*" : lower(word);
  const bool is_id = starts_with(wanted, "cuda") || starts_with(wanted, "cpu");
  for (const Device& device : devices) {
    const bool by_id = matches(wanted.c_str(), device.id.c_str());
    const bool by_name = device.id != "cpu" && !is_id && !wanted.empty() &&
                         matches(("*" + wanted + "*").c_str(), lower(device.name).c_str());
    if (by_id || by_name) ids.push_back(device.id);
  }
  return ids;
}

}  // namespace

std::vector<Place> places_of(const std::vector<std::string>& words,
                             const std::vector<Device>& devices, int replicas_per_device,
                             const std::function<void(const std::string& id)>& usable,
                             const ExplainMissing& explain) {
  if (words.empty())
    throw Error(ErrorCode::kSettings, "devices: the list is empty; name at least one, or \"auto\"");
  const auto only_usable = [&](const std::vector<std::string>& ids) {
    std::vector<std::string> kept;
    for (const std::string& id : ids) {
      try {
        usable(id);
        kept.push_back(id);
      } catch (const Error&) {
        // One of several that a pattern means.
      }
    }
    return kept;
  };
  std::vector<Place> places;
  std::vector<std::string> seen;
  for (const std::string& whole : words) {
    const Word word = split(whole);
    std::vector<std::string> ids;
    int repeat = replicas_per_device;
    if (word.device == "auto") {
      ids = only_usable(match("cuda", devices));
      if (ids.empty()) ids = {"cpu"};
    } else if (const std::optional<int> replicas = cpu_replicas(word.device)) {
      if (*replicas < 1 || *replicas > 64) {
        throw Error(ErrorCode::kSettings,
                    "devices: \"" + whole + "\": expected 1 to 64 CPU replicas");
      }
      ids = {"cpu"};
      repeat *= *replicas;
    } else {
      ids = match(word.device, devices);
      if (ids.size() > 1) {
        const std::vector<std::string> kept = only_usable(ids);
        ids = kept.empty() ? std::vector<std::string>{ids.front()} : kept;
      }
    }
    if (ids.empty()) {
      explain(word.device);
      throw Error(ErrorCode::kUnknownDevice,
                  "unknown device \"" + word.device + "\"; there is: " + describe(devices));
    }
    for (const std::string& id : ids) {
      usable(id);
      if (std::find(seen.begin(), seen.end(), id) != seen.end()) {
        throw Error(ErrorCode::kSettings,
                    "devices: " + id + " is named twice (again by \"" + whole +
                        "\"); use replicas-per-device or cpu:N for several replicas; there is: " +
                        describe(devices));
      }
      seen.push_back(id);
      places.insert(places.end(), static_cast<size_t>(std::max(1, repeat)), {id, word.precision});
    }
  }
  return places;
}

}  // namespace indextts2
