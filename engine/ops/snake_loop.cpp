// One row of the anti-aliased snake activation as a plain loop, compiled for several vector widths.
#include "ops/snake_loop.h"

#include <algorithm>

// The loops below are written for the vectoriser; its cost model at -O2 would leave them scalar.
#pragma GCC optimize("O3")

namespace indextts2 {
namespace {

// Both phases of the doubled rate are kept apart: even[i] = s[2 i], odd[i] = s[2 i + 1].
constexpr int64_t kReach = 3;                 // input samples on either side that a sample needs
constexpr int64_t kPhase = kSnakeBlock + 16;  // >= kSnakeBlock + 2 kReach, a multiple of 16
constexpr int64_t kInput = kPhase + 2 * kReach;

// sin^2 by reduction to |r| <= pi / 2 and a minimax polynomial of sin(r) (relative error 6.1e-9).
inline __attribute__((always_inline)) float sine_squared(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float turns = (x * 0.31830988618f + kRound) - kRound;
  // pi in three parts, the first two short enough for exact products.
  float r = x - turns * 3.140625f;
  r = r - turns * 9.67502593994140625e-4f;
  r = r - turns * 1.509957990978376432e-7f;
  const float u = r * r;
  float p = 2.605632214120746e-6f;
  p = p * u - 1.9809539490410523e-4f;
  p = p * u + 8.3330654374782e-3f;
  p = p * u - 1.6666659521483068e-1f;
  const float s = r + r * (u * p);
  return s * s;
}

inline __attribute__((always_inline)) float snake(float x, float frequency, float gain) {
  return x + gain * sine_squared(x * frequency);
}

}  // namespace

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void snake_block(const float* x, int64_t frames, int64_t first, int64_t count, const SnakeRow& row,
                 float* out) {
  alignas(64) float input[kInput];
  alignas(64) float even[kPhase];
  alignas(64) float odd[kPhase];
  alignas(64) float output[kSnakeBlock];
  const SnakeRow p = row;

  const int64_t input_first = first - 2 * kReach;
  const int64_t inside_first = std::max<int64_t>(0, -input_first);
  const int64_t inside_end = std::min(kInput, frames - input_first);
  std::fill(input, input + inside_first, x[0]);
  std::copy(x + input_first + inside_first, x + input_first + inside_end, input + inside_first);
  std::fill(input + inside_end, input + kInput, x[frames - 1]);

  // input[i + kReach] is the input sample at phase index i.
  for (int64_t i = 0; i < kPhase; ++i) {
    float a = 0, b = 0;
    for (int64_t tap = 0; tap < kSnakeTaps / 2; ++tap) {
      a += p.up[2 * tap + 1] * input[i + 5 - tap];
      b += p.up[2 * tap] * input[i + 6 - tap];
    }
    even[i] = snake(a, p.frequency, p.gain);
    odd[i] = snake(b, p.frequency, p.gain);
  }

  // Samples before the first and after the last one repeat them.
  const int64_t phase_first = first - kReach;
  const int64_t before = std::max<int64_t>(0, -phase_first);
  const int64_t end = std::min(kPhase, frames - phase_first);
  const float head = even[before], tail = odd[end - 1];
  if (before > 0) {
    std::fill(even, even + before, head);
    std::fill(odd, odd + before, head);
  }
  std::fill(even + end, even + kPhase, tail);
  std::fill(odd + end, odd + kPhase, tail);

  for (int64_t i = 0; i < kSnakeBlock; ++i) {
    float a = 0;
    for (int64_t tap = 0; tap < kSnakeTaps / 2; ++tap) {
      a += p.down[2 * tap] * odd[i + tap];
      a += p.down[2 * tap + 1] * even[i + tap + 1];
    }
    output[i] = a;
  }
  std::copy(output, output + count, out);
}

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void squared_sine(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = sine_squared(x[i]);
}

}  // namespace indextts2
