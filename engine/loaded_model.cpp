// Loading of a model.
#include "loaded_model.h"

#include <algorithm>
#include <utility>

#include "device_loads.h"
#include "ops/runtime.h"
#include "pool/dead_devices.h"
#include "pool/device.h"
#include "stages/failure.h"
#include "trace_log.h"

namespace indextts2 {
namespace {

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

std::vector<std::string> warnings_of(const SpeechModel& network,
                                     const std::vector<UnusedTensors>& voice_unused) {
  std::vector<std::string> warnings;
  for (const UnusedTensors& unused : unused_by_both(network.unused, voice_unused)) {
    warnings.push_back(unused_warning(unused));
  }
  return warnings;
}

std::string message_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(as_error(thrown));
  } catch (const Error& error) {
    return error.what();
  }
}

void tell_lost(const DeviceEvents& events, const LostReplica& lost) {
  DeviceEvent event;
  event.device = lost.name;
  event.left = static_cast<int>(lost.left);
  try {
    std::rethrow_exception(as_error(lost.error));
  } catch (const Error& error) {
    event.message = error.what();
    event.detail = error.detail;
    // No call on such a device succeeds any more. One that hangs may come back.
    if (error.code == ErrorCode::kDeviceLost && !lost.stalled) mark_device_dead(lost.name);
  }
  events.tell(event);
}

PoolHooks hooks_of(const LoadedModel& model) {
  std::shared_ptr<TraceLog> trace;
  if (!model.settings.trace_path.empty()) {
    trace = std::make_shared<TraceLog>(model.settings.trace_path, memory_used);
  }
  PoolHooks hooks;
  hooks.stall_seconds = model.settings.stall_seconds;
  hooks.on_lost = [events = model.events, trace](const LostReplica& lost) {
    if (trace) trace->write_lost(lost.name, message_of(lost.error));
    tell_lost(*events, lost);
  };
  if (trace) hooks.on_ended = [trace](const JobRecord& record) { trace->write(record); };
  return hooks;
}

}  // namespace

std::string ModelSettings::key() const {
  std::string text = model_dir + "|" + data_dir + "|" + hub_cache;
  for (const ModelPlace& place : places) {
    text += "|" + place.device + "@" + std::to_string(static_cast<int>(place.precision));
  }
  for (const int number : {static_cast<int>(precision), static_cast<int>(kernels), threads,
                           max_batch, replicas_per_device, int{warmup}}) {
    text += "|" + std::to_string(number);
  }
  return text + "|" + std::to_string(stall_seconds) + "|" + inject_faults;
}

std::shared_ptr<LoadedModel> load_model(const ModelSettings& settings, const StopToken& stop,
                                        const Tell& tell) {
  auto model = std::make_shared<LoadedModel>();
  model->settings = settings;
  model->files = find_model_files(settings.model_dir, settings.hub_cache);
  model->config = read_model_config(model->files);
  model->front = std::make_shared<const FrontEnd>(model->files.bpe_model, settings.data_dir);
  model->clock = std::make_shared<StageClock>();
  model->memory = std::make_shared<MemoryMarks>(memory_used);
  model->info = describe(*model);
  model->events = std::make_shared<DeviceEvents>();
  if (!settings.inject_faults.empty()) {
    model->faults = std::make_shared<const FaultPlan>(settings.inject_faults);
  }
  if (settings.threads > 0) set_cpu_threads(settings.threads);

  const auto checkpoints = std::make_shared<const ModelCheckpoints>(model->files);
  const Networks networks = load_networks(*model, settings.places, checkpoints, stop, tell);
  model->voices.set_parts(
      {model->files, model->config, model->clock,
       [settings](const std::string& device) { return dtype_on(settings, device); },
       [memory = model->memory](const std::string& device, const char* part) {
         memory->mark(device, part);
       },
       settings.warmup});
  const uint64_t total = settings.places.size();
  PoolOpenOptions options;
  options.stop = stop;
  options.on_ready = [&](size_t ready) {
    if (settings.warmup) tell({"warmup", settings.places[ready - 1].device, ready, total});
  };
  options.hooks = hooks_of(*model);
  model->speakers = SpeechPool::open(replica_plans(*model, settings.places, networks), options);
  // Last, as it gives back what the device keeps for later: what only the replicas' warm-up needed.
  const std::vector<UnusedTensors> voice_unused =
      model->voices.open(settings.places.front().device, stop);
  model->info.warnings = warnings_of(*networks.begin()->second, voice_unused);
  if (settings.warmup) model->front->load(Language::kEnglish);  // no first text has to wait for it
  return model;
}

}  // namespace indextts2
