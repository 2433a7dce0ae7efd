// Counters of the replicas and the devices below them.
#include "model_stats.h"

#include <map>
#include <string>
#include <utility>

#include "pool/device.h"

namespace indextts2 {

Stats stats_of(const LoadedModel& model) {
  Stats stats;
  std::map<std::string, int> seen;
  for (const auto& [place, replica, alive] : model.speakers->info()) {
    DeviceStats device;
    const int number = seen[place]++;
    device.device = number == 0 ? place : place + "#" + std::to_string(number);
    device.segments = replica.done;
    device.audio_seconds = replica.units;
    device.busy_seconds = replica.busy_seconds;
    device.rtf = replica.units > 0 ? replica.busy_seconds / replica.units : 0;
    device.queued = replica.queued;
    device.lost = !alive;
    device.codes = static_cast<uint64_t>(replica.codes);
    device.codes_per_second = replica.busy_seconds > 0 ? replica.codes / replica.busy_seconds : 0;
    device.busy_share = replica.open_seconds > 0 ? replica.busy_seconds / replica.open_seconds : 0;
    device.memory_used_bytes = memory_used(place);
    device.memory_idle_bytes = memory_idle(place);
    stats.segments += device.segments;
    stats.audio_seconds += device.audio_seconds;
    stats.busy_seconds += device.busy_seconds;
    stats.devices.push_back(std::move(device));
  }
  stats.stage_seconds = model.clock->seconds();
  stats.memory_parts = model.memory->parts();
  return stats;
}

}  // namespace indextts2
