// Reader of safetensors files.
#pragma once

#include <memory>

#include "weights/checkpoint.h"
#include "weights/mapped_file.h"

namespace indextts2 {

// True if the file begins as a safetensors file does: a header length that fits, then '{'.
bool is_safetensors(const MappedFile& file);

// Indexes every tensor of the file; no tensor data is read. Throws Error{kOpenRead}.
std::shared_ptr<const Checkpoint> read_safetensors(const std::shared_ptr<const MappedFile>& file);

}  // namespace indextts2
