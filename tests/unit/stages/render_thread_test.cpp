// Which segments are rendered together, and that none of them notices the others.
#include "stages/render_thread.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <map>
#include <thread>
#include <utility>

#include "short_request.h"
#include "stages/torch_networks.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

// LibTorch's networks, with a note of how many jobs each solve() was given.
class NotingNetworks : public DeviceNetworks {
 public:
  class Solver : public TorchFlowSolver {
   public:
    Solver(std::shared_ptr<const FlowMatching> flow, std::vector<size_t>* solved)
        : TorchFlowSolver(std::move(flow)), solved_(solved) {}
    std::vector<at::Tensor> solve(const std::vector<FlowJob>& jobs,
                                  const StopToken& stop) override {
      solved_->push_back(jobs.size());
      return TorchFlowSolver::solve(jobs, stop);
    }

   private:
    std::vector<size_t>* const solved_;
  };

  NotingNetworks(const NetworkModules& modules, std::vector<size_t>* solved)
      : modules_(modules), on_torch_(modules), solved_(solved) {}
  std::unique_ptr<DecodeBatch> decode_batch(int capacity) const override {
    return on_torch_.decode_batch(capacity);
  }
  std::unique_ptr<FlowSolver> flow_solver() const override {
    return std::make_unique<Solver>(modules_.flow, solved_);
  }
  std::unique_ptr<WaveDecoder> wave_decoder(FlowSolver* beside) const override {
    return on_torch_.wave_decoder(beside);
  }

 private:
  const NetworkModules modules_;
  const TorchNetworks on_torch_;
  std::vector<size_t>* const solved_;
};

class NotingBackend : public DeviceBackend {
 public:
  std::shared_ptr<const DeviceNetworks> prepare(NetworkModules modules) const override {
    return std::make_shared<const NotingNetworks>(modules, &solved);
  }
  mutable std::vector<size_t> solved;
};

class RenderThreadTest : public testing::Test {
 protected:
  struct Ended {
    std::vector<float> samples;
    std::exception_ptr error;
  };

  RenderThreadTest()
      : files_(find_model_files(INDEXTTS2_COMPACT_MODEL, /*hub_cache=*/"")),
        config_(read_model_config(files_)),
        model_(std::make_shared<const SpeechModel>(ModelCheckpoints(files_), config_,
                                                   WeightsOptions{}, &backend_)) {}

  // The voice of short_request(), with the rest still to come.
  std::shared_ptr<VoiceParts> coming_voice() const {
    VoiceFeatures early = short_request(config_).voice->early();
    static_cast<VoicePrompt&>(early) = {};
    return std::make_shared<VoiceParts>(std::move(early), 32);
  }
  VoicePrompt rest_of_voice() const { return short_request(config_).voice->whole(StopToken()); }

  DecodedSegment segment(int index, int64_t steps = 1,
                         std::shared_ptr<const VoiceParts> voice = nullptr) {
    SynthesisRequest request = short_request(config_);
    if (voice) request.voice = std::move(voice);
    request.segment.index = index;
    request.diffusion_steps = steps;
    DecodedCodes codes;
    codes.codes.assign(static_cast<size_t>(10 + index), 7);
    codes.conditioning = StreamHandover(model_->gpt->conditioning(
        request.voice->early().speaker_latents, request.voice->early().own_emovec));
    codes.text_ids = request.segment.ids;
    indextts2::Order order;
    order.first = index == 0;
    const auto job = std::make_shared<SynthesisJob>(
        std::move(request), stops_[index].token(), order,
        [this, index](Sound sound, std::exception_ptr error) {
          std::lock_guard<std::mutex> lock(mutex_);
          order_.push_back(index);
          ended_[index] = {std::move(sound.samples), std::move(error)};
        });
    return {job, std::move(codes), 0};
  }

