// What the pool's schedule is told of a segment.
#pragma once

#include "pool/schedule.h"
#include "session.h"

namespace indextts2 {

// Speech codes that a text token gives, about; the same for all devices, so its error cancels out.
inline constexpr double kCodesPerToken = 4.5;

inline Order order_of(const SpeechRequest& speech) {
  Order order(kCodesPerToken * static_cast<double>(speech.segment.ids.size()));
  order.queue = speech.session;
  order.first = speech.first;
  order.priority = speech.options->priority;
  order.dispatch =
      speech.schedule == Schedule::kLeastWork ? Dispatch::kLeastWork : Dispatch::kRoundRobin;
  return order;
}

}  // namespace indextts2
