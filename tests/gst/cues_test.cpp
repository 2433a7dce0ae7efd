// Subtitles as cues: when they are spoken, and what becomes of those that take too long.
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "alive.h"
#include "case.h"
#include "player.h"

using namespace player;

namespace {

struct Spoken {
  GstClockTime start = GST_CLOCK_TIME_NONE, end = 0;
};

struct Heard {
  std::map<guint64, Spoken> cues;
  std::vector<float> samples;
};

struct SrtCue {
  int start_ms, end_ms;
  std::string text;
};

std::string time_text(int ms, char point) {
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d%c%03d", ms / 3600000, ms / 60000 % 60,
                ms / 1000 % 60, point, ms % 1000);
  return text;
}

std::string srt(const std::vector<SrtCue>& cues) {
  std::string text;
  int number = 0;
  for (const SrtCue& cue : cues) {
    text += std::to_string(++number) + "\n" + time_text(cue.start_ms, ',') + " --> " +
            time_text(cue.end_ms, ',') + "\n" + cue.text + "\n\n";
  }
  return text;
}

GstPadProbeReturn hear(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* heard = static_cast<Heard*>(data);
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const size_t old = heard->samples.size();
  heard->samples.resize(old + gst_buffer_get_size(buffer) / sizeof(float));
  gst_buffer_extract(buffer, 0, heard->samples.data() + old, gst_buffer_get_size(buffer));
  GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstIndexTTS2Meta");
  if (!meta) return GST_PAD_PROBE_OK;
  guint64 id = 0;
  gst_structure_get_uint64(gst_custom_meta_get_structure(meta), "id", &id);
  Spoken& spoken = heard->cues[id];
  spoken.start = std::min(spoken.start, GST_BUFFER_PTS(buffer));
  spoken.end = std::max(spoken.end, GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer));
  return GST_PAD_PROBE_OK;
}

Heard speak(const std::string& file, const std::string& bytes, const std::string& properties) {
  const std::string path = write_file(file, bytes);
  const std::string line = "filesrc location=" + path +
                           " ! subparse ! indextts2src name=tts model-path=tone: seed=1 " +
                           properties + " ! audio/x-raw,format=F32LE ! fakesink sync=false";
  GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
  fail_unless(pipeline != nullptr, "%s", line.c_str());
  Heard heard;
  GstElement* tts = gst_bin_get_by_name(GST_BIN(pipeline), "tts");
  GstPad* pad = gst_element_get_static_pad(tts, "src");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, hear, &heard, nullptr);
  gst_object_unref(pad);
  gst_object_unref(tts);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message =
      gst_bus_timed_pop_filtered(bus, kPatienceSeconds * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, "no EOS");
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return heard;
}

// Of the tone engine: 220 samples for each letter.
GstClockTime length(size_t letters) {
  return gst_util_uint64_scale(220 * letters, GST_SECOND, 22050);
}

void check_time(GstClockTime got, GstClockTime wanted) {
  fail_unless(got + GST_MSECOND >= wanted && got <= wanted + GST_MSECOND,
              "%" GST_TIME_FORMAT " instead of %" GST_TIME_FORMAT, GST_TIME_ARGS(got),
              GST_TIME_ARGS(wanted));
}

const std::string kLong = std::string(100, 'a') + ".";  // 1.008 s
const std::vector<SrtCue> kTight = {{1000, 1500, kLong}, {1600, 2500, "Short one here."}};

}  // namespace

// Also the first one, and with one buffer for each segment.
CASE(cues_start_at_their_times) {
  const std::vector<SrtCue> cues = {
      {500, 1500, "One."}, {2000, 3000, "Two and three."}, {7250, 9000, "Four. Five."}};
  for (const char* properties : {"", "timing=cue", "buffer-duration=0", "overflow=compress"}) {
    Heard heard = speak("times.srt", srt(cues), properties);
    fail_unless_equals_int(static_cast<int>(heard.cues.size()), 3);
    check_time(heard.cues[1].start, 500 * GST_MSECOND);
    check_time(heard.cues[2].start, 2000 * GST_MSECOND);
    check_time(heard.cues[3].start, 7250 * GST_MSECOND);
    check_time(heard.cues[2].end, 2000 * GST_MSECOND + length(14));
  }
}

