// What went wrong inside LibTorch, as an Error: the engine lets nothing else out.
#pragma once

#include <exception>
#include <string>

namespace indextts2 {

// An Error stays what it is; LibTorch's exceptions, std::bad_alloc and anything else become one:
// kNoMemory, kDeviceLost for a failed device call, else kInternal, with the library's own text
// (without its backtrace) as detail.
std::exception_ptr as_error(const std::exception_ptr& failure);

// True for an error of as_error() after which the device gives no more sound: it is full, or a
// device call has failed.
bool breaks_device(const std::exception_ptr& error);

// What was thrown by TextEmotion in `folder` on `device`, as an Error that names both and says what
// to do; LibTorch's exceptions become one as by as_error(). What is not of the model stays as it
// is: kCancelled, kTextDecode, and an Error that names the folder.
std::exception_ptr emotion_failure(const std::exception_ptr& thrown, const std::string& folder,
                                   const std::string& device);

}  // namespace indextts2
