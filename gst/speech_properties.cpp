// The properties that say how a text is spoken: each counts from the next accepted text on.
#include "properties.h"

namespace indextts2 {
namespace {

// Rows over GenerationOptions: a value that was never set stays unset, so that the model's own
// counts; reading it then gives the official default.
Property sampling_double(const char* name, const char* blurb, double min, double max, double def,
                         std::optional<double> GenerationOptions::*member) {
  Property row;
  row.spec =
      g_param_spec_double(name, nullptr, blurb, min, max, def, param_flags(Change::kPlaying));
  row.set = [member](Settings& s, const GValue* v) {
    s.generation.*member = g_value_get_double(v);
  };
  row.get = [member, def](const Settings& s, GValue* v) {
    g_value_set_double(v, (s.generation.*member).value_or(def));
  };
  return row;
}

Property sampling_uint(const char* name, const char* blurb, guint min, guint max, guint def,
                       std::optional<int> GenerationOptions::*member) {
  Property row;
  row.spec = g_param_spec_uint(name, nullptr, blurb, min, max, def, param_flags(Change::kPlaying));
  row.set = [member](Settings& s, const GValue* v) {
    s.generation.*member = static_cast<int>(g_value_get_uint(v));
  };
  row.get = [member, def](const Settings& s, GValue* v) {
    g_value_set_uint(v, static_cast<guint>((s.generation.*member).value_or(static_cast<int>(def))));
  };
  return row;
}

Property typical_sampling_property() {
  Property row;
  row.spec = g_param_spec_boolean(
      "typical-sampling", nullptr,
      "Prefer codes of typical instead of highest probability (see typical-mass): livelier, less "
      "predictable speech. Never set: the model's own value",
      FALSE, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) {
    s.generation.typical_sampling = g_value_get_boolean(v) != FALSE;
  };
  row.get = [](const Settings& s, GValue* v) {
    g_value_set_boolean(v, s.generation.typical_sampling.value_or(false));
  };
  return row;
}

Property emotion_vector_property() {
  Property row;
  row.spec = gst_param_spec_array(
      "emotion-vector", nullptr,
      "Emotion as 8 numbers from 0 to 1: happy, angry, sad, afraid, disgusted, melancholic, "
      "surprised, calm. Empty: the emotion of emotion-audio or of the voice clip. Scaled by "
      "emotion-alpha; sums above 0.8 tend to spoil the likeness of the voice",
      g_param_spec_double("value", nullptr, "Strength of one emotion, 0 to 1", 0, 1, 0,
                          static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)),
      param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) {
    s.emotion_vector.clear();
    for (guint i = 0; i < gst_value_array_get_size(v); ++i) {
      s.emotion_vector.push_back(g_value_get_double(gst_value_array_get_value(v, i)));
    }
  };
  row.get = [](const Settings& s, GValue* v) {
    for (double value : s.emotion_vector) {
      GValue item = G_VALUE_INIT;
      g_value_init(&item, G_TYPE_DOUBLE);
      g_value_set_double(&item, value);
      gst_value_array_append_and_take_value(v, &item);
    }
  };
  return row;
}

Property emotion_alpha_property() {
  Property row;
  row.spec = g_param_spec_double(
      "emotion-alpha", nullptr,
      "Strength of emotion-audio, emotion-vector or emotion-text, 0 to 1. 0: the voice clip's own "
      "emotion, 1: all of the given one",
      0, 1, 1, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) { s.emotion_alpha = g_value_get_double(v); };
  row.get = [](const Settings& s, GValue* v) { g_value_set_double(v, s.emotion_alpha); };
  return row;
}

Property seed_property() {
  Property row;
  row.spec = g_param_spec_int64(
      "seed", nullptr,
      "Start of all random draws of a text. 0 and above: the same text, voice and seed give the "
      "same samples, whatever the number of equal devices. -1: another one for each text",
      -1, G_MAXINT64, -1, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) { s.seed = g_value_get_int64(v); };
  row.get = [](const Settings& s, GValue* v) { g_value_set_int64(v, s.seed); };
  return row;
}

void add_voice_properties(std::vector<Property>* rows) {
  rows->push_back(string_property(
      "voice",
      "Audio file whose voice is spoken with: WAV, FLAC, OGG or MP3, at least 1 s of one speaker. "
      "NULL: the first file by name in prompts/ of the model folder",
      Change::kPlaying, &Settings::voice));
  rows->push_back(uint64_property(
      "max-prompt-duration",
      "Longest part of a voice or emotion clip that is used, in nanoseconds, 1 s to 15 s. Shorter "
      "makes every segment cheaper and the likeness weaker",
      Change::kReady, &Settings::max_prompt_ns, GST_SECOND, 15 * GST_SECOND));
  rows->push_back(string_property(
      "emotion-audio",
      "Audio file whose emotion is spoken with, in the voice of voice. NULL: the emotion of the "
      "voice clip",
      Change::kPlaying, &Settings::emotion_audio));
  rows->push_back(string_property(
      "emotion-text",
      "The emotion in words: a description, or a sentence that has it. The model's "
      "qwen0.6bemo4-merge/ makes the vector of it, in place of emotion-vector and emotion-audio. "
      "Loaded for the first text that asks. NULL: as emotion-from-text says",
      Change::kPlaying, &Settings::emotion_text));
  rows->push_back(bool_property("emotion-from-text",
                                "The emotion of each text is that of its own words, as if they "
                                "were emotion-text",
                                Change::kPlaying, &Settings::emotion_from_text));
  rows->push_back(emotion_alpha_property());
  rows->push_back(bool_property("emotion-random",
                                "Draw the sample of each emotion of emotion-vector at random, from "
                                "seed, instead of the one nearest to the voice",
                                Change::kPlaying, &Settings::emotion_random));
  rows->push_back(emotion_vector_property());
  rows->push_back(seed_property());
}

void add_sampling_properties(std::vector<Property>* rows) {
  using G = GenerationOptions;
  rows->push_back(sampling_double(
      "temperature",
      "Randomness of the speech codes, 0.01 to 2. Lower is steadier and flatter, higher livelier "
      "and less reliable. Never set: the model's own value (see stats), else the default",
      0.01, 2, 0.8, &G::temperature));
  rows->push_back(sampling_double(
      "top-p",
      "Draw from the likeliest codes that together have this probability, 0 to 1. 1: from all. "
      "Never set: the model's own value",
      0, 1, 0.8, &G::top_p));
  rows->push_back(sampling_uint("top-k",
                                "Draw from this many likeliest codes, 0 to 1000. 0: no such limit. "
                                "Never set: the model's own value",
                                0, 1000, 30, &G::top_k));
  rows->push_back(sampling_uint("diffusion-steps",
                                "Steps from noise to mel spectrogram, 1 to 100. Time grows with "
                                "them, quality little above 25. Never set: the model's own value",
                                1, 100, 25, &G::diffusion_steps));
  rows->push_back(sampling_double("guidance",
                                  "Weight of the guidance towards voice and text in those steps, 0 "
                                  "to 3. 0: off, half the time. Never set: the model's own value",
                                  0, 3, 0.7, &G::guidance));
  rows->push_back(typical_sampling_property());
  rows->push_back(sampling_double("typical-mass",
                                  "Probability mass of the codes kept by typical-sampling, 0 to 1. "
                                  "Never set: the model's own value",
                                  0, 1, 0.9, &G::typical_mass));
  rows->push_back(sampling_uint(
      "num-beams",
      "Candidate code sequences decoded side by side, 1 to 10. More is steadier and slower. Never "
      "set: the model's own value",
      1, 10, 3, &G::num_beams));
  rows->push_back(sampling_double(
      "repetition-penalty",
      "Divides the score of codes that were already used, 0.1 to 20. 1: off; high values keep the "
      "voice from hanging on one sound. Never set: the model's own value",
      0.1, 20, 10, &G::repetition_penalty));
  rows->push_back(sampling_double("length-penalty",
                                  "Exponent of the length in the choice between beams, -2 to 2. "
                                  "Above 0 favours long, below 0 short speech. Never set: the "
                                  "model's own value",
                                  -2, 2, 0, &G::length_penalty));
  rows->push_back(sampling_uint(
      "max-mel-tokens",
      "Most speech codes of one segment, 50 to 1815. A segment that reaches it is cut, with a "
      "WARNING. Lowered to what the model can hold. Never set: the model's own value",
      50, 1815, 1500, &G::max_mel_tokens));
  rows->push_back(sampling_uint(
      "max-segment-tokens",
      "Most text tokens of one segment, 20 to 599. Shorter segments start sooner and spread better "
      "over devices, longer ones flow better. Lowered to what the model can hold. Never set: the "
      "model's own value",
      20, 599, 120, &G::max_segment_tokens));
}

// Fields of a structure; those that are not strings are left out.
Property voices_property() {
  Property row;
  row.spec = g_param_spec_boxed(
      "voices", nullptr,
      "Named voices: a structure with one string field for each, name to path of the clip. voice, "
      "the field voice of speak-full and speaker-change events may then say the name",
      GST_TYPE_STRUCTURE, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) {
    s.voices.clear();
    const auto* fields = static_cast<const GstStructure*>(g_value_get_boxed(v));
    for (gint i = 0; fields && i < gst_structure_n_fields(fields); ++i) {
      const char* const name = gst_structure_nth_field_name(fields, static_cast<guint>(i));
      if (const char* path = gst_structure_get_string(fields, name)) s.voices[name] = path;
    }
  };
  row.get = [](const Settings& s, GValue* v) {
    if (s.voices.empty()) return;
    GstStructure* const fields = gst_structure_new_empty("voices");
    for (const auto& [name, path] : s.voices) {
      gst_structure_set(fields, name.c_str(), G_TYPE_STRING, path.c_str(), nullptr);
    }
    g_value_take_boxed(v, fields);
  };
  return row;
}

Property decibel_property(const char* name, const char* blurb, double Settings::*member,
                          double minimum) {
  Property row;
  row.spec = g_param_spec_double(name, nullptr, blurb, minimum, 0, kDefaults.*member,
                                 param_flags(Change::kPlaying));
  row.set = [member](Settings& s, const GValue* v) { s.*member = g_value_get_double(v); };
  row.get = [member](const Settings& s, GValue* v) { g_value_set_double(v, s.*member); };
  return row;
}

Property priority_property() {
  Property row;
  row.spec = g_param_spec_int(
      "priority", nullptr,
      "Texts of a higher priority go before those of a lower one, over all elements of the process "
      "that share replicas, -100 to 100. In live mode they also interrupt what is being spoken",
      -100, 100, 0, param_flags(Change::kPlaying));
  row.set = [](Settings& s, const GValue* v) { s.priority = g_value_get_int(v); };
  row.get = [](const Settings& s, GValue* v) { g_value_set_int(v, s.priority); };
  return row;
}

}  // namespace

