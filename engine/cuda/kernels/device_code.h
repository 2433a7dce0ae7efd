// Whether the kernels run on a device: they are compiled for the architectures of the build option
// gpu_archs, and some have no code for older ones.
#pragma once

namespace indextts2 {

// Whether there is code for the current device, of that for compute capability `least` (10 * major
// + minor) or newer. False without a device.
bool has_device_code(int least);

}  // namespace indextts2
