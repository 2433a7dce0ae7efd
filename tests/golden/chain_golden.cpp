// Golden cases of kind chain: text and clips to samples through every stage, with the recorded
// draws injected.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "audio/clip.h"
#include "device_backend.h"
#include "golden.h"
#include "ops/host_tensor.h"
#include "stages/code_generator.h"
#include "stages/speech_model.h"
#include "text/front_end.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

constexpr int kSampleRate = 22050;

std::vector<float> floats_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU).contiguous();
  return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
}

// What a case asks for, the model's own defaults where it is silent.
struct Wish {
  Wish(const nlohmann::json& params, const GenerationDefaults& own) {
    const nlohmann::json& infer = params.at("infer");
    sampling.temperature = infer.value("temperature", own.temperature);
    sampling.top_p = infer.value("top_p", own.top_p);
    sampling.top_k = infer.value("top_k", own.top_k);
    sampling.repetition_penalty = infer.value("repetition_penalty", own.repetition_penalty);
    num_beams = infer.value("num_beams", own.num_beams);
    length_penalty = infer.value("length_penalty", own.length_penalty);
    max_codes = infer.value("max_mel_tokens", own.max_mel_tokens);
    max_segment_tokens = infer.value("max_text_tokens_per_segment", own.max_segment_tokens);
    steps = infer.value("diffusion_steps", own.diffusion_steps);
    silence_ms = infer.value("interval_silence", 200);
    emotion_clip = infer.value("emo_audio_prompt", "");
    emotion.alpha = infer.value("emo_alpha", 1.0);
    if (infer.contains("emo_vector")) emotion.vector = infer.at("emo_vector").get<EmotionVector>();
    guidance = own.guidance;
  }
  SamplingOptions sampling;
  int num_beams, max_codes, max_segment_tokens, steps, silence_ms;
  double length_penalty, guidance;
  std::string emotion_clip;
  EmotionChoice emotion;
};

// One recorded chain, stage by stage, through the networks of `backend` (null: LibTorch's).
class Chain {
 public:
  Chain(GoldenCase& golden, const DeviceBackend* backend)
      : golden_(golden),
        files_(find_model_files(golden.model_dir(), "")),
        config_(read_model_config(files_)),
        wish_(golden.params(), config_.generation),
        model_(std::make_shared<const SpeechModel>(ModelCheckpoints(files_), config_, weights(),
                                                   backend)),
        generator_(model_->gpt, model_->networks->decode_batch(1)),
        solver_(model_->networks->flow_solver()),
        decoder_(model_->networks->wave_decoder(solver_.get())) {}

  void run() {
    voice_ = encode_voice();
    emovec_ = model_->emotions.emotion_vector(voice_, wish_.emotion);
    if (golden_.has("prompt_cond")) golden_.expect("prompt_cond", voice_.prompt_condition);
    if (golden_.has("emovec")) golden_.expect("emovec", emovec_);
    const char* grammars =
        std::getenv("INDEXTTS2_GRAMMARS");  // where the build folder is not at hand
    const FrontEnd front(files_.bpe_model, grammars ? grammars : INDEXTTS2_GRAMMAR_DIR);
    FrontOptions options;
    options.max_segment_tokens = wish_.max_segment_tokens;
    const auto reader = front.open(golden_.params().at("text").get<std::string>(), options);
    int count = 0;
    for (Segment segment; reader->next(&segment, StopToken()); ++count) speak(segment);
    if (count != static_cast<int>(golden_.params().at("segments").size())) {
      throw Error(ErrorCode::kInternal,
                  "expected another number of segments than " + std::to_string(count));
    }
    if (golden_.has("pcm")) golden_.expect("pcm", pcm());
  }

 private:
  WeightsOptions weights() const {
    WeightsOptions options;
    options.device = golden_.device();
    return options;
  }

