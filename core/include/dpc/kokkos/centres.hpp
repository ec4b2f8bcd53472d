// SPDX-License-Identifier: MIT
// What is made of a neighbour list, once per rebuild: the centres grouped by type, prefix sums of their listed counts, and a check of
// every index and type. The list itself stays where it is.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dpc/errors.hpp"
#include "dpc/kokkos/device_model.hpp"

namespace dpc::kokkos {

/// The first fault of a list in the order of the centres, all ones: none.
struct ListFault {
    int position = 0x7fffffff;  // of the centre in the list
    int atom = -1;              // out of range, or of a type that is
    int type = -1;              // -1: the index is out of range
};

template <class List, class Types>
struct CheckList {
    using value_type = ListFault;
    List list;
    Types types;
    int n_all, n_types;

    KOKKOS_INLINE_FUNCTION void init(ListFault& fault) const { fault = ListFault{}; }
    KOKKOS_INLINE_FUNCTION void join(ListFault& into, const ListFault& from) const {
        if (from.position < into.position) {
            into = from;
        }
    }
    KOKKOS_INLINE_FUNCTION void look_at(int position, int atom, ListFault& fault) const {
        if (position >= fault.position) {
            return;
        }
        if (atom < 0 || atom >= n_all) {
            fault = {position, atom, -1};
        } else if (types(atom) >= n_types) {
            fault = {position, atom, types(atom)};
        }
    }
    KOKKOS_FUNCTION void operator()(int c, ListFault& fault) const {
        const int i = list.centre(c);
        look_at(c, i, fault);
        if (c < fault.position && i >= 0 && i < n_all) {
            for (int k = 0; k < list.count(i); ++k) {
                look_at(c, list.neighbour(i, k), fault);
            }
        }
    }
};

/// Write the centres of one type in the order of the list, from where those of the types before end.
template <class List, class Types>
struct PlaceCentres {
    List list;
    Types types;
    int type;
    int* to;
    KOKKOS_FUNCTION void operator()(int c, int& at, bool is_final) const {
        const int i = list.centre(c);
        const bool is_of_type = types(i) == type;
        if (is_final && is_of_type) {
            to[at] = i;
        }
        at += is_of_type ? 1 : 0;
    }
};

/// The same of those of the centres from `first` on that are marked.
struct PlaceMarked {
    const int* centres;
    const char* marks;
    int first;
    int* to;
    KOKKOS_FUNCTION void operator()(int c, int& at, bool is_final) const {
        const bool is_marked = marks[first + c] != 0;
        if (is_final && is_marked) {
            to[at] = centres[first + c];
        }
        at += is_marked ? 1 : 0;
    }
};

template <class List>
struct SumSlots {
    List list;
    const int* centres;
    int padding, n_centres;
    std::int64_t* slots;  // (n_centres + 1)
    KOKKOS_FUNCTION void operator()(int c, std::int64_t& at, bool is_final) const {
        if (is_final) {
            slots[c] = at;
        }
        at += c < n_centres ? list.count(centres[c]) + padding : 0;
    }
};

/// Of the chunks between two bounds.
struct MostSlots {
    const int* bounds;
    const std::int64_t* slots;
    KOKKOS_FUNCTION void operator()(int chunk, std::int64_t& most) const {
        most = Kokkos::max(most, slots[bounds[chunk + 1]] - slots[bounds[chunk]]);
    }
};

template <class ExecSpace>
class Centres {
public:
    using Memory = typename ExecSpace::memory_space;
    using TypesView = Kokkos::View<const int*, Memory>;

    /// padding: slots of a centre beyond its listed neighbours. Throws InputError for an index or a type out of range.
    template <class List, class Model>
    void build(const ExecSpace& space, const Model& model, const std::vector<char>& has_energy, int n_all, const TypesView& types,
               const List& list, int padding);

    /// Those of `all` whose marks (by their order there) are not 0. list: the one that `all` was built of.
    template <class List>
    void build_marked(const ExecSpace& space, const Centres& all, const char* marks, const List& list, int padding);

    int n_centres() const { return begin_.empty() ? 0 : begin_.back(); }
    /// Centres of type a: begin(a) .. begin(a + 1) - 1.
    int begin(int a) const { return begin_[static_cast<std::size_t>(a)]; }
    const int* centres() const { return centres_.data(); }
    const std::int64_t* slots() const { return slots_.data(); }
    /// The most slots of any of the chunks that begin at these centres and end where the next one begins.
    std::int64_t most_slots(const ExecSpace& space, const std::vector<int>& bounds);
    std::size_t bytes() const { return (centres_.size() + bounds_.size()) * sizeof(int) + slots_.size() * sizeof(std::int64_t); }

private:
    using Range = Kokkos::RangePolicy<ExecSpace>;

