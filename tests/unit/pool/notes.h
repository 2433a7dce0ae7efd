// What became of the jobs of a pool.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fake_replica.h"

namespace indextts2 {

// Notes outcomes by request; jobs may outlive it. Thread-safety: safe.
class Notes {
 public:
  std::shared_ptr<FakeJob> job(int request, Order order = 1, StopToken stop = {}) {
    return std::make_shared<FakeJob>(request, std::move(stop), order,
                                     [book = book_, request](int value, std::exception_ptr error) {
                                       std::lock_guard<std::mutex> lock(book->mutex);
                                       ++book->times[request];
                                       book->values[request] = value;
                                       book->errors[request] = std::move(error);
                                       book->ended.push_back(request);
                                     });
  }
  int num_over() const { return static_cast<int>(ended().size()); }
  // Requests in the order in which they ended.
  std::vector<int> ended() const {
    std::lock_guard<std::mutex> lock(book_->mutex);
    return book_->ended;
  }
  int times(int request) const { return get(&Book::times, request); }
  int value(int request) const { return get(&Book::values, request); }
  std::exception_ptr error(int request) const { return get(&Book::errors, request); }

 private:
  struct Book {
    std::mutex mutex;  // guards all below
    std::map<int, int> times, values;
    std::map<int, std::exception_ptr> errors;
    std::vector<int> ended;
  };
  template <typename T>
  T get(std::map<int, T> Book::*member, int request) const {
    std::lock_guard<std::mutex> lock(book_->mutex);
    return ((*book_).*member)[request];
  }

  const std::shared_ptr<Book> book_ = std::make_shared<Book>();
};

inline Order least_work(double cost = 1) {
  Order order(cost);
  order.dispatch = Dispatch::kLeastWork;
  return order;
}

inline Order first_of(uint64_t queue, double cost = 1) {
  Order order(cost);
  order.queue = queue;
  order.first = true;
  return order;
}

inline Order later_of(uint64_t queue, double cost = 1) {
  Order order(cost);
  order.queue = queue;
  return order;
}

}  // namespace indextts2
