// Traps 8, 15 and 21: each kind of error on the bus, exceptions at each entry of the engine, size
// and privacy of text.
#include <algorithm>
#include <string>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

struct Wanted {
  Properties properties;
  GQuark domain;
  gint code;
  const char* in_text;  // what the message must name
};

// The first ERROR is ours, and it is the only one that is.
void check_error(const Wanted& wanted) {
  Player p(wanted.properties);
  p.go_to(GST_STATE_PLAYING);
  fail_if(p.wait_end());
  p.go_to(GST_STATE_NULL);
  auto errors = p.reports(GST_MESSAGE_ERROR);
  fail_unless(!errors.empty());
  fail_unless(errors[0].domain == wanted.domain && errors[0].code == wanted.code,
              "%s %d instead of %s %d: %s", g_quark_to_string(errors[0].domain), errors[0].code,
              g_quark_to_string(wanted.domain), wanted.code, errors[0].text.c_str());
  fail_unless(errors[0].text.find(wanted.in_text) != std::string::npos, "'%s' does not name '%s'",
              errors[0].text.c_str(), wanted.in_text);
  // The base class may add "Internal data stream error" and "Failed to start".
  for (size_t i = 1; i < errors.size(); ++i) {
    fail_unless(errors[i].text != errors[0].text);
    fail_unless(errors[i].debug.find("gstbasesrc.c") != std::string::npos, "second error: %s (%s)",
                errors[i].text.c_str(), errors[i].debug.c_str());
  }
}

Properties speaking(const std::string& model) {
  return {{"model-path", model}, {"text", "One. Two. Three."}};
}

}  // namespace

// Properties, text and voice.
CASE(trap_08_error_messages) {
  const GQuark resource = GST_RESOURCE_ERROR, stream = GST_STREAM_ERROR;
  std::string tiny = write_file("tiny.wav", "short"), cut = write_file("cut.txt",
                                                                       "ab\xff"
                                                                       "cd");
  std::string utf16 = write_file("odd.txt", std::string("\xff\xfe"
                                                        "a\0"
                                                        "\x00\xd8",
                                                        6));
  const Wanted all[] = {
      {{{"model-path", "/no/such/model"}, {"text", "a"}},
       resource,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "/no/such/model"},
      {{{"model-path", "tone:"}}, resource, GST_RESOURCE_ERROR_SETTINGS, "location"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"location", cut}},
       resource,
       GST_RESOURCE_ERROR_SETTINGS,
       "both"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"devices", "gpu9"}},
       resource,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "gpu9"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"devices", " , "}},
       resource,
       GST_RESOURCE_ERROR_SETTINGS,
       "devices"},
      {{{"model-path", "tone:"}, {"location", "/no/such/file"}},
       resource,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "/no/such/file"},
      {{{"model-path", "tone:"}, {"location", "/etc"}},
       resource,
       GST_RESOURCE_ERROR_OPEN_READ,
       "/etc"},
      {{{"model-path", "tone:"}, {"location", cut}}, stream, GST_STREAM_ERROR_DECODE, "byte 2"},
      {{{"model-path", "tone:"}, {"location", utf16}}, stream, GST_STREAM_ERROR_DECODE, "odd.txt"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"voice", "/no/such/voice.wav"}},
       resource,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "/no/such/voice.wav"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"voice", tiny}},
       stream,
       GST_STREAM_ERROR_WRONG_TYPE,
       "tiny.wav"},
      {{{"model-path", "tone:no_default_voice=1"}, {"text", "a"}},
       resource,
       GST_RESOURCE_ERROR_SETTINGS,
       "voice"},
      {{{"model-path", "tone:"}, {"text", "a"}, {"emotion-vector", "<0.5, 0.5>"}},
       resource,
       GST_RESOURCE_ERROR_SETTINGS,
       "emotion-vector"},
      {{{"model-path", "tone:throw_at=read_emotion,throw=kNotFound"},
        {"text", "a"},
        {"emotion-text", "glad"}},
       resource,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "read_emotion"},
  };
  for (const Wanted& wanted : all) check_error(wanted);
}

