// SPDX-License-Identifier: GPL-2.0-only
// pair_style dpcompressed: Deep Potential models from compressed tables. An adapter without
// physics: LAMMPS' atoms and neighbour list on the host go to dpc::Evaluator, which computes on the
// processor or, in a build with a Kokkos of its own, on a GPU.
#ifndef LMP_PAIR_DPCOMPRESSED_H
#define LMP_PAIR_DPCOMPRESSED_H

#include "pair_dpcompressed_base.h"

namespace LAMMPS_NS {

class PairDPCompressed : public PairDPCompressedBase {
public:
    using PairDPCompressedBase::PairDPCompressedBase;

    double memory_usage() override;

protected:
    std::string start_engines() override;
    bool has_engines() const override;
    void drop_engines() override { engines_.clear(); }
    void request_list() override;
    void read_types() override;
    dpcompressed::TypeChange update_types() override;
    void take_list(std::size_t k) override;
    Results evaluate(std::size_t k, const Task& task) override;
    const dpc::Overflow& overflow_found(std::size_t k) const override { return engines_[k]->overflow(); }

private:
    dpc::EvaluatorOptions options() const;

    std::vector<std::unique_ptr<dpc::Evaluator>> engines_;
    int n_threads_ = 0;                // that they were made with
    std::vector<int> other_types_;     // (n_all) of a model whose types have another order
    std::vector<double> atom_virial_;  // (n_all, 9)
    std::vector<std::int64_t> tags_;   // (n_all) of the list, where they matter
};

}  // namespace LAMMPS_NS

#endif
