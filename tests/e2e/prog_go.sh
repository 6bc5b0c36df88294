#!/bin/bash
# A Go program: static, its own system calls, many threads. Built in the box too.
. "$(dirname "$0")/lib.sh"
need go golang-go

setup_go() {
	mkdir src
	printf 'module moo\n\ngo 1.18\n' >src/go.mod
	cat >src/main.go <<'END'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"sync"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("child", os.Args[1])
		os.Exit(4)
	}
	os.MkdirAll("out/deep/er", 0755)
	var wg sync.WaitGroup
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			name := fmt.Sprintf("out/f%02d", i)
			if err := os.WriteFile(name+".tmp", []byte(name), 0644); err != nil {
				fmt.Println(err)
			}
			if err := os.Rename(name+".tmp", name); err != nil {
				fmt.Println(err)
			}
			if i%2 == 0 {
				os.Remove(name)
			}
		}(i)
	}
	wg.Wait()
	names, _ := filepath.Glob("out/*")
	sort.Strings(names)
	fmt.Println(len(names), names[0])
	f, _ := os.OpenFile("given", os.O_APPEND|os.O_WRONLY, 0)
	fmt.Fprintln(f, "from go")
	f.Close()
	data, err := os.ReadFile("given")
	fmt.Printf("%q %v\n", data, err)
	_, err = os.Stat("missing")
	fmt.Println(err, os.Remove("out"))
	exe, _ := os.Executable()
	fmt.Println(filepath.Base(exe))
	c := exec.Command(exe, "arg")
	c.Stdout = os.Stdout
	fmt.Println(c.Run())
	wd, err := os.Getwd()
	fmt.Println(wd, err, os.Chdir("out/deep"))
	wd, _ = os.Getwd()
	fmt.Println(wd)
}
END
	echo given >given
	go_build src
}
go_build() { (cd "$1" && GOCACHE=$TMPDIR/gocache GOPATH=$TMPDIR/gopath GOFLAGS=-trimpath GOTOOLCHAIN=local CGO_ENABLED=0 go build -o ../prog .); }
cmd_run() { ./prog; }
cmd_build() { rm prog && sed -i 's/from go/from box/' src/main.go && go_build src && ./prog && go version; }

SEAL_FLAGS="-e tmp/*"
both run setup_go cmd_run
LIMIT=400
both build setup_go cmd_build
finish
