// SPDX-License-Identifier: GPL-2.0-only
// Between the views of LAMMPS' package KOKKOS and dpc::kokkos::Evaluator, or, where the views lie as
// the arrays of LAMMPS without KOKKOS do, dpc::Evaluator; see pair_dpcompressed_kokkos.h. Nothing is
// copied but what is wanted on the host: energies and virials per atom, in the steps that ask for
// them, the forces of each model where their deviation is measured, and atom types where they change
// between two builds of the list.
#include "pair_dpcompressed_kokkos.h"

#include <algorithm>
#include <type_traits>

#include "atom_kokkos.h"
#include "atom_masks.h"
#include "comm.h"
#include "compute.h"
#include "dpc/evaluator.hpp"
#include "dpc/kokkos/combined.hpp"
#include "kokkos.h"
#include "neigh_list_kokkos.h"
#include "neigh_request.h"
#include "neighbor.h"

using namespace LAMMPS_NS;
using namespace dpcompressed;

namespace dpcompressed {
namespace {

constexpr std::size_t kMegabyte = 1000000;

/// Kokkos' kernels on a processor, where those of dpc::Evaluator do as well: for tests.
bool asks_for_kokkos(DeviceChoice device) {
    return device == DeviceChoice::kokkos_serial || device == DeviceChoice::kokkos_openmp;
}

/// At least n elements; contents are lost.
template <class View>
void reserve(View& view, std::size_t n) {
    if (view.extent(0) < n) {
        Kokkos::realloc(Kokkos::view_alloc(Kokkos::WithoutInitializing), view, n);
    }
}

/// A copy in the memory of View.
template <class View>
View copied(const std::string& label, const std::vector<int>& numbers) {
    const View copy(label, numbers.size());
    Kokkos::deep_copy(copy, Kokkos::View<const int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>(numbers.data(), numbers.size()));
    return copy;
}

}  // namespace

template <class DeviceType>
using PositionView = std::decay_t<decltype(std::declval<AtomKokkos&>().k_x.template view<DeviceType>())>;
template <class DeviceType>
using ForceView = std::decay_t<decltype(std::declval<AtomKokkos&>().k_f.template view<DeviceType>())>;

template <class DeviceType>
using TagView = std::decay_t<decltype(std::declval<AtomKokkos&>().k_tag.template view<DeviceType>())>;

/// LAMMPS' full list as the evaluator wants it.
template <class DeviceType>
struct ListRows {
    int n_centres;
    decltype(NeighListKokkos<DeviceType>::d_ilist) centres;
    decltype(NeighListKokkos<DeviceType>::d_numneigh) counts;
    decltype(NeighListKokkos<DeviceType>::d_neighbors) neighbours;
    TagView<DeviceType> tags;

    /// n_own: atoms that may be centres. Of a list that is a part of another, LAMMPS leaves inum as it
    /// was before where the other is empty.
    ListRows(const NeighListKokkos<DeviceType>& list, int n_own, const TagView<DeviceType>& atom_tags)
        : n_centres(std::min(list.inum, n_own)),
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
        types(i) = type_in_new_list(model_type_of.data(), lammps_types(i), masks(i), absent_bits);
    }
};

/// The gravest change of own atoms, which are taken over.
template <class LammpsTypes, class IntView>
struct UpdateTypes {
    LammpsTypes lammps_types;
    IntView model_type_of, types;

    KOKKOS_FUNCTION void operator()(int i, int& gravest) const {
        const int n_lammps_types = static_cast<int>(model_type_of.extent(0)) - 1;
        const int change = update_type(model_type_of.data(), n_lammps_types, lammps_types(i), types(i));
        gravest = change > gravest ? change : gravest;
    }
};

template <class IntView>
struct MapTypes {
    IntView type_of, from, to;

    KOKKOS_FUNCTION void operator()(int i) const { to(i) = type_in_other(type_of.data(), from(i)); }
};

template <class Forces>
struct AddForces {
    Forces from, to;

    KOKKOS_FUNCTION void operator()(int i) const {
        for (int c = 0; c < 3; c++) {
            to(i, c) += from(i, c);
        }
    }
};

}  // namespace dpcompressed

