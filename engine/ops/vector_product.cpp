// One row times a matrix as a plain loop, compiled with and without fused multiply-add.
#include "ops/vector_product.h"

#include <ATen/Parallel.h>

#include <algorithm>

#pragma GCC optimize("O3,fp-contract=fast")

namespace indextts2 {
namespace {

constexpr int64_t kLanes = 8;
constexpr int64_t kRows = 4;                 // that read x together
constexpr int64_t kWeightsAThread = 200000;  // at least, or sharing costs more than it brings

typedef float Lanes __attribute__((vector_size(32)));
// The same in memory, at any address.
typedef float LooseLanes __attribute__((vector_size(32), aligned(4), may_alias));

// Two sums of one row side by side: one alone would wait for itself.
struct Sum {
  Lanes even = {}, odd = {};
};

inline __attribute__((always_inline)) void add(const float* weight, const Lanes& x, const Lanes& y,
                                               Sum& sum) {
  sum.even += *reinterpret_cast<const LooseLanes*>(weight) * x;
  sum.odd += *reinterpret_cast<const LooseLanes*>(weight + kLanes) * y;
}

inline __attribute__((always_inline)) float total(const Sum& sum) {
  const Lanes both = sum.even + sum.odd;
  float whole = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) whole += both[lane];
  return whole;
}

// Rows first .. first + kRows - 1; those from `out` on repeat the last one.
inline __attribute__((always_inline)) void four_rows(const float* weight, const float* bias,
                                                     const float* x, float* y, int64_t first,
                                                     int64_t out, int64_t in) {
  const float* const rows[kRows] = {weight + first * in, weight + std::min(first + 1, out - 1) * in,
                                    weight + std::min(first + 2, out - 1) * in,
                                    weight + std::min(first + 3, out - 1) * in};
  Sum sum0, sum1, sum2, sum3;
  int64_t i = 0;
  for (; i + 2 * kLanes <= in; i += 2 * kLanes) {
    const Lanes even = *reinterpret_cast<const LooseLanes*>(x + i);
    const Lanes odd = *reinterpret_cast<const LooseLanes*>(x + i + kLanes);
    add(rows[0] + i, even, odd, sum0);
    add(rows[1] + i, even, odd, sum1);
    add(rows[2] + i, even, odd, sum2);
    add(rows[3] + i, even, odd, sum3);
  }
  float totals[kRows] = {total(sum0), total(sum1), total(sum2), total(sum3)};
  for (; i < in; ++i) {
    for (int64_t row = 0; row < kRows; ++row) totals[row] += rows[row][i] * x[i];
  }
  for (int64_t row = 0; row < std::min(kRows, out - first); ++row) {
    y[first + row] = totals[row] + (bias != nullptr ? bias[first + row] : 0.0f);
  }
}

inline __attribute__((always_inline)) void some_rows(const float* weight, const float* bias,
                                                     const float* x, float* y, int64_t begin,
                                                     int64_t end, int64_t out, int64_t in) {
  for (int64_t group = begin; group < end; ++group) {
    four_rows(weight, bias, x, y, group * kRows, out, in);
  }
}

using SomeRows = void(const float* weight, const float* bias, const float* x, float* y,
                      int64_t begin, int64_t end, int64_t out, int64_t in);

void rows_plain(const float* weight, const float* bias, const float* x, float* y, int64_t begin,
                int64_t end, int64_t out, int64_t in) {
  some_rows(weight, bias, x, y, begin, end, out, in);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void rows_fma(const float* weight, const float* bias,
                                                  const float* x, float* y, int64_t begin,
                                                  int64_t end, int64_t out, int64_t in) {
  some_rows(weight, bias, x, y, begin, end, out, in);
}

SomeRows* choose_rows() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? rows_fma : rows_plain;
}
#else
SomeRows* choose_rows() { return rows_plain; }
#endif

}  // namespace

void vector_product(const float* weight, const float* bias, const float* x, float* y, int64_t out,
                    int64_t in) {
  static SomeRows* const kRowsLoop = choose_rows();
  const int64_t groups = (out + kRows - 1) / kRows;
  const int64_t grain = std::max<int64_t>(1, kWeightsAThread / std::max<int64_t>(1, kRows * in));
  at::parallel_for(0, groups, grain, [&](int64_t begin, int64_t end) {
    kRowsLoop(weight, bias, x, y, begin, end, out, in);
  });
}

}  // namespace indextts2
