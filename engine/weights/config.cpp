// What config.yaml, bigvgan/config.json and w2v-bert-2.0/config.json say about a model, typed and
// checked. Keys and their meaning follow index-tts ee40fa7, indextts/infer_v2.py, class IndexTTS2.
#include "weights/config.h"

#include <algorithm>

#include "core/error.h"
#include "weights/config_checks.h"
#include "weights/config_tree.h"
#include "weights/model_files.h"

namespace indextts2 {
namespace {

constexpr Range<int64_t> kSize = kSizeRange, kToken = kTokenRange, kCount = kCountRange;

// Refuses the folders of other versions by name.
void check_version(const ConfigTree& tree) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kModel,
                tree.path() + ": this is " + what +
                    ", expected IndexTTS 2; use the folder of IndexTeam/IndexTTS-2");
  };
  const double version = tree.number("version", {0, 1000}, 2.0);
  const std::string found = " (version " + tree.raw("version") + ")";
  if (version >= 2.5) refuse("a model of IndexTTS 2.5" + found);
  if (tree.text("gpt.spk_cond_mode", "") == "campplus") {
    refuse("a model of IndexTTS 2.5 (gpt.spk_cond_mode: campplus)");
  }
  if (version < 2) refuse("a model of IndexTTS 1.x" + found);
  if (!tree.has("s2mel")) refuse("a model of IndexTTS 1.x (no s2mel section)");
}

FileNames read_file_names(const ConfigTree& tree) {
  FileNames names;
  const auto read = [&](const char* key, std::string* name) {
    *name = tree.text(key, *name);
    if (name->empty() || name->find('\0') != std::string::npos) {
      tree.fail(key, "a file name", "'" + *name + "'");
    }
  };
  read("gpt_checkpoint", &names.gpt_checkpoint);
  read("s2mel_checkpoint", &names.s2mel_checkpoint);
  read("w2v_stat", &names.w2v_stat);
  read("emo_matrix", &names.emo_matrix);
  read("spk_matrix", &names.spk_matrix);
  read("dataset.bpe_model", &names.bpe_model);
  read("qwen_emo_path", &names.qwen_emo_path);
  return names;
}

ConditionConfig read_condition(const ConfigTree& tree, const std::string& section) {
  ConditionConfig config;
  require_text(tree, section + ".input_layer", "conv2d2");
  config.output_size = tree.integer(section + ".output_size", kSize);
  config.linear_units = tree.integer(section + ".linear_units", kSize);
  config.attention_heads = tree.integer(section + ".attention_heads", kSize);
  config.num_blocks = tree.integer(section + ".num_blocks", kCount);
  config.perceiver_mult = tree.number(section + ".perceiver_mult", {0.01, 100}, 2);
  check_divisible(tree, section + ".output_size", config.output_size, section + ".attention_heads",
                  config.attention_heads);
  return config;
}

GptConfig read_gpt(const ConfigTree& tree) {
  GptConfig config;
  require_text(tree, "gpt.condition_type", "conformer_perceiver");
  require_flag(tree, "gpt.use_mel_codes_as_input", true, /*absent=*/true);
  config.model_dim = tree.integer("gpt.model_dim", kSize);
  config.layers = tree.integer("gpt.layers", kCount);
  config.heads = tree.integer("gpt.heads", kSize);
  config.max_mel_tokens = tree.integer("gpt.max_mel_tokens", kSize);
  config.max_text_tokens = tree.integer("gpt.max_text_tokens", kSize);
  config.number_text_tokens = tree.integer("gpt.number_text_tokens", kSize);
  config.number_mel_codes = tree.integer("gpt.number_mel_codes", kSize);
  config.start_mel_token = tree.integer("gpt.start_mel_token", {0, config.number_mel_codes - 1});
  config.stop_mel_token = tree.integer("gpt.stop_mel_token", {0, config.number_mel_codes - 1});
  config.start_text_token = tree.integer("gpt.start_text_token", {0, config.number_text_tokens}, 0);
  config.stop_text_token = tree.integer("gpt.stop_text_token", {0, config.number_text_tokens}, 1);
  config.condition_module = read_condition(tree, "gpt.condition_module");
  config.emo_condition_module = read_condition(tree, "gpt.emo_condition_module");
  check_divisible(tree, "gpt.model_dim", config.model_dim, "gpt.heads", config.heads);
  return config;
}

