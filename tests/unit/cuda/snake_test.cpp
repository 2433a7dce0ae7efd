// The vocoder's activation on the device against its definition in doubles.
#include "cuda/kernels/snake.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "wave_arrays.h"

namespace indextts2 {
namespace {

struct Curve {
  std::vector<float> values;  // [2][channels]
  std::vector<float> up, down;
};

// Random filters: a mistake in the order of taps shows, as it would not with symmetric ones.
Curve random_curve(int64_t channels, unsigned seed) {
  Curve curve{random_floats(static_cast<size_t>(2 * channels), 1.5f, seed),
              random_floats(kWaveTaps, 0.6f, seed + 1), random_floats(kWaveTaps, 0.3f, seed + 2)};
  return curve;
}

// x [frames][channels] -> the same shape: zeros between samples, filter, x + g sin^2(f x), filter,
// every second sample.
std::vector<double> definition(const std::vector<float>& x, int64_t frames, int64_t channels,
                               const Curve& curve) {
  std::vector<double> y(x.size());
  std::vector<double> wide(static_cast<size_t>(2 * frames));
  for (int64_t c = 0; c < channels; ++c) {
    const auto at = [&](int64_t t) {
      t = std::clamp<int64_t>(t, 0, frames - 1);
      return static_cast<double>(x[static_cast<size_t>(t * channels + c)]);
    };
    for (int64_t s = 0; s < 2 * frames; ++s) {
      // Output s of the transposed convolution, 15 samples cropped, 5 frames replicated in front.
      double sum = 0;
      for (int64_t tap = 0; tap < kWaveTaps; ++tap) {
        const int64_t twice = s + 15 - tap;
        if (twice % 2 == 0) sum += curve.up[static_cast<size_t>(tap)] * at(twice / 2 - 5);
      }
      const double sine = std::sin(curve.values[static_cast<size_t>(c)] * sum);
      wide[static_cast<size_t>(s)] =
          sum + curve.values[static_cast<size_t>(channels + c)] * sine * sine;
    }
    for (int64_t t = 0; t < frames; ++t) {
      double sum = 0;
      for (int64_t tap = 0; tap < kWaveTaps; ++tap) {
        const int64_t s = std::clamp<int64_t>(2 * t + tap - 5, 0, 2 * frames - 1);
        sum += curve.down[static_cast<size_t>(tap)] * wide[static_cast<size_t>(s)];
      }
      y[static_cast<size_t>(t * channels + c)] = sum;
    }
  }
  return y;
}

template <class T>
std::vector<T> on_device(const std::vector<float>& x, int64_t frames, int64_t channels,
                         const std::vector<Curve>& curves) {
  DeviceBuffer<T> in(stored<T>(x)), out(x.size() * curves.size());
  std::vector<float> all;
  for (const Curve& curve : curves) {
    all.insert(all.end(), curve.values.begin(), curve.values.end());
  }
  DeviceBuffer<float> values(all);
  SnakeCall call{};
  call.count = static_cast<int>(curves.size());
  call.frames = frames;
  call.channels = channels;
  for (size_t i = 0; i < curves.size(); ++i) {
    SnakePart& part = call.parts[i];
    part.in = in.data();
    part.out = out.data() + i * x.size();
    part.curve = values.data() + i * curves[i].values.size();
    std::copy(curves[i].up.begin(), curves[i].up.end(), part.up);
    std::copy(curves[i].down.begin(), curves[i].down.end(), part.down);
  }
  check(run_snake(kWaveTypeOf<T>, call, nullptr));
  return out.host();
}

template <class T>
void expect_definition(int64_t frames, int64_t channels, double relative) {
  const std::vector<float> x =
      rounded<T>(random_floats(static_cast<size_t>(frames * channels), 3.0f, 7));
  const std::vector<Curve> curves = {random_curve(channels, 11), random_curve(channels, 21),
                                     random_curve(channels, 31)};
  const std::vector<float> got = loaded(on_device<T>(x, frames, channels, curves));
  for (size_t part = 0; part < curves.size(); ++part) {
    const std::vector<double> want = definition(x, frames, channels, curves[part]);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(got[part * x.size() + i], want[i], relative * (2 + std::abs(want[i])))
          << "frames " << frames << " channels " << channels << " part " << part << " element "
          << i;
    }
  }
}

TEST(Snake, FollowsTheDefinition) {
  if (!have_device()) return;
  for (const int64_t frames : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 23, 24, 25, 47, 48, 49, 50, 301}) {
    for (const int64_t channels : {8, 24, 40}) {
      expect_definition<float>(frames, channels, 5e-6);
      expect_definition<__half>(frames, channels, 1e-3);
    }
  }
}

// Enough work for runs of every length; each length must give the same bits.
TEST(Snake, BitsDoNotDependOnTheLength) {
  if (!have_device()) return;
  constexpr int64_t kChannels = 24, kLong = 160000, kShort = 1000;
  const std::vector<float> x = random_floats(kLong * kChannels, 3.0f, 7);
  const std::vector<Curve> curves = {random_curve(kChannels, 11)};
  const auto all = on_device<__half>(x, kLong, kChannels, curves);
  const std::vector<float> head(x.begin(), x.begin() + kShort * kChannels);
  const auto part = on_device<__half>(head, kShort, kChannels, curves);
  EXPECT_EQ(std::memcmp(all.data(), part.data(), (kShort - 6) * kChannels * sizeof(__half)), 0);
  const auto three = on_device<__half>(x, kLong, kChannels, {curves[0], curves[0], curves[0]});
  EXPECT_EQ(std::memcmp(all.data(), three.data() + 2 * x.size(), all.size() * sizeof(__half)), 0);
}

TEST(Snake, HalfSaturatesAndKeepsNan) {
  if (!have_device()) return;
  constexpr int64_t kChannels = 8, kFrames = 40;
  Curve curve = random_curve(kChannels, 11);
  curve.up.assign(kWaveTaps, 1.0f);
  curve.down.assign(kWaveTaps, 1.0f);
  std::vector<float> x(kFrames * kChannels, 60000.0f);
  for (int64_t t = 0; t < kFrames; ++t) x[static_cast<size_t>(t * kChannels + 1)] = -60000.0f;
  x[20 * kChannels + 2] = NAN;
  const std::vector<float> y = loaded(on_device<__half>(x, kFrames, kChannels, {curve}));
  for (int64_t t = 0; t < kFrames; ++t) {
    EXPECT_EQ(y[static_cast<size_t>(t * kChannels)], 65504.0f);
    EXPECT_EQ(y[static_cast<size_t>(t * kChannels + 1)], -65504.0f);
  }
  EXPECT_TRUE(std::isnan(y[20 * kChannels + 2]));
}

}  // namespace
}  // namespace indextts2
