// Text normalisation grammars: tagging, reordering, verbalizing.
#include "text/grammar.h"

#include <algorithm>
#include <iterator>

#include "text/lattice.h"
#include "text/token_reorder.h"
#include "text/transducer_graph.h"

namespace indextts2 {

Transducer::Transducer(const std::string& path)
    : graph_(std::make_unique<const TransducerGraph>(path)) {}

Transducer::~Transducer() = default;

std::optional<std::string> Transducer::apply(std::string_view text, float* cost) const {
  std::string without_nul;
  if (text.find('\0') != std::string_view::npos) {
    std::copy_if(text.begin(), text.end(), std::back_inserter(without_nul),
                 [](char c) { return c != '\0'; });
    text = without_nul;
  }
  return cheapest_path(build_lattice(*graph_, text), cost);
}

Grammar::Grammar(const std::string& folder, Language language)
    : language_(language),
      tagger_(folder + (language == Language::kChinese ? "/zh" : "/en") + "_tn_tagger.fst"),
      verbalizer_(folder + (language == Language::kChinese ? "/zh" : "/en") +
                  "_tn_verbalizer.fst") {}

std::optional<std::string> Grammar::normalize(std::string_view text, PathCosts* costs) const {
  PathCosts alone;
  if (!costs) costs = &alone;
  if (text.empty()) return std::string();
  const std::optional<std::string> tagged = tagger_.apply(text, &costs->tagger);
  if (!tagged) return std::nullopt;
  return verbalizer_.apply(reorder_tokens(*tagged, language_), &costs->verbalizer);
}

const Grammar& Grammars::get(Language language) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<const Grammar>& grammar = language == Language::kChinese ? chinese_ : english_;
  if (!grammar) grammar = std::make_unique<const Grammar>(folder_, language);
  return *grammar;
}

}  // namespace indextts2
