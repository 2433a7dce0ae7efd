// What went wrong inside LibTorch, as an Error: the engine lets nothing else out.
#pragma once

#include <exception>

namespace indextts2 {

// An Error stays what it is; LibTorch's exceptions, std::bad_alloc and anything else become one:
// kNoMemory, kDeviceLost for a failed device call, else kInternal, with the library's own text
// (without its backtrace) as detail.
std::exception_ptr as_error(const std::exception_ptr& failure);

// True for an error of as_error() after which the device gives no more sound: it is full, or a
// device call has failed.
bool breaks_device(const std::exception_ptr& error);

}  // namespace indextts2
