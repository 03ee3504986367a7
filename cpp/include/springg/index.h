// SPDX-License-Identifier: MIT
// Index: a named set of vectors with one dimension and one metric. Every call is atomic: all rows
// of it or none. Any method may be called from any thread; readers never wait for writers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "springg/options.h"
#include "springg/progress.h"
#include "springg/status.h"
#include "springg/types.h"

namespace springg {

// Hits of one or many queries. Query i has counts[i] hits; their ids, metadata and vectors lie one
// after another in query order; distances and scores are n x k with NaN after the last hit.
struct SearchResult {
  std::size_t queries = 0;
  std::size_t k = 0;                       // columns of distances and scores
  std::vector<std::uint32_t> counts;       // queries
  std::vector<float> distances;            // queries x k, lower is better
  std::vector<float> scores;               // queries x k, higher is better
  IdColumn ids;                            // sum(counts)
  std::optional<MetadataColumn> metadata;  // sum(counts), when included
  std::vector<float> vectors;              // sum(counts) x dimensions, when included
  std::vector<std::byte> byte_vectors;     // in their place where the dtype is one of bytes
  std::uint64_t distances_computed = 0;    // over all queries, scans included
};

// Records in the order asked for. `found[i]` says whether id i exists; columns have one entry for
// each found id, in order.
struct RecordBatch {
  std::vector<std::uint8_t> found;
  IdColumn ids;
  std::optional<MetadataColumn> metadata;
  std::vector<float> vectors;  // found x dimensions, of an index of float32 or float16
  // In their place of kInt8, kUint8 and kBinary: found x vector_bytes(), as they are stored.
  std::vector<std::byte> byte_vectors;
};

// A zero-copy block of rows: `data` stays valid as long as `owner` lives, whatever happens to the
// index or the database. When the file behind it is truncated or the disk fails, what cannot be
// read shows zeros, and only IndexView::check() tells.
struct VectorBlock {
  const void* data = nullptr;  // rows x vector_bytes(), tightly packed
  std::size_t rows = 0;
  std::size_t dimensions = 0;
  ScalarType dtype = ScalarType::kFloat32;
  std::shared_ptr<const void> owner;
};

// A pinned state of an index. Live rows have positions 0..rows()-1 in insertion order; positions
// past the end are left out. Immutable; any thread. Holding one keeps the files and memory of its
// rows.
//
// Cost: making one counts the deleted rows, a bit for every row of the parts that have any. To find
// a position takes O(log rows) and 512 B of those bits at most, so a scan in batches of any size
// reads each row once; deleted rows among those returned are passed over 64 at a time.
//
// Errors: what allocates here returns no Result and throws std::bad_alloc or std::length_error when
// memory runs out. The view stays as it was. In Python it is ResourceExhausted as everywhere.
class IndexView {
 public:
  virtual ~IndexView() = default;
  virtual std::size_t rows() const = 0;
  // Ids of positions [begin, end). O(end - begin). Allocates.
  virtual IdColumn ids(std::size_t begin, std::size_t end) const = 0;
  // Every record of [begin, end); found is all ones. Linear in what it returns. Allocates.
  virtual RecordBatch records(std::size_t begin, std::size_t end, Include include) const = 0;
  // The rows as one block when they are one segment without deleted rows; else none.
  virtual std::optional<VectorBlock> vector_block() const = 0;
  // Copies every live vector, in the index's dtype, to `out` (rows() x vector_bytes(), packed).
  // Allocates nothing.
  virtual void copy_vectors(void* out) const = 0;
  // As Index::search() in this state; a filter's mask is over positions. kFailedPrecondition as
  // check_open(); the other errors are those of Index::search(), and nothing is thrown.
  virtual Result<SearchResult> search(const MatrixView& queries, const SearchOptions& options,
                                      Progress* progress) const = 0;
  // Call it after the reads above and before what they returned is believed: kCorruption names the
  // file of rows that cannot be read any more, because it was truncated or the disk failed; zeros
  // were read in their place. A few loads for each segment.
  virtual Status check() const = 0;
  // kFailedPrecondition when the database is closed, or this is a forked child of the process that
  // opened it. The reads above work on all the same.
  virtual Status check_open() const = 0;
};

enum class SearchPath : std::uint8_t {
  kScan,     // every row is measured
  kVectors,  // a graph is walked, rows are compared by their vectors
  kCodes     // a graph is walked on codes, the best are ranked on their vectors
};

// How a search goes through one part, with k = 10 and all else by default.
struct PartExplanation {
  bool segment = false;    // else a memtable
  std::uint64_t rows = 0;  // live
  SearchPath path = SearchPath::kScan;
  std::size_t ef = 0;                 // of its walk; 0 of a scan
  std::optional<Quantization> codes;  // none: it has none
  std::string why;                    // it has none, or others than asked for; else empty
  // What the calibration of the segment measured where it was asked for the recall; none: there is
  // no calibration, or ef was not chosen by it.
  std::optional<double> reached;
};
struct SearchExplanation {
  double recall = 0;                   // that ef=None is to have
  std::size_t ef = 0;                  // what it comes to, for all parts together
  std::optional<SearchTuning> tuning;  // none: tune() chose nothing
  std::vector<PartExplanation> parts;
};

struct IndexStats {
  std::uint64_t rows = 0;          // live
  std::uint64_t deleted_rows = 0;  // still held until compaction
  std::uint64_t segments = 0;
  std::uint64_t memtable_rows = 0;   // live and deleted rows not yet in a segment
  std::uint64_t unindexed_rows = 0;  // rows that no graph covers yet (scanned exactly)
  // The background has nothing left to do here: no graph to extend, no memtable to make a segment
  // of, no segments to merge. What it made may still be on its way to the disk.
  bool settled = true;
  std::uint64_t last_sequence = 0;
  std::uint64_t lsn = 0;  // readers see all writes up to this position; 0 in memory alone
  // Bytes held for this index, in memory or mapped.
  std::uint64_t vector_bytes = 0;
  std::uint64_t graph_bytes = 0;
  std::uint64_t code_bytes = 0;
  std::uint64_t id_bytes = 0;
  std::uint64_t metadata_bytes = 0;
  std::uint64_t other_bytes = 0;  // norms, sequences, tombstones, tables
  // First error of background work since the last call that reported it; empty when none.
  std::string background_error;
  // Why the index takes no writes: a part of the log with rows of it is damaged, and what came
  // after that is not in it. Empty when it takes them.
  std::string read_only;
  SearchExplanation search;
};

// Beside the errors that a method names, each returns kFailedPrecondition when the index was
// dropped, the database is closed, this is a forked child of the process that opened it, or
// `progress` stopped the call; kResourceExhausted when memory itself is short; and kCorruption when
// the file of rows that it read was truncated, or the disk failed, since the database was opened.
class Index {
 public:
  virtual ~Index() = default;