  VoiceFeatures encode_voice() const {
    const auto encoder = load_voice_encoder(ModelCheckpoints(files_), config_, weights());
    const MonoClip speaker = read_clip(golden_.file(golden_.params().at("voice")), 15);
    MonoClip emotion;
    if (!wish_.emotion_clip.empty()) emotion = read_clip(golden_.file(wish_.emotion_clip), 15);
    return encoder->encode(speaker, wish_.emotion_clip.empty() ? nullptr : &emotion,
                           EncodeOptions());
  }

  Codes decode(const Segment& segment, const std::string& suffix) {
    CodeRequest request;
    request.speaker_latents = voice_.speaker_latents;
    request.emotion = emovec_;
    request.text_ids = segment.ids;
    request.sampling = wish_.sampling;
    request.num_beams = wish_.num_beams;
    request.length_penalty = wish_.length_penalty;
    request.max_codes = wish_.max_codes;
    request.recorded = floats_of(golden_.get("q" + suffix));
    return generator_.generate(request, StopToken());
  }

  void speak(const Segment& segment) {
    const std::string suffix = "_" + std::to_string(segment.index);
    const std::vector<int64_t> ids(segment.ids.begin(), segment.ids.end());
    golden_.expect("tokens" + suffix, host_tensor(ids, {1, static_cast<int64_t>(ids.size())}));
    const Codes codes = decode(segment, suffix);
    std::vector<int64_t> with_stop = codes.codes;
    if (!codes.capped) with_stop.push_back(config_.gpt.stop_mel_token);
    golden_.expect("codes" + suffix,
                   host_tensor(with_stop, {1, static_cast<int64_t>(with_stop.size())}));
    golden_.expect("latent" + suffix, codes.latent);

    const at::Tensor ids_tensor =
        host_tensor(codes.codes, {1, static_cast<int64_t>(codes.codes.size())});
    golden_.expect("cond" + suffix,
                   model_->mel.condition(ids_tensor.to(golden_.device()), codes.latent));
    FlowOptions flow;
    flow.steps = wish_.steps;
    flow.guidance = wish_.guidance;
    const FlowJob job = model_->mel.flow_job(
        ids_tensor, codes.latent, {voice_.ref_mel, voice_.prompt_condition, voice_.style},
        golden_.get("noise" + suffix), flow);
    const at::Tensor mel = solver_->solve({job}, StopToken()).front();
    golden_.expect("mel" + suffix, mel);
    const std::vector<float> wave = model_->vocoder.decode(mel, *decoder_, StopToken());
    golden_.expect_sound("wave" + suffix,
                         host_tensor(wave, {1, 1, static_cast<int64_t>(wave.size())}));
    if (!samples_.empty())
      samples_.resize(samples_.size() + kSampleRate * static_cast<size_t>(wish_.silence_ms) / 1000);
    samples_.insert(samples_.end(), wave.begin(), wave.end());
  }

  // 16 bit by truncation, as the reference returns it.
  at::Tensor pcm() const {
    std::vector<int64_t> samples;
    for (const float sample : samples_) {
      samples.push_back(static_cast<int64_t>(std::clamp(32767.0f * sample, -32767.0f, 32767.0f)));
    }
    return host_tensor(samples, {1, static_cast<int64_t>(samples.size())});
  }

  GoldenCase& golden_;
  const ModelFiles files_;
  const ModelConfig config_;
  const Wish wish_;
  const std::shared_ptr<const SpeechModel> model_;
  CodeGenerator generator_;
  const std::unique_ptr<FlowSolver> solver_;
  const std::unique_ptr<WaveDecoder> decoder_;
  VoiceFeatures voice_;
  at::Tensor emovec_;
  std::vector<float> samples_;
};

const RunGolden kChain("chain", [](GoldenCase& golden) {
  Chain(golden, /*backend=*/nullptr).run();
  const DeviceBackend* backend = find_device_backend(golden.device().str());
  if (!backend) return;
  std::printf("  %s: through the networks of the device's library\n", golden.name().c_str());
  Chain(golden, backend).run();
});

}  // namespace
}  // namespace indextts2
