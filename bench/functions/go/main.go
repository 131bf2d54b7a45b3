// The bench's function in Go. As the other languages' bootstraps it speaks the Runtime API on one bare connection; the
// response and the next request leave in one write.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
)

const next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"

type event struct {
	N       int `json:"n"`
	SleepMs int `json:"sleep_ms"`
}

func handle(e event) string {
	time.Sleep(time.Duration(e.SleepMs) * time.Millisecond)
	return fmt.Sprintf(`{"answer":%d}`, e.N+1)
}

// receive returns the next answer's invocation id, which is empty for the acknowledgement of a response, and its body.
func receive(in *bufio.Reader) (string, []byte) {
	text := textproto.NewReader(in)
	if line, err := text.ReadLine(); err != nil || !strings.HasPrefix(line, "HTTP/1.1 20") {
		panic(fmt.Sprint(line, err))
	}
	head, err := text.ReadMIMEHeader()
	if err != nil {
		panic(err)
	}
	length, _ := strconv.Atoi(head.Get("Content-Length"))
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		panic(err)
	}
	return head.Get("Lambda-Runtime-Aws-Request-Id"), body
}

func main() {
	connection, err := net.Dial("tcp", os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	if err != nil {
		panic(err)
	}
	in := bufio.NewReader(connection)
	io.WriteString(connection, next)
	for {
		id, body := receive(in)
		if id == "" {
			continue
		}
		var e event
		if err := json.Unmarshal(body, &e); err != nil {
			panic(err)
		}
		answer := handle(e)
		fmt.Fprintf(connection, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Length: %d\r\n\r\n%s%s",
			id, len(answer), answer, next)
	}
}
