// Composition root: binds sessions, pools and networks into the public engine.
#include "indextts2/engine.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <utility>

#include "core/clock.h"
#include "device_loads.h"
#include "emotion_reader.h"
#include "encoded_voice.h"
#include "loaded_model.h"
#include "lru_cache.h"
#include "model_stats.h"
#include "pool/device.h"
#include "session.h"
#include "session/speech_order.h"
#include "shared_loads.h"
#include "stages/failure.h"
#include "text/utf8.h"
#include "voice_key.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kVoiceCacheBytes = 256u << 20;

// Decoding needs no more than its early part.
bool needs_whole_voice(const SpeakOptions& speak) {
  const EmotionOptions& emotion = speak.emotion;
  const bool has_vector = emotion.vector || !emotion.text.empty() || emotion.from_text;
  return has_vector && !emotion.random;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Where the Hugging Face tools keep their downloads.
std::string hub_cache() {
  if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return home + "/hub";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache/huggingface/hub";
}

// Folder of the grammars: in the build tree, or where they are installed as seen from the library.
std::string find_grammars() {
  Dl_info info{};
  fs::path folder = ".";
  if (dladdr(reinterpret_cast<const void*>(&hub_cache), &info) && info.dli_fname) {
    folder = fs::path(info.dli_fname).parent_path();
  }
  std::string searched;
  for (const fs::path& candidate : {folder / "text", folder / "../../engine/text",
                                    folder / INDEXTTS2_DATA_FROM_ENGINE / "grammars",
                                    fs::path(INDEXTTS2_DATA_DIR) / "grammars"}) {
    if (fs::exists(candidate / "en_tn_tagger.fst")) return candidate.string();
    searched += (searched.empty() ? "" : ", ") + candidate.string();
  }
  throw Error(
      ErrorCode::kNotFound,
      "the text normalisation grammars (en_tn_tagger.fst, ...) are missing; searched: " + searched);
}

uint64_t draw_seed() {
  static std::mutex mutex;  // guards source
  static std::random_device source;
  std::lock_guard<std::mutex> lock(mutex);
  return ((static_cast<uint64_t>(source()) << 32) | source()) >> 1;  // fits int64_t
}

// The model folder as one name for all ways to write it.
std::string canonical(const std::string& model_dir) {
  if (model_dir.empty()) throw Error(ErrorCode::kSettings, "model-path: no model folder was given");
  std::error_code failed;
  const fs::path path = fs::canonical(model_dir, failed);
  if (failed)
    throw Error(ErrorCode::kNotFound, "model folder " + model_dir + ": " + failed.message());
  return path.string();
}

// Settles every value of one segment: the user's, else the model's own.
SynthesisRequest settle(const SpeechRequest& speech, const LoadedModel& model) {
  const auto* voice = dynamic_cast<const EncodedVoice*>(speech.voice.get());
  if (!voice || voice->model_dir != model.settings.model_dir) {
    throw Error(ErrorCode::kSettings,
                "the voice was made by another model; load it with this engine");
  }
  const GenerationOptions& user = speech.options->generation;
  const GenerationOptions& own = model.info.defaults;
  SynthesisRequest request;
  request.segment = speech.segment;
  request.voice = voice->parts;
  request.emotion.alpha = speech.options->emotion.alpha;
  if (speech.options->emotion.vector) request.emotion.vector = *speech.options->emotion.vector;
  request.random_emotion = speech.options->emotion.random;
  request.sampling.temperature = user.temperature.value_or(*own.temperature);
  request.sampling.top_p = user.top_p.value_or(*own.top_p);
  request.sampling.top_k = user.top_k.value_or(*own.top_k);
  request.sampling.repetition_penalty = user.repetition_penalty.value_or(*own.repetition_penalty);
  request.sampling.typical_sampling = user.typical_sampling.value_or(*own.typical_sampling);
  request.sampling.typical_mass = user.typical_mass.value_or(*own.typical_mass);
  request.num_beams = user.num_beams.value_or(*own.num_beams);
  request.length_penalty = user.length_penalty.value_or(*own.length_penalty);
  request.max_codes =
      std::min(user.max_mel_tokens.value_or(*own.max_mel_tokens), model.info.max_mel_tokens);
  request.diffusion_steps = user.diffusion_steps.value_or(*own.diffusion_steps);
  request.guidance = user.guidance.value_or(*own.guidance);
  request.seed = speech.seed;
  return request;
}

class LoadedEngine : public Engine, public std::enable_shared_from_this<LoadedEngine> {
 public:
  LoadedEngine(std::shared_ptr<LoadedModel> model, EngineOptions options)
      : model_(std::move(model)), options_(std::move(options)), voices_(kVoiceCacheBytes) {
    if (options_.device_event) listener_ = model_->events->add(options_.device_event);
  }
  ~LoadedEngine() override { model_->events->remove(listener_); }

  std::shared_ptr<const Voice> load_voice(const VoiceOptions& options) override {
    return load_voice(options, /*whole=*/true, StopToken());
  }
  std::unique_ptr<Session> open_session(const SessionOptions& options) override;
  void load_device(const std::string& word, const DeviceLoadOptions& options) override;
  void unload_device(const std::string& id) override;
  Stats stats() const override { return stats_of(*model_); }
  ModelInfo model() const override { return model_->info; }

 private:
  // Unless `whole` is wanted, returns once decoding may begin.
  std::shared_ptr<const Voice> load_voice(VoiceOptions options, bool whole, const StopToken& stop);
  std::shared_ptr<const Voice> encode(const VoiceOptions& options, const StopToken& stop,
                                      const Tell& tell) const;
  EmotionScores read_emotion(const std::string& text, const StopToken& stop);
  std::unique_ptr<SegmentReader> open_reader(std::string text, const SpeakOptions& options) const;
  void submit(const SpeechRequest& speech, const SpeechDone& done) const;
  std::vector<std::string> living_devices() const;
  void log(LogLevel level, const std::string& message) const {
    if (options_.log) options_.log(level, message);
  }

  const std::shared_ptr<LoadedModel> model_;
  const EngineOptions options_;
  int listener_ = 0;
  LruCache<const Voice> voices_;
  SharedLoads<const Voice> voice_loads_;
};

std::shared_ptr<const Voice> LoadedEngine::load_voice(VoiceOptions options, bool whole,
                                                      const StopToken& stop) {
  if (options.speaker.path.empty() && options.speaker.samples.empty()) {
    if (model_->info.default_voice.empty()) {
      throw Error(ErrorCode::kSettings, "no voice was given, and the model folder " +
                                            model_->info.model_dir +
                                            " has no prompts/ with a clip; set voice to a file");
    }
    options.speaker.path = model_->info.default_voice;
  }
  if (!(options.max_prompt_seconds >= 1 && options.max_prompt_seconds <= kMaxPromptSeconds)) {
    throw Error(ErrorCode::kSettings, "max-prompt-duration: expected 1 to 15 s, got " +
                                          std::to_string(options.max_prompt_seconds) + " s");
  }
  const StopToken either([stop, user = StopToken(options.stop)] {
    return stop.stop_requested() || user.stop_requested();
  });
  const auto usable = [](const Voice& voice) { return !parts_of(voice).failed(); };
  const std::string key = voice_key(options);
  std::shared_ptr<const Voice> voice = voices_.find(key);
  if (!voice || !usable(*voice)) {
    voice = voice_loads_.open(
        key,
        [self = shared_from_this(), options](const StopToken& load_stop, const Tell& tell) {
          return self->encode(options, load_stop, tell);
        },
        either, options.progress, usable);
    voices_.insert(key, voice, bytes_of(parts_of(*voice), model_->config));
  }
  if (whole) parts_of(*voice).whole(either);
  return voice;
}

// Runs on the thread of a shared load: waits for the voice worker.
std::shared_ptr<const Voice> LoadedEngine::encode(const VoiceOptions& options,
                                                  const StopToken& stop, const Tell& tell) const {
  struct Result {
    std::mutex mutex;  // guards all below
    std::condition_variable changed;
    std::shared_ptr<const VoiceParts> voice;
    std::exception_ptr error;
    bool over = false;
  };
  const auto result = std::make_shared<Result>();
  VoiceRequest request{
      options, [tell, path = options.speaker.path](int done, int total) {
        tell({"voice", path, static_cast<uint64_t>(done), static_cast<uint64_t>(total)});
      }};
  const auto job = std::make_shared<VoiceJob>(
      std::move(request), stop, /*cost=*/1.0,
      [result](std::shared_ptr<const VoiceParts> voice, std::exception_ptr error) {
        std::lock_guard<std::mutex> lock(result->mutex);
        result->voice = std::move(voice);
        result->error = std::move(error);
        result->over = true;
        result->changed.notify_all();
      });
  const auto voices = model_->voices.on_one_of(living_devices(), stop);
  voices->submit(job);
  std::unique_lock<std::mutex> lock(result->mutex);
  result->changed.wait(lock, [&] { return result->over; });
  if (result->error) std::rethrow_exception(result->error);
  return std::make_shared<const EncodedVoice>(result->voice, model_->settings.model_dir);
}

EmotionScores LoadedEngine::read_emotion(const std::string& text, const StopToken& stop) {
  check_utf8(text, "emotion from text");  // before anything is loaded for it
  return model_->emotions->read(
      text,
      [self = shared_from_this()](const StopToken& load_stop) {
        return load_emotion_reader(*self->model_, self->living_devices(), load_stop);
      },
      stop);
}

std::unique_ptr<SegmentReader> LoadedEngine::open_reader(std::string text,
                                                         const SpeakOptions& options) const {
  FrontOptions front;
  front.max_segment_tokens = std::min(
      options.generation.max_segment_tokens.value_or(*model_->info.defaults.max_segment_tokens),
      model_->info.max_segment_tokens);
  front.first_segment_tokens = options.first_segment_tokens;
  const std::string glossary =
      options.glossary_path.empty() ? model_->files.glossary : options.glossary_path;
  if (!glossary.empty()) front.glossary = std::make_shared<const Glossary>(load_glossary(glossary));
  front.unknown = [this_log = options_.log](const std::vector<std::string>& pieces) {
    if (!this_log) return;
    this_log(LogLevel::kWarning,
             std::to_string(pieces.size()) +
                 " pieces of the text are not in the model's vocabulary and are skipped");
  };
  return model_->front->open(std::move(text), front);
}

void LoadedEngine::submit(const SpeechRequest& speech, const SpeechDone& done) const {
  SynthesisRequest request;
  try {
    request = settle(speech, *model_);
  } catch (...) {
    done(Wave(), as_error(std::current_exception()));
    return;
  }
  const Order order = order_of(speech);
  const auto job = std::make_shared<SynthesisJob>(
      std::move(request), speech.stop, order, [done](Sound sound, std::exception_ptr error) {
        Wave wave;
        wave.samples = std::move(sound.samples);
        wave.capped = sound.capped;
        wave.device = std::move(sound.device);
        wave.synthesis_seconds = sound.seconds_spent;
        done(std::move(wave), error ? as_error(error) : nullptr);
      });
  model_->speakers->submit(job);
}

std::unique_ptr<Session> LoadedEngine::open_session(const SessionOptions& options) {
  const std::shared_ptr<LoadedEngine> self = shared_from_this();
  SessionBackend backend;
  backend.open_reader = [self](std::string text, const SpeakOptions& speak) {
    return self->open_reader(std::move(text), speak);
  };
  backend.load_voice = [self](const VoiceOptions& voice, const SpeakOptions& speak,
                              const StopToken& stop) {
    return self->load_voice(voice, needs_whole_voice(speak), stop);
  };
  backend.read_emotion = [self](const std::string& text, const StopToken& stop) {
    return self->read_emotion(text, stop);
  };
  backend.submit = [self](SpeechRequest request, SpeechDone done) { self->submit(request, done); };
  backend.draw_seed = draw_seed;
  backend.window = [model = model_] {
    return 4 * static_cast<int>(model->speakers->size()) * model->settings.max_batch + 2;
  };
  backend.keep = self;
  return indextts2::open_session(std::move(backend), options);
}

std::vector<std::string> LoadedEngine::living_devices() const {
  std::vector<std::string> devices;
  for (const ReplicaInfo& replica : model_->speakers->info()) {
    if (replica.alive) devices.push_back(replica.name);
  }
  return devices;
}

void LoadedEngine::load_device(const std::string& word, const DeviceLoadOptions& options) {
  const Tell tell = options.progress ? options.progress : [](const Progress&) {};
  const StopToken stop = options.stop ? StopToken(options.stop) : StopToken();
  try {
    indextts2::load_device(*model_, word, stop, tell);
  } catch (...) {
    std::rethrow_exception(as_error(std::current_exception()));
  }
}

void LoadedEngine::unload_device(const std::string& id) {
  try {
    indextts2::unload_device(*model_, id);
  } catch (...) {
    std::rethrow_exception(as_error(std::current_exception()));
  }
}

class Factory : public EngineFactory {
 public:
  std::string version() const override { return INDEXTTS2_VERSION; }

  std::vector<DeviceInfo> list_devices() const override {
    std::vector<DeviceInfo> infos;
    for (const Device& device : indextts2::list_devices()) {
      infos.push_back({device.id, device.name, device.total_bytes, device.free_bytes});
    }
    return infos;
  }

  void check_devices(const std::vector<std::string>& devices) const override {
    resolve_devices(devices, 1);
  }

  std::shared_ptr<Engine> open_engine(const EngineOptions& options) const override;
};

// Pools by all settings that matter; a leaked singleton, because workers may outlive statics.
SharedLoads<LoadedModel>& shared_models() {
  static auto* const models = new SharedLoads<LoadedModel>;
  return *models;
}

std::shared_ptr<Engine> Factory::open_engine(const EngineOptions& options) const {
  try {
    ModelSettings settings;
    settings.model_dir = canonical(options.model_dir);
    settings.replicas_per_device = options.replicas_per_device;
    settings.places =
        settle_places(options.devices, options.replicas_per_device, options.precision);
    settings.data_dir = options.data_dir.empty() ? find_grammars() : options.data_dir;
    settings.hub_cache = hub_cache();
    settings.precision = options.precision;
    settings.kernels = options.kernels;
    settings.threads = options.threads;
    settings.max_batch = std::max(1, options.max_batch);
    settings.warmup = options.warmup;
    settings.stall_seconds = options.stall_seconds;
    settings.trace_path =
        options.trace_path.empty() ? environment("INDEXTTS2_TRACE") : options.trace_path;
    settings.inject_faults = options.inject_faults.empty() ? environment("INDEXTTS2_INJECT_FAULTS")
                                                           : options.inject_faults;
    const StopToken stop = options.stop ? StopToken(options.stop) : StopToken();
    static std::atomic<uint64_t> private_pools{0};
    const std::string key =
        settings.key() + (options.share_pool ? "" : "|private " + std::to_string(++private_pools));
    std::shared_ptr<LoadedModel> model = shared_models().open(
        key,
        [settings](const StopToken& load_stop, const Tell& tell) {
          return load_model(settings, load_stop, tell);
        },
        stop, options.progress,
        [](const LoadedModel& living) { return living.speakers->size() > 0; });
    if (options.log) {
      for (const std::string& warning : model->info.warnings) {
        options.log(LogLevel::kWarning, warning);
      }
    }
    return std::make_shared<LoadedEngine>(std::move(model), options);
  } catch (...) {
    std::rethrow_exception(as_error(std::current_exception()));
  }
}

}  // namespace
}  // namespace indextts2

const indextts2::EngineFactory* indextts2_engine_factory(int abi) {
  static const auto* const factory = new indextts2::Factory;
  return abi == indextts2::kEngineAbi ? factory : nullptr;
}
