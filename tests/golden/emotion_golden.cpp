// Golden cases of kind emotion: clips -> voice features, and emotion vectors from clips, numbers
// and rows.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "golden.h"
#include "model_weights.h"
#include "ops/host_tensor.h"
#include "stages/emotion.h"
#include "stages/voice_encoder.h"

namespace indextts2 {
namespace {

constexpr double kMaxSeconds = 15;

// The recorded vectors are float32 of numbers with few decimals; the decimals matter for the
// truncation.
EmotionVector decimals(const at::Tensor& tensor) {
  EmotionVector vector;
  for (size_t i = 0; i < vector.size(); ++i) {
    char text[32];
    std::snprintf(text, sizeof text, "%.7g", tensor[static_cast<int64_t>(i)].item<double>());
    vector[i] = std::strtod(text, nullptr);
  }
  return vector;
}

at::Tensor row(const EmotionVector& vector) {
  return host_tensor(std::vector<float>(vector.begin(), vector.end()), {kNumEmotions});
}

VoiceFeatures encoded(const GoldenCase& golden, const ModelFiles& files,
                      const ModelConfig& config) {
  const Weights s2mel = model_weights(golden, files.s2mel);
  const VoiceEncoder encoder(
      {model_weights(golden, files.w2v), model_weights(golden, files.w2v_stat),
       model_weights(golden, files.codec), model_weights(golden, files.campplus),
       s2mel.scope("net.length_regulator"), model_weights(golden, files.gpt)},
      config);
  const MonoClip voice = read_clip(golden.file("voice.wav"), kMaxSeconds);
  const MonoClip emotion = read_clip(golden.file("emotion.wav"), kMaxSeconds);
  return encoder.encode(voice, &emotion, EncodeOptions{});
}

const RunGolden kEmotion("emotion", [](GoldenCase& golden) {
  const ModelFiles files = model_files(golden);
  const ModelConfig config = read_model_config(files);
  const EmotionTable table(model_weights(golden, files.spk_matrix),
                           model_weights(golden, files.emo_matrix), config.emo_num);
  const VoiceFeatures voice = encoded(golden, files, config);
  const auto expect = [&](const std::string& name, const VoiceFeatures& from,
                          const EmotionChoice& choice) {
    golden.expect(name, table.emotion_vector(from, choice));
  };

  const EmotionRows nearest = table.nearest_rows(golden.get("style"));
  golden.expect("rows",
                host_tensor(std::vector<int64_t>(nearest.begin(), nearest.end()), {kNumEmotions}));
  for (const std::string name : {"vector_0", "vector_1", "vector_2"}) {
    EmotionChoice choice;
    choice.vector = decimals(golden.get(name));
    for (const char* alpha : {"1", "0.37", "2.5"}) {
      choice.alpha = std::stod(alpha);
      expect(name + "_alpha_" + alpha, voice, choice);
    }
    golden.expect(name + "_scaled_0.37", row(scale_emotion_vector(*choice.vector, 0.37)));
    golden.expect(name + "_normalized", row(normalize_emotion_vector(*choice.vector)));
  }
  for (const char* alpha : {"0.65", "1.4"}) {
    EmotionChoice choice;
    choice.alpha = std::stod(alpha);
    expect(std::string("audio_alpha_") + alpha, voice, choice);
  }
  VoiceFeatures speaker_only = voice;
  speaker_only.clip_emovec = at::Tensor();
  EmotionChoice weak;
  weak.alpha = 0.2;
  expect("no_emotion_alpha_0.2", speaker_only, weak);

  EmotionChoice random;
  random.vector = decimals(golden.get("vector_0"));
  const at::Tensor drawn = golden.get("random_rows");
  random.rows = EmotionRows{};
  for (size_t i = 0; i < random.rows->size(); ++i)
    (*random.rows)[i] = drawn[static_cast<int64_t>(i)].item<int64_t>();
  expect("vector_0_random", voice, random);
});

}  // namespace
}  // namespace indextts2
