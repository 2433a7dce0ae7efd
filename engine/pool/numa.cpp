// NUMA nodes by sysfs.
#include "pool/numa.h"

#include <sched.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>

namespace indextts2 {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::vector<int> parse_cpu_list(const std::string& list) {
  std::vector<int> numbers;
  const char* at = list.c_str();
  while (std::isdigit(static_cast<unsigned char>(*at))) {
    char* end = nullptr;
    const long first = std::strtol(at, &end, 10);
    long last = first;
    if (*end == '-') last = std::strtol(end + 1, &end, 10);
    for (long n = first; n <= last && n < CPU_SETSIZE; ++n) numbers.push_back(static_cast<int>(n));
    at = *end == ',' ? end + 1 : end;
  }
  return numbers;
}

std::vector<int> processors_near(const std::string& pci_id, const std::string& sysfs) {
  const std::string nodes = sysfs + "/devices/system/node/";
  if (parse_cpu_list(read_line(nodes + "online")).size() < 2) return {};
  std::string id = pci_id;
  std::transform(id.begin(), id.end(), id.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string node = read_line(sysfs + "/bus/pci/devices/" + id + "/numa_node");
  if (node.empty() || !std::isdigit(static_cast<unsigned char>(node[0]))) return {};
  return parse_cpu_list(read_line(nodes + "node" + node + "/cpulist"));
}

void run_on(const std::vector<int>& processors) {
  cpu_set_t now, wanted;
  CPU_ZERO(&wanted);
  if (sched_getaffinity(0, sizeof now, &now) != 0) return;
  for (const int processor : processors) {
    if (processor >= 0 && processor < CPU_SETSIZE && CPU_ISSET(processor, &now)) {
      CPU_SET(processor, &wanted);
    }
  }
  if (CPU_COUNT(&wanted) > 0) sched_setaffinity(0, sizeof wanted, &wanted);
}

}  // namespace indextts2