  // Renders what waits before the thread starts to work; `meanwhile` runs while it does.
  void render(
      std::vector<DecodedSegment> segments, int64_t frames_together,
      const std::function<void()>& meanwhile = [] {}) {
    backend_.solved.clear();
    order_.clear();
    ended_.clear();
    std::promise<void> start;
    RenderOptions options;
    options.frames_together = frames_together;
    options.longest_wait = longest_wait_;
    options.longest_for_firsts = longest_for_firsts_;
    RenderThread thread(
        [&]() -> std::shared_ptr<void> {
          start.get_future().wait();
          return nullptr;
        },
        [this] {
          return std::make_unique<Renderer>(model_, std::make_shared<StageClock>(), "here");
        },
        options);
    thread.set_on_fault(on_fault_);
    thread.expect_firsts(firsts_);
    thread_ = &thread;
    for (DecodedSegment& segment : segments) thread.push(std::move(segment));
    start.set_value();
    meanwhile();
    thread.close();
  }
  void wait_for(int index) {
    for (bool over = false; !over; std::this_thread::yield()) {
      std::lock_guard<std::mutex> lock(mutex_);
      over = ended_.count(index) > 0;
    }
  }
  // Nothing but itself ends its waiting.
  void render_one_and_wait(DecodedSegment one, int64_t frames_together) {
    const int index = one.job->request.segment.index;
    std::vector<DecodedSegment> group;
    group.push_back(std::move(one));
    render(std::move(group), frames_together, [this, index] { wait_for(index); });
  }
  std::vector<DecodedSegment> segments(const std::vector<int>& indices) {
    std::vector<DecodedSegment> made;
    for (const int index : indices) made.push_back(segment(index));
    return made;
  }
  ErrorCode code_of(int index) const {
    try {
      if (ended_.at(index).error) std::rethrow_exception(ended_.at(index).error);
    } catch (const Error& error) {
      return error.code;
    }
    ADD_FAILURE() << "segment " << index << " has no error";
    return ErrorCode::kInternal;
  }

  static constexpr int64_t kMany = 1 << 20;

  const ModelFiles files_;
  const ModelConfig config_;
  const NotingBackend backend_;
  const std::shared_ptr<const SpeechModel> model_;
  std::map<int, StopSource> stops_;
  std::mutex mutex_;  // guards order_ and ended_ while the thread works
  std::vector<int> order_;
  std::map<int, Ended> ended_;
  std::function<void(std::exception_ptr)> on_fault_;
  double longest_wait_ = 3600;
  double longest_for_firsts_ = 3600;
  int firsts_ = 0;                  // being decoded
  RenderThread* thread_ = nullptr;  // while it renders
};

using Sizes = std::vector<size_t>;
using Order = std::vector<int>;

TEST_F(RenderThreadTest, TakesOneAfterTheOtherWhereNothingIsGainedByMore) {
  render(segments({2, 0, 1}), /*frames_together=*/0);
  EXPECT_EQ(backend_.solved, Sizes({1, 1, 1}));
  EXPECT_EQ(order_, Order({2, 0, 1}));
}

TEST_F(RenderThreadTest, TakesWhatWaitsTogetherAndFirstSegmentsBefore) {
  render(segments({1, 2, 0, 3}), kMany);
  EXPECT_EQ(backend_.solved, Sizes({1, 3}));
  EXPECT_EQ(order_, Order({0, 1, 2, 3}));
}

TEST_F(RenderThreadTest, TakesSeveralFirstSegmentsTogether) {
  render(segments({1, 0, 0, 2}), kMany);
  EXPECT_EQ(backend_.solved, Sizes({2, 2}));
  EXPECT_EQ(order_, Order({0, 0, 1, 2}));
}

