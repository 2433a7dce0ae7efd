// The sound: equal bytes on any number of replicas, formats, timestamps, gaps, memory (traps 17 and
// 18).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

constexpr char kS16[] = "audio/x-raw, format=S16LE";
constexpr char kText[] =
    "A first piece. Here is the second, longer piece. Third! Fourth? The fifth.";

std::vector<char> spoken(const Properties& properties, const char* caps = nullptr) {
  Player p(properties, caps);
  fail_unless(p.play());
  return p.bytes();
}

}  // namespace

// Replicas, window, schedule and speed change nothing in the sound.
CASE(same_bytes_on_any_replicas) {
  const std::vector<char> one =
      spoken({{"model-path", "tone:"}, {"devices", "cpu"}, {"text", kText}, {"seed", "5"}});
  fail_unless(!one.empty());
  for (const char* devices : {"cpu", "cpu:3", "tone:0,tone:1,tone:2"}) {
    for (const char* prefetch : {"0", "1", "7", "100"}) {
      for (const char* schedule : {"round-robin", "least-work"}) {
        fail_unless(spoken({{"model-path", "tone:jitter_ms=10"},
                            {"devices", devices},
                            {"prefetch", prefetch},
                            {"schedule", schedule},
                            {"text", kText},
                            {"seed", "5"}}) == one,
                    "%s, prefetch %s, %s", devices, prefetch, schedule);
      }
    }
  }
  fail_if(spoken({{"model-path", "tone:"}, {"text", kText}, {"seed", "6"}}) == one);
}

// Also with many short lines from the pad.
CASE(same_bytes_from_the_pad) {
  std::vector<char> first;
  for (const char* devices : {"cpu", "cpu:3"}) {
    Player p({{"model-path", "tone:jitter_ms=5"}, {"devices", devices}, {"seed", "5"}});
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    for (int i = 0; i < 50; ++i) feeder.push("Line number " + std::to_string(i) + ".\n");
    feeder.end();
    fail_unless(p.wait_end());
    if (first.empty()) first = p.bytes();
    fail_unless(p.bytes() == first);
  }
}

CASE(s16_is_rounded_f32) {
  const Properties properties = {{"model-path", "tone:"}, {"text", kText}, {"seed", "5"}};
  Player p(properties);
  fail_unless(p.play());
  const std::vector<float> floats = p.floats();
  const std::vector<char> bytes = spoken(properties, kS16);
  fail_unless_equals_uint64(bytes.size(), 2 * floats.size());
  const auto* shorts = reinterpret_cast<const gint16*>(bytes.data());
  for (size_t i = 0; i < floats.size(); ++i) {
    fail_unless_equals_int(shorts[i], static_cast<int>(std::lrint(32767.0f * floats[i])));
  }
}

// Silence of segment-gap between any two segments, of one text or of two, with the GAP flag; none
// at the ends.
CASE(segment_gap) {
  for (guint64 gap_ms : {0, 1, 200, 1000}) {
    Player p({{"model-path", "tone:"},
              {"seed", "1"},
              {"buffer-duration", "0"},
              {"segment-gap", std::to_string(gap_ms * GST_MSECOND)},
              {"text", "One here. Two here."}});
    fail_unless(p.go_to(GST_STATE_PAUSED));
    p.set("text", "Three here.");
    fail_unless(p.play());
    const guint64 gap = gst_util_uint64_scale_round(gap_ms, 22050, 1000);
    guint64 silent = 0, sounding = 0;
    for (const Piece& piece : p.pieces()) {
      (piece.gap ? silent : sounding) += piece.offset_end - piece.offset;
    }
    fail_unless_equals_uint64(silent, 2 * gap);
    fail_unless_equals_uint64(sounding, 220 * (9 + 9 + 11));
    fail_if(p.pieces().front().gap);
    fail_if(p.pieces().back().gap);
    // buffer-duration=0: one buffer for each segment, and one for each gap.
    fail_unless_equals_int(static_cast<int>(p.pieces().size()), gap_ms ? 5 : 3);
  }
}

CASE(buffer_duration) {
  for (guint64 ms : {1, 20, 100, 1000}) {
    Player p({{"model-path", "tone:"},
              {"seed", "1"},
              {"text", "Some longer text to be spoken here."},
              {"buffer-duration", std::to_string(ms * GST_MSECOND)}});
    fail_unless(p.play());
    const guint64 size = gst_util_uint64_scale_round(ms, 22050, 1000);
    auto pieces = p.pieces();
    for (size_t i = 0; i + 1 < pieces.size(); ++i) {
      fail_unless_equals_uint64(pieces[i].offset_end - pieces[i].offset, size);
    }
    if (ms == 20) fail_unless_equals_uint64(pieces[0].duration, 20 * GST_MSECOND);
  }
}

// The buffers own their memory: they outlive the session, the engine and the element.
CASE(trap_17_buffers_outlive_the_element) {
  static std::vector<GstBuffer*> kept;
  {
    Player p({{"model-path", "tone:"}, {"text", kText}, {"seed", "5"}, {"buffer-duration", "0"}});
    GstPad* pad = gst_element_get_static_pad(p.sink(), "sink");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer) {
          kept.push_back(gst_buffer_ref(GST_PAD_PROBE_INFO_BUFFER(info)));
          return GST_PAD_PROBE_OK;
        },
        nullptr, nullptr);
    gst_object_unref(pad);
    fail_unless(p.play());
  }
  fail_unless(tone_all_gone());
  std::vector<char> bytes;
  for (GstBuffer* buffer : kept) {
    GstMapInfo map;
    fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
    bytes.insert(bytes.end(), map.data, map.data + map.size);
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
  }
  fail_unless(bytes == spoken({{"model-path", "tone:"}, {"text", kText}, {"seed", "5"}}));
}

// An hour of speech: no timestamp is a sum of rounded durations.
CASE(trap_18_timestamps_do_not_drift) {
  std::string text;
  for (int i = 0; i < 180; ++i)
    text += "Twenty seconds of speech, number " + std::to_string(1000 + i) + ". ";
  Player p({{"model-path", "tone:samples_per_byte=12000"}, {"text", text}}, kS16);
  p.keep_no_bytes();
  fail_unless(p.go_to(GST_STATE_PLAYING));
  fail_unless(p.wait_end());
  auto pieces = p.pieces();
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    fail_unless_equals_uint64(pieces[i + 1].pts, pieces[i].pts + pieces[i].duration);
    fail_unless_equals_uint64(pieces[i + 1].offset, pieces[i].offset_end);
  }
  const guint64 samples = pieces.back().offset_end;
  fail_unless(samples > 3600 * guint64{22050});
  fail_unless_equals_uint64(pieces.back().pts + pieces.back().duration,
                            gst_util_uint64_scale(samples, GST_SECOND, 22050));
}

RUN_CASES("sound")