// Model, devices and synthesis.
CASE(trap_08_error_messages_of_the_engine) {
  const GQuark resource = GST_RESOURCE_ERROR, stream = GST_STREAM_ERROR;
  const GQuark library = GST_LIBRARY_ERROR;
  const Wanted all[] = {
      {speaking("tone:throw_at=open_engine,throw=kOpenRead"), resource,
       GST_RESOURCE_ERROR_OPEN_READ, "open_engine"},
      {speaking("tone:throw_at=open_engine,throw=kModel"), library, GST_LIBRARY_ERROR_SETTINGS,
       "open_engine"},
      {speaking("tone:throw_at=open_engine,throw=kNoMemory"), resource,
       GST_RESOURCE_ERROR_NO_SPACE_LEFT, "open_engine"},
      {speaking("tone:throw_at=open_engine,throw=kLibraryInit"), library, GST_LIBRARY_ERROR_INIT,
       "open_engine"},
      {speaking("tone:fail_segment=1"), stream, GST_STREAM_ERROR_ENCODE, "segment 1"},
      {speaking("tone:fail_segment=1,fail=kNoMemory"), resource, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
       "segment 1"},
      {speaking("tone:fail_segment=1,fail=kDeviceLost"), resource, GST_RESOURCE_ERROR_BUSY,
       "segment 1"},
  };
  for (const Wanted& wanted : all) check_error(wanted);
}

