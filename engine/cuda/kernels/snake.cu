// The anti-aliased periodic activation of the vocoder.
#include "cuda/kernels/snake.h"
#include "cuda/kernels/wave_values.cuh"

namespace indextts2 {
namespace {

constexpr int kThreads = 128;
constexpr int kHalf = kWaveTaps / 2;

// sin(x), float accuracy: reduction to |r| <= pi / 2 and a minimax polynomial (ops/snake_loop.cpp).
// The sign is lost; it is squared anyway.
__device__ inline float exact_sine(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float turns = __fadd_rn(__fadd_rn(x * 0.31830988618f, kRound), -kRound);
  float r = fmaf(turns, -3.140625f, x);
  r = fmaf(turns, -9.67502593994140625e-4f, r);
  r = fmaf(turns, -1.509957990978376432e-7f, r);
  const float u = r * r;
  float p = 2.605632214120746e-6f;
  p = fmaf(p, u, -1.9809539490410523e-4f);
  p = fmaf(p, u, 8.3330654374782e-3f);
  p = fmaf(p, u, -1.6666659521483068e-1f);
  return fmaf(r, u * p, r);
}

// Half storage rounds at 2^-11, so the special function unit's sine is accurate enough there.
__device__ inline float sine(float x, __half) { return __sinf(x); }
__device__ inline float sine(float x, float) { return exact_sine(x); }

template <class T>
__device__ inline float2 snake(float2 x, float2 frequency, float2 gain) {
  const float a = sine(x.x * frequency.x, T()), b = sine(x.y * frequency.y, T());
  return make_float2(fmaf(gain.x * a, a, x.x), fmaf(gain.y * b, b, x.y));
}

__device__ inline void add_scaled(float2& sum, float factor, float2 x) {
  sum.x = fmaf(factor, x.x, sum.x);
  sum.y = fmaf(factor, x.y, sum.y);
}

// Two channels over a run of frames, all state in registers. Phase pair m is (odd[m], even[m + 1])
// of the doubled rate, s[2 m + 1] and s[2 m + 2]; both come from x[m - 2 .. m + 3], and y[t] comes
// from the pairs t - 3 .. t + 2. Rings of six: pair begin + k in slot (k + 3) % 6, sample begin + k
// in slot k % 6 (k + 6 where k < 0).
template <class T>
class SnakeRun {
 public:
  using Pair = WavePair<T>;
  using Raw = typename Pair::Raw;

  __device__ SnakeRun(const SnakePart& part, int64_t frames, int64_t channels, int64_t pair)
      : in_(reinterpret_cast<const Raw*>(part.in) + pair),
        out_(reinterpret_cast<Raw*>(part.out) + pair),
        last_(static_cast<int>(frames) - 1),
        row_(channels / 2) {
    frequency_ = reinterpret_cast<const float2*>(part.curve)[pair];
    gain_ = reinterpret_cast<const float2*>(part.curve)[row_ + pair];
#pragma unroll
    for (int tap = 0; tap < kWaveTaps; ++tap) {
      up_[tap] = part.up[tap];
      down_[tap] = part.down[tap];
    }
  }

  // y[t] for begin <= t < min(begin + 6 * blocks, frames).
  __device__ void operator()(int begin, int blocks) {
    start(begin);
    Raw next[kHalf];
    fetch(begin + 5, next);
    for (int t = begin; blocks > 0 && t <= last_; t += kHalf, --blocks) {
      Raw now[kHalf];
#pragma unroll
      for (int i = 0; i < kHalf; ++i) now[i] = next[i];
      if (blocks > 1) fetch(t + kHalf + 5, next);
#pragma unroll
      for (int i = 0; i < kHalf; ++i) {
        x_[(i + 5) % kHalf] = Pair::values(now[i]);
        make_pair(t + i + 2, i + 5, (i + 5) % kHalf);
        float2 y = make_float2(0, 0);
#pragma unroll
        for (int tap = 0; tap < kHalf; ++tap) {
          add_scaled(y, down_[2 * tap], odd_[(i + tap) % kHalf]);
          add_scaled(y, down_[2 * tap + 1], even_[(i + tap) % kHalf]);
        }
        if (t + i <= last_) out_[(t + i) * row_] = Pair::raw(y);
      }
    }
  }

