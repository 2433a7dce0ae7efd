// Discrete events: arrivals, ends of decoding, ends of rendering.
#include "pool_simulation.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <queue>
#include <random>

#include "pool/pool_schedule.h"

namespace indextts2 {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Item {
  size_t text = 0;
  size_t segment = 0;
};

struct Row {
  Item item;
  Order order;
  double left = 0;  // codes; the prefill counts as some
  double since = 0;
};

class Replica {
 public:
  explicit Replica(const SimulatedReplica& model) : model_(model) {}

  bool has_room(bool* only_first) const {
    const int rows = static_cast<int>(rows_.size());
    *only_first = rows == model_.slots;
    return rows <= model_.slots;
  }
  void admit(double now, Row row) {
    advance(now);
    row.left += model_.prefill_seconds / model_.step_seconds;
    row.since = now;
    rows_.push_back(row);
  }
  // When something is over here, if nothing else comes.
  double next_event() const {
    double next = rendering_.empty() ? kNever : render_ends_;
    for (const Row& row : rows_) next = std::min(next, at_ + row.left * step());
    return next;
  }
  // Moves decoded rows to the renderer; returns what is rendered by `now`.
  std::vector<Row> advance(double now) {
    const double codes = (now - at_) / step();
    if (!rows_.empty() || !rendering_.empty()) busy_ += now - at_;
    at_ = now;
    std::vector<Row> going_on, rendered;
    for (Row& row : rows_) {
      row.left -= codes;
      (row.left <= 1e-9 ? decoded_ : going_on).push_back(row);
    }
    rows_ = going_on;
    for (const Row& row : decoded_) {
      if (rendering_.empty()) render_ends_ = now + cost(row);
      rendering_.push_back(row);
    }
    decoded_.clear();
    while (!rendering_.empty() && render_ends_ <= now + 1e-12) {
      rendered.push_back(rendering_.front());
      rendering_.pop_front();
      if (!rendering_.empty()) render_ends_ = now + cost(rendering_.front());
    }
    return rendered;
  }
  double busy() const { return busy_; }

 private:
  double step() const {
    const auto rows = static_cast<double>(rows_.size());
    return model_.step_seconds + model_.row_seconds * std::max(0.0, rows - 1);
  }
  double cost(const Row& row) const {
    return model_.fixed_render_seconds + model_.render_seconds * row.order.cost;
  }

  const SimulatedReplica model_;
  std::vector<Row> rows_, decoded_;
  std::deque<Row> rendering_;
  double at_ = 0, render_ends_ = 0, busy_ = 0;
};

struct Session {
  size_t next = 0;       // segment to submit
  size_t delivered = 0;  // segments
  std::vector<bool> done;
};

class Simulation {
 public:
  Simulation(const std::vector<SimulatedReplica>& replicas, const std::vector<SimulatedText>& texts)
      : texts_(texts), sessions_(texts.size()) {
    for (const SimulatedReplica& model : replicas) {
      replicas_.emplace_back(model);
      schedule_.open_seat(schedule_.add_seat());
      events_.push_back(kNever);
    }
    run_.first_sound.assign(texts.size(), 0);
    run_.first_waited.assign(texts.size(), 0);
    for (size_t i = 0; i < texts.size(); ++i) {
      sessions_[i].done.assign(texts[i].codes.size(), false);
      arrivals_.push_back(i);
    }
    std::stable_sort(arrivals_.begin(), arrivals_.end(),
                     [&](size_t a, size_t b) { return texts_[a].arrival < texts_[b].arrival; });
  }

  SimulatedRun run() {
    size_t arrived = 0;
    for (;;) {
      const auto next = std::min_element(events_.begin(), events_.end());
      const double arrival =
          arrived < arrivals_.size() ? texts_[arrivals_[arrived]].arrival : kNever;
      if (arrival == kNever && *next == kNever) break;
      now_ = std::min(arrival, *next);
      if (arrival <= *next) {
        submit(arrivals_[arrived++]);
      } else {
        work(static_cast<size_t>(next - events_.begin()));
      }
    }
    run_.seconds = now_;
    for (const Replica& replica : replicas_) run_.busy_seconds += replica.busy();
    return run_;
  }

 private:
  void submit(size_t number) {
    const SimulatedText& text = texts_[number];
    Session& session = sessions_[number];
    while (session.next < text.codes.size() &&
           static_cast<int>(session.next - session.delivered) < text.window) {
      Order order(text.estimates[session.next]);
      order.queue = number + 1;
      order.first = session.next == 0;
      order.priority = text.priority;
      order.dispatch = text.dispatch;
      draw(schedule_.place({number, session.next++}, order));
    }
  }

  void draw(size_t seat) {
    bool only_first = false;
    while (replicas_[seat].has_room(&only_first)) {
      auto taken = schedule_.take(seat, only_first);
      if (!taken) break;
      const Item item = taken->item;
      if (item.segment == 0) run_.first_waited[item.text] = now_ - texts_[item.text].arrival;
      for (const Row& row : replicas_[seat].advance(now_)) finished_.push_back({seat, row});
      replicas_[seat].admit(now_,
                            {item, taken->order, texts_[item.text].codes[item.segment], now_});
    }
    events_[seat] = replicas_[seat].next_event();
  }

  void work(size_t seat) {
    for (const Row& row : replicas_[seat].advance(now_)) finished_.push_back({seat, row});
    draw(seat);
    while (!finished_.empty()) {
      const auto [where, row] = finished_.front();
      finished_.pop_front();
      schedule_.ended(where, row.order, now_ - row.since);
      deliver(row.item);
    }
  }

  void deliver(const Item& item) {
    Session& session = sessions_[item.text];
    session.done[item.segment] = true;
    while (session.delivered < session.done.size() && session.done[session.delivered]) {
      if (session.delivered++ == 0) {
        run_.first_sound[item.text] = now_ - texts_[item.text].arrival;
      }
    }
    submit(item.text);
  }

  const std::vector<SimulatedText>& texts_;
  std::vector<Session> sessions_;
  std::vector<Replica> replicas_;
  std::vector<double> events_;  // the next one of each replica
  std::vector<size_t> arrivals_;
  std::deque<std::pair<size_t, Row>> finished_;
  PoolSchedule<Item> schedule_;
  SimulatedRun run_;
  double now_ = 0;
};

}  // namespace

SimulatedRun simulate(const std::vector<SimulatedReplica>& replicas,
                      const std::vector<SimulatedText>& texts) {
  return Simulation(replicas, texts).run();
}

std::vector<double> lognormal_lengths(size_t count, double mean, double sigma, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  std::vector<double> lengths(count);
  for (double& length : lengths) {
    const double normal = std::sqrt(-2 * std::log(uniform())) * std::cos(2 * M_PI * uniform());
    length = mean * std::exp(sigma * normal - sigma * sigma / 2);
  }
  return lengths;
}

}  // namespace indextts2
