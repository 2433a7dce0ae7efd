// Linear layers on few rows: the values of double sums on the host, and the same bits for a row
// however many stand beside it.
#include "cuda/kernels/row_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>

#include "cuda/kernels/device_code.h"
#include "device_buffer.h"
#include "elements.h"

namespace indextts2 {
namespace {

constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kFloat16,
                                  ElementType::kBFloat16};
constexpr int kRowCounts[] = {96, 1,  3,  6,  8,  9,  12, 15, 16, 17, 23,
                              24, 25, 31, 48, 49, 64, 72, 73, 80, 95, 99};
constexpr int kMostRows = 99, kGuard = 4096;

struct Shape {
  int out, in;
};
// Widths of the official model, of small ones, a ragged edge, fewer blocks of K than slices, slices
// of different lengths, rows of weights of which 16 fit and not 32, tiles of 64, 48 and 32 outputs
// with a ragged one at the end.
constexpr Shape kShapes[] = {{1280, 1280}, {1280, 5120}, {3840, 1280}, {5120, 1280}, {1026, 1280},
                             {384, 128},   {128, 512},   {96, 32},     {33, 160},    {5, 64},
                             {70, 2048},   {3843, 64},   {5099, 96}};

double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

// Relative to the size of the sums: how far a result in `type` may be from the exact one.
double tolerance(ElementType type) {
  return type == ElementType::kFloat32 ? 2e-6 : type == ElementType::kFloat16 ? 1e-3 : 8e-3;
}

// A layer with its arrays on the device; the norm's arrays are there for shapes that can have one.
class Case {
 public:
  Case(Shape shape, ElementType type)
      : shape_(shape),
        type_(type),
        weight_(noise(size_t(shape.out) * shape.in, 1.0f / std::sqrt(float(shape.in)), 1, type)),
        bias_(noise(shape.out, 0.5f, 2, type)),
        x_(noise(size_t(kMostRows) * shape.in, 1, 3, type)),
        device_weight_(to_elements(weight_, type)),
        device_bias_(to_elements(bias_, type)),
        device_x_(to_elements(x_, type)) {}

  RowLinear layer(int rows, RowOutput output) {
    RowLinear layer;
    layer.type = type_;
    layer.rows = rows;
    layer.in = shape_.in;
    layer.out = shape_.out;
    layer.weight = device_weight_.data();
    layer.bias = device_bias_.data();
    layer.x = device_x_.data();
    layer.output = output;
    layer.next = device_weight_.data();
    layer.next_bytes = device_weight_.size() / 16 * 16;
    return layer;
  }

  int parts(RowOutput output) const {
    return output == RowOutput::kParts ? row_linear_splits(shape_.out, shape_.in, type_) : 1;
  }

  // The output's bytes: one [rows][out] array, or one for each part.
  std::vector<char> run(RowLinear layer) {
    const size_t bytes =
        layer.output == RowOutput::kParts ? sizeof(float) : element_bytes(layer.type);
    const size_t size = size_t(parts(layer.output)) * layer.rows * shape_.out * bytes;
    DeviceBuffer<char> y(size + kGuard);  // poisoned: what nobody writes stays 0xFF
    layer.y = y.data();
    check(row_linear(layer, nullptr));
    check(cudaDeviceSynchronize());
    std::vector<char> got = y.host();
    EXPECT_EQ(std::count(got.begin() + size, got.end(), char(0xFF)), kGuard)
        << "written past " << layer.rows << " rows";
    got.resize(size);
    return got;
  }

  double exact(int row, int out, RowOutput output) const {
    double sum = 0;
    for (int k = 0; k < shape_.in; ++k) {
      sum += double(weight_[size_t(out) * shape_.in + k]) * x_[size_t(row) * shape_.in + k];
    }
    if (output == RowOutput::kParts) return sum;
    sum += bias_[out];
    return output == RowOutput::kGelu ? gelu(sum) : sum;
  }

  void expect_values(const std::vector<char>& bytes, int rows, RowOutput output) const {
    const ElementType type = output == RowOutput::kParts ? ElementType::kFloat32 : type_;
    const std::vector<float> got = from_elements(bytes, type);
    const size_t part_size = size_t(rows) * shape_.out;
    for (int row = 0; row < rows; row += row == 0 ? 2 : 31) {
      for (int out = 0; out < shape_.out; ++out) {
        double sum = 0;
        for (int p = 0; p < parts(output); ++p) {
          sum += got[p * part_size + size_t(row) * shape_.out + out];
        }
        const double want = exact(row, out, output);
        ASSERT_NEAR(sum, want, tolerance(type) * (1 + std::fabs(want)))
            << "row " << row << " of " << rows << ", output " << out;
      }
    }
  }

