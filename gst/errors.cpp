// Engine errors as GStreamer messages: one row per ErrorCode.
#include "errors.h"

#include <new>

GST_DEBUG_CATEGORY_EXTERN(gst_indextts2_src_debug);
#define GST_CAT_DEFAULT gst_indextts2_src_debug

namespace indextts2 {
namespace {

GstStructure* details_of(const Error& error) {
  return gst_structure_new("indextts2/details", "text-id", G_TYPE_UINT64, error.text_id, "segment",
                           G_TYPE_INT, error.segment, nullptr);
}

void post(GstElement* element, GstMessageType type, GstErrorCode code, const Error& error) {
  gst_element_message_full_with_details(
      element, type, code.domain, code.code, g_strdup(error.what()),
      error.detail.empty() ? nullptr : g_strdup(error.detail.c_str()), __FILE__, GST_FUNCTION,
      __LINE__, details_of(error));
}

}  // namespace

GstErrorCode gst_error_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kSettings:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS};
    case ErrorCode::kNotFound:
    case ErrorCode::kUnknownDevice:
    case ErrorCode::kVoiceNotFound:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND};
    case ErrorCode::kOpenRead:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ};
    case ErrorCode::kModel:
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS};
    case ErrorCode::kLibraryInit:
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT};
    case ErrorCode::kNoMemory:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT};
    case ErrorCode::kDeviceLost:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY};
    case ErrorCode::kTextDecode:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE};
    case ErrorCode::kTextTooLong:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED};
    case ErrorCode::kVoiceInvalid:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE};
    case ErrorCode::kSynthesis:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE};
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal:
      break;
  }
  return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED};
}

bool is_content_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kTextDecode:
    case ErrorCode::kTextTooLong:
    case ErrorCode::kVoiceNotFound:
    case ErrorCode::kVoiceInvalid:
    case ErrorCode::kSynthesis:
      return true;
    case ErrorCode::kSettings:
    case ErrorCode::kNotFound:
    case ErrorCode::kOpenRead:
    case ErrorCode::kModel:
    case ErrorCode::kNoMemory:
      return error.text_id != 0;  // of one text, not of the whole engine
    default:
      return false;
  }
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc& error) {
    return Error(ErrorCode::kNoMemory, "Out of memory.", error.what());
  } catch (const std::exception& error) {
    return Error(ErrorCode::kInternal, std::string("The speech engine failed: ") + error.what(),
                 error.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "The speech engine failed for an unknown reason.",
                 "an exception that is not a std::exception");
  }
}

void Reporter::error(const Error& error) {
  if (error.code != ErrorCode::kCancelled) post_error(gst_error_code(error.code), error);
}

void Reporter::error(GstErrorCode code, const std::string& message) {
  post_error(code, Error(ErrorCode::kInternal, message));
}

void Reporter::post_error(GstErrorCode code, const Error& error) {
  if (error_posted_.exchange(true)) {
    GST_INFO_OBJECT(element_, "further error: %s (%s)", error.what(), error.detail.c_str());
    return;
  }
  post(element_, GST_MESSAGE_ERROR, code, error);
}

void Reporter::warning(const Error& error) {
  post(element_, GST_MESSAGE_WARNING, gst_error_code(error.code), error);
}

void Reporter::warning(GstErrorCode code, const std::string& message) {
  post(element_, GST_MESSAGE_WARNING, code, Error(ErrorCode::kInternal, message));
}

}  // namespace indextts2
