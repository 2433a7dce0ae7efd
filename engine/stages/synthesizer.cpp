// A replica's first thread: decoding.
#include "stages/synthesizer.h"

#include <algorithm>
#include <exception>
#include <future>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/random.h"
#include "ops/host_tensor.h"
#include "stages/failure.h"

namespace indextts2 {
namespace {

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

std::shared_ptr<void> enter(const SynthesizerOptions& options, ReplicaThread thread) {
  return options.enter_thread ? options.enter_thread(thread) : nullptr;
}

RenderOptions render_options(const SynthesizerOptions& options, const ModelConfig& config) {
  RenderOptions render;
  render.frames_together = options.frames_rendered_together;
  render.sample_rate_hz = static_cast<int>(config.mel.sr);
  return render;
}

// Inside a catch block: what went wrong is this job's own, or the device's.
void fail_or_throw(SynthesisJob& job) {
  const std::exception_ptr failure = as_error(std::current_exception());
  if (breaks_device(failure)) std::rethrow_exception(failure);
  job.fail(failure);
}

}  // namespace

// A segment that is being decoded.
struct Synthesizer::Decoding {
  std::shared_ptr<SynthesisJob> job;
  int slot = 0;
  double start = 0;
};

Synthesizer::Synthesizer(std::shared_ptr<const SpeechModel> model,
                         std::shared_ptr<StageClock> clock, SynthesizerOptions options)
    : model_(std::move(model)),
      clock_(std::move(clock)),
      options_(std::move(options)),
      scope_(enter(options_, ReplicaThread::kDecode)),
      generator_(model_->gpt, make_batch()),
      faults_(options_.faults, options_.device),
      renderer_([this] { return enter(options_, ReplicaThread::kRender); },
                [this] { return make_renderer(); }, render_options(options_, model_->config)) {}

std::unique_ptr<DecodeBatch> Synthesizer::make_batch() const {
  // One slot is for segments that somebody waits for.
  auto batch = model_->networks->decode_batch(options_.max_batch + 1);
  if (options_.mark_memory) options_.mark_memory("decoding");
  return batch;
}

std::unique_ptr<Renderer> Synthesizer::make_renderer() const {
  auto renderer = std::make_unique<Renderer>(model_, clock_, options_.device);
  const auto mark = options_.mark_memory ? options_.mark_memory : [](const char*) {};
  mark("rendering");
  if (options_.warm_sizes) {
    renderer->warm_up(options_.max_batch > 1 ? options_.frames_rendered_together : 0, mark);
  }
  return renderer;
}

CodeRequest Synthesizer::code_request(const SynthesisRequest& request) const {
  CodeRequest codes;
  const EmotionChoice emotion = settle_emotion(request, model_->emotions);
  const bool needs_whole = emotion.vector && !emotion.rows;
  if (needs_whole && !request.voice->settled()) {
    throw Error(ErrorCode::kInternal, "synthesis: an emotion vector came before its voice");
  }
  const VoiceFeatures& voice =
      needs_whole ? request.voice->whole(StopToken()) : request.voice->early();
  codes.speaker_latents = voice.speaker_latents;
  codes.emotion = model_->emotions.emotion_vector(voice, emotion);
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

Sound Synthesizer::speak(const SynthesisRequest& request, const StopToken& stop) {
  std::promise<Sound> spoken;
  const auto job = std::make_shared<SynthesisJob>(
      request, stop, /*cost=*/0, [&spoken](Sound sound, std::exception_ptr error) {
        error ? spoken.set_exception(error) : spoken.set_value(std::move(sound));
      });
  DecodedSegment decoded{job, {}, now_seconds(), 0};
  {
    const StageTimer timer(*clock_, "decode");
    decoded.codes = generator_.decode(code_request(request), stop);
  }
  renderer_.push(std::move(decoded));
  return spoken.get_future().get();
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
void Synthesizer::collect(std::vector<Decoding>* decoding) {
  for (size_t i = 0; i < decoding->size();) {
    Decoding& entry = (*decoding)[i];
    const bool stopped = entry.job->stop_requested();
    if (!stopped && !generator_.finished(entry.slot)) {
      ++i;
      continue;
    }
    const Decoding done = std::move(entry);
    decoding->erase(decoding->begin() + static_cast<std::ptrdiff_t>(i));
    if (stopped) {
      generator_.abandon(done.slot);
      done.job->fail(cancelled_error());
      continue;
    }
    try {
      DecodedSegment decoded{done.job, generator_.release(done.slot), done.start,
                             static_cast<int>(decoding->size())};
      if (!options_.latent_when_rendering) {
        const StageTimer timer(*clock_, "latent");
        decoded.codes.latent = StreamHandover(with_latent(*model_->gpt, decoded.codes).latent);
      }
      renderer_.push(std::move(decoded));
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
  renderer_.set_on_fault(
      [&queue](std::exception_ptr fault) { queue.fail_replica(std::move(fault)); });
  // However this ends: with it the second thread ends, too.
  const std::unique_ptr<RenderThread, void (*)(RenderThread*)> rendering(
      &renderer_, [](RenderThread* thread) { thread->close(); });
  std::vector<Decoding> decoding;
  try {
    while (admit(queue, &decoding)) {
      step(queue);
      collect(&decoding);
      renderer_.expect_firsts(static_cast<int>(
          std::count_if(decoding.begin(), decoding.end(),
                        [](const Decoding& entry) { return entry.job->first(); })));
    }
  } catch (...) {
    queue.fail_replica(as_error(std::current_exception()));
    renderer_.abandon();
    throw;
  }
}

void Synthesizer::warm_up(const StopToken& stop) {
  constexpr int64_t kPromptFrames = 32;
  VoiceFeatures voice;
  const auto filled = [](std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return host_tensor(std::vector<float>(static_cast<size_t>(count), 0.1f), shape);
  };
  const int64_t width = model_->config.gpt.model_dim;
  voice.speaker_latents = filled({1, 32, width});
  voice.ref_mel = filled({1, model_->mel.mel_bands(), kPromptFrames});
  voice.style = filled({1, model_->config.style_dim});
  voice.prompt_condition = filled({1, kPromptFrames, model_->config.length_regulator.channels});
  voice.base_emovec = filled({1, width});
  voice.own_emovec = voice.base_emovec;
  SynthesisRequest request;
  request.segment.ids = {2, 3, 4, 5};
  request.voice = std::make_shared<const VoiceParts>(std::move(voice));
  request.max_codes = 8;
  request.diffusion_steps = 1;
  request.num_beams = model_->config.generation.num_beams;
  try {
    if (options_.warm_sizes) {
      for (const int64_t ids : {120, 60, 30, 15}) {
        SynthesisRequest text = request;
        text.segment.ids.assign(std::min(ids, model_->gpt->max_text_tokens()), 2);
        stop.check();
        generator_.abandon(generator_.begin(code_request(text)));
      }
    }
    speak(request, stop);
  } catch (const Error& error) {
    // A made-up voice may give no sound; that is no reason not to start. A device without memory
    // is.
    for (const ErrorCode code : {ErrorCode::kCancelled, ErrorCode::kNoMemory,
                                 ErrorCode::kDeviceLost, ErrorCode::kInternal}) {
      if (error.code == code) throw;
    }
  }
}

}  // namespace indextts2
