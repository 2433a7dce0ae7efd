// Tells the kinds of checkpoint files apart by their content.
#include "weights/checkpoint.h"

#include "core/error.h"
#include "weights/mapped_file.h"
#include "weights/safetensors.h"
#include "weights/sharded.h"
#include "weights/torch_zip.h"

namespace indextts2 {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

// What the file is instead, and what to do about it.
std::string describe(const MappedFile& file) {
  const std::string_view head = file.text(0, 512);
  const std::string convert =
      "convert it: python3 -c \"import torch; f='" + file.path() +
      "'; torch.save(torch.load(f, map_location='cpu', weights_only=True), f)\"";
  if (starts_with(head, "\x80\x02"))
    return "a PyTorch file of the old format (before 1.6); " + convert;
  if (head.size() > 262 && head.substr(257, 5) == "ustar") {
    return "a PyTorch file of the old format (tar); " + convert;
  }
  if (starts_with(head, "version https://git-lfs")) {
    return "a Git LFS pointer, not the file itself; run 'git lfs pull' or download the file";
  }
  if (starts_with(head, "<")) return "a web page; the download failed, download the file again";
  if (starts_with(head, "PK")) return "a truncated zip archive; download the file again";
  return "another format (" + std::to_string(file.size()) + " bytes); download the file again";
}

}  // namespace

std::shared_ptr<const Checkpoint> open_checkpoint(const std::string& path) {
  constexpr std::string_view kIndex = ".index.json";
  if (path.size() > kIndex.size() && path.substr(path.size() - kIndex.size()) == kIndex) {
    return read_sharded(path);
  }
  const auto file = MappedFile::open(path);
  if (starts_with(file->text(0, 4), "PK\x03\x04")) return read_torch_zip(file);
  if (is_safetensors(*file)) return read_safetensors(file);
  throw Error(
      ErrorCode::kOpenRead,
      path + ": expected a PyTorch checkpoint or a safetensors file, got " + describe(*file));
}

}  // namespace indextts2
