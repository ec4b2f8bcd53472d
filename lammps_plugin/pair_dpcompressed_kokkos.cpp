// SPDX-License-Identifier: GPL-2.0-only
// Between the views of LAMMPS' package KOKKOS and dpc::kokkos::Evaluator; see
// pair_dpcompressed_kokkos.h. Nothing is copied but what LAMMPS wants on the host: energies and
// virials per atom, in the steps that ask for them, and atom types where they change between two
// builds of the list.
#include "pair_dpcompressed_kokkos.h"

#include <type_traits>

#include "atom_kokkos.h"
#include "atom_masks.h"
#include "comm.h"
#include "dpc/kokkos/evaluator.hpp"
#include "kokkos.h"
#include "neigh_list_kokkos.h"
#include "neigh_request.h"
#include "neighbor.h"

using namespace LAMMPS_NS;
using namespace dpcompressed;

namespace dpcompressed {
namespace {

constexpr std::size_t kMegabyte = 1000000;

/// At least n elements; contents are lost.
template <class View>
void reserve(View& view, std::size_t n) {
    if (view.extent(0) < n) {
        Kokkos::realloc(Kokkos::view_alloc(Kokkos::WithoutInitializing), view, n);
    }
}

}  // namespace

template <class DeviceType>
using PositionView =
    std::decay_t<decltype(std::declval<AtomKokkos&>().k_x.template view<DeviceType>())>;
template <class DeviceType>
using ForceView =
    std::decay_t<decltype(std::declval<AtomKokkos&>().k_f.template view<DeviceType>())>;

template <class DeviceType>
using TagView =
    std::decay_t<decltype(std::declval<AtomKokkos&>().k_tag.template view<DeviceType>())>;

/// LAMMPS' full list as the evaluator wants it.
template <class DeviceType>
struct ListRows {
    int n_centres;
    decltype(NeighListKokkos<DeviceType>::d_ilist) centres;
    decltype(NeighListKokkos<DeviceType>::d_numneigh) counts;
    decltype(NeighListKokkos<DeviceType>::d_neighbors) neighbours;
    TagView<DeviceType> tags;

    ListRows(const NeighListKokkos<DeviceType>& list, const TagView<DeviceType>& atom_tags)
        : n_centres(list.inum),
          centres(list.d_ilist),
          counts(list.d_numneigh),
          neighbours(list.d_neighbors),
          tags(atom_tags) {}

    KOKKOS_FUNCTION int centre(int c) const { return centres(c); }
    KOKKOS_FUNCTION int count(int i) const { return counts(i); }
    KOKKOS_FUNCTION int neighbour(int i, int k) const { return neighbours(i, k) & NEIGHMASK; }
    KOKKOS_FUNCTION long long tag(int i) const { return tags(i); }
};

template <class LammpsTypes, class Masks, class IntView>
struct ReadTypes {
    LammpsTypes lammps_types;
    Masks masks;
    IntView model_type_of, types;
    int absent_bits;

    KOKKOS_FUNCTION void operator()(int i) const {
        types(i) =
            type_in_new_list(model_type_of.data(), lammps_types(i), masks(i), absent_bits);
    }
};

/// The gravest change of own atoms, which are taken over.
template <class LammpsTypes, class IntView>
struct UpdateTypes {
    LammpsTypes lammps_types;
    IntView model_type_of, types;

    KOKKOS_FUNCTION void operator()(int i, int& gravest) const {
        const int n_lammps_types = static_cast<int>(model_type_of.extent(0)) - 1;
        const int change =
            update_type(model_type_of.data(), n_lammps_types, lammps_types(i), types(i));
        gravest = change > gravest ? change : gravest;
    }
};

}  // namespace dpcompressed

template <class DeviceType>
class PairDPCompressedKokkos<DeviceType>::Engine {
public:
    using Rows = ListRows<DeviceType>;
    using Output = dpc::kokkos::DeviceOutput<Memory, ForceView<DeviceType>>;

    virtual ~Engine() = default;
    virtual void set_neighbours(int n_all, const Kokkos::View<const int*, Memory>& types,
                                const Rows& rows) = 0;
    virtual dpc::Totals compute(const PositionView<DeviceType>& x, const Rows& rows,
                                const dpc::Units& units, const Output& out) = 0;
    virtual const dpc::Overflow& overflow() const = 0;
    virtual std::string describe() const = 0;
    virtual std::size_t memory_bytes() const = 0;
};

