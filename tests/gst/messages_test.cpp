// Messages about utterances, the queue and its limits without live mode.
#include <mutex>
#include <string>
#include <vector>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

struct Told {
  std::string name, reason;
  guint64 id = 0, heard = 0;
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
};

struct Listener {
  std::mutex mutex;  // guards told
  std::vector<Told> told;

  static void hear(GstMessage* message, void* data) {
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT) return;
    const GstStructure* s = gst_message_get_structure(message);
    Told made;
    made.name = gst_structure_get_name(s);
    fail_unless(made.name.rfind("indextts2/", 0) == 0, "%s", made.name.c_str());
    made.name = made.name.substr(10);
    if (const char* reason = gst_structure_get_string(s, "reason")) made.reason = reason;
    gst_structure_get_uint64(s, "id", &made.id);
    gst_structure_get_uint64(s, "heard", &made.heard);
    gst_structure_get_uint64(s, "running-time", &made.running_time);
    auto* self = static_cast<Listener*>(data);
    std::lock_guard<std::mutex> lock(self->mutex);
    self->told.push_back(made);
  }
  std::vector<Told> of(guint64 id) {
    std::lock_guard<std::mutex> lock(mutex);
    std::vector<Told> found;
    for (const Told& t : told) {
      if (t.id == id) found.push_back(t);
    }
    return found;
  }
  std::string names(guint64 id) {
    std::string all;
    for (const Told& t : of(id)) {
      all += (all.empty() ? "" : " ") + t.name + (t.reason.empty() ? "" : ":" + t.reason);
    }
    return all;
  }
};

constexpr char kWhole[] =
    "utterance-queued utterance-start segment-start segment-end segment-start segment-end "
    "utterance-end:done";

guint64 speak(Player& p, const char* text) {
  guint64 id = 0;
  g_signal_emit_by_name(p.element(), "speak", text, &id);
  return id;
}

}  // namespace

