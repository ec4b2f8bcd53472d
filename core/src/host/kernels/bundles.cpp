// SPDX-License-Identifier: MIT
// See bundles.hpp.
#include "host/kernels/bundles.hpp"

#include "dpc/math/counts.hpp"
#include "dpc/math/moments.hpp"
#include "dpc/simd.hpp"

namespace dpc::host::DPC_ISA {
namespace {

using simd::DPC_ISA::first_elements;
using simd::DPC_ISA::load_first;
using simd::DPC_ISA::Mask;
using simd::DPC_ISA::Pack;

/// Packs of channels at once: each needs a term for each component, or a weight.
template <int COMPONENTS>
constexpr int kPacksAtOnce = (simd::DPC_ISA::kRegisters == 32 ? 8 : 4) / COMPONENTS;

/// Numbers of a bundle. Of one component the sums of the powers 1 .. ORDER (that of the power 0 is their number), then the
/// coefficients of the gradients, which are sums over channels: of dE/dx those of a polynomial's slope. Of two components both of the
/// first moments, after them sums of all powers times w and the coefficients of phi by the second moments.
template <int COMPONENTS, int ORDER>
constexpr int kNumbers = COMPONENTS == 1 ? ORDER : 2 * ORDER + 1;

/// Sums over the elements of packs are made together, as in the kernels of pairs: those of as many bundles as this many packs hold.
template <int COMPONENTS, int ORDER>
constexpr int kSums = kNumbers<COMPONENTS, ORDER> < 16 ? 16 : 32;
template <int COMPONENTS, int ORDER>
constexpr int kTogether = kSums<COMPONENTS, ORDER> / kNumbers<COMPONENTS, ORDER>;

/// Frequent intervals: of high order they are wide.
template <int ORDER>
constexpr int kFrequent = ORDER == math::kHighOrder ? 1 : 2;

/// Some bundles, of which scratch has the numbers.
struct Tile {
    const BundleKey* key;
    int n;
};

template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION Real* numbers_of(const BundleScratch<Real>& scratch, int bundle) {
    constexpr int sums = kSums<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>, tile = BundleScratch<Real>::kTile;
    static_assert((tile + together - 1) / together * sums <= 2 * tile * BundleScratch<Real>::kNumbers);
    return scratch.numbers + bundle / together * sums + bundle % together * kNumbers<COMPONENTS, ORDER>;
}

/// Tag of arguments (OtherArguments).
DPC_FUNCTION std::int32_t tag_of(int owner, bool is_weighted) { return 2 * owner + (is_weighted ? 1 : 0); }

/// Those of an owner's arguments that count once, or those that count `weight` times.
struct Part {
    int begin, end;
};

DPC_FUNCTION Part part_of(const Owner& owner, bool is_weighted) {
    return is_weighted ? Part{owner.begin_weighted, owner.end} : Part{owner.begin, owner.begin_weighted};
}

template <class Real>
int find_others(const FrequentIntervals<Real>& frequent, const Real* x, const Owner& owner, int number, int n,
                const OtherArguments<Real>& others) {
    using P = Pack<Real>;
    const P first(frequent.knot[0]), last(frequent.knot[2]);
    for (int is_weighted = 0; is_weighted < 2; ++is_weighted) {
        const Part part = part_of(owner, is_weighted != 0);
        const int before = n;
        for (int k = part.begin; k < part.end; k += P::width) {
            const P here = P::load(x + k);
            const Mask<Real> chosen = {first_elements<Real>(part.end - k).bits & ~((here >= first).bits & (here < last).bits)};
            n += store_chosen(chosen, here, k, others.distance + n, others.argument + n);
        }
        for (int k = before; k < n; ++k) {
            others.tag[k] = tag_of(number, is_weighted != 0);
        }
    }
    return n;
}

/// Counts the arguments of each interval, and puts them where those of the intervals before end. Without a branch, since nobody
/// could predict it: an interval is written behind those that were found, and stays if it had no argument before. Owners then lie in
/// their order, and a bundle begins where the key is another one.
template <class Real, int COMPONENTS>
int bundle(const OtherArguments<Real>& others, int n, const Real* w, const BundleScratch<Real>& scratch,
           const BundledArguments<Real>& bundled) {
    int n_found = 0;
    for (int k = 0; k < n; ++k) {
        const std::int32_t interval = others.interval[k], rank = scratch.of_interval[interval];
        scratch.rank[k] = rank;
        scratch.of_interval[interval] = rank + 1;
        scratch.found[n_found] = interval;
        n_found += rank == 0 ? 1 : 0;
    }
    std::int32_t place = 0;
    for (int interval = 0; interval < n_found; ++interval) {
        std::int32_t& of_interval = scratch.of_interval[scratch.found[interval]];
        const std::int32_t here = of_interval;
        of_interval = place;
        place += here;
    }
    for (int k = 0; k < n; ++k) {
        const std::int32_t interval = others.interval[k], argument = others.argument[k];
        const std::int32_t to = scratch.of_interval[interval] + scratch.rank[k];
        scratch.key[to] = {interval, others.tag[k]};
        bundled.argument[to] = argument;
        bundled.distance[to] = others.distance[k];
        if constexpr (COMPONENTS == 2) {
            bundled.w[to] = w[argument];
        }
    }
    for (int interval = 0; interval < n_found; ++interval) {
        scratch.of_interval[scratch.found[interval]] = 0;
    }
    int n_bundles = 0;
    BundleKey last = {-1, -1};
    for (int k = 0; k < n; ++k) {
        const BundleKey key = scratch.key[k];
        bundled.key[n_bundles] = key;
        bundled.begin[n_bundles] = k;
        n_bundles += static_cast<int>(key.interval != last.interval) | static_cast<int>(key.tag != last.tag);
        last = key;
    }
    bundled.begin[n_bundles] = n;
    return n_bundles;
}

template <class Real>
DPC_FUNCTION Real weight_of(const BundleList<Real>& list, BundleKey key) {
    return key.tag % 2 == 0 ? Real(1) : list.weight;
}

template <int COMPONENTS, class Real>
DPC_FUNCTION std::ptrdiff_t moments_of(const PackedTable<Real>& table, const BundleList<Real>& list, BundleKey key) {
    return static_cast<std::ptrdiff_t>(list.owners[key.tag / 2].row) * COMPONENTS * table.stride;
}

template <int ORDER, class Real>
DPC_FUNCTION math::TablePlace<Real> place_of(const PackedTable<Real>& table, BundleKey key, int channel) {
    return {table.coef + key.interval * (static_cast<std::ptrdiff_t>(ORDER + 1) * table.stride), channel, Real(0)};
}

/// sums += the powers of distances t and, of two components, these times w. high: t for powers beyond math::kLowPowers.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void add_powers(Pack<Real> t, Pack<Real> high, Pack<Real> w, Pack<Real>* sums) {
    Pack<Real> power = t;
    sums[0] += power;
    for (int p = 1; p < ORDER; ++p) {
        power = power * (p < math::kLowPowers ? t : high);
        sums[p] += power;
    }
    if constexpr (COMPONENTS == 2) {
        sums[ORDER] += w;
        for (int p = 0; p < ORDER; ++p) {
            w = w * (p < math::kLowPowers ? t : high);
            sums[ORDER + 1 + p] += w;
        }
    }
}

/// Sums of the powers of the distances, and of these times w, of each bundle of a tile, the first of which is number `bundle`.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void sum_powers(const PackedTable<Real>& table, const BundledArguments<Real>& arguments, int bundle, int n,
                             const BundleScratch<Real>& scratch) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>,
                  n_sums = kSums<COMPONENTS, ORDER>;
    const std::int32_t* begin = arguments.begin + bundle;
    for (int first = 0; first < n; first += together) {
        P sum[n_sums];  // (bundle, power)
        for (P& s : sum) {
            s = P(0.0);
        }
        math::for_each_count<together>([&](auto count) {
            constexpr int at = decltype(count)::value * n_numbers;
            const int here = first + decltype(count)::value;
            if (here >= n) {
                return;
            }
            const int end = begin[here + 1];
            for (int k = begin[here]; k < end; k += P::width) {
                const P w = COMPONENTS == 2 ? load_first(arguments.w + k, end - k) : P(0.0);
                const P t = load_first(arguments.distance + k, end - k);
                add_powers<COMPONENTS, ORDER>(t, t, w, sum + at);
            }
        });
        simd::DPC_ISA::sum_elements<n_sums>(sum, scratch.numbers + first / together * n_sums);
    }
    // Continuations are linear, and their distances have no bounds that higher powers could keep.
    for (int here = 0; here < n; ++here) {
        scratch.count[here] = static_cast<Real>(begin[here + 1] - begin[here]);
        if (arguments.key[bundle + here].interval >= static_cast<std::int32_t>(table.grid.n_intervals)) {
            Real* sums = numbers_of<COMPONENTS, ORDER>(scratch, here);
            for (int p = 2; p <= ORDER; ++p) {
                sums[p - 1] = 0;
                if constexpr (COMPONENTS == 2) {
                    sums[ORDER + p] = 0;
                }
            }
        }
    }
}

