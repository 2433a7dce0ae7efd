// What config.yaml, bigvgan/config.json and w2v-bert-2.0/config.json say about a model, typed and
// checked. Field names are the keys of the files. Sizes that tensors show as well are there to be
// compared with the tensors.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace indextts2 {

// `gpt.condition_module`, `gpt.emo_condition_module`: a conformer and the perceiver behind it.
struct ConditionConfig {
  int64_t output_size = 0, linear_units = 0, attention_heads = 0, num_blocks = 0;
  double perceiver_mult = 2;
};

struct GptConfig {
  int64_t model_dim = 0, layers = 0, heads = 0;
  int64_t max_mel_tokens = 0, max_text_tokens = 0;       // position tables have 3 and 2 rows more
  int64_t number_text_tokens = 0, number_mel_codes = 0;  // text embedding has 1 row more
  int64_t start_mel_token = 0, stop_mel_token = 0;
  int64_t start_text_token = 0, stop_text_token = 1;
  ConditionConfig condition_module, emo_condition_module;
};

struct CodecConfig {
  int64_t codebook_size = 0, hidden_size = 0, codebook_dim = 0;
  int64_t vocos_dim = 0, vocos_intermediate_dim = 0, vocos_num_layers = 0;
};

// `s2mel.preprocess_params`: the mel spectrogram between flow matching and vocoder.
struct MelConfig {
  int64_t sr = 22050, n_fft = 1024, win_length = 1024, hop_length = 256, n_mels = 80;
  double fmin = 0;
  double fmax = 11025;  // "None" in the file: half the sampling rate
};

struct LengthRegulatorConfig {
  int64_t channels = 0, in_channels = 0;
  std::vector<int64_t> sampling_ratios;
};

struct DitConfig {
  int64_t hidden_dim = 0, num_heads = 0, depth = 0, in_channels = 0, content_dim = 0;
};

struct WavenetConfig {
  int64_t hidden_dim = 0, num_layers = 0, kernel_size = 0, dilation_rate = 1;
};

struct CampplusConfig {
  int64_t growth_rate = 32, init_channels = 128;
};

// The model's own defaults for what SpeakOptions leaves unset; these are the official ones.
struct GenerationDefaults {
  double temperature = 0.8, top_p = 0.8;
  int top_k = 30, num_beams = 3;
  double repetition_penalty = 10, length_penalty = 0;
  bool typical_sampling = false;
  double typical_mass = 0.9;
  int max_mel_tokens = 1500;
  int max_segment_tokens = 120;  // key max_text_tokens_per_segment
  int diffusion_steps = 25;
  double guidance = 0.7;  // key inference_cfg_rate
};

// bigvgan/config.json
struct BigvganConfig {
  int64_t num_mels = 0, upsample_initial_channel = 0;
  std::vector<int64_t> upsample_rates, upsample_kernel_sizes, resblock_kernel_sizes;
  std::vector<std::vector<int64_t>> resblock_dilation_sizes;  // one list per resblock kernel
};

// w2v-bert-2.0/config.json
struct W2vConfig {
  int64_t hidden_size = 0, num_hidden_layers = 0, num_attention_heads = 0, intermediate_size = 0;
  int64_t feature_projection_input_dim = 160, conv_depthwise_kernel_size = 31;
  int64_t left_max_position_embeddings = 64, right_max_position_embeddings = 8;
  double layer_norm_eps = 1e-5;
};

// Files that config.yaml names, relative to the model folder.
struct FileNames {
  std::string gpt_checkpoint = "gpt.pth", s2mel_checkpoint = "s2mel.pth";
  std::string w2v_stat = "wav2vec2bert_stats.pt", emo_matrix = "feat2.pt", spk_matrix = "feat1.pt";
  std::string bpe_model = "bpe.model", qwen_emo_path = "qwen0.6bemo4-merge/";
};

inline constexpr int kNumEmotions = 8;

struct ModelConfig {
  FileNames files;
  GptConfig gpt;
  CodecConfig codec;        // `semantic_codec`
  MelConfig mel;            // `s2mel.preprocess_params`
  int64_t style_dim = 192;  // `s2mel.style_encoder.dim`
  LengthRegulatorConfig length_regulator;
  DitConfig dit;  // `s2mel.DiT`
  WavenetConfig wavenet;
  CampplusConfig campplus;
  std::array<int64_t, kNumEmotions> emo_num = {3, 17, 2, 8, 4,
                                               5, 10, 24};  // rows per emotion of feat1 and feat2
  GenerationDefaults generation;
  W2vConfig w2v;
  BigvganConfig bigvgan;
  int64_t semantic_feature_layer =
      17;  // hidden state of w2v-bert that feeds codec and GPT; <= w2v.num_hidden_layers
};

struct ModelFiles;

// Reads the three files and checks them against each other.
// Throws Error{kNotFound, kOpenRead, kModel} with file, key, expected and got; IndexTTS 1.x and 2.5
// are refused by name.
ModelConfig read_model_config(const ModelFiles& files);
// The same from paths.
ModelConfig read_model_config(const std::string& config_yaml, const std::string& bigvgan_json,
                              const std::string& w2v_json);
// What config.yaml alone says: enough to find the other files. Refuses other versions of IndexTTS.
FileNames read_file_names(const std::string& config_yaml);

}  // namespace indextts2
