// SPDX-License-Identifier: MIT
// A program whose evaluators are static objects: they are destroyed after Kokkos has ended, in whatever order. Ends with 0 if that
// does no harm.
#include <algorithm>
#include <cstdio>

#include "kokkos_test.hpp"

namespace {

struct Holder {
    std::unique_ptr<dpc::Evaluator> evaluator;
};

Holder made_before_kokkos;  // destroyed after it has ended

dpc::Totals use(const std::unique_ptr<dpc::Evaluator>& evaluator) {
    const dpc::test::OpenSystem system(40);
    evaluator->set_neighbours(system.n_atoms(), system.types.data(), system.list());
    dpc::test::Step step;
    step.compute(*evaluator, system.x);
    return step.totals;
}

}  // namespace

int main() {
    dpc::EvaluatorOptions options;
    const std::vector<dpc::Backend> backends = dpc::available_backends();
    const bool has_gpu = std::find(backends.begin(), backends.end(), dpc::Backend::gpu) != backends.end();
    options.backend = has_gpu ? dpc::Backend::gpu : backends.back();
    options.n_threads = 2;
    const auto model = dpc::test::load(dpc::test::small_model());
    made_before_kokkos.evaluator = std::make_unique<dpc::Evaluator>(model, options);
    static Holder made_after_kokkos;
    made_after_kokkos.evaluator = std::make_unique<dpc::Evaluator>(model, options);
    const double a = use(made_before_kokkos.evaluator).energy, b = use(made_after_kokkos.evaluator).energy;
    std::printf("%s: %.17g %.17g\n", made_before_kokkos.evaluator->describe().c_str(), a, b);
    return a == b ? 0 : 1;
}
