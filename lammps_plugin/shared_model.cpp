// SPDX-License-Identifier: GPL-2.0-only
// One rank reads, all ranks parse; see shared_model.hpp.
#include "shared_model.hpp"

#include <algorithm>
#include <vector>

#include "dpc/errors.hpp"

namespace dpcompressed {
namespace {

constexpr long long kChunk = 1LL << 30;  // bytes in one broadcast: MPI counts are ints

void broadcast(char* data, long long size, MPI_Comm world) {
    for (long long done = 0; done < size; done += kChunk) {
        MPI_Bcast(data + done, static_cast<int>(std::min(kChunk, size - done)), MPI_BYTE, 0, world);
    }
}

/// Contents of `bytes` on rank 0, on every rank.
template <class Bytes>
void share(Bytes& bytes, MPI_Comm world) {
    long long size = static_cast<long long>(bytes.size());
    MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, world);
    bytes.resize(static_cast<std::size_t>(size));
    broadcast(reinterpret_cast<char*>(bytes.data()), size, world);
}

}  // namespace

std::shared_ptr<const dpc::Model> read_model(const std::string& path, MPI_Comm world) {
    int rank = 0;
    MPI_Comm_rank(world, &rank);
    std::vector<unsigned char> bytes;
    std::string problem;
    if (rank == 0) {
        try {
            bytes = dpc::read_file(path);
        } catch (const dpc::FormatError& e) {
            problem = e.what();
        }
    }
    share(problem, world);
    if (!problem.empty()) {
        throw dpc::FormatError(problem);
    }
    share(bytes, world);
    try {
        return dpc::Model::from_bytes(bytes.data(), bytes.size());
    } catch (const dpc::FormatError& e) {
        throw dpc::FormatError(path + ": " + e.what());
    } catch (const dpc::ModelError& e) {
        throw dpc::ModelError(path + ": " + e.what());
    }
}

}  // namespace dpcompressed
