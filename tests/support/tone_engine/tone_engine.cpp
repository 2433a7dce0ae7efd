// The factory and the engine of the tone library: real sessions over fake replicas. See README.md.
#include "tone_engine.h"

#include <sys/stat.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "device_events.h"
#include "indextts2/engine.h"
#include "pool/fault_injection.h"
#include "pool/replica_pool.h"
#include "session.h"
#include "session/speech_order.h"
#include "tone_options.h"
#include "tone_reader.h"
#include "tone_replica.h"

namespace indextts2 {
namespace {

using TonePool = ReplicaPool<ToneReplica, ToneJob>;

struct Counted {
  Counted() { tone_count(1); }
  ~Counted() { tone_count(-1); }
};

// The real session, with exceptions on wish.
class ToneSession : public Session {
 public:
  ToneSession(const ToneOptions& options, std::unique_ptr<Session> session)
      : options_(options), session_(std::move(session)) {}

  uint64_t push(std::string_view text, std::shared_ptr<const Voice> voice,
                const SpeakOptions& options) override {
    options_.maybe_throw("push");
    return after_push(session_->push(text, std::move(voice), options));
  }
  uint64_t push(std::string_view text, const VoiceOptions& voice,
                const SpeakOptions& options) override {
    options_.maybe_throw("push");
    return after_push(session_->push(text, voice, options));
  }
  Next next(Wave* wave, bool wait_when_idle) override {
    options_.maybe_throw("next");
    return session_->next(wave, wait_when_idle);
  }
  bool cancel(uint64_t text_id) override {
    options_.maybe_throw("cancel");
    return session_->cancel(text_id);
  }
  void finish() override {
    options_.maybe_throw("finish");
    session_->finish();
  }
  void interrupt() override {
    options_.maybe_throw("interrupt");
    session_->interrupt();
  }
  void resume() override {
    options_.maybe_throw("resume");
    session_->resume();
  }
  void set_schedule(Schedule schedule) override {
    options_.maybe_throw("set_schedule");
    session_->set_schedule(schedule);
  }

 private:
  uint64_t after_push(uint64_t id) const {
    tone_sleep(options_.push_ms, StopToken());
    return id;
  }

  const Counted counted_;
  const ToneOptions options_;
  const std::unique_ptr<Session> session_;
};

// What engines that share a pool share.
struct Replicas {
  std::shared_ptr<DeviceEvents> events = std::make_shared<DeviceEvents>();
  std::shared_ptr<const FaultPlan> faults;
  std::shared_ptr<TonePool> pool;
  std::atomic<int> next_index{0};
};

struct Core {
  ToneOptions options;
  std::string model_dir;
  std::vector<std::string> replicas;
  int max_batch = 1, replicas_per_device = 1;
  std::shared_ptr<Replicas> shared;
};

std::string clip_name(const Clip& clip, const ToneOptions& options) {
  if (!clip.samples.empty()) return "samples:" + std::to_string(clip.samples.size());
  if (clip.path.empty() || options.any_voice) return clip.path;
  struct stat info {};
  if (stat(clip.path.c_str(), &info) != 0) {
    throw Error(ErrorCode::kVoiceNotFound, "voice clip " + clip.path + " does not exist");
  }
  if (info.st_size < 16) {
    throw Error(ErrorCode::kVoiceInvalid, "voice clip " + clip.path + " is not audio");
  }
  return clip.path;
}

std::shared_ptr<const Voice> load(const Core& core, const VoiceOptions& voice,
                                  const StopToken& stop) {
  core.options.maybe_throw("load_voice");
  const StopToken any([&] { return stop.stop_requested() || (voice.stop && voice.stop()); });
  const int steps = 10;
  for (int step = 0; step <= steps; ++step) {
    any.check();
    if (voice.progress) voice.progress({"voice", voice.speaker.path, uint64_t(step), steps});
    if (step < steps) tone_sleep(core.options.voice_ms / steps, any);
  }
  std::string speaker = clip_name(voice.speaker, core.options);
  if (speaker.empty()) {
    if (core.options.no_default_voice) {
      throw Error(ErrorCode::kSettings, "no voice was given and the model has no default voice");
    }
    speaker = "default";
  }
  return std::make_shared<ToneVoice>(speaker, clip_name(voice.emotion, core.options),
                                     voice.max_prompt_seconds);
}

EmotionScores read_emotion(const Core& core, const std::string& text, const StopToken& stop) {
  core.options.maybe_throw("read_emotion");
  tone_sleep(core.options.voice_ms, stop);
  EmotionScores scores{};
  scores[tone_hash(text) % scores.size()] = 0.5;
  return scores;
}

std::vector<TonePool::Plan> tone_plans(const Core& core, const std::vector<std::string>& names,
                                       Replicas* replicas) {
  std::vector<TonePool::Plan> plans;
  for (const std::string& name : names) {
    plans.emplace_back(name, [tone = core.options, name, index = replicas->next_index++,
                              batch = core.max_batch, faults = replicas->faults](const StopToken&) {
      return std::make_unique<ToneReplica>(tone, index, name, batch, faults);
    });
  }
  return plans;
}

class ToneEngine : public Engine {
 public:
  ToneEngine(std::shared_ptr<const Core> core, DeviceEvents::Listener listener)
      : core_(std::move(core)) {
    if (listener) listener_ = core_->shared->events->add(std::move(listener));
  }
  ~ToneEngine() override { core_->shared->events->remove(listener_); }

