// The vocoder's convolutions on the device against sums in doubles.
#include "cuda/kernels/tap_conv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "wave_arrays.h"

namespace indextts2 {
namespace {

struct Taps {
  int taps, dilation, first;
};

struct Sizes {
  int64_t frames, in, out;
  int64_t rows = 0, shift = 0, size = 0;  // 0: a convolution that keeps the number of frames
};

template <class T>
class Case {
 public:
  Case(Sizes sizes, std::vector<Taps> taps, bool residual, bool sum)
      : sizes_(sizes), taps_(std::move(taps)), residual_(residual), sum_(sum) {
    if (sizes_.rows == 0) sizes_.rows = sizes_.frames;
    if (sizes_.size == 0) sizes_.size = sizes_.rows * sizes_.out - sizes_.shift;
    unsigned seed = 1;
    for (const Taps& one : taps_) {
      const float size = 1.0f / std::sqrt(static_cast<float>(one.taps * sizes_.in));
      x_.push_back(
          rounded<T>(random_floats(static_cast<size_t>(sizes_.frames * sizes_.in), 2.0f, ++seed)));
      weight_.push_back(rounded<T>(
          random_floats(static_cast<size_t>(one.taps * sizes_.out * sizes_.in), 2 * size, ++seed)));
      bias_.push_back(random_floats(static_cast<size_t>(sizes_.out), 1.0f, ++seed));
      added_.push_back(rounded<T>(random_floats(static_cast<size_t>(sizes_.size), 1.0f, ++seed)));
    }
  }

  // By all kernels that there are for it, of the other one fewer outputs.
  void expect(double tolerance) const {
    expect(run(), tolerance, 1);
    if (sizeof(T) == 2) expect(run(/*warpgroups=*/false), tolerance, /*apart=*/7);
  }

  // Every `apart`-th output, of the last two rows and columns all.
  void expect(const std::vector<std::vector<T>>& got, double tolerance, int64_t apart) const {
    ASSERT_EQ(got.size(), sum_ ? 1u : taps_.size());
    for (size_t result = 0; result < got.size(); ++result) {
      for (int64_t m = 0; m < sizes_.rows; ++m) {
        for (int64_t n = 0; n < sizes_.out; ++n) {
          const int64_t at = m * sizes_.out + n - sizes_.shift;
          if (at < 0 || at >= sizes_.size) continue;
          if (at % apart != 0 && (m + 2 < sizes_.rows || n + 2 < sizes_.out)) continue;
          const double want = sum_ ? sum_at(m, n) : at_part(result, m, n);
          ASSERT_NEAR(loaded(got[result][static_cast<size_t>(at)]), want, tolerance)
              << sizes_.frames << " frames " << sizes_.in << " -> " << sizes_.out << ", part "
              << result << " m " << m << " n " << n;
        }
      }
    }
  }

  std::vector<std::vector<T>> run(bool warpgroups = true, bool small_tiles = false) const {
    std::vector<std::unique_ptr<DeviceBuffer<T>>> buffers;
    std::vector<std::unique_ptr<DeviceBuffer<float>>> biases;
    const auto upload = [&](const std::vector<float>& values) {
      buffers.push_back(std::make_unique<DeviceBuffer<T>>(stored<T>(values)));
      return buffers.back()->data();
    };
    TapConvCall call{};
    call.count = static_cast<int>(taps_.size());
    call.sum = sum_;
    call.scale = kScale;
    call.in_frames = sizes_.frames;
    call.in_channels = sizes_.in;
    call.rows = sizes_.rows;
    call.out_channels = sizes_.out;
    call.shift = sizes_.shift;
    call.size = sizes_.size;
    call.small_tiles = small_tiles;
    std::vector<DeviceBuffer<T>*> outs;
    for (size_t i = 0; i < taps_.size(); ++i) {
      TapConvPart& part = call.parts[i];
      part.in = upload(x_[i]);
      part.weight = upload(weight_[i]);
      biases.push_back(std::make_unique<DeviceBuffer<float>>(bias_[i]));
      part.bias = biases.back()->data();
      part.residual = residual_ ? upload(added_[i]) : nullptr;
      buffers.push_back(std::make_unique<DeviceBuffer<T>>(static_cast<size_t>(sizes_.size)));
      outs.push_back(buffers.back().get());
      part.out = outs.back()->data();
      part.taps = taps_[i].taps;
      part.dilation = taps_[i].dilation;
      part.first = taps_[i].first;
    }
    check(prepare_tap_conv());
    check(run_tap_conv(kWaveTypeOf<T>, call, nullptr, warpgroups));
    check(cudaDeviceSynchronize());
    std::vector<std::vector<T>> results;
    for (size_t i = 0; i < (sum_ ? 1 : outs.size()); ++i) results.push_back(outs[i]->host());
    return results;
  }

