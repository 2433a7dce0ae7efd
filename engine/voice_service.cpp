// The voice worker and its moves.
#include "voice_service.h"

#include <algorithm>

#include "audio/clip.h"
#include "pool/device.h"
#include "stages/failure.h"
#include "stages/stream_handover.h"

namespace indextts2 {
namespace {

MonoClip clip_of(const Clip& clip, double max_seconds) {
  if (clip.samples.empty()) return read_clip(clip.path, max_seconds);
  return {"voice samples", clip.samples, clip.sample_rate_hz};
}

// A made-up clip through all networks: the first run of a network is slow.
void warm_up(const VoiceEncoder& encoder, const StopToken& stop) {
  constexpr int kRateHz = 22050, kSeconds = 15;
  MonoClip clip{"a made-up voice", std::vector<float>(size_t{kSeconds} * kRateHz), kRateHz};
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    clip.samples[i] = static_cast<float>(i % 150) / 300 - 0.25f;
  }
  EncodeOptions options;
  options.stop = stop;
  try {
    encoder.encode(clip, nullptr, options);
  } catch (const Error& error) {
    if (error.code != ErrorCode::kSynthesis) throw;  // no voice is no reason not to start
  }
}

}  // namespace

VoiceDraft VoiceWorker::begin(const VoiceRequest& request, const StopToken& stop) const {
  const VoiceOptions& options = request.options;
  const bool has_emotion = !options.emotion.samples.empty() || !options.emotion.path.empty();
  MonoClip speaker, emotion;
  {
    const StageTimer timer(*clock_, "clip");
    speaker = clip_of(options.speaker, options.max_prompt_seconds);
    if (has_emotion) emotion = clip_of(options.emotion, options.max_prompt_seconds);
  }
  const StageTimer timer(*clock_, "voice");
  EncodeOptions encode;
  encode.max_seconds = options.max_prompt_seconds;
  encode.stop = stop;
  encode.progress = request.progress;
  return encoder_->begin(speaker, has_emotion ? &emotion : nullptr, encode);
}

// The rest is computed while the voice is spoken with already. It is nobody's job: what goes wrong
// with it, the voice's users learn. Throws what breaks the device.
void VoiceWorker::finish(VoiceDraft draft, const std::shared_ptr<VoiceParts>& voice) const {
  const StageTimer timer(*clock_, "voice, late");
  EncodeOptions encode;
  encode.stop = StopToken([closing = closing_, users = std::weak_ptr<const VoiceParts>(voice)] {
    return closing.stop_requested() || users.use_count() <= 1;  // the one here
  });
  try {
    voice->complete(encoder_->finish(std::move(draft), encode));
  } catch (...) {
    const std::exception_ptr failure = as_error(std::current_exception());
    voice->fail(failure);
    if (breaks_device(failure)) std::rethrow_exception(failure);
  }
}

void VoiceWorker::encode(VoiceJob& job) const {
  VoiceDraft draft;
  std::shared_ptr<VoiceParts> voice;
  try {
    draft = begin(job.request, job.stop());
    voice = std::make_shared<VoiceParts>(std::move(draft.voice), draft.prompt_frames);
  } catch (...) {
    const std::exception_ptr failure = as_error(std::current_exception());
    if (breaks_device(failure)) std::rethrow_exception(failure);  // the next voice starts anew
    job.fail(failure);
    return;
  }
  if (job.deliver(voice, /*units=*/0)) finish(std::move(draft), voice);
}

void VoiceWorker::serve(JobQueue<VoiceJob>& queue) {
  const DeviceScope scope(device_);
  while (const std::shared_ptr<VoiceJob> job = queue.pop()) encode(*job);
}

std::shared_ptr<VoicePool> VoiceService::start(const std::string& device, const StopToken& stop,
                                               std::vector<UnusedTensors>* unused) const {
  PoolOpenOptions options;
  options.stop = stop;
  // What the factory needs is copied: a load that is given up returns while it may still run.
  const auto left = std::make_shared<std::vector<UnusedTensors>>();
  const auto files = std::make_shared<const ModelCheckpoints>(parts_.files);
  const VoicePool::Plan plan(device, [device, files, config = parts_.config, clock = parts_.clock,
                                      dtype = parts_.dtype_on(device), mark = parts_.mark_memory,
                                      warmup = parts_.warmup, left](const StopToken& closing) {
    const DeviceScope scope(device);
    free_cached_memory(device);  // so that what is idle there and what comes need not fit together
    std::shared_ptr<const VoiceEncoder> encoder = load_voice_encoder(
        *files, config, WeightsOptions{at::Device(torch_device(device)), dtype, closing, {}});
    wait_for_stream(at::Device(torch_device(device)));  // it works on another stream
    *left = encoder->unused();
    free_cached_memory(device);  // what loading needed
    mark(device, "voice networks");
    if (warmup && device != "cpu") warm_up(*encoder, closing);
    mark(device, "voice warm-up");
    return std::make_unique<VoiceWorker>(std::move(encoder), clock, device, closing);
  });
  auto pool = VoicePool::open({plan}, options);
  *unused = *left;
  return pool;
}

std::vector<UnusedTensors> VoiceService::open(const std::string& device, const StopToken& stop) {
  std::vector<UnusedTensors> unused;
  auto pool = start(device, stop, &unused);
  std::lock_guard<std::mutex> lock(mutex_);
  device_ = device;
  pool_ = std::move(pool);
  return unused;
}

std::shared_ptr<VoicePool> VoiceService::on_one_of(const std::vector<std::string>& devices,
                                                   const StopToken& stop) {
  std::lock_guard<std::mutex> one_at_a_time(moving_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool there = std::find(devices.begin(), devices.end(), device_) != devices.end();
    if (pool_ && pool_->size() > 0 && (there || devices.empty())) return pool_;
  }
  if (devices.empty()) {
    throw Error(ErrorCode::kDeviceLost, "no device is left to encode the voice on");
  }
  open(devices.front(), stop);
  std::lock_guard<std::mutex> lock(mutex_);
  return pool_;
}

void VoiceService::leave(const std::string& device) {
  std::shared_ptr<VoicePool> left;  // goes without the lock
  std::lock_guard<std::mutex> lock(mutex_);
  if (device_ == device) left.swap(pool_);
}

}  // namespace indextts2