  std::shared_ptr<const Voice> load_voice(const VoiceOptions& options) override {
    return load(*core_, options, StopToken());
  }

  std::unique_ptr<Session> open_session(const SessionOptions& options) override {
    core_->options.maybe_throw("open_session");
    SessionBackend backend;
    backend.open_reader = [core = core_](std::string text, const SpeakOptions&) {
      return open_tone_reader(std::move(text), core->options);
    };
    backend.load_voice = [core = core_](const VoiceOptions& voice, const SpeakOptions&,
                                        const StopToken& stop) { return load(*core, voice, stop); };
    backend.read_emotion = [core = core_](const std::string& text, const StopToken& stop) {
      return indextts2::read_emotion(*core, text, stop);
    };
    backend.submit = [core = core_](SpeechRequest request, SpeechDone done) {
      const Order order = order_of(request);
      const StopToken stop = request.stop;
      core->shared->pool->submit(
          std::make_shared<ToneJob>(std::move(request), stop, order, std::move(done)));
    };
    backend.draw_seed = [] {
      std::random_device device;
      return (uint64_t(device()) << 32) | device();
    };
    backend.window = [core = core_] {
      return static_cast<int>(core->shared->pool->size()) * core->max_batch + 2;
    };
    backend.keep = core_;
    return std::make_unique<ToneSession>(core_->options,
                                         indextts2::open_session(std::move(backend), options));
  }

  void load_device(const std::string& word, const DeviceLoadOptions& options) override {
    core_->options.maybe_throw("load_device");
    const std::vector<std::string> names = tone_devices({word}, core_->replicas_per_device);
    for (const auto& [name, of, alive] : core_->shared->pool->info()) {
      if (alive && name == names.front()) {
        throw Error(ErrorCode::kSettings, "device \"" + name + "\" is loaded already");
      }
    }
    const StopToken stop = options.stop ? StopToken(options.stop) : StopToken();
    if (options.progress) options.progress({"load", names.front(), 0, 1});
    tone_sleep(core_->options.load_ms, stop);
    core_->shared->pool->add(tone_plans(*core_, names, core_->shared.get()));
    if (options.progress) options.progress({"load", names.front(), 1, 1});
    tell(DeviceEvent::Kind::kLoaded, names.front());
  }
  void unload_device(const std::string& id) override {
    core_->options.maybe_throw("unload_device");
    core_->shared->pool->remove(id);
    tell(DeviceEvent::Kind::kUnloaded, id);
  }

  Stats stats() const override {
    core_->options.maybe_throw("stats");
    Stats stats;
    for (const auto& [name, of, alive] : core_->shared->pool->info()) {
      stats.devices.push_back({name, of.done, of.units, of.busy_seconds,
                               of.units > 0 ? of.busy_seconds / of.units : 0, of.queued});
      stats.devices.back().lost = !alive;
      stats.segments += of.done;
      stats.audio_seconds += of.units;
      stats.busy_seconds += of.busy_seconds;
    }
    stats.stage_seconds["tone"] = stats.busy_seconds;
    return stats;
  }

  ModelInfo model() const override {
    core_->options.maybe_throw("model");
    ModelInfo info;
    info.model_dir = core_->model_dir;
    info.defaults = {0.8, 0.8, 30, 3, 10.0, 0.0, false, 0.9, 1500, 120, 25, 0.7};
    info.max_mel_tokens = 1815;
    info.max_segment_tokens = 599;
    info.default_voice = core_->options.no_default_voice ? "" : "default";
    return info;
  }

 private:
  void tell(DeviceEvent::Kind kind, const std::string& device) const {
    const auto left = static_cast<int>(core_->shared->pool->size());
    core_->shared->events->tell({kind, device, "", "", left});
  }

