// Keeps a GPU's host threads, and so the memory that they touch first, on the GPU's NUMA node.
#pragma once

#include <string>
#include <vector>

namespace indextts2 {

// Numbers of a list such as "0-3,8,10-11", as Linux writes sets of processors; what it cannot read
// is left out.
std::vector<int> parse_cpu_list(const std::string& list);

// Processors of the node of a PCI device ("0000:3b:00.0", letters of either case), below `sysfs`
// (/sys); empty when the machine has one node or does not say.
std::vector<int> processors_near(const std::string& pci_id, const std::string& sysfs = "/sys");

// Lets the calling thread run on those of `processors` only that it may run on now; no effect when
// there are none. Threads that it starts inherit that.
void run_on(const std::vector<int>& processors);

}  // namespace indextts2
