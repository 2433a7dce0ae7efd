// Where the files of a model folder are.
#pragma once

#include <string>
#include <vector>

namespace indextts2 {

// Full paths; those marked optional are empty if there is no such file.
struct ModelFiles {
  std::string model_dir;
  std::string config;  // config.yaml
  std::string bpe_model;
  std::string gpt, s2mel,
      w2v_stat;  // checkpoints: .pth/.pt/.bin or the .safetensors of the same name
  std::string emo_matrix, spk_matrix;             // feat2.pt, feat1.pt
  std::string w2v_config, w2v_preprocessor, w2v;  // w2v-bert-2.0; the preprocessor file is optional
  std::string codec, campplus;                    // semantic codec, speaker style
  std::string bigvgan_config, bigvgan;
  std::string glossary;  // optional: glossary.yaml
  std::vector<std::string>
      prompts;  // optional: sound files of prompts/, by name; the first is the default voice
};

// Finds all files of the folder `model_dir`. What hf_cache/ does not have flat is looked for in the
// layout of the hub's cache (models--OWNER--NAME/snapshots/HASH) below `model_dir`/hf_cache, then
// below `hub_cache` (may be empty). Throws Error{kNotFound} that names every missing file, every
// place searched and what to do; Error{kModel} for the folder of another version of IndexTTS.
ModelFiles find_model_files(const std::string& model_dir, const std::string& hub_cache);

// The folder of the language model that reads emotions from text, which only some need.
struct EmotionModelFiles {
  std::string folder;  // its tokenizer lies there, too
  std::string config, weights;
  std::string generation_config;  // optional
};

// `qwen_emo_path`: as config.yaml has it, seen from the model folder. Throws Error{kNotFound} that
// names the folder or its missing files, where they were searched and what to do.
EmotionModelFiles find_emotion_model(const std::string& model_dir,
                                     const std::string& qwen_emo_path);

}  // namespace indextts2
