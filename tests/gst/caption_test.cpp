// GstIndexTTS2Meta through converters, and indextts2caption: captions in time with the sound, into
// overlays and WebVTT files.
#include <atomic>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

constexpr char kText[] = "First words here. And a second sentence! Third?";
const std::vector<std::string> kSentences = {"First words here.", "And a second sentence!",
                                             "Third?"};
constexpr char kSpeak[] = "indextts2src model-path=tone: seed=1 name=tts ";

// What passes a pad: buffers as text, gaps and events.
struct Seen {
  struct Piece {
    GstClockTime start, end;
    std::string text;  // of the buffer, or of its meta
    bool gap;
  };
  std::mutex mutex;  // guards all below
  std::vector<Piece> pieces;
  std::vector<GstEventType> events;
  std::vector<GstSegment> segments;
  bool read_meta = false;

  int count(GstEventType type) {
    int n = 0;
    for (GstEventType event : events) n += event == type;
    return n;
  }
  std::vector<Piece> texts() {
    std::vector<Piece> found;
    for (const Piece& piece : pieces) {
      if (!piece.gap) found.push_back(piece);
    }
    return found;
  }
};

void see_buffer(Seen* seen, GstBuffer* buffer) {
  Seen::Piece piece{GST_BUFFER_PTS(buffer), GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer),
                    "", false};
  if (seen->read_meta) {
    GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstIndexTTS2Meta");
    if (meta) piece.text = gst_structure_get_string(gst_custom_meta_get_structure(meta), "text");
  } else {
    piece.text.resize(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, &piece.text[0], piece.text.size());
  }
  seen->pieces.push_back(piece);
}

GstPadProbeReturn see(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* seen = static_cast<Seen*>(data);
  std::lock_guard<std::mutex> lock(seen->mutex);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    see_buffer(seen, GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  }
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  seen->events.push_back(GST_EVENT_TYPE(event));
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
    const GstSegment* segment;
    gst_event_parse_segment(event, &segment);
    seen->segments.push_back(*segment);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
    GstClockTime start, duration;
    gst_event_parse_gap(event, &start, &duration);
    seen->pieces.push_back({start, start + duration, "", true});
  }
  return GST_PAD_PROBE_OK;
}

void watch(GstElement* pipeline, const char* element, const char* pad_name, Seen* seen) {
  GstElement* found = gst_bin_get_by_name(GST_BIN(pipeline), element);
  fail_unless(found != nullptr);
  GstPad* pad = gst_element_get_static_pad(found, pad_name);
  gst_pad_add_probe(
      pad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                   GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      see, seen, nullptr);
  gst_object_unref(pad);
  gst_object_unref(found);
}

GstElement* launch(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  fail_unless(pipeline && !error, "%s: %s", line.c_str(), error ? error->message : "");
  return pipeline;
}

void run_to_end(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message =
      gst_bus_timed_pop_filtered(bus, kPatienceSeconds * GST_SECOND,
                                 static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message != nullptr, "no EOS");
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    fail("%s", error->message);
  }
  gst_message_unref(message);
  gst_object_unref(bus);
}

void stop(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

void play_line(const std::string& line, Seen* text, Seen* audio) {
  GstElement* pipeline = launch(line);
  watch(pipeline, "c", "text", text);
  if (audio) watch(pipeline, "c", "src", audio);
  run_to_end(pipeline);
  stop(pipeline);
}

bool has_element(const char* name) {
  GstElementFactory* factory = gst_element_factory_find(name);
  if (factory) gst_object_unref(factory);
  return factory != nullptr;
}

std::string caption_line(const std::string& text, const std::string& caption) {
  return kSpeak + ("text=\"" + text + "\" ! indextts2caption name=c " + caption) +
         " c.src ! queue ! fakesink sync=false  c.text ! queue ! fakesink sync=false";
}

}  // namespace

// The words stay on the sound through converters, resamplers and volume; silence has none.
CASE(meta_survives_conversion) {
  GstElement* pipeline =
      launch(std::string(kSpeak) + "text=\"" + kText +
             "\" ! audioconvert ! audioresample ! volume name=v volume=0.5 ! "
             "audio/x-raw,format=S16LE,rate=48000,channels=2 ! fakesink sync=false");
  Seen seen;
  seen.read_meta = true;
  watch(pipeline, "v", "src", &seen);
  run_to_end(pipeline);
  stop(pipeline);
  std::vector<std::string> words;
  for (const Seen::Piece& piece : seen.pieces) {
    if (!piece.text.empty() && (words.empty() || words.back() != piece.text)) {
      words.push_back(piece.text);
    }
  }
  fail_unless(words == kSentences);
}

