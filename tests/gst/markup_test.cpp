// use-markup: what each element does to the sound, what is refused and where.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

constexpr size_t kByte = 220, kGap = 4410;  // samples of the tone engine and of segment-gap

struct Spoken {
  std::vector<float> sound;
  std::string record;
};

Spoken spoken(const std::string& text, const char* markup = "true") {
  Player p({{"model-path", "tone:any_voice=1"}, {"seed", "1"}});
  GstStructure* voices = gst_structure_from_string("v, anna=/a.wav, bert=/b.wav", nullptr);
  g_object_set(p.element(), "voices", voices, "text", text.c_str(), nullptr);
  gst_structure_free(voices);
  p.set("use-markup", markup);
  fail_unless(p.play(), "%s", text.c_str());
  return {p.floats(), tone_record()};
}

bool has(const Spoken& s, const std::string& part) {
  return s.record.find(part) != std::string::npos;
}

// Refused, with this place and reason.
void check_refused(const std::string& text, const std::string& reason) {
  Player p({{"model-path", "tone:"}, {"use-markup", "true"}});
  g_object_set(p.element(), "text", text.c_str(), nullptr);
  p.go_to(GST_STATE_PLAYING, 0);
  fail_unless(!p.wait_end(), "%s", text.c_str());
  const Report error = p.reports(GST_MESSAGE_ERROR).at(0);
  fail_unless(error.text.find(reason) != std::string::npos, "%s", error.text.c_str());
  fail_unless(p.floats().empty());
}

}  // namespace

CASE(plain_text_stays_plain) {
  fail_unless(spoken("Tom and Jerry.").sound == spoken("Tom and Jerry.", "false").sound);
  fail_unless(spoken("Tom &amp; &#74;erry.").sound == spoken("Tom & Jerry.", "false").sound);
  fail_unless(
      spoken("<?xml version='1.0'?><speak version='1.1' xml:lang='en'>Tom.</speak>").sound ==
      spoken("Tom.", "false").sound);
  // Without the property tags are text.
  fail_unless(has(spoken("A <b> c.", "false"), "A <b> c."));
}

CASE(break_is_silence) {
  const Spoken s = spoken(
      "One here. <break time=\"500ms\"/> Two here. <break time='1.5s'/><break time='1s'/>Three.");
  fail_unless_equals_uint64(s.sound.size(), kByte * (9 + 9 + 6) + 2 * kGap + 11025 + 55125);
  const size_t begin = 9 * kByte, end = begin + kGap + 11025;
  fail_unless(
      std::all_of(s.sound.begin() + begin, s.sound.begin() + end, [](float x) { return x == 0; }));
  fail_unless(s.sound[end + 3] != 0);
}

CASE(voices_and_emotions) {
  const Spoken s = spoken(
      "Mine. <voice name=\"anna\">Hers. <emotion name=\"sad\" strength=\"0.5\">Sad "
      "hers.</emotion></voice>"
      "<voice name='bert'>His.</voice>"
      "<emotion vector=\"0 0.25 0 0 0 0 0 1\" alpha=\"0.75\">Angry.</emotion> Mine again.");
  auto line_of = [&](const std::string& text) { return record_line(s.record, text); };
  fail_unless(line_of("Hers.").find("/a.wav") != std::string::npos);
  const std::string sad = line_of("Sad hers.");
  fail_unless(sad.find("/a.wav") != std::string::npos && sad.find("0.5") != std::string::npos, "%s",
              sad.c_str());
  fail_unless(line_of("His.").find("/b.wav") != std::string::npos);
  fail_unless(line_of("Angry.").find("0.25") != std::string::npos &&
              line_of("Angry.").find("0.75") != std::string::npos);
  for (const char* plain : {"Mine.", "Mine again."}) {
    fail_unless(line_of(plain).find(".wav") == std::string::npos, "%s", plain);
    fail_unless(line_of(plain).find("0.25") == std::string::npos);
  }
}

// Inside an element its own emotion counts, whatever the property says.
CASE(emotions_in_words) {
  Player p({{"model-path", "tone:"}, {"use-markup", "true"}, {"emotion-text", "of the property"}});
  p.set("text",
        "One. <emotion text=\"with a smile\" alpha=\"0.75\">Two. <emotion name=\"sad\">Three."
        "</emotion> Four.</emotion> <emotion vector=\"0 0.25 0 0 0 0 0 1\">Five.</emotion>");
  fail_unless(p.play());
  const std::string record = tone_record();
  auto check = [&](const char* text, const char* words) {
    const std::string line = record_line(record, text),
                      wanted = std::string("\"emotion_text\":\"") + words;
    fail_unless(line.find(wanted + "\"") != std::string::npos, "%s", line.c_str());
  };
  check("One.", "of the property");
  check("Two.", "with a smile");
  check("Three.", "");
  check("Four.", "with a smile");
  check("Five.", "");
  fail_unless(record_line(record, "Two.").find("\"alpha\":0.75") != std::string::npos);
  fail_unless(record_line(record, "Three.").find("\"vector\":[0.0,0.0,1.0,") != std::string::npos);
  fail_unless(record_line(record, "Five.").find("\"vector\":[0.0,0.25,") != std::string::npos);
}

CASE(words_in_place_of_others) {
  fail_unless(
      has(spoken("The <sub alias=\"World Wide Web\">WWW</sub> here."), "The World Wide Web here."));
  fail_unless(has(spoken("The <say-as interpret-as=\"characters\">BBC2</say-as> says."),
                  "The B B C 2 says."));
  fail_unless(has(spoken("<p>One</p><p>Two</p>"), "One"));
}

