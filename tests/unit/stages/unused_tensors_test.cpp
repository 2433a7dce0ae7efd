// Tensors that no network takes: none in the models at hand, known ones of the official files, and
// one too many.
#include "stages/unused_tensors.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ops/host_tensor.h"
#include "stages/speech_model.h"

namespace indextts2 {
namespace {

// A checkpoint file whose tensors have `prefix` in front of their names, and some more of one
// number.
class LargerCheckpoint : public Checkpoint {
 public:
  LargerCheckpoint(std::shared_ptr<const Checkpoint> file, std::string prefix,
                   const std::vector<std::string>& more)
      : file_(std::move(file)), prefix_(std::move(prefix)), number_(float_tensor({1})) {
    for (const std::string& name : file_->names()) names_.push_back(prefix_ + name);
    for (const std::string& name : more) {
      names_.push_back(name);
      more_[name] = {at::kFloat, {1}, {1}, static_cast<const std::byte*>(number_.const_data_ptr())};
    }
  }
  const std::string& path() const override { return file_->path(); }
  const std::vector<std::string>& names() const override { return names_; }
  const TensorEntry* find(std::string_view name) const override {
    const auto found = more_.find(name);
    return found == more_.end() ? file_->find(inner(name)) : &found->second;
  }
  at::Tensor tensor(std::string_view name) const override {
    return more_.count(name) ? number_ : file_->tensor(inner(name));
  }

 private:
  std::string_view inner(std::string_view name) const {
    return name.substr(0, prefix_.size()) == prefix_ ? name.substr(prefix_.size()) : "-";
  }
  std::shared_ptr<const Checkpoint> file_;
  std::string prefix_;
  at::Tensor number_;
  std::vector<std::string> names_;
  std::map<std::string, TensorEntry, std::less<>> more_;
};

class UnusedTensorsTest : public testing::Test {
 protected:
  explicit UnusedTensorsTest(const char* folder = INDEXTTS2_TINY_MODEL)
      : files(find_model_files(folder, /*hub_cache=*/"")),
        config(read_model_config(files)),
        checkpoints(files) {}

  std::vector<UnusedTensors> unused() const {
    const SpeechModel speech(checkpoints, config, {});
    const auto voice = load_voice_encoder(checkpoints, config, {});
    return unused_by_both(speech.unused, voice->unused());
  }
  static void add(std::shared_ptr<const Checkpoint>* file, const std::vector<std::string>& names,
                  const std::string& prefix = "") {
    *file = std::make_shared<LargerCheckpoint>(*file, prefix, names);
  }

  const ModelFiles files;
  const ModelConfig config;
  ModelCheckpoints checkpoints;
};

class CompactUnusedTensorsTest : public UnusedTensorsTest {
 protected:
  CompactUnusedTensorsTest() : UnusedTensorsTest(INDEXTTS2_COMPACT_MODEL) {}
};

TEST_F(UnusedTensorsTest, NoneInTheTinyModel) { EXPECT_TRUE(unused().empty()); }
TEST_F(CompactUnusedTensorsTest, NoneInTheBundledVoice) { EXPECT_TRUE(unused().empty()); }

TEST_F(UnusedTensorsTest, KnowsThoseOfTheOfficialFiles) {
  add(&checkpoints.gpt,
      {"text_head.more", "gpt.wte.weight", "gpt.h.1.attn.bias", "gpt.h.0.attn.masked_bias",
       "inference_model.transformer.h.0.ln_1.weight", "inference_model.embeddings.weight",
       "conditioning_encoder.embed.pos_enc.more", "emo_conditioning_encoder.embed.pos_enc.more"});
  add(&checkpoints.s2mel,
      {"net.cfm.estimator.transformer.freqs_cis", "net.cfm.estimator.transformer.causal_mask",
       "net.cfm.estimator.x_embedder.more", "net.cfm.estimator.cond_embedder.more",
       "net.cfm.estimator.content_mask_embedder.more", "net.length_regulator.mask_token.more",
       "optimizer.state.0.exp_avg", "ema.0", "iters"});
  add(&checkpoints.codec, {"decoder.0.weight", "decoder.1.embed.bias"});
  add(&checkpoints.w2v, {"masked_spec_embed.more", "adapter.layers.0.ffn.weight"});
  for (const UnusedTensors& file : unused()) ADD_FAILURE() << unused_warning(file);
}

TEST_F(UnusedTensorsTest, KnowsTheLevelModelOfTheGptFile) {
  add(&checkpoints.gpt, {"model.gpt.wte.weight"}, "model.");
  EXPECT_TRUE(unused().empty());
}

TEST_F(UnusedTensorsTest, NamesFileAndTensors) {
  add(&checkpoints.gpt, {"gpt.h.0.attn.c_attn.lora", "mel_head.scale"});
  add(&checkpoints.codec, {"quantizer.quantizers.1.codebook.weight"});
  add(&checkpoints.w2v_stat, {"deviation"});
  std::map<std::string, std::vector<std::string>> found;
  for (const UnusedTensors& file : unused()) found[file.path] = file.names;
  EXPECT_EQ(found, (std::map<std::string, std::vector<std::string>>{
                       {files.gpt, {"gpt.h.0.attn.c_attn.lora", "mel_head.scale"}},
                       {files.codec, {"quantizer.quantizers.1.codebook.weight"}},
                       {files.w2v_stat, {"deviation"}}}));
}

TEST(UnusedWarning, HasCountFileAndTheFirstNames) {
  EXPECT_EQ(unused_warning({"a/gpt.pth", {"one\n"}}),
            "weights: 1 tensor of a/gpt.pth not used: one?; expected none, is the file of another "
            "version of IndexTTS?");
  const std::string many = unused_warning({"gpt.pth", {"a", "b", "c", "d", "e", "f", "g"}});
  EXPECT_NE(many.find("7 tensors of gpt.pth not used: a, b, c, d, e, ...;"), std::string::npos);
}

}  // namespace
}  // namespace indextts2
