// Cuts texts at sentence ends and newlines, for the tone engine.
#pragma once

#include <memory>
#include <string>

#include "text/segment.h"
#include "tone_options.h"

namespace indextts2 {

// Segment::ids are the bytes of the text, without the blanks around it. See README.md.
std::unique_ptr<SegmentReader> open_tone_reader(std::string text, const ToneOptions& options);

}  // namespace indextts2