CodecConfig read_codec(const ConfigTree& tree) {
  CodecConfig config;
  config.codebook_size = tree.integer("semantic_codec.codebook_size", kSize);
  config.hidden_size = tree.integer("semantic_codec.hidden_size", kSize);
  config.codebook_dim = tree.integer("semantic_codec.codebook_dim", kSize);
  config.vocos_dim = tree.integer("semantic_codec.vocos_dim", kSize);
  config.vocos_intermediate_dim = tree.integer("semantic_codec.vocos_intermediate_dim", kSize);
  config.vocos_num_layers = tree.integer("semantic_codec.vocos_num_layers", kCount);
  return config;
}

MelConfig read_mel(const ConfigTree& tree) {
  const std::string section = "s2mel.preprocess_params.spect_params.";
  MelConfig config;
  config.sr = tree.integer("s2mel.preprocess_params.sr", {1000, 768000}, config.sr);
  config.n_fft = tree.integer(section + "n_fft", {2, 1 << 16}, config.n_fft);
  config.win_length = tree.integer(section + "win_length", {1, config.n_fft}, config.win_length);
  config.hop_length = tree.integer(section + "hop_length", {1, config.n_fft}, config.hop_length);
  config.n_mels = tree.integer(section + "n_mels", {1, 4096}, config.n_mels);
  const double nyquist = static_cast<double>(config.sr) / 2;
  config.fmin = tree.number(section + "fmin", {0, nyquist}, 0);
  // The official file says "None" as text.
  config.fmax = tree.raw(section + "fmax") == "None"
                    ? nyquist
                    : tree.number(section + "fmax", {config.fmin, nyquist}, nyquist);
  return config;
}

void read_flow(const ConfigTree& tree, ModelConfig* model) {
  require_text(tree, "s2mel.dit_type", "DiT");
  require_text(tree, "s2mel.DiT.final_layer_type", "wavenet");
  for (const char* key : {"style_condition", "long_skip_connection", "uvit_skip_connection"}) {
    require_flag(tree, std::string("s2mel.DiT.") + key, true, /*absent=*/true);
  }
  for (const char* key : {"is_causal", "time_as_token", "style_as_token",
                          "zero_prompt_speech_token", "add_resblock_in_transformer"}) {
    require_flag(tree, std::string("s2mel.DiT.") + key, false, /*absent=*/false);
  }
  for (const char* key : {"is_discrete", "vector_quantize", "f0_condition"}) {
    require_flag(tree, std::string("s2mel.length_regulator.") + key, false, /*absent=*/false);
  }
  require_flag(tree, "s2mel.wavenet.style_condition", true, /*absent=*/true);
  DitConfig& dit = model->dit;
  dit.hidden_dim = tree.integer("s2mel.DiT.hidden_dim", kSize);
  dit.num_heads = tree.integer("s2mel.DiT.num_heads", kSize);
  dit.depth = tree.integer("s2mel.DiT.depth", kCount);
  dit.in_channels = tree.integer("s2mel.DiT.in_channels", kSize);
  dit.content_dim = tree.integer("s2mel.DiT.content_dim", kSize);
  check_divisible(tree, "s2mel.DiT.hidden_dim", dit.hidden_dim, "s2mel.DiT.num_heads",
                  dit.num_heads);
  WavenetConfig& wavenet = model->wavenet;
  wavenet.hidden_dim = tree.integer("s2mel.wavenet.hidden_dim", kSize);
  wavenet.num_layers = tree.integer("s2mel.wavenet.num_layers", kCount);
  wavenet.kernel_size = tree.integer("s2mel.wavenet.kernel_size", kCount);
  wavenet.dilation_rate = tree.integer("s2mel.wavenet.dilation_rate", {1, 16}, 1);
  LengthRegulatorConfig& regulator = model->length_regulator;
  regulator.channels = tree.integer("s2mel.length_regulator.channels", kSize);
  regulator.in_channels = tree.integer("s2mel.length_regulator.in_channels", kSize);
  regulator.sampling_ratios = tree.integers("s2mel.length_regulator.sampling_ratios", kCount);
  model->style_dim = tree.integer("s2mel.style_encoder.dim", kSize);
}

