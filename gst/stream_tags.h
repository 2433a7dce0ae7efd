// What players show of the stream: TAG events for each utterance, a table of contents.
#pragma once

#include <gst/base/gstbasesrc.h>

#include <vector>

#include "speech_flow.h"

namespace indextts2 {

// title (the first words), artist (the voice), language-code, application-name. `event`: kStart.
GstTagList* tags_of(const UtteranceEvent& event);

// One entry for each segment, as a message and an event (full reference).
GstToc* toc_of(const std::vector<Chapter>& chapters);
// The chapter that an entry of such a table is, by its uid; null: none.
const Chapter* chapter_of(const std::vector<Chapter>& chapters, const std::string& uid);

}  // namespace indextts2