namespace {

template <class DeviceType, class Real>
class EngineOf final : public PairDPCompressedKokkos<DeviceType>::Engine {
    using Base = typename PairDPCompressedKokkos<DeviceType>::Engine;
    using Memory = typename DeviceType::memory_space;

public:
    EngineOf(std::shared_ptr<const dpc::Model> model, std::size_t scratch_bytes,
             dpc::Neighbours neighbours)
        : evaluator_(std::move(model), DeviceType(), scratch_bytes, neighbours) {}

    void set_neighbours(int n_all, const Kokkos::View<const int*, Memory>& types,
                        const typename Base::Rows& rows) override {
        evaluator_.set_neighbours(n_all, types, rows);
    }
    dpc::Totals compute(const PositionView<DeviceType>& x, const typename Base::Rows& rows,
                        const dpc::Units& units, const typename Base::Output& out) override {
        return evaluator_.compute(x, rows, units, out);
    }
    const dpc::Overflow& overflow() const override { return evaluator_.overflow(); }
    std::string describe() const override { return evaluator_.describe(); }
    std::size_t memory_bytes() const override { return evaluator_.memory_bytes(); }

private:
    dpc::kokkos::Evaluator<DeviceType, Real> evaluator_;
};

template <class DeviceType>
ListRows<DeviceType> rows_of(NeighList* list, AtomKokkos& atoms) {
    return {*static_cast<NeighListKokkos<DeviceType>*>(list),
            atoms.k_tag.template view<DeviceType>()};
}

}  // namespace

template <class DeviceType>
PairDPCompressedKokkos<DeviceType>::PairDPCompressedKokkos(LAMMPS* lammps)
    : PairDPCompressedBase(lammps) {
    if (lmp->kokkos == nullptr) {
        fail_all(
            "the variants /kk, /kk/device and /kk/host need LAMMPS to be started with `-k on`");
    }
    kokkosable = 1;
    atomKK = static_cast<AtomKokkos*>(atom);
    execution_space = ExecutionSpaceFromDevice<DeviceType>::space;
    datamask_read = X_MASK | F_MASK | TYPE_MASK;
    datamask_modify = F_MASK;
}

template <class DeviceType>
PairDPCompressedKokkos<DeviceType>::~PairDPCompressedKokkos() = default;

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::settings(int narg, char** arg) {
    PairDPCompressedBase::settings(narg, arg);
    if (settings_.device != DeviceChoice::cpu) {
        warn("the keyword device has no effect on dpcompressed/kk, which computes where LAMMPS' "
             "package KOKKOS does");
    }
}