void add_speech_properties(std::vector<Property>* rows) {
  rows->push_back(string_property(
      "language", "Language of the text as a BCP-47 code, such as en. Goes into the TAG event",
      Change::kPlaying, &Settings::language));
  rows->push_back(voices_property());
  rows->push_back(bool_property(
      "use-markup",
      "Texts that come by text, location, speak and speak-full are markup: a subset of SSML, see "
      "docs/element.md. What is wrong with it is an error with line and column",
      Change::kPlaying, &Settings::use_markup));
  add_voice_properties(rows);
  add_sampling_properties(rows);
  rows->push_back(uint_property(
      "first-segment-tokens",
      "Text tokens of a short first segment of each text, 0 to 120, so that sound starts sooner. "
      "0: cut like the others",
      Change::kPlaying, &Settings::first_segment_tokens, 0, 120));
  rows->push_back(uint64_property(
      "segment-gap",
      "Silence between two consecutive segments, in nanoseconds, 0 to 10 s; also between two texts",
      Change::kPlaying, &Settings::segment_gap_ns, 0, 10 * GST_SECOND));
  rows->push_back(decibel_property(
      "loudness-target",
      "Loudness of each text in LUFS (ITU-R BS.1770, integrated), -70 to 0. 0: as the model "
      "speaks. "
      "One static gain for each segment, from what has been spoken of the text so far",
      &Settings::loudness_target, -70));
  rows->push_back(decibel_property(
      "max-true-peak",
      "With loudness-target: true peak in dBTP, -20 to 0, that holds the gain down",
      &Settings::max_true_peak, -20));
  rows->push_back(string_property(
      "glossary",
      "YAML file of terms and how to say them, in the format of the reference's glossary. NULL: "
      "glossary.yaml of the model folder, if there is one",
      Change::kPlaying, &Settings::glossary));
  rows->push_back(priority_property());
}

}  // namespace indextts2
