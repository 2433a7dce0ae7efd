// What both kinds of stream share.
#include "speech_flow.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace indextts2 {

std::string engine_key(const EngineOptions& options) {
  std::string key = options.model_dir + '\n';
  for (const std::string& device : options.devices) key += device + ',';
  for (int value : {options.replicas_per_device, static_cast<int>(options.precision),
                    options.threads, static_cast<int>(options.share_pool)}) {
    key += '\n' + std::to_string(value);
  }
  return key;
}

bool has_no_device(const std::shared_ptr<Engine>& engine) {
  if (!engine) return false;
  const std::vector<DeviceStats> devices = engine->stats().devices;
  return std::all_of(devices.begin(), devices.end(),
                     [](const DeviceStats& device) { return device.lost; });
}

FlowSettings flow_settings(const Settings& settings) {
  FlowSettings flow;
  flow.max_text_bytes = settings.max_text_bytes;
  flow.max_utterances = settings.max_utterances;
  flow.skip_errors = settings.on_error == OnError::kSkip;
  flow.keep_alive = settings.keep_alive;
  flow.lead_samples = samples_in(settings.lead_time_ns);
  flow.fade_samples = samples_in(settings.fade_out_ns);
  if (settings.max_lateness_ns >= 0) {
    flow.max_late_samples = samples_in(static_cast<guint64>(settings.max_lateness_ns));
  }
  flow.schedule = settings.schedule;
  return flow;
}

bool refuse_too_long(size_t most, Utterance* utterance) {
  const size_t bytes = utterance->text.size();
  if (most == 0 || bytes <= most) return false;
  utterance->error = Error(ErrorCode::kTextTooLong,
                           "A text of " + std::to_string(bytes) +
                               " bytes is above the limit max-text-bytes=" + std::to_string(most) +
                               "; raise it or cut the text.");
  utterance->text.clear();
  return true;
}

SpeechFlow::Accepted accept_all(SpeechFlow* flow, std::vector<Utterance> parts, uint64_t* id,
                                std::vector<Notice>* notices) {
  *id = 0;
  for (Utterance& part : parts) {
    part.first_id = *id;
    uint64_t own = 0;
    const SpeechFlow::Accepted accepted =
        flow->accept(std::move(part), /*may_wait=*/false, &own, notices);
    if (accepted != SpeechFlow::Accepted::kYes) {
      if (*id > 0) flow->cancel(*id, notices);
      return accepted;
    }
    if (*id == 0) *id = own;
  }
  return SpeechFlow::Accepted::kYes;
}

Error capped_error(uint64_t id, int segment) {
  Error error(ErrorCode::kSynthesis,
              "Segment " + std::to_string(segment) + " of text " + std::to_string(id) +
                  " was cut at max-mel-tokens; shorten max-segment-tokens or raise it.");
  error.text_id = id;
  error.segment = segment;
  return error;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace indextts2
