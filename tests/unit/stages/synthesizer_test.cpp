// A replica's own threads: what fails on them ends jobs, never the process.
#include "stages/synthesizer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "core/error.h"
#include "short_request.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

// A device that is lost between two threads of a replica.
TEST(Synthesizer, FailsJobsWhenItsRenderingThreadCannotEnterTheDevice) {
  const ModelFiles files = find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/"");
  const ModelConfig config = read_model_config(files);
  auto model =
      std::make_shared<const SpeechModel>(ModelCheckpoints(files), config, WeightsOptions{});
  std::atomic<int> entered{0};
  SynthesizerOptions options;
  options.enter_thread = [&](ReplicaThread) -> std::shared_ptr<void> {
    if (++entered > 1) throw Error(ErrorCode::kDeviceLost, "the device is gone");
    return nullptr;
  };
  Synthesizer synthesizer(std::move(model), std::make_shared<StageClock>(), std::move(options));
  JobQueue<SynthesisJob> queue;
  std::thread replica([&] { synthesizer.serve(queue); });
  for (int i = 0; i < 2; ++i) {
    std::promise<std::exception_ptr> ended;
    queue.push(std::make_shared<SynthesisJob>(
        short_request(config), StopToken(), /*cost=*/1,
        [&](Sound, std::exception_ptr error) { ended.set_value(std::move(error)); }));
    const std::exception_ptr error = ended.get_future().get();
    try {
      if (error) std::rethrow_exception(error);
      ADD_FAILURE() << "the job ended well";
    } catch (const Error& told) {
      EXPECT_EQ(told.code, ErrorCode::kDeviceLost) << told.what();
    }
  }
  queue.close();
  replica.join();
  EXPECT_EQ(entered, 2);
}

}  // namespace
}  // namespace indextts2
