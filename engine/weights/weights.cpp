// Named, shape-checked access to the weights of one network.
#include "weights/weights.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "core/error.h"
#include "weights/tensor_index.h"

namespace indextts2 {

// The record of what was taken, shared by all scopes.
struct Weights::Shared {
  std::shared_ptr<const Checkpoint> checkpoint;
  WeightsOptions options;
  std::map<std::string, bool, std::less<>> taken;  // all names
};

namespace {

// Elements copied between two tests of the stop token: at 100 MB/s from a cold disk 40 ms.
constexpr int64_t kPieceElements = 1 << 20;

template <typename Bits>
bool any_above(const void* data, int64_t count, Bits mask, Bits infinity) {
  bool found = false;
  for (int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, static_cast<const char*>(data) + static_cast<size_t>(i) * sizeof(Bits),
                sizeof bits);
    found |= (bits & mask) > infinity;
  }
  return found;
}

// NaN is all exponent bits with some fraction bit: above infinity once the sign is masked off.
bool has_nan(const at::Tensor& dense) {
  const void* data = dense.const_data_ptr();
  switch (dense.scalar_type()) {
    case at::kFloat:
      return any_above<uint32_t>(data, dense.numel(), 0x7fffffff, 0x7f800000);
    case at::kHalf:
      return any_above<uint16_t>(data, dense.numel(), 0x7fff, 0x7c00);
    case at::kBFloat16:
      return any_above<uint16_t>(data, dense.numel(), 0x7fff, 0x7f80);
    case at::kDouble:
      return any_above<uint64_t>(data, dense.numel(), 0x7fffffffffffffff, 0x7ff0000000000000);
    default:
      return false;
  }
}

// Copies a tensor piece by piece, so that a stop comes through within a large one.
struct PieceCopy {
  const std::string what;
  const StopToken& stop;
  const std::function<void(uint64_t)>& progress;

  void run(const at::Tensor& from, const at::Tensor& to) const {
    if (from.numel() <= kPieceElements) return copy(from, to);
    int64_t dim = 0;
    while (from.size(dim) == 1) ++dim;
    const int64_t half = from.size(dim) / 2;
    run(from.narrow(dim, 0, half), to.narrow(dim, 0, half));
    run(from.narrow(dim, half, from.size(dim) - half), to.narrow(dim, half, from.size(dim) - half));
  }

 private:
  void copy(const at::Tensor& from, const at::Tensor& to) const {
    stop.check();
    if (from.numel() == 0) return;
    const at::Tensor dense = from.contiguous();
    if (has_nan(dense)) {
      throw Error(ErrorCode::kModel, what + " has NaN, expected numbers; download the file again");
    }
    to.copy_(dense);
    if (progress) progress(static_cast<uint64_t>(from.nbytes()));
  }
};

bool fits(at::IntArrayRef expected, const std::vector<int64_t>& got) {
  if (expected.size() != got.size()) return false;
  for (size_t dim = 0; dim < got.size(); ++dim) {
    if (expected[dim] != kAny && expected[dim] != got[dim]) return false;
  }
  return true;
}

std::string expected_text(at::IntArrayRef expected) {
  std::string text = shape_text(expected.vec());
  for (size_t at = 0; (at = text.find("-1", at)) != std::string::npos;) text.replace(at, 2, "any");
  return text;
}

// True if `pattern` is `name` or a scope above it; a '*' stands for one level.
bool covers(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    const size_t pattern_end = std::min(pattern.find('.'), pattern.size());
    const size_t name_end = std::min(name.find('.'), name.size());
    const std::string_view level = pattern.substr(0, pattern_end);
    if (name.empty() || (level != "*" && level != name.substr(0, name_end))) return false;
    pattern.remove_prefix(std::min(pattern_end + 1, pattern.size()));
    name.remove_prefix(std::min(name_end + 1, name.size()));
  }
  return true;
}

}  // namespace

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, WeightsOptions options)
    : shared_(std::make_shared<Shared>()) {
  for (const std::string& name : checkpoint->names()) shared_->taken.emplace(name, false);
  shared_->checkpoint = std::move(checkpoint);
  shared_->options = std::move(options);
}

Weights::Weights(std::shared_ptr<Shared> shared, std::string prefix)
    : shared_(std::move(shared)), prefix_(std::move(prefix)) {}

Weights Weights::scope(std::string_view name) const {
  return name.empty() ? *this : Weights(shared_, prefix_ + std::string(name) + ".");
}

Weights Weights::scope(std::string_view name, int64_t index) const {
  return scope(name).scope(std::to_string(index));
}

bool Weights::has(std::string_view name) const {
  return shared_->taken.count(prefix_ + std::string(name)) != 0;
}

bool Weights::has_scope(std::string_view name) const {
  const std::string start = scope(name).prefix_;
  const auto found = shared_->taken.lower_bound(start);
  return found != shared_->taken.end() && found->first.compare(0, start.size(), start) == 0;
}

int64_t Weights::count(std::string_view name) const {
  const Weights parent = scope(name);
  int64_t count = 0;
  while (parent.has_scope(std::to_string(count))) ++count;
  return count;
}

