// A YAML or JSON file as a tree of typed values, with errors that name file and key.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace indextts2 {

// Allowed values, both ends included.
template <typename T>
struct Range {
  T low, high;
};

// Thread-safety: const. A key is a path: "gpt.condition_module.num_blocks". A key that is absent or
// null gives `fallback`; without one, or if the value is of another type or out of range:
// Error{kModel} with file, key, expected and got.
class ConfigTree {
 public:
  // Throw Error{kNotFound, kOpenRead}: no such file, not YAML or JSON, larger than 4 MiB.
  static ConfigTree from_yaml(const std::string& path);
  static ConfigTree from_json(const std::string& path);

  bool has(const std::string& key) const;
  int64_t integer(const std::string& key, Range<int64_t> range,
                  std::optional<int64_t> fallback = {}) const;
  double number(const std::string& key, Range<double> range,
                std::optional<double> fallback = {}) const;
  bool boolean(const std::string& key, std::optional<bool> fallback = {}) const;
  std::string text(const std::string& key, std::optional<std::string> fallback = {}) const;
  std::vector<int64_t> integers(const std::string& key, Range<int64_t> range) const;
  std::vector<std::vector<int64_t>> integer_lists(const std::string& key,
                                                  Range<int64_t> range) const;
  // The value as it would be written: for messages and for values of more than one type.
  std::string raw(const std::string& key) const;

  // Throws Error{kModel}: "FILE: key KEY: expected EXPECTED, got GOT; ...".
  [[noreturn]] void fail(const std::string& key, const std::string& expected,
                         const std::string& got) const;
  const std::string& path() const { return path_; }

 private:
  ConfigTree(std::string path, std::shared_ptr<const nlohmann::json> root);
  const nlohmann::json* find(const std::string& key) const;  // nullptr: absent or null
  std::string path_;
  std::shared_ptr<const nlohmann::json> root_;
};

}  // namespace indextts2
