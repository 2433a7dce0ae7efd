// Choosing codes: logits processors and draws without replacement, on rows of CPU floats.
#include "ops/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

[[noreturn]] void refuse(const char* name, double got, const char* expected) {
  throw Error(ErrorCode::kSettings, std::string("sampling: ") + name + " is " +
                                        std::to_string(got) + "; expected " + expected);
}

// The largest score; throws for rows that no softmax is defined on.
float checked_max(const float* scores, size_t count) {
  float largest = kMinusInfinity;
  bool broken = false;
  for (size_t i = 0; i < count; ++i) {
    broken |= !(scores[i] < std::numeric_limits<float>::infinity());  // NaN or +inf
    largest = scores[i] > largest ? scores[i] : largest;
  }
  if (broken || largest == kMinusInfinity) {
    throw Error(ErrorCode::kSynthesis, std::string("synthesis: the speech model gave ") +
                                           (broken ? "a score that is not a number or infinite"
                                                   : "no token a score above minus infinity") +
                                           "; try precision fp32, or check the model files");
  }
  return largest;
}

// exp(score - largest) of each; returns the sum.
double exponentials(const float* scores, size_t count, float largest, float* out) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    out[i] = std::exp(scores[i] - largest);
    sum += out[i];
  }
  return sum;
}

void to_log_softmax(std::vector<float>& scores, float largest) {
  std::vector<float> unused(scores.size());
  const float log_sum = static_cast<float>(
      std::log(exponentials(scores.data(), scores.size(), largest, unused.data())));
  for (float& score : scores) score = score - largest - log_sum;
}

void penalise_repetition(std::vector<float>& scores, const std::vector<int32_t>& history,
                         float penalty) {
  if (penalty == 1.0f) return;
  std::vector<bool> seen(scores.size());
  for (const int32_t id : history) {
    if (id < 0 || static_cast<size_t>(id) >= scores.size() || seen[id]) continue;
    seen[id] = true;
    scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
  }
}

// Removes ids whose information is farther from the entropy than that of the last one needed to
// reach `mass`. Follows index-tts ee40fa7, indextts/utils/typical_sampling.py, TypicalLogitsWarper.
void keep_typical(std::vector<float>& scores, double mass, int min_keep) {
  const size_t count = scores.size();
  const float largest = checked_max(scores.data(), count);
  std::vector<float> probability(count), distance(count);
  const double sum = exponentials(scores.data(), count, largest, probability.data());
  const float log_sum = static_cast<float>(std::log(sum));
  double entropy = 0;
  for (size_t i = 0; i < count; ++i) {
    const float log_p = scores[i] - largest - log_sum;
    const float p = std::exp(log_p);
    if (p > 0) entropy -= double{log_p} * p;
    distance[i] = log_p;
  }
  for (float& d : distance) d = std::abs(-d - static_cast<float>(entropy));
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return distance[a] < distance[b]; });
  double cumulative = 0;
  size_t last = 0;
  for (; last + 1 < count; ++last) {
    cumulative += probability[order[last]] / sum;
    if (!(static_cast<float>(cumulative) < static_cast<float>(mass))) break;
  }
  const float limit = distance[order[last]];
  for (size_t rank = min_keep > 1 ? min_keep : 0; rank < count; ++rank) {
    if (distance[order[rank]] > limit) scores[order[rank]] = kMinusInfinity;
  }
}

// The k-th largest of `scores`, 1 <= k <= size. A small heap of the best is much cheaper than
// selecting in a copy.
float kth_largest(const std::vector<float>& scores, size_t k) {
  std::vector<float> heap(scores.begin(), scores.begin() + k);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  for (size_t i = k; i < scores.size(); ++i) {
    if (!(scores[i] > heap.front())) continue;
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.back() = scores[i];
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }
  return heap.front();
}

bool better(const TokenScore& a, const TokenScore& b) {
  return a.score != b.score ? a.score > b.score : a.token > b.token;
}

// Removes the least likely tokens that together have at most 1 - top_p of the probability.
void keep_top_p(Survivors& tokens, double top_p, size_t min_keep) {
  if (top_p >= 1.0 || tokens.size() <= min_keep) return;
  const float largest = std::max_element(tokens.begin(), tokens.end(), [](auto& a, auto& b) {
                          return a.score < b.score;
                        })->score;
  double total = 0;
  for (const TokenScore& t : tokens) total += std::exp(t.score - largest);
  // Only the best `top` need an order: enough of them to hold more than top_p.
  size_t top = std::min<size_t>(tokens.size(), 128);
  double rest = 0;
  for (;; top = std::min(tokens.size(), top * 4)) {
    std::nth_element(tokens.begin(), tokens.begin() + (top - 1), tokens.end(), better);
    rest = 0;
    for (size_t i = top; i < tokens.size(); ++i) rest += std::exp(tokens[i].score - largest);
    if (top == tokens.size() || rest / total < (1.0 - top_p) * 0.999) break;
  }
  std::sort(tokens.begin(), tokens.begin() + top, better);
  const float limit = static_cast<float>(1.0 - top_p);
  double cumulative = rest / total;
  size_t keep = top;
  while (keep > min_keep) {
    cumulative += static_cast<float>(std::exp(tokens[keep - 1].score - largest) / total);
    if (!(static_cast<float>(cumulative) <= limit)) break;
    --keep;
  }
  tokens.resize(keep);
}

