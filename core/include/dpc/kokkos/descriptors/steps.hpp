// SPDX-License-Identifier: MIT
// One descriptor's share of a chunk, in kernels: what the kinds in the folders beside this file are made of. A kind is a struct without
// data that has
//     place(places, extent, n_lanes, n_slots, arrays)   its scratch arrays
//     compute(steps, features)                          features (n_features, lanes) from the gathered pairs
//     reverse(steps, features, forces)                  forces and virials; features hold dE/dfeatures
// and stands in kinds.hpp.
#pragma once

#include "dpc/kokkos/array_places.hpp"
#include "dpc/kokkos/descriptors/environment.hpp"
#include "dpc/kokkos/descriptors/forces.hpp"
#include "dpc/kokkos/descriptors/harmonics.hpp"
#include "dpc/kokkos/descriptors/reverse_moments.hpp"
#include "dpc/kokkos/matrix_product.hpp"

namespace dpc::kokkos {

/// Environment and moments of a centre and neighbour type: what the first leaves in memory the second finds in a cache.
template <class Real, int COMPONENTS>
struct ComputePairs {
    ComputeEnvironment<Real, COMPONENTS> environment;
    ComputeMoments<Real, COMPONENTS> moments;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int worker, int b, int k) const {
        environment(group, worker, b, k);
        moments(group, worker, b, k);
    }
};

/// The way back on a GPU, whose atomic additions wait while other groups look up tables. A processor has its forces in the first-level
/// cache longer if it takes one after the other.
template <class ExecSpace, class Real, int COMPONENTS, class Slope, class Output>
struct ReversePairs {
    ReverseMoments<Real, COMPONENTS, Slope> moments;
    ReverseEnvironment<ExecSpace, Real, COMPONENTS, Output> environment;

    template <class Group>
    KOKKOS_FORCEINLINE_FUNCTION void operator()(const Group& group, int worker, int b, int k) const {
        moments(group, worker, b, k);
        environment(group, worker, b, k);
    }
};

template <class ExecSpace, class Real>
struct DescriptorSteps {
    Launches<ExecSpace>& launches;
    const DeviceDescriptor<Real>& descriptor;
    const DescriptorArrays<Real>& arrays;
    MatrixProduct<ExecSpace, Real>& product;
    DescribedChunk<Real> chunk;

    DescriptorSteps(Launches<ExecSpace>& to, const Chunk& common, const DeviceDescriptor<Real>& of,
                    const DescriptorArrays<Real>& with, MatrixProduct<ExecSpace, Real>& multiply)
        : launches(to),
          descriptor(of),
          arrays(with),
          product(multiply),
          chunk{common,
                with.pairs,
                of.type_pairs,
                of.rcut2,
                of.inverse_n_sel,
                of.table_rcut,
                of.n_sel,
                of.padding_moment,
                of.shares_slots ? of.place : -1,
                of.shares_slots && of.rcut2 < common.rcut2} {}

    const Tiles& tiles() const { return chunk.common.tiles; }

    /// Of an environment, without those of higher degree.
    static constexpr int of_environment(int components) { return components > 4 ? 4 : components; }

    /// C (n_moments, COMPONENTS, lanes) from the gathered pairs.
    template <int COMPONENTS>
    void compute_moments(const TiledRows<Real>& moments) const {
        const int n_types = chunk.common.n_types;
        const ComputeEnvironment<Real, of_environment(COMPONENTS)> environment{chunk, descriptor.environment};
        const ComputeMoments<Real, COMPONENTS> compute{chunk, moments};
        if constexpr (COMPONENTS > 4) {
            for_each_segment("dpc::compute_environment", launches, tiles(), n_types, environment);
            for_each_segment<kFewestTeams / 2>("dpc::compute_harmonics", launches, tiles(), 1,
                                               ComputeHarmonics<Real, COMPONENTS>{chunk, descriptor.harmonics});
            for_each_segment<teams_of<Real, COMPONENTS>>("dpc::compute_moments", launches, tiles(), n_types, compute);
        } else {
            for_each_segment<teams_of<Real, COMPONENTS>>("dpc::compute_pairs", launches, tiles(), n_types,
                                                         ComputePairs<Real, COMPONENTS>{environment, compute});
        }
    }