  virtual std::string name() const = 0;  // throws std::bad_alloc, as it has no other way
  virtual const IndexOptions& options() const = 0;
  virtual Result<std::size_t> rows() const = 0;
  virtual Result<bool> contains(const IdView& id) const = 0;

  // The four calls that write return when the log has what they wrote, as durable as asked
  // (`durability`; none: the database's), and readers see it from then on. kIoError then means that
  // the disk failed: whether the rows are there shows when the database is opened again, and this
  // one takes no more writes. kResourceExhausted: a full disk; nothing was written, and writes go
  // on when there is space again.
  //
  // Stores new rows. kAlreadyExists names the first id that exists or comes twice in the call;
  // kDimensionMismatch; kInvalidArgument names the row that is not finite or that the index's dtype
  // cannot hold, rows of another type than float32 or that dtype, an id that is empty or
  // too long, or metadata that is no JSON object or over a limit. `metadata` may be null; else one
  // entry a row. One copy of the vectors is made, and validated. Returns the rows added.
  // A call of more than kMemtableRowsMax rows builds a segment, graph included, before it returns.
  virtual Result<std::size_t> add(const IdColumn& ids, const MatrixView& vectors,
                                  const MetadataColumn* metadata, Progress* progress,
                                  std::optional<Durability> durability = {}) = 0;
  // Inserts or replaces whole rows (no metadata given: none afterwards); the last of equal ids in
  // one call wins. Returns the number of distinct ids stored.
  virtual Result<std::size_t> upsert(const IdColumn& ids, const MatrixView& vectors,
                                     const MetadataColumn* metadata, Progress* progress,
                                     std::optional<Durability> durability = {}) = 0;
  // Replaces what is given of existing rows; null leaves it. kNotFound names the first unknown id.
  // A new vector makes the row count as inserted now; metadata alone keeps the row where it is.
  virtual Result<std::size_t> update(const IdColumn& ids, const MatrixView* vectors,
                                     const MetadataColumn* metadata, Progress* progress,
                                     std::optional<Durability> durability = {}) = 0;
  // Returns how many existed; unknown and repeated ids are passed over.
  virtual Result<std::size_t> remove(const IdColumn& ids,
                                     std::optional<Durability> durability = {}) = 0;
  // Deletes every row, on disk too: one manifest is published. On an error nothing is deleted.
  virtual Status clear() = 0;