CASE(webvtt_cues) {
  const std::string vtt = "WEBVTT\n\n" + time_text(1000, '.') + " --> " + time_text(2000, '.') +
                          "\nOne here.\n\n" + time_text(4000, '.') + " --> " +
                          time_text(5000, '.') + "\nTwo here.\n\n";
  Heard heard = speak("cues.vtt", vtt, "");
  check_time(heard.cues[1].start, GST_SECOND);
  check_time(heard.cues[2].start, 4 * GST_SECOND);
}

CASE(asap_ignores_the_times) {
  Heard heard = speak("asap.srt", srt(kTight), "timing=asap segment-gap=0");
  check_time(heard.cues[1].start, 0);
  check_time(heard.cues[2].start, length(101));
}

// No word is lost, the next cue begins later.
CASE(overflow_shift) {
  Heard heard = speak("shift.srt", srt(kTight), "overflow=shift");
  check_time(heard.cues[1].start, GST_SECOND);
  check_time(heard.cues[1].end, GST_SECOND + length(101));
  check_time(heard.cues[2].start, GST_SECOND + length(101));
  check_time(heard.cues[2].end, GST_SECOND + length(101 + 15));
}

// Cut at the end of the cue, with a fade; the next one is on time.
CASE(overflow_clip) {
  Heard heard = speak("clip.srt", srt(kTight), "overflow=clip");
  check_time(heard.cues[1].end, 1500 * GST_MSECOND);
  check_time(heard.cues[2].start, 1600 * GST_MSECOND);
  const size_t end = 22050 * 3 / 2;
  fail_unless(std::fabs(heard.samples[end - 1]) < 0.02f);
  fail_unless(std::fabs(heard.samples[end - 1] - heard.samples[end]) < 0.1f);
}

// Both at once: the sound is the sum.
CASE(overflow_overlap) {
  Heard heard = speak("overlap.srt", srt(kTight), "overflow=overlap");
  check_time(heard.cues[1].start, GST_SECOND);
  check_time(heard.cues[2].start, 1600 * GST_MSECOND);
  Heard alone = speak("alone.srt", srt({kTight[0]}), "overflow=overlap");
  Heard other = speak("other.srt", srt({kTight[1]}), "overflow=overlap");
  alone.samples.resize(heard.samples.size());
  other.samples.resize(heard.samples.size());
  for (size_t i = 0; i < heard.samples.size(); ++i) {
    fail_unless(std::fabs(heard.samples[i] - alone.samples[i] - other.samples[i]) < 1e-5f,
                "sample %d", static_cast<int>(i));
  }
}

// Faster, up to twice, with the pitch kept; beyond that the next one is shifted.
CASE(overflow_compress) {
  std::vector<SrtCue> cues = kTight;
  cues[0].end_ms = 1700;
  cues[1].start_ms = 1800;
  Heard heard = speak("compress.srt", srt(cues), "overflow=compress");
  check_time(heard.cues[1].start, GST_SECOND);
  check_time(heard.cues[1].end, 1700 * GST_MSECOND);
  check_time(heard.cues[2].start, 1800 * GST_MSECOND);
  const std::vector<float> first(heard.samples.begin() + 24000, heard.samples.begin() + 35000);
  size_t crossings = 0;
  for (size_t i = 1; i < first.size(); ++i) crossings += first[i - 1] < 0 && first[i] >= 0;
  const double pitch = 22050.0 * static_cast<double>(crossings) / static_cast<double>(first.size());
  fail_unless(std::fabs(pitch / frequency_of(kLong) - 1) < 0.03, "%f Hz instead of %d", pitch,
              frequency_of(kLong));
  cues[0].end_ms = 1100;
  cues[1].start_ms = 1200;
  heard = speak("much.srt", srt(cues), "overflow=compress");
  check_time(heard.cues[1].end, GST_SECOND + length(101) / 2);
  check_time(heard.cues[2].start, GST_SECOND + length(101) / 2);
}

