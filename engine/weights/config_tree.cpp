// A YAML or JSON file as a tree of typed values, with errors that name file and key.
#include "weights/config_tree.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "weights/mapped_file.h"

namespace indextts2 {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = 4 << 20;
// YAML aliases repeat subtrees for free; a tree made of them is copied here.
constexpr int kMaxNodes = 100000, kMaxDepth = 100;

std::string read_text(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (file->size() > kMaxFileBytes) {
    throw Error(ErrorCode::kOpenRead, path + ": expected a configuration file, got " +
                                          std::to_string(file->size()) + " bytes");
  }
  return std::string(file->text(0, file->size()));
}

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  if (text.substr(0, 1) == "+") text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

json yaml_scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (const auto value = parse_number<int64_t>(text)) return *value;
  if (const auto value = parse_number<double>(text)) return *value;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  return text;
}

json yaml_to_json(const YAML::Node& node, int depth, int* nodes) {
  if (++*nodes > kMaxNodes || depth > kMaxDepth) throw YAML::Exception(node.Mark(), "too large");
  if (node.IsScalar()) return yaml_scalar(node);
  if (node.IsSequence()) {
    json list = json::array();
    for (const auto& item : node) list.push_back(yaml_to_json(item, depth + 1, nodes));
    return list;
  }
  if (node.IsMap()) {
    json map = json::object();
    for (const auto& item : node) {
      map[item.first.Scalar()] = yaml_to_json(item.second, depth + 1, nodes);
    }
    return map;
  }
  return nullptr;
}

std::string number_text(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}
std::string number_text(int64_t value) { return std::to_string(value); }

template <typename T>
std::string range_text(Range<T> range) {
  return " from " + number_text(range.low) + " to " + number_text(range.high);
}

// The number, if `value` is a whole one in range.
std::optional<int64_t> read_integer(const json& value, Range<int64_t> range) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value.is_number_integer()) return {};
  if (value.is_number_unsigned() && value.get<uint64_t>() > kMost) return {};
  const auto number = value.get<int64_t>();
  if (number < range.low || number > range.high) return {};
  return number;
}

bool read_integers(const json& list, Range<int64_t> range, std::vector<int64_t>* numbers) {
  if (!list.is_array()) return false;
  for (const json& item : list) {
    const auto number = read_integer(item, range);
    if (!number) return false;
    numbers->push_back(*number);
  }
  return true;
}

}  // namespace

ConfigTree ConfigTree::from_yaml(const std::string& path) {
  const std::string text = read_text(path);
  try {
    int nodes = 0;
    json root = yaml_to_json(YAML::Load(text), 0, &nodes);
    if (!root.is_object()) throw YAML::Exception(YAML::Mark::null_mark(), "no keys");
    return ConfigTree(path, std::make_shared<const json>(std::move(root)));
  } catch (const YAML::Exception& error) {
    throw Error(ErrorCode::kOpenRead,
                path + ": expected YAML, got " + error.what() + "; download the file again",
                error.what());
  }
}

ConfigTree ConfigTree::from_json(const std::string& path) {
  const std::string text = read_text(path);
  bool shallow = true;
  const auto check_depth = [&](int depth, json::parse_event_t, json&) {
    shallow = shallow && depth <= kMaxDepth;
    return shallow;  // false drops the value
  };
  json root = json::parse(text, check_depth, /*allow_exceptions=*/false);
  if (!shallow || !root.is_object()) {
    throw Error(ErrorCode::kOpenRead, path + ": expected a JSON object, got " +
                                          (shallow ? "something else" : "one nested too deep") +
                                          "; download the file again");
  }
  return ConfigTree(path, std::make_shared<const json>(std::move(root)));
}

ConfigTree::ConfigTree(std::string path, std::shared_ptr<const nlohmann::json> root)
    : path_(std::move(path)), root_(std::move(root)) {}

const json* ConfigTree::find(const std::string& key) const {
  const json* node = root_.get();
  for (size_t begin = 0; begin <= key.size();) {
    const size_t end = std::min(key.find('.', begin), key.size());
    if (!node->is_object()) return nullptr;
    const auto child = node->find(key.substr(begin, end - begin));
    if (child == node->end()) return nullptr;
    node = &*child;
    begin = end + 1;
  }
  return node->is_null() ? nullptr : node;
}

void ConfigTree::fail(const std::string& key, const std::string& expected,
                      const std::string& got) const {
  throw Error(ErrorCode::kModel, path_ + ": key " + key + ": expected " + expected + ", got " +
                                     got + "; is the file of IndexTTS 2, and unchanged?");
}

bool ConfigTree::has(const std::string& key) const { return find(key) != nullptr; }

std::string ConfigTree::raw(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return "nothing";
  std::string text = value->is_string()
                         ? value->get<std::string>()
                         : value->dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  return text;
}

int64_t ConfigTree::integer(const std::string& key, Range<int64_t> range,
                            std::optional<int64_t> fallback) const {
  const json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  const auto number = value == nullptr ? std::nullopt : read_integer(*value, range);
  if (!number) fail(key, "a whole number" + range_text(range), raw(key));
  return *number;
}

double ConfigTree::number(const std::string& key, Range<double> range,
                          std::optional<double> fallback) const {
  const json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_number()) {
    const auto number = value->get<double>();
    if (number >= range.low && number <= range.high) return number;
  }
  fail(key, "a number" + range_text(range), raw(key));
}

bool ConfigTree::boolean(const std::string& key, std::optional<bool> fallback) const {
  const json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr || !value->is_boolean()) fail(key, "true or false", raw(key));
  return value->get<bool>();
}

std::string ConfigTree::text(const std::string& key, std::optional<std::string> fallback) const {
  const json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr || !value->is_string()) fail(key, "text", raw(key));
  return value->get<std::string>();
}

std::vector<int64_t> ConfigTree::integers(const std::string& key, Range<int64_t> range) const {
  std::vector<int64_t> numbers;
  if (const json* list = find(key); list != nullptr && read_integers(*list, range, &numbers)) {
    return numbers;
  }
  fail(key, "a list of whole numbers" + range_text(range), raw(key));
}

std::vector<std::vector<int64_t>> ConfigTree::integer_lists(const std::string& key,
                                                            Range<int64_t> range) const {
  const json* lists = find(key);
  std::vector<std::vector<int64_t>> result;
  bool good = lists != nullptr && lists->is_array();
  for (size_t i = 0; good && i < lists->size(); ++i) {
    result.emplace_back();
    good = read_integers((*lists)[i], range, &result.back());
  }
  if (!good) fail(key, "a list of lists of whole numbers" + range_text(range), raw(key));
  return result;
}

}  // namespace indextts2
