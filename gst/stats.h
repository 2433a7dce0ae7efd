// The read-only properties: `stats` and `available-devices`.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "settings.h"
#include "speech_flow.h"

namespace indextts2 {

// "indextts2/stats": totals, `devices` (array of structures, one per replica) and `generation`
// (values in force for the next text). Never waits for speech.
GstStructure* make_stats(const StreamStats& stream, const Settings& settings);

// What the property `state` says.
enum class FlowState { kStopped, kLoading, kIdle, kSpeaking, kEnded };
FlowState flow_state(const StreamStats& stats);
GType flow_state_type();

// One line per device: id, name, total MiB, free MiB.
std::string describe_devices(const std::vector<DeviceInfo>& devices);

}  // namespace indextts2
