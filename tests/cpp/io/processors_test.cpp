// SPDX-License-Identifier: MIT
#include "io/processors.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "catch.h"
#include "springg/cpu.h"

using springg::io::processors_of_cgroup;

namespace {

class FakeGroups {
 public:
  FakeGroups()
      : root_(std::filesystem::temp_directory_path() /
              ("springg_groups_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)))) {
    std::filesystem::create_directories(root_);
  }
  FakeGroups(const FakeGroups&) = delete;
  FakeGroups& operator=(const FakeGroups&) = delete;
  ~FakeGroups() { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  std::string root() const { return root_.string(); }

 private:
  std::filesystem::path root_;
};

}  // namespace

TEST_CASE("a control group of version 2 limits the processors, rounded up") {
  const FakeGroups groups;
  groups.write("service/worker/cpu.max", "150000 100000\n");
  CHECK(processors_of_cgroup(groups.root(), "0::/service/worker\n") == 2);
  groups.write("service/worker/cpu.max", "400000 100000\n");
  CHECK(processors_of_cgroup(groups.root(), "0::/service/worker\n") == 4);
}

TEST_CASE("the tightest group above counts") {
  const FakeGroups groups;
  groups.write("cpu.max", "800000 100000\n");
  groups.write("service/cpu.max", "300000 100000\n");
  groups.write("service/worker/cpu.max", "max 100000\n");
  CHECK(processors_of_cgroup(groups.root(), "0::/service/worker\n") == 3);
  CHECK(processors_of_cgroup(groups.root(), "0::/\n") == 8);
}

TEST_CASE("a control group of version 1 limits the processors") {
  const FakeGroups groups;
  groups.write("cpu/box/cpu.cfs_quota_us", "250000\n");
  groups.write("cpu/box/cpu.cfs_period_us", "100000\n");
  const std::string membership = "5:cpuset:/other\n4:cpuacct,cpu:/box\n1:name=systemd:/\n";
  CHECK(processors_of_cgroup(groups.root(), membership) == 3);
}

TEST_CASE("no limit, no group and nonsense are no limit") {
  const FakeGroups groups;
  CHECK(processors_of_cgroup(groups.root(), "0::/absent\n") == 0);
  CHECK(processors_of_cgroup(groups.root(), "") == 0);
  CHECK(processors_of_cgroup(groups.root(), "nonsense") == 0);
  groups.write("cpu.max", "max 100000\n");
  CHECK(processors_of_cgroup(groups.root(), "0::/\n") == 0);
  groups.write("cpu/cpu.cfs_quota_us", "-1\n");
  groups.write("cpu/cpu.cfs_period_us", "100000\n");
  CHECK(processors_of_cgroup(groups.root(), "4:cpu:/\n") == 0);
}

TEST_CASE("this process may use at least one processor") {
  CHECK(springg::usable_processors() >= 1);
}
