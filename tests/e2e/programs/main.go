// The contract of plain.py, over net/http as the official client does it; goroutines wait when the image is taken.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"time"
)

type event struct {
	N          int
	S          float64
	Gc, Exit   bool
}

func main() {
	token := make([]byte, 8)
	rand.Read(token)
	loaded := fmt.Sprintf("%x", token)
	table := map[int]string{}
	for i := 0; i < 20000; i++ {
		table[i] = fmt.Sprint(i, i)
	}
	work, done := make(chan int), make(chan int)
	ticks := time.NewTicker(5 * time.Millisecond)
	go func() {
		for n := range work {
			done <- 2 * n
		}
	}()
	go func() {
		for range ticks.C {
		}
	}()
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	var kept [][]byte
	for calls := 1; ; calls++ {
		r, err := http.Get(base + "next")
		if err != nil {
			panic(err)
		}
		var e event
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if err := json.Unmarshal(body, &e); err != nil {
			panic(err)
		}
		if e.Exit {
			os.Exit(3)
		}
		time.Sleep(time.Duration(e.S * float64(time.Second)))
		for i := 0; i < 20; i++ {
			kept = append(kept, make([]byte, 10000+e.N%1000))
		}
		if len(kept) > 200 {
			kept = kept[len(kept)-100:]
		}
		if e.Gc {
			runtime.GC()
		}
		work <- e.N
		if table[e.N%20000] != fmt.Sprint(e.N%20000, e.N%20000) {
			panic("lost data")
		}
		answer, _ := json.Marshal(map[string]any{"n": e.N, "twice": <-done, "loaded": loaded, "calls": calls})
		p, err := http.Post(base+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", bytes.NewReader(answer))
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, p.Body)
		p.Body.Close()
	}
}
