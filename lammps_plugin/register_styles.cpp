// SPDX-License-Identifier: GPL-2.0-only
// Entry of dpcompressed_pair.so: tells LAMMPS which styles there are. Called by the loader once it
// knows that this module fits.
#include "pair_dpcompressed.h"
#include "plugin_abi.hpp"

namespace {

void* create_pair(void* lammps) {
    return static_cast<LAMMPS_NS::Pair*>(
        new LAMMPS_NS::PairDPCompressed(static_cast<LAMMPS_NS::LAMMPS*>(lammps)));
}

}  // namespace

/// plugin: version and handle filled in by the loader.
extern "C" __attribute__((visibility("default"))) void dpcompressed_register_styles(
    lammpsplugin_t* plugin, void* lammps, lammpsplugin_register register_plugin) {
    plugin->style = "pair";
    plugin->name = "dpcompressed";
    plugin->info = "Deep Potential models from compressed tables";
    plugin->author = "the dpcompressed developers";
    plugin->creator.v1 = &create_pair;
    register_plugin(plugin, lammps);
}
