// A replica's two loops: decoding and rendering.
#include "stages/synthesizer.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/random.h"
#include "ops/host_tensor.h"
#include "stages/decode_batch.h"
#include "stages/failure.h"

namespace indextts2 {
namespace {

// Books the time from its making to its end on one stage.
class StageTimer {
 public:
  StageTimer(StageClock& clock, const char* stage) : clock_(clock), stage_(stage) {}
  ~StageTimer() { clock_.add(stage_, now_seconds() - start_); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  StageClock& clock_;
  const char* stage_;
  const double start_ = now_seconds();
};

// The start of the flow [1, bands, frames], from the segment's own stream.
at::Tensor draw_noise(const SynthesisRequest& request, int64_t bands, int64_t frames) {
  std::vector<float> noise(static_cast<size_t>(bands * frames));
  const RandomStream stream{request.seed, static_cast<uint32_t>(request.segment.index),
                            RandomPurpose::kFlowNoise};
  fill_normal(stream, 0, noise.data(), noise.size());
  return host_tensor(noise, {1, bands, frames});
}

EmotionChoice settle_emotion(const SynthesisRequest& request, const EmotionTable& table) {
  EmotionChoice choice = request.emotion;
  if (!request.random_emotion || !choice.vector) return choice;
  // One draw per text, not per segment: the emotion must not change within a text.
  const RandomStream stream{request.seed, 0, RandomPurpose::kEmotionRows};
  EmotionRows rows{};
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = integer_at(stream, i, static_cast<uint32_t>(table.groups()[i]));
  }
  choice.rows = rows;
  return choice;
}

std::shared_ptr<void> enter(const SynthesizerOptions& options) {
  return options.enter_thread ? options.enter_thread() : nullptr;
}

// Inside a catch block: what went wrong is this job's own, or the device's.
void fail_or_throw(SynthesisJob& job) {
  const std::exception_ptr failure = as_error(std::current_exception());
  if (breaks_device(failure)) std::rethrow_exception(failure);
  job.fail(failure);
}

}  // namespace

void StageClock::add(const std::string& stage, double seconds) {
  std::lock_guard<std::mutex> lock(mutex_);
  seconds_[stage] += seconds;
}

std::map<std::string, double> StageClock::seconds() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return seconds_;
}

// A segment on its way: being decoded, or waiting to be rendered.
struct Synthesizer::Decoding {
  std::shared_ptr<SynthesisJob> job;
  int slot = 0;
  double start = 0;
  Codes codes;
};

// Renders finished segments in the order in which they were decoded. Destroying it finishes what it
// was given.
class Synthesizer::RenderThread {
 public:
  RenderThread(const Synthesizer& replica, JobQueue<SynthesisJob>& queue)
      : replica_(replica), queue_(queue), thread_([this] { run(); }) {}
  ~RenderThread() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void push(Decoding decoded) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      waiting_.push_back(std::move(decoded));
    }
    wake_.notify_all();
  }

 private:
  void run() {
    std::shared_ptr<void> scope;
    std::exception_ptr no_device;  // nothing may leave the thread: what comes fails with it
    try {
      scope = enter(replica_.options_);
    } catch (...) {
      no_device = std::current_exception();
    }
    for (Decoding next; take(&next); next = Decoding()) {
      if (queue_.broken()) continue;  // the pool gives it to another replica
      try {
        if (no_device) std::rethrow_exception(no_device);
        Sound sound = replica_.render(next.job->request, next.codes, next.job->stop());
        sound.seconds_spent = now_seconds() - next.start;
        const double seconds =
            static_cast<double>(sound.samples.size()) / replica_.model_->config.mel.sr;
        const double codes = sound.codes;
        next.job->deliver(std::move(sound), seconds, codes);
      } catch (...) {
        const std::exception_ptr failure = as_error(std::current_exception());
        if (breaks_device(failure)) {
          queue_.fail_replica(failure);
        } else {
          next.job->fail(failure);
        }
      }
    }
  }
  bool take(Decoding* next) {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return false;
    *next = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }

  const Synthesizer& replica_;
  JobQueue<SynthesisJob>& queue_;
  std::mutex mutex_;  // guards waiting_ and closed_
  std::condition_variable wake_;
  std::deque<Decoding> waiting_;
  bool closed_ = false;
  std::thread thread_;
};

Synthesizer::Synthesizer(std::shared_ptr<const SpeechModel> model,
                         std::shared_ptr<StageClock> clock, SynthesizerOptions options)
    : model_(std::move(model)),
      clock_(std::move(clock)),
      options_(std::move(options)),
      generator_(
          std::shared_ptr<const UnifiedVoice>(model_, &model_->gpt),
          std::make_unique<TorchDecodeBatch>(
              std::shared_ptr<const UnifiedVoice>(model_, &model_->gpt), options_.max_batch + 1)),
      faults_(options_.faults, options_.device) {}

CodeRequest Synthesizer::code_request(const SynthesisRequest& request) const {
  CodeRequest codes;
  codes.speaker_latents = request.voice->speaker_latents;
  codes.emotion =
      model_->emotions.emotion_vector(*request.voice, settle_emotion(request, model_->emotions));
  codes.text_ids = request.segment.ids;
  codes.sampling = request.sampling;
  codes.num_beams = request.num_beams;
  codes.length_penalty = request.length_penalty;
  codes.max_codes = request.max_codes;
  codes.seed = request.seed;
  codes.segment = static_cast<uint32_t>(request.segment.index);
  codes.recorded = request.recorded_draws;
  return codes;
}

