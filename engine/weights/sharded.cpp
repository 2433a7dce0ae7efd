// Reader of a checkpoint in several files: model.safetensors.index.json and the files that it
// names.
#include "weights/sharded.h"

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/mapped_file.h"
#include "weights/safetensors.h"
#include "weights/tensor_index.h"

namespace indextts2 {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxIndexBytes = 16 << 20;
constexpr size_t kMaxParts = 1000;

class Sharded : public Checkpoint {
 public:
  using Part = std::shared_ptr<const Checkpoint>;

  Sharded(std::string path, std::map<std::string, Part, std::less<>> parts)
      : path_(std::move(path)), parts_(std::move(parts)) {
    for (const auto& item : parts_) names_.push_back(item.first);
  }
  const std::string& path() const override { return path_; }
  const std::vector<std::string>& names() const override { return names_; }
  const TensorEntry* find(std::string_view name) const override {
    const auto part = parts_.find(name);
    return part == parts_.end() ? nullptr : part->second->find(name);
  }
  at::Tensor tensor(std::string_view name) const override {
    const auto part = parts_.find(name);
    if (part != parts_.end()) return part->second->tensor(name);
    throw Error(ErrorCode::kModel,
                path_ + ": tensor '" + printable(name) + "' is missing; is the file complete?");
  }

 private:
  std::string path_;
  std::map<std::string, Part, std::less<>> parts_;  // by tensor
  std::vector<std::string> names_;
};

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kOpenRead, path + ": " + what + "; download the model's folder again");
}

// The part named `file` beside the index. Names that lead out of the folder are refused.
std::shared_ptr<const Checkpoint> open_part(const std::string& path, const std::string& file) {
  if (file.empty() || file.find('/') != std::string::npos || file.find('\0') != std::string::npos) {
    fail(path, "expected the name of a file in the same folder, got '" + printable(file) + "'");
  }
  const auto mapped = MappedFile::open((std::filesystem::path(path).parent_path() / file).string());
  if (!is_safetensors(*mapped)) fail(mapped->path(), "expected a safetensors file");
  return read_safetensors(mapped);
}

}  // namespace

std::shared_ptr<const Checkpoint> read_sharded(const std::string& path) {
  const auto index_file = MappedFile::open(path);
  if (index_file->size() > kMaxIndexBytes) fail(path, "larger than an index of tensors is");
  const std::string_view text = index_file->text(0, index_file->size());
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth < 8; };
  const json index = json::parse(text.begin(), text.end(), shallow, /*allow_exceptions=*/false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    fail(path, "expected an index of tensors with the key weight_map");
  }
  std::map<std::string, std::shared_ptr<const Checkpoint>> files;
  std::map<std::string, std::shared_ptr<const Checkpoint>, std::less<>> parts;
  for (const auto& item : index["weight_map"].items()) {
    if (!item.value().is_string()) fail(path, "weight_map names something else than files");
    auto& file = files[item.value().get<std::string>()];
    if (files.size() > kMaxParts) fail(path, "names more than 1000 files");
    if (!file) file = open_part(path, item.value().get<std::string>());
    if (file->find(item.key()) == nullptr) {
      fail(path, "tensor '" + printable(item.key()) + "' is not in " + file->path());
    }
    parts.emplace(item.key(), file);
  }
  return std::make_shared<Sharded>(path, std::move(parts));
}

}  // namespace indextts2
