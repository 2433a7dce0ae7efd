// Counters of a loaded model as the public Stats.
#pragma once

#include "indextts2/engine.h"
#include "loaded_model.h"

namespace indextts2 {

// One entry per replica; those of one device are told apart as "cpu", "cpu#1".
Stats stats_of(const LoadedModel& model);

}  // namespace indextts2
