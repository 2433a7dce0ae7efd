// The Python objects that a checkpoint may name.
// A part of what torch.load(weights_only=True) allows; all that occurs in IndexTTS 2.
#include "weights/pickle_globals.h"

namespace indextts2 {
namespace {

constexpr std::string_view kAllowedGlobals[] = {
    "collections.OrderedDict", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.Size",
    "torch.device", "torch.FloatStorage", "torch.DoubleStorage", "torch.HalfStorage",
    "torch.BFloat16Storage", "torch.LongStorage", "torch.IntStorage", "torch.ShortStorage",
    "torch.CharStorage", "torch.ByteStorage", "torch.BoolStorage",
    // Values of type torch.dtype: optimisers and configurations hold them.
    "torch.float32", "torch.float", "torch.float64", "torch.double", "torch.float16", "torch.half",
    "torch.bfloat16", "torch.int64", "torch.long", "torch.int32", "torch.int", "torch.int16",
    "torch.short", "torch.int8", "torch.uint8", "torch.bool", "torch.complex64",
    "torch.complex128"};

}  // namespace

std::string_view allowed_global(std::string_view name) {
  for (const std::string_view allowed : kAllowedGlobals) {
    if (name == allowed) return allowed;
  }
  return {};
}

}  // namespace indextts2