/// The same of what an owner has in the frequent intervals, which become the bundles from `bundle` on: of packs as they come, what is not
/// in an interval adds 0 to its sums. Weights are in the sums.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void sum_powers_of_frequent(const BundleList<Real>& list, const Owner& owner, int bundle,
                                         const BundleScratch<Real>& scratch) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, n_sums = kSums<COMPONENTS, ORDER>, n_frequent = kFrequent<ORDER>;
    static_assert(n_numbers < n_sums);  // one more: how many there are
    const P knot[3] = {P(list.frequent->knot[0]), P(list.frequent->knot[1]), P(list.frequent->knot[2])};
    const P origin[2] = {P(list.frequent->origin[0]), P(list.frequent->origin[1])}, tiny(list.frequent->tiny);
    P sum[n_frequent][n_sums];
    for (auto& of_one : sum) {
        for (P& s : of_one) {
            s = P(0.0);
        }
    }
    for (int is_weighted = 1; is_weighted >= 0; --is_weighted) {
        const Part part = part_of(owner, is_weighted != 0);
        for (int k = part.begin; k < part.end; k += P::width) {
            const P x = load_first(list.x + k, part.end - k, list.frequent->knot[2]);
            for (int which = 0; which < n_frequent; ++which) {
                auto& own = sum[which];
                const auto is_behind = x >= knot[which], is_before = x < knot[which + 1];
                const auto of_own = [&](P value) { return select(is_behind, select(is_before, value, P(0.0)), P(0.0)); };
                const P w = COMPONENTS == 2 ? of_own(P::load(list.w + k)) : P(0.0);
                const P t = of_own(x - origin[which]), high = n_frequent == 1 ? math::without_tiny(t, tiny) : t;
                add_powers<COMPONENTS, ORDER>(t, high, w, own);
                own[n_numbers] += of_own(P(1.0));
            }
        }
        for (auto& of_one : sum) {
            for (int number = 0; is_weighted != 0 && number <= n_numbers; ++number) {
                of_one[number] = of_one[number] * P(list.weight);
            }
        }
    }
    for (int which = 0; which < n_frequent; ++which) {
        Real sums[n_sums];
        simd::DPC_ISA::sum_elements<n_sums>(sum[which], sums);
        Real* numbers = numbers_of<COMPONENTS, ORDER>(scratch, bundle + which);
        for (int number = 0; number < n_numbers; ++number) {
            numbers[number] = sums[number];
        }
        scratch.count[bundle + which] = sums[n_numbers];
    }
}

