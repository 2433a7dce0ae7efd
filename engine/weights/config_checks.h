// What several model configurations are checked for.
#pragma once

#include <cstdint>
#include <string>

#include "weights/config_tree.h"

namespace indextts2 {

// Far above any model of these architectures; keeps products of two sizes inside int64.
inline constexpr Range<int64_t> kSizeRange{1, 1 << 20};
inline constexpr Range<int64_t> kTokenRange{0, 1 << 20};
inline constexpr Range<int64_t> kCountRange{1, 1000};

// The architectures have switches in their files that every model of them leaves where they are.
// Each throws Error{kModel} with file, key, expected and got; an absent key passes require_text().
void require_text(const ConfigTree& tree, const std::string& key, const std::string& value);
// `absent`: what the key is when it is not there.
void require_flag(const ConfigTree& tree, const std::string& key, bool value, bool absent);
// The value `size` of `key` is a multiple of the value `heads` of `heads_key`.
void check_divisible(const ConfigTree& tree, const std::string& key, int64_t size,
                     const std::string& heads_key, int64_t heads);

}  // namespace indextts2
