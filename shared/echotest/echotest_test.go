package echotest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example/tcpladder/shared/proc"
)

func TestStream(t *testing.T) {
	s := newStream(Promises{Framed: true}, 1, sized(6), 25) // three frames of 10 bytes
	for _, c := range []struct{ offset, boundary, next int64 }{
		{0, 0, 10}, {9, 0, 10}, {10, 10, 20}, {29, 20, 30}, {30, 30, 40}, {75, 70, 80},
	} {
		if b, n := s.boundary(c.offset), s.next(c.offset); b != c.boundary || n != c.next {
			t.Errorf("at %d: boundary %d, next %d; want %d, %d", c.offset, b, n, c.boundary, c.next)
		}
	}
	got := append(append([]byte{}, s.block[25:]...), s.block[:15]...)
	if i := s.differ(25, got); i != -1 {
		t.Errorf("equal bytes differ at %d", i)
	}
	got[7]++
	if i := s.differ(25, got); i != 7 {
		t.Errorf("differ = %d, want 7", i)
	}
}

var (
	bytesPromises  = Promises{Concurrent: true, Sleeps: true}
	framesPromises = Promises{Concurrent: true, Sleeps: true, Framed: true}
	alonePromises  = Promises{Sleeps: true}
)

// referenceWith is the reference server with a fault, or none.
func referenceWith(t *testing.T, p Promises, fault string) *Target {
	target, err := Self(p)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case p.Framed:
		return target.WithFlags("-framed", "-fault", fault)
	case !p.Concurrent:
		return target.WithFlags("-alone", "-fault", fault)
	}
	return target.WithFlags("-fault", fault)
}

// checkNamed finds a check of the promises p.
func checkNamed(t *testing.T, p Promises, name string) Check {
	list := Checks(p)
	i := slices.IndexFunc(list, func(c Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no check %s of %+v", name, p)
	}
	return list[i]
}

// TestHonest: a server that is built in another way keeps the promises too, those
// that are examined by address; in a long run also those that the faults break, and
// those of one client at a time.
func TestHonest(t *testing.T) {
	seen := map[string]bool{} // a short run makes each check once
	for _, reference := range []struct {
		name string
		p    Promises
	}{{"frames", framesPromises}, {"bytes", bytesPromises}, {"alone", alonePromises}} {
		name, p := reference.name, reference.p
		target := referenceWith(t, p, "")
		for _, c := range Checks(p) {
			if seen[c.Name] && !LongRun() {
				continue
			}
			seen[c.Name] = true
			broken := func(f faulty) bool { return f.promises == p && slices.Contains(strings.Fields(f.noticed), c.Name) }
			if !LongRun() && (!c.OnWire || !p.Concurrent) || !c.OnWire && !slices.ContainsFunc(faults, broken) {
				continue
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				// The server is our own, and quick: only what measures has to be alone.
				if !c.Alone || !c.Measures && c.Name != "empty-frames" {
					t.Parallel()
				}
				if err := made(t, c.Run(target)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// made skips a test whose check could not be made here, and gives err otherwise.
func made(t *testing.T, err error) error {
	if reason, skipped := Skipped(err); skipped {
		t.Skip(reason)
	}
	return err
}

// A faulty server breaks a promise; each of the checks named has to notice. In a
// short run the first of them does, unless that takes long.
type faulty struct {
	promises Promises
	fault    string
	noticed  string
	long     bool
}

// TestFaulty: a fault is noticed by each check that looks for it, and told in
// full. So a check that looks no more is noticed as well.
func TestFaulty(t *testing.T) {
	was := patience
	patience = time.Second // nothing that is waited for will come
	t.Cleanup(func() { patience = was })
	for _, f := range faults {
		for i, name := range strings.Fields(f.noticed) {
			t.Run(f.fault+"/"+name, func(t *testing.T) {
				t.Parallel()
				if !LongRun() && (i > 0 || f.long) {
					t.Skip("set TCPLADDER_LONG=1")
				}
				check := checkNamed(t, f.promises, name)
				if check.Measures && proc.RaceEnabled {
					t.Skip("CPU and memory are not judged with the race detector")
				}
				err := made(t, check.Run(referenceWith(t, f.promises, f.fault)))
				var failure *Failure
				if !errors.As(err, &failure) {
					t.Fatalf("%v, want a Failure", err)
				}
				if failure.Want == "" || failure.Got == "" || failure.Cause == "" || !strings.HasPrefix(failure.Chapter, "docs/0") {
					t.Errorf("the failure does not tell everything:\n%v", err)
				}
			})
		}
	}
}

// TestNoWall: a server without a rung's wall is not that rung.
func TestNoWall(t *testing.T) {
	was := patience
	patience = time.Second
	t.Cleanup(func() { patience = was })
	for name, p := range map[string]Promises{"wall-one-at-a-time": alonePromises, "wall-burns-cpu": {Concurrent: true}} {
		err := made(t, checkNamed(t, p, name).Run(referenceWith(t, bytesPromises, "").Promising(p)))
		var failure *Failure
		if !errors.As(err, &failure) {
			t.Errorf("%s: %v, want a Failure", name, err)
		}
	}
}

// TestChecks: names are the names of subtests, and every check says why it is there.
func TestChecks(t *testing.T) {
	for _, p := range []Promises{{}, {Sleeps: true}, {Concurrent: true}, bytesPromises, framesPromises} {
		seen := map[string]bool{}
		for _, c := range Checks(p) {
			if seen[c.Name] || strings.ContainsAny(c.Name, " /_") {
				t.Errorf("%+v: the name %q is used twice or is not a subtest's name", p, c.Name)
			}
			seen[c.Name] = true
			if c.Promise == "" || c.Cause == "" || c.Chapter == "" || c.Proof == nil {
				t.Errorf("%s: promise, cause, chapter or function is missing", c.Name)
			}
		}
	}
}
