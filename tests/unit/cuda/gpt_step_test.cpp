// One step's networks on the device against the definition on LibTorch, and the same bits for a row
// whatever stands beside it. Attention is left out: with no key but its own, a row attends to its
// own value.
#include "cuda/gpt_step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "cuda/cuda_check.h"
#include "cuda_torch.h"
#include "device_buffer.h"
#include "support/random_gpt.h"

namespace indextts2 {
namespace {

constexpr int kBeams = 3;

// What the beams of a segment are fed.
struct Fed {
  std::vector<int32_t> tokens;
  int32_t step;
};

Fed segment(int number, int64_t vocabulary) {
  Fed fed;
  for (int beam = 0; beam < kBeams; ++beam) {
    fed.tokens.push_back(static_cast<int32_t>((number * 7919 + beam * 104729 + 5) % vocabulary));
  }
  fed.step = 1 + number * 3 % 50;
  return fed;
}

// Runs a step on the device. Segment -1: an idle place.
class DeviceStep {
 public:
  DeviceStep(std::shared_ptr<const UnifiedVoice> model, int most_rows, GptStepTuning tuning = {})
      : model_(std::move(model)), step_(model_, most_rows, tuning) {}

  std::vector<float> run(const std::vector<int>& numbers) {
    const int segments = static_cast<int>(numbers.size());
    std::vector<int32_t> slots, tokens, steps;
    for (int i = 0; i < segments; ++i) {
      slots.push_back(numbers[i] < 0 ? -1 : segments - 1 - i);  // slots in another order
    }
    for (int slot = 0; slot < segments; ++slot) {
      const int number = numbers[segments - 1 - slot];
      const Fed fed = segment(number < 0 ? 0 : number, model_->vocabulary());
      tokens.insert(tokens.end(), fed.tokens.begin(), fed.tokens.end());
      steps.push_back(fed.step);
    }
    DeviceBuffer<int32_t> on_slots(slots), on_tokens(tokens), on_steps(steps),
        beams(std::vector<int32_t>(segments, kBeams)), done(std::vector<int32_t>(segments, 0));
    DecodeTables tables{};
    tables.segments = on_slots.data();
    tables.beams = beams.data();
    tables.tokens = on_tokens.data();
    tables.steps = on_steps.data();
    tables.done = done.data();
    tables.max_beams = kBeams;
    DeviceBuffer<float> logits(size_t(segments) * kBeams * model_->vocabulary());
    step_.enqueue(tables, segments, logits.data(), attention(segments * kBeams), nullptr);
    check(cudaDeviceSynchronize());
    return logits.host();
  }

 private:
  AttentionCall attention(int rows) const {
    const size_t bytes = model_->gpt().width() * element_bytes(step_.element_type());
    return [=](int, const void* qkv, void* out, cudaStream_t stream) {
      cuda_check(cudaMemcpy2DAsync(out, bytes, static_cast<const char*>(qkv) + 2 * bytes, 3 * bytes,
                                   bytes, rows, cudaMemcpyDeviceToDevice, stream),
                 "copying values");
    };
  }

