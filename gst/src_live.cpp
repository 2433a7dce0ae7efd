// Buffers of live mode: paced by the clock, stamped with the running time.
#include <algorithm>

#include "audio_slicer.h"
#include "src_element.h"

namespace indextts2 {
namespace {

constexpr GstClockTime kClockJump = GST_SECOND;  // further ahead of the clock: it was set back

// The streaming thread was held up for so long that speech comes later than it was told.
void tell_late(GstBaseSrc* source, Element& e, GstClockTime wanted, GstClockTime now) {
  ++e.late_jumps;
  GstMessage* const message =
      gst_message_new_qos(GST_OBJECT(source), /*live=*/TRUE, wanted, wanted, wanted, now - wanted);
  gst_message_set_qos_values(message, static_cast<gint64>(now - wanted), 1.0, 1000000);
  gst_message_set_qos_stats(message, GST_FORMAT_DEFAULT, e.live.stats().samples, 0);
  gst_element_post_message(GST_ELEMENT(source), message);
}

// One buffer ahead of the clock, so that it arrives in time and a cancelled word is heard for two
// buffers at most.
LiveClock::Wait await_time(GstBaseSrc* source, Element& e, uint64_t limit, bool* moved,
                           std::vector<Notice>* notices) {
  const GstClockTime step = time_of_sample(limit);
  GstClockTime now, until = 0;
  for (;;) {
    const LiveClock::Wait answer = e.clock.wait(until, &now);
    if (answer != LiveClock::Wait::kReached) return answer;
    const GstClockTime next = time_of_sample(e.live.position());
    const bool late = e.live_resync ? next < now : next + 2 * step < now;
    if (late && !e.live_resync) tell_late(source, e, next, now);
    if (late || next > now + step + kClockJump) {
      e.live.move_to(sample_at(now), notices);
      *moved = true;
    }
    const GstClockTime begin = time_of_sample(e.live.position());
    until = begin > step ? begin - step : 0;
    if (now >= until) return answer;
  }
}

// Idle time without a buffer. The first one is always sent: it brings caps and segment.
bool pass_idle(GstBaseSrc* source, Element& e, const Chunk& chunk) {
  if (!e.live_begun || e.live_idle == IdleMode::kSilence) return false;
  if (e.live_idle == IdleMode::kGap) {
    const GstClockTime begin = time_of_sample(chunk.first_sample);
    GstEvent* const gap =
        gst_event_new_gap(begin, time_of_sample(chunk.first_sample + chunk.count) - begin);
    gst_pad_push_event(GST_BASE_SRC_PAD(source), gap);
  }
  return true;
}

}  // namespace

GstFlowReturn create_live(GstBaseSrc* source, Element& e, GstBuffer** buffer,
                          std::vector<Notice>* notices) {
  const uint64_t limit = e.chunk_samples;
  for (;;) {
    bool moved = false;
    switch (await_time(source, e, limit, &moved, notices)) {
      case LiveClock::Wait::kFlushing:
        return GST_FLOW_FLUSHING;
      case LiveClock::Wait::kPaused: {
        e.live_resync = true;
        if (!e.clock.wait_playing()) return GST_FLOW_FLUSHING;
        continue;
      }
      case LiveClock::Wait::kReached:
        break;
    }
    e.live_discont = e.live_discont || moved || e.live_resync;
    e.live_resync = false;
    Chunk chunk;
    const SpeechFlow::Pull pulled = e.live.pull(limit, &chunk, notices);
    post_notices(source, e, *notices);
    notices->clear();
    if (pulled == SpeechFlow::Pull::kFlushing) return GST_FLOW_FLUSHING;
    if (pulled == SpeechFlow::Pull::kEnd) return GST_FLOW_EOS;
    if (pulled == SpeechFlow::Pull::kNotices) continue;
    if (pulled == SpeechFlow::Pull::kIdle && pass_idle(source, e, chunk)) {
      e.live_discont = true;
      continue;
    }
    *buffer = make_buffer(chunk, e.copy_info().finfo->format);
    if (e.live_discont) GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DISCONT);
    e.live_discont = false;
    e.live_begun = true;
    return GST_FLOW_OK;
  }
}

void start_live(Element& e, const Settings& settings) {
  e.live_begun = false;
  e.live_resync = true;
  e.live_discont = false;
  e.live_idle = settings.idle_mode == IdleMode::kAuto ? IdleMode::kSilence : settings.idle_mode;
  if (settings.buffer_duration_ns == 0) e.chunk_samples = samples_in(20 * GST_MSECOND);
}

}  // namespace indextts2