  // O(ids), each found through a hash table of each part; vectors are copied, halves made float32.
  virtual Result<RecordBatch> get(const IdColumn& ids, Include include) const = 0;
  // Nearest rows of each query. `progress` (may be null) is only for stopping a long batch.
  // kInvalidArgument: k, ef or rerank out of range, an element that is not finite (names query and
  // element), a mask of another length, a mask beside ids. kDimensionMismatch.
  // Cost of a query, on the caller's thread: at most about ef * 2m distances in one graph. Several
  // share ef out by their rows; two to three times as many then, and at least k * 2m in each. And
  // one for each row that no graph covers yet. `exact` and k above kGraphSearchKMax measure every
  // live (and matching) row, and so does a filter that lets few through: where k rows match, k are
  // found. Batches, and large scans that were asked for, take options.threads.
  virtual Result<SearchResult> search(const MatrixView& queries, const SearchOptions& options,
                                      Progress* progress) const = 0;
  // The state of this moment, pinned; copies no row. What it costs stands at IndexView.
  virtual Result<std::shared_ptr<const IndexView>> view() const = 0;

  // Memtable and segments become one segment without deleted rows. When the first part is a segment
  // with a graph and half of its rows are live, that graph is taken over and the rows of the others
  // are inserted; else a graph is built from nothing. Searches and writes go on meanwhile; rows
  // written meanwhile stay outside. `progress` counts each stage anew. On an error, or when
  // `progress` (may be null) stops it, the index is as it was. kResourceExhausted: more
  // than kSegmentRowsMax rows. Cost: at most a build of all rows on the database's threads, and the
  // memory of old and new rows until it ends (no memory limit refuses it); nothing for one clean
  // segment.
  virtual Status optimize(Progress* progress) = 0;
  // Chooses what searches without an ef do from now on, in views of then too, and keeps it durably;
  // `recall` none: the default again, which is a recall of .95. Without `queries` (null) the recall
  // is kept: each search asks the calibrations of the segments that there are then, of their own
  // rows and with a margin, since queries may be less like the rows. With them, after waiting as
  // wait_indexed(), an ef is: the least (to a 32nd) with which they find that share of what exact
  // searches find, over the whole index as it is now. Where no ef has the recall, the least that
  // was tried of those that found most is kept; `reached` says so. An index without a graph, whose
  // rows are all scanned, needs no measuring: as without queries.
  // kInvalidArgument: recall or k (1..kGraphSearchKMax) out of range, no queries, queries without a
  // recall, or as search(); kIoError as clear(). On any error nothing has changed. `progress`
  // counts the queries of each search anew. Cost of queries: an exact search and about ten others
  // of them all, on the database's threads; without, nothing.
  virtual Result<SearchTuning> tune(const MatrixView* queries, std::optional<double> recall,
                                    std::size_t k, Progress* progress) = 0;
  // Waits until a graph covers every row that was acknowledged before the call, and builds what is
  // missing on the database's threads. Parts too small for a graph count as covered. Writes nothing
  // to disk.
  virtual Status wait_indexed() = 0;
  // O(parts). Takes the background error with it: the next call does not report it again.
  virtual Result<IndexStats> stats() const = 0;
};

}  // namespace springg
