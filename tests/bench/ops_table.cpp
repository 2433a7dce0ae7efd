// What single kernels cost, beside what the device can do in the same run.
#include "ops_table.h"

#include <ATen/ops/randn.h>

#include <cstdio>

#include "cuda/flow_types.h"
#include "cuda/matrix_product.h"

namespace indextts2 {

DeviceTime time_launch(const std::function<void(cudaStream_t)>& launch) {
  constexpr int kLaunches = 20;
  DeviceTime time = time_graph(
      [&](cudaStream_t on) {
        for (int i = 0; i < kLaunches; ++i) launch(on);
      },
      /*rounds=*/7, /*replays=*/3);
  for (double* value : {&time.median, &time.least, &time.most}) *value /= kLaunches;
  return time;
}

DeviceLimits measure_limits(FlowType wanted) {
  const bool is_float = wanted == FlowType::kFloat32;
  const FlowType type = is_float ? FlowType::kFloat16 : wanted;
  constexpr int64_t kSize = 8192;
  const at::Device device(at::kCUDA, 0);
  const at::Tensor a = at::randn({kSize, kSize}).to(device, scalar_type_of(type));
  const at::Tensor b = a.clone(), y = a.clone();
  MatrixProducts products(device);
  MatrixProduct product;
  product.type = type;
  product.in = product.out = product.x_stride = product.y_stride = kSize;
  product.x = a.data_ptr();
  product.weight = b.data_ptr();
  product.y = y.data_ptr();
  products.prepare(product, kSize, nullptr);
  cuda_check(cudaDeviceSynchronize(), "measuring the device");
  const DeviceTime time = time_graph([&](cudaStream_t on) { products.run(product, kSize, on); },
                                     /*rounds=*/7, /*replays=*/5);
  const double parts = is_float ? 3 : 1;
  return {copy_bandwidth(), 2.0 * kSize * kSize * kSize / (time.median * 1e-3) * 1e-12 / parts};
}

void print_ops(const std::string& title, const std::vector<OpTime>& ops,
               const DeviceLimits& limits) {
  std::printf("%s (copy %.0f GB/s, matrix peak %.0f TFLOP/s)\n", title.c_str(), limits.copy_gb_s,
              limits.matrix_tflop_s);
  double sum = 0;
  for (const OpTime& op : ops) {
    const double seconds = op.time.median * 1e-3;
    sum += op.time.median * op.count;
    std::printf("  %-26s x%-3d %9.2f us [%.2f-%.2f]", op.name.c_str(), op.count,
                1e3 * op.time.median, 1e3 * op.time.least, 1e3 * op.time.most);
    if (op.bytes > 0) {
      std::printf("  %8.2f MB %5.1f %% of the copy", op.bytes * 1e-6,
                  100 * op.bytes * 1e-9 / seconds / limits.copy_gb_s);
    }
    if (op.operations > 0) {
      std::printf("  %8.2f GFLOP %5.1f %% of the peak", op.operations * 1e-9,
                  100 * op.operations * 1e-12 / seconds / limits.matrix_tflop_s);
    }
    std::printf("\n");
  }
  std::printf("  sum of all launches: %.3f ms\n", sum);
  std::fflush(stdout);
}

}  // namespace indextts2
