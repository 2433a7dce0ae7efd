// Asks for an Error with a code and the parts that its message must hold.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"

namespace indextts2 {

// Empty if `work` throws Error{code} whose message holds all `parts`; else what happened instead.
template <typename Work>
testing::AssertionResult throws_error(const Work& work, ErrorCode code,
                                      const std::vector<std::string>& parts) {
  try {
    work();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (error.code != code) {
      return testing::AssertionFailure()
             << "code " << static_cast<int>(error.code) << ": " << message;
    }
    for (const std::string& part : parts) {
      if (message.find(part) == std::string::npos) {
        return testing::AssertionFailure() << "no '" << part << "' in: " << message;
      }
    }
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "nothing was thrown";
}

}  // namespace indextts2