    template <class List>
    void sum_slots(const ExecSpace& space, const List& list, int padding, const std::vector<int>& begin);

    Kokkos::View<int*, Memory> centres_, bounds_;
    Kokkos::View<std::int64_t*, Memory> slots_;
    std::vector<int> begin_;
};

template <class ExecSpace, class List, class Types>
void check_list(const ExecSpace& space, int n_types, int n_all, const Types& types, const List& list) {
    ListFault fault;
    Kokkos::parallel_reduce("dpc::check_list", Kokkos::RangePolicy<ExecSpace>(space, 0, list.n_centres),
                            CheckList<List, Types>{list, types, n_all, n_types}, fault);
    if (fault.atom < 0 && fault.position == ListFault{}.position) {
        return;
    }
    if (fault.type < 0) {
        throw InputError("atom index " + std::to_string(fault.atom) + " in the neighbour list, but there are " +
                         std::to_string(n_all) + " atoms");
    }
    throw InputError(
        "atom type " + std::to_string(fault.type) + ", but the model has " + std::to_string(n_types) + " types, numbered from 0",
        fault.atom);
}

/// An array that is at least this long; contents are lost when it grows.
template <class View, class ExecSpace>
void grow(View& view, const ExecSpace& space, const std::string& label, std::size_t n) {
    if (view.size() < n) {
        view = {};
        view = View(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, label), n);
    }
}

template <class ExecSpace>
template <class List, class Model>
void Centres<ExecSpace>::build(const ExecSpace& space, const Model& model, const std::vector<char>& has_energy, int n_all,
                               const TypesView& types, const List& list, int padding) {
    begin_.clear();
    check_list(space, model.n_types, n_all, types, list);
    grow(centres_, space, "dpc::centres", static_cast<std::size_t>(list.n_centres));
    std::vector<int> begin = {0};
    for (int a = 0; a < model.n_types; ++a) {
        int n = 0;
        if (has_energy[static_cast<std::size_t>(a)]) {
            Kokkos::parallel_scan("dpc::place_centres", Range(space, 0, list.n_centres),
                                  PlaceCentres<List, TypesView>{list, types, a, centres_.data() + begin.back()}, n);
        }
        begin.push_back(begin.back() + n);
    }
    sum_slots(space, list, padding, begin);
}

template <class ExecSpace>
template <class List>
void Centres<ExecSpace>::build_marked(const ExecSpace& space, const Centres& all, const char* marks, const List& list,
                                      int padding) {
    begin_.clear();
    grow(centres_, space, "dpc::centres", static_cast<std::size_t>(all.n_centres()));
    std::vector<int> begin = {0};
    for (std::size_t a = 0; a + 1 < all.begin_.size(); ++a) {
        int n = 0;
        Kokkos::parallel_scan("dpc::place_marked", Range(space, 0, all.begin_[a + 1] - all.begin_[a]),
                              PlaceMarked{all.centres(), marks, all.begin_[a], centres_.data() + begin.back()}, n);
        begin.push_back(begin.back() + n);
    }
    sum_slots(space, list, padding, begin);
}

template <class ExecSpace>
template <class List>
void Centres<ExecSpace>::sum_slots(const ExecSpace& space, const List& list, int padding, const std::vector<int>& begin) {
    grow(slots_, space, "dpc::slots", static_cast<std::size_t>(begin.back()) + 1);
    Kokkos::parallel_scan("dpc::sum_slots", Range(space, 0, begin.back() + 1),
                          SumSlots<List>{list, centres_.data(), padding, begin.back(), slots_.data()});
    begin_ = begin;
}

template <class ExecSpace>
std::int64_t Centres<ExecSpace>::most_slots(const ExecSpace& space, const std::vector<int>& bounds) {
    if (bounds.size() < 2) {
        return 0;
    }
    grow(bounds_, space, "dpc::bounds", bounds.size());
    Kokkos::deep_copy(space, Kokkos::subview(bounds_, std::make_pair(std::size_t(0), bounds.size())),
                      Kokkos::View<const int*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>(bounds.data(), bounds.size()));
    std::int64_t most = 0;
    Kokkos::parallel_reduce("dpc::most_slots", Range(space, 0, static_cast<int>(bounds.size()) - 1),
                            MostSlots{bounds_.data(), slots_.data()}, Kokkos::Max<std::int64_t>(most));
    return most;
}

}  // namespace dpc::kokkos
