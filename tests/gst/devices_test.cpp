// Devices that are lost, come and go under a playing element.
#include <cstring>
#include <string>
#include <vector>

#include "case.h"
#include "live_rig.h"
#include "player.h"

using namespace player;

namespace {

std::string sentences(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "Sentence number " + std::to_string(i) + ". ";
  return text;
}

// Names of element messages of ours, with their device.
struct Messages {
  std::mutex mutex;  // guards all
  std::vector<std::string> all;

  static void note(GstMessage* message, void* self) {
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT) return;
    const GstStructure* fields = gst_message_get_structure(message);
    const char* device = gst_structure_get_string(fields, "device");
    if (!device) return;
    auto* messages = static_cast<Messages*>(self);
    std::lock_guard<std::mutex> lock(messages->mutex);
    messages->all.push_back(std::string(gst_structure_get_name(fields)) + " " + device);
  }
  bool has(const std::string& wanted) {
    std::lock_guard<std::mutex> lock(mutex);
    for (const std::string& one : all) {
      if (one == wanted) return true;
    }
    return false;
  }
  bool wait(const std::string& wanted) {
    return wait_until([&] { return has(wanted); });
  }
};

std::vector<char> undisturbed(const std::string& text) {
  Player player({{"model-path", "tone:segment_ms=5"}, {"text", text}, {"seed", "7"}});
  fail_unless(player.play());
  return player.bytes();
}

gboolean act(Player& player, const char* action, const char* device) {
  gboolean begun = FALSE;
  g_signal_emit_by_name(player.element(), action, device, &begun);
  return begun;
}

}  // namespace

CASE(a_lost_device_changes_nothing_in_the_sound) {
  const std::string text = sentences(30);
  const std::vector<char> expected = undisturbed(text);
  for (const char* fault : {"tone:0:throw@3", "tone:1:oom@2", "tone:2:stall@4"}) {
    Messages messages;
    Player player({{"model-path", std::string("tone:segment_ms=20,stall_ms=1000,inject=") + fault},
                   {"devices", "tone:0,tone:1,tone:2"},
                   {"text", text},
                   {"seed", "7"}});
    player.on_message(&Messages::note, &messages);
    fail_unless(player.play(), "%s", fault);
    fail_unless(player.bytes() == expected, "%s: another sound", fault);
    fail_unless(messages.wait(std::string("indextts2/device-lost ") + std::string(fault, 6)));
    fail_unless_equals_int(player.count(GST_MESSAGE_WARNING), 1);
    fail_unless_equals_int(player.count(GST_MESSAGE_ERROR), 0);
    const Report warning = player.reports(GST_MESSAGE_WARNING).front();
    fail_unless(warning.domain == GST_RESOURCE_ERROR && warning.code == GST_RESOURCE_ERROR_BUSY);
    fail_unless(player.go_to(GST_STATE_NULL));
  }
}

CASE(the_last_device_ends_in_one_error_and_the_element_may_start_again) {
  Messages messages;
  Player player({{"model-path", "tone:segment_ms=10,inject=tone:0:throw@2;tone:1:oom@3"},
                 {"devices", "tone:0,tone:1"},
                 {"text", sentences(20)},
                 {"seed", "7"}});
  player.on_message(&Messages::note, &messages);
  fail_unless(!player.play());
  // The base class may have added its own "Internal data stream error" by now.
  int told = 0;
  for (const Report& report : player.reports(GST_MESSAGE_ERROR)) {
    const bool of_base_class =
        report.domain == GST_STREAM_ERROR && report.code == GST_STREAM_ERROR_FAILED;
    if (!of_base_class) ++told;
  }
  fail_unless_equals_int(told, 1);
  fail_unless(messages.wait("indextts2/device-lost tone:0"));
  fail_unless(messages.wait("indextts2/device-lost tone:1"));
  fail_unless(player.go_to(GST_STATE_READY));
  player.forget();
  g_object_set(player.element(), "devices", "tone:2", nullptr);
  fail_unless(player.go_to(GST_STATE_PLAYING));
  fail_unless(player.wait_samples(1000));
}

CASE(a_lost_device_can_be_loaded_again) {
  Messages messages;
  Player player({{"model-path", "tone:segment_ms=10,inject=tone:0:oom@2"},
                 {"devices", "tone:0,tone:1"},
                 {"text", sentences(40)},
                 {"seed", "7"}});
  player.on_message(&Messages::note, &messages);
  fail_unless(player.go_to(GST_STATE_PLAYING));
  fail_unless(messages.wait("indextts2/device-lost tone:0"));
  fail_unless(act(player, "load-device", "tone:0"));
  fail_unless(messages.wait("indextts2/device-loaded tone:0"));
  fail_unless(player.wait_end());
  fail_unless(player.bytes() == undisturbed(sentences(40)));
}

