// SPDX-License-Identifier: GPL-2.0-only
// Entry of dpcompressed_pair.so: tells LAMMPS which styles there are. Called by the loader once it
// knows that this module fits. (The suffix of `-suffix kk` is part of a style's name for LAMMPS;
// where /kk is absent it takes the style without suffix.)
#include "compute_fparam_dedn.h"
#include "pair_dpcompressed.h"
#include "plugin_abi.hpp"
#ifdef DPC_HAVE_LAMMPS_KOKKOS
#include "pair_dpcompressed_kokkos.h"
#endif

namespace {

using namespace LAMMPS_NS;

struct Style {
    const char* name;
    void* (*create)(void* lammps);
};

template <class PairStyle>
void* create(void* lammps) {
    return static_cast<Pair*>(new PairStyle(static_cast<LAMMPS*>(lammps)));
}

void* create_compute(void* lammps, int narg, char** arg) {
    return static_cast<Compute*>(new ComputeFparamDedn(static_cast<LAMMPS*>(lammps), narg, arg));
}

constexpr Style kStyles[] = {
    {"dpcompressed", &create<PairDPCompressed>},
#ifdef DPC_HAVE_LAMMPS_KOKKOS
    {"dpcompressed/kk", &create<PairDPCompressedKokkos<LMPDeviceType>>},
    {"dpcompressed/kk/device", &create<PairDPCompressedKokkos<LMPDeviceType>>},
    {"dpcompressed/kk/host", &create<PairDPCompressedKokkos<LMPHostType>>},
#endif
};

}  // namespace

/// plugin: version and handle filled in by the loader.
extern "C" __attribute__((visibility("default"))) void dpcompressed_register_styles(lammpsplugin_t* plugin, void* lammps,
                                                                                    lammpsplugin_register register_plugin) {
    for (const Style& style : kStyles) {
        plugin->style = "pair";
        plugin->name = style.name;
        plugin->info = "Deep Potential models from compressed tables";
        plugin->author = "the dpcompressed developers";
        plugin->creator.v1 = style.create;
        register_plugin(plugin, lammps);
    }
    plugin->style = "compute";
    plugin->name = "dpcompressed/fparam/dedn";
    plugin->info = "Derivatives of the energy along the frame parameters";
    plugin->creator.v2 = create_compute;
    register_plugin(plugin, lammps);
}