/// use(tile, first owner, first after them) for the frequent intervals of some owners after another.
template <int ORDER, class Real, class Use>
DPC_FUNCTION void for_each_tile_of_frequent(const BundleList<Real>& list, const BundleScratch<Real>& scratch, const Use& use) {
    constexpr int n_frequent = kFrequent<ORDER>, most = BundleScratch<Real>::kTile / n_frequent;
    for (int first = 0; first < list.n_owners; first += most) {
        const int end = first + most < list.n_owners ? first + most : list.n_owners;
        for (int owner = first; owner < end; ++owner) {
            for (int which = 0; which < n_frequent; ++which) {
                scratch.key_of_tile[(owner - first) * n_frequent + which] = {list.frequent->first + which, tag_of(owner, false)};
            }
        }
        use(Tile{scratch.key_of_tile, (end - first) * n_frequent}, first, end);
    }
}

/// use(tile, first) for the bundles of the others, from number `first` on.
template <class Real, class Use>
DPC_FUNCTION void for_each_tile_of_others(const BundleList<Real>& list, const Use& use) {
    constexpr int most = BundleScratch<Real>::kTile;
    for (int first = 0; first < list.n_bundles; first += most) {
        use(Tile{list.bundled.key + first, list.n_bundles - first < most ? list.n_bundles - first : most}, first);
    }
}