int whole(const ConfigTree& tree, const char* key, Range<int64_t> range, int fallback) {
  return static_cast<int>(tree.integer(std::string("generation.") + key, range, fallback));
}
double real(const ConfigTree& tree, const char* key, Range<double> range, double fallback) {
  return tree.number(std::string("generation.") + key, range, fallback);
}

// Ranges are those of the element's properties of the same meaning.
GenerationDefaults read_generation(const ConfigTree& tree) {
  GenerationDefaults config;
  config.temperature = real(tree, "temperature", {0.01, 10}, config.temperature);
  config.top_p = real(tree, "top_p", {0, 1}, config.top_p);
  config.top_k = whole(tree, "top_k", {0, 1 << 20}, config.top_k);
  config.num_beams = whole(tree, "num_beams", {1, 10}, config.num_beams);
  config.repetition_penalty =
      real(tree, "repetition_penalty", {0.01, 1000}, config.repetition_penalty);
  config.length_penalty = real(tree, "length_penalty", {-100, 100}, config.length_penalty);
  config.typical_sampling = tree.boolean("generation.typical_sampling", config.typical_sampling);
  config.typical_mass = real(tree, "typical_mass", {0, 1}, config.typical_mass);
  config.max_mel_tokens = whole(tree, "max_mel_tokens", {1, 1 << 20}, config.max_mel_tokens);
  config.max_segment_tokens =
      whole(tree, "max_text_tokens_per_segment", {1, 1 << 20}, config.max_segment_tokens);
  config.diffusion_steps = whole(tree, "diffusion_steps", {1, 1000}, config.diffusion_steps);
  config.guidance = real(tree, "inference_cfg_rate", {0, 100}, config.guidance);
  return config;
}

ModelConfig read_config_yaml(const ConfigTree& tree) {
  check_version(tree);
  ModelConfig config;
  config.files = read_file_names(tree);
  config.gpt = read_gpt(tree);
  config.codec = read_codec(tree);
  config.mel = read_mel(tree);
  read_flow(tree, &config);
  config.campplus.growth_rate = tree.integer("campplus.growth_rate", kSize, 32);
  config.campplus.init_channels = tree.integer("campplus.init_channels", kSize, 128);
  if (tree.has("emo_num")) {
    const auto rows = tree.integers("emo_num", kSize);
    if (rows.size() != config.emo_num.size()) {
      tree.fail("emo_num", std::to_string(kNumEmotions) + " numbers", tree.raw("emo_num"));
    }
    std::copy(rows.begin(), rows.end(), config.emo_num.begin());
  }
  config.generation = read_generation(tree);
  return config;
}

BigvganConfig read_bigvgan(const ConfigTree& tree) {
  require_text(tree, "activation", "snakebeta");
  if (tree.raw("resblock") != "1") tree.fail("resblock", "1", tree.raw("resblock"));
  require_flag(tree, "snake_logscale", true, /*absent=*/false);
  require_flag(tree, "use_bias_at_final", false, /*absent=*/true);
  require_flag(tree, "use_tanh_at_final", false, /*absent=*/true);
  BigvganConfig config;
  config.num_mels = tree.integer("num_mels", kSize);
  config.upsample_initial_channel = tree.integer("upsample_initial_channel", kSize);
  config.upsample_rates = tree.integers("upsample_rates", kCount);
  config.upsample_kernel_sizes = tree.integers("upsample_kernel_sizes", kCount);
  config.resblock_kernel_sizes = tree.integers("resblock_kernel_sizes", kCount);
  config.resblock_dilation_sizes = tree.integer_lists("resblock_dilation_sizes", kCount);
  if (config.upsample_rates.empty() || config.upsample_rates.size() > 16 ||
      config.upsample_rates.size() != config.upsample_kernel_sizes.size()) {
    tree.fail("upsample_kernel_sizes", "one number for each of upsample_rates",
              tree.raw("upsample_kernel_sizes"));
  }
  for (size_t i = 0; i < config.upsample_rates.size(); ++i) {
    const int64_t extra = config.upsample_kernel_sizes[i] - config.upsample_rates[i];
    if (extra < 0 || extra % 2 != 0) {
      tree.fail("upsample_kernel_sizes", "each its rate plus an even number",
                tree.raw("upsample_kernel_sizes"));
    }
  }
  if (config.resblock_kernel_sizes.empty() ||
      config.resblock_kernel_sizes.size() != config.resblock_dilation_sizes.size()) {
    tree.fail("resblock_dilation_sizes", "one list for each of resblock_kernel_sizes",
              tree.raw("resblock_dilation_sizes"));
  }
  return config;
}

