// Operators on the calling thread alone, where sharing the work costs more than it brings.
#include "ops/serial_scope.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace indextts2 {
namespace {

// at::set_num_threads() would change what other threads start with; these two are the calling
// thread's own. They are looked up because LibTorch brings its OpenMP and its MKL along and has no
// headers for them.
struct ThreadPool {
  int (*get)() = nullptr;
  void (*set)(int) = nullptr;
  int (*set_mkl)(int) = nullptr;  // returns the value before

  ThreadPool() {
    get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
    set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    // The capitalised name takes its argument by value, the other one as Fortran does.
    set_mkl = reinterpret_cast<int (*)(int)>(dlsym(RTLD_DEFAULT, "MKL_Set_Num_Threads_Local"));
  }
};

const ThreadPool& pool() {
  static const ThreadPool kPool;
  return kPool;
}

}  // namespace

SerialScope::SerialScope(bool serial) {
  if (!serial || pool().get == nullptr || pool().set == nullptr) return;
  at::get_num_threads();  // lets LibTorch set this thread up now instead of inside the scope
  threads_ = pool().get();
  pool().set(1);
  if (pool().set_mkl != nullptr) mkl_threads_ = pool().set_mkl(1);
}

SerialScope::~SerialScope() {
  if (threads_ == 0) return;
  pool().set(threads_);
  if (pool().set_mkl != nullptr) pool().set_mkl(mkl_threads_);
}

}  // namespace indextts2
