// SPDX-License-Identifier: MIT

// make_fixtures writes the files of this folder as the Go Springg writes them, after the description
// of its formats: encoding/binary, encoding/json, bufio.Scanner. It knows nothing of springg.
//
//	go run make_fixtures.go write .        the files of this folder
//	go run make_fixtures.go show NAME.bin  what the Go program would load, as JSON lines
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

type metadata struct {
	PublishedDate string                 `json:"published_date,omitempty"`
	ModifiedDate  string                 `json:"modified_date,omitempty"`
	Custom        map[string]interface{} `json:"custom,omitempty"`
}

type entry struct {
	Op       string    `json:"op"`
	ID       string    `json:"id"`
	Vector   []float32 `json:"vector,omitempty"`
	Metadata *metadata `json:"metadata,omitempty"`
}

type index struct {
	path     string // without an ending
	dim      int
	vectors  map[string][]float32
	metadata map[string]*metadata
	wal      *os.File
	limit    int64 // bytes of the log after which the process is killed in the middle of a write
}

var errKilled = errors.New("killed")

func create(path string, dim int) *index {
	x := &index{path: path, dim: dim, vectors: map[string][]float32{}, metadata: map[string]*metadata{}}
	x.wal = must(os.OpenFile(path+".wal", os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o644))
	return x
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func normalize(v []float32) []float32 {
	var norm float32
	for _, x := range v {
		norm += float32(x * x)
	}
	norm = float32(math.Sqrt(float64(norm)))
	out := append([]float32(nil), v...)
	if norm < 1e-10 {
		return out
	}
	for i := range out {
		out[i] /= norm
	}
	return out
}

func (x *index) log(e entry) error {
	line := append(must(json.Marshal(e)), '\n')
	if x.limit > 0 {
		room := x.limit - must(x.wal.Stat()).Size()
		if int64(len(line)) > room {
			must(x.wal.Write(line[:room]))
			return errKilled
		}
	}
	_, err := x.wal.Write(line)
	return err
}

func (x *index) put(op, id string, v []float32, m *metadata) error {
	if len(v) != x.dim {
		return fmt.Errorf("vector dimension mismatch: expected %d, got %d", x.dim, len(v))
	}
	if op == "add" {
		v = normalize(v)
	}
	if err := x.log(entry{op, id, v, m}); err != nil {
		return err
	}
	x.vectors[id] = v
	delete(x.metadata, id)
	if m != nil {
		x.metadata[id] = m
	}
	return nil
}

func (x *index) remove(id string) error {
	if _, there := x.vectors[id]; !there {
		return errors.New("vector ID not found")
	}
	if err := x.log(entry{Op: "delete", ID: id}); err != nil {
		return err
	}
	delete(x.vectors, id)
	delete(x.metadata, id)
	return nil
}

func (x *index) ids() []string {
	ids := []string{}
	for id := range x.vectors {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// save writes .bin.tmp and .meta.tmp and renames them; stop ends it before that step.
func (x *index) save(stop string) {
	file := must(os.Create(x.path + ".bin.tmp"))
	out := bufio.NewWriter(file)
	out.WriteString("SPRINGG1")
	for _, field := range []uint32{1, uint32(x.dim), uint32(len(x.vectors))} {
		check(binary.Write(out, binary.LittleEndian, field))
	}
	out.Write(make([]byte, 12))
	for _, id := range x.ids() {
		check(binary.Write(out, binary.LittleEndian, uint32(len(id))))
		out.WriteString(id)
		check(binary.Write(out, binary.LittleEndian, x.vectors[id]))
	}
	check(out.Flush())
	check(file.Close())
	if len(x.metadata) > 0 {
		check(os.WriteFile(x.path+".meta.tmp", must(json.MarshalIndent(x.metadata, "", "  ")), 0o644))
	}
	if stop == "renames" {
		return
	}
	check(os.Rename(x.path+".bin.tmp", x.path+".bin"))
	if stop == "second rename" {
		return
	}
	if len(x.metadata) > 0 {
		check(os.Rename(x.path+".meta.tmp", x.path+".meta"))
	} else {
		os.Remove(x.path + ".meta")
	}
	if stop == "emptying" {
		return
	}
	check(x.wal.Truncate(0))
}

// load reads the files and, with a limit, replays the log into itself until it is killed.
func load(path string, limit int64) (*index, error) {
	data, err := os.ReadFile(path + ".bin")
	if err != nil {
		return nil, err
	}
	if len(data) < 32 || string(data[:8]) != "SPRINGG1" {
		return nil, errors.New("bad magic")
	}
	x := &index{path: path, vectors: map[string][]float32{}, metadata: map[string]*metadata{}, limit: limit}
	in := bytes.NewReader(data[12:])
	var head struct {
		Dim, Count uint32
		Reserved   [12]byte
	}
	check(binary.Read(in, binary.LittleEndian, &head))
	x.dim = int(head.Dim)
	for i := uint32(0); i < head.Count; i++ {
		var size uint32
		if err := binary.Read(in, binary.LittleEndian, &size); err != nil {
			return nil, err
		}
		id := make([]byte, size)
		v := make([]float32, head.Dim)
		if _, err := io.ReadFull(in, id); err != nil {
			return nil, err
		}
		if err := binary.Read(in, binary.LittleEndian, v); err != nil {
			return nil, err
		}
		x.vectors[string(id)] = v
	}
	if text, err := os.ReadFile(path + ".meta"); err == nil {
		if json.Unmarshal(text, &x.metadata) != nil {
			x.metadata = map[string]*metadata{}
		}
	}
	if limit == 0 {
		return x, nil
	}
	x.wal = must(os.OpenFile(path+".wal", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644))
	file := must(os.Open(path + ".wal"))
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		switch e.Op {
		case "add", "update":
			err = x.put("add", e.ID, e.Vector, e.Metadata)
		case "delete":
			err = x.remove(e.ID)
		}
		if errors.Is(err, errKilled) {
			return x, err
		}
	}
	return x, lines.Err()
}

// hashes are those of the manifest's blocks.
func (x *index) hashes() []string {
	found := []string{}
	sum := sha256.New()
	for i, id := range x.ids() {
		if i > 0 && i%1000 == 0 {
			found = append(found, hex.EncodeToString(sum.Sum(nil)))
			sum.Reset()
		}
		sum.Write([]byte(id))
		check(binary.Write(sum, binary.LittleEndian, x.vectors[id]))
		if m := x.metadata[id]; m != nil {
			sum.Write(must(json.Marshal(m)))
		}
	}
	return append(found, hex.EncodeToString(sum.Sum(nil)))
}

func object(text string) *metadata {
	m := &metadata{}
	check(json.Unmarshal([]byte(text), m))
	return m
}

const metadataM = `{"published_date":"2024-01-15","modified_date":"","custom":{"z":1e21,"y":0.000001,"x":1e-7,
"n":100,"big":12345678901234567890,"f":1.0,"t":"<b>&'\"\\/","u":"\u2028é日😀","c":"\b\f\n\r\t\u0001\u007f",
"nul":null,"yes":true,"arr":[1,"a",{"z":1,"a":2.5}],"e":{},"":"empty key"}}`

func write(folder string) {
	at := func(name string) string { return filepath.Join(folder, name) }
	g := create(at("g1"), 3)
	check(g.put("add", "a", []float32{1, 2, 2}, nil))
	g.save("")
	check(g.put("update", "a", []float32{3, 0, 4}, nil))
	g.path = at("g5")
	g.save("")
	for name, m := range map[string]string{"g2": "{}", "g3": metadataM} {
		g = create(at(name), 3)
		check(g.put("add", "a", []float32{1, 2, 2}, object(m)))
		g.save("")
	}
	g = create(at("g4"), 3)
	check(g.put("add", "b", []float32{0, 3, 4}, nil))
	check(g.put("add", "a", []float32{1, 2, 2}, nil))
	check(g.put("add", "B", []float32{3, 0, 4}, object(`{"modified_date":"m"}`)))
	check(g.put("add", "é", []float32{0, 0, 0}, nil))
	check(g.put("add", "aa", []float32{-1, 0.1, 1e-20}, object(`{"custom":{}}`)))
	g.save("")

	for _, name := range []string{"logged", "doubled", "runaway", "restarted", "renames", "half_renamed", "not_emptied"} {
		x := create(at(name), 3)
		check(x.put("add", "kept", []float32{1, 2, 3}, object(`{"published_date":"old"}`)))
		check(x.put("add", "gone", []float32{3, 2, 1}, object(`{"custom":{"n":1}}`)))
		x.save("")
		check(x.put("add", "new", []float32{5, 1, 3}, object(`{"custom":{"t":"first"}}`)))
		check(x.put("add", "short", []float32{1, 1, 7}, nil))
		check(x.put("update", "kept", []float32{3, 0, 4}, object(`{"modified_date":"<new>"}`)))
		check(x.put("add", "new", []float32{5, 1, 4}, object(`{"custom":{"t":"second","z":-0.0}}`)))
		check(x.remove("short"))
		check(x.remove("gone"))
		size := must(x.wal.Stat()).Size()
		replay := func(limit int64) {
			if _, err := load(at(name), limit); err == nil || !errors.Is(err, errKilled) {
				panic(fmt.Sprint("the replay ended: ", err))
			}
		}
		switch name {
		case "doubled": // one whole pass, and the first line of the next, cut
			replay(2*size + 20)
		case "runaway":
			replay(9*size + size/2)
		case "restarted": // stopped in its second pass, and again
			replay(2*size + size/2)
			replay(5*size + size/3)
		case "renames":
			x.save("renames")
		case "half_renamed":
			x.save("second rename")
		case "not_emptied":
			x.save("emptying")
		}
	}
	// What is empty here is there for every index of the program.
	for _, name := range must(filepath.Glob(at("*.wal"))) {
		if must(os.Stat(name)).Size() == 0 && !strings.HasSuffix(name, "g2.wal") {
			check(os.Remove(name))
		}
	}
}

func show(path string) {
	x := must(load(strings.TrimSuffix(path, ".bin"), 0))
	for _, id := range x.ids() {
		bits := []string{}
		for _, e := range x.vectors[id] {
			bits = append(bits, fmt.Sprintf("%08x", math.Float32bits(e)))
		}
		fmt.Println(string(must(json.Marshal(map[string]interface{}{
			"id": id, "bits": strings.Join(bits, " "), "metadata": x.metadata[id]}))))
	}
	fmt.Println(strings.Join(x.hashes(), "\n"))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "write" {
		write(os.Args[2])
	} else if len(os.Args) == 3 && os.Args[1] == "show" {
		show(os.Args[2])
	} else {
		fmt.Fprintln(os.Stderr, "usage: make_fixtures write FOLDER | show NAME.bin")
		os.Exit(2)
	}
}