  const std::shared_ptr<const UnifiedVoice> model_;
  GptStep step_;
};

std::vector<float> definition(const UnifiedVoice& model, const std::vector<int>& numbers) {
  std::vector<int64_t> tokens, steps;
  std::vector<KvCache> caches;
  for (const int number : numbers) {
    const Fed fed = segment(number, model.vocabulary());
    tokens.insert(tokens.end(), fed.tokens.begin(), fed.tokens.end());
    steps.insert(steps.end(), kBeams, fed.step);
    caches.push_back(model.make_cache());
    caches.back().start(kBeams, kBeams);
    caches.back().extend_rows({0, 1, 2});
  }
  std::vector<KvCache*> all;
  for (KvCache& cache : caches) all.push_back(&cache);
  const at::Tensor logits = model.step(tokens, steps, all);
  return {logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel()};
}

double relative_rms(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (double(got[i]) - want[i]) * (double(got[i]) - want[i]);
    size += double(want[i]) * want[i];
  }
  return std::sqrt(error / size);
}

struct Numbers {
  at::ScalarType dtype;
  double error;  // relative, after a few layers
};
constexpr Numbers kNumbers[] = {{at::kFloat, 1e-5}, {at::kHalf, 4e-3}, {at::kBFloat16, 3e-2}};

RandomGptSizes small() { return {128, 3, 2, 512, 1026, 60}; }
RandomGptSizes narrow() { return {96, 2, 3, 160, 37, 60}; }
RandomGptSizes official_width() { return {1280, 2, 20, 5120, 8194, 60}; }

std::shared_ptr<const UnifiedVoice> device_model(const RandomGptSizes& sizes,
                                                 at::ScalarType dtype) {
  WeightsOptions options;
  options.device = at::Device(at::kCUDA, 0);
  options.dtype = dtype;
  return random_gpt(sizes, options, dtype, /*distinct=*/1);
}

TEST(GptStep, GivesWhatTheDefinitionGivesInFloat32) {
  if (!have_cuda_torch()) return;
  for (const RandomGptSizes& sizes : {small(), narrow(), official_width()}) {
    for (const Numbers& numbers : kNumbers) {
      const auto reference = random_gpt(sizes, WeightsOptions(), numbers.dtype, 1);
      DeviceStep step(device_model(sizes, numbers.dtype), 9);
      const double error = relative_rms(step.run({4, 0, 7}), definition(*reference, {4, 0, 7}));
      std::printf("width %d, %s: relative error %.2g\n", static_cast<int>(sizes.width),
                  c10::toString(numbers.dtype), error);
      EXPECT_LT(error, numbers.error);
    }
  }
}

TEST(GptStep, ARowsBitsDoNotDependOnTheRowsBesideIt) {
  if (!have_cuda_torch()) return;
  for (const RandomGptSizes& sizes : {small(), official_width()}) {
    for (const Numbers& numbers : kNumbers) {
      const auto model = device_model(sizes, numbers.dtype);
      DeviceStep step(model, 99);
      const size_t segment_size = size_t(kBeams) * model->vocabulary();
      const std::vector<float> alone = step.run({5});
      for (const int segments : {1, 2, 4, 8, 16, 32, 33}) {
        std::vector<int> all(segments, -1);  // idle places among them
        for (int i = 0; i < segments; i += 1 + i % 3) all[i] = i;
        const int at = segments - 1;
        all[at] = 5;
        const std::vector<float> got = step.run(all);
        ASSERT_EQ(
            std::memcmp(got.data() + at * segment_size, alone.data(), segment_size * sizeof(float)),
            0)
            << segments << " segments, width " << sizes.width << ", "
            << c10::toString(numbers.dtype);
        for (const float logit : got) ASSERT_TRUE(std::isfinite(logit));
      }
    }
  }
}

TEST(GptStep, TuningChangesNoBit) {
  if (!have_cuda_torch()) return;
  for (const RandomGptSizes& sizes : {small(), official_width()}) {
    const auto model = device_model(sizes, at::kBFloat16);
    for (const std::vector<int>& segments :
         {std::vector<int>{1, 2}, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8}}) {
      const std::vector<float> want = DeviceStep(model, 24).run(segments);
      for (const bool fused : {false, true}) {
        for (const bool prefetch : {false, true}) {
          for (const bool add : {false, true}) {
            const std::vector<float> got =
                DeviceStep(model, 24, {fused, prefetch, 0, add}).run(segments);
            EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0)
                << segments.size() << " segments";
          }
        }
      }
    }
  }
}

// Other bits, near ones.
TEST(GptStep, FreeSplitsStayNear) {
  if (!have_cuda_torch()) return;
  const auto model = device_model(official_width(), at::kBFloat16);
  GptStepTuning tuning;
  tuning.free_splits = true;
  EXPECT_LT(relative_rms(DeviceStep(model, 12, tuning).run({1, 2, 3, 4}),
                         DeviceStep(model, 12).run({1, 2, 3, 4})),
            3e-2);
}

TEST(GptStep, RefusesTooManyRows) {
  if (!have_cuda_torch()) return;
  DeviceStep step(device_model(small(), at::kBFloat16), 3);
  EXPECT_THROW(step.run({1, 2}), Error);
}

TEST(GptStep, AModelOnTheHostIsNotSupported) {
  EXPECT_FALSE(GptStep::supports(*random_gpt(small(), WeightsOptions(), at::kFloat, 1)));
}

}  // namespace
}  // namespace indextts2
