// SPDX-License-Identifier: MIT
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <new>
#include <stdexcept>
#include <string>

#include "arguments.h"
#include "documents.h"
#include "errors.h"
#include "handles.h"
#include "ids.h"
#include "numpy_views.h"
#include "progress.h"
#include "results.h"

namespace springg::bindings {

namespace {

void check_count(const Ids& ids, std::size_t count, const char* what) {
  if (ids.column.size() == count) return;
  raise(invalid_argument("number of ids and " + std::string(what) + " differ: expected " +
                         std::to_string(ids.column.size()) + " " + what + ", got " +
                         std::to_string(count))
            .with("expected", static_cast<std::int64_t>(ids.column.size()))
            .with("actual", static_cast<std::int64_t>(count)));
}

void check_counts(const Ids& ids, const MatrixView* vectors, const MetadataColumn* documents) {
  if (vectors != nullptr) check_count(ids, vectors->rows, "vectors");
  if (documents != nullptr) check_count(ids, documents->size(), "metadata");
}

// None: the database's.
std::optional<Durability> durability_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return take(parse_durability(*text));
}

using Write = Result<std::size_t> (Index::*)(const IdColumn&, const MatrixView&,
                                             const MetadataColumn*, Progress*,
                                             std::optional<Durability>);

// add and upsert differ in the engine alone.
template <Write write>
std::size_t write_rows(IndexHandle& self, const Ids& ids, const py::array& vectors,
                       const MetadataColumn* documents,
                       const std::optional<std::string>& durability, const py::object& progress) {
  const auto level = durability_of(durability);
  const MatrixView view = matrix_of(vectors, form_of(self.index->options()));
  check_counts(ids, &view, documents);
  CallProgress call(progress);
  const std::size_t total = ids.column.size();
  if (!progress.is_none() && !call.tell(0, total)) call.rethrow();
  const std::size_t rows = with_progress(call, [&](Progress* p) {
    return ((*self.index).*write)(ids.column, view, documents, p, level);
  });
  if (!progress.is_none()) CallProgress::tell_end(progress, total);
  return rows;
}

std::size_t update_rows(IndexHandle& self, const Ids& ids, const py::object& vectors,
                        const MetadataColumn* documents,
                        const std::optional<std::string>& durability) {
  const auto level = durability_of(durability);
  std::optional<MatrixView> view;
  if (!vectors.is_none())
    view = matrix_of(vectors.cast<py::array>(), form_of(self.index->options()));
  const MatrixView* given = view ? &*view : nullptr;
  check_counts(ids, given, documents);
  CallProgress call{py::none()};
  return with_progress(call, [&](Progress* p) {
    return self.index->update(ids.column, given, documents, p, level);
  });
}

// (found: bytes, ids, documents or None, vectors or None) of a batch of records.
py::tuple python_records(RecordBatch&& batch, Include include, const VectorForm& form) {
  const std::size_t rows = batch.ids.size();
  py::object documents = py::none();
  if (include.metadata && batch.metadata) documents = python_documents(*batch.metadata, 0, rows);
  py::object vectors = py::none();
  if (include.vectors) {
    vectors = array_of_rows(std::move(batch.vectors), std::move(batch.byte_vectors), rows, form);
  }
  const py::bytes found(reinterpret_cast<const char*>(batch.found.data()), batch.found.size());
  return py::make_tuple(found, python_ids(batch.ids, 0, rows), std::move(documents),
                        std::move(vectors));
}

template <class T>
py::object or_none(const std::optional<T>& value) {
  return value.has_value() ? py::cast(*value) : py::object(py::none());
}

// What makes a TuneReport.
py::dict python_tuning(const SearchTuning& tuning) {
  py::dict facts;
  facts["recall"] = tuning.recall;
  facts["reached"] = or_none(tuning.reached);
  facts["ef"] = tuning.ef;
  facts["k"] = tuning.k;
  facts["queries"] = tuning.queries;
  return facts;
}

const char* name_of(SearchPath path) {
  switch (path) {
    case SearchPath::kScan: return "scan";
    case SearchPath::kVectors: return "graph on vectors";
    case SearchPath::kCodes: break;
  }
  return "graph on codes";
}

py::dict python_explanation(const SearchExplanation& search) {
  py::list parts;
  for (const PartExplanation& part : search.parts) {
    py::dict facts;
    facts["kind"] = part.segment ? "segment" : "memtable";
    facts["rows"] = part.rows;
    facts["path"] = name_of(part.path);
    facts["ef"] = part.path == SearchPath::kScan ? py::object(py::none()) : py::cast(part.ef);
    facts["codes"] = part.codes ? py::cast(to_string(*part.codes)) : py::object(py::none());
    facts["why"] = part.why.empty() ? py::object(py::none()) : py::object(text_of(part.why));
    facts["reached"] = or_none(part.reached);
    parts.append(std::move(facts));
  }
  py::dict facts;
  facts["recall"] = search.recall;
  facts["ef"] = search.ef;
  facts["tuned"] =
      search.tuning ? py::object(python_tuning(*search.tuning)) : py::object(py::none());
  facts["parts"] = std::move(parts);
  return facts;
}

py::dict tune_index(IndexHandle& self, const py::object& queries, const py::object& recall,
                    const py::object& k, const py::object& progress) {
  std::optional<double> share;
  if (!recall.is_none()) share = real_of(recall, "recall");
  const auto nearest = static_cast<std::size_t>(unsigned_of(k, "k", limits::kGraphSearchKMax, 1));
  std::optional<MatrixView> view;
  if (!queries.is_none()) {
    view = matrix_of(queries.cast<py::array>(), form_of(self.index->options()));
  }
  CallProgress call(progress);
  return python_tuning(with_progress(call, [&](Progress* p) {
    return self.index->tune(view ? &*view : nullptr, share, nearest, p);
  }));
}

py::dict python_stats(const IndexStats& stats) {
  py::dict bytes;
  bytes["vectors"] = stats.vector_bytes;
  bytes["graph"] = stats.graph_bytes;
  bytes["codes"] = stats.code_bytes;
  bytes["metadata"] = stats.metadata_bytes;
  bytes["ids"] = stats.id_bytes;
  bytes["other"] = stats.other_bytes;
  bytes["total"] = stats.vector_bytes + stats.graph_bytes + stats.code_bytes +
                   stats.metadata_bytes + stats.id_bytes + stats.other_bytes;
  py::dict facts;
  facts["rows"] = stats.rows;
  facts["deleted"] = stats.deleted_rows;
  facts["segments"] = stats.segments;
  facts["memtable_rows"] = stats.memtable_rows;
  facts["unindexed_rows"] = stats.unindexed_rows;
  facts["settled"] = stats.settled;
  facts["last_sequence"] = stats.last_sequence;
  facts["lsn"] = stats.lsn;
  facts["bytes"] = bytes;
  facts["search"] = python_explanation(stats.search);
  facts["read_only"] =
      stats.read_only.empty() ? py::object(py::none()) : py::object(text_of(stats.read_only));
  facts["background_error"] = stats.background_error.empty()
                                  ? py::object(py::none())
                                  : py::object(text_of(stats.background_error));
  return facts;
}

// Reads a view without the GIL. Its methods return no Result: what they throw for want of memory
// becomes the error that it is everywhere else, and so does a file that could not be read.
template <class Read>
auto read_view(const ViewHandle& self, Read&& read) {
  Status status = resource_exhausted("out of memory");
  try {
    const py::gil_scoped_release release;
    auto answer = read(*self.view);
    status = self.view->check();
    if (status.ok()) return answer;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  // After the handlers: the exception is freed and the GIL held again.
  raise(status);
}

py::array python_vectors(const ViewHandle& self, const py::object& dtype, std::size_t width) {
  const IndexView& view = *self.view;
  if (auto block = view.vector_block()) {
    check(view.check());
    return array_over(std::move(*block));
  }
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(view.rows()),
                                       static_cast<py::ssize_t>(width)};
  py::array copy(py::dtype::from_args(dtype), shape);
  void* out = copy.mutable_data();
  read_view(self, [&](const IndexView& pinned) {
    pinned.copy_vectors(out);
    return true;
  });
  forbid_writing(copy);
  return copy;
}

void bind_view(py::module_& module) {
  py::class_<ViewHandle>(module, "IndexView", plain_class(), "A pinned state of an index.")
      .def("__len__", [](const ViewHandle& self) { return self.view->rows(); })
      .def(
          "ids",
          [](const ViewHandle& self, std::size_t begin, std::size_t end) {
            const IdColumn ids =
                read_view(self, [&](const IndexView& view) { return view.ids(begin, end); });
            return python_ids(ids, 0, ids.size());
          },
          py::arg("begin"), py::arg("end"))
      .def(
          "records",
          [](const ViewHandle& self, std::size_t begin, std::size_t end, unsigned include) {
            RecordBatch batch = read_view(self, [&](const IndexView& view) {
              return view.records(begin, end, include_of(include));
            });
            return python_records(std::move(batch), include_of(include), self.form);
          },
          py::arg("begin"), py::arg("end"), py::arg("include"))
      .def("vectors", &python_vectors, py::arg("dtype"), py::arg("width"))
      .def("check_open", [](const ViewHandle& self) { check(self.view->check_open()); });
}

void bind_settings(py::class_<IndexHandle>& index) {
  index.def_property_readonly("name", [](const IndexHandle& self) { return self.index->name(); })
      .def_property_readonly(
          "dimensions", [](const IndexHandle& self) { return self.index->options().dimensions; })
      .def_property_readonly(
          "metric", [](const IndexHandle& self) { return to_string(self.index->options().metric); })
      .def_property_readonly(
          "dtype", [](const IndexHandle& self) { return to_string(self.index->options().dtype); })
      .def_property_readonly(
          "quantization",
          [](const IndexHandle& self) { return to_string(self.index->options().quantization); })
      .def_property_readonly("m", [](const IndexHandle& self) { return self.index->options().m; })
      .def_property_readonly("ef_construction", [](const IndexHandle& self) {
        return self.index->options().ef_construction;
      });
}

}  // namespace

