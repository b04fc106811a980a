package main

import (
	"fmt"
	"text/tabwriter"
)

// A tally is a row of the table.
type tally struct {
	mutants, equivalent, caught, survivors int
}

// report prints the survivors and the table.
func (s *session) report() (clean bool) {
	rows := map[string]*tally{}
	for _, m := range s.modules {
		rows[m.name] = &tally{}
	}
	judged := s.chosen
	if s.n == 0 && !s.survivors {
		judged = s.mutants // with those that are listed
	}
	clean = true
	for _, m := range judged {
		if !s.count(rows[m.module], m) {
			clean = false
		}
	}
	for _, line := range s.known.stale(len(s.modules) == len(modules)) {
		clean = false
		fmt.Fprintln(s.out, line)
	}
	s.table(rows)
	return clean
}

// count adds a mutant to its row. One that survived, and is not listed, it prints.
func (s *session) count(row *tally, m *mutant) (clean bool) {
	row.mutants++
	known, verdict := s.known.find(m), s.verdicts[m]
	switch {
	case known != nil && known.harmless || verdict.Status == equivalent:
		row.equivalent++
	case known != nil:
		row.survivors++
	case verdict.Status == caught:
		row.caught++
	case verdict.Status == timedOut:
		row.survivors++
		fmt.Fprintf(s.out, "timed out: %v\n", m)
		return false
	default:
		row.survivors++
		fmt.Fprintln(s.out, m)
		return false
	}
	return true
}

// table prints what became of the mutants of each module.
func (s *session) table(rows map[string]*tally) {
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "module\tmutants\tequivalent\tcaught\t%\tsurvivors\t")
	for _, m := range s.modules {
		row := rows[m.name]
		share := "-"
		if n := row.mutants - row.equivalent; n > 0 {
			share = fmt.Sprintf("%.1f", 100*float64(row.caught)/float64(n))
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%d\t\n", m.name, row.mutants, row.equivalent, row.caught, share, row.survivors)
	}
	t.Flush()
}