template <class DeviceType>
struct PairDPCompressedKokkos<DeviceType>::ForcesAlone {
    ForceView<DeviceType> view{"dpc::forces_alone", 0};
};

/// An engine on LAMMPS' views: takes a list, evaluates, reports.
template <class DeviceType>
class PairDPCompressedKokkos<DeviceType>::ViewEngine {
public:
    using Rows = ListRows<DeviceType>;
    using Output = dpc::kokkos::DeviceOutput<Memory, ForceView<DeviceType>>;

    virtual ~ViewEngine() = default;
    /// As in dpc::Evaluator.
    virtual bool share_neighbours(const ViewEngine&) { return false; }
    virtual void set_neighbours(int n_all, const Kokkos::View<const int*, Memory>& types, const Rows& rows) = 0;
    /// inputs: parameters and units, on the host; fparam_gradient: as in dpc::Output.
    virtual dpc::Totals compute(const PositionView<DeviceType>& x, const Rows& rows, const dpc::Inputs& inputs, const Output& out,
                                double* fparam_gradient, const dpc::Measures& measures) = 0;
    virtual const dpc::Overflow& overflow() const = 0;
    virtual std::string describe() const = 0;
    virtual std::size_t memory_bytes() const = 0;
};

namespace {

/// Of: dpc::kokkos::Evaluator, or CombinedEvaluator for a model of several parts.
template <class DeviceType, class Of>
class ViewEngineOf final : public PairDPCompressedKokkos<DeviceType>::ViewEngine {
    using Base = typename PairDPCompressedKokkos<DeviceType>::ViewEngine;
    using Memory = typename DeviceType::memory_space;

public:
    ViewEngineOf(std::shared_ptr<const dpc::Model> model, std::size_t scratch_bytes, dpc::Neighbours neighbours)
        : evaluator_(std::move(model), DeviceType(), scratch_bytes, neighbours) {}

    void set_neighbours(int n_all, const Kokkos::View<const int*, Memory>& types, const typename Base::Rows& rows) override {
        evaluator_.set_neighbours(n_all, types, rows);
    }
    dpc::Totals compute(const PositionView<DeviceType>& x, const typename Base::Rows& rows, const dpc::Inputs& inputs,
                        const typename Base::Output& out, double* fparam_gradient, const dpc::Measures& measures) override {
        evaluator_.set_parameters(inputs.fparam, inputs.aparam);
        return evaluator_.compute(x, rows, inputs.units, out, fparam_gradient, nullptr, measures);
    }
    const dpc::Overflow& overflow() const override { return evaluator_.overflow(); }
    std::string describe() const override { return evaluator_.describe(); }
    std::size_t memory_bytes() const override { return evaluator_.memory_bytes(); }

private:
    Of evaluator_;
};

template <class View, class Element>
constexpr bool kIsHostArray = std::is_same_v<typename View::memory_space, Kokkos::HostSpace> &&
                              std::is_same_v<typename View::array_layout, Kokkos::LayoutRight> &&
                              std::is_same_v<typename View::non_const_value_type, Element>;

/// Spaces whose threads are those that dpc::Evaluator starts.
template <class Space>
constexpr bool kHasOwnThreads = false;
#if defined(KOKKOS_ENABLE_SERIAL)
template <>
constexpr bool kHasOwnThreads<Kokkos::Serial> = true;
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
template <>
constexpr bool kHasOwnThreads<Kokkos::OpenMP> = true;
#endif

template <class DeviceType>
constexpr bool kHasHostArrays =
    kHasOwnThreads<DeviceType> && kIsHostArray<PositionView<DeviceType>, double> && kIsHostArray<ForceView<DeviceType>, double> &&
    kIsHostArray<decltype(NeighListKokkos<DeviceType>::d_neighbors), int>;

/// dpc::Evaluator, whose kernels are faster on a processor, on views that are arrays of the host.
template <class DeviceType>
class HostEngine final : public PairDPCompressedKokkos<DeviceType>::ViewEngine {
    using Base = typename PairDPCompressedKokkos<DeviceType>::ViewEngine;
    using Memory = typename DeviceType::memory_space;

public:
    HostEngine(std::shared_ptr<const dpc::Model> model, const dpc::EvaluatorOptions& options, bool needs_tags)
        : evaluator_(std::move(model), options), needs_tags_(needs_tags) {}

