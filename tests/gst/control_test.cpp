// The queue from outside: every field of speak-full, what the properties of the queue do, errors in
// live mode.
#include <functional>
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

guint64 speak_full(Player& p, const std::string& fields) {
  GstStructure* const s = gst_structure_from_string(("speak, " + fields).c_str(), nullptr);
  fail_unless(s != nullptr, "%s", fields.c_str());
  guint64 id = 0;
  g_signal_emit_by_name(p.element(), "speak-full", s, &id);
  gst_structure_free(s);
  return id;
}

void await(const std::function<bool()>& reached, const char* what) {
  fail_unless(wait_until(reached), "%s", what);
}

guint64 current(Player& p) {
  guint64 id = 0;
  g_object_get(p.element(), "current-utterance", &id, nullptr);
  return id;
}

}  // namespace

// Whatever a property says of a text, a field says of one text alone.
CASE(speak_full_takes_every_field) {
  const std::string voice = write_file("field.wav", "sixteen bytes and more");
  Player p({{"model-path", "tone:"}, {"keep-alive", "true"}, {"seed", "1"}});
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(
      speak_full(p, "text=\"With fields.\", seed=(gint64)42, voice=\"" + voice +
                        "\", emotion-vector=<0.1, 0.0, 0.25, 0.0, 0.0, 0.0, 1.0, "
                        "0.5>, emotion-alpha=0.5, emotion-random=true, temperature=0.7, top-p=0.9, "
                        "top-k=(uint)5, num-beams=2, typical-sampling=true, typical-mass=0.8, "
                        "repetition-penalty=2.0, length-penalty=0.5, max-mel-tokens=700, "
                        "max-segment-tokens=80, first-segment-tokens=20, diffusion-steps=7, "
                        "guidance=0.4, glossary=terms.yaml, priority=3, language=en, "
                        "loudness-target=-23.0, max-true-peak=-2.0, segment-gap=(guint64)5, "
                        "use-markup=false, mode=append, on-interrupt=resume, user-data=mine, "
                        "ttl=(guint64)60000000000, not-before=0") > 0);
  fail_unless(speak_full(p, "text=\"Without fields.\"") > 0);
  GstFlowReturn flow;
  g_signal_emit_by_name(p.element(), "end-of-stream", &flow);
  fail_unless(p.wait_end());
  const std::string record = tone_record();
  const size_t border = record.find("Without fields.");
  const std::string with = record.substr(0, record.rfind('\n', border));
  const std::string without = record.substr(with.size());
  for (const std::string wanted :
       {"\"seed\":42", "field.wav", "\"vector\":[0.1,0.0,0.25,0.0,0.0,0.0,1.0,0.5]",
        "\"alpha\":0.5", "\"random\":true", "\"temperature\":0.7", "\"top_p\":0.9", "\"top_k\":5",
        "\"num_beams\":2", "\"typical_sampling\":true", "\"typical_mass\":0.8",
        "\"repetition_penalty\":2.0", "\"length_penalty\":0.5", "\"max_mel_tokens\":700",
        "\"max_segment_tokens\":80", "\"first_segment_tokens\":20", "\"diffusion_steps\":7",
        "\"guidance\":0.4", "terms.yaml"}) {
    fail_unless(with.find(wanted) != std::string::npos, "%s is not in %s", wanted.c_str(),
                with.c_str());
    fail_unless(without.find(wanted) == std::string::npos, "%s is in %s", wanted.c_str(),
                without.c_str());
  }
}

