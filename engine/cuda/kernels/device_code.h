// Whether the kernels run on a device: they are compiled for the architectures of the build option
// gpu_archs, and some have no code for older ones.
#pragma once

namespace indextts2 {

// Whether there is code for the current device, of that for compute capability `least` (10 * major
// + minor) or newer. False without a device.
bool has_device_code(int least);

// Whether the current device's tensor cores are so much faster than float32 arithmetic that three
// products of theirs for one of float32 pay: 8.0, 9.x, 10.x; on others they are twice as fast at
// most. False without code for 8.0.
bool has_fast_tensor_cores();

}  // namespace indextts2
