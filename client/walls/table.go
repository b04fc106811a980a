package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A table is the raw data of one wall. Pictures and plots are made from it
// alone, so that they can be made again from the file.
type table struct {
	machine string // where and when it was measured
	columns []string
	rows    [][]string
}

func newTable(columns ...string) *table { return &table{columns: columns} }

// add appends a row. Numbers keep five digits: more is noise.
func (t *table) add(values ...any) {
	var row []string
	for _, v := range values {
		if f, ok := v.(float64); ok {
			v = strconv.FormatFloat(f, 'g', 5, 64)
			if f >= 1e5 {
				v = strconv.FormatFloat(f, 'f', 0, 64)
			}
		}
		row = append(row, fmt.Sprint(v))
	}
	t.rows = append(t.rows, row)
}

func (t *table) text(row int, column string) string {
	return t.rows[row][slices.Index(t.columns, column)]
}

// number returns 0 for what is no number.
func (t *table) number(row int, column string) float64 {
	n, _ := strconv.ParseFloat(t.text(row, column), 64)
	return n
}

// numbers returns a whole column.
func (t *table) numbers(column string) (all []float64) {
	for i := range t.rows {
		all = append(all, t.number(i, column))
	}
	return all
}

// where returns the rows that have the value in the column.
func (t *table) where(column, value string) *table {
	part := &table{machine: t.machine, columns: t.columns}
	for i := range t.rows {
		if t.text(i, column) == value {
			part.rows = append(part.rows, t.rows[i])
		}
	}
	return part
}

// distinct returns the values of a column in the order in which they come.
func (t *table) distinct(column string) (values []string) {
	for i := range t.rows {
		if v := t.text(i, column); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// write writes CSV; the machine stands above it, in a comment.
func (t *table) write(w io.Writer) error {
	fmt.Fprintf(w, "# %s\n", t.machine)
	out := csv.NewWriter(w)
	out.Write(t.columns)
	out.WriteAll(t.rows)
	return out.Error()
}

// readTable reads what write wrote, and checks that it has the columns.
func readTable(path string, columns []string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	machine, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(machine, "# ") {
		return nil, fmt.Errorf("%s: the first line is not a comment with the machine", path)
	}
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) < 2 || !slices.Equal(rows[0], columns) {
		return nil, fmt.Errorf("%s: no rows with the columns %s", path, strings.Join(columns, ", "))
	}
	return &table{machine: strings.TrimSpace(machine[2:]), columns: rows[0], rows: rows[1:]}, nil
}