 private:
  __device__ Raw load(int frame) const {
    return in_[static_cast<int64_t>(min(max(frame, 0), last_)) * row_];
  }

  __device__ void fetch(int first, Raw* raw) const {
#pragma unroll
    for (int i = 0; i < kHalf; ++i) raw[i] = load(first + i);
  }

  // The pairs begin - 3 .. begin + 1.
  __device__ void start(int begin) {
    Raw raw[10];
#pragma unroll
    for (int i = 0; i < 10; ++i) raw[i] = load(begin - 5 + i);
#pragma unroll
    for (int i = 0; i < 5; ++i) x_[i + 1] = Pair::values(raw[i]);
#pragma unroll
    for (int i = 0; i < 5; ++i) {
      x_[i] = Pair::values(raw[i + 5]);
      make_pair(begin - 3 + i, i + kHalf, i);
      // Samples of the doubled rate before the first one repeat it: pair -1 ends with it.
      if (i == 2 && begin == 0) {
        odd_[0] = odd_[1] = odd_[2] = even_[0] = even_[1] = even_[2];
      }
    }
  }

  // Pair m into `slot`; x[m + 3] lies in slot newest % 6, newest >= 5.
  __device__ void make_pair(int m, int newest, int slot) {
    float2 odd = make_float2(0, 0), even = make_float2(0, 0);
#pragma unroll
    for (int tap = 0; tap < kHalf; ++tap) {
      const float2 x = x_[(newest - tap) % kHalf];
      add_scaled(odd, up_[2 * tap], x);
      add_scaled(even, up_[2 * tap + 1], x);
    }
    odd = snake<T>(odd, frequency_, gain_);
    even = snake<T>(even, frequency_, gain_);
    if (m >= last_) {  // samples after the last one, odd[last], repeat it
      if (m == last_) tail_ = odd;
      odd = even = tail_;
    }
    odd_[slot] = odd;
    even_[slot] = even;
  }

  const Raw* in_;
  Raw* out_;
  int last_;
  int64_t row_;  // pairs of channels
  float2 frequency_, gain_, tail_ = {0, 0};
  float up_[kWaveTaps], down_[kWaveTaps];
  float2 x_[kHalf], odd_[kHalf], even_[kHalf];
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    snake_runs(const __grid_constant__ SnakeCall call, int blocks) {
  const unsigned id = blockIdx.x * kThreads + threadIdx.x;
  const unsigned pairs = static_cast<unsigned>(call.channels / 2);
  const unsigned run = id / pairs;
  const int64_t begin = static_cast<int64_t>(run) * (kHalf * blocks);
  if (begin >= call.frames) return;
  SnakeRun<T>(call.parts[blockIdx.y], call.frames, call.channels, id - run * pairs)(
      static_cast<int>(begin), blocks);
}

}  // namespace

cudaError_t run_snake(WaveType type, const SnakeCall& call, cudaStream_t on) {
  const int64_t pairs = call.channels / 2;
  // Long runs repeat little of the filters' reach, short ones keep a large GPU busy.
  constexpr int64_t kBusy = 132 * 1024;
  int blocks = 8;
  while (blocks > 2 && call.count * pairs * call.frames / (kHalf * blocks) < kBusy) blocks /= 2;
  const int64_t runs = (call.frames + kHalf * blocks - 1) / (kHalf * blocks);
  const int64_t groups = (runs * pairs + kThreads - 1) / kThreads;
  const dim3 grid(static_cast<unsigned>(groups), static_cast<unsigned>(call.count));
  const auto kernel = type == WaveType::kHalf ? snake_runs<__half> : snake_runs<float>;
  kernel<<<grid, kThreads, 0, on>>>(call, blocks);
  return cudaGetLastError();
}

}  // namespace indextts2
