// The files of a model folder: flat layout, safetensors twins, the hub's cache, and what is said
// when one is missing.
#include "weights/model_files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/linked_folder.h"
#include "support/temp_folder.h"
#include "weights/checkpoint.h"
#include "weights/expect_error.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

const fs::path kTiny = SOURCE_ROOT "/tests/golden/reference/tiny";

// A copy of the tiny model made of links.
class ModelFilesTest : public testing::Test {
 protected:
  ModelFilesTest() { link_folder(kTiny, model_); }
  ModelFiles find() const { return find_model_files(model_.string(), hub_.string()); }
  testing::AssertionResult refuses(const std::vector<std::string>& parts) const {
    return throws_error([&] { find(); }, ErrorCode::kNotFound, parts);
  }
  // Moves a file of hf_cache/ into a snapshot of a hub cache, as a link to a blob.
  void move_to_cache(const std::string& file, const fs::path& cache, const std::string& repository,
                     const std::string& name, const std::string& hash) {
    const fs::path root = cache / ("models--" + repository);
    fs::create_directories((root / "snapshots" / hash / name).parent_path());
    fs::create_directories(root / "blobs");
    const fs::path blob = root / "blobs" / (hash + fs::path(name).filename().string());
    fs::rename(model_ / "hf_cache" / file, blob);
    fs::create_symlink(blob, root / "snapshots" / hash / name);
  }

  TempFolder folder_;
  const fs::path model_ = folder_.path() / "model";
  const fs::path hub_ = folder_.path() / "hub";
};

TEST_F(ModelFilesTest, FindsTheFlatLayout) {
  const ModelFiles files = find();
  EXPECT_EQ(files.config, (model_ / "config.yaml").string());
  EXPECT_EQ(files.gpt, (model_ / "gpt.pth").string());
  EXPECT_EQ(files.spk_matrix, (model_ / "feat1.pt").string());
  EXPECT_EQ(files.emo_matrix, (model_ / "feat2.pt").string());
  EXPECT_EQ(files.codec, (model_ / "hf_cache/semantic_codec_model.safetensors").string());
  EXPECT_EQ(files.w2v, (model_ / "hf_cache/w2v-bert-2.0/model.safetensors").string());
  EXPECT_EQ(files.bigvgan, (model_ / "hf_cache/bigvgan/bigvgan_generator.pt").string());
  EXPECT_FALSE(files.w2v_preprocessor.empty());
  EXPECT_TRUE(files.glossary.empty());
  EXPECT_TRUE(files.prompts.empty());
}

TEST_F(ModelFilesTest, FindsOptionalFiles) {
  for (const char* name :
       {"glossary.yaml", "prompts/b.WAV", "prompts/a.flac", "prompts/notes.txt"}) {
    folder_.write(std::string("model/") + name, "x");
  }
  fs::create_directories(model_ / "prompts/c.wav");
  const ModelFiles files = find();
  EXPECT_EQ(files.glossary, (model_ / "glossary.yaml").string());
  EXPECT_EQ(files.prompts, (std::vector<std::string>{(model_ / "prompts/a.flac").string(),
                                                     (model_ / "prompts/b.WAV").string()}));
}

TEST_F(ModelFilesTest, TakesSafetensorsTwins) {
  for (const char* name : {"gpt.pth", "feat1.pt", "hf_cache/campplus_cn_common.bin"}) {
    fs::rename(model_ / name, (model_ / name).replace_extension(".safetensors"));
  }
  fs::rename(model_ / "s2mel.pth", model_ / "s2mel.safetensors.index.json");
  fs::rename(model_ / "hf_cache/w2v-bert-2.0/model.safetensors",
             model_ / "hf_cache/w2v-bert-2.0/pytorch_model.bin");
  const ModelFiles files = find();
  EXPECT_EQ(files.gpt, (model_ / "gpt.safetensors").string());
  EXPECT_EQ(files.s2mel, (model_ / "s2mel.safetensors.index.json").string());
  EXPECT_EQ(files.spk_matrix, (model_ / "feat1.safetensors").string());
  EXPECT_EQ(files.campplus, (model_ / "hf_cache/campplus_cn_common.safetensors").string());
  EXPECT_EQ(files.w2v, (model_ / "hf_cache/w2v-bert-2.0/pytorch_model.bin").string());
}

TEST_F(ModelFilesTest, FindsFilesInTheCacheOfTheModelFolder) {
  const fs::path cache = model_ / "hf_cache";
  move_to_cache("semantic_codec_model.safetensors", cache, "amphion--MaskGCT",
                "semantic_codec/model.safetensors", "abc");
  move_to_cache("campplus_cn_common.bin", cache, "funasr--campplus", "campplus_cn_common.bin",
                "def");
  const ModelFiles files = find();
  EXPECT_EQ(
      files.codec,
      (cache / "models--amphion--MaskGCT/snapshots/abc/semantic_codec/model.safetensors").string());
  EXPECT_EQ(files.campplus,
            (cache / "models--funasr--campplus/snapshots/def/campplus_cn_common.bin").string());
}

TEST_F(ModelFilesTest, TakesTheSnapshotThatMainNames) {
  const std::string repository = "nvidia--bigvgan_v2_22khz_80band_256x";
  const fs::path root = hub_ / ("models--" + repository);
  for (const char* name : {"config.json", "bigvgan_generator.pt"}) {
    move_to_cache(std::string("bigvgan/") + name, hub_, repository, name, "second");
  }
  EXPECT_EQ(find().bigvgan,
            (root / "snapshots/second/bigvgan_generator.pt").string());  // the only one
  fs::create_directories(root / "snapshots/first");
  EXPECT_TRUE(refuses({"bigvgan_generator.pt"}));  // two, and no main
  folder_.write("hub/models--" + repository + "/refs/main", "second\n");
  EXPECT_EQ(find().bigvgan, (root / "snapshots/second/bigvgan_generator.pt").string());
  folder_.write("hub/models--" + repository + "/refs/main", "../../elsewhere");
  EXPECT_TRUE(refuses({"bigvgan_generator.pt"}));
}

