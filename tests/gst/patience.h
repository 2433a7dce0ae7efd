// How long cases wait: for what must come, until only a hang can be the reason that it has not; for
// what was promised to be prompt, in_time().
#pragma once

#include <functional>

namespace player {

// Such builds are many times slower than what promptness bounds speak of, and keep freed memory for
// a while: figures of the process mean nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitizer = true;
#else
inline constexpr bool kSanitizer = false;
#endif

// Below CK_DEFAULT_TIMEOUT. Busy machines are slow, too.
inline constexpr int kPatienceSeconds = kSanitizer ? 240 : 60;

// Steady clock.
double seconds_now();
// Whether less than `seconds` have passed since `start` (seconds_now()); always true with
// kSanitizer.
bool in_time(double start, double seconds);
// Polls for kPatienceSeconds; false: it did not come.
bool wait_until(const std::function<bool()>& reached);

}  // namespace player