// What a field says of the emotion counts, whichever property says more.
CASE(speak_full_replaces_the_emotion) {
  Player p({{"model-path", "tone:"}, {"keep-alive", "true"}, {"emotion-text", "of the property"}});
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(speak_full(p, "text=\"One here.\", emotion-text=\"with a smile\"") > 0);
  fail_unless(speak_full(p, "text=\"Two here.\", emotion-from-text=true") > 0);
  fail_unless(speak_full(p,
                         "text=\"Three here.\", emotion-vector=<0.25, 0.0, 0.0, 0.0, 0.0, 0.0, "
                         "0.0, 0.0>") > 0);
  fail_unless(speak_full(p, "text=\"Four here.\", emotion-from-text=false") > 0);
  GstFlowReturn flow;
  g_signal_emit_by_name(p.element(), "end-of-stream", &flow);
  fail_unless(p.wait_end());
  const std::string record = tone_record();
  auto check = [&](const char* text, const char* wanted) {
    const std::string line = record_line(record, text);
    fail_unless(line.find(wanted) != std::string::npos, "no %s in %s", wanted, line.c_str());
  };
  check("One here.", "\"emotion_text\":\"with a smile\"");
  check("Two here.", "\"emotion_from_text\":true,\"emotion_text\":\"\"");
  check("Three here.", "\"vector\":[0.25,");
  check("Four here.", "\"emotion_text\":\"of the property\"");
}

CASE(speak_full_replaces_the_vector_by_a_clip) {
  const std::string clip = write_file("field_emotion.wav", "sixteen bytes and more");
  Player p(
      {{"model-path", "tone:"}, {"keep-alive", "true"}, {"emotion-vector", "<0.5,0,0,0,0,0,0,0>"}});
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(speak_full(p, "text=\"One here.\"") > 0);
  fail_unless(speak_full(p, "text=\"Two here.\", emotion-audio=\"" + clip + "\"") > 0);
  gst_element_send_event(p.element(), gst_event_new_eos());
  fail_unless(p.wait_end());
  const std::string record = tone_record();
  fail_unless(record_line(record, "One here.").find("\"vector\":[0.5,") != std::string::npos);
  fail_unless(record_line(record, "Two here.").find("\"vector\":[0.5,") == std::string::npos);
}

// A wrong field is a WARNING and the answer 0; nothing of it is spoken.
CASE(speak_full_refuses_what_it_does_not_know) {
  Player p({{"model-path", "tone:"}, {"keep-alive", "true"}});
  p.go_to(GST_STATE_PLAYING, 0);
  const char* const wrong[] = {"text=x, pitch=2.0",      "text=x, seed=(string)many",
                               "text=x, priority=1000",  "text=x, mode=whisper",
                               "text=x, on-interrupt=1", "text=x, emotion-vector=2",
                               "text=(string)\"\"",      "seed=(gint64)1"};
  int warnings = 0;
  for (const char* fields : wrong) {
    fail_unless(speak_full(p, fields) == 0, "%s", fields);
    fail_unless(p.count(GST_MESSAGE_WARNING) > warnings, "%s: no WARNING", fields);
    warnings = p.count(GST_MESSAGE_WARNING);
  }
  fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 0);
  fail_unless(tone_record().find("\"x\"") == std::string::npos);
}

// An id is any whole number; what is none cancels nothing.
CASE(cancel_events_name_their_text) {
  LiveRig rig;
  const guint64 one = rig.speak("One here."), two = rig.speak("Two here.");
  auto send = [&](const char* fields) {
    GstStructure* const s = gst_structure_from_string(fields, nullptr);
    return gst_element_send_event(rig.element(),
                                  gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, s));
  };
  fail_if(send("indextts2/cancel, id=(string)two"));
  fail_if(rig.cancel(0));
  fail_unless(rig.messages("utterance-end", one).empty());
  fail_unless(send("indextts2/cancel, id=2"));
  check_text(rig.messages("utterance-end", two)[0].reason, "cancelled");
  fail_unless(rig.messages("utterance-end", one).empty());
  fail_unless(send("indextts2/cancel, include-current=true"));
  rig.step_to_end(one);  // it may sound, and fades then
  check_text(rig.messages("utterance-end", one)[0].reason, "cancelled");
}

