// The properties of live mode, the queue and messages.
#include "properties.h"

namespace indextts2 {
namespace {

GType idle_mode_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(IdleMode::kAuto), "silence in live mode, else block", "auto"},
      {static_cast<gint>(IdleMode::kBlock), "Nothing comes out", "block"},
      {static_cast<gint>(IdleMode::kGap), "GAP events", "gap"},
      {static_cast<gint>(IdleMode::kSilence), "Silent buffers with the GAP flag", "silence"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2IdleMode", values);
  return type;
}

GType queue_mode_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(QueueMode::kAppend), "After what is waiting", "append"},
      {static_cast<gint>(QueueMode::kReplacePending), "Instead of what is waiting",
       "replace-pending"},
      {static_cast<gint>(QueueMode::kInterrupt), "Instead of what is waiting and what is spoken",
       "interrupt"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2QueueMode", values);
  return type;
}

GType timing_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Timing::kAuto),
       "cue for buffers with a timestamp without is-live, else asap", "auto"},
      {static_cast<gint>(Timing::kCue), "At the running time of its buffer", "cue"},
      {static_cast<gint>(Timing::kAsap), "As soon as it can be", "asap"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2Timing", values);
  return type;
}

GType overflow_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Overflow::kClip), "Cut off at the end of the cue", "clip"},
      {static_cast<gint>(Overflow::kOverlap), "Goes on while the next cue begins", "overlap"},
      {static_cast<gint>(Overflow::kShift), "The next cue begins later", "shift"},
      {static_cast<gint>(Overflow::kCompress),
       "Spoken up to twice as fast with the pitch kept, then as shift", "compress"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstIndexTts2Overflow", values);
  return type;
}

Property lateness_property() {
  Property row;
  row.spec = g_param_spec_int64(
      "max-lateness", nullptr,
      "Live: a text that could not start within so many nanoseconds of its acceptance, or of its "
      "not-before time, is dropped with the message utterance-dropped. -1: never",
      -1, G_MAXINT64, kDefaults.max_lateness_ns, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) { s.max_lateness_ns = g_value_get_int64(v); };
  row.get = [](const Settings& s, GValue* v) { g_value_set_int64(v, s.max_lateness_ns); };
  return row;
}

}  // namespace

void add_live_properties(std::vector<Property>* rows) {
  rows->push_back(bool_property(
      "is-live",
      "Speak into a programme that runs: nothing before PLAYING, buffers at the pace of the clock, "
      "silence while there is no text, timestamps from now on. Never delays or stalls the others",
      Change::kReady, &Settings::is_live));
  rows->push_back(bool_property(
      "keep-alive",
      "No text is no end: wait for more until EOS is sent or end-of-stream is called. Always so "
      "with is-live",
      Change::kPlaying, &Settings::keep_alive));
  rows->push_back(enum_property("idle-mode",
                                "Live: what comes out while nobody speaks. Without is-live nothing",
                                Change::kReady, idle_mode_type(), &Settings::idle_mode));
  rows->push_back(enum_property("timing", "When a text from the sink pad is spoken", Change::kReady,
                                timing_type(), &Settings::timing));
  rows->push_back(enum_property(
      "overflow", "What becomes of a cue that is spoken for longer than its buffer lasts",
      Change::kPlaying, overflow_type(), &Settings::overflow));
  rows->push_back(uint64_property(
      "latency",
      "Live: latency in nanoseconds, 0 to 60 s, that is reported to the pipeline; sinks wait so "
      "much longer. Not needed for announcements: they are stamped with the time at which they are "
      "ready",
      Change::kPlaying, &Settings::latency_ns, 0, 60 * GST_SECOND));
  rows->push_back(uint64_property(
      "lead-time",
      "Live: silence in nanoseconds, 0 to 5 s, between the message utterance-start and the first "
      "word, for a mixer to turn down the programme",
      Change::kPlaying, &Settings::lead_time_ns, 0, 5 * GST_SECOND));
  rows->push_back(lateness_property());
  rows->push_back(uint64_property("fade-out",
                                  "Length in nanoseconds, 0 to 1 s, of the fade when speech is "
                                  "cancelled or interrupted, so that there is no click",
                                  Change::kPlaying, &Settings::fade_out_ns, 0, GST_SECOND));
  rows->push_back(enum_property("queue-mode",
                                "What setting text does to the texts that are there already",
                                Change::kPlaying, queue_mode_type(), &Settings::queue_mode));
  rows->push_back(
      uint_property("max-utterances",
                    "Texts that may be accepted and not yet spoken to their end. 0: no limit. When "
                    "they are there "
                    "the sink pad blocks its upstream, text is refused and speak returns 0",
                    Change::kPlaying, &Settings::max_utterances, 0, G_MAXUINT));
  rows->push_back(bool_property(
      "post-messages",
      "Post element messages indextts2/... about each utterance, with running times ahead of its "
      "sound",
      Change::kPlaying, &Settings::post_messages));
}

}  // namespace indextts2