    /// Forces and virials from dE/dC.
    template <int COMPONENTS, class Output>
    void reverse_moments(const TiledRows<Real>& gradient, const ForceSums<Output>& forces) const {
        if constexpr (COMPONENTS > 4) {
            reverse_pairs<COMPONENTS, math::EnvironmentSlope<Real>>(gradient, forces);  // one kernel for both
        } else if constexpr (COMPONENTS > 1) {
            if (chunk.table_rcut > 0) {
                reverse_pairs<COMPONENTS, math::EnvironmentSlope<Real>>(gradient, forces);
            } else {
                reverse_pairs<COMPONENTS, math::EnvironmentIsArgument>(gradient, forces);
            }
        } else {
            reverse_pairs<COMPONENTS, math::EnvironmentIsArgument>(gradient, forces);
        }
    }

    /// From dE/dR.
    template <int COMPONENTS, class Output>
    void reverse_environment(const ForceSums<Output>& forces) const {
        for_each_segment<kFewestTeams - 1>("dpc::reverse_environment", launches, tiles(), force_segments<ExecSpace>(chunk.common),
                                           ReverseEnvironment<ExecSpace, Real, COMPONENTS, Output>{chunk, forces});
    }

private:
    template <int COMPONENTS, class Slope, class Output>
    void reverse_pairs(const TiledRows<Real>& gradient, const ForceSums<Output>& forces) const {
        constexpr int components = of_environment(COMPONENTS);
        const ReverseMoments<Real, COMPONENTS, Slope> reverse{chunk, gradient};
        if constexpr (is_gpu<ExecSpace> && components == COMPONENTS) {
            for_each_segment<teams_of<Real, COMPONENTS>>(
                "dpc::reverse_pairs", launches, tiles(), chunk.common.n_types,
                ReversePairs<ExecSpace, Real, COMPONENTS, Slope, Output>{reverse, {chunk, forces}});
        } else {
            for_each_segment<teams_of<Real, COMPONENTS>>("dpc::reverse_moments", launches, tiles(), chunk.common.n_types,
                                                         reverse);
            if constexpr (components < COMPONENTS) {
                for_each_segment<kFewestTeams / 2>("dpc::reverse_harmonics", launches, tiles(), 1,
                                                   ReverseHarmonics<Real, COMPONENTS>{chunk, descriptor.harmonics});
            }
            reverse_environment<components>(forces);
        }
    }
};

/// Arrays of some components, as far apart as one is large: the first four are named.
template <class Real>
void place_components(ArrayPlaces& places, int n_components, std::size_t n_slots, Real* (&arrays)[4]) {
    for (int c = 0; c < n_components; ++c) {
        Real* behind = nullptr;
        places.add(n_slots, {c < 4 ? &arrays[c] : &behind});
    }
}

/// Arrays for the steps above.
template <int COMPONENTS, class Real>
void place_pairs(ArrayPlaces& places, const DescriptorExtent& extent, std::size_t n_slots, PairArrays<Real>& pairs) {
    places.add(n_slots, {&pairs.interval});
    places.add(n_slots, {&pairs.dx_over_r});
    places.add(n_slots, {&pairs.distance});
    if constexpr (COMPONENTS > 1) {
        places.add(n_slots, {&pairs.h, &pairs.dh_over_r});
        place_components(places, COMPONENTS, n_slots, pairs.environment);
        places.add(extent.looks_up_distance || COMPONENTS > 4 ? n_slots : 0, {&pairs.environment_slope});
    }
    place_components(places, COMPONENTS, n_slots, pairs.reverse_environment);
}

}  // namespace dpc::kokkos
