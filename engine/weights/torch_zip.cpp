// Reader of PyTorch checkpoints (torch.save since 1.6): a zip archive of a pickle and raw storages.
#include "weights/torch_zip.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "weights/pickle.h"
#include "weights/tensor_index.h"
#include "weights/zip_directory.h"

namespace indextts2 {
namespace {

using Kind = PickleValue::Kind;

constexpr int kMaxDepth = 64;
// Values visited while flattening: a value reached twice is visited twice, which nested references
// can make exponential.
constexpr size_t kMaxVisits = 1 << 23;

struct StorageType {
  std::string_view name;
  at::ScalarType dtype;
};
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", at::kFloat}, {"torch.DoubleStorage", at::kDouble},
    {"torch.HalfStorage", at::kHalf},   {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.LongStorage", at::kLong},   {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort}, {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},   {"torch.BoolStorage", at::kBool},
};

// One storage of the archive.
struct Storage {
  at::ScalarType dtype;
  const std::byte* data;
  uint64_t bytes;
};

class Flattener {
 public:
  Flattener(const std::shared_ptr<const MappedFile>& file,
            const std::map<std::string, ZipEntry>& entries, std::string root, const Pickle& pickle,
            TensorIndex* index)
      : file_(file), entries_(entries), root_(std::move(root)), pickle_(pickle), index_(index) {}

