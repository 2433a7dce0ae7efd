// Reader of PyTorch checkpoints (torch.save since 1.6): a zip archive of a pickle and raw storages.
#pragma once

#include <memory>

#include "weights/checkpoint.h"
#include "weights/mapped_file.h"

namespace indextts2 {

// Indexes every tensor of the archive; no tensor data is read. Lists and tuples count as levels too
// ("ema.0.weight"). Throws Error{kOpenRead}.
std::shared_ptr<const Checkpoint> read_torch_zip(const std::shared_ptr<const MappedFile>& file);

}  // namespace indextts2
