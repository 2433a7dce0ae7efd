// Runs a helper program in a process of its own, for tests of exit().
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace indextts2 {

// Its exit status; 128 + signal when one ended it. After 20 s it is killed.
inline int run_program(const std::string& path, const std::string& argument) {
  const pid_t child = fork();
  if (child == 0) {
    execl(path.c_str(), path.c_str(), argument.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  for (int i = 0; i < 4000; ++i) {
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