    bool share_neighbours(const Base& other) override {
        return evaluator_.share_neighbours(static_cast<const HostEngine&>(other).evaluator_);
    }
    void set_neighbours(int n_all, const Kokkos::View<const int*, Memory>& types, const typename Base::Rows& rows) override {
        list_.resize(static_cast<std::size_t>(n_all));
        for (int c = 0; c < rows.n_centres; c++) {
            const int i = rows.centre(c);
            list_[static_cast<std::size_t>(i)] = rows.neighbours.data() + static_cast<std::size_t>(i) * rows.neighbours.stride(0);
        }
        dpc::NeighbourRows given;
        given.n_centres = rows.n_centres;
        given.centre = rows.centres.data();
        given.count = rows.counts.data();
        given.rows = list_.data();
        given.index_mask = NEIGHMASK;
        given.stays = true;  // LAMMPS changes a list where it builds the next one
        if (needs_tags_) {
            tags_.assign(rows.tags.data(), rows.tags.data() + n_all);
            given.tag = tags_.data();
        }
        evaluator_.set_neighbours(n_all, types.data(), given);
    }
    dpc::Totals compute(const PositionView<DeviceType>& x, const typename Base::Rows&, const dpc::Inputs& inputs,
                        const typename Base::Output& out, double* fparam_gradient, const dpc::Measures& measures) override {
        dpc::Inputs given = inputs;
        given.x = x.data();
        return evaluator_.compute(given,
                                  {out.forces.data(), out.atom_energy.data(), out.atom_virial.data(), fparam_gradient, measures});
    }
    const dpc::Overflow& overflow() const override { return evaluator_.overflow(); }
    std::string describe() const override { return evaluator_.describe(); }
    std::size_t memory_bytes() const override {
        return evaluator_.memory_bytes() + sizeof(int*) * list_.capacity() + sizeof(std::int64_t) * tags_.capacity();
    }

private:
    dpc::Evaluator evaluator_;
    const bool needs_tags_;
    std::vector<const int*> list_;  // (n_all) rows of LAMMPS' list
    std::vector<std::int64_t> tags_;
};

template <class DeviceType, class Real>
std::unique_ptr<typename PairDPCompressedKokkos<DeviceType>::ViewEngine> make_engine(
    const std::shared_ptr<const dpc::Model>& model, std::size_t scratch_bytes, dpc::Neighbours neighbours) {
    if (model->parts.empty()) {
        using Of = dpc::kokkos::Evaluator<DeviceType, Real>;
        return std::make_unique<ViewEngineOf<DeviceType, Of>>(model, scratch_bytes, neighbours);
    }
    using Of = dpc::kokkos::CombinedEvaluator<DeviceType, Real>;
    return std::make_unique<ViewEngineOf<DeviceType, Of>>(model, scratch_bytes, neighbours);
}

template <class DeviceType>
std::unique_ptr<typename PairDPCompressedKokkos<DeviceType>::ViewEngine> make_engine(
    const std::shared_ptr<const dpc::Model>& model, const StyleSettings& settings, bool needs_tags) {
    const std::size_t scratch = static_cast<std::size_t>(settings.memory) * kMegabyte;
    if constexpr (kHasHostArrays<DeviceType>) {
        if (!asks_for_kokkos(settings.device)) {
            dpc::EvaluatorOptions options;
            options.n_threads = DeviceType().concurrency();
            options.precision = settings.precision;
            options.neighbours = settings.neighbours;
            return std::make_unique<HostEngine<DeviceType>>(model, options, needs_tags);
        }
    }
    return settings.precision == dpc::Precision::mixed ? make_engine<DeviceType, float>(model, scratch, settings.neighbours)
                                                       : make_engine<DeviceType, double>(model, scratch, settings.neighbours);
}

template <class DeviceType>
ListRows<DeviceType> rows_of(NeighList* list, int n_own, AtomKokkos& atoms) {
    return {*static_cast<NeighListKokkos<DeviceType>*>(list), n_own, atoms.k_tag.template view<DeviceType>()};
}

}  // namespace

