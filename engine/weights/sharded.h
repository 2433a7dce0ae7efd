// Reader of a checkpoint in several files: model.safetensors.index.json and the files that it
// names.
#pragma once

#include <memory>
#include <string>

#include "weights/checkpoint.h"

namespace indextts2 {

// `path`: the index file; its parts lie in the same folder. Throws Error{kNotFound, kOpenRead}.
std::shared_ptr<const Checkpoint> read_sharded(const std::string& path);

}  // namespace indextts2