void bind_index(py::module_& module) {
  bind_view(module);
  py::class_<IndexHandle> index(module, "Index", plain_class(), "A named set of vectors.");
  bind_settings(index);
  index
      .def("__len__",
           [](const IndexHandle& self) { return without_gil([&] { return self.index->rows(); }); })
      .def(
          "contains",
          [](const IndexHandle& self, const Ids& id) {
            return without_gil([&] { return self.index->contains(id.column[0]); });
          },
          py::arg("key"))
      .def("add", &write_rows<&Index::add>, py::arg("ids"), py::arg("vectors"),
           py::arg("documents").none(true), py::arg("durability").none(true), py::arg("progress"))
      .def("upsert", &write_rows<&Index::upsert>, py::arg("ids"), py::arg("vectors"),
           py::arg("documents").none(true), py::arg("durability").none(true), py::arg("progress"))
      .def("update", &update_rows, py::arg("ids"), py::arg("vectors"),
           py::arg("documents").none(true), py::arg("durability").none(true))
      .def(
          "remove",
          [](IndexHandle& self, const Ids& ids, const std::optional<std::string>& durability) {
            const auto level = durability_of(durability);
            return without_gil([&] { return self.index->remove(ids.column, level); });
          },
          py::arg("ids"), py::arg("durability").none(true))
      .def("clear", [](IndexHandle& self) { without_gil([&] { return self.index->clear(); }); })
      .def(
          "get",
          [](const IndexHandle& self, const Ids& ids, unsigned include) {
            return python_records(
                without_gil([&] { return self.index->get(ids.column, include_of(include)); }),
                include_of(include), form_of(self.index->options()));
          },
          py::arg("ids"), py::arg("include"))
      .def("view",
           [](const IndexHandle& self) {
             return ViewHandle{
                 Held<const IndexView>(without_gil([&] { return self.index->view(); })),
                 form_of(self.index->options())};
           })
      .def(
          "optimize",
          [](IndexHandle& self, const py::object& progress) {
            CallProgress call(progress);
            with_progress(call, [&](Progress* p) { return self.index->optimize(p); });
          },
          py::arg("progress"))
      .def("tune", &tune_index, py::arg("queries").none(true), py::arg("recall").none(true),
           py::arg("k"), py::arg("progress"))
      .def("wait_indexed",
           [](IndexHandle& self) { without_gil([&] { return self.index->wait_indexed(); }); })
      .def("stats", [](const IndexHandle& self) {
        return python_stats(without_gil([&] { return self.index->stats(); }));
      });
}

}  // namespace springg::bindings