template <class DeviceType>
std::string PairDPCompressedKokkos<DeviceType>::start_evaluator() {
    const std::size_t scratch = static_cast<std::size_t>(settings_.memory) * kMegabyte;
    if (settings_.precision == dpc::Precision::mixed) {
        engine_ = std::make_unique<EngineOf<DeviceType, float>>(model_, scratch,
                                                                settings_.neighbours);
    } else {
        engine_ = std::make_unique<EngineOf<DeviceType, double>>(model_, scratch,
                                                                 settings_.neighbours);
    }
    datamask_read = X_MASK | F_MASK | TYPE_MASK;
    if (rule_ != dpc::NeighbourRule::all) {
        datamask_read |= TAG_MASK;
    }
    model_type_of_ = decltype(model_type_of_)("dpc::model_type_of", model_type_.size());
    const Kokkos::View<const int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged> source(
        model_type_.data(), model_type_.size());
    Kokkos::deep_copy(model_type_of_, source);
    return engine_->describe();
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::drop_evaluator() {
    engine_.reset();
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::request_list() {
    constexpr bool on_device = std::is_same_v<DeviceType, LMPDeviceType>;
    auto* request = neighbor->add_request(this, NeighConst::REQ_FULL);
    request->set_kokkos_device(on_device);
    request->set_kokkos_host(!on_device);
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::read_types() {
    atomKK->sync(execution_space, TYPE_MASK | MASK_MASK);
    reserve(device_types_, static_cast<std::size_t>(n_all()));
    const auto lammps_types = atomKK->k_type.template view<DeviceType>();
    const auto masks = atomKK->k_mask.template view<DeviceType>();
    Kokkos::parallel_for("dpc::read_types",
                         Kokkos::RangePolicy<DeviceType>(DeviceType(), 0, n_all()),
                         ReadTypes<std::decay_t<decltype(lammps_types)>,
                                   std::decay_t<decltype(masks)>, decltype(device_types_)>{
                             lammps_types, masks, model_type_of_, device_types_, absent_bits()});
}

template <class DeviceType>
TypeChange PairDPCompressedKokkos<DeviceType>::update_types() {
    atomKK->sync(execution_space, TYPE_MASK);
    const auto lammps_types = atomKK->k_type.template view<DeviceType>();
    int gravest = kSameTypes;
    Kokkos::parallel_reduce(
        "dpc::update_types", Kokkos::RangePolicy<DeviceType>(DeviceType(), 0, atom->nlocal),
        UpdateTypes<std::decay_t<decltype(lammps_types)>, decltype(device_types_)>{
            lammps_types, model_type_of_, device_types_},
        Kokkos::Max<int>(gravest));
    return static_cast<TypeChange>(gravest);
}

template <class DeviceType>
auto PairDPCompressedKokkos<DeviceType>::used_types() const {
    return Kokkos::View<int*, Memory>(device_types_,
                                      std::make_pair(std::size_t(0), std::size_t(n_all())));
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::fetch_types() {
    types_.resize(static_cast<std::size_t>(n_all()));
    Kokkos::deep_copy(HostTypes(types_.data(), types_.size()), used_types());
}

/// A rare event: by way of the host, where LAMMPS' communication asks no more of a pair style.
template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::forward_types() {
    fetch_types();
    const auto space = execution_space;
    execution_space = Host;
    comm_forward_types();
    execution_space = space;
    Kokkos::deep_copy(used_types(), HostTypes(types_.data(), types_.size()));
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::take_list() {
    engine_->set_neighbours(n_all(), device_types_, rows_of<DeviceType>(list, *atomKK));
}

template <class DeviceType>
PairDPCompressedBase::Results PairDPCompressedKokkos<DeviceType>::evaluate() {
    const auto n = static_cast<std::size_t>(n_all());
    const DeviceType space;
    atomKK->sync(execution_space, datamask_read);
    typename Engine::Output out;
    out.forces = atomKK->k_f.template view<DeviceType>();
    if (eflag_atom) {
        reserve(atom_energy_, n);
        Kokkos::deep_copy(space, atom_energy_, 0.0);
        out.atom_energy = atom_energy_;
    }
    if (wants_atom_virial()) {
        reserve(atom_virial_, n);
        Kokkos::deep_copy(space, atom_virial_, 0.0);
        out.atom_virial = atom_virial_;
    }
    Results results;
    results.totals = engine_->compute(atomKK->k_x.template view<DeviceType>(),
                                      rows_of<DeviceType>(list, *atomKK), units_, out);
    atomKK->modified(execution_space, datamask_modify);
    if (eflag_atom) {
        const auto energies =
            Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), atom_energy_);
        for (int i = 0; i < atom->nlocal; i++) {
            eatom[i] += energies(i);
        }
    }
    if (wants_atom_virial()) {
        host_atom_virial_ = Kokkos::create_mirror_view(atom_virial_);
        Kokkos::deep_copy(host_atom_virial_, atom_virial_);
        results.atom_virial = host_atom_virial_.data();
    }
    return results;
}

template <class DeviceType>
const dpc::Overflow& PairDPCompressedKokkos<DeviceType>::overflow_found() const {
    return engine_->overflow();
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::sync_host() {
    atomKK->sync(Host, TAG_MASK | TYPE_MASK | MASK_MASK | MOLECULE_MASK | SPECIAL_MASK);
}

template <class DeviceType>
double PairDPCompressedKokkos<DeviceType>::memory_usage() {
    const double bytes = Pair::memory_usage() + sizeof(int) * (types_.capacity() + device_types_.extent(0)) +
                         sizeof(double) * (atom_energy_.extent(0) + 9 * atom_virial_.extent(0));
    return engine_ ? bytes + static_cast<double>(engine_->memory_bytes()) : bytes;
}

namespace LAMMPS_NS {
template class PairDPCompressedKokkos<LMPDeviceType>;
#ifdef LMP_KOKKOS_GPU
template class PairDPCompressedKokkos<LMPHostType>;
#endif
}  // namespace LAMMPS_NS
