// A convolution of few channels as a plain loop over tiles of time, compiled with and without fused
// multiply-add.
#include "ops/conv_loop.h"

#include <algorithm>

#pragma GCC optimize("O3,fp-contract=fast")

namespace indextts2 {
namespace {

// Eight samples. Four rows of three make a tile that fits the sixteen registers of AVX2 with its
// operands.
typedef float Samples __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;
static_assert(kConvTile == 3 * kLanes && kConvRows == 4, "conv_tile() spells them out");

// The same in memory, at any address.
typedef float LooseSamples __attribute__((vector_size(32), aligned(4), may_alias));

// Three vectors of one output channel. Named, not an array: an array would be kept in memory.
struct Row {
  Samples a = {}, b = {}, c = {};
};

inline __attribute__((always_inline)) void add(float weight, const Samples& x, const Samples& y,
                                               const Samples& z, Row& row) {
  row.a += weight * x;
  row.b += weight * y;
  row.c += weight * z;
}

inline __attribute__((always_inline)) void store(const Row& row, float bias, const float* residual,
                                                 float* output, int64_t count) {
  float values[kConvTile];
  *reinterpret_cast<LooseSamples*>(values) = row.a;
  *reinterpret_cast<LooseSamples*>(values + kLanes) = row.b;
  *reinterpret_cast<LooseSamples*>(values + 2 * kLanes) = row.c;
  for (int64_t i = 0; i < count; ++i) {
    output[i] = values[i] + bias + (residual != nullptr ? residual[i] : 0.0f);
  }
}

// Output channels first .. first + kConvRows - 1 of one tile.
inline __attribute__((always_inline)) void conv_tile(const ConvShape& shape, const float* weight,
                                                     const float* bias, const ConvRows& rows,
                                                     int64_t first, int64_t t, int64_t count) {
  Row row0, row1, row2, row3;
  for (int64_t c = 0; c < shape.in; ++c) {
    const float* source = rows.input + c * rows.input_stride + t;
    for (int64_t k = 0; k < shape.kernel; ++k, weight += kConvRows, source += shape.dilation) {
      const Samples x = *reinterpret_cast<const LooseSamples*>(source);
      const Samples y = *reinterpret_cast<const LooseSamples*>(source + kLanes);
      const Samples z = *reinterpret_cast<const LooseSamples*>(source + 2 * kLanes);
      add(weight[0], x, y, z, row0);
      add(weight[1], x, y, z, row1);
      add(weight[2], x, y, z, row2);
      add(weight[3], x, y, z, row3);
    }
  }
  const Row all[kConvRows] = {row0, row1, row2, row3};
  for (int64_t i = 0; i < std::min(kConvRows, shape.out - first); ++i) {
    const int64_t at = (first + i) * rows.output_stride + t;
    store(all[i], bias[first + i], rows.residual != nullptr ? rows.residual + at : nullptr,
          rows.output + at, count);
  }
}

inline __attribute__((always_inline)) void conv_tiles(const ConvShape& shape, const float* packed,
                                                      const float* bias, const ConvRows& rows,
                                                      int64_t count) {
  for (int64_t first = 0; first < shape.out; first += kConvRows) {
    for (int64_t t = 0; t < count; t += kConvTile) {
      conv_tile(shape, packed + first * shape.in * shape.kernel, bias, rows, first, t,
                std::min(kConvTile, count - t));
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void conv_tiles_fma(const ConvShape& shape, const float* packed,
                                                        const float* bias, const ConvRows& rows,
                                                        int64_t count) {
  conv_tiles(shape, packed, bias, rows, count);
}

bool has_fma() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

}  // namespace

std::vector<float> pack_conv_weight(const float* weight, const ConvShape& shape) {
  const int64_t groups = (shape.out + kConvRows - 1) / kConvRows;
  std::vector<float> packed;
  packed.reserve(static_cast<size_t>(groups * kConvRows * shape.in * shape.kernel));
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t tap = 0; tap < shape.in * shape.kernel; ++tap) {
      for (int64_t row = 0; row < kConvRows; ++row) {
        const int64_t channel = group * kConvRows + row;
        packed.push_back(channel < shape.out ? weight[channel * shape.in * shape.kernel + tap]
                                             : 0.0f);
      }
    }
  }
  return packed;
}

void conv_block(const ConvShape& shape, const float* packed, const float* bias,
                const ConvRows& rows, int64_t count) {
#if defined(__x86_64__)
  static const bool kFma = has_fma();
  if (kFma) return conv_tiles_fma(shape, packed, bias, rows, count);
#endif
  conv_tiles(shape, packed, bias, rows, count);
}

}  // namespace indextts2