/// N packs of channels from one on.
template <int COMPONENTS, int ORDER, int N, class Real>
void moments_pass(const PackedTable<Real>& table, int channel, const BundleList<Real>& list, Tile tile,
                  const BundleScratch<Real>& scratch, Real* moments) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>;
    for (int first = 0; first < tile.n; first += together) {
        const Real* of_group = scratch.numbers + first / together * kSums<COMPONENTS, ORDER>;
        math::for_each_count<together>([&](auto count) {
            const int bundle = first + decltype(count)::value;
            if (bundle >= tile.n) {
                return;
            }
            const BundleKey key = tile.key[bundle];
            const math::TablePlace<Real> place = place_of<ORDER>(table, key, channel);
            const Real* sums = of_group + decltype(count)::value * n_numbers;
            const Real n = scratch.count[bundle];
            P term[COMPONENTS][N];
            math::for_each_count<ORDER + 1>([&](auto power) {
                constexpr int p = decltype(power)::value;
                for (int v = 0; v < N; ++v) {
                    const P coefficient = place.template coefficients<ORDER, P>(v)(p);
                    for (int c = 0; c < COMPONENTS; ++c) {
                        const P of_power(c == 1 ? sums[ORDER + p] : p == 0 ? n : sums[p - 1]);
                        term[c][v] = p == 0 ? coefficient * of_power : term[c][v] + coefficient * of_power;
                    }
                }
            });
            const P weight(weight_of(list, key));
            Real* own = moments + moments_of<COMPONENTS>(table, list, key) + channel;
            for (int c = 0; c < COMPONENTS; ++c) {
                for (int v = 0; v < N; ++v) {
                    Real* to = own + c * table.stride + v * P::width;
                    (P::load(to) + weight * term[c][v]).store(to);
                }
            }
        });
    }
}

template <class Real, int COMPONENTS>
void compute_moments(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                     Real* moments) {
    constexpr int width = Pack<Real>::width;
    math::with_order_of_products(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        const auto add = [&](Tile tile) {
            math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
                moments_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, list, tile, scratch, moments);
            });
        };
        for_each_tile_of_frequent<ORDER>(list, scratch, [&](Tile tile, int first, int end) {
            for (int owner = first; owner < end; ++owner) {
                sum_powers_of_frequent<COMPONENTS, ORDER>(list, list.owners[owner], (owner - first) * kFrequent<ORDER>, scratch);
            }
            add(tile);
        });
        for_each_tile_of_others(list, [&](Tile tile, int first) {
            sum_powers<COMPONENTS, ORDER>(table, list.bundled, first, tile.n, scratch);
            add(tile);
        });
    });
}

/// Coefficients of the gradients of each bundle, what N packs of channels add to them.
template <int COMPONENTS, int ORDER, int N, class Real>
void gradients_pass(const PackedTable<Real>& table, int channel, const BundleList<Real>& list, Tile tile,
                    const BundleScratch<Real>& scratch, const Real* moments) {
    using P = Pack<Real>;
    constexpr int n_numbers = kNumbers<COMPONENTS, ORDER>, together = kTogether<COMPONENTS, ORDER>,
                  n_sums = kSums<COMPONENTS, ORDER>;
    for (int first = 0; first < tile.n; first += together) {
        P partial[n_sums];  // (bundle, coefficient)
        for (int unused = together * n_numbers; unused < n_sums; ++unused) {
            partial[unused] = P(0.0);
        }
        math::for_each_count<together>([&](auto count) {
            constexpr int at = decltype(count)::value * n_numbers;
            // In the place of a bundle that is not there the first one once more: nobody reads that.
            const BundleKey key = tile.key[first + decltype(count)::value < tile.n ? first + decltype(count)::value : first];
            const math::TablePlace<Real> place = place_of<ORDER>(table, key, channel);
            const Real* own = moments + moments_of<COMPONENTS>(table, list, key) + channel;
            for (int c = 0; c < COMPONENTS; ++c) {
                P weight[N];
                for (int v = 0; v < N; ++v) {
                    weight[v] = P::load(own + c * table.stride + v * P::width);
                }
                for (int p = 1 - c; p <= ORDER; ++p) {
                    P sum = weight[0] * place.template coefficients<ORDER, P>(0)(p);
                    for (int v = 1; v < N; ++v) {
                        sum += weight[v] * place.template coefficients<ORDER, P>(v)(p);
                    }
                    partial[at + c * ORDER + p - 1 + c] = c == 0 ? sum * P(Real(p)) : sum;
                }
            }
        });
        Real* numbers = scratch.numbers + first / together * n_sums;
        Real sums[n_sums];
        simd::DPC_ISA::sum_elements<n_sums>(partial, channel > 0 ? sums : numbers);
        for (int number = 0; channel > 0 && number < n_sums; number += P::width) {
            (P::load(numbers + number) + P::load(sums + number)).store(numbers + number);
        }
    }
}