TEST_F(RenderThreadTest, TakesNoMoreFramesThanItMay) {
  const auto frames = [](int index) { return 32 + mel_frames(10 + index); };
  const auto beside = [this](int decoding, const std::vector<int>& indices) {
    std::vector<DecodedSegment> made = segments(indices);
    for (DecodedSegment& one : made) one.decoding = decoding;
    return made;
  };
  render(beside(16, {1, 2, 3}), frames(1) + frames(2));
  EXPECT_EQ(backend_.solved, Sizes({2, 1}));
  longest_wait_ = 0;
  render(beside(16, {1, 2, 3}), frames(1) + frames(2) - 1);
  EXPECT_EQ(backend_.solved, Sizes({1, 1, 1}));
  longest_wait_ = 3600;
  // A third is kept free where few are in work, and of more than four segments.
  const int64_t two = (frames(1) + frames(2)) * 3 / 2 + 1;
  render(beside(15, {1, 2, 3}), two);
  EXPECT_EQ(backend_.solved, Sizes({2, 1}));
  render(beside(15, {1, 2, 3}), two - 3);
  EXPECT_EQ(backend_.solved, Sizes({1, 1, 1}));
  int64_t five = 0;
  for (int index = 1; index <= 5; ++index) five += frames(index);
  render(beside(16, {1, 2, 3, 4, 5}), five);
  EXPECT_EQ(backend_.solved, Sizes({4, 1}));
  render(segments({1, 2}), /*frames_together=*/1);  // one is always taken
  EXPECT_EQ(backend_.solved, Sizes({1, 1}));
}

TEST_F(RenderThreadTest, WaitsForCompanyWhileManyAreDecoded) {
  const auto of_many = [this](int index, int decoding) {
    DecodedSegment one = segment(index);
    one.decoding = decoding;
    return one;
  };
  std::vector<DecodedSegment> group;
  group.push_back(of_many(1, 16));
  group.push_back(of_many(2, 16));
  render(std::move(group), kMany);
  EXPECT_EQ(backend_.solved, Sizes({2}));
  // Few, the first of its text, nothing more to come, cancelled, no room: none of these waits.
  for (const auto& [index, decoding] : {std::pair(1, 15), std::pair(0, 31)}) {
    render_one_and_wait(of_many(index, decoding), kMany);
    EXPECT_EQ(backend_.solved, Sizes({1})) << index;
  }
  render_one_and_wait(of_many(1, 31), Renderer::frames(of_many(1, 31).job->request, 11) + 1);
  EXPECT_EQ(backend_.solved, Sizes({1}));
  group.clear();
  group.push_back(of_many(1, 31));
  render(std::move(group), kMany);
  EXPECT_EQ(backend_.solved, Sizes({1}));
  longest_wait_ = 0.02;
  render_one_and_wait(of_many(1, 31), kMany);
  EXPECT_EQ(backend_.solved, Sizes({1}));
}

TEST_F(RenderThreadTest, OthersWaitForAFirstSegmentThatIsBeingDecoded) {
  firsts_ = 1;
  render(segments({1, 2}), kMany, [this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    thread_->push(segment(0));
    wait_for(0);
    thread_->expect_firsts(0);
    wait_for(1);
  });
  EXPECT_EQ(backend_.solved, Sizes({1, 2}));
  EXPECT_EQ(order_.front(), 0);
  // Not for ever.
  longest_for_firsts_ = 0.02;
  render(segments({1}), kMany, [this] { wait_for(1); });
  EXPECT_EQ(backend_.solved, Sizes({1}));
}

TEST_F(RenderThreadTest, ASegmentThatIsCancelledWhileItWaitsForCompanyEnds) {
  std::vector<DecodedSegment> group = segments({1});
  group.front().decoding = 31;
  render(std::move(group), kMany, [this] {
    stops_[1].request_stop();
    wait_for(1);
  });
  EXPECT_EQ(code_of(1), ErrorCode::kCancelled);
}

TEST_F(RenderThreadTest, CompanyDoesNotChangeTheSound) {
  render(segments({1, 2, 3}), 0);
  const std::map<int, Ended> alone = ended_;
  render(segments({1, 2, 3}), kMany);
  for (const int index : {1, 2, 3}) {
    EXPECT_FALSE(ended_.at(index).samples.empty());
    EXPECT_EQ(ended_.at(index).samples, alone.at(index).samples) << index;
  }
}

