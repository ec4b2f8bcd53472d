// SPDX-License-Identifier: GPL-2.0-only
// pair_style dpcompressed/kk: atoms, neighbour list and forces stay where LAMMPS' package KOKKOS
// has them, on a GPU or on the processor's threads, and dpc::kokkos::Evaluator computes there; on a
// processor dpc::Evaluator, whose kernels are faster.
// Types of LAMMPS' views changed their names in September 2025; this code names none of them.
#ifndef LMP_PAIR_DPCOMPRESSED_KOKKOS_H
#define LMP_PAIR_DPCOMPRESSED_KOKKOS_H

#include "kokkos_type.h"
#include "pair_dpcompressed_base.h"

namespace LAMMPS_NS {

template <class DeviceType>
class PairDPCompressedKokkos : public PairDPCompressedBase {
public:
    explicit PairDPCompressedKokkos(LAMMPS* lammps);
    ~PairDPCompressedKokkos() override;

    void settings(int narg, char** arg) override;
    double memory_usage() override;

    class ViewEngine;  // an evaluator in one precision

protected:
    std::string start_engines() override;
    bool has_engines() const override { return !engines_.empty(); }
    void drop_engines() override;
    void request_list() override;
    void read_types() override;
    dpcompressed::TypeChange update_types() override;
    void fetch_types() override;
    void forward_types() override;
    void take_list(std::size_t k) override;
    Results evaluate(std::size_t k, const Task& task) override;
    const dpc::Overflow& overflow_found(std::size_t k) const override;
    void sync_host() override;
    void sync_for(Compute& compute) override;

private:
    using Memory = typename DeviceType::memory_space;
    using HostTypes = Kokkos::View<int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;

    /// Types of a model that numbers them in another way than the first.
    struct OtherTypes {
        Kokkos::View<int*, Memory> type_of;  // by type of the first
        Kokkos::View<int*, Memory> types;    // (n_all)
    };

    struct ForcesAlone;  // of one model, where its engine computes

    auto used_types() const;
    Kokkos::View<const int*, Memory> types_for(std::size_t k);
    void hand_over(const Task& task);

    std::vector<std::unique_ptr<ViewEngine>> engines_;
    std::vector<OtherTypes> other_types_;  // by model
    std::unique_ptr<ForcesAlone> alone_;
    Kokkos::View<int*, Memory> model_type_of_;  // model_type_ on the device
    Kokkos::View<int*, Memory> device_types_;   // (n_all) types_ on the device, which is ahead of it
    Kokkos::View<double*, Memory> atom_energy_;
    Kokkos::View<double* [9], Kokkos::LayoutRight, Memory> atom_virial_;
    decltype(Kokkos::create_mirror_view(atom_energy_)) host_atom_energy_;
    decltype(Kokkos::create_mirror_view(atom_virial_)) host_atom_virial_;
};

}  // namespace LAMMPS_NS

#endif
