// Byte order marks, UTF-16 and line ends.
#include "text_file.h"

#include <glib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "core/error.h"

namespace indextts2 {
namespace {

struct GFree {
  void operator()(void* memory) const { g_free(memory); }
};
using GString8 = std::unique_ptr<char, GFree>;

std::string path_of(const std::string& location) {
  if (location.rfind("file:", 0) != 0) return location;
  GError* failed = nullptr;
  GString8 path(g_filename_from_uri(location.c_str(), nullptr, &failed));
  if (path) return path.get();
  std::string reason = failed ? failed->message : "";
  g_clear_error(&failed);
  throw Error(ErrorCode::kNotFound, "location: " + location + " is not a file URI: " + reason);
}

std::string from_utf16(const std::string& bytes, const char* encoding, const std::string& path) {
  GError* failed = nullptr;
  gsize written = 0;
  GString8 text(g_convert(bytes.data() + 2, static_cast<gssize>(bytes.size() - 2), "UTF-8",
                          encoding, nullptr, &written, &failed));
  if (text) return std::string(text.get(), written);
  std::string reason = failed ? failed->message : "";
  g_clear_error(&failed);
  throw Error(ErrorCode::kTextDecode,
              "location: " + path + " starts as UTF-16 but is not; save it as UTF-8.", reason);
}

void use_plain_line_ends(std::string* text) {
  size_t out = 0;
  for (size_t i = 0; i < text->size(); ++i) {
    char c = (*text)[i];
    if (c == '\r') {
      if (i + 1 < text->size() && (*text)[i + 1] == '\n') continue;
      c = '\n';
    }
    (*text)[out++] = c;
  }
  text->resize(out);
}

}  // namespace

std::string read_text_file(const std::string& location, size_t max_bytes) {
  const std::string path = path_of(location);
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) {
    throw Error(ErrorCode::kNotFound, "location: the file " + path + " does not exist.");
  }
  std::ifstream file(path, std::ios::binary);
  if (std::filesystem::is_directory(path, failed) || !file) {
    throw Error(ErrorCode::kOpenRead, "location: the file " + path + " cannot be read: " +
                                          (file ? "it is a folder" : std::strerror(errno)) + ".");
  }
  // A pipe or device has no size: read a little past the limit and look.
  std::string text;
  char block[65536];
  while (file && (max_bytes == 0 || text.size() <= 2 * max_bytes + 4)) {
    file.read(block, sizeof block);
    text.append(block, static_cast<size_t>(file.gcount()));
  }
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) {
    text.erase(0, 3);
  } else if (text.compare(0, 2, "\xFF\xFE") == 0) {
    text = from_utf16(text, "UTF-16LE", path);
  } else if (text.compare(0, 2, "\xFE\xFF") == 0) {
    text = from_utf16(text, "UTF-16BE", path);
  }
  use_plain_line_ends(&text);
  if (max_bytes > 0 && text.size() > max_bytes) {
    auto size = std::filesystem::file_size(path, failed);
    throw Error(ErrorCode::kTextTooLong,
                "location: " + path + " has " + std::to_string(failed ? text.size() : size) +
                    " bytes, above the limit max-text-bytes=" + std::to_string(max_bytes) +
                    "; raise it or cut the file.");
  }
  return text;
}

}  // namespace indextts2
