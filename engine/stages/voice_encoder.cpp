// Voice encoder: clips -> what synthesis needs to know of a voice.
// Follows index-tts ee40fa7, indextts/infer_v2.py, the speaker and emotion part of
// IndexTTS2.infer_generator.
#include "stages/voice_encoder.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "audio/resample.h"
#include "core/error.h"
#include "ops/serial_scope.h"

namespace indextts2 {

W2vBertOptions w2v_options(const ModelConfig& config) {
  W2vBertOptions options;
  options.hidden_layer = config.semantic_feature_layer;
  options.left_positions = config.w2v.left_max_position_embeddings;
  options.right_positions = config.w2v.right_max_position_embeddings;
  return options;
}

MelOptions mel_options(const MelConfig& config) {
  MelOptions options;
  options.sample_rate_hz = static_cast<int>(config.sr);
  options.fft_size = config.n_fft;
  options.window_size = config.win_length;
  options.hop_size = config.hop_length;
  options.num_mels = config.n_mels;
  options.min_hz = config.fmin;
  options.max_hz = config.fmax;
  return options;
}

namespace {

// Before decoding, that of the emotion clip, and beside decoding.
constexpr int kEarlySteps = 3, kEmotionClipSteps = 1, kLateSteps = 3;

VoiceConditionerOptions conditioner_options(const ModelConfig& config) {
  VoiceConditionerOptions options;
  options.speaker_heads = config.gpt.condition_module.attention_heads;
  options.emotion_heads = config.gpt.emo_condition_module.attention_heads;
  return options;
}

void expect_width(const char* what, int64_t expected, int64_t got) {
  if (expected == got) return;
  throw Error(ErrorCode::kModel, std::string("voice encoder: ") + what + ": expected width " +
                                     std::to_string(expected) + ", got " + std::to_string(got) +
                                     "; are all files of one model?");
}

// The clip at `rate_hz`, cut to its first `max_seconds` afterwards, as the reference does.
std::vector<float> prompt_samples(const MonoClip& clip, int rate_hz, double max_seconds) {
  std::vector<float> samples = resample_soxr(clip.samples, clip.sample_rate_hz, rate_hz);
  samples.resize(std::min(samples.size(), static_cast<size_t>(max_seconds * rate_hz)));
  return samples;
}

// What needs no network: computed by another thread beside the networks of another device, and when
// it is asked for on the CPU, which the networks keep busy. What `compute` refers to must outlive
// the future.
template <typename Compute>
auto beside_networks(at::Device device, Compute compute) -> std::future<decltype(compute())> {
  if (device.is_cpu()) return std::async(std::launch::deferred, std::move(compute));
  return std::async(std::launch::async, [compute = std::move(compute)] {
    const c10::InferenceMode inference;
    const SerialScope serial(true);  // no team of threads for so little
    return compute();
  });
}

// Counts steps, tests for a stop and tells about progress between them.
class Steps {
 public:
  Steps(const EncodeOptions& options, int done, int total)
      : options_(options), done_(done), total_(total) {
    options_.stop.check();
  }
  void done() {
    ++done_;
    if (options_.progress) options_.progress(done_, total_);
    options_.stop.check();
  }

