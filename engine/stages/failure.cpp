// Translation of exceptions.
#include "stages/failure.h"

#include <c10/util/Exception.h>

#include <new>

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

}  // namespace indextts2