// A mark is told with the time at which it is heard, before it is.
CASE(marks) {
  LiveRig rig("use-markup=true segment-gap=0");
  rig.step(5);
  const guint64 id =
      rig.speak("0123456789<mark name=\"half\"/>0123456789. Next.<mark name=\"end\"/>");
  rig.wait_spoken(2);
  rig.step_to_end(id);
  const auto marks = rig.messages("mark", id);
  fail_unless_equals_int(static_cast<int>(marks.size()), 2);
  const GstClockTime start = rig.messages("utterance-start", id)[0].running_time;
  const GstClockTime half = gst_util_uint64_scale(10 * kByte, GST_SECOND, 22050);
  // The segment also holds the blank behind its end.
  fail_unless(marks[0].running_time + 20 * GST_MSECOND > start + half);
  fail_unless(marks[0].running_time < start + half + 20 * GST_MSECOND);
  fail_unless_equals_uint64(marks[1].running_time,
                            rig.messages("utterance-end", id)[0].running_time);
  size_t at = 0;
  while (rig.buffers[at].pts + rig.buffers[at].duration <= marks[0].running_time) ++at;
  fail_unless(marks[0].buffers_before <= at);
}

// One id for the whole row: it is cancelled as a whole, and speak-full takes the property as a
// field.
CASE(cancel_gives_all_parts_up) {
  LiveRig rig;
  const guint64 id = rig.speak_full(
      "text=\"One and a few words more.<break time='1s'/>Two.<break time='1s'/>Three.\", "
      "use-markup=(boolean)true");
  fail_unless_equals_uint64(id, 1);
  rig.wait_spoken(3);
  rig.step_to_sound(id);
  fail_unless(rig.cancel(id));
  for (guint64 part : {1, 2, 3}) {
    rig.step_to_end(part);
    check_text(rig.messages("utterance-end", part)[0].reason, "cancelled");
  }
}

CASE(breaks_in_live_mode) {
  LiveRig rig("use-markup=true segment-gap=0");
  rig.speak("One.<break time='1s'/>Two.");
  rig.wait_spoken(2);
  rig.step_to_end(2);
  const GstClockTime end = rig.messages("utterance-end", 1)[0].running_time;
  fail_unless_equals_uint64(rig.messages("utterance-start", 2)[0].running_time, end + GST_SECOND);
}

CASE(errors_name_the_place) {
  check_refused("One <loud>two</loud>.", "line 1, column 11: <loud> is not known");
  check_refused("<speak>\n  <voice>x</voice></speak>",
                "line 2, column 11: the attribute name is missing");
  check_refused("One\n<break time=\"5 minutes\"/>", "line 2");
  check_refused("<break time=\"11s\"/>x", "time");
  check_refused("<break time=\"1s\" size=\"2\"/>x", "the attribute size is not known here");
  check_refused("<emotion name=\"bored\">x</emotion>", "there is no emotion \"bored\"");
  check_refused("<emotion vector=\"1 2\">x</emotion>", "vector");
  check_refused("<emotion>x</emotion>", "needs one of name, vector and text");
  check_refused("<emotion name=\"sad\" text=\"sad\">x</emotion>",
                "needs one of name, vector and text");
  check_refused("<emotion text=\"\">x</emotion>", "in words");
  check_refused("<say-as interpret-as=\"date\">x</say-as>", "expected characters");
  check_refused("One <p>two.", "line 1");
  check_refused("One & two.", "line 1");
  check_refused("<voice name=\"carl\">x</voice>", "\"carl\"");
  check_refused("a<speak>b</speak>", "outermost");
}

CASE(nothing_is_read_from_elsewhere) {
  check_refused(
      "<?xml version='1.0'?><!DOCTYPE speak [<!ENTITY x SYSTEM "
      "\"file:///etc/passwd\">]><speak>&x;</speak>",
      "document type");
  check_refused("A &secret; here.", "line 1");
}

CASE(depth_and_size_are_bounded) {
  std::string deep, shut, marks, parts;
  for (int i = 0; i < 40; ++i) {
    deep += "<s>";
    shut += "</s>";
  }
  check_refused(deep + "x" + shut, "nested too deeply");
  for (int i = 0; i < 10001; ++i) marks += "<mark name='m'/>";
  check_refused(marks + "x", "too many marks");
  for (int i = 0; i < 1001; ++i) parts += "x<break time='1ms'/>";
  check_refused(parts, "too many parts");
}

// A damaged one is no reason to end a stream that can go on without.
CASE(an_emotion_model_of_no_use_is_skipped_on_wish) {
  Player p({{"model-path", "tone:throw_at=read_emotion,throw=kModel"},
            {"use-markup", "true"},
            {"on-error", "skip"},
            {"text", "<emotion text=\"glad\">Bad one.</emotion> Good one here."}});
  fail_unless(p.play());
  check_near(frequencies(p.floats()), {frequency_of("Good one here.")});
  fail_unless_equals_int(p.count(GST_MESSAGE_WARNING), 1);
}

CASE(a_wrong_text_is_skipped_on_wish) {
  LiveRig rig("use-markup=true on-error=skip");
  const guint64 wrong = rig.speak("<loud>x</loud>"), right = rig.speak("Well.");
  rig.wait_spoken(1);
  rig.step_to_end(wrong);
  rig.step_to_end(right);
  check_text(rig.messages("utterance-end", wrong)[0].reason, "error");
  check_text(rig.messages("utterance-end", right)[0].reason, "done");
}

RUN_CASES("markup")