// With on-error=skip each of them is one WARNING, and the other texts are spoken.
CASE(trap_08_skip_errors) {
  Player p({{"model-path", "tone:fail_word=bad"}, {"on-error", "skip"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("The good one.\nThe bad one.\nNot \xff letters.\n...\nThe last one.");
  feeder.end();
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()),
             {frequency_of("The good one."), frequency_of("The last one.")});
  auto warnings = p.reports(GST_MESSAGE_WARNING);
  fail_unless_equals_int(static_cast<int>(warnings.size()), 3);
  fail_unless_equals_int(warnings[0].code, GST_STREAM_ERROR_ENCODE);
  fail_unless_equals_int(warnings[1].code, GST_STREAM_ERROR_DECODE);
  fail_unless(warnings[2].text.find("nothing that can be spoken") != std::string::npos);
}

CASE(trap_08_emotion_text_that_is_not_utf8) {
  Player p(speaking("tone:"));
  g_object_set(p.element(), "emotion-text", "gl\xff", nullptr);
  p.go_to(GST_STATE_PLAYING);
  fail_if(p.wait_end());
  p.go_to(GST_STATE_NULL);
  const auto errors = p.reports(GST_MESSAGE_ERROR);
  fail_if(errors.empty());
  fail_unless_equals_int(errors[0].code, GST_STREAM_ERROR_DECODE);
  const char* const wanted = "emotion-text is not valid UTF-8 at byte 2 of 3";
  fail_unless(errors[0].text.find(wanted) != std::string::npos, "%s", errors[0].text.c_str());
}

// The cut sound of a capped segment is spoken, with a WARNING.
CASE(trap_08_capped_segment) {
  Player p({{"model-path", "tone:capped_segment=1"}, {"text", "One here. Two here. Three here."}});
  fail_unless(p.play());
  fail_unless_equals_int(static_cast<int>(frequencies(p.floats()).size()), 3);
  auto warnings = p.reports(GST_MESSAGE_WARNING);
  fail_unless_equals_int(static_cast<int>(warnings.size()), 1);
  fail_unless_equals_int(warnings[0].code, GST_STREAM_ERROR_ENCODE);
}

// Whatever the engine throws, wherever: an ERROR on the bus, never std::terminate.
CASE(trap_15_exceptions) {
  const char* entries[] = {"open_engine", "open_session", "push", "next",
                           "construct",   "serve",        "read", "load_voice"};
  struct {
    const char* name;
    GQuark domain;
    gint code;
  } const throws[] = {{"kModel", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS},
                      {"bad_alloc", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT},
                      {"runtime_error", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED},
                      {"int", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED}};
  for (const char* entry : entries) {
    for (const auto& thrown : throws) {
      Player p(speaking(std::string("tone:throw_at=") + entry + ",throw=" + thrown.name));
      p.go_to(GST_STATE_PLAYING);
      fail_if(p.wait_end(), "%s in %s: EOS", thrown.name, entry);
      auto errors = p.reports(GST_MESSAGE_ERROR);
      // Inside the engine's own threads it is the engine that makes an Error of it.
      bool inner = g_str_equal(entry, "construct") || g_str_equal(entry, "serve") ||
                   g_str_equal(entry, "read");
      fail_unless(inner || (errors[0].domain == thrown.domain && errors[0].code == thrown.code),
                  "%s in %s: %s %d", thrown.name, entry, g_quark_to_string(errors[0].domain),
                  errors[0].code);
    }
  }
}

// Before a model is known only the environment can make the tone engine throw.
CASE(trap_15_exceptions_without_a_model) {
  for (const char* entry : {"version", "list_devices", "check_devices"}) {
    for (const char* thrown : {"kLibraryInit", "bad_alloc", "runtime_error", "int"}) {
      g_setenv("INDEXTTS2_TONE", (std::string("throw_at=") + entry + ",throw=" + thrown).c_str(),
               TRUE);
      Player p(speaking("tone:"));
      fail_if(p.go_to(GST_STATE_READY), "%s in %s", thrown, entry);
      fail_unless_equals_int(p.count(GST_MESSAGE_ERROR), 1);
    }
  }
}

// Entries that the application's thread reaches.
CASE(trap_15_exceptions_in_setters) {
  for (const char* entry : {"set_schedule", "stats", "model", "interrupt", "resume", "cancel"}) {
    for (const char* thrown : {"kModel", "bad_alloc", "runtime_error", "int"}) {
      Player p({{"model-path",
                 std::string("tone:segment_ms=30,throw_at=") + entry + ",throw=" + thrown}});
      Feeder feeder(p);
      p.go_to(GST_STATE_PLAYING, 0);
      feeder.push("One. Two. Three.\n");
      p.wait_samples(100);
      p.set("schedule", "least-work");
      GstStructure* stats = nullptr;
      g_object_get(p.element(), "stats", &stats, nullptr);
      if (stats) gst_structure_free(stats);
      feeder.event(gst_event_new_flush_start());
      feeder.event(gst_event_new_flush_stop(TRUE));
      p.go_to(GST_STATE_NULL);
      fail_unless(p.count(GST_MESSAGE_ERROR) >= 1, "%s in %s: no error", thrown, entry);
    }
  }
}

CASE(trap_21_text_size) {
  std::string book((1 << 20) + 4, 'a');
  check_error({{{"model-path", "tone:"}, {"text", book}},
               GST_STREAM_ERROR,
               GST_STREAM_ERROR_FAILED,
               "1048580"});
  check_error({{{"model-path", "tone:"}, {"text", book}},
               GST_STREAM_ERROR,
               GST_STREAM_ERROR_FAILED,
               "1048576"});
  check_error({{{"model-path", "tone:"}, {"location", write_file("book.txt", book)}},
               GST_STREAM_ERROR,
               GST_STREAM_ERROR_FAILED,
               "1048580"});
  Player p({{"model-path", "tone:samples_per_byte=1"}, {"text", book}, {"max-text-bytes", "0"}});
  fail_unless(p.play());
  fail_unless_equals_uint64(p.floats().size(), book.size());
}

// One line of the pad above the limit, whole or in pieces; the lines around it are spoken.
CASE(trap_21_line_size) {
  Player p({{"model-path", "tone:"}, {"max-text-bytes", "40"}, {"on-error", "skip"}});
  Feeder feeder(p);
  p.go_to(GST_STATE_PLAYING, 0);
  feeder.push("The first line.\n" + std::string(30, 'a'));
  feeder.push(std::string(30, 'b'));
  feeder.push(std::string(30, 'c') + "\nThe last line.\n");
  feeder.push(std::string(50, 'd'), 0);
  feeder.end();
  fail_unless(p.wait_end());
  check_near(frequencies(p.floats()),
             {frequency_of("The first line."), frequency_of("The last line.")});
  auto warnings = p.reports(GST_MESSAGE_WARNING);
  fail_unless_equals_int(static_cast<int>(warnings.size()), 2);
  fail_unless(warnings[0].text.find("max-text-bytes=40") != std::string::npos);
  fail_unless(warnings[1].text.find("50 bytes") != std::string::npos);
}

namespace {
std::string logged;
void keep_log(GstDebugCategory*, GstDebugLevel, const gchar*, const gchar*, gint, GObject*,
              GstDebugMessage* message, gpointer) {
  static GMutex mutex;
  const std::string line = gst_debug_message_get(message);  // may log by itself
  g_mutex_lock(&mutex);
  logged += line;
  logged += '\n';
  g_mutex_unlock(&mutex);
}
}  // namespace

// The debug log up to level 5 tells lengths, never texts. GStreamer itself logs every message that
// is posted, so those with texts are switched off.
CASE(trap_21_text_stays_out_of_the_log) {
  gst_debug_set_active(TRUE);
  gst_debug_set_default_threshold(GST_LEVEL_DEBUG);
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(keep_log, nullptr, nullptr);
  {
    Player p({{"model-path", "tone:fail_word=secret"},
              {"on-error", "skip"},
              {"post-messages", "false"}});
    g_object_set(p.element(), "text", "A secretive word. And a hushed one.", nullptr);
    Feeder feeder(p);
    p.go_to(GST_STATE_PLAYING, 0);
    feeder.push("My secretive diary.\nMy \xff hushed diary.\n ... \n");
    g_object_set(p.element(), "text", "One more hushed word.", nullptr);
    feeder.end();
    fail_unless(p.wait_end());
  }
  gst_debug_remove_log_function(keep_log);
  fail_unless(logged.size() > 1000);
  fail_unless(logged.find("secretive") == std::string::npos);
  fail_unless(logged.find("hushed") == std::string::npos);
  fail_unless(logged.find("diary") == std::string::npos);
}

RUN_CASES("traps_errors")
