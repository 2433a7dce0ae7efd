// Utterance events as element messages `indextts2/...`.
#pragma once

#include <gst/base/gstbasesrc.h>

#include "speech_flow.h"

namespace indextts2 {

// Posts one message; the fields are those of docs/element.md. Thread-safety: safe; no lock held.
void post_event(GstBaseSrc* source, const UtteranceEvent& event);

}  // namespace indextts2
