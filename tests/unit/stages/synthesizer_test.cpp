// A replica's own threads: what fails on them ends jobs, never the process.
#include "stages/synthesizer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "short_request.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

std::shared_ptr<const SpeechModel> compact_model(const ModelConfig& config) {
  const ModelFiles files = find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/"");
  return std::make_shared<const SpeechModel>(ModelCheckpoints(files), config, WeightsOptions{});
}

ModelConfig compact_config() {
  return read_model_config(find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/""));
}

// A device that is lost between two threads of a replica.
TEST(Synthesizer, GivesUpWhenItsRenderingThreadCannotEnterTheDevice) {
  const ModelConfig config = compact_config();
  std::atomic<int> entered{0};
  SynthesizerOptions options;
  options.enter_thread = [&](ReplicaThread) -> std::shared_ptr<void> {
    if (++entered > 1) throw Error(ErrorCode::kDeviceLost, "the device is gone");
    return nullptr;
  };
  Synthesizer synthesizer(compact_model(config), std::make_shared<StageClock>(),
                          std::move(options));
  JobQueue<SynthesisJob> queue;
  std::atomic<int> ended{0};
  for (int i = 0; i < 2; ++i) {
    queue.push(std::make_shared<SynthesisJob>(short_request(config), StopToken(), /*cost=*/1,
                                              [&](Sound, std::exception_ptr) { ++ended; }));
  }
  try {
    synthesizer.serve(queue);
    ADD_FAILURE() << "it went on";
  } catch (const Error& told) {
    EXPECT_EQ(told.code, ErrorCode::kDeviceLost) << told.what();
  }
  EXPECT_EQ(ended, 0) << "the jobs are the pool's";
  const size_t waiting = queue.close().size();
  EXPECT_EQ(waiting + queue.revoke_drawn().size(), 2u);
  EXPECT_EQ(entered, 2);
}

// The segment that a fault has hit gives the same sound on another replica.
TEST(Synthesizer, ASegmentThatWasInWorkIsSpokenAlikeElsewhere) {
  const ModelConfig config = compact_config();
  const auto model = compact_model(config);
  SynthesisRequest request = short_request(config);
  request.max_codes = 8;
  Synthesizer undisturbed(model, std::make_shared<StageClock>(), {});
  const std::vector<float> expected = undisturbed.speak(request, StopToken()).samples;

  SynthesizerOptions options;
  options.faults = std::make_shared<const FaultPlan>("cpu:oom@1");
  Synthesizer broken(model, std::make_shared<StageClock>(), std::move(options));
  JobQueue<SynthesisJob> queue;
  std::promise<std::vector<float>> sound;
  queue.push(std::make_shared<SynthesisJob>(
      request, StopToken(), /*cost=*/1,
      [&](Sound made, std::exception_ptr) { sound.set_value(std::move(made.samples)); }));
  EXPECT_THROW(broken.serve(queue), Error);
  queue.close();
  const auto again = queue.revoke_drawn();
  ASSERT_EQ(again.size(), 1u);

  JobQueue<SynthesisJob> other;
  other.push(again.front());
  std::thread replica([&] { undisturbed.serve(other); });
  EXPECT_EQ(sound.get_future().get(), expected);
  other.close();
  replica.join();
}

TEST(Synthesizer, SpeaksAfterWarmingUpForCommonSizes) {
  const ModelFiles files = find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/"");
  const ModelConfig config = read_model_config(files);
  auto model =
      std::make_shared<const SpeechModel>(ModelCheckpoints(files), config, WeightsOptions{});
  const auto samples = [&](bool warm) {
    SynthesizerOptions options;
    options.warm_sizes = warm;
    Synthesizer synthesizer(model, std::make_shared<StageClock>(), std::move(options));
    if (warm) synthesizer.warm_up(StopToken());
    return synthesizer.speak(short_request(config), StopToken()).samples;
  };
  const std::vector<float> warm = samples(true);
  EXPECT_FALSE(warm.empty());
  EXPECT_EQ(warm, samples(false));
}

}  // namespace
}  // namespace indextts2
