// Text normalisation grammars: a tagger and a verbalizer per language, compiled for OpenFst.
// Follows WeTextProcessing 1.0.4.1, whose run-time algorithm is stated in grammars/README.md.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace indextts2 {

enum class Language { kChinese, kEnglish };

// One finite-state transducer over bytes. Thread-safety: const.
class Transducer {
 public:
  // Throws Error{kNotFound, kOpenRead}.
  explicit Transducer(const std::string& path);
  ~Transducer();

  // The output of the cheapest path that reads `text`, or nothing when no path reads it. NUL bytes
  // of `text` are skipped (label 0 is "no symbol"). Cost: about 10 us and 3 kB a byte in English,
  // less in Chinese.
  //
  // *cost: of the paths of the texts before, 0 for a text of its own; the cost of this path is
  // added. See Note [Costs so far].
  std::optional<std::string> apply(std::string_view text, float* cost) const;

 private:
  struct Graph;
  std::unique_ptr<const Graph> graph_;
};

// Note [Costs so far]: costs are 32-bit floats, some 100 a word, and differ by 0.0001 between good
// and better readings. So in the reference the distance from the start of the text decides by
// rounding how a number is read: "1,000,000" is "one million" within the first twenty words, later
// perhaps "one zero zero zero ...". To read the parts of a text as the reference reads the whole,
// each starts with the costs at which the one before has ended.
struct PathCosts {
  float tagger = 0, verbalizer = 0;
};

// The pair of one language. Thread-safety: const.
class Grammar {
 public:
  // `folder` holds {zh,en}_tn_{tagger,verbalizer}.fst. Throws Error{kNotFound, kOpenRead}.
  Grammar(const std::string& folder, Language language);

  // "5 kg" -> "five kilograms"; "" -> "". Nothing when the grammar cannot read the text.
  // `costs`, when given: see Note [Costs so far].
  std::optional<std::string> normalize(std::string_view text, PathCosts* costs = nullptr) const;

 private:
  Language language_;
  Transducer tagger_, verbalizer_;
};

// The grammars of a folder, each loaded when it is first needed: loading takes some 50 ms and 10
// MB. Thread-safety: safe; two threads that need one grammar at once load it once.
class Grammars {
 public:
  explicit Grammars(std::string folder) : folder_(std::move(folder)) {}
  // Throws Error{kNotFound, kOpenRead}; the next call tries again.
  const Grammar& get(Language language) const;

 private:
  std::string folder_;
  mutable std::mutex mutex_;  // guards the two pointers
  mutable std::unique_ptr<const Grammar> chinese_, english_;
};

}  // namespace indextts2