TEST_F(ModelFilesTest, TheModelFolderComesBeforeTheHub) {
  const std::string name = "campplus_cn_common.bin";
  fs::copy_file(model_ / "hf_cache" / name, folder_.path() / "other");
  move_to_cache(name, model_ / "hf_cache", "funasr--campplus", name, "here");
  fs::rename(folder_.path() / "other", model_ / "hf_cache" / name);
  move_to_cache(name, hub_, "funasr--campplus", name, "there");
  EXPECT_NE(find().campplus.find("snapshots/here"), std::string::npos);
}

TEST_F(ModelFilesTest, AcceptsTheOldPlaceOfTheCodecLast) {
  fs::create_directories(model_ / "hf_cache/semantic_codec");
  fs::rename(model_ / "hf_cache/semantic_codec_model.safetensors",
             model_ / "hf_cache/semantic_codec/model.safetensors");
  EXPECT_EQ(find().codec, (model_ / "hf_cache/semantic_codec/model.safetensors").string());
}

TEST_F(ModelFilesTest, NamesEveryMissingFileAndEveryPlace) {
  fs::remove(model_ / "s2mel.pth");
  fs::remove(model_ / "hf_cache/campplus_cn_common.bin");
  EXPECT_TRUE(
      refuses({"s2mel.pth", (model_ / "hf_cache/campplus_cn_common.bin").string(),
               (model_ / "hf_cache/models--funasr--campplus").string(),
               (hub_ / "models--funasr--campplus").string(), "download", "funasr/campplus"}));
  fs::remove(model_ / "gpt.pth");
  fs::create_symlink("nowhere", model_ / "gpt.pth");
  EXPECT_TRUE(refuses({"gpt.pth (a link to nowhere)"}));
}

TEST_F(ModelFilesTest, RefusesOtherFolders) {
  EXPECT_TRUE(throws_error([&] { find_model_files("/nonexistent", ""); }, ErrorCode::kNotFound,
                           {"/nonexistent", "no such folder"}));
  EXPECT_TRUE(throws_error([&] { find_model_files(folder_.path().string(), ""); },
                           ErrorCode::kNotFound, {"config.yaml"}));
  fs::remove(model_ / "config.yaml");
  folder_.write("model/config.yaml", "gpt: {model_dim: 1024}\nversion: 1.5\n");
  fs::remove(model_ / "s2mel.pth");
  EXPECT_TRUE(throws_error([&] { find(); }, ErrorCode::kModel, {"IndexTTS 1.x", "IndexTTS 2"}));
}

// Every checkpoint of the two models of this tree opens, and its first and last tensor can be read.
TEST(ModelFolders, AllCheckpointsOpen) {
  for (const std::string& folder :
       {kTiny.string(), std::string(SOURCE_ROOT "/models/compact-en")}) {
    const ModelFiles files = find_model_files(folder, "");
    const struct {
      std::string path, tensor;
      std::vector<int64_t> shape;
    } cases[] = {{files.spk_matrix, "", {73, 192}},
                 {files.gpt, "mel_embedding.weight", {}},
                 {files.s2mel, "net.length_regulator.content_in_proj.weight", {}},
                 {files.w2v_stat, "mean", {}},
                 {files.w2v, "feature_projection.projection.weight", {}},
                 {files.codec, "quantizer.quantizers.0.codebook.weight", {}},
                 {files.campplus, "xvector.dense.linear.weight", {}},
                 {files.bigvgan, "generator.conv_pre.bias", {}}};
    for (const auto& one : cases) {
      const auto file = open_checkpoint(one.path);
      const TensorEntry* entry = file->find(one.tensor);
      ASSERT_NE(entry, nullptr) << one.path << " " << one.tensor;
      if (!one.shape.empty()) {
        EXPECT_EQ(entry->shape, one.shape) << one.path;
      }
      EXPECT_TRUE(file->tensor(one.tensor).to(at::kFloat).sum().isfinite().item<bool>())
          << one.path;
      EXPECT_EQ(file->tensor(file->names().back()).sizes().vec(),
                file->find(file->names().back())->shape);
    }
  }
}

TEST_F(ModelFilesTest, FindsTheEmotionModel) {
  const auto find_it = [&] { return find_emotion_model(model_.string(), "emo/"); };
  const std::string folder = (model_ / "emo").string();
  EXPECT_TRUE(throws_error(find_it, ErrorCode::kNotFound,
                           {"emotion from text", "folder emo ", folder, "IndexTeam", "vector"}));
  fs::create_directories(folder);
  EXPECT_TRUE(throws_error(find_it, ErrorCode::kNotFound,
                           {folder, "config.json", "model.safetensors", "IndexTeam"}));
  folder_.write("model/emo/config.json", "x");
  folder_.write("model/emo/model.safetensors.index.json", "x");
  EmotionModelFiles files = find_it();
  EXPECT_EQ(files.folder, folder);
  EXPECT_EQ(files.config, folder + "/config.json");
  EXPECT_EQ(files.weights, folder + "/model.safetensors.index.json");
  EXPECT_EQ(files.generation_config, "");
  folder_.write("model/emo/model.safetensors", "x");
  folder_.write("model/emo/generation_config.json", "x");
  files = find_it();
  EXPECT_EQ(files.weights, folder + "/model.safetensors");
  EXPECT_EQ(files.generation_config, folder + "/generation_config.json");
}

}  // namespace
}  // namespace indextts2
