// Tag lists and tables of contents.
#include "stream_tags.h"

#include "audio_slicer.h"

namespace indextts2 {
namespace {

constexpr glong kTitleLetters = 60;

// The first words of a text.
std::string title_of(const std::string& text) {
  if (g_utf8_strlen(text.data(), static_cast<gssize>(text.size())) <= kTitleLetters) return text;
  const size_t end =
      static_cast<size_t>(g_utf8_offset_to_pointer(text.data(), kTitleLetters) - text.data());
  const size_t blank = text.rfind(' ', end);
  return text.substr(0, blank == std::string::npos || blank == 0 ? end : blank) + "...";
}

GstTagList* titled(const std::string& text) {
  return gst_tag_list_new(GST_TAG_TITLE, title_of(text).c_str(), nullptr);
}

// `number`: from 1 on.
std::string uid_of(size_t number) { return "segment-" + std::to_string(number); }

}  // namespace

GstTagList* tags_of(const UtteranceEvent& event) {
  const std::string& text = event.utterance ? event.utterance->text : event.info->text;
  GstTagList* const tags = titled(text);
  gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_APPLICATION_NAME, "indextts2src", nullptr);
  if (!event.info->voice.empty()) {
    gchar* const name = g_path_get_basename(event.info->voice.c_str());
    gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_ARTIST, name, nullptr);
    g_free(name);
  }
  if (event.utterance && !event.utterance->language.empty()) {
    gst_tag_list_add(tags, GST_TAG_MERGE_REPLACE, GST_TAG_LANGUAGE_CODE,
                     event.utterance->language.c_str(), nullptr);
  }
  return tags;
}

GstToc* toc_of(const std::vector<Chapter>& chapters) {
  GstToc* const toc = gst_toc_new(GST_TOC_SCOPE_GLOBAL);
  size_t number = 0;
  for (const Chapter& chapter : chapters) {
    GstTocEntry* const entry =
        gst_toc_entry_new(GST_TOC_ENTRY_TYPE_CHAPTER, uid_of(++number).c_str());
    gst_toc_entry_set_start_stop_times(entry, static_cast<gint64>(time_of_sample(chapter.begin)),
                                       static_cast<gint64>(time_of_sample(chapter.end)));
    gst_toc_entry_set_tags(entry, titled(chapter.text));
    gst_toc_append_entry(toc, entry);
  }
  return toc;
}

const Chapter* chapter_of(const std::vector<Chapter>& chapters, const std::string& uid) {
  for (size_t i = 0; i < chapters.size(); ++i) {
    if (uid_of(i + 1) == uid) return &chapters[i];
  }
  return nullptr;
}

}  // namespace indextts2
