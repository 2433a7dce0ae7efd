// The kernels of the networks of a decoding step, each by itself.
#pragma once

#include <vector>

#include "cuda/kernels/row_linear.h"
#include "modules/unified_voice.h"
#include "ops_table.h"

namespace indextts2 {

inline constexpr int kMostStepRows = 96;

inline constexpr RowTile kRowTiles[] = {RowTile::kUsual, RowTile::kNarrow, RowTile::kTall,
                                        RowTile::kNarrowTall};
const char* name_of(RowTile tile);

// With `rows` rows; those of all layers run one after the other, so that no weight is in a cache.
// `all_tiles`: where there are other tiles than the usual, with these, too.
std::vector<OpTime> step_ops(const UnifiedVoice& model, int rows, bool all_tiles = false);

}  // namespace indextts2