W2vConfig read_w2v(const ConfigTree& tree) {
  require_text(tree, "hidden_act", "swish");
  require_text(tree, "position_embeddings_type", "relative_key");
  W2vConfig config;
  config.hidden_size = tree.integer("hidden_size", kSize);
  config.num_hidden_layers = tree.integer("num_hidden_layers", kCount);
  config.num_attention_heads = tree.integer("num_attention_heads", kSize);
  config.intermediate_size = tree.integer("intermediate_size", kSize);
  config.feature_projection_input_dim = tree.integer("feature_projection_input_dim", kSize, 160);
  config.conv_depthwise_kernel_size = tree.integer("conv_depthwise_kernel_size", kCount, 31);
  config.left_max_position_embeddings = tree.integer("left_max_position_embeddings", kToken, 64);
  config.right_max_position_embeddings = tree.integer("right_max_position_embeddings", kToken, 8);
  config.layer_norm_eps = tree.number("layer_norm_eps", {0, 1}, 1e-5);
  check_divisible(tree, "hidden_size", config.hidden_size, "num_attention_heads",
                  config.num_attention_heads);
  return config;
}

// Where two files speak of the same quantity they must agree.
void check_together(const ConfigTree& main, const ConfigTree& bigvgan, const ConfigTree& w2v,
                    const ModelConfig& config) {
  const auto same = [](const ConfigTree& tree, const std::string& key, int64_t got,
                       int64_t expected, const std::string& as) {
    if (got != expected) {
      tree.fail(key, std::to_string(expected) + " (" + as + ")", std::to_string(got));
    }
  };
  const std::string mels = "spect_params.n_mels of config.yaml";
  same(main, "s2mel.DiT.in_channels", config.dit.in_channels, config.mel.n_mels, mels);
  same(bigvgan, "num_mels", config.bigvgan.num_mels, config.mel.n_mels, mels);
  int64_t product = 1;
  for (const int64_t rate : config.bigvgan.upsample_rates) {
    product = std::min<int64_t>(product * rate, int64_t{1} << 40);
  }
  same(bigvgan, "upsample_rates", product, config.mel.hop_length,
       "spect_params.hop_length of config.yaml, as their product");
  const std::string hidden = "hidden_size of " + w2v.path();
  same(main, "semantic_codec.hidden_size", config.codec.hidden_size, config.w2v.hidden_size,
       hidden);
  same(main, "s2mel.length_regulator.in_channels", config.length_regulator.in_channels,
       config.codec.hidden_size, "semantic_codec.hidden_size");
  same(main, "s2mel.DiT.content_dim", config.dit.content_dim, config.length_regulator.channels,
       "s2mel.length_regulator.channels");
}

}  // namespace

FileNames read_file_names(const std::string& config_yaml) {
  const ConfigTree tree = ConfigTree::from_yaml(config_yaml);
  check_version(tree);
  return read_file_names(tree);
}

ModelConfig read_model_config(const std::string& config_yaml, const std::string& bigvgan_json,
                              const std::string& w2v_json) {
  const ConfigTree main = ConfigTree::from_yaml(config_yaml);
  ModelConfig config = read_config_yaml(main);
  const ConfigTree bigvgan = ConfigTree::from_json(bigvgan_json);
  config.bigvgan = read_bigvgan(bigvgan);
  const ConfigTree w2v = ConfigTree::from_json(w2v_json);
  config.w2v = read_w2v(w2v);
  constexpr int64_t kOfficialLayer = 17;
  config.semantic_feature_layer =
      main.integer("semantic_feature_layer", {1, config.w2v.num_hidden_layers},
                   std::min(kOfficialLayer, config.w2v.num_hidden_layers));
  check_together(main, bigvgan, w2v, config);
  return config;
}

ModelConfig read_model_config(const ModelFiles& files) {
  return read_model_config(files.config, files.bigvgan_config, files.w2v_config);
}

}  // namespace indextts2
