package eventloop

import (
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"
)

// Somebody says three words, one each millisecond, and closes the connection.
// The loop prints them when they come.
func Example() {
	loop, err := New() // eventloop.New, for a program
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()

	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	ours, theirs := ends[0], ends[1]
	unix.SetNonblock(ours, true)

	buf := make([]byte, 16)
	err = loop.Add(ours, func() error {
		n, err := unix.Read(ours, buf)
		if n <= 0 { // the end, or an error: not the loop's business
			fmt.Println("no more:", err)
			loop.Stop()
			return loop.Remove(ours) // which closes it, once this turn is over
		}
		fmt.Printf("read %q\n", buf[:n])
		return nil // if there is more, it is reported again
	})
	if err != nil {
		log.Fatal(err)
	}

	words := []string{"one", "two", "three"}
	var clock *Timer
	clock = loop.Every(time.Millisecond, func() {
		if len(words) == 0 {
			clock.Stop()
			loop.Remove(theirs)
			return
		}
		unix.Write(theirs, []byte(words[0]))
		words = words[1:]
	})

	if err := loop.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// read "one"
	// read "two"
	// read "three"
	// no more: <nil>
}