template <class DeviceType>
PairDPCompressedKokkos<DeviceType>::PairDPCompressedKokkos(LAMMPS* lammps) : PairDPCompressedBase(lammps) {
    if (lmp->kokkos == nullptr) {
        fail_all("the variants /kk, /kk/device and /kk/host need LAMMPS to be started with `-k on`");
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
    if (settings_.device != DeviceChoice::cpu && !(kHasHostArrays<DeviceType> && asks_for_kokkos(settings_.device))) {
        warn(
            "the keyword device has no effect on dpcompressed/kk, which computes where LAMMPS' "
            "package KOKKOS does");
    }
}

template <class DeviceType>
std::string PairDPCompressedKokkos<DeviceType>::start_engines() {
    engines_.clear();
    other_types_.clear();
    for (const ModelInUse& in_use : models_) {
        engines_.push_back(make_engine<DeviceType>(in_use.model, settings_, needs_tags()));
        other_types_.push_back({copied<Kokkos::View<int*, Memory>>("dpc::type_of", in_use.type_of), {}});
    }
    datamask_read = X_MASK | F_MASK | TYPE_MASK;
    if (needs_tags()) {
        datamask_read |= TAG_MASK;
    }
    model_type_of_ = copied<decltype(model_type_of_)>("dpc::model_type_of", model_type_);
    return engines_.front()->describe();
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::drop_engines() {
    engines_.clear();
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
    Kokkos::parallel_for("dpc::read_types", Kokkos::RangePolicy<DeviceType>(DeviceType(), 0, n_all()),
                         ReadTypes<std::decay_t<decltype(lammps_types)>, std::decay_t<decltype(masks)>, decltype(device_types_)>{
                             lammps_types, masks, model_type_of_, device_types_, absent_bits()});
}

template <class DeviceType>
TypeChange PairDPCompressedKokkos<DeviceType>::update_types() {
    atomKK->sync(execution_space, TYPE_MASK);
    const auto lammps_types = atomKK->k_type.template view<DeviceType>();
    int gravest = kSameTypes;
    Kokkos::parallel_reduce(
        "dpc::update_types", Kokkos::RangePolicy<DeviceType>(DeviceType(), 0, atom->nlocal),
        UpdateTypes<std::decay_t<decltype(lammps_types)>, decltype(device_types_)>{lammps_types, model_type_of_, device_types_},
        Kokkos::Max<int>(gravest));
    return static_cast<TypeChange>(gravest);
}

template <class DeviceType>
auto PairDPCompressedKokkos<DeviceType>::used_types() const {
    return Kokkos::View<int*, Memory>(device_types_, std::make_pair(std::size_t(0), std::size_t(n_all())));
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

/// Types of all atoms as model k numbers them.
template <class DeviceType>
Kokkos::View<const int*, typename PairDPCompressedKokkos<DeviceType>::Memory> PairDPCompressedKokkos<DeviceType>::types_for(
    std::size_t k) {
    OtherTypes& other = other_types_[k];
    if (other.type_of.extent(0) == 0) {
        return device_types_;
    }
    reserve(other.types, static_cast<std::size_t>(n_all()));
    Kokkos::parallel_for("dpc::map_types", Kokkos::RangePolicy<DeviceType>(DeviceType(), 0, n_all()),
                         MapTypes<decltype(device_types_)>{other.type_of, device_types_, other.types});
    return other.types;
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::take_list(std::size_t k) {
    const bool has_other_types = other_types_[k].type_of.extent(0) > 0;
    if (k > 0 && !has_other_types && engines_[k]->share_neighbours(*engines_.front())) {
        return;
    }
    if (needs_tags()) {
        atomKK->sync(execution_space, TAG_MASK);
    }
    engines_[k]->set_neighbours(n_all(), types_for(k), rows_of<DeviceType>(list, n_own(), *atomKK));
}

/// Forces of one model alone go to the host, and to the atoms where it drives.
template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::hand_over(const Task& task) {
    const DeviceType space;
    const auto& alone = alone_->view;
    if (task.drives) {
        using Forces = std::decay_t<decltype(alone)>;
        Kokkos::parallel_for("dpc::add_forces", Kokkos::RangePolicy<DeviceType>(space, 0, n_all()),
                             AddForces<Forces>{alone, atomKK->k_f.template view<DeviceType>()});
    }
    const auto on_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), alone);
    for (int i = 0; i < n_all(); i++) {
        for (int c = 0; c < 3; c++) {
            task.forces[3 * static_cast<std::size_t>(i) + static_cast<std::size_t>(c)] = on_host(i, c);
        }
    }
}

template <class DeviceType>
PairDPCompressedBase::Results PairDPCompressedKokkos<DeviceType>::evaluate(std::size_t k, const Task& task) {
    const auto n = static_cast<std::size_t>(n_all());
    const bool wants_energy = task.drives && eflag_atom, wants_virial = task.drives && wants_atom_virial();
    const DeviceType space;
    atomKK->sync(execution_space, datamask_read);
    typename ViewEngine::Output out;
    out.forces = atomKK->k_f.template view<DeviceType>();
    if (task.forces != nullptr) {
        alone_ = alone_ ? std::move(alone_) : std::make_unique<ForcesAlone>();
        reserve(alone_->view, n);
        Kokkos::deep_copy(space, alone_->view, 0.0);
        out.forces = alone_->view;
    }
    if (wants_energy) {
        reserve(atom_energy_, n);
        Kokkos::deep_copy(space, atom_energy_, 0.0);
        out.atom_energy = atom_energy_;
    }
    if (wants_virial) {
        reserve(atom_virial_, n);
        Kokkos::deep_copy(space, atom_virial_, 0.0);
        out.atom_virial = atom_virial_;
    }
    Results results;
    dpc::Inputs inputs{nullptr, task.units};
    add_parameters(*models_[k].model, inputs);
    results.totals = engines_[k]->compute(atomKK->k_x.template view<DeviceType>(), rows_of<DeviceType>(list, n_own(), *atomKK),
                                          inputs, out, task.fparam_gradient, task.measures);
    if (task.forces != nullptr) {
        hand_over(task);
    }
    if (task.drives) {
        atomKK->modified(execution_space, datamask_modify);
    }
    if (wants_energy) {
        if (host_atom_energy_.extent(0) != atom_energy_.extent(0)) {
            host_atom_energy_ = Kokkos::create_mirror_view(atom_energy_);
        }
        Kokkos::deep_copy(host_atom_energy_, atom_energy_);
        for (int i = 0; i < atom->nlocal; i++) {
            eatom[i] += host_atom_energy_(i);
        }
    }
    if (wants_virial) {
        if (host_atom_virial_.extent(0) != atom_virial_.extent(0)) {
            host_atom_virial_ = Kokkos::create_mirror_view(atom_virial_);
        }
        Kokkos::deep_copy(host_atom_virial_, atom_virial_);
        results.atom_virial = host_atom_virial_.data();
    }
    return results;
}

template <class DeviceType>
const dpc::Overflow& PairDPCompressedKokkos<DeviceType>::overflow_found(std::size_t k) const {
    return engines_[k]->overflow();
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::sync_host() {
    atomKK->sync(Host, TAG_MASK | TYPE_MASK | MASK_MASK | MOLECULE_MASK | SPECIAL_MASK);
}

template <class DeviceType>
void PairDPCompressedKokkos<DeviceType>::sync_for(Compute& compute) {
    sync_host();  // group counts
    atomKK->sync(compute.execution_space, compute.datamask_read);
}

template <class DeviceType>
double PairDPCompressedKokkos<DeviceType>::memory_usage() {
    double bytes =
        PairDPCompressedBase::memory_usage() + sizeof(int) * device_types_.extent(0) +
        sizeof(double) * (atom_energy_.extent(0) + 9 * atom_virial_.extent(0) + (alone_ ? 3 * alone_->view.extent(0) : 0));
    for (std::size_t k = 0; k < engines_.size(); k++) {
        bytes += static_cast<double>(engines_[k]->memory_bytes() + sizeof(int) * other_types_[k].types.extent(0));
    }
    return bytes;
}

namespace LAMMPS_NS {
template class PairDPCompressedKokkos<LMPDeviceType>;
#ifdef LMP_KOKKOS_GPU
template class PairDPCompressedKokkos<LMPHostType>;
#endif
}  // namespace LAMMPS_NS
