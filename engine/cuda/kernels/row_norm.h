// Layer norms between the linear layers of a decoding step, and the rows that a step starts from.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/kernels/decode_tables.h"
#include "cuda/kernels/element_type.h"

namespace indextts2 {

// Widths: multiples of 4, up to this.
inline constexpr int kMaxNormWidth = 2048;

// Letters: R rows, C width. T: the weights' element type. All arrays on the device, aligned to 16
// bytes. What flows through the layers, h, is float32; a linear layer that adds to it leaves its
// product in parts, to be added here:
//   h' = h + ((parts[0] + parts[1] + ...) + parts_bias);  y = (h' - mean) / sqrt(var + eps) *
//   weight
//   + bias
struct RowNorm {
  const float* h = nullptr;          // [R][C]
  const float* parts = nullptr;      // [part_count][R][C]
  int part_count = 0;                // up to kMaxRowSplits; 0: nothing to add, no bias
  const void* parts_bias = nullptr;  // T [C]
  float* h_out = nullptr;            // [R][C], not h; nullptr: nobody wants it
  const void* weight = nullptr;      // T [C]
  const void* bias = nullptr;
  const void* weight2 =
      nullptr;  // T [C], with bias2: a second norm after the first; may be nullptr
  const void* bias2 = nullptr;
  float eps = 1e-5f, eps2 = 1e-5f;
};

// y [R][C] of type `out`: `type` or float32.
cudaError_t row_norm(const RowNorm& norm, int rows, int width, ElementType type, ElementType out,
                     void* y, cudaStream_t stream);

// What a step starts from, h [S * B][C]: for each beam of each segment codes[token] +
// positions[steps + 1]. Rows of idle segments are zero; ids outside the tables [code_count],
// [position_count] are brought inside.
struct CodeRows {
  const void* codes = nullptr;      // T [code_count][C]
  const void* positions = nullptr;  // T [position_count][C]
  int code_count = 0, position_count = 0;
};
cudaError_t gather_code_rows(const CodeRows& from, const DecodeTables& tables, int segments,
                             int width, ElementType type, float* h, cudaStream_t stream);

}  // namespace indextts2
