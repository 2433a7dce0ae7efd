// Keys and values of one segment that is being decoded, shared by all of its beams.
#include "modules/kv_cache.h"

#include <algorithm>
#include <limits>

#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

// Keys without an owner that are tolerated before they are squeezed out: a copy of all keys after
// the prefix must not cost more than what attending to the ownerless ones costs meanwhile.
bool worth_squeezing(int64_t dead, int64_t alive) { return dead >= 32 + alive / 4; }

}  // namespace

KvCache::KvCache(const KvShape& shape, const at::Tensor& like) : shape_(shape), like_(like) {}

void KvCache::start(int64_t rows, int64_t keys) {
  size_ = fresh_size_ = prefix_ = 0;
  rows_ = rows;
  sees_.assign(rows, {});
  mask_ = at::Tensor();
  reserve(keys);
}

void KvCache::reserve(int64_t keys) {
  const int64_t capacity = storage_.defined() ? storage_.size(4) : 0;
  if (keys <= capacity) return;
  const int64_t wanted = std::max(keys, capacity + capacity / 2);
  at::Tensor grown = like_.new_empty({shape_.layers, 2, 1, shape_.heads, wanted, shape_.head_size});
  if (size_ > 0) grown.narrow(4, 0, size_).copy_(storage_.narrow(4, 0, size_));
  storage_ = std::move(grown);
}

void KvCache::extend(int64_t count) {
  reserve(size_ + count);
  size_ += count;
  fresh_size_ = count;
  all_ = storage_.narrow(4, 0, size_);
  fresh_ = storage_.narrow(4, size_ - count, count);
}

void KvCache::extend_prefix(int64_t count) {
  extend(count);
  prefix_ = size_;
}

void KvCache::extend_rows(const std::vector<int64_t>& parents) {
  if (rows_ > 1) {
    bool moved = false;
    for (int64_t b = 0; b < rows_; ++b) moved |= parents[b] != b;
    if (moved) {
      std::vector<std::vector<uint8_t>> next;
      for (int64_t b = 0; b < rows_; ++b) next.push_back(sees_[parents[b]]);
      sees_ = std::move(next);
      squeeze();
    }
    for (int64_t b = 0; b < rows_; ++b) {
      for (int64_t key = 0; key < rows_; ++key) sees_[b].push_back(key == b);
    }
  }
  extend(rows_);
  build_mask();
}

// Drops the keys that no row sees, keeping the order of the others.
void KvCache::squeeze() {
  std::vector<int64_t> alive;
  const int64_t count = static_cast<int64_t>(sees_[0].size());
  for (int64_t key = 0; key < count; ++key) {
    for (const auto& row : sees_) {
      if (row[key] == 0) continue;
      alive.push_back(key);
      break;
    }
  }
  const int64_t kept = static_cast<int64_t>(alive.size());
  if (!worth_squeezing(count - kept, kept)) return;
  for (auto& row : sees_) {
    for (int64_t i = 0; i < kept; ++i) row[i] = row[alive[i]];
    row.resize(kept);
  }
  const at::Tensor live =
      storage_.narrow(4, prefix_, count).index_select(4, int64_tensor(alive, storage_.device()));
  storage_.narrow(4, prefix_, kept).copy_(live);
  size_ = prefix_ + kept;
}

void KvCache::build_mask() {
  if (rows_ == 1) return;
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  std::vector<float> mask(rows_ * size_, 0.0f);
  for (int64_t b = 0; b < rows_; ++b) {
    float* row = mask.data() + b * size_ + prefix_;
    for (size_t key = 0; key < sees_[b].size(); ++key) row[key] = sees_[b][key] ? 0.0f : kHidden;
  }
  mask_ = float_tensor(mask).view({rows_, size_}).to(like_.device(), like_.scalar_type());
}

void KvCache::write(int64_t layer, const at::Tensor& keys_and_values) {
  fresh_.select(0, layer).copy_(keys_and_values.unsqueeze(1));
}

at::Tensor KvCache::keys(int64_t layer) const { return all_.select(0, layer).select(0, 0); }
at::Tensor KvCache::values(int64_t layer) const { return all_.select(0, layer).select(0, 1); }

}  // namespace indextts2