CASE(told_from_start_to_end) {
  Player p({{"model-path", "tone:"}, {"text", "One here. Two here."}, {"seed", "1"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  fail_unless_equals_uint64(speak(p, "Three. Four."), 2);
  fail_unless(p.play());
  check_text(listener.names(1), kWhole);
  check_text(listener.names(2), kWhole);
  const std::vector<Told> one = listener.of(1), two = listener.of(2);
  fail_unless_equals_uint64(one[1].running_time, 0);
  fail_unless_equals_uint64(one.back().heard, 19);
  const GstClockTime one_end = gst_util_uint64_scale(220 * 18 + 4410, GST_SECOND, 22050);
  fail_unless_equals_uint64(one.back().running_time, one_end);
  fail_unless_equals_uint64(two[1].running_time,
                            gst_util_uint64_scale(220 * 18 + 8820, GST_SECOND, 22050));
  fail_unless_equals_uint64(p.pieces().back().pts + p.pieces().back().duration,
                            two.back().running_time);
}

CASE(no_messages_on_wish) {
  Player p({{"model-path", "tone:"}, {"text", "One."}, {"post-messages", "false"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  fail_unless(p.play());
  fail_unless(listener.told.empty());
}

CASE(cancelled_texts) {
  Player p({{"model-path", "tone:"}, {"text", "One here. Two here."}, {"seed", "1"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  const guint64 two = speak(p, "Three."), three = speak(p, "Four.");
  gboolean known = FALSE;
  g_signal_emit_by_name(p.element(), "cancel", two, &known);
  fail_unless(known);
  guint count = 0;
  g_signal_emit_by_name(p.element(), "cancel-all", FALSE, &count);
  fail_unless_equals_int(static_cast<int>(count), 1);
  g_signal_emit_by_name(p.element(), "cancel", three, &known);
  fail_if(known);
  fail_unless(p.play());
  check_text(listener.names(1), kWhole);
  check_text(listener.names(two), "utterance-queued utterance-end:cancelled");
  check_near(frequencies(p.floats()), {frequency_of("One here."), frequency_of("Two here.")});
}

// What sounds is faded out; the stream goes on with the next text.
CASE(cancel_what_sounds) {
  Player p({{"model-path", "tone:"},
            {"text", std::string(200, 'a') + "."},
            {"keep-alive", "true"},
            {"segment-gap", "0"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  fail_unless(p.go_to(GST_STATE_PAUSED));
  const size_t before = p.floats().size();
  gboolean known = FALSE;
  g_signal_emit_by_name(p.element(), "cancel", guint64{1}, &known);
  fail_unless(known);
  fail_unless_equals_uint64(speak(p, "Next words."), 2);
  GstFlowReturn flow;
  g_signal_emit_by_name(p.element(), "end-of-stream", &flow);
  fail_unless(p.play());
  const size_t fade = 441 / 2 + 1, next = 11 * 220;
  fail_unless(p.floats().size() <= before + 2 * 441 + fade + next);
  fail_unless(listener.names(1).find("utterance-end:cancelled") != std::string::npos);
  fail_unless(listener.names(2).find("utterance-end:done") != std::string::npos);
}

CASE(errors_and_stops) {
  Player p({{"model-path", "tone:fail_word=Bad,segment_ms=1"},
            {"text", "Good one."},
            {"keep-alive", "true"},
            {"on-error", "skip"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  p.go_to(GST_STATE_PLAYING, 0);
  speak(p, "Bad one.");
  speak(p, "...");
  speak(p, "Fine one.");
  wait_until([&] { return listener.names(4).find(":done") != std::string::npos; });
  check_text(listener.names(2), "utterance-queued utterance-end:error");
  check_text(listener.names(3), "utterance-queued utterance-end:error");
  speak(p, "Long enough to be stopped.");
  p.go_to(GST_STATE_READY);
  const std::string last = listener.names(5);
  fail_unless(last.find("shutdown") != std::string::npos ||
                  last.find("interrupted") != std::string::npos ||
                  last.find("done") != std::string::npos,
              "%s", last.c_str());
}

CASE(flushed_pad_texts_are_dropped) {
  Player p({{"model-path", "tone:segment_ms=2000"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("One.\n");
  feeder.push("Two.\n");
  fail_unless(feeder.event(gst_event_new_flush_start()));
  fail_unless(feeder.event(gst_event_new_flush_stop(TRUE)));
  check_text(listener.names(1), "utterance-queued utterance-dropped:flush");
  check_text(listener.names(2), "utterance-queued utterance-dropped:flush");
}

// Trap 7, the other half: with keep-alive the stream waits for more.
CASE(trap_07_keep_alive) {
  Player p({{"model-path", "tone:"},
            {"text", "One here now, long enough."},
            {"keep-alive", "true"},
            {"seed", "1"}});
  Listener listener;
  p.on_message(Listener::hear, &listener);
  p.go_to(GST_STATE_PLAYING, 0);
  wait_until([&] { return listener.names(1).find("done") != std::string::npos; });
  fail_unless_equals_int(p.count(GST_MESSAGE_EOS), 0);
  p.set("text", "Two here now, long enough.");
  gst_element_send_event(p.element(), gst_event_new_eos());
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()), {frequency_of("One here now, long enough."),
                                       frequency_of("Two here now, long enough.")});
}

// Trap 19: with max-utterances a long list of cues is never queued as a whole.
CASE(trap_19_bounded_cues) {
  Player p({{"model-path", "tone:samples_per_byte=2"}, {"max-utterances", "8"}, {"seed", "1"}});
  p.keep_no_bytes();
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  guint most = 0;
  for (int i = 0; i < 5000; ++i) {
    fail_unless_equals_int(feeder.push("Cue " + std::to_string(i) + ".", i * GST_SECOND),
                           GST_FLOW_OK);
    guint queued = 0;
    g_object_get(p.element(), "queued", &queued, nullptr);
    most = std::max(most, queued);
  }
  feeder.end();
  fail_unless(p.wait_end());
  fail_unless(most <= 8 && most > 0, "%d texts were queued", static_cast<int>(most));
}

CASE(state_property) {
  Player p({{"model-path", "tone:load_ms=300"}, {"keep-alive", "true"}});
  auto state = [&] {
    gint value = -1;
    g_object_get(p.element(), "state", &value, nullptr);
    return value;
  };
  fail_unless_equals_int(state(), 0);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(state(), 1);
  wait_until([&] { return state() != 1; });
  fail_unless_equals_int(state(), 2);
  gst_element_send_event(p.element(), gst_event_new_eos());
  fail_unless(p.wait_end());
  fail_unless_equals_int(state(), 4);
  p.go_to(GST_STATE_READY);
  fail_unless_equals_int(state(), 0);
}

// Voices by name: the property, one text, the pad's speaker events, and reading ahead.
CASE(named_voices) {
  const std::string bob = write_file("bob.wav", "sixteen bytes and more");
  const std::string amy = write_file("amy.wav", "sixteen bytes and more");
  Player p({{"model-path", "tone:"}, {"seed", "1"}, {"voices", "voices, bob=\"" + bob + "\""}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  gboolean loading = FALSE;
  fail_unless(wait_until([&] {
    g_signal_emit_by_name(p.element(), "load-voice", "amy", amy.c_str(), &loading);
    return loading != FALSE;
  }));
  auto say = [&](const char* name, const char* speaker) {
    GstStructure* s = gst_structure_new_empty(name);
    if (speaker) gst_structure_set(s, "speaker", G_TYPE_STRING, speaker, nullptr);
    feeder.event(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, s));
  };
  feeder.push("Nobody said.\n");
  say("rstranscribe/speaker-change", "bob");
  feeder.push("Bob said");
  say("rstranscribe/speaker-change", "amy");
  feeder.push("Amy said");
  say("rstranscribe/final-transcript", nullptr);
  say("rstranscribe/speaker-change", "somebody");
  feeder.push("Unknown said.");
  feeder.end();
  fail_unless(p.wait_end());
  const std::string record = tone_record();
  auto voice_of = [&](const std::string& words) {
    const size_t at = record.find("\"" + words);
    fail_unless(at != std::string::npos, "%s", record.c_str());
    const size_t voice = record.find("\"voice\":\"", at) + 9;
    return record.substr(voice, record.find('"', voice) - voice);
  };
  check_text(voice_of("Nobody said."), "default");
  check_text(voice_of("Bob said"), bob);
  check_text(voice_of("Amy said"), amy);
  check_text(voice_of("Unknown said."), "default");
}

// Titles of the texts, voice and language; chapters of the segments, before the end.
CASE(tags_and_contents) {
  Player p({{"model-path", "tone:any_voice=1"},
            {"text", "One here. Two here."},
            {"voice", "/clips/amy.wav"},
            {"language", "en"},
            {"seed", "1"}});
  static std::string tags;
  static int entries;
  GstPad* pad = gst_element_get_static_pad(p.element(), "src");
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer) {
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) == GST_EVENT_TAG) {
          GstTagList* list;
          gst_event_parse_tag(event, &list);
          gchar* text = gst_tag_list_to_string(list);
          tags += text;
          g_free(text);
        } else if (GST_EVENT_TYPE(event) == GST_EVENT_TOC) {
          GstToc* toc;
          gst_event_parse_toc(event, &toc, nullptr);
          entries = static_cast<int>(g_list_length(gst_toc_get_entries(toc)));
          GstTocEntry* second = gst_toc_find_entry(toc, "segment-2");
          gint64 start, stop;
          fail_unless(gst_toc_entry_get_start_stop_times(second, &start, &stop));
          fail_unless_equals_int64(
              start, static_cast<gint64>(gst_util_uint64_scale(220 * 9 + 4410, GST_SECOND, 22050)));
          gst_toc_unref(toc);
        }
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  gst_object_unref(pad);
  fail_unless(p.play());
  for (const char* wanted : {"One\\ here.\\ Two\\ here.", "amy.wav", "language-code=(string)en"}) {
    fail_unless(tags.find(wanted) != std::string::npos, "%s", tags.c_str());
  }
  fail_unless_equals_int(entries, 2);
  fail_unless(p.count(GST_MESSAGE_TOC) >= 1);  // ours; sinks post what they receive, too
}

RUN_CASES("messages")