 private:
  static constexpr float kScale = 0.3f;

  double at_part(size_t i, int64_t m, int64_t n) const {
    double y = bias_[i][static_cast<size_t>(n)];
    if (residual_) {
      y += added_[i][static_cast<size_t>(m * sizes_.out + n - sizes_.shift)];
    }
    for (int tap = 0; tap < taps_[i].taps; ++tap) {
      const int64_t frame = m + taps_[i].first + tap * taps_[i].dilation;
      if (frame < 0 || frame >= sizes_.frames) continue;
      const float* x = x_[i].data() + frame * sizes_.in;
      const float* w = weight_[i].data() + (tap * sizes_.out + n) * sizes_.in;
      for (int64_t c = 0; c < sizes_.in; ++c) y += static_cast<double>(w[c]) * x[c];
    }
    return y;
  }

  double sum_at(int64_t m, int64_t n) const {
    double y = 0;
    for (size_t i = 0; i < taps_.size(); ++i) y += at_part(i, m, n);
    return y * kScale;
  }

  Sizes sizes_;
  std::vector<Taps> taps_;
  bool residual_, sum_;
  std::vector<std::vector<float>> x_, weight_, bias_, added_;
};

const std::vector<Taps> kBlocks = {{11, 5, -25}, {7, 3, -9}, {3, 1, -1}};

template <class T>
void all_sizes(double tolerance) {
  for (const auto& [in, out] : std::vector<std::pair<int64_t, int64_t>>{
           {8, 8}, {16, 16}, {24, 24}, {32, 32}, {48, 48}, {80, 120}, {96, 96}, {128, 192}}) {
    for (const int64_t frames : {1, 2, 7, 255, 256, 257, 530}) {
      Case<T>({frames, in, out}, kBlocks, /*residual=*/true, /*sum=*/false).expect(tolerance);
      Case<T>({frames, in, out}, kBlocks, /*residual=*/true, /*sum=*/true).expect(tolerance);
    }
    Case<T>({300, in, out}, {{7, 1, -3}}, /*residual=*/false, /*sum=*/false).expect(tolerance);
  }
}

TEST(TapConv, FloatIsAtTheErrorOfFloat) {
  if (!have_device()) return;
  all_sizes<float>(1e-5);
}

TEST(TapConv, HalfRoundsTheResultAlone) {
  if (!have_device()) return;
  all_sizes<__half>(6e-3);
}

// Stride 4, kernel 8: four phases of 2 taps; the result begins 2 samples inside the first row.
TEST(TapConv, StoresAShiftedRange) {
  if (!have_device()) return;
  for (const int64_t frames : {1, 2, 64, 300}) {
    for (const int64_t channels : {8, 24, 48}) {
      const Sizes sizes{frames, 96, 4 * channels, frames + 1, 2 * channels, frames * 4 * channels};
      Case<float>(sizes, {{2, 1, -1}}, false, false).expect(1e-5);
      Case<__half>(sizes, {{2, 1, -1}}, false, false).expect(6e-3);
    }
  }
}

TEST(TapConv, BitsDoNotDependOnTheConvolutionsBeside) {
  if (!have_device()) return;
  const Sizes sizes{700, 192, 192};
  for (const bool warpgroups : {true, false}) {
    const auto three = Case<__half>(sizes, kBlocks, true, false).run(warpgroups);
    const auto one = Case<__half>(sizes, {kBlocks[0]}, true, false).run(warpgroups);
    EXPECT_EQ(std::memcmp(three[0].data(), one[0].data(), one[0].size() * sizeof(__half)), 0);
  }
}

template <class T>
void expect_same(const std::vector<std::vector<T>>& got, const std::vector<std::vector<T>>& want,
                 size_t values, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(std::memcmp(got[i].data(), want[i].data(), values * sizeof(T)), 0)
        << what << ", part " << i;
  }
}

TEST(TapConv, SmallTilesChangeNoBit) {
  if (!have_device()) return;
  for (const int64_t channels : {24, 32, 48, 80, 96, 192}) {
    for (const bool sum : {false, true}) {
      for (const int64_t frames : {1, 127, 301}) {
        const Case<float> one({frames, channels, channels}, kBlocks, true, sum);
        expect_same(one.run(true, /*small_tiles=*/true), one.run(),
                    static_cast<size_t>(frames * channels),
                    (std::to_string(channels) + " channels").c_str());
      }
    }
  }
}

// Against the definition and, output by output, against the other kernel: both are off by what is
// rounded at the end, and by the tensor cores' cut sums. On other GPUs than Hopper they are one.
void expect_warpgroups(const Case<__half>& one) {
  constexpr double kTolerance = 6e-3;
  const auto got = one.run(), other = one.run(/*warpgroups=*/false);
  one.expect(got, kTolerance, /*apart=*/997);
  ASSERT_EQ(got.size(), other.size());
  for (size_t part = 0; part < got.size(); ++part) {
    double most = 0;
    for (size_t i = 0; i < got[part].size(); ++i) {
      const double want = loaded(other[part][i]);
      most = std::max(most, std::abs(loaded(got[part][i]) - want) / std::max(2.0, std::abs(want)));
    }
    EXPECT_LE(most, kTolerance / 2) << "part " << part;
  }
}

// The layers of the official vocoder that they take.
TEST(TapConv, WarpgroupsFollowTheDefinitionInResidualBlocks) {
  if (!have_device()) return;
  const struct {
    int64_t frames;
    int dilation;
  } kCases[] = {{1, 1}, {65, 1}, {130, 1}, {63, 3}, {257, 5}};
  for (const int64_t channels : {48, 96, 192, 384, 768}) {
    for (const auto& [frames, d] : kCases) {
      const std::vector<Taps> blocks = {{11, d, -5 * d}, {7, d, -3 * d}, {3, d, -d}};
      for (const bool sum : {false, true}) {
        SCOPED_TRACE(std::to_string(channels) + " channels, " + std::to_string(frames) +
                     " frames, dilation " + std::to_string(d) + (sum ? ", sum" : ""));
        expect_warpgroups(Case<__half>({frames, channels, channels}, blocks, true, sum));
      }
    }
  }
}

TEST(TapConv, WarpgroupsFollowTheDefinitionOnTheWayUp) {
  if (!have_device()) return;
  for (const auto& [in, rate] : std::vector<std::pair<int64_t, int64_t>>{
           {1536, 4}, {768, 4}, {384, 2}, {192, 2}, {96, 2}, {48, 2}}) {
    const int64_t channels = in / 2, padding = rate / 2;
    for (const int64_t frames : {1, 63, 131}) {
      SCOPED_TRACE(std::to_string(in) + " channels, " + std::to_string(frames) + " frames");
      const Sizes sizes{frames,
                        in,
                        rate * channels,
                        (frames * rate - 1 + padding) / rate + 1,
                        padding * channels,
                        frames * rate * channels};
      expect_warpgroups(Case<__half>(sizes, {{2, 1, -1}}, false, false));
    }
  }
}

// Long inputs are cut into larger tiles. Rows far from the end are those of a short input.
TEST(TapConv, BitsOfWarpgroupsDoNotDependOnTheTile) {
  if (!have_device()) return;
  constexpr int64_t kShort = 300, kSame = kShort - 25;
  for (const int64_t channels : {48, 96, 192}) {
    for (const bool sum : {false, true}) {
      const auto want = Case<__half>({kShort, channels, channels}, kBlocks, false, sum).run();
      for (const int64_t frames : {1200, 2500, 5000, 9000, 27000}) {
        const auto got = Case<__half>({frames, channels, channels}, kBlocks, false, sum).run();
        expect_same(got, want, static_cast<size_t>(kSame * channels),
                    std::to_string(frames).c_str());
      }
    }
  }
}

TEST(TapConv, LargeTilesOfWarpgroupsFollowTheDefinition) {
  if (!have_device()) return;
  const std::vector<Taps> taps = {{3, 5, -5}, {3, 1, -1}, {2, 1, -1}};
  for (const int64_t channels : {48, 96}) {
    expect_warpgroups(Case<__half>({9001, channels, channels}, taps, true, false));
    expect_warpgroups(Case<__half>({1201, channels, 2 * channels}, taps, true, true));
  }
  // Several blocks of channels, each of two taps.
  expect_warpgroups(Case<__half>({130, 384, 192}, {{2, 1, -1}}, false, false));
}

TEST(TapConv, RefusesWhatItCannotDo) {
  if (!have_device()) return;
  EXPECT_THROW(Case<float>({9, 8, 8}, {{1, 1, 0}}, false, false).run(), std::runtime_error);
  EXPECT_THROW(Case<float>({9, 8, 8}, {{11, 13, 0}}, false, false).run(), std::runtime_error);
  for (const bool warpgroups : {true, false}) {
    EXPECT_THROW(Case<__half>({9, 96, 96}, {{1, 1, 0}}, false, false).run(warpgroups),
                 std::runtime_error);
  }
}

template <class T>
std::vector<float> wave_out(const std::vector<float>& x, const std::vector<float>& weight,
                            int64_t frames, int64_t channels, int taps) {
  DeviceBuffer<T> in(stored<T>(x));
  DeviceBuffer<float> weights(weight), out(static_cast<size_t>(frames));
  check(run_wave_out(kWaveTypeOf<T>,
                     {in.data(), weights.data(), 0.25f, out.data(), taps, frames, channels},
                     nullptr));
  return out.host();
}

TEST(WaveOut, FollowsTheDefinitionAndClamps) {
  if (!have_device()) return;
  constexpr int kTaps = 7;
  constexpr int64_t kChannels = 24;
  for (const int64_t frames : {1, 2, 129, 1000}) {
    const auto x = rounded<__half>(random_floats(static_cast<size_t>(frames * kChannels), 1, 3));
    const auto weight = random_floats(kTaps * kChannels, 0.3f, 4);
    const auto got = wave_out<__half>(x, weight, frames, kChannels, kTaps);
    EXPECT_EQ(got, wave_out<float>(x, weight, frames, kChannels, kTaps));
    for (int64_t t = 0; t < frames; ++t) {
      double want = 0.25;
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const int64_t frame = t + tap - 3;
        if (frame < 0 || frame >= frames) continue;
        for (int64_t c = 0; c < kChannels; ++c) {
          want += static_cast<double>(weight[static_cast<size_t>(tap * kChannels + c)]) *
                  x[static_cast<size_t>(frame * kChannels + c)];
        }
      }
      ASSERT_NEAR(got[static_cast<size_t>(t)], std::clamp(want, -1.0, 1.0), 1e-5) << t;
    }
  }
}

TEST(WaveOut, KeepsNan) {
  if (!have_device()) return;
  std::vector<float> x(8 * 20, 0.1f);
  x[8 * 10] = NAN;
  const auto got = wave_out<float>(x, std::vector<float>(8 * 3, 0.1f), 20, 8, 3);
  EXPECT_TRUE(std::isnan(got[10]));
  EXPECT_FALSE(std::isnan(got[5]));
}

}  // namespace
}  // namespace indextts2