CASE(a_cue_needs_a_time) {
  Player p({{"model-path", "tone:"}, {"timing", "cue"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(feeder.push("No time.\n"), GST_FLOW_ERROR);
  fail_unless(!p.wait_end());
  const Report report = p.reports(GST_MESSAGE_ERROR)[0];
  fail_unless(report.domain == GST_STREAM_ERROR);
  fail_unless_equals_int(report.code, GST_STREAM_ERROR_FORMAT);
}

namespace {

// A player that is fed with subtitles and gaps between them.
struct Subtitles {
  explicit Subtitles(const Properties& more) : p(more), feeder(p, "utf8", GST_FORMAT_TIME) {
    p.set("model-path", "tone:");
    p.set("seed", "1");
    p.go_to(GST_STATE_PLAYING, 0);
  }
  void cue(const std::string& text, int start_ms, int length_ms) {
    fail_unless_equals_int(feeder.push(text, start_ms * GST_MSECOND, length_ms * GST_MSECOND),
                           GST_FLOW_OK);
  }
  void gap(int start_ms, int length_ms) {
    fail_unless(feeder.event(gst_event_new_gap(
        start_ms * GST_MSECOND, length_ms < 0 ? GST_CLOCK_TIME_NONE : length_ms * GST_MSECOND)));
  }
  // All that has come out ends there, and nothing more is on its way.
  void check_end(int ms) {
    const size_t samples = static_cast<size_t>(22050) * static_cast<size_t>(ms) / 1000;
    fail_unless(p.wait_samples(samples), "no sound up to %d ms", ms);
    g_usleep(50000);
    const std::vector<Piece> pieces = p.pieces();
    check_time(pieces.back().pts + pieces.back().duration, ms * GST_MSECOND);
  }
  int first_sound_ms() {
    for (const Piece& piece : p.pieces()) {
      if (!piece.gap) return static_cast<int>(piece.pts / GST_MSECOND);
    }
    return -1;
  }

  Player p;
  Feeder feeder;
};

}  // namespace

// Time that passes without a cue passes in the sound, too: whoever mixes it does not wait.
CASE(gaps_are_silence) {
  Subtitles s({{"timing", "cue"}});
  s.gap(0, 1000);
  s.check_end(1000);
  s.gap(1000, 500);  // in small steps
  s.gap(1500, 250);
  s.check_end(1750);
  for (const Piece& piece : s.p.pieces()) fail_unless(piece.gap);
  s.cue("One here.", 2000, 500);
  s.gap(2500, 1000);
  s.check_end(3500);
  fail_unless_equals_int(s.first_sound_ms(), 2000);
  s.gap(4000, -1);  // up to its begin
  s.check_end(4000);
  s.gap(1000, 100);  // long past
  s.cue("Two here.", 4500, 500);
  s.gap(5000, 1000);
  s.feeder.end();
  fail_unless(s.p.wait_end());
  s.check_end(6000);
  check_near(frequencies(s.p.floats()), {frequency_of("One here."), frequency_of("Two here.")});
  GstClockTime at = 0;
  for (const Piece& piece : s.p.pieces()) {
    fail_unless_equals_uint64(piece.pts, at);
    at += piece.duration;
  }
}

// A cue that is longer than its time goes on over the gap; each overflow keeps its rule.
CASE(gaps_cut_no_word) {
  for (const char* overflow : {"shift", "overlap"}) {
    Subtitles s({{"overflow", overflow}});
    s.cue(kLong, 1000, 500);  // 1.008 s
    s.gap(1500, 200);
    s.gap(1700, 1300);
    s.check_end(3000);
    s.cue("Two here.", 3000, 500);
    s.feeder.end();
    fail_unless(s.p.wait_end());
    check_near(frequencies(s.p.floats()), {frequency_of(kLong), frequency_of("Two here.")});
  }
  Subtitles s({{"overflow", "overlap"}});
  s.cue(kLong, 1000, 500);
  s.gap(1500, 200);  // the next one still joins it
  s.cue("Short one here.", 1700, 500);
  s.feeder.end();
  fail_unless(s.p.wait_end());
  check_time(s.p.pieces().back().pts + s.p.pieces().back().duration, GST_SECOND + length(101));
}

// Where times mean nothing, gaps mean nothing.
CASE(gaps_without_cue_timing) {
  Subtitles s({{"timing", "asap"}});
  s.gap(0, 3000);
  s.cue("One here.", 3000, 500);
  s.gap(4000, 3000);
  s.feeder.end();
  fail_unless(s.p.wait_end());
  fail_unless_equals_int(s.first_sound_ms(), 0);
  fail_unless_equals_uint64(s.p.floats().size(), 9 * 220);
}

// After a flush running time starts again, and cues and gaps with it.
CASE(cues_after_a_flush) {
  Subtitles s({{"timing", "cue"}});
  s.cue("One here.", 500, 500);
  s.gap(1000, 1000 * 3600 * 24);  // hardly begun when it is taken back
  fail_unless(s.p.wait_samples(22050 * 2));
  s.p.settle();
  fail_unless(s.feeder.event(gst_event_new_flush_start()));
  fail_unless(s.feeder.event(gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 60 * GST_SECOND;
  fail_unless(s.feeder.event(gst_event_new_segment(&segment)));
  s.cue("Two here.", 61000, 500);
  s.gap(61500, 500);
  s.feeder.end();
  fail_unless(s.p.wait_end());
  const GstClockTime zero = s.p.segments().back().start;  // of the player since the flush
  GstClockTime sound = GST_CLOCK_TIME_NONE;
  for (const Piece& piece : s.p.pieces()) {
    if (!piece.gap) sound = std::min(sound, piece.pts - zero);
  }
  check_time(sound, GST_SECOND);
  check_time(s.p.pieces().back().pts + s.p.pieces().back().duration - zero, 2 * GST_SECOND);
}

// A sparse stream for hours: time passes at no cost.
CASE(hours_of_gaps) {
  Player p({{"model-path", "tone:"}, {"buffer-duration", "1000000000"}, {"timing", "cue"}});
  p.keep_no_bytes();
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  for (guint64 second = 0; second < 6 * 3600; ++second) {
    fail_unless(feeder.event(gst_event_new_gap(second * GST_SECOND, GST_SECOND)));
  }
  feeder.end();
  fail_unless(p.wait_end());
  const Piece last = p.pieces().back();
  fail_unless_equals_uint64(last.pts + last.duration, 6 * 3600 * GST_SECOND);
}

// Hours of subtitles with bounded memory: what was heard is forgotten.
CASE(trap_19_five_thousand_cues) {
  Player p({{"model-path", "tone:samples_per_byte=20"},
            {"max-utterances", "8"},
            {"buffer-duration", "1000000000"}});
  p.keep_no_bytes();
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  long early = 0;
  for (int i = 0; i < 5000; ++i) {
    if (i % 100 == 0) p.forget();
    fail_unless_equals_int(feeder.push("Cue number " + std::to_string(i) + ".", i * 4 * GST_SECOND),
                           GST_FLOW_OK);
    if (i == 1000) early = resident_kib();
  }
  const long late = resident_kib();
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless(late <= early + 8 * 1024, "%ld KiB, then %ld KiB", early, late);
}

RUN_CASES("cues")
