// Translation of exceptions.
#include "stages/failure.h"

#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "core/error.h"

namespace indextts2 {
namespace {

std::exception_ptr make(ErrorCode code, const char* message, const std::string& detail) {
  return std::make_exception_ptr(Error(code, message, detail));
}

constexpr char kDeviceFailed[] =
    "the device failed; it cannot be used again before the process restarts";

// CUDA libraries report failed calls as plain c10::Errors.
bool is_device_call(const std::string& text) {
  for (const char* mark : {"CUDA error", "CUBLAS_STATUS", "CUDNN_STATUS", "CUFFT_", "CUSOLVER_"}) {
    if (text.find(mark) != std::string::npos) return true;
  }
  return false;
}

// In the place of what as_error() says of synthesis.
std::string emotion_advice(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNoMemory:
      return "out of memory; expected room for its weights and for the text, see docs/models.md; "
             "use fewer replicas-per-device, name a device with more memory first, shorten the "
             "text, or give the emotions as a vector";
    case ErrorCode::kDeviceLost:
      return "the device failed; it cannot be used again before the process restarts, and the next "
             "text is read on another one, if there is one";
    case ErrorCode::kInternal:
      return "it failed inside a library; expected emotions of the text; give them as a vector, "
             "and report this with its detail";
    default:
      return error.what();
  }
}

}  // namespace

std::exception_ptr as_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error&) {
    return failure;
  } catch (const c10::OutOfMemoryError& error) {
    return make(ErrorCode::kNoMemory,
                "the device is out of memory; use fewer replicas-per-device, or shorter segments "
                "(max-segment-tokens)",
                error.what_without_backtrace());
  } catch (const c10::AcceleratorError& error) {
    return make(ErrorCode::kDeviceLost, kDeviceFailed, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    if (is_device_call(error.what_without_backtrace())) {
      return make(ErrorCode::kDeviceLost, kDeviceFailed, error.what_without_backtrace());
    }
    return make(ErrorCode::kInternal, "synthesis failed inside LibTorch",
                error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return make(ErrorCode::kNoMemory, "out of memory", "std::bad_alloc");
  } catch (const std::exception& error) {
    return make(ErrorCode::kInternal, "synthesis failed", error.what());
  } catch (...) {
    return make(ErrorCode::kInternal, "synthesis failed", "an exception that is no std::exception");
  }
}

bool breaks_device(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return known.code == ErrorCode::kNoMemory || known.code == ErrorCode::kDeviceLost;
  } catch (...) {
    return false;
  }
}

std::exception_ptr emotion_failure(const std::exception_ptr& thrown, const std::string& folder,
                                   const std::string& device) {
  const std::exception_ptr failure = as_error(thrown);
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    const bool own = failure == thrown;
    const bool named = std::string(error.what()).find(folder) != std::string::npos;
    const bool of_asker =
        error.code == ErrorCode::kCancelled || error.code == ErrorCode::kTextDecode;
    if (own && (named || of_asker)) return thrown;
    return std::make_exception_ptr(Error(error.code,
                                         "emotion model " + folder + " on " + device + ": " +
                                             (own ? error.what() : emotion_advice(error)),
                                         error.detail));
  }
}

}  // namespace indextts2
