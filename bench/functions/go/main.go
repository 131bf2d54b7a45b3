// The bench's function in Go, over net/http as a client library would do it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		next, err := http.Get(base + "next")
		if err != nil {
			panic(err)
		}
		var event struct {
			N       int `json:"n"`
			SleepMs int `json:"sleep_ms"`
		}
		if err := json.NewDecoder(next.Body).Decode(&event); err != nil {
			panic(err)
		}
		io.Copy(io.Discard, next.Body)
		next.Body.Close()
		time.Sleep(time.Duration(event.SleepMs) * time.Millisecond)
		answer := bytes.NewBufferString(fmt.Sprintf(`{"answer":%d}`, event.N+1))
		done, err := http.Post(base+next.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "application/json", answer)
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, done.Body)
		done.Body.Close()
	}
}