Sound Synthesizer::render(const SynthesisRequest& request, const Codes& codes,
                          const StopToken& stop) const {
  const MelPrompt prompt{request.voice->ref_mel, request.voice->prompt_condition,
                         request.voice->style};
  const int64_t frames = prompt.mel.size(2) + mel_frames(static_cast<int64_t>(codes.codes.size()));
  FlowOptions flow;
  flow.steps = request.diffusion_steps;
  flow.guidance = request.guidance;
  at::Tensor mel;
  {
    const StageTimer timer(*clock_, "flow");
    const at::Tensor noise = request.recorded_noise.defined()
                                 ? request.recorded_noise
                                 : draw_noise(request, model_->mel.mel_bands(), frames);
    const at::Tensor ids = host_tensor(codes.codes, {1, static_cast<int64_t>(codes.codes.size())});
    mel = model_->mel.generate(ids, codes.latent, prompt, noise, flow, stop).to(at::kCPU);
  }
  const StageTimer timer(*clock_, "vocoder");
  Sound sound;
  sound.samples = model_->vocoder.decode(mel, stop);
  sound.capped = codes.capped;
  sound.codes = static_cast<int>(codes.codes.size());
  sound.device = options_.device;
  return sound;
}

Sound Synthesizer::speak(const SynthesisRequest& request, const StopToken& stop) {
  const double start = now_seconds();
  const Codes codes = generator_.generate(code_request(request), stop);
  clock_->add("decode", now_seconds() - start);
  Sound sound = render(request, codes, stop);
  sound.seconds_spent = now_seconds() - start;
  return sound;
}

// Takes jobs in while there is room; waits for one when idle. False: the queue is closed and
// nothing is left to do.
bool Synthesizer::admit(JobQueue<SynthesisJob>& queue, std::vector<Decoding>* decoding) {
  for (int free = generator_.free_slots(); free > 0; free = generator_.free_slots()) {
    std::shared_ptr<SynthesisJob> job =
        decoding->empty() ? queue.pop() : queue.try_pop(/*only_first=*/free == 1);
    if (!job) return !decoding->empty();
    Decoding next;
    next.job = std::move(job);
    next.start = now_seconds();
    try {
      const StageTimer timer(*clock_, "prefill");
      next.slot = generator_.begin(code_request(next.job->request));
      decoding->push_back(std::move(next));
      faults_.taken_in();
    } catch (...) {
      fail_or_throw(*next.job);
    }
  }
  return true;
}

// Hands over what is finished; drops what was cancelled.
void Synthesizer::collect(std::vector<Decoding>* decoding, RenderThread* renderer) {
  for (size_t i = 0; i < decoding->size();) {
    Decoding& entry = (*decoding)[i];
    const bool stopped = entry.job->stop_requested();
    if (!stopped && !generator_.finished(entry.slot)) {
      ++i;
      continue;
    }
    Decoding done = std::move(entry);
    decoding->erase(decoding->begin() + static_cast<std::ptrdiff_t>(i));
    if (stopped) {
      generator_.abandon(done.slot);
      done.job->fail(std::make_exception_ptr(Error(ErrorCode::kCancelled, "cancelled")));
      continue;
    }
    try {
      const StageTimer timer(*clock_, "latent");
      done.codes = generator_.finish(done.slot);
      // Through the host, so that the renderer's stream need not wait for this one's.
      done.codes.latent = done.codes.latent.to(at::kCPU);
      renderer->push(std::move(done));
    } catch (...) {
      fail_or_throw(*done.job);
    }
  }
}

// One more code for each.
void Synthesizer::step(JobQueue<SynthesisJob>& queue) {
  const StageTimer timer(*clock_, "decode");
  faults_.step([&queue] { return queue.closed(); });
  generator_.step();
}

void Synthesizer::serve(JobQueue<SynthesisJob>& queue) {
  const std::shared_ptr<void> scope = enter(options_);
  RenderThread renderer(*this, queue);
  std::vector<Decoding> decoding;
  try {
    while (admit(queue, &decoding)) {
      step(queue);
      collect(&decoding, &renderer);
    }
  } catch (...) {
    // The renderer need not finish what it has.
    queue.fail_replica(as_error(std::current_exception()));
    throw;
  }
}

void Synthesizer::warm_up(const StopToken& stop) {
  constexpr int64_t kPromptFrames = 32;
  auto voice = std::make_shared<VoiceFeatures>();
  const auto filled = [](std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return host_tensor(std::vector<float>(static_cast<size_t>(count), 0.1f), shape);
  };
  const int64_t width = model_->config.gpt.model_dim;
  voice->speaker_latents = filled({1, 32, width});
  voice->ref_mel = filled({1, model_->mel.mel_bands(), kPromptFrames});
  voice->style = filled({1, model_->config.style_dim});
  voice->prompt_condition = filled({1, kPromptFrames, model_->config.length_regulator.channels});
  voice->base_emovec = filled({1, width});
  voice->own_emovec = voice->base_emovec;
  SynthesisRequest request;
  request.segment.ids = {2, 3, 4, 5};
  request.voice = voice;
  request.max_codes = 8;
  request.diffusion_steps = 1;
  request.num_beams = model_->config.generation.num_beams;
  try {
    speak(request, stop);
  } catch (const Error& error) {
    // A made-up voice may give no sound; that is no reason not to start.
    if (error.code == ErrorCode::kCancelled) throw;
  }
}

}  // namespace indextts2
