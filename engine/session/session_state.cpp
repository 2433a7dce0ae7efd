// Which text comes first.
#include "session/session_state.h"

#include <algorithm>

namespace indextts2 {
namespace {

bool goes_before(const Text& a, const Text& b, double now) {
  if (a.due(now) != b.due(now)) return a.due(now);
  return a.priority > b.priority;
}

}  // namespace

std::vector<std::shared_ptr<Text>> SessionState::ordered(double now) const {
  std::vector<std::shared_ptr<Text>> all(texts.begin(), texts.end());
  if (by_priority) {
    std::stable_sort(all.begin(), all.end(),
                     [now](const auto& a, const auto& b) { return goes_before(*a, *b, now); });
  }
  return all;
}

std::shared_ptr<Text> SessionState::head(double now) const {
  if (texts.empty()) return nullptr;
  if (!by_priority) return texts.front();
  const auto first =
      std::min_element(texts.begin(), texts.end(),
                       [now](const auto& a, const auto& b) { return goes_before(*a, *b, now); });
  return (*first)->due(now) ? *first : nullptr;
}

double SessionState::until_due(double now) const {
  double least = -1;
  for (const auto& text : texts) {
    if (text->due(now)) continue;
    const double left = text->not_before - now;
    least = least < 0 ? left : std::min(least, left);
  }
  return least;
}

}  // namespace indextts2