  const Counted counted_;
  const std::shared_ptr<const Core> core_;
  int listener_ = 0;
};

std::shared_ptr<Replicas> open_pool(const Core& core, const EngineOptions& options) {
  auto replicas = std::make_shared<Replicas>();
  const std::string& inject =
      options.inject_faults.empty() ? core.options.inject : options.inject_faults;
  if (!inject.empty()) replicas->faults = std::make_shared<const FaultPlan>(inject);
  PoolOpenOptions open;
  if (options.stop) open.stop = StopToken(options.stop);
  open.on_ready = [&](size_t ready) {
    if (!options.progress || !options.warmup) return;
    options.progress({"warmup", core.replicas[ready - 1], ready, core.replicas.size()});
  };
  open.hooks.stall_seconds =
      core.options.stall_ms > 0 ? core.options.stall_ms * 1e-3 : options.stall_seconds;
  open.hooks.on_lost = [events = replicas->events](const LostReplica& lost) {
    DeviceEvent event{DeviceEvent::Kind::kLost, lost.name, "", "", static_cast<int>(lost.left)};
    try {
      std::rethrow_exception(lost.error);
    } catch (const std::exception& error) {
      event.message = error.what();
    } catch (...) {
      event.message = "an exception that is no std::exception";
    }
    events->tell(event);
  };
  replicas->pool = TonePool::open(tone_plans(core, core.replicas, replicas.get()), open);
  return replicas;
}

class ToneFactory : public EngineFactory {
 public:
  std::string version() const override {
    read_tone_options("").maybe_throw("version");
    return "tone";
  }

  std::vector<DeviceInfo> list_devices() const override {
    read_tone_options("").maybe_throw("list_devices");
    std::vector<DeviceInfo> devices = {{"cpu", "Tone processor", uint64_t{1} << 30, 1 << 29}};
    for (int i = 0; i < 8; ++i) {
      devices.push_back(
          {"tone:" + std::to_string(i), "Tone generator", uint64_t{1} << 30, 1 << 29});
    }
    return devices;
  }

  void check_devices(const std::vector<std::string>& devices) const override {
    read_tone_options("").maybe_throw("check_devices");
    tone_devices(devices, /*replicas_per_device=*/1);
  }

  std::shared_ptr<Engine> open_engine(const EngineOptions& options) const override {
    auto core = std::make_shared<Core>();
    core->options = read_tone_options(options.model_dir);
    core->model_dir = options.model_dir;
    core->options.maybe_throw("open_engine");
    core->replicas = tone_devices(options.devices, options.replicas_per_device);
    core->max_batch = options.max_batch;
    core->replicas_per_device = options.replicas_per_device;
    if (options.log) options.log(LogLevel::kInfo, "tone engine: " + options.model_dir);
    pretend_to_load(*core, options);
    core->shared = options.share_pool ? shared_pool(*core, options) : open_pool(*core, options);
    return std::make_shared<ToneEngine>(std::move(core), options.device_event);
  }

 private:
  static void pretend_to_load(const Core& core, const EngineOptions& options) {
    const StopToken stop = options.stop ? StopToken(options.stop) : StopToken();
    const int steps = core.options.load_ms > 0 ? 100 : 1;
    for (int step = 0; step <= steps; ++step) {
      stop.check();
      if (options.progress) {
        options.progress({"load", "tone.pth", uint64_t(step) * 1000, uint64_t(steps) * 1000});
      }
      if (step < steps) tone_sleep(core.options.load_ms / steps, stop);
    }
  }

  static std::shared_ptr<Replicas> shared_pool(const Core& core, const EngineOptions& options) {
    static std::mutex* const mutex = new std::mutex;  // guards pools; both leaked, as the reaper
    static auto* const pools = new std::map<std::string, std::weak_ptr<Replicas>>;
    std::string key = core.model_dir + "|" + std::to_string(core.max_batch);
    for (const auto& replica : core.replicas) key += "|" + replica;
    key += "|" + options.inject_faults + "|" + std::to_string(options.stall_seconds);
    {
      std::lock_guard<std::mutex> lock(*mutex);
      auto pool = (*pools)[key].lock();
      if (pool && pool->pool->size() > 0) return pool;
    }
    auto pool = open_pool(core, options);
    std::lock_guard<std::mutex> lock(*mutex);
    (*pools)[key] = pool;
    return pool;
  }
};

}  // namespace
}  // namespace indextts2

const indextts2::EngineFactory* indextts2_engine_factory(int abi) {
  static const indextts2::ToneFactory factory;
  return abi == indextts2::kEngineAbi ? &factory : nullptr;
}
