// Runs a helper program in a process of its own, for tests of exit().
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace indextts2 {

// Its exit status; 128 + signal when one ended it. After `patience` it is killed.
inline int run_program(const std::string& path, std::vector<std::string> arguments,
                       std::chrono::seconds patience = std::chrono::seconds(20)) {
  arguments.insert(arguments.begin(), path);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(path.c_str(), words.data());
    _exit(127);
  }
  int status = 0;
  for (int64_t i = 0; i < 200 * patience.count(); ++i) {
    if (waitpid(child, &status, WNOHANG) == child) {
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return 128 + SIGKILL;
}

}  // namespace indextts2
