// Linear layers on the few rows of a decoding step: bound by reading the weights once.
//
// Note [One order of K]: a sum over K is cut into slices, kSlices for each of row_linear_splits()
// parts; a slice is added up in the order of K, the slices of a part are added in order, and
// whoever reads the parts adds them in order. The cuts depend on the shape and the type of the
// weights alone, so a row's bits do not depend on the number of rows.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "cuda/kernels/element_type.h"
#include "cuda/kernels/row_norm.h"

namespace indextts2 {

inline constexpr int kMaxRowSplits = 4;

// Rows up to which bringing the next layer's weights near pays: with more, the cache is wanted for
// the rows.
inline constexpr int kMostPrefetchRows = 96;

enum class RowOutput {
  kPlain,  // T [R][out]: sum + bias
  kGelu,   // T [R][out]: gelu_tanh(sum + bias)
  kParts,  // float32 [row_linear_splits()][R][out]: sums without bias, as RowNorm::parts takes them
  kAdded,  // float32 [R][out]: added to what is there, the parts and the bias as RowNorm adds them
};

// y = x W^T + b. Letters: R rows, T element type (also of y, unless kParts). Arrays on the device,
// aligned to 16 bytes; in * element_bytes(T) a multiple of 64. Float32 is as exact as float32 sums
// are (no TF32 rounding).
struct RowLinear {
  ElementType type = ElementType::kFloat32;
  int rows = 0, in = 0, out = 0;
  const void* weight = nullptr;  // T [out][in]
  const void* bias = nullptr;    // T [out]; not read for kParts
  // Either T [R][in], or nullptr: the layer norm `norm` (without parts and h_out) of the rows,
  // rounded to T.
  const void* x = nullptr;
  RowNorm norm;
  RowOutput output = RowOutput::kPlain;
  void* y = nullptr;
  int splits = 0;  // for a benchmark: parts other than row_linear_splits()
  // Weights of the layer that comes next, brought near while this one runs, but by kernels whose
  // successor has room to fetch them itself (row_stream.cu). Multiple of 16 bytes.
  const void* next = nullptr;
  size_t next_bytes = 0;
};

// Parts of a product [out][in] with RowOutput::kParts, 1..kMaxRowSplits.
int row_linear_splits(int out, int in, ElementType type);

// Whether this layer may have its norm inside or the output kAdded: few rows, with a norm no more
// than those for which that is cheaper than a kernel of its own; weights of a size that fits,
// kPlain or kGelu with a norm, a new enough GPU. Pointers other than x are not looked at.
bool row_linear_streams(const RowLinear& layer);

cudaError_t row_linear(const RowLinear& layer, cudaStream_t stream);

}  // namespace indextts2
