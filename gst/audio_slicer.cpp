// Samples to buffers.
#include "audio_slicer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "indextts2/engine.h"
#include "speech_meta.h"

namespace indextts2 {
namespace {

void write_f32(const float* samples, size_t count, guint8* out) {
  for (size_t i = 0; i < count; ++i) {
    GST_WRITE_FLOAT_LE(out + 4 * i, samples[i]);
  }
}

void write_s16(const float* samples, size_t count, guint8* out) {
  for (size_t i = 0; i < count; ++i) {
    float clamped = std::max(-1.0f, std::min(1.0f, samples[i]));
    GST_WRITE_UINT16_LE(out + 2 * i, static_cast<guint16>(std::lrint(32767.0f * clamped)));
  }
}

}  // namespace

GstClockTime time_of_sample(uint64_t sample) {
  return gst_util_uint64_scale(sample, GST_SECOND, kSampleRateHz);
}

uint64_t sample_at(GstClockTime time) {
  return gst_util_uint64_scale_ceil(time, kSampleRateHz, GST_SECOND);
}

GstBuffer* make_buffer(const Chunk& chunk, GstAudioFormat format) {
  const size_t width = format == GST_AUDIO_FORMAT_S16LE ? 2 : 4;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, chunk.count * width, nullptr);
  GstMapInfo map;
  if (!buffer || !gst_buffer_map(buffer, &map, GST_MAP_WRITE)) {
    gst_clear_buffer(&buffer);
    throw Error(ErrorCode::kNoMemory, "Out of memory for an audio buffer of " +
                                          std::to_string(chunk.count * width) + " bytes.");
  }
  const float* samples = chunk.samples ? chunk.samples->data() + chunk.offset : nullptr;
  std::vector<float> faded;
  if (samples && chunk.gain_step != 0.0f) {
    faded.assign(samples, samples + chunk.count);
    for (size_t i = 0; i < faded.size(); ++i) {
      faded[i] *= chunk.gain + chunk.gain_step * static_cast<float>(i);
    }
    samples = faded.data();
  }
  if (!samples) {
    std::memset(map.data, 0, map.size);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
  } else if (width == 2) {
    write_s16(samples, chunk.count, map.data);
  } else {
    write_f32(samples, chunk.count, map.data);
  }
  gst_buffer_unmap(buffer, &map);
  GST_BUFFER_OFFSET(buffer) = chunk.first_sample;
  GST_BUFFER_OFFSET_END(buffer) = chunk.first_sample + chunk.count;
  GST_BUFFER_PTS(buffer) = time_of_sample(chunk.first_sample);
  GST_BUFFER_DURATION(buffer) =
      time_of_sample(chunk.first_sample + chunk.count) - GST_BUFFER_PTS(buffer);
  if (chunk.info) add_speech_meta(buffer, *chunk.info, chunk.offset, chunk.count);
  return buffer;
}

}  // namespace indextts2
