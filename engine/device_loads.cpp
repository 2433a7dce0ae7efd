// Loading of devices.
#include "device_loads.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "device_backend.h"
#include "ops/runtime.h"
#include "pool/device.h"
#include "shared_loads.h"
#include "stages/stream_handover.h"

namespace indextts2 {
namespace {

// Networks by (model, device, precision): pools that differ in anything else share them.
SharedLoads<const SpeechModel>& shared_networks() {
  static auto* const networks =
      new SharedLoads<const SpeechModel>;  // leaked: workers may outlive statics
  return *networks;
}

Precision precision_named(const std::string& name) {
  if (name == "fp32") return Precision::kFp32;
  if (name == "tf32") return Precision::kTf32;
  if (name == "fp16") return Precision::kFp16;
  return name == "bf16" ? Precision::kBf16 : Precision::kAuto;
}

// Frames of the segments that a GPU renders together, prompts included: four of 10 s behind prompts
// of 15 s, and as many rows, of both guidance branches, as a flow takes at once.
constexpr int64_t kFramesTogether = 9216;

// The fastest format that the device has.
at::ScalarType auto_dtype(const std::string& device) {
  if (device == "cpu") return at::kFloat;
  for (const Device& there : list_devices()) {
    if (there.id != device) continue;
    if (there.compute_capability >= 80) return at::kBFloat16;
    if (there.compute_capability >= 75) return at::kHalf;
  }
  return at::kFloat;
}

at::ScalarType dtype_of(const ModelPlace& place) {
  if (place.precision == Precision::kAuto) return auto_dtype(place.device);
  if (place.precision == Precision::kFp16) return at::kHalf;
  return place.precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat;
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

std::shared_ptr<const SpeechModel> load_on(const LoadedModel& model, const ModelPlace& place,
                                           const std::shared_ptr<const ModelCheckpoints>& files,
                                           const StopToken& stop, const Tell& tell) {
  const at::ScalarType dtype = dtype_of(place);
  model.memory->begin(place.device);
  const std::string key = model.settings.model_dir + "|" + place.device + "|" +
                          std::to_string(static_cast<int>(dtype)) + "|" +
                          std::to_string(static_cast<int>(model.settings.kernels));
  return shared_networks().open(
      key,
      [files, config = model.config, device = place.device, dtype, kernels = model.settings.kernels,
       memory = model.memory](const StopToken& load_stop, const Tell& load_tell) {
        const DeviceScope scope(device);
        wait_for_stream(at::Device(torch_device(device)));
        memory->mark(device, "context");
        ByteCounter counter(files->bytes(), device, load_tell);
        auto loaded = std::make_shared<const SpeechModel>(
            *files, config,
            WeightsOptions{at::Device(torch_device(device)), dtype, load_stop, counter.on_bytes()},
            kernels == Kernels::kLibTorch ? nullptr : find_device_backend(device));
        wait_for_stream(at::Device(torch_device(device)));  // replicas use streams of their own
        memory->mark(device, "speech networks");
        return loaded;
      },
      stop, tell);
}

std::vector<ModelPlace> first_of_each_device(const std::vector<ModelPlace>& places) {
  std::vector<ModelPlace> firsts;
  for (const ModelPlace& place : places) {
    if (std::none_of(firsts.begin(), firsts.end(),
                     [&](const ModelPlace& one) { return one.device == place.device; })) {
      firsts.push_back(place);
    }
  }
  return firsts;
}

// Of `places`, those that are not there: as many as were lost on a device, or all of a device that
// has no replica. Throws Error{kSettings} when a device lacks none.
std::vector<ModelPlace> missing_places(const std::vector<ModelPlace>& places,
                                       const std::vector<ReplicaInfo>& replicas) {
  std::vector<ModelPlace> missing;
  for (const ModelPlace& place : first_of_each_device(places)) {
    const auto same = [&](const auto& one) { return one.device == place.device; };
    const auto count = [&](bool alive) {
      return std::count_if(replicas.begin(), replicas.end(), [&](const ReplicaInfo& replica) {
        return replica.name == place.device && replica.alive == alive;
      });
    };
    const auto lost = count(false);
    if (lost == 0 && count(true) > 0) {
      throw Error(ErrorCode::kSettings, "device \"" + place.device + "\" is loaded already");
    }
    const auto wanted = lost > 0 ? lost : std::count_if(places.begin(), places.end(), same);
    missing.insert(missing.end(), static_cast<size_t>(wanted), place);
  }
  return missing;
}

}  // namespace

at::ScalarType dtype_on(const ModelSettings& settings, const std::string& device) {
  for (const ModelPlace& place : settings.places) {
    if (place.device == device) return dtype_of(place);
  }
  return device == "cpu" ? at::kFloat : dtype_of({device, settings.precision});
}

std::vector<ModelPlace> settle_places(const std::vector<std::string>& words, int replicas,
                                      Precision precision) {
  const std::vector<Place> found = resolve_devices(words, replicas);
  const bool has_gpu = std::any_of(found.begin(), found.end(),
                                   [](const Place& place) { return place.device != "cpu"; });
  std::vector<ModelPlace> places;
  bool tf32 = false, fp32 = false;
  for (const Place& place : found) {
    const bool cpu = place.device == "cpu";
    const bool own = !place.precision.empty();
    Precision wanted = own ? precision_named(place.precision) : precision;
    if (cpu && !own && has_gpu) wanted = Precision::kFp32;
    const bool plain = wanted == Precision::kAuto || wanted == Precision::kFp32;
    if (cpu && !plain) {
      throw Error(ErrorCode::kSettings,
                  "precision: the CPU computes in fp32 only; set it to auto or fp32, or use a CUDA "
                  "device");
    }
    tf32 = tf32 || wanted == Precision::kTf32;
    fp32 = fp32 || (!cpu && plain);
    places.push_back({place.device, wanted});
  }
  if (tf32 && fp32) {
    throw Error(ErrorCode::kSettings,
                "precision: tf32 is a switch of the whole process, so it cannot be used beside "
                "fp32 on another GPU");
  }
  return places;
}

Networks load_networks(const LoadedModel& model, const std::vector<ModelPlace>& places,
                       const std::shared_ptr<const ModelCheckpoints>& files, const StopToken& stop,
                       const Tell& tell) {
  const std::vector<ModelPlace> devices = first_of_each_device(places);
  for (const ModelPlace& place : devices) {
    if (place.device != "cpu") allow_tf32(place.precision == Precision::kTf32);
  }
  std::mutex mutex;  // guards networks and error
  Networks networks;
  std::exception_ptr error;
  StopSource failed;
  const StopToken either(
      [stop, token = failed.token()] { return stop.stop_requested() || token.stop_requested(); });
  const auto load_one = [&](const ModelPlace& place) {
    try {
      auto loaded = load_on(model, place, files, either, tell);
      std::lock_guard<std::mutex> lock(mutex);
      networks[place.device] = std::move(loaded);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
      failed.request_stop();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < devices.size(); ++i) {
    try {
      threads.emplace_back(load_one, devices[i]);
    } catch (const std::system_error&) {
      load_one(devices[i]);  // no thread to be had: one after the other
    }
  }
  load_one(devices.front());
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
  return networks;
}

std::vector<SpeechPool::Plan> replica_plans(const LoadedModel& model,
                                            const std::vector<ModelPlace>& places,
                                            const Networks& networks) {
  std::vector<SpeechPool::Plan> plans;
  for (const ModelPlace& place : places) {
    const std::string& device = place.device;
    plans.emplace_back(
        device, [device, network = networks.at(device), clock = model.clock, memory = model.memory,
                 faults = model.faults, max_batch = model.settings.max_batch,
                 warmup = model.settings.warmup](const StopToken& closing) {
          SynthesizerOptions replica;
          replica.device = device;
          replica.max_batch = max_batch;
          replica.faults = faults;
          replica.mark_memory = [device, memory](const char* part) { memory->mark(device, part); };
          replica.enter_thread = [device](ReplicaThread thread) {
            // What is decoded now is heard first; rendering takes what decoding leaves of the
            // device.
            return std::make_shared<DeviceScope>(device, thread == ReplicaThread::kDecode
                                                             ? StreamPriority::kHigh
                                                             : StreamPriority::kNormal);
          };
          if (device != "cpu") {
            replica.frames_rendered_together = kFramesTogether;
            replica.latent_when_rendering = true;
            replica.warm_sizes = warmup;
          }
          auto synthesizer = std::make_unique<Synthesizer>(network, clock, std::move(replica));
          if (warmup) synthesizer->warm_up(closing);
          memory->mark(device, "first segment");
          return synthesizer;
        });
  }
  return plans;
}

void load_device(LoadedModel& model, const std::string& word, const StopToken& stop,
                 const Tell& tell) {
  const std::vector<ModelPlace> places = missing_places(
      settle_places({word}, model.settings.replicas_per_device, model.settings.precision),
      model.speakers->info());
  const std::vector<ModelPlace> devices = first_of_each_device(places);
  const auto files = std::make_shared<const ModelCheckpoints>(model.files);
  const Networks networks = load_networks(model, places, files, stop, tell);
  PoolOpenOptions options;
  options.stop = stop;
  options.on_ready = [&](size_t ready) {
    if (model.settings.warmup) tell({"warmup", places[ready - 1].device, ready, places.size()});
  };
  model.speakers->add(replica_plans(model, places, networks), options);
  for (const ModelPlace& place : devices) {
    DeviceEvent event;
    event.kind = DeviceEvent::Kind::kLoaded;
    event.device = place.device;
    event.left = static_cast<int>(model.speakers->size());
    model.events->tell(event);
  }
}

void unload_device(LoadedModel& model, const std::string& id) {
  model.speakers->remove(id);
  model.voices.leave(id);
  model.emotions->leave(id);
  free_cached_memory(id);  // what the voice worker still holds goes a moment later
  DeviceEvent event;
  event.kind = DeviceEvent::Kind::kUnloaded;
  event.device = id;
  event.left = static_cast<int>(model.speakers->size());
  model.events->tell(event);
}

}  // namespace indextts2
