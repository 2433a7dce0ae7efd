// The flow's products in float32, at the rows of one and both guidance branches: by each tile of
// the own kernel, by the one it takes, and by cuBLASLt. usage: bench_products [ROWS...]
#include <ATen/ops/randn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "cuda/cuda_check.h"
#include "cuda/kernels/float_product.h"
#include "cuda/matrix_product.h"
#include "ops_table.h"
#include "unit/cuda/cuda_torch.h"

namespace indextts2 {
namespace {

struct Shape {
  const char* name;
  int64_t in, out;
  bool adds;
};
constexpr Shape kShapes[] = {{"input", 80, 512, true},           {"qkv", 512, 1536, false},
                             {"attention out", 512, 512, true},  {"gate and up", 512, 3072, false},
                             {"down", 1536, 512, true},          {"skip", 1024, 512, false},
                             {"convolution", 2560, 1024, false}, {"output", 512, 1024, true},
                             {"head out", 512, 80, false}};

at::Tensor values(int64_t rows, int64_t columns) {
  return at::randn({rows, columns}).to(at::Device(at::kCUDA, 0));
}

void print(const char* name, const DeviceTime& time, double operations) {
  std::printf("  %s %7.1f us %5.1f TFLOP/s", name, 1e3 * time.median,
              operations / (time.median * 1e-3) * 1e-12);
}

void bench(const Shape& shape, int64_t rows) {
  const at::Tensor x = values(rows, shape.in), weight = values(shape.out, shape.in);
  const at::Tensor y = values(rows, shape.out);
  MatrixProduct product;
  product.in = product.x_stride = shape.in;
  product.out = product.y_stride = product.add_stride = shape.out;
  product.x = x.data_ptr();
  product.weight = weight.data_ptr();
  product.y = y.data_ptr();
  FloatProduct own;
  own.rows = rows;
  own.in = own.x_stride = shape.in;
  own.out = own.y_stride = own.add_stride = shape.out;
  own.x = x.data_ptr<float>();
  own.weight = weight.data_ptr<float>();
  own.y = y.data_ptr<float>();
  if (shape.adds) product.add = own.add = y.data_ptr<float>();
  const double operations = 2.0 * static_cast<double>(rows * shape.in * shape.out);
  std::printf("%5d rows %4d -> %4d", static_cast<int>(rows), static_cast<int>(shape.in),
              static_cast<int>(shape.out));
  ProductChoice by_cublas;
  by_cublas.own_floats = false;
  MatrixProducts products(x.device(), by_cublas);
  products.prepare(product, rows, nullptr);
  cuda_check(cudaDeviceSynchronize(), "choosing a product");
  print("cuBLASLt", time_launch([&](cudaStream_t on) { products.run(product, rows, on); }),
        operations);
  const std::pair<const char*, FloatTile> tiles[] = {
      {"chosen", FloatTile::kFastest},   {"wide", FloatTile::kFastestWide},
      {"128", FloatTile::k128x128},      {"96", FloatTile::k96x128},
      {"64", FloatTile::k64x64},         {"wide 128", FloatTile::kWide128x128},
      {"wide 64", FloatTile::kWide64x64}};
  for (const auto& [name, tile] : tiles) {
    if (!float_tile_fits(tile)) continue;
    const FloatTile of = tile;
    print(name, time_launch([&](cudaStream_t on) {
            cuda_check(float_product(own, on, of), "a product of float32");
          }),
          operations);
  }
  std::printf("  %s\n", shape.name);
  std::fflush(stdout);
}

void run(const std::vector<int64_t>& rows) {
  cuda_check(prepare_float_products(), "loading the products of float32");
  for (const int64_t count : rows) {
    for (const Shape& shape : kShapes) bench(shape, count);
  }
}

}  // namespace
}  // namespace indextts2

int main(int argc, char** argv) {
  using namespace indextts2;
  std::vector<int64_t> rows;
  for (int i = 1; i < argc; ++i) rows.push_back(std::atoll(argv[i]));
  if (rows.empty()) rows = {640, 2176, 4352};
  if (!have_cuda_torch()) return 0;
  try {
    run(rows);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_products: %s\n", error.what());
    return 1;
  }
}