// Every field, on each buffer of the second segment.
CASE(meta_fields) {
  Player p({{"model-path", "tone:"}, {"text", kText}, {"seed", "7"}, {"buffer-duration", "0"}});
  static int found = 0;
  GstPad* pad = gst_element_get_static_pad(p.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
        GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "GstIndexTTS2Meta");
        fail_unless((meta == nullptr) == GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP));
        if (!meta) return GST_PAD_PROBE_OK;
        const GstStructure* s = gst_custom_meta_get_structure(meta);
        guint64 id, begin, length, seed, position, duration;
        gint index;
        gboolean first, last, last_segment;
        fail_unless(gst_structure_get(
            s, "id", G_TYPE_UINT64, &id, "text-offset", G_TYPE_UINT64, &begin, "text-length",
            G_TYPE_UINT64, &length, "seed", G_TYPE_UINT64, &seed, "position", GST_TYPE_CLOCK_TIME,
            &position, "duration", GST_TYPE_CLOCK_TIME, &duration, "index", G_TYPE_INT, &index,
            "first", G_TYPE_BOOLEAN, &first, "last", G_TYPE_BOOLEAN, &last, "last-segment",
            G_TYPE_BOOLEAN, &last_segment, nullptr));
        fail_unless_equals_int(index, found);
        fail_unless_equals_uint64(id, 1);
        fail_unless_equals_uint64(seed, 7);
        fail_unless_equals_uint64(position, 0);
        // Each is a whole number of samples in nanoseconds, rounded.
        fail_unless(duration + 1 >= GST_BUFFER_DURATION(buffer) &&
                    duration <= GST_BUFFER_DURATION(buffer) + 1);
        fail_unless(first && last);
        fail_unless_equals_int(last_segment, index == 2);
        const std::string part = std::string(kText).substr(begin, length);
        fail_unless(part.find(kSentences[static_cast<size_t>(index)]) != std::string::npos);
        fail_unless(gst_structure_has_field_typed(s, "voice", G_TYPE_STRING));
        fail_unless_equals_string(gst_structure_get_string(s, "device"), "tone:0");
        ++found;
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_object_unref(pad);
  fail_unless(p.play());
  fail_unless_equals_int(found, 3);
}

// One caption for each segment, with its very times, gaps between them, the same segment and EOS.
CASE(captions_follow_the_segments) {
  Seen text, audio;
  audio.read_meta = true;
  play_line(caption_line(kText, "reading-speed=0"), &text, &audio);
  const auto captions = text.texts();
  fail_unless_equals_int(static_cast<int>(captions.size()), 3);
  for (size_t i = 0; i < 3; ++i) {
    fail_unless_equals_string(captions[i].text.c_str(), kSentences[i].c_str());
    GstClockTime start = GST_CLOCK_TIME_NONE, end = 0;
    for (const Seen::Piece& piece : audio.pieces) {
      if (piece.text != kSentences[i]) continue;
      start = std::min(start, piece.start);
      end = std::max(end, piece.end);
    }
    fail_unless_equals_uint64(captions[i].start, start);
    fail_unless(captions[i].end + 100000 > end && captions[i].end < end + 100000);
  }
  GstClockTime reached = 0;
  bool any_gap = false;
  for (const Seen::Piece& piece : text.pieces) {
    fail_unless(piece.start >= reached, "pieces overlap");
    fail_unless(piece.start <= reached + 20 * GST_MSECOND, "a hole between pieces");
    reached = piece.end;
    any_gap = any_gap || piece.gap;
  }
  fail_unless(any_gap);
  for (Seen* seen : {&text, &audio}) {
    fail_unless_equals_int(seen->count(GST_EVENT_STREAM_START), 1);
    fail_unless_equals_int(seen->count(GST_EVENT_CAPS), 1);
    fail_unless_equals_int(seen->count(GST_EVENT_EOS), 1);
    fail_unless_equals_int(static_cast<int>(seen->segments.size()), 1);
  }
  fail_unless(gst_segment_is_equal(&text.segments[0], &audio.segments[0]));
}

// The options count from the next caption on, whoever sets them.
CASE(options_change_in_playing) {
  GstElement* pipeline = launch(caption_line(kText, ""));
  GstElement* caption = gst_bin_get_by_name(GST_BIN(pipeline), "c");
  std::atomic<bool> over{false};
  std::thread setter([&] {
    for (guint width = 10; !over; width = width % 40 + 10)
      g_object_set(caption, "width", width, nullptr);
  });
  run_to_end(pipeline);
  over = true;
  setter.join();
  gst_object_unref(caption);
  stop(pipeline);
}

// Lines of `width`, `lines` of them, words whole, times in proportion to the letters.
CASE(captions_are_split_by_width) {
  const std::string words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda.";
  Seen text;
  play_line(caption_line(words, "width=12 lines=2 reading-speed=0"), &text, nullptr);
  std::string joined;
  GstClockTime reached = 0;
  const auto captions = text.texts();
  fail_unless(captions.size() >= 3);
  for (const Seen::Piece& caption : captions) {
    fail_unless_equals_uint64(caption.start, reached);
    reached = caption.end;
    std::istringstream lines(caption.text);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      fail_unless(line.size() <= 12, "%s", line.c_str());
      joined += (joined.empty() ? "" : " ") + line;
    }
    fail_unless(count <= 2);
  }
  fail_unless_equals_string(joined.c_str(), words.c_str());
}

