// Named, shape-checked access to the weights of one network.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/stop_token.h"
#include "weights/checkpoint.h"

namespace indextts2 {

inline constexpr int64_t kAny = -1;  // in an expected shape: take the size from the file

// How tensors are brought to where the network runs.
struct WeightsOptions {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  // of floating tensors
  StopToken stop;                     // tested every few megabytes: Error{kCancelled}
  // Bytes of the file that were read since the last call; may be empty.
  std::function<void(uint64_t bytes)> progress;
  // Of the matrices of linear layers, which compute in `dtype` all the same; none: `dtype`.
  std::optional<at::ScalarType> matrix_dtype = std::nullopt;
};

// Thread-safety: one thread. Copies and scopes share the record of what was taken.
class Weights {
 public:
  Weights(std::shared_ptr<const Checkpoint> checkpoint, WeightsOptions options);

  // The same weights with `name` + '.' in front of every name. An empty name changes nothing.
  Weights scope(std::string_view name) const;
  Weights scope(std::string_view name, int64_t index) const;  // scope("h", 3) == scope("h.3")

  bool has(std::string_view name) const;        // a tensor of this name exists
  bool has_scope(std::string_view name) const;  // some tensor below this name exists
  int64_t count(std::string_view name) const;  // number of scopes name.0, name.1, ... without a gap
  std::vector<int64_t> shape(std::string_view name) const;  // Error{kModel} if missing

  // The tensor `name` of shape `expected` (kAny = any size), contiguous, cast and uploaded; floats
  // are checked for NaN. Throws Error{kModel}: "weights: gpt.h.3.ln_1.weight: expected [1280], got
  // [1024] in FILE; ...".
  at::Tensor take(std::string_view name, at::IntArrayRef expected) const;
  // As take(), but stays float32 whatever WeightsOptions::dtype says (integers stay integers).
  at::Tensor take_float(std::string_view name, at::IntArrayRef expected) const;
  // A weight that may be stored weight-normed: `weight`, or weight_g/weight_v, or
  // parametrizations.weight.original0/original1. w = v * g / |v|, norm over all dims but the first,
  // folded in float32 on the CPU.
  at::Tensor take_normed(at::IntArrayRef expected) const;
  // The same in WeightsOptions::matrix_dtype.
  at::Tensor take_matrix(at::IntArrayRef expected) const;
  // Shape that take_normed() would return.
  std::vector<int64_t> normed_shape() const;

  // Full names below the root of this object's scope that nobody took and that nothing in `allowed`
  // covers. An entry of `allowed` is a name or a scope, full or relative to this scope; '*' stands
  // for one level ("gpt.h.*.attn.bias").
  std::vector<std::string> unused(const std::vector<std::string>& allowed) const;

  const std::string& path() const;  // file, for messages
  const WeightsOptions& options() const;

 private:
  struct Shared;
  struct NormNames {
    std::string gain, direction;  // empty: stored folded
  };
  struct Target {
    at::Device device;
    at::ScalarType dtype;
  };
  Weights(std::shared_ptr<Shared> shared, std::string prefix);
  at::Tensor load(std::string_view name, at::IntArrayRef expected, const Target& target) const;
  at::Tensor copy_to(const at::Tensor& source, const std::string& full, const Target& target,
                     const std::function<void(uint64_t)>& progress) const;
  template <typename Work>
  at::Tensor guarded(const std::string& full, const Work& work) const;
  at::Tensor take_folded(at::IntArrayRef expected, at::ScalarType dtype) const;
  NormNames norm_names() const;
  std::shared_ptr<Shared> shared_;
  std::string prefix_;
};

}  // namespace indextts2
