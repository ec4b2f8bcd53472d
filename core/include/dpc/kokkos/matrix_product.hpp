// SPDX-License-Identifier: MIT
// y (n_out, lanes) = matrix x (n_in, lanes), tile by tile. The portable kernel keeps a tile of rows times packs of lanes in registers;
// on a GPU with its vendor's library the library does it.
#pragma once

#include <string>

#include <Kokkos_Profiling_ScopedRegion.hpp>

#include "dpc/kokkos/chunk.hpp"
#include "dpc/kokkos/vendor_blas.hpp"
#include "dpc/math/product_tile.hpp"

namespace dpc::kokkos {

template <class ExecSpace, class Real>
struct ProductTile {
    static constexpr int width = Pack<Real>::width;
    static constexpr int n_rows = tile_rows<ExecSpace>, n_packs = kTilePacks;
    DeviceMatrix<Real> matrix;
    TiledRows<Real> x, y;

    /// Rows of a panel times n_packs packs of lanes.
    KOKKOS_INLINE_FUNCTION void operator()(int tile, int panel, int lane) const {
        using P = Pack<Real>;
        P sum[n_rows][n_packs];
        const Real* weights = matrix.panels + static_cast<std::ptrdiff_t>(panel) * n_rows * matrix.n_in;
        math::product_tile<math::NextPanel::left_alone>(matrix.n_in, weights, x.lanes, x.at(tile, 0, lane), sum);
        Real* to = y.at(tile, panel * n_rows, lane);
        for (int row = 0; row < n_rows; ++row) {
            if (panel * n_rows + row < matrix.n_out) {
                for (int v = 0; v < n_packs; ++v) {
                    sum[row][v].store(to + row * y.lanes + v * width);
                }
            }
        }
    }
};

/// A call of the vendor's library, of one chunk.
template <class ExecSpace, class Real, class Library>
struct LibraryProduct {
    std::string label;
    Library* library;
    DeviceMatrix<Real> matrix;
    int lanes;
    const Real* x;
    Real* y;

    static bool join(const LibraryProduct&) { return false; }
    void run(const ExecSpace&) const {
        const Kokkos::Profiling::ScopedRegion region(label);  // what Kokkos' tools see of it
        library->multiply(lanes, matrix.n_out, matrix.n_in, x, matrix.rows, y);
    }
};

template <class ExecSpace, class Real, class Library = VendorBlas<ExecSpace>>
class MatrixProduct {
public:
    explicit MatrixProduct(const ExecSpace& space) : library_(space) {}

    /// tiles: of x and y; their lanes may be several rows of something else.
    void operator()(const std::string& label, Launches<ExecSpace>& launches, const DeviceMatrix<Real>& matrix, const Tiles& tiles,
                    const TiledRows<Real>& x, const TiledRows<Real>& y) {
        if (matrix.n_out == 0) {
            return;
        }
        if constexpr (Library::is_there) {
            if (matrix.n_in > 0) {  // libraries refuse rows of nothing
                launches.add(LibraryProduct<ExecSpace, Real, Library>{label, &library_, matrix, tiles.lanes, x.data, y.data});
                return;
            }
        }
        using Tile = ProductTile<ExecSpace, Real>;
        constexpr int group = is_gpu<ExecSpace> ? 2 : Tile::n_packs * Tile::width;
        for_each_row<group>(label, launches, tiles, (matrix.n_out + Tile::n_rows - 1) / Tile::n_rows, Tile{matrix, x, y});
    }
    std::size_t bytes() const { return library_.bytes(); }
    static const char* name() { return Library::is_there ? Library::name : "portable products"; }

private:
    Library library_;
};

}  // namespace dpc::kokkos
