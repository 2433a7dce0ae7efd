// Where the files of a model folder are.
// The cache rule follows index-tts ee40fa7, indextts/utils/model_download.py; nothing is copied or
// downloaded here.
#include "weights/model_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "weights/config.h"

namespace indextts2 {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Names of the folder's entries, sorted; empty if it cannot be read.
std::vector<std::string> list_folder(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end;
       item.increment(error)) {
    names.push_back(item->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The snapshot of `repository` ("owner/name") below a hub cache: the one that refs/main names, else
// the only one. Empty if there is none or several without a choice.
fs::path find_snapshot(const fs::path& cache, std::string repository) {
  if (cache.empty()) return {};
  repository.replace(repository.find('/'), 1, "--");
  const fs::path root = cache / ("models--" + repository);
  const fs::path snapshots = root / "snapshots";
  std::ifstream reference(root / "refs" / "main");
  std::string hash;
  // The name comes from a file: only one level below snapshots/ is ever meant.
  if (reference >> hash && hash.find('/') == std::string::npos &&
      hash.find("..") == std::string::npos && !list_folder(snapshots / hash).empty()) {
    return snapshots / hash;
  }
  fs::path only;
  for (const std::string& name : list_folder(snapshots)) {
    if (!is_folder(snapshots / name)) continue;
    if (!only.empty()) return {};
    only = snapshots / name;
  }
  return only;
}

constexpr char kDownloadAll[] =
    "download the folder completely: IndexTeam/IndexTTS-2, and for hf_cache/ "
    "facebook/w2v-bert-2.0, amphion/MaskGCT, funasr/campplus, nvidia/bigvgan_v2_22khz_80band_256x";
constexpr char kWithoutEmotionModel[] =
    "it is part of IndexTeam/IndexTTS-2 (1.2 GB); download it completely, or give the emotion as a "
    "vector or a clip";

// Of the files of one folder.
class Finder {
 public:
  Finder(fs::path model_dir, fs::path hub_cache)
      : model_dir_(std::move(model_dir)), hub_cache_(std::move(hub_cache)) {}

  // A file of the model folder itself.
  std::string own(const std::string& name) { return first({model_dir_ / name}); }
  std::string own_checkpoint(const std::string& name) {
    return first_checkpoint({model_dir_ / name});
  }
  std::string optional(const std::string& name) const {
    return is_file(model_dir_ / name) ? (model_dir_ / name).string() : std::string();
  }

  // Places of a file of hf_cache/: flat, then as `remote` in a snapshot of `repository`.
  std::vector<fs::path> auxiliary(const std::string& flat, const std::string& repository,
                                  const std::string& remote) const {
    std::vector<fs::path> places = {model_dir_ / "hf_cache" / flat};
    for (const fs::path& cache : {model_dir_ / "hf_cache", hub_cache_}) {
      if (cache.empty()) continue;
      const fs::path snapshot = find_snapshot(cache, repository);
      std::string folder = "models--" + repository;
      folder.replace(folder.find('/'), 1, "--");
      places.push_back(snapshot.empty() ? cache / folder / "snapshots" / "*" / remote
                                        : snapshot / remote);
    }
    return places;
  }

  std::string first(const std::vector<fs::path>& places) {
    for (const fs::path& place : places) {
      if (is_file(place)) return place.string();
    }
    note_missing(places, "");
    return {};
  }
  // As first(), but at each place a safetensors file of the same name will do, also one in several
  // parts.
  std::string first_checkpoint(const std::vector<fs::path>& places) {
    for (const fs::path& place : places) {
      fs::path twin = place;
      twin.replace_extension(".safetensors");
      for (const fs::path& candidate : {place, twin}) {
        if (is_file(candidate)) return candidate.string();
      }
      if (is_file(twin.string() + ".index.json")) return twin.string() + ".index.json";
    }
    note_missing(places, places.front().extension() == ".safetensors" ? "" : " (or .safetensors)");
    return {};
  }

  void check(const std::string& what = "model folder",
             const std::string& remedy = kDownloadAll) const {
    if (missing_.empty()) return;
    throw Error(ErrorCode::kNotFound,
                what + " " + model_dir_.string() + ": missing " + missing_ + "; " + remedy);
  }

 private:
  void note_missing(const std::vector<fs::path>& places, const std::string& remark) {
    missing_ += missing_.empty() ? "" : "; ";
    missing_ += places.front().filename().string() + remark + ", searched as ";
    for (size_t i = 0; i < places.size(); ++i) {
      std::error_code ignored;
      missing_ += (i == 0 ? "" : ", ") + places[i].string();
      if (fs::is_symlink(places[i], ignored)) missing_ += " (a link to nowhere)";
    }
  }

  fs::path model_dir_, hub_cache_;
  std::string missing_;  // for the error: all at once, so that one download mends it
};

void find_auxiliary(Finder* finder, ModelFiles* files) {
  const std::string w2v = "facebook/w2v-bert-2.0";
  const std::string bigvgan = "nvidia/bigvgan_v2_22khz_80band_256x";
  const auto aux = [&](const char* flat, const std::string& repository, const char* remote) {
    return finder->auxiliary(flat, repository, remote);
  };
  files->w2v_config = finder->first(aux("w2v-bert-2.0/config.json", w2v, "config.json"));
  for (const fs::path& place :
       aux("w2v-bert-2.0/preprocessor_config.json", w2v, "preprocessor_config.json")) {
    if (files->w2v_preprocessor.empty() && is_file(place)) files->w2v_preprocessor = place.string();
  }
  auto w2v_places = aux("w2v-bert-2.0/model.safetensors", w2v, "model.safetensors");
  // Some folders hold the older PyTorch form of the same weights.
  const auto old_places = aux("w2v-bert-2.0/pytorch_model.bin", w2v, "pytorch_model.bin");
  w2v_places.insert(w2v_places.end(), old_places.begin(), old_places.end());
  files->w2v = finder->first_checkpoint(w2v_places);
  auto codec_places = aux("semantic_codec_model.safetensors", "amphion/MaskGCT",
                          "semantic_codec/model.safetensors");
  codec_places.push_back(fs::path(files->model_dir) / "hf_cache/semantic_codec/model.safetensors");
  files->codec = finder->first_checkpoint(codec_places);
  files->campplus = finder->first_checkpoint(
      aux("campplus_cn_common.bin", "funasr/campplus", "campplus_cn_common.bin"));
  files->bigvgan_config = finder->first(aux("bigvgan/config.json", bigvgan, "config.json"));
  files->bigvgan = finder->first_checkpoint(
      aux("bigvgan/bigvgan_generator.pt", bigvgan, "bigvgan_generator.pt"));
}

std::vector<std::string> find_prompts(const fs::path& model_dir) {
  std::vector<std::string> prompts;
  for (const std::string& name : list_folder(model_dir / "prompts")) {
    std::string extension = fs::path(name).extension().string();
    std::transform(extension.begin(), extension.end(), extension.begin(),
                   [](unsigned char letter) { return std::tolower(letter); });
    const bool sound =
        extension == ".wav" || extension == ".flac" || extension == ".ogg" || extension == ".mp3";
    const fs::path path = model_dir / "prompts" / name;
    if (sound && is_file(path)) prompts.push_back(path.string());
  }
  return prompts;
}

}  // namespace

ModelFiles find_model_files(const std::string& model_dir, const std::string& hub_cache) {
  if (!is_folder(model_dir)) {
    throw Error(
        ErrorCode::kNotFound,
        "model folder '" + model_dir + "': no such folder; give the folder that holds config.yaml");
  }
  Finder finder(model_dir, hub_cache);
  ModelFiles files;
  files.model_dir = model_dir;
  files.config = finder.own("config.yaml");
  finder.check();
  const FileNames names = read_file_names(files.config);
  files.bpe_model = finder.own(names.bpe_model);
  files.gpt = finder.own_checkpoint(names.gpt_checkpoint);
  files.s2mel = finder.own_checkpoint(names.s2mel_checkpoint);
  files.w2v_stat = finder.own_checkpoint(names.w2v_stat);
  files.emo_matrix = finder.own_checkpoint(names.emo_matrix);
  files.spk_matrix = finder.own_checkpoint(names.spk_matrix);
  find_auxiliary(&finder, &files);
  files.glossary = finder.optional("glossary.yaml");
  files.prompts = find_prompts(model_dir);
  finder.check();
  return files;
}

EmotionModelFiles find_emotion_model(const std::string& model_dir,
                                     const std::string& qwen_emo_path) {
  // Without the slash that may end the name: its last part is what a message shows.
  const fs::path folder = (fs::path(model_dir) / qwen_emo_path / "config.json").parent_path();
  if (!is_folder(folder)) {
    throw Error(ErrorCode::kNotFound,
                "emotion from text needs the folder " + folder.filename().string() +
                    " of the model, searched as " + folder.string() + "; " + kWithoutEmotionModel);
  }
  Finder finder(folder, /*hub_cache=*/"");
  EmotionModelFiles files;
  files.folder = folder.string();
  files.config = finder.own("config.json");
  files.weights = finder.own_checkpoint("model.safetensors");
  files.generation_config = finder.optional("generation_config.json");
  finder.check("emotion from text: folder", kWithoutEmotionModel);
  return files;
}

}  // namespace indextts2