 private:
  const EncodeOptions& options_;
  int done_;
  const int total_;
};

// To where all replicas can read it. Half precision or a damaged clip may overflow: better an error
// than noise.
at::Tensor kept(const char* what, const at::Tensor& x) {
  at::Tensor copy = x.to(at::kCPU).to(at::kFloat).contiguous();
  if (!copy.isfinite().all().item<bool>()) {
    throw Error(ErrorCode::kSynthesis, std::string("voice encoder: ") + what +
                                           " is not finite; try another clip or precision=fp32");
  }
  return copy;
}

}  // namespace

VoiceEncoder::VoiceEncoder(const VoiceEncoderWeights& weights, const ModelConfig& config)
    : device_(weights.w2v.options().device),
      mel_(mel_options(config.mel)),
      semantic_(weights.w2v, weights.w2v_stats, w2v_options(config)),
      codec_(weights.codec),
      campplus_(weights.campplus),
      regulator_(weights.length_regulator),
      gpt_(weights.gpt, semantic_.width(), conditioner_options(config)),
      unused_(
          {unused_in(weights.w2v, semantic_.w2v().unused_names()), unused_in(weights.w2v_stats, {}),
           unused_in(weights.codec, SemanticCodec::unused_names()), unused_in(weights.campplus, {}),
           unused_in(weights.gpt, VoiceConditioner::unused_weights())}) {
  expect_width("semantic codec", semantic_.width(), codec_.width());
  expect_width("length regulator", semantic_.width(), regulator_.in_channels());
  expect_width("style", config.style_dim, campplus_.style_width());
  expect_width("GPT", config.gpt.model_dim, gpt_.speaker_perceiver().width());
}

at::Tensor VoiceEncoder::semantic(const W2vFeatures& features) const {
  return semantic_.forward(features.rows.to(device_), features.valid_rows);
}

VoiceFeatures VoiceEncoder::encode(const MonoClip& speaker, const MonoClip* emotion,
                                   const EncodeOptions& options) const {
  VoiceDraft draft = begin(speaker, emotion, options);
  VoiceFeatures voice = draft.voice;
  static_cast<VoicePrompt&>(voice) = finish(std::move(draft), options);
  return voice;
}

VoiceDraft VoiceEncoder::begin(const MonoClip& speaker, const MonoClip* emotion,
                               const EncodeOptions& options) const {
  const c10::InferenceMode inference;
  check_clip(speaker, kMinSpeakerSeconds);
  if (emotion) check_clip(*emotion, kMinEmotionSeconds);
  VoiceDraft draft;
  draft.steps_done = kEarlySteps + (emotion ? kEmotionClipSteps : 0);
  draft.steps = draft.steps_done + kLateSteps;
  Steps steps(options, 0, draft.steps);

  const auto direct = [&](const MonoClip* clip) {
    return beside_networks(device_, [clip, &options] {
      return w2v_features(prompt_samples(*clip, kFbankRateHz, options.max_seconds));
    });
  };
  std::future<W2vFeatures> own_features = direct(&speaker), clip_features;
  if (emotion) clip_features = direct(emotion);
  const auto samples = std::make_shared<const std::vector<float>>(
      prompt_samples(speaker, mel_.sample_rate_hz, options.max_seconds));
  const auto samples_16k = std::make_shared<const std::vector<float>>(
      resample_sinc_hann(*samples, mel_.sample_rate_hz, kFbankRateHz));
  std::future<W2vFeatures> speaker_features =
      beside_networks(device_, [samples_16k] { return w2v_features(*samples_16k); });
  draft.mel = beside_networks(device_, [samples, mel = mel_] { return log_mel(*samples, mel); });
  draft.fbank = beside_networks(device_, [samples_16k] { return centred_fbank(*samples_16k); });
  draft.prompt_frames = static_cast<int64_t>(samples->size()) / mel_.hop_size;
  draft.voice.prompt_seconds = static_cast<double>(samples->size()) / mel_.sample_rate_hz;

  // Its samples are the first ones ready. Not the same as the features below, although the clip is:
  // the two ways to 16 kHz differ. Results are fetched last: until then nothing waits for a device.
  const at::Tensor own = gpt_.emotion_vector(semantic(own_features.get()));
  steps.done();
  at::Tensor of_clip;
  if (emotion) {
    of_clip = gpt_.emotion_vector(semantic(clip_features.get()));
    steps.done();
  }
  draft.features = semantic(speaker_features.get());
  steps.done();
  const at::Tensor latents = gpt_.speaker_latents(draft.features);
  const at::Tensor base = gpt_.emotion_vector(draft.features);
  draft.voice.speaker_latents = kept("speaker latents", latents);
  draft.voice.base_emovec = kept("emotion vector", base);
  draft.voice.own_emovec = kept("emotion vector", own);
  if (emotion) draft.voice.clip_emovec = kept("emotion vector", of_clip);
  steps.done();
  return draft;
}

VoicePrompt VoiceEncoder::finish(VoiceDraft draft, const EncodeOptions& options) const {
  const c10::InferenceMode inference;
  Steps steps(options, draft.steps_done, draft.steps);
  VoicePrompt prompt;
  prompt.ref_mel = kept("mel", draft.mel.get());
  if (prompt.ref_mel.size(2) != draft.prompt_frames) {
    throw Error(ErrorCode::kInternal, "voice encoder: expected a mel of " +
                                          std::to_string(draft.prompt_frames) + " frames, got " +
                                          std::to_string(prompt.ref_mel.size(2)));
  }
  steps.done();
  prompt.style = kept("style", campplus_.forward(draft.fbank.get().unsqueeze(0).to(device_)));
  steps.done();
  const at::Tensor content = codec_.quantize(draft.features).features;
  prompt.prompt_condition = kept("prompt condition", regulator_(content, draft.prompt_frames));
  steps.done();
  return prompt;
}

}  // namespace indextts2
