// The emotion model on its device.
#include "emotion_reader.h"

#include <exception>
#include <utility>

#include "pool/device.h"
#include "stages/failure.h"
#include "stages/stream_handover.h"
#include "stages/text_emotion.h"

namespace indextts2 {
namespace {

// What `work` gives on `device`, with the emotion model in `folder`. Throws emotion_failure().
template <typename Work>
auto run_on(const std::string& device, const std::string& folder, const Work& work) {
  try {
    const DeviceScope scope(device);
    return work(at::Device(torch_device(device)));
  } catch (...) {
    std::rethrow_exception(emotion_failure(std::current_exception(), folder, device));
  }
}

}  // namespace

std::shared_ptr<EmotionReader> load_emotion_reader(const LoadedModel& model,
                                                   const std::vector<std::string>& devices,
                                                   const StopToken& stop) {
  const EmotionModelFiles files =
      find_emotion_model(model.settings.model_dir, model.config.files.qwen_emo_path);
  if (devices.empty()) {
    throw Error(ErrorCode::kDeviceLost,
                "emotion model " + files.folder +
                    ": expected a device to read the emotion of a text on, got none, all are gone; "
                    "load one again");
  }
  auto reader = std::make_shared<EmotionReader>();
  reader->device = devices.front();
  model.memory->mark(reader->device, "since");  // what speaking took up to here is not its own
  const auto emotion = run_on(reader->device, files.folder, [&](at::Device device) {
    const at::ScalarType dtype = device.is_cpu() ? at::kFloat : at::kHalf;
    auto made = std::make_shared<const TextEmotion>(files, WeightsOptions{device, dtype, stop, {}});
    wait_for_stream(device);  // it works on another stream
    return made;
  });
  model.memory->mark(reader->device, "emotion from text");
  reader->read = [emotion, clock = model.clock, device = reader->device, folder = files.folder](
                     const std::string& text, const StopToken& read_stop) {
    const StageTimer timer(*clock, "emotion from text");
    return run_on(device, folder, [&](at::Device) { return emotion->read(text, read_stop); });
  };
  return reader;
}

}  // namespace indextts2
