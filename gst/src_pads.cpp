// The request pad `sink` of indextts2src.
#include <utility>

#include "src_element.h"

namespace indextts2 {

GstPad* src_request_pad(GstElement* element, GstPadTemplate* pad_template, const gchar*,
                        const GstCaps*) {
  Element& e = element_of(element);
  return guarded(e.reporter, static_cast<GstPad*>(nullptr), [&]() -> GstPad* {
    TextPadHost host;
    host.flow = [&e]() -> SpeechFlow& { return e.flow(); };
    host.post = [element, &e](const std::vector<Notice>& notices) {
      post_notices(GST_BASE_SRC(element), e, notices);
    };
    host.reporter = &e.reporter;
    host.is_live = [&e] { return e.is_live.load(); };
    host.settings = [&e] { return e.copy_settings(); };
    host.context = [&e](GstQuery* query) { return e.pool.answer(query); };
    host.flush = [element](GstEvent* event) { return src_send_event(element, event); };
    host.forward = [element](GstEvent* event) {
      return gst_pad_push_event(GST_BASE_SRC_PAD(element), event);
    };
    GstPad* const created = TextPad::create(std::move(host), pad_template);
    {
      std::lock_guard<std::mutex> lock(e.mutex);
      if (!e.text_pad) e.text_pad = created;
      if (e.text_pad != created) {
        gst_object_unref(created);
        return nullptr;
      }
    }
    gst_element_add_pad(element, created);
    return created;
  });
}

void src_release_pad(GstElement* element, GstPad* pad) {
  Element& e = element_of(element);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
  GstPad* released;
  {
    std::lock_guard<std::mutex> lock(e.mutex);
    released = std::exchange(e.text_pad, nullptr);
  }
  gst_clear_object(&released);
}

}  // namespace indextts2