/// A polynomial whose coefficients all arguments of a bundle share.
template <int N, class Real>
struct Shared {
    Pack<Real> c[N];
    DPC_FUNCTION explicit Shared(const Real* from) {
        for (int p = 0; p < N; ++p) {
            c[p] = Pack<Real>(from[p]);
        }
    }
    DPC_FUNCTION Pack<Real> operator()(int p) const { return c[p]; }
};

/// The coefficients of one of two bundles by element.
template <int N, class Real>
struct OneOfTwo {
    const Shared<N, Real>&first, &second;
    const Mask<Real> is_second;
    DPC_FUNCTION Pack<Real> operator()(int p) const { return select(is_second, second(p), first(p)); }
};

/// dE/dx and dE/dw at distances t, from coefficients of both.
template <int COMPONENTS, int ORDER, class Real, class Slope, class Second>
DPC_FUNCTION void reverse_pack(Pack<Real> t, const Real* w, Pack<Real> weight, const Slope& slope, const Second& second_of,
                               Real* reverse_x, Real* reverse_w) {
    using P = Pack<Real>;
    const P of_first = math::polynomial<ORDER - 1>(slope, t);
    if constexpr (COMPONENTS == 1) {
        (weight * of_first).store(reverse_x);
    } else {
        P slope_of_second;
        const P second = math::polynomial<ORDER>(second_of, t, slope_of_second);
        (weight * (of_first + P::load(w) * slope_of_second)).store(reverse_x);
        (weight * second).store(reverse_w);
    }
}

/// Of w or dE/dw, which are not there for one component.
template <int COMPONENTS, class T>
DPC_FUNCTION T* of_second(T* of_w, int k) {
    return COMPONENTS == 2 ? of_w + k : nullptr;
}

/// Coefficients of a bundle that multiply w, and behind how many others they lie, where there are any.
template <int COMPONENTS, int ORDER>
constexpr int kSecond = COMPONENTS == 2 ? ORDER + 1 : 1;
template <int COMPONENTS, int ORDER>
constexpr int kBehind = COMPONENTS == 2 ? ORDER : 0;

/// Of all arguments of an owner as if they were in a frequent interval: what that gives for the others, even infinities, is overwritten
/// at the end of reverse_moments.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void reverse_frequent(const BundleList<Real>& list, const Owner& owner, int bundle,
                                   const BundleScratch<Real>& scratch, Real* reverse_x, Real* reverse_w) {
    using P = Pack<Real>;
    constexpr int n_second = kSecond<COMPONENTS, ORDER>, behind = kBehind<COMPONENTS, ORDER>;
    const Real *one = numbers_of<COMPONENTS, ORDER>(scratch, bundle),
               *two = numbers_of<COMPONENTS, ORDER>(scratch, bundle + kFrequent<ORDER> - 1);
    const Shared<ORDER, Real> slope[2] = {Shared<ORDER, Real>(one), Shared<ORDER, Real>(two)};
    const Shared<n_second, Real> second[2] = {Shared<n_second, Real>(one + behind), Shared<n_second, Real>(two + behind)};
    const P knot(list.frequent->knot[1]), origin[2] = {P(list.frequent->origin[0]), P(list.frequent->origin[1])};
    for (int is_weighted = 0; is_weighted < 2; ++is_weighted) {  // what is written behind the first belongs to the second
        const P weight(is_weighted != 0 ? list.weight : Real(1));
        const Part part = part_of(owner, is_weighted != 0);
        for (int k = part.begin; k < part.end; k += P::width) {
            const P x = P::load(list.x + k);
            const auto reverse = [&](P distance, const auto& slope_of_all, const auto& second_of_all) {
                reverse_pack<COMPONENTS, ORDER>(distance, of_second<COMPONENTS>(list.w, k), weight, slope_of_all, second_of_all,
                                                reverse_x + k, of_second<COMPONENTS>(reverse_w, k));
            };
            if constexpr (kFrequent<ORDER> == 1) {
                reverse(x - origin[0], slope[0], second[0]);
            } else {
                const auto is_second = x >= knot;
                reverse(x - select(is_second, origin[1], origin[0]), OneOfTwo<ORDER, Real>{slope[0], slope[1], is_second},
                        OneOfTwo<n_second, Real>{second[0], second[1], is_second});
            }
        }
    }
}

