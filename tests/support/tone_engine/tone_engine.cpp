// The factory and the engine of the tone library: real sessions over fake replicas. See README.md.
#include "tone_engine.h"

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "indextts2/engine.h"
#include "pool/replica_pool.h"
#include "session.h"
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

struct Core {
  ToneOptions options;
  std::string model_dir;
  std::vector<std::string> replicas;
  int max_batch = 1;
  std::shared_ptr<TonePool> pool;
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

class ToneEngine : public Engine {
 public:
  explicit ToneEngine(std::shared_ptr<const Core> core) : core_(std::move(core)) {}

  std::shared_ptr<const Voice> load_voice(const VoiceOptions& options) override {
    return load(*core_, options, StopToken());
  }

  std::unique_ptr<Session> open_session(const SessionOptions& options) override {
    core_->options.maybe_throw("open_session");
    SessionBackend backend;
    backend.open_reader = [core = core_](std::string text, const SpeakOptions&) {
      return open_tone_reader(std::move(text), core->options);
    };
    backend.load_voice = [core = core_](const VoiceOptions& voice, const StopToken& stop) {
      return load(*core, voice, stop);
    };
    backend.submit = [core = core_](SpeechRequest request, SpeechDone done) {
      const auto cost = static_cast<double>(request.segment.ids.size());
      const Dispatch dispatch =
          request.schedule == Schedule::kRoundRobin ? Dispatch::kRoundRobin : Dispatch::kLeastWork;
      const StopToken stop = request.stop;
      core->pool->submit(std::make_shared<ToneJob>(std::move(request), stop, cost, std::move(done)),
                         dispatch);
    };
    backend.draw_seed = [] {
      std::random_device device;
      return (uint64_t(device()) << 32) | device();
    };
    backend.window = static_cast<int>(core_->replicas.size()) * core_->max_batch + 2;
    backend.keep = core_;
    return std::make_unique<ToneSession>(core_->options,
                                         indextts2::open_session(std::move(backend), options));
  }

  Stats stats() const override {
    core_->options.maybe_throw("stats");
    Stats stats;
    const auto counters = core_->pool->counters();
    for (size_t i = 0; i < counters.size(); ++i) {
      const ReplicaCounters& of = counters[i].first;
      stats.devices.push_back({core_->replicas[i], of.done, of.units, of.busy_seconds,
                               of.units > 0 ? of.busy_seconds / of.units : 0, of.queued});
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
  const Counted counted_;
  const std::shared_ptr<const Core> core_;
};

std::shared_ptr<TonePool> open_pool(const Core& core, const EngineOptions& options) {
  std::vector<TonePool::Factory> factories;
  for (size_t i = 0; i < core.replicas.size(); ++i) {
    factories.push_back([tone = core.options, i, device = core.replicas[i],
                         batch = core.max_batch](const StopToken&) {
      return std::make_unique<ToneReplica>(tone, static_cast<int>(i), device, batch);
    });
  }
  PoolOpenOptions open;
  if (options.stop) open.stop = StopToken(options.stop);
  open.on_ready = [&](size_t ready) {
    if (!options.progress || !options.warmup) return;
    options.progress({"warmup", core.replicas[ready - 1], ready, core.replicas.size()});
  };
  return TonePool::open(std::move(factories), open);
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
    if (options.log) options.log(LogLevel::kInfo, "tone engine: " + options.model_dir);
    pretend_to_load(*core, options);
    core->pool = options.share_pool ? shared_pool(*core, options) : open_pool(*core, options);
    return std::make_shared<ToneEngine>(std::move(core));
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

  static std::shared_ptr<TonePool> shared_pool(const Core& core, const EngineOptions& options) {
    static std::mutex* const mutex = new std::mutex;  // guards pools; both leaked, as the reaper
    static auto* const pools = new std::map<std::string, std::weak_ptr<TonePool>>;
    std::string key = core.model_dir + "|" + std::to_string(core.max_batch);
    for (const auto& replica : core.replicas) key += "|" + replica;
    {
      std::lock_guard<std::mutex> lock(*mutex);
      if (auto pool = (*pools)[key].lock()) return pool;
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
