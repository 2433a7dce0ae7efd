// Keys and values of one segment that is being decoded, shared by all of its beams.
//
// Note [Keys of all beams]: beams are not copied when the search reorders them. Every position
// after the prefix holds one key for each of the `rows` beams that existed then, all beams attend
// to all keys, and an additive mask hides from a beam the keys that are not of its own past. A
// reordering so changes a few bytes of mask instead of the cache, and the prefix is stored and read
// once for all beams. Keys that no beam can see any more are squeezed out now and then.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace indextts2 {

struct KvShape {
  int64_t layers = 0, heads = 0, head_size = 0;
};

// Letters: L layers, H heads, K keys, D head size. Thread-safety: one thread.
class KvCache {
 public:
  // Lives on the device and in the dtype of `like`.
  KvCache(const KvShape& shape, const at::Tensor& like);

  // Forgets everything; memory is kept. `rows`: beams that will go on after the prefix. `keys`: how
  // many to make room for now; it grows when more come.
  void start(int64_t rows, int64_t keys);

  // Room for the next `count` positions of the prefix, seen by every row.
  void extend_prefix(int64_t count);
  // Room for one position of each row. parents[b]: the row whose past row b continues.
  void extend_rows(const std::vector<int64_t>& parents);

  // Keys and values [2, H, n, D] of the n keys made room for by the last extend_*.
  void write(int64_t layer, const at::Tensor& keys_and_values);
  // All keys, all values so far: [1, H, K, D], views.
  at::Tensor keys(int64_t layer) const;
  at::Tensor values(int64_t layer) const;
  // The memory behind them [L, 2, 1, H, capacity, D]; its first K keys are in use.
  const at::Tensor& storage() const { return storage_; }
  // Additive [rows, K] of the cache's dtype and device; undefined while every row sees every key.
  const at::Tensor& mask() const { return mask_; }

  int64_t size() const { return size_; }  // K
  int64_t rows() const { return rows_; }

 private:
  void reserve(int64_t keys);
  void extend(int64_t count);
  void squeeze();
  void build_mask();

  const KvShape shape_;
  const at::Tensor like_;
  at::Tensor storage_;      // [L, 2, 1, H, capacity, D]
  at::Tensor all_, fresh_;  // storage_ cut to the keys so far; to those of the last extend_*
  int64_t size_ = 0, fresh_size_ = 0, prefix_ = 0, rows_ = 1;
  std::vector<std::vector<uint8_t>> sees_;  // [rows][K - prefix]: 1 where the row's own past is
  at::Tensor mask_;
};

}  // namespace indextts2