// A slow reader: captions stay longer, never overlap, and are late by 2 s at most.
CASE(captions_wait_for_slow_readers) {
  const std::string words = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda.";
  Seen spoken, text;
  play_line(caption_line(words, "width=12 lines=1 reading-speed=0"), &spoken, nullptr);
  play_line(caption_line(words, "width=12 lines=1 reading-speed=50"), &text, nullptr);
  const auto fast = spoken.texts(), slow = text.texts();
  fail_unless_equals_int(static_cast<int>(slow.size()), static_cast<int>(fast.size()));
  fail_unless(slow[0].end >= slow[0].start + slow[0].text.size() * GST_SECOND / 50);
  for (size_t i = 0; i < slow.size(); ++i) {
    if (i > 0) fail_unless(slow[i].start >= slow[i - 1].end);
    fail_unless(slow[i].start >= fast[i].start && slow[i].start <= fast[i].start + 2 * GST_SECOND);
  }
}

// A flushing seek goes through both pads, and captions come again from there.
CASE(captions_after_a_seek) {
  GstElement* pipeline = launch(caption_line(kText, "reading-speed=0"));
  Seen text;
  watch(pipeline, "c", "text", &text);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, nullptr, nullptr, kPatienceSeconds * GST_SECOND);
  {
    std::lock_guard<std::mutex> lock(text.mutex);
    text.pieces.clear();
  }
  fail_unless(
      gst_element_seek_simple(pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 500 * GST_MSECOND));
  run_to_end(pipeline);
  stop(pipeline);
  fail_unless(text.count(GST_EVENT_FLUSH_START) > 0 && text.count(GST_EVENT_FLUSH_STOP) > 0);
  std::vector<std::string> heard;
  std::lock_guard<std::mutex> lock(text.mutex);
  for (const Seen::Piece& piece : text.texts()) {
    if (heard.empty() || heard.back() != piece.text) heard.push_back(piece.text);
  }
  fail_unless(heard.size() >= 2 && heard.back() == kSentences[2]);
}

// Without a peer of the text pad, and with sound that nobody speaks.
CASE(captions_without_use) {
  GstElement* pipeline = launch(std::string(kSpeak) +
                                "text=Hello. ! indextts2caption name=c "
                                "c.src ! fakesink sync=false");
  run_to_end(pipeline);
  stop(pipeline);
  pipeline = launch(
      "audiotestsrc num-buffers=5 ! indextts2caption name=c c.src ! queue ! fakesink sync=false "
      "c.text ! queue ! fakesink sync=false");
  Seen text;
  watch(pipeline, "c", "text", &text);
  run_to_end(pipeline);
  stop(pipeline);
  fail_unless(text.texts().empty());
  fail_unless(!text.pieces.empty());
}

CASE(captions_into_a_webvtt_file) {
  if (!has_element("webvttenc")) {
    g_print("left out: captions into webvttenc (gst-plugins-bad is not loaded here)\n");
    return;
  }
  const std::string path = write_file("captions.vtt", "");
  GstElement* pipeline =
      launch(std::string(kSpeak) + "text=\"" + kText +
             "\" ! indextts2caption reading-speed=0 name=c c.src ! queue ! fakesink sync=false "
             "c.text ! queue ! webvttenc ! filesink location=" +
             path);
  run_to_end(pipeline);
  stop(pipeline);
  std::ifstream file(path);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const std::string vtt = bytes.str();
  fail_unless(vtt.rfind("WEBVTT", 0) == 0, "%s", vtt.c_str());
  size_t at = 0;
  for (const std::string& sentence : kSentences) {
    at = vtt.find(sentence, at);
    fail_unless(at != std::string::npos, "%s", vtt.c_str());
  }
  fail_unless(vtt.find("00:00:00.000 -->") != std::string::npos, "%s", vtt.c_str());
}

// textoverlay waits for the text of each picture: gaps and captions must let it go on to the end.
CASE(captions_into_textoverlay) {
  if (kSanitizer) {
    g_print("left out: captions into textoverlay (fontconfig leaks and locks)\n");
    return;
  }
  Seen text;
  play_line(std::string(kSpeak) + "text=\"" + kText +
                "\" ! indextts2caption name=c reading-speed=0 "
                "c.src ! queue ! fakesink sync=false c.text ! queue ! o.text_sink "
                "videotestsrc num-buffers=40 ! video/x-raw,width=64,height=48,framerate=25/1 ! "
                "textoverlay name=o ! fakesink sync=false",
            &text, nullptr);
  fail_unless_equals_int(static_cast<int>(text.texts().size()), 3);
}

CASE(captions_into_cea608) {
  if (!has_element("tttocea608")) {
    g_print("left out: captions into tttocea608 (gst-plugins-rs, not part of Debian 12)\n");
    return;
  }
  Seen text;
  play_line(std::string(kSpeak) + "text=\"" + kText +
                "\" ! indextts2caption name=c c.src ! queue ! fakesink sync=false "
                "c.text ! queue ! tttocea608 ! fakesink sync=false",
            &text, nullptr);
  fail_unless_equals_int(static_cast<int>(text.texts().size()), 3);
}

RUN_CASES("caption")
