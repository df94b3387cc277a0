// SPDX-License-Identifier: Apache-2.0
#include "core/runtime/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace pyrnn {
namespace {

constexpr double kNoQuota = 1e9;

int affinity_cpus() {
#if defined(__linux__)
  // The kernel refuses a mask smaller than its own; 2^16 is beyond any that exists.
  for (int cpus = 1024; cpus <= 65536; cpus *= 4) {
    const std::size_t bytes = CPU_ALLOC_SIZE(cpus);
    cpu_set_t* mask = CPU_ALLOC(cpus);
    if (mask == nullptr) break;
    const bool read = sched_getaffinity(0, bytes, mask) == 0;
    const int count = read ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (read) return count;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// cgroup v2: "max 100000" or "150000 100000", quota and period in microseconds.
double quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  double quota, period;
  return file >> quota >> period && quota > 0 && period > 0 ? quota / period : kNoQuota;
}

// cgroup v1: a file for each; a quota of -1 is none.
double quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota, period;
  const bool read = quota_file >> quota && period_file >> period;
  return read && quota > 0 && period > 0 ? quota / period : kNoQuota;
}

// The least quota of `group` and the groups around it. Inside a container the outer part of the path
// may not be mounted: those folders are missing, and the mount's root carries the container's quota.
double least_quota(double (*quota)(const std::string&), const std::string& mount, std::string group) {
  double least = quota(mount);
  while (group.size() > 1) {
    least = std::min(least, quota(mount + group));
    group.erase(group.find_last_of('/'));
  }
  return least;
}

// Each line of /proc/self/cgroup is "id:controllers:/path"; v2 has no controllers.
double cgroup_cpus() {
  std::ifstream groups("/proc/self/cgroup");
  double least = kNoQuota;
  for (std::string line; std::getline(groups, line);) {
    std::istringstream fields(line);
    std::string id, controllers, path;
    std::getline(std::getline(std::getline(fields, id, ':'), controllers, ':'), path);
    if (path.empty() || path.front() != '/') continue;
    if (controllers.empty()) {
      least = std::min(least, least_quota(quota_v2, "/sys/fs/cgroup", path));
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      least = std::min(least, least_quota(quota_v1, "/sys/fs/cgroup/" + controllers, path));
    }
  }
  return least;
}

}  // namespace

int default_num_threads() {
  const double cpus = std::min<double>(affinity_cpus(), std::ceil(cgroup_cpus()));
  return std::max(1, static_cast<int>(cpus));
}

}  // namespace pyrnn