  void visit(uint32_t value_index, const std::string& name, int depth) {
    const PickleValue& value = pickle_.at(value_index);
    if (++visits_ > kMaxVisits || depth > kMaxDepth) fail(name, "is nested too deep");
    if (value.kind == Kind::kTensor) return add_tensor(value, name);
    if (value.kind == Kind::kDict) {
      for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
        visit(value.items[i + 1], join(name, key_text(pickle_.at(value.items[i]), name)),
              depth + 1);
      }
    } else if (value.kind == Kind::kList || value.kind == Kind::kTuple) {
      for (size_t i = 0; i < value.items.size(); ++i) {
        visit(value.items[i], join(name, std::to_string(i)), depth + 1);
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Error(ErrorCode::kOpenRead, file_->path() + ": '" + printable(name) + "' " + what +
                                          "; the file is damaged, download it again");
  }
  std::string join(const std::string& name, const std::string& key) const {
    // Tested here, before long keys that occur many times are copied into many names.
    if (name.size() + key.size() > kMaxNameBytes) fail(name, "has too long a name below it");
    return name.empty() ? key : name + "." + key;
  }
  [[noreturn]] void refuse_compressed(const std::string& entry_name) const {
    throw Error(
        ErrorCode::kOpenRead,
        file_->path() + ": '" + printable(entry_name) +
            "' is compressed, expected a stored entry; save the file again with torch.save");
  }
  std::string key_text(const PickleValue& key, const std::string& name) const {
    if (key.kind == Kind::kText && key.text.size() <= kMaxNameBytes) return std::string(key.text);
    if (key.kind == Kind::kInt || key.kind == Kind::kBool) return std::to_string(key.integer);
    if (key.kind == Kind::kNone) return "None";
    fail(name, "has a key that is neither a short text nor a number");
  }
  int64_t integer(uint32_t value_index, const std::string& name, const char* what) const {
    const PickleValue& value = pickle_.at(value_index);
    if (value.kind != Kind::kInt) fail(name, std::string("has no whole number as ") + what);
    return value.integer;
  }
  std::vector<int64_t> integers(uint32_t value_index, const std::string& name,
                                const char* what) const {
    const PickleValue& value = pickle_.at(value_index);
    if (value.kind != Kind::kTuple && value.kind != Kind::kList) {
      fail(name, std::string("has no list as ") + what);
    }
    if (value.items.size() > kMaxDims)
      fail(name, "has more than " + std::to_string(kMaxDims) + " dimensions");
    std::vector<int64_t> numbers;
    for (const uint32_t item : value.items) numbers.push_back(integer(item, name, what));
    return numbers;
  }

  Storage storage(const PickleValue& value, const std::string& name) const {
    if (value.kind != Kind::kStorage || value.items.size() < 5) fail(name, "has no storage");
    const PickleValue& type = pickle_.at(value.items[1]);
    const PickleValue& key = pickle_.at(value.items[2]);
    if (type.kind != Kind::kGlobal || key.kind != Kind::kText)
      fail(name, "has a storage of no type");
    const StorageType* known = nullptr;
    for (const StorageType& candidate : kStorageTypes) {
      if (candidate.name == type.text) known = &candidate;
    }
    if (known == nullptr) fail(name, "has the storage type '" + std::string(type.text) + "'");
    const std::string entry_name = root_ + "data/" + std::string(key.text);
    const auto entry = entries_.find(entry_name);
    if (entry == entries_.end())
      fail(name, "needs '" + printable(entry_name) + "', which is not in the file");
    if (entry->second.method != 0) refuse_compressed(entry_name);
    const int64_t count = integer(value.items[4], name, "storage size");
    uint64_t bytes = 0;
    if (count < 0 ||
        __builtin_mul_overflow(static_cast<uint64_t>(count), c10::elementSize(known->dtype),
                               &bytes) ||
        bytes > entry->second.size) {
      fail(name, "expects " + std::to_string(count) + " numbers in '" + printable(entry_name) +
                     "', got " + std::to_string(entry->second.size) + " bytes");
    }
    return {known->dtype, file_->data() + entry->second.offset, bytes};
  }

  void add_tensor(const PickleValue& value, const std::string& name) {
    const Storage source = storage(pickle_.at(value.items[0]), name);
    const int64_t offset = integer(value.items[1], name, "offset");
    uint64_t skipped = 0;
    if (offset < 0 ||
        __builtin_mul_overflow(static_cast<uint64_t>(offset), c10::elementSize(source.dtype),
                               &skipped) ||
        skipped > source.bytes) {
      fail(name, "starts at number " + std::to_string(offset) + " of a storage of " +
                     std::to_string(source.bytes) + " bytes");
    }
    TensorEntry entry{source.dtype, integers(value.items[2], name, "shape"),
                      integers(value.items[3], name, "strides"), source.data + skipped};
    index_->add(name, std::move(entry), source.bytes - skipped, file_);
  }

  const std::shared_ptr<const MappedFile>& file_;
  const std::map<std::string, ZipEntry>& entries_;
  const std::string root_;  // folder in the archive, with its '/'
  const Pickle& pickle_;
  TensorIndex* index_;
  size_t visits_ = 0;
};

// The folder in the archive that holds data.pkl, with its '/'.
std::string find_root(const std::map<std::string, ZipEntry>& entries, const std::string& path) {
  const std::string wanted = "data.pkl";
  for (const auto& [name, entry] : entries) {
    if (name.size() >= wanted.size() &&
        name.compare(name.size() - wanted.size(), wanted.size(), wanted) == 0) {
      if (entry.method != 0) {
        throw Error(ErrorCode::kOpenRead,
                    path + ": '" + name +
                        "' is compressed, expected a stored entry; save the file "
                        "again with torch.save");
      }
      const std::string root = name.substr(0, name.size() - wanted.size());
      if (root.empty() || root.back() == '/') return root;
    }
  }
  throw Error(ErrorCode::kOpenRead,
              path + ": expected a PyTorch checkpoint, got a zip archive without data.pkl");
}

void check_byte_order(const MappedFile& file, const std::map<std::string, ZipEntry>& entries,
                      const std::string& root) {
  const auto found = entries.find(root + "byteorder");
  if (found == entries.end()) return;
  const std::string_view order = file.text(found->second.offset, found->second.size);
  if (order != "little") {
    throw Error(ErrorCode::kOpenRead, file.path() + ": expected byte order 'little', got '" +
                                          std::string(order.substr(0, 20)) +
                                          "'; save the file again on a little-endian machine");
  }
}

}  // namespace

std::shared_ptr<const Checkpoint> read_torch_zip(const std::shared_ptr<const MappedFile>& file) {
  const auto entries = read_zip_directory(*file);
  const std::string root = find_root(entries, file->path());
  check_byte_order(*file, entries, root);
  const ZipEntry& code = entries.at(root + "data.pkl");
  const Pickle pickle = read_pickle(file->text(code.offset, code.size), file->path());
  auto index = std::make_shared<TensorIndex>(file->path());
  Flattener(file, entries, root, pickle, index.get()).visit(pickle.root, "", 0);
  return index;
}

}  // namespace indextts2