bool by_token(const TokenScore& a, const TokenScore& b) { return a.token < b.token; }

struct Drawn {
  uint64_t index;  // row * vocabulary + token
  float key;       // probability / draw
  float score;
};

}  // namespace

void check_sampling_options(const SamplingOptions& options) {
  const auto finite_above_zero = [](double x) { return std::isfinite(x) && x > 0; };
  if (!finite_above_zero(options.temperature)) {
    refuse("temperature", options.temperature, "a number above 0");
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) refuse("top_p", options.top_p, "0 < top_p <= 1");
  if (options.top_k < 0) refuse("top_k", options.top_k, "0 (off) or more");
  if (!finite_above_zero(options.repetition_penalty)) {
    refuse("repetition_penalty", options.repetition_penalty, "a number above 0");
  }
  if (options.typical_sampling && !(options.typical_mass > 0 && options.typical_mass < 1)) {
    refuse("typical_mass", options.typical_mass, "0 < typical_mass < 1");
  }
}

Survivors process_logits(const float* logits, size_t vocabulary,
                         const std::vector<int32_t>& history, const SamplingOptions& options,
                         Normalise normalise, int min_keep) {
  const float largest = checked_max(logits, vocabulary);
  std::vector<float> scores(logits, logits + vocabulary);
  if (normalise == Normalise::kLogSoftmax) to_log_softmax(scores, largest);
  penalise_repetition(scores, history, static_cast<float>(options.repetition_penalty));
  if (options.typical_sampling) keep_typical(scores, options.typical_mass, min_keep);
  const float temperature = static_cast<float>(options.temperature);
  if (temperature != 1.0f) {
    for (float& score : scores) score /= temperature;
  }
  float lowest = kMinusInfinity;
  if (options.top_k > 0) {
    const size_t k = std::max(options.top_k, min_keep);
    if (k < vocabulary) lowest = kth_largest(scores, k);
  }
  Survivors tokens;
  for (size_t i = 0; i < vocabulary; ++i) {
    if (scores[i] >= lowest && scores[i] > kMinusInfinity) {
      tokens.push_back({static_cast<int32_t>(i), scores[i]});
    }
  }
  if (tokens.empty()) checked_max(scores.data(), scores.size());  // scores overflowed: says so
  keep_top_p(tokens, options.top_p, min_keep);
  std::sort(tokens.begin(), tokens.end(), by_token);
  return tokens;
}

std::vector<Candidate> draw_candidates(const std::vector<Survivors>& rows, size_t vocabulary,
                                       size_t count, const Draws& draws) {
  float largest = kMinusInfinity;
  for (const Survivors& row : rows) {
    for (const TokenScore& t : row) largest = std::max(largest, t.score);
  }
  checked_max(&largest, 1);
  double sum = 0;
  for (const Survivors& row : rows) {
    for (const TokenScore& t : row) sum += std::exp(t.score - largest);
  }
  std::vector<Drawn> drawn;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const TokenScore& t : rows[row]) {
      const float p = static_cast<float>(std::exp(t.score - largest) / sum);
      if (!(p > 0)) continue;
      const uint64_t index = row * vocabulary + t.token;
      drawn.push_back({index, p / draws.at(index), t.score});
    }
  }
  const size_t taken = std::min(count, drawn.size());
  std::partial_sort(drawn.begin(), drawn.begin() + taken, drawn.end(),
                    [](const Drawn& a, const Drawn& b) {
                      return a.key != b.key ? a.key > b.key : a.index < b.index;
                    });
  drawn.resize(taken);
  std::vector<Candidate> out;
  for (const Drawn& d : drawn) {
    out.push_back({static_cast<int32_t>(d.index / vocabulary),
                   static_cast<int32_t>(d.index % vocabulary), d.score});
  }
  for (uint64_t index = 0; out.size() < count && index < rows.size() * vocabulary; ++index) {
    const auto same = [&](const Drawn& d) { return d.index == index; };
    if (std::any_of(drawn.begin(), drawn.end(), same)) continue;
    const Survivors& row = rows[index / vocabulary];
    const TokenScore wanted{static_cast<int32_t>(index % vocabulary), kMinusInfinity};
    const auto found = std::lower_bound(row.begin(), row.end(), wanted, by_token);
    const bool survives = found != row.end() && found->token == wanted.token;
    out.push_back({static_cast<int32_t>(index / vocabulary), wanted.token,
                   survives ? found->score : kMinusInfinity});
  }
  return out;
}

}  // namespace indextts2
