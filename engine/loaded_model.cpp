// Loading of a model, and the workers that its pools run.
#include "loaded_model.h"

#include <algorithm>
#include <set>
#include <utility>

#include "audio/clip.h"
#include "core/clock.h"
#include "device_backend.h"
#include "ops/runtime.h"
#include "pool/device.h"
#include "shared_loads.h"
#include "stages/failure.h"
#include "stages/stream_handover.h"

namespace indextts2 {
namespace {

// Frames of the segments that a GPU renders together, prompts included: enough to fill it, and few
// enough that a first segment does not wait long for those before it.
constexpr int64_t kFramesTogether = 6000;

// Networks by (model, device, precision): pools that differ in anything else share them.
SharedLoads<const SpeechModel>& shared_networks() {
  static auto* const networks =
      new SharedLoads<const SpeechModel>;  // leaked: workers may outlive statics
  return *networks;
}

// Whether precision=auto is the fastest format that a GPU has; until the quality of these is shown
// for every stage, it is fp32.
constexpr bool kAutoIsHalf = false;

at::ScalarType auto_dtype(const std::string& device) {
  if (!kAutoIsHalf || device == "cpu") return at::kFloat;
  for (const Device& there : list_devices()) {
    if (there.id != device) continue;
    if (there.compute_capability >= 80) return at::kBFloat16;
    if (there.compute_capability >= 75) return at::kHalf;
  }
  return at::kFloat;
}

at::ScalarType dtype_of(Precision precision, const std::string& device) {
  if (precision == Precision::kAuto) return auto_dtype(device);
  if (precision == Precision::kFp32) return at::kFloat;
  if (device == "cpu") {
    throw Error(
        ErrorCode::kSettings,
        "precision: the CPU computes in fp32 only; set it to auto or fp32, or use a CUDA device");
  }
  if (precision == Precision::kTf32) return at::kFloat;
  return precision == Precision::kFp16 ? at::kHalf : at::kBFloat16;
}

// Adds up the bytes of all files for the progress of a load.
class ByteCounter {
 public:
  ByteCounter(uint64_t total, std::string device, const Tell& tell)
      : total_(total), device_(std::move(device)), tell_(tell) {}
  std::function<void(uint64_t)> on_bytes() {
    return [this](uint64_t bytes) {
      done_ = std::min(total_, done_ + bytes);
      tell_({"load", device_, done_, total_});
    };
  }