CASE(devices_come_and_go_while_playing) {
  const std::string text = sentences(200);
  Messages messages;
  Player player(
      {{"model-path", "tone:segment_ms=10"}, {"devices", "tone:0"}, {"text", text}, {"seed", "7"}});
  player.on_message(&Messages::note, &messages);
  fail_unless(player.go_to(GST_STATE_PLAYING));
  fail_unless(player.wait_samples(1));
  for (int round = 0; round < 20; ++round) {
    fail_unless(act(player, "load-device", "tone:1"));
    fail_unless(messages.wait("indextts2/device-loaded tone:1"));
    fail_unless(act(player, "unload-device", "tone:1"));
    fail_unless(messages.wait("indextts2/device-unloaded tone:1"));
    std::lock_guard<std::mutex> lock(messages.mutex);
    messages.all.clear();
  }
  fail_unless(player.wait_end());
  fail_unless(player.bytes() == undisturbed(text));
  fail_unless_equals_int(player.count(GST_MESSAGE_WARNING), 0);
}

CASE(actions_that_cannot_be_done_say_so) {
  Player player({{"model-path", "tone:segment_ms=10"},
                 {"devices", "tone:0"},
                 {"text", sentences(60)},
                 {"seed", "7"}});
  fail_unless(!act(player, "load-device", "tone:1"), "no engine yet");
  fail_unless(player.go_to(GST_STATE_PLAYING));
  fail_unless(player.wait_samples(1));
  const std::vector<std::pair<const char*, const char*>> wrong = {
      {"unload-device", "tone:0"},  // the last one
      {"unload-device", "tone:5"},  // not loaded
      {"load-device", "tone:0"},    // loaded already
      {"load-device", "tpu"}};      // unknown
  int warnings = 0;
  for (const auto& [action, device] : wrong) {
    fail_unless(act(player, action, device));
    ++warnings;
    wait_until([&] { return player.count(GST_MESSAGE_WARNING) >= warnings; });
    fail_unless_equals_int(player.count(GST_MESSAGE_WARNING), warnings);
  }
  fail_unless(player.wait_end());
}

// Live mode has them, too.
CASE(a_lost_device_changes_nothing_in_live_sound) {
  const std::string text = sentences(12);
  LiveRig undisturbed_rig("segment-gap=0");
  undisturbed_rig.step_to_end(undisturbed_rig.speak(text));
  LiveRig rig(
      "segment-gap=0 devices=tone:0,tone:1 "
      "model-path=\"tone:segment_ms=20,inject=tone:0:throw@3\"");
  const guint64 id = rig.speak(text);
  rig.wait_spoken(12);
  rig.step_to_end(id);
  fail_unless_equals_int(static_cast<int>(rig.messages("device-lost", 0).size()), 1);
  fail_unless(rig.samples_of(id) == undisturbed_rig.samples_of(1), "another sound");
}

CASE(the_last_device_ends_live_speech_in_one_error) {
  Messages messages;
  Player player({{"model-path", "tone:segment_ms=10,inject=tone:0:throw@2"},
                 {"devices", "tone:0"},
                 {"is-live", "true"},
                 {"text", sentences(20)}});
  player.on_message(&Messages::note, &messages);
  player.go_to(GST_STATE_PLAYING, 0);
  fail_unless(!player.wait_end());
  fail_unless_equals_int(player.count(GST_MESSAGE_ERROR), 1);
  fail_unless(messages.wait("indextts2/device-lost tone:0"));
  fail_unless(player.go_to(GST_STATE_READY));
  player.forget();
  g_object_set(player.element(), "devices", "tone:2", nullptr);
  player.go_to(GST_STATE_PLAYING, 0);
  fail_unless(player.wait_samples(1000));
}

CASE(without_preload_the_model_is_loaded_for_the_first_text) {
  Player player({{"model-path", "tone:"}, {"devices", "tone:0"}, {"preload", "false"}});
  Feeder feeder(player);
  gst_element_set_state(player.pipeline(), GST_STATE_PLAYING);
  g_usleep(100000);
  fail_unless_equals_int(player.count(GST_MESSAGE_PROGRESS), 0);
  fail_unless(feeder.push("Good morning.\n") == GST_FLOW_OK);
  fail_unless(feeder.end());
  fail_unless(player.wait_end());
  fail_unless(player.bytes().size() > 0);
  fail_unless(player.count(GST_MESSAGE_PROGRESS) > 0);
}

CASE(without_preload_live_mode_loads_for_the_first_text) {
  LiveRig rig("preload=false");
  rig.step(20);
  gint state = -1;
  g_object_get(rig.element(), "state", &state, nullptr);
  fail_unless_equals_int(state, 2);  // idle
  gboolean begun = TRUE;
  g_signal_emit_by_name(rig.element(), "load-device", "tone:1", &begun);
  fail_unless(!begun, "no engine yet");
  const guint64 id = rig.speak("Good morning.");
  rig.wait_spoken(1);
  rig.step_to_end(id);
  g_signal_emit_by_name(rig.element(), "load-device", "tone:1", &begun);
  fail_unless(begun);
}

RUN_CASES("devices")
