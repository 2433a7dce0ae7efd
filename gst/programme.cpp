// Chooses between text and location.
#include "programme.h"

#include "errors.h"
#include "markup.h"
#include "text_file.h"

namespace indextts2 {

std::vector<Utterance> programme_of(const Settings& settings, bool may_lack) {
  const bool has_text = settings.text && !settings.text->empty();
  const bool has_location = settings.location && !settings.location->empty();
  if (has_text && has_location) {
    throw Error(ErrorCode::kSettings, "text and location are both set; set one of them.");
  }
  if (!has_text && !has_location) {
    if (may_lack) return {};
    throw Error(ErrorCode::kSettings,
                "There is nothing to speak: set text or location, or link the sink pad.");
  }
  if (has_text) return make_utterances(settings, *settings.text);
  try {
    return make_utterances(settings, read_text_file(*settings.location, settings.max_text_bytes));
  } catch (const Error& error) {
    if (!is_content_error(error)) throw;
    Utterance unreadable;
    unreadable.error = error;
    return {unreadable};
  }
}

}  // namespace indextts2
