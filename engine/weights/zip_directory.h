// The directory of a zip archive whose entries are stored, not compressed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "weights/mapped_file.h"

namespace indextts2 {

// Where the bytes of one entry are in the archive.
struct ZipEntry {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint16_t method = 0;  // 0: stored
};

// All entries of the archive, zip64 included; each lies inside the file. Throws Error{kOpenRead}:
// truncated, damaged, encrypted, a name twice. Compressed entries are listed (their `size` is the
// compressed one): whoever reads one refuses it.
std::map<std::string, ZipEntry> read_zip_directory(const MappedFile& file);

}  // namespace indextts2
