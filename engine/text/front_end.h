// The text front end: UTF-8 text in, segments of token ids out.
// Follows index-tts ee40fa7, indextts/utils/front.py; model.md section C of the design states the
// rules.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/glossary.h"
#include "text/grammar.h"
#include "text/segment.h"
#include "text/tokenizer.h"

namespace indextts2 {

struct FrontOptions {
  int max_segment_tokens = 120;
  int first_segment_tokens =
      0;  // > 0: parts are joined to half a segment only, until so many tokens have passed
  std::shared_ptr<const Glossary> glossary;  // may be empty
  // Called by SegmentReader::next with pieces of the text that the model does not know and will
  // skip.
  std::function<void(const std::vector<std::string>&)> unknown;
};

// Immutable but for the grammars, which load when they are first needed. Thread-safety: safe.
class FrontEnd {
 public:
  // `tokenizer_path`: bpe.model of the model folder; `grammar_folder`: the four .fst files.
  // Throws Error{kNotFound, kOpenRead}.
  FrontEnd(const std::string& tokenizer_path, const std::string& grammar_folder);

  // Loads a grammar now, so that no text has to wait for it (some 50 ms). Throws Error{kNotFound,
  // kOpenRead}.
  void load(Language language) const { grammars_->get(language); }

  // The reader may outlive the front end. Throws Error{kTextDecode} with the byte that is not
  // UTF-8, Error{kSettings}.
  //
  // The text is normalised piece by piece while segments are read; `stop` is tested between pieces.
  // A segment's source bytes start where those of the one before end; the first starts at 0, the
  // last ends with the text. Borders are exact at the ends of pieces and at words, CJK characters
  // and marks that are spoken as they are written; within what is spoken otherwise (numbers, dates)
  // they are interpolated (alignment.h). They are starts of characters, and white space belongs to
  // the segment before it.
  std::unique_ptr<SegmentReader> open(std::string text, const FrontOptions& options) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Grammars> grammars_;
};

}  // namespace indextts2
