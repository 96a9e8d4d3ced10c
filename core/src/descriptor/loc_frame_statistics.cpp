// SPDX-License-Identifier: LGPL-3.0-or-later
// Mean and spread of each number of loc_frame.
#include "descriptor/loc_frame.hpp"

namespace dpcore {

namespace {

/// Mean and deviation of each number of the descriptor by type of centre.
class ColumnMoments final : public Moments {
 public:
  ColumnMoments(const nlohmann::json& config, int ntypes)
      : descriptor_(config, ntypes),
        ntypes_(ntypes),
        columns_(static_cast<std::size_t>(descriptor_.dim_out())),
        count_(static_cast<std::size_t>(ntypes)),
        sum_(count_.size() * columns_),
        square_(sum_.size()) {}

  void add(const Exec& exec, const Structure& structure, Workspace& ws) override {
    const TilePlan plan = plan_tiles(structure, ntypes_, 1, kTile, kTile);
    DeviceStructure device;
    device.assign(structure, plan);
    const auto state = descriptor_.make_state();
    for (const Tile& tile : plan.tiles) {
      const Workspace::Scope scope(ws);
      const AnyMatrix d = descriptor_.forward(exec, device, tile, *state, ws);
      const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), d.f64);
      const auto t = static_cast<std::size_t>(tile.type);
      count_[t] += tile.size();
      for (std::size_t i = 0; i < host.extent(0); ++i) {
        for (std::size_t k = 0; k < columns_; ++k) {
          sum_[t * columns_ + k] += host(i, k);
          square_[t * columns_ + k] += host(i, k) * host(i, k);
        }
      }
    }
  }

  std::vector<double> davg() const override {
    std::vector<double> out(sum_.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      const double n = count_[k / columns_];
      out[k] = n > 0 ? sum_[k] / n : 0.0;
    }
    return out;
  }

  std::vector<double> dstd() const override {
    std::vector<double> out(sum_.size());
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k] = deviation(square_[k], sum_[k], count_[k / columns_]);
    return out;
  }

 private:
  static constexpr int kTile = 64;

  LocFrame descriptor_;
  int ntypes_;
  std::size_t columns_;
  std::vector<double> count_, sum_, square_;
};

}  // namespace

std::unique_ptr<Moments> LocFrame::make_moments(int ntypes) const {
  return std::make_unique<ColumnMoments>(config_, ntypes);
}

}  // namespace dpcore
