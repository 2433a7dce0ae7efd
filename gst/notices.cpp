// Bus messages of the stream.
#include "notices.h"

#include <utility>

#include "audio_slicer.h"
#include "engine_load.h"
#include "event_messages.h"
#include "src_element.h"
#include "stream_tags.h"

namespace indextts2 {
namespace {

const char* title_of(const std::string& what) {
  if (what == "load") return "Loading the model";
  if (what == "warmup") return "Warming up";
  if (what == "voice") return "Reading the voice";
  return "Preparing";
}

void set_duration(GstBaseSrc* source, uint64_t samples) {
  GST_OBJECT_LOCK(source);
  source->segment.duration = samples == kNoSample ? GST_CLOCK_TIME_NONE : time_of_sample(samples);
  GST_OBJECT_UNLOCK(source);
  gst_element_post_message(GST_ELEMENT(source),
                           gst_message_new_duration_changed(GST_OBJECT(source)));
}

// Chapters of all that was spoken, for the application and for a muxer.
void post_toc(GstBaseSrc* source, Element& e, const std::vector<Chapter>& chapters) {
  GstToc* const toc = toc_of(chapters);
  gst_element_post_message(GST_ELEMENT(source),
                           gst_message_new_toc(GST_OBJECT(source), toc, /*updated=*/FALSE));
  e.keep_event(gst_event_new_toc(toc, /*updated=*/FALSE));
  e.keep_chapters(chapters);
  gst_toc_unref(toc);
}

}  // namespace

void ProgressPoster::start(const std::string& what) {
  finish();
  open_ = what;
  post(GST_PROGRESS_TYPE_START, title_of(what), 0);
}

void ProgressPoster::step(const Progress& progress) {
  if (progress.what != open_) start(progress.what);
  const int percent = percent_of(progress);
  std::string text = title_of(open_);
  if (!progress.detail.empty()) text += ": " + progress.detail;
  post(GST_PROGRESS_TYPE_CONTINUE, text, percent);
}

void ProgressPoster::close(GstProgressType type, const char* text) {
  if (open_.empty()) return;
  post(type, std::string(title_of(open_)) + ": " + text,
       type == GST_PROGRESS_TYPE_COMPLETE ? 100 : -1);
  open_.clear();
}

void ProgressPoster::post(GstProgressType type, const std::string& text, int percent) {
  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(element_), type, open_.c_str(), text.c_str());
  if (percent >= 0) {
    gst_structure_set(gst_message_writable_structure(message), "percent", G_TYPE_INT, percent,
                      nullptr);
  }
  gst_element_post_message(element_, message);
}

void post_notices(GstBaseSrc* source, Element& e, const std::vector<Notice>& notices) {
  if (notices.empty()) return;
  const bool post_events = e.copy_settings().post_messages;
  for (const Notice& notice : notices) {
    switch (notice.kind) {
      case Notice::Kind::kWarning:
        e.reporter.warning(*notice.error);
        break;
      case Notice::Kind::kError:
        e.progress.fail();
        e.reporter.error(*notice.error);
        break;
      case Notice::Kind::kProgress:
        e.progress.step(notice.progress);
        break;
      case Notice::Kind::kLoaded:
        if (notice.error) {
          e.progress.fail();
        } else {
          e.progress.finish();
        }
        e.pool.offer(e.flow().engine());
        break;
      case Notice::Kind::kDuration:
        set_duration(source, notice.samples);
        if (post_events && !notice.chapters.empty()) post_toc(source, e, notice.chapters);
        break;
      case Notice::Kind::kEvent:
        if (!post_events) break;
        post_event(source, notice.event);
        if (notice.event.kind == UtteranceEvent::Kind::kStart) {
          e.keep_event(gst_event_new_tag(tags_of(notice.event)));
        }
        break;
    }
  }
}

}  // namespace indextts2
