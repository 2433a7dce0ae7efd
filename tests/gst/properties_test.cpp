// Names, defaults and effects of the properties, what the engine gets of them, stats, and trap 9.
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "case.h"
#include "player.h"

using namespace player;

namespace {

std::string text_of(GstElement* element, const char* name) {
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
  fail_unless(spec != nullptr, "no property %s", name);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  g_object_get_property(G_OBJECT(element), name, &value);
  gchar* text =
      G_VALUE_HOLDS_STRING(&value) ? g_value_dup_string(&value) : gst_value_serialize(&value);
  std::string copy = text ? text : "NULL";
  g_free(text);
  g_value_unset(&value);
  return copy;
}

bool has(const std::string& where, const std::string& what) {
  return where.find(what) != std::string::npos;
}

}  // namespace

// The interface: these properties and no others, with these defaults.
CASE(names_and_defaults) {
  const std::map<std::string, std::string> wanted = {{"model-path", "NULL"},
                                                     {"devices", "auto"},
                                                     {"schedule", "round-robin"},
                                                     {"threads", "0"},
                                                     {"replicas-per-device", "1"},
                                                     {"precision", "auto"},
                                                     {"prefetch", "0"},
                                                     {"warmup", "true"},
                                                     {"share-pool", "true"},
                                                     {"preload", "true"},
                                                     {"priority", "0"},
                                                     {"use-markup", "false"},
                                                     {"text", "NULL"},
                                                     {"location", "NULL"},
                                                     {"uri", "NULL"},
                                                     {"max-utterances", "256"},
                                                     {"timing", "auto"},
                                                     {"language", "NULL"},
                                                     {"overflow", "shift"},
                                                     {"loudness-target", "0"},
                                                     {"max-true-peak", "-1"},
                                                     {"queue-mode", "append"},
                                                     {"is-live", "false"},
                                                     {"keep-alive", "false"},
                                                     {"idle-mode", "auto"},
                                                     {"latency", "0"},
                                                     {"lead-time", "0"},
                                                     {"max-lateness", "-1"},
                                                     {"fade-out", "10000000"},
                                                     {"post-messages", "true"},
                                                     {"voice", "NULL"},
                                                     {"max-prompt-duration", "15000000000"},
                                                     {"emotion-audio", "NULL"},
                                                     {"emotion-text", "NULL"},
                                                     {"emotion-from-text", "false"},
                                                     {"emotion-alpha", "1"},
                                                     {"emotion-random", "false"},
                                                     {"emotion-vector", "<  >"},
                                                     {"seed", "-1"},
                                                     {"temperature", "0.80000000000000004"},
                                                     {"top-p", "0.80000000000000004"},
                                                     {"top-k", "30"},
                                                     {"diffusion-steps", "25"},
                                                     {"guidance", "0.69999999999999996"},
                                                     {"typical-sampling", "false"},
                                                     {"typical-mass", "0.90000000000000002"},
                                                     {"glossary", "NULL"},
                                                     {"num-beams", "3"},
                                                     {"repetition-penalty", "10"},
                                                     {"length-penalty", "0"},
                                                     {"max-mel-tokens", "1500"},
                                                     {"max-segment-tokens", "120"},
                                                     {"first-segment-tokens", "0"},
                                                     {"segment-gap", "200000000"},
                                                     {"buffer-duration", "20000000"},
                                                     {"max-text-bytes", "1048576"},
                                                     {"on-error", "fail"},
                                                     {"state", "stopped"},
                                                     {"queued", "0"},
                                                     {"current-utterance", "0"},
                                                     {"available-devices", ""}};
  GstElement* element = gst_element_factory_make("indextts2src", nullptr);
  for (const auto& [name, value] : wanted) {
    const std::string got = text_of(element, name.c_str());
    fail_unless(got == value, "%s: %s instead of %s", name.c_str(), got.c_str(), value.c_str());
  }
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  std::set<std::string> ours;
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type == G_OBJECT_TYPE(element)) ours.insert(specs[i]->name);
    const char* blurb = g_param_spec_get_blurb(specs[i]);
    fail_unless(blurb && *blurb);
    fail_if(specs[i]->flags & GST_PARAM_CONTROLLABLE);
  }
  g_free(specs);
  fail_unless_equals_int(static_cast<int>(ours.size()), static_cast<int>(wanted.size()) + 2);
  fail_unless(ours.count("stats") == 1 && ours.count("voices") == 1);
  gst_object_unref(element);
}