 private:
  const uint64_t total_;
  const std::string device_;
  const Tell& tell_;
  uint64_t done_ = 0;
};

std::shared_ptr<const SpeechModel> load_networks(
    const ModelSettings& settings, const std::shared_ptr<const ModelCheckpoints>& files,
    const ModelConfig& config, const std::string& device, const StopToken& stop, const Tell& tell) {
  const at::ScalarType dtype = dtype_of(settings.precision, device);
  const std::string key = settings.model_dir + "|" + device + "|" +
                          std::to_string(static_cast<int>(dtype)) + "|" +
                          std::to_string(static_cast<int>(settings.kernels));
  return shared_networks().open(
      key,
      [files, config, device, dtype, kernels = settings.kernels](const StopToken& load_stop,
                                                                 const Tell& load_tell) {
        const DeviceScope scope(device);
        ByteCounter counter(files->bytes(), device, load_tell);
        auto model = std::make_shared<const SpeechModel>(
            *files, config,
            WeightsOptions{at::Device(device), dtype, load_stop, counter.on_bytes()},
            kernels == Kernels::kLibTorch ? nullptr : find_device_backend(device));
        wait_for_stream(at::Device(device));  // replicas use streams of their own
        return model;
      },
      stop, tell);
}

GenerationOptions defaults_of(const ModelConfig& config) {
  const GenerationDefaults& own = config.generation;
  GenerationOptions options;
  options.temperature = own.temperature;
  options.top_p = own.top_p;
  options.top_k = own.top_k;
  options.num_beams = own.num_beams;
  options.repetition_penalty = own.repetition_penalty;
  options.length_penalty = own.length_penalty;
  options.typical_sampling = own.typical_sampling;
  options.typical_mass = own.typical_mass;
  options.max_mel_tokens = own.max_mel_tokens;
  options.max_segment_tokens = own.max_segment_tokens;
  options.diffusion_steps = own.diffusion_steps;
  options.guidance = own.guidance;
  return options;
}

ModelInfo describe(const LoadedModel& model) {
  ModelInfo info;
  info.model_dir = model.settings.model_dir;
  // A segment can be one token longer than the maximum (the front end may repeat an apostrophe).
  info.max_mel_tokens = static_cast<int>(model.config.gpt.max_mel_tokens);
  info.max_segment_tokens = static_cast<int>(model.config.gpt.max_text_tokens) - 1;
  info.defaults = defaults_of(model.config);
  info.defaults.max_mel_tokens = std::min(*info.defaults.max_mel_tokens, info.max_mel_tokens);
  info.defaults.max_segment_tokens =
      std::min(*info.defaults.max_segment_tokens, info.max_segment_tokens);
  if (!model.files.prompts.empty()) info.default_voice = model.files.prompts.front();
  return info;
}

// What the factories need is copied: a load that is given up returns while they may still run.
// *unused receives the encoder's before this returns.
std::shared_ptr<VoicePool> open_voice_pool(
    const LoadedModel& model, const std::shared_ptr<const ModelCheckpoints>& files,
    const PoolOpenOptions& options, const std::shared_ptr<std::vector<UnusedTensors>>& unused) {
  const std::string device = model.settings.places.front();
  return VoicePool::open({[device, files, config = model.config, clock = model.clock,
                           unused](const StopToken& closing) {
                           const DeviceScope scope(device);
                           std::shared_ptr<const VoiceEncoder> encoder = load_voice_encoder(
                               *files, config,
                               WeightsOptions{at::Device(device), at::kFloat, closing, {}});
                           wait_for_stream(at::Device(device));  // it works on another stream
                           *unused = encoder->unused();
                           return std::make_unique<VoiceWorker>(std::move(encoder), clock, device);
                         }},
                         options);
}

std::shared_ptr<SpeechPool> open_speech_pool(
    const LoadedModel& model,
    const std::map<std::string, std::shared_ptr<const SpeechModel>>& networks,
    const PoolOpenOptions& options) {
  std::vector<SpeechPool::Factory> factories;
  for (const std::string& device : model.settings.places) {
    factories.push_back([device, network = networks.at(device), clock = model.clock,
                         max_batch = model.settings.max_batch,
                         warmup = model.settings.warmup](const StopToken& closing) {
      SynthesizerOptions replica;
      replica.device = device;
      replica.max_batch = max_batch;
      replica.enter_thread = [device](ReplicaThread thread) {
        // What is decoded now is heard first; rendering takes what decoding leaves of the device.
        return std::make_shared<DeviceScope>(device, thread == ReplicaThread::kDecode
                                                         ? StreamPriority::kHigh
                                                         : StreamPriority::kNormal);
      };
      if (device != "cpu") {
        replica.frames_rendered_together = kFramesTogether;
        replica.latent_when_rendering = true;
      }
      auto synthesizer = std::make_unique<Synthesizer>(network, clock, std::move(replica));
      if (warmup) synthesizer->warm_up(closing);
      return synthesizer;
    });
  }
  return SpeechPool::open(std::move(factories), options);
}

std::vector<std::string> warnings_of(const SpeechModel& network,
                                     const std::vector<UnusedTensors>& voice_unused) {
  std::vector<std::string> warnings;
  for (const UnusedTensors& unused : unused_by_both(network.unused, voice_unused)) {
    warnings.push_back(unused_warning(unused));
  }
  return warnings;
}

MonoClip clip_of(const Clip& clip, double max_seconds) {
  if (clip.samples.empty()) return read_clip(clip.path, max_seconds);
  return {"voice samples", clip.samples, clip.sample_rate_hz};
}

}  // namespace

std::string ModelSettings::key() const {
  std::string text = model_dir + "|" + data_dir + "|" + hub_cache;
  for (const std::string& place : places) text += "|" + place;
  return text + "|" + std::to_string(static_cast<int>(precision)) + "|" +
         std::to_string(static_cast<int>(kernels)) + "|" + std::to_string(threads) + "|" +
         std::to_string(max_batch) + "|" + (warmup ? "w" : "");
}

std::shared_ptr<const VoiceFeatures> VoiceWorker::encode(const VoiceRequest& request,
                                                         const StopToken& stop) const {
  const VoiceOptions& options = request.options;
  const bool has_emotion = !options.emotion.samples.empty() || !options.emotion.path.empty();
  const MonoClip speaker = clip_of(options.speaker, options.max_prompt_seconds);
  const MonoClip emotion =
      has_emotion ? clip_of(options.emotion, options.max_prompt_seconds) : MonoClip();
  EncodeOptions encode;
  encode.max_seconds = options.max_prompt_seconds;
  encode.stop = stop;
  encode.progress = request.progress;
  return std::make_shared<const VoiceFeatures>(
      encoder_->encode(speaker, has_emotion ? &emotion : nullptr, encode));
}

void VoiceWorker::serve(JobQueue<VoiceJob>& queue) {
  const DeviceScope scope(device_);
  while (const std::shared_ptr<VoiceJob> job = queue.pop()) {
    const double start = now_seconds();
    try {
      job->deliver(encode(job->request, job->stop()), /*units=*/0);
    } catch (...) {
      job->fail(as_error(std::current_exception()));
    }
    clock_->add("voice", now_seconds() - start);
  }
}

std::shared_ptr<LoadedModel> load_model(const ModelSettings& settings, const StopToken& stop,
                                        const Tell& tell) {
  auto model = std::make_shared<LoadedModel>();
  model->settings = settings;
  model->files = find_model_files(settings.model_dir, settings.hub_cache);
  model->config = read_model_config(model->files);
  model->front = std::make_shared<const FrontEnd>(model->files.bpe_model, settings.data_dir);
  model->clock = std::make_shared<StageClock>();
  model->info = describe(*model);
  if (settings.threads > 0) set_cpu_threads(settings.threads);
  const std::set<std::string> devices(settings.places.begin(), settings.places.end());
  if (devices.size() > 1 || *devices.begin() != "cpu")
    allow_tf32(settings.precision == Precision::kTf32);

  const auto checkpoints = std::make_shared<const ModelCheckpoints>(model->files);
  std::map<std::string, std::shared_ptr<const SpeechModel>> networks;
  for (const std::string& device : devices) {
    networks[device] = load_networks(settings, checkpoints, model->config, device, stop, tell);
  }
  PoolOpenOptions options;
  options.stop = stop;
  const auto voice_unused = std::make_shared<std::vector<UnusedTensors>>();
  model->voices = open_voice_pool(*model, checkpoints, options, voice_unused);
  model->info.warnings = warnings_of(*networks.begin()->second, *voice_unused);
  const uint64_t total = settings.places.size();
  options.on_ready = [&](size_t ready) {
    if (settings.warmup) tell({"warmup", settings.places[ready - 1], ready, total});
  };
  model->speakers = open_speech_pool(*model, networks, options);
  if (settings.warmup) model->front->load(Language::kEnglish);  // no first text has to wait for it
  return model;
}

}  // namespace indextts2
