// A convolution of few channels as a plain loop over tiles of time.
#pragma once

#include <cstdint>
#include <vector>

namespace indextts2 {

inline constexpr int64_t kConvRows = 4;   // output channels that are computed together
inline constexpr int64_t kConvTile = 24;  // output samples that are computed together

struct ConvShape {
  int64_t in = 0, out = 0, kernel = 0, dilation = 1;
};

// weight [out, in, kernel], as a convolution has it, in the order in which conv_block() reads:
// groups of kConvRows output channels, zeros for those beyond `out`.
std::vector<float> pack_conv_weight(const float* weight, const ConvShape& shape);

// The rows that conv_block() works on: row c of the input begins at input + c * input_stride.
struct ConvRows {
  const float* input = nullptr;
  int64_t input_stride = 0;
  const float* residual = nullptr;  // added to the output, same stride; may be null
  float* output = nullptr;
  int64_t output_stride = 0;
};

// output[o][t] = bias[o] + residual[o][t] + sum over c, k of weight[o][c][k] * input[c][t + k *
// dilation] for 0 <= t < count. Reads up to kConvTile - 1 samples behind the last one that is
// needed, which must be readable. The order of the sum does not depend on count; its last bits
// depend on whether the processor has fused multiply-add.
void conv_block(const ConvShape& shape, const float* packed, const float* bias,
                const ConvRows& rows, int64_t count);

}  // namespace indextts2