std::vector<int64_t> Weights::shape(std::string_view name) const {
  const std::string full = prefix_ + std::string(name);
  const TensorEntry* entry = shared_->checkpoint->find(full);
  if (entry == nullptr) {
    throw Error(ErrorCode::kModel, "weights: " + full + ": missing in " + path() +
                                       "; is the file complete and of IndexTTS 2?");
  }
  return entry->shape;
}

at::Tensor Weights::take(std::string_view name, at::IntArrayRef expected) const {
  return load(name, expected, {shared_->options.device, shared_->options.dtype});
}

at::Tensor Weights::take_float(std::string_view name, at::IntArrayRef expected) const {
  return load(name, expected, {shared_->options.device, at::kFloat});
}

at::Tensor Weights::load(std::string_view name, at::IntArrayRef expected,
                         const Target& target) const {
  const std::string full = prefix_ + std::string(name);
  const std::vector<int64_t> got = shape(name);
  if (!fits(expected, got)) {
    throw Error(ErrorCode::kModel, "weights: " + full + ": expected " + expected_text(expected) +
                                       ", got " + shape_text(got) + " in " + path() +
                                       "; is config.yaml of another version?");
  }
  const at::Tensor result = guarded(full, [&] {
    return copy_to(shared_->checkpoint->tensor(full), full, target, shared_->options.progress);
  });
  shared_->taken[full] = true;
  return result;
}

// Copies with cast, upload, NaN check and stop.
at::Tensor Weights::copy_to(const at::Tensor& source, const std::string& full, const Target& target,
                            const std::function<void(uint64_t)>& progress) const {
  const auto dtype = source.is_floating_point() ? target.dtype : source.scalar_type();
  const at::Tensor result =
      source.new_empty(source.sizes(), source.options().dtype(dtype).device(target.device));
  const PieceCopy copy{"weights: " + full + ": the tensor in " + path(), shared_->options.stop,
                       progress};
  copy.run(source, result);
  return result;
}

// Runs `work` on the tensor `full` and turns what LibTorch throws into our own errors.
template <typename Work>
at::Tensor Weights::guarded(const std::string& full, const Work& work) const {
  try {
    return work();
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(ErrorCode::kNoMemory,
                "weights: " + full + " of " + path() + ": no memory left on " +
                    shared_->options.device.str() + "; use fewer replicas or another device",
                error.what_without_backtrace());
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::kInternal,
                "weights: " + full + ": cannot be loaded from " + path() + " to " +
                    shared_->options.device.str(),
                error.what_without_backtrace());
  }
}

// Names of the two parts of a weight-normed tensor, or empty ones if it is stored folded.
Weights::NormNames Weights::norm_names() const {
  if (has("weight_v")) return {"weight_g", "weight_v"};
  if (has("parametrizations.weight.original1")) {
    return {"parametrizations.weight.original0", "parametrizations.weight.original1"};
  }
  return {};
}

at::Tensor Weights::take_normed(at::IntArrayRef expected) const {
  return take_folded(expected, shared_->options.dtype);
}

at::Tensor Weights::take_matrix(at::IntArrayRef expected) const {
  return take_folded(expected, shared_->options.matrix_dtype.value_or(shared_->options.dtype));
}

at::Tensor Weights::take_folded(at::IntArrayRef expected, at::ScalarType dtype) const {
  const NormNames names = norm_names();
  if (names.direction.empty()) return load("weight", expected, {shared_->options.device, dtype});
  // Folded on the CPU whatever the device: the same weights everywhere.
  const Target here{at::kCPU, at::kFloat};
  const at::Tensor direction = load(names.direction, expected, here);
  std::vector<int64_t> gain_shape(static_cast<size_t>(direction.dim()), 1);
  if (!gain_shape.empty()) gain_shape[0] = direction.size(0);
  const at::Tensor gain = load(names.gain, gain_shape, here);
  const std::string full = prefix_ + "weight, folded of " + names.gain + " and " + names.direction;
  return guarded(full, [&] {
    std::vector<int64_t> dims;
    for (int64_t dim = 1; dim < direction.dim(); ++dim) dims.push_back(dim);
    const at::Tensor norm = dims.empty()
                                ? direction.abs()
                                : direction.mul(direction).sum(dims, /*keepdim=*/true).sqrt();
    const at::Tensor folded = direction.mul(gain.div(norm));
    return copy_to(folded, full, {shared_->options.device, dtype}, {});
  });
}

std::vector<int64_t> Weights::normed_shape() const {
  const NormNames names = norm_names();
  return shape(names.direction.empty() ? "weight" : names.direction);
}

std::vector<std::string> Weights::unused(const std::vector<std::string>& allowed) const {
  std::vector<std::string> names;
  for (auto item = shared_->taken.lower_bound(prefix_);
       item != shared_->taken.end() && item->first.compare(0, prefix_.size(), prefix_) == 0;
       ++item) {
    const std::string& full = item->first;
    const std::string_view local = std::string_view(full).substr(prefix_.size());
    const bool covered =
        std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
          return covers(pattern, full) || covers(pattern, local);
        });
    if (!item->second && !covered) names.push_back(full);
  }
  return names;
}

const std::string& Weights::path() const { return shared_->checkpoint->path(); }
const WeightsOptions& Weights::options() const { return shared_->options; }

}  // namespace indextts2