  // The first rows of `few` are those of `many`.
  void expect_same_rows(const std::vector<char>& few, int few_rows, const std::vector<char>& many,
                        int many_rows, RowOutput output) const {
    const int rows = few_rows < many_rows ? few_rows : many_rows;
    const size_t few_part = few.size() / parts(output), many_part = many.size() / parts(output);
    const size_t row_bytes = few_part / few_rows;
    for (int p = 0; p < parts(output); ++p) {
      ASSERT_EQ(
          std::memcmp(few.data() + p * few_part, many.data() + p * many_part, rows * row_bytes), 0)
          << few_rows << " rows and " << many_rows << " rows, part " << p;
    }
  }

 private:
  const Shape shape_;
  const ElementType type_;
  const std::vector<float> weight_, bias_, x_;
  DeviceBuffer<char> device_weight_, device_bias_, device_x_;
};

std::string name(Shape shape, ElementType type) {
  return std::to_string(shape.out) + " x " + std::to_string(shape.in) + ", type " +
         std::to_string(static_cast<int>(type));
}

TEST(RowLinear, GivesTheSumsAndTheSameBitsForAnyNumberOfRows) {
  if (!have_device()) return;
  for (const ElementType type : kTypes) {
    for (const Shape shape : kShapes) {
      SCOPED_TRACE(name(shape, type));
      Case layer(shape, type);
      for (const RowOutput output : {RowOutput::kPlain, RowOutput::kGelu, RowOutput::kParts}) {
        std::vector<char> many;
        for (const int rows : kRowCounts) {
          const std::vector<char> got = layer.run(layer.layer(rows, output));
          if (many.empty()) {
            many = got;
            layer.expect_values(got, rows, output);
          } else {
            layer.expect_same_rows(got, rows, many, kRowCounts[0], output);
          }
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// The arrays of a layer norm over `rows` rows with four parts to be added.
struct NormCase {
  NormCase(int rows, int width, ElementType type)
      : rows(rows),
        width(width),
        type(type),
        h(noise(size_t(kMostRows) * width, 3, 4)),
        parts(noise(size_t(kMaxRowSplits) * kMostRows * width, 1, 5)),
        parts_bias(noise(width, 1, 6, type)),
        weight(noise(width, 1, 7, type)),
        bias(noise(width, 1, 8, type)),
        device_h(h),
        device_parts(parts_of_rows()),
        device_h_out(size_t(rows) * width),
        device_parts_bias(to_elements(parts_bias, type)),
        device_weight(to_elements(weight, type)),
        device_bias(to_elements(bias, type)) {
    norm.h = device_h.data();
    norm.parts = device_parts.data();
    norm.part_count = kMaxRowSplits;
    norm.parts_bias = device_parts_bias.data();
    norm.h_out = device_h_out.data();
    norm.weight = device_weight.data();
    norm.bias = device_bias.data();
  }
  // [part][rows][width] out of [part][kMostRows][width]: a row has the same values in all cases.
  std::vector<float> parts_of_rows() const {
    std::vector<float> values;
    for (int p = 0; p < kMaxRowSplits; ++p) {
      const auto begin = parts.begin() + size_t(p) * kMostRows * width;
      values.insert(values.end(), begin, begin + size_t(rows) * width);
    }
    return values;
  }
  double added(int row, int column) const {
    double sum = h[size_t(row) * width + column] + double(parts_bias[column]);
    for (int p = 0; p < kMaxRowSplits; ++p) {
      sum += parts[(size_t(p) * kMostRows + row) * width + column];
    }
    return sum;
  }
  std::vector<double> normed(int row) const {
    std::vector<double> values(width);
    double mean = 0, variance = 0;
    for (int c = 0; c < width; ++c) mean += (values[c] = added(row, c)) / width;
    for (const double value : values) variance += (value - mean) * (value - mean) / width;
    for (int c = 0; c < width; ++c) {
      values[c] = (values[c] - mean) / std::sqrt(variance + 1e-5) * weight[c] + bias[c];
    }
    return values;
  }

  const int rows, width;
  const ElementType type;
  const std::vector<float> h, parts, parts_bias, weight, bias;
  DeviceBuffer<float> device_h, device_parts, device_h_out;
  DeviceBuffer<char> device_parts_bias, device_weight, device_bias;
  RowNorm norm;
};

TEST(RowNorm, AddsThePartsAndNormsTheRows) {
  if (!have_device()) return;
  for (const ElementType type : kTypes) {
    for (const int width : {1280, 128, 36, kMaxNormWidth}) {
      NormCase norm(7, width, type);
      DeviceBuffer<float> y(size_t(norm.rows) * width);
      check(row_norm(norm.norm, norm.rows, width, type, ElementType::kFloat32, y.data(), nullptr));
      check(cudaDeviceSynchronize());
      const std::vector<float> got = y.host(), sums = norm.device_h_out.host();
      for (int row = 0; row < norm.rows; ++row) {
        const std::vector<double> want = norm.normed(row);
        for (int c = 0; c < width; ++c) {
          ASSERT_NEAR(got[size_t(row) * width + c], want[c], 2e-5) << "width " << width;
          ASSERT_NEAR(sums[size_t(row) * width + c], norm.added(row, c), 1e-5);
        }
      }
    }
  }
}

// What the linear layer norms by itself are the bits of the norm's own kernel.
TEST(RowLinear, NormedInsideOrBeforeIsTheSame) {
  if (!have_device()) return;
  for (const ElementType type : kTypes) {
    for (const Shape shape : {Shape{3840, 1280}, Shape{384, 128}, Shape{96, 32}, Shape{70, 2048}}) {
      SCOPED_TRACE(name(shape, type));
      Case layer(shape, type);
      NormCase alone(96, shape.in, type);
      DeviceBuffer<char> rows(size_t(96) * shape.in * element_bytes(type));
      check(row_norm(alone.norm, 96, shape.in, type, type, rows.data(), nullptr));
      RowLinear before = layer.layer(96, RowOutput::kGelu);
      before.x = rows.data();
      const std::vector<char> want = layer.run(before);
      const std::vector<float> sums = alone.device_h_out.host();
      DeviceBuffer<float> h(sums);
      for (const int count : {1, 3, 4, 5, 6, 8, 9, 12}) {
        RowLinear fused = layer.layer(count, RowOutput::kGelu);
        fused.x = nullptr;
        fused.norm = alone.norm;
        fused.norm.h = h.data();
        fused.norm.part_count = 0;
        fused.norm.h_out = nullptr;
        if (shape.in > 1280 || count > (type == ElementType::kFloat32 ? 4 : 8)) {
          EXPECT_FALSE(row_linear_streams(fused));
          EXPECT_EQ(row_linear(fused, nullptr), cudaErrorInvalidValue);
          continue;
        }
        if (!row_linear_streams(fused)) continue;  // an older GPU
        layer.expect_same_rows(layer.run(fused), count, want, 96, RowOutput::kGelu);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// What the linear layer adds by itself are the bits of the parts that the norm adds.
TEST(RowLinear, AddedAtOnceOrWithTheNormIsTheSame) {
  if (!have_device()) return;
  for (const ElementType type : kTypes) {
    for (const Shape shape :
         {Shape{1280, 1280}, Shape{1280, 5120}, Shape{128, 512}, Shape{128, 1120}, Shape{36, 64}}) {
      SCOPED_TRACE(name(shape, type));
      Case layer(shape, type);
      NormCase norm(kMostRows, shape.out, type);
      RowLinear linear = layer.layer(kMostRows, RowOutput::kParts);
      const int splits = row_linear_splits(shape.out, shape.in, type);
      DeviceBuffer<char> parts(layer.run(linear));
      norm.norm.parts = reinterpret_cast<const float*>(parts.data());
      norm.norm.part_count = splits;
      DeviceBuffer<float> y(size_t(kMostRows) * shape.out);
      check(row_norm(norm.norm, kMostRows, shape.out, type, ElementType::kFloat32, y.data(),
                     nullptr));
      check(cudaDeviceSynchronize());
      const std::vector<float> want = norm.device_h_out.host();
      for (const int rows : {1, 3, 8, 9, 12, 16, 17, 23, 24, 25, 48}) {
        linear = layer.layer(rows, RowOutput::kAdded);
        linear.bias = norm.norm.parts_bias;
        DeviceBuffer<float> h(norm.h);
        linear.y = h.data();
        if (rows > 24) {
          EXPECT_FALSE(row_linear_streams(linear));
          continue;
        }
        if (!row_linear_streams(linear)) continue;  // an older GPU
        check(row_linear(linear, nullptr));
        check(cudaDeviceSynchronize());
        const size_t size = size_t(rows) * shape.out;
        const std::vector<float> got = h.host();
        ASSERT_EQ(std::memcmp(got.data(), want.data(), size * sizeof(float)), 0) << rows;
        ASSERT_EQ(std::memcmp(got.data() + size, norm.h.data() + size,
                              (norm.h.size() - size) * sizeof(float)),
                  0)
            << "written past " << rows << " rows";
      }
    }
  }
}

TEST(DeviceCode, IsThereForTheDevice) {
  EXPECT_FALSE(has_device_code(1000));
  if (!have_device()) {
    EXPECT_FALSE(has_device_code(0));
    return;
  }
  EXPECT_TRUE(has_device_code(0));
}

TEST(RowLinear, SplitsOfTheOfficialShapes) {
  EXPECT_EQ(row_linear_splits(1280, 1280, ElementType::kBFloat16), 2);
  EXPECT_EQ(row_linear_splits(1280, 5120, ElementType::kBFloat16), 4);
  EXPECT_EQ(row_linear_splits(5120, 1280, ElementType::kBFloat16), 1);
  EXPECT_EQ(row_linear_splits(128, 128, ElementType::kFloat32), 1);
}

TEST(RowLinear, RefusesWhatItCannotDo) {
  RowLinear layer;
  layer.in = 36;  // not whole blocks
  layer.out = layer.rows = 3;
  EXPECT_EQ(row_linear(layer, nullptr), cudaErrorInvalidValue);
  layer.in = 128;
  layer.output = RowOutput::kParts;  // with a norm
  EXPECT_EQ(row_linear(layer, nullptr), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace indextts2