/// Of the others, by place.
template <int COMPONENTS, int ORDER, class Real>
DPC_FUNCTION void reverse_bundle(const BundleList<Real>& list, BundleKey key, const Real* numbers, int begin, int end,
                                 const BundleScratch<Real>& scratch) {
    using P = Pack<Real>;
    const P weight(weight_of(list, key));
    const Shared<ORDER, Real> slope(numbers);
    const Shared<kSecond<COMPONENTS, ORDER>, Real> second(numbers + kBehind<COMPONENTS, ORDER>);
    for (int k = begin; k < end; k += P::width) {
        reverse_pack<COMPONENTS, ORDER>(P::load(list.bundled.distance + k), of_second<COMPONENTS>(list.bundled.w, k), weight,
                                        slope, second, scratch.reverse[0] + k, of_second<COMPONENTS>(scratch.reverse[1], k));
    }
}

template <class Real, int COMPONENTS>
void reverse_moments(const PackedTable<Real>& table, const BundleList<Real>& list, const BundleScratch<Real>& scratch,
                     const Real* moments, Real* reverse_x, Real* reverse_w) {
    constexpr int width = Pack<Real>::width;
    const BundledArguments<Real>& others = list.bundled;
    math::with_order_of_products(table.order, [&](auto order) {
        constexpr int ORDER = decltype(order)::value;
        const auto find_coefficients = [&](Tile tile) {
            math::in_passes<kPacksAtOnce<COMPONENTS>>((table.rank + width - 1) / width, [&](auto count, int first) {
                gradients_pass<COMPONENTS, ORDER, decltype(count)::value>(table, first * width, list, tile, scratch, moments);
            });
        };
        for_each_tile_of_frequent<ORDER>(list, scratch, [&](Tile tile, int first, int end) {
            find_coefficients(tile);
            for (int owner = first; owner < end; ++owner) {
                reverse_frequent<COMPONENTS, ORDER>(list, list.owners[owner], (owner - first) * kFrequent<ORDER>, scratch,
                                                    reverse_x, reverse_w);
            }
        });
        for_each_tile_of_others(list, [&](Tile tile, int first) {
            find_coefficients(tile);
            for (int bundle = 0; bundle < tile.n; ++bundle) {
                reverse_bundle<COMPONENTS, ORDER>(list, tile.key[bundle], numbers_of<COMPONENTS, ORDER>(scratch, bundle),
                                                  others.begin[first + bundle], others.begin[first + bundle + 1], scratch);
            }
        });
    });
    const int n = others.begin[list.n_bundles];
    for (int k = 0; k < n; ++k) {
        const std::int32_t argument = others.argument[k];
        reverse_x[argument] = scratch.reverse[0][k];
        if constexpr (COMPONENTS == 2) {
            reverse_w[argument] = scratch.reverse[1][k];
        }
    }
}

template <class Real>
constexpr BundleKernels<Real> functions() {
    BundleKernels<Real> table{};
    table.find_others = find_others<Real>;
    table.bundle.one = bundle<Real, 1>;
    table.bundle.two = bundle<Real, 2>;
    table.compute_moments.one = compute_moments<Real, 1>;
    table.compute_moments.two = compute_moments<Real, 2>;
    table.reverse_moments.one = reverse_moments<Real, 1>;
    table.reverse_moments.two = reverse_moments<Real, 2>;
    return table;
}

}  // namespace

extern const InBoth<BundleKernels> bundle_kernels;
const InBoth<BundleKernels> bundle_kernels = {functions<double>(), functions<float>()};

}  // namespace dpc::host::DPC_ISA
