// One row of the anti-aliased snake activation as a plain loop.
#pragma once

#include <array>
#include <cstdint>

namespace indextts2 {

inline constexpr int64_t kSnakeTaps = 12;    // of both filters
inline constexpr int64_t kSnakeBlock = 240;  // output samples of one call at most

struct SnakeRow {
  float frequency, gain;                   // x + gain * sin^2(frequency * x)
  std::array<float, kSnakeTaps> up, down;  // `up` includes the factor 2 of zero stuffing
};

// out[i] = y[first + i] for 0 <= i < count from x[0 .. frames), the ends replicated at both rates;
// 0 <= first, count <= kSnakeBlock, first + count <= frames. Written so that the bits do not depend
// on the machine: no fused multiply-add, no order that depends on the vector width.
void snake_block(const float* x, int64_t frames, int64_t first, int64_t count, const SnakeRow& row,
                 float* out);

// count values y = sin^2(x): relative error below 4e-7 for |x| <= 1.5, absolute error below 4e-7
// for |x| <= 1000 and 1e-6 for |x| <= 30000.
void squared_sine(const float* x, float* y, int64_t count);

}  // namespace indextts2
