// Goroutines, timers, garbage; answers "ping", "check" and "pid".
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

var ticks, calls int64

func check() string {
	var wrong []string
	before := atomic.LoadInt64(&ticks)
	answers := make(chan int)
	for i := 0; i < 8; i++ {
		go func(n int) {
			junk := make([][]byte, 50)
			for k := range junk {
				junk[k] = bytes.Repeat([]byte{byte(n)}, 50000)
			}
			answers <- int(junk[49][49999])
		}(i)
	}
	sum := 0
	for i := 0; i < 8; i++ {
		sum += <-answers
	}
	if sum != 28 {
		wrong = append(wrong, "goroutines")
	}
	runtime.GC()
	for i := 0; i < 500 && atomic.LoadInt64(&ticks) == before; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if atomic.LoadInt64(&ticks) == before {
		wrong = append(wrong, "ticker")
	}
	if out, err := exec.Command("/bin/echo", "child").Output(); err != nil || string(out) != "child\n" {
		wrong = append(wrong, "no child")
	}
	if len(wrong) > 0 {
		return strings.Join(wrong, ";")
	}
	return "fine"
}

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			atomic.AddInt64(&ticks, 1)
		}
	}()
	for {
		response, err := http.Get(base + "next")
		if err != nil {
			os.Exit(0)
		}
		event, _ := io.ReadAll(response.Body)
		response.Body.Close()
		said := fmt.Sprintf("pong-%d", calls)
		if string(event) == "check" {
			said = check()
		} else if string(event) == "pid" {
			said = fmt.Sprint(os.Getpid())
		}
		calls++
		response, err = http.Post(base+"r1/response", "text/plain", strings.NewReader(said))
		if err != nil {
			os.Exit(0)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