CASE(factory) {
  GstElementFactory* factory = gst_element_factory_find("indextts2src");
  fail_unless_equals_string(
      gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_LONGNAME),
      "IndexTTS2 text-to-speech source");
  fail_unless_equals_string(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS),
                            "Source/Converter/Text/Audio");
  fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), GST_RANK_NONE);
  gst_object_unref(factory);
}

// What was set reaches the engine; a sampling value that was never set does not.
CASE(values_reach_the_engine) {
  std::string voice = write_file("voice.wav", "sixteen bytes and more");
  Player p({{"model-path", "tone:"},
            {"text", "Speak this."},
            {"seed", "42"},
            {"voice", voice},
            {"emotion-vector", "<0.1, 0, 0.25, 0, 0, 0, 1.0, 0.5>"},
            {"emotion-alpha", "0.5"},
            {"emotion-random", "true"},
            {"temperature", "0.7"},
            {"top-k", "5"},
            {"num-beams", "2"},
            {"typical-sampling", "true"},
            {"max-segment-tokens", "80"},
            {"first-segment-tokens", "20"},
            {"glossary", "terms.yaml"},
            {"schedule", "least-work"}});
  fail_unless(p.play());
  const std::string record = tone_record();
  for (const char* wanted :
       {"\"seed\":42", "voice.wav", "\"vector\":[0.1,0.0,0.25,0.0,0.0,0.0,1.0,0.5]",
        "\"alpha\":0.5", "\"random\":true", "\"temperature\":0.7", "\"top_k\":5", "\"num_beams\":2",
        "\"typical_sampling\":true", "\"max_segment_tokens\":80", "\"first_segment_tokens\":20",
        "terms.yaml", "least-work"}) {
    fail_unless(has(record, wanted), "%s is not in %s", wanted, record.c_str());
  }
  for (const char* unset :
       {"\"top_p\"", "\"guidance\"", "\"diffusion_steps\"", "\"length_penalty\"",
        "\"repetition_penalty\"", "\"typical_mass\"", "\"max_mel_tokens\""}) {
    fail_if(has(record, unset), "%s was set", unset);
  }
}

