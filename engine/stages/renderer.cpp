// Codes to sound: latent pass, flow, vocoder.
#include "stages/renderer.h"

#include <algorithm>
#include <utility>

#include "core/random.h"
#include "ops/host_tensor.h"

namespace indextts2 {
namespace {

// What a device is made ready for: whole clips, short clips; segments of up to 11 s.
constexpr int64_t kWarmPromptSeconds[] = {15, 5};
constexpr int64_t kWarmFrames = 960, kWarmFrameStep = 64;
constexpr int64_t kWarmCodes[] = {500, 250, 100};
constexpr int64_t kWarmVoiceRows = 34;

// The start of the flow [1, bands, frames], from the segment's own stream. The share of the prompt
// is not used and therefore left at zero.
at::Tensor draw_noise(const SynthesisRequest& request, int64_t bands, int64_t prompt,
                      int64_t frames, FlowSolver& solver) {
  const RandomStream stream{request.seed, static_cast<uint32_t>(request.segment.index),
                            RandomPurpose::kFlowNoise};
  const at::Tensor there = solver.noise(stream, bands, prompt, frames);
  if (there.defined()) return there;
  std::vector<float> noise(static_cast<size_t>(bands * frames));
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t first = band * frames + prompt;
    fill_normal(stream, static_cast<uint64_t>(first), noise.data() + first,
                static_cast<size_t>(frames - prompt));
  }
  return host_tensor(noise, {1, bands, frames});
}

}  // namespace

Renderer::Renderer(std::shared_ptr<const SpeechModel> model, std::shared_ptr<StageClock> clock,
                   std::string device)
    : model_(std::move(model)),
      clock_(std::move(clock)),
      device_(std::move(device)),
      latent_pass_(model_->networks->latent_pass()),
      solver_(model_->networks->flow_solver()),
      decoder_(model_->networks->wave_decoder(solver_.get())) {}

int64_t Renderer::frames(const SynthesisRequest& request, size_t num_codes) {
  return request.voice->prompt_frames() + mel_frames(static_cast<int64_t>(num_codes));
}

void Renderer::warm_up(int64_t frames_together, const std::function<void(const char* part)>& mark) {
  const ModelConfig& config = model_->config;
  FlowOptions options;
  options.steps = config.generation.diffusion_steps;
  options.guidance = config.generation.guidance;
  // The largest first: what grows later is made anew.
  const int64_t group_prompts = frames_together / 4;
  if (group_prompts > 0) {
    solver_->warm_up(group_prompts, frames_together - group_prompts, options);
  }
  for (const int64_t seconds : kWarmPromptSeconds) {
    const int64_t prompt = seconds * config.mel.sr / config.mel.hop_length;
    for (int64_t frames = kWarmFrames; frames > 0; frames -= kWarmFrameStep) {
      solver_->warm_up(prompt, frames, options);
    }
  }
  mark("flow");
  decoder_->warm_up(kWarmFrames);
  mark("vocoder");
  if (latent_pass_) {
    latent_pass_->warm_up();
  } else {
    warm_up_latent();
  }
  mark("latent pass");
}

void Renderer::warm_up_latent() const {
  const int64_t width = model_->config.gpt.model_dim;
  const at::Tensor conditioning =
      host_tensor(std::vector<float>(static_cast<size_t>(kWarmVoiceRows * width), 0.1f),
                  {1, kWarmVoiceRows, width});
  for (const int64_t count : kWarmCodes) {
    const int64_t codes = std::min(count, model_->gpt->max_codes());
    model_->gpt->latent(conditioning.to(model_->gpt->final_norm().weight.options()), {2, 3, 4, 5},
                        std::vector<int64_t>(static_cast<size_t>(codes), 0));
  }
}

const MelPrompt& Renderer::prompt_of(const SynthesisRequest& request) {
  if (known_.voice.lock() == request.voice) return known_.there;
  const VoiceFeatures& voice = request.voice->whole(StopToken());
  known_.there = model_->mel.on_device({voice.ref_mel, voice.prompt_condition, voice.style});
  known_.voice = request.voice;
  return known_.there;
}

FlowJob Renderer::prepare(const SynthesisRequest& request, const DecodedCodes& decoded) {
  const MelPrompt& prompt = prompt_of(request);
  Codes codes;
  {
    const StageTimer timer(*clock_, "latent");
    codes = with_latent(*model_->gpt, decoded, latent_pass_.get());
  }
  const StageTimer timer(*clock_, "flow");
  FlowOptions options;
  options.steps = request.diffusion_steps;
  options.guidance = request.guidance;
  const at::Tensor noise = request.recorded_noise.defined()
                               ? request.recorded_noise
                               : draw_noise(request, model_->mel.mel_bands(), prompt.mel.size(2),
                                            frames(request, codes.codes.size()), *solver_);
  const at::Tensor ids = host_tensor(codes.codes, {1, static_cast<int64_t>(codes.codes.size())});
  return model_->mel.flow_job(ids, codes.latent, prompt, noise, options);
}

std::vector<at::Tensor> Renderer::solve(const std::vector<FlowJob>& jobs, const StopToken& stop) {
  const StageTimer timer(*clock_, "flow");
  std::vector<at::Tensor> mels = solver_->solve(jobs, stop);
  if (!mels.empty()) wait_for_stream(mels.front().device());  // so that stages can be told apart
  return mels;
}

Sound Renderer::vocode(const at::Tensor& mel, bool capped, const StopToken& stop) {
  const StageTimer timer(*clock_, "vocoder");
  Sound sound;
  sound.samples = model_->vocoder.decode(mel, *decoder_, stop);
  sound.capped = capped;
  sound.device = device_;
  return sound;
}

}  // namespace indextts2