// Setting `text` appends, or takes the place of what waits, or of all, as queue-mode says.
CASE(queue_mode_of_the_property) {
  for (const char* mode : {"append", "replace-pending", "interrupt"}) {
    Player p({{"model-path", "tone:"},
              {"text", std::string(300, 'a') + "."},
              {"keep-alive", "true"},
              {"queue-mode", mode}});
    fail_unless(p.go_to(GST_STATE_PAUSED));
    fail_unless_equals_uint64(current(p), 1);
    fail_unless(speak_full(p, "text=\"Pending one.\"") > 0);
    p.set("text", "The new one.");
    gst_element_send_event(p.element(), gst_event_new_eos());
    fail_unless(p.play());
    const std::vector<int> heard = frequencies(p.floats());
    const std::string name = mode;
    fail_unless_equals_int(static_cast<int>(heard.size()), name == "append" ? 3 : 2);
    fail_unless(std::abs(heard.back() - frequency_of("The new one.")) <= 3);
    fail_unless((p.floats().size() < 220 * 200) == (name == "interrupt"), "%s: %d samples", mode,
                static_cast<int>(p.floats().size()));
    fail_unless_equals_uint64(current(p), 0);
  }
}

// A new latency makes the pipeline ask again; without live mode it means nothing.
CASE(latency_tells_the_pipeline) {
  for (const bool live : {true, false}) {
    Player p(
        {{"model-path", "tone:"}, {"is-live", live ? "true" : "false"}, {"keep-alive", "true"}});
    p.go_to(GST_STATE_PLAYING, 0);
    await(
        [&] {
          gint state = 0;
          g_object_get(p.element(), "state", &state, nullptr);
          return state == 2;
        },
        "not idle");
    auto own_latency = [&] {
      GstQuery* const query = gst_query_new_latency();
      fail_unless(gst_element_query(p.element(), query));
      GstClockTime min = 1;
      gst_query_parse_latency(query, nullptr, &min, nullptr);
      gst_query_unref(query);
      return min;
    };
    const int before = p.count(GST_MESSAGE_LATENCY);
    p.set("latency", "50000000");
    fail_unless_equals_int(p.count(GST_MESSAGE_LATENCY) - before, live ? 1 : 0);
    fail_unless_equals_uint64(own_latency(), live ? 50 * GST_MSECOND : 0);
  }
}

// One text that fails: an ERROR ends the live stream, or with skip the next one sounds. Either way
// it has ended.
CASE(live_errors_of_one_text) {
  {
    LiveRig rig("model-path=tone:fail_word=Bad on-error=skip segment-gap=0");
    const guint64 bad = rig.speak("Bad words."), good = rig.speak("Good words.");
    rig.wait_spoken(1);
    rig.step_to_end(bad);
    rig.step_to_end(good);
    check_text(rig.messages("utterance-end", bad)[0].reason, "error");
    check_text(rig.messages("utterance-end", good)[0].reason, "done");
  }
  Player p({{"model-path", "tone:fail_word=Bad"}, {"is-live", "true"}});
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(speak_full(p, "text=\"Bad words.\"") > 0);
  fail_if(p.wait_end());
  const Report error = p.reports(GST_MESSAGE_ERROR)[0];
  fail_unless(error.domain == GST_STREAM_ERROR);
  fail_unless_equals_int(error.code, GST_STREAM_ERROR_ENCODE);
}

// A clip that is not there is told by the text that wants it, not by the load.
CASE(live_voice_that_is_missing) {
  LiveRig rig("on-error=skip segment-gap=0");
  const guint64 bad = rig.speak_full("text=\"Bad voice.\", voice=\"/no/such/clip.wav\"");
  const guint64 good = rig.speak("Good voice.");
  rig.wait_spoken(1);
  rig.step_to_end(bad);
  rig.step_to_end(good);
  check_text(rig.messages("utterance-end", bad)[0].reason, "error");
  check_text(rig.messages("utterance-end", good)[0].reason, "done");
}

// In live mode timing=cue makes the timestamp of a text its not-before time.
CASE(live_cues) {
  Player p({{"model-path", "tone:"}, {"is-live", "true"}, {"timing", "cue"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless_equals_int(feeder.push("At its time.", 600 * GST_MSECOND), GST_FLOW_OK);
  await([&] { return current(p) == 1; }, "it does not sound");
  GstClockTime sound = GST_CLOCK_TIME_NONE;
  for (const Piece& piece : p.pieces()) {
    if (!piece.gap) sound = std::min(sound, piece.pts);
  }
  fail_unless(sound + GST_MSECOND >= 600 * GST_MSECOND && sound < 5 * GST_SECOND,
              "%" GST_TIME_FORMAT, GST_TIME_ARGS(sound));
}

RUN_CASES("control")
