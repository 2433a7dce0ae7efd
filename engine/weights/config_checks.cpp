// What several model configurations are checked for.
#include "weights/config_checks.h"

namespace indextts2 {

void require_text(const ConfigTree& tree, const std::string& key, const std::string& value) {
  if (const std::string got = tree.text(key, value); got != value) tree.fail(key, value, got);
}

void require_flag(const ConfigTree& tree, const std::string& key, bool value, bool absent) {
  if (tree.boolean(key, absent) != value) {
    tree.fail(key, value ? "true" : "false", tree.raw(key));
  }
}

void check_divisible(const ConfigTree& tree, const std::string& key, int64_t size,
                     const std::string& heads_key, int64_t heads) {
  if (size % heads != 0) {
    tree.fail(heads_key, "a divisor of " + key + " " + std::to_string(size), std::to_string(heads));
  }
}

}  // namespace indextts2
