// Loads what reads emotions from text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loaded_model.h"

namespace indextts2 {

// The reader of the model's folder, on the first of `devices`: in float16 on a GPU, as the
// reference has it, else in float32. It does not hold the model. Throws Error: kNotFound without
// the folder, kDeviceLost without a device, and as TextEmotion.
std::shared_ptr<EmotionReader> load_emotion_reader(const LoadedModel& model,
                                                   const std::vector<std::string>& devices,
                                                   const StopToken& stop);

}  // namespace indextts2