// Words go before the vector; the text's own words count only without others. Each change holds
// from the next text on.
CASE(emotion_in_words) {
  Player p({{"model-path", "tone:"},
            {"text", "One here."},
            {"emotion-vector", "<0.1, 0, 0, 0, 0, 0, 0, 0>"},
            {"emotion-text", "with a smile"},
            {"emotion-from-text", "true"}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  g_object_set(p.element(), "emotion-text", nullptr, nullptr);
  p.set("text", "Two here.");
  p.set("emotion-from-text", "false");
  p.set("text", "Three here.");
  fail_unless(p.play());
  const std::string record = tone_record();
  const std::string one = record_line(record, "One"), two = record_line(record, "Two"),
                    three = record_line(record, "Three");
  const char* const given = "\"vector\":[0.1,0.0";
  fail_unless(has(one, "\"emotion_text\":\"with a smile\"") && has(one, "0.5") && !has(one, given));
  fail_unless(has(two, "\"emotion_text\":\"\"") && has(two, "\"emotion_from_text\":true"));
  fail_unless(has(two, "0.5") && !has(two, given));
  fail_unless(has(three, "\"emotion_from_text\":false") && has(three, given));
}

// Words and a vector go before the clip, which then is not read.
CASE(emotion_clip_that_is_replaced) {
  const std::string clip = write_file("emotion.wav", "sixteen bytes and more");
  Player p({{"model-path", "tone:"},
            {"text", "One here."},
            {"emotion-audio", clip},
            {"emotion-text", "with a smile"}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  g_object_set(p.element(), "emotion-text", nullptr, nullptr);
  p.set("emotion-from-text", "true");
  p.set("text", "Two here.");
  p.set("emotion-from-text", "false");
  p.set("text", "Three here.");
  p.set("emotion-vector", "<0.5, 0, 0, 0, 0, 0, 0, 0>");
  p.set("text", "Four here.");
  fail_unless(p.play());
  const std::string record = tone_record();
  for (const char* text : {"One", "Two", "Four"}) {
    const std::string line = record_line(record, text);
    fail_unless(has(line, "\"emotion\":\"\""), "%s", line.c_str());
  }
  fail_unless(has(record_line(record, "Three"), "\"emotion\":\"" + clip + "\""));
}

CASE(drawn_seeds_differ) {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_unless(p.go_to(GST_STATE_PAUSED));
  for (int i = 0; i < 5; ++i) p.set("text", "One.");
  fail_unless(p.play());
  std::set<std::string> seeds;
  const std::string record = tone_record();
  for (size_t at = record.find("\"seed\":"); at != std::string::npos;
       at = record.find("\"seed\":", at + 1)) {
    seeds.insert(record.substr(at, record.find(',', at) - at));
  }
  fail_unless(seeds.size() >= 5);
}

// Counters, values in force: the model's own where nothing was set.
CASE(stats) {
  Player p({{"model-path", "tone:segment_ms=5"},
            {"devices", "cpu:2"},
            {"temperature", "0.5"},
            {"max-mel-tokens", "1700"},
            {"text", "One here. Two here. Three here."},
            {"segment-gap", "0"}});
  fail_unless(has(p.stats(), "indextts2/stats"));
  fail_unless(p.play());
  GstStructure* stats = nullptr;
  g_object_get(p.element(), "stats", &stats, nullptr);
  guint64 segments = 0, samples = 0, spoken = 0, waiting = 1;
  gdouble audio = 0, busy = 0, rtf = 0, first = -1, temperature = 0, guidance = 0;
  gint mel = 0;
  fail_unless(gst_structure_get(
      stats, "segments", G_TYPE_UINT64, &segments, "samples", G_TYPE_UINT64, &samples,
      "texts-spoken", G_TYPE_UINT64, &spoken, "text-bytes-waiting", G_TYPE_UINT64, &waiting,
      "audio-seconds", G_TYPE_DOUBLE, &audio, "busy-seconds", G_TYPE_DOUBLE, &busy, "rtf",
      G_TYPE_DOUBLE, &rtf, "first-audio-seconds", G_TYPE_DOUBLE, &first, nullptr));
  fail_unless_equals_uint64(segments, 3);
  fail_unless_equals_uint64(samples, 220 * 29);
  fail_unless_equals_uint64(spoken, 1);
  fail_unless_equals_uint64(waiting, 0);
  fail_unless(audio > 0 && busy > 0 && first > 0);
  fail_unless_equals_float(rtf, busy / audio);
  const GValue* devices = gst_structure_get_value(stats, "devices");
  fail_unless_equals_int(gst_value_array_get_size(devices), 2);
  for (guint i = 0; i < 2; ++i) {
    const GstStructure* device = gst_value_get_structure(gst_value_array_get_value(devices, i));
    fail_unless(gst_structure_get(device, "segments", G_TYPE_UINT64, &segments,
                                  "first-audio-seconds", G_TYPE_DOUBLE, &first, nullptr));
    fail_unless(segments == 1 || segments == 2);  // the first one is whoever's takes it first
    fail_unless(first > 0);
    fail_unless(
        gst_structure_has_field(device, "device") && gst_structure_has_field(device, "queued") &&
        gst_structure_has_field(device, "rtf") && gst_structure_has_field(device, "busy-seconds"));
  }
  const GstStructure* generation =
      gst_value_get_structure(gst_structure_get_value(stats, "generation"));
  fail_unless(gst_structure_get(generation, "temperature", G_TYPE_DOUBLE, &temperature, "guidance",
                                G_TYPE_DOUBLE, &guidance, "max-mel-tokens", G_TYPE_INT, &mel,
                                nullptr));
  fail_unless_equals_float(temperature, 0.5);
  fail_unless_equals_float(guidance, 0.7);
  fail_unless_equals_int(mel, 1700);
  gst_structure_free(stats);
}

CASE(available_devices) {
  Player p({{"model-path", "tone:"}, {"text", "One."}});
  fail_unless(text_of(p.element(), "available-devices").empty());
  fail_unless(p.go_to(GST_STATE_READY));
  const std::string devices = text_of(p.element(), "available-devices");
  fail_unless(has(devices, "cpu, Tone processor, 1024 MiB, 512 MiB free\ntone:0, "), "%s",
              devices.c_str());
  p.go_to(GST_STATE_NULL);
  fail_unless(text_of(p.element(), "available-devices").empty());
}

// An engine that is loaded is used again, unless model or devices have changed.
CASE(engine_is_kept_in_ready) {
  Player p({{"model-path", "tone:load_ms=300"}, {"text", "One."}});
  fail_unless(p.play());
  p.go_to(GST_STATE_READY);
  p.forget();
  double start = seconds_now();
  fail_unless(p.play());
  fail_unless(in_time(start, 0.25));
  p.go_to(GST_STATE_READY);
  p.set("devices", "cpu:2");
  p.forget();
  start = seconds_now();
  fail_unless(p.play());
  fail_unless(seconds_now() - start > 0.3);
  p.go_to(GST_STATE_NULL);
  fail_unless(tone_all_gone());
}

// Each text is spoken with one consistent set of values, whatever other threads set meanwhile.
CASE(trap_09_consistent_snapshots) {
  std::string voices[8];
  for (int i = 0; i < 8; ++i) {
    voices[i] = write_file("voice" + std::to_string(i) + ".wav", "sixteen bytes and more");
  }
  Player p({{"model-path", "tone:any_voice=1,segment_ms=1"},
            {"devices", "cpu:2"},
            {"text", "Begin."},
            {"max-utterances", "0"},
            {"segment-gap", "0"}});
  p.go_to(GST_STATE_PLAYING, 0);
  std::atomic<bool> stop{false};
  std::thread storm([&] {
    for (int i = 0; !stop; ++i) {
      g_object_set(p.element(), "temperature", 0.5 + 0.01 * (i % 50), "schedule", i % 2,
                   "segment-gap", guint64{1000000} * (i % 3), "max-text-bytes", 1000000 + i % 10,
                   nullptr);
      GstStructure* stats = nullptr;
      gchar* voice = nullptr;
      g_object_get(p.element(), "stats", &stats, "voice", &voice, nullptr);
      gst_structure_free(stats);
      g_free(voice);
    }
  });
  constexpr int kTexts = 300;
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = "Number " + std::to_string(1000 + i) + ".";
    g_object_set(p.element(), "voice", voices[i % 8].c_str(), "seed", gint64{1000} + i, "text",
                 text.c_str(), nullptr);
  }
  gst_element_send_event(p.element(), gst_event_new_eos());
  fail_unless(p.wait_end());
  stop = true;
  storm.join();
  const std::string record = tone_record();
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = "\"text\":\"Number " + std::to_string(1000 + i) + ".\"";
    const size_t at = record.find(text);
    fail_unless(at != std::string::npos, "text %d was not spoken", i);
    const size_t begin = record.rfind('\n', at) + 1;
    const std::string line = record.substr(begin, record.find('\n', at) - begin);
    fail_unless(has(line, "\"seed\":" + std::to_string(1000 + i) + ","), "%s", line.c_str());
    fail_unless(has(line, "voice" + std::to_string(i % 8) + ".wav"), "%s", line.c_str());
  }
}

// Storms of GStreamer's own harness.
CASE(trap_09_property_storm) {
  GstElement* element = gst_element_factory_make("indextts2src", nullptr);
  g_object_set(element, "model-path", "tone:any_voice=1", "text", std::string(1000, 'a').c_str(),
               "max-text-bytes", 2000, nullptr);
  GstHarness* h = gst_harness_new_with_element(element, nullptr, "src");
  gst_harness_play(h);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, "Stress.");
  GstHarnessThread* text = gst_harness_stress_property_start_full(h, "text", &value, 500);
  GstHarnessThread* voice = gst_harness_stress_property_start_full(h, "voice", &value, 100);
  g_value_unset(&value);
  g_value_init(&value, G_TYPE_INT64);
  g_value_set_int64(&value, 5);
  GstHarnessThread* seed = gst_harness_stress_property_start_full(h, "seed", &value, 100);
  for (int i = 0; i < 200; ++i) {
    GstBuffer* buffer = gst_harness_pull(h);
    fail_unless(buffer != nullptr);
    gst_buffer_unref(buffer);
  }
  gst_harness_stress_thread_stop(text);
  gst_harness_stress_thread_stop(voice);
  gst_harness_stress_thread_stop(seed);
  g_value_unset(&value);
  gst_element_set_state(h->element, GST_STATE_NULL);
  gst_harness_teardown(h);
  gst_object_unref(element);
}

RUN_CASES("properties")