TEST_F(RenderThreadTest, AFailureIsTheSegmentsOwn) {
  std::vector<DecodedSegment> group = segments({1});
  group.push_back(segment(2, /*steps=*/0));
  group.push_back(segment(3));
  render(std::move(group), kMany);
  EXPECT_EQ(backend_.solved.front(), 3u);
  EXPECT_EQ(code_of(2), ErrorCode::kSettings);
  EXPECT_FALSE(ended_.at(1).samples.empty());
  EXPECT_FALSE(ended_.at(3).samples.empty());
}

TEST_F(RenderThreadTest, ACancelledSegmentIsNotRendered) {
  std::vector<DecodedSegment> group = segments({1, 2, 3});
  stops_[2].request_stop();
  render(std::move(group), kMany);
  EXPECT_EQ(backend_.solved, Sizes({2}));
  EXPECT_EQ(code_of(2), ErrorCode::kCancelled);
  EXPECT_FALSE(ended_.at(1).samples.empty());
  EXPECT_FALSE(ended_.at(3).samples.empty());
}

TEST_F(RenderThreadTest, ASegmentWhoseVoiceIsStillToComeWaitsForItBehindTheOthers) {
  render(segments({0, 1}), 0);
  const std::map<int, Ended> alone = ended_;
  const std::shared_ptr<VoiceParts> voice = coming_voice();
  std::vector<DecodedSegment> group;
  group.push_back(segment(0, 1, voice));
  group.push_back(segment(1));
  render(std::move(group), kMany, [&] {
    for (bool over = false; !over; std::this_thread::yield()) {
      std::lock_guard<std::mutex> lock(mutex_);
      over = ended_.count(1) > 0;
      EXPECT_EQ(ended_.count(0), 0u);
    }
    voice->complete(rest_of_voice());
  });
  EXPECT_EQ(order_, Order({1, 0}));
  EXPECT_EQ(backend_.solved, Sizes({1, 1}));
  for (const int index : {0, 1}) EXPECT_EQ(ended_.at(index).samples, alone.at(index).samples);
}

TEST_F(RenderThreadTest, AVoiceStillToComeHoldsNobodyUpWhereOneIsRenderedAtATimeEither) {
  const std::shared_ptr<VoiceParts> voice = coming_voice();
  std::vector<DecodedSegment> group;
  group.push_back(segment(0, 1, voice));
  group.push_back(segment(1));
  render(std::move(group), 0, [&] {
    for (bool over = false; !over; std::this_thread::yield()) {
      std::lock_guard<std::mutex> lock(mutex_);
      over = ended_.count(1) > 0;
    }
    voice->complete(rest_of_voice());
  });
  EXPECT_EQ(order_, Order({1, 0}));
  EXPECT_FALSE(ended_.at(0).samples.empty());
}

// It may have failed on another device: this one goes on.
TEST_F(RenderThreadTest, AVoiceThatFailsLateFailsItsSegmentAlone) {
  int faults = 0;
  on_fault_ = [&faults](std::exception_ptr) { ++faults; };
  const std::shared_ptr<VoiceParts> voice = coming_voice();
  std::vector<DecodedSegment> group;
  group.push_back(segment(0, 1, voice));
  group.push_back(segment(1));
  voice->fail(std::make_exception_ptr(Error(ErrorCode::kNoMemory, "out of memory")));
  render(std::move(group), kMany);
  EXPECT_EQ(code_of(0), ErrorCode::kNoMemory);
  EXPECT_FALSE(ended_.at(1).samples.empty());
  EXPECT_EQ(faults, 0);
}

TEST_F(RenderThreadTest, ACancelledSegmentWaitsForNoVoice) {
  const std::shared_ptr<VoiceParts> voice = coming_voice();
  std::vector<DecodedSegment> group;
  group.push_back(segment(0, 1, voice));
  render(std::move(group), kMany, [this] { stops_[0].request_stop(); });
  EXPECT_EQ(code_of(0), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace indextts2
