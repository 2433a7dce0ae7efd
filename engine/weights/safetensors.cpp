// Reader of safetensors files.
// Layout: u64 length of the header, the header in JSON, then the data; offsets count from the end
// of the header.
#include "weights/safetensors.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "weights/tensor_index.h"

namespace indextts2 {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100000000;  // as the reference implementation

struct Type {
  std::string_view name;
  at::ScalarType dtype;
};
constexpr Type kTypes[] = {{"F32", at::kFloat},  {"F16", at::kHalf}, {"BF16", at::kBFloat16},
                           {"F64", at::kDouble}, {"I64", at::kLong}, {"I32", at::kInt},
                           {"I16", at::kShort},  {"I8", at::kChar},  {"U8", at::kByte},
                           {"BOOL", at::kBool}};

uint64_t header_bytes(const MappedFile& file) {
  uint64_t length = 0;
  const std::string_view bytes = file.text(0, 8);
  for (size_t i = bytes.size(); i-- > 0;)
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return bytes.size() < 8 ? 0 : length;
}

class Parser {
 public:
  explicit Parser(const std::shared_ptr<const MappedFile>& file) : file_(file) {}

  std::shared_ptr<const Checkpoint> run() {
    const uint64_t length = header_bytes(*file_);
    if (length > file_->size() - 8) {
      fail("truncated: the header has " + std::to_string(length) + " bytes, the file " +
           std::to_string(file_->size()));
    }
    const json header = parse(file_->text(8, length));
    data_begin_ = 8 + length;
    auto index = std::make_shared<TensorIndex>(file_->path());
    for (const auto& item : header.items()) {
      if (item.key() != "__metadata__") add(item.key(), item.value(), index.get());
    }
    return index;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kOpenRead,
                file_->path() + ": safetensors: " + what + "; download the file again");
  }

  // The library keeps the last of two equal keys and nests without bound: both are refused here.
  json parse(std::string_view text) const {
    std::set<std::string> names;
    const auto check = [&](int depth, json::parse_event_t event, json& value) {
      if (depth > 3) fail("the header is nested too deep");
      if (event == json::parse_event_t::key && depth == 1 &&
          !names.insert(value.get<std::string>()).second) {
        fail("tensor '" + printable(value.get<std::string>()) + "' is there twice");
      }
      return true;
    };
    json header = json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
    if (!header.is_object()) fail("the header is not JSON");
    return header;
  }

  static bool is_size(const json& value) { return value.is_number_unsigned(); }

  void add(const std::string& name, const json& item, TensorIndex* index) const {
    if (!item.is_object() || !item.contains("dtype") || !item.contains("shape") ||
        !item.contains("data_offsets") || !item["dtype"].is_string() || !item["shape"].is_array() ||
        !item["data_offsets"].is_array() || item["data_offsets"].size() != 2) {
      fail("tensor '" + printable(name) + "' has no dtype, shape and data_offsets");
    }
    const auto type_name = item["dtype"].get<std::string>();
    const Type* type = nullptr;
    for (const Type& candidate : kTypes) {
      if (candidate.name == type_name) type = &candidate;
    }
    if (type == nullptr) {
      fail("tensor '" + printable(name) + "' has type '" + printable(type_name) +
           "', expected F32, F16, BF16 or an integer");
    }
    TensorEntry entry;
    entry.dtype = type->dtype;
    for (const json& size : item["shape"]) {
      if (!is_size(size) || size.get<uint64_t>() > INT64_MAX)
        fail("tensor '" + printable(name) + "' has no sizes");
      entry.shape.push_back(static_cast<int64_t>(size.get<uint64_t>()));
    }
    const json &begin_at = item["data_offsets"][0], &end_at = item["data_offsets"][1];
    if (!is_size(begin_at) || !is_size(end_at))
      fail("tensor '" + printable(name) + "' has no offsets");
    const uint64_t begin = begin_at.get<uint64_t>(), end = end_at.get<uint64_t>();
    const uint64_t data_bytes = file_->size() - data_begin_;
    if (begin > end || end > data_bytes) {
      fail("truncated: tensor '" + printable(name) + "' is at bytes " + std::to_string(begin) +
           " to " + std::to_string(end) + " of " + std::to_string(data_bytes));
    }
    uint64_t count = 0, bytes = 0;
    if (!contiguous_strides(entry.shape, &entry.strides, &count) ||
        __builtin_mul_overflow(count, c10::elementSize(entry.dtype), &bytes) ||
        bytes != end - begin) {
      fail("tensor '" + printable(name) + "' of shape " + shape_text(entry.shape) + " has " +
           std::to_string(end - begin) + " bytes");
    }
    entry.data = file_->data() + data_begin_ + begin;
    index->add(name, std::move(entry), end - begin, file_);
  }

  const std::shared_ptr<const MappedFile> file_;
  uint64_t data_begin_ = 0;
};

}  // namespace

bool is_safetensors(const MappedFile& file) {
  const uint64_t length = header_bytes(file);
  return length >= 2 && length <= kMaxHeaderBytes && file.text(8, 1) == "{";
}

std::shared_ptr<const Checkpoint> read_safetensors(const std::shared_ptr<const MappedFile>& file) {
  return Parser(file).run();
}

}  // namespace indextts2
